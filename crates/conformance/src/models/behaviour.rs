//! What the tiny models do when they run: the properties that the suite's scenarios lean on.

use std::collections::HashSet;

use super::Store;
use super::random::Random;
use super::recipe::Recipe;
use super::reference::{Reference, greedy};

const PROMPTS: [&str; 4] = ["Hello", "Hello world", "The quick brown fox", "你好"];

fn load(name: &str) -> Reference {
    let folder = tempfile::tempdir().unwrap();
    Reference::load(&Store::new(folder.path()).path(name).unwrap()).unwrap()
}

fn text(model: &Reference, tokens: &[usize]) -> Vec<u8> {
    tokens.iter().flat_map(|token| model.tokens[*token].clone()).collect()
}

/// Whether the last `3 * period` tokens repeat with a period of up to 8.
fn loops(tokens: &[usize]) -> bool {
    (1..=8).any(|period| {
        let tail = &tokens[tokens.len() - 3 * period..];
        tail[period..].iter().zip(tail).all(|(later, earlier)| later == earlier)
    })
}

fn greedy_texts(name: &str, length: usize) -> Vec<String> {
    let model = load(name);
    let mut texts = Vec::new();
    for prompt in PROMPTS {
        let tokens = model.start().generate(&model.encode(prompt), length, greedy);
        assert_eq!(tokens.len(), length, "{name} ends by itself after {prompt:?}");
        assert!(length < 24 || !loops(&tokens), "{name} loops after {prompt:?}: {tokens:?}");
        let text = text(&model, &tokens);
        assert!(!text.contains(&0), "{name} writes NUL after {prompt:?}");
        texts.push(String::from_utf8_lossy(&text).into_owned());
    }
    texts
}

fn check_greedy(name: &str, length: usize) {
    let texts = greedy_texts(name, length);
    let beginnings: HashSet<Vec<char>> = texts.iter().map(|text| text.chars().take(8).collect()).collect();
    assert_eq!(beginnings.len(), PROMPTS.len(), "{name}: prompts do not matter: {texts:?}");
    let split = texts.iter().filter(|text| text.chars().any(|c| c.len_utf8() > 1 && c != '\u{fffd}')).count();
    assert!(split >= 2, "{name}: hardly a code point is split over tokens: {texts:?}");
}

#[test]
fn greedy_text_of_the_default_models_depends_on_the_prompt_and_splits_code_points() {
    check_greedy("tiny-llama", 96);
    check_greedy("tiny-gpt2", 96);
}

#[test]
fn greedy_text_of_every_other_endless_model_does_so_too() {
    for name in Recipe::names().filter(|name| !matches!(*name, "tiny-llama" | "tiny-gpt2")) {
        let recipe = Recipe::named(name).unwrap();
        // The reference's tokenizer is the byte-level one.
        if recipe.ends.is_empty() && !recipe.scales.spoil && !name.ends_with("spm") {
            // The wide ones are slow here, unoptimised as tests are.
            let length = if recipe.sizes.width > 64 { 8 } else { 24 };
            check_greedy(name, length);
        }
    }
}

#[test]
fn no_default_model_loops_before_the_end_of_its_context() {
    for name in ["tiny-llama", "tiny-gpt2"] {
        let model = load(name);
        let prompt = model.encode("Hello");
        let tokens = model.start().generate(&prompt, 512 - prompt.len(), greedy);
        assert_eq!(tokens.len(), 512 - prompt.len());
        assert!(!loops(&tokens), "{name}: {tokens:?}");
    }
}

#[test]
fn seeds_matter_at_temperature_one_and_a_half() {
    for name in ["tiny-llama", "tiny-gpt2"] {
        let model = load(name);
        let texts: HashSet<Vec<u8>> = (0..16)
            .map(|seed| {
                let mut random = Random::named(seed, "sampling");
                let tokens = model.start().generate(&model.encode("Hello"), 24, |logits| {
                    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = logits.iter().map(|logit| ((logit - top) / 1.5).exp()).collect();
                    let even = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
                    let mut left = even * weights.iter().sum::<f64>();
                    weights
                        .iter()
                        .position(|weight| {
                            left -= weight;
                            left < 0.0
                        })
                        .unwrap_or(0)
                });
                assert_eq!(tokens.len(), 24);
                text(&model, &tokens)
            })
            .collect();
        assert!(texts.len() >= 12, "{name}: 16 seeds give {} texts", texts.len());
    }
}

#[test]
fn the_model_of_bytes_writes_what_no_text_has() {
    let model = load("tiny-llama-bytes");
    let text: Vec<u8> = PROMPTS
        .iter()
        .flat_map(|prompt| text(&model, &model.start().generate(&model.encode(prompt), 200, greedy)))
        .collect();
    assert!(!text.contains(&0));
    assert!(text.iter().any(|byte| *byte >= 0xf5), "no byte that UTF-8 never has");
    let lossy = String::from_utf8_lossy(&text);
    assert!(lossy.matches('\u{fffd}').count() >= 50, "{lossy}");
}

#[test]
fn the_model_of_ill_formed_tokens_writes_most_of_them() {
    let model = load("tiny-llama-ill-formed");
    let mut written = HashSet::new();
    for prompt in PROMPTS {
        let tokens = model.start().generate(&model.encode(prompt), 200, greedy);
        let bytes = tokens.into_iter().map(|token| model.tokens[token].clone());
        written.extend(bytes.filter(|token| token.len() > 1 && std::str::from_utf8(token).is_err()));
    }
    assert!(written.len() >= 10, "{written:x?}");
}

#[test]
fn the_model_of_runs_writes_tokens_of_many_lengths() {
    let model = load("tiny-llama-runs");
    let prompt = model.encode("Hello");
    let tokens = model.start().generate(&prompt, 100, greedy);
    let lengths: HashSet<usize> = tokens.iter().map(|token| model.tokens[*token].len()).collect();
    assert!(lengths.contains(&64) && lengths.iter().any(|length| (8..64).contains(length)), "{lengths:?}");
}

#[test]
fn the_model_with_an_end_ends_where_its_recipe_says() {
    let recipe = Recipe::named("tiny-llama-eos").unwrap();
    let model = load("tiny-llama-eos");
    assert!(!recipe.ends.is_empty());
    for ending in &recipe.ends {
        let mut margin = f64::INFINITY;
        let tokens = model.start().generate(&model.encode(&ending.prompt), 128, |logits| {
            let best = greedy(logits);
            let others = logits.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, logit)| *logit);
            margin = margin.min(logits[best] - others.fold(f64::NEG_INFINITY, f64::max));
            best
        });
        assert_eq!(tokens.len(), ending.tokens, "after {:?}", ending.prompt);
        assert!(margin > 0.25, "{margin} after {:?}: rounding could change the text", ending.prompt);
    }
}
