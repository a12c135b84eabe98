//! Small models of both architectures for tests, and what a load must refuse.

use super::*;
use crate::gguf::tests::Writer;
use crate::quant::TensorType;

pub(crate) const WIDTH: usize = 64;
const FEED_FORWARD: usize = 96;
const CONTEXT: usize = 96;

/// Deterministic small numbers around zero.
fn floats(count: usize, seed: &str) -> Vec<f32> {
    let start = seed.bytes().fold(17u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut generator = crate::mersenne::Mersenne::new(start);
    (0..count).map(|_| generator.next_uniform() as f32 - 0.5).collect()
}

fn tensor(writer: Writer, name: &str, dimensions: &[usize], kind: TensorType) -> Writer {
    let count = dimensions.iter().product();
    let scale = if dimensions.len() == 2 && !name.contains("embd") { 0.5 } else { 2.0 };
    let values: Vec<f32> = floats(count, name).iter().map(|x| x * scale).collect();
    let (number, data) = match kind {
        TensorType::Q8_0 => (8, values.chunks(32).flat_map(q8_block).collect()),
        _ => (0, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
    };
    let dimensions: Vec<u64> = dimensions.iter().map(|&axis| axis as u64).collect();
    writer.tensor(name, &dimensions, number, data)
}

fn q8_block(values: &[f32]) -> Vec<u8> {
    let scale = values.iter().fold(0.0f32, |largest, x| largest.max(x.abs())) / 127.0;
    let quants = values.iter().map(|x| (x / scale).round() as i8 as u8);
    half::f16::from_f32(scale).to_le_bytes().into_iter().chain(quants).collect()
}

/// Tokens: end of text, 256 bytes as byte-level characters, two merges.
fn vocabulary(writer: Writer) -> (Writer, usize) {
    let mut tokens: Vec<String> = vec!["<|endoftext|>".into()];
    let printable = |byte: u8| match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=0x20 => char::from_u32(0x100 + u32::from(byte)).unwrap(),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte) - 0x7f).unwrap(),
        0xad => '\u{143}',
    };
    tokens.extend((0..=255).map(|byte| printable(byte).to_string()));
    tokens.extend(["he".into(), "Ġhe".into()]);
    let mut kinds = vec![1; tokens.len()];
    kinds[0] = 3;
    let writer = writer
        .string("tokenizer.ggml.model", "gpt2")
        .string("tokenizer.ggml.pre", "gpt-2")
        .strings("tokenizer.ggml.tokens", &tokens)
        .i32s("tokenizer.ggml.token_type", &kinds)
        .strings("tokenizer.ggml.merges", &["h e".into(), "Ġ he".into()])
        .u32("tokenizer.ggml.bos_token_id", 0)
        .u32("tokenizer.ggml.eos_token_id", 0);
    (writer, tokens.len())
}

pub(crate) fn llama(kind: TensorType) -> Writer {
    let (writer, tokens) = vocabulary(Writer::new());
    let mut writer = writer
        .string("general.architecture", "llama")
        .u32("llama.block_count", 2)
        .u32("llama.context_length", CONTEXT as u32)
        .u32("llama.embedding_length", WIDTH as u32)
        .u32("llama.feed_forward_length", FEED_FORWARD as u32)
        .u32("llama.attention.head_count", 4)
        .u32("llama.attention.head_count_kv", 2)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    writer = tensor(writer, "token_embd.weight", &[WIDTH, tokens], kind);
    writer = tensor(writer, "output_norm.weight", &[WIDTH], TensorType::F32);
    for layer in 0..2 {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for part in ["attn_norm", "ffn_norm"] {
            writer = tensor(writer, &name(part), &[WIDTH], TensorType::F32);
        }
        for (part, rows, columns) in [
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH / 2, WIDTH),
            ("attn_v", WIDTH / 2, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", FEED_FORWARD, WIDTH),
            ("ffn_up", FEED_FORWARD, WIDTH),
            ("ffn_down", WIDTH, FEED_FORWARD),
        ] {
            writer = tensor(writer, &name(part), &[columns, rows], kind);
        }
    }
    writer
}

