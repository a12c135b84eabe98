//! Which requirement a shrunk failure breaks: where an invariant shows only that something is wrong, what is left in the
//! program tells what made it so, since no call of it can be dropped.

use std::sync::Arc;

use worker_contract::RequirementId;

use super::judge::{Fault, Kind, Player};
use super::known::{KnownTexts, text_of};
use crate::executor::{ExecutorError, Options};
use crate::oracle::reference::{Key, KnownText, Texts};
use crate::oracle::{Finding, id};
use crate::program::{Call, Handle, Op, Out, Slot, Text};
use crate::trace::{Observation, Outcome, Returned, Token};

/// Requirements that say no more than that a good call works.
const GOOD_CALLS: [&str; 7] = ["DEV-02", "DEV-05", "LOAD-01", "INF-01", "INF-07", "HEALTH-01", "HEALTH-02"];

/// The requirement that a call with too small a buffer loses nothing, a SHOULD.
const LOSES_NOTHING: &str = "INF-10";

/// The findings of the fault under the requirement that it breaks.
///
/// # Errors
/// When the executor fails.
pub fn blame(player: &Player, trace: &[Observation], fault: &Fault) -> Result<Vec<Finding>, ExecutorError> {
    let mut findings = fault.findings.clone();
    let better = match fault.kind {
        Kind::Text => text(player, trace, fault)?,
        Kind::Growth => growth(trace, fault.main().requirement),
        Kind::Invariant if GOOD_CALLS.contains(&fault.main().requirement.as_str()) => {
            refused_before(&trace[..fault.at]).then(|| id("ERR-06"))
        }
        Kind::Invariant if fault.main().requirement.as_str() == LOSES_NOTHING => kept(player, trace, fault)?,
        Kind::Invariant | Kind::Death => None,
    };
    if let Some(requirement) = better {
        let main = fault.main().clone();
        let at = findings.iter().position(|finding| *finding == main).unwrap_or(0);
        findings[at].requirement = requirement;
        // Whether a refused token is kept stays the library's choice, whatever makes it lose one.
        if main.requirement.as_str() != LOSES_NOTHING {
            findings[at].level = requirement.requirement().level;
        }
        findings.swap(0, at);
    }
    Ok(findings)
}

/// Whether a call reported a failure.
fn refused_before(trace: &[Observation]) -> bool {
    trace.iter().any(|one| match (&one.outcome, one.call()) {
        (Outcome::Returned(returned), Some(call)) => {
            let failed = returned.written_code().is_some_and(|code| code != 0);
            failed || (call.bind().is_some() && returned.handle().is_none())
        }
        _ => false,
    })
}

fn growth(trace: &[Observation], found: RequirementId) -> Option<RequirementId> {
    if found.as_str() != "VRAM-04" {
        return None;
    }
    let made = |wanted: &dyn Fn(&Call) -> bool, worked: bool| {
        trace.iter().skip(1).any(|one| {
            let handle = one.returned().is_some_and(|returned| returned.handle().is_some());
            one.call().is_some_and(wanted) && handle == worked && one.returned().is_some()
        })
    };
    let load = |call: &Call| matches!(call, Call::LoadModel { .. });
    let start = |call: &Call| matches!(call, Call::Start { .. });
    let init = |call: &Call| matches!(call, Call::Init { .. });
    let name = if made(&start, true) {
        "INF-12"
    } else if made(&start, false) || made(&init, false) {
        "VRAM-04"
    } else if made(&load, false) {
        "LOAD-08"
    } else if made(&load, true) {
        "LOAD-09"
    } else if made(&init, true) {
        "DEV-06"
    } else {
        "VRAM-04"
    };
    Some(id(name))
}

/// A job as a trace shows it.
struct Job {
    key: Key,
    slot: Slot,
    model: Slot,
    max_tokens: i32,
    seed: u64,
    /// Position of its start.
    at: usize,
    tokens: Vec<Call>,
}

