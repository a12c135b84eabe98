//! What tiny models are known to say: the tokens of greedy jobs, as `fixtures/golden/greedy.yaml` holds them.
//!
//! A test computes them anew with the naive network and compares; only texts that no rounding can change are taken.

use std::sync::LazyLock;

use serde::Deserialize;

/// A greedy job whose tokens are known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The fixture.
    pub model: String,
    /// The prompt.
    pub prompt: String,
    /// The bytes of each token.
    #[serde(deserialize_with = "from_hex")]
    pub tokens: Vec<Vec<u8>>,
}

/// Tokens in hexadecimal, with spaces between them.
fn from_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let byte = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    text.split_whitespace()
        .map(|token| token.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| serde::de::Error::custom("a token is not hexadecimal"))
}

/// All of them.
///
/// # Panics
/// If the file that was compiled in cannot be read, which a test rules out.
pub fn goldens() -> &'static [Golden] {
    static ALL: LazyLock<Vec<Golden>> = LazyLock::new(|| {
        serde_yaml::from_str(super::embedded::GREEDY)
            .unwrap_or_else(|error| panic!("golden/greedy.yaml: {error}"))
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::models::Store;
    use crate::models::reference::{Reference, greedy};

    const HEAD: &str = "# Tokens of greedy jobs on tiny models, in hexadecimal; computed by the naive network of the tests.\n\n";
    const PROMPTS: [&str; 36] = [
        "Hello",
        "Hello world",
        "The quick brown fox",
        "One fine day",
        "Once upon a time",
        "A story",
        "What is it",
        "I see",
        "This is the end",
        "Good morning",
        "In the house",
        "Two birds",
        "Rain",
        "A red door",
        "The sea",
        "Where are you",
        "Nobody knows",
        "Ten green bottles",
        "It was late",
        "She said",
        "Open the window",
        "Far away",
        "By the river",
        "Winter",
        "Seven keys",
        "The first page",
        "My old friend",
        "A long road",
        "Under the bridge",
        "Green hills",
        "Not today",
        "Every morning",
        "They went home",
        "Tell me more",
        "Blue paper",
        "The lamp",
    ];
    /// The least distance of logits between the best token and the next: more than sensible arithmetic differs.
    const MARGIN: f64 = 0.03;

    fn computed(name: &str, length: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let model = Reference::load(&Store::new(folder.path()).path(name).unwrap()).unwrap();
        let mut text = String::new();
        for prompt in PROMPTS {
            let mut margin = f64::INFINITY;
            let tokens = model.start().generate(&model.encode(prompt), length, |logits| {
                let best = greedy(logits);
                let others = logits.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, logit)| *logit);
                margin = margin.min(logits[best] - others.fold(f64::NEG_INFINITY, f64::max));
                best
            });
            let bytes: Vec<&[u8]> = tokens.iter().map(|token| model.tokens[*token].as_slice()).collect();
            let whole = String::from_utf8_lossy(&bytes.concat()).into_owned();
            let split = whole.chars().filter(|point| point.len_utf8() > 2 && *point != '\u{fffd}').count();
            // What a library makes of bytes that are no text at all is another matter.
            let clean = std::str::from_utf8(&bytes.concat())
                .map_or_else(|error| error.error_len().is_none(), |_| true);
            if margin < MARGIN || split < 3 || tokens.len() < length || !clean {
                continue;
            }
            let hex: Vec<String> =
                bytes.iter().map(|token| token.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
            write!(text, "- model: {name}\n  prompt: {prompt:?}\n  tokens: {}\n", hex.join(" ")).unwrap();
        }
        text
    }

    #[test]
    fn the_golden_texts_are_what_the_naive_network_gives() {
        let computed = format!("{HEAD}{}{}", computed("tiny-llama", 48), computed("tiny-gpt2", 32));
        if computed != super::super::embedded::GREEDY {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../fixtures/golden/greedy.yaml.new");
            std::fs::write(&file, &computed).unwrap();
            panic!("fixtures/golden/greedy.yaml differs; the new one is {}", file.display());
        }
        for name in ["tiny-llama", "tiny-gpt2"] {
            assert!(goldens().iter().filter(|golden| golden.model == name).count() >= 1, "{name}");
        }
    }
}
