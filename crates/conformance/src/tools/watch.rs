//! Waits until a library's file has changed and is whole again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use object::read::elf::{ElfFile64, FileHeader as _};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Looks in a row that must find the same file before it counts as written.
const STEADY: u32 = 3;

/// A file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    modified: Option<SystemTime>,
    length: u64,
    file: u64,
}

/// A library whose file is watched.
pub struct Watch {
    path: PathBuf,
    last: Option<Print>,
}

impl Watch {
    /// From now on.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: look(path) }
    }

    /// Returns when the file is another one, has not changed for a moment, and is a whole library.
    pub fn wait(&mut self) {
        let mut seen: Option<Print> = None;
        let mut same = 0;
        loop {
            std::thread::sleep(LOOK);
            let now = look(&self.path);
            same = if now == seen { same + 1 } else { 0 };
            seen.clone_from(&now);
            // A linker writes for a while, and a build may remove the file first.
            if now.is_some() && now != self.last && same >= STEADY && is_whole(&self.path) {
                self.last = now;
                return;
            }
        }
    }
}

fn look(path: &Path) -> Option<Print> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    Some(Print { modified: meta.modified().ok(), length: meta.len(), file: meta.ino() })
}

/// Whether the file is an ELF file that reaches as far as its header says.
fn is_whole(path: &Path) -> bool {
    let Ok(data) = std::fs::read(path) else { return false };
    let Ok(file) = ElfFile64::<object::Endianness>::parse(&*data) else { return false };
    let (header, endian) = (file.elf_header(), file.endian());
    let end =
        header.e_shoff(endian) + u64::from(header.e_shentsize(endian)) * u64::from(header.e_shnum(endian));
    end <= data.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_library_is_not_whole() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        for (length, expected) in
            [(whole.len(), true), (whole.len() - 1, false), (whole.len() / 2, false), (0, false)]
        {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(is_whole(&path), expected, "{length} of {} bytes", whole.len());
        }
    }
}
