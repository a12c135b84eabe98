//! A type as a caller's registers and memory see it: class and width, whatever its name.

use std::fmt;

use gimli::constants as dw;
use worker_contract::CType;

use super::units::{Die, Units};

/// Names, qualifiers and wrappers around a type that are looked through.
const LAYERS: usize = 32;
/// Types inside types that are looked into.
const DEPTH: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// `void`.
    Nothing,
    /// `signed` is `None` for enumerations.
    Integer {
        bytes: u64,
        signed: Option<bool>,
        letter: Letter,
    },
    Float {
        bytes: u64,
    },
    Bool {
        bytes: u64,
    },
    Pointer {
        target: Box<Shape>,
        /// Whether what it points to is declared `const`.
        constant: bool,
    },
    /// Something that is made of parts, without its width if only its name is known.
    Compound {
        bytes: Option<u64>,
        /// The handle of the contract that has this name.
        handle: Option<&'static str>,
    },
    /// The code of a function.
    Code,
    /// The debug information does not say, or not in a way that is understood here.
    Unknown,
}

/// How C and C++ call an integer of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letter {
    /// `char`.
    Plain,
    /// `signed char` or `unsigned char`.
    Explicit,
    /// No type of C or C++, or none of one byte.
    None,
}

/// Names of the contract's handles.
const HANDLES: [&str; 3] = ["CudaContext", "CudaModel", "InferenceResult"];

/// What becomes of a type beside the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Same,
    /// Another type that callers cannot tell from it.
    Alike,
    /// Another type of the same make: callers built from the headers pass the same bits.
    Loose,
    Wrong,
}

