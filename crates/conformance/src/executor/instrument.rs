//! Tools that watch a library while it is called, sanitizers and valgrind, and what they reported about a process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How sessions run under a tool. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Instrument {
    /// Words before the command that serves, such as `valgrind` and its options.
    pub wrapper: Vec<OsString>,
    /// Variables for the child processes.
    pub environment: Vec<(String, String)>,
    /// Folder where the tool leaves its reports.
    pub reports: Option<PathBuf>,
    /// Options of `run` that bring it about again, with a blank before each; empty without a tool.
    pub options: String,
}

/// Longest report in an observation, in bytes.
const MOST: usize = 600;
/// Frames of the library that are shown.
const FRAMES: usize = 3;

impl Instrument {
    /// What the tool said about a process, in one line; nothing if it said nothing.
    pub fn report(&self, pid: i32) -> Option<String> {
        let folder = self.reports.as_deref()?;
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            collect(&entry.path(), pid, &mut text);
        }
        summary(&text)
    }
}

/// Takes the lines about a process: a file of its own (sanitizers), or lines that begin with its number (valgrind).
fn collect(path: &Path, pid: i32, text: &mut String) {
    let Ok(bytes) = std::fs::read(path) else { return };
    let content = String::from_utf8_lossy(&bytes);
    let own = path.extension().is_some_and(|ending| ending.to_string_lossy() == pid.to_string());
    let prefix = format!("=={pid}==");
    for line in content.lines() {
        let prefixed = line.strip_prefix(&prefix);
        if let Some(line) = prefixed.or_else(|| own.then_some(line)) {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// The first fault of a report: what, and in which functions of the library.
pub fn summary(report: &str) -> Option<String> {
    let mut lines = report.lines().map(str::trim).skip_while(|line| title(line).is_none());
    let first = title(lines.next()?)?;
    let mut found = first;
    let mut frames = Vec::new();
    for line in lines {
        if let Some(frame) = frame(line) {
            if !of_the_tool(&frame) && frames.len() < FRAMES {
                frames.push(frame);
            }
        } else if !frames.is_empty() {
            break;
        } else if let Some(access) = access(line) {
            found = format!("{found}, {access}");
        }
    }
    if !frames.is_empty() {
        found = format!("{found}, in {}", frames.join(" < "));
    }
    let end = (0..=MOST.min(found.len())).rev().find(|at| found.is_char_boundary(*at)).unwrap_or(0);
    found.truncate(end);
    Some(found)
}

/// The line that names a fault.
fn title(line: &str) -> Option<String> {
    for tool in ["AddressSanitizer: ", "ThreadSanitizer: "] {
        if let Some(at) = line.find(tool).filter(|_| !line.starts_with("SUMMARY")) {
            let kind = &line[at..];
            let end = [" on address", " on unknown address", " (pid="]
                .into_iter()
                .filter_map(|end| kind.find(end))
                .min();
            return Some(kind[..end.unwrap_or(kind.len())].to_owned());
        }
    }
    if line.contains(": runtime error: ") {
        return Some(format!("UndefinedBehaviorSanitizer: {line}"));
    }
    let valgrind = [
        "Invalid ",
        "Conditional jump",
        "Use of uninitialised",
        "Syscall param",
        "Mismatched free",
        "Jump to the invalid",
        "Source and destination overlap",
    ];
    valgrind.iter().any(|start| line.starts_with(start)).then(|| format!("valgrind: {line}"))
}

/// The line that tells reads from writes.
fn access(line: &str) -> Option<&str> {
    let starts = ["READ of size", "WRITE of size", "Write of size", "Read of size"];
    let line = starts.iter().any(|start| line.starts_with(start)).then_some(line)?;
    Some(line.split(" at ").next().unwrap_or(line))
}

/// `function file:line` of a frame.
fn frame(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("at 0x").or_else(|| line.strip_prefix("by 0x")) {
        // Valgrind: `at 0x4845: name (file.c:12)`.
        let (_, what) = rest.split_once(": ")?;
        let (name, place) = what.split_once(" (").unwrap_or((what, ""));
        return Some(format!("{name} {}", place.trim_end_matches(')')).trim_end().to_owned());
    }
    let rest = line.strip_prefix('#')?.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    // AddressSanitizer: `0x7f in name file.c:12:3`; ThreadSanitizer: `name file.c:12 (libmine.so+0x11)`.
    let what = match rest.strip_prefix("0x").and_then(|rest| rest.split_once(" in ")) {
        Some((_, what)) => what,
        None => rest.split(" (").next().unwrap_or(rest),
    };
    Some(what.trim().to_owned()).filter(|what| !what.is_empty())
}

/// Frames of the runtime, of the C library's start and of the suite say nothing about the library.
fn of_the_tool(frame: &str) -> bool {
    [
        "libsanitizer",
        "libasan",
        "libtsan",
        "libubsan",
        "vgpreload",
        "vg_replace",
        "src/executor/",
        "worker_conformance::",
        "__interceptor",
    ]
    .iter()
    .any(|own| frame.contains(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_what_and_where() {
        let asan = "=================================================================\n\
            ==812==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x6020 at pc 0x7f bp 0x7e sp 0x7d\n\
            WRITE of size 1 at 0x602000000017 thread T0\n\
            \x20   #0 0x7f3a in __interceptor_memcpy ../../libsanitizer/asan.cpp:827\n\
            \x20   #1 0x7f3b in put_text /home/you/src/job.c:42:5\n\
            \x20   #2 0x7f3c in cuda_inference_next_token /home/you/src/ffi.c:90\n\
            \n0x602 is located 0 bytes to the right of 7-byte region\n\
            SUMMARY: AddressSanitizer: heap-buffer-overflow src/job.c:42\n";
        assert_eq!(
            summary(asan).unwrap(),
            "AddressSanitizer: heap-buffer-overflow, WRITE of size 1, in put_text /home/you/src/job.c:42:5 \
             < cuda_inference_next_token /home/you/src/ffi.c:90"
        );
        let tsan = "WARNING: ThreadSanitizer: data race (pid=77)\n  Write of size 4 at 0x7f by thread T2:\n    \
            #0 cuda_get_device_count src/device.c:7 (libmine.so+0x1139)\n\n  Previous write of size 4\n";
        assert_eq!(
            summary(tsan).unwrap(),
            "ThreadSanitizer: data race, Write of size 4, in cuda_get_device_count src/device.c:7"
        );
        let ubsan = "src/gguf.c:31:9: runtime error: shift exponent 70 is too large\n    #0 0x7f in read src/gguf.c:31\n";
        assert_eq!(
            summary(ubsan).unwrap(),
            "UndefinedBehaviorSanitizer: src/gguf.c:31:9: runtime error: shift exponent 70 is too large, \
             in read src/gguf.c:31"
        );
        assert_eq!(summary("all is well\n"), None);
    }

    #[test]
    fn reports_of_other_processes_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let text = "==5== Memcheck, a memory error detector\n==5== Invalid write of size 1\n\
            ==5==    at 0x48: put (job.c:12)\n==5==    by 0x49: cuda_init (ffi.c:3)\n==5== \n\
            ==6== Invalid read of size 8\n==6==    at 0x50: other (other.c:1)\n";
        std::fs::write(folder.path().join("valgrind"), text).unwrap();
        std::fs::write(
            folder.path().join("asan.7"),
            "==7==ERROR: AddressSanitizer: SEGV on unknown address 0x0\n",
        )
        .unwrap();
        let tool = Instrument { reports: Some(folder.path().to_owned()), ..Instrument::default() };
        assert_eq!(
            tool.report(5).unwrap(),
            "valgrind: Invalid write of size 1, in put job.c:12 < cuda_init ffi.c:3"
        );
        assert_eq!(tool.report(7).unwrap(), "AddressSanitizer: SEGV");
        assert_eq!(tool.report(8), None);
        std::fs::write(
            folder.path().join("log.9"),
            "==9== Invalid read of size 4\n==9==    at 0x1: f (f.c:1)\n",
        )
        .unwrap();
        assert_eq!(tool.report(9).unwrap(), "valgrind: Invalid read of size 4, in f f.c:1");
    }
}
