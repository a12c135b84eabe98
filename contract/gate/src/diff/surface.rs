//! Compares what headers do to the preprocessor.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::interface::Interface;
use crate::libclang::{Kind, Language};
use crate::rule::Rule;
use crate::surface::{Surface, name_of};

/// Words that may come without a change of meaning; the parser says whether they did.
const HARMLESS: [&str; 4] = ["extern", "signed", "int", "\"C\""];

/// Names that no header may redefine, beside those of the interface.
const TAKEN: &str = "auto break case char const continue default do double else enum extern float for goto if inline \
    int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile \
    while _Bool bool true false NULL size_t ptrdiff_t class namespace template this throw try catch public private \
    protected virtual operator new delete noexcept constexpr nullptr explicit friend mutable using typename \
    intptr_t uintptr_t intmax_t uintmax_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t \
    __cplusplus __STDC__ __STDC_VERSION__ NDEBUG errno assert main stdin stdout stderr EOF FILE";

/// The differences of guards, includes, macros, conditions and pragmas.
pub(super) fn compare(old: &Interface, new: &Interface) -> Vec<Found> {
    let mut found = Vec::new();
    let nothing = Surface::default();
    for (header, before) in &old.surfaces {
        match new.surfaces.get(header) {
            Some(after) => pair(header, before, after, old, &mut found),
            None => found.push(Found::new(Rule::HeaderRemoved, header, header, 1, header, "")),
        }
    }
    for (header, after) in &new.surfaces {
        if !old.surfaces.contains_key(header) {
            found.push(Found::new(Rule::HeaderAdded, header, header, 1, "", header));
            let mut like = nothing.clone();
            like.guard.clone_from(&after.guard);
            pair(header, &like, after, old, &mut found);
        }
        let same = |(other, surface): &(&String, &Surface)| *other != header && surface.guard == after.guard;
        if let Some(guard) = &after.guard
            && let Some((other, _)) = new.surfaces.iter().find(same)
            && !old
                .surfaces
                .iter()
                .any(|(name, surface)| name != header && surface.guard.as_ref() == Some(guard))
        {
            let text = format!("{guard}, which is that of {other}");
            found.push(Found::new(Rule::GuardChanged, header, header, 1, "a guard of its own", &text));
        }
    }
    found
}

fn pair(header: &str, before: &Surface, after: &Surface, old: &Interface, found: &mut Vec<Found>) {
    let line = |text: &str| after.lines.get(text).copied().unwrap_or(1);
    let mut put = |rule, item: &str, place: usize, b: &str, a: &str| {
        found.push(Found::new(rule, item, header, place, b, a))
    };
    if before.guard != after.guard {
        let none = if after.once { "#pragma once" } else { "no guard around the whole file" };
        let guard = |surface: &Surface| surface.guard.clone().unwrap_or_else(|| none.to_owned());
        put(Rule::GuardChanged, header, 1, &guard(before), &guard(after));
    }
    for language in Language::ALL {
        let of = |surface: &Surface| surface.includes.get(&language).cloned().unwrap_or_default();
        let other = |surface: &Surface| {
            let other = if language == Language::C { Language::Cpp } else { Language::C };
            surface.includes.get(&other).cloned().unwrap_or_default()
        };
        for gone in of(before).difference(&of(after)) {
            // Told once if it is gone from both languages.
            let both = other(before).contains(gone) && !other(after).contains(gone);
            if language == Language::C || !both {
                put(Rule::IncludeRemoved, gone, 1, &format!("#include {gone}"), "");
            }
        }
        for fresh in of(after).difference(&of(before)) {
            let both = other(after).contains(fresh) && !other(before).contains(fresh);
            if language == Language::C || !both {
                put(Rule::IncludeAdded, fresh, line(fresh), "", &format!("#include {fresh}"));
            }
        }
    }
    for include in after.enclosed_includes.difference(&before.enclosed_includes) {
        put(Rule::IncludeEnclosed, include, line(include), "outside of extern \"C\"", "inside");
    }
    macros(before, after, old, &mut put);
    for name in after.undefined.difference(&before.undefined) {
        put(Rule::MacroUndefined, name, line(name), "", &format!("#undef {name}"));
    }
    for condition in after.conditions.difference(&before.conditions) {
        put(Rule::ConditionalCode, condition, line(condition), "", condition);
    }
    for condition in before.conditions.difference(&after.conditions) {
        put(Rule::ConditionalCode, condition, 1, condition, "");
    }
    let set = |surface: &Surface| surface.pragmas.iter().cloned().collect::<BTreeSet<_>>();
    for pragma in set(after).difference(&set(before)) {
        put(Rule::PragmaChanged, pragma, line(pragma), "", pragma);
    }
    for pragma in set(before).difference(&set(after)) {
        put(Rule::PragmaChanged, pragma, 1, pragma, "");
    }
}

fn macros(
    before: &Surface,
    after: &Surface,
    old: &Interface,
    put: &mut impl FnMut(Rule, &str, usize, &str, &str),
) {
    let line = |text: &str| after.lines.get(text).copied().unwrap_or(1);
    let mut told = BTreeSet::new();
    let nothing = BTreeMap::new();
    for language in Language::ALL {
        let (b, a) = (
            before.macros.get(&language).unwrap_or(&nothing),
            after.macros.get(&language).unwrap_or(&nothing),
        );
        for (head, text) in b {
            let rule = match a.get(head) {
                Some(new) if new == text => continue,
                _ if head.contains("VERSION") => Rule::VersionChanged,
                Some(_) => Rule::MacroChanged,
                None => Rule::MacroRemoved,
            };
            if told.insert(head.clone()) {
                put(rule, head, line(head), text, a.get(head).map_or("", String::as_str));
            }
        }
        for (head, text) in a.iter().filter(|(head, _)| !b.contains_key(*head)) {
            let taken = taken(name_of(head), old);
            let rule = if taken { Rule::MacroShadows } else { Rule::MacroAdded };
            if told.insert(head.clone()) {
                put(rule, head, line(head), "", &format!("#define {head} {text}"));
            }
        }
    }
}

/// Whether a name means something in C, C++ or the interface.
fn taken(name: &str, old: &Interface) -> bool {
    let of_interface = old.declarations.values().flatten().any(|one| {
        one.name == name
            || one.enumerators.iter().any(|enumerator| enumerator.name == name)
            || one.kind == Kind::Function
                && one.function.iter().flat_map(|f| &f.parameters).any(|parameter| parameter.name == name)
    });
    of_interface || TAKEN.split_whitespace().any(|word| word == name)
}

/// Words of code that were not there before.
pub(super) fn words(old: &Interface, new: &Interface) -> Vec<Found> {
    let mut found = Vec::new();
    for (header, after) in &new.surfaces {
        let Some(before) = old.surfaces.get(header) else { continue };
        let more: Vec<&str> = after
            .words
            .iter()
            .filter(|(word, count)| before.words.get(*word).copied().unwrap_or(0) < **count)
            .map(|(word, _)| word.as_str())
            .filter(|word| {
                let linkage = after.linkage_macros.iter().any(|head| name_of(head) == *word);
                !HARMLESS.contains(word) && !linkage
            })
            .collect();
        if !more.is_empty() {
            let text = more.join(" ");
            let line = new.sources[header]
                .lines()
                .position(|line| line.contains(more[0]) && !line.trim_start().starts_with('*'))
                .map_or(1, |at| at + 1);
            found.push(Found::new(Rule::CodeChanged, header, header, line, "", &text));
        }
    }
    found
}
