//! Loads arbitrary bytes as a model, and generates a few tokens from whatever loads.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use worker_mock::job::Job;
use worker_mock::ledger::Ledger;
use worker_mock::model::Model;

fuzz_target!(|data: &[u8]| {
    let ledger = Ledger::new(1 << 30);
    if let Ok(model) = Model::load_from(&data, &ledger, 1) {
        let model = Arc::new(model);
        for prompt in ["", "a b<s>é 12\n", "\u{1f600}"] {
            if let Ok(mut job) = Job::start(&model, prompt, 3, 0.7, 1) {
                while let Ok(Some(_)) = job.peek() {
                    job.take();
                }
            }
        }
    }
    assert_eq!(ledger.used(), 0);
});
