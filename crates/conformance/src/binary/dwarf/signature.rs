//! Finds the functions of the contract in the debug information, and how each was declared.

use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::constants as dw;
use worker_contract::Function;

use super::shape::Shape;
use super::units::{Die, Entry, Unit, Units};

/// Entries that one leads to by its origin and its declaration.
const LINKS: usize = 8;
/// Entries that are kept for one function.
const KEPT: usize = 8;

/// A function as its author declared it.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub result: Shape,
    pub parameters: Vec<Shape>,
    /// Whether parameters may be left out of the list: Rust tells nothing about those called `_`.
    pub gaps: bool,
}

/// The signatures of functions at these addresses; more than one where several entries claim an address.
pub(super) fn signatures(units: &Units, wanted: &[(Function, u64)]) -> BTreeMap<Function, Vec<Signature>> {
    let mut search =
        Search { units, wanted, at_address: BTreeMap::new(), by_name: BTreeMap::new(), typed: Vec::new() };
    for index in 0..units.count() {
        search.typed.push(false);
        if let Some(unit) = units.unit(index) {
            // A unit that breaks off says nothing about the others.
            let _ = search.scan(&unit);
        }
    }
    units.begin_types();
    let Search { mut at_address, by_name, typed, .. } = search;
    for (function, chains) in by_name {
        at_address.entry(function).or_insert(chains);
    }
    at_address
        .into_iter()
        .map(|(function, chains)| {
            (function, chains.iter().filter_map(|chain| signature(units, chain, &typed)).collect())
        })
        .collect()
}

/// An entry, then what it was made from: the last is the one that its author wrote.
type Chain<'a> = Vec<Die<'a>>;

struct Search<'s, 'a> {
    units: &'s Units<'a>,
    wanted: &'s [(Function, u64)],
    at_address: BTreeMap<Function, Vec<Chain<'a>>>,
    by_name: BTreeMap<Function, Vec<Chain<'a>>>,
    /// Whether a unit describes the types of functions at all: short forms of debug information leave them out, though
    /// they may describe those of a few variables, and then nothing is not `void`.
    typed: Vec<bool>,
}

impl<'a> Search<'_, 'a> {
    fn scan(&mut self, unit: &Rc<Unit<'a>>) -> Option<()> {
        let mut entries = unit.entries(None)?;
        let mut entry = Entry::null();
        while !entries.is_empty() {
            let ahead = entries.clone();
            let Some(abbreviation) = entries.read_abbreviation().ok()? else { continue };
            self.units.charge(1 + abbreviation.attributes().len())?;
            match abbreviation.tag() {
                dw::DW_TAG_subprogram => {
                    let has_type = abbreviation.attributes().iter().any(|one| one.name() == dw::DW_AT_type);
                    self.typed[unit.index] |= has_type;
                    entries = ahead;
                    entries.read_entry(&mut entry).ok()?;
                    self.look(unit, &entry);
                    continue;
                }
                dw::DW_TAG_formal_parameter => self.typed[unit.index] = true,
                _ => {}
            }
            entries.skip_attributes(abbreviation.attributes()).ok()?;
        }
        Some(())
    }

    fn look(&mut self, unit: &Rc<Unit<'a>>, entry: &Entry<'a>) -> Option<()> {
        let derived = entry.has_attr(dw::DW_AT_abstract_origin) || entry.has_attr(dw::DW_AT_specification);
        let name = own_name(self.units, unit, entry);
        if !derived && name.and_then(function).is_none() {
            return None;
        }
        let die = Die { unit: Rc::clone(unit), entry: entry.clone() };
        if die.flag(dw::DW_AT_declaration) {
            return None;
        }
        let code = self.units.code(&die);
        let at = |address: u64| code.iter().any(|(begin, end)| (*begin..*end).contains(&address));
        if !code.is_empty() && !self.wanted.iter().any(|(_, address)| at(*address)) {
            return None;
        }
        let external = |die: &Die| die.flag(dw::DW_AT_external) && die.value(dw::DW_AT_inline).is_none();
        if code.is_empty() && (derived || !external(&die)) {
            return None;
        }
        let chain = chain(self.units, die)?;
        // One body may serve several functions, so the address alone names none of them.
        let function = function(name_of(self.units, &chain)?)?;
        let places = if code.is_empty() {
            &mut self.by_name
        } else if self.wanted.iter().any(|(wanted, address)| *wanted == function && at(*address)) {
            &mut self.at_address
        } else {
            return None;
        };
        let kept = places.entry(function).or_default();
        if kept.len() < KEPT {
            kept.push(chain);
        }
        Some(())
    }
}

