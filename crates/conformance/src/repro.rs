//! A failure for people: the program as YAML, as Gherkin and as a C program of its own.

pub mod c;
pub mod gherkin;
pub mod text;
pub mod yaml;

use crate::fuzz::failure::Failing;
use crate::fuzz::judge::Player;
use crate::fuzz::kept::PROGRAM;
use crate::verdict::Reproducer;
pub use yaml::About;

/// The failure as reports carry it.
pub fn reproducer(player: &Player, failing: &Failing, seed: u64, place: String) -> Reproducer {
    let mut files = files(player, failing, seed).into_iter();
    let mut take =
        |wanted: &str| files.find(|(name, _)| *name == wanted).map(|(_, text)| text).unwrap_or_default();
    let (yaml, c) = (take(PROGRAM), take("repro.c"));
    Reproducer { requirement: failing.main().requirement, place, c, yaml }
}

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