fn job(trace: &[Observation], at: usize) -> Option<Job> {
    let Some(Call::NextToken { result: Handle::Slot(slot), .. }) = trace.get(at)?.call() else { return None };
    let (start_at, start) = trace[..at].iter().enumerate().rev().find_map(|(at, one)| match one.call() {
        Some(call @ Call::Start { bind, .. }) if bind == slot => Some((at, call)),
        _ => None,
    })?;
    let Call::Start {
        model: Handle::Slot(model),
        prompt: Text::Bytes(prompt),
        max_tokens,
        temperature,
        seed,
        ..
    } = start
    else {
        return None;
    };
    let path = path_of(&trace[..start_at], *model)?;
    let tokens = trace[start_at..=at].iter().filter_map(|one| match one.call() {
        Some(call @ Call::NextToken { result: Handle::Slot(result), .. }) if result == slot => {
            Some(call.clone())
        }
        _ => None,
    });
    Some(Job {
        key: Key::new(path, prompt, *temperature, *seed),
        slot: *slot,
        model: *model,
        max_tokens: *max_tokens,
        seed: *seed,
        at: start_at,
        tokens: tokens.collect(),
    })
}

fn path_of(trace: &[Observation], model: Slot) -> Option<&[u8]> {
    trace.iter().rev().find_map(|one| match one.call() {
        Some(Call::LoadModel { bind, path: Text::Bytes(path), .. }) if *bind == model => {
            Some(path.as_slice())
        }
        _ => None,
    })
}

/// The job of a call for a token, and the text that it gives alone.
fn known_job(player: &Player, trace: &[Observation], at: usize) -> Option<(Job, Arc<KnownText>)> {
    let job = job(trace, at)?;
    let known = player.texts().text(&job.key, job.max_tokens)?;
    Some((job, known))
}

/// A wrong text: the job's own arguments first, then what ran before and beside it.
fn text(
    player: &Player,
    trace: &[Observation],
    fault: &Fault,
) -> Result<Option<RequirementId>, ExecutorError> {
    let Some((job, known)) = known_job(player, trace, fault.at) else { return Ok(None) };
    let repeatable = if job.key.is_greedy() { "DET-03" } else { "DET-05" };
    let alone = Alone { player, known: &known };
    // The control itself, once more: a library that differs from process to process needs no further cause.
    let (canonical, longest) = (1, known.pieces.len().max(1) as i32);
    let plain: Vec<Call> = (0..job.tokens.len().max(known.pieces.len())).map(|_| plain(&job)).collect();
    for _ in 0..3 {
        if !alone.agrees(&job, canonical, longest.max(job.max_tokens), &plain)? {
            return Ok(Some(id(repeatable)));
        }
    }
    if !alone.agrees(&job, job.seed, job.max_tokens, &job.tokens)? {
        let name = if job.key.is_greedy() && alone.agrees(&job, canonical, job.max_tokens, &job.tokens)? {
            "DET-04"
        } else if alone.agrees(&job, job.seed, longest.max(job.max_tokens), &job.tokens)? {
            "DET-07"
        } else if alone.agrees(&job, job.seed, job.max_tokens, &plain)? {
            "DET-09"
        } else {
            repeatable
        };
        return Ok(Some(id(name)));
    }
    Ok(Some(id(history(trace, &job, fault.at))))
}

/// A wrong text after a refused buffer: what else the program does, if the job alone keeps what was refused.
fn kept(
    player: &Player,
    trace: &[Observation],
    fault: &Fault,
) -> Result<Option<RequirementId>, ExecutorError> {
    let Some((job, known)) = known_job(player, trace, fault.at) else { return Ok(None) };
    let given = trace[job.at..fault.at].iter().filter(|one| {
        let own = one.call().and_then(Call::handle) == Some(Handle::Slot(job.slot));
        own && one.returned().is_some_and(Returned::is_true)
    });
    let piece = known.pieces.get(given.count()).cloned();
    let found = trace[fault.at].returned().and_then(|returned| returned.text.clone());
    // The right text with the wrong index is another matter.
    if found == piece.map(Token::Bytes) {
        return Ok(None);
    }
    let alone = Alone { player, known: &known };
    let keeps = alone.agrees(&job, job.seed, job.max_tokens, &job.tokens)?;
    Ok(keeps.then(|| id(history(trace, &job, fault.at))))
}

fn plain(job: &Job) -> Call {
    Call::NextToken {
        result: Handle::Slot(job.slot),
        buffer: crate::program::Buffer::of(4096),
        index: Out::Given,
        code: Out::Given,
    }
}

/// Plays a job alone in an empty process.
struct Alone<'a> {
    player: &'a Player,
    known: &'a KnownText,
}

