Feature: text is UTF-8
  Valid text at every token is judged at every call of every scenario.

  @UTF8-01 @UTF8-02 @UTF8-04
  Scenario Outline: every token is valid UTF-8, code points come whole, and nothing is made up
    Given a loaded model
    When the host generates up to 64 tokens with temperature = <temperature>, seed = <seed>
    Then every token is valid UTF-8 [UTF8-01]
    And code points come whole and once [UTF8-02]
    And no replacement character is made up [UTF8-04]

    Examples:
      | temperature | seed |
      | 0.0         | 1    |
      | 0.8         | 1    |
      | 1.5         | 2    |
      | 2.0         | 3    |
      | 2.0         | 4    |
      | 2.0         | 5    |

  @UTF8-01 @UTF8-04
  Scenario Outline: bytes that are no text stay out of it
    Given a loaded model "tiny-llama-bytes" of the suite's own
    When the host generates 200 tokens from <prompt> with temperature = <temperature>, seed = 5
    Then every token is valid UTF-8 [UTF8-01]
    And no replacement character is made up [UTF8-04]

    Examples:
      | prompt     | temperature |
      | "Hello"    | 0.0         |
      | "Hello"    | 1.0         |
      | "One more" | 1.0         |
      | "Bytes"    | 2.0         |

  @UTF8-01 @UTF8-04
  Scenario Outline: surrogates, overlong forms and what lies beyond U+10FFFF are no text
    Given a loaded model "tiny-llama-ill-formed" of the suite's own
    When the host generates 200 tokens from <prompt> with temperature = <temperature>, seed = 5
    Then every token is valid UTF-8 [UTF8-01]
    And no replacement character is made up [UTF8-04]

    Examples:
      | prompt     | temperature |
      | "Hello"    | 0.0         |
      | "Hello"    | 2.0         |
      | "One more" | 1.0         |

  @UTF8-02
  Scenario Outline: code points that tokens split arrive whole, once, and in the call that completes them
    Given a loaded model "<model>" whose greedy texts are known
    When the host generates every text that is known of "<model>"
    Then the code points of known texts of "<model>" arrive whole, once, and in the call that completes them

    Examples:
      | model      |
      | tiny-llama |
      | tiny-gpt2  |

  @UTF8-03
  Scenario Outline: prompts in every script work
    Given a loaded model
    When the host calls cuda_inference_start with prompt = <prompt>, max_tokens = 12
    Then the call returns a handle with CUDA_SUCCESS
    When the host takes the rest
    And the host calls cuda_inference_free
    Then the text "text" ends cleanly
    When the host generates 12 tokens from <prompt> as "again"
    Then the texts "text" and "again" are the same

    Examples: scripts
      | prompt                                      |
      | "你好，世界"                                 |
      | "日本語のテキスト"                            |
      | "안녕하세요"                                 |
      | "Привет, мир"                               |
      | "مرحبا بالعالم"                             |
      | "שלום עולם"                                 |
      | "สวัสดีชาวโลก"                                |
      | "नमस्ते दुनिया"                                |

    Examples: hard cases
      | prompt                                                    |
      | "👩{U+200D}👩{U+200D}👧{U+200D}👦"                        |
      | "🏳{U+FE0F U+200D}🌈"                                    |
      | "e{U+301}a{U+308 U+323}"                                 |
      | "{U+202E}right to left{U+202C}"                           |
      | "{U+10348 U+1F9EA U+20BB7}"                             |
      | "{U+10FFFF}"                                              |
      | "{U+FEFF}byte order mark"                                 |
      | "{U+FFFD}"                                                |
