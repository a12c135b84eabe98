//! The key-value pairs of a GGUF file; arrays that no part of the backend needs are checked and dropped.

use std::collections::HashMap;

use super::GgufError;
use super::cursor::Cursor;

const STRING: u32 = 8;
const ARRAY: u32 = 9;
const NESTING_LIMIT: u32 = 16;
/// Arrays that are kept; all others are only walked over.
const KEPT: [&str; 4] =
    ["tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"];

/// A value, its width forgotten.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any integer type.
    Integer(i128),
    /// `f32` or `f64`.
    Float(f64),
    /// 0 or 1 in the file.
    Bool(bool),
    /// UTF-8.
    String(String),
    /// An array of strings.
    Strings(Vec<String>),
    /// An array of numbers; ids and scores are exact in `f32`.
    Numbers(Vec<f32>),
    /// An array that nobody needs.
    Dropped,
}

/// All pairs of a file, each key once.
#[derive(Debug, Default)]
pub struct Metadata {
    values: HashMap<String, Value>,
}

impl Metadata {
    /// Reads `count` pairs.
    pub fn read(cursor: &mut Cursor, count: u64) -> Result<Self, GgufError> {
        let mut values = HashMap::new();
        for _ in 0..count {
            let key = cursor.string()?;
            let kind = cursor.u32()?;
            let value = match kind {
                ARRAY => array(cursor, KEPT.contains(&key.as_str()))?,
                _ => scalar(cursor, kind)?,
            };
            if values.insert(key.clone(), value).is_some() {
                return Err(GgufError::DuplicateKey(key));
            }
        }
        Ok(Self { values })
    }

    /// Value of `key`, where the file has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Integer `key`, where the file has it; an error where it is anything but a non-negative integer.
    pub fn optional_u64(&self, key: &str) -> Result<Option<u64>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => {
                u64::try_from(*number).map(Some).map_err(|_| wrong(key, "unsigned integer"))
            }
            Some(_) => Err(wrong(key, "unsigned integer")),
        }
    }

    /// Integer `key` in 1..=`limit`.
    pub fn positive(&self, key: &str, limit: u64) -> Result<usize, GgufError> {
        let number = self.optional_u64(key)?.ok_or_else(|| GgufError::MissingKey(key.into()))?;
        match number {
            1.. if number <= limit => Ok(number as usize),
            _ => Err(wrong(key, "positive integer in range")),
        }
    }

    /// Finite float `key`, where the file has it.
    pub fn optional_f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Float(number)) if (*number as f32).is_finite() => Ok(Some(*number as f32)),
            Some(_) => Err(wrong(key, "finite number")),
        }
    }

    /// Bool `key`, where the file has it.
    pub fn optional_bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong(key, "bool")),
        }
    }

    /// String `key`, where the file has it.
    pub fn optional_string(&self, key: &str) -> Result<Option<&str>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(key, "string")),
        }
    }

    /// String `key`.
    pub fn string(&self, key: &str) -> Result<&str, GgufError> {
        self.optional_string(key)?.ok_or_else(|| GgufError::MissingKey(key.into()))
    }

    /// Array of strings `key`, where the file has it.
    pub fn optional_strings(&self, key: &str) -> Result<Option<&[String]>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Strings(strings)) => Ok(Some(strings)),
            Some(_) => Err(wrong(key, "array of strings")),
        }
    }

    /// Array of numbers `key`, where the file has it.
    pub fn optional_numbers(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Numbers(numbers)) => Ok(Some(numbers)),
            Some(_) => Err(wrong(key, "array of numbers")),
        }
    }
}

/// The error for a `key` that is not what was `wanted`.
pub fn wrong(key: &str, wanted: &'static str) -> GgufError {
    GgufError::WrongValue { key: key.into(), wanted }
}

fn scalar(cursor: &mut Cursor, kind: u32) -> Result<Value, GgufError> {
    Ok(match kind {
        0 => Value::Integer(u8::from_le_bytes(cursor.bytes()?).into()),
        1 => Value::Integer(i8::from_le_bytes(cursor.bytes()?).into()),
        2 => Value::Integer(u16::from_le_bytes(cursor.bytes()?).into()),
        3 => Value::Integer(i16::from_le_bytes(cursor.bytes()?).into()),
        4 => Value::Integer(u32::from_le_bytes(cursor.bytes()?).into()),
        5 => Value::Integer(i32::from_le_bytes(cursor.bytes()?).into()),
        6 => Value::Float(f32::from_le_bytes(cursor.bytes()?).into()),
        7 => match cursor.bytes::<1>()?[0] {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => return Err(GgufError::Bool(other)),
        },
        STRING => Value::String(cursor.string()?),
        10 => Value::Integer(u64::from_le_bytes(cursor.bytes()?).into()),
        11 => Value::Integer(i64::from_le_bytes(cursor.bytes()?).into()),
        12 => Value::Float(f64::from_le_bytes(cursor.bytes()?)),
        _ => return Err(GgufError::ValueType(kind)),
    })
}

/// Bytes of one element of a fixed-size type.
fn width(kind: u32) -> Result<u64, GgufError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(GgufError::ValueType(kind)),
    }
}

fn array(cursor: &mut Cursor, keep: bool) -> Result<Value, GgufError> {
    let kind = cursor.u32()?;
    let length = cursor.u64()?;
    match kind {
        STRING => {
            // Each string takes eight bytes at least: a length that the file cannot hold fails here, at once.
            cursor.require(length.saturating_mul(8))?;
            let mut strings = Vec::new();
            for _ in 0..length {
                let text = cursor.string()?;
                if keep {
                    strings.push(text);
                }
            }
            Ok(if keep { Value::Strings(strings) } else { Value::Dropped })
        }
        ARRAY => {
            nested(cursor, length, 1)?;
            Ok(Value::Dropped)
        }
        _ => {
            let bytes = length.saturating_mul(width(kind)?);
            if !keep || kind == 7 {
                cursor.skip(bytes)?;
                return Ok(Value::Dropped);
            }
            cursor.require(bytes)?;
            let mut numbers = Vec::new();
            for _ in 0..length {
                match scalar(cursor, kind)? {
                    Value::Integer(number) => numbers.push(number as f32),
                    Value::Float(number) => numbers.push(number as f32),
                    _ => return Err(GgufError::ValueType(kind)),
                }
            }
            Ok(Value::Numbers(numbers))
        }
    }
}

/// Walks over `length` arrays inside an array.
fn nested(cursor: &mut Cursor, length: u64, depth: u32) -> Result<(), GgufError> {
    if depth >= NESTING_LIMIT {
        return Err(GgufError::Nesting(NESTING_LIMIT));
    }
    cursor.require(length.saturating_mul(12))?;
    for _ in 0..length {
        let kind = cursor.u32()?;
        let inner = cursor.u64()?;
        match kind {
            ARRAY => nested(cursor, inner, depth + 1)?,
            STRING => {
                cursor.require(inner.saturating_mul(8))?;
                for _ in 0..inner {
                    cursor.string()?;
                }
            }
            _ => cursor.skip(inner.saturating_mul(width(kind)?))?,
        }
    }
    Ok(())
}
