Feature: inference

  @INF-01
  Scenario Outline: valid parameters start a job, at the edges of their ranges too
    Given a loaded model
    When the host calls cuda_inference_start with <parameter> = <value>
    Then the call returns a handle with CUDA_SUCCESS
    When the host calls cuda_inference_next_token
    Then the call returns <answer> with CUDA_SUCCESS

    Examples: greedy jobs, whose first token is the one that the model always gives
      | parameter   | value      | answer |
      | temperature | 0.0        | true   |
      | temperature | -0.0       | true   |
      | seed        | 0          | true   |
      | seed        | UINT64_MAX | true   |
      | seed        | 4294967296 | true   |

    Examples: jobs that may end at once: sampled ones, and those whose tokens may all be parts of a character
      | parameter   | value      | answer        |
      | max_tokens  | 1          | true or false |
      | max_tokens  | 2          | true or false |
      | temperature | 1e-45      | true or false |
      | temperature | 1e-40      | true or false |
      | temperature | 1e-30      | true or false |
      | temperature | 0.7        | true or false |
      | temperature | 1.0        | true or false |
      | temperature | 1.9999999  | true or false |
      | temperature | 2.0        | true or false |

  @INF-01
  Scenario: the largest max_tokens is valid where the context has room for it
    Given a loaded model with room for 2048 tokens
    When the host calls cuda_inference_start with max_tokens = 2048
    Then the call returns a handle with CUDA_SUCCESS
    When the host takes 4 tokens
    Then the process goes on

  @INF-07
  Scenario: the longest of jobs gives 2048 tokens at most, then it has ended for good
    Given a loaded model with room for 2048 tokens
    When the host calls cuda_inference_start with max_tokens = 2048
    And the host takes the rest
    Then the text "text" has at most 2048 tokens
    And the text "text" ends cleanly
    When the host calls cuda_inference_next_token 3 times
    Then the call returns false with CUDA_SUCCESS

  @INF-13
  Scenario: the largest max_tokens is survived, whatever the context length
    Given a loaded model
    When the host calls cuda_inference_start with max_tokens = 2048 as "long"
    And the host takes 4 tokens of job "long", if it started
    And the host frees job "long", if it started
    Then the process goes on
    And a normal job works

  @INF-02
  Scenario Outline: max_tokens outside 1 to 2048 is refused
    Given a loaded model
    When the host calls cuda_inference_start with max_tokens = <count>
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | count   |
      | 0       |
      | -1      |
      | 2049    |
      | 4096    |
      | -2048   |
      | 65537   |
      | 65552   |
      | -65520  |
      | 16777217 |
      | INT_MAX |
      | INT_MIN |

  @INF-02
  Scenario: the range of max_tokens is judged before the content of the prompt
    Given a loaded model
    When the host calls cuda_inference_start with max_tokens = 0, prompt = longer-than-context
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

  @INF-03
  Scenario: the range of the temperature is judged before the content of the prompt
    Given a loaded model
    When the host calls cuda_inference_start with temperature = -1.0, prompt = longer-than-context
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

  @INF-03
  Scenario Outline: a temperature outside 0 to 2 is refused
    Given a loaded model
    When the host calls cuda_inference_start with temperature = <temperature>
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | temperature |
      | -0.001      |
      | -1.0        |
      | 2.001       |
      | 1e30        |
      | -1e-30      |
      | -1e-45      |
      | 2.0000002   |
      | NaN         |
      | -NaN        |
      | inf         |
      | -inf        |

  @INF-02 @INF-03
  Scenario Outline: several values out of range are one refusal
    Given a loaded model
    When the host calls cuda_inference_start with max_tokens = <count>, temperature = <temperature>, prompt = <prompt>
    Then the call returns NULL with CUDA_ERROR_INVALID_PARAMETER [INF-02]

    Examples:
      | count | temperature | prompt |
      | 0     | NaN         | "a"    |
      | 4096  | 3.0         | ""     |
      | -1    | -1.0        | "{FF}" |

  @INF-04
  Scenario Outline: any text is a prompt
    Given a loaded model
    When the host calls cuda_inference_start with prompt = <prompt>, max_tokens = 6
    Then the call returns a handle with CUDA_SUCCESS
    When the host takes the rest
    Then the text "text" ends cleanly

    Examples:
      | prompt                       |
      | "a"                          |
      | " "                          |
      | "{01}"                       |
      | "{07 08 1B 7F}"           |
      | "line{0A}break{09}tab{0D 0A}"       |
      | "<s></s><unk>[INST]"          |
      | "0123456789"                 |
      | "%s%n%d"                     |
      | "{U+FEFF}byte order mark"    |
      | "{U+FFFE}"                   |
      | "{U+FFFF}"                   |
      | "{U+10FFFF}"                 |
      | "{01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E 1F 7F}" |
      | " !{22}#$%&'()*+,-./:;<=>?@[{5C}]^_`{7B 7C 7D}~" |
      | "{7B 22}key{22}: [1, {22}two{22}], {22}path{22}: {22}C:{5C 5C}models{22 7D}" |
      | "{7B 7B}name{7D 7D} {7B 25} if x {25 7D} $(y) ${7B}z{7D}" |
      | "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz" |
      | "{U+80 U+81 U+85 U+90 U+9F U+A0 U+AD}" |
      | "{U+200B U+200E U+202E U+2028 U+2029 U+2060}" |
      | "{U+E000 U+F8FF U+FDD0 U+FFFD U+F0000 U+10FFFD}" |
      | "{U+301}begins with what belongs to a letter before" |
      | "{0A}"                       |
      | "{09 20 0D 0A}"              |

  @INF-04
  Scenario: prompts of every number of tokens work, where a batch or a block is just full too
    Given a loaded model
    When the host takes 2 tokens of jobs whose prompts have 1 to 33, 62 to 66 and 126 to 130 words
    Then every prompt was taken

  @UTF8-03
  Scenario: prompts of many characters beyond ASCII work
    Given a loaded model
    When the host takes 2 tokens of jobs whose prompts have 8, 33 and 48 characters of 2, 3 and 4 bytes
    Then every prompt was taken

  @UTF8-03
  Scenario: prompts with a character across the end of a piece of 64, 128 or 256 bytes work
    Given a loaded model
    When the host takes 2 tokens of jobs whose prompts have a character across byte 64, 128 and 256
    Then every prompt was taken

  @INF-04
  Scenario: an empty prompt starts a job that works, or is refused
    Given a loaded model
    When the host calls cuda_inference_start with prompt = "" as "empty"
    And the host takes 4 tokens of job "empty", if it started
    And the host frees job "empty", if it started
    Then the process goes on
    And a normal job works

  @INF-05
  Scenario Outline: a prompt that is not UTF-8 does no harm
    Given a loaded model
    When the host calls cuda_inference_start with prompt = <prompt> as "odd"
    And the host takes 4 tokens of job "odd", if it started
    And the host frees job "odd", if it started
    Then the process goes on
    And a normal job works

    Examples:
      | prompt                     |
      | "{FF}"                     |
      | "{C3}"                     |
      | "{E3}"                     |
      | "{F0}"                     |
      | "{F0 9F}"                  |
      | "{F0 9F 98}"               |
      | "cut short {F0}"           |
      | "abc{80}def"               |
      | "{ED A0 80}"             |
      | "{F4 90 80 80}"         |
      | "{C0 AF}"                 |
      | "{E2 82}"                 |

  @INF-06
  Scenario Outline: indices count from 0 without a gap
    Given an open job with <arguments>
    When the host takes the rest
    Then the text "text" has indices from 0 without a gap

    Examples:
      | arguments                                   |
      | max_tokens = 1                              |
      | max_tokens = 24                             |
      | max_tokens = 24, temperature = 1.5          |
      | max_tokens = 300                            |

  @INF-06
  Scenario: indices count on where none was asked for
    Given an open job
    When the host calls cuda_inference_next_token
    And the host calls cuda_inference_next_token with token_index = NULL
    And the host calls cuda_inference_next_token with token_index = NULL
    And the host takes 5 tokens
    Then the indices count on

  @INF-06
  Scenario: every job has indices of its own
    Given a loaded model
    When the host generates 5 tokens as "first"
    And the host generates 7 tokens from "Another one" as "second"
    Then the text "second" has indices from 0 without a gap

  @INF-07
  Scenario Outline: a job gives at most max_tokens tokens, then it has ended for good
    Given an open job with max_tokens = <count>
    When the host takes the rest
    Then the text "text" has at most <count> tokens
    And the text "text" ends cleanly
    When the host calls cuda_inference_next_token 20 times
    Then the call returns false with CUDA_SUCCESS

    Examples:
      | count |
      | 1     |
      | 2     |
      | 7     |
      | 100   |

  @INF-07
  Scenario Outline: a job that ends by itself has ended for good
    Given a loaded model "tiny-llama-eos" of the suite's own
    When the host calls cuda_inference_start with prompt = <prompt>, max_tokens = 64
    And the host takes the rest
    And the host calls cuda_inference_next_token 4 times
    Then the call returns false with CUDA_SUCCESS

    Examples: prompts after which the model ends, and after how many tokens
      | prompt        | tokens |
      | "and then"    | 3      |
      | "One"         | 4      |
      | "Bye"         | 1      |
      | "Hello world" | 0      |

  @INF-07
  Scenario Outline: a sampled job that ends by itself has ended for good
    Given an open job with max_tokens = 100, temperature = 2.0, seed = <seed>
    When the host takes the rest
    And the host calls cuda_inference_next_token 4 times
    Then the call returns false with CUDA_SUCCESS

    Examples:
      | seed |
      | 1    |
      | 2    |

  @INF-08
  Scenario: an error is false with a code, and not the end
    Given an open job
    When the host calls cuda_inference_next_token with token_buffer_size = 0
    Then the call returns false with CUDA_ERROR_INVALID_PARAMETER

  @INF-08
  Scenario: a buffer that is too small is an error, not the end
    Given a loaded model
    When the host generates 24 tokens as "roomy"
    And the host generates the same tokens with buffers one byte too small, then exactly large enough
    Then every too-small buffer is refused

  @INF-09
  Scenario Outline: a buffer without room is refused
    Given an open job
    When the host calls cuda_inference_next_token with token_buffer_size = <size>
    Then the call returns false with CUDA_ERROR_INVALID_PARAMETER

    Examples:
      | size    |
      | 0       |
      | -1      |
      | INT_MIN |

  @INF-09 @INF-10
  Scenario: texts that exactly fill the buffer come, and a byte less is refused without loss
    Given a loaded model
    When the host generates 24 tokens as "roomy"
    And the host generates the same tokens with buffers one byte too small, then exactly large enough
    Then every too-small buffer is refused [INF-09]
    And every buffer that is exactly large enough is filled [INF-09]
    And nothing is lost by a refusal [INF-10]

  @INF-10
  Scenario Outline: a buffer without any room loses nothing either
    Given a loaded model
    When the host generates 16 tokens as "roomy"
    And the host calls cuda_inference_start
    And the host takes <count> tokens as "head"
    And the host calls cuda_inference_next_token with token_buffer_size = <size>
    And the host calls cuda_inference_next_token with token_buffer_size = <size>
    And the host takes the rest as "tail"
    Then the text "roomy" is the text "head" and the text "tail"

    Examples:
      | count | size |
      | 0     | 0    |
      | 3     | 0    |
      | 3     | -1   |

  @INF-09
  Scenario Outline: a buffer with more room than any text needs is filled
    Given an open job
    When the host calls cuda_inference_next_token with token_buffer_size = <size>
    Then the call returns true with CUDA_SUCCESS

    Examples:
      | size    |
      | 4096    |
      | 65535   |
      | 65536   |
      | 65537   |
      | 1000000 |

  @INF-11
  Scenario Outline: a job can be freed at any point
    Given an open job
    When the host takes <count> tokens
    And the host calls cuda_inference_free
    Then a normal job works

    Examples:
      | count |
      | 0     |
      | 1     |
      | 5     |
      | 17    |

  @INF-11
  Scenario: a job can be freed after an error
    Given an open job
    When the host calls cuda_inference_next_token with token_buffer_size = -1
    And the host calls cuda_inference_free
    Then a normal job works

  @INF-12
  Scenario Outline: freeing a job gives its memory back
    Given a loaded model
    When the host generates 4 tokens
    And the host generates 4 tokens with temperature = 1.0
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "before"
    And the host runs 40 rounds of: <cycle>
    And the host calls cuda_get_vram_usage
    And the host notes the answer as "after"
    Then the answers "before" and "after" are the same
    And process VRAM usage does not grow

    Examples:
      | cycle                     |
      | job                       |
      | job freed midway          |
      | job freed at once         |
      | job freed after a refusal |
      | job freed with a token pending |
      | sampled job               |
      | two jobs                  |
      | two jobs freed in turn    |
      | job longer than the context |
      | job of one token            |
      | job of 2048 tokens freed midway |
      | job with the empty prompt   |
      | long job                    |

  @INF-12
  Scenario Outline: freeing a job with a long prompt gives its memory back
    Given a loaded model
    When the host runs 16 rounds of: job with a prompt of <count> letters
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

    Examples:
      | count |
      | 90    |
      | 300   |

  @INF-12
  Scenario Outline: freeing a job on a model of every architecture gives its memory back
    Given a library that runs "<architecture>" models
    And a context
    When the host calls cuda_load_model
    And the host runs 40 rounds of: job, job freed midway
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

    Examples:
      | architecture |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @INF-12
  Scenario: freeing a job on a second model gives its memory back
    Given a loaded model
    And a second model, if the library takes one
    When the host runs 40 rounds of: job on the second model
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @INF-12
  Scenario: freeing a job gives its memory back on the second device
    Given a second device
    And a context on device 1
    And a loaded model
    When the host runs 40 rounds of: job
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @INF-13
  Scenario: a job that passes the context length ends without harm
    Given a loaded model
    When the host generates 12 tokens as "before"
    And the host generates past the context length
    Then the process goes on
    And a normal job works
    When the host generates 12 tokens as "after"
    Then the texts "before" and "after" are the same

  @INF-13
  Scenario: a prompt longer than the context is survived
    Given a loaded model
    When the host starts a job whose prompt is longer than the context
    Then the process goes on
    And a normal job works

  @INF-14
  Scenario: fifty jobs in a row leak nothing
    Given a loaded model
    When the host runs 50 rounds of: job
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @INF-14
  Scenario: fifty jobs on a model of odd sizes leak nothing
    Given a loaded model "tiny-llama-runs" of the suite's own
    When the host runs 50 rounds of: job, job freed midway
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @INF-14
  Scenario: fifty jobs that are abandoned leak nothing
    Given a loaded model
    When the host runs 50 rounds of: job freed midway, job freed at once, refused start
    Then process VRAM usage does not grow
    And model VRAM usage does not grow

  @INF-15
  Scenario: a second job beside an open one is independent or refused, and the first is not harmed
    Given a loaded model
    When the host generates 16 tokens as "alone"
    And the host calls cuda_inference_start as "first"
    And the host takes 5 tokens of job "first" as "head"
    And the host calls cuda_inference_start with prompt = "Something else" as "second"
    And the host takes 3 tokens of job "second", if it started
    And the host takes the rest of job "first" as "tail"
    Then the text "alone" is the text "head" and the text "tail"
    When the host frees job "second", if it started
    And the host calls cuda_inference_free with result = first
    And the host generates 16 tokens as "after"
    Then the texts "alone" and "after" are the same

  @INF-15
  Scenario: a third job beside two open ones is independent or refused, and the first is not harmed
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with temperature = 1.0, seed = 3 as "first"
    And the host takes 4 tokens of job "first" as "head"
    And the host calls cuda_inference_start with prompt = "Something else", temperature = 1.0, seed = 4 as "second"
    And the host takes 2 tokens of job "second", if it started
    And the host calls cuda_inference_start with prompt = "A third one", temperature = 1.2, seed = 5 as "third"
    And the host takes 2 tokens of job "third", if it started
    And the host takes the rest of job "first" as "tail"
    Then the text "alone" is the text "head" and the text "tail"
    When the host frees job "second", if it started
    And the host frees job "third", if it started
    And the host calls cuda_inference_free with result = first
    And the host generates 16 tokens with temperature = 1.0, seed = 3 as "after"
    Then the texts "alone" and "after" are the same

  @INF-15
  Scenario: a second job that ends and is freed does not harm the first
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with temperature = 1.0, seed = 3 as "first"
    And the host takes 5 tokens of job "first" as "head"
    And the host calls cuda_inference_start with prompt = "Something else", max_tokens = 2 as "second"
    And the host takes 4 tokens of job "second", if it started
    And the host frees job "second", if it started
    And the host takes the rest of job "first" as "tail"
    Then the text "alone" is the text "head" and the text "tail"

  @INF-15
  Scenario: two jobs that take turns get what each gets alone
    Given a loaded model
    When the host generates 12 tokens from "One fine day" as "one"
    And the host generates 12 tokens from "Two are better" as "two"
    And the host lets two jobs take turns, from "One fine day" as "left" and from "Two are better" as "right"
    Then the texts "one" and "left" are the same
    And the texts "two" and "right" are the same

  @INF-15 @UTF8-02
  Scenario: two jobs that take turns hold back the bytes of their own characters alone
    Given a loaded model "tiny-llama-bytes" of the suite's own
    When the host generates 12 tokens from "日本語" as "one"
    And the host generates 12 tokens from "émigré" as "two"
    And the host lets two jobs take turns, from "日本語" as "left" and from "émigré" as "right"
    Then the texts "one" and "left" are the same [INF-15]
    And the texts "two" and "right" are the same [UTF8-02]
