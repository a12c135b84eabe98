//! Writes a llama model of a given shape with random weights, to measure speed at sizes that no fixture has.
//!
//! The file is a sound GGUF that other programs load too. The text is noise; it goes on until it is stopped, since the
//! row of the end token is zero.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Write a llama model with random weights.
#[derive(Parser)]
struct Arguments {
    /// Parameters, about.
    #[arg(long, value_enum)]
    shape: Size,
    /// Type of the matrices.
    #[arg(long = "type", value_enum)]
    kind: Kind,
    /// Where the file goes.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// SmolLM2-135M's: 30 layers of 576, with 9 heads in 3 groups; the embedding is the output.
    #[value(name = "135m")]
    Small,
    /// 22 layers of 2048, with 32 heads in 4 groups.
    #[value(name = "1b")]
    Billion,
    /// 32 layers of 4096, with 32 heads.
    #[value(name = "7b")]
    SevenBillion,
}

struct Shape {
    width: u32,
    layers: u32,
    heads: u32,
    kv_heads: u32,
    feed_forward: u32,
    vocabulary: u32,
    is_tied: bool,
}

impl Size {
    fn shape(self) -> Shape {
        match self {
            Self::Small => Shape {
                width: 576,
                layers: 30,
                heads: 9,
                kv_heads: 3,
                feed_forward: 1536,
                vocabulary: 49_152,
                is_tied: true,
            },
            Self::Billion => Shape {
                width: 2048,
                layers: 22,
                heads: 32,
                kv_heads: 4,
                feed_forward: 5632,
                vocabulary: 32_000,
                is_tied: false,
            },
            Self::SevenBillion => Shape {
                width: 4096,
                layers: 32,
                heads: 32,
                kv_heads: 32,
                feed_forward: 11008,
                vocabulary: 32_000,
                is_tied: false,
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    #[value(name = "f16")]
    Half,
    #[value(name = "q4_0")]
    Nibbles,
    #[value(name = "q4_1")]
    NibblesWithMinimum,
    #[value(name = "q8_0")]
    Bytes,
}

impl Kind {
    /// Number of the tensor type in GGUF.
    fn number(self) -> u32 {
        match self {
            Self::Half => 1,
            Self::Nibbles => 2,
            Self::NibblesWithMinimum => 3,
            Self::Bytes => 8,
        }
    }

    /// `general.file_type`.
    fn file_type(self) -> u32 {
        match self {
            Self::Half => 1,
            Self::Nibbles => 2,
            Self::NibblesWithMinimum => 3,
            Self::Bytes => 7,
        }
    }

    fn row_bytes(self, columns: u32) -> usize {
        let columns = columns as usize;
        match self {
            Self::Half => columns * 2,
            Self::Nibbles => columns / 32 * 18,
            Self::NibblesWithMinimum => columns / 32 * 20,
            Self::Bytes => columns / 32 * 34,
        }
    }

    /// Random bits become weights of about 0.02, as models have them before they learn.
    fn make_sound(self, row: &mut [u8]) {
        match self {
            Self::Half => {
                for high in row.iter_mut().skip(1).step_by(2) {
                    // Exponent -6: magnitudes from 1/64 to 1/32, of either sign.
                    *high = (*high & 0x83) | 0x24;
                }
            }
            Self::Nibbles => row.chunks_exact_mut(18).for_each(|block| scale(block, 0x1c00)),
            Self::NibblesWithMinimum => row.chunks_exact_mut(20).for_each(|block| {
                scale(block, 0x1c00);
                // Eight scales below zero, so that weights of both signs are alike.
                let minimum = u16::from_le_bytes([block[0], block[1]]) + 0x0c00;
                block[2..4].copy_from_slice(&(minimum | 0x8000).to_le_bytes());
            }),
            Self::Bytes => row.chunks_exact_mut(34).for_each(|block| scale(block, 0x0c00)),
        }
    }
}

/// 0x1c00 is the half 2^-8, 0x0c00 is 2^-12; the last mantissa bits stay random.
fn scale(block: &mut [u8], exponent: u16) {
    let mantissa = u16::from_le_bytes([block[0], block[1]]) & 0x03ff;
    block[..2].copy_from_slice(&(exponent | mantissa).to_le_bytes());
}

/// xorshift64*, which fills a gigabyte in a second.
struct Random(u64);

impl Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

const ALIGNMENT: usize = 32;

#[derive(Clone, Copy, PartialEq)]
enum Content {
    Matrix,
    /// A matrix whose last row, the end token's, is zero.
    Output,
    Ones,
}

struct Tensor {
    name: String,
    columns: u32,
    rows: u32,
    content: Content,
}

fn tensors(shape: &Shape) -> Vec<Tensor> {
    let mut all = Vec::new();
    let mut add = |name: String, columns, rows, content| all.push(Tensor { name, columns, rows, content });
    let head = shape.width / shape.heads;
    let embedding = if shape.is_tied { Content::Output } else { Content::Matrix };
    add("token_embd.weight".into(), shape.width, shape.vocabulary, embedding);
    for layer in 0..shape.layers {
        let mut part = |name: &str, columns, rows, content| {
            add(format!("blk.{layer}.{name}.weight"), columns, rows, content);
        };
        part("attn_norm", shape.width, 1, Content::Ones);
        part("attn_q", shape.width, shape.width, Content::Matrix);
        part("attn_k", shape.width, head * shape.kv_heads, Content::Matrix);
        part("attn_v", shape.width, head * shape.kv_heads, Content::Matrix);
        part("attn_output", shape.width, shape.width, Content::Matrix);
        part("ffn_norm", shape.width, 1, Content::Ones);
        part("ffn_gate", shape.width, shape.feed_forward, Content::Matrix);
        part("ffn_up", shape.width, shape.feed_forward, Content::Matrix);
        part("ffn_down", shape.feed_forward, shape.width, Content::Matrix);
    }
    add("output_norm.weight".into(), shape.width, 1, Content::Ones);
    if !shape.is_tied {
        add("output.weight".into(), shape.width, shape.vocabulary, Content::Output);
    }
    all
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Metadata entries, and how many there are.
#[derive(Default)]
struct Metadata {
    bytes: Vec<u8>,
    count: u64,
}

impl Metadata {
    fn entry(&mut self, key: &str, kind: u32) -> &mut Vec<u8> {
        self.count += 1;
        string(key, &mut self.bytes);
        self.bytes.extend(kind.to_le_bytes());
        &mut self.bytes
    }

    fn number(&mut self, key: &str, value: u32) {
        self.entry(key, 4).extend(value.to_le_bytes());
    }

    fn float(&mut self, key: &str, value: f32) {
        self.entry(key, 6).extend(value.to_le_bytes());
    }

    fn truth(&mut self, key: &str, value: bool) {
        self.entry(key, 7).push(u8::from(value));
    }

    fn text(&mut self, key: &str, value: &str) {
        string(value, self.entry(key, 8));
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        let out = self.entry(key, 9);
        out.extend(8_u32.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| string(value, out));
    }

    fn numbers(&mut self, key: &str, values: &[i32]) {
        let out = self.entry(key, 9);
        out.extend(5_u32.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| out.extend(value.to_le_bytes()));
    }
}

/// The printable character that GPT-2 vocabularies write for a byte.
fn shown(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    char::from_u32(256 + u32::try_from(before).unwrap_or(0)).unwrap_or('?')
}

fn metadata(shape: &Shape, kind: Kind) -> Metadata {
    let end = shape.vocabulary - 1;
    let mut all = Metadata::default();
    all.text("general.architecture", "llama");
    all.text("general.name", "random llama");
    all.number("general.file_type", kind.file_type());
    all.number("general.quantization_version", 2);
    all.number("llama.context_length", 4096);
    all.number("llama.embedding_length", shape.width);
    all.number("llama.block_count", shape.layers);
    all.number("llama.feed_forward_length", shape.feed_forward);
    all.number("llama.attention.head_count", shape.heads);
    all.number("llama.attention.head_count_kv", shape.kv_heads);
    all.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
    all.number("llama.rope.dimension_count", shape.width / shape.heads);
    all.float("llama.rope.freq_base", 10_000.0);
    all.number("llama.vocab_size", shape.vocabulary);
    let mut tokens: Vec<String> = (0..=255).map(|byte| shown(byte).to_string()).collect();
    tokens.push("~~".to_string());
    tokens.extend((257..end).map(|id| format!("word{id}")));
    tokens.push("<|endoftext|>".to_string());
    let mut kinds = vec![1; shape.vocabulary as usize];
    kinds[end as usize] = 3;
    all.text("tokenizer.ggml.model", "gpt2");
    all.text("tokenizer.ggml.pre", "gpt-2");
    all.texts("tokenizer.ggml.tokens", &tokens);
    all.numbers("tokenizer.ggml.token_type", &kinds);
    // There must be one; every byte of a prompt but tildes is a token, so that prompts have as many tokens as letters.
    all.texts("tokenizer.ggml.merges", &["~ ~".to_string()]);
    all.number("tokenizer.ggml.bos_token_id", end);
    all.number("tokenizer.ggml.eos_token_id", end);
    all.truth("tokenizer.ggml.add_bos_token", false);
    all
}

fn write(arguments: &Arguments) -> io::Result<u64> {
    let shape = arguments.shape.shape();
    let tensors = tensors(&shape);
    let metadata = metadata(&shape, arguments.kind);
    let row_bytes = |tensor: &Tensor| match tensor.content {
        Content::Ones => tensor.columns as usize * 4,
        _ => arguments.kind.row_bytes(tensor.columns),
    };
    let padded = |bytes: usize| bytes.div_ceil(ALIGNMENT) * ALIGNMENT;

    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend(metadata.count.to_le_bytes());
    header.extend(&metadata.bytes);
    let mut offset = 0;
    for tensor in &tensors {
        string(&tensor.name, &mut header);
        let is_vector = tensor.content == Content::Ones;
        header.extend(if is_vector { 1_u32 } else { 2 }.to_le_bytes());
        header.extend(u64::from(tensor.columns).to_le_bytes());
        if !is_vector {
            header.extend(u64::from(tensor.rows).to_le_bytes());
        }
        header.extend(if is_vector { 0 } else { arguments.kind.number() }.to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += padded(row_bytes(tensor) * tensor.rows as usize);
    }
    header.resize(padded(header.len()), 0);

    let mut out = BufWriter::with_capacity(1 << 20, File::create(&arguments.out)?);
    out.write_all(&header)?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for tensor in &tensors {
        let mut row = vec![0; row_bytes(tensor)];
        for index in 0..tensor.rows {
            match tensor.content {
                Content::Ones => {
                    row.chunks_exact_mut(4).for_each(|float| float.copy_from_slice(&1.0_f32.to_le_bytes()));
                }
                Content::Output if index + 1 == tensor.rows => row.fill(0),
                _ => {
                    random.fill(&mut row);
                    arguments.kind.make_sound(&mut row);
                }
            }
            out.write_all(&row)?;
        }
        let bytes = row.len() * tensor.rows as usize;
        out.write_all(&vec![0; padded(bytes) - bytes])?;
    }
    out.flush()?;
    Ok((header.len() + offset) as u64)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match write(&arguments) {
        Ok(bytes) => {
            println!("{} bytes  {}", bytes, arguments.out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: cannot write `{}`: {error}", arguments.out.display());
            ExitCode::FAILURE
        }
    }
}
