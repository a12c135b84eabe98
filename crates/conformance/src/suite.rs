//! A whole run: look at the file, load it, play the scenarios, and sum up.

mod cases;
mod reproduce;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cucumber::event::{self, ScenarioFinished};
use cucumber::{Cucumber, Event, World as _};
use futures::FutureExt;
use tokio::sync::Semaphore;
use worker_contract::{Function, RequirementId};

pub use cases::{Case, cases};

use crate::binary;
use crate::conversation::{Conversation, Stop};
use crate::executor::{Config, Executor, Instrument, Limits, Options};
use crate::features::{self, FeatureError, Parsed};
use crate::fuzz::coverage::Coverage;
use crate::fuzz::share;
use crate::models::Store;
use crate::oracle::{Finding, Oracle, Verdicts};
use crate::profile::{Day, Profile, ProfileError, timestamp};
use crate::program::Op;
use crate::scratch::Scratch;
use crate::setting::{MODELS_OF_A_SESSION, Setting, SettingError};
use crate::verdict::latency::Histogram;
use crate::verdict::{
    Case as PlayedCase, CaseKind, Choice, CodeCount, Conformance, Contract, End, Found, Machine,
    ProfileFacts, RunResult, SCHEMA_VERSION, ScenarioText, Selection, Shard, StepResult, StepStatus, Suite,
    TestedLibrary, Verdict, rounded, sha256,
};
use crate::waiver::{self, GivenWaiver};

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
    /// Sessions at a time. If not given, one more than there are cores, and those that pause besides; [`WAITING_JOBS`]
    /// at least, where the library does little but wait, and no more than there is room for models.
    pub jobs: Option<usize>,
    /// The program that serves sessions.
    pub program: PathBuf,
    /// Where generated models are kept.
    pub models: PathBuf,
    /// Only the scenarios of this file, which is none of the suite's.
    pub feature: Option<PathBuf>,
    /// Generated programs to play besides the scenarios, where all of those are asked for.
    pub programs: u64,
    /// The part to play of it.
    pub shard: Option<Shard>,
    /// Whether C programs of what fails are wanted.
    pub reproducers: bool,
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
    /// The library is not the one that the profile is about.
    #[error("`{}` is not what the profile `{}` is about: {what}", library.display(), profile.display())]
    Identity {
        /// The library.
        library: PathBuf,
        /// The profile.
        profile: PathBuf,
        /// What differs.
        what: String,
    },
    /// The waivers beside the library cannot be used.
    #[error(transparent)]
    Waivers(#[from] ProfileError),
    /// A waiver is of no scenario that there is.
    #[error("the waiver of {name} in `{}` names no scenario of the suite; `worker-conformance list --tree` names them", from.display())]
    WaiverOfNothing {
        /// What it is of.
        name: String,
        /// The file that it stands in.
        from: PathBuf,
    },
    /// The profile cannot be read a second time.
    #[error("cannot read the profile `{}`: {source}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
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
    /// So many of the generated programs have been played.
    fn programs(&mut self, _done: u64, _all: u64) {}
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: usize) {}
    fn scenario(&mut self, _: &str, _: bool) {}
}

/// How a case went, and what is told of the whole run only.
#[derive(Default)]
struct Played {
    cases: Vec<PlayedCase>,
    latency: BTreeMap<Function, Histogram>,
    coverage: Coverage,
    shown: Vec<(RequirementId, String, Vec<Op>)>,
    broken: Vec<String>,
}

impl Played {
    fn absorb(&mut self, other: Played) {
        self.cases.extend(other.cases);
        self.coverage.absorb(&other.coverage);
        for (function, histogram) in &other.latency {
            self.latency.entry(*function).or_default().absorb(histogram);
        }
        self.shown.extend(other.shown);
        self.broken.extend(other.broken);
    }
}

/// Checks that need no scenario.
const STATIC: [&str; 4] = ["ABI-01", "ABI-02", "ABI-04", "ABI-05"];

