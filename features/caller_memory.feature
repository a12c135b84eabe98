Feature: the caller's memory
  Buffers end at pages that may not be touched, out-parameters lie between canaries, inputs are read-only and end
  at such a page, and all of it is taken away when the call returns. This holds in every scenario.

  @MEM-01
  Scenario: nothing is written outside buffers of any size
    Given a loaded model
    When the host takes the tokens of jobs with buffers of every size from 1 to 40 bytes
    Then nothing outside a buffer was written

  @MEM-01
  Scenario: nothing is written outside buffers of further sizes, another one for each token
    Given a loaded model
    When the host takes the tokens of one job with buffers of 41 to 300, 511 to 513, 1023 to 1025 and 4095 to 4097 bytes
    Then nothing outside a buffer was written

  @MEM-01 @INF-09 @INF-10
  Scenario: tokens of up to 64 bytes fill buffers of just their size, and nothing behind
    Given a loaded model "tiny-llama-runs" of the suite's own
    When the host generates 100 tokens as "roomy"
    And the host generates the same tokens with buffers one byte too small, then exactly large enough
    Then nothing outside a buffer was written [MEM-01]
    And every too-small buffer is refused [INF-09]
    And every buffer that is exactly large enough is filled [INF-09]
    And nothing is lost by a refusal [INF-10]

  @MEM-02 @MEM-03 @MEM-04
  Scenario: out-parameters, prompts and paths in a whole conversation
    Given an open job with prompt = "Ends where its page ends"
    When the host takes the rest
    And the host calls cuda_inference_free
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host calls cuda_check_vram_residency
    And the host calls cuda_check_device_health
    Then nothing beside an out-parameter was written [MEM-02]
    And inputs were neither written nor read past their end [MEM-03]
    And no pointer was used after its call [MEM-04]

  @MEM-03
  Scenario Outline: prompts of every length end at the end of a page
    Given a loaded model
    When the host generates 2 tokens from a prompt of <length> bytes
    Then the text "text" ends cleanly

    Examples:
      | length |
      | 1      |
      | 2      |
      | 3      |
      | 7      |
      | 15     |
      | 16     |
      | 17     |
      | 31     |
      | 32     |
      | 33     |
      | 63     |
      | 64     |
      | 65     |
      | 127    |
      | 200    |
      | 255    |
      | 256    |

  @MEM-03
  Scenario: prompts and paths that begin where a page begins are not read before their first byte
    Given a process whose inputs begin behind a page that may not be touched
    And a loaded model
    When the host generates 4 tokens
    And the host calls cuda_load_model with model_path = missing-file as "none"
    Then inputs were read only from their first byte to their NUL

  @MEM-05
  Scenario Outline: host memory does not grow over 200 rounds
    Given <start>
    When the host runs 200 rounds of: <cycle>
    Then host memory does not grow

    Examples:
      | start          | cycle                                                               |
      | a context      | init, destroy                                                       |
      | a context      | load, unload                                                        |
      | a context      | init, load in own context, job on the loaded model, unload, destroy |
      | a loaded model | job                                                                 |
      | a loaded model | job freed midway                                                    |
      | a loaded model | refused load, refused start                                         |
      | a context      | refused init                                                        |
      | a context      | loads with one NULL                                                 |
      | a loaded model | starts with one NULL                                                |
      | a loaded model | refused start without error_code, refused load without error_code   |
      | a loaded model | sampled job                                                         |
      | a loaded model | checks, queries, messages                                           |
      | a loaded model | job longer than the context                                         |
      | a loaded model | job freed after a refusal, job freed with a token pending           |
      | a context      | refused loads of every kind                                         |

  @MEM-05
  Scenario: host memory does not grow over 200 rounds on the second device
    Given a second device
    When the host runs 200 rounds of: init on device 1, load in own context, job on the loaded model, unload, destroy
    Then host memory does not grow
