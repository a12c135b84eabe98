//! Values as C writes them.

use std::fmt::Write as _;

use crate::program::Out;

pub(super) const ANY_TOKEN: &str = "\"a token, the end, or a code of the function\"";

pub(super) fn given(out: Out) -> &'static str {
    if out == Out::Given { "1" } else { "0" }
}

/// A call that is made only if there is a handle to make it with.
pub(super) fn guarded(name: &str, call: &str) -> String {
    if name == "NULL" { call.to_owned() } else { format!("if ({name}) {call}") }
}

pub(super) fn release(name: &str, kind: u8, what: &str) -> String {
    match name {
        "NULL" => format!("call_void({what}, \"returns\", {kind}, NULL);"),
        _ => format!("if ({name}) call_void({what}, \"returns\", {kind}, {name}), {name} = NULL;"),
    }
}

pub(super) fn int(value: i32) -> String {
    // The least int has no literal of its own.
    if value == i32::MIN { "(-2147483647 - 1)".to_owned() } else { value.to_string() }
}

pub(super) fn float(value: f32) -> String {
    if value.is_nan() {
        return "__builtin_nanf(\"\")".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "__builtin_inff()" } else { "-__builtin_inff()" }.to_owned();
    }
    format!("{value:?}f")
}

/// A C string literal. Octal escapes have three digits and end by themselves.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'?' => text.push_str("\\077"),
            0x20..0x7f => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\{other:03o}");
            }
        }
    }
    text.push('"');
    text
}
