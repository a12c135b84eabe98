//! One `cargo test` case for each scenario of the conformance suite, for the repository of a backend.
//!
//! In the backend's `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! worker-conformance-test = { git = "..." }
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and in `tests/conformance.rs`:
//!
//! ```no_run
//! worker_conformance_test::suite!("build/libmy_backend.so", profile = "profile.yaml");
//! ```
//!
//! `cargo test --test conformance` then plays every scenario as a case of its own, with the usual options (`--list`,
//! `--exact`, `--skip`, `--ignored`, a filter), and `cargo nextest run` does the same with its filters, partitions and
//! retries. Names are `file::scenario` or `file::scenario::row`, made of what the features say and not of line numbers,
//! so that they stay as they are when a file grows.
//!
//! A case fails if the scenario finds something broken that the level asks for, or could not verify it; what does not
//! apply to the library or the machine is reported as ignored, with the reason. Generated programs are no cases: they
//! are what `worker-conformance run` and `fuzz` play besides.

mod case;
mod name;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use worker_conformance::executor::{measure_if_asked, serve_if_asked};
use worker_conformance::profile::Profile;
use worker_conformance::suite::Request;
pub use worker_conformance::verdict::Conformance;

/// The `main` of a test file: a library, and what to know about it. Paths count from the folder of the package.
///
/// ```no_run
/// worker_conformance_test::suite!("build/libmine.so", profile = "profile.yaml", level = Strict);
/// ```
///
/// Instead of a path it takes an expression that gives one, such as [`built`], which is evaluated when the tests run:
///
/// ```no_run
/// worker_conformance_test::suite!(worker_conformance_test::built("my_backend"));
/// ```
#[macro_export]
macro_rules! suite {
    ($library:expr $(, profile = $profile:expr)? $(, level = $level:ident)? $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            // Child processes of the suite are this very program: they serve, and never come to the next line.
            $crate::serve();
            $crate::Suite::new(env!("CARGO_MANIFEST_DIR"), $library)
                $(.profile($profile))?
                $(.level($crate::Conformance::$level))?
                .main()
        }
    };
}

/// Serves, if this process was started as a child of the suite; must come first in `main`.
pub fn serve() {
    serve_if_asked();
    measure_if_asked();
}

/// The library `lib<name>.so` that cargo has built beside the tests that are running: that of the package itself, or of
/// a dev-dependency whose `crate-type` has `cdylib`.
///
/// # Panics
/// When it is not there; a test has no better answer.
pub fn built(name: &str) -> PathBuf {
    let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let program = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/conformance-0123, and the library in target/debug or beside it.
    let folders = program.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(&file)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("{file} was not built beside {}; its crate-type needs cdylib and rlib", program.display())
    })
}

/// The suite on one library, as test cases.
pub struct Suite {
    folder: PathBuf,
    library: PathBuf,
    profile: Option<PathBuf>,
    level: Conformance,
}

impl Suite {
    /// The suite on a library; relative paths count from `folder`. The variable `WORKER_LIBRARY` names another.
    pub fn new(folder: impl AsRef<Path>, library: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            library: library.as_ref().to_owned(),
            profile: None,
            level: Conformance::Core,
        }
    }

    /// What the suite should know about the backend.
    #[must_use]
    pub fn profile(mut self, path: impl AsRef<Path>) -> Self {
        self.profile = Some(self.folder.join(path));
        self
    }

    /// How much is asked for; [`Conformance::Core`] if not said.
    #[must_use]
    pub fn level(mut self, level: Conformance) -> Self {
        self.level = level;
        self
    }

    /// Runs as a test program does: options from the command line, exit code 0 if no case failed.
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        match self.trials(&arguments) {
            Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
            Err(problem) => {
                eprintln!("error: {problem}");
                ExitCode::from(2)
            }
        }
    }

    fn trials(&self, arguments: &Arguments) -> Result<Vec<Trial>, String> {
        let profile = match &self.profile {
            Some(path) => Profile::read(path).map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                format!("{error}{}", cause.unwrap_or_default())
            })?,
            None => Profile::default(),
        };
        let given = std::env::var_os("WORKER_LIBRARY").map(PathBuf::from);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let models = std::env::var_os("WORKER_CONFORMANCE_MODELS").map_or_else(models, PathBuf::from);
        let request = Request {
            library: self.folder.join(given.as_ref().unwrap_or(&self.library)),
            profile,
            profile_path: self.profile.clone(),
            level: self.level,
            only: Vec::new(),
            scenario: None,
            jobs: Some(arguments.test_threads.unwrap_or(cores).max(1)),
            program: std::env::current_exe().map_err(|error| error.to_string())?,
            models: std::path::absolute(models).map_err(|error| error.to_string())?,
            programs: 0,
            feature: None,
            instrument: Default::default(),
            shard: None,
            reproducers: false,
        };
        case::trials(request)
    }
}

/// Where generated models are kept: beside the test program, so that `cargo clean` takes them along.
fn models() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().unwrap_or(Path::new(".")).join("worker-conformance-models")
}