pub(crate) fn gpt2() -> Writer {
    let (writer, tokens) = vocabulary(Writer::new());
    let mut writer = writer
        .string("general.architecture", "gpt2")
        .u32("gpt2.block_count", 1)
        .u32("gpt2.context_length", CONTEXT as u32)
        .u32("gpt2.embedding_length", WIDTH as u32)
        .u32("gpt2.feed_forward_length", FEED_FORWARD as u32)
        .u32("gpt2.attention.head_count", 4)
        .f32("gpt2.attention.layer_norm_epsilon", 1e-5);
    let f32 = TensorType::F32;
    writer = tensor(writer, "token_embd.weight", &[WIDTH, tokens], f32);
    writer = tensor(writer, "position_embd.weight", &[WIDTH, CONTEXT], f32);
    for (name, rows, columns) in [
        ("output_norm", WIDTH, 1),
        ("blk.0.attn_norm", WIDTH, 1),
        ("blk.0.attn_qkv", 3 * WIDTH, WIDTH),
        ("blk.0.attn_output", WIDTH, WIDTH),
        ("blk.0.ffn_norm", WIDTH, 1),
        ("blk.0.ffn_up", FEED_FORWARD, WIDTH),
        ("blk.0.ffn_down", WIDTH, FEED_FORWARD),
    ] {
        let dimensions = if columns == 1 { vec![rows] } else { vec![columns, rows] };
        writer = tensor(writer, &format!("{name}.weight"), &dimensions, f32);
        writer = tensor(writer, &format!("{name}.bias"), &[rows], f32);
    }
    writer
}

/// `llama` as a `qwen2` or `phi3` file of the same meaning: rows of queries and keys in the order of halves, biases of
/// zero where there must be some, and fused matrices where there must be those.
pub(crate) fn relative(architecture: &str, llama: Writer) -> Writer {
    let mut writer = Writer { keys: Vec::new(), tensors: Vec::new(), ..llama };
    for (key, value) in &llama.keys {
        writer = writer.raw(&key.replace("llama.", &format!("{architecture}.")), value.clone());
    }
    writer = writer.string("general.architecture", architecture);
    for (name, dimensions, kind, data) in &llama.tensors {
        let row = data.len() / *dimensions.last().unwrap() as usize;
        let data = match name.ends_with("attn_q.weight") || name.ends_with("attn_k.weight") {
            true => data.chunks(row * WIDTH / 4).flat_map(|head| halves(head, row)).collect(),
            false => data.clone(),
        };
        writer = writer.tensor(name, dimensions, *kind, data);
        let projection = ["attn_q", "attn_k", "attn_v"].iter().any(|part| name.contains(part));
        if architecture == "qwen2" && projection {
            let rows = dimensions[1];
            writer = writer.tensor(&name.replace("weight", "bias"), &[rows], 0, vec![0; 4 * rows as usize]);
        }
    }
    if architecture == "phi3" {
        for layer in 0..2 {
            writer = fuse(writer, layer, &["attn_q", "attn_k", "attn_v"], "attn_qkv");
            writer = fuse(writer, layer, &["ffn_gate", "ffn_up"], "ffn_up");
        }
    }
    writer
}

/// Rows 0, 2, 4, ... of a head, then rows 1, 3, 5, ...
fn halves(head: &[u8], row: usize) -> Vec<u8> {
    let rows: Vec<&[u8]> = head.chunks(row).collect();
    [rows.iter().step_by(2), rows[1..].iter().step_by(2)]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
        .copied()
        .collect()
}

