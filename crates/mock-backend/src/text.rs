//! Turns the bytes of tokens into whole code points: an unfinished one is held back until it is complete.

use crate::defect::{self, Defect};

/// Bytes that may yet become a code point, at most three.
#[derive(Debug, Default)]
pub struct TextStream {
    held: Vec<u8>,
}

impl TextStream {
    /// Adds the bytes of a token and returns the text that is complete now (UTF8-01, UTF8-02).
    ///
    /// Bytes that can never become a code point are dropped, and no replacement character is put in their
    /// place (UTF8-04). NUL is dropped too: it would end the C string that carries the text.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if defect::on(Defect::HeldPerThread) && defect::foreign_thread() {
            self.held.clear();
        }
        let split = !self.held.is_empty();
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(good).unwrap_or_default());
                    match error.error_len() {
                        Some(length) => {
                            let rare = defect::on(Defect::RareBytesReplaced) && bad[0] >= 0xf5;
                            if rare || defect::on(Defect::Replacement) {
                                text.push('\u{fffd}');
                            }
                            if defect::token::passes(bad) {
                                text.push(defect::token::PASSED);
                            }
                            rest = &bad[length..];
                        }
                        None => {
                            rest = bad;
                            break;
                        }
                    }
                }
            }
        }
        if defect::on(Defect::SplitDropped) {
            rest = &[];
        }
        if defect::on(Defect::SplitTwice) && split && !text.is_ascii() {
            text = text.repeat(2);
        }
        self.held = rest.to_vec();
        text.retain(|character| character != '\0');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(parts: &[&[u8]]) -> Vec<String> {
        let mut stream = TextStream::default();
        parts.iter().map(|part| stream.push(part)).collect()
    }

    #[test]
    fn a_split_code_point_arrives_whole_in_the_call_that_completes_it() {
        assert_eq!(pushed(&[b"a\xf0", b"\x9f\x98", b"\x80b"]), ["a", "", "😀b"]);
    }

    #[test]
    fn bytes_that_can_never_be_text_are_dropped_without_a_replacement() {
        assert_eq!(pushed(&[b"\x80x\xff", b"\xc3(", b"\xed\xa0\x80y"]), ["x", "(", "y"]);
    }

    #[test]
    fn an_unfinished_code_point_that_another_character_breaks_is_dropped() {
        assert_eq!(pushed(&[b"\xe4\xbd", b"z"]), ["", "z"]);
    }

    #[test]
    fn a_replacement_character_of_the_model_itself_is_kept() {
        assert_eq!(pushed(&["\u{fffd}".as_bytes()]), ["\u{fffd}"]);
    }

    #[test]
    fn nul_bytes_are_dropped() {
        assert_eq!(pushed(&[b"a\0b"]), ["ab"]);
    }

    #[test]
    fn every_cut_of_a_text_gives_the_text() {
        let text = "aé日本👩‍👩‍👧שלום";
        for size in 1..8 {
            let parts: Vec<_> = text.as_bytes().chunks(size).collect();
            assert_eq!(pushed(&parts).concat(), text);
        }
    }
}
