Feature: process hygiene
  Output and changes of the process are judged after every call of every scenario; here the whole state of the
  process is compared after every single call, so that the call is named.

  @PROC-01 @PROC-02
  Scenario: a whole conversation leaves the process as it was
    Given a process that is watched after every call
    And a loaded model
    When the host generates 8 tokens
    And the host calls cuda_check_vram_residency
    And the host calls cuda_check_device_health
    And the host calls cuda_get_vram_usage
    And the host calls cuda_get_process_vram_usage
    And the host asks for every message
    And the host calls cuda_unload_model
    And the host calls cuda_destroy
    Then nothing was printed [PROC-01]
    And the process is as it was [PROC-02]

  @PROC-01 @PROC-02
  Scenario: refusals leave the process as it was
    Given a process that is watched after every call
    And a loaded model
    When the host calls cuda_init with gpu_device = -1 as "none"
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host calls cuda_load_model with model_path = wrong-magic-ggml as "none"
    And the host calls cuda_load_model with model_path = NULL as "none"
    And the host calls cuda_inference_start with max_tokens = 0 as "none"
    And the host calls cuda_inference_start with temperature = NaN as "none"
    Then nothing was printed [PROC-01]
    And the process is as it was [PROC-02]

  @PROC-03
  Scenario Outline: no descriptor is leaked
    Given a loaded model
    When the host runs 40 rounds of: <cycle>
    Then the number of open descriptors does not grow

    Examples:
      | cycle                                                                |
      | init, load in own context, job on the loaded model, unload, destroy  |
      | refused loads of every kind                                          |
      | refused loads of every kind without error_code                       |
      | refused init, refused load, refused start                            |
      | job, job freed midway                                                |
      | checks, queries, messages                                            |
