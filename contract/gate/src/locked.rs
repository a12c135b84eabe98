//! Turns a lock into headers and headers into a lock, so that both are read and compared in one way.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use worker_contract::lock::{
    Lock, LockedCode, LockedFunction, LockedHandle, LockedHeader, LockedMacro, LockedParameter, LockedRecord,
    LockedText, Status,
};

use crate::diff;
use crate::documentation::section::{Section, sections};
use crate::interface::{Interface, ReadError, Sources, TARGETS};
use crate::libclang::{Declaration, Kind, Language, Setting};
use crate::surface::name_of;

/// Why headers cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A header has no guard.
    #[error("cannot lock `{0}`: it has no include guard around the whole file")]
    NoGuard(String),
    /// Something in them has no place in a lock.
    #[error("cannot lock the headers: the lock cannot say `{item}` ({rule}); write it in another way")]
    Inexpressible {
        /// What.
        item: String,
        /// The rule under which lock and headers differ.
        rule: String,
    },
}

/// The headers that a lock stands for: the same interface, in the plainest form.
#[must_use]
pub fn sources(lock: &Lock) -> Sources {
    lock.headers.iter().map(|header| (header.name.clone(), source(lock, header))).collect()
}

fn comment(lock: &Lock, item: &str) -> String {
    let Some(text) = lock.documentation.iter().find(|text| text.item == item) else { return String::new() };
    let lines = text.text.lines().map(|line| format!(" * {line}").trim_end().to_owned() + "\n");
    format!("/**\n{} */\n", lines.collect::<String>())
}

fn source(lock: &Lock, header: &LockedHeader) -> String {
    let mut text = comment(lock, &header.name);
    let LockedHeader { guard, .. } = header;
    let _ = write!(text, "#ifndef {guard}\n#define {guard}\n\n");
    for include in &header.includes {
        let _ = writeln!(text, "#include {include}");
    }
    for LockedMacro { name, text: body } in &header.macros {
        let _ = writeln!(text, "{}#define {name} {body}", comment(lock, name_of(name)));
    }
    text.push_str("#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    for name in &header.declares {
        text.push_str(&declaration(lock, name));
        text.push('\n');
    }
    text.push_str("#ifdef __cplusplus\n}\n#endif\n#endif\n");
    text
}

fn declaration(lock: &Lock, name: &str) -> String {
    let documented = comment(lock, name);
    if let Some(text) = lock.declarations.get(name) {
        return format!("{documented}{text}\n");
    }
    if let Some(function) = lock.functions.iter().find(|function| function.name == name) {
        let list = function.parameters.iter().map(|p| format!("{} {}", p.kind, p.name)).collect::<Vec<_>>();
        let list = if list.is_empty() { "void".to_owned() } else { list.join(", ") };
        format!("{documented}{} {name}({list});\n", function.returns)
    } else if lock.handles.iter().any(|handle| handle.name == name) {
        format!("{documented}typedef struct {name} {name};\n")
    } else {
        // What is neither function nor handle is the enumeration of the codes.
        let one =
            |code: &LockedCode| format!("{}{} = {},\n", comment(lock, &code.name), code.name, code.value);
        let codes = lock.error_codes.iter().map(one).collect::<String>();
        let codes = codes.trim_end().trim_end_matches(',');
        format!("{documented}typedef enum {{\n{codes}\n}} {name};\n")
    }
}

/// Version and date of a lock to be made.
#[derive(Clone, Debug)]
pub struct Edition {
    /// Major and minor number.
    pub version: String,
    /// Day of the lock.
    pub date: String,
    /// Change records that led to it.
    pub records: Vec<LockedRecord>,
}

/// The lock of headers.
///
/// # Errors
/// If they cannot be read, or say something that a lock cannot.
pub fn capture(sources: &Sources, edition: Edition) -> Result<Lock, LockError> {
    let interface = Interface::read(sources)?;
    let mut lock = first_draft(&interface, edition)?;
    // What the plain form does not say is kept as it is written.
    let odd = compare(&lock, &interface)?;
    let declared = declared(&interface);
    for item in odd.iter().map(|(item, _)| item.split('/').next().unwrap_or(item)) {
        if let Some(one) = declared.iter().find(|one| one.name == *item) {
            let text = &interface.sources[&one.header];
            let end = text[one.end..].find(';').map_or(one.end, |at| one.end + at + 1);
            lock.declarations.insert(item.to_owned(), text[one.start..end].to_owned());
        }
    }
    match compare(&lock, &interface)?.into_iter().next() {
        Some((item, rule)) => Err(LockError::Inexpressible { item, rule }),
        None => Ok(lock),
    }
}

fn compare(lock: &Lock, interface: &Interface) -> Result<Vec<(String, String)>, LockError> {
    let again = Interface::read(&self::sources(lock))?;
    let differences = diff::compare(&again, interface);
    Ok(differences.into_iter().map(|one| (one.item, one.rule.to_string())).collect())
}

/// The declarations as C++ names them, `bool` and all.
fn declared(interface: &Interface) -> &[Declaration] {
    let setting = Setting { language: Language::Cpp, target: TARGETS[0] };
    interface.declarations.get(&setting).map_or(&[], Vec::as_slice)
}

