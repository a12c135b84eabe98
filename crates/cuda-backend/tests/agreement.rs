//! The host flavour against the CPU reference: the same tokens for the same prompts, and the same text.
#![cfg(feature = "cuda-host")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use worker_conformance::models::{Recipe, Store};
use worker_contract::{Backend, Sampling};
use worker_mock::gguf::{FileSource, read_header};
use worker_mock::job::Job;
use worker_mock::ledger::Ledger;
use worker_mock::model::Model;
use worker_mock::tokenizer::Tokenizer;

const PROMPTS: [&str; 6] = [
    "Hello",
    "Hello world",
    "The quick brown fox jumps over the lazy dog.",
    "你好，世界 👩‍👩‍👧",
    "שלום a\u{301}",
    "1 2\n\n3",
];

fn models() -> Vec<(&'static str, PathBuf)> {
    let store = Store::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"));
    Recipe::names().map(|name| (name, store.path(name).expect("the fixture is made"))).collect()
}

/// Text of the CPU reference.
fn reference(model: &Arc<Model>, prompt: &str, sampling: Sampling) -> String {
    let Sampling { max_tokens, temperature, seed } = sampling;
    let mut job = Job::start(model, prompt, max_tokens, temperature, seed).expect("the reference starts");
    let mut text = String::new();
    while let Some(produced) = job.peek().expect("the reference goes on") {
        write!(text, "{}|", produced.text).expect("a string takes all");
        job.take();
    }
    text
}

#[test]
fn text_of_every_fixture_is_the_one_of_the_reference() {
    let backend = Backend::load(worker_cuda::host_library().expect("the feature is on")).expect("it loads");
    let context = backend.context(0).expect("device 0");
    let ledger = Ledger::new(u64::MAX);
    for (name, path) in models() {
        let model = context.load_model(&path).expect("the backend loads it");
        let twin = Arc::new(Model::load(&path, &ledger).expect("the reference loads it"));
        for prompt in PROMPTS {
            for (temperature, seed) in [(0.0, 0), (0.7, 3), (1.5, u64::MAX)] {
                let sampling = Sampling { max_tokens: 24, temperature, seed };
                let tokens = model.infer(prompt, sampling).expect("the backend starts");
                let text: String =
                    tokens.map(|token| token.expect("the backend goes on").text + "|").collect();
                let wanted = reference(&twin, prompt, sampling);
                assert_eq!(text, wanted, "{name}, {prompt:?}, temperature {temperature}");
            }
        }
    }
}

/// Texts made of what tokenizers stumble over.
fn corpus() -> Vec<String> {
    const PARTS: [&str; 48] = [
        " ",
        "  ",
        "   ",
        "\n",
        "\r\n",
        "\t",
        "\u{a0}",
        "\u{3000}",
        "\u{2028}",
        "\u{85}",
        "a",
        "b",
        "he",
        "The",
        "the",
        "ing",
        "don't",
        "WE'LL",
        "'s",
        "'S",
        "'ſ",
        "I'm",
        "'",
        "\"",
        "0",
        "7",
        "42",
        "1999",
        "12345",
        "٣",
        "Ⅷ",
        "²",
        ".",
        ",",
        "!!",
        "?",
        "(",
        "$",
        "+",
        "=",
        "<|endoftext|>",
        "<s>",
        "é",
        "e\u{301}",
        "日本",
        "текст",
        "👩‍👩‍👧",
        "שלום",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut texts = Vec::new();
    while texts.len() < 10_000 {
        let mut text = String::new();
        for _ in 0..random(12) {
            if random(4) == 0 {
                // Any character but NUL, which ends a prompt.
                text.extend(char::from_u32(random(0x0011_0000) as u32).filter(|&c| c != '\0'));
            } else {
                text.push_str(PARTS[random(PARTS.len() as u64) as usize]);
            }
        }
        texts.push(text);
    }
    texts
}

fn assert_same_tokens(name: &str, path: &Path, texts: &[String]) {
    let header = read_header(&FileSource::open(path).expect("it opens")).expect("it reads");
    let tokenizer = Tokenizer::new(&header.metadata).expect("the reference has the tokenizer");
    let mut program = Command::new(worker_cuda::host_tokenizer().expect("the feature is on"))
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = program.stdin.take().expect("it is piped");
    let all = texts.join("\0") + "\0";
    let writer = std::thread::spawn(move || input.write_all(all.as_bytes()));
    let output = program.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends").expect("the program reads all");
    assert!(output.status.success(), "{name}: the program failed");
    let output = String::from_utf8(output.stdout).expect("ids are text");
    assert_eq!(output.lines().count(), texts.len());
    for (text, line) in texts.iter().zip(output.lines()) {
        let ids = tokenizer.encode(text).unwrap_or_default();
        let mut wanted = String::new();
        ids.iter().for_each(|id| write!(wanted, "{id} ").expect("a string takes all"));
        wanted.push('\t');
        for byte in ids.iter().flat_map(|&id| tokenizer.bytes(id)) {
            write!(wanted, "{byte:02x}").expect("a string takes all");
        }
        assert_eq!(line, wanted, "{name}: {text:?}");
    }
}

#[test]
fn ten_thousand_texts_become_the_tokens_of_the_reference() {
    let texts = corpus();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rules = 0;
    for (name, path) in models() {
        if !["tiny-llama", "tiny-llama-spm"].contains(&name) {
            continue;
        }
        assert_same_tokens(name, &path, &texts);
        // The same vocabulary under the rules of every pre-tokenizer: names of five letters take the place of `gpt-2`.
        let bytes = std::fs::read(&path).expect("it reads");
        let key = b"tokenizer.ggml.pre";
        let at = bytes.windows(key.len()).position(|window| window == key).expect("it names a pre-tokenizer");
        let length_at = at + key.len() + 4;
        let length =
            u64::from_le_bytes(bytes[length_at..length_at + 8].try_into().expect("eight bytes")) as usize;
        for pre in ["gpt-2", "smollm", "qwen2", "llama-bpe", "default"] {
            if name == "tiny-llama-spm" {
                break;
            }
            let mut changed = bytes[..length_at].to_vec();
            changed.extend((pre.len() as u64).to_le_bytes());
            changed.extend(pre.as_bytes());
            // Data stay where they are counted from: tokenizers look at the metadata alone, so padding does.
            changed.extend(&bytes[length_at + 8 + length..]);
            changed.extend([0; 64]);
            let copy = folder.path().join(pre);
            std::fs::write(&copy, changed).expect("it is written");
            assert_same_tokens(pre, &copy, &texts);
            rules += 1;
        }
    }
    assert_eq!(rules, 5);
}
