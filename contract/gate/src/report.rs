//! Puts the outcome of a check into the form that a reader wants.

#![forbid(unsafe_code)]

pub mod github;
pub mod sarif;
pub mod text;

use crate::check::Outcome;

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// The outcome in a form.
///
/// # Errors
/// If it cannot be put into JSON, which does not happen.
pub fn render(outcome: &Outcome, format: Format) -> Result<String, serde_json::Error> {
    Ok(match format {
        Format::Text => text::render(outcome),
        Format::Json => serde_json::to_string_pretty(outcome)? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&sarif::log(outcome))? + "\n",
        Format::Github => github::render(outcome),
    })
}
