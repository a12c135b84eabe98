//! Splits a comment into its sections: description, parameters, result, codes, ownership, threads, spec.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use regex::Regex;

/// What a section of a comment is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// The first paragraph.
    Summary,
    /// Further paragraphs.
    Description,
    /// A parameter.
    Parameter(String),
    /// The result.
    Return,
    /// Error codes.
    Codes,
    /// Who frees what.
    Ownership,
    /// Calls from several threads.
    Threads,
    /// References to the spec.
    Spec,
    /// A section under another heading.
    Titled(String),
}

impl Section {
    /// Its name in an item, such as `cuda_init/threads`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Summary => "summary".to_owned(),
            Self::Description => "description".to_owned(),
            Self::Parameter(name) => name.clone(),
            Self::Return => "return".to_owned(),
            Self::Codes => "codes".to_owned(),
            Self::Ownership => "ownership".to_owned(),
            Self::Threads => "threads".to_owned(),
            Self::Spec => "spec".to_owned(),
            Self::Titled(title) => title.clone(),
        }
    }
}

fn regex(cell: &'static OnceLock<Regex>, pattern: &str) -> &'static Regex {
    // Patterns are constants of this file, and its tests use each.
    cell.get_or_init(|| Regex::new(pattern).unwrap_or_else(|error| unreachable!("{pattern}: {error}")))
}

/// Headings with their sections, in lower case.
const HEADINGS: [(&str, &str); 21] = [
    ("codes", "codes"),
    ("error codes", "codes"),
    ("errors", "errors"),
    ("ownership", "ownership"),
    ("owner", "ownership"),
    ("lifetime", "ownership"),
    ("threads", "threads"),
    ("threading", "threads"),
    ("thread safety", "threads"),
    ("thread-safety", "threads"),
    ("spec", "spec"),
    ("specification", "spec"),
    ("specs", "spec"),
    ("references", "spec"),
    ("null", "null"),
    ("strings", "strings"),
    ("memory", "memory"),
    ("order", "order"),
    ("layers", "layers"),
    ("hazard", "hazard"),
    ("hazards", "hazard"),
];

fn titled(title: &str) -> Section {
    let title = title.trim().to_lowercase();
    let known =
        HEADINGS.iter().find(|(heading, _)| *heading == title).map_or(title.as_str(), |(_, name)| name);
    match known {
        "codes" => Section::Codes,
        "ownership" => Section::Ownership,
        "threads" => Section::Threads,
        "spec" => Section::Spec,
        other => Section::Titled(other.to_owned()),
    }
}

/// The text of a comment without what promises nothing: licence lines, examples of code, markup.
fn without_markup(text: &str) -> String {
    static BLOCK: OnceLock<Regex> = OnceLock::new();
    static LINE: OnceLock<Regex> = OnceLock::new();
    static IGNORED: OnceLock<Regex> = OnceLock::new();
    static WORD: OnceLock<Regex> = OnceLock::new();
    static MARK: OnceLock<Regex> = OnceLock::new();
    let block = regex(&BLOCK, r"(?s)[@\\](?:code|verbatim)\b.*?[@\\]end(?:code|verbatim)|```.*?(?:```|$)");
    let text = block.replace_all(text, "\n");
    let line = regex(
        &LINE,
        r"(?im)^.*(?:\bNOLINT|clang-format (?:on|off)|\bcodespell:|\bcspell:|cppcheck-suppress|IWYU pragma|\bLCOV_|\bGCOVR?_|\bcoverity\[|@formatter:|-\*-|^\s*(?:vim?|ex): ?set?\b|SPDX-License-Identifier|SPDX-FileCopyrightText|\bcopyright\b|\(c\) \d{4}|all rights reserved|licen[cs]ed under).*$",
    );
    let text = line.replace_all(&text, "");
    let ignored = regex(
        &IGNORED,
        r"(?im)[@\\](?:file|author|authors|date|since|ingroup|defgroup|addtogroup|name|see|sa|copyright|license|fn|def|typedef|struct|enum|todo|cite|mainpage|page|anchor)\b.*$|[@\\][{}]",
    );
    let text = ignored.replace_all(&text, "");
    let word = regex(
        &WORD,
        r"[@\\](?:brief|short|details|note|remark|remarks|c|p|a|b|e|em|ref|link|endlink|li|n)\b ?",
    );
    let text = word.replace_all(&text, "");
    let mark = regex(&MARK, r"`|\*\*|</?(?:b|i|em|tt|code|p|br|ul|li|ol|pre|strong)/?>|#\b|::");
    let text = mark.replace_all(&text, "");
    text.replace(['\u{2013}', '\u{2014}', '\u{2212}'], "-")
        .replace('\u{2026}', "...")
        .replace('\u{a0}', " ")
        .replace(['\u{2018}', '\u{2019}'], "'")
}

/// Whether a comment is the text of a licence, and nothing of the contract.
#[must_use]
pub fn is_licence(comment: &str) -> bool {
    static LICENCE: OnceLock<Regex> = OnceLock::new();
    static PROMISE: OnceLock<Regex> = OnceLock::new();
    let licence = regex(
        &LICENCE,
        r"(?i)licen[cs]ed under|permission is hereby granted|redistribution and use|is provided .?as is|without warrant(?:y|ies)|express or implied",
    );
    let promise = regex(&PROMISE, r"\[[A-Z0-9]+-\d|[@\\](?:param|returns?)\b|\bcuda_|\bCUDA_|\bNULL\b");
    licence.is_match(comment) && !promise.is_match(comment)
}

/// The sections of a comment, in order, each with its text on one line per paragraph.
#[must_use]
pub fn sections(comment: &str) -> Vec<(Section, String)> {
    static COMMAND: OnceLock<Regex> = OnceLock::new();
    static HEADING: OnceLock<Regex> = OnceLock::new();
    let command = regex(
        &COMMAND,
        r"[@\\](?:(?P<param>param)\s*(?P<way>\[[a-z, ]*\])?\s+(?P<name>\w+)|(?P<ret>returns?|result|retval)\b|par\s+(?P<par>[^\n:]+):?|(?P<other>[a-z]+)\b)",
    );
    // A heading begins a line, or follows a sentence or a bracket.
    let heading = regex(
        &HEADING,
        r"(?P<before>^|\n|[.\]] )[ ]*(?:[-*] )?(?P<title>(?:Error codes|Codes|Ownership|Owner|Lifetime|Threads|Threading|Thread[ -][Ss]afety|Specification|Specs?|References|Hazards?)(?::)|(?:Errors|NULL|Strings|Memory|Order|Threads|Layers|Ownership)[.:](?: |\n))",
    );
    let text = without_markup(comment);
    let mut found: Vec<(Section, String)> = Vec::new();
    let mut current = Section::Summary;
    let mut rest = text.as_str();
    loop {
        let next_command = command.captures(rest);
        // In the description of a parameter `NULL:` begins a sentence and no section.
        let next_heading = heading.captures_iter(rest).find(|captures| {
            let title = &captures["title"];
            !(title.starts_with("NULL:") || title.starts_with("Order:") || title.starts_with("Errors:"))
                || matches!(current, Section::Titled(_))
        });
        let at = |captures: &Option<regex::Captures>, group: &str| {
            captures.as_ref().and_then(|captures| captures.name(group)).map(|m| (m.start(), m.end()))
        };
        let whole = |captures: &Option<regex::Captures>| {
            captures.as_ref().and_then(|captures| captures.get(0)).map(|m| (m.start(), m.end()))
        };
        let (command_at, heading_at) = (whole(&next_command), at(&next_heading, "title"));
        let first_is_command = match (command_at, heading_at) {
            (None, None) => {
                push(&mut found, &current, rest);
                return found;
            }
            (Some((c, _)), Some((h, _))) => c < h,
            (command, _) => command.is_some(),
        };
        if first_is_command && let (Some(captures), Some((start, end))) = (&next_command, command_at) {
            push(&mut found, &current, &rest[..start]);
            let mut lead = String::new();
            current = if let Some(name) = captures.name("name") {
                if let Some(way) = captures.name("way") {
                    lead = format!("direction{} ", way.as_str().replace(['[', ']', ',', ' '], ""));
                }
                Section::Parameter(name.as_str().to_owned())
            } else if captures.name("ret").is_some() {
                Section::Return
            } else if let Some(title) = captures.name("par") {
                titled(title.as_str())
            } else {
                // A command that is not known is a heading of its own: nothing under it is lost.
                Section::Titled(captures["other"].to_owned())
            };
            found.push((current.clone(), lead));
            rest = &rest[end..];
        } else if let (Some(captures), Some((start, end))) = (&next_heading, heading_at) {
            push(&mut found, &current, &rest[..start]);
            current = titled(captures["title"].trim().trim_end_matches(['.', ':']));
            found.push((current.clone(), String::new()));
            rest = &rest[end..];
        }
    }
}

/// Adds text to a section; what follows the first paragraph of a description is a section of its own.
fn push(found: &mut Vec<(Section, String)>, section: &Section, text: &str) {
    for paragraph in text.split("\n\n") {
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            continue;
        }
        let started = found.iter().any(|(known, text)| known == section && !text.is_empty());
        let section = if *section == Section::Summary && started { &Section::Description } else { section };
        match found.iter_mut().find(|(known, _)| known == section) {
            Some((_, known)) if known.is_empty() => *known = line,
            Some((_, known)) => {
                if !known.ends_with(' ') {
                    known.push_str(if known.ends_with(['.', ']', ':', ';']) { " " } else { ". " });
                }
                known.push_str(&line);
            }
            None => found.push((section.clone(), line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_falls_into_its_sections() {
        let comment = "Open it. [A-01]\n\nMore words.\n\n@param gpu_device  Number. NULL: none.\n                   2nd line.\n\
                       \\return a thing\nCodes: 0, X. [ERR-04]\nOwnership: the host.\nThreads: any. [THR-01] Spec: M0-W-1.\n";
        let found = sections(comment);
        let lines: Vec<String> = found.iter().map(|(s, text)| format!("{}: {text}", s.name())).collect();
        assert_eq!(
            lines,
            [
                "summary: Open it. [A-01]",
                "description: More words.",
                "gpu_device: Number. NULL: none. 2nd line.",
                "return: a thing",
                "codes: 0, X. [ERR-04]",
                "ownership: the host.",
                "threads: any. [THR-01]",
                "spec: M0-W-1.",
            ]
        );
    }

    #[test]
    fn licences_code_and_markup_promise_nothing() {
        let comment = "SPDX-License-Identifier: MIT\n@brief Open `it` **now**.\n@code\nfree(x);\n@endcode\n@see other\n@par Thread safety\nany";
        let found = sections(comment);
        assert_eq!(
            found,
            [(Section::Summary, "Open it now.".to_owned()), (Section::Threads, "any".to_owned())]
        );
    }
}