/// A library with everything about it that scenarios need to know. Runs on the same one may go on at the same time.
pub struct Stage {
    subject: Subject,
    /// What has shown up to here.
    cases: Vec<PlayedCase>,
    /// What scenarios work with, or why there is nothing to play them on.
    setting: Result<Arc<Setting>, &'static str>,
    /// Files of the scenarios.
    _scratch: Scratch,
}

impl Stage {
    /// Looks at the library's file, unless scenarios are asked for by their place, and loads it for a first look.
    ///
    /// # Errors
    /// When the suite itself could not do its work; what the library does wrong is in the result.
    pub fn set(request: &Request) -> Result<Self, SuiteError> {
        let subject = Subject::look(request)?;
        // What is wrong with the request shows before the library is loaded.
        blank(request, &subject)?;
        Self::set_for(request, subject)
    }

    fn set_for(request: &Request, subject: Subject) -> Result<Self, SuiteError> {
        let scratch = Scratch::new("worker-conformance-").map_err(SuiteError::Scratch)?;
        let mut cases = Vec::new();
        // Scenarios by their place say nothing about the file, and as cases of `cargo test` are hundreds of runs.
        let loadable = request.scenario.is_some() || look_at(&subject.path, &subject.data, &mut cases);
        let setting = if loadable {
            load(request, subject.path.clone(), scratch.path(), &mut cases)?
        } else {
            Err("the file is no shared library")
        };
        Ok(Self { subject, cases, setting, _scratch: scratch })
    }
}

/// What is judged, and where.
struct Subject {
    path: PathBuf,
    data: Vec<u8>,
    library: TestedLibrary,
    machine: Machine,
}

impl Subject {
    fn look(request: &Request) -> Result<Self, SuiteError> {
        let unreadable = |source| SuiteError::Library { path: request.library.clone(), source };
        let path = std::fs::canonicalize(&request.library).map_err(unreadable)?;
        let data = std::fs::read(&path).map_err(unreadable)?;
        Ok(Self { library: TestedLibrary::look(&path, &data), machine: Machine::look(), path, data })
    }
}

/// Loads the library and looks at what it can do; the reason, if it cannot be loaded.
fn load(
    request: &Request,
    library: PathBuf,
    scratch: &Path,
    cases: &mut Vec<PlayedCase>,
) -> Result<Result<Arc<Setting>, &'static str>, SuiteError> {
    let executor = Executor::new(Config {
        program: request.program.clone(),
        library,
        environment: request.profile.environment.clone().into_iter().collect(),
        folder: scratch.to_owned(),
        limits: limits(&request.profile),
        jobs: request.jobs.unwrap_or_else(usual_jobs),
        instrument: request.instrument.clone(),
    });
    let opening = open(&executor).map_err(SettingError::from)?;
    let fails = !opening.findings.is_empty();
    cases.push(check("loading the library", &["ABI-03"], opening));
    if fails {
        return Ok(Err("the library cannot be loaded"));
    }
    let store = Store::new(&request.models);
    let (setting, probed) = Setting::prepare(executor, store, request.profile.clone(), scratch.to_owned())?;
    cases.push(check("a first look at the library", &[], probed));
    if setting.alone {
        setting.executor.resize(1);
    } else if request.jobs.is_none() {
        let waiting = if setting.waits { WAITING_JOBS } else { 1 };
        setting.executor.resize(waiting.max(setting.executor.jobs()).min(setting.room()));
    }
    Ok(Ok(Arc::new(setting)))
}

/// Runs the suite.
///
/// # Errors
/// When the suite itself could not do its work; what the library does wrong is in the result.
pub fn run(request: &Request, progress: Box<dyn Progress>) -> Result<RunResult, SuiteError> {
    let started = Instant::now();
    let subject = Subject::look(request)?;
    // As in `Stage::set`, with what is selected besides.
    let (blank, selected) = (blank(request, &subject)?, select(request)?);
    finish(request, &Stage::set_for(request, subject)?, started, blank, selected, progress)
}

/// Runs the suite on a stage that is set already, with a request for the same library, profile and number of sessions.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    stage: &Stage,
    request: &Request,
    progress: Box<dyn Progress>,
) -> Result<RunResult, SuiteError> {
    finish(request, stage, Instant::now(), blank(request, &stage.subject)?, select(request)?, progress)
}

