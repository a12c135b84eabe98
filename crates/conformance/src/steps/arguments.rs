//! The `name = value` lists of steps.

use std::collections::BTreeMap;

use crate::conversation::Stop;

/// A value as a feature file writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `NULL`.
    Null,
    /// A number without a point, or one of the C limits.
    Integer(i128),
    /// A number with a point, `NaN`, `-NaN`, `inf`, `-inf`.
    Real(f32),
    /// A quoted string; bytes and code points stand in braces: `{FF 0A}`, `{U+1F600}`.
    Text(Vec<u8>),
    /// A bare word.
    Word(String),
}

/// Arguments by name.
pub type Arguments = BTreeMap<String, Value>;

fn wrong(text: &str, why: &str) -> Stop {
    Stop::Broken(format!("cannot read the arguments `{text}`: {why}"))
}

/// Reads a list such as `max_tokens = 2049, prompt = "a, b"`.
///
/// # Errors
/// [`Stop::Broken`] with what is wrong.
pub fn parse(text: &str) -> Result<Arguments, Stop> {
    let mut arguments = Arguments::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| wrong(text, "`=` is missing"))?;
        let (value, after) =
            value(after.trim_start()).ok_or_else(|| wrong(text, "a value cannot be read"))?;
        if arguments.insert(name.trim().to_owned(), value).is_some() {
            return Err(wrong(text, "a name stands twice"));
        }
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err(wrong(text, "a comma is missing")),
        };
    }
    Ok(arguments)
}

/// Reads one value and what stands behind it.
pub fn value(text: &str) -> Option<(Value, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return string(quoted).map(|(bytes, rest)| (Value::Text(bytes), rest));
    }
    let end = text.find([',', ' ']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value = match word {
        "" => return None,
        "NULL" => Value::Null,
        "INT_MAX" => Value::Integer(i32::MAX.into()),
        "INT_MIN" => Value::Integer(i32::MIN.into()),
        "UINT64_MAX" => Value::Integer(u64::MAX.into()),
        "NaN" => Value::Real(f32::NAN),
        "-NaN" => Value::Real(-f32::NAN),
        "inf" => Value::Real(f32::INFINITY),
        "-inf" => Value::Real(f32::NEG_INFINITY),
        _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => match word.parse::<i128>() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Real(word.parse().ok()?),
        },
        _ => Value::Word(word.to_owned()),
    };
    Some((value, rest))
}

/// Reads up to the closing quote. Braces hold bytes in hexadecimal and code points: `{FF 0A}`, `{U+1F600}`.
fn string(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let at = rest.find(['"', '{'])?;
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let special = &rest[at..];
        if let Some(rest) = special.strip_prefix('"') {
            return Some((bytes, rest));
        }
        let (codes, after) = special.strip_prefix('{')?.split_once('}')?;
        for code in codes.split(' ') {
            match code.strip_prefix("U+") {
                Some(point) => {
                    let point = char::from_u32(u32::from_str_radix(point, 16).ok()?)?;
                    bytes.extend_from_slice(point.encode_utf8(&mut [0; 4]).as_bytes());
                }
                None if code.len() == 2 => bytes.push(u8::from_str_radix(code, 16).ok()?),
                None => return None,
            }
        }
        rest = after;
    }
}

/// Takes an integer that fits `T`, or the default.
///
/// # Errors
/// [`Stop::Broken`] if it is something else.
pub fn take_integer<T: TryFrom<i128>>(arguments: &mut Arguments, name: &str, default: T) -> Result<T, Stop> {
    match arguments.remove(name) {
        None => Ok(default),
        Some(Value::Integer(number)) => {
            T::try_from(number).map_err(|_| Stop::Broken(format!("{name} = {number} does not fit its type")))
        }
        Some(other) => Err(Stop::Broken(format!("{name} must be an integer, not {other:?}"))),
    }
}

/// Takes a float, or the default.
///
/// # Errors
/// [`Stop::Broken`] if it is something else.
pub fn take_real(arguments: &mut Arguments, name: &str, default: f32) -> Result<f32, Stop> {
    match arguments.remove(name) {
        None => Ok(default),
        Some(Value::Real(number)) => Ok(number),
        Some(Value::Integer(number)) => Ok(number as f32),
        Some(other) => Err(Stop::Broken(format!("{name} must be a number, not {other:?}"))),
    }
}

/// Says so if arguments are left that no parameter took.
///
/// # Errors
/// [`Stop::Broken`] with their names.
pub fn all_taken(arguments: &Arguments) -> Result<(), Stop> {
    if arguments.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
    Err(Stop::Broken(format!("no such parameter: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_with_strings_that_hold_commas_and_escapes() {
        let read = parse(
            r#"prompt = "a, {22}b{22} {FF} {U+1F600}", seed = UINT64_MAX, temperature = -0.0, ctx = NULL"#,
        );
        let read = read.unwrap();
        let prompt = [b"a, \"b\" ".as_slice(), &[0xff, b' '], "\u{1F600}".as_bytes()].concat();
        assert_eq!(read["prompt"], Value::Text(prompt));
        assert_eq!(read["seed"], Value::Integer(u64::MAX.into()));
        assert!(matches!(read["temperature"], Value::Real(zero) if zero == 0.0 && zero.is_sign_negative()));
        assert_eq!(read["ctx"], Value::Null);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in ["max_tokens", "a = ", "a = 1 b = 2", "a = 1, a = 2", "p = \"open", "p = \"{F}\""] {
            assert!(matches!(parse(text), Err(Stop::Broken(_))), "{text}");
        }
    }
}
