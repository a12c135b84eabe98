//! A naive reader and network for the tests of the generator: f64, one loop after another, no cleverness.
//!
//! It shares the header reader with `inspect` and nothing with the writer: what is written is read back
//! by the format's rules, dequantised by their formulas, and run.

use std::collections::HashMap;
use std::path::Path;

use super::blocks::from_half;
use super::reader::{Description, Found, Header, read};
use super::vocabulary::unshown;

/// A model that was read back. Matrices are rows of outputs.
pub(super) struct Reference {
    gpt2: bool,
    /// Queries, keys and values come from one matrix; gate and up too, where there is a gate.
    fused: bool,
    /// Rotary pairs are neighbours, not the same places of a head's halves.
    neighbours: bool,
    width: usize,
    heads: usize,
    kv_heads: usize,
    layers: usize,
    epsilon: f64,
    base: f64,
    tensors: HashMap<String, (Vec<usize>, Vec<f64>)>,
    spelled: Vec<String>,
    pub tokens: Vec<Vec<u8>>,
    merges: Vec<(String, String)>,
    bos: usize,
    pub eos: usize,
}

fn number(header: &Header, key: &str) -> Result<usize, String> {
    match header.value(key) {
        Some(Found::Unsigned(number)) => usize::try_from(*number).map_err(|_| format!("{key} is absurd")),
        other => Err(format!("{key} is {other:?}")),
    }
}

fn texts(header: &Header, key: &str) -> Result<Vec<String>, String> {
    let Some(Found::List { items, .. }) = header.value(key) else { return Err(format!("no list {key}")) };
    items
        .iter()
        .map(|item| if let Found::Text(text) = item { Ok(text.clone()) } else { Err(key.into()) })
        .collect()
}

fn signed(byte: u8) -> f64 {
    f64::from(byte as i8)
}

/// The values of one block, element by element, as the format defines them.
pub(super) fn decode(kind: u32, block: &[u8]) -> Vec<f64> {
    let half = |at: usize| f64::from(from_half(u16::from_le_bytes([block[at], block[at + 1]])));
    let nibble = |start: usize, element: usize| {
        let byte = block[start + element % 16];
        f64::from(if element < 16 { byte & 15 } else { byte >> 4 })
    };
    let fifth =
        |start: usize, element: usize| f64::from((block[start + element / 8] >> (element % 8)) & 1) * 16.0;
    let packed = |run: usize| {
        let s = &block[4..16];
        if run < 4 {
            (f64::from(s[run] & 63), f64::from(s[run + 4] & 63))
        } else {
            let scale = (s[run + 4] & 15) | (s[run - 4] >> 6) << 4;
            let minimum = (s[run + 4] >> 4) | (s[run] >> 6) << 4;
            (f64::from(scale), f64::from(minimum))
        }
    };
    let run_nibble = |start: usize, element: usize| {
        let byte = block[start + element / 64 * 32 + element % 32];
        f64::from(if element % 64 < 32 { byte & 15 } else { byte >> 4 })
    };
    match kind {
        0 => vec![f64::from(f32::from_le_bytes(block.try_into().unwrap()))],
        1 => vec![half(0)],
        30 => vec![f64::from(f32::from_bits(u32::from(u16::from_le_bytes(block.try_into().unwrap())) << 16))],
        8 => (0..32).map(|at| half(0) * signed(block[2 + at])).collect(),
        2 => (0..32).map(|at| half(0) * (nibble(2, at) - 8.0)).collect(),
        3 => (0..32).map(|at| half(0) * nibble(4, at) + half(2)).collect(),
        6 => (0..32).map(|at| half(0) * (nibble(6, at) + fifth(2, at) - 16.0)).collect(),
        7 => (0..32).map(|at| half(0) * (nibble(8, at) + fifth(4, at)) + half(2)).collect(),
        12 => (0..256)
            .map(|at| half(0) * packed(at / 32).0 * run_nibble(16, at) - half(2) * packed(at / 32).1)
            .collect(),
        13 => (0..256)
            .map(|at| {
                let high = f64::from((block[16 + at % 32] >> (at / 32)) & 1) * 16.0;
                half(0) * packed(at / 32).0 * (run_nibble(48, at) + high) - half(2) * packed(at / 32).1
            })
            .collect(),
        14 => (0..256)
            .map(|at| {
                let (part, lane) = (at / 128, at % 128);
                let low = block[part * 64 + lane % 64] >> (lane / 64 * 4) & 15;
                let high = block[128 + part * 32 + lane % 32] >> (lane / 32 * 2) & 3;
                half(208) * signed(block[192 + at / 16]) * (f64::from(low | high << 4) - 32.0)
            })
            .collect(),
        other => panic!("the generator writes no type {other}"),
    }
}

