//! The program `worker-conformance`: arguments in, verdict out.

mod help;
mod problem;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode as Status;

use clap::{Args, FromArgMatches as _, Parser, Subcommand};
use worker_conformance::executor::{measure_if_asked, serve_if_asked};
use worker_conformance::exit_code::ExitCode;
use worker_conformance::profile::Profile;
use worker_conformance::report::after_run::AfterRun;
use worker_conformance::report::progress::Counter;
use worker_conformance::report::terminal;
use worker_conformance::suite::{self, Request};
use worker_conformance::tools::{Tools, debugger, watch::Watch};
use worker_conformance::verdict::Conformance;
use worker_conformance::{doctor, explain, fuzz, kit, list, manual, replay, scratch};

use crate::problem::Problem;

/// Says whether a backend library keeps the worker FFI contract.
#[derive(Parser)]
#[command(version, about)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put a library through the suite.
    ///
    /// The library runs in child processes only: a crash, a hang or an exit is a finding. It may load models, use
    /// the devices that it finds, and allocate their memory.
    #[command(after_help = RUN_HELP)]
    Run(Box<Run>),
    /// Put a library through generated programs.
    #[command(after_help = fuzz::command::HELP)]
    Fuzz(fuzz::command::Fuzz),
    /// Play a program again that `fuzz` has kept.
    #[command(after_help = replay::HELP)]
    Replay(replay::Replay),
    /// Write a backend to start from.
    ///
    /// It builds, exports the 14 functions, and keeps the families ABI, MSG and NULL; its README says what is open.
    #[command(after_help = kit::HELP)]
    New(kit::New),
    /// List the requirements of the contract, and the scenarios that verify them.
    #[command(after_help = list::HELP)]
    List(list::List),
    /// Explain a requirement: how it is checked, what usually breaks it, what right looks like.
    #[command(after_help = explain::HELP)]
    Explain(explain::Explain),
    /// Say what this machine lacks, and which command needs it.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Doctor),
    /// Print completions for a shell.
    #[command(after_help = manual::COMPLETIONS_HELP)]
    Completions(manual::Completions),
    /// Print the manual page, or write those of all commands.
    #[command(after_help = manual::MAN_HELP)]
    Man(manual::Man),
    /// Convert, compare, join and check reports.
    #[command(subcommand, after_help = worker_conformance::report::command::HELP)]
    Report(worker_conformance::report::command::Command),
    /// Guard the contract: compare headers and libraries with the lock.
    #[command(subcommand)]
    Contract(worker_conformance::contract::Command),
}

const RUN_HELP: &str = "\
Exit status:
  0  conformant at the level asked for
  1  non-conformant: a requirement is broken
  2  the suite could not run: bad usage, no such library; or a waiver is stale
  3  incomplete: nothing is broken, but a requirement that counts was not verified

Example:
  worker-conformance run --library ./libmy_backend.so --json report.json";

#[derive(Args)]
struct Run {
    /// The library; without it, the one that the profile names.
    #[arg(long, value_name = "PATH", env = "WORKER_LIBRARY")]
    library: Option<PathBuf>,
    /// What the suite should know about the backend (YAML).
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// core: every MUST; strict: every SHOULD as well.
    #[arg(long, value_enum, default_value = "core")]
    level: Conformance,
    /// Only these requirements or families, for example ERR-01,NULL.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<list::Selection>,
    /// Only scenarios whose place or name contains this.
    #[arg(long, value_name = "TEXT")]
    scenario: Option<String>,
    /// Scenarios at a time. If not given, one more than there are cores, and those that pause besides; at least twelve for
    /// a library that mostly waits, and fewer where models are large.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Folder for generated models.
    #[arg(long, value_name = "DIR", env = "WORKER_CONFORMANCE_MODELS")]
    models: Option<PathBuf>,
    /// Only the scenarios of this feature file, such as `fuzz` writes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "scenario"])]
    feature: Option<PathBuf>,
    /// Generated programs besides the scenarios; a slow library gets fewer, and the report says so.
    #[arg(long, value_name = "N", default_value_t = fuzz::share::PROGRAMS)]
    programs: u64,
    #[command(flatten)]
    reports: AfterRun,
    #[command(flatten)]
    tools: Tools,
}

