//! A whole run: look at the file, load it, play the scenarios, and sum up.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cucumber::event::{self, ScenarioFinished};
use cucumber::{Cucumber, Event, World as _};
use futures::FutureExt;
use sha2::{Digest, Sha256};
use worker_contract::{Function, Level, RequirementId, catalogue};

pub use cases::{Case, cases};

use crate::binary;
use crate::conversation::{Conversation, Stop};
use crate::executor::{Config, Executor, Instrument, Limits, Options};
use crate::features::{self, FeatureError, Parsed};
use crate::fuzz::share;
use crate::models::Store;
use crate::oracle::{Finding, Note, Oracle, Verdicts};
use crate::profile::{Day, Profile};
use crate::setting::{Setting, SettingError};
use crate::verdict::{
    CodeCount, Conformance, Contract, Failure, RequirementResult, RunResult, Status, TestedLibrary, Verdict,
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The library under test.
    pub library: PathBuf,
    /// What its owner says about it.
    pub profile: Profile,
    /// Where the profile was read from, for the command that runs a scenario again.
    pub profile_path: Option<PathBuf>,
    /// How much is asked for.
    pub level: Conformance,
    /// Only scenarios and checks of these requirements; all if empty.
    pub only: Vec<RequirementId>,
    /// Only scenarios whose place or name contains this.
    pub scenario: Option<String>,
    /// Sessions at a time.
    pub jobs: usize,
    /// The program that serves sessions.
    pub program: PathBuf,
    /// Where generated models are kept.
    pub models: PathBuf,
    /// Only the scenarios of this file, which is none of the suite's.
    pub feature: Option<PathBuf>,
    /// Generated programs to play besides the scenarios, where all of those are asked for.
    pub programs: u64,
    /// The tool that watches the library, if any.
    pub instrument: Instrument,
}

/// The suite could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// There is no such library.
    #[error("cannot read the library `{}`: {source}; give the path of a shared library", path.display())]
    Library {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A feature file is broken.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// Nothing is left to run.
    #[error("nothing to run: no scenario or check matches {0}; `worker-conformance list --tree` names them")]
    NothingSelected(String),
    /// Scenarios that the suite could not play.
    #[error("the suite could not play every scenario:\n  {}", .0.join("\n  "))]
    Broken(Vec<String>),
    /// The stage could not be set.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No place for files.
    #[error("cannot make a folder for temporary files: {0}")]
    Scratch(std::io::Error),
}

/// What a run tells while it goes on.
pub trait Progress: Send {
    /// So many scenarios will be played.
    fn begin(&mut self, scenarios: usize);
    /// One is over; whether it found something.
    fn scenario(&mut self, name: &str, failed: bool);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: usize) {}
    fn scenario(&mut self, _: &str, _: bool) {}
}

/// How a scenario went.
#[derive(Debug, Clone)]
struct Played {
    place: String,
    tags: Vec<RequirementId>,
    checks: BTreeMap<RequirementId, u64>,
    findings: Vec<Finding>,
    notes: Vec<Note>,
    codes: BTreeMap<(Function, i32), u64>,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// All steps were made.
    Complete,
    /// A claim was wrong, and what came after it was not looked at.
    CutShort,
    /// It did not get to its point.
    Blocked(String),
    /// It does not apply.
    NotApplicable(String),
    /// The suite could not play it.
    Broken(String),
}

/// Checks that need no scenario.
const STATIC: [&str; 4] = ["ABI-01", "ABI-02", "ABI-04", "ABI-05"];