fn finish(
    request: &Request,
    stage: &Stage,
    started: Instant,
    mut result: RunResult,
    selected: Vec<gherkin::Feature>,
    progress: Box<dyn Progress>,
) -> Result<RunResult, SuiteError> {
    let mut played = Played { cases: stage.cases.clone(), ..Played::default() };
    match &stage.setting {
        Err(why) => result.blocked = Some((*why).to_owned()),
        Ok(setting) => act(request, setting, selected, progress, &mut result, &mut played)?,
    }
    if !played.broken.is_empty() {
        return Err(SuiteError::Broken(played.broken));
    }
    result.cases = played.cases;
    result.coverage = played.coverage.rows();
    result.latency = played.latency.iter().map(|(function, one)| one.tell(*function)).collect();
    result.seconds = rounded(started.elapsed().as_secs_f64());
    result.sum_up();
    Ok(result)
}

/// Plays the scenarios, the generated programs and what has to be shown again.
fn act(
    request: &Request,
    setting: &Arc<Setting>,
    selected: Vec<gherkin::Feature>,
    progress: Box<dyn Progress>,
    result: &mut RunResult,
    played: &mut Played,
) -> Result<(), SuiteError> {
    result.machine.device_count = setting.facts.devices;
    let progress = Arc::new(Mutex::new(progress));
    let (pausing, others) = part(selected);
    // Who only waits takes no core from others, so that no pause holds up the rest.
    let extra = match request.jobs {
        None => count(&pausing).min(setting.room().saturating_sub(setting.executor.jobs())),
        Some(_) => 0,
    };
    let features = pausing.into_iter().chain(others).collect();
    played.absorb(play(features, extra, Arc::clone(setting), &progress)?);
    if request.programs > 0 && !result.selection.is_narrowed() {
        let known = played.cases.iter().flat_map(|one| &one.findings).map(|found| found.requirement);
        let known = known.collect();
        let waived = result.waivers.iter().filter_map(GivenWaiver::whole_requirement).collect();
        let (programs, shard) = (request.programs, request.shard);
        let tell = |done, all| lock(&progress).programs(done, all);
        let share = share::run(setting, programs, request.level, known, &waived, shard, &tell)?;
        played.cases.extend(share.findings.into_iter().map(|(case, finding)| {
            let verdicts = Verdicts { findings: vec![finding], ..Verdicts::default() };
            PlayedCase { kind: CaseKind::Generated, ..check(&share::place(case), &[], verdicts) }
        }));
        let verdicts = Verdicts { checks: share.checks, ..Verdicts::default() };
        let whole = check("generated programs", &[], verdicts);
        played.cases.push(PlayedCase { kind: CaseKind::Generated, ..whole });
        played.coverage.absorb(&share.coverage);
        result.generated = Some(share.generated);
        result.reproducers = share.reproducers;
    }
    if request.reproducers {
        let more = reproduce::all(setting, &played.shown, request.level)?;
        result.reproducers.splice(0..0, more);
    }
    Ok(())
}

/// Sessions at a time of a library that mostly waits, whatever the cores: as many contexts as any GPU has room for.
pub const WAITING_JOBS: usize = 12;

fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) + 1
}

/// Judges the file of the library; whether it can be loaded at all.
fn look_at(library: &Path, data: &[u8], cases: &mut Vec<PlayedCase>) -> bool {
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
    cases.push(check("the library file", &applied, file));
    if !told {
        let why = "the library carries no debug information about the 14 functions".to_owned();
        cases.push(PlayedCase {
            end: End::NotApplicable,
            reason: Some(why),
            ..check("the library's debug information", &["ABI-04"], Verdicts::default())
        });
    }
    loadable
}

