//! Compares declarations, as one language on one target sees them.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::Found;
use crate::interface::Interface;
use crate::lexer::line_of;
use crate::libclang::{Declaration, FunctionType, Kind, Type};
use crate::rule::Rule;

/// The differences between two lists of declarations.
pub(super) fn compare(old: &[Declaration], new: &[Declaration], interface: &Interface) -> Vec<Found> {
    let mut found = Vec::new();
    let line = |one: &Declaration| line_in(interface, &one.header, one.start);
    let mut taken = vec![false; new.len()];
    for before in old {
        let twin = new.iter().enumerate().find(|(at, after)| !taken[*at] && same_item(before, after));
        match twin {
            Some((at, after)) => {
                taken[at] = true;
                pair(before, after, line(after), &mut found);
            }
            None => found.push(Found::new(gone(before), &label(before), &before.header, 1, &before.text, "")),
        }
    }
    for (at, after) in new.iter().enumerate().filter(|(at, _)| !taken[*at]) {
        let repeated = new[..at].iter().any(|one| same_item(one, after));
        // The tag of a structure comes with its typedef, and is told there.
        let tag = after.kind == Kind::Struct && !after.definition && !repeated;
        let named = new.iter().any(|one| one.kind == Kind::Typedef && one.name == after.name);
        if tag && named {
            continue;
        }
        let opaque = |one: &Declaration| one.kind == after.kind && one.name == after.name && !one.definition;
        let completed =
            after.definition && matches!(after.kind, Kind::Struct | Kind::Union) && old.iter().any(opaque);
        let rule = match repeated {
            _ if completed => Rule::HandleChanged,
            true => Rule::DeclarationRepeated,
            false => fresh(after),
        };
        found.push(Found::new(rule, &label(after), &after.header, line(after), "", &after.text));
    }
    order(old, new, interface, &mut found);
    found
}

fn line_in(interface: &Interface, header: &str, offset: usize) -> usize {
    interface.sources.get(header).map_or(1, |text| line_of(text, offset))
}

fn same_item(one: &Declaration, other: &Declaration) -> bool {
    let enums = one.kind == Kind::Enum && other.kind == Kind::Enum;
    // An enumeration without a name is known by its enumerators.
    let shared = one.enumerators.iter().any(|e| other.enumerators.iter().any(|o| o.name == e.name));
    if enums {
        one.name == other.name && !one.name.is_empty() || shared
    } else {
        one.kind == other.kind && one.name == other.name
    }
}

fn label(one: &Declaration) -> String {
    if !one.name.is_empty() {
        return one.name.clone();
    }
    match one.enumerators.first() {
        Some(first) => format!("enumeration of {}", first.name),
        None => one.header.clone(),
    }
}

fn gone(one: &Declaration) -> Rule {
    match one.kind {
        Kind::Function => Rule::FunctionRemoved,
        Kind::Variable => Rule::VariableRemoved,
        _ => Rule::TypeRemoved,
    }
}

fn fresh(one: &Declaration) -> Rule {
    match one.kind {
        Kind::Function if one.definition => Rule::DefinedInline,
        Kind::Function => Rule::FunctionAdded,
        Kind::Variable => Rule::VariableAdded,
        Kind::Other => Rule::CodeAdded,
        _ => Rule::TypeAdded,
    }
}

/// The parser's text without what says nothing: `extern` before a function, parentheses around its name, and how the
/// numbers of enumerators, which are compared by value, are written.
fn plain(one: &Declaration) -> String {
    let text = one.text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one.kind {
        Kind::Function => {
            let name = &one.name;
            text.strip_prefix("extern ").unwrap_or(&text).replace(&format!("({name})("), &format!("{name}("))
        }
        Kind::Enum => {
            let number =
                |part: &str| part.split_once('=').map_or(part.to_owned(), |(name, _)| format!("{name}="));
            text.split(',')
                .map(|part| match part.rsplit_once('}') {
                    Some((before, after)) => format!("{} }}{after}", number(before)),
                    None => number(part),
                })
                .collect::<Vec<_>>()
                .join(",")
        }
        _ => text,
    }
}