fn fuse(mut writer: Writer, layer: usize, parts: &[&str], whole: &str) -> Writer {
    let (mut rows, mut columns, mut number, mut all) = (0, 0, 0, Vec::new());
    for part in parts {
        let name = format!("blk.{layer}.{part}.weight");
        let at = writer.tensors.iter().position(|(other, ..)| *other == name).unwrap();
        let (_, dimensions, kind, data) = writer.tensors.remove(at);
        (rows, columns, number) = (rows + dimensions[1], dimensions[0], kind);
        all.extend(data);
    }
    writer.tensor(&format!("blk.{layer}.{whole}.weight"), &[columns, rows], number, all)
}

pub(crate) fn load(writer: &Writer, ledger: &Arc<Ledger>) -> Result<Model, LoadError> {
    Model::load_from(&writer.bytes().as_slice(), ledger, 1)
}

fn refusal(writer: &Writer) -> String {
    let ledger = Ledger::new(1 << 30);
    let error = load(writer, &ledger).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ModelLoadFailed, "{error}");
    assert_eq!(ledger.used(), 0, "a refused load kept memory");
    error.to_string()
}

#[test]
fn a_model_takes_the_bytes_of_its_tensors_and_gives_them_back() {
    let relatives = ["qwen2", "phi3"].map(|name| relative(name, llama(TensorType::F32)));
    for writer in [llama(TensorType::Q8_0), llama(TensorType::F32), gpt2()].into_iter().chain(relatives) {
        let ledger = Ledger::new(1 << 30);
        let bytes: u64 = writer.tensors.iter().map(|(.., data)| data.len() as u64).sum();
        let model = load(&writer, &ledger).unwrap();
        assert_eq!((model.usage(), ledger.used()), (bytes, bytes));
        drop(model);
        assert_eq!(ledger.used(), 0);
    }
}

#[test]
fn a_model_larger_than_the_device_is_out_of_memory_before_its_data_is_read() {
    struct HeaderOnly(Vec<u8>, u64);
    impl Source for HeaderOnly {
        fn size(&self) -> u64 {
            self.1
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            let start = (offset as usize).min(self.0.len());
            let end = (start + buffer.len()).min(self.0.len());
            buffer[..end - start].copy_from_slice(&self.0[start..end]);
            Ok(())
        }
    }
    // An honest header over a sparse file: 2^40 bytes of padding that nobody will read.
    let writer = llama(TensorType::F32).tensor("padding", &[1 << 38], 0, Vec::new());
    let source = HeaderOnly(writer.bytes(), 1 << 41);
    let ledger = Ledger::new(24 << 30);
    let error = Model::load_from(&source, &ledger, 1).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert_eq!(ledger.used(), 0);
}

#[test]
fn hyper_parameters_that_make_no_model_are_refused() {
    let base = || llama(TensorType::F32);
    let heads = "llama.attention.head_count";
    assert_eq!(
        refusal(&base().string("general.architecture", "bert")),
        "architecture `bert` is not supported"
    );
    assert!(refusal(&base().u32(heads, 0)).contains("no positive integer"));
    assert_eq!(refusal(&base().u32(heads, 5)), "5 heads do not divide 64");
    assert_eq!(refusal(&base().u32("llama.attention.head_count_kv", 3)), "3 heads do not divide 4");
    assert!(refusal(&base().u32("llama.embedding_length", u32::MAX)).contains("no positive integer"));
    assert!(refusal(&base().u32("llama.embedding_length", 128)).contains("has shape"));
    assert!(refusal(&base().f32("llama.attention.layer_norm_rms_epsilon", f32::NAN)).contains("no finite"));
    assert!(refusal(&base().u32("llama.block_count", 3)).contains("`blk.2.attn_norm.weight` is missing"));
    assert_eq!(
        refusal(&base().u32("llama.vocab_size", 7)),
        "`vocab_size` is 7, the vocabulary has 259 tokens"
    );
    assert!(refusal(&base().u32("llama.rope.dimension_count", 15)).contains("rotary"));
    assert!(refusal(&base().string("llama.rope.scaling.type", "yarn")).contains("rotary scaling"));
    let long = relative("phi3", base()).tensor("rope_factors_long.weight", &[8], 0, vec![0; 32]);
    assert_eq!(refusal(&long), "tensor `rope_factors_long.weight` is not supported");
}

