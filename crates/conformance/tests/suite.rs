//! `WORKER_LIBRARY=/path cargo test -p worker-conformance --test suite` puts that library through the suite; without
//! the variable, the project's CPU reference.

mod libraries;

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_library_is_conformant() {
    let root = libraries::root();
    let given = std::env::var_os("WORKER_LIBRARY").map(PathBuf::from);
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-conformance"));
    command.arg("run");
    match &given {
        Some(library) => {
            // Cargo starts tests in the package's folder; the user means a path from where cargo was called.
            let library = if library.is_absolute() { library.clone() } else { root.join(library) };
            command.arg("--library").arg(library);
            if let Some(profile) = std::env::var_os("WORKER_PROFILE") {
                command.arg("--profile").arg(root.join(PathBuf::from(profile)));
            }
        }
        None => {
            command.arg("--library").arg(libraries::reference());
            command
                .arg("--profile")
                .arg(root.join("fixtures/profiles/mock.yaml"))
                .args(["--level", "strict"]);
        }
    }
    command.env_remove("WORKER_LIBRARY");
    command.env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"));
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "not conformant; the verdict stands above");
}
