//! Compares a generated text with the one that a model is known to give: whole code points, once, in time (UTF8-02).
//!
//! Nothing obliges a library to give the known text: other arithmetic, near ties or another tokenizer may lead it
//! elsewhere, and then nothing is said. But a text that is the known one in every character, except that code points
//! which were split over tokens are lost, doubled, replaced or late, can only come from a library that cuts them wrong.

/// Characters that have to agree behind a fault before it is one: a text may part from the known one anywhere.
const CONFIRM: usize = 8;
/// Characters that have to agree in all.
const AGREE: usize = 16;

/// How a text compares with the known one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is the known text, every code point in the call that completes it.
    Same,
    /// It is another text: nothing can be said.
    Unlike,
    /// It is the known text but for this code point.
    Wrong(Fault),
}

/// What became of a code point that was split over tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code point.
    pub point: char,
    /// The call that completes it, counted from 0.
    pub call: usize,
    /// What became of it.
    pub what: &'static str,
}

/// A character of the known text.
#[derive(Debug, Clone, Copy)]
struct Known {
    point: char,
    /// The token that completes it.
    call: usize,
    /// Whether earlier tokens hold some of its bytes.
    split: bool,
}

/// Compares the texts of a job's calls with the bytes of the tokens that the model is known to give.
pub fn compare(tokens: &[Vec<u8>], pieces: &[&[u8]]) -> Comparison {
    let known = characters(tokens);
    let found: Vec<(char, usize)> = pieces
        .iter()
        .enumerate()
        .flat_map(|(call, bytes)| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.chars().map(|point| (point, call)).collect::<Vec<_>>()
        })
        .collect();
    // Calls can be compared where each gave one token: a library may also pass over tokens that have no text yet.
    let aligned = pieces.len() == tokens.len();
    let (mut at, mut agreed) = (0, 0);
    let mut fault: Option<(Fault, usize)> = None;
    for (number, one) in known.iter().enumerate() {
        let wrong = |what| (Fault { point: one.point, call: one.call, what }, agreed);
        let Some(&(point, call)) = found.get(at) else { return Comparison::Unlike };
        if point == one.point {
            at += 1;
            let mut noted = (aligned && one.split && call > one.call).then(|| wrong("came in a later call"));
            while one.split
                && found.get(at).is_some_and(|(next, _)| *next == one.point)
                && known.get(number + 1).is_none_or(|next| next.point != one.point)
            {
                at += 1;
                noted = Some(wrong("came more than once"));
            }
            fault = fault.or(noted);
            agreed += 1;
        } else if one.split {
            let mut what = "never came";
            while found.get(at).is_some_and(|(next, _)| *next == char::REPLACEMENT_CHARACTER) {
                at += 1;
                what = "came as U+FFFD";
            }
            fault = fault.or(Some(wrong(what)));
        } else {
            return Comparison::Unlike;
        }
    }
    match fault {
        Some((fault, before)) if agreed >= AGREE && agreed - before >= CONFIRM => Comparison::Wrong(fault),
        Some(_) => Comparison::Unlike,
        None => Comparison::Same,
    }
}

/// The characters of the tokens; bytes that no later token completes are none.
fn characters(tokens: &[Vec<u8>]) -> Vec<Known> {
    let mut known = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut begun = 0;
    for (call, token) in tokens.iter().enumerate() {
        for &byte in token {
            if open.is_empty() {
                begun = call;
            }
            open.push(byte);
            match std::str::from_utf8(&open) {
                Ok(text) => {
                    known.extend(text.chars().map(|point| Known { point, call, split: begun != call }));
                    open.clear();
                }
                Err(error) if error.error_len().is_some() => open.clear(),
                Err(_) => {}
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain words around a code point that is split over two tokens, and one over three.
    fn tokens() -> Vec<Vec<u8>> {
        let mut tokens: Vec<Vec<u8>> =
            ["one ", "two ", "three ", "four "].iter().map(|word| word.as_bytes().to_vec()).collect();
        tokens.push(vec![0xc3]);
        tokens.push(vec![0xa9, b'!']);
        tokens.extend([vec![0xe4], vec![0xbd], vec![0xa0]]);
        tokens.extend(["five ", "six ", "seven "].iter().map(|word| word.as_bytes().to_vec()));
        tokens
    }

    fn judge(pieces: &[&str]) -> Comparison {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        compare(&tokens(), &pieces)
    }

    fn wrong(point: char, call: usize, what: &'static str) -> Comparison {
        Comparison::Wrong(Fault { point, call, what })
    }

    const START: [&str; 4] = ["one ", "two ", "three ", "four "];
    const END: [&str; 3] = ["five ", "six ", "seven "];

    fn around(middle: &[&'static str]) -> Vec<&'static str> {
        [&START[..], middle, &END[..]].concat()
    }

    #[test]
    fn the_known_text_is_the_same_with_and_without_empty_calls() {
        assert_eq!(judge(&around(&["", "é!", "", "", "你"])), Comparison::Same);
        assert_eq!(judge(&around(&["é!", "你"])), Comparison::Same);
        // Without empty calls the same number of calls goes further.
        assert_eq!(judge(&[&around(&["é!", "你"])[..], &["and more", "of it"]].concat()), Comparison::Same);
    }

    #[test]
    fn lost_doubled_replaced_and_late_code_points_are_told() {
        assert_eq!(judge(&around(&["", "!", "", "", "你"])), wrong('é', 5, "never came"));
        assert_eq!(judge(&around(&["", "éé!", "", "", "你"])), wrong('é', 5, "came more than once"));
        assert_eq!(judge(&around(&["", "é!", "", "你", "你"])), wrong('你', 8, "came more than once"));
        assert_eq!(judge(&around(&["�", "�!", "", "", "你"])), wrong('é', 5, "came as U+FFFD"));
        assert_eq!(
            judge(&["one ", "two ", "three ", "four ", "", "é!", "", "", "", "你five ", "six ", "seven "]),
            wrong('你', 8, "came in a later call")
        );
    }

    #[test]
    fn another_text_is_no_fault() {
        assert_eq!(judge(&around(&["", "è!", "", "", "你"])), Comparison::Unlike);
        assert_eq!(judge(&["something", "else"]), Comparison::Unlike);
        assert_eq!(judge(&[]), Comparison::Unlike);
        // Where the texts part for good, a code point that did not come is no loss.
        assert_eq!(
            judge(&["one ", "two ", "three ", "four ", "", "!", "", "", "", "other"]),
            Comparison::Unlike
        );
    }
}
