//! Holds SIMD to the portable code bit by bit, and both to the naive product of dequantised rows.

use super::*;
use crate::quant::activation::Stored;
use crate::quant::dequantize;

const ORDERS: [Order; 3] = [Order::Lanes, Order::Prompt, Order::Blocks];

/// Deterministic bytes whose half-precision scales are finite.
fn random_row(kind: TensorType, columns: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    };
    let mut row = Vec::new();
    for _ in 0..columns / kind.block_elements() {
        let mut block: Vec<u8> = (0..kind.block_bytes()).map(|_| next() as u8).collect();
        let mut half = |at: usize, block: &mut [u8]| {
            let value = half::f16::from_f32((next() % 2000) as f32 / 10000.0 - 0.1);
            block[at..at + 2].copy_from_slice(&value.to_le_bytes());
        };
        match kind {
            TensorType::F32 => {
                block.copy_from_slice(&((next() % 2000) as f32 / 1000.0 - 1.0).to_le_bytes());
            }
            TensorType::Bf16 => {
                let value = half::bf16::from_f32((next() % 2000) as f32 / 1000.0 - 1.0);
                block.copy_from_slice(&value.to_le_bytes());
            }
            TensorType::Q6K => half(208, &mut block),
            TensorType::F16 | TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 => half(0, &mut block),
            _ => {
                half(0, &mut block);
                half(2, &mut block);
            }
        }
        row.extend(block);
    }
    row
}

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0) * 1.7).collect()
}

#[test]
fn simd_and_portable_code_give_the_same_bits_for_every_type() {
    for kind in TensorType::ALL {
        let columns = 768;
        let mut stored = Stored::default();
        stored.store(kind.companion(), &values(2 * columns, 3), columns);
        let both = [stored.column(0), stored.column(1)];
        for (seed, order) in (1..20).flat_map(|seed| ORDERS.map(|order| (seed, order))) {
            let row = random_row(kind, columns, seed);
            let mut simd = [0.0; 2];
            products(kind, order, &row, row.len(), &both, &mut simd);
            let plain = both.map(|column| portable::product(kind, order, &row, column));
            assert_eq!(simd.map(f32::to_bits), plain.map(f32::to_bits), "{kind:?} {order:?}");
        }
    }
}

#[test]
fn products_meet_the_dequantised_row_within_the_error_of_the_activations() {
    for kind in TensorType::ALL {
        let columns = 512;
        let x = values(columns, 5);
        let mut stored = Stored::default();
        stored.store(kind.companion(), &x, columns);
        for (seed, order) in (1..10).flat_map(|seed| ORDERS.map(|order| (seed, order))) {
            let row = random_row(kind, columns, seed);
            let mut weights = vec![0.0; columns];
            dequantize::row(kind, &row, &mut weights);
            let exact: f64 = weights.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
            let scale: f64 = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
            let mut got = [0.0];
            products(kind, order, &row, row.len(), &[stored.column(0)], &mut got);
            // An activation is off by at most half a step of 1.7 / 127, errors add up as a random walk.
            let error = (f64::from(got[0]) - exact).abs();
            assert!(error <= scale * 0.05, "{kind:?}: {} instead of {exact}", got[0]);
        }
    }
}

#[test]
fn rows_that_are_no_multiple_of_a_vector_are_summed_whole() {
    for columns in [1, 5, 8, 31, 33, 48, 100] {
        for kind in [TensorType::F32, TensorType::F16, TensorType::Bf16] {
            let mut stored = Stored::default();
            stored.store(kind.companion(), &values(columns, 1), columns);
            let row = random_row(kind, columns, columns as u64);
            let mut simd = [0.0];
            for order in ORDERS {
                products(kind, order, &row, row.len(), &[stored.column(0)], &mut simd);
                assert_eq!(
                    simd[0].to_bits(),
                    portable::product(kind, order, &row, stored.column(0)).to_bits()
                );
            }
        }
    }
}

#[test]
fn products_of_many_rows_of_halves_are_those_of_each() {
    for columns in [4, 8, 16, 20, 24, 56, 64, 72] {
        let (row_bytes, at, count) = (2 * columns + 6, 4, 11);
        let rows = random_row(TensorType::F16, count * row_bytes / 2, columns as u64);
        let x = values(columns, 3);
        let expected: Vec<u32> = rows
            .chunks_exact(row_bytes)
            .map(|row| portable::half_row::<64>(&row[at..at + 2 * columns], &x).to_bits())
            .collect();
        let mut out = vec![0.0; count];
        half_rows::<64>(&rows, row_bytes, at, &x, &mut out);
        assert_eq!(out.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), expected, "{columns}");
    }
}

#[test]
fn adding_a_scaled_row_is_the_same_with_and_without_vectors() {
    for columns in [4, 8, 20, 64] {
        let row = random_row(TensorType::F16, columns, 9);
        let mut out = values(columns, 2);
        let expected: Vec<f32> =
            out.iter().enumerate().map(|(i, &x)| 0.37f32.mul_add(half_at(&row, 2 * i), x)).collect();
        add_scaled_half_row(&mut out, 0.37, &row);
        assert_eq!(out, expected);
    }
}
