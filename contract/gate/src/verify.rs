//! Compiles the headers with real compilers: alone, in every order, twice, in every standard, linked with a library.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use worker_contract::lock::{Lock, LockedFunction};

use crate::libclang::Language;

/// The standards that are tried; a compiler that does not know one is told so, and the others count.
const STANDARDS: [(Language, &str); 9] = [
    (Language::C, "c99"),
    (Language::C, "c11"),
    (Language::C, "c17"),
    (Language::C, "c2x"),
    (Language::Cpp, "c++11"),
    (Language::Cpp, "c++14"),
    (Language::Cpp, "c++17"),
    (Language::Cpp, "c++20"),
    (Language::Cpp, "c++2b"),
];

/// Standards without which a compiler verifies nothing.
const NEEDED: [&str; 2] = ["c99", "c++17"];

/// What to verify, and with what.
#[derive(Clone, Debug)]
pub struct Request {
    /// Folder of the headers.
    pub include: PathBuf,
    /// The lock that they stand for.
    pub lock: Lock,
    /// C compilers.
    pub c: Vec<String>,
    /// C++ compilers.
    pub cpp: Vec<String>,
    /// A library to link the programs with.
    pub library: Option<PathBuf>,
}

/// One compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Compiler.
    pub compiler: String,
    /// Standard.
    pub standard: String,
    /// What was compiled.
    pub what: String,
    /// What the compiler has against it, if anything.
    pub failure: Option<String>,
}

