//! Puts a sentence into the form in which its words are read: lower case, ranges as one fact, phrases as concepts.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use regex::Regex;

use super::clause::regex;
use super::lexicon::lexicon;

/// A number in one spelling: `1,024`, `0.0` and `-0.0` become `1024`, `0` and `-0`.
pub(super) fn number(token: &str) -> String {
    let plain = token.replace([',', '\''], "");
    let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
    format!("number {plain}")
}

/// The text in lower case, ranges and phrases replaced.
pub(super) fn prepare(text: &str, parameters: &[String]) -> String {
    static AS_FOR: OnceLock<Regex> = OnceLock::new();
    static RANGE: OnceLock<Regex> = OnceLock::new();
    static OPEN_RANGE: OnceLock<Regex> = OnceLock::new();
    static BELOW: OnceLock<Regex> = OnceLock::new();
    static NO_LIST: OnceLock<Regex> = OnceLock::new();
    let mut text = format!(" {} ", text.to_lowercase());
    // `as for ctx`, so that short names of parameters are not taken for nouns.
    let as_for = regex(
        &AS_FOR,
        r"\b(?:(?:the )?same )?(?:as|like|likewise|see|just as) (?:for |with |in |of )?(?:the )?(\w+)",
    );
    let replaced = as_for.replace_all(&text, |captures: &regex::Captures| {
        let name = &captures[1];
        let known = parameters.iter().any(|parameter| parameter == name);
        if known { format!(" {{asfor {name}}} ") } else { captures[0].to_owned() }
    });
    text = replaced.into_owned();
    let below = regex(&BELOW, r"(\w+)\(\) ?- ?1\b");
    text = below.replace_all(&text, "{beneath $1}").into_owned();
    // `no exception, no panic` says what `no exception, panic` says.
    let no_list = regex(&NO_LIST, r"\bno ((?:\w+, )*\w+), (?:and |or )?no (\w+)");
    while no_list.is_match(&text) {
        text = no_list.replace(&text, "no $1, $2").into_owned();
    }
    text = format!(" {} ", lexicon().replace_phrases(&text));
    let open = regex(
        &OPEN_RANGE,
        r"(?:from |between )?(-?\d[\d.]*)\s*(?:to )?\{LT\}\s*(?:the )?(?:value of |result of |number of |return value of )?(?:the )?(\w+)\(\)",
    );
    text = open.replace_all(&text, "{range $1 beneath $2}").into_owned();
    let range = regex(
        &RANGE,
        r"(?:\bfrom |\bbetween |\bin |\[ ?|\{GE\} )?(-?\d[\d.]*\d|-?\d)(?: ?\([a-z{}A-Z ]*\))? ?(?:to \{TO\}|\{TO\}|to|through|and|\.\.\.?=?|-|,| and \{LE\}) ?(?:\{TO\} )?(-?\d[\d.]*\d|-?\d|\{beneath \w+\})(?: ?\([a-z{}A-Z ]*\))?( ?\]| ?\)|,? \(?(?:inclusive|exclusive)\)?)?",
    );
    let replaced = range.replace_all(&text, |captures: &regex::Captures| {
        let whole = &captures[0];
        let connector = whole.contains(" to ")
            || whole.contains("{TO}")
            || whole.contains("..")
            || whole.contains("through");
        let between = whole.starts_with("between ") && whole.contains(" and ");
        let bounds = whole.contains("{GE}") && whole.contains("{LE}");
        let interval = whole.starts_with('[') && whole.contains(',');
        let hyphen = whole.contains('-') && !captures[1].starts_with('-') && whole.matches('-').count() == 1;
        if !(connector || between || bounds || interval || hyphen) {
            return whole.to_owned();
        }
        let end = captures.get(3).map_or("", |m| m.as_str());
        let exclusive =
            whole.contains("exclusive") && !whole.contains("inclusive") || interval && end.contains(')');
        let trim = |text: &str| number(text).trim_start_matches("number ").to_owned();
        let upper = captures[2].trim_matches(['{', '}']).to_owned();
        let upper = if upper.starts_with("beneath") { upper } else { trim(&upper) };
        let upper_at = captures.get(2).map_or(0, |m| m.start()) - captures.get(0).map_or(0, |m| m.start());
        let greedy = match whole.find("{GREEDY}") {
            Some(at) if at < upper_at => " {GREEDY}",
            Some(_) => " {GREEDYHIGH}",
            None => "",
        };
        format!(
            " {{range {} {}{}}}{greedy} ",
            trim(&captures[1]),
            upper,
            if exclusive { " exclusive" } else { "" }
        )
    });
    replaced.replace(" inclusive", "").to_string()
}