/// What is known before anything is played.
fn blank(request: &Request, subject: &Subject) -> Result<RunResult, SuiteError> {
    let Subject { path: library, library: tested, machine, .. } = subject;
    if let Some(what) = request.profile.identity.complaint(tested, machine) {
        let profile = request.profile_path.clone().unwrap_or_default();
        return Err(SuiteError::Identity { library: library.clone(), profile, what });
    }
    let faults: Vec<RequirementId> = request.profile.faults.keys().copied().collect();
    let sha256 = match &request.profile_path {
        Some(path) => std::fs::read(path)
            .map(|bytes| sha256(&bytes))
            .map_err(|source| SuiteError::Profile { path: path.clone(), source })?,
        // A program may have made it up; then there is no file to know it by.
        None => sha256(format!("{:?}", request.profile).as_bytes()),
    };
    let given = request.profile_path.is_some() || request.profile.name.is_some() || !faults.is_empty();
    let profile = given.then(|| ProfileFacts {
        name: request.profile.name.clone(),
        path: request.profile_path.as_ref().map(|path| path.display().to_string()),
        sha256,
        faults,
    });
    let mut waivers = request.profile.waivers.clone();
    waivers.extend(waiver::beside(library)?);
    let of_scenarios = waivers.iter().any(|one| one.scenario.is_some());
    let scenarios = if of_scenarios { cases()? } else { Vec::new() };
    for one in &waivers {
        let Some(wanted) = &one.scenario else { continue };
        if !scenarios.iter().any(|one| waiver::names_scenario(wanted, &one.file, &one.name)) {
            let name = format!("`{wanted}`");
            return Err(SuiteError::WaiverOfNothing { name, from: one.from.clone() });
        }
    }
    let today = Day::today();
    Ok(RunResult {
        schema_version: SCHEMA_VERSION.to_owned(),
        contract: Contract { version: worker_contract::lock::current().version.clone() },
        waivers: waivers.iter().map(|waiver| waiver.given(today, tested, machine)).collect(),
        library: tested.clone(),
        level: request.level,
        verdict: Verdict::Incomplete,
        requirements: Vec::new(),
        codes: Vec::new(),
        scenarios: 0,
        seconds: 0.0,
        generated: None,
        suite: Suite::current(),
        selection: Selection {
            library: request.library.display().to_string(),
            only: request.only.clone(),
            scenario: request.scenario.clone(),
            feature: request.feature.as_ref().map(|path| path.display().to_string()),
            instrument: request.instrument.options.clone(),
            programs: request.programs,
            shard: request.shard,
        },
        started: timestamp(),
        machine: machine.clone(),
        profile,
        waiver_problems: Vec::new(),
        blocked: None,
        latency: Vec::new(),
        coverage: Vec::new(),
        reproducers: Vec::new(),
        cases: Vec::new(),
    })
}

/// Bytes of a model that add a second to the longest call: a CPU runs a prompt of 300 tokens through some MiB of weights
/// in a second, with other work beside it.
const CALL_PACE: u64 = 2 << 20;
/// Bytes of a model that add a second to the longest load, as a slow disk reads them.
const LOAD_PACE: u64 = 32 << 20;
/// The most that a call gets in this way.
const LONGEST_CALL: Duration = Duration::from_secs(120);
/// The most that a load gets in this way.
const LONGEST_LOAD: Duration = Duration::from_secs(600);

/// The limits of a run: the profile's, or else the usual ones with what its models need on top.
pub(crate) fn limits(profile: &Profile) -> Limits {
    let usual = Limits::default();
    let largest = largest(profile);
    let seconds = |given: Option<u64>, usual: Duration| given.map_or(usual, Duration::from_secs);
    let slower = |usual: Duration, pace: u64, most: Duration| {
        usual.saturating_add(Duration::from_secs(largest / pace)).min(most)
    };
    Limits {
        call: seconds(profile.limits.call_seconds, slower(usual.call, CALL_PACE, LONGEST_CALL)),
        load: seconds(profile.limits.load_seconds, slower(usual.load, LOAD_PACE, LONGEST_LOAD)),
        batch: seconds(profile.limits.batch_seconds, usual.batch),
        // Backends in host memory hold every model of a session there.
        memory: profile.limits.memory_bytes.unwrap_or(usual.memory + MODELS_OF_A_SESSION * largest),
        // Scenarios write over a copy of the model, and a library may keep copies in files of memory.
        file: usual.file + MODELS_OF_A_SESSION * largest,
    }
}

