//! Bytes as people write them: UTF-8 as it is, everything else in braces, as in the feature files.

/// Text with bytes and control characters in braces: `cut {E6 97}`.
pub fn write(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '{' | '}' | '"' => text.push_str(&format!("{{{:02X}}}", character as u32)),
                plain if plain.is_control() => text.push_str(&format!("{{U+{:04X}}}", plain as u32)),
                plain => text.push(plain),
            }
        }
        if !chunk.invalid().is_empty() {
            let codes: Vec<String> = chunk.invalid().iter().map(|byte| format!("{byte:02X}")).collect();
            text.push_str(&format!("{{{}}}", codes.join(" ")));
        }
    }
    text
}

/// The bytes of such a text; what is wrong with it if it is none.
pub fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let inner = rest[at..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (codes, after) = inner.ok_or_else(|| format!("a brace in `{text}` is open"))?;
        for code in codes.split(' ') {
            let wrong =
                || format!("`{code}` in `{text}` is neither a byte (`E6`) nor a code point (`U+1F642`)");
            match code.strip_prefix("U+") {
                Some(point) => {
                    let point = u32::from_str_radix(point, 16).ok().and_then(char::from_u32);
                    bytes.extend_from_slice(point.ok_or_else(wrong)?.encode_utf8(&mut [0; 4]).as_bytes());
                }
                None if code.len() == 2 => bytes.push(u8::from_str_radix(code, 16).map_err(|_| wrong())?),
                None => return Err(wrong()),
            }
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_no_plain_text_stands_in_braces() {
        assert_eq!(write("Zürich {1}\n\"".as_bytes()), "Zürich {7B}1{7D}{U+000A}{22}");
        assert_eq!(write(b"cut \xe6\x97"), "cut {E6 97}");
        assert!(read("open {E6").unwrap_err().contains("open"));
        assert!(read("{XYZ}").unwrap_err().contains("XYZ"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(read(&write(&bytes)), Ok(bytes));
        }
    }
}
