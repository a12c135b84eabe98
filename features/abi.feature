Feature: the binary
  Symbols and flags of the file are read without loading it. These scenarios load it.

  @ABI-03
  Scenario: the library loads at once and whole
    Given a process that is watched after every call
    When the host uses the library in a new process
    And the host calls cuda_get_device_count
    Then the call returns a count of 0 or more

  @ABI-06
  Scenario: an unused library is unloaded and loaded again
    When the host unloads the library and loads it again
    Then the library is loaded again
    When the host calls cuda_get_device_count
    Then the call returns a count of 0 or more

  @ABI-06
  Scenario: a library is unloaded and loaded again when no handle lives any more
    Given a loaded model
    When the host generates 8 tokens as "before"
    And the host calls cuda_unload_model
    And the host calls cuda_destroy
    And the host unloads the library and loads it again
    Then the library is loaded again
    When the host calls cuda_init
    And the host calls cuda_load_model
    And the host generates 8 tokens as "after"
    Then the texts "before" and "after" are the same

  @ABI-06
  Scenario: a thread that used the library may end after the library is unloaded
    When a thread uses the library, the host unloads it, and the thread ends
    Then the library is unloaded

  @ABI-06
  Scenario: nothing of an unloaded library runs on to the end of the process
    Given a loaded model
    When the host generates 8 tokens
    And the host calls cuda_unload_model
    And the host calls cuda_destroy
    And the host unloads the library and leaves the process by exit
    Then the library lets the process end