fn main() -> Status {
    serve_if_asked();
    measure_if_asked();
    let program =
        Program::from_arg_matches(&help::command().get_matches()).unwrap_or_else(|error| error.exit());
    let breakable = matches!(&program.command, Command::Run(run) if run.tools.gdb.is_none())
        || matches!(&program.command, Command::Fuzz(_) | Command::Replay(_));
    if breakable && let Err(error) = scratch::remove_on_signals() {
        eprintln!("warning: Ctrl-C will leave files in the folder for temporary ones: {error}");
    }
    let result = match program.command {
        Command::Run(run) => execute(*run),
        Command::Fuzz(options) => fuzz::command::execute(&options, default_models()),
        Command::Replay(options) => replay::execute(&options, default_models()),
        Command::New(options) => kit::execute(&options),
        Command::List(options) => list::execute(&options),
        Command::Explain(options) => explain::execute(&options),
        Command::Doctor(options) => doctor::execute(&options, default_models()),
        Command::Completions(options) => Ok(manual::completions(&options, &mut help::command())),
        Command::Man(options) => manual::man(&options, help::command()),
        Command::Report(command) => worker_conformance::report::command::execute(&command),
        Command::Contract(command) => worker_conformance::contract::run(&command),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            Problem::from(&error).tell();
            ExitCode::CouldNotRun.into()
        }
    }
}

fn execute(run: Run) -> anyhow::Result<ExitCode> {
    let mut profile = match &run.profile {
        Some(path) => Profile::read(path)?,
        None => Profile::default(),
    };
    let library = run
        .library
        .or_else(|| profile.library.clone())
        .ok_or_else(|| anyhow::anyhow!("no library: give --library PATH, or name one in the profile"))?;
    run.reports.prepare()?;
    let prepared = run.tools.prepare(&library, &mut profile)?;
    let request = Request {
        library,
        profile,
        profile_path: run.profile,
        level: run.level,
        only: run.only.into_iter().flat_map(|selection| selection.0).collect(),
        scenario: run.scenario,
        jobs: run.jobs.map(NonZeroUsize::get),
        program: std::env::current_exe()?,
        models: std::path::absolute(run.models.unwrap_or_else(default_models))?,
        programs: run.programs,
        feature: run.feature,
        shard: run.reports.shard(),
        reproducers: run.reports.wants_reproducers(),
        instrument: prepared.instrument.clone(),
    };
    let mut watch = run.tools.watch.then(|| Watch::new(&request.library));
    loop {
        let code = play(&request, &run.tools, &run.reports);
        let Some(watch) = &mut watch else { return code };
        // A library that is half built, or none, is no reason to stop watching.
        if let Err(error) = code {
            Problem::from(&error).tell();
        }
        println!("watching  {}\n", request.library.display());
        watch.wait();
    }
}

fn play(request: &Request, tools: &Tools, reports: &AfterRun) -> anyhow::Result<ExitCode> {
    let result = match tools.gdb {
        Some(requirement) => debugger::run(request, requirement, &tools.gdb_command)?,
        None => suite::run(request, Box::new(Counter::new()))?,
    };
    print!("{}", terminal::render(&result));
    reports.write(&result)?;
    Ok(result.exit_code())
}

/// Generated models are kept in the user's cache, under the hash of what they are made from; among the temporary files
/// where the user has no home that can be written to.
fn default_models() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache
        .filter(|path| path.is_absolute())
        .or_else(home)
        .map(|cache| cache.join("worker-conformance"))
        .filter(|models| std::fs::create_dir_all(models).is_ok())
        .unwrap_or_else(|| std::env::temp_dir().join(format!("worker-conformance-{}", nix::unistd::getuid())))
}
