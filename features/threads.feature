Feature: threads

  @THR-01
  Scenario: device count and messages from eight threads at once
    When 8 threads at once ask for the device count and for messages
    Then every thread gets what one thread alone gets

  @THR-01
  Scenario: eight threads make the first calls of a process
    When 8 threads at once, before anything else, ask for the device count and for messages, in each of 20 processes
    Then every thread gets what one thread alone gets

  @THR-02
  Scenario: usage queries and checks of one model from eight threads at once
    Given a loaded model
    When 8 threads at once query and check the model
    Then every thread gets what one thread alone gets

  @THR-03
  Scenario: one context a thread, jobs at once
    Given a device
    When 6 threads at once open a context, load and generate
    Then every thread gets what one thread alone gets

  @THR-03
  Scenario: one context a thread, loads at once of files that are there and of files that are not
    Given a device
    When 6 threads at once load a model or look for a missing one
    Then every thread gets what one thread alone gets

  @THR-04
  Scenario: a model made on one thread works on another
    Given a loaded model
    When the host generates 16 tokens as "here"
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "before"
    And another thread generates on the model as "there"
    Then the texts "here" and "there" are the same
    When the host calls cuda_get_vram_usage
    And the host notes the answer as "after"
    Then the answers "before" and "after" are the same

  @THR-04
  Scenario: a context made on one thread takes a model on another, which goes on a third
    Given a loaded model "model" in context "A"
    And a context
    When the host generates 16 tokens as "here"
    And another thread loads a model and generates as "there"
    Then the texts "here" and "there" are the same
    When another thread unloads that model and destroys the context
    Then the process goes on
    And a normal job works

  @THR-04
  Scenario: a job begun on one thread is finished on another
    Given a loaded model
    When the host generates 16 tokens as "alone"
    And the host calls cuda_inference_start
    And the host takes 5 tokens as "head"
    And another thread takes the rest of the job as "tail"
    Then the text "alone" is the text "head" and the text "tail"

  @THR-04
  Scenario Outline: a job goes on wherever its next token is asked for
    Given a loaded model
    When the host generates 48 tokens with temperature = <temperature>, seed = <seed> as "alone"
    And the host calls cuda_inference_start with max_tokens = 48, temperature = <temperature>, seed = <seed>
    And the host takes 48 tokens of the job, every other one on a thread of its own, as "moved"
    Then the texts "alone" and "moved" are the same

    Examples:
      | temperature | seed |
      | 0.0         | 1    |
      | 1.0         | 7    |
      | 2.0         | 8    |

  @THR-04
  Scenario: a model whose thread has ended goes on
    Given a model that a thread has loaded which has ended since
    When the host calls cuda_inference_start
    Then the call returns a handle with CUDA_SUCCESS
    When the host calls cuda_inference_free
    And the host generates 16 tokens as "here"
    And another thread generates on the model as "there"
    Then the texts "here" and "there" are the same

  @THR-04
  Scenario: jobs that are freed on another thread give their memory back
    Given a loaded model
    When the host runs 40 rounds of: job freed on another thread
    Then process VRAM usage does not grow

  @THR-04
  Scenario: models that are unloaded on another thread give their memory back
    Given a context
    When the host runs 40 rounds of: load, job on the loaded model, unload on another thread
    Then process VRAM usage does not grow
