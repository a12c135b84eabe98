Feature: error codes
  Every call that can fail tells by a code why, and a failure harms nothing but the call itself.
  Codes that are written, known, and of the function's own set are judged at every call of every scenario.

  @ERR-01 @ERR-02 @ERR-03 @ERR-04
  Scenario: a whole conversation reports a code at every call
    Given a loaded model
    When the host generates 8 tokens
    And the host calls cuda_check_vram_residency
    And the host calls cuda_check_device_health
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host calls cuda_inference_start with max_tokens = 0 as "none"
    And the host calls cuda_init with gpu_device = -1 as "none"
    Then the process goes on [ERR-02]

  @ERR-05
  Scenario Outline: a code does not stick: a good call after a refused one reports success
    Given a loaded model
    When the host calls <refused> as "none"
    And the host calls <good> as "again"
    Then the call returns a handle with CUDA_SUCCESS

    Examples:
      | refused                                              | good                           |
      | cuda_inference_start with max_tokens = 0             | cuda_inference_start           |
      | cuda_inference_start with temperature = 2.5          | cuda_inference_start           |
      | cuda_init with gpu_device = -1                       | cuda_init                      |

  @ERR-05
  Scenario Outline: a refusal does not stick to a check
    Given a loaded model
    When the host calls <refused>
    And the host calls <good>
    Then the call returns true with CUDA_SUCCESS

    Examples:
      | refused                                 | good                      |
      | cuda_check_vram_residency with model = NULL | cuda_check_vram_residency |
      | cuda_check_device_health with ctx = NULL    | cuda_check_device_health  |

  @ERR-05 @ERR-06
  Scenario: after every kind of bad call every good call works
    Given a loaded model
    When the host makes every kind of bad call, each followed by a whole life of good ones
    Then every good call reports success [ERR-06]

  @ERR-05
  Scenario: no bad call leaves its code to a good one
    Given a loaded model
    When the host makes every kind of bad call, each followed by a whole life of good ones
    Then every good call reports success

  @ERR-06
  Scenario Outline: a failed call leaves the library usable
    Given a loaded model
    When the host calls <failing> as "none"
    Then a normal job works

    Examples:
      | failing                                                  |
      | cuda_init with gpu_device = -1                           |
      | cuda_load_model with model_path = missing-file           |
      | cuda_load_model with model_path = directory              |
      | cuda_load_model with ctx = NULL                          |
      | cuda_load_model with model_path = wrong-magic-ggml            |
      | cuda_inference_start with max_tokens = 0                 |
      | cuda_inference_start with temperature = NaN              |
      | cuda_inference_start with prompt = NULL                  |
      | cuda_inference_next_token with result = NULL             |
      | cuda_check_vram_residency with model = NULL              |

  @ERR-06
  Scenario Outline: a failed load leaves its context able to load
    Given a context
    When the host calls cuda_load_model with model_path = <path> as "none"
    And the host calls cuda_load_model
    Then the call returns a handle with CUDA_SUCCESS

    Examples:
      | path             |
      | missing-file     |
      | directory        |
      | wrong-magic-ggml |
      | ends-half-way    |
      | sparse-huge-file |

  @ERR-06
  Scenario: many failed calls leave the library usable
    Given a loaded model
    When the host runs 8 rounds of: refused init, refused load, refused loads of every kind, refused start
    Then a normal job works

  @ERR-06
  Scenario Outline: a failed next call leaves the job and the model usable
    Given an open job
    When the host calls <failing>
    And the host takes the rest
    And the host calls cuda_inference_free
    Then everything works as before

    Examples:
      | failing                                                     |
      | cuda_inference_next_token with token_out = NULL             |
      | cuda_inference_next_token with token_buffer_size = 0        |
      | cuda_inference_next_token with token_buffer_size = 1        |

  @ERR-06
  Scenario Outline: a failed call leaves an open job as it is
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with temperature = 1.0, seed = 3
    And the host takes 5 tokens as "head"
    And the host calls <failing> as "none"
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail"

    Examples:
      | failing                                          |
      | cuda_init with gpu_device = -1                   |
      | cuda_load_model with model_path = missing-file   |
      | cuda_load_model with model_path = ends-half-way  |
      | cuda_load_model with model_path = sparse-huge-file |
      | cuda_load_model with model_path = NULL           |
      | cuda_inference_start with max_tokens = 0         |
      | cuda_inference_start with temperature = 2.5      |
      | cuda_inference_start with prompt = NULL          |
      | cuda_inference_next_token with result = NULL     |

  @ERR-06
  Scenario Outline: a failed call leaves the next sampled job as it would be without
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "before"
    And the host calls <failing> as "none"
    And the host generates 16 tokens with temperature = 1.0, seed = 3 as "after"
    Then the texts "before" and "after" are the same

    Examples:
      | failing                                          |
      | cuda_init with gpu_device = -1                   |
      | cuda_load_model with model_path = missing-file   |
      | cuda_load_model with model_path = wrong-magic-ggml |
      | cuda_inference_start with max_tokens = 0         |
      | cuda_inference_start with temperature = 2.5      |
      | cuda_inference_start with prompt = NULL          |

  @ERR-07
  Scenario Outline: a failed load leaves the reported usage untouched or 0
    Given a context
    When the host calls cuda_load_model with model_path = <path> as "none"
    Then a load that failed has left vram_bytes_used untouched or 0

    Examples:
      | path             |
      | missing-file     |
      | directory        |
      | wrong-magic-ggml |
      | ends-half-way    |
      | sparse-huge-file |

  @ERR-08
  Scenario: nothing crosses the boundary in a whole life of a host
    Given a loaded model
    When the host generates 16 tokens
    And the host generates 16 tokens with temperature = 1.2, seed = 3 as "drawn"
    And the host calls cuda_unload_model
    And the host calls cuda_destroy
    And the host leaves the process by exit
    Then the library lets the process end

  @ERR-08
  Scenario: a whole conversation leaves the heap as the C library needs it
    Given a model file reached by a path of more than 255 bytes
    And a process whose allocator checks every block that is freed
    And a loaded model
    When the host generates 24 tokens as "roomy"
    And the host generates 24 tokens from "日本語のテキスト, émigré, 👩{U+200D}👩{U+200D}👧" with temperature = 1.5, seed = 3
    And the host generates the same tokens with buffers one byte too small, then exactly large enough
    And the host calls cuda_load_model with model_path = very-long-name as "none"
    And the host calls cuda_load_model with model_path = wrong-magic-ggml as "none"
    And the host calls cuda_load_model with model_path = ends-half-way as "none"
    And the host calls cuda_load_model with model_path = merge-of-unknown-tokens as "none"
    And the host calls cuda_inference_start with prompt = longer-than-context as "long"
    And the host frees job "long", if it started
    And the host asks for every message
    And the host calls cuda_unload_model
    And the host calls cuda_destroy
    Then the process goes on

  @ERR-09
  Scenario Outline: without error_code the failure value still comes back, and nothing is leaked
    Given a loaded model
    When the host calls <failing>, error_code = NULL as "none"
    Then the call returns <failure>

    Examples:
      | failing                                                       | failure |
      | cuda_init with gpu_device = -1                                | NULL    |
      | cuda_load_model with model_path = missing-file                | NULL    |
      | cuda_load_model with ctx = NULL                               | NULL    |
      | cuda_load_model with model_path = wrong-magic-ggml                 | NULL    |
      | cuda_inference_start with max_tokens = 0                      | NULL    |
      | cuda_inference_start with prompt = NULL                       | NULL    |
      | cuda_inference_start with temperature = NaN                   | NULL    |
      | cuda_inference_start with temperature = 2.5                   | NULL    |
      | cuda_inference_next_token with result = NULL                  | false   |
      | cuda_check_vram_residency with model = NULL                   | false   |
      | cuda_check_device_health with ctx = NULL                      | false   |

  @ERR-09
  Scenario Outline: without error_code a good call works or gives the failure value, and does no harm
    Given a loaded model
    When the host calls <good> with error_code = NULL as "none"
    Then the process goes on
    And a normal job works

    Examples:
      | good                      |
      | cuda_init                 |
      | cuda_load_model           |
      | cuda_check_vram_residency |
      | cuda_check_device_health  |

  @ERR-09
  Scenario: without error_code a job starts or does not, and does no harm
    Given a loaded model
    When the host calls cuda_inference_start with error_code = NULL as "none"
    And the host takes 3 tokens of job "none", if it started
    And the host frees job "none", if it started
    Then the process goes on
    And a normal job works

  @ERR-09
  Scenario: without error_code a token comes or does not, and does no harm
    Given an open job
    When the host calls cuda_inference_next_token with error_code = NULL
    And the host takes the rest
    And the host calls cuda_inference_free
    Then the process goes on
    And a normal job works

  @ERR-09
  Scenario Outline: without error_code a refused buffer is refused
    Given an open job
    When the host takes 2 tokens
    And the host calls cuda_inference_next_token with <buffer>, error_code = NULL
    Then the call returns false

    Examples:
      | buffer                |
      | token_buffer_size = 0 |
      | token_buffer_size = -1 |
      | token_out = NULL      |

  @ERR-09
  Scenario: a buffer of one byte without error_code does no harm
    Given an open job
    When the host calls cuda_inference_next_token 4 times with token_buffer_size = 1, error_code = NULL
    Then the process goes on
    When the host calls cuda_inference_free
    Then a normal job works

  @ERR-09
  Scenario: without error_code the end of a sequence is the end
    Given an open job with max_tokens = 2
    When the host takes the rest
    And the host calls cuda_inference_next_token with error_code = NULL
    Then the call returns false
    When the host calls cuda_inference_next_token with error_code = NULL, token_index = NULL
    Then the call returns false

  @ERR-09
  Scenario: failed calls without error_code keep no memory
    Given a loaded model
    When the host runs 50 rounds of: refused load without error_code, refused start without error_code
    Then process VRAM usage does not grow
    And model VRAM usage does not grow
    And host memory does not grow

  @ERR-09
  Scenario: loads of every kind that fail without error_code keep nothing
    Given a loaded model
    When the host runs 24 rounds of: refused loads of every kind without error_code
    Then process VRAM usage does not grow
    And model VRAM usage does not grow
    And the number of open descriptors does not grow

  @ERR-09
  Scenario Outline: good calls without error_code keep no memory, whether they work or not
    Given a loaded model
    When the host runs 50 rounds of: <cycle>
    Then process VRAM usage does not grow
    And model VRAM usage does not grow
    And host memory does not grow

    Examples:
      | cycle                                |
      | init without error_code, destroy     |
      | load without error_code, unload      |
      | start without error_code, free       |
