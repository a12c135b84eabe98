//! Names of cases: words of the features, so that they are the same tomorrow, and a filter can be typed.

use std::collections::HashMap;

use worker_conformance::suite::Case;

/// Longest part of a name that comes from a row of examples.
const ROW: usize = 48;

/// Names for all cases, each once.
pub fn names(cases: &[Case]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    cases
        .iter()
        .map(|case| {
            let file = case.file.strip_suffix(".feature").unwrap_or(&case.file);
            let mut name = format!("{}::{}", slug(file, usize::MAX), slug(&case.name, usize::MAX));
            if let Some(row) = &case.row {
                name = format!("{name}::{}", slug(&row.join("_"), ROW));
            }
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 { name } else { format!("{name}_{count}") }
        })
        .collect()
}

/// Letters and digits, the rest as single underscores.
fn slug(text: &str, most: usize) -> String {
    let mut slug = String::new();
    for letter in text.chars().take(most) {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if letter == '-' && !slug.ends_with(|c: char| c.is_alphanumeric()) {
            // The sign of a number is all that tells it from another.
            slug.push_str("minus_");
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() { "empty".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, row: Option<&[&str]>) -> Case {
        Case {
            file: "null_safety.feature".to_owned(),
            place: String::new(),
            name: name.to_owned(),
            row: row.map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()),
            tags: Vec::new(),
        }
    }

    #[test]
    fn names_are_words_and_each_is_there_once() {
        let cases = [
            case("a load, without context, is refused", None),
            case("sizes", Some(&["token_out", "-1"])),
            case("sizes", Some(&["token_out", "1"])),
            case("sizes", Some(&["\"\""])),
            case("sizes", Some(&["''"])),
        ];
        let expected = [
            "null_safety::a_load_without_context_is_refused",
            "null_safety::sizes::token_out_minus_1",
            "null_safety::sizes::token_out_1",
            "null_safety::sizes::empty",
            "null_safety::sizes::empty_2",
        ];
        assert_eq!(names(&cases), expected);
    }

    #[test]
    fn all_scenarios_of_the_suite_have_names_of_their_own() {
        let all = names(&worker_conformance::suite::cases().unwrap());
        let once: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(once.len(), all.len());
        assert!(all.len() > 350, "{}", all.len());
        for name in &all {
            assert!(!name.contains(char::is_whitespace), "{name}");
        }
    }
}
