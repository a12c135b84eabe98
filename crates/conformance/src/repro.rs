//! A failure for people: the program as YAML, as Gherkin and as a C program of its own.

pub mod c;
pub mod gherkin;
pub mod text;
pub mod yaml;

use crate::fuzz::failure::Failing;
use crate::fuzz::judge::Player;
use crate::fuzz::kept::PROGRAM;
pub use yaml::About;

/// The files of a failure, by name.
pub fn files(player: &Player, failing: &Failing, seed: u64) -> Vec<(&'static str, String)> {
    let main = failing.main().clone();
    let about = About {
        requirement: main.requirement.to_string(),
        call: main.call,
        expected: main.expected,
        observed: main.observed,
        fails: failing.steadiness.to_string(),
        seed,
        case: failing.number,
    };
    vec![
        (PROGRAM, yaml::write(&failing.program, &about, player.menu())),
        ("repro.c", c::write(player, &failing.program, &failing.trace, &failing.fault, &about)),
        ("conversation.feature", gherkin::write(player, &failing.program, &failing.trace, &failing.fault)),
    ]
}
