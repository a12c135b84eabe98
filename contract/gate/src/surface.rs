//! What a header does to the preprocessor: guard, includes, macros, conditions, pragmas.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::{Directive, Pieces, Word, line_of};
use crate::libclang::Language;

/// The surface of one header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// The macro that keeps the header from being read twice, if it encloses the whole file.
    pub guard: Option<String>,
    /// The macro that the first condition asks for, as a guard does.
    asked_first: Option<String>,
    /// Whether it says `#pragma once`.
    pub once: bool,
    /// Includes as written, such as `<stdint.h>`, per language.
    pub includes: BTreeMap<Language, BTreeSet<String>>,
    /// Includes that stand inside a block of C linkage.
    pub enclosed_includes: BTreeSet<String>,
    /// Macros that outlive the header, per language: name and parameters, then the text.
    pub macros: BTreeMap<Language, BTreeMap<String, String>>,
    /// Macros of others that the header takes away.
    pub undefined: BTreeSet<String>,
    /// Conditions on other things than the language.
    pub conditions: BTreeSet<String>,
    /// Pragmas and other directives with an effect of their own.
    pub pragmas: Vec<String>,
    /// Macros that are defined for the time of the header only, and whose text opens or closes C linkage or is empty.
    pub linkage_macros: BTreeSet<String>,
    /// Identifiers of the code and how often they occur.
    pub words: BTreeMap<String, usize>,
    /// Line on which each macro, include and pragma stands, by its text.
    pub lines: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Guard,
    Cpp(bool),
    Other,
}

impl Surface {
    /// The surface of a header, from its pieces.
    #[must_use]
    pub fn of(text: &str, pieces: &Pieces) -> Self {
        let mut surface = Self { guard: guard(pieces), ..Self::default() };
        surface.asked_first = opening(pieces);
        for language in Language::ALL {
            surface.walk(text, pieces, language);
        }
        surface.settle_linkage_macros();
        for word in &pieces.words {
            let first = word.text.chars().next().unwrap_or(' ');
            // Signs and numbers are covered by what the parser makes of them; anything stranger is kept.
            if first.is_alphabetic() || first == '_' || !first.is_ascii() || first == '\\' {
                *surface.words.entry(word.text.clone()).or_default() += 1;
            }
        }
        surface
    }

    fn walk(&mut self, text: &str, pieces: &Pieces, language: Language) {
        let mut open: Vec<Condition> = Vec::new();
        let mut macros: BTreeMap<String, String> = BTreeMap::new();
        let mut includes = BTreeSet::new();
        let cpp = language == Language::Cpp;
        let blocks = linkage_blocks(pieces);
        for directive in &pieces.directives {
            let Directive { name, rest, span } = directive;
            let active = open.iter().all(|condition| match condition {
                Condition::Cpp(when) => *when == cpp,
                Condition::Guard | Condition::Other => true,
            });
            let line = line_of(text, span.start);
            match name.as_str() {
                "if" | "ifdef" | "ifndef" | "elif" => {
                    if name == "elif" {
                        open.pop();
                    }
                    let condition = self.condition(name, rest, open.is_empty());
                    if condition == Condition::Other {
                        self.note(format!("#{name} {rest}"), line);
                        self.conditions.insert(format!("#{name} {rest}"));
                    }
                    open.push(condition);
                }
                "else" => match open.pop() {
                    Some(Condition::Cpp(when)) => open.push(Condition::Cpp(!when)),
                    Some(other) => {
                        if other == Condition::Guard {
                            self.conditions.insert("#else of the include guard".to_owned());
                        }
                        open.push(other);
                    }
                    None => {}
                },
                "endif" => {
                    open.pop();
                }
                _ if !active => {}
                "include" => {
                    self.note(rest.clone(), line);
                    if blocks.iter().any(|block| block.contains(&span.start)) {
                        self.enclosed_includes.insert(rest.clone());
                    }
                    includes.insert(rest.clone());
                }
                "define" => {
                    let (head, body) = definition(rest);
                    if self.asked_first.as_deref() != Some(head.as_str()) {
                        self.note(head.clone(), line);
                        macros.insert(head, body);
                    }
                }
                "undef" => {
                    let known: Vec<String> =
                        macros.keys().filter(|head| name_of(head) == rest).cloned().collect();
                    if known.is_empty() {
                        self.note(rest.clone(), line);
                        self.undefined.insert(rest.clone());
                    }
                    for head in known {
                        if let Some(body) = macros.remove(&head) {
                            self.note_linkage(&head, &body);
                        }
                    }
                }
                "pragma" if rest == "once" => self.once = true,
                "" if rest.is_empty() => {}
                _ => {
                    let pragma = format!("#{name} {rest}").trim_end().to_owned();
                    self.note(pragma.clone(), line);
                    if !self.pragmas.contains(&pragma) {
                        self.pragmas.push(pragma);
                    }
                }
            }
        }
        self.includes.insert(language, includes);
        self.macros.insert(language, macros);
    }

