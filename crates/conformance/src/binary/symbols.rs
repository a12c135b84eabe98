//! What a library exports: all of the contract, and nothing that gets in the way of others (ABI-01, ABI-02).

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Object, ObjectSymbol, SymbolFlags, SymbolKind};
use worker_contract::Function;

use crate::oracle::Verdicts;

/// A global symbol that the library defines.
pub(super) struct Export {
    name: String,
    code: bool,
    /// One of several equal definitions, of which the loader takes any: what the linker makes of templates.
    vague: bool,
    address: u64,
}

pub(super) fn exports(file: &object::File, data: &[u8]) -> Vec<Export> {
    let listed: Vec<Export> = file
        .dynamic_symbols()
        .filter(|symbol| !symbol.is_undefined() && symbol.is_global())
        .filter_map(|symbol| {
            let (code, vague) = match symbol.flags() {
                SymbolFlags::Elf { st_info, .. } => (is_code(st_info.0), is_vague(st_info.0)),
                _ => (symbol.kind() == SymbolKind::Text, symbol.is_weak()),
            };
            Some(Export { name: symbol.name().ok()?.to_owned(), code, vague, address: symbol.address() })
        })
        .collect();
    // The loader needs no section headers, so a library may have none.
    if listed.is_empty() { without_sections(data).unwrap_or_default() } else { listed }
}

/// Functions, and functions that a resolver chooses when the library is loaded.
fn is_code(info: u8) -> bool {
    matches!(object::elf::SymbolType(info & 0xf), object::elf::STT_FUNC | object::elf::STT_GNU_IFUNC)
}

/// Weak symbols, and GNU's unique ones.
fn is_vague(info: u8) -> bool {
    matches!(info >> 4, 2 | 10)
}

/// An instance of a template of the C++ standard library or of its runtime.
fn is_of_standard_library(name: &str) -> bool {
    // `N` begins a nested name, `K` says that a member is const; tables and guards have letters of their own.
    const MARKS: [&str; 8] = ["", "TV", "TI", "TS", "TT", "GV", "GVZ", "Z"];
    const SPACES: [&str; 4] = ["St", "9__gnu_cxx", "10__cxxabiv1", "7__ubsan"];
    let Some(rest) = name.strip_prefix("_Z") else { return false };
    MARKS.iter().filter_map(|mark| rest.strip_prefix(mark)).any(|rest| {
        let rest = rest.strip_prefix('N').map_or(rest, |nested| nested.trim_start_matches(['K', 'V', 'r']));
        SPACES.iter().any(|space| rest.starts_with(space))
    })
}

type Elf = object::elf::FileHeader64<object::Endianness>;

/// The exports as the loader finds them: by the program headers and the dynamic table.
fn without_sections(data: &[u8]) -> Option<Vec<Export>> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let entries = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok().flatten())?;
    let value =
        |tag| entries.iter().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.d_val(endian));
    let at = |address: u64| {
        segments.iter().find_map(|segment| {
            let start = segment.p_vaddr(endian);
            let inside = address.checked_sub(start).filter(|&offset| offset < segment.p_filesz(endian));
            (segment.p_type(endian) == object::elf::PT_LOAD).then_some(())?;
            segment.p_offset(endian).checked_add(inside?)
        })
    };
    let symbols = usize::try_from(at(value(object::elf::DT_SYMTAB)?)?).ok()?;
    let strings = usize::try_from(at(value(object::elf::DT_STRTAB)?)?).ok()?;
    let names = data.get(strings..)?.get(..usize::try_from(value(object::elf::DT_STRSZ)?).ok()?)?;
    // No table says how many symbols there are; every linker puts their names behind them.
    let table = data.get(symbols..strings)?;
    let word = |entry: &[u8], at: usize, size: usize| {
        entry[at..at + size].iter().rev().fold(0_u64, |all, &byte| all << 8 | u64::from(byte))
    };
    let exports = table.as_chunks::<24>().0.iter().filter_map(|entry| {
        let (name, info, section, address) =
            (word(entry, 0, 4) as usize, entry[4], word(entry, 6, 2), word(entry, 8, 8));
        let name = names.get(name..)?.split(|&byte| byte == 0).next()?;
        let global = info >> 4 == 1 || info >> 4 == 2;
        let name =
            std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && global && section != 0)?;
        Some(Export { name: name.to_owned(), code: is_code(info), vague: is_vague(info), address })
    });
    Some(exports.collect())
}

/// The functions of the contract that are exported, with their addresses in the file's own address space.
pub(super) fn functions(exports: &[Export]) -> Vec<(Function, u64)> {
    let code = exports.iter().filter(|export| export.code);
    code.filter_map(|export| Some((Function::from_name(&export.name)?, export.address))).collect()
}

pub(super) fn judge(exports: &[Export], library: &str, verdicts: &mut Verdicts) {
    for function in Function::ALL {
        let found = exports.iter().any(|export| export.name == function.name() && export.code);
        verdicts.judge("ABI-01", found, || {
            let mangled = exports
                .iter()
                .find(|export| export.name.starts_with("_Z") && export.name.contains(function.name()));
            let observed = match mangled {
                Some(export) => format!("not exported; there is a mangled {}", export.name),
                None => "not exported".to_owned(),
            };
            (library.to_owned(), format!("exports the function {function}"), observed)
        });
    }
    let instances =
        exports.iter().filter(|export| export.vague && is_of_standard_library(&export.name)).count();
    if instances > 0 {
        verdicts.note(
            "ABI-02",
            format!("{instances} weak instance(s) of standard library templates are exported"),
        );
    }
    let leaked: Vec<&str> = exports
        .iter()
        .filter(|export| !(export.vague && is_of_standard_library(&export.name)))
        .map(|export| export.name.as_str())
        .filter(|name| Function::from_name(name).is_none())
        .filter(|name| name.starts_with("cu") || name.starts_with("_Z"))
        .collect();
    verdicts.judge("ABI-02", leaked.is_empty(), || {
        let shown: Vec<&str> = leaked.iter().copied().take(5).collect();
        let observed = format!("{} more, such as {}", leaked.len(), shown.join(", "));
        (library.to_owned(), "exports no other cuda*, cu*, cublas* or C++ symbol".to_owned(), observed)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_the_standard_library_are_known_by_their_names() {
        for name in [
            "_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJiEEEvN9__gnu_cxx17__normal_iteratorIPiS1_EEDpOT_",
            "_ZNKSt6localeeqERKS_",
            "_ZSt4endlIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_",
            "_ZTISt9exception",
            "_ZGVNSt7collateIcE2idE",
            "_ZN9__gnu_cxx13new_allocatorIcE8allocateEmPKv",
        ] {
            assert!(is_of_standard_library(name), "{name}");
        }
        for name in ["_Z6helperv", "_ZN4cuda5StateC1Ev", "_ZN2StC1Ev", "cudaMalloc", "_ZN5StartC2Ev"] {
            assert!(!is_of_standard_library(name), "{name}");
        }
    }
}
