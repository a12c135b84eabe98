//! Defects deep in the state: wrong only after one particular sequence of calls, which no scenario makes.

use std::sync::Mutex;

use super::{Defect, on};
use crate::code::ErrorCode;
use crate::model::Model;

/// What these defects remember of the calls so far.
struct Memory {
    /// Models that live, the eldest first.
    models: Vec<Seen>,
    /// Jobs that are open, the eldest first.
    jobs: Vec<Open>,
    /// The next number of a job.
    next: u64,
    /// Model and tokens of the job that was freed last, if its last call was refused.
    refused: Option<(usize, i32)>,
    /// Usage that nobody holds, by model.
    stray: Vec<(usize, u64)>,
    /// A load failed.
    load_failed: bool,
    /// No job starts any more.
    broken: bool,
    /// Another context went in the middle of a job.
    closed: bool,
}

struct Seen {
    model: usize,
    /// The thread that loaded it.
    thread: u64,
    used: bool,
    /// An elder model of its context went while it was there.
    bereaved: bool,
}

struct Open {
    number: u64,
    model: usize,
    sampled: bool,
    seed: u64,
    given: i32,
    refused: bool,
    ended: bool,
    spoilt: bool,
    /// Added to its indices.
    offset: i32,
    /// Another job began after this one had ended.
    followed: bool,
}

static MEMORY: Mutex<Memory> = Mutex::new(Memory {
    models: Vec::new(),
    jobs: Vec::new(),
    next: 1,
    refused: None,
    stray: Vec::new(),
    load_failed: false,
    broken: false,
    closed: false,
});

/// The defects that need the memory.
const DEEP: [Defect; 10] = [
    Defect::MiddleFreeHarms,
    Defect::ThirdLoadResets,
    Defect::IndexOfOtherModel,
    Defect::ElderFreeKeepsUsage,
    Defect::RefusedStartDraws,
    Defect::ElderUnloadEvicts,
    Defect::DestroyForgetsJobs,
    Defect::EndForgotten,
    Defect::UnusedUnloadBreaks,
    Defect::SeedOfNeighbour,
];

fn any() -> bool {
    DEEP.iter().any(|defect| on(*defect))
}

fn with<T>(change: impl FnOnce(&mut Memory) -> T, otherwise: T) -> T {
    if !any() {
        return otherwise;
    }
    MEMORY.lock().map(|mut memory| change(&mut memory)).unwrap_or(otherwise)
}

fn address(model: &Model) -> usize {
    std::ptr::from_ref(model) as usize
}

/// A model was loaded. It is told by where its weights are accounted, since it has not come to rest yet.
pub(crate) fn loaded(model: &Model) {
    with(
        |memory| {
            let thread = super::thread();
            let own: Vec<usize> =
                memory.models.iter().filter(|seen| seen.thread == thread).map(|seen| seen.model).collect();
            if own.len() >= 2 && on(Defect::ThirdLoadResets) {
                let eldest = own[0];
                let midway = memory.jobs.iter_mut().filter(|job| job.model == eldest && job.given > 0);
                midway.for_each(|job| job.spoilt = true);
            }
            memory.models.push(Seen { model: address(model), thread, used: false, bereaved: false });
        },
        (),
    );
}

/// A load failed.
pub(crate) fn load_failed() {
    with(|memory| memory.load_failed = true, ());
}

/// A model goes.
pub(crate) fn unloading(model: &Model) {
    with(
        |memory| {
            let Some(at) = memory.models.iter().position(|seen| seen.model == address(model)) else { return };
            let gone = memory.models.remove(at);
            memory.stray.retain(|(model, _)| *model != gone.model);
            memory.models[at..].iter_mut().for_each(|seen| seen.bereaved = true);
            memory.broken |= !gone.used && memory.load_failed;
        },
        (),
    );
}

/// A context goes.
pub(crate) fn closed() {
    with(|memory| memory.closed |= memory.jobs.iter().any(|job| job.given > 0), ());
}

/// A start was refused for a range.
pub(crate) fn start_refused() {
    with(
        |memory| {
            if on(Defect::RefusedStartDraws) {
                memory
                    .jobs
                    .iter_mut()
                    .filter(|job| job.sampled && job.given > 0 && job.refused)
                    .for_each(|job| job.spoilt = true);
            }
        },
        (),
    );
}

