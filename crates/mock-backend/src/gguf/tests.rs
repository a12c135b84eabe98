//! Headers that must be read, and headers that must be refused for the reason that applies.

use super::*;

/// Writes GGUF bytes for tests; shares nothing with the reader.
#[derive(Clone)]
pub(crate) struct Writer {
    pub version: u32,
    pub keys: Vec<(String, Vec<u8>)>,
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
}

pub(crate) fn array(kind: u32, length: u64, elements: &[u8]) -> Vec<u8> {
    [&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &length.to_le_bytes(), elements].concat()
}

impl Writer {
    pub fn new() -> Self {
        Self { version: 3, keys: Vec::new(), tensors: Vec::new() }
    }

    pub fn raw(mut self, key: &str, value: Vec<u8>) -> Self {
        self.keys.retain(|(name, _)| name != key);
        self.keys.push((key.into(), value));
        self
    }

    pub fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key, [4u32.to_le_bytes(), value.to_le_bytes()].concat())
    }

    pub fn f32(self, key: &str, value: f32) -> Self {
        self.raw(key, [6u32.to_le_bytes(), value.to_le_bytes()].concat())
    }

    pub fn string(self, key: &str, value: &str) -> Self {
        self.raw(key, [&8u32.to_le_bytes()[..], &text(value)].concat())
    }

    pub fn strings(self, key: &str, values: &[String]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
        self.raw(key, array(8, values.len() as u64, &elements))
    }

    pub fn i32s(self, key: &str, values: &[i32]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.raw(key, array(5, values.len() as u64, &elements))
    }

    pub fn f32s(self, key: &str, values: &[f32]) -> Self {
        let elements: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.raw(key, array(6, values.len() as u64, &elements))
    }

    pub fn tensor(mut self, name: &str, dimensions: &[u64], kind: u32, data: Vec<u8>) -> Self {
        self.tensors.retain(|(other, ..)| other != name);
        self.tensors.push((name.into(), dimensions.to_vec(), kind, data));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with_counts(self.tensors.len() as u64, self.keys.len() as u64)
    }

    pub fn bytes_with_counts(&self, tensors: u64, keys: u64) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(tensors.to_le_bytes());
        out.extend(keys.to_le_bytes());
        for (key, value) in &self.keys {
            out.extend(text(key));
            out.extend(value);
        }
        let mut offset = 0u64;
        for (name, dimensions, kind, data) in &self.tensors {
            out.extend(text(name));
            out.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|axis| out.extend(axis.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (data.len() as u64).div_ceil(32) * 32;
        }
        for (.., data) in &self.tensors {
            out.resize(out.len().div_ceil(32) * 32, 0);
            out.extend(data);
        }
        out
    }
}

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    read_header(&bytes)
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn one_tensor() -> Writer {
    Writer::new().u32("k", 7).tensor("t", &[4, 2], 0, vec![0; 32])
}

#[test]
fn a_sound_header_is_read() {
    let header = read(&one_tensor().string("s", "x").bytes()).unwrap();
    assert_eq!(header.metadata.positive("k", 10).unwrap(), 7);
    assert_eq!(header.metadata.string("s").unwrap(), "x");
    assert_eq!(header.tensors["t"].dimensions, [4, 2]);
    assert_eq!(header.tensor_bytes, 32);
}

#[test]
fn every_cut_of_a_sound_file_is_refused() {
    let bytes = one_tensor().strings("tokenizer.ggml.tokens", &["a".into(), "b".into()]).bytes();
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end} bytes were enough");
    }
}

#[test]
fn lying_beginnings_are_refused_for_their_reason() {
    let with_version = |version| Writer { version, ..one_tensor() }.bytes();
    let counts = |tensors, keys| one_tensor().bytes_with_counts(tensors, keys);
    assert_eq!(refusal(b"GGML\x03\0\0\0"), "wrong magic");
    for version in [0, 1, 2, 4, 0x0300_0000] {
        assert_eq!(refusal(&with_version(version)), format!("version {version} is not supported"));
    }
    assert_eq!(refusal(&counts(10_000, 1)), "10000 tensors are too many");
    assert_eq!(refusal(&counts(1 << 63, 1)), "9223372036854775808 tensors are too many");
    assert_eq!(refusal(&counts(1, 1 << 63)), "9223372036854775808 metadata entries are too many");
}

