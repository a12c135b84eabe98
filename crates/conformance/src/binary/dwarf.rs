//! Compares the signatures that debug information gives with the table of functions (ABI-04).

mod shape;
mod signature;
mod units;

use object::Object;
use worker_contract::{Function, FunctionSpec};

use crate::oracle::Verdicts;
use shape::Fit;
use signature::Signature;
use units::Units;

/// Judges every function whose signature is told, and says whether there was one. Functions are given with their
/// addresses. Where debug information leaves something open, the library is not blamed for it.
pub(super) fn judge(file: &object::File, functions: &[(Function, u64)], verdicts: &mut Verdicts) -> bool {
    let Some(sections) = units::sections(file) else { return false };
    let endian =
        if file.is_little_endian() { gimli::RunTimeEndian::Little } else { gimli::RunTimeEndian::Big };
    let units = Units::new(&sections, endian);
    let mut told = false;
    for (function, signatures) in signature::signatures(&units, functions) {
        let spec = function.spec();
        let best =
            signatures.iter().map(|signature| compare(spec, signature)).min_by_key(|found| found.wrong.len());
        let Some(found) = best else { continue };
        told = true;
        for alike in found.alike {
            verdicts.note("ABI-04", format!("{function}: {alike}, which callers cannot tell"));
        }
        // The same bits under another name of the type: only the letter of the signature is broken.
        if !found.loose.is_empty() {
            let level = worker_contract::Level::Should;
            verdicts.judge_at(crate::oracle::id("ABI-04"), level, false, || {
                let observed = format!("the debug information says: {}", found.loose.join("; "));
                (function.to_string(), spec.signature(), observed)
            });
        }
        verdicts.judge("ABI-04", found.wrong.is_empty(), || {
            (
                function.to_string(),
                spec.signature(),
                format!("the debug information says: {}", found.wrong.join("; ")),
            )
        });
    }
    if units.cut_short() {
        verdicts.note("ABI-04", "there is more debug information than was read");
    }
    told
}

#[derive(Debug, Default)]
struct Comparison {
    wrong: Vec<String>,
    alike: Vec<String>,
    loose: Vec<String>,
}

fn compare(spec: &FunctionSpec, found: &Signature) -> Comparison {
    let mut comparison = Comparison::default();
    let mut put = |fit: Fit, text: String| match fit {
        Fit::Same => {}
        Fit::Alike => comparison.alike.push(text),
        Fit::Loose => comparison.loose.push(text),
        Fit::Wrong => comparison.wrong.push(text),
    };
    put(found.result.fit(spec.returns), format!("the result is {}", found.result));
    let (expected, given) = (spec.parameters, &found.parameters);
    if given.len() == expected.len() {
        for (number, (parameter, shape)) in expected.iter().zip(given).enumerate() {
            let place = format!("parameter {} ({})", number + 1, parameter.name);
            put(shape.fit(parameter.kind), format!("{place} is {shape}"));
        }
        return comparison;
    }
    let mut rest = expected.iter();
    let in_order = given.iter().all(|shape| rest.any(|parameter| shape.fit(parameter.kind) != Fit::Wrong));
    if !(found.gaps && in_order) {
        let list: Vec<String> = given.iter().map(ToString::to_string).collect();
        let count = match list.len() {
            0 => "no parameter".to_owned(),
            1 => format!("1 parameter: {}", list[0]),
            many => format!("{many} parameters: {}", list.join(", ")),
        };
        put(Fit::Wrong, format!("there {} {count}", if given.len() < 2 { "is" } else { "are" }));
    }
    comparison
}