fn pair(before: &Declaration, after: &Declaration, line: usize, found: &mut Vec<Found>) {
    let item = label(before);
    let start = found.len();
    let mut put = |rule, item: &str, old: &str, new: &str| {
        found.push(Found::new(rule, item, &after.header, line, old, new));
    };
    if before.header != after.header {
        put(Rule::DeclarationMoved, &item, &before.header, &after.header);
    }
    let moved = usize::from(before.header != after.header);
    match before.kind {
        Kind::Enum => enumeration(before, after, &mut put),
        Kind::Struct | Kind::Union if before.definition != after.definition => {
            put(Rule::HandleChanged, &item, &before.text, &after.text);
        }
        Kind::Typedef => {
            let (old, new) = (before.aliases.as_ref(), after.aliases.as_ref());
            if old.map(|kind| &kind.spelled) != new.map(|kind| &kind.spelled) {
                let handle = old.is_some_and(|kind| kind.canonical.contains("struct") || kind.size < 0);
                let rule = if handle { Rule::HandleChanged } else { Rule::TypeChanged };
                put(rule, &item, &before.text, &after.text);
            }
        }
        _ => {}
    }
    if before.kind == Kind::Function {
        if before.symbol != after.symbol {
            put(Rule::SymbolChanged, &item, &before.symbol, &after.symbol);
        }
        if before.internal != after.internal {
            put(Rule::InternalLinkage, &item, &before.text, &after.text);
        }
        if before.visible != after.visible {
            put(Rule::VisibilityChanged, &item, &before.text, &after.text);
        }
        let inline = |one: &Declaration| one.definition || one.function.as_ref().is_some_and(|f| f.inline);
        if inline(before) != inline(after) {
            put(Rule::DefinedInline, &item, &before.text, &after.text);
        }
        if let (Some(old), Some(new)) = (&before.function, &after.function) {
            function(&item, old, new, &mut put);
        }
    }
    if found.len() == start + moved && plain(before) != plain(after) {
        let rule = match before.kind {
            Kind::Enum => Rule::EnumerationTypeChanged,
            Kind::Function => Rule::AttributesChanged,
            _ => Rule::TypeChanged,
        };
        found.push(Found::new(rule, &item, &after.header, line, &before.text, &after.text));
    }
}

fn function(
    item: &str,
    old: &FunctionType,
    new: &FunctionType,
    put: &mut impl FnMut(Rule, &str, &str, &str),
) {
    if let Some(rule) = type_rule(&old.returns, &new.returns, Rule::ReturnTypeChanged) {
        put(rule, &format!("{item}/return"), &old.returns.spelled, &new.returns.spelled);
    }
    parameters(item, old, new, put);
    let dots = |function: &FunctionType| if function.variadic { "..." } else { "" };
    if old.variadic != new.variadic {
        put(Rule::VariadicChanged, item, dots(old), dots(new));
    }
    let prototype = |function: &FunctionType| if function.prototype { "(void)" } else { "()" };
    if old.prototype != new.prototype {
        put(Rule::PrototypeLost, item, prototype(old), prototype(new));
    }
    let numbers = |number: i32| number.to_string();
    if old.convention != new.convention {
        put(Rule::CallingConventionChanged, item, &numbers(old.convention), &numbers(new.convention));
    }
    if old.exceptions != new.exceptions {
        put(Rule::ExceptionsChanged, item, &numbers(old.exceptions), &numbers(new.exceptions));
    }
}

fn parameters(
    item: &str,
    old: &FunctionType,
    new: &FunctionType,
    put: &mut impl FnMut(Rule, &str, &str, &str),
) {
    let list = |function: &FunctionType| {
        let each = |p: &crate::libclang::Parameter| format!("{} {}", p.kind.spelled, p.name);
        function.parameters.iter().map(each).collect::<Vec<_>>().join(", ")
    };
    let names = |function: &FunctionType| {
        function.parameters.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>()
    };
    let (old_names, new_names) = (names(old), names(new));
    if old_names.len() != new_names.len() {
        // Behind a parameter that came or went every other shifts: one finding tells it.
        let more = new_names.len() > old_names.len();
        let rule = if more { Rule::ParameterAdded } else { Rule::ParameterRemoved };
        put(rule, item, &list(old), &list(new));
        return;
    }
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    if old_names != new_names && set(&old_names) == set(&new_names) {
        put(Rule::ParametersReordered, item, &list(old), &list(new));
        return;
    }
    for (before, after) in old.parameters.iter().zip(&new.parameters) {
        let place = format!("{item}/{}", before.name);
        if before.name != after.name {
            put(Rule::ParameterRenamed, &place, &before.name, &after.name);
        }
        if let Some(rule) = type_rule(&before.kind, &after.kind, Rule::ParameterTypeChanged) {
            put(rule, &place, &before.kind.spelled, &after.kind.spelled);
        }
        if before.default != after.default {
            put(Rule::DefaultArgument, &place, "", "a default value");
        }
    }
}

