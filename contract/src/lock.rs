//! The machine-readable lock, `lock/1.0.yaml`: the interface as names, types and numbers, to compare others with.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;
use crate::functions::FUNCTIONS;

const SOURCE: &str = include_str!("../lock/1.0.yaml");

/// One version of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Major and minor number, as in `1.0`.
    pub version: String,
    /// Day of the lock, as in `2025-10-04`.
    pub date: String,
    /// Whether it may still change without a new version.
    pub status: Status,
    /// The opaque types.
    pub handles: Vec<LockedHandle>,
    /// The enumerators of `CudaErrorCode`, in order.
    pub error_codes: Vec<LockedCode>,
    /// The functions, in the order of the headers.
    pub functions: Vec<LockedFunction>,
    /// The headers: what they include, define and declare, in order.
    pub headers: Vec<LockedHeader>,
    /// What the comments of the headers promise.
    pub documentation: Vec<LockedText>,
    /// Declarations that are more than name, types and parameters say, as C, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declarations: BTreeMap<String, String>,
    /// Change records that led to this version; they never change again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<LockedRecord>,
}

/// How firm a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It changes only by a change record, into a new version.
    Locked,
    /// A newer version has taken its place.
    Superseded,
}

/// An opaque type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedHandle {
    /// Name of the incomplete struct and of its typedef.
    pub name: String,
    /// File that declares it.
    pub header: String,
}

/// An enumerator of `CudaErrorCode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedCode {
    /// Name in C.
    pub name: String,
    /// Number that crosses the boundary.
    pub value: i32,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFunction {
    /// Exported symbol.
    pub name: String,
    /// File that declares it.
    pub header: String,
    /// Return type as C spells it.
    pub returns: String,
    /// Parameters in order.
    pub parameters: Vec<LockedParameter>,
    /// Codes that it may report besides 0.
    pub reports: Vec<i32>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedParameter {
    /// Name in the header.
    pub name: String,
    /// Type as C spells it.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedHeader {
    /// File name.
    pub name: String,
    /// Macro that keeps it from being read twice.
    pub guard: String,
    /// Includes as written, such as `<stdint.h>`.
    pub includes: Vec<String>,
    /// Macros that hosts may use.
    pub macros: Vec<LockedMacro>,
    /// Names of what it declares, in order.
    pub declares: Vec<String>,
}

/// A macro.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedMacro {
    /// Name, with its parameters if it has any.
    pub name: String,
    /// What it stands for.
    pub text: String,
}

/// The comment of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedText {
    /// A function, type, enumerator or macro, or the file name of a header.
    pub item: String,
    /// The words of the comment.
    pub text: String,
}

/// A change record, by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRecord {
    /// File name in `changes/`.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
pub enum ParseLockError {
    /// The text is no YAML of the right shape.
    #[error("cannot read the lock: {0}")]
    Shape(#[from] serde_yaml::Error),
    /// The version or the date is written in another way.
    #[error("cannot read the lock: {field} `{value}` is not of the form {form}")]
    Form {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should look like.
        form: &'static str,
    },
    /// Two entries of a list have one name, or two codes one number.
    #[error("cannot read the lock: {what} `{value}` occurs twice")]
    Twice {
        /// Kind of entry.
        what: &'static str,
        /// What occurs twice.
        value: String,
    },
    /// A function reports a code that the lock does not define.
    #[error("cannot read the lock: `{function}` reports {code}, which is no error code of it")]
    UndefinedCode {
        /// The function.
        function: String,
        /// The number.
        code: i32,
    },
}

impl Lock {
    /// Read a lock, strictly: unknown fields, repeated names or numbers and undefined codes are errors.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(text: &str) -> Result<Self, ParseLockError> {
        let lock: Self = serde_yaml::from_str(text)?;
        let form = |field, value: &str, form: &'static str| {
            let fits = value.len() == form.len()
                && value.bytes().zip(form.bytes()).all(|(byte, like)| match like {
                    b'0' => byte.is_ascii_digit(),
                    other => byte == other,
                });
            if fits { Ok(()) } else { Err(ParseLockError::Form { field, value: value.to_owned(), form }) }
        };
        form("version", &lock.version, "0.0")?;
        form("date", &lock.date, "0000-00-00")?;
        once("handle", lock.handles.iter().map(|handle| handle.name.clone()))?;
        once("error code", lock.error_codes.iter().map(|code| code.name.clone()))?;
        once("error number", lock.error_codes.iter().map(|code| code.value.to_string()))?;
        once("header", lock.headers.iter().map(|header| header.name.clone()))?;
        once("documentation of", lock.documentation.iter().map(|text| text.item.clone()))?;
        once("function", lock.functions.iter().map(|function| function.name.clone()))?;
        for function in &lock.functions {
            once("parameter", function.parameters.iter().map(|parameter| parameter.name.clone()))?;
            let undefined =
                |&&code: &&i32| code == 0 || !lock.error_codes.iter().any(|known| known.value == code);
            if let Some(&code) = function.reports.iter().find(undefined) {
                return Err(ParseLockError::UndefinedCode { function: function.name.clone(), code });
            }
        }
        Ok(lock)
    }

    /// The interface of this crate's tables, in the form of a lock that claims the version and date of `like`.
    #[must_use]
    pub fn of_tables(like: &Self) -> Self {
        Self {
            version: like.version.clone(),
            date: like.date.clone(),
            status: like.status,
            handles: like.handles.clone(),
            error_codes: ErrorCode::ALL
                .iter()
                .map(|code| LockedCode { name: code.name().to_owned(), value: code.raw() })
                .collect(),
            functions: FUNCTIONS
                .iter()
                .map(|spec| LockedFunction {
                    name: spec.name.to_owned(),
                    header: spec.header().to_owned(),
                    returns: spec.returns.name().to_owned(),
                    parameters: spec
                        .parameters
                        .iter()
                        .map(|p| LockedParameter { name: p.name.to_owned(), kind: p.kind.name().to_owned() })
                        .collect(),
                    reports: spec.codes.iter().map(|code| code.raw()).collect(),
                })
                .collect(),
            headers: like.headers.clone(),
            documentation: like.documentation.clone(),
            declarations: like.declarations.clone(),
            records: like.records.clone(),
        }
    }

    /// The lock in lines, one fact each, so that two of them can be compared by eye or by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let handles = self.handles.iter().map(|handle| format!("{}: handle {}", handle.header, handle.name));
        let codes = self.error_codes.iter().map(|code| format!("code {} = {}", code.name, code.value));
        let functions = self.functions.iter().map(|function| {
            let parameters: Vec<String> =
                function.parameters.iter().map(|p| format!("{} {}", p.kind, p.name)).collect();
            let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
            let LockedFunction { name, header, returns, reports, .. } = function;
            format!("{header}: {returns} {name}({parameters}) reports {reports:?}")
        });
        handles.chain(codes).chain(functions).collect()
    }
}

