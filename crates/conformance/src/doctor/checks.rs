//! What `doctor` looks at, from what every run needs to what single options need.

use std::path::{Path, PathBuf};

use super::machine::{Limit, Machine};
use super::{Finding, State};

/// Models that the suite makes, and files of single scenarios, in bytes.
const ROOM: u64 = 256 << 20;
/// Memory that a session may take at most, in bytes; a backend takes its own besides.
const MEMORY: u64 = 1 << 30;
/// Processes beside those that run already.
const PROCESSES: u64 = 64;
/// Open files.
const FILES: u64 = 256;
/// Largest file that a scenario makes, in bytes, most of it a hole.
const FILE: u64 = 1 << 40;

fn finding(subject: &'static str, state: State, found: String, advice: &str) -> Finding {
    let advice = if state == State::Fine { String::new() } else { advice.to_owned() };
    Finding { subject, state, found, advice }
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 {
        format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
    } else {
        format!("{} MiB", bytes >> 20)
    }
}

/// Looks at everything; `models` is the folder for generated models.
pub fn all(machine: &dyn Machine, models: &Path) -> Vec<Finding> {
    let mut all = vec![child(machine), cache(machine, models), memory(machine)];
    all.extend(limits(machine));
    all.push(driver(machine));
    let compiler = ["cc", "gcc", "clang"].into_iter().find_map(|name| machine.program(name));
    all.push(found(
        "C compiler",
        compiler.clone(),
        "`fuzz` writes failures as repro.c, and the kit in C needs one: apt-get install gcc",
    ));
    all.push(found("C++ compiler", machine.program("c++"), "the kit in C++ needs one: apt-get install g++"));
    all.push(found(
        "cmake",
        machine.program("cmake"),
        "the kits in C and C++ need it: apt-get install cmake",
    ));
    all.push(found("cargo", machine.program("cargo"), "the kit in Rust needs it: https://rustup.rs"));
    let clang = ["libclang.so", "libclang-"].into_iter().any(|name| machine.library(name));
    let clang = clang || machine.variable("LIBCLANG_PATH");
    all.push(finding(
        "libclang",
        if clang { State::Fine } else { State::Missing },
        if clang { "found" } else { "not found" }.to_owned(),
        "`contract check` reads headers with it: apt-get install libclang-dev, or set LIBCLANG_PATH",
    ));
    for (subject, library, option) in [
        ("AddressSanitizer", "libasan.so", "asan"),
        ("UBSanitizer", "libubsan.so", "ubsan"),
        ("ThreadSanitizer", "libtsan.so", "tsan"),
    ] {
        let runtime = compiler.as_deref().and_then(|compiler| machine.runtime(compiler, library));
        let advice = format!("`run --sanitizer {option}` puts it before the library: apt-get install gcc");
        all.push(found(subject, runtime, &advice));
    }
    all.push(found(
        "valgrind",
        machine.program("valgrind"),
        "`run --valgrind` needs it: apt-get install valgrind",
    ));
    all.push(found("gdb", machine.program("gdb"), "`run --gdb` needs it: apt-get install gdb"));
    all.push(trace(machine));
    all.push(found(
        "python3",
        machine.program("python3"),
        "only examples/python needs it: apt-get install python3",
    ));
    all
}

fn found(subject: &'static str, path: Option<PathBuf>, advice: &str) -> Finding {
    match path {
        Some(path) => finding(subject, State::Fine, path.display().to_string(), ""),
        None => finding(subject, State::Missing, "not found".to_owned(), advice),
    }
}

fn child(machine: &dyn Machine) -> Finding {
    match machine.child() {
        Ok(()) => finding("child processes", State::Fine, "can be started".to_owned(), ""),
        Err(why) => finding(
            "child processes",
            State::Broken,
            why,
            "the library runs in child processes only: raise `ulimit -u`, or the limit of the container",
        ),
    }
}

fn cache(machine: &dyn Machine, models: &Path) -> Finding {
    let place = models.display();
    let advice = "generated models are kept there: give --models DIR, or set WORKER_CONFORMANCE_MODELS";
    if let Err(why) = machine.write(models) {
        return finding("model cache", State::Broken, format!("{place}: {why}"), advice);
    }
    match machine.space(models) {
        Some(space) if space.free < ROOM => {
            let found = format!("{place}: only {} free, {} are needed", size(space.free), size(ROOM));
            finding("model cache", State::Broken, found, advice)
        }
        space => {
            let free = space.map_or(String::new(), |space| format!(", {} free", size(space.free)));
            finding("model cache", State::Fine, format!("{place}{free}"), "")
        }
    }
}

