Feature: health checks

  @HEALTH-01
  Scenario: the weights of a loaded model are resident
    Given a loaded model
    When the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host generates 4 tokens
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-01
  Scenario: the weights stay resident beside a second model and after many jobs
    Given a loaded model
    When the host runs 40 rounds of: job
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_load_model as "second"
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-01 @HEALTH-02
  Scenario: a second model is resident, and the device healthy, while the first has a job
    Given a loaded model
    And a second model, if the library takes one
    When the host calls cuda_inference_start
    And the host takes 2 tokens
    And the host calls cuda_check_vram_residency with model = second
    Then the call returns true with CUDA_SUCCESS [HEALTH-01]
    When the host calls cuda_load_model as "third"
    And the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS [HEALTH-02]

  @HEALTH-01
  Scenario: the weights are resident when a job has ended, and after it was freed
    Given an open job with max_tokens = 3
    When the host takes the rest
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_inference_free
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-02
  Scenario: a device is healthy when the last model is gone
    Given a loaded model
    When the host calls cuda_unload_model
    And the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-02
  Scenario: the second device is healthy as well
    Given a second device
    And a context on device 1
    When the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-02
  Scenario: a device stays healthy through many jobs and loads
    Given a context
    When the host runs 40 rounds of: load, job on the loaded model, unload
    And the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-02
  Scenario: a working device is healthy
    Given a context
    When the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_load_model
    And the host generates 4 tokens
    And the host calls cuda_check_device_health 3 times
    Then the call returns true with CUDA_SUCCESS

  @HEALTH-03
  Scenario Outline: checks in the middle of a job change nothing
    Given a loaded model
    When the host generates 16 tokens with temperature = <temperature>, seed = 11 as "alone"
    And the host calls cuda_inference_start with temperature = <temperature>, seed = 11
    And the host takes 4 tokens as "head"
    And the host calls cuda_check_vram_residency
    And the host calls cuda_check_device_health
    And the host calls cuda_get_vram_usage
    And the host calls cuda_get_process_vram_usage
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail"

    Examples:
      | temperature |
      | 0.0         |
      | 1.4         |

  @HEALTH-03
  Scenario: checks between a refused buffer and the next call change nothing
    Given a loaded model
    When the host generates 16 tokens as "roomy"
    And the host generates the same tokens with buffers one byte too small, then exactly large enough
    Then checks between a refusal and the next call change nothing
