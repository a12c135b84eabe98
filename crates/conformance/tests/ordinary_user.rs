//! The suite needs no rights that an ordinary user lacks: as root, this runs it as a user who owns nothing.

mod libraries;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use tempfile::TempDir;

static SOUND: LazyLock<PathBuf> = LazyLock::new(|| libraries::build("plain"));

/// The program and a sound library in a folder that others may use, which those of the build need not be.
struct Stage {
    folder: TempDir,
    program: PathBuf,
    library: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("permissions");
        let [program, library] = [Path::new(env!("CARGO_BIN_EXE_worker-conformance")), &SOUND].map(|file| {
            let copy = folder.path().join(file.file_name().expect("a name"));
            // By another process: a child that a test beside this one starts just now would keep the file open for
            // writing, and a program that is open for writing does not start.
            let copied = Command::new("cp").arg(file).arg(&copy).status().expect("cp starts");
            assert!(copied.success(), "no copy of {}", file.display());
            copy
        });
        Self { folder, program, library }
    }

    /// Plays the suite by a command that ends in the program, as this user if root runs the test.
    fn run(&self, mut command: Command, user: u32, arguments: &[&str]) -> (Output, String) {
        command.arg("run").args(arguments).arg("--library").arg(&self.library);
        // No home that can be written to, so that models go among the temporary files.
        command.env("HOME", "/nonexistent").env("TMPDIR", self.folder.path()).current_dir("/");
        command.env_remove("XDG_CACHE_HOME").env_remove("WORKER_CONFORMANCE_MODELS");
        if nix::unistd::getuid().is_root() {
            command.uid(user).gid(user);
        }
        let output = command.output().expect("the program starts");
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
        (output, text)
    }
}

#[test]
fn whoever_runs_the_suite_a_sound_library_keeps_every_family() {
    let stage = Stage::new();
    let (output, text) = stage.run(Command::new(&stage.program), 65534, &["--programs", "20"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

/// Processes of a user are counted over the machine, so that this needs one who has none, and root to be that.
#[test]
fn a_library_is_not_blamed_where_the_suite_itself_gets_no_thread() {
    if !nix::unistd::getuid().is_root() {
        eprintln!("not shown: only root can be a user without processes");
        return;
    }
    let stage = Stage::new();
    let mut limited = Command::new("prlimit");
    limited.arg("--nproc=10").arg(&stage.program);
    let (output, text) = stage.run(limited, 65533, &["--jobs", "1", "--only", "DEV-07"]);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("there is no room for another process or thread"), "{text}");
}
