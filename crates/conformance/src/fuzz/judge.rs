//! Plays one program and judges its trace: by the oracle's invariants, by known texts, and by growth over rounds.

use std::sync::Arc;

use worker_contract::{Function, Level};

use super::coverage::Coverage;
use super::known::KnownTexts;
use crate::executor::{Executor, ExecutorError, Options};
use crate::generate::{KEEPER, Menu};
use crate::oracle::reference::{Reference, Texts};
use crate::oracle::{Facts, Finding, Note, Oracle, id};
use crate::program::{Call, Handle, Op, Program, Text};
use crate::steps::rounds::{A_WHILE, DESCRIPTORS, HOST, growth, is_given_back, measured};
use crate::trace::{Cause, Event, Observation, Outcome};

/// Growth is confirmed over so many times the rounds that it first showed in.
pub const CONFIRMED: u32 = 3;
/// Host memory may be collected within so many times the rounds, 240 in all, and given back in a while after them.
const COLLECTED: u32 = 20;

/// What a fault is about, as far as shrinking must keep to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An invariant of single calls.
    Invariant,
    /// The process died in a call.
    Death,
    /// A job's text is another than it gives alone.
    Text,
    /// Something grows from round to round.
    Growth,
}

/// Something wrong at one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub kind: Kind,
    /// The function called, if it was a call.
    pub function: Option<Function>,
    /// What is broken; the first is the one that names the fault.
    pub findings: Vec<Finding>,
    /// Position of the observation in the trace.
    pub at: usize,
}

impl Fault {
    /// The finding that names the fault: the first MUST, or the first.
    pub fn main(&self) -> &Finding {
        let must = self.findings.iter().find(|finding| finding.level == Level::Must);
        must.unwrap_or(&self.findings[0])
    }

    /// Whether a MUST is broken.
    pub fn is_must(&self) -> bool {
        self.main().level == Level::Must
    }

    /// Whether another fault is the same one in another program.
    pub fn is_like(&self, other: &Fault) -> bool {
        self.kind == other.kind
            && self.function == other.function
            && (matches!(self.kind, Kind::Death | Kind::Text)
                || other.findings.iter().any(|one| one.requirement == self.main().requirement))
    }
}

/// What came of one program.
#[derive(Debug, Default)]
pub struct Played {
    /// What is wrong, in the order in which it showed.
    pub faults: Vec<Fault>,
    /// Choices that the library took.
    pub notes: Vec<Note>,
    /// The judgements made, by requirement.
    pub checks: std::collections::BTreeMap<worker_contract::RequirementId, u64>,
    /// What was reached.
    pub coverage: Coverage,
    /// The trace.
    pub trace: Vec<Observation>,
    /// Whether the process died.
    pub died: bool,
}

/// Plays programs on one library.
pub struct Player {
    executor: Arc<Executor>,
    facts: Facts,
    menu: Arc<Menu>,
    texts: Arc<KnownTexts>,
    tolerance: u64,
}

impl Player {
    /// For the library of the executor.
    pub fn new(executor: Arc<Executor>, facts: Facts, menu: Arc<Menu>, tolerance: u64) -> Self {
        let contexts =
            facts.models.iter().map(|(path, known)| (path.clone(), known.context_length)).collect();
        let texts = Arc::new(KnownTexts::new(Arc::clone(&executor), contexts));
        Self { executor, facts, menu, texts, tolerance }
    }

    /// What programs draw from.
    pub fn menu(&self) -> &Menu {
        &self.menu
    }

    /// Facts about models and devices.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The texts that are known.
    pub fn texts(&self) -> &Arc<KnownTexts> {
        &self.texts
    }

    /// The runner of programs.
    pub fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    /// A judge that knows what there is to know.
    pub fn oracle(&self) -> Oracle {
        let texts: Arc<dyn Texts> = Arc::clone(&self.texts) as Arc<dyn Texts>;
        Oracle::with_reference(self.facts.clone(), Reference::new(texts, self.menu.refusals()))
    }

    /// Plays a program in a process of its own and judges it.
    ///
    /// # Errors
    /// When the executor fails.
    pub fn play(&self, program: &[Op]) -> Result<Played, ExecutorError> {
        let trace = self.trace(program)?;
        let mut played = self.judge(trace);
        if let Some(fault) = self.grown(program, &played)? {
            played.faults.push(fault);
        }
        Ok(played)
    }

    fn trace(&self, program: &[Op]) -> Result<Vec<Observation>, ExecutorError> {
        let mut session = self.executor.session(&Options::default())?;
        let mut trace = session.run(program)?;
        trace.extend(session.finish());
        Ok(trace)
    }