fn function(name: &[u8]) -> Option<Function> {
    Function::from_name(std::str::from_utf8(name).ok()?)
}

const LINKAGE: [gimli::DwAt; 2] = [dw::DW_AT_linkage_name, dw::DW_AT_MIPS_linkage_name];

/// The name that the linker sees, as far as the entry itself tells.
fn own_name<'a>(units: &Units<'a>, unit: &Unit<'a>, entry: &Entry<'a>) -> Option<&'a [u8]> {
    let linkage = LINKAGE.into_iter().find_map(|name| entry.attr_value(name));
    units.text(unit, linkage.or_else(|| entry.attr_value(dw::DW_AT_name))?)
}

fn name_of<'a>(units: &Units<'a>, chain: &Chain<'a>) -> Option<&'a [u8]> {
    let first = |names: &[gimli::DwAt]| {
        chain.iter().find_map(|die| {
            let value = names.iter().find_map(|name| die.value(*name))?;
            units.text(&die.unit, value)
        })
    };
    first(&LINKAGE).or_else(|| first(&[dw::DW_AT_name]))
}

/// `None` if it leads out of the file, or round in circles.
fn chain<'a>(units: &Units<'a>, die: Die<'a>) -> Option<Chain<'a>> {
    let mut chain = vec![die];
    while let Some(last) = chain.last()
        && let Some(value) =
            last.value(dw::DW_AT_abstract_origin).or_else(|| last.value(dw::DW_AT_specification))
    {
        if chain.len() == LINKS {
            return None;
        }
        chain.push(units.follow(last, value)?);
    }
    Some(chain)
}

fn signature<'a>(units: &Units<'a>, chain: &Chain<'a>, typed: &[bool]) -> Option<Signature> {
    let root = chain.last()?;
    if root.unit.language == Some(dw::DW_LANG_Mips_Assembler) {
        return None;
    }
    let result = shape(units, chain);
    let mut parameters = Vec::new();
    // What the compiler made of a function may have lost a parameter; what its author wrote has them all.
    for die in chain.iter().rev() {
        parameters = units.children(die, &[dw::DW_TAG_formal_parameter])?;
        parameters.retain(|parameter| !parameter.flag(dw::DW_AT_artificial));
        if !parameters.is_empty() {
            break;
        }
    }
    if result == Shape::Nothing && parameters.is_empty() && !typed[root.unit.index] {
        return None;
    }
    let parameters = parameters
        .into_iter()
        .map(|parameter| self::chain(units, parameter).map_or(Shape::Unknown, |chain| shape(units, &chain)))
        .map(|shape| if shape == Shape::Nothing { Shape::Unknown } else { shape })
        .collect();
    Some(Signature { result, parameters, gaps: !root.unit.language.is_some_and(lists_all_parameters) })
}

/// The type that any entry of the chain gives; `void` if none does.
fn shape<'a>(units: &Units<'a>, chain: &Chain<'a>) -> Shape {
    let typed = chain.iter().find(|die| die.entry.has_attr(dw::DW_AT_type));
    typed.map_or(Shape::Nothing, |die| Shape::of(units, die))
}

/// C, C++ and Objective-C have an entry for every parameter, with a name or without.
fn lists_all_parameters(language: gimli::DwLang) -> bool {
    const C17: gimli::DwLang = gimli::DwLang(0x2c);
    const CXX17: gimli::DwLang = gimli::DwLang(0x2a);
    const CXX20: gimli::DwLang = gimli::DwLang(0x2b);
    const CXX23: gimli::DwLang = gimli::DwLang(0x3a);
    const C23: gimli::DwLang = gimli::DwLang(0x3e);
    matches!(
        language,
        dw::DW_LANG_C89
            | dw::DW_LANG_C
            | dw::DW_LANG_C99
            | dw::DW_LANG_C11
            | C17
            | C23
            | dw::DW_LANG_C_plus_plus
            | dw::DW_LANG_C_plus_plus_03
            | dw::DW_LANG_C_plus_plus_11
            | dw::DW_LANG_C_plus_plus_14
            | CXX17
            | CXX20
            | CXX23
            | dw::DW_LANG_ObjC
            | dw::DW_LANG_ObjC_plus_plus
    )
}
