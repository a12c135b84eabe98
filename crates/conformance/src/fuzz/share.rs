//! The share of generated programs in a run of the suite: bounded, and the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_contract::RequirementId;

use super::coverage::Coverage;
use super::failure::reduce;
use super::judge::Kind;
use super::{Case, Limits, Summary, play, stage};
use crate::oracle::Finding;
use crate::repro;
use crate::setting::Setting;
use crate::suite::SuiteError;
use crate::trace::{Cause, Outcome};
use crate::verdict::{Conformance, Reproducer, Shard};

/// What the programs of a run are drawn from.
pub const SEED: u64 = 20_251_004;
/// Programs of a run, unless it is told otherwise.
pub const PROGRAMS: u64 = 2000;

/// Programs after which it is looked at how fast the library is, and whether it is worth going on.
const PORTIONS: [u64; 2] = [8, 24];
/// Programs between looks at what died, afterwards.
const USUAL: u64 = 128;
/// How many programs a slow library gets: the most of these that stay within [`ENOUGH`].
const FEWER: [u64; 5] = [1000, 400, 100, 32, 8];
/// Time that a library may take before it gets fewer programs. Far beyond what any usual one needs, so that how many
/// there are does not depend on how busy the machine is.
const ENOUGH: Duration = Duration::from_secs(60);
/// Processes that may die before the rest is left out: each costs a deadline where a call hangs.
const DEATHS: u64 = 12;
/// Failing cases that are made small.
const SHOWN: usize = 6;
/// Most programs to try for one of them; fewer where each attempt waits for a deadline.
const ATTEMPTS: usize = 250;
const ATTEMPTS_AT_HANGS: usize = 24;

/// What is told of the share in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Generated {
    /// Programs played.
    pub programs: u64,
    /// What they were drawn from.
    pub seed: u64,
    /// Why there were fewer than asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A finding of a generated program.
#[derive(Debug, Clone)]
pub struct Share {
    /// What is told.
    pub generated: Generated,
    /// Findings, with the number of the case.
    pub findings: Vec<(u64, Finding)>,
    /// Judgements by requirement.
    pub checks: BTreeMap<RequirementId, u64>,
    /// What they reached.
    pub coverage: Coverage,
    /// C programs of what was found.
    pub reproducers: Vec<Reproducer>,
}

/// The place of a case in reports.
pub fn place(case: u64) -> String {
    format!("generated program {case} of seed {SEED}")
}

/// The number of the case at such a place.
pub fn number(place: &str) -> Option<u64> {
    place.strip_prefix("generated program ")?.split(' ').next()?.parse().ok()
}

/// The options that play the case at such a place again.
pub fn again(place: &str) -> Option<String> {
    Some(format!("--seed {SEED} --case {}", number(place)?))
}

/// Plays so many programs, fewer on a slow library. Requirements in `known` are found broken already: what breaks
/// them again is not news. Those in `waived` are told of, since a waiver of what is kept is stale, but not made small.
///
/// # Errors
/// When the suite could not do its work.
pub fn run(
    setting: &Setting,
    programs: u64,
    level: Conformance,
    known: BTreeSet<RequirementId>,
    waived: &BTreeSet<RequirementId>,
    shard: Option<Shard>,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Share, SuiteError> {
    let player = stage::player(setting)?;
    let broken = |error| SuiteError::Setting(crate::setting::SettingError::Executor(error));
    let mut limits = Limits {
        seed: SEED,
        first: 0,
        cases: 0,
        time: None,
        jobs: setting.executor.jobs(),
        keep_going: true,
        level,
        ignored: known,
        attempts: ATTEMPTS,
        deaths: u64::MAX,
        shard,
    };
    let (mut most, mut reason) = (programs, None);
    let mut whole = Summary::default();
    // In a shard, most numbers belong to others.
    let mut next = 0;
    for portion in PORTIONS.into_iter().chain(std::iter::repeat(USUAL)) {
        if next >= most {
            break;
        }
        limits.first = next;
        limits.cases = portion.min(most - next);
        next += limits.cases;
        let before = whole.cases;
        let mine = most / shard.map_or(1, |shard| u64::from(shard.count));
        let summary = play(&player, &limits, &|cases, _| tell(before + cases, mine)).map_err(broken)?;
        let each = summary.seconds / summary.cases.max(1) as f64;
        whole.absorb(summary);
        if whole.deaths >= DEATHS && next < most {
            reason = Some(format!("{} processes had died", whole.deaths));
            break;
        }
        let parts = f64::from(shard.map_or(1, |shard| shard.count));
        let fits = |count: &u64| *count as f64 / parts * each <= ENOUGH.as_secs_f64();
        // The first portion learns the texts, so it decides only about the next.
        let wanted = if next <= PORTIONS[0] { most.min(PORTIONS[1]) } else { most };
        if portion != USUAL && !fits(&wanted) {
            let fewer = FEWER.into_iter().find(fits).unwrap_or(0);
            most = fewer.clamp(next, most.max(next));
            reason = Some(format!("the library is slow: {:.0} ms a program", each * 1000.0));
        }
    }
    let mut findings: BTreeMap<(RequirementId, String), (u64, Finding)> = BTreeMap::new();
    let mut reproducers = Vec::new();
    // What a wrong text breaks is known only when the program is small.
    let (excused, news): (Vec<&Case>, Vec<&Case>) = whole.failing.iter().partition(|case| {
        let mut broken = case.fault.findings.iter().map(|finding| finding.requirement);
        case.fault.kind != Kind::Text && broken.all(|requirement| waived.contains(&requirement))
    });
    for case in excused {
        for finding in &case.fault.findings {
            let told = findings.entry((finding.requirement, String::new()));
            told.or_insert_with(|| (case.number, finding.clone()));
        }
    }
    for case in news.into_iter().take(SHOWN) {
        let attempts = if hangs(case, &player).map_err(broken)? { ATTEMPTS_AT_HANGS } else { ATTEMPTS };
        let failing = reduce(&player, case, attempts).map_err(broken)?;
        let mut shown = false;
        for finding in failing.fault.findings.iter().filter(|one| !limits.ignored.contains(&one.requirement))
        {
            if !std::mem::replace(&mut shown, true) {
                reproducers.push(repro::reproducer(&player, &failing, SEED, place(case.number)));
            }
            let mut finding = finding.clone();
            let calls = crate::shrink::places(&failing.program).len();
            finding.call = format!("{}, the last of {calls} steps", finding.call);
            findings.entry((finding.requirement, finding.call.clone())).or_insert((case.number, finding));
        }
    }
    for (requirement, (case, finding)) in whole.warnings {
        if !findings.keys().any(|(known, _)| *known == requirement) {
            findings.insert((requirement, finding.call.clone()), (case, finding));
        }
    }
    let generated = Generated { programs: whole.cases, seed: SEED, reason };
    let mut findings: Vec<(u64, Finding)> = findings.into_values().collect();
    findings.sort_by_key(|(case, finding)| (*case, finding.requirement));
    Ok(Share { generated, findings, checks: whole.checks, coverage: whole.coverage, reproducers })
}

/// Whether the case ends at a deadline.
fn hangs(case: &Case, player: &super::judge::Player) -> Result<bool, crate::executor::ExecutorError> {
    if case.fault.kind != Kind::Death {
        return Ok(false);
    }
    let played = player.play(&case.program)?;
    Ok(played
        .trace
        .iter()
        .any(|one| matches!(&one.outcome, Outcome::Died(death) if matches!(death.cause, Cause::Deadline(_)))))
}
