//! Makes a failing program small: fewer calls first, then simpler arguments, until no call can be dropped.
//!
//! Every attempt is a program that a correct host may play: with a handle goes all that depends on it, and with a
//! release that is dropped go the releases of what holds it. What fails is asked of the caller, attempt by attempt, so
//! that a crash or a hang in one attempt is no more than its answer.

mod simpler;

use std::collections::BTreeSet;

use crate::generate::sketch::{Refused, legalise};
use crate::program::{Call, Handle, Op, Program, Slot};

/// What shrinking came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The smallest failing program found.
    pub program: Program,
    /// Programs tried.
    pub attempts: usize,
    /// Whether it was seen that no call can be dropped; false where the attempts ran out before.
    pub minimal: bool,
}

/// Says whether a program still fails; an error ends the shrinking.
pub type Fails<'f, E> = dyn FnMut(&[Op]) -> Result<bool, E> + 'f;

/// Shrinks a failing program, with so many attempts at most.
///
/// # Errors
/// Those of `fails`.
pub fn shrink<E>(
    program: &[Op],
    refused: &Refused,
    most: usize,
    fails: &mut Fails<'_, E>,
) -> Result<Shrunk, E> {
    let mut work =
        Work { program: program.to_vec(), refused, attempts: 0, most, tried: BTreeSet::new(), fails };
    work.shorten()?;
    loop {
        let before = work.program.clone();
        work.drop_steps()?;
        work.merge()?;
        work.simplify()?;
        if same(&work.program, &before) || work.exhausted() {
            break;
        }
    }
    let minimal = !work.exhausted();
    Ok(Shrunk { program: renumber(&work.program), attempts: work.attempts, minimal })
}

struct Work<'w, 'f, E> {
    program: Program,
    refused: &'w Refused,
    attempts: usize,
    most: usize,
    /// Programs that did not fail: they are not tried again.
    tried: BTreeSet<String>,
    fails: &'w mut Fails<'f, E>,
}

impl<E> Work<'_, '_, E> {
    fn exhausted(&self) -> bool {
        self.attempts >= self.most
    }

    /// Tries a smaller program and keeps it if it fails too.
    fn attempt(&mut self, candidate: &[Op]) -> Result<bool, E> {
        let candidate = legalise(candidate, self.refused);
        if self.exhausted() || candidate.is_empty() || same(&candidate, &self.program) {
            return Ok(false);
        }
        if !self.tried.insert(format!("{candidate:?}")) {
            return Ok(false);
        }
        self.attempts += 1;
        let fails = (self.fails)(&candidate)?;
        if fails {
            self.program = candidate;
        }
        Ok(fails)
    }

    /// Cuts off the end: what comes behind the failure has no part in it.
    fn shorten(&mut self) -> Result<(), E> {
        let whole = self.program.clone();
        let (mut low, mut high) = (0, whole.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.attempt(&whole[..middle])? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(())
    }

    /// Drops steps, in large portions first.
    fn drop_steps(&mut self) -> Result<(), E> {
        let mut size = (places(&self.program).len() / 2).max(1);
        loop {
            let mut end = places(&self.program).len();
            while end > 0 {
                let all = places(&self.program);
                end = end.min(all.len());
                let start = end.saturating_sub(size);
                let gone: BTreeSet<Vec<usize>> = all[start..end].iter().cloned().collect();
                let candidate = without(&self.program, &gone, &mut Vec::new());
                self.attempt(&candidate)?;
                end = start;
            }
            if size == 1 {
                return Ok(());
            }
            size /= 2;
        }
    }

    /// Lets one context, or one model, serve for two.
    fn merge(&mut self) -> Result<(), E> {
        let binds = |program: &[Op]| {
            let made = places(program).into_iter().filter_map(|place| match step(program, &place) {
                Op::Call(call @ (Call::Init { bind, .. } | Call::LoadModel { bind, .. })) => {
                    Some((place, call.function(), *bind))
                }
                _ => None,
            });
            made.collect::<Vec<_>>()
        };
        let mut pair = (0, 1);
        loop {
            let made = binds(&self.program);
            let (Some(first), Some(second)) = (made.get(pair.0), made.get(pair.1)) else {
                pair = (pair.0 + 1, pair.0 + 2);
                if pair.1 >= made.len() {
                    return Ok(());
                }
                continue;
            };
            let (kept, gone) = (first.2, second.2);
            let merged = first.1 == second.1 && kept != gone && {
                let candidate = without(&self.program, &[second.0.clone()].into(), &mut Vec::new());
                self.attempt(&rename(&candidate, &|slot| if slot == gone { kept } else { slot }))?
            };
            if !merged {
                pair.1 += 1;
            }
        }
    }

    /// Replaces steps by simpler ones, each place again until nothing simpler fails.
    fn simplify(&mut self) -> Result<(), E> {
        let mut at = 0;
        while let Some(place) = places(&self.program).get(at).cloned() {
            let options = simpler::of(step(&self.program, &place));
            let mut better = false;
            for option in options {
                let mut candidate = self.program.clone();
                replace(&mut candidate, &place, option);
                if self.attempt(&candidate)? {
                    better = true;
                    break;
                }
            }
            if !better {
                at += 1;
            }
        }
        Ok(())
    }
}

/// Whether two programs are one: by what they look like, since NaN is no equal of itself.
fn same(a: &[Op], b: &[Op]) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

/// The places of all steps, those within others behind them.
pub fn places(program: &[Op]) -> Vec<Vec<usize>> {
    fn walk(program: &[Op], path: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        for (at, op) in program.iter().enumerate() {
            path.push(at);
            all.push(path.clone());
            match op {
                Op::Repeat(_, body) => walk(body, path, all),
                Op::Threads(bodies) => {
                    for (thread, body) in bodies.iter().enumerate() {
                        path.push(thread);
                        walk(body, path, all);
                        path.pop();
                    }
                }
                _ => {}
            }
            path.pop();
        }
    }
    let mut all = Vec::new();
    walk(program, &mut Vec::new(), &mut all);
    all
}

fn step<'p>(program: &'p [Op], place: &[usize]) -> &'p Op {
    let op = &program[place[0]];
    match (op, place.len()) {
        (_, 1) => op,
        (Op::Repeat(_, body), _) => step(body, &place[1..]),
        (Op::Threads(bodies), _) => step(&bodies[place[1]], &place[2..]),
        _ => op,
    }
}

