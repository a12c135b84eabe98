//! The suite needs no rights that an ordinary user lacks: as root, this runs it as nobody.

mod libraries;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

#[test]
fn whoever_runs_the_suite_a_sound_library_keeps_every_family() {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    });
    // A folder that others may enter, which those of the build need not be.
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let [program, library] =
        [Path::new(env!("CARGO_BIN_EXE_worker-conformance")), &libraries::build("plain")].map(|file| {
            let copy = folder.path().join(file.file_name().expect("a name"));
            std::fs::copy(file, &copy).expect("a copy");
            copy
        });
    let mut command = Command::new(program);
    command.args(["run", "--programs", "20", "--library"]).arg(library);
    // No home that can be written to, so that models go among the temporary files.
    command.env("HOME", "/nonexistent").env_remove("XDG_CACHE_HOME").env_remove("WORKER_CONFORMANCE_MODELS");
    command.current_dir("/");
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("the program starts");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert_eq!(output.status.code(), Some(0), "{text}");
}
