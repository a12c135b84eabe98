//! The headers with real compilers: the compile tests of the interface, on every standard that the compilers know.

use std::path::Path;

use worker_contract::lock;
use worker_gate::libclang::Language;
use worker_gate::verify::{self, Request};

fn request(include: &Path) -> Request {
    Request {
        include: include.to_owned(),
        lock: lock::current().clone(),
        c: vec!["cc".to_owned()],
        cpp: vec!["c++".to_owned()],
        library: None,
    }
}

fn include() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include")
}

#[test]
fn the_headers_compile_alone_in_every_order_and_twice() {
    let outcome = verify::run(&request(&include())).unwrap();
    let failures: Vec<_> = outcome.trials.iter().filter(|trial| trial.failure.is_some()).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    // Three alone, six orders, the facts: for at least c99 and c++17.
    assert!(outcome.trials.len() >= 20, "{}", outcome.trials.len());
    assert_eq!(verify::texts(lock::current(), Language::C).len(), 10);
}

#[test]
fn a_header_that_is_not_what_was_locked_does_not_compile_into_the_facts() {
    for (from, to) in [
        ("uint64_t seed", "int seed"),
        ("CUDA_ERROR_UNKNOWN = 99", "CUDA_ERROR_UNKNOWN = 98"),
        ("VERSION_MINOR 0", "VERSION_MINOR 1"),
        ("#include <stdint.h>\n", ""),
        ("#ifndef WORKER_ERRORS_H\n#define WORKER_ERRORS_H\n", "#ifndef WORKER_X\n"),
        ("void cuda_destroy(CudaContext* ctx);", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut changed = false;
        for header in ["worker_ffi.h", "worker_types.h", "worker_errors.h"] {
            let text = std::fs::read_to_string(include().join(header)).unwrap();
            changed |= text.contains(from);
            std::fs::write(folder.path().join(header), text.replacen(from, to, 1)).unwrap();
        }
        assert!(changed, "{from}");
        let outcome = verify::run(&request(folder.path())).unwrap();
        assert!(outcome.trials.iter().any(|trial| trial.failure.is_some()), "{from}");
    }
}

#[test]
fn a_compiler_that_is_missing_is_named() {
    let request = Request { c: vec!["no-such-compiler".to_owned()], ..request(&include()) };
    assert!(verify::run(&request).unwrap_err().to_string().contains("no-such-compiler"));
}
