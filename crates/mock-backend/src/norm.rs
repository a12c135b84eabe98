//! Normalisation of activations: by root mean square, or by mean and variance. Sums are in f64.

/// `out = x / sqrt(mean(x^2) + epsilon) * weight`, for every token of `x` (tokens, width).
pub fn root_mean_square(out: &mut Vec<f32>, x: &[f32], weight: &[f32], epsilon: f32) {
    out.clear();
    for token in x.chunks_exact(weight.len()) {
        let squares: f64 = token.iter().map(|&x| f64::from(x * x)).sum();
        let mean = (squares / token.len() as f64) as f32;
        let scale = 1.0 / (mean + epsilon).sqrt();
        out.extend(token.iter().zip(weight).map(|(x, weight)| x * scale * weight));
    }
}

/// `out = (x - mean) / sqrt(variance + epsilon) * weight + bias`, for every token of `x` (tokens, width).
pub fn layer(out: &mut Vec<f32>, x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    out.clear();
    for token in x.chunks_exact(weight.len()) {
        let sum: f64 = token.iter().map(|&x| f64::from(x)).sum();
        let mean = (sum / token.len() as f64) as f32;
        let squares: f64 = token.iter().map(|&x| f64::from((x - mean) * (x - mean))).sum();
        let scale = 1.0 / ((squares / token.len() as f64) as f32 + epsilon).sqrt();
        out.extend(
            token.iter().zip(weight).zip(bias).map(|((x, weight), bias)| (x - mean) * scale * weight + bias),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_mean_square_of_each_token_becomes_one() {
        let mut out = Vec::new();
        root_mean_square(&mut out, &[3.0, -3.0, 0.5, 0.5], &[1.0, 2.0], 0.0);
        assert_eq!(out, [1.0, -2.0, 1.0, 2.0]);
    }

    #[test]
    fn a_layer_norm_has_mean_of_the_bias_and_scale_of_the_weight() {
        let mut out = Vec::new();
        layer(&mut out, &[1.0, 3.0], &[2.0, 2.0], &[10.0, 20.0], 0.0);
        assert_eq!(out, [8.0, 22.0]);
    }
}
