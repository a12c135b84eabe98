//! The report for machines, which every other form is made from; its shape is stable.

use std::path::{Path, PathBuf};

use super::plausible;
use crate::verdict::{RunResult, SCHEMA_VERSION};

/// A report cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read the report `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no report.
    #[error("`{}` is no report of `run --json`: {}; give the file that `run --json` or `report merge --json` wrote", path.display(), source.to_string().replace("; ", ", "))]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// No run writes that.
    #[error("`{}` is no report of `run --json`: {what}; make it anew, nothing in it is to be changed by hand", path.display())]
    Implausible {
        /// The file.
        path: PathBuf,
        /// What cannot be.
        what: String,
    },
    /// It has another shape.
    #[error("the report `{}` has the schema {found}, and this program reads {SCHEMA_VERSION}; make it anew, or convert it with the program that made it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

/// The report.
pub fn render(result: &RunResult) -> String {
    // Every map in it has text for keys, so there is nothing that JSON cannot hold.
    serde_json::to_string_pretty(result).unwrap_or_else(|error| unreachable!("{error}")) + "\n"
}

/// Reads a report.
///
/// # Errors
/// When it is none, or of another version of the schema.
pub fn read(path: &Path) -> Result<RunResult, ReadError> {
    let text = std::fs::read(path).map_err(|source| ReadError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Reads a report that is in memory; `path` is where it is from.
///
/// # Errors
/// When it is none, or of another version of the schema.
pub fn parse(path: &Path, text: &[u8]) -> Result<RunResult, ReadError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema_version: Option<String>,
    }
    let wrong = |source| ReadError::Parse { path: path.to_owned(), source };
    // The version first: what else is missing in another shape is of no interest.
    let head: Head = serde_json::from_slice(text).map_err(wrong)?;
    let found = head.schema_version.unwrap_or_else(|| "before 1.0".to_owned());
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&found) != major(SCHEMA_VERSION) {
        return Err(ReadError::Version { path: path.to_owned(), found });
    }
    let result = serde_json::from_slice(text).map_err(wrong)?;
    match plausible::complaint(&result) {
        Some(what) => Err(ReadError::Implausible { path: path.to_owned(), what }),
        None => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// The published schema is made from the types. `UPDATE_SCHEMA=1 cargo test -p worker-conformance schema` writes it.
    #[test]
    fn the_published_schema_is_that_of_the_model() {
        let mut schema = schemars::schema_for!(RunResult);
        schema.insert("$id".to_owned(), format!("urn:worker-conformance:report:{SCHEMA_VERSION}").into());
        schema.insert("title".to_owned(), "Report of worker-conformance run".into());
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap();
        assert!(
            published == text,
            "docs/report.schema.json differs from the model; see the comment at this test"
        );
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let result = sample::result();
        let text = render(&result);
        let again = parse(Path::new("report.json"), text.as_bytes()).unwrap();
        assert_eq!(render(&again), text);
    }

    #[test]
    fn what_is_no_report_is_refused_in_words() {
        let told = |text: &str| parse(Path::new("r.json"), text.as_bytes()).unwrap_err();
        let said = ["", "{}", "[1]", r#"{"schema_version":"2.0"}"#, r#"{"schema_version":"1.0"}"#]
            .map(|text| told(text).to_string());
        insta::assert_snapshot!(said.join("\n"));
    }
}
