//! Makes C programs of what scenarios found, as far as generated programs' judge sees the same in them.

use std::collections::BTreeMap;
use std::path::Path;

use worker_contract::{Level, RequirementId};

use super::SuiteError;
use crate::executor::ExecutorError;
use crate::fuzz::Case;
use crate::fuzz::failure::reduce;
use crate::fuzz::judge::{Fault, Kind, Player};
use crate::fuzz::share::SEED;
use crate::fuzz::stage;
use crate::program::{Call, Op, Text};
use crate::repro;
use crate::setting::{Setting, SettingError};
use crate::verdict::{Conformance, Reproducer};

/// Requirements that get a program.
const MOST: usize = 8;
/// Programs of one requirement that are tried.
const TRIED: usize = 2;
/// Programs tried to make one small.
const ATTEMPTS: usize = 40;
/// Processes that may die before nothing more is tried: each may cost a deadline.
const DEATHS: usize = 16;

/// Programs for the requirements found broken, from what scenarios did when they found it.
///
/// # Errors
/// When the executor fails.
pub fn all(
    setting: &Setting,
    shown: &[(RequirementId, String, Vec<Op>)],
    level: Conformance,
) -> Result<Vec<Reproducer>, SuiteError> {
    let mut by_requirement: BTreeMap<RequirementId, Vec<(&String, &Vec<Op>)>> = BTreeMap::new();
    for (id, place, program) in shown {
        let counts = level == Conformance::Strict || id.requirement().level == Level::Must;
        if counts {
            by_requirement.entry(*id).or_default().push((place, program));
        }
    }
    if by_requirement.is_empty() {
        return Ok(Vec::new());
    }
    let player = stage::player(setting)?;
    let (mut made, mut deaths) = (Vec::new(), 0);
    for (id, mut programs) in by_requirement {
        programs.sort_by_key(|(place, program)| (program.len(), *place));
        for (place, program) in programs.into_iter().take(TRIED) {
            if made.len() >= MOST || deaths >= DEATHS {
                return Ok(made);
            }
            let found = one(&player, id, program, place, &setting.scratch, &mut deaths);
            if let Some(reproducer) = found.map_err(SettingError::Executor)? {
                made.push(reproducer);
                break;
            }
        }
    }
    Ok(made)
}

/// The program, if the judge that knows no scenario finds the same requirement broken in it.
fn one(
    player: &Player,
    id: RequirementId,
    program: &[Op],
    place: &str,
    scratch: &Path,
    deaths: &mut usize,
) -> Result<Option<Reproducer>, ExecutorError> {
    // What writes files or changes the process has no counterpart in C, and files of one scenario are gone after it.
    let scratch = crate::setting::bytes(scratch);
    let lasting = |op: &Op| match op {
        Op::Call(Call::LoadModel { path: Text::Bytes(path), .. }) => !path.starts_with(&scratch),
        Op::Call(_) | Op::Drain { .. } => true,
        _ => false,
    };
    if !program.iter().all(lasting) {
        return Ok(None);
    }
    let played = player.play(program)?;
    *deaths += usize::from(played.died);
    let breaks = |fault: &Fault| fault.findings.iter().any(|finding| finding.requirement == id);
    let Some(mut fault) = played.faults.into_iter().find(breaks) else { return Ok(None) };
    name_first(&mut fault, id);
    let attempts = if fault.kind == Kind::Death { 0 } else { ATTEMPTS };
    let case = Case { number: 0, program: program.to_vec(), fault };
    let mut failing = reduce(player, &case, attempts)?;
    if !breaks(&failing.fault) {
        return Ok(None);
    }
    name_first(&mut failing.fault, id);
    Ok(Some(repro::reproducer(player, &failing, SEED, place.to_owned())))
}

/// One call may break several requirements; the program is to be about this one.
fn name_first(fault: &mut Fault, id: RequirementId) {
    fault.findings.sort_by_key(|finding| finding.requirement != id);
}
