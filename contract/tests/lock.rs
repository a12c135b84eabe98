//! Holds lock, headers, catalogue and LOCK.md together: what one of them says, the others say too.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use worker_contract::lock::{self, Lock, LockedCode, LockedFunction, LockedHandle, LockedParameter};
use worker_contract::{FUNCTIONS, Function, RequirementId, Source, bindings, catalogue};

const HEADERS: [&str; 3] = ["worker_types.h", "worker_errors.h", "worker_ffi.h"];

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// A header without comments and directives, on one line.
fn bare(text: &str) -> String {
    let mut rest = text;
    let mut code = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").expect("a comment that ends").1;
    }
    code.push_str(rest);
    let lines = code.lines().filter(|line| !line.starts_with('#') && *line != "}");
    lines.collect::<Vec<_>>().join(" ").replace("extern \"C\" {", "")
}

/// `int* error_code` in its two parts.
fn declarator(text: &str) -> (String, String) {
    let (kind, name) = text.trim().rsplit_once(' ').expect("a type and a name");
    (kind.trim().to_owned(), name.to_owned())
}

/// What the headers declare, in the form of a lock; the error sets, which C cannot say, are those of `like`.
fn lock_of_headers(like: &Lock) -> Lock {
    let mut found = Lock { handles: vec![], error_codes: vec![], functions: vec![], ..like.clone() };
    for header in HEADERS {
        let code = bare(&read(&include().join(header)));
        for declaration in code.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let header = header.to_owned();
            if let Some(body) = declaration.strip_prefix("typedef enum {") {
                let (body, name) = body.split_once('}').expect("an enumeration that ends");
                assert_eq!(name.trim(), "CudaErrorCode");
                for enumerator in body.split(',') {
                    let (name, value) = enumerator.split_once('=').expect("an enumerator with its number");
                    let value = value.trim().parse().expect("a number");
                    found.error_codes.push(LockedCode { name: name.trim().to_owned(), value });
                }
            } else if let Some(handle) = declaration.strip_prefix("typedef struct ") {
                let (tag, name) = handle.split_once(' ').expect("a tag and a name");
                assert_eq!(tag, name);
                found.handles.push(LockedHandle { name: name.to_owned(), header });
            } else {
                let (head, parameters) = declaration.split_once('(').expect("a function");
                let parameters = parameters.strip_suffix(')').expect("a list of parameters");
                let parameters = parameters.split(',').filter(|text| *text != "void").map(|text| {
                    let (kind, name) = declarator(text);
                    LockedParameter { name, kind }
                });
                let (returns, name) = declarator(head);
                let reports = Function::from_name(&name)
                    .map(|f| f.spec().codes.iter().map(|code| code.raw()).collect());
                let reports = reports.unwrap_or_default();
                found.functions.push(LockedFunction {
                    name,
                    header,
                    returns,
                    parameters: parameters.collect(),
                    reports,
                });
            }
        }
    }
    // The lock ends with the function of the smaller header.
    found.functions.sort_by_key(|function| function.header == "worker_errors.h");
    found
}

#[test]
fn the_headers_declare_what_the_lock_says_and_nothing_else() {
    assert_eq!(lock_of_headers(lock::current()).lines(), lock::current().lines());
    let version = format!("{}.{}", bindings::WORKER_FFI_VERSION_MAJOR, bindings::WORKER_FFI_VERSION_MINOR);
    assert_eq!(version, lock::current().version);
}

