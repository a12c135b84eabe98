//! What the file of a library says before anybody loads it: symbols and flags (ABI-01, ABI-02, ABI-05).

use std::path::Path;

use object::elf::{PF_X, PT_GNU_STACK};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSymbol, SymbolKind};
use worker_contract::Function;

use crate::oracle::Verdicts;

/// A file that is no shared library, in words.
#[derive(Debug, thiserror::Error)]
#[error("not an ELF shared library: {0}")]
pub struct NotALibrary(String);

/// Judges the file.
///
/// # Errors
/// If it is no ELF shared library.
pub fn judge(path: &Path, data: &[u8], verdicts: &mut Verdicts) -> Result<(), NotALibrary> {
    let file = object::File::parse(data).map_err(|error| NotALibrary(error.to_string()))?;
    if file.format() != object::BinaryFormat::Elf || file.kind() != object::ObjectKind::Dynamic {
        return Err(NotALibrary(format!("it is {:?}, {:?}", file.format(), file.kind())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let exported: Vec<(String, bool)> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.kind() == SymbolKind::Text)))
        .collect();
    for function in Function::ALL {
        let found = exported.iter().any(|(symbol, code)| symbol == function.name() && *code);
        verdicts.judge("ABI-01", found, || {
            let mangled = exported
                .iter()
                .find(|(symbol, _)| symbol.starts_with("_Z") && symbol.contains(function.name()));
            let observed = match mangled {
                Some((symbol, _)) => format!("not exported; there is a mangled {symbol}"),
                None => "not exported".to_owned(),
            };
            (name.clone(), format!("exports the function {function}"), observed)
        });
    }
    let leaked: Vec<&str> = exported
        .iter()
        .map(|(symbol, _)| symbol.as_str())
        .filter(|symbol| Function::from_name(symbol).is_none())
        .filter(|symbol| symbol.starts_with("cu") || symbol.starts_with("_Z"))
        .collect();
    verdicts.judge("ABI-02", leaked.is_empty(), || {
        let shown: Vec<&str> = leaked.iter().copied().take(5).collect();
        let observed = format!("{} more, such as {}", leaked.len(), shown.join(", "));
        (name.clone(), "exports no other cuda*, cu*, cublas* or C++ symbol".to_owned(), observed)
    });
    let stack = executable_stack(data);
    verdicts.judge("ABI-05", stack != Some(true), || {
        (
            name.clone(),
            "a stack that is not executable".to_owned(),
            "PT_GNU_STACK asks for an executable one".to_owned(),
        )
    });
    let relocations = text_relocations(data);
    verdicts.judge("ABI-05", relocations != Some(true), || {
        (name, "no text relocations".to_owned(), "DT_TEXTREL is set".to_owned())
    });
    Ok(())
}

type Elf = object::elf::FileHeader64<object::Endianness>;

fn executable_stack(data: &[u8]) -> Option<bool> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let stack = segments.iter().find(|segment| segment.p_type(endian) == PT_GNU_STACK);
    // Without the header the loader assumes the worst.
    Some(stack.is_none_or(|segment| segment.p_flags(endian).0 & PF_X.0 != 0))
}

fn text_relocations(data: &[u8]) -> Option<bool> {
    use object::elf::{DF_TEXTREL, DT_FLAGS, DT_TEXTREL};
    use object::read::elf::Dyn;
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let entries = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok().flatten())?;
    Some(entries.iter().any(|entry| {
        let (tag, value) = (entry.d_tag(endian), entry.d_val(endian));
        tag == DT_TEXTREL || tag == DT_FLAGS && value & DF_TEXTREL.0 as u64 != 0
    }))
}
