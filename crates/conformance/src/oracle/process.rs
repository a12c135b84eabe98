//! Process hygiene: what a call left changed (PROC-01, PROC-02).

use super::Verdicts;
use crate::trace::{Effect, Observation, signal_name};

pub fn judge(observation: &Observation, verdicts: &mut Verdicts) {
    let call = observation.event.to_string();
    let output = observation.effects.iter().find(|effect| matches!(effect, Effect::Output { .. }));
    verdicts.judge("PROC-01", output.is_none(), || {
        (call.clone(), "nothing on stdout or stderr".to_owned(), output.map(describe).unwrap_or_default())
    });
    let changed: Vec<String> = observation
        .effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Output { .. }))
        .map(describe)
        .collect();
    verdicts.judge("PROC-02", changed.is_empty(), || {
        (call, "the process is left as it was".to_owned(), changed.join("; "))
    });
}

fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Output { bytes, excerpt } => format!("{bytes} bytes of output: {excerpt:?}"),
        Effect::SignalHandler { signal } => format!("the handler of {} was replaced", signal_name(*signal)),
        Effect::SignalMask { before, after } => format!("signal mask {before:#x} became {after:#x}"),
        Effect::FloatEnvironment { before, after } => {
            format!("floating-point control {before:#x} became {after:#x}")
        }
        Effect::Locale { before, after } => format!("locale {before:?} became {after:?}"),
        Effect::WorkingDirectory { before, after } => {
            format!("working directory {before:?} became {after:?}")
        }
        Effect::Umask { before, after } => format!("umask {before:03o} became {after:03o}"),
        Effect::Environment { variable } => format!("environment variable {variable} was changed"),
        Effect::StandardDescriptor { fd } => format!("descriptor {fd} was closed or replaced"),
        Effect::ChildProcess { count } => format!("{count} child process(es) left behind"),
    }
}