fn memory(machine: &dyn Machine) -> Finding {
    let free = machine.text("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:").map(str::to_owned))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    });
    let bound = machine.text("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse::<u64>().ok());
    let least = free.into_iter().chain(bound).min();
    let Some(least) = least else {
        return finding("memory", State::Fine, "not known".to_owned(), "");
    };
    let word = if bound == Some(least) { "allowed by the container" } else { "available" };
    // Small backends get by with less, so that this is no reason not to run.
    let state = if least < MEMORY { State::Missing } else { State::Fine };
    let advice = "malformed models are loaded with up to 1 GiB allowed: a careless library may be killed, \
                  which then reads as SIGKILL";
    finding("memory", state, format!("{} {word}", size(least)), advice)
}

fn limits(machine: &dyn Machine) -> Vec<Finding> {
    let needed = [
        (
            Limit::Processes,
            "processes",
            PROCESSES,
            State::Missing,
            "sessions and threads count: ulimit -u unlimited",
        ),
        (Limit::Files, "open files", FILES, State::Missing, "a few for each session: ulimit -n 1024"),
        (
            Limit::AddressSpace,
            "address space",
            64 << 30,
            State::Missing,
            "GPU runtimes map much more than they use: ulimit -v unlimited",
        ),
        (
            Limit::FileSize,
            "file size",
            FILE,
            State::Missing,
            "LOAD-04 makes a sparse file larger than any GPU: ulimit -f unlimited",
        ),
    ];
    let mut all: Vec<Finding> = needed
        .into_iter()
        .map(|(limit, subject, least, short, advice)| match machine.limit(limit) {
            None => finding(subject, State::Fine, "no limit".to_owned(), ""),
            Some(most) => {
                let shown = if matches!(limit, Limit::AddressSpace | Limit::FileSize) {
                    size(most)
                } else {
                    most.to_string()
                };
                let state = if most < least { short } else { State::Fine };
                finding(subject, state, format!("at most {shown}"), advice)
            }
        })
        .collect();
    let core = match machine.limit(Limit::Core) {
        Some(0) => "off here, and in sessions always",
        _ => "off in sessions: a crash under test leaves no file behind",
    };
    all.push(finding("core dumps", State::Fine, core.to_owned(), ""));
    all
}

fn driver(machine: &dyn Machine) -> Finding {
    let kernel = machine.text("/proc/driver/nvidia/version").and_then(|text| {
        let line = text.lines().next()?.to_owned();
        Some(line.split("Kernel Module").nth(1).unwrap_or(&line).split_whitespace().next()?.to_owned())
    });
    let user = machine.library("libcuda.so.1");
    let (state, found) = match (kernel, user) {
        (Some(version), true) => (State::Fine, format!("NVIDIA {version}, libcuda.so.1 found")),
        (Some(version), false) => (State::Missing, format!("NVIDIA {version}, but no libcuda.so.1")),
        (None, true) => (State::Missing, "libcuda.so.1 found, but no kernel driver".to_owned()),
        (None, false) => (State::Missing, "no NVIDIA driver".to_owned()),
    };
    let advice = "a backend for NVIDIA GPUs reports 0 devices here, and the verdict is at best `incomplete`; \
                  backends that run on the CPU need none";
    finding("GPU driver", state, found, advice)
}

fn trace(machine: &dyn Machine) -> Finding {
    let scope = machine.text("/proc/sys/kernel/yama/ptrace_scope");
    let scope = scope.and_then(|text| text.trim().parse::<u8>().ok());
    let (state, found) = match scope {
        None | Some(0) => (State::Fine, "a debugger may attach".to_owned()),
        Some(1) => (State::Fine, "a debugger may attach to sessions, which allow it".to_owned()),
        Some(scope) => (State::Missing, format!("kernel.yama.ptrace_scope is {scope}")),
    };
    finding(
        "debugging",
        state,
        found,
        "`run --gdb` attaches to a session: sysctl kernel.yama.ptrace_scope=1, or run as root",
    )
}
