//! Generates conversations: seeded programs of a correct host that goes everywhere the contract lets it go.
//!
//! The reference model of the host's side, [`sketch::Sketch`], drives `proptest-state-machine`: what may be called next
//! depends on what is open. What the library may answer is the oracle's affair.

pub mod menu;
mod moves;
pub mod sketch;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

pub use menu::Menu;
use sketch::Sketch;

use crate::program::{Call, Device, Handle, Op, Out, Program, Slot};

/// Most steps of a generated program, the closing ones aside.
pub const LONGEST: usize = 52;
/// Rounds of a program that looks for growth: a third is warm-up, and the rest must show a slope.
pub const ROUNDS: u32 = 12;
/// One program of so many is played in rounds.
const ROUNDS_EVERY: u64 = 20;
/// Slot of the context that asks for figures after each round.
pub const KEEPER: Slot = Slot(60_000);

/// The conversation as a state machine.
struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Sketch;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Sketch> {
        Just(Sketch::default()).boxed()
    }

    fn transitions(state: &Sketch) -> BoxedStrategy<Op> {
        moves::from(state)
    }

    fn apply(mut state: Sketch, op: &Op) -> Sketch {
        state.apply(op);
        state
    }

    fn preconditions(state: &Sketch, op: &Op) -> bool {
        state.permits(op)
    }
}

/// The program of a case: the same for a seed and a number, on every machine, but for the paths of the menu.
pub fn program(seed: u64, number: u64, menu: &Menu) -> Program {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let config = Config { failure_persistence: None, max_local_rejects: u32::MAX, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let in_rounds = number % ROUNDS_EVERY == ROUNDS_EVERY - 1;
    let longest = if in_rounds { 14 } else { LONGEST };
    let Ok(tree) = Machine::sequential_strategy(4..=longest).new_tree(&mut runner) else {
        return Program::new();
    };
    let (_, steps, _) = tree.current();
    let mut steps: Program = steps.into_iter().map(|op| menu.fill_in(op)).collect();
    if menu.live < usize::MAX {
        steps = with_few_models(&steps, menu);
    }
    if in_rounds {
        steps.retain(|op| !matches!(op, Op::Threads(_)));
    }
    // What is left open is released at times, and left to the end of the process at others.
    if in_rounds || !number.is_multiple_of(3) {
        let mut sketch = Sketch::new(&menu.refused());
        steps.iter().for_each(|op| sketch.apply(op));
        steps.extend(sketch.release());
    }
    if in_rounds { rounds(steps) } else { steps }
}

/// The program without loads beyond what may be live at a time, for models that are large.
fn with_few_models(steps: &[Op], menu: &Menu) -> Program {
    let mut sketch = Sketch::new(&menu.refused());
    let mut kept = Program::new();
    for op in steps {
        let mut after = sketch.clone();
        after.apply(op);
        let loads = matches!(op, Op::Threads(bodies) if bodies.iter().flatten().any(|op| matches!(op, Op::Call(Call::LoadModel { .. }))));
        if after.models.len() <= menu.live && !loads && sketch.permits(op) {
            sketch = after;
            kept.push(op.clone());
        }
    }
    kept
}

/// A program that repeats its steps and asks for figures after each round.
pub fn rounds(mut steps: Program) -> Program {
    let code = Out::Given;
    steps.push(Op::Call(Call::ProcessVramUsage { ctx: Handle::Slot(KEEPER) }));
    steps.push(Op::Measure);
    vec![Op::Call(Call::Init { bind: KEEPER, device: Device::Id(0), code }), Op::Repeat(ROUNDS, steps)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_give_one_program() {
        let menu = Menu::for_tests();
        assert_eq!(program(1, 7, &menu), program(1, 7, &menu));
        assert_ne!(program(1, 7, &menu), program(1, 8, &menu));
        assert_ne!(program(1, 7, &menu), program(2, 7, &menu));
    }

    #[test]
    fn every_program_is_one_that_a_correct_host_may_play() {
        let menu = Menu::for_tests();
        for number in 0..300 {
            let program = program(3, number, &menu);
            let legal = sketch::legalise(&program, &menu.refused());
            // In words: a temperature that is NaN is not equal to itself.
            let same = |given: &Op, kept: &Op| format!("{given:?}") == format!("{kept:?}");
            let odd =
                program.iter().zip(&legal).find(|(given, kept)| !same(given, kept)).map(|(given, _)| given);
            assert!(odd.is_none() && legal.len() == program.len(), "case {number} may not do {odd:?}");
        }
    }

    #[test]
    fn large_models_are_never_many_at_a_time() {
        let menu = Menu { live: 2, ..Menu::for_tests() };
        for number in 0..200 {
            let mut sketch = Sketch::new(&menu.refused());
            for op in program(3, number, &menu) {
                sketch.apply(&op);
                assert!(sketch.models.len() <= 2, "case {number}");
            }
        }
    }

    #[test]
    fn most_programs_go_deep() {
        let menu = Menu::for_tests();
        let deep = (0..200)
            .filter(|number| {
                let program = program(5, *number, &menu);
                let started = |op: &Op| matches!(op, Op::Call(Call::Start { .. }));
                let within = |op: &Op| matches!(op, Op::Repeat(_, body) if body.iter().any(started));
                program.iter().any(|op| started(op) || within(op))
            })
            .count();
        assert!(deep > 150, "only {deep} of 200 programs start a job");
    }
}
