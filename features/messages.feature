Feature: error messages
  cuda_error_message turns any int into a readable text that lives for ever.

  @MSG-01 @MSG-02
  Scenario Outline: every code has a readable message, defined or not
    When the host calls cuda_error_message with code = <code>
    Then the process goes on [MSG-01]

    Examples:
      | code    |
      | 0       |
      | 1       |
      | 2       |
      | 3       |
      | 4       |
      | 5       |
      | 6       |
      | 7       |
      | 8       |
      | 99      |
      | 9       |
      | 10      |
      | 98      |
      | 100     |
      | 127     |
      | 128     |
      | 255     |
      | 256     |
      | 65535   |
      | -1      |
      | -5      |
      | -99     |
      | -128    |
      | INT_MAX |
      | INT_MIN |

  @MSG-03
  Scenario: messages stay what and where they are, from before the first context until after the last
    When the host asks for every message
    And the host calls cuda_init
    And the host asks for every message
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host asks for every message
    And the host calls cuda_destroy
    And the host asks for every message
    Then every message is there, what and where it was

  @MSG-03
  Scenario: failures change no message
    When the host asks for every message
    And the host calls cuda_init
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host calls cuda_load_model with model_path = directory as "none"
    And the host calls cuda_load_model with model_path = wrong-magic-ggml as "none"
    And the host calls cuda_load_model with ctx = NULL as "none"
    And the host calls cuda_init with gpu_device = -1 as "none"
    And the host asks for every message
    Then every message is there, what and where it was

  @MSG-04 @MSG-05
  Scenario: the ten codes have ten messages, and all other codes that of CUDA_ERROR_UNKNOWN
    When the host calls cuda_error_message with code = 99
    And the host asks for every message
    Then the process goes on [MSG-04]

  @MSG-06
  Scenario: many threads ask for messages at once
    When 8 threads at once ask for the device count and for messages
    Then every thread gets what one thread alone gets

  @MSG-06
  Scenario: many threads ask for the first messages of a process
    When 8 threads at once, before anything else, ask for the device count and for messages, in each of 20 processes
    Then every thread gets what one thread alone gets