impl Alone<'_> {
    /// Whether it gives the known text, as far as it gives any.
    fn agrees(&self, job: &Job, seed: u64, max_tokens: i32, tokens: &[Call]) -> Result<bool, ExecutorError> {
        let seed = if job.key.is_greedy() { seed } else { job.key.seed };
        let mut program = KnownTexts::program(&job.key, max_tokens, Some(seed));
        program.pop();
        for token in tokens {
            let mut token = token.clone();
            if let Call::NextToken { result, .. } = &mut token {
                *result = Handle::Slot(Slot(2));
            }
            program.push(Op::Call(token));
        }
        let mut session = self.player.executor().session(&Options::default())?;
        let trace = session.run(&program)?;
        session.finish();
        let most = max_tokens.min(tokens.len() as i32);
        let Some(found) = text_of(&trace, most) else { return Ok(true) };
        let shared = found.pieces.len().min(self.known.pieces.len());
        let early = found.ends && found.pieces.len() < self.known.pieces.len();
        Ok(!early && found.pieces[..shared] == self.known.pieces[..shared])
    }
}

/// What is left in the program besides the job.
fn history(trace: &[Observation], job: &Job, at: usize) -> &'static str {
    let greedy = job.key.is_greedy();
    if trace.get(at).is_some_and(|one| one.thread != 0) {
        return "THR-03";
    }
    let calls = |range: std::ops::Range<usize>| trace[range].iter().filter_map(Observation::call);
    let own = |call: &Call| call.bind() == Some(job.slot) || call.handle() == Some(Handle::Slot(job.slot));
    // Between its start and the wrong token.
    let beside: Vec<&Call> = calls(job.at..at).filter(|call| !own(call)).collect();
    let mut open: Vec<Slot> = Vec::new();
    for one in &trace[..at] {
        match one.call() {
            Some(Call::Start { bind, model: Handle::Slot(model), .. })
                if *model == job.model
                    && *bind != job.slot
                    && one.returned().is_some_and(|returned| returned.handle().is_some()) =>
            {
                open.push(*bind);
            }
            Some(Call::Free { result: Handle::Slot(freed) }) => open.retain(|job| job != freed),
            _ => {}
        }
    }
    if !open.is_empty() {
        return "INF-15";
    }
    let asks = |call: &&Call| {
        matches!(
            call,
            Call::CheckHealth { .. }
                | Call::CheckResidency { .. }
                | Call::VramUsage { .. }
                | Call::ModelVramUsage { .. }
                | Call::ProcessVramUsage { .. }
        )
    };
    if beside.iter().any(asks) {
        return "HEALTH-03";
    }
    if refused_before(&trace[..at]) {
        return "ERR-06";
    }
    let own_load = calls(0..job.at).enumerate().filter_map(|(at, call)| match call {
        Call::LoadModel { bind, ctx, .. } if *bind == job.model => Some((at, *ctx)),
        _ => None,
    });
    let Some((loaded_at, ctx)) = own_load.last() else { return "DET-08" };
    let others: Vec<(usize, &Call)> = calls(0..at)
        .enumerate()
        .filter(|(_, call)| matches!(call, Call::LoadModel { bind, .. } if *bind != job.model))
        .collect();
    let lives_beside = |(other_at, call): &(usize, &Call)| {
        let Call::LoadModel { bind, ctx: other, .. } = call else { return false };
        let unloaded = calls(0..at)
            .position(|call| matches!(call, Call::UnloadModel { model } if *model == Handle::Slot(*bind)));
        *other == ctx && unloaded.is_none_or(|unloaded| unloaded > loaded_at.max(*other_at))
    };
    if others.iter().any(lives_beside) {
        return "LOAD-12";
    }
    let again = calls(0..job.at).any(|call| match call {
        Call::Start { bind, model, prompt: Text::Bytes(prompt), temperature, seed, .. } => {
            let key = Key::new(&job.key.model, prompt, *temperature, *seed);
            *bind != job.slot && *model == Handle::Slot(job.model) && key == job.key
        }
        _ => false,
    });
    if again {
        return if greedy { "DET-01" } else { "DET-05" };
    }
    let reloaded = others.iter().any(
        |(_, call)| matches!(call, Call::LoadModel { path: Text::Bytes(path), .. } if *path == job.key.model),
    );
    if reloaded {
        return if greedy { "DET-02" } else { "DET-05" };
    }
    "DET-08"
}