impl Reference {
    /// Judges the model at `path` as a strict library would; an error says why it should be refused.
    pub(super) fn judge(path: &Path) -> Result<(), String> {
        Self::open(path, false).map(drop)
    }

    /// Reads the model at `path`, weights and all.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        Self::open(path, true)
    }

    fn open(path: &Path, weights: bool) -> Result<Self, String> {
        let header = read(path, true).map_err(|(at, reason)| format!("{reason} (at byte {at})"))?;
        let architecture = match header.value("general.architecture") {
            Some(Found::Text(name)) if ["llama", "qwen2", "phi3", "gpt2"].contains(&name.as_str()) => {
                name.clone()
            }
            other => return Err(format!("architecture {other:?}")),
        };
        let hyper = |name: &str| number(&header, &format!("{architecture}.{name}"));
        let gpt2 = architecture == "gpt2";
        let (width, heads, layers) =
            (hyper("embedding_length")?, hyper("attention.head_count")?, hyper("block_count")?);
        let (context, inner) = (hyper("context_length")?, hyper("feed_forward_length")?);
        let kv_heads = match header.value(&format!("{architecture}.attention.head_count_kv")) {
            None => heads,
            Some(_) => hyper("attention.head_count_kv")?,
        };
        let sizes = [width, heads, kv_heads, layers, context, inner];
        if sizes.iter().any(|size| *size == 0 || *size > 1 << 31) || layers > 1000 {
            return Err("a hyper-parameter is absurd".into());
        }
        if width % heads != 0 || heads % kv_heads != 0 {
            return Err("the heads do not divide".into());
        }
        let spelled = texts(&header, "tokenizer.ggml.tokens")?;
        let spm =
            matches!(header.value("tokenizer.ggml.model"), Some(Found::Text(model)) if model == "llama");
        let merges = if spm { Vec::new() } else { texts(&header, "tokenizer.ggml.merges")? };
        let merges = merges.iter().map(|merge| {
            let (left, right) = merge.split_once(' ').ok_or("a merge has no space")?;
            let known = |text: &str| spelled.iter().any(|token| token == text);
            if !(known(left) && known(right) && known(&format!("{left}{right}"))) {
                return Err("a merge names no token");
            }
            Ok((left.to_string(), right.to_string()))
        });
        let merges = merges.collect::<Result<Vec<_>, _>>()?;
        let tokens = spelled
            .iter()
            .map(|text| {
                if text.len() > 1 && text.starts_with('<') && text.ends_with('>') {
                    let byte = text
                        .strip_prefix("<0x")
                        .and_then(|text| u8::from_str_radix(text.trim_end_matches('>'), 16).ok());
                    byte.into_iter().collect()
                } else if spm {
                    text.replace('▁', " ").into_bytes()
                } else {
                    unshown(text)
                }
            })
            .collect();
        let data = std::fs::read(path).map_err(|error| error.to_string())?;
        let mut model = Self {
            gpt2,
            fused: gpt2 || architecture == "phi3",
            neighbours: architecture == "llama",
            width,
            heads,
            kv_heads,
            layers,
            epsilon: 1e-5_f32.into(),
            base: 10_000.0,
            tensors: HashMap::new(),
            bos: number(&header, "tokenizer.ggml.bos_token_id")?,
            eos: number(&header, "tokenizer.ggml.eos_token_id")?,
            spelled,
            tokens,
            merges,
        };
        for tensor in &header.tensors {
            model.tensors.insert(tensor.name.clone(), values(tensor, header.data, &data, weights));
        }
        model.check(context, inner)?;
        Ok(model)
    }

    /// Every tensor that the architecture needs is there, in the one right shape.
    fn check(&self, context: usize, wide: usize) -> Result<(), String> {
        let shared = self.width / self.heads * self.kv_heads;
        let shape = |name: &str| {
            self.tensors.get(name).map(|(shape, _)| shape.clone()).ok_or_else(|| format!("no tensor {name}"))
        };
        let vocabulary = self.tokens.len();
        let mut wanted = vec![("token_embd.weight".to_string(), vec![self.width, vocabulary])];
        wanted.push(("output_norm.weight".into(), vec![self.width]));
        if self.tensors.contains_key("output.weight") {
            wanted.push(("output.weight".into(), vec![self.width, vocabulary]));
        }
        if self.gpt2 {
            wanted.push(("position_embd.weight".into(), vec![self.width, context]));
        }
        for layer in 0..self.layers {
            let mut want =
                |name: &str, shape: &[usize]| wanted.push((format!("blk.{layer}.{name}"), shape.to_vec()));
            want("attn_norm.weight", &[self.width]);
            want("ffn_norm.weight", &[self.width]);
            want("attn_output.weight", &[self.width, self.width]);
            // phi3 keeps gate and up in one matrix.
            let up = if self.fused && !self.gpt2 { 2 * wide } else { wide };
            want("ffn_up.weight", &[self.width, up]);
            want("ffn_down.weight", &[wide, self.width]);
            if self.gpt2 {
                want("attn_qkv.weight", &[self.width, 3 * self.width]);
                for (name, length) in
                    [("attn_qkv", 3 * self.width), ("ffn_up", wide), ("ffn_down", self.width)]
                {
                    want(&format!("{name}.bias"), &[length]);
                }
            } else if self.fused {
                want("attn_qkv.weight", &[self.width, self.width + 2 * shared]);
            } else {
                want("attn_q.weight", &[self.width, self.width]);
                want("attn_k.weight", &[self.width, shared]);
                want("attn_v.weight", &[self.width, shared]);
                want("ffn_gate.weight", &[self.width, wide]);
            }
        }
        for (name, right) in wanted {
            let found = shape(&name)?;
            if found != right {
                return Err(format!("{name} has the shape {found:?}, not {right:?}"));
            }
        }
        Ok(())
    }

    fn values(&self, name: &str) -> &[f64] {
        self.tensors.get(name).map_or(&[], |(_, values)| values)
    }

    /// BPE over words that keep the space before them: enough for prompts of plain words.
    pub(super) fn encode(&self, prompt: &str) -> Vec<usize> {
        let mut ids = vec![self.bos];
        for word in prompt.split_inclusive(|_| true).fold(Vec::<String>::new(), |mut words, letter| {
            match words.last_mut() {
                Some(word) if letter != " " => word.push_str(letter),
                _ => words.push(letter.to_string()),
            }
            words
        }) {
            let mut pieces: Vec<String> =
                word.bytes().map(|byte| super::vocabulary::shown(byte).to_string()).collect();
            for (left, right) in &self.merges {
                while let Some(at) = pieces.windows(2).position(|pair| pair[0] == *left && pair[1] == *right)
                {
                    let joined = format!("{left}{right}");
                    pieces.splice(at..at + 2, [joined]);
                }
            }
            ids.extend(pieces.iter().filter_map(|piece| self.spelled.iter().position(|text| text == piece)));
        }
        ids
    }

    /// A job with an empty cache.
    pub(super) fn start(&self) -> Run<'_> {
        Run {
            model: self,
            keys: vec![Vec::new(); self.layers],
            values: vec![Vec::new(); self.layers],
            position: 0,
        }
    }
}

