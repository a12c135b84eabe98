//! The input of matrix products: activations, stored once in each companion format that a matrix asks for.

use rayon::prelude::*;

use crate::attention::Phase;
use crate::quant::activation::{Column, Stored};
use crate::quant::product::products;
use crate::quant::{Companion, Order};
use crate::weights::{Linear, Matrix};

/// Multiply-adds below which one thread is faster than several.
const PARALLEL_WORK: usize = 1 << 17;
/// Fewest rows of a task.
const LEAST_ROWS: usize = 16;

/// An input and the buffers of its products, kept with a job.
#[derive(Debug, Default)]
pub struct Operand {
    values: Vec<f32>,
    format: Option<Companion>,
    prompt: bool,
    stored: Stored,
    product: Vec<f32>,
}

impl Operand {
    /// Takes `x` (tokens, columns), tokens of `phase`, as the input of the products that follow.
    pub fn input(&mut self, x: &[f32], phase: Phase) -> &mut Self {
        self.prompt = phase == Phase::Prompt;
        self.values.clear();
        self.values.extend_from_slice(x);
        self.format = None;
        self
    }

    /// `out` (tokens, rows) = `linear` applied to the input, on up to `width` threads of this pool.
    ///
    /// A row is always summed by one thread in one order: the bits do not depend on `width`, nor on how many
    /// tokens come at once.
    pub fn apply(&mut self, out: &mut Vec<f32>, linear: &Linear, width: usize) {
        self.multiply(out, &linear.weight, width);
        if let Some(bias) = &linear.bias {
            for token in out.chunks_exact_mut(bias.len()) {
                token.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
            }
        }
    }

    /// As [`Self::apply`], without bias.
    pub fn multiply(&mut self, out: &mut Vec<f32>, matrix: &Matrix, width: usize) {
        let tokens = self.values.len() / matrix.columns;
        let format = matrix.kind.companion();
        if self.format != Some(format) {
            self.stored.store(format, &self.values, matrix.columns);
            self.format = Some(format);
        }
        let columns: Vec<Column> = (0..tokens).map(|token| self.stored.column(token)).collect();
        let order = matrix.kind.order(matrix.rows, matrix.columns, self.prompt);
        out.clear();
        out.resize(tokens * matrix.rows, 0.0);
        if tokens == 1 {
            multiply_rows(out, matrix, order, &columns, width);
            return;
        }
        // Rows are computed for all tokens at once, so that a weight is read once; then each token is gathered.
        self.product.clear();
        self.product.resize(tokens * matrix.rows, 0.0);
        multiply_rows(&mut self.product, matrix, order, &columns, width);
        for (token, out) in out.chunks_exact_mut(matrix.rows).enumerate() {
            for (out, row) in out.iter_mut().zip(self.product.chunks_exact(tokens)) {
                *out = row[token];
            }
        }
    }
}

/// `out` (rows, tokens).
fn multiply_rows(out: &mut [f32], matrix: &Matrix, order: Order, columns: &[Column], width: usize) {
    let row_bytes = matrix.kind.row_bytes(matrix.columns);
    let work = matrix.rows * matrix.columns * columns.len();
    if width <= 1 || work < PARALLEL_WORK {
        products(matrix.kind, order, &matrix.data, row_bytes, columns, out);
        return;
    }
    let rows = matrix.rows.div_ceil(4 * width).max(LEAST_ROWS);
    let weights = matrix.data.par_chunks(rows * row_bytes);
    weights.zip(out.par_chunks_mut(rows * columns.len())).for_each(|(weights, out)| {
        products(matrix.kind, order, weights, row_bytes, columns, out);
    });
}
