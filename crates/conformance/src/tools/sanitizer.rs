//! Libraries that were built with a sanitizer: its runtime goes first into the child, and its report to a file.

use std::path::{Path, PathBuf};

use super::{Sanitizer, ToolError};
use crate::doctor::{Machine as _, This};
use crate::executor::Instrument;

impl Sanitizer {
    /// How many times slower calls may be.
    pub(super) fn slowness(self) -> u64 {
        match self {
            Sanitizer::Asan | Sanitizer::Ubsan => 4,
            Sanitizer::Tsan => 15,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Sanitizer::Asan => "asan",
            Sanitizer::Ubsan => "ubsan",
            Sanitizer::Tsan => "tsan",
        }
    }

    fn runtime(self) -> &'static str {
        match self {
            Sanitizer::Asan => "libasan.so",
            Sanitizer::Ubsan => "libubsan.so",
            Sanitizer::Tsan => "libtsan.so",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Sanitizer::Asan => "-fsanitize=address",
            Sanitizer::Ubsan => "-fsanitize=undefined",
            Sanitizer::Tsan => "-fsanitize=thread",
        }
    }

    /// The prefix of symbols that instrumented code takes from the runtime.
    fn symbols(self) -> &'static str {
        match self {
            Sanitizer::Asan => "__asan_",
            Sanitizer::Ubsan => "__ubsan_",
            Sanitizer::Tsan => "__tsan_",
        }
    }
}

/// The children's setting for a sanitizer.
pub fn instrument(kind: Sanitizer, library: &Path, reports: &Path) -> Result<Instrument, ToolError> {
    let data = std::fs::read(library).map_err(|source| ToolError::System {
        what: format!("cannot read the library `{}`", library.display()),
        source,
    })?;
    // The names of needed symbols stand in the file as they are.
    let needs = |prefix: &str| data.windows(prefix.len()).any(|window| window == prefix.as_bytes());
    if !needs(kind.symbols()) {
        return Err(ToolError::Plain {
            path: library.to_owned(),
            flag: kind.flag(),
            library: kind.runtime(),
        });
    }
    let mut preload = Vec::new();
    // The program that loads the library knows nothing of sanitizers: their runtime comes first, and behind it the C++
    // library, whose exceptions it watches.
    preload.push(runtime(kind.runtime(), &data)?);
    if let Some(cpp) = found("libstdc++.so.6") {
        preload.push(cpp);
    }
    let own = std::env::var("LD_PRELOAD").ok().filter(|own| !own.is_empty());
    let preload: Vec<String> = preload.iter().map(|path| path.display().to_string()).chain(own).collect();
    let log = reports.join("report");
    let log = log.display();
    // The suite catches the signals itself. Freed memory is kept back only a little, or the suite takes it for growth.
    // Leaks are looked for by the suite: at exit the host's own memory would be named.
    let asan = format!(
        "detect_leaks=0:verify_asan_link_order=0:abort_on_error=1:halt_on_error=1:handle_segv=0:handle_sigbus=0:\
         handle_abort=0:quarantine_size_mb=4:allocator_may_return_null=1:log_path={log}"
    );
    let ubsan = format!(
        "abort_on_error=1:halt_on_error=1:print_stacktrace=1:handle_segv=0:handle_sigbus=0:log_path={log}"
    );
    let tsan = format!(
        "abort_on_error=1:halt_on_error=1:handle_segv=0:handle_sigbus=0:die_after_fork=0:report_thread_leaks=0:\
         ignore_noninstrumented_modules=1:atexit_sleep_ms=0:log_path={log}"
    );
    let environment = vec![
        ("LD_PRELOAD".to_owned(), preload.join(":")),
        ("ASAN_OPTIONS".to_owned(), joined(asan, "ASAN_OPTIONS")),
        ("UBSAN_OPTIONS".to_owned(), joined(ubsan, "UBSAN_OPTIONS")),
        ("TSAN_OPTIONS".to_owned(), joined(tsan, "TSAN_OPTIONS")),
    ];
    Ok(Instrument {
        wrapper: Vec::new(),
        environment,
        reports: Some(reports.to_owned()),
        options: format!(" --sanitizer {}", kind.word()),
    })
}

/// What the user has set wins, because it comes last.
fn joined(ours: String, variable: &str) -> String {
    match std::env::var(variable).ok().filter(|own| !own.is_empty()) {
        Some(own) => format!("{ours}:{own}"),
        None => ours,
    }
}

/// A file of the compiler's.
fn found(name: &str) -> Option<PathBuf> {
    ["gcc", "cc", "clang"]
        .into_iter()
        .filter_map(|compiler| This.program(compiler))
        .find_map(|compiler| This.runtime(&compiler, name))
}

/// The runtime, of gcc or, where the library asks for that one, of clang.
fn runtime(library: &'static str, data: &[u8]) -> Result<PathBuf, ToolError> {
    let clang = library.replace("lib", "libclang_rt.").replace(".so", "");
    if data.windows(clang.len()).any(|window| window == clang.as_bytes()) {
        let name = format!("{clang}-{}.so", std::env::consts::ARCH);
        if let Some(path) = This.program("clang").and_then(|compiler| This.runtime(&compiler, &name)) {
            return Ok(path);
        }
    }
    found(library).ok_or(ToolError::Runtime { library })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_was_not_instrumented_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libplain.so");
        std::fs::write(&library, b"\x7fELF plain").unwrap();
        let error = instrument(Sanitizer::Asan, &library, folder.path()).unwrap_err();
        assert!(error.to_string().contains("was not built with -fsanitize=address"), "{error}");
    }
}