    fn note(&mut self, text: String, line: usize) {
        self.lines.entry(text).or_insert(line);
    }

    fn note_linkage(&mut self, head: &str, body: &str) {
        if is_linkage(body) {
            self.linkage_macros.insert(head.to_owned());
        }
    }

    fn condition(&self, name: &str, rest: &str, outermost: bool) -> Condition {
        let plain = rest.replace(['(', ')'], " ");
        let plain = plain.replace('!', " ! ");
        let words: Vec<&str> = plain.split_whitespace().collect();
        let (tested, when) = match (name, words.as_slice()) {
            ("ifdef", [name]) | ("if" | "elif", ["defined", name]) => (*name, true),
            ("ifndef", [name]) | ("if" | "elif", ["!", "defined", name]) => (*name, false),
            ("if", ["__cplusplus"]) => ("__cplusplus", true),
            _ => return Condition::Other,
        };
        if tested == "__cplusplus" {
            Condition::Cpp(when)
        } else if outermost && !when && self.asked_first.as_deref() == Some(tested) {
            Condition::Guard
        } else {
            Condition::Other
        }
    }

    /// A macro that opens or closes C linkage in C++, and is empty in C, is a way of writing; it is no interface.
    fn settle_linkage_macros(&mut self) {
        let empty = BTreeMap::new();
        let c = self.macros.get(&Language::C).unwrap_or(&empty).clone();
        let cpp = self.macros.get(&Language::Cpp).unwrap_or(&empty).clone();
        for (head, body) in &cpp {
            if is_linkage(body) && !body.is_empty() && c.get(head).is_none_or(String::is_empty) {
                self.linkage_macros.insert(head.clone());
                for macros in self.macros.values_mut() {
                    macros.remove(head);
                }
            }
        }
    }
}

fn is_linkage(body: &str) -> bool {
    let bare: String = body.split_whitespace().collect();
    matches!(bare.as_str(), "" | "extern\"C\"{" | "extern\"C\"" | "}")
}

/// Name and parameters of a macro, and its text.
fn definition(rest: &str) -> (String, String) {
    let name = name_of(rest);
    let after = &rest[name.len()..];
    let end = if after.starts_with('(') { after.find(')').map_or(after.len(), |at| at + 1) } else { 0 };
    (format!("{name}{}", &after[..end]), after[end..].trim().to_owned())
}

/// The name that a macro's head begins with.
#[must_use]
pub fn name_of(head: &str) -> &str {
    let end = head.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(head.len());
    &head[..end]
}

/// The macro of an opening `#ifndef`.
fn opening(pieces: &Pieces) -> Option<String> {
    let first = pieces.directives.iter().find(|directive| !is_once(directive))?;
    let rest = first.rest.replace(['(', ')'], " ");
    let words: Vec<&str> = rest.split_whitespace().collect();
    match (first.name.as_str(), words.as_slice()) {
        ("ifndef", [name]) | ("if", ["!defined", name] | ["!", "defined", name]) => Some((*name).to_owned()),
        _ => None,
    }
}

