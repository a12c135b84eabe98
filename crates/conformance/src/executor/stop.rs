//! Stops a session before a call that was named, until a debugger has attached.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::program::Call;

/// The variable that asks for it: a file, a line end, and the call as observations show it.
pub const VARIABLE: &str = "WORKER_CONFORMANCE_STOP";

static ASKED: OnceLock<Option<(PathBuf, String)>> = OnceLock::new();
static STOPPED: AtomicBool = AtomicBool::new(false);
const PAUSE: Duration = Duration::from_millis(20);

/// Reads the variable, before a library could change it.
pub fn prepare() {
    ASKED.get_or_init(|| {
        let asked = std::env::var(VARIABLE).ok()?;
        let (file, call) = asked.split_once('\n')?;
        Some((file.into(), call.to_owned()))
    });
}

/// Writes this process's number into the file and waits for a debugger, if this is the call that was named. The file
/// is there already when another session has stopped.
pub fn if_asked(call: &Call) {
    let Some(Some((file, wanted))) = ASKED.get() else { return };
    if STOPPED.load(Ordering::SeqCst) || call.to_string() != *wanted || file.exists() {
        return;
    }
    STOPPED.store(true, Ordering::SeqCst);
    // SAFETY: lets any process of this user attach to this one, where the system asks for that.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
    if std::fs::write(file, std::process::id().to_string()).is_err() {
        return;
    }
    while !is_traced() {
        std::thread::sleep(PAUSE);
    }
    // The debugger sets its breakpoints before it lets this process go on.
}

fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