fn once(what: &'static str, values: impl Iterator<Item = String>) -> Result<(), ParseLockError> {
    let mut seen = BTreeSet::new();
    for value in values {
        if !seen.insert(value.clone()) {
            return Err(ParseLockError::Twice { what, value });
        }
    }
    Ok(())
}

/// The lock in force.
#[must_use]
pub fn current() -> &'static Lock {
    static CURRENT: OnceLock<Lock> = OnceLock::new();
    CURRENT.get_or_init(|| {
        // The text is part of the crate, and a test reads it: nothing from outside can fail here.
        Lock::parse(SOURCE).unwrap_or_else(|error| unreachable!("the embedded lock is sound: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_lock_is_sound_and_in_force() {
        let lock = Lock::parse(SOURCE).unwrap();
        assert_eq!(
            (lock.version.as_str(), lock.date.as_str(), lock.status),
            ("1.0", "2025-10-04", Status::Locked)
        );
        assert_eq!((lock.handles.len(), lock.error_codes.len(), lock.functions.len()), (3, 10, 14));
    }

    #[test]
    fn the_tables_of_the_crate_say_what_the_lock_says() {
        assert_eq!(Lock::of_tables(current()).lines(), current().lines());
    }

    /// What the parser says to the lock with one text put for another.
    fn refusal(from: &str, to: &str) -> String {
        assert!(SOURCE.contains(from), "{from}");
        Lock::parse(&SOURCE.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_lock_that_contradicts_itself_is_refused() {
        let refusals = [
            refusal("\"1.0\"", "\"1\""),
            refusal("2025-10-04", "4 October"),
            refusal("name: CudaModel", "name: CudaContext"),
            refusal("CUDA_ERROR_INVALID_DEVICE", "CUDA_SUCCESS"),
            refusal("value: 99", "value: 8"),
            refusal("- name: cuda_destroy", "- name: cuda_init"),
            refusal("reports: [1,", "reports: [9,"),
            refusal("status: locked", "status: frozen"),
            refusal("status: locked", "status: locked\nowner: nobody"),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r"
        cannot read the lock: version `1` is not of the form 0.0
        cannot read the lock: date `4 October` is not of the form 0000-00-00
        cannot read the lock: handle `CudaContext` occurs twice
        cannot read the lock: error code `CUDA_SUCCESS` occurs twice
        cannot read the lock: error number `8` occurs twice
        cannot read the lock: function `cuda_init` occurs twice
        cannot read the lock: `cuda_init` reports 9, which is no error code of it
        cannot read the lock: status: unknown variant `frozen`, expected `locked` or `superseded` at line 8 column 9
        cannot read the lock: unknown field `owner`, expected one of `version`, `date`, `status`, `handles`, `error_codes`, `functions`, `headers`, `documentation`, `declarations`, `records` at line 9 column 1
        ");
    }
}
