//! Progress on stderr: a bar on a terminal; nothing in a pipe, in CI, or where NO_COLOR asks for plain text.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::suite::Progress;

/// Whether anybody looks: stderr is a terminal that can draw, and neither CI nor NO_COLOR is set.
pub fn is_watched() -> bool {
    let set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_dumb() && !set("CI") && !set("NO_COLOR")
}

/// Whether the terminal says that it can only write lines.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Columns of the terminal that stderr is, if it is one.
pub fn width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map(|(columns, _)| usize::from(columns.0)).filter(|columns| *columns > 0)
}

/// Columns below which there is room for figures alone.
const NARROW: usize = 72;

/// A template with or without its bar, as there is room.
fn fitting(figures: &str) -> String {
    let narrow = width().is_some_and(|columns| columns < NARROW);
    if narrow { figures.to_owned() } else { format!("{{bar:24}} {figures}") }
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
        let template = fitting("{pos}/{len} scenarios {elapsed} {prefix} {wide_msg}");
        Self { bar: bar(&template, Some(0), is_watched()), failed: 0 }
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

    fn programs(&mut self, done: u64, all: u64) {
        if done <= 1 {
            let template = fitting("{pos}/{len} generated programs {elapsed}");
            self.bar.set_style(
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
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
        counter.programs(1, 2000);
        counter.programs(700, 2000);
        assert_eq!((counter.bar.position(), counter.bar.length()), (700, Some(2000)));
    }
}
