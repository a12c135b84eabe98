//! Progress on stderr: a bar on a terminal; nothing in a pipe, in CI, or where NO_COLOR asks for plain text.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::suite::Progress;

/// Whether anybody looks: stderr is a terminal, and neither CI nor NO_COLOR is set.
pub fn is_watched() -> bool {
    let set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !set("CI") && !set("NO_COLOR")
}

/// A bar, or for an unknown number of steps a counter; hidden where nobody looks.
pub fn bar(template: &str, steps: Option<u64>, shown: bool) -> ProgressBar {
    let target = if shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(steps, target);
    // A template that is wrong would show at the first start; the plain style is no reason to stop.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Counts scenarios.
pub struct Counter {
    bar: ProgressBar,
    failed: usize,
}

impl Counter {
    /// A counter that shows itself if anybody looks.
    pub fn new() -> Self {
        let template = "{bar:24} {pos}/{len} scenarios {elapsed} {prefix} {wide_msg}";
        Self { bar: bar(template, Some(0), is_watched()), failed: 0 }
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Counter {
    fn begin(&mut self, scenarios: usize) {
        self.bar.set_length(scenarios as u64);
    }

    fn scenario(&mut self, name: &str, failed: bool) {
        self.failed += usize::from(failed);
        if self.failed > 0 {
            self.bar.set_prefix(format!("{} with findings", self.failed));
        }
        self.bar.set_message(name.strip_prefix("features/").unwrap_or(name).to_owned());
        self.bar.inc(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_and_findings_are_counted_though_nobody_looks() {
        let mut counter = Counter { bar: bar("{pos}/{len} {msg}", Some(0), false), failed: 0 };
        counter.begin(3);
        counter.scenario("features/a.feature:1: one", false);
        counter.scenario("features/a.feature:9: two", true);
        assert_eq!((counter.bar.position(), counter.bar.length(), counter.failed), (2, Some(3), 1));
        assert_eq!(counter.bar.message(), "a.feature:9: two");
        assert!(counter.bar.is_hidden());
    }
}
