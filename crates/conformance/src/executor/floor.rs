//! What isolation costs at the least, measured where nothing of the suite is in the way: `__floor fork|spawn LIBRARY N`.

use std::path::Path;
use std::process::{Command, exit};
use std::time::Instant;

use worker_contract::library;

/// First argument of a process that measures.
pub const FLOOR: &str = "__floor";

/// Measures if this process was started to do so, and does not return then: N rounds, in nanoseconds.
pub fn measure_if_asked() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [first, what, path, rounds] = arguments.as_slice() else { return };
    let Some(rounds) = rounds.to_str().and_then(|text| text.parse().ok()).filter(|_| first == FLOOR) else {
        return;
    };
    let round: &dyn Fn() = match what.to_str() {
        Some("fork") => &fork_once,
        Some("spawn") => &|| spawn_once(Path::new(path)),
        Some("load") => &|| {},
        _ => exit(2),
    };
    // The process that is forked has the library loaded, as a fork server has.
    let loaded = if what == "spawn" { None } else { library::load(Path::new(path)).ok() };
    let start = Instant::now();
    (0_u64..rounds).for_each(|_| round());
    println!("{}", start.elapsed().as_nanos());
    drop(loaded);
    exit(0);
}

fn fork_once() {
    // SAFETY: this process has one thread; the child leaves at once, and the parent waits for that child alone.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(0);
        }
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

/// A process that loads the library and ends.
fn spawn_once(path: &Path) {
    let program = std::env::current_exe().unwrap_or_default();
    let status = Command::new(program).arg(FLOOR).arg("load").arg(path).arg("0").output();
    if !status.is_ok_and(|output| output.status.success()) {
        exit(2);
    }
}