/// Runs the suite.
///
/// # Errors
/// When the suite itself could not do its work; what the library does wrong is in the result.
pub fn run(request: &Request, progress: Box<dyn Progress>) -> Result<RunResult, SuiteError> {
    let started = Instant::now();
    let unreadable = |source| SuiteError::Library { path: request.library.clone(), source };
    let library = std::fs::canonicalize(&request.library).map_err(unreadable)?;
    let data = std::fs::read(&library).map_err(unreadable)?;
    let selected = select(request)?;
    let scratch =
        tempfile::Builder::new().prefix("worker-conformance-").tempdir().map_err(SuiteError::Scratch)?;

    // Scenarios by their place say nothing about the file, and as cases of `cargo test` are hundreds of runs.
    let (mut played, loadable) =
        if request.scenario.is_some() { (Vec::new(), true) } else { look_at(&library, &data) };
    let (mut blocked, mut generated) = (None, None);
    if loadable {
        let executor = Executor::new(Config {
            program: request.program.clone(),
            library: library.clone(),
            environment: request.profile.environment.clone().into_iter().collect(),
            folder: scratch.path().to_owned(),
            limits: limits(&request.profile),
            jobs: request.jobs,
            instrument: request.instrument.clone(),
        });
        let opening = open(&executor).map_err(SettingError::from)?;
        let fails = !opening.findings.is_empty();
        played.push(check("loading the library", &["ABI-03"], opening));
        if fails {
            blocked = Some("the library cannot be loaded".to_owned());
        } else {
            let store = Store::new(&request.models);
            let (setting, probed) =
                Setting::prepare(executor, store, request.profile.clone(), scratch.path().to_owned())?;
            played.push(check("a first look at the library", &[], probed));
            let setting = Arc::new(setting);
            played.extend(play(selected, Arc::clone(&setting), request.jobs, progress)?);
            if request.programs > 0 && !is_partial(request) {
                let known = played.iter().flat_map(|one| &one.findings).map(|finding| finding.requirement);
                let known =
                    known.chain(request.profile.waivers.iter().map(|waiver| waiver.requirement)).collect();
                let share = share::run(&setting, request.programs, request.level, known)?;
                played.extend(share.findings.into_iter().map(|(case, finding)| {
                    let verdicts = Verdicts { findings: vec![finding], ..Verdicts::default() };
                    check(&share::place(case), &[], verdicts)
                }));
                let verdicts = Verdicts { checks: share.checks, ..Verdicts::default() };
                played.push(check("generated programs", &[], verdicts));
                generated = Some(share.generated);
            }
        }
    } else {
        blocked = Some("the file is no shared library".to_owned());
    }
    let broken: Vec<String> = played
        .iter()
        .filter_map(|one| match &one.end {
            End::Broken(why) => Some(format!("{}: {why}", one.place)),
            _ => None,
        })
        .collect();
    if !broken.is_empty() {
        return Err(SuiteError::Broken(broken));
    }
    let mut result = sum_up(request, &library, &data, &played, blocked.as_deref(), started.elapsed());
    result.generated = generated;
    Ok(result)
}

/// Judges the file of the library; whether it can be loaded at all.
fn look_at(library: &Path, data: &[u8]) -> (Vec<Played>, bool) {
    let mut file = Verdicts::default();
    let (mut told, mut loadable) = (false, true);
    match binary::judge(library, data, &mut file) {
        Ok(report) => told = report.dwarf,
        Err(error) => {
            file.judge("ABI-03", false, || {
                (library.display().to_string(), "a shared library that loads".to_owned(), error.to_string())
            });
            loadable = false;
        }
    }
    let applied: Vec<&str> = STATIC.into_iter().filter(|id| told || *id != "ABI-04").collect();
    let mut played = vec![check("the library file", &applied, file)];
    if !told {
        let why = "the library carries no debug information about the 14 functions".to_owned();
        let end = End::NotApplicable(why);
        played.push(Played {
            end,
            ..check("the library's debug information", &["ABI-04"], Verdicts::default())
        });
    }
    (played, loadable)
}

pub(crate) fn limits(profile: &Profile) -> Limits {
    let usual = Limits::default();
    let seconds = |given: Option<u64>, usual: Duration| given.map_or(usual, Duration::from_secs);
    Limits {
        call: seconds(profile.limits.call_seconds, usual.call),
        load: seconds(profile.limits.load_seconds, usual.load),
        batch: seconds(profile.limits.batch_seconds, usual.batch),
        memory: profile.limits.memory_bytes.unwrap_or(usual.memory),
    }
}

fn check(place: &str, tags: &[&str], verdicts: Verdicts) -> Played {
    Played {
        place: place.to_owned(),
        tags: tags.iter().map(|tag| crate::oracle::id(tag)).collect(),
        checks: verdicts.checks,
        findings: verdicts.findings,
        notes: verdicts.notes,
        codes: verdicts.codes,
        end: End::Complete,
    }
}

/// Opens the library in a process of its own and judges only that.
fn open(executor: &Arc<Executor>) -> Result<Verdicts, crate::executor::ExecutorError> {
    let mut session = executor.session(&Options { fresh: true, ..Options::default() })?;
    let mut oracle = Oracle::default();
    session.run(&[])?.iter().for_each(|observation| oracle.observe(observation));
    session.finish().iter().for_each(|observation| oracle.observe(observation));
    Ok(oracle.into_verdicts())
}