    /// Judges a trace call by call.
    pub fn judge(&self, trace: Vec<Observation>) -> Played {
        let mut oracle = self.oracle();
        let mut played = Played::default();
        for (at, observation) in trace.iter().enumerate() {
            let before = oracle.verdicts().findings.len();
            played.coverage.observe(observation, oracle.state());
            oracle.observe(observation);
            let findings = oracle.verdicts().findings[before..].to_vec();
            let wrong_text = oracle.reference().and_then(Reference::take_wrong_text).is_some();
            let dead = matches!(&observation.outcome, Outcome::Died(death) if !matches!(death.cause, Cause::Patience(_)));
            played.died |= matches!(observation.outcome, Outcome::Died(_));
            if findings.is_empty() {
                continue;
            }
            let kind = match (dead, wrong_text) {
                (true, _) => Kind::Death,
                (_, true) => Kind::Text,
                _ => Kind::Invariant,
            };
            played.faults.push(Fault {
                kind,
                function: observation.call().map(Call::function),
                findings,
                at,
            });
        }
        let verdicts = oracle.into_verdicts();
        played.notes = verdicts.notes;
        played.checks = verdicts.checks;
        played.trace = trace;
        played
    }

    /// VRAM-04 and its kin: what a program in rounds takes more of each time. It has to do so in a second process too,
    /// over more rounds, so that what a library keeps of its first dozen is no leak.
    fn grown(&self, program: &[Op], played: &Played) -> Result<Option<Fault>, ExecutorError> {
        if !is_in_rounds(program) || played.died {
            return Ok(None);
        }
        let Some(first) = self.growths(&played.trace).into_iter().next() else { return Ok(None) };
        let longer = |more: u32, end: &[Op]| {
            let longer = |op: &Op| match op {
                Op::Repeat(times, body) => Op::Repeat(times * more, body.clone()),
                other => other.clone(),
            };
            self.trace(&program.iter().map(longer).chain(end.iter().cloned()).collect::<Vec<_>>())
        };
        let again = self.growths(&longer(CONFIRMED, &[])?);
        let Some(found) = again.into_iter().find(|(requirement, ..)| *requirement == first.0) else {
            return Ok(None);
        };
        let (requirement, what, from, to) = found;
        if ["MEM-05", "PROC-03"].contains(&requirement) {
            let trace = longer(COLLECTED, &[Op::Rest(A_WHILE), Op::Measure])?;
            let figure = if requirement == "MEM-05" { HOST } else { DESCRIPTORS };
            if is_given_back(&measured(&trace, figure)) {
                return Ok(None);
            }
        }
        let requirement = id(requirement);
        let finding = Finding {
            requirement,
            level: requirement.requirement().level,
            call: format!("{} rounds of the program", crate::generate::ROUNDS * CONFIRMED),
            expected: format!("{what} does not grow from round to round"),
            observed: format!("from {from} to {to}"),
        };
        let at = played.trace.len().saturating_sub(1);
        Ok(Some(Fault { kind: Kind::Growth, function: None, findings: vec![finding], at }))
    }

    fn growths(&self, trace: &[Observation]) -> Vec<(&'static str, &'static str, u64, u64)> {
        let usage = trace.iter().filter_map(|one| match &one.event {
            Event::Call(Call::ProcessVramUsage { ctx: Handle::Slot(slot) }) if *slot == KEEPER => {
                one.returned()?.bytes()
            }
            _ => None,
        });
        let series = [
            ("VRAM-04", "process VRAM usage in bytes", usage.collect::<Vec<_>>(), self.tolerance),
            ("PROC-03", "the number of open descriptors", measured(trace, DESCRIPTORS), 0),
            ("MEM-05", "host memory in bytes", measured(trace, HOST), crate::steps::rounds::HOST_NOISE),
        ];
        let grown = |(requirement, what, series, noise): (&'static str, &'static str, Vec<u64>, u64)| {
            growth(&series, noise).map(|(from, to)| (requirement, what, from, to))
        };
        series.into_iter().filter_map(grown).collect()
    }
}

/// Whether a program repeats its steps and asks for figures.
pub fn is_in_rounds(program: &[Op]) -> bool {
    program.iter().any(|op| matches!(op, Op::Repeat(_, body) if body.contains(&Op::Measure)))
}

/// The program in words, one step a line.
pub fn lines(program: &Program, menu: &Menu) -> Vec<String> {
    fn tell(op: &Op, menu: &Menu, indent: usize, lines: &mut Vec<String>) {
        let margin = "  ".repeat(indent);
        match op {
            Op::Call(call) => {
                let bind = call.bind().map_or(String::new(), |slot| format!("#{} = ", slot.0));
                let mut call = call.clone();
                if let Call::LoadModel { path: Text::Bytes(path), .. } = &mut call
                    && let Some(name) = menu.name(path)
                {
                    *path = name.as_bytes().to_vec();
                }
                lines.push(format!("{margin}{bind}{call}"));
            }
            Op::Drain { result, limit, buffer, .. } => {
                lines.push(format!("{margin}up to {limit} tokens of {result}, buffer {buffer}"));
            }
            Op::Threads(bodies) => {
                for (at, body) in bodies.iter().enumerate() {
                    lines.push(format!("{margin}on thread {}:", at + 1));
                    body.iter().for_each(|op| tell(op, menu, indent + 1, lines));
                }
            }
            Op::Repeat(times, body) => {
                lines.push(format!("{margin}{times} times:"));
                body.iter().for_each(|op| tell(op, menu, indent + 1, lines));
            }
            Op::Measure => lines.push(format!("{margin}measure the process")),
            other => lines.push(format!("{margin}{other:?}")),
        }
    }
    let mut lines = Vec::new();
    program.iter().for_each(|op| tell(op, menu, 0, &mut lines));
    lines
}
