Feature: text is UTF-8
  Valid text at every token is judged at every call of every scenario.

  @UTF8-01 @UTF8-02 @UTF8-04
  Scenario Outline: every token is valid UTF-8, code points come whole, and nothing is made up
    Given a loaded model
    When the host generates 64 tokens with temperature = <temperature>, seed = <seed>
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

  @UTF8-03
  Scenario Outline: prompts in every script work
    Given a loaded model
    When the host generates 12 tokens from <prompt>
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
      | "👩\u{200D}👩\u{200D}👧\u{200D}👦"                        |
      | "🏳\u{FE0F}\u{200D}🌈"                                    |
      | "e\u{301}a\u{308}\u{323}"                                 |
      | "\u{202E}right to left\u{202C}"                           |
      | "\u{10348}\u{1F9EA}\u{20BB7}"                             |
      | "\u{10FFFF}"                                              |
      | "\u{FEFF}byte order mark"                                 |
      | "\u{FFFD}"                                                |
