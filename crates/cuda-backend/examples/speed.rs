//! Measures a backend library through the contract, as a host sees it, and prints one JSON object.
//!
//! Decode: from the first token's arrival to the last one's. Prefill: the time until the first token of a long prompt.
//! First token: the same for a short prompt, the start of the job included. All are medians over rounds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use worker_contract::{Backend, Context, Model, Sampling};

/// Measure the speed of a backend library on a model.
#[derive(Parser)]
struct Arguments {
    /// Backend: a shared library that exports the worker ABI.
    #[arg(long)]
    library: PathBuf,
    /// Model: a GGUF file.
    #[arg(long)]
    model: PathBuf,
    /// Tokens to generate a round.
    #[arg(long, default_value_t = 128)]
    tokens: i32,
    /// What the long prompt is made of.
    #[arg(long, default_value = "the ")]
    word: String,
    /// How often the long prompt has it.
    #[arg(long, default_value_t = 128)]
    words: usize,
    /// Tokens that the long prompt has, which no call tells; only repeated in the output.
    #[arg(long)]
    prompt_tokens: Option<u64>,
    /// Rounds of each measurement; 0 measures loading alone.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Number of the GPU.
    #[arg(long, default_value_t = 0)]
    device: i32,
}

const SHORT_PROMPT: &str = "The";

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

/// Time to the first token from before the job starts, time from there to the last one, and how many there were.
fn generate(model: &Model<'_>, prompt: &str, tokens: i32) -> Result<(Duration, Duration, usize), String> {
    let sampling = Sampling { max_tokens: tokens, temperature: 0.0, seed: 0 };
    let begin = Instant::now();
    let job = model.infer(prompt, sampling).map_err(|error| format!("cannot start to generate: {error}"))?;
    let mut first = begin.elapsed();
    let mut last = first;
    let mut count = 0;
    for token in job {
        token.map_err(|error| format!("cannot go on generating: {error}"))?;
        last = begin.elapsed();
        if count == 0 {
            first = last;
        }
        count += 1;
    }
    Ok((first, last - first, count))
}

/// Nanoseconds of one call, over many.
fn nanoseconds(calls: u32, mut call: impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        call();
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn calls(backend: &Backend, context: &Context<'_>, model: &Model<'_>) -> serde_json::Value {
    json!({
        "device_count_ns": nanoseconds(100_000, || { std::hint::black_box(backend.device_count()); }),
        "model_vram_usage_ns": nanoseconds(100_000, || { std::hint::black_box(model.vram_usage()); }),
        "process_vram_usage_ns": nanoseconds(1_000, || { std::hint::black_box(context.process_vram_usage()); }),
        "check_residency_ns": nanoseconds(1_000, || { std::hint::black_box(model.check_residency().is_ok()); }),
        "check_health_ns": nanoseconds(1_000, || { std::hint::black_box(context.check_health().is_ok()); }),
    })
}

fn measure(arguments: &Arguments) -> Result<serde_json::Value, String> {
    let backend = Backend::load(&arguments.library).map_err(|error| error.to_string())?;
    let context =
        backend.context(arguments.device).map_err(|error| format!("cannot open a device: {error}"))?;
    let bytes = std::fs::metadata(&arguments.model)
        .map_err(|error| format!("cannot read `{}`: {error}", arguments.model.display()))?
        .len();
    let load =
        || context.load_model(&arguments.model).map_err(|error| format!("cannot load the model: {error}"));
    // The first one finds the file in the page cache only if somebody read it before; the second one does.
    let begin = Instant::now();
    drop(load()?);
    let cold = begin.elapsed();
    let begin = Instant::now();
    let model = load()?;
    let warm = begin.elapsed();
    let mut result = json!({
        "file_bytes": bytes,
        "vram_bytes": model.vram_usage(),
        "load_cold_seconds": cold.as_secs_f64(),
        "load_warm_seconds": warm.as_secs_f64(),
        "load_gb_per_second": bytes as f64 / 1e9 / warm.as_secs_f64(),
    });
    if arguments.rounds == 0 {
        return Ok(result);
    }
    let prompt = arguments.word.repeat(arguments.words);
    // Kernels are loaded when they first run.
    generate(&model, &prompt, 8)?;
    let (mut first, mut prefill, mut decode) = (Vec::new(), Vec::new(), Vec::new());
    let mut produced = 0;
    for _ in 0..arguments.rounds {
        first.push(generate(&model, SHORT_PROMPT, 1)?.0);
        prefill.push(generate(&model, &prompt, 1)?.0);
        let (_, rest, count) = generate(&model, SHORT_PROMPT, arguments.tokens)?;
        if count < 2 {
            return Err(format!("the model ends its text after {count} tokens; there is nothing to measure"));
        }
        produced = count;
        decode.push(rest);
    }
    let (first, prefill, decode) = (median(first), median(prefill), median(decode));
    result["first_token_ms"] = json!(first * 1e3);
    result["prompt_tokens"] = json!(arguments.prompt_tokens);
    result["prompt_bytes"] = json!(prompt.len());
    result["prompt_ms"] = json!(prefill * 1e3);
    result["produced"] = json!(produced);
    result["decode_ms_per_token"] = json!(decode * 1e3 / (produced - 1) as f64);
    result["decode_tokens_per_second"] = json!((produced - 1) as f64 / decode);
    result["calls"] = calls(&backend, &context, &model);
    Ok(result)
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(result) => {
            println!("{result:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
