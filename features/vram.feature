Feature: VRAM accounting

  @VRAM-01
  Scenario: both names of the model's usage agree at every moment
    Given a loaded model
    When the host compares the model's two usage figures before, during and after a job
    Then they agree every time

  @VRAM-01
  Scenario: both names of the model's usage agree while two jobs are open
    Given a loaded model
    When the host calls cuda_inference_start as "first"
    And the host takes 2 tokens of job "first" as "head"
    And the host calls cuda_inference_start with prompt = "Something else" as "second"
    And the host takes 2 tokens of job "second", if it started
    And the host calls cuda_get_vram_usage
    And the host calls cuda_model_get_vram_usage
    And the host calls cuda_get_vram_usage
    Then they agree every time

  @VRAM-02
  Scenario: a model at rest uses the same after the largest of jobs
    Given a loaded model
    When the host generates 4 tokens
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "before"
    And the host calls cuda_inference_start with max_tokens = 2048 as "largest"
    And the host takes 3 tokens of job "largest", if it started
    And the host frees job "largest", if it started
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "after"
    Then the answers "before" and "after" are the same

  @VRAM-02
  Scenario: a model at rest uses the same all the time
    Given a loaded model
    When the host generates 4 tokens
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "before"
    And the host calls cuda_check_device_health
    And the host calls cuda_check_vram_residency
    And the host generates 12 tokens from "Something longer than before"
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "after"
    Then the answers "before" and "after" are the same

  @VRAM-02
  Scenario: asking changes nothing
    Given a loaded model
    When the host calls cuda_get_vram_usage
    And the host notes the answer as "first"
    And the host calls cuda_get_vram_usage 120 times
    And the host calls cuda_model_get_vram_usage 120 times
    And the host notes the answer as "last"
    Then the answers "first" and "last" are the same

  @VRAM-02
  Scenario: a second model beside it changes nothing in what a model at rest uses
    Given a loaded model "one"
    When the host calls cuda_get_vram_usage with model = one
    And the host notes the answer as "alone"
    And the host calls cuda_load_model as "second"
    And the host calls cuda_get_vram_usage with model = one
    And the host notes the answer as "beside"
    Then the answers "alone" and "beside" are the same

  @VRAM-02
  Scenario: checks of a model and its device change nothing in what it uses
    Given a loaded model
    When the host calls cuda_get_vram_usage
    And the host notes the answer as "before"
    And the host calls cuda_check_vram_residency
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "residency"
    And the host calls cuda_check_device_health
    And the host calls cuda_model_get_vram_usage
    And the host notes the answer as "health"
    Then the answers "before" and "residency" are the same
    And the answers "before" and "health" are the same

  @VRAM-03
  Scenario: the process uses at least what its model uses
    Given a loaded model
    When the host calls cuda_get_vram_usage
    And the host notes the answer as "model"
    And the host calls cuda_get_process_vram_usage
    And the host notes the answer as "process"
    Then the answer "process" is at least the answer "model"

  @VRAM-03
  Scenario: the process uses at least what two models use together
    Given a loaded model "one"
    And a second model, if the library takes one
    When the host compares process usage with the sum of models "one" and "second"
    Then the process uses at least the sum

  @VRAM-03
  Scenario: the process uses at least what a model with an open job uses
    Given an open job
    When the host takes 3 tokens
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "model"
    And the host calls cuda_get_process_vram_usage
    And the host notes the answer as "process"
    Then the answer "process" is at least the answer "model"

  @VRAM-03
  Scenario: contexts that come and go beside it change nothing in what a context reports
    Given a loaded model "one" in context "A"
    When the host calls cuda_get_process_vram_usage with ctx = A
    And the host calls cuda_init as "B"
    And the host calls cuda_get_process_vram_usage with ctx = A
    And the host calls cuda_load_model with ctx = B as "two"
    And the host calls cuda_get_process_vram_usage with ctx = A
    And the host calls cuda_get_process_vram_usage with ctx = B
    And the host calls cuda_unload_model with model = two
    And the host calls cuda_get_process_vram_usage with ctx = A
    And the host calls cuda_destroy with ctx = B
    And the host calls cuda_get_process_vram_usage with ctx = A
    Then process usage covers the models every time

  @VRAM-04
  Scenario: whole lives of contexts, models and jobs leave nothing behind
    Given a context
    When the host runs 40 rounds of: init, load in own context, job on the loaded model, unload, destroy
    Then process VRAM usage does not grow

  @VRAM-04
  Scenario: contexts that have had two models leave nothing behind
    Given a context
    When the host runs 40 rounds of: init, two models in own context unloaded in turn, destroy
    Then process VRAM usage does not grow

  @VRAM-04
  Scenario: refusals leave nothing behind
    Given a loaded model
    When the host runs 40 rounds of: refused init, refused load, refused start, job freed after a refusal
    Then process VRAM usage does not grow