/// A start with good arguments begins.
pub(crate) fn starting() -> Result<(), ErrorCode> {
    let broken = with(|memory| memory.broken && on(Defect::UnusedUnloadBreaks), false);
    if broken { Err(ErrorCode::InferenceFailed) } else { Ok(()) }
}

/// The seed that a job draws with.
pub(crate) fn seed(model: &Model, temperature: f32, seed: u64) -> u64 {
    with(
        |memory| {
            let neighbour = memory.jobs.iter().find(|job| job.model == address(model) && !job.sampled);
            match neighbour {
                Some(job) if on(Defect::SeedOfNeighbour) && temperature > 0.0 => job.seed,
                _ => seed,
            }
        },
        seed,
    )
}

/// A job began; its number.
pub(crate) fn started(model: &Model, temperature: f32, seed: u64) -> u64 {
    with(
        |memory| {
            let number = memory.next;
            memory.next += 1;
            let model = address(model);
            memory.models.iter_mut().filter(|seen| seen.model == model).for_each(|seen| seen.used = true);
            memory
                .jobs
                .iter_mut()
                .filter(|job| job.model == model && job.ended)
                .for_each(|job| job.followed = true);
            let offset = match memory.refused {
                Some((other, given)) if other != model && on(Defect::IndexOfOtherModel) => given,
                _ => 0,
            };
            memory.jobs.push(Open {
                number,
                model,
                sampled: temperature > 0.0,
                seed,
                given: 0,
                refused: false,
                ended: false,
                spoilt: false,
                offset,
                followed: false,
            });
            number
        },
        0,
    )
}

fn of<T>(number: u64, change: impl FnOnce(&mut Open) -> T, otherwise: T) -> T
where
    T: Copy,
{
    with(
        |memory| memory.jobs.iter_mut().find(|job| job.number == number).map_or(otherwise, change),
        otherwise,
    )
}

/// A token of a job was given.
pub(crate) fn given(number: u64) {
    of(
        number,
        |job| {
            job.given += 1;
            job.refused = false;
        },
        (),
    );
}

/// A buffer of a job was refused.
pub(crate) fn refused(number: u64) {
    of(number, |job| job.refused = true, ());
}

/// A job came to its end; whether it begins again.
pub(crate) fn ended(number: u64) -> bool {
    of(
        number,
        |job| {
            let again = job.ended && job.followed && on(Defect::EndForgotten);
            job.ended = true;
            job.followed = false;
            again
        },
        false,
    )
}

/// Whether the next token of a job is another.
pub(crate) fn spoils(number: u64) -> bool {
    of(number, |job| std::mem::take(&mut job.spoilt), false)
}

/// What is added to the indices of a job.
pub(crate) fn offset(number: u64) -> i32 {
    of(number, |job| job.offset, 0)
}

/// A job goes, and with it so many bytes.
pub(crate) fn freed(number: u64, bytes: u64) {
    with(
        |memory| {
            let Some(at) = memory.jobs.iter().position(|job| job.number == number) else { return };
            let gone = memory.jobs.remove(at);
            memory.refused = gone.refused.then_some((gone.model, gone.given));
            let younger: Vec<usize> =
                (at..memory.jobs.len()).filter(|&job| memory.jobs[job].model == gone.model).collect();
            let elder = memory.jobs[..at].iter().any(|job| job.model == gone.model);
            if elder && on(Defect::MiddleFreeHarms) {
                younger.iter().for_each(|&job| memory.jobs[job].spoilt = true);
            }
            if !elder && !younger.is_empty() && on(Defect::ElderFreeKeepsUsage) {
                memory.stray.push((gone.model, bytes.min(64)));
            }
        },
        (),
    );
}

/// Usage of a model that nobody holds.
pub(crate) fn stray(model: &Model) -> u64 {
    with(
        |memory| memory.stray.iter().filter(|(of, _)| *of == address(model)).map(|(_, bytes)| bytes).sum(),
        0,
    )
}

/// Whether a residency check fails.
pub(crate) fn evicted(model: &Model) -> bool {
    with(
        |memory| {
            let open = memory.jobs.iter().any(|job| job.model == address(model));
            let bereaved = memory.models.iter().any(|seen| seen.model == address(model) && seen.bereaved);
            open && bereaved && on(Defect::ElderUnloadEvicts)
        },
        false,
    )
}

/// Whether process usage leaves out half of what there is.
pub(crate) fn forgets() -> bool {
    with(|memory| memory.closed && on(Defect::DestroyForgetsJobs), false)
}
