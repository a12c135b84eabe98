//! The documented contract: the comments of headers, what they promise, and whether two of them promise the same.

#![forbid(unsafe_code)]

mod clause;
mod comparison;
mod lexicon;
mod phrase;
pub mod section;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use clause::{Clause, FactChange, Facts};
use comparison::Place;
use regex::Regex;
use section::{Section, sections};

use crate::interface::{Interface, Sources};
use crate::lexer::{Comment, Pieces, line_of};
use crate::libclang::{Declaration, Kind};
use crate::rule::Rule;
use crate::surface::name_of;

/// The comments of all items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documentation {
    /// By item: a function, type, enumerator or macro, or the name of a header.
    pub items: BTreeMap<String, Text>,
}

/// The comment of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// File name of the header.
    pub header: String,
    /// Line on which the comment begins.
    pub line: usize,
    /// Its words, without delimiters.
    pub text: String,
    /// Parameters of the function that it describes.
    pub parameters: Vec<String>,
}

/// A difference between comments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Which rule.
    pub rule: Rule,
    /// The item and the section.
    pub item: String,
    /// File name of the header.
    pub header: String,
    /// Line of the comment.
    pub line: usize,
    /// The sentences as they were.
    pub before: String,
    /// The sentences as they are.
    pub after: String,
}

impl Documentation {
    /// Finds the item of each comment: the one that it precedes, or trails on its line.
    #[must_use]
    pub fn read(sources: &Sources, pieces: &BTreeMap<&String, Pieces>, declarations: &[Declaration]) -> Self {
        let mut documentation = Self::default();
        for (header, text) in sources {
            let Some(pieces) = pieces.get(header) else { continue };
            let anchors = anchors(header, pieces, declarations);
            let mut last: Option<&str> = None;
            for (at, comment) in pieces.comments.iter().enumerate() {
                if section::is_licence(&comment.text) {
                    continue;
                }
                // A comment that another one follows without an item between is a heading or a remark.
                let next = pieces.comments.get(at + 1);
                let mut item = owner(&anchors, comment, text).unwrap_or(header);
                let remark = next.is_some_and(|next| {
                    !next.trailing && !comment.trailing && owner(&anchors, next, text) == Some(item)
                });
                if remark && item != header {
                    // A heading such as `/* Models. */` promises nothing, and may be worded as one likes.
                    if !Facts::read(&comment.text, "", &[], false).clauses.iter().any(Clause::is_weighty) {
                        continue;
                    }
                    item = header;
                }
                if comment.trailing && item == header {
                    // Behind `#endif` stands what it ends.
                    let line_start = text[..comment.span.start].rfind('\n').map_or(0, |at| at + 1);
                    let line = text[line_start..comment.span.start].trim_start();
                    if ["#endif", "# endif", "#else", "# else", "}"]
                        .iter()
                        .any(|begin| line.starts_with(begin))
                    {
                        continue;
                    }
                }
                let _ = last.replace(item);
                let entry = documentation.items.entry(item.to_owned()).or_insert_with(|| Text {
                    header: header.clone(),
                    line: line_of(text, comment.span.start),
                    ..Text::default()
                });
                if !entry.text.is_empty() {
                    entry.text.push_str("\n\n");
                }
                entry.text.push_str(&comment.text);
            }
        }
        for one in declarations {
            if let (Some(text), Some(function)) = (documentation.items.get_mut(&one.name), &one.function) {
                text.parameters =
                    function.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            }
        }
        documentation
    }
}

/// Something that comments belong to: its first and last byte, and its name.
type Anchor = (usize, usize, String);

fn anchors(header: &str, pieces: &Pieces, declarations: &[Declaration]) -> Vec<Anchor> {
    let mut anchors: Vec<Anchor> = Vec::new();
    for one in declarations.iter().filter(|one| one.header == header) {
        if matches!(one.kind, Kind::Function | Kind::Typedef | Kind::Variable) {
            anchors.push((one.start, one.end, one.name.clone()));
        }
        for enumerator in &one.enumerators {
            anchors.push((enumerator.start, enumerator.end, enumerator.name.clone()));
        }
    }
    let mut guard = pieces.directives.first().map(|first| first.rest.replace(['(', ')', '!'], " "));
    for directive in &pieces.directives {
        let name = match directive.name.as_str() {
            "define" => name_of(&directive.rest),
            _ => header,
        };
        let of_guard = guard.as_ref().is_some_and(|guard| guard.split_whitespace().any(|word| word == name));
        if of_guard {
            guard = None;
        }
        let name = if of_guard { header } else { name };
        anchors.push((directive.span.start, directive.span.end, name.to_owned()));
    }
    anchors.sort();
    anchors
}

