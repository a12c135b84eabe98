//! The command `fuzz`: kept failures first, then new programs; what fails is made small, shown and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use indicatif::ProgressBar;
use worker_contract::RequirementId;

use super::failure::{Failing, reduce};
use super::stage::{Request, Stage};
use super::{Limits, Summary, judge, kept, play};
use crate::exit_code::ExitCode;
use crate::profile::Profile;
use crate::report::progress;
use crate::verdict::Conformance;
use crate::waiver;

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  nothing was found
  1  a requirement is broken
  2  the suite could not run

Examples:
  worker-conformance fuzz --library ./libmy_backend.so --time 60s
  worker-conformance fuzz --library ./libmy_backend.so --seed 7 --case 1234";

/// Options of `fuzz`.
#[derive(Args)]
pub struct Fuzz {
    /// The library; without it, the one that the profile names.
    #[arg(long, value_name = "PATH", env = "WORKER_LIBRARY")]
    library: Option<PathBuf>,
    /// What the suite should know about the backend (YAML).
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Most programs; 10000 if neither this nor --time is given.
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
    /// Longest time, for example 90, 60s, 5m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// What the programs are drawn from; new each time if not given, and always told.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// This one case of the seed alone.
    #[arg(long, value_name = "N", requires = "seed", conflicts_with_all = ["cases", "time"])]
    case: Option<u64>,
    /// Programs at a time; as many as there are cores if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Go on after a failure, and collect what differs.
    #[arg(long)]
    keep_going: bool,
    /// core: a broken MUST is a failure; strict: a broken SHOULD as well.
    #[arg(long, value_enum, default_value = "core")]
    level: Conformance,
    /// Most programs to try to make one failure small.
    #[arg(long, value_name = "N", default_value = "600")]
    shrink: usize,
    /// Folder where failures are kept, and replayed first the next time.
    #[arg(long, value_name = "DIR", default_value = "fuzz-regressions")]
    keep: PathBuf,
    /// Mutate model files instead of conversations.
    #[arg(long)]
    models: bool,
    /// Show which functions were called in which state, and what came of it.
    #[arg(long)]
    coverage: bool,
    /// Folder for generated models.
    #[arg(long, value_name = "DIR", env = "WORKER_CONFORMANCE_MODELS")]
    model_folder: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write seconds (90, 60s) or minutes (5m)");
    let (digits, unit) = match text.strip_suffix('m') {
        Some(digits) => (digits, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// Opens the library that options name.
///
/// # Errors
/// When there is none, or the suite cannot work.
pub fn open(
    library: Option<PathBuf>,
    profile: Option<&Path>,
    jobs: Option<usize>,
    models: PathBuf,
) -> anyhow::Result<(Stage, PathBuf)> {
    let profile = match profile {
        Some(path) => Profile::read(path)?,
        None => Profile::default(),
    };
    let library = library
        .or_else(|| profile.library.clone())
        .ok_or_else(|| anyhow::anyhow!("no library: give --library PATH, or name one in the profile"))?;
    let request = Request {
        library: library.clone(),
        profile,
        jobs: jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from)),
        program: std::env::current_exe()?,
        models: std::path::absolute(models)?,
    };
    Ok((Stage::open(request)?, library))
}

/// Runs the command; `models` is the usual folder for generated models.
///
/// # Errors
/// When the suite could not do its work.
pub fn execute(fuzz: &Fuzz, models: PathBuf) -> anyhow::Result<ExitCode> {
    let models = fuzz.model_folder.clone().unwrap_or(models);
    let (stage, library) =
        open(fuzz.library.clone(), fuzz.profile.as_deref(), fuzz.jobs.map(NonZeroUsize::get), models)?;
    let stem = library.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let excused = waiver::excused(&library, &stage.setting.profile.waivers)?;
    let session = Session { fuzz, stage: &stage, library: &library, folder: fuzz.keep.join(stem), excused };
    session.run()
}

struct Session<'s> {
    fuzz: &'s Fuzz,
    stage: &'s Stage,
    library: &'s Path,
    folder: PathBuf,
    excused: BTreeSet<RequirementId>,
}

