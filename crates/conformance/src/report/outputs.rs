//! The options that say which reports to write, shared by every command that has a result.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{cucumber_json, cucumber_messages, html, json, junit, markdown, sarif, tap, write};
use crate::verdict::RunResult;

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Everything, for machines; the other forms can be made from it later.
    Json,
    /// JUnit XML, for GitLab, Jenkins and others.
    Junit,
    /// A page that needs no network.
    Html,
    /// Markdown, for $GITHUB_STEP_SUMMARY.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// TAP 13.
    Tap,
    /// Cucumber's older JSON.
    CucumberJson,
    /// Cucumber messages, one JSON value a line.
    CucumberMessages,
}

impl Format {
    /// The report in this form.
    ///
    /// # Errors
    /// When the form cannot hold it.
    pub fn render(self, result: &RunResult) -> anyhow::Result<String> {
        Ok(match self {
            Format::Json => json::render(result),
            Format::Junit => junit::render(result)?,
            Format::Html => html::render(result)?,
            Format::Markdown => markdown::render(result),
            Format::Sarif => sarif::render(result),
            Format::Tap => tap::render(result),
            Format::CucumberJson => cucumber_json::render(result),
            Format::CucumberMessages => cucumber_messages::render(result),
        })
    }
}

/// A form and the file to write it to: `html=report.html`.
#[derive(Debug, Clone)]
struct Named(Format, PathBuf);

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            let all: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("`{text}` is no report: write FORMAT=FILE, FORMAT being one of {}", all.join(", "))
        };
        let (format, path) = text.split_once('=').ok_or_else(wrong)?;
        let format = Format::from_str(format, false).map_err(|_| wrong())?;
        if path.is_empty() {
            return Err(wrong());
        }
        Ok(Self(format, path.into()))
    }
}

/// Which reports to write.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Reports")]
pub struct Outputs {
    /// Write the report as JSON; every other form can be made from it later, see `report convert`.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report as a page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the report as SARIF 2.1.0.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Write the report as TAP 13.
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
    /// Write the report as Cucumber JSON.
    #[arg(long, value_name = "FILE")]
    cucumber_json: Option<PathBuf>,
    /// Write the report as Cucumber messages.
    #[arg(long, value_name = "FILE")]
    cucumber_messages: Option<PathBuf>,
    /// Write the report in a form by its name, such as html=report.html; may be given several times.
    #[arg(long, value_name = "FORMAT=FILE")]
    report: Vec<Named>,
}

impl Outputs {
    /// Forms and files asked for.
    pub fn files(&self) -> Vec<(Format, PathBuf)> {
        let single = [
            (Format::Json, &self.json),
            (Format::Junit, &self.junit),
            (Format::Html, &self.html),
            (Format::Markdown, &self.markdown),
            (Format::Sarif, &self.sarif),
            (Format::Tap, &self.tap),
            (Format::CucumberJson, &self.cucumber_json),
            (Format::CucumberMessages, &self.cucumber_messages),
        ];
        let single = single.into_iter().filter_map(|(format, path)| Some((format, path.clone()?)));
        single.chain(self.report.iter().map(|Named(format, path)| (*format, path.clone()))).collect()
    }

    /// Writes all that were asked for; returns their paths.
    ///
    /// # Errors
    /// With the file that cannot be written.
    pub fn write(&self, result: &RunResult) -> anyhow::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (format, path) in self.files() {
            write::whole(&path, format.render(result)?.as_bytes())
                .map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
            written.push(path);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_report_by_name_has_a_known_form_and_a_file() {
        let Named(format, path) = "cucumber-json=a=b.json".parse().unwrap();
        assert_eq!((format, path), (Format::CucumberJson, PathBuf::from("a=b.json")));
        insta::assert_snapshot!("pdf=x".parse::<Named>().unwrap_err());
        assert!("html".parse::<Named>().is_err() && "html=".parse::<Named>().is_err());
    }

    #[test]
    fn every_form_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let report = Format::value_variants().iter().map(|format| {
            let name = format.to_possible_value().unwrap().get_name().to_owned();
            Named(*format, folder.path().join("a/b").join(name))
        });
        let outputs = Outputs { report: report.collect(), ..Outputs::default() };
        for result in [sample::result(), sample::hostile()] {
            let written = outputs.write(&result).unwrap();
            assert_eq!(written.len(), Format::value_variants().len());
            assert!(written.iter().all(|path| std::fs::metadata(path).unwrap().len() > 100));
        }
        assert_eq!(
            std::fs::read_dir(folder.path().join("a/b")).unwrap().count(),
            Format::value_variants().len()
        );
    }
}
