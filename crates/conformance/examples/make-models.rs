//! Writes fixture models to a folder: `make-models DIR [NAME…]`, all good models if none is named.

use std::process::ExitCode;

use worker_conformance::models::{
    Architecture, BEYOND_ANY_DEVICE, Likeness, ModelError, Recipe, Store, malformed,
};

const USAGE: &str = "usage: make-models DIR [NAME…]
NAME is a recipe of fixtures/models, a model of fixtures/malformed,
`malformed` for all of those, or `huge-llama` or `huge-gpt2` (sparse, 4 TiB long).";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().filter(|first| !first.starts_with('-')) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names = Recipe::names().map(str::to_string).collect();
    }
    let store = Store::new(folder);
    for name in names {
        if let Err(error) = make(&store, &name) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn make(store: &Store, name: &str) -> Result<(), ModelError> {
    let path = match name {
        "malformed" => return malformed::corpus().iter().try_for_each(|entry| make(store, &entry.name)),
        "huge-llama" => store.sparse_huge(BEYOND_ANY_DEVICE, Likeness::default())?,
        "huge-gpt2" => {
            let like = Likeness { architecture: Architecture::Gpt2, ..Likeness::default() };
            store.sparse_huge(BEYOND_ANY_DEVICE, like)?
        }
        name if Recipe::names().any(|known| known == name) => store.path(name)?,
        name => store.malformed_path(name)?,
    };
    println!("{}", path.display());
    Ok(())
}
