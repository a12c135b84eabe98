//! Progress on stderr: a counting line on a terminal, nothing elsewhere.

use std::io::{IsTerminal, Write};

use crate::suite::Progress;

/// Counts scenarios.
pub struct Counter {
    all: usize,
    done: usize,
    failed: usize,
    shown: bool,
}

impl Counter {
    /// A counter that shows itself if stderr is a terminal.
    pub fn new() -> Self {
        Self { all: 0, done: 0, failed: 0, shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, name: &str) {
        if !self.shown {
            return;
        }
        let name: String = name.chars().take(60).collect();
        let mut stderr = std::io::stderr().lock();
        // A terminal that is gone is no reason to stop.
        let _ = write!(
            stderr,
            "\r\x1b[K{}/{} scenarios, {} with findings  {name}",
            self.done, self.all, self.failed
        );
        let _ = stderr.flush();
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if self.shown && self.all > 0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Progress for Counter {
    fn begin(&mut self, scenarios: usize) {
        self.all = scenarios;
        self.show("");
    }

    fn scenario(&mut self, name: &str, failed: bool) {
        self.done += 1;
        self.failed += usize::from(failed);
        self.show(name.strip_prefix("features/").unwrap_or(name));
    }
}
