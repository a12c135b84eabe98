//! Shrinking on programs whose failure is known by construction.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::generate::{Menu, program};

fn started(program: &[Op]) -> usize {
    program.iter().filter(|op| matches!(op, Op::Call(Call::Start { .. }))).count()
}

fn run(program: &[Op], fails: impl Fn(&[Op]) -> bool) -> Shrunk {
    let refused = Menu::for_tests().refused();
    let mut fails = |candidate: &[Op]| Ok::<bool, Infallible>(fails(candidate));
    shrink(program, &refused, 5000, &mut fails).unwrap()
}

#[test]
fn two_jobs_on_one_model_come_down_to_four_calls() {
    let menu = Menu::for_tests();
    let whole = (0..200).map(|number| program(1, number, &menu)).find(|program| started(program) > 2);
    let whole = whole.expect("a program with three jobs");
    let shrunk = run(&whole, |program| started(program) >= 2);
    assert!(shrunk.minimal);
    assert_eq!(shrunk.program.len(), 4, "{:?}", shrunk.program);
    let Op::Call(Call::Start { prompt, max_tokens, .. }) = &shrunk.program[3] else {
        panic!("{:?}", shrunk.program)
    };
    assert_eq!((prompt, *max_tokens), (&crate::program::Text::new("a"), 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn no_call_of_a_shrunk_program_can_be_dropped(number in 0..2000_u64, wanted in 1..4_usize) {
        let menu = Menu::for_tests();
        let whole = program(9, number, &menu);
        let calls = |program: &[Op]| program
            .iter()
            .filter(|op| matches!(op, Op::Call(Call::NextToken { .. } | Call::CheckHealth { .. } | Call::VramUsage { .. })))
            .count();
        prop_assume!(calls(&whole) >= wanted);
        let fails = |program: &[Op]| calls(program) >= wanted;
        let shrunk = run(&whole, fails);
        prop_assert!(shrunk.minimal && fails(&shrunk.program));
        for place in places(&shrunk.program) {
            let smaller = without(&shrunk.program, &[place].into(), &mut Vec::new());
            prop_assert!(!fails(&legalise(&smaller, &menu.refused())));
        }
    }
}
