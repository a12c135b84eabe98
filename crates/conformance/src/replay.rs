//! The command `replay`: plays a kept program again, call by call, and judges it.

use std::path::PathBuf;

use clap::Args;

use crate::exit_code::ExitCode;
use crate::fuzz::command::open;
use crate::repro::yaml;
use crate::trace::{Event, Outcome};

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  nothing was found
  1  a requirement is broken
  2  the program could not be played

Example:
  worker-conformance replay fuzz-regressions/libmine/ERR-01/program.yaml --library ./libmine.so";

/// Options of `replay`.
#[derive(Args)]
pub struct Replay {
    /// The program, as `fuzz` keeps it (program.yaml).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The library; without it, the one that the profile names.
    #[arg(long, value_name = "PATH", env = "WORKER_LIBRARY")]
    library: Option<PathBuf>,
    /// What the suite should know about the backend (YAML).
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Play it so many times, and tell how often it fails.
    #[arg(long, value_name = "N", default_value = "1")]
    times: u32,
    /// Folder for generated models.
    #[arg(long, value_name = "DIR", env = "WORKER_CONFORMANCE_MODELS")]
    model_folder: Option<PathBuf>,
}

/// Observations shown of a long trace, from its end.
const SHOWN: usize = 80;

/// Runs the command; `models` is the usual folder for generated models.
///
/// # Errors
/// When the suite could not do its work.
pub fn execute(replay: &Replay, models: PathBuf) -> anyhow::Result<ExitCode> {
    let models = replay.model_folder.clone().unwrap_or(models);
    let (stage, _) = open(replay.library.clone(), replay.profile.as_deref(), Some(1), models)?;
    let (kept, program) = yaml::read(&replay.file, stage.player.menu())?;
    println!("kept for  {} at {}", kept.requirement, kept.call);
    let mut failed = 0;
    for time in 0..replay.times.max(1) {
        let played = stage.player.play(&program)?;
        failed += u32::from(!played.faults.is_empty());
        if time > 0 {
            continue;
        }
        let hidden = played.trace.len().saturating_sub(SHOWN);
        if hidden > 0 {
            println!("  ({hidden} calls before)");
        }
        for (at, observation) in played.trace.iter().enumerate().skip(hidden) {
            if matches!(observation.outcome, Outcome::Measured(_)) || observation.event == Event::Open {
                continue;
            }
            println!("  {:<3} {}: {}", at + 1, observation.event, observation.outcome);
            for fault in played.faults.iter().filter(|fault| fault.at == at) {
                for finding in &fault.findings {
                    println!(
                        "      {} ({}) expected {}",
                        finding.requirement, finding.level, finding.expected
                    );
                    println!("      observed {}", finding.observed);
                }
            }
        }
    }
    match (failed, replay.times) {
        (0, _) => println!("nothing was found"),
        (_, 0 | 1) => println!("a requirement is broken"),
        (failed, times) => println!("a requirement is broken in {failed} of {times} times"),
    }
    Ok(if failed == 0 { ExitCode::Conformant } else { ExitCode::NonConformant })
}
