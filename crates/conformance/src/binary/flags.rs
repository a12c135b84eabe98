//! What a library asks of the loader: no executable stack, no text relocations (ABI-05).

use object::elf::{DF_TEXTREL, DT_FLAGS, DT_TEXTREL, PF_X, PT_GNU_STACK};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use crate::oracle::Verdicts;

type Elf = object::elf::FileHeader64<object::Endianness>;

pub(super) fn judge(data: &[u8], library: &str, verdicts: &mut Verdicts) {
    let stack = executable_stack(data);
    verdicts.judge("ABI-05", stack != Some(true), || {
        let observed = "PT_GNU_STACK asks for an executable one".to_owned();
        (library.to_owned(), "a stack that is not executable".to_owned(), observed)
    });
    let relocations = text_relocations(data);
    verdicts.judge("ABI-05", relocations != Some(true), || {
        (library.to_owned(), "no text relocations".to_owned(), "DT_TEXTREL is set".to_owned())
    });
}

fn executable_stack(data: &[u8]) -> Option<bool> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let stack = segments.iter().find(|segment| segment.p_type(endian) == PT_GNU_STACK);
    // Without the header the loader assumes the worst.
    Some(stack.is_none_or(|segment| segment.p_flags(endian).0 & PF_X.0 != 0))
}

fn text_relocations(data: &[u8]) -> Option<bool> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let entries = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok().flatten())?;
    Some(entries.iter().any(|entry| {
        let (tag, value) = (entry.d_tag(endian), entry.d_val(endian));
        tag == DT_TEXTREL || tag == DT_FLAGS && value & DF_TEXTREL.0 != 0
    }))
}
