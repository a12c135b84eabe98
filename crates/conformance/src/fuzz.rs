//! Fuzzing: generated programs against one library, until one fails or the time is over.

pub mod blame;
pub mod command;
pub mod coverage;
pub mod failure;
pub mod judge;
pub mod kept;
pub mod known;
pub mod models;
pub mod share;
pub mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use worker_contract::RequirementId;

use crate::executor::ExecutorError;
use crate::generate;
use crate::oracle::{Finding, Note};
use crate::program::Program;
use crate::verdict::{Conformance, Shard};
use coverage::Coverage;
pub use failure::{Failing, Steadiness};
use judge::{Fault, Kind, Player};

/// How long and how far.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What the programs are drawn from.
    pub seed: u64,
    /// The first case.
    pub first: u64,
    /// Most cases.
    pub cases: u64,
    /// Longest time.
    pub time: Option<Duration>,
    /// Programs at a time.
    pub jobs: usize,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// Whether SHOULDs count.
    pub level: Conformance,
    /// Requirements that do not count: they are waived, or known to be broken.
    pub ignored: BTreeSet<RequirementId>,
    /// Most programs to try to make one failure small.
    pub attempts: usize,
    /// Processes that may die before no more cases are begun.
    pub deaths: u64,
    /// The part of the cases that is played.
    pub shard: Option<Shard>,
}

/// A case that failed, as it was generated.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its number.
    pub number: u64,
    /// What was played.
    pub program: Program,
    /// What was wrong.
    pub fault: Fault,
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Summary {
    /// Cases played.
    pub cases: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// What they reached.
    pub coverage: Coverage,
    /// The cases that failed: few of each sort, by number.
    pub failing: Vec<Case>,
    /// SHOULDs that were found broken, where they do not count.
    pub warnings: BTreeMap<RequirementId, (u64, Finding)>,
    /// Choices that the library took.
    pub notes: Vec<Note>,
    /// Judgements by requirement.
    pub checks: BTreeMap<RequirementId, u64>,
    /// Processes that died.
    pub deaths: u64,
}

/// Cases kept of one sort of fault.
const KEPT: usize = 2;

/// What is told while cases are played: how many are done, and how many failed.
pub type Tell<'t> = dyn Fn(u64, usize) + Sync + 't;

/// Plays generated cases.
///
/// # Errors
/// When the executor fails.
pub fn play(player: &Player, limits: &Limits, tell: &Tell<'_>) -> Result<Summary, ExecutorError> {
    let started = Instant::now();
    let (next, last) = (AtomicU64::new(limits.first), AtomicU64::new(limits.first + limits.cases));
    let summary = Mutex::new(Summary::default());
    let error = Mutex::new(None);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let late = limits.time.is_some_and(|time| started.elapsed() >= time);
            if late || number >= last.load(Ordering::SeqCst) {
                return;
            }
            if limits.shard.is_some_and(|shard| !shard.has(&share::place(number))) {
                continue;
            }
            let program = generate::program(limits.seed, number, player.menu());
            let played = match player.play(&program) {
                Ok(played) => played,
                Err(failed) => {
                    *lock(&error) = Some(failed);
                    last.store(0, Ordering::SeqCst);
                    return;
                }
            };
            let mut summary = lock(&summary);
            summary.cases += 1;
            summary.deaths += u64::from(played.died);
            summary.coverage.absorb(&played.coverage);
            for (requirement, count) in &played.checks {
                *summary.checks.entry(*requirement).or_default() += count;
            }
            for note in &played.notes {
                if !summary.notes.contains(note) {
                    summary.notes.push(note.clone());
                }
            }
            let failed = summary.take(number, &program, &played.faults, limits);
            if (failed && !limits.keep_going) || summary.deaths >= limits.deaths {
                // Cases with lower numbers are still played to the end, so that the first failure is always the same.
                last.fetch_min(number, Ordering::SeqCst);
            }
            tell(summary.cases, summary.failing.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..limits.jobs.max(1) {
            // Where there are no threads left, fewer do the same.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    if let Some(error) = lock(&error).take() {
        return Err(error);
    }
    let mut summary = std::mem::take(&mut *lock(&summary));
    summary.failing.sort_by_key(|case| case.number);
    summary.notes.sort();
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

impl Summary {
    /// Adds the cases that followed.
    fn absorb(&mut self, other: Summary) {
        self.cases += other.cases;
        self.seconds += other.seconds;
        self.deaths += other.deaths;
        self.coverage.absorb(&other.coverage);
        for case in other.failing {
            let same = self.failing.iter().filter(|known| known.fault.is_like(&case.fault)).count();
            if same < KEPT {
                self.failing.push(case);
            }
        }
        for (requirement, found) in other.warnings {
            self.warnings.entry(requirement).or_insert(found);
        }
        for (requirement, count) in other.checks {
            *self.checks.entry(requirement).or_default() += count;
        }
        self.notes.extend(other.notes);
    }

    /// Keeps what counts of a case's faults; whether there was any.
    fn take(&mut self, number: u64, program: &Program, faults: &[Fault], limits: &Limits) -> bool {
        let mut failed = false;
        for fault in faults {
            let counted: Vec<Finding> = fault
                .findings
                .iter()
                // What a wrong text breaks is known only when the program is small.
                .filter(|finding| fault.kind == Kind::Text || !limits.ignored.contains(&finding.requirement))
                .cloned()
                .collect();
            if counted.is_empty() {
                continue;
            }
            let fault = Fault { findings: counted, ..fault.clone() };
            if !fault.is_must() && limits.level == Conformance::Core {
                let finding = fault.main().clone();
                let kept =
                    self.warnings.entry(finding.requirement).or_insert_with(|| (number, finding.clone()));
                if number < kept.0 {
                    *kept = (number, finding);
                }
                continue;
            }
            failed = true;
            // The lowest numbers of each sort are kept, whichever was played first.
            let like = |case: &&Case| fault.is_like(&case.fault) && case.fault.is_like(&fault);
            let same: Vec<u64> = self.failing.iter().filter(like).map(|case| case.number).collect();
            if same.contains(&number) {
                continue;
            }
            if same.len() >= KEPT {
                let highest = same.iter().copied().max().unwrap_or(0);
                if highest < number {
                    continue;
                }
                self.failing.retain(|case| !(case.number == highest && fault.is_like(&case.fault)));
            }
            self.failing.push(Case { number, program: program.clone(), fault });
        }
        failed
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