fn owner<'a>(anchors: &'a [Anchor], comment: &Comment, text: &str) -> Option<&'a str> {
    let (start, end) = (comment.span.start, comment.span.end);
    if comment.trailing {
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let same_line = anchors.iter().rev().filter(|(begin, _, _)| *begin < start);
        // The innermost that ends on this line, or encloses the comment.
        if let Some((_, _, name)) = same_line
            .clone()
            .find(|(begin, stop, _)| *stop > line_start && (*stop <= start || *begin >= line_start))
        {
            return Some(name);
        }
        if let Some((_, _, name)) = same_line.clone().find(|(_, stop, _)| *stop > end) {
            return Some(name);
        }
    }
    // Inside of a declaration without parts of its own: between parameters.
    let inside = anchors.iter().rfind(|(begin, stop, _)| *begin < start && end < *stop);
    let next = anchors.iter().find(|(begin, _, _)| *begin >= end);
    match (inside, next) {
        (Some((_, stop, name)), Some((begin, _, _))) if begin >= stop => Some(name),
        (Some((_, _, name)), None) => Some(name),
        (_, Some((_, _, name))) => Some(name),
        (None, None) => None,
    }
}

/// The differences between the comments of two interfaces; pure rewording is told as such.
#[must_use]
pub fn compare(old: &Interface, new: &Interface) -> Vec<Change> {
    let nothing = Text::default();
    let values = values(old);
    let mut changes = Vec::new();
    let names: BTreeSet<&String> =
        old.documentation.items.keys().chain(new.documentation.items.keys()).collect();
    for name in names {
        let before = old.documentation.items.get(name).unwrap_or(&nothing);
        let after = new.documentation.items.get(name).unwrap_or(&nothing);
        // What an item that has come or gone promises comes and goes with it.
        let exists = |interface: &Interface| {
            let surface = interface.surfaces.values().flat_map(|surface| surface.macros.values());
            interface.sources.contains_key(name)
                || surface.flat_map(|macros| macros.keys()).any(|head| name_of(head) == name)
                || interface.declarations.values().flatten().any(|one| {
                    one.name == *name || one.enumerators.iter().any(|enumerator| enumerator.name == *name)
                })
        };
        if before.text == after.text || !exists(old) || !exists(new) {
            continue;
        }
        let place = if after.text.is_empty() { before } else { after };
        let (header, line) = (place.header.clone(), if after.text.is_empty() { 1 } else { after.line });
        let enumerator = values.contains_key(name);
        let found =
            compare_texts(enumerator, &without_values(before, &values), &without_values(after, &values));
        for (rule, section, before, after) in found {
            let line = if after.is_empty() { line } else { line_of_section(new, &header, line, &section) };
            let item = if section.is_empty() { name.clone() } else { format!("{name}/{section}") };
            changes.push(Change { rule, item, header: header.clone(), line, before, after });
        }
    }
    changes
}

/// The line on which a parameter or the result is described, at or below the first of its comment.
fn line_of_section(interface: &Interface, header: &str, first: usize, section: &str) -> usize {
    let text = interface.sources.get(header).map_or("", String::as_str);
    let below = text.lines().enumerate().skip(first.saturating_sub(1));
    let mut comment = below.take_while(|(at, line)| *at < first || !line.starts_with("/**"));
    let tag = if section == "return" { "return".to_owned() } else { format!("param {section}") };
    let found = comment.find(|(_, line)| {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ").replace(['[', ']'], " ");
        line.contains(&format!("@{tag}")) || line.contains(&format!("\\{tag}"))
    });
    found.map_or(first, |(at, _)| at + 1)
}

/// The numbers of the enumerators.
fn values(interface: &Interface) -> BTreeMap<String, i64> {
    let all = interface.declarations.values().flatten().flat_map(|one| &one.enumerators);
    all.map(|enumerator| (enumerator.name.clone(), enumerator.value)).collect()
}

/// The text without the numbers that only repeat the name before them: `CUDA_SUCCESS (0)`.
fn without_values(text: &Text, values: &BTreeMap<String, i64>) -> Text {
    static NAMED: OnceLock<Regex> = OnceLock::new();
    let named = NAMED.get_or_init(|| {
        // A constant, which the corpus uses.
        Regex::new(r"\b([A-Z][A-Z0-9_]+)`? ?(?:\( ?=? ?(\d+) ?\)|= ?(\d+)\b)")
            .unwrap_or_else(|e| unreachable!("{e}"))
    });
    let plain = named.replace_all(&text.text, |captures: &regex::Captures| {
        let number = captures.get(2).or(captures.get(3)).and_then(|number| number.as_str().parse().ok());
        let known = number.is_some() && values.get(&captures[1]).copied() == number;
        if known { captures[1].to_owned() } else { captures[0].to_owned() }
    });
    Text { text: plain.into_owned(), ..text.clone() }
}