fn values(tensor: &Description, start: u64, data: &[u8], weights: bool) -> (Vec<usize>, Vec<f64>) {
    let (_, size) = super::tensor_type::block(tensor.kind).unwrap();
    let from = (start + tensor.offset) as usize;
    let bytes = &data[from..from + tensor.bytes as usize];
    let shape = tensor.shape.iter().map(|size| *size as usize).collect();
    if !weights {
        return (shape, Vec::new());
    }
    (shape, bytes.chunks_exact(size as usize).flat_map(|block| decode(tensor.kind, block)).collect())
}

/// One sequence.
pub(super) struct Run<'a> {
    model: &'a Reference,
    keys: Vec<Vec<Vec<f64>>>,
    values: Vec<Vec<Vec<f64>>>,
    position: usize,
}

impl Run<'_> {
    fn linear(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weights = self.model.values(&format!("{name}.weight"));
        let bias = self.model.values(&format!("{name}.bias"));
        weights
            .chunks_exact(input.len())
            .enumerate()
            .map(|(row, weights)| {
                bias.get(row).copied().unwrap_or(0.0)
                    + weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>()
            })
            .collect()
    }

    fn norm(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weight = self.model.values(&format!("{name}.weight"));
        let bias = self.model.values(&format!("{name}.bias"));
        let count = input.len() as f64;
        let mean = if self.model.gpt2 { input.iter().sum::<f64>() / count } else { 0.0 };
        let variance = input.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        let scale = 1.0 / (variance + self.model.epsilon).sqrt();
        let biased = |at: usize| bias.get(at).copied().unwrap_or(0.0);
        input.iter().zip(weight).enumerate().map(|(at, (x, w))| (x - mean) * scale * w + biased(at)).collect()
    }

    fn rotate(&self, heads: &mut [f64]) {
        let width = self.model.width / self.model.heads;
        for head in heads.chunks_exact_mut(width) {
            for pair in 0..width / 2 {
                let angle = self.position as f64 * self.model.base.powf(-2.0 * pair as f64 / width as f64);
                let (first, second) =
                    if self.model.neighbours { (2 * pair, 2 * pair + 1) } else { (pair, pair + width / 2) };
                let (x, y) = (head[first], head[second]);
                head[first] = x * angle.cos() - y * angle.sin();
                head[second] = x * angle.sin() + y * angle.cos();
            }
        }
    }

    /// The logits after `token`.
    pub(super) fn step(&mut self, token: usize) -> Vec<f64> {
        let model = self.model;
        let width = model.width;
        let mut stream = model.values("token_embd.weight")[token * width..(token + 1) * width].to_vec();
        if model.gpt2 {
            let row =
                &model.values("position_embd.weight")[self.position * width..(self.position + 1) * width];
            stream.iter_mut().zip(row).for_each(|(x, p)| *x += p);
        }
        for layer in 0..model.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let input = self.norm(&name("attn_norm"), &stream);
            let (mut query, mut key, value) = if model.fused {
                let fused = self.linear(&name("attn_qkv"), &input);
                let shared = (fused.len() - width) / 2;
                let (query, rest) = fused.split_at(width);
                (query.to_vec(), rest[..shared].to_vec(), rest[shared..].to_vec())
            } else {
                let linear = |part| self.linear(&name(part), &input);
                (linear("attn_q"), linear("attn_k"), linear("attn_v"))
            };
            if !model.gpt2 {
                self.rotate(&mut query);
                self.rotate(&mut key);
            }
            self.keys[layer].push(key);
            self.values[layer].push(value);
            let mixed = self.attend(layer, &query);
            let written = self.linear(&name("attn_output"), &mixed);
            stream.iter_mut().zip(written).for_each(|(x, w)| *x += w);
            let input = self.norm(&name("ffn_norm"), &stream);
            let mut inner = self.linear(&name("ffn_up"), &input);
            if model.gpt2 {
                inner.iter_mut().for_each(|x| {
                    let inside = (2.0 / std::f64::consts::PI).sqrt() * (*x + 0.044715 * *x * *x * *x);
                    *x = 0.5 * *x * (1.0 + inside.tanh());
                });
            } else {
                let gate = if model.fused {
                    let up = inner.split_off(inner.len() / 2);
                    std::mem::replace(&mut inner, up)
                } else {
                    self.linear(&name("ffn_gate"), &input)
                };
                inner.iter_mut().zip(gate).for_each(|(x, g)| *x *= g / (1.0 + (-g).exp()));
            }
            let written = self.linear(&name("ffn_down"), &inner);
            stream.iter_mut().zip(written).for_each(|(x, w)| *x += w);
        }
        self.position += 1;
        let output = if model.tensors.contains_key("output.weight") { "output" } else { "token_embd" };
        self.linear(output, &self.norm("output_norm", &stream))
    }

    fn attend(&self, layer: usize, query: &[f64]) -> Vec<f64> {
        let width = self.model.width / self.model.heads;
        let group = self.model.heads / self.model.kv_heads;
        let mut mixed = Vec::new();
        for (head, query) in query.chunks_exact(width).enumerate() {
            let part = head / group * width..(head / group + 1) * width;
            let scores: Vec<f64> = self.keys[layer]
                .iter()
                .map(|key| {
                    key[part.clone()].iter().zip(query).map(|(k, q)| k * q).sum::<f64>()
                        / (width as f64).sqrt()
                })
                .collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - top).exp()).collect();
            let total: f64 = weights.iter().sum();
            mixed.extend(part.map(|at| {
                self.values[layer].iter().zip(&weights).map(|(value, w)| value[at] * w).sum::<f64>() / total
            }));
        }
        mixed
    }

    /// Feeds `prompt`, then chooses up to `most` tokens; the end of the sequence is not among them.
    pub(super) fn generate(
        &mut self,
        prompt: &[usize],
        most: usize,
        mut choose: impl FnMut(&[f64]) -> usize,
    ) -> Vec<usize> {
        let mut logits = Vec::new();
        for token in prompt {
            logits = self.step(*token);
        }
        let mut chosen = Vec::new();
        while chosen.len() < most {
            let token = choose(&logits);
            if token == self.model.eos {
                break;
            }
            chosen.push(token);
            if chosen.len() < most {
                logits = self.step(token);
            }
        }
        chosen
    }
}

/// The best token, the first of equals.
pub(super) fn greedy(logits: &[f64]) -> usize {
    (1..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best })
}
