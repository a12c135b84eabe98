//! Prints what a backend generates for a prompt: the Rust host of the guide in `include/README.md`.

use std::io::Write;

use worker_contract::{Backend, Sampling};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, library, model, prompt] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: guide LIBRARY MODEL PROMPT".into());
    };
    let backend = Backend::load(library)?;
    let context = backend.context(0)?;
    let model = context.load_model(model)?;
    eprintln!("{} bytes of device memory", model.vram_usage());
    for token in model.infer(prompt, Sampling { max_tokens: 16, temperature: 0.0, seed: 0 })? {
        print!("{}", token?.text);
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
