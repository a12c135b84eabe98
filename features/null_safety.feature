Feature: NULL pointers
  Every pointer may be NULL, and the function copes: it does nothing but return its failure value.

  @NULL-01
  Scenario Outline: releasing nothing does nothing, any number of times
    Given a loaded model
    When the host calls <function> 40 times with <handle> = NULL
    Then everything works as before
    And a normal job works

    Examples:
      | function            | handle |
      | cuda_destroy        | ctx    |
      | cuda_unload_model   | model  |
      | cuda_inference_free | result |

  @NULL-01
  Scenario Outline: releasing nothing works before anything else was called
    When the host calls <function> 40 times with <handle> = NULL
    Then the process goes on
    And everything works as before

    Examples:
      | function            | handle |
      | cuda_destroy        | ctx    |
      | cuda_unload_model   | model  |
      | cuda_inference_free | result |

  @NULL-02
  Scenario Outline: a load without context, path or place for the usage is refused
    Given a context
    When the host calls cuda_load_model with <parameter> = NULL
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter       |
      | ctx             |
      | model_path      |
      | vram_bytes_used |

  @NULL-03
  Scenario Outline: a start without model or prompt is refused
    Given a loaded model
    When the host calls cuda_inference_start with <parameter> = NULL
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter |
      | model     |
      | prompt    |

  @NULL-04
  Scenario Outline: a next token without job or buffer is refused
    Given an open job
    When the host calls cuda_inference_next_token with <parameter> = NULL
    Then the call returns false with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter |
      | result    |
      | token_out |

  @NULL-02
  Scenario Outline: NULL is judged before anything else about a load
    Given a context
    When the host calls cuda_load_model with <parameter> = NULL, model_path = <path>
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter       | path             |
      | ctx             | missing-file     |
      | vram_bytes_used | missing-file     |
      | ctx             | wrong-magic-ggml |
      | vram_bytes_used | wrong-magic-ggml |
      | vram_bytes_used | sparse-huge-file |
      | ctx             | directory        |

  @NULL-03
  Scenario Outline: NULL is judged before the range of anything else in a start
    Given a loaded model
    When the host calls cuda_inference_start with <parameter> = NULL, <wrong>
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter | wrong              |
      | model     | max_tokens = 0     |
      | prompt    | max_tokens = 4096  |
      | model     | temperature = -1.0 |
      | prompt    | temperature = NaN  |

  @NULL-04
  Scenario Outline: NULL is judged before the size of the buffer
    Given an open job
    When the host calls cuda_inference_next_token with <parameter> = NULL, token_buffer_size = <size>
    Then the call returns false with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | parameter | size    |
      | result    | 0       |
      | token_out | 0       |
      | result    | -1      |
      | token_out | INT_MIN |
      | token_out | 1       |

  @NULL-05
  Scenario: tokens come without a place for their index too
    Given an open job
    When the host calls cuda_inference_next_token with token_index = NULL
    Then the call returns true with CUDA_SUCCESS

  @NULL-05
  Scenario: a whole job goes without a place for indices
    Given a loaded model
    When the host generates 12 tokens
    And the host generates 12 tokens with token_index = NULL as "unnumbered"
    Then the text "unnumbered" ends cleanly

  @NULL-06
  Scenario Outline: nothing uses no memory
    Given a loaded model
    When the host calls <function> with <handle> = NULL
    Then the call returns 0

    Examples:
      | function                    | handle |
      | cuda_model_get_vram_usage   | model  |
      | cuda_get_vram_usage         | model  |
      | cuda_get_process_vram_usage | ctx    |

  @NULL-07
  Scenario Outline: a check of nothing is refused
    Given a loaded model
    When the host calls <function> with <handle> = NULL
    Then the call returns false with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | function                  | handle |
      | cuda_check_vram_residency | model  |
      | cuda_check_device_health  | ctx    |

  @NULL-08
  Scenario: every combination of NULL pointers in every function gives the failure value
    Given an open job
    When the host calls every function with every combination of NULL pointers
    Then every one of them gives the failure value

  @NULL-08
  Scenario: every combination of NULL pointers copes before anything exists
    When the host calls every function with NULL for every handle
    Then every one of them gives the failure value