fn compare_texts(enumerator: bool, before: &Text, after: &Text) -> Vec<(Rule, String, String, String)> {
    let mut found = Vec::new();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let spelled = Text { text: words::spelled_as(&after.text, &before.text), ..after.clone() };
    let (mut old, mut new) = (read(before), read(&spelled));
    // Paragraphs may be joined; then nothing of what was the second may be lost.
    let joined = old.contains_key(&Section::Description) != new.contains_key(&Section::Description);
    if joined {
        [&mut old, &mut new].into_iter().for_each(join_paragraphs);
    }
    let known = words::stems(&before.text);
    let facts =
        old.values().flat_map(|facts| &facts.clauses).flat_map(|clause| clause.bag.keys().cloned()).collect();
    let substance = |facts: &BTreeMap<Section, Facts>| {
        facts.values().any(|facts| {
            !facts.requirements.is_empty() || facts.clauses.iter().any(|clause| !clause.is_empty())
        })
    };
    if (after.text.trim().is_empty() || new.is_empty()) && substance(&old) {
        return vec![(Rule::DocumentationRemoved, String::new(), one_line(&before.text), String::new())];
    }
    let sections: BTreeSet<&Section> = old.keys().chain(new.keys()).collect();
    let empty = Facts::default();
    let text = |clauses: &[Clause]| clauses.iter().map(|c| c.text.clone()).collect::<Vec<_>>().join(". ");
    // References stand at the end of some section; which one does not matter.
    let references = |facts: &BTreeMap<Section, Facts>| {
        facts.values().flat_map(|facts| facts.references.iter().cloned()).collect::<BTreeSet<_>>()
    };
    if references(&old) != references(&new) {
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        found.push((
            Rule::ReferencesChanged,
            "spec".to_owned(),
            list(references(&old)),
            list(references(&new)),
        ));
    }
    for section in sections {
        let (o, n) = (old.get(section).unwrap_or(&empty), new.get(section).unwrap_or(&empty));
        if o.requirements != n.requirements {
            let list = |facts: &Facts| facts.requirements.iter().cloned().collect::<Vec<_>>().join(", ");
            found.push((Rule::RequirementsChanged, section.name(), list(o), list(n)));
        }
        let (lost, gained) = (!new.contains_key(section), !old.contains_key(section));
        if lost && matches!(section, Section::Parameter(_)) {
            found.push((Rule::ParameterMeaningChanged, section.name(), text(&o.clauses), String::new()));
            continue;
        }
        if gained
            && matches!(section, Section::Parameter(_))
            && after.parameters.is_empty()
            && n.clauses.is_empty()
        {
            continue;
        }
        if matches!(section, Section::Parameter(_)) && !gained && wrong_way(o, n) {
            let way = |facts: &Facts| facts.direction.clone().unwrap_or_default();
            found.push((Rule::ParameterMeaningChanged, section.name(), way(o), way(n)));
        }
        // The first line of a function may be shortened, since its sections say all of it again.
        let summary = *section == Section::Summary && !joined && old.contains_key(&Section::Codes);
        // A code has one sentence, which is all that is promised.
        let normative = enumerator || joined || *section != Section::Summary;
        let threads = *section == Section::Threads || *section == Section::Titled("threads".to_owned());
        let place = Place { summary, normative, threads, known: &known, facts: &facts };
        if let Some((differences, before, after)) = compare_sections(&place, &o.clauses, &n.clauses) {
            found.push((
                rule(section, &differences, &before, &after),
                section.name(),
                before.text,
                after.text,
            ));
        }
    }
    if found.is_empty() {
        let (before, after) = (one_line(&before.text), one_line(&after.text));
        if before != after {
            found.push((Rule::Reworded, String::new(), before, after));
        }
    }
    found
}

/// Makes the first line and further paragraphs one section.
fn join_paragraphs(sections: &mut BTreeMap<Section, Facts>) {
    if let Some(more) = sections.remove(&Section::Description) {
        let first = sections.entry(Section::Summary).or_default();
        first.requirements.extend(more.requirements);
        first.references.extend(more.references);
        first.clauses.extend(more.clauses);
    }
}

