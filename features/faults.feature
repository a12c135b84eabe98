Feature: injected faults
  A backend that can bring a fault about says how in its profile. Without that, these are not verified.

  @FAULT-01
  Scenario: no memory for the KV cache
    Given a profile that can inject FAULT-01
    And a loaded model
    When the fault is injected
    And the host calls cuda_inference_start as "hit"
    Then the call returns NULL with CUDA_ERROR_OUT_OF_MEMORY

  Scenario Outline: <what>
    Given a profile that can inject <fault>
    And a loaded model
    When the host takes all tokens of a job as "usual", unless the fault is there from the start
    And the fault is injected
    And the host calls cuda_inference_start with max_tokens = up-to-150 as "hit"
    And the host takes tokens of job "hit" until a call gives none
    Then the call returns false with <code>

    @FAULT-02
    Examples: launch
      | fault    | code                            | what                        |
      | FAULT-02 | CUDA_ERROR_KERNEL_LAUNCH_FAILED | a kernel that cannot launch |

    @FAULT-03
    Examples: execution
      | fault    | code                            | what                        |
      | FAULT-03 | CUDA_ERROR_INFERENCE_FAILED     | a kernel that fails         |

    @FAULT-06
    Examples: memory
      | fault    | code                            | what                        |
      | FAULT-06 | CUDA_ERROR_OUT_OF_MEMORY        | no memory during generation |

  Scenario Outline: <what>, in a sampled job
    Given a profile that can inject <fault>
    And a loaded model
    When the host takes all tokens of a job with temperature = 1.0, seed = 1 as "usual", unless the fault is there from the start
    And the fault is injected
    And the host calls cuda_inference_start with temperature = 1.0, seed = 1, max_tokens = up-to-150 as "hit"
    And the host takes tokens of job "hit" until a call gives none, or it ends
    Then the call returns false with <code>

    @FAULT-02
    Examples: launch
      | fault    | code                            | what                        |
      | FAULT-02 | CUDA_ERROR_KERNEL_LAUNCH_FAILED | a kernel that cannot launch |

    @FAULT-03
    Examples: execution
      | fault    | code                            | what                        |
      | FAULT-03 | CUDA_ERROR_INFERENCE_FAILED     | a kernel that fails         |

    @FAULT-06
    Examples: memory
      | fault    | code                            | what                        |
      | FAULT-06 | CUDA_ERROR_OUT_OF_MEMORY        | no memory during generation |

  Scenario Outline: <what>
    Given a profile that can inject <fault>
    And a loaded model
    When the fault is injected
    And the host calls <check>
    Then the call returns false with <code>

    @FAULT-04
    Examples: residency
      | fault    | check                     | code                             | what                               |
      | FAULT-04 | cuda_check_vram_residency | CUDA_ERROR_VRAM_RESIDENCY_FAILED | weights that are no longer resident |

    @FAULT-05
    Examples: health
      | fault    | check                     | code                             | what                               |
      | FAULT-05 | cuda_check_device_health  | CUDA_ERROR_INVALID_DEVICE        | a sick device                      |

  @FAULT-07
  Scenario Outline: once <fault> clears, a fresh job gives the right tokens
    Given a profile that can inject <fault>
    And a loaded model
    When the host generates 12 tokens as "before"
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "usage"
    And the fault is injected
    And the host calls cuda_inference_start as "hit"
    And the host takes 40 tokens of job "hit", if it started
    And the host calls cuda_check_vram_residency
    And the host calls cuda_check_device_health
    And the host frees job "hit", if it started
    And the fault is cleared
    And the host generates 12 tokens as "after"
    Then the texts "before" and "after" are the same
    And a normal job works
    When the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host calls cuda_check_device_health
    Then the call returns true with CUDA_SUCCESS
    When the host generates 12 tokens as "later"
    Then the texts "before" and "later" are the same
    When the host calls cuda_get_vram_usage
    And the host notes the answer as "end"
    Then the answers "usage" and "end" are the same

    Examples:
      | fault    |
      | FAULT-01 |
      | FAULT-02 |
      | FAULT-03 |
      | FAULT-04 |
      | FAULT-05 |
      | FAULT-06 |

  @FAULT-07
  Scenario Outline: jobs that <fault> strikes give their memory back
    Given a profile that can inject <fault>
    And a loaded model
    When the host runs 12 rounds of: job struck by the fault
    Then model VRAM usage does not grow
    And process VRAM usage does not grow

    Examples:
      | fault    |
      | FAULT-01 |
      | FAULT-02 |
      | FAULT-03 |
      | FAULT-06 |

  @FAULT-07
  Scenario Outline: a job that <fault> struck goes on where it was, or not at all
    Given a profile that can inject <fault>
    And a loaded model
    When the host calls cuda_inference_start with max_tokens = 24 as "hit"
    And the host takes 3 tokens of job "hit", if it started
    And the fault is injected
    And the host takes 4 tokens of job "hit", if it started
    And the fault is cleared
    And the host takes 8 tokens of job "hit", if it started
    And the host frees job "hit", if it started
    Then the process goes on
    And a normal job works

    Examples:
      | fault    |
      | FAULT-02 |
      | FAULT-03 |
      | FAULT-06 |

  Scenario Outline: <what> in a job on a <architecture> model
    Given a profile that can inject <fault>
    And a library that runs "<architecture>" models
    And a loaded model
    When the host takes all tokens of a job as "usual", unless the fault is there from the start
    And the fault is injected
    And the host calls cuda_inference_start with max_tokens = up-to-150 as "hit"
    And the host takes tokens of job "hit" until a call gives none
    Then the call returns false with <code>

    @FAULT-02
    Examples: launch
      | fault    | architecture | code                            | what                        |
      | FAULT-02 | gpt2         | CUDA_ERROR_KERNEL_LAUNCH_FAILED | a kernel that cannot launch |
      | FAULT-02 | phi3         | CUDA_ERROR_KERNEL_LAUNCH_FAILED | a kernel that cannot launch |

    @FAULT-03
    Examples: execution
      | fault    | architecture | code                            | what                        |
      | FAULT-03 | gpt2         | CUDA_ERROR_INFERENCE_FAILED     | a kernel that fails         |
