Feature: devices and contexts

  @DEV-01
  Scenario: the device count never changes
    When the host calls cuda_get_device_count
    Then the call returns a count of 0 or more
    When the host notes the answer as "first"
    And the host calls cuda_get_device_count 5 times
    And the host notes the answer as "later"
    Then the answers "first" and "later" are the same
    When the host calls cuda_init
    And the host calls cuda_get_device_count
    And the host notes the answer as "later"
    Then the answers "first" and "later" are the same

  @DEV-01
  Scenario: the device count is the same before, during and after a whole life of handles
    When the host calls cuda_get_device_count
    And the host notes the answer as "first"
    And the host calls cuda_init
    And the host calls cuda_get_device_count
    And the host calls cuda_load_model
    And the host calls cuda_get_device_count
    And the host calls cuda_inference_start
    And the host calls cuda_get_device_count
    And the host calls cuda_inference_next_token
    And the host calls cuda_inference_free
    And the host calls cuda_unload_model
    And the host calls cuda_get_device_count
    And the host calls cuda_destroy
    And the host calls cuda_init with gpu_device = -1 as "none"
    And the host calls cuda_get_device_count
    And the host notes the answer as "last"
    Then the answers "first" and "last" are the same

  @DEV-01
  Scenario: without a device the count is 0, at every call
    Given no device at all
    When the host calls cuda_get_device_count
    Then the call returns a count of 0 or more
    When the host notes the answer as "first"
    And the host calls cuda_init as "none"
    And the host calls cuda_get_device_count
    Then the call returns a count of 0 or more
    When the host notes the answer as "later"
    Then the answers "first" and "later" are the same

  @DEV-02
  Scenario: every device gives a context
    Given a device
    When the host opens a context on every device
    Then every device has a context of its own

  @DEV-02
  Scenario Outline: each device of a machine with several gives a context, whichever is opened first
    Given a second device
    When the host calls cuda_init with gpu_device = <device>
    Then the call returns a handle with CUDA_SUCCESS

    Examples:
      | device |
      | 1      |
      | 0      |

  @DEV-03
  Scenario Outline: a device that does not exist is refused
    Given a device
    When the host calls cuda_init with gpu_device = <device>
    Then the call returns NULL with CUDA_ERROR_INVALID_DEVICE

    Examples:
      | device   |
      | -1       |
      | -2       |
      | count    |
      | count+1  |
      | 256      |
      | 4096     |
      | 65536    |
      | 65537    |
      | 131072   |
      | 16777216 |
      | 1073741824 |
      | -65536   |
      | INT_MAX  |
      | INT_MIN  |

  @DEV-04
  Scenario Outline: without a device there is no context
    Given no device at all
    When the host calls cuda_init with gpu_device = <device>
    Then the call returns NULL with CUDA_ERROR_DEVICE_NOT_FOUND or CUDA_ERROR_INVALID_DEVICE

    Examples:
      | device  |
      | 0       |
      | 1       |
      | -1      |
      | INT_MAX |

  @DEV-05
  Scenario: two contexts on one device live side by side
    Given a context "A"
    When the host calls cuda_init as "B"
    Then the contexts "A" and "B" are distinct
    When the host calls cuda_destroy with ctx = A
    And the host calls cuda_check_device_health with ctx = B
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_load_model with ctx = B
    Then the call returns a handle with CUDA_SUCCESS
    When the host generates 4 tokens
    Then the text "text" ends cleanly

  @DEV-05
  Scenario: a dozen contexts on one device are distinct, as far as there is room for them
    Given a device
    When the host opens 12 contexts on one device
    Then no two of them are one

  @DEV-05
  Scenario: two contexts on one device generate side by side
    Given a loaded model "one" in context "A"
    And a loaded model "two" in context "B"
    When the host generates 12 tokens with model = one as "alone"
    And the host generates 12 tokens with model = two as "beside"
    Then the texts "alone" and "beside" are the same
    When the host calls cuda_unload_model with model = one
    And the host calls cuda_destroy with ctx = A
    And the host calls cuda_check_vram_residency with model = two
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_check_device_health with ctx = B
    Then the call returns true with CUDA_SUCCESS
    When the host generates 12 tokens with model = two as "after"
    Then the texts "alone" and "after" are the same

  @DEV-05
  Scenario: contexts on two devices live side by side
    Given a second device
    And a context "A" on device 0
    When the host calls cuda_init with gpu_device = 1 as "B"
    Then the contexts "A" and "B" are distinct

  @DEV-05
  Scenario: the second device gives a context while the first holds a model and a job
    Given a second device
    And a context "A" on device 0
    And a loaded model "left" in context "A"
    When the host calls cuda_inference_start with model = left
    And the host calls cuda_init with gpu_device = 1 as "B"
    Then the call returns a handle with CUDA_SUCCESS

  @DEV-05 @LOAD-05 @VRAM-03
  Scenario: a model on the second device is one like any other
    Given a second device
    And a context "A" on device 0
    And a context "B" on device 1
    And a loaded model "left" in context "A"
    And a loaded model "right" in context "B"
    When the host calls cuda_get_vram_usage with model = right
    Then the call returns more than 0 bytes [LOAD-05]
    When the host calls cuda_get_process_vram_usage with ctx = A
    And the host calls cuda_get_process_vram_usage with ctx = B
    Then process usage covers the models every time [VRAM-03]
    When the host generates 12 tokens with model = right as "before"
    And the host generates 12 tokens with model = left as "noise"
    And the host calls cuda_unload_model with model = left
    And the host calls cuda_destroy with ctx = A
    And the host calls cuda_check_device_health with ctx = B
    Then the call returns true with CUDA_SUCCESS [DEV-05]
    When the host calls cuda_check_vram_residency with model = right
    Then the call returns true with CUDA_SUCCESS [DEV-05]
    When the host calls cuda_get_process_vram_usage with ctx = B
    Then process usage covers the models every time [VRAM-03]
    When the host generates 12 tokens with model = right as "after"
    Then the texts "before" and "after" are the same [DEV-05]

  @DET-03
  Scenario: the second device gives the same text in another process
    Given a second device
    And a context "B" on device 1
    And a loaded model "model" in context "B"
    When the host generates 16 tokens with temperature = 1.0, seed = 6 as "first"
    And the host uses the library in a new process
    And the host calls cuda_init with gpu_device = 1 as "B"
    And the host calls cuda_load_model with ctx = B as "model"
    And the host generates 16 tokens with temperature = 1.0, seed = 6 as "process"
    Then the texts "first" and "process" are the same

  @DEV-06
  Scenario: a hundred contexts opened and destroyed leak nothing
    Given a context
    When the host runs 100 rounds of: init, destroy
    Then process VRAM usage does not grow
    And host memory does not grow
    And the number of open descriptors does not grow

  @DEV-07
  Scenario: many threads open contexts at once
    Given a device
    When 8 threads at once open a context
    Then every thread gets a context of its own
