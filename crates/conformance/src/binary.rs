//! What the file of a library says before anybody loads it: symbols, flags and signatures (ABI-01, 02, 04, 05).

mod dwarf;
mod flags;
mod soname;
mod symbols;

use std::path::Path;

use object::Object;

pub use self::soname::soname;
use crate::oracle::Verdicts;

/// A file that is no shared library, in words.
#[derive(Debug, thiserror::Error)]
#[error("not an ELF shared library: {0}")]
pub struct NotALibrary(String);

/// Which checks the file gave occasion for; those of symbols and flags always apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Whether debug information told the signature of at least one function; without it ABI-04 says nothing here.
    pub dwarf: bool,
}

/// Judges the file.
///
/// # Errors
/// If it is no ELF shared library.
pub fn judge(path: &Path, data: &[u8], verdicts: &mut Verdicts) -> Result<Report, NotALibrary> {
    let file = object::File::parse(data).map_err(|error| NotALibrary(error.to_string()))?;
    if file.format() != object::BinaryFormat::Elf || file.kind() != object::ObjectKind::Dynamic {
        return Err(NotALibrary(format!("it is {:?}, {:?}", file.format(), file.kind())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let exports = symbols::exports(&file, data);
    symbols::judge(&exports, &name, verdicts);
    flags::judge(data, &name, verdicts);
    let dwarf = dwarf::judge(&file, &symbols::functions(&exports), verdicts);
    Ok(Report { dwarf })
}
