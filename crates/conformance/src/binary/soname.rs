//! The name under which the loader knows a library.

use object::elf::DT_SONAME;
use object::read::elf::{Dyn, FileHeader};

type Elf = object::elf::FileHeader64<object::Endianness>;

/// The SONAME, or `None` if there is none or the file does not tell.
#[must_use]
pub fn soname(data: &[u8]) -> Option<String> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let (entries, strings) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, strings).ok()?;
    let entry = entries.iter().find(|entry| entry.d_tag(endian) == DT_SONAME)?;
    let name = strings.get(u32::try_from(entry.d_val(endian)).ok()?).ok()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