/// The features with only the scenarios that are asked for.
fn select(request: &Request) -> Result<Vec<gherkin::Feature>, SuiteError> {
    // Tags may stand at the examples of an outline, so these are put in first.
    let mut features = expand(match &request.feature {
        Some(path) => vec![features::file(path)?],
        None => features::all()?,
    })?;
    let asked = |feature: &gherkin::Feature, rule: Option<&gherkin::Rule>, scenario: &gherkin::Scenario| {
        let by_id = request.only.is_empty()
            || features::tags(feature, rule, scenario)
                .any(|tag| request.only.iter().any(|id| id.as_str() == tag));
        let by_name =
            request.scenario.as_ref().is_none_or(|wanted| place(feature, scenario).contains(wanted.as_str()));
        by_id && by_name
    };
    let mut count = 0;
    for feature in &mut features {
        let whole = feature.clone();
        feature.scenarios.retain(|scenario| asked(&whole, None, scenario));
        for rule in &mut feature.rules {
            let same = rule.clone();
            rule.scenarios.retain(|scenario| asked(&whole, Some(&same), scenario));
            count += rule.scenarios.len();
        }
        count += feature.scenarios.len();
    }
    let static_asked =
        request.scenario.is_none() && request.only.iter().any(|id| STATIC.contains(&id.as_str()));
    if count == 0 && !static_asked {
        let ids: Vec<&str> = request.only.iter().map(|id| id.as_str()).collect();
        let name = request.scenario.clone().unwrap_or_default();
        let file = request.feature.as_ref().map_or(String::new(), |path| format!("`{}`", path.display()));
        return Err(SuiteError::NothingSelected(format!("{} {name}{file}", ids.join(",")).trim().to_owned()));
    }
    Ok(features)
}

/// Whether only a part of the suite is asked for.
fn is_partial(request: &Request) -> bool {
    !request.only.is_empty() || request.scenario.is_some() || request.feature.is_some()
}

/// Where a scenario stands: `features/file.feature:line: name`.
fn place(feature: &gherkin::Feature, scenario: &gherkin::Scenario) -> String {
    let file = feature.path.as_deref().unwrap_or(Path::new("?"));
    format!("features/{}:{}: {}", file.display(), scenario.position.line, scenario.name)
}

/// Takes cucumber's events: steps that no function matches, and the progress.
struct Watcher {
    progress: Box<dyn Progress>,
    undefined: Arc<Mutex<Vec<String>>>,
}

impl cucumber::Writer<Conversation> for Watcher {
    type Cli = cucumber::cli::Empty;

    async fn handle_event(
        &mut self,
        event: cucumber::parser::Result<Event<event::Cucumber<Conversation>>>,
        _: &Self::Cli,
    ) {
        let complain = |text: String| {
            self.undefined.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        };
        let (feature, event) = match event.map(|event| event.value) {
            Err(error) => return complain(error.to_string()),
            Ok(event::Cucumber::ParsingFinished { scenarios, .. }) => return self.progress.begin(scenarios),
            Ok(event::Cucumber::Feature(feature, event)) => (feature, event),
            Ok(_) => return,
        };
        let (scenario, event) = match event {
            event::Feature::Scenario(scenario, event)
            | event::Feature::Rule(_, event::Rule::Scenario(scenario, event)) => (scenario, event.event),
            _ => return,
        };
        match event {
            event::Scenario::Step(step, event::Step::Skipped)
            | event::Scenario::Background(step, event::Step::Skipped) => {
                complain(format!("{}: no step is called `{}`", place(&feature, &scenario), step.value));
            }
            event::Scenario::Step(step, event::Step::Failed(_, _, _, error))
            | event::Scenario::Background(step, event::Step::Failed(_, _, _, error))
                if matches!(error, event::StepError::AmbiguousMatch(_) | event::StepError::NotFound) =>
            {
                complain(format!("{}: `{}`: {error}", place(&feature, &scenario), step.value));
            }
            _ => {}
        }
    }
}

impl cucumber::writer::Normalized for Watcher {}

