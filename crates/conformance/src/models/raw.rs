//! Values that lie: bytes of a malformed file that no sound value becomes.

use super::gguf::{Encoding, Entry, Value};

/// The bytes of a value, as a sound file holds them.
pub(super) fn plain(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(Encoding::Little, &mut bytes);
    bytes
}

pub(super) fn claimed_list(kind: u32, length: u64, items: &[Value]) -> Value {
    let mut bytes = [kind.to_le_bytes().as_slice(), &length.to_le_bytes()].concat();
    for item in items {
        item.encode(Encoding::Little, &mut bytes);
    }
    Value::Raw { kind: 9, bytes }
}

pub(super) fn claimed_text(text: &str, length: u64) -> Vec<u8> {
    [length.to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// Lists as deep as asked for, each of one item, the last of none.
pub(super) fn nested(depth: usize) -> Value {
    let level = [9_u32.to_le_bytes().as_slice(), &1_u64.to_le_bytes()].concat();
    let last = [4_u32.to_le_bytes().as_slice(), &0_u64.to_le_bytes()].concat();
    Value::Raw { kind: 9, bytes: [level.repeat(depth.saturating_sub(1)), last].concat() }
}

/// A text or a list of bytes whose length, added to its place, wraps in 64 bits back into the entry before
/// it; there stands a third entry, whose text takes a reader to the end again. Three entries for a reader
/// that adds before it compares, and two for nobody.
pub(super) fn wrapped_back(list: bool) -> Vec<Entry> {
    let (key, kind) = ("odd.back", if list { 9 } else { 8 });
    // All that stands between the inner text and the end: the second entry whole.
    let second = 8 + key.len() + 4 + if list { 4 } else { 0 } + 8;
    let name = "odd.inner";
    let mut inner = (name.len() as u64).to_le_bytes().to_vec();
    inner.extend(name.as_bytes());
    inner.extend(8_u32.to_le_bytes());
    inner.extend((second as u64).to_le_bytes());
    let back = (inner.len() + second) as u64;
    let mut length = if list { 0_u32.to_le_bytes().to_vec() } else { Vec::new() };
    length.extend(back.wrapping_neg().to_le_bytes());
    vec![
        Entry::new("odd.first", Value::List(inner.into_iter().map(Value::U8).collect())),
        Entry::new(key, Value::Raw { kind, bytes: length }),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::gguf::Gguf;
    use super::*;

    /// Reads `count` entries as a reader does that adds before it compares; returns where the last one ends.
    fn careless(bytes: &[u8], mut at: usize, count: usize) -> usize {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        for _ in 0..count {
            at += 8 + usize::try_from(number(at)).unwrap();
            let kind = bytes[at];
            // A list holds bytes here, and its item type lies before its length.
            at += if kind == 9 { 8 } else { 4 };
            at = at.wrapping_add(8).wrapping_add(number(at) as usize);
            assert!(at <= bytes.len());
        }
        at
    }

    #[test]
    fn a_reader_whose_sums_wrap_finds_three_entries_and_then_the_end() {
        for list in [false, true] {
            let mut gguf = Gguf::new(Vec::new(), Vec::new());
            gguf.metadata = wrapped_back(list);
            let written = gguf.write();
            assert_eq!(careless(&written.bytes, written.header, 3), written.metadata);
            assert!(careless(&written.bytes, written.header, 2) < written.metadata);
        }
    }

    #[test]
    fn lists_lie_as_deep_as_asked_for() {
        let Value::Raw { kind: 9, bytes } = nested(3) else { panic!("no list") };
        assert_eq!(bytes.len(), 3 * 12);
        assert_eq!(bytes[24..28], 4_u32.to_le_bytes());
    }
}