/// Puts other steps in the place of one.
fn replace(program: &mut Program, place: &[usize], steps: Vec<Op>) {
    if place.len() == 1 {
        program.splice(place[0]..=place[0], steps);
        return;
    }
    match &mut program[place[0]] {
        Op::Repeat(_, body) => replace(body, &place[1..], steps),
        Op::Threads(bodies) => replace(&mut bodies[place[1]], &place[2..], steps),
        _ => {}
    }
}

/// The program without the steps at these places.
pub fn without(program: &[Op], gone: &BTreeSet<Vec<usize>>, path: &mut Vec<usize>) -> Program {
    let mut kept = Program::new();
    for (at, op) in program.iter().enumerate() {
        path.push(at);
        if !gone.contains(path) {
            kept.push(match op {
                Op::Repeat(times, body) => Op::Repeat(*times, without(body, gone, path)),
                Op::Threads(bodies) => {
                    let bodies = bodies.iter().enumerate().map(|(thread, body)| {
                        path.push(thread);
                        let body = without(body, gone, path);
                        path.pop();
                        body
                    });
                    Op::Threads(bodies.collect())
                }
                other => other.clone(),
            });
        }
        path.pop();
    }
    kept
}

/// The program with slots counted from 0 in the order in which they are bound: equal programs look equal.
pub fn renumber(program: &[Op]) -> Program {
    let mut order: Vec<Slot> = Vec::new();
    fn collect(program: &[Op], order: &mut Vec<Slot>) {
        for op in program {
            match op {
                Op::Call(call) => {
                    if let Some(bind) = call.bind().filter(|bind| !order.contains(bind)) {
                        order.push(bind);
                    }
                }
                Op::Repeat(_, body) => collect(body, order),
                Op::Threads(bodies) => bodies.iter().for_each(|body| collect(body, order)),
                _ => {}
            }
        }
    }
    collect(program, &mut order);
    // The context that asks for figures is known by its number.
    let number = |slot: Slot| {
        let at =
            order.iter().filter(|known| **known != crate::generate::KEEPER).position(|known| *known == slot);
        at.map_or(slot, |at| Slot(at as u32))
    };
    rename(program, &number)
}

fn rename(program: &[Op], number: &dyn Fn(Slot) -> Slot) -> Program {
    let handle = |handle: &mut Handle| {
        if let Handle::Slot(slot) = handle {
            *slot = number(*slot);
        }
    };
    program
        .iter()
        .map(|op| match op {
            Op::Call(call) => {
                let mut call = call.clone();
                match &mut call {
                    Call::Init { bind, .. } => *bind = number(*bind),
                    Call::LoadModel { bind, ctx: used, .. } | Call::Start { bind, model: used, .. } => {
                        *bind = number(*bind);
                        handle(used);
                    }
                    Call::Destroy { ctx: used }
                    | Call::ProcessVramUsage { ctx: used }
                    | Call::CheckHealth { ctx: used, .. }
                    | Call::UnloadModel { model: used }
                    | Call::ModelVramUsage { model: used }
                    | Call::CheckResidency { model: used, .. }
                    | Call::VramUsage { model: used }
                    | Call::NextToken { result: used, .. }
                    | Call::Free { result: used } => handle(used),
                    Call::DeviceCount | Call::ErrorMessage { .. } => {}
                }
                Op::Call(call)
            }
            Op::Drain { result, buffer, index, limit, pause_us } => {
                let mut result = *result;
                handle(&mut result);
                Op::Drain { result, buffer: *buffer, index: *index, limit: *limit, pause_us: *pause_us }
            }
            Op::Repeat(times, body) => Op::Repeat(*times, rename(body, number)),
            Op::Threads(bodies) => Op::Threads(bodies.iter().map(|body| rename(body, number)).collect()),
            other => other.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
