//! Text that a library or a file name may have had a hand in, made fit for one line of a report.

use std::fmt::Write;

/// Characters of such a text that people are shown; reports for machines have all of it.
const SHOWN: usize = 2000;

/// One line: control characters, line breaks and those that turn the direction of text are written as escapes.
pub fn line(text: &str) -> String {
    let mut shown = visible(text, |_| false);
    if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
        let more = shown[end..].chars().count();
        shown.truncate(end);
        let _ = write!(shown, "… ({more} more characters)");
    }
    shown
}

/// A block of text: as [`line()`], but whole, and its line breaks and tabs stay.
pub fn block(text: &str) -> String {
    visible(text, |character| matches!(character, '\n' | '\t'))
}

fn visible(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{061C}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2028}'..='\u{2029}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
        if (character.is_control() || turns) && !keep(character) {
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(line("a\u{1b}[31m\nb\u{202e}c\0"), "a\\u{1b}[31m\\nb\\u{202e}c\\u{0}");
        assert_eq!(block("a\n\tb\r"), "a\n\tb\\r");
        let long = line(&"é".repeat(5000));
        assert!(long.ends_with("… (3000 more characters)"), "{}", &long[long.len() - 40..]);
    }
}
