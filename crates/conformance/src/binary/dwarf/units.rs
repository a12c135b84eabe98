//! Debug information as entries to look up, with a bound on the work that a file can cause.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::constants as dw;
use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddrBase, DebugLocListsBase, DebugRngListsBase,
    DebugStrOffsetsBase, DebuggingInformationEntry, DwAt, DwarfFileType, DwarfSections, EndianSlice,
    EntriesRaw, Reader, RunTimeEndian, SectionId, UnitHeader, UnitOffset,
};
use object::{Object, ObjectSection};

pub(super) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;
pub(super) type Value<'a> = AttributeValue<Slice<'a>>;
pub(super) type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// Bytes that compressed sections may unfold to, all together.
const UNFOLDED: u64 = 512 << 20;
/// Units that are looked at.
const UNITS: usize = 1 << 17;
/// Attributes that are read, about; a large library has some ten millions.
const WORK: u64 = 200_000_000;
/// And again, for the types of the functions that were found.
const WORK_ON_TYPES: u64 = 10_000_000;
/// Stretches of code of one function.
const STRETCHES: usize = 64;

/// The sections that tell of functions and types; `None` if the file has no debug information.
pub(super) fn sections<'a>(file: &object::File<'a>) -> Option<DwarfSections<Cow<'a, [u8]>>> {
    let mut room = UNFOLDED;
    let sections = DwarfSections::load(|id| -> Result<Cow<'a, [u8]>, ()> {
        let wanted = matches!(
            id,
            SectionId::DebugAbbrev
                | SectionId::DebugAddr
                | SectionId::DebugInfo
                | SectionId::DebugLineStr
                | SectionId::DebugStr
                | SectionId::DebugStrOffsets
                | SectionId::DebugRanges
                | SectionId::DebugRngLists
        );
        let Some(section) = wanted.then(|| file.section_by_name(id.name())).flatten() else {
            return Ok(Cow::Borrowed(&[]));
        };
        let data = section.compressed_data().map_err(|_| ())?;
        if data.format != object::CompressionFormat::None {
            room = room.checked_sub(data.uncompressed_size).ok_or(())?;
        }
        data.decompress().map_err(|_| ())
    });
    let sections = sections.ok()?;
    let present = sections.debug_info.borrow(|data| EndianSlice::new(data, RunTimeEndian::Little));
    (!gimli::Section::reader(&present).is_empty()).then_some(sections)
}

/// A unit with what its first entry says about all others.
pub(super) struct Unit<'a> {
    pub index: usize,
    pub language: Option<gimli::DwLang>,
    inner: gimli::Unit<Slice<'a>>,
}

impl<'a> Unit<'a> {
    /// The entries from here on, or all of them.
    pub fn entries(&self, from: Option<UnitOffset>) -> Option<EntriesRaw<'_, Slice<'a>>> {
        self.inner.entries_raw(from).ok()
    }
}

/// An entry and the unit that it stands in.
#[derive(Clone)]
pub(super) struct Die<'a> {
    pub unit: Rc<Unit<'a>>,
    pub entry: Entry<'a>,
}

impl<'a> Die<'a> {
    pub fn value(&self, name: DwAt) -> Option<Value<'a>> {
        self.entry.attr_value(name)
    }

    pub fn number(&self, name: DwAt) -> Option<u64> {
        self.value(name)?.udata_value()
    }

    pub fn flag(&self, name: DwAt) -> bool {
        self.value(name) == Some(AttributeValue::Flag(true))
    }
}

/// All units of a file.
pub(super) struct Units<'a> {
    dwarf: gimli::Dwarf<Slice<'a>>,
    headers: Vec<UnitHeader<Slice<'a>>>,
    tables: Vec<usize>,
    parsed: RefCell<HashMap<usize, Option<Arc<Abbreviations>>>>,
    longest: usize,
    left: Cell<u64>,
    cut_short: Cell<bool>,
}

