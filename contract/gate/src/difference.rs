//! A difference between two interfaces: which rule, which item, where, before and after.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use serde::Serialize;

use crate::rule::{Class, Rule};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What kind.
    pub rule: Rule,
    /// Function, type, macro, or a part of one, such as `cuda_init/error_code`.
    pub item: String,
    /// File name of the header.
    pub header: String,
    /// Line in the new header, or 1 where there is none.
    pub line: usize,
    /// As it was; empty for what is new.
    pub before: String,
    /// As it is; empty for what is gone.
    pub after: String,
    /// Languages and targets that see it; empty if all do.
    pub seen_by: BTreeSet<String>,
}

impl Difference {
    /// How much it breaks.
    #[must_use]
    pub fn class(&self) -> Class {
        self.rule.class()
    }

    /// Whether it needs a change record.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.class() != Class::Editorial
    }
}