/// Bytes of the largest model file that a profile names.
fn largest(profile: &Profile) -> u64 {
    let files = profile.models.values().filter_map(|source| source.path.as_ref()?.metadata().ok());
    files.map(|file| file.len()).max().unwrap_or(0)
}

fn check(place: &str, tags: &[&str], verdicts: Verdicts) -> PlayedCase {
    PlayedCase {
        place: place.to_owned(),
        kind: CaseKind::Check,
        requirements: tags.iter().map(|tag| crate::oracle::id(tag)).collect(),
        end: End::Complete,
        reason: None,
        seconds: 0.0,
        scenario: None,
        findings: verdicts.findings.iter().map(|finding| found(finding, None)).collect(),
        choices: choices(&verdicts),
        codes: codes(&verdicts),
        checks: verdicts.checks,
    }
}

fn found(finding: &Finding, step: Option<usize>) -> Found {
    let Finding { requirement, level, call, expected, observed } = finding.clone();
    Found { requirement, level, call, expected, observed, step }
}

fn choices(verdicts: &Verdicts) -> Vec<Choice> {
    let told = |note: &crate::oracle::Note| Choice { requirement: note.requirement, text: note.text.clone() };
    verdicts.notes.iter().map(told).collect()
}

fn codes(verdicts: &Verdicts) -> Vec<CodeCount> {
    let cell = |(&(function, code), &calls): (&(Function, i32), &u64)| CodeCount { function, code, calls };
    verdicts.codes.iter().map(cell).collect()
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
    let mut alike: HashMap<String, usize> = HashMap::new();
    // Rows of an outline have one name, so they are told apart by their order.
    let mut asked =
        |feature: &gherkin::Feature, rule: Option<&gherkin::Rule>, scenario: &gherkin::Scenario| {
            let rule_name = rule.map(|rule| rule.name.as_str()).unwrap_or_default();
            let name = format!("{}: {rule_name}: {}", file_of(feature), scenario.name);
            let nth = alike.entry(name.clone()).or_default();
            *nth += 1;
            let here = request.shard.is_none_or(|shard| shard.has(&format!("{name} #{nth}")));
            here && asked(feature, rule, scenario)
        };
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
    if count == 0 && !static_asked && request.shard.is_none() {
        let ids: Vec<&str> = request.only.iter().map(|id| id.as_str()).collect();
        let name = request.scenario.clone().unwrap_or_default();
        let file = request.feature.as_ref().map_or(String::new(), |path| format!("`{}`", path.display()));
        return Err(SuiteError::NothingSelected(format!("{} {name}{file}", ids.join(",")).trim().to_owned()));
    }
    Ok(features)
}

fn file_of(feature: &gherkin::Feature) -> String {
    feature.path.as_deref().unwrap_or(Path::new("?")).display().to_string()
}