fn is_once(directive: &Directive) -> bool {
    directive.name == "pragma" && directive.rest == "once"
}

/// `#ifndef G`, `#define G` first, `#endif` last, and no code outside.
fn guard(pieces: &Pieces) -> Option<String> {
    let name = opening(pieces)?;
    let directives: Vec<&Directive> =
        pieces.directives.iter().filter(|directive| !is_once(directive)).collect();
    let [first, second, .., last] = directives.as_slice() else { return None };
    let mut depth = 0_usize;
    for directive in &directives {
        match directive.name.as_str() {
            "if" | "ifdef" | "ifndef" => depth += 1,
            "endif" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && directive != last {
            return None;
        }
    }
    let outside = |word: &Word| word.span.start < first.span.start || word.span.start > last.span.end;
    let sound = second.name == "define" && second.rest == name && last.name == "endif" && depth == 0;
    (sound && !pieces.words.iter().any(outside)).then_some(name)
}

/// The places between `extern "C" {` and its end.
fn linkage_blocks(pieces: &Pieces) -> Vec<std::ops::Range<usize>> {
    let words = &pieces.words;
    let mut blocks = Vec::new();
    for at in 0..words.len() {
        let text = |n: usize| words.get(at + n).map_or("", |word| word.text.as_str());
        if text(0) == "extern" && text(1).starts_with('"') && text(2) == "{" {
            let mut depth = 0_usize;
            let end = words[at..].iter().find(|word| {
                match word.text.as_str() {
                    "{" => depth += 1,
                    "}" => depth = depth.saturating_sub(1),
                    _ => return false,
                }
                depth == 0
            });
            blocks.push(words[at].span.start..end.map_or(usize::MAX, |word| word.span.start));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::split;

    fn surface(text: &str) -> Surface {
        Surface::of(text, &split(text))
    }

    #[test]
    fn a_guard_encloses_the_whole_file() {
        assert_eq!(
            surface("/* a */\n#ifndef G\n#define G\nint x;\n#endif /* G */\n").guard.as_deref(),
            Some("G")
        );
        assert_eq!(surface("#if !defined(G)\n#define G\n#endif\n").guard.as_deref(), Some("G"));
        for text in [
            "#ifndef G\n#define H\n#endif\n",
            "#ifndef G\n#define G\n#endif\nint x;\n",
            "int x;\n#ifndef G\n#define G\n#endif\n",
            "#ifndef G\n#define G\n#endif\n#ifdef X\n#endif\n",
            "#pragma once\nint x;\n",
        ] {
            assert_eq!(surface(text).guard, None, "{text}");
        }
    }

    #[test]
    fn conditions_on_the_language_are_followed_and_others_are_named() {
        let text = "#ifndef G\n#define G\n#if defined(__cplusplus)\n#include <a>\n#define B extern \"C\" {\n#else\n\
                    #define B\n#define L 1\n#endif\n#ifdef _WIN32\n#endif\n#define T 1\n#undef T\n#undef bool\n#endif\n";
        let surface = surface(text);
        assert_eq!(surface.includes[&Language::C], BTreeSet::new());
        assert_eq!(surface.includes[&Language::Cpp], BTreeSet::from(["<a>".to_owned()]));
        assert_eq!(surface.macros[&Language::C], BTreeMap::from([("L".to_owned(), "1".to_owned())]));
        assert_eq!(surface.macros[&Language::Cpp], BTreeMap::new());
        assert_eq!(surface.conditions, BTreeSet::from(["#ifdef _WIN32".to_owned()]));
        assert_eq!(surface.undefined, BTreeSet::from(["bool".to_owned()]));
        assert_eq!(surface.linkage_macros, BTreeSet::from(["B".to_owned()]));
    }
}
