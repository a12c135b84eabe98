//! Compiles the headers as every supported version of C and C++: each alone, twice, and all in any order.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const HEADERS: [&str; 3] = ["worker_ffi.h", "worker_types.h", "worker_errors.h"];

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Check a source that includes these headers, warnings being errors.
fn check(folder: &Path, compiler: &str, standard: &str, headers: &[&str]) {
    let extension = if standard.starts_with("c++") { "cpp" } else { "c" };
    let file = folder.join(format!("headers.{extension}"));
    let mut source = String::new();
    for header in headers {
        writeln!(source, "#include \"{header}\"").unwrap();
    }
    // An empty translation unit is not C.
    source.push_str("int headers_compile;\n");
    std::fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&file)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {compiler} (Debian: apt-get install g++): {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{standard} with {headers:?}:\n{words}");
}

fn check_all(compiler: &str, standards: [&str; 3]) {
    let folder = tempfile::tempdir().unwrap();
    for standard in standards {
        for header in HEADERS {
            check(folder.path(), compiler, standard, &[header]);
            check(folder.path(), compiler, standard, &[header, header]);
        }
        for order in ORDERS {
            check(folder.path(), compiler, standard, &order.map(|place| HEADERS[place]));
        }
    }
}

#[test]
fn headers_compile_as_c() {
    check_all("cc", ["c99", "c11", "c17"]);
}

#[test]
fn headers_compile_as_cpp() {
    check_all("c++", ["c++11", "c++17", "c++20"]);
}
