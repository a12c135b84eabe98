//! From a case that failed to a failure that can be shown: played again, made small, and put under its requirement.

use std::fmt;

use worker_contract::Level;

use super::Case;
use super::blame::blame;
use super::judge::{Fault, Kind, Player};
use crate::executor::ExecutorError;
use crate::oracle::Finding;
use crate::program::{Op, Program};
use crate::shrink::shrink;
use crate::trace::Observation;

/// Times that a failing program is played again before it is believed to fail always.
const CONFIRM: u32 = 3;
/// Times that one is played to tell how often it fails, where it does not always.
const TRIES: u32 = 24;

/// Times that the small program is played before it is said not to fail after all.
const AGAIN: u32 = 8;

/// How surely a program fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steadiness {
    /// Every time.
    Always,
    /// In so many of so many tries.
    Flaky(u32, u32),
}

impl fmt::Display for Steadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Steadiness::Always => f.write_str("every time"),
            Steadiness::Flaky(failed, tries) => {
                write!(f, "flaky: in {failed} of {tries} tries ({} %)", 100 * failed / (*tries).max(1))
            }
        }
    }
}

/// A failure, ready to be shown.
#[derive(Debug, Clone)]
pub struct Failing {
    /// Number of the case.
    pub number: u64,
    /// The smallest program found that fails in this way.
    pub program: Program,
    /// What is wrong with it.
    pub fault: Fault,
    /// How surely it fails.
    pub steadiness: Steadiness,
    /// Programs tried to make it small.
    pub attempts: usize,
    /// Whether it was seen that no call can be dropped.
    pub minimal: bool,
    /// How the program went when it failed.
    pub trace: Vec<Observation>,
}

impl Failing {
    /// The finding that names it.
    pub fn main(&self) -> &Finding {
        self.fault.main()
    }
}

/// Plays, and gives the fault that is like the one looked for.
fn like(player: &Player, program: &[Op], wanted: &Fault) -> Result<Option<Fault>, ExecutorError> {
    let played = player.play(program)?;
    Ok(played.faults.into_iter().find(|fault| wanted.is_like(fault)))
}

/// Makes a failing case small, and says what it breaks.
///
/// # Errors
/// When the executor fails.
pub fn reduce(player: &Player, case: &Case, attempts: usize) -> Result<Failing, ExecutorError> {
    let wanted = &case.fault;
    let mut steadiness = steadiness(player, &case.program, wanted, CONFIRM)?;
    if steadiness != Steadiness::Always {
        steadiness = self::steadiness(player, &case.program, wanted, TRIES)?;
    }
    // A fault that shows now and then is looked for more often, so that a smaller program is not taken for sound.
    let tries = match steadiness {
        Steadiness::Always => 1,
        Steadiness::Flaky(0, _) => 0,
        Steadiness::Flaky(failed, tries) => (3 * tries / failed).clamp(2, 20),
    };
    let mut fails = |program: &[Op]| -> Result<bool, ExecutorError> {
        for _ in 0..tries {
            if like(player, program, wanted)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let budget = if tries == 0 { 0 } else { (attempts / tries as usize).max(16) };
    let shrunk = shrink(&case.program, &player.menu().refused(), budget, &mut fails)?;
    // Once more, for the trace of what is shown; renumbering changes no call.
    let mut found = None;
    for _ in 0..tries.max(AGAIN) {
        let played = player.play(&shrunk.program)?;
        let fault = played.faults.iter().find(|fault| wanted.is_like(fault)).cloned();
        if let Some(fault) = fault {
            found = Some((played.trace, fault));
            break;
        }
    }
    let (trace, fault) = match found {
        Some((trace, fault)) => {
            let findings = blame(player, &trace, &fault)?;
            (trace, Fault { findings: only_counted(findings, wanted), ..fault })
        }
        None => {
            steadiness = Steadiness::Flaky(0, AGAIN);
            (Vec::new(), wanted.clone())
        }
    };
    if steadiness != Steadiness::Always {
        steadiness = self::steadiness(player, &shrunk.program, wanted, TRIES)?;
    }
    let minimal = shrunk.minimal && tries > 0;
    Ok(Failing {
        number: case.number,
        program: shrunk.program,
        fault,
        steadiness,
        attempts: shrunk.attempts,
        minimal,
        trace,
    })
}

/// What was ignored in the case stays ignored.
fn only_counted(findings: Vec<Finding>, wanted: &Fault) -> Vec<Finding> {
    let must = wanted.is_must();
    let kept: Vec<Finding> = findings
        .iter()
        .filter(|finding| {
            wanted.kind != Kind::Invariant
                || wanted.findings.iter().any(|known| known.requirement == finding.requirement)
                || finding.requirement.as_str() == "ERR-06"
        })
        .filter(|finding| !must || finding.level == Level::Must)
        .cloned()
        .collect();
    if kept.is_empty() { findings } else { kept }
}

fn steadiness(
    player: &Player,
    program: &[Op],
    wanted: &Fault,
    tries: u32,
) -> Result<Steadiness, ExecutorError> {
    let mut failed = 0;
    for _ in 0..tries {
        failed += u32::from(like(player, program, wanted)?.is_some());
    }
    Ok(if failed == tries { Steadiness::Always } else { Steadiness::Flaky(failed, tries) })
}