#[test]
fn lying_lengths_are_refused_before_anything_is_allocated() {
    let long_string = [&8u32.to_le_bytes()[..], &(1u64 << 62).to_le_bytes()].concat();
    assert!(refusal(&one_tensor().raw("s", long_string).bytes()).starts_with("the file ends"));
    for kind in [0, 5, 8, 9, 12] {
        for length in [1 << 40, u64::MAX] {
            let bytes = one_tensor().raw("a", array(kind, length, &[0; 64])).bytes();
            assert!(refusal(&bytes).starts_with("the file ends"), "kind {kind}");
        }
    }
}

#[test]
fn values_that_gguf_does_not_define_are_refused() {
    let value = |kind: u32, bytes: &[u8]| [&kind.to_le_bytes()[..], bytes].concat();
    assert_eq!(refusal(&one_tensor().raw("v", value(13, &[0; 8])).bytes()), "value type 13 is unknown");
    assert_eq!(refusal(&one_tensor().raw("v", value(7, &[2])).bytes()), "a bool of value 2");
    assert_eq!(refusal(&one_tensor().raw("v", array(77, 1, &[0; 8])).bytes()), "value type 77 is unknown");
    let text = [&8u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0xff]].concat();
    assert!(refusal(&one_tensor().raw("v", text).bytes()).ends_with("is not UTF-8"));
}

#[test]
fn nested_arrays_are_valid_until_they_are_a_tower() {
    let mut inner = [&4u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[9; 4]].concat();
    for _ in 0..3 {
        inner = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &inner].concat();
    }
    let nested = |inner: &[u8]| [&9u32.to_le_bytes()[..], inner].concat();
    assert!(read(&one_tensor().raw("v", nested(&inner)).bytes()).is_ok());
    for _ in 0..1000 {
        inner = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &inner].concat();
    }
    assert!(refusal(&one_tensor().raw("v", nested(&inner)).bytes()).starts_with("arrays are nested deeper"));
}

#[test]
fn the_same_key_or_tensor_twice_is_refused() {
    let mut writer = one_tensor();
    writer.keys.push(writer.keys[0].clone());
    assert_eq!(refusal(&writer.bytes()), "key `k` appears twice");
    let mut writer = one_tensor();
    writer.tensors.push(writer.tensors[0].clone());
    assert_eq!(refusal(&writer.bytes()), "tensor `t` appears twice");
}

#[test]
fn impossible_tensors_are_refused() {
    let tensor =
        |dimensions: &[u64], kind| refusal(&Writer::new().tensor("t", dimensions, kind, vec![0; 64]).bytes());
    for dimensions in [&[][..], &[0], &[4, 0], &[1; 5], &[u64::MAX, 2], &[1 << 32, 1 << 32], &[1 << 62, 4]] {
        assert!(tensor(dimensions, 0).contains("impossible dimensions"), "{dimensions:?}");
    }
    assert!(tensor(&[31], 8).contains("impossible dimensions"), "a row of 31 is no block of 32");
    assert_eq!(tensor(&[32], 99), "tensor `t` has unknown type 99");
    assert_eq!(tensor(&[17], 0), "tensor `t` reaches past the end of the file");
    let long = "n".repeat(65);
    assert_eq!(
        refusal(&Writer::new().tensor(&long, &[1], 0, vec![0; 4]).bytes()),
        "a tensor name of 65 bytes"
    );
}

#[test]
fn offsets_that_do_not_fit_are_refused() {
    let writer = Writer::new().tensor("a", &[8], 0, vec![0; 32]).tensor("b", &[8], 0, vec![0; 32]);
    let bytes = writer.bytes();
    // The offset of `b` is the last number of the header: 24 bytes of counts, then two entries of 33 bytes.
    let at = 24 + 2 * 33 - 8;
    let with = |offset: u64| {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        refusal(&bytes)
    };
    assert_eq!(with(33), "tensor `b` is not aligned");
    assert_eq!(with(0), "tensors `a` and `b` overlap");
    assert_eq!(with(64), "tensor `b` reaches past the end of the file");
    assert_eq!(with(u64::MAX - 31), "tensor `b` reaches past the end of the file");
}

#[test]
fn an_alignment_that_is_no_power_of_two_is_refused() {
    for alignment in [0, 1, 4, 12, 33, 1 << 21] {
        let refused = refusal(&one_tensor().u32("general.alignment", alignment).bytes());
        assert_eq!(refused, format!("alignment {alignment} is not supported"));
    }
}

#[test]
fn things_that_are_no_regular_files_are_refused_without_waiting() {
    for path in ["/", "/dev/null", "/dev/zero", "", "/nonexistent/model.gguf"] {
        assert!(FileSource::open(std::path::Path::new(path)).is_err(), "{path}");
    }
}