impl<'a> Units<'a> {
    pub fn new(sections: &'a DwarfSections<Cow<'a, [u8]>>, endian: RunTimeEndian) -> Self {
        let dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
        let mut headers = Vec::new();
        let mut all = dwarf.units();
        while let Ok(Some(header)) = all.next()
            && headers.len() < UNITS
        {
            headers.push(header);
        }
        let mut tables: Vec<usize> = headers.iter().map(|header| header.debug_abbrev_offset().0).collect();
        tables.sort_unstable();
        tables.dedup();
        let length = |section: &Slice| section.len();
        let longest = length(gimli::Section::reader(&dwarf.debug_str))
            .max(length(gimli::Section::reader(&dwarf.debug_line_str)));
        let left = Cell::new(WORK);
        Self {
            dwarf,
            headers,
            tables,
            parsed: RefCell::default(),
            longest,
            left,
            cut_short: Cell::new(false),
        }
    }

    pub fn count(&self) -> usize {
        self.headers.len()
    }

    /// Whether the bound on the work was met before the end.
    pub fn cut_short(&self) -> bool {
        self.cut_short.get()
    }

    /// The search is over: what it left undone must not keep its finds from being judged.
    pub fn begin_types(&self) {
        self.left.set(WORK_ON_TYPES);
    }

    /// Counts work; `None` when there was enough of it.
    pub fn charge(&self, work: usize) -> Option<()> {
        let left = self.left.get().saturating_sub(work as u64);
        self.left.set(left);
        self.cut_short.set(self.cut_short.get() || left == 0);
        (left > 0).then_some(())
    }

    /// Tables in sound files do not overlap. Each is read up to where the next begins, so that overlapping ones
    /// cannot make the work grow with the square of the file.
    fn abbreviations(&self, offset: usize) -> Option<Arc<Abbreviations>> {
        let mut parsed = self.parsed.borrow_mut();
        let table = parsed.entry(offset).or_insert_with(|| {
            let section: &Slice = gimli::Section::reader(&self.dwarf.debug_abbrev);
            let next = self.tables.partition_point(|table| *table <= offset);
            let end = self.tables.get(next).copied().unwrap_or(usize::MAX).min(section.len());
            let whole =
                DebugAbbrev::from(EndianSlice::new(section.slice().get(offset..end)?, section.endian()));
            whole.abbreviations(gimli::DebugAbbrevOffset(0)).ok().map(Arc::new)
        });
        table.clone()
    }

