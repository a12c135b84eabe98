//! What isolation costs: one case against the bare floor of the same run, and calls a second within one program.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use worker_conformance::executor::{Config, Executor, Limits, Options};
use worker_conformance::program::{Call, Op, Program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-conformance");
/// Calls of one program.
const CALLS: u32 = 100_000;

/// The library that `WORKER_LIBRARY` names, or the CPU reference beside the program.
fn library() -> PathBuf {
    let beside = || Path::new(PROGRAM).with_file_name("libworker_mock.so");
    let library = std::env::var_os("WORKER_LIBRARY").map_or_else(beside, PathBuf::from);
    assert!(library.exists(), "`{}` is missing; `make bench` builds it", library.display());
    library
}

fn executor(folder: &Path) -> Arc<Executor> {
    Executor::new(Config {
        program: PROGRAM.into(),
        library: library(),
        environment: Vec::new(),
        folder: folder.to_owned(),
        limits: Limits::default(),
        jobs: 1,
        instrument: Default::default(),
    })
}

/// A floor as the program itself measures it, where nothing of the suite is in the way: so many rounds in all.
fn floor(what: &str, rounds: u64) -> Duration {
    let output =
        Command::new(PROGRAM).args(["__floor", what]).arg(library()).arg(rounds.to_string()).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let nanos = String::from_utf8_lossy(&output.stdout).trim().parse().expect("nanoseconds");
    Duration::from_nanos(nanos)
}

fn case(executor: &Arc<Executor>, options: &Options) {
    let program: Program = vec![Op::Call(Call::DeviceCount)];
    let mut session = executor.session(options).expect("a session");
    black_box(session.run(&program).expect("a trace"));
    session.finish();
}

fn isolation(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let executor = executor(folder.path());
    case(&executor, &Options::default());
    let mut group = criterion.benchmark_group("isolation");
    group.bench_function("floor: fork, exit, wait", |bencher| {
        bencher.iter_custom(|rounds| floor("fork", rounds))
    });
    group.bench_function("one case in a fork", |bencher| {
        bencher.iter(|| case(&executor, &Options::default()))
    });
    group.bench_function("floor: spawn, dlopen, exit, wait", |bencher| {
        bencher.iter_custom(|rounds| floor("spawn", rounds));
    });
    let fresh = Options { fresh: true, ..Options::default() };
    group.bench_function("one case in a process of its own", |bencher| {
        bencher.iter(|| case(&executor, &fresh))
    });
    group.finish();
}

fn calls(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let executor = executor(folder.path());
    let mut group = criterion.benchmark_group("calls");
    group.sample_size(10).throughput(Throughput::Elements(CALLS.into()));
    let kinds = [
        ("cuda_error_message", Call::ErrorMessage { code: 5 }),
        ("cuda_get_device_count", Call::DeviceCount),
    ];
    for (name, call) in kinds {
        let program: Program = vec![Op::Repeat(CALLS, vec![Op::Call(call)])];
        group.bench_function(BenchmarkId::new("in one program", name), |bencher| {
            bencher.iter(|| {
                let mut session = executor.session(&Options::default()).expect("a session");
                let trace = session.run(&program).expect("a trace");
                assert_eq!(trace.len(), CALLS as usize);
                session.finish();
            });
        });
    }
    group.finish();
}

/// The mean of a benchmark that has just run, in nanoseconds.
fn mean(group: &str, name: &str) -> Option<f64> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let name = name.replace([':', '/'], "_");
    let path = folder.join("criterion").join(group).join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates["mean"]["point_estimate"].as_f64()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    isolation(&mut criterion);
    calls(&mut criterion);
    criterion.final_summary();
    let pairs = [
        ("one case in a fork", "floor: fork, exit, wait"),
        ("one case in a process of its own", "floor: spawn, dlopen, exit, wait"),
    ];
    for (case, floor) in pairs {
        if let (Some(case_time), Some(floor_time)) = (mean("isolation", case), mean("isolation", floor)) {
            println!("{case}: {:.3} ms, {:.2} x its floor", case_time / 1e6, case_time / floor_time);
        }
    }
}
