//! Writes the suite's tiny models into a folder, `NAME.gguf` each, for programs that are not the suite.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use worker_conformance::models::{Recipe, Store};

/// Write every tiny model.
#[derive(Parser)]
struct Arguments {
    /// Where the files go.
    folder: PathBuf,
}

fn write(folder: &Path) -> Result<(), String> {
    let store = Store::new(folder.join("made"));
    for name in Recipe::names() {
        let made = store.path(name).map_err(|error| error.to_string())?;
        let to = folder.join(format!("{name}.gguf"));
        std::fs::copy(&made, &to).map_err(|error| format!("cannot write `{}`: {error}", to.display()))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match write(&Arguments::parse().folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