impl Session<'_> {
    fn limits(&self) -> Limits {
        let seconds =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_secs());
        let jobs = self.stage.player.executor().jobs();
        Limits {
            seed: self.fuzz.seed.unwrap_or(seconds),
            first: self.fuzz.case.unwrap_or(0),
            cases: match (self.fuzz.case, self.fuzz.cases, self.fuzz.time) {
                (Some(_), ..) => 1,
                (None, Some(cases), _) => cases,
                (None, None, Some(_)) => u64::MAX >> 1,
                (None, None, None) => 10_000,
            },
            time: self.fuzz.time,
            jobs,
            keep_going: self.fuzz.keep_going,
            level: self.fuzz.level,
            ignored: self.excused.clone(),
            attempts: self.fuzz.shrink,
            deaths: u64::MAX,
            shard: None,
        }
    }

    fn run(&self) -> anyhow::Result<ExitCode> {
        let limits = self.limits();
        let again = self.replay_kept(&limits)?;
        if again > 0 && !self.fuzz.keep_going {
            println!("          mend it first, or add --keep-going to look for more");
            return Ok(ExitCode::NonConformant);
        }
        if self.fuzz.models {
            return super::models::execute(self.stage, self.library, &self.folder, &limits);
        }
        println!("seed      {}", limits.seed);
        let progress = Progress::new();
        let summary = play(&self.stage.player, &limits, &|cases, failing| progress.tell(cases, failing))?;
        progress.clear();
        let mut shown: BTreeMap<String, PathBuf> = BTreeMap::new();
        let wanted = if self.fuzz.keep_going { summary.failing.len() } else { 1 };
        for case in summary.failing.iter().take(wanted) {
            let failing = reduce(&self.stage.player, case, limits.attempts)?;
            if limits.ignored.contains(&failing.main().requirement) {
                continue;
            }
            let folder = self.folder.join(kept::name(&failing, self.stage.player.menu()));
            if shown.insert(folder.display().to_string(), folder.clone()).is_some() {
                continue;
            }
            let files = kept::keep(&self.stage.player, &failing, limits.seed, &folder)?;
            print!("{}", self.describe(&failing, limits.seed, &files));
        }
        print!("{}", self.sum_up(&summary, shown.len()));
        Ok(if shown.is_empty() && again == 0 { ExitCode::Conformant } else { ExitCode::NonConformant })
    }

    /// Plays what failed before; how many still fail.
    fn replay_kept(&self, limits: &Limits) -> anyhow::Result<usize> {
        let mut failed = 0;
        let kept = kept::list(&self.folder);
        for path in &kept {
            let (about, program) = crate::repro::yaml::read(path, self.stage.player.menu())?;
            let played = self.stage.player.play(&program)?;
            let counted = |fault: &&judge::Fault| {
                (fault.is_must() || limits.level == Conformance::Strict)
                    && !limits.ignored.contains(&fault.main().requirement)
            };
            if let Some(fault) = played.faults.iter().find(counted) {
                failed += 1;
                let main = fault.main();
                println!("STILL FAILS {} ({})", about.requirement, path.display());
                println!("  call      {}", main.call);
                println!("  expected  {}", main.expected);
                println!("  observed  {}", main.observed);
                println!(
                    "  again     {}\n",
                    kept::replay_command(path, self.library, self.fuzz.profile.as_deref())
                );
            }
        }
        if !kept.is_empty() {
            let (all, fail) = (if kept.len() == 1 { "" } else { "s" }, if failed == 1 { "s" } else { "" });
            println!(
                "kept      {} program{all} of {}, {failed} still fail{fail}",
                kept.len(),
                self.folder.display()
            );
        }
        Ok(failed)
    }

    fn describe(&self, failing: &Failing, seed: u64, program: &Path) -> String {
        let main = failing.main();
        let requirement = main.requirement.requirement();
        let mut text = String::new();
        let _ = writeln!(text, "FAIL {} ({}) {}", main.requirement, main.level, requirement.text);
        let _ = writeln!(text, "  call      {}", main.call);
        let _ = writeln!(text, "  expected  {}", main.expected);
        let _ = writeln!(text, "  observed  {}", main.observed);
        let others: BTreeSet<RequirementId> = failing
            .fault
            .findings
            .iter()
            .map(|finding| finding.requirement)
            .filter(|other| *other != main.requirement)
            .collect();
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  and       {}", others.join(", "));
        }
        let _ = writeln!(text, "  fails     {}", failing.steadiness);
        let minimal = if failing.minimal { "no call can be dropped" } else { "perhaps not the smallest" };
        let _ = writeln!(text, "  program   case {} of seed {seed}, {minimal}:", failing.number);
        for line in judge::lines(&failing.program, self.stage.player.menu()) {
            let _ = writeln!(text, "            {line}");
        }
        let _ = writeln!(text, "  kept in   {}", program.parent().unwrap_or(program).display());
        let again = kept::replay_command(program, self.library, self.fuzz.profile.as_deref());
        let _ = writeln!(text, "  again     {again}\n");
        text
    }

    fn sum_up(&self, summary: &Summary, failures: usize) -> String {
        let mut text = String::new();
        for (requirement, (_, finding)) in &summary.warnings {
            let _ = writeln!(text, "WARN {requirement} (SHOULD) {}", requirement.requirement().text);
            let _ = writeln!(text, "  call      {}", finding.call);
            let _ = writeln!(text, "  expected  {}", finding.expected);
            let _ = writeln!(text, "  observed  {}\n", finding.observed);
        }
        let rate = summary.cases as f64 / summary.seconds.max(1e-9);
        if self.fuzz.coverage || self.fuzz.keep_going {
            let _ = writeln!(text, "reached: function, state, outcomes with their number");
            text.push_str(&summary.coverage.render());
        }
        let (states, all) = summary.coverage.states();
        let checks: u64 = summary.checks.values().sum();
        let _ = writeln!(
            text,
            "{} programs, {checks} checks in {:.1} s, {rate:.0}/s; {states} of {all} states, {} transitions; \
             failures: {failures}",
            summary.cases,
            summary.seconds,
            summary.coverage.transitions(),
        );
        text
    }
}

/// A counter where anybody looks, nothing elsewhere.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let template = "{spinner} {pos} programs {elapsed} {per_sec} {wide_msg}";
        Self(progress::bar(template, None, progress::is_watched()))
    }

    pub(super) fn tell(&self, cases: u64, failing: usize) {
        self.0.set_position(cases);
        self.0.set_message(format!("{failing} with failures"));
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_minutes() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "0", "s", "-1s", "1h", "999999999999999999999m"] {
            assert!(duration(wrong).unwrap_err().contains("is no time"), "{wrong}");
        }
    }
}