impl Shape {
    /// The type of an entry that has one.
    pub fn of<'a>(units: &Units<'a>, holder: &Die<'a>) -> Self {
        Self::inside(units, holder, DEPTH)
    }

    fn inside<'a>(units: &Units<'a>, holder: &Die<'a>, depth: usize) -> Self {
        let mut at = holder.clone();
        let mut known = None;
        for _ in 0..LAYERS {
            let Some(value) = at.value(dw::DW_AT_type) else { return Self::Nothing };
            let Some(next) = units.follow(&at, value) else { return Self::Unknown };
            let name = units.name(&next);
            known = known.or_else(|| HANDLES.into_iter().find(|handle| name == Some(handle.as_bytes())));
            match next.entry.tag() {
                dw::DW_TAG_typedef
                | dw::DW_TAG_const_type
                | dw::DW_TAG_volatile_type
                | dw::DW_TAG_restrict_type
                | dw::DW_TAG_atomic_type
                | dw::DW_TAG_immutable_type
                | dw::DW_TAG_packed_type
                | dw::DW_TAG_shared_type
                | dw::DW_TAG_template_alias
                // A pointer to an array is one to its first element.
                | dw::DW_TAG_array_type => at = next,
                dw::DW_TAG_base_type => return Self::base(&next, units.name(&next)),
                // What Rust calls `c_void` is an enumeration that has no value.
                dw::DW_TAG_enumeration_type if units.name(&next) == Some(b"c_void") => return Self::Nothing,
                dw::DW_TAG_enumeration_type => match next.number(dw::DW_AT_byte_size) {
                    Some(bytes) => return Self::Integer { bytes, signed: None, letter: Letter::None },
                    None if next.value(dw::DW_AT_type).is_some() => at = next,
                    None => return Self::Unknown,
                },
                dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                    let target = if depth == 0 { Self::Unknown } else { Self::inside(units, &next, depth - 1) };
                    return Self::Pointer { target: Box::new(target), constant: constant(units, &next) };
                }
                dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => {
                    return match Self::compound(units, &next, depth) {
                        Self::Compound { bytes, .. } => Self::Compound { bytes, handle: known },
                        other if known.is_none() => other,
                        // A handle of one part is a handle all the same.
                        other => Self::Compound { bytes: other.bytes(), handle: known },
                    };
                }
                dw::DW_TAG_subroutine_type => return Self::Code,
                _ => return Self::Unknown,
            }
        }
        Self::Unknown
    }

    fn base(die: &Die, name: Option<&[u8]>) -> Self {
        let letter = match name {
            Some(b"char") => Letter::Plain,
            Some(b"signed char" | b"unsigned char") => Letter::Explicit,
            _ => Letter::None,
        };
        let (Some(bytes), Some(gimli::AttributeValue::Encoding(encoding))) =
            (die.number(dw::DW_AT_byte_size), die.value(dw::DW_AT_encoding))
        else {
            return Self::Unknown;
        };
        match encoding {
            // Rust's `()` and `!`.
            _ if bytes == 0 => Self::Nothing,
            dw::DW_ATE_signed | dw::DW_ATE_signed_char => Self::Integer { bytes, signed: Some(true), letter },
            dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_UTF => {
                Self::Integer { bytes, signed: Some(false), letter }
            }
            dw::DW_ATE_float => Self::Float { bytes },
            dw::DW_ATE_boolean => Self::Bool { bytes },
            dw::DW_ATE_complex_float => Self::Compound { bytes: Some(bytes), handle: None },
            _ => Self::Unknown,
        }
    }

    /// A structure around a single value of its own width travels as that value does.
    fn compound<'a>(units: &Units<'a>, die: &Die<'a>, depth: usize) -> Self {
        // Its parts may stand in a unit of types, under a signature.
        if die.value(dw::DW_AT_signature).is_some() {
            return Self::Unknown;
        }
        let bytes = die.number(dw::DW_AT_byte_size);
        let whole = Self::Compound { bytes, handle: None };
        if depth == 0 || die.entry.tag() == dw::DW_TAG_union_type {
            return whole;
        }
        let parts = [dw::DW_TAG_member, dw::DW_TAG_inheritance, dw::DW_TAG_variant_part];
        let Some(parts) = units.children(die, &parts) else { return Self::Unknown };
        let mut parts =
            parts.iter().filter(|part| !part.flag(dw::DW_AT_external) && !part.flag(dw::DW_AT_declaration));
        match (parts.next(), parts.next()) {
            (Some(part), None) if part.entry.tag() == dw::DW_TAG_member => {
                let inner = Self::inside(units, part, depth - 1);
                if inner.bytes() == bytes { inner } else { whole }
            }
            _ => whole,
        }
    }

    fn bytes(&self) -> Option<u64> {
        match *self {
            Self::Integer { bytes, .. } | Self::Float { bytes } | Self::Bool { bytes } => Some(bytes),
            Self::Pointer { .. } => Some(8),
            Self::Compound { bytes, .. } => bytes,
            Self::Nothing | Self::Code | Self::Unknown => None,
        }
    }

    /// How the type does where the contract has another, or the same.
    pub fn fit(&self, expected: CType) -> Fit {
        let Some(value) = Value::of(expected) else {
            // A library names, completes or hides its own handles as it likes.
            return match (self, expected) {
                (Self::Nothing, CType::Void) | (Self::Unknown, _) => Fit::Same,
                (_, CType::Void) => Fit::Wrong,
                // But what it calls by the name of one handle is no other.
                (Self::Pointer { target, .. }, _) if matches!(**target, Self::Compound { handle: Some(name), .. } if expected.name() != format!("{name}*")) => {
                    Fit::Wrong
                }
                _ => self.fit_value(Value::Pointer),
            };
        };
        match (value, self) {
            (Value::To(width), Self::Pointer { target, constant }) => match **target {
                Self::Nothing => Fit::Alike,
                // Only C and C++ say which of the characters it is, and whether it is constant.
                Self::Integer { bytes: 1, letter, .. } if width == 1 && letter != Letter::None => {
                    let same = letter == Letter::Plain && *constant == (expected == CType::Text);
                    if same { Fit::Same } else { Fit::Loose }
                }
                // What is known by name alone is a handle, and no integer.
                Self::Compound { bytes: None, .. } => Fit::Wrong,
                ref target => target.fit_value(Value::Integer(width)),
            },
            // `Option<&mut i32>` and its like.
            (Value::To(_), other) => other.fit_value(Value::Pointer),
            (value, shape) => shape.fit_value(value),
        }
    }

    fn fit_value(&self, value: Value) -> Fit {
        let fits = match (self, value) {
            (Self::Unknown, _) | (Self::Pointer { .. }, Value::Pointer) => true,
            (Self::Integer { bytes, .. }, Value::Integer(width)) => *bytes == width,
            (Self::Float { bytes }, Value::Float) => *bytes == 4,
            (Self::Bool { bytes }, Value::Bool) => *bytes == 1,
            // How parts travel depends on the machine; the width is all that counts everywhere.
            (Self::Compound { bytes, .. }, value) => bytes.is_none_or(|bytes| bytes == value.bytes()),
            _ => false,
        };
        match (self, value) {
            _ if !fits => Fit::Wrong,
            (Self::Integer { signed: Some(signed), .. }, Value::Integer(width))
                if width > 1 && *signed != (width == 4) =>
            {
                // The same registers, but another range: not the contract's type.
                Fit::Wrong
            }
            _ => Fit::Same,
        }
    }
}

