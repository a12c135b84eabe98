//! The weights of a tiny model: a chain over the last three tokens, and random parts beside it.
//!
//! The first two heads of the first layer copy what stands one and two tokens back; the output reads the
//! last token and both copies through `grammar`. All else (content attention, feed-forward) is random and
//! makes the text depend on the whole prompt. A tied output cannot read freely, so there the last layer's
//! first head computes the scores' factors into elements of their own.

use super::grammar::{FACTORS, Grammar};
use super::layout::{COPIED, Layout, Matrix, circle, circles, rotary};
use super::random::Random;
use super::recipe::{Architecture, Output, Recipe};
use super::vocabulary::Vocabulary;

/// The size of a tied embedding's readout elements: small, so that a token does not ask for itself.
const TIED_SIZE: f64 = 1.0 / 32.0;
/// What the readout head writes for a factor of one.
const TIED_GAIN: f64 = 1.0 / 4.0;

/// How much of its own readout elements a token takes back, for a repetition scale of one.
const TIED_REPETITION: f64 = 64.0;

/// Makes the matrices of one recipe.
pub(super) struct Weights<'a> {
    recipe: &'a Recipe,
    layout: Layout,
    vocabulary: &'a Vocabulary,
}

/// Queries, keys, values and the way back of one layer.
pub(super) struct Attention {
    pub query: Matrix,
    pub key: Matrix,
    pub value: Matrix,
    pub output: Matrix,
}

impl<'a> Weights<'a> {
    pub(super) fn new(recipe: &'a Recipe, vocabulary: &'a Vocabulary) -> Self {
        Self { recipe, layout: Layout::of(recipe), vocabulary }
    }

