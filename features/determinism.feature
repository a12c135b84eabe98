Feature: determinism
  The same library on the same device gives the same tokens for the same request.

  @DET-01
  Scenario Outline: greedy text is the same run after run on one model
    Given a loaded model
    When the host generates <count> tokens as "first"
    And the host generates <count> tokens as "second"
    And the host generates <count> tokens as "third"
    Then the texts "first" and "second" are the same
    And the texts "first" and "third" are the same

    Examples:
      | count |
      | 1     |
      | 24    |
      | 150   |

  @DET-01
  Scenario: greedy text is the same job after job after job
    Given a loaded model
    When the host generates 4 tokens 130 times as "job"
    Then the texts "job" are all the same

  @DET-01
  Scenario: greedy text is the same a while later
    Given a loaded model
    When the host generates 24 tokens as "now"
    And the host generates 24 tokens with pause_us = 50000 as "meanwhile"
    And the host generates 24 tokens as "later"
    Then the texts "now" and "later" are the same

  @DET-02
  Scenario: greedy text is the same after a reload
    Given a loaded model
    When the host generates 24 tokens as "first"
    And the host calls cuda_unload_model
    And the host calls cuda_load_model
    And the host generates 24 tokens as "reloaded"
    Then the texts "first" and "reloaded" are the same

  @DET-02
  Scenario: greedy text is the same in another context
    Given a loaded model "one" in context "A"
    And a loaded model "two" in context "B"
    When the host generates 24 tokens with model = one as "first"
    And the host generates 24 tokens with model = two as "second"
    Then the texts "first" and "second" are the same

  @DET-03
  Scenario Outline: greedy text is the same in another process
    Given a loaded model
    When the host generates <count> tokens from <prompt> as "first"
    And the host uses the library in a new process
    And the host generates <count> tokens from <prompt> as "second"
    And the host uses the library in a new process
    And the host generates <count> tokens from <prompt> as "third"
    Then the texts "first" and "second" are the same
    And the texts "first" and "third" are the same

    Examples:
      | count | prompt                                                                                                |
      | 24    | "Hello, world"                                                                                        |
      | 24    | "The quick brown fox"                                                                                 |
      | 300   | "Once upon a time"                                                                                    |
      | 24    | "A prompt of well over a hundred bytes, which a reader may cut into several parts before it goes on." |
      | 24    | "日本語のテキスト, émigré, 👩{U+200D}👩{U+200D}👧"                                                    |

  @DET-03
  Scenario Outline: text is the same in a process whose memory holds other bytes before it is written
    Given a loaded model
    When the host generates 40 tokens as "first"
    And the host generates 40 tokens with temperature = 1.0, seed = 11 as "drawn"
    And the host uses the library in a new process whose allocator fills memory with <byte>
    And the host generates 40 tokens as "second"
    And the host generates 40 tokens with temperature = 1.0, seed = 11 as "redrawn"
    Then the texts "first" and "second" are the same
    And the texts "drawn" and "redrawn" are the same

    Examples:
      | byte |
      | 0x5a |
      | 0x7f |

  @DET-04
  Scenario Outline: the seed does not matter to greedy text
    Given a loaded model
    When the host generates 24 tokens with temperature = <zero>, seed = 1 as "one"
    And the host generates 24 tokens with temperature = 0.0, seed = <seed> as "other"
    Then the texts "one" and "other" are the same

    Examples:
      | zero | seed       |
      | 0.0  | 0          |
      | 0.0  | 2          |
      | 0.0  | 4294967297 |
      | 0.0  | UINT64_MAX |
      | 0.0  | 9223372036854775807 |
      | 0.0  | 9223372036854775808 |
      | 0.0  | 18446744073709551614 |
      | -0.0 | 12345      |

  @DET-04 @DET-05 @DET-08
  Scenario Outline: seeds have their meaning on <architecture> models too
    Given a library that runs "<architecture>" models
    And a context
    When the host calls cuda_load_model
    And the host generates 24 tokens with temperature = 0.0, seed = 2 as "even"
    And the host generates 24 tokens with temperature = 0.0, seed = 3 as "odd"
    Then the texts "even" and "odd" are the same [DET-04]
    When the host generates 24 tokens with temperature = 1.0, seed = 3 as "first"
    And the host generates 24 tokens with temperature = 1.0, seed = 3 as "again"
    Then the texts "first" and "again" are the same [DET-05]
    When the host generates 24 tokens with temperature = 0.0, seed = 2 as "later"
    Then the texts "even" and "later" are the same [DET-08]

    Examples:
      | architecture |
      | llama        |
      | gpt2         |
      | qwen2        |
      | phi3         |

  @DET-05
  Scenario: sampled text is the same in the next contexts too, however many there were
    Given a loaded model "model" in context "A"
    When the host generates 24 tokens with temperature = 1.0, seed = 7 as "first"
    And the host runs 5 rounds of: init, destroy
    And the host calls cuda_init as "B"
    And the host calls cuda_load_model with ctx = B as "other"
    And the host generates 24 tokens with model = other, temperature = 1.0, seed = 7 as "later"
    Then the texts "first" and "later" are the same

  @DET-05
  Scenario: sampled text is the same in two contexts of the second device
    Given a second device
    And a context "A" on device 1
    And a context "B" on device 1
    And a loaded model "one" in context "A"
    And a loaded model "two" in context "B"
    When the host generates 24 tokens with model = one, temperature = 1.0, seed = 7 as "first"
    And the host generates 24 tokens with model = two, temperature = 1.0, seed = 7 as "second"
    Then the texts "first" and "second" are the same

  @DET-05
  Scenario: sampled text is the same for the same seed on a second model
    Given a loaded model "one"
    And a second model, if the library takes one
    When the host generates 24 tokens with model = second, temperature = 1.0, seed = 7 as "first"
    And the host generates 24 tokens with model = second, temperature = 1.0, seed = 7 as "again"
    Then the texts "first" and "again" are the same

  @DET-05
  Scenario Outline: sampled text is the same for the same seed: on one model, reloaded, in another context and process
    Given a loaded model
    When the host generates 24 tokens with temperature = <temperature>, seed = <seed> as "first"
    And the host generates 24 tokens with temperature = <temperature>, seed = <seed> as "again"
    Then the texts "first" and "again" are the same
    When the host calls cuda_unload_model
    And the host calls cuda_load_model
    And the host generates 24 tokens with temperature = <temperature>, seed = <seed> as "reloaded"
    Then the texts "first" and "reloaded" are the same
    When the host calls cuda_init as "B"
    And the host calls cuda_load_model with ctx = B as "other"
    And the host generates 24 tokens with model = other, temperature = <temperature>, seed = <seed> as "elsewhere"
    Then the texts "first" and "elsewhere" are the same
    When the host uses the library in a new process
    And the host generates 24 tokens with temperature = <temperature>, seed = <seed> as "process"
    Then the texts "first" and "process" are the same

    Examples:
      | temperature | seed       |
      | 0.001       | 7          |
      | 0.5         | 42         |
      | 1.0         | 0          |
      | 1.5         | UINT64_MAX |
      | 2.0         | 4294967296 |
      | 1.5         | 4294967295 |
      | 1.5         | 2147483647 |
      | 1.5         | 2147483648 |
      | 1.5         | 9223372036854775807 |
      | 1.5         | 9223372036854775808 |

  @DET-05
  Scenario Outline: sampled text is the same at every temperature that hosts like to use
    Given a loaded model
    When the host generates 24 tokens with temperature = <temperature>, seed = 17 as "first"
    And the host generates 24 tokens with temperature = <temperature>, seed = 17 as "again"
    Then the texts "first" and "again" are the same

    Examples:
      | temperature |
      | 0.01        |
      | 0.04        |
      | 0.1         |
      | 0.2         |
      | 0.3         |
      | 0.4         |
      | 0.6         |
      | 0.7         |
      | 0.75        |
      | 0.8         |
      | 0.9         |
      | 1.1         |
      | 1.25        |
      | 1.75        |
      | 1.9         |
      | 1.99        |

  @DET-05
  Scenario: sampled text of hundreds of tokens is the same, in another process too
    Given a loaded model
    When the host generates 300 tokens with temperature = 1.3, seed = 21 as "first"
    And the host generates 300 tokens with temperature = 1.3, seed = 21 as "again"
    Then the texts "first" and "again" are the same
    When the host uses the library in a new process
    And the host generates 300 tokens with temperature = 1.3, seed = 21 as "process"
    Then the texts "first" and "process" are the same

  @DET-05
  Scenario Outline: sampled text is the same a while later
    Given a loaded model
    When the host generates 24 tokens with temperature = 1.5, seed = <seed> as "now"
    And the host generates 24 tokens with pause_us = 50000 as "meanwhile"
    And the host generates 24 tokens with temperature = 1.5, seed = <seed> as "later"
    Then the texts "now" and "later" are the same

    Examples: seeds that other programs take for a wish to be surprised
      | seed       |
      | 0          |
      | 4294967295 |
      | UINT64_MAX |

  @DET-06
  Scenario: seeds matter to sampled text
    Given a loaded model
    When the host generates 24 tokens at temperature 1.5 with each of 16 seeds
    Then at least 2 of the texts "seed" differ
    And it is noted whether seeds that differ in their upper half alone give different texts

  @DET-07
  Scenario Outline: a shorter job gives the beginning of a longer one
    Given a loaded model
    When the host generates 40 tokens with temperature = <temperature>, seed = 9 as "long"
    And the host generates 400 tokens with temperature = <temperature>, seed = 9 as "longest"
    And the host generates 1 token with temperature = <temperature>, seed = 9 as "one"
    And the host generates 13 tokens with temperature = <temperature>, seed = 9 as "short"
    And the host generates 120 tokens with temperature = <temperature>, seed = 9 as "middling"
    Then the text "long" begins with the text "one"
    And the text "longest" begins with the text "middling"
    And the text "longest" begins with the text "long"
    And the text "long" begins with the text "short"

    Examples:
      | temperature |
      | 0.0         |
      | 1.2         |

  @DET-07
  Scenario Outline: the shortest jobs give the beginning of a longer one, whatever the seed
    Given a loaded model
    When the host generates 8 tokens with temperature = 1.9, seed = <seed> as "long"
    And the host generates 1 token with temperature = 1.9, seed = <seed> as "one"
    And the host generates 2 tokens with temperature = 1.9, seed = <seed> as "two"
    Then the text "long" begins with the text "one"
    And the text "long" begins with the text "two"

    Examples:
      | seed       |
      | 0          |
      | 1          |
      | 2          |
      | 5          |
      | 10         |
      | 77         |
      | 4294967297 |

  @DET-07
  Scenario Outline: the largest jobs begin as a short one
    Given a loaded model with room for 2048 tokens
    When the host generates 24 tokens with temperature = <temperature>, seed = 9 as "short"
    And the host calls cuda_inference_start with max_tokens = <most>, temperature = <temperature>, seed = 9
    And the host takes 24 tokens as "long"
    Then the text "long" begins with the text "short"

    Examples:
      | most | temperature |
      | 512  | 0.0         |
      | 512  | 1.2         |
      | 1025 | 1.2         |
      | 2048 | 0.0         |
      | 2048 | 1.2         |

  @DET-08
  Scenario Outline: what ran before changes nothing, however long the prompt
    Given a loaded model
    When the host takes 2 tokens of jobs whose prompts have <lengths> words, and the same in the opposite order
    Then every prompt gives the same text both times

    Examples:
      | lengths                      |
      | 1 to 20                      |
      | 30 to 34, 62 to 66           |
      | 126 to 130                   |
      | 254 to 258, 300              |

  @DET-08
  Scenario Outline: a prompt that is like the one before is not taken for it
    Given a loaded model
    When the host generates 16 tokens from <prompt> with temperature = <temperature>, seed = 5 as "alone"
    And the host uses the library in a new process
    And the host generates 16 tokens from <other> with temperature = <temperature>, seed = 5 as "noise"
    And the host generates 16 tokens from <prompt> with temperature = <temperature>, seed = 5 as "after"
    Then the texts "alone" and "after" are the same

    Examples: the same length, and the same beginning or end
      | prompt                             | other                              | temperature |
      | "The quick brown fox jumps over"   | "The quick brown dog sleeps now"   | 0.0         |
      | "The quick brown fox jumps over"   | "The quick brown dog sleeps now"   | 1.0         |
      | "Once upon a time there was a cat" | "Once upon a time there was a dog" | 1.0         |
      | "A cat that nobody has ever seen"  | "I saw that nobody has ever seen"  | 1.0         |
      | "ab"                               | "ba"                               | 1.0         |

    Examples: both ends the same, or a long way to where they part
      | prompt | other | temperature |
      | "The quick brown fox jumps over a lazy dog" | "The quick white fox jumps over a lazy dog" | 1.0 |
      | "The quick brown fox jumps over a lazy dog" | "The quick white fox jumps over a lazy dog" | 0.0 |
      | "Once, the quick brown fox jumps over a lazy dog and on" | "Then, the quick brown fox jumps over a lazy dog and on" | 1.0 |
      | "A long story is told by an old man to all who want to hear it, and to some who do not. It begins, as such stories do, in a small town near the sea, one day." | "A long story is told by an old man to all who want to hear it, and to some who do not. It begins, as such stories do, in a small town near the sea, at noon." | 1.0 |
      | "A long story is told by an old man to all who want to hear it, and to some who do not. It begins, as such stories do, in a small town near the sea, one day. Nobody knows when that was, and nobody asks. There was a ship in the port, and its name was the Fox." | "A long story is told by an old man to all who want to hear it, and to some who do not. It begins, as such stories do, in a small town near the sea, one day. Nobody knows when that was, and nobody asks. There was a ship in the port, and its name was the Dog." | 1.0 |

    Examples: one goes on where the other ends
      | prompt                         | other                          | temperature |
      | "The quick brown fox jumps"    | "The quick brown"              | 0.0         |
      | "The quick brown fox jumps"    | "The quick brown"              | 1.0         |
      | "The quick brown"              | "The quick brown fox jumps"    | 0.0         |
      | "The quick brown"              | "The quick brown fox jumps"    | 1.0         |

    Examples: the same to a reader who looks away from case, white space or the form of a letter
      | prompt                   | other                      | temperature |
      | "Once upon a time"       | "ONCE UPON A TIME"         | 1.0         |
      | "Once upon a time"       | "Once upon  a time"        | 1.0         |
      | "Once upon a time"       | "Once upon a time "        | 1.0         |
      | "Once upon a time"       | " Once upon a time"        | 1.0         |
      | "Once upon a time"       | "Once upon a time{0A}"     | 1.0         |
      | "A caf{C3 A9} by the sea" | "A cafe{CC 81} by the sea" | 1.0         |

  @DET-08
  Scenario Outline: a model of the same size with other <what> is not taken for the one before
    Given a loaded model "<model>" of the suite's own
    When the host generates 24 tokens from "Hello, world" as "alone"
    And the host uses the library in a new process
    And the host calls cuda_init
    And the host calls cuda_load_model with model_path = tiny-llama as "usual"
    And the host generates 4 tokens with model = usual as "noise"
    And the host calls cuda_unload_model with model = usual
    And the host calls cuda_load_model
    And the host generates 24 tokens from "Hello, world" as "after"
    Then the texts "alone" and "after" are the same

    Examples:
      | what    | model               |
      | words   | tiny-llama-turned   |
      | weights | tiny-llama-reseeded |

  @DET-08
  Scenario: a model with other angles is not taken for the one before
    Given a loaded model
    When the host generates 24 tokens as "alone"
    And the host uses the library in a new process
    And the host calls cuda_init
    And the host calls cuda_load_model with model_path = other-rotary-base as "other"
    And the host generates 4 tokens with model = other as "noise"
    And the host calls cuda_unload_model with model = other
    And the host calls cuda_load_model
    And the host generates 24 tokens as "after"
    Then the texts "alone" and "after" are the same

  @DET-08
  Scenario: what ran before changes nothing
    Given a loaded model
    When the host generates 24 tokens as "fresh"
    And the host generates 60 tokens from "A long and different story begins" with temperature = 2.0, seed = 77 as "noise"
    And the host generates 1 token from "x" as "noise"
    And the host generates 24 tokens as "later"
    Then the texts "fresh" and "later" are the same

  @DET-08
  Scenario Outline: a refused call changes nothing in the next job
    Given a loaded model
    When the host generates 24 tokens with temperature = <temperature>, seed = 5 as "fresh"
    And the host calls cuda_inference_start with max_tokens = 0 as "none"
    And the host calls cuda_inference_start with temperature = 3.0 as "none"
    And the host calls cuda_inference_start with prompt = NULL as "none"
    And the host calls cuda_load_model with model_path = missing-file as "none"
    And the host generates 24 tokens with temperature = <temperature>, seed = 5 as "later"
    Then the texts "fresh" and "later" are the same

    Examples:
      | temperature |
      | 0.0         |
      | 1.0         |

  @DET-08
  Scenario: a long job changes nothing in the very next one
    Given a loaded model
    When the host generates 24 tokens as "fresh"
    And the host generates 120 tokens from "A long job, run to its end" with temperature = 1.2, seed = 21 as "noise"
    And the host generates 24 tokens as "later"
    Then the texts "fresh" and "later" are the same

  @DET-08
  Scenario Outline: an open job goes on as if alone after: <what>
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with temperature = 1.0, seed = 3 as "job"
    And the host takes 5 tokens as "head"
    And the host calls <what> as "none"
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail"

    Examples:
      | what                                                |
      | cuda_inference_start with max_tokens = 0            |
      | cuda_inference_start with temperature = NaN         |
      | cuda_inference_start with prompt = NULL             |
      | cuda_load_model with model_path = missing-file      |
      | cuda_load_model with model_path = ends-half-way     |
      | cuda_load_model with model_path = sparse-huge-file  |
      | cuda_init with gpu_device = -1                      |
      | cuda_init                                           |
      | cuda_inference_next_token with result = NULL        |
      | cuda_check_vram_residency with model = NULL         |
      | cuda_error_message with code = 3                    |
      | cuda_get_device_count                               |

  @DET-08 @DEV-05
  Scenario: a context that comes and goes in the middle of a job changes nothing in it
    Given a loaded model "one" in context "A"
    When the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with model = one, temperature = 1.0, seed = 3
    And the host takes 5 tokens as "head"
    And the host calls cuda_init as "B"
    And the host calls cuda_destroy with ctx = B
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail" [DET-08]
    When the host calls cuda_inference_free
    And the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "after"
    Then the texts "alone" and "after" are the same [DEV-05]

  @DET-08
  Scenario: jobs abandoned after any number of tokens leave nothing to the next
    Given a loaded model
    When the host abandons jobs after 1 to 20 tokens, each followed by a job as "after"
    Then the texts "after" are all the same

  @DET-08
  Scenario: the largest of jobs changes nothing in the next one
    Given a loaded model
    When the host generates 24 tokens as "fresh"
    And the host calls cuda_inference_start with max_tokens = 2048 as "largest"
    And the host takes 3 tokens of job "largest", if it started
    And the host frees job "largest", if it started
    And the host generates 24 tokens as "later"
    Then the texts "fresh" and "later" are the same

  @DET-08
  Scenario: a job that was abandoned changes nothing
    Given a loaded model
    When the host generates 24 tokens with temperature = 1.0, seed = 5 as "fresh"
    And the host calls cuda_inference_start with prompt = "Never finished", temperature = 1.0, seed = 6
    And the host takes 7 tokens
    And the host calls cuda_inference_free
    And the host generates 24 tokens with temperature = 1.0, seed = 5 as "later"
    Then the texts "fresh" and "later" are the same

  @DET-08
  Scenario: what runs beside in another context changes nothing
    Given a loaded model "one" in context "A"
    And a loaded model "two" in context "B"
    When the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_inference_start with model = one, temperature = 1.0, seed = 3 as "left"
    And the host takes 6 tokens of job "left" as "head"
    And the host generates 20 tokens from "Beside it" with model = two, temperature = 1.3, seed = 8 as "noise"
    And the host takes the rest of job "left" as "tail"
    Then the text "alone" is the text "head" and the text "tail"

  @DET-08
  Scenario: what is open beside in other contexts changes nothing
    Given a loaded model "one" in context "A"
    When the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_init as "B"
    And the host calls cuda_load_model with ctx = B as "two"
    And the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "beside"
    And the host calls cuda_inference_start with model = two as "open"
    And the host takes 2 tokens of job "open"
    And the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "during"
    And the host calls cuda_inference_free with result = open
    And the host calls cuda_unload_model with model = two
    And the host calls cuda_destroy with ctx = B
    And the host generates 16 tokens with model = one, temperature = 1.0, seed = 3 as "after"
    Then the texts "alone" and "beside" are the same
    And the texts "alone" and "during" are the same
    And the texts "alone" and "after" are the same

  @DET-08
  Scenario: a second model in the context changes nothing
    Given a loaded model
    When the host generates 16 tokens with temperature = 1.0, seed = 3 as "alone"
    And the host calls cuda_load_model as "second"
    And the host generates 16 tokens with temperature = 1.0, seed = 3 as "beside"
    Then the texts "alone" and "beside" are the same

  @DET-08
  Scenario: usage queries between tokens change nothing
    Given a loaded model
    When the host generates 16 tokens as "alone"
    And the host calls cuda_inference_start
    And the host takes 4 tokens as "head"
    And the host calls cuda_get_vram_usage
    And the host calls cuda_model_get_vram_usage
    And the host calls cuda_get_process_vram_usage
    And the host takes the rest as "tail"
    Then the text "alone" is the text "head" and the text "tail"

  @DET-09
  Scenario Outline: how the host asks changes nothing
    Given a loaded model
    When the host generates 24 tokens with temperature = 1.0, seed = 4 as "usual"
    And the host generates 24 tokens with temperature = 1.0, seed = 4, <manner> as "other"
    Then the texts "usual" and "other" are the same

    Examples:
      | manner                    |
      | token_buffer_size = snug  |
      | token_buffer_size = 64    |
      | token_buffer_size = 257   |
      | token_buffer_size = 65536 |
      | token_buffer_size = 65537 |
      | token_buffer_size = 1000000 |
      | token_index = NULL        |
      | error_code = NULL         |
      | pause_us = 2000           |
      | pause_us = 20000          |

  @DET-09
  Scenario Outline: a host that takes its time gets the same
    Given a loaded model
    When the host generates <count> tokens with temperature = 1.0, seed = 4 as "usual"
    And the host generates <count> tokens with temperature = 1.0, seed = 4, pause_us = <pause> as "slow"
    Then the texts "usual" and "slow" are the same

    Examples:
      | count | pause   |
      | 5     | 400000  |
      | 2     | 2100000 |