/// All compilations, and what could not be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Compilations.
    pub trials: Vec<Trial>,
    /// Standards that a compiler does not know.
    pub left_out: Vec<String>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A compiler does not run.
    #[error("cannot run the compiler `{compiler}`: {cause}; install it, or name another with --cc or --cxx")]
    NoCompiler {
        /// Which.
        compiler: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A compiler does not know a standard that has to be verified.
    #[error("the compiler `{compiler}` does not know -std={standard}")]
    TooOld {
        /// Which.
        compiler: String,
        /// What.
        standard: &'static str,
    },
    /// A file cannot be written.
    #[error("cannot write a file for the compiler: {0}")]
    Write(#[from] std::io::Error),
}

/// Every order of some names.
fn orders(names: &[String]) -> Vec<Vec<String>> {
    if names.len() < 2 {
        return vec![names.to_vec()];
    }
    let mut all = Vec::new();
    for (at, first) in names.iter().enumerate() {
        let rest: Vec<String> =
            names.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, n)| n.clone()).collect();
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

fn includes(names: &[String]) -> String {
    names.iter().map(|name| format!("#include \"{name}\"\n")).collect()
}

/// The texts to compile, each with its name.
#[must_use]
pub fn texts(lock: &Lock, language: Language) -> Vec<(String, String)> {
    let names: Vec<String> = lock.headers.iter().map(|header| header.name.clone()).collect();
    let mut texts = Vec::new();
    // An empty translation unit is not C.
    let end = "int headers_compile;\n";
    for name in &names {
        texts.push((format!("{name} alone"), includes(std::slice::from_ref(name)) + end));
    }
    for order in orders(&names) {
        let twice = includes(&order) + &includes(&order) + end;
        texts.push((format!("{}, twice", order.join(", ")), twice));
    }
    texts.push(("types, numbers and sizes".to_owned(), facts(lock, language)));
    texts
}

fn list(function: &LockedFunction) -> String {
    let kinds: Vec<&str> = function.parameters.iter().map(|parameter| parameter.kind.as_str()).collect();
    if kinds.is_empty() { "void".to_owned() } else { kinds.join(", ") }
}

/// Assertions that hold for the headers of a lock: function types, numbers, sizes, opaque handles.
fn facts(lock: &Lock, language: Language) -> String {
    let names: Vec<String> = lock.headers.iter().map(|header| header.name.clone()).collect();
    let mut text = includes(&names);
    let cpp = language == Language::Cpp;
    if cpp {
        text.push_str("#include <type_traits>\n");
    } else {
        // C99 has no static assertion: an array of negative size stops every compiler.
    }
    let mut assert = |number: &mut usize, condition: &str| {
        *number += 1;
        let _ = if cpp {
            writeln!(text, "static_assert({condition}, \"{}\");", condition.replace('"', ""))
        } else {
            writeln!(text, "typedef char assertion_{number}[({condition}) ? 1 : -1];")
        };
    };
    let mut number = 0;
    for code in &lock.error_codes {
        assert(&mut number, &format!("{} == {}", code.name, code.value));
    }
    for (kind, size) in [("int", 4), ("uint64_t", 8), ("float", 4), ("bool", 1), ("CudaErrorCode", 4)] {
        assert(&mut number, &format!("sizeof({kind}) == {size}"));
    }
    for handle in &lock.handles {
        assert(&mut number, &format!("sizeof({}*) == sizeof(void*)", handle.name));
    }
    if let Some((major, minor)) = lock.version.split_once('.') {
        assert(
            &mut number,
            &format!("WORKER_FFI_VERSION_MAJOR == {major} && WORKER_FFI_VERSION_MINOR == {minor}"),
        );
    }
    for function in &lock.functions {
        let LockedFunction { name, returns, .. } = function;
        let list = list(function);
        let _ = if cpp {
            writeln!(
                text,
                "static_assert(std::is_same<decltype(&{name}), {returns} (*)({list})>::value, \"{name}\");"
            )
        } else {
            // An initialiser of another type is an error under -Werror.
            writeln!(
                text,
                "extern {returns} (*const is_{name})({list});\n{returns} (*const is_{name})({list}) = {name};"
            )
        };
    }
    text
}

/// A program that calls every function, to be linked with a library.
#[must_use]
pub fn program(lock: &Lock) -> String {
    let names: Vec<String> = lock.headers.iter().map(|header| header.name.clone()).collect();
    let mut text = includes(&names);
    text.push_str("int main(int count, char** arguments) {\n    (void)arguments;\n    if (count < 2) {\n");
    text.push_str("        return cuda_error_message(0) == 0 || cuda_get_device_count() < 0;\n    }\n");
    for function in &lock.functions {
        let arguments: Vec<&str> =
            function.parameters.iter().map(|p| if p.kind.ends_with('*') { "0" } else { "1" }).collect();
        let _ = writeln!(text, "    (void){}({});", function.name, arguments.join(", "));
    }
    text.push_str("    return 0;\n}\n");
    text
}

/// Verifies headers.
///
/// # Errors
/// If a compiler is missing or too old.
pub fn run(request: &Request) -> Result<Outcome, VerifyError> {
    let folder = tempfile::tempdir()?;
    let mut outcome = Outcome::default();
    for (language, compilers) in [(Language::C, &request.c), (Language::Cpp, &request.cpp)] {
        let end = if language == Language::C { "c" } else { "cpp" };
        for compiler in compilers {
            for (_, standard) in STANDARDS.iter().filter(|(of, _)| *of == language) {
                let empty = folder.path().join(format!("empty.{end}"));
                std::fs::write(&empty, "int empty;\n")?;
                if compile(compiler, standard, None, &[&empty])?.is_some() {
                    if NEEDED.contains(standard) {
                        return Err(VerifyError::TooOld { compiler: compiler.clone(), standard });
                    }
                    outcome.left_out.push(format!("{compiler} does not know -std={standard}"));
                    continue;
                }
                for (what, text) in texts(&request.lock, language) {
                    let file = folder.path().join(format!("unit.{end}"));
                    std::fs::write(&file, &text)?;
                    let failure = compile(compiler, standard, Some(&request.include), &[&file])?;
                    let (compiler, standard) = (compiler.clone(), (*standard).to_owned());
                    outcome.trials.push(Trial { compiler, standard, what, failure });
                }
            }
            if let Some(library) = &request.library {
                outcome.trials.push(link(request, compiler, end, library, folder.path())?);
            }
        }
    }
    Ok(outcome)
}

/// What a compiler has against a file, if anything.
fn compile(
    compiler: &str,
    standard: &str,
    include: Option<&Path>,
    files: &[&Path],
) -> Result<Option<String>, VerifyError> {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}"));
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]);
    if let Some(include) = include {
        command.arg("-I").arg(include);
    }
    let output = command
        .args(files)
        .output()
        .map_err(|cause| VerifyError::NoCompiler { compiler: compiler.to_owned(), cause })?;
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(words))
}

/// Links a program with the library and runs it.
fn link(
    request: &Request,
    compiler: &str,
    end: &str,
    library: &Path,
    folder: &Path,
) -> Result<Trial, VerifyError> {
    let file = folder.join(format!("program.{end}"));
    let program = folder.join("program");
    std::fs::write(&file, self::program(&request.lock))?;
    let library = library.canonicalize()?;
    let mut command = Command::new(compiler);
    command
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(&request.include)
        .arg(&file)
        .arg(&library);
    if let Some(parent) = library.parent() {
        command.arg(format!("-Wl,-rpath,{}", parent.display()));
    }
    let no_compiler = |cause| VerifyError::NoCompiler { compiler: compiler.to_owned(), cause };
    let output = command.arg("-o").arg(&program).output().map_err(no_compiler)?;
    let mut failure =
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    if failure.is_none() {
        let ran = Command::new(&program).output()?;
        failure = (!ran.status.success()).then(|| format!("the linked program ended with {}", ran.status));
    }
    let what = format!("a program linked with {}", library.display());
    Ok(Trial { compiler: compiler.to_owned(), standard: "the default".to_owned(), what, failure })
}