    /// Not [`gimli::Unit::new`], which parses the line table's header as well.
    pub fn unit(&self, index: usize) -> Option<Rc<Unit<'a>>> {
        let header = *self.headers.get(index)?;
        let (encoding, kind) = (header.encoding(), DwarfFileType::Main);
        let mut inner = gimli::Unit {
            abbreviations: self.abbreviations(header.debug_abbrev_offset().0)?,
            name: None,
            comp_dir: None,
            low_pc: 0,
            str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, kind),
            addr_base: DebugAddrBase(0),
            loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, kind),
            rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, kind),
            line_program: None,
            dwo_id: None,
            header,
        };
        let mut root = Entry::null();
        inner.entries_raw(None).ok()?.read_entry(&mut root).ok()?;
        self.charge(8 + root.attrs().len())?;
        let mut language = None;
        for attribute in root.attrs() {
            match attribute.value() {
                AttributeValue::DebugStrOffsetsBase(base) => inner.str_offsets_base = base,
                AttributeValue::DebugAddrBase(base) => inner.addr_base = base,
                AttributeValue::DebugRngListsBase(base) => inner.rnglists_base = base,
                AttributeValue::Language(code) => language = Some(code),
                _ => {}
            }
        }
        if let Some(value) = root.attr_value(dw::DW_AT_low_pc) {
            inner.low_pc = self.dwarf.attr_address(&inner, value).ok().flatten().unwrap_or(0);
        }
        Some(Rc::new(Unit { index, language, inner }))
    }

    /// The entry that an attribute of another one refers to, if it stands in this file.
    pub fn follow(&self, from: &Die<'a>, value: Value<'a>) -> Option<Die<'a>> {
        let (unit, offset) = match value {
            AttributeValue::UnitRef(offset) => (Rc::clone(&from.unit), offset),
            AttributeValue::DebugInfoRef(offset) => {
                let after = self.headers.partition_point(|header| header.offset().0 <= offset.0);
                let index = after.checked_sub(1)?;
                let offset = offset.to_unit_offset(self.headers.get(index)?)?;
                (self.unit(index)?, offset)
            }
            _ => return None,
        };
        let mut entry = Entry::null();
        if !unit.entries(Some(offset))?.read_entry(&mut entry).ok()? {
            return None;
        }
        self.charge(1 + entry.attrs().len())?;
        Some(Die { unit, entry })
    }

    /// The entries directly below one, of the kinds asked for; `None` if they cannot be read.
    pub fn children(&self, parent: &Die<'a>, tags: &[gimli::DwTag]) -> Option<Vec<Die<'a>>> {
        let mut found = Vec::new();
        if !parent.entry.has_children() {
            return Some(found);
        }
        let mut entries = parent.unit.entries(Some(parent.entry.offset()))?;
        let mut entry = Entry::null();
        entries.read_entry(&mut entry).ok()?;
        while entries.next_depth() > 0 {
            let direct = entries.next_depth() == 1;
            let real = entries.read_entry(&mut entry).ok()?;
            self.charge(1 + entry.attrs().len())?;
            if real && direct && tags.contains(&entry.tag()) {
                found.push(Die { unit: Rc::clone(&parent.unit), entry: entry.clone() });
            }
        }
        Some(found)
    }

    pub fn text(&self, unit: &Unit<'a>, value: Value<'a>) -> Option<&'a [u8]> {
        if matches!(value, AttributeValue::DebugStrRefSup(_)) {
            return None;
        }
        let text = self.dwarf.attr_string(&unit.inner, value).ok();
        // Looking for the end of a text costs too.
        self.charge(1 + text.map_or(self.longest, |text| text.len()) / 16)?;
        Some(text?.slice())
    }

    /// The name in the source.
    pub fn name(&self, die: &Die<'a>) -> Option<&'a [u8]> {
        self.text(&die.unit, die.value(dw::DW_AT_name)?)
    }

    /// Where the code of a function lies, first address and the one past the last; empty if nobody says.
    pub fn code(&self, die: &Die<'a>) -> Vec<(u64, u64)> {
        self.stretches(die).unwrap_or_default()
    }

    fn stretches(&self, die: &Die<'a>) -> Option<Vec<(u64, u64)>> {
        let unit = &die.unit.inner;
        if let Some(value) = die.value(dw::DW_AT_ranges) {
            let list = self.dwarf.attr_ranges_offset(unit, value).ok()??;
            let mut raw = self.dwarf.raw_ranges(unit, list).ok()?;
            while raw.next().ok()?.is_some() {
                self.charge(1)?;
            }
            let mut stretches = Vec::new();
            let mut ranges = self.dwarf.ranges(unit, list).ok()?;
            while let Some(range) = ranges.next().ok()?
                && stretches.len() < STRETCHES
            {
                stretches.push((range.begin, range.end));
            }
            return Some(stretches);
        }
        let low = self.dwarf.attr_address(unit, die.value(dw::DW_AT_low_pc)?).ok()??;
        let high = match die.value(dw::DW_AT_high_pc) {
            None => low.checked_add(1)?,
            Some(value) => match value.udata_value() {
                Some(length) => low.checked_add(length)?,
                None => self.dwarf.attr_address(unit, value).ok()??,
            },
        };
        // A function may be empty, and still be at its address.
        Some(vec![(low, high.max(low.saturating_add(1)))])
    }
}