/// Whether the target of a pointer is declared constant.
fn constant<'a>(units: &Units<'a>, pointer: &Die<'a>) -> bool {
    let mut at = pointer.clone();
    for _ in 0..LAYERS {
        let Some(next) = at.value(dw::DW_AT_type).and_then(|value| units.follow(&at, value)) else {
            return false;
        };
        match next.entry.tag() {
            dw::DW_TAG_const_type => return true,
            dw::DW_TAG_typedef | dw::DW_TAG_volatile_type | dw::DW_TAG_restrict_type => at = next,
            _ => return false,
        }
    }
    false
}

/// What a register or a piece of memory holds in the contract. Integers of 4 bytes are signed there, of 8 unsigned.
#[derive(Clone, Copy)]
enum Value {
    Integer(u64),
    Float,
    Bool,
    Pointer,
    /// A pointer to an integer of so many bytes.
    To(u64),
}

impl Value {
    fn of(kind: CType) -> Option<Self> {
        Some(match kind {
            CType::Int => Self::Integer(4),
            CType::Uint64 => Self::Integer(8),
            CType::Float => Self::Float,
            CType::Bool => Self::Bool,
            CType::Text | CType::Buffer => Self::To(1),
            CType::OutInt => Self::To(4),
            CType::OutUint64 => Self::To(8),
            CType::Void | CType::Context | CType::Model | CType::Inference => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Integer(bytes) => bytes,
            Self::Float => 4,
            Self::Bool => 1,
            Self::Pointer | Self::To(_) => 8,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |bytes: &u64| format!("{bytes} byte{}", if *bytes == 1 { "" } else { "s" });
        match self {
            Self::Nothing => f.write_str("void"),
            Self::Integer { letter: Letter::Plain, .. } => f.write_str("a character"),
            Self::Integer { bytes, signed: Some(true), .. } => {
                write!(f, "a signed integer of {}", width(bytes))
            }
            Self::Integer { bytes, signed: Some(false), .. } => {
                write!(f, "an unsigned integer of {}", width(bytes))
            }
            Self::Integer { bytes, signed: None, .. } => write!(f, "an enumeration of {}", width(bytes)),
            Self::Float { bytes } => write!(f, "a floating-point number of {}", width(bytes)),
            Self::Bool { bytes } => write!(f, "a boolean of {}", width(bytes)),
            Self::Pointer { target, constant: true } => write!(f, "a pointer to {target} that is constant"),
            Self::Pointer { target, constant: false } => write!(f, "a pointer to {target}"),
            Self::Compound { handle: Some(name), .. } => f.write_str(name),
            Self::Compound { bytes: Some(bytes), .. } => write!(f, "a structure of {}", width(bytes)),
            Self::Compound { bytes: None, .. } => f.write_str("an opaque structure"),
            Self::Code => f.write_str("a function"),
            Self::Unknown => f.write_str("a type not described"),
        }
    }
}
