Feature: loading models

  @LOAD-01 @LOAD-05 @LOAD-06 @LOAD-07
  Scenario: a valid model loads, and its memory is accounted
    Given a context
    When the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS [LOAD-01]
    When the host calls cuda_model_get_vram_usage
    And the host calls cuda_get_vram_usage
    Then the call returns more than 0 bytes [LOAD-05]

  @LOAD-01
  Scenario Outline: a valid model of every architecture that the library runs loads and generates
    Given a library that runs "<architecture>" models
    And a context
    When the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS
    When the host calls cuda_model_get_vram_usage
    And the host calls cuda_get_vram_usage
    And the host generates 4 tokens
    Then the text "text" ends cleanly

    Examples:
      | architecture |
      | llama        |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @LOAD-01
  Scenario Outline: a valid model loads whatever its path is called
    Given a model file called <name>
    And a context
    When the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS
    When the host generates 4 tokens
    Then the text "text" has at least 1 token

    Examples:
      | name                             |
      | "with a space.gguf"              |
      | "模型-é.gguf"                     |
      | "no-extension"                   |
      | "percent-%s-%n.gguf"             |
      | "quoted {22}'` back{5C}slash.gguf" |
      | "#?&=;~*[a]!$(b).gguf"           |
      | "two{0A}lines.gguf"              |
      | "C:drive.gguf"                   |
      | ".hidden"                        |
      | "UPPER.GGUF"                     |
      | "ends with a space.gguf "        |
      | "a-name-of-well-over-a-hundred-and-twenty-bytes-that-no-fixed-buffer-should-cut-and-no-file-system-refuses-0123456789-0123456789-0123456789-0123456789.gguf" |

  @LOAD-01
  Scenario Outline: a valid model loads by <way>
    Given a model file reached by <way>
    And a context
    When the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS

    Examples:
      | way                             |
      | a relative path                 |
      | a path with dots in it          |
      | a path with two slashes in a row |
      | a symbolic link                 |
      | a path of more than 255 bytes   |
      | a path of more than 1,000 bytes |

  @LOAD-02
  Scenario Outline: a path that leads to no model is refused
    Given a context
    When the host calls cuda_load_model with model_path = <path>
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED

    Examples:
      | path           |
      | missing-file   |
      | missing-folder |
      | directory      |
      | through-a-file |
      | dangling-link  |
      | link-to-itself |
      | very-long-name |
      | "/dev/null"    |
      | "/dev/zero"    |

  @LOAD-02
  Scenario: a missing file is refused on the second device too
    Given a second device
    And a context on device 1
    When the host calls cuda_load_model with model_path = missing-file
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED
    When the host calls cuda_load_model with model_path = wrong-magic-ggml
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED

  @LOAD-02
  Scenario Outline: a path that names nothing is refused
    Given a context
    When the host calls cuda_load_model with model_path = <path>
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED or CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | path                 |
      | ""                   |
      | "{FF FE}.gguf"      |
      | "/tmp/{C3 28}.gguf" |

  @LOAD-02
  Scenario: a file that the host may not read is refused
    Given an unreadable model file
    And a context
    When the host calls cuda_load_model
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED

  @LOAD-04
  Scenario: a model larger than any device is refused at once
    Given a context
    When the host calls cuda_load_model with model_path = sparse-huge-file as "none"
    Then the call returns NULL with CUDA_ERROR_OUT_OF_MEMORY
    And a normal job works

  @LOAD-08
  Scenario: failed loads give back what they took
    Given a context
    When the host runs 40 rounds of: refused loads of every kind
    Then process VRAM usage does not grow
    When the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS

  @LOAD-08
  Scenario: loads that NULL has refused took nothing
    Given a context
    When the host runs 40 rounds of: loads with one NULL
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario: fifty loads and unloads leak nothing
    Given a context
    When the host runs 50 rounds of: load, unload
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario: fifty loads that are used and unloaded leak nothing
    Given a context
    When the host runs 50 rounds of: load, job on the loaded model, unload
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario: loads and unloads on the second device leak nothing
    Given a second device
    And a context on device 1
    When the host runs 40 rounds of: load, job on the loaded model, unload
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario: loads and unloads of a model of odd sizes leak nothing
    Given a loaded model "tiny-llama-runs" of the suite's own
    When the host runs 40 rounds of: second model, unload
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario Outline: loads and unloads of a model of every architecture leak nothing
    Given a library that runs "<architecture>" models
    And a context
    When the host runs 40 rounds of: load, job on the loaded model, unload
    Then process VRAM usage does not grow

    Examples:
      | architecture |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @LOAD-09
  Scenario: two models of one context leak nothing, the older unloaded first
    Given a context
    When the host runs 40 rounds of: two models unloaded in turn
    Then process VRAM usage does not grow

  @LOAD-09
  Scenario: models that come and go beside another leak nothing
    Given a loaded model
    When the host runs 40 rounds of: second model, unload
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @LOAD-10
  Scenario Outline: the file may change after the load, the model does not
    Given a model file of its own
    And a loaded model
    When the host generates 12 tokens as "before"
    And the model file is <changed>
    And the host generates 12 tokens as "after"
    Then the texts "before" and "after" are the same
    When the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host generates 12 tokens from "Another prompt, never seen before" as "other"
    Then the text "other" ends cleanly

    Examples:
      | changed     |
      | overwritten |
      | truncated   |
      | deleted     |
      | overwritten with another model |
      | replaced by another model |

  @LOAD-10
  Scenario Outline: the file may change before the first job, the model does not
    Given a model file of its own
    And a context
    When the host calls cuda_load_model as "untouched"
    And the host generates 12 tokens with model = untouched as "expected"
    And the host calls cuda_unload_model with model = untouched
    And the host calls cuda_load_model
    And the model file is <changed>
    And the host generates 12 tokens as "found"
    Then the texts "expected" and "found" are the same

    Examples:
      | changed     |
      | overwritten |
      | truncated   |
      | deleted     |
      | overwritten with another model |
      | replaced by another model |

  @LOAD-10
  Scenario Outline: a model of every architecture goes on without its file
    Given a model file of its own, of a model of "<architecture>"
    And a loaded model
    When the host generates 8 tokens as "before"
    And the model file is deleted
    And the host generates 8 tokens as "after"
    Then the texts "before" and "after" are the same

    Examples:
      | architecture |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @LOAD-02
  Scenario Outline: a file that has gone since it was loaded is refused, <while>
    Given a model file of its own
    And a loaded model
    When the host generates 4 tokens
    And the host <first>
    And the model file is deleted
    And the host calls cuda_init as "other"
    And the host calls cuda_load_model with ctx = other as "again"
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED

    Examples:
      | while                     | first                   |
      | while its model lives     | calls cuda_get_device_count |
      | after its model           | calls cuda_unload_model |

  @LOAD-03
  Scenario Outline: a file that was spoilt since it was loaded is refused, <while>
    Given a model file of its own
    And a loaded model
    When the host generates 4 tokens
    And the host <first>
    And the model file is <changed>
    And the host calls cuda_init as "other"
    And the host calls cuda_load_model with ctx = other as "again"
    Then the call returns NULL with CUDA_ERROR_MODEL_LOAD_FAILED

    Examples:
      | while                     | first                       | changed     |
      | while its model lives     | calls cuda_get_device_count | overwritten |
      | while its model lives     | calls cuda_get_device_count | truncated   |
      | after its model           | calls cuda_unload_model     | overwritten |
      | after its model           | calls cuda_unload_model     | truncated   |

  @LOAD-11
  Scenario: the file is neither held open nor written
    Given a model file of its own
    And a loaded model
    When the host looks at the open descriptors
    Then the model file is not held open
    And the model file is unchanged
    When the host generates 4 tokens
    Then the model file is unchanged
    When the host calls cuda_unload_model
    And the host calls cuda_destroy
    Then the model file is unchanged

  @LOAD-11
  Scenario Outline: the file of a model of every architecture is not held open
    Given a library that runs "<architecture>" models
    And a loaded model
    When the host looks at the open descriptors
    Then the model file is not held open

    Examples:
      | architecture |
      | llama        |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @LOAD-05
  Scenario: the usage of a second model is its own
    Given a loaded model "one"
    And a second model, if the library takes one
    When the host calls cuda_get_vram_usage with model = second
    Then the call returns more than 0 bytes
    When the host calls cuda_model_get_vram_usage with model = second
    Then the call returns more than 0 bytes

  @LOAD-12
  Scenario: a second model in one context works or is refused, and the first is not harmed
    Given a loaded model
    When the host generates 12 tokens as "before"
    And the host calls cuda_load_model as "second"
    And the host generates 12 tokens as "beside"
    Then the texts "before" and "beside" are the same

  @LOAD-12
  Scenario: a second model that comes and goes in the middle of a job changes nothing in it
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with temperature = 1.0, seed = 3
    And the host takes 5 tokens as "head"
    And the host loads and unloads a second model, if the library takes one
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail"

  @LOAD-12
  Scenario: a second model that loads is a model like the first
    Given a loaded model
    And a second model, if the library takes one
    When the host generates 12 tokens as "first"
    And the host generates 12 tokens with model = second as "second"
    Then the texts "first" and "second" are the same
    When the host calls cuda_unload_model with model = second
    And the host calls cuda_check_vram_residency
    Then the call returns true with CUDA_SUCCESS
    When the host generates 12 tokens as "after"
    Then the texts "first" and "after" are the same

  @LOAD-12
  Scenario: a second model of another architecture does not harm the first
    Given a library that runs "gpt2" models
    And a loaded model
    When the host generates 12 tokens as "before"
    And the host calls cuda_load_model with model_path = tiny-llama as "second"
    And the host generates 12 tokens as "beside"
    Then the texts "before" and "beside" are the same

  @LOAD-12
  Scenario: a third model in one context works or is refused, and the first is not harmed
    Given a loaded model
    And a second model, if the library takes one
    When the host generates 12 tokens as "before"
    And the host calls cuda_load_model as "third"
    And the host generates 12 tokens as "beside"
    And the host generates 12 tokens with model = second as "second"
    Then the texts "before" and "beside" are the same
    And the texts "before" and "second" are the same

  @LOAD-12
  Scenario: a second model outlives the first
    Given a loaded model
    And a second model, if the library takes one
    When the host generates 12 tokens with model = second as "beside"
    And the host calls cuda_unload_model
    And the host calls cuda_check_vram_residency with model = second
    Then the call returns true with CUDA_SUCCESS
    When the host generates 12 tokens with model = second as "alone"
    Then the texts "beside" and "alone" are the same

  @LOAD-03
  Scenario Outline: malformed files are refused in bounded time and memory: <what>
    Given a device
    When the host loads each malformed model: <what>

    Examples:
      | what |
      | missing or unknown architecture |
      | array length past the end |
      | big-endian |
      | zero or absurd dimensions |
      | empty |
      | missing hyper-parameter |
      | metadata count 2^63 |
      | missing tensor |
      | dimension product overflow |
      | short header |
      | string length past the end |
      | tensor count >= 10,000 or 2^63 |
      | tensor offset past the end |
      | wrong tensor shape |
      | unknown quantisation |
      | truncated data |
      | unknown value type |
      | version 1, 2, 4 |
      | wrong magic |
      | zero heads |

  @LOAD-13
  Scenario Outline: doubtful files are refused too, and valid ones are not: <what>
    Given a device
    When the host loads each malformed model: <what>

    Examples:
      | what |
      | neither crashes nor gives invalid text |
      | doubtful files are refused too |
      | faults in a tensor that nothing needs |
      | rarer files are valid GGUF too |
      | duplicate keys or tensor names |
      | heads that do not divide the width |
      | merges that name no token |
      | nested arrays are valid GGUF |
      | overlapping tensors |
      | unaligned tensors |
      | a vocabulary that does not match the embedding |

  @LOAD-01
  Scenario Outline: unusual but valid files load: <what>
    Given a device
    When the host loads each malformed model: <what>

    Examples:
      | what |
      | a valid GGUF v3 file |