/// Plays the scenarios.
fn play(
    features: Vec<gherkin::Feature>,
    setting: Arc<Setting>,
    jobs: usize,
    progress: Box<dyn Progress>,
) -> Result<Vec<Played>, SuiteError> {
    let results: Arc<Mutex<Vec<Played>>> = Arc::default();
    let undefined: Arc<Mutex<Vec<String>>> = Arc::default();
    let progress = Arc::new(Mutex::new(progress));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(|error| SuiteError::Broken(vec![error.to_string()]))?;
    let before = Arc::clone(&setting);
    let (after, shown) = (Arc::clone(&results), Arc::clone(&progress));
    let run = Conversation::cucumber::<&str>()
        .with_parser(Parsed(features))
        .with_writer(Watcher {
            progress: Box::new(Shared(Arc::clone(&progress))),
            undefined: Arc::clone(&undefined),
        })
        .with_default_cli()
        .max_concurrent_scenarios(jobs.max(1))
        .before(move |feature, rule, scenario, world| {
            world.setting = Some(Arc::clone(&before));
            world.tags = features::tags(feature, rule, scenario).filter_map(|tag| tag.parse().ok()).collect();
            async {}.boxed_local()
        })
        .after(move |feature, _, scenario, end, world| {
            let (after, shown) = (Arc::clone(&after), Arc::clone(&shown));
            async move {
                let Some(world) = world else { return };
                world.end_session().await;
                let played = conclude(feature, scenario, end, world);
                let failed = !played.findings.is_empty();
                shown.lock().unwrap_or_else(PoisonError::into_inner).scenario(&played.place, failed);
                after.lock().unwrap_or_else(PoisonError::into_inner).push(played);
            }
            .boxed_local()
        });
    let _: Watcher = runtime.block_on(Cucumber::run(run, ()));
    let undefined = std::mem::take(&mut *undefined.lock().unwrap_or_else(PoisonError::into_inner));
    if !undefined.is_empty() {
        return Err(SuiteError::Broken(undefined));
    }
    let mut results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    // Scenarios end in any order; reports have one.
    results.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(results)
}

struct Shared(Arc<Mutex<Box<dyn Progress>>>);

impl Progress for Shared {
    fn begin(&mut self, scenarios: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).begin(scenarios);
    }
    fn scenario(&mut self, _: &str, _: bool) {}
}

fn expand(features: Vec<gherkin::Feature>) -> Result<Vec<gherkin::Feature>, SuiteError> {
    use cucumber::feature::Ext as _;
    features
        .into_iter()
        .map(|feature| {
            let name = feature.name.clone();
            feature.expand_examples().map_err(|error| SuiteError::Broken(vec![format!("{name}: {error}")]))
        })
        .collect()
}

fn conclude(
    feature: &gherkin::Feature,
    scenario: &gherkin::Scenario,
    end: &ScenarioFinished,
    world: &mut Conversation,
) -> Played {
    let verdicts = std::mem::take(&mut world.verdicts);
    let end = match (world.stopped.take(), end) {
        (Some(Stop::Failed), _) => End::CutShort,
        (Some(Stop::Blocked(why)), _) => End::Blocked(why),
        (Some(Stop::NotApplicable(why)), _) => End::NotApplicable(why),
        (Some(Stop::Broken(why)), _) => End::Broken(why),
        (None, ScenarioFinished::StepPassed) => End::Complete,
        (None, ScenarioFinished::StepFailed(_, _, error)) => End::Broken(error.to_string()),
        (None, ScenarioFinished::StepSkipped) => End::Broken("a step has no meaning".to_owned()),
        (None, ScenarioFinished::BeforeHookFailed(_)) => End::Broken("it could not be set up".to_owned()),
    };
    Played {
        place: place(feature, scenario),
        tags: world.tags.clone(),
        checks: verdicts.checks,
        findings: verdicts.findings,
        notes: verdicts.notes,
        codes: verdicts.codes,
        end,
    }
}