/// Which rule two types fall under, if they differ.
fn type_rule(old: &Type, new: &Type, changed: Rule) -> Option<Rule> {
    const QUALIFIERS: [&str; 6] = ["const", "volatile", "restrict", "__restrict", "_Nonnull", "_Nullable"];
    let bare = |text: &str| {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let signs = text.chars().filter(|c| c.is_ascii_punctuation() && *c != '_');
        let words: Vec<&str> = words.filter(|word| !word.is_empty() && !QUALIFIERS.contains(word)).collect();
        format!("{} {}", words.join(" "), signs.collect::<String>())
    };
    // In a parameter an array is a pointer to its first element.
    let decayed = |text: &str| match text.split_once('[') {
        Some((element, _)) => format!("{} *", element.trim_end()),
        None => text.to_owned(),
    };
    if old.spelled == new.spelled && old.canonical == new.canonical {
        None
    } else if decayed(&old.canonical) == decayed(&new.canonical) {
        Some(Rule::TypeRespelled)
    } else if bare(&old.canonical) == bare(&new.canonical) {
        Some(Rule::QualifierChanged)
    } else {
        Some(changed)
    }
}

fn enumeration(before: &Declaration, after: &Declaration, put: &mut impl FnMut(Rule, &str, &str, &str)) {
    for old in &before.enumerators {
        match after.enumerators.iter().find(|new| new.name == old.name) {
            None => put(Rule::EnumeratorRemoved, &old.name, &old.value.to_string(), ""),
            Some(new) if new.value != old.value => {
                put(Rule::EnumeratorValueChanged, &old.name, &old.value.to_string(), &new.value.to_string());
            }
            Some(_) => {}
        }
    }
    for new in &after.enumerators {
        if !before.enumerators.iter().any(|old| old.name == new.name) {
            put(Rule::EnumeratorAdded, &new.name, "", &new.value.to_string());
        }
    }
    let names = |one: &Declaration, other: &Declaration| -> Vec<String> {
        let shared = one.enumerators.iter().filter(|e| other.enumerators.iter().any(|o| o.name == e.name));
        shared.map(|enumerator| enumerator.name.clone()).collect()
    };
    let (old, new) = (names(before, after), names(after, before));
    if old != new {
        put(Rule::EnumeratorsReordered, &label(before), &old.join(", "), &new.join(", "));
    }
    if before.underlying != after.underlying {
        put(Rule::EnumerationTypeChanged, &label(before), &before.underlying, &after.underlying);
    }
}

/// The order of what stands in the same header before and after.
fn order(old: &[Declaration], new: &[Declaration], interface: &Interface, found: &mut Vec<Found>) {
    let headers: BTreeSet<&str> = old.iter().map(|one| one.header.as_str()).collect();
    for header in headers {
        let names = |list: &[Declaration], other: &[Declaration]| -> Vec<String> {
            let here = list.iter().filter(|one| one.header == header && one.kind != Kind::Struct);
            let shared = here.filter(|one| other.iter().any(|o| o.header == header && same_item(one, o)));
            let mut names: Vec<String> = shared.map(label).collect();
            names.dedup();
            names
        };
        let (before, after) = (names(old, new), names(new, old));
        if before != after && before.len() == after.len() {
            let first = before.iter().zip(&after).position(|(a, b)| a != b).unwrap_or(0);
            let line = new
                .iter()
                .find(|one| one.header == header && label(one) == after[first])
                .map_or(1, |one| line_in(interface, header, one.start));
            let (b, a) = (before.join(", "), after.join(", "));
            found.push(Found::new(Rule::DeclarationsReordered, header, header, line, &b, &a));
        }
    }
}
