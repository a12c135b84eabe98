//! The phrasings of the feature files. Steps make programs and compare traces, nothing else.

mod arguments;
mod calls;
mod checks;
mod faults;
mod files;
mod generations;
mod givens;
mod invariants;
pub mod jobs;
mod known;
mod malformed;
mod prompts;
pub mod rounds;
mod sequences;
mod sweeps;
mod threads;

use crate::conversation::{Conversation, Step, Stop};

/// Keeps why a scenario stops, and tells cucumber in words.
fn report(conversation: &mut Conversation, step: Step) -> Result<(), String> {
    conversation.step_done();
    let Err(stop) = step else { return Ok(()) };
    let text = match &stop {
        Stop::Failed => conversation
            .verdicts
            .findings
            .last()
            .map(|finding| {
                format!("{}: expected {}, observed {}", finding.call, finding.expected, finding.observed)
            })
            .unwrap_or_default(),
        Stop::Blocked(why) => format!("blocked: {why}"),
        Stop::NotApplicable(why) => format!("does not apply: {why}"),
        Stop::OutOfReach(why) => format!("out of reach: {why}"),
        Stop::Broken(why) => format!("the suite cannot do this: {why}"),
    };
    conversation.stopped = Some(stop);
    Err(text)
}
