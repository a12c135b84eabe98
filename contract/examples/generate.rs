//! Streams the text that a backend generates for a prompt: `cargo run --example generate -- --help`.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use worker_contract::{Backend, Sampling};

/// Generate text with a backend library and print it as it comes.
#[derive(Parser)]
struct Arguments {
    /// Backend: a shared library that exports the worker ABI.
    #[arg(long)]
    library: PathBuf,
    /// Model: a GGUF file.
    #[arg(long)]
    model: PathBuf,
    /// Text to go on from.
    #[arg(long)]
    prompt: String,
    /// Most tokens to produce, 1 to 2048.
    #[arg(long, default_value_t = 128)]
    max_tokens: i32,
    /// 0.0 takes the likeliest token, up to 2.0 spreads the choice.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Start of the random numbers; without effect at temperature 0.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of the GPU.
    #[arg(long, default_value_t = 0)]
    device: i32,
}

fn generate(arguments: &Arguments) -> Result<(), String> {
    let backend = Backend::load(&arguments.library).map_err(|error| error.to_string())?;
    let context = backend.context(arguments.device).map_err(|error| {
        let devices = backend.device_count();
        format!("cannot open device {} of {devices}: {error}", arguments.device)
    })?;
    let model = context
        .load_model(&arguments.model)
        .map_err(|error| format!("cannot load the model `{}`: {error}", arguments.model.display()))?;
    let Arguments { max_tokens, temperature, seed, .. } = *arguments;
    let tokens = model
        .infer(&arguments.prompt, Sampling { max_tokens, temperature, seed })
        .map_err(|error| format!("cannot start to generate: {error}"))?;
    let mut out = std::io::stdout().lock();
    for token in tokens {
        let token = token.map_err(|error| {
            // The message that follows starts a line of its own; that the text came to an end matters more than this.
            let _ = writeln!(out);
            format!("cannot go on generating: {error}")
        })?;
        // Each token is shown at once, which line buffering would not do.
        match out.write_all(token.text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Whoever reads has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(format!("cannot write: {error}")),
        }
    }
    writeln!(out).or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(format!("cannot write: {error}")),
    })
}

fn main() -> ExitCode {
    match generate(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