fn sum_up(
    request: &Request,
    library: &Path,
    data: &[u8],
    played: &[Played],
    blocked: Option<&str>,
    time: Duration,
) -> RunResult {
    let asked: BTreeSet<RequirementId> = request.only.iter().copied().collect();
    let partial = request.scenario.is_some() || request.feature.is_some();
    let requirements: Vec<RequirementResult> = catalogue()
        .iter()
        .map(|requirement| requirement.id)
        .filter(|id| {
            let found =
                played.iter().any(|one| one.findings.iter().any(|finding| finding.requirement == *id));
            (asked.is_empty() && !partial)
                || asked.contains(id)
                || found
                || partial && played.iter().any(|one| one.tags.contains(id))
        })
        .map(|id| result_of(request, id, played, blocked))
        .collect();
    let injected: Vec<RequirementId> = request.profile.faults.keys().copied().collect();
    let verdict: Verdict = RunResult::judge(&requirements, request.level, &injected);
    let digest = Sha256::digest(data);
    RunResult {
        contract: Contract { version: worker_contract::lock::current().version.clone() },
        library: TestedLibrary {
            path: library.display().to_string(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        },
        level: request.level,
        verdict,
        requirements,
        codes: code_counts(played),
        scenarios: played.iter().filter(|one| one.place.starts_with("features/")).count(),
        seconds: time.as_secs_f64(),
        generated: None,
    }
}

/// How often each function reported each code, over all scenarios.
fn code_counts(played: &[Played]) -> Vec<CodeCount> {
    let mut all: BTreeMap<(Function, i32), u64> = BTreeMap::new();
    for (cell, count) in played.iter().flat_map(|one| &one.codes) {
        *all.entry(*cell).or_default() += count;
    }
    all.into_iter()
        .map(|((function, code), calls)| CodeCount { function: function.name(), code, calls })
        .collect()
}

fn result_of(
    request: &Request,
    id: RequirementId,
    played: &[Played],
    blocked: Option<&str>,
) -> RequirementResult {
    let level = id.requirement().level;
    let mut failures = Vec::new();
    let mut notes: BTreeSet<String> = BTreeSet::new();
    for one in played {
        for finding in one.findings.iter().filter(|finding| finding.requirement == id) {
            failures.push(Failure {
                scenario: one.place.clone(),
                level: finding.level,
                call: finding.call.clone(),
                expected: finding.expected.clone(),
                observed: finding.observed.clone(),
                rerun: rerun(request, id, &one.place),
            });
        }
        notes.extend(one.notes.iter().filter(|note| note.requirement == id).map(String::from));
    }
    let checks = played.iter().filter_map(|one| one.checks.get(&id)).sum();
    let counts = |failure: &Failure| {
        failure.level == Level::Must || level == Level::Should || request.level == Conformance::Strict
    };
    let broken = failures.iter().any(counts);
    let own = |one: &&Played| one.tags.contains(&id);
    let complete = played.iter().filter(own).any(|one| one.end == End::Complete);
    let hindered = played.iter().filter(own).find_map(|one| match &one.end {
        End::Blocked(why) => Some(format!("{}: {why}", one.place)),
        End::CutShort => Some(format!("{} stopped at another requirement", one.place)),
        _ => None,
    });
    let mut applies = true;
    let (mut status, mut reason) = if broken {
        (Status::Fail, None)
    } else if let Some(why) = hindered.or_else(|| blocked.filter(|_| !complete).map(str::to_owned)) {
        (Status::NotVerified, Some(why))
    } else if complete && checks > 0 {
        (Status::Pass, None)
    } else {
        let why = played.iter().filter(own).find_map(|one| match &one.end {
            End::NotApplicable(why) => Some(why.clone()),
            _ => None,
        });
        applies = why.is_none();
        (Status::NotVerified, Some(why.unwrap_or_else(|| "no scenario verifies it yet".to_owned())))
    };
    if matches!(status, Status::Fail | Status::NotVerified)
        && let Some(waiver) = request.profile.waivers.iter().find(|waiver| waiver.requirement == id)
    {
        if waiver.counts(Day::today()) {
            status = Status::Waived;
            reason = Some(format!("{} ({}), until {}", waiver.reason, waiver.link, waiver.expires));
        } else {
            reason = Some(format!("its waiver expired on {}", waiver.expires));
        }
    }
    RequirementResult {
        id,
        level,
        status,
        applies,
        checks,
        failures,
        reason,
        notes: notes.into_iter().collect(),
    }
}

/// The command that runs a scenario again.
fn rerun(request: &Request, id: RequirementId, place: &str) -> String {
    let quote = |path: &Path| {
        let text = path.display().to_string();
        if text.contains([' ', '\'', '"', '$']) { format!("'{}'", text.replace('\'', "'\\''")) } else { text }
    };
    let generated = share::again(place);
    let name = if generated.is_some() { "fuzz" } else { "run" };
    let mut command = format!("worker-conformance {name} --library {}", quote(&request.library));
    if generated.is_none() {
        command += &request.instrument.options;
    }
    if let Some(profile) = &request.profile_path {
        command += &format!(" --profile {}", quote(profile));
    }
    if let Some(options) = generated {
        return format!("{command} {options}");
    }
    if let Some(feature) = &request.feature {
        return format!("{command} --feature {}", quote(feature));
    }
    match place.split_once(": ") {
        Some((file, _)) if place.starts_with("features/") => command += &format!(" --scenario {file}:"),
        _ => command += &format!(" --only {id}"),
    }
    command
}
