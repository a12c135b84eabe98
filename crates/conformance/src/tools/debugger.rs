//! `run --gdb`: finds the first call that breaks a requirement, plays its scenario again, and stops there in gdb.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use worker_contract::{Function, RequirementId};

use super::{ToolError, program};
use crate::executor::STOP;
use crate::suite::{self, Request, Silent, SuiteError};
use crate::verdict::{Failure, RunResult};

/// Longer than anybody debugs.
const DAY: u64 = 86_400;
const LOOK: Duration = Duration::from_millis(20);

/// It could not be stopped there.
#[derive(Debug, thiserror::Error)]
pub enum DebuggerError {
    /// The suite could not run.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// gdb could not.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// There is no call to stop in.
    #[error("{requirement} is broken in `{place}`, which is no call of a scenario; run it again: {again}")]
    NoCall {
        /// The requirement.
        requirement: RequirementId,
        /// Where it was found.
        place: String,
        /// How to see it again.
        again: String,
    },
}

/// Runs the scenarios of a requirement until one breaks it, then that one again under gdb. Gives the last result.
///
/// # Errors
/// When there is no gdb, or nothing to stop in.
pub fn run(
    request: &Request,
    requirement: RequirementId,
    commands: &[String],
) -> Result<RunResult, DebuggerError> {
    let gdb = program("gdb")?;
    let first = suite::run(&Request { only: vec![requirement], ..request.clone() }, Box::new(Silent))?;
    let broken =
        |failure: &&Failure| function(&failure.call).is_some() && failure.scenario.starts_with("features/");
    let found = first.requirements.iter().find(|one| one.id == requirement).map(|one| &one.failures);
    let failures = found.map_or(&[][..], Vec::as_slice);
    let Some(failure) = failures.iter().find(broken) else {
        return match failures.first() {
            None => Ok(first),
            Some(failure) => Err(DebuggerError::NoCall {
                requirement,
                place: failure.scenario.clone(),
                again: failure.rerun.clone(),
            }),
        };
    };
    println!("{requirement} is broken in {}", failure.scenario);
    println!("  call      {}", failure.call);
    println!("  expected  {}", failure.expected);
    println!("  observed  {}", failure.observed);
    let folder = tempfile::tempdir()
        .map_err(|source| ToolError::System { what: "cannot make a folder".to_owned(), source })?;
    let file = folder.path().join("stopped");
    let result = again(request, failure, &file, &gdb, commands)?;
    if !file.exists() {
        println!("the call did not come a second time, so that there was nothing to stop in");
    }
    Ok(result)
}

/// The function of a call as reports show it.
fn function(call: &str) -> Option<&str> {
    let name = call.split('(').next()?;
    Function::ALL.iter().any(|function| function.name() == name).then_some(name)
}

fn again(
    request: &Request,
    failure: &Failure,
    file: &Path,
    gdb: &Path,
    commands: &[String],
) -> Result<RunResult, DebuggerError> {
    // `features/file.feature:line:` is one scenario, or one row of an outline.
    let place = failure.scenario.split(": ").next().unwrap_or(&failure.scenario);
    let mut request = Request { jobs: Some(1), scenario: Some(format!("{place}:")), ..request.clone() };
    let asked = format!("{}\n{}", file.display(), failure.call);
    request.instrument.environment.push((STOP.to_owned(), asked));
    let limits = &mut request.profile.limits;
    // Whoever looks at a call takes time, and no deadline may end it meanwhile.
    (limits.call_seconds, limits.load_seconds, limits.batch_seconds) = (Some(DAY), Some(DAY), Some(DAY));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let attached = scope.spawn(|| attach(file, &failure.call, gdb, commands, &over));
        let result = suite::run(&request, Box::new(Silent));
        over.store(true, Ordering::SeqCst);
        match attached.join() {
            Ok(outcome) => outcome?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(result?)
    })
}

/// Waits for the session to stop, and starts gdb on it.
fn attach(
    file: &Path,
    call: &str,
    gdb: &Path,
    commands: &[String],
    over: &AtomicBool,
) -> Result<(), ToolError> {
    let pid = loop {
        let pid = std::fs::read_to_string(file).ok().and_then(|text| text.parse::<u32>().ok());
        if let Some(pid) = pid {
            break pid;
        }
        if over.load(Ordering::SeqCst) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    };
    let mut command = Command::new(gdb);
    command.args(["-q", "-p", &pid.to_string(), "-iex", "set debuginfod enabled off"]);
    if !std::io::stdin().is_terminal() {
        command.arg("-batch");
    }
    command.args(["-ex", "handle SIGSTOP nostop noprint pass"]);
    command.args(["-ex", &format!("tbreak {}", function(call).unwrap_or("abort")), "-ex", "continue"]);
    for own in commands {
        command.args(["-ex", own]);
    }
    println!("  gdb       {}", shown(&command));
    let failed = |source| ToolError::System { what: format!("cannot start `{}`", gdb.display()), source };
    command.status().map_err(failed)?;
    Ok(())
}

/// The command, as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_of_the_contract_can_be_stopped_in() {
        assert_eq!(function("cuda_init(0, out)"), Some("cuda_init"));
        assert_eq!(function("40 rounds"), None);
        assert_eq!(function("dlopen"), None);
    }
}