/// Where a scenario stands: `features/file.feature:line: name`.
fn place(feature: &gherkin::Feature, scenario: &gherkin::Scenario) -> String {
    format!("features/{}:{}: {}", file_of(feature), scenario.position.line, scenario.name)
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

/// Whether the scenario spends most of its time in pauses that it asks for.
fn pauses(scenario: &gherkin::Scenario) -> bool {
    scenario.steps.iter().any(|step| step.value.contains("pause_us"))
}

/// The features with only the scenarios that pause, and with only the others.
fn part(features: Vec<gherkin::Feature>) -> (Vec<gherkin::Feature>, Vec<gherkin::Feature>) {
    let mut pausing = features.clone();
    let mut others = features;
    for feature in &mut pausing {
        feature.scenarios.retain(pauses);
        feature.rules.clear();
    }
    pausing.retain(|feature| !feature.scenarios.is_empty());
    for feature in &mut others {
        feature.scenarios.retain(|scenario| !pauses(scenario));
    }
    (pausing, others)
}

fn count(features: &[gherkin::Feature]) -> usize {
    features.iter().map(|feature| feature.scenarios.len()).sum()
}

/// Plays the scenarios, those that pause on top of as many as may be played at a time where there are `extra` sessions.
fn play(
    features: Vec<gherkin::Feature>,
    extra: usize,
    setting: Arc<Setting>,
    progress: &Arc<Mutex<Box<dyn Progress>>>,
) -> Result<Played, SuiteError> {
    let results: Arc<Mutex<Played>> = Arc::default();
    let undefined: Arc<Mutex<Vec<String>>> = Arc::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(|error| SuiteError::Broken(vec![error.to_string()]))?;
    let (before, models) = (Arc::clone(&setting), Arc::clone(&setting));
    let (after, shown) = (Arc::clone(&results), Arc::clone(progress));
    let jobs = setting.executor.jobs();
    let turns = Arc::new(Semaphore::new(jobs));
    setting.executor.resize(jobs + extra);
    let run = Conversation::cucumber::<&str>()
        .with_parser(Parsed(features))
        .with_writer(Watcher {
            progress: Box::new(Shared(Arc::clone(progress))),
            undefined: Arc::clone(&undefined),
        })
        .with_default_cli()
        .max_concurrent_scenarios(jobs + extra)
        .before(move |feature, rule, scenario, world| {
            world.setting = Some(Arc::clone(&before));
            world.tags = features::tags(feature, rule, scenario).filter_map(|tag| tag.parse().ok()).collect();
            let turns = (extra == 0 || !pauses(scenario)).then(|| Arc::clone(&turns));
            async move {
                if let Some(turns) = turns {
                    world.turn = turns.acquire_owned().await.ok();
                }
                world.mark = Some(Instant::now());
            }
            .boxed_local()
        })
        .after(move |feature, rule, scenario, end, world| {
            let (after, shown) = (Arc::clone(&after), Arc::clone(&shown));
            let models = Arc::clone(&models);
            async move {
                let Some(world) = world else { return };
                world.end_session().await;
                world.turn = None;
                models.mend_models(&mut world.verdicts);
                let played = conclude(feature, rule, scenario, end, world);
                if let Some(one) = played.cases.first() {
                    let failed = !one.findings.is_empty();
                    lock(&shown).scenario(&one.place, failed);
                }
                after.lock().unwrap_or_else(PoisonError::into_inner).absorb(played);
            }
            .boxed_local()
        });
    let _: Watcher = runtime.block_on(Cucumber::run(run, ()));
    setting.executor.resize(jobs);
    let undefined = std::mem::take(&mut *undefined.lock().unwrap_or_else(PoisonError::into_inner));
    if !undefined.is_empty() {
        return Err(SuiteError::Broken(undefined));
    }
    let mut results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    // Scenarios end in any order; reports have one.
    results.cases.sort_by(|a, b| crate::verdict::in_order(&a.place).cmp(&crate::verdict::in_order(&b.place)));
    results.shown.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(results)
}

struct Shared(Arc<Mutex<Box<dyn Progress>>>);

impl Progress for Shared {
    fn begin(&mut self, scenarios: usize) {
        lock(&self.0).begin(scenarios);
    }
    fn scenario(&mut self, _: &str, _: bool) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    rule: Option<&gherkin::Rule>,
    scenario: &gherkin::Scenario,
    end: &ScenarioFinished,
    world: &mut Conversation,
) -> Played {
    let verdicts = std::mem::take(&mut world.verdicts);
    let place = place(feature, scenario);
    let mut played = Played {
        latency: verdicts.latency.clone(),
        coverage: std::mem::take(&mut world.coverage),
        ..Played::default()
    };
    let shown = std::mem::take(&mut world.shown);
    played.shown = shown.into_iter().map(|(id, program)| (id, place.clone(), program)).collect();
    let mut broken = |why: String| {
        played.broken.push(format!("{place}: {why}"));
        (End::Blocked, Some(why))
    };
    let (end, reason) = match (world.stopped.take(), end) {
        (Some(Stop::Failed), _) => (End::CutShort, None),
        (Some(Stop::Blocked(why)), _) => (End::Blocked, Some(why)),
        (Some(Stop::NotApplicable(why)), _) => (End::NotApplicable, Some(why)),
        (Some(Stop::OutOfReach(why)), _) => (End::OutOfReach, Some(why)),
        (Some(Stop::Broken(why)), _) => broken(why),
        (None, ScenarioFinished::StepPassed) => (End::Complete, None),
        (None, ScenarioFinished::StepFailed(_, _, error)) => broken(error.to_string()),
        (None, ScenarioFinished::StepSkipped) => broken("a step has no meaning".to_owned()),
        (None, ScenarioFinished::BeforeHookFailed(_)) => broken("it could not be set up".to_owned()),
    };
    // What only the end of the process shows belongs to the last step.
    let last = world.steps.len().saturating_sub(1);
    let step_of = |finding: &Finding| {
        world.located.iter().find(|(known, _)| known == finding).map(|(_, step)| (*step).min(last))
    };
    let findings: Vec<Found> =
        verdicts.findings.iter().map(|finding| found(finding, step_of(finding))).collect();
    let background = [feature.background.as_ref(), rule.and_then(|rule| rule.background.as_ref())];
    let steps = background.into_iter().flatten().flat_map(|background| &background.steps);
    let steps = steps.chain(&scenario.steps).enumerate().map(|(at, step)| {
        let status = match end {
            _ if findings.iter().any(|found| found.step == Some(at)) => StepStatus::Failed,
            _ if at >= world.steps.len() => StepStatus::Skipped,
            End::Complete => StepStatus::Passed,
            _ if at + 1 < world.steps.len() => StepStatus::Passed,
            End::CutShort => StepStatus::Failed,
            _ => StepStatus::Stopped,
        };
        StepResult {
            keyword: step.keyword.trim().to_owned(),
            text: step.value.clone(),
            line: step.position.line,
            docstring: step.docstring.clone(),
            table: step.table.as_ref().map(|table| table.rows.clone()).unwrap_or_default(),
            status,
            seconds: world.steps.get(at).map_or(0.0, |time| rounded(time.as_secs_f64())),
        }
    });
    let text = ScenarioText {
        file: file_of(feature),
        feature: feature.name.clone(),
        rule: rule.map(|rule| rule.name.clone()),
        name: scenario.name.clone(),
        line: scenario.position.line,
        steps: steps.collect(),
    };
    played.cases.push(PlayedCase {
        place,
        kind: CaseKind::Scenario,
        requirements: world.tags.clone(),
        end,
        reason,
        seconds: rounded(world.steps.iter().sum::<Duration>().as_secs_f64()),
        scenario: Some(text),
        findings,
        choices: choices(&verdicts),
        codes: codes(&verdicts),
        checks: verdicts.checks,
    });
    played
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_loads_get_longer_with_the_model_unless_the_profile_says_how_long() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("large.gguf");
        let with = |bytes: u64, given: &str| {
            std::fs::File::create(&model).unwrap().set_len(bytes).unwrap();
            let text = format!("{{models: {{llama: {{path: '{}'}}}}, limits: {{{given}}}}}", model.display());
            let limits = limits(&serde_yaml::from_str(&text).unwrap());
            [limits.call, limits.load].map(|limit| limit.as_secs())
        };
        assert_eq!(with(64 << 10, ""), [10, 30]);
        assert_eq!(with(96 << 20, ""), [58, 33]);
        assert_eq!(with(1 << 40, ""), [120, 600]);
        assert_eq!(with(1 << 40, "call_seconds: 5, load_seconds: 700"), [5, 700]);
    }

    #[test]
    fn what_stops_a_run_is_said_with_its_remedy() {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let said = [
            SuiteError::Library { path: "libmine.so".into(), source: missing() },
            SuiteError::Identity {
                library: "libmine.so".into(),
                profile: "mine.yaml".into(),
                what: "its build ID is 0123, not 4567".to_owned(),
            },
            SuiteError::WaiverOfNothing { name: "`a scenario`".to_owned(), from: "mine.yaml".into() },
            SuiteError::Profile { path: "mine.yaml".into(), source: missing() },
            SuiteError::NothingSelected("FAULT-07 nowhere".to_owned()),
            SuiteError::Broken(vec!["features/a.feature:3: no step is called `x`".to_owned()]),
            SuiteError::Scratch(missing()),
        ];
        insta::assert_snapshot!(said.map(|error| error.to_string()).join("\n"));
    }
}
