//! Prints logits: `logits MODEL PROMPT [COUNT]`, one line of the vocabulary for each greedy token.

use std::path::Path;
use std::sync::Arc;

use worker_mock::job::Job;
use worker_mock::ledger::Ledger;
use worker_mock::model::Model;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, prompt, rest @ ..] = arguments.as_slice() else {
        return Err("usage: logits MODEL PROMPT [COUNT]".into());
    };
    let count = rest.first().map_or(Ok(1), |text| text.parse())?;
    let model = Arc::new(Model::load(Path::new(path), &Ledger::new(u64::MAX))?);
    let mut job = Job::start(&model, prompt, count, 0.0, 0)?;
    while matches!(job.peek(), Ok(Some(_))) {
        job.take();
        println!("{}", job.logits().iter().map(f32::to_string).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}