    fn grammar(&self) -> Grammar<'_> {
        Grammar { recipe: self.recipe, layout: &self.layout, vocabulary: self.vocabulary }
    }

    fn random(&self, name: &str, rows: usize, columns: usize, size: f64) -> Matrix {
        Matrix::random(self.recipe.seed, name, rows, columns, size)
    }

    /// A factor that keeps sums over `inputs` random weights as large as over `usual` ones.
    fn fan(inputs: usize, usual: usize) -> f64 {
        (usual as f64 / inputs as f64).sqrt()
    }

    /// One row a token.
    pub(super) fn embedding(&self) -> Matrix {
        let grammar = self.grammar();
        let (tokens, width) = (self.vocabulary.tokens.len(), self.recipe.sizes.width);
        let mut matrix = self.random("token_embd", tokens, width, self.recipe.scales.noise);
        matrix.scale(0..tokens, self.layout.class.clone(), 0.0);
        matrix.scale(0..tokens, self.layout.readout.clone(), 0.0);
        for token in 0..tokens {
            for (column, value) in grammar.embedding(token).into_iter().enumerate() {
                matrix.add(token, column, value);
            }
            for (column, factor) in self.layout.readout.clone().zip(grammar.token_factors(token)) {
                matrix.set(token, column, factor * TIED_SIZE);
            }
        }
        matrix
    }

    /// One row a position: points on circles, which queries can turn back.
    pub(super) fn positions(&self) -> Matrix {
        let sizes = self.recipe.sizes;
        let mut matrix = self.random("position_embd", sizes.context, sizes.width, self.recipe.scales.noise);
        matrix.scale(0..sizes.context, self.layout.class.clone(), 0.0);
        matrix.scale(0..sizes.context, self.layout.readout.clone(), 0.0);
        for at in 0..circles() {
            let step = circle(at, 1);
            let mut point = (1.0, 0.0);
            for position in 0..sizes.context {
                matrix.set(position, self.layout.position.start + 2 * at, point.0);
                matrix.set(position, self.layout.position.start + 2 * at + 1, point.1);
                point = (point.0 * step.0 - point.1 * step.1, point.0 * step.1 + point.1 * step.0);
            }
        }
        matrix
    }

    /// One row a token, for an output of its own.
    pub(super) fn output(&self) -> Matrix {
        let grammar = self.grammar();
        let (tokens, width) = (self.vocabulary.tokens.len(), self.recipe.sizes.width);
        let mut matrix = self.random("output", tokens, width, self.recipe.scales.noise);
        let rows = grammar.rows();
        for token in 0..tokens {
            for (factor, row) in grammar.token_factors(token).into_iter().zip(&rows) {
                for (column, weight) in row.iter().enumerate() {
                    matrix.add(token, column, factor * weight);
                }
            }
            // What a token is, and what its copies are, speak against the same token.
            let embedding = grammar.embedding(token);
            for column in self.layout.free.clone() {
                let against = -self.recipe.scales.repetition * embedding[column];
                matrix.add(token, column, against);
                let place = column - self.layout.class.start;
                for copy in self.layout.back.iter().filter(|_| place < COPIED) {
                    matrix.add(token, copy.start + place, against);
                }
            }
        }
        matrix
    }

    /// Norm weights near one; before a tied output the readout elements are raised and the rest lowered.
    pub(super) fn norm(&self, name: &str, last: bool) -> Vec<f32> {
        let mut random = Random::named(self.recipe.seed, name);
        (0..self.recipe.sizes.width)
            .map(|at| {
                let near_one = 1.0 + random.level() / 16.0;
                let factor = match self.recipe.output {
                    Output::Tied if last && self.layout.readout.contains(&at) => {
                        1.0 / (TIED_SIZE * TIED_GAIN)
                    }
                    Output::Tied if last => 1.0 / 64.0,
                    Output::Tied | Output::Separate => 1.0,
                };
                (near_one * factor) as f32
            })
            .collect()
    }

    /// Small biases; none where a tied output reads.
    pub(super) fn bias(&self, name: &str, length: usize) -> Vec<f32> {
        let matrix = self.random(name, 1, length, self.recipe.scales.noise);
        let values = matrix.floats();
        let into_stream = length == self.recipe.sizes.width;
        values
            .into_iter()
            .enumerate()
            .map(|(at, value)| if into_stream && self.layout.readout.contains(&at) { 0.0 } else { value })
            .collect()
    }

    /// The attention of layer `layer`.
    pub(super) fn attention(&self, layer: usize) -> Attention {
        let (sizes, scales) = (self.recipe.sizes, self.recipe.scales);
        let (width, shared) = (sizes.width, sizes.width / sizes.heads * sizes.kv_heads);
        let name = |part: &str| format!("blk.{layer}.attn_{part}");
        let size = scales.attention * Self::fan(width, 64);
        let mut attention = Attention {
            query: self.random(&name("q"), width, width, size),
            key: self.random(&name("k"), shared, width, size),
            value: self.random(&name("v"), shared, width, 0.3 * Self::fan(width, 64)),
            output: self.to_stream(&name("output"), width, scales.attention_output * Self::fan(width, 64)),
        };
        if layer == 0 {
            for (head, copy) in self.layout.back.iter().enumerate() {
                self.look_back(&mut attention, head, head + 1);
                for (at, row) in copy.clone().enumerate() {
                    // The grammar must be read clearly; what else a token was may be fainter.
                    let size = if at < self.layout.class.len() { 1.0 } else { 0.5 };
                    self.value_row(&mut attention, head, at, |columns| {
                        columns[self.layout.class.start + at] = size;
                    });
                    attention.output.set(row, head * self.head_width() + at, 1.0);
                }
            }
        }
        if self.recipe.output == Output::Tied && layer + 1 == sizes.layers {
            let rows = self.grammar().rows();
            self.look_back(&mut attention, 0, 0);
            self.silence(&mut attention, 1);
            for (at, row) in self.layout.readout.clone().enumerate() {
                self.value_row(&mut attention, 0, at, |columns| {
                    columns.copy_from_slice(&rows[at]);
                    // The embedding asks for its own token again: speak against it.
                    columns[row] = -TIED_REPETITION * self.recipe.scales.repetition;
                });
                attention.output.set(row, at, TIED_GAIN);
            }
        }
        attention
    }

    fn head_width(&self) -> usize {
        self.recipe.sizes.width / self.recipe.sizes.heads
    }

    /// The key and value head that `head` uses.
    fn shared_head(&self, head: usize) -> usize {
        head / (self.recipe.sizes.heads / self.recipe.sizes.kv_heads)
    }

    /// Random weights into the stream: full strength into the free part, little
    /// into the copies, none into what the grammar and a tied output read.
    fn to_stream(&self, name: &str, inputs: usize, size: f64) -> Matrix {
        let width = self.recipe.sizes.width;
        let mut matrix = self.random(name, width, inputs, size);
        // The grammar reads these with large weights: a library's rounding must not show in them.
        matrix.scale(0..self.layout.free.start, 0..inputs, 0.0);
        matrix.scale(self.layout.free.end..self.layout.readout.start, 0..inputs, 1.0 / 8.0);
        matrix.scale(self.layout.readout.clone(), 0..inputs, 0.0);
        matrix
    }

    /// Makes `head` attend to the token `steps` back, whatever it is.
    fn look_back(&self, attention: &mut Attention, head: usize, steps: usize) {
        let width = self.head_width();
        let sharp = self.recipe.scales.look_back;
        let (query, key) = (head * width, self.shared_head(head) * width);
        let all = 0..self.recipe.sizes.width;
        let faint = self.recipe.scales.noise / 8.0;
        attention.query.scale(query..query + width, all.clone(), faint);
        if head == 0 || self.shared_head(head) != self.shared_head(head - 1) {
            attention.key.scale(key..key + width, all, faint);
        }
        self.silence(attention, head);
        match self.recipe.architecture {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => {
                for pair in 0..width / 4 {
                    let (cosine, sine) = rotary(pair, width, steps);
                    let (first, second) = match self.recipe.architecture {
                        Architecture::Llama => (2 * pair, 2 * pair + 1),
                        _ => (pair, pair + width / 2),
                    };
                    attention.query.set(query + first, self.layout.constant, sharp * cosine);
                    attention.query.set(query + second, self.layout.constant, -sharp * sine);
                    attention.key.set(key + first, self.layout.constant, sharp);
                }
            }
            Architecture::Gpt2 => {
                for at in 0..circles() {
                    let (cosine, sine) = circle(at, steps);
                    let place = self.layout.position.start + 2 * at;
                    let row = query + 2 * at;
                    attention.query.set(row, place, sharp * cosine);
                    attention.query.set(row, place + 1, sharp * sine);
                    attention.query.set(row + 1, place, -sharp * sine);
                    attention.query.set(row + 1, place + 1, sharp * cosine);
                    attention.key.set(key + 2 * at, place, sharp);
                    attention.key.set(key + 2 * at + 1, place + 1, sharp);
                }
            }
        }
    }

    /// Takes away what `head` writes.
    fn silence(&self, attention: &mut Attention, head: usize) {
        let width = self.head_width();
        attention.output.scale(0..self.recipe.sizes.width, head * width..(head + 1) * width, 0.0);
    }

    /// Replaces one row of the values of `head`.
    fn value_row(&self, attention: &mut Attention, head: usize, at: usize, fill: impl Fn(&mut [f64])) {
        let width = self.recipe.sizes.width;
        let row = self.shared_head(head) * self.head_width() + at;
        let columns = &mut attention.value.values[row * width..(row + 1) * width];
        columns.fill(0.0);
        fill(columns);
    }

    /// A way up into the feed-forward part; `part` is `gate` or `up`.
    pub(super) fn up(&self, layer: usize, part: &str) -> Matrix {
        let sizes = self.recipe.sizes;
        let size = self.recipe.scales.feed_forward * Self::fan(sizes.width, 64);
        self.random(&format!("blk.{layer}.ffn_{part}"), sizes.feed_forward, sizes.width, size)
    }

    /// The way down again.
    pub(super) fn down(&self, layer: usize) -> Matrix {
        let sizes = self.recipe.sizes;
        let size = self.recipe.scales.feed_forward_output * Self::fan(sizes.feed_forward, 128);
        self.to_stream(&format!("blk.{layer}.ffn_down"), sizes.feed_forward, size)
    }
}

// The copied elements hold a readout's factors too: one constant serves both.
const _: () = assert!(COPIED == FACTORS);
