//! The whole suite on the CPU reference: wall time, cases a second, the gain of a second core, memory; and cargo-nextest
//! running as many tests that do nothing, as the peer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-conformance");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program on the CPU reference, at level core.
fn suite(jobs: usize, report: &Path) -> Command {
    let library = Path::new(PROGRAM).with_file_name("libworker_mock.so");
    assert!(library.exists(), "`{}` is missing; `make bench` builds it", library.display());
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg("--library").arg(library).arg("--jobs").arg(jobs.to_string());
    command.arg("--profile").arg(root().join("fixtures/profiles/mock.yaml")).arg("--json").arg(report);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn scenarios(report: &Path) -> u64 {
    let text = std::fs::read(report).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(report["verdict"], "conformant");
    report["scenarios"].as_u64().expect("a number of scenarios")
}

/// Largest resident size of the runner alone, in bytes: what its children take is theirs.
fn peak_memory(report: &Path) -> u64 {
    let mut child = suite(2, report).spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

/// A crate with so many tests that do nothing, built for cargo-nextest; `None` where that is not installed.
fn trivial_tests(folder: &Path, count: u64) -> Option<()> {
    let known = Command::new("cargo").args(["nextest", "--version"]).output();
    known.ok().filter(|output| output.status.success())?;
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = "[package]\nname = \"trivial\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    let mut source = String::new();
    for number in 0..count {
        writeln!(source, "#[test] fn trivial_{number}() {{}}").expect("a text takes a line");
    }
    std::fs::write(folder.join("src/lib.rs"), source).expect("a source");
    let built = nextest(folder).arg("--no-run").output().expect("cargo starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(())
}

fn nextest(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["nextest", "run", "--test-threads", "2", "--cargo-quiet"]).current_dir(folder);
    command.env("CARGO_TARGET_DIR", folder.join("target")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn time(mut command: Command) -> Duration {
    let start = Instant::now();
    assert!(command.status().expect("it starts").success());
    start.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    // Makes the models, so that no run that counts does.
    time(suite(2, &report));
    let cases = scenarios(&report);
    let mut means = [Duration::ZERO; 3];
    let mut group = criterion.benchmark_group("suite");
    group.sample_size(10).throughput(Throughput::Elements(cases));
    for jobs in [1, 2] {
        let name = format!("core level on the CPU reference, {jobs} at a time");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let total: Duration = (0..rounds).map(|_| time(suite(jobs, &report))).sum();
                means[jobs] = total / u32::try_from(rounds).unwrap_or(1);
                total
            });
        });
    }
    let peer = folder.path().join("trivial");
    let peer_known = trivial_tests(&peer, cases).is_some();
    if peer_known {
        group.bench_function("peer: cargo-nextest, as many tests that do nothing, 2 at a time", |bencher| {
            bencher.iter_custom(|rounds| {
                let total: Duration = (0..rounds).map(|_| time(nextest(&peer))).sum();
                means[0] = total / u32::try_from(rounds).unwrap_or(1);
                total
            });
        });
    }
    group.finish();
    criterion.final_summary();
    if means[2] > Duration::ZERO {
        let seconds = |time: Duration| time.as_secs_f64();
        println!("{cases} cases; {:.0} cases/s with 2 at a time", cases as f64 / seconds(means[2]));
        println!("2 at a time: {:.2} x as fast as 1", seconds(means[1]) / seconds(means[2]));
        if peer_known {
            println!("wall time against cargo-nextest: {:.2} x", seconds(means[2]) / seconds(means[0]));
        } else {
            println!("cargo-nextest is not installed: no peer");
        }
        println!("peak memory of the runner: {} MiB", peak_memory(&report) >> 20);
    }
}