/// Whether the direction of a parameter is now another than was said, or than its description shows.
fn wrong_way(old: &Facts, new: &Facts) -> bool {
    let receives = old.clauses.iter().any(|clause| clause.text.to_lowercase().contains("receives"));
    match (old.direction.as_deref(), new.direction.as_deref()) {
        (Some(old), Some(new)) => old != new,
        (None, Some("in")) => receives,
        (None, Some(_)) => !receives,
        (_, None) => false,
    }
}

fn read(text: &Text) -> BTreeMap<Section, Facts> {
    let mut all: BTreeMap<Section, Facts> = BTreeMap::new();
    for (section, words) in sections(&text.text) {
        let own = match &section {
            Section::Parameter(name) => name.as_str(),
            _ => "",
        };
        let facts = Facts::read(&words, own, &text.parameters, section == Section::Codes);
        // Further paragraphs of a description may come together or apart.
        let entry = all.entry(section).or_default();
        entry.requirements.extend(facts.requirements);
        entry.references.extend(facts.references);
        entry.clauses.extend(facts.clauses);
        entry.direction = entry.direction.take().or(facts.direction);
    }
    all
}

/// Clauses that found no twin, as one; and what is different between them.
fn compare_sections(
    place: &Place,
    old: &[Clause],
    new: &[Clause],
) -> Option<(Vec<FactChange>, Clause, Clause)> {
    let mut taken = vec![false; new.len()];
    let (mut before, mut after) = (Clause::default(), Clause::default());
    let mut left = Vec::new();
    // The same words first, then the same facts, so that no twin is taken by another.
    for one in old {
        match new.iter().enumerate().find(|(at, other)| !taken[*at] && other.text == one.text) {
            Some((at, _)) => taken[at] = true,
            None => left.push(one),
        }
    }
    for one in left {
        let twin = new.iter().enumerate().find(|(at, other)| {
            !taken[*at]
                && one.differences(other, &Place { summary: false, ..*place }).is_empty()
                && (!other.is_empty() || one.is_empty())
        });
        match twin {
            Some((at, _)) => taken[at] = true,
            None => before.merge(one),
        }
    }
    for (other, _) in new.iter().zip(&taken).filter(|(_, taken)| !**taken) {
        after.merge(other);
    }
    let mut differences = before.differences(&after, place);
    // A duty that no sentence had before is new, whatever it is about.
    if before.text.is_empty() && after.bag.contains_key("DUTY") {
        differences.push(("DUTY".to_owned(), true));
    }
    (!differences.is_empty()).then_some((differences, before, after))
}

/// Which rule a difference of sentences falls under.
fn rule(section: &Section, differences: &[FactChange], before: &Clause, after: &Clause) -> Rule {
    let any = |test: &dyn Fn(&str) -> bool| differences.iter().any(|(fact, _)| test(fact));
    let speaks_of = |fact: &str| before.bag.contains_key(fact) || after.bag.contains_key(fact);
    let units = [
        "BYTES",
        "BITS",
        "KILOBYTES",
        "CHARACTERS",
        "TIMEUNIT",
        "PERCENT",
        "GE0",
        "LE0",
        "GE",
        "LE",
        "LT",
        "GT",
    ];
    match section {
        Section::Threads => Rule::ThreadsChanged,
        Section::Ownership => Rule::OwnershipChanged,
        Section::Codes => Rule::CodesChanged,
        _ if any(&|fact| fact.starts_with("code ") || fact == "order of codes") => Rule::CodesChanged,
        _ if any(&|fact| {
            fact.starts_with("range ")
                || fact.starts_with("number ")
                || fact == "order of numbers"
                || units.contains(&fact)
        }) =>
        {
            Rule::RangeChanged
        }
        _ if speaks_of("NULL") => Rule::NullChanged,
        Section::Titled(title) if ["order", "memory", "layers"].contains(&title.as_str()) => {
            Rule::OwnershipChanged
        }
        _ if any(&|fact| ["SERIAL", "CONCURRENT", "THREAD"].contains(&fact)) => Rule::ThreadsChanged,
        _ if any(&|fact| {
            ["NOT", "MAY", "SHOULD", "DUTY", "ONLY", "EVERY", "IFF", "SOME", "EXACT"].contains(&fact)
        }) =>
        {
            Rule::ModalityChanged
        }
        Section::Return => Rule::ReturnChanged,
        Section::Parameter(_) => Rule::ParameterMeaningChanged,
        _ => Rule::MeaningChanged,
    }
}