#[test]
fn a_c_compiler_finds_the_types_and_numbers_of_the_lock_in_the_headers() {
    let mut code = String::from("#include \"worker_ffi.h\"\n");
    for function in &lock::current().functions {
        let kinds: Vec<&str> = function.parameters.iter().map(|parameter| parameter.kind.as_str()).collect();
        let kinds = if kinds.is_empty() { "void".to_owned() } else { kinds.join(", ") };
        let LockedFunction { name, returns, .. } = function;
        writeln!(
            code,
            "extern {returns} (*const is_{name})({kinds});\n{returns} (*const is_{name})({kinds}) = {name};"
        )
        .unwrap();
    }
    for LockedCode { name, value } in &lock::current().error_codes {
        writeln!(code, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("lock.c");
    std::fs::write(&source, code).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"]);
    let output = compiler.arg(include()).arg(&source).output().expect("a C compiler called cc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The words of a text that have the form of a requirement's identifier.
fn identifiers(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_identifier = |word: &&str| match word.split_once('-') {
        Some((family, number)) => {
            family.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && !family.is_empty()
                && number.len() == 2
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        None => false,
    };
    words.filter(is_identifier).map(str::to_owned).collect()
}

/// Each function of a header with the comment before it.
fn documented(text: &str) -> Vec<(Function, String)> {
    let blocks = text.split("/**").skip(1).filter_map(|block| block.split_once("*/"));
    let function_of = |declaration: &str| {
        let head = declaration.split(';').next().and_then(|head| head.split_once('(')).map(|(head, _)| head);
        head.and_then(|head| head.split_whitespace().last()).and_then(Function::from_name)
    };
    blocks.filter_map(|(comment, code)| Some((function_of(code)?, comment.to_owned()))).collect()
}

#[test]
fn headers_quote_requirements_that_exist_and_that_the_function_can_break() {
    let mut seen = BTreeSet::new();
    for header in HEADERS {
        let text = read(&include().join(header));
        for id in identifiers(&text) {
            assert!(id.parse::<RequirementId>().is_ok(), "{header} quotes {id}");
        }
        for (function, comment) in documented(&text) {
            assert!(seen.insert(function), "{function} is documented twice");
            for id in identifiers(&comment) {
                let requirement = id.parse::<RequirementId>().unwrap().requirement();
                assert!(
                    requirement.functions.contains(&function),
                    "{function} quotes {id}, which is not about it"
                );
            }
        }
    }
    assert_eq!(seen.len(), FUNCTIONS.len());
}

#[test]
fn every_function_is_documented_with_its_parameters_codes_and_rules() {
    for header in HEADERS {
        for (function, comment) in documented(&read(&include().join(header))) {
            let spec = function.spec();
            for parameter in spec.parameters {
                assert!(
                    comment.contains(&format!("@param {} ", parameter.name)),
                    "{function}: {}",
                    parameter.name
                );
            }
            assert_eq!(comment.contains("@return "), spec.returns.name() != "void", "{function}: @return");
            let codes = comment.split_once("Codes: ").map(|(_, after)| after).unwrap_or_default();
            let codes = codes.split_once("Ownership:").map(|(codes, _)| codes).unwrap_or_default();
            let named: BTreeSet<&str> = codes
                .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
                .filter(|w| w.starts_with("CUDA_ERROR"))
                .collect();
            assert_eq!(named, spec.codes.iter().map(|code| code.name()).collect(), "{function}: Codes");
            for heading in ["Ownership: ", "Threads: ", "Spec: "] {
                assert!(comment.contains(heading), "{function}: {heading}");
            }
        }
    }
}

#[test]
fn the_catalogue_names_only_functions_of_the_lock() {
    let locked: BTreeSet<&str> =
        lock::current().functions.iter().map(|function| function.name.as_str()).collect();
    let named: BTreeSet<&str> =
        catalogue().iter().flat_map(|r| &r.functions).map(|function| function.name()).collect();
    assert_eq!(named, locked);
}

/// The identifiers of the M0 worker spec in a text.
fn references(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("M0-W-") || word.starts_with("CUDA-")).map(str::to_owned).collect()
}

#[test]
fn headers_and_catalogue_rest_on_the_same_parts_of_the_spec() {
    let of_headers =
        HEADERS.iter().flat_map(|header| references(&read(&include().join(header)))).collect::<BTreeSet<_>>();
    let of_catalogue =
        catalogue().iter().flat_map(|requirement| requirement.spec.clone()).collect::<BTreeSet<_>>();
    assert_eq!(of_headers, of_catalogue);
    assert!(of_headers.len() > 40, "{of_headers:?}");
}

/// A section of LOCK.md, from its heading to the next.
fn section(text: &str, heading: &str) -> String {
    let start =
        text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("LOCK.md has no section {heading}"));
    let body = &text[start + 1..];
    body[..body.find("\n## ").unwrap_or(body.len())].to_owned()
}

#[test]
fn lock_md_lists_every_clarification_and_no_other_requirement_as_one() {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("LOCK.md"));
    let rows = section(&text, "Clarifications");
    let listed: Vec<&str> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .filter_map(|line| line.split(&[' ', ':']).next())
        .collect();
    let clarifications = catalogue().iter().filter(|requirement| requirement.source == Source::Clarification);
    assert_eq!(listed, clarifications.map(|requirement| requirement.id.as_str()).collect::<Vec<_>>());
    for id in identifiers(&text) {
        assert!(id.parse::<RequirementId>().is_ok(), "LOCK.md quotes {id}");
    }
}

#[test]
fn lock_md_ends_its_history_with_the_lock_in_force() {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("LOCK.md"));
    let Lock { version, date, .. } = lock::current();
    let history = section(&text, "Version history");
    let newest = history.lines().rfind(|line| line.starts_with('|')).expect("a table");
    assert!(newest.starts_with(&format!("| {version} | {date} |")), "{newest}");
    assert!(section(&text, "Status").contains(&format!("version {version}")));
    assert!(section(&text, "Status").contains(date.as_str()));
}
