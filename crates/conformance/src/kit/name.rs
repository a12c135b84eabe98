//! The name of a backend: what a file, a CMake target, a crate and a C macro can all be called.

use std::fmt;
use std::str::FromStr;

/// A name that can be used everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// A text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Something is wrong with its characters.
    #[error(
        "write a lower-case letter, then lower-case letters, digits and `_`, {MOST} at most: for example my_backend"
    )]
    Characters,
    /// It means something else.
    #[error("the word has a meaning in C, C++, Rust, CMake or Cargo; add something, for example {0}_backend")]
    Taken(String),
}

const MOST: usize = 48;

/// Words of the languages, targets of CMake, and crates and folders of Cargo.
const TAKEN: &str = "abstract alignas alignof all and as asm async auto await become bitand bitor bool box break \
    build case catch char class clean compl const const_cast constexpr continue core crate decltype default delete \
    deps do double dyn dynamic_cast edit_cache else enum examples explicit export extern false final float fn for \
    friend gen goto help if impl in include incremental inline install int let long loop macro match mod move \
    mutable namespace new noexcept not nullptr operator or override package priv private proc_macro protected pub \
    public rebuild_cache ref register reinterpret_cast restrict return self short signed sizeof src static \
    static_assert static_cast std struct super switch template test this thread_local throw trait true try type \
    typedef typeid typename typeof union unsafe unsigned unsized use using virtual void volatile wchar_t where \
    while xor yield alloc worker_contract worker_conformance";

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !starts || text.len() > MOST || !text.bytes().all(good) {
            return Err(NameError::Characters);
        }
        if TAKEN.split_whitespace().any(|word| word == text) {
            return Err(NameError::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Name {
    /// As it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As macros have it.
    pub fn upper(&self) -> String {
        self.0.to_ascii_uppercase()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_tool_can_call_a_thing() {
        for good in ["a", "my_backend", "gpu2", &"x".repeat(MOST)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "2gpu", "_x", "My", "my-backend", "a b", "../x", "ä", "a\n", &"x".repeat(MOST + 1)] {
            assert_eq!(bad.parse::<Name>(), Err(NameError::Characters), "{bad}");
        }
        for taken in ["class", "fn", "test", "core", "all", "int"] {
            assert_eq!(taken.parse::<Name>(), Err(NameError::Taken(taken.to_owned())));
        }
    }
}