#[test]
fn every_key_and_tensor_of_a_model_is_needed() {
    let relatives = ["qwen2", "phi3"].map(|name| relative(name, llama(TensorType::F32)));
    for writer in [llama(TensorType::F32), gpt2()].into_iter().chain(relatives) {
        let optional = [
            "tokenizer.ggml.pre",
            "tokenizer.ggml.token_type",
            "tokenizer.ggml.bos_token_id",
            "tokenizer.ggml.eos_token_id",
        ];
        let needed = |key: &str| !optional.contains(&key) && !key.ends_with("attention.head_count_kv");
        for (key, _) in writer.keys.iter().filter(|(key, _)| needed(key)) {
            let mut less = writer.clone();
            less.keys.retain(|(name, _)| name != key);
            assert!(!refusal(&less).is_empty());
        }
        for (name, ..) in &writer.tensors {
            // A bias may be missing, but not of a norm, nor where qwen2 has its only ones; all else may not.
            if !name.ends_with("bias") || name.contains("norm") || name.contains("attn_q.") {
                let mut less = writer.clone();
                less.tensors.retain(|(other, ..)| other != name);
                assert_eq!(refusal(&less), format!("tensor `{name}` is missing"));
            }
        }
    }
}

#[test]
fn tensors_of_another_shape_are_refused() {
    let relatives = ["qwen2", "phi3"].map(|name| relative(name, llama(TensorType::F32)));
    for writer in [llama(TensorType::F32), gpt2()].into_iter().chain(relatives) {
        for (name, dimensions, kind, data) in &writer.tensors {
            let mut turned = dimensions.clone();
            turned[0] /= 2;
            let less = writer.clone().tensor(name, &turned, *kind, data.clone());
            assert!(refusal(&less).starts_with(&format!("tensor `{name}` has shape")));
        }
    }
}

#[test]
fn vocabularies_that_fit_nothing_are_refused() {
    let base = || llama(TensorType::F32);
    let merges = |merge: &str| refusal(&base().strings("tokenizer.ggml.merges", &[merge.into()]));
    assert_eq!(merges("h x"), "merge 0 `h x` names no token");
    assert_eq!(merges("hx"), "merge 0 `hx` names no token");
    // Parts that are tokens, with a product longer than any token.
    assert_eq!(merges("<|endoftext|> <|endoftext|>"), "merge 0 `<|endoftext|> <|endoftext|>` names no token");
    assert_eq!(refusal(&base().string("tokenizer.ggml.model", "bert")), "tokenizer `bert` is not supported");
    assert_eq!(refusal(&base().string("tokenizer.ggml.pre", "x")), "pre-tokenizer `x` is not supported");
    assert!(refusal(&base().u32("tokenizer.ggml.eos_token_id", 259)).contains("names token 259 of 259"));
    assert!(refusal(&base().i32s("tokenizer.ggml.token_type", &[1])).contains("259 tokens but 1 entries"));
    assert!(refusal(&base().i32s("tokenizer.ggml.token_type", &[9; 259])).contains("unknown type"));
    assert_eq!(refusal(&base().strings("tokenizer.ggml.tokens", &[])), "the vocabulary is empty");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error_and_no_signal() {
    struct Shrinking(Vec<u8>);
    impl Source for Shrinking {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            if offset > self.size() / 2 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.0.as_slice().read_at(buffer, offset)
        }
    }
    let ledger = Ledger::new(1 << 30);
    let source = Shrinking(llama(TensorType::F32).bytes());
    assert_eq!(
        Model::load_from(&source, &ledger, 1).map(|_| ()).unwrap_err().code(),
        ErrorCode::ModelLoadFailed
    );
    assert_eq!(ledger.used(), 0);
}