fn spelled(kind: &str) -> String {
    kind.replace(" *", "*")
}

fn first_draft(interface: &Interface, edition: Edition) -> Result<Lock, LockError> {
    let declarations = declared(interface);
    let mut headers = Vec::new();
    // The order of the sources, with those first that others include.
    let mut names: Vec<&String> = interface.sources.keys().collect();
    names.sort_by_key(|name| {
        let includes = interface.surfaces[*name].includes.values().flatten();
        (includes.filter(|include| include.starts_with('"')).count(), (*name).clone())
    });
    names.reverse();
    for name in names {
        let surface = &interface.surfaces[name];
        let guard = surface.guard.clone().ok_or_else(|| LockError::NoGuard(name.clone()))?;
        let in_order = |texts: BTreeSet<String>| {
            let mut texts: Vec<String> = texts.into_iter().collect();
            texts.sort_by_key(|text| surface.lines.get(text).copied().unwrap_or(0));
            texts
        };
        let heads = surface.macros.values().flat_map(BTreeMap::keys).cloned().collect();
        let text_of = |head: &String| {
            surface.macros.values().find_map(|macros| macros.get(head)).cloned().unwrap_or_default()
        };
        let macros = in_order(heads)
            .into_iter()
            .map(|head| LockedMacro { text: text_of(&head), name: head })
            .collect();
        let here = declarations.iter().filter(|one| one.header == *name);
        let named = here.filter(|one| matches!(one.kind, Kind::Function | Kind::Typedef | Kind::Variable));
        headers.push(LockedHeader {
            name: name.clone(),
            guard,
            includes: in_order(surface.includes.values().flatten().cloned().collect()),
            macros,
            declares: named.map(|one| one.name.clone()).collect(),
        });
    }
    let header_of = |name: &str| {
        headers
            .iter()
            .find(|header| header.declares.iter().any(|declared| declared == name))
            .map(|h| h.name.clone())
    };
    let is_handle = |one: &&Declaration| {
        one.kind == Kind::Typedef
            && one.aliases.as_ref().is_some_and(|kind| {
                kind.canonical == format!("struct {}", one.name)
                    || kind.canonical == one.name && kind.size < 0
            })
    };
    let handles = declarations
        .iter()
        .filter(is_handle)
        .map(|one| LockedHandle { name: one.name.clone(), header: header_of(&one.name).unwrap_or_default() });
    let codes: Vec<LockedCode> = declarations
        .iter()
        .find(|one| one.kind == Kind::Enum)
        .map(|one| {
            let code = |e: &crate::libclang::Enumerator| LockedCode {
                name: e.name.clone(),
                value: i32::try_from(e.value).unwrap_or(i32::MAX),
            };
            one.enumerators.iter().map(code).collect()
        })
        .unwrap_or_default();
    let function = |name: &String| {
        let one = declarations.iter().find(|one| one.kind == Kind::Function && one.name == *name)?;
        let kind = one.function.as_ref()?;
        Some(LockedFunction {
            name: name.clone(),
            header: one.header.clone(),
            returns: spelled(&kind.returns.spelled),
            parameters: kind
                .parameters
                .iter()
                .map(|p| LockedParameter { name: p.name.clone(), kind: spelled(&p.kind.spelled) })
                .collect(),
            reports: reports(interface, name, &codes),
        })
    };
    let functions = headers.iter().flat_map(|header| &header.declares).filter_map(function).collect();
    let mut documentation = Vec::new();
    let mut document = |item: &str| {
        if let Some(text) = interface.documentation.items.get(item) {
            documentation.push(LockedText { item: item.to_owned(), text: text.text.clone() });
        }
    };
    for header in &headers {
        document(&header.name);
        header.macros.iter().for_each(|one| document(name_of(&one.name)));
        for name in &header.declares {
            document(name);
            let codes_here = declarations.iter().any(|one| one.name == *name && one.kind == Kind::Typedef)
                && !declarations.iter().filter(is_handle).any(|one| one.name == *name);
            if codes_here {
                codes.iter().for_each(|code| document(&code.name));
            }
        }
    }
    Ok(Lock {
        version: edition.version,
        date: edition.date,
        status: Status::Locked,
        handles: handles.collect(),
        error_codes: codes,
        functions,
        headers: headers.clone(),
        documentation,
        declarations: BTreeMap::new(),
        records: edition.records,
    })
}

/// The codes that the documentation of a function lists, 0 aside.
fn reports(interface: &Interface, name: &str, codes: &[LockedCode]) -> Vec<i32> {
    let Some(text) = interface.documentation.items.get(name) else { return Vec::new() };
    let listed = sections(&text.text).into_iter().filter(|(section, _)| *section == Section::Codes);
    let listed: String = listed.map(|(_, text)| text + " ").collect();
    let words: BTreeSet<&str> = listed.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    codes
        .iter()
        .filter(|code| code.value != 0 && words.contains(code.name.as_str()))
        .map(|code| code.value)
        .collect()
}
