//! What `doctor` asks a machine, and the machine that this process runs on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;

/// A limit of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Processes and threads of this user.
    Processes,
    /// Open files.
    Files,
    /// Bytes of address space.
    AddressSpace,
    /// Bytes of a file.
    FileSize,
    /// Bytes of a core dump.
    Core,
}

/// Room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes free.
    pub free: u64,
}

/// A machine that can be asked.
pub trait Machine {
    /// Where a program is, if it is in `PATH`.
    fn program(&self, name: &str) -> Option<PathBuf>;
    /// A file's text, if it can be read.
    fn text(&self, path: &str) -> Option<String>;
    /// Where a compiler keeps a runtime library, such as libasan.so.
    fn runtime(&self, compiler: &Path, library: &str) -> Option<PathBuf>;
    /// Whether a variable is set.
    fn variable(&self, name: &str) -> bool;
    /// Whether the loader finds a shared library.
    fn library(&self, name: &str) -> bool;
    /// Whether files can be written in a folder, which is made if it is not there.
    fn write(&self, folder: &Path) -> Result<(), String>;
    /// Room in a folder.
    fn space(&self, folder: &Path) -> Option<Space>;
    /// A limit; none if there is none.
    fn limit(&self, limit: Limit) -> Option<u64>;
    /// Whether a child process can be started.
    fn child(&self) -> Result<(), String>;
}

/// The machine that this process runs on.
pub struct This;

impl Machine for This {
    fn program(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let runs = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(runs)
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn runtime(&self, compiler: &Path, library: &str) -> Option<PathBuf> {
        let asked = format!("-print-file-name={library}");
        let output = Command::new(compiler).arg(asked).stderr(Stdio::null()).output().ok()?;
        let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        // What it does not know, it gives back as it was asked.
        (path.is_absolute() && path.exists()).then_some(path)
    }

    fn variable(&self, name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    }

    fn library(&self, name: &str) -> bool {
        // The loader's cache names what it finds; nothing is loaded, as a driver may do much when it is.
        let Some(cache) = ["ldconfig", "/sbin/ldconfig"]
            .into_iter()
            .find_map(|program| Command::new(program).arg("-p").stderr(Stdio::null()).output().ok())
        else {
            return false;
        };
        let listed = String::from_utf8_lossy(&cache.stdout);
        let folders = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        listed.lines().any(|line| line.trim_start().starts_with(name))
            || std::env::split_paths(&folders).any(|folder| folder.join(name).exists())
    }

    fn write(&self, folder: &Path) -> Result<(), String> {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        tempfile::NamedTempFile::new_in(folder).map(drop).map_err(|error| error.to_string())
    }

    fn space(&self, folder: &Path) -> Option<Space> {
        let stat = statvfs(folder).ok()?;
        Some(Space { free: stat.blocks_available() * stat.fragment_size() })
    }

    fn limit(&self, limit: Limit) -> Option<u64> {
        let resource = match limit {
            Limit::Processes => Resource::RLIMIT_NPROC,
            Limit::Files => Resource::RLIMIT_NOFILE,
            Limit::AddressSpace => Resource::RLIMIT_AS,
            Limit::FileSize => Resource::RLIMIT_FSIZE,
            Limit::Core => Resource::RLIMIT_CORE,
        };
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != RLIM_INFINITY).then_some(soft)
    }

    fn child(&self) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let status = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", program.display())) }
    }
}
