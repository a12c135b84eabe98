//! The state of one scenario: its session, its names for handles and texts, and what was judged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use worker_contract::RequirementId;

use crate::executor::{Options, Session};
use crate::fuzz::coverage::Coverage;
use crate::oracle::{Expected, Finding, ModelFacts, Oracle, Verdicts};
use crate::program::{Call, Handle, Op, Slot, Text};
use crate::setting::Setting;
use crate::trace::{Cause, Event, Measured, Observation, Outcome, Returned, Token};

/// Why a step did not do what it says.
#[derive(Debug)]
pub enum Stop {
    /// What a `Then` step says is not so; the finding is kept already.
    Failed,
    /// The scenario cannot get to its point, for a reason that other requirements report.
    Blocked(String),
    /// The contract asks nothing here of this library, machine or profile.
    NotApplicable(String),
    /// The contract asks for it, and this scenario cannot show it with what there is: another may.
    OutOfReach(String),
    /// The suite could not do its work.
    Broken(String),
}

/// Operations from which on a session is too long to be shown as a C program.
const LONG: usize = 64;

/// Result of a step.
pub type Step = Result<(), Stop>;

/// A generated text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    /// Text and index of each token.
    pub tokens: Vec<(Vec<u8>, Option<i32>)>,
    /// Code of the call that gave no token, if there was one.
    pub last_code: Option<i32>,
    /// Whether every call returned, and with text.
    pub whole: bool,
    /// Why there is no text at all, where an earlier job of the scenario had one.
    pub missing: Option<String>,
}

impl Generation {
    /// Collects the tokens of a job from observations.
    pub fn from_trace<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Self {
        let mut generation = Self { whole: true, ..Self::default() };
        for observation in observations {
            let Event::Call(Call::NextToken { .. }) = &observation.event else { continue };
            let Some(returned) = observation.returned() else {
                generation.whole = false;
                continue;
            };
            if returned.is_true() {
                match &returned.text {
                    Some(Token::Bytes(bytes)) => generation.tokens.push((bytes.clone(), returned.index)),
                    _ => generation.whole = false,
                }
            } else {
                generation.last_code = returned.code;
            }
        }
        generation
    }

    /// Whether the job was played to its end and gave no token.
    pub fn is_silent(&self) -> bool {
        self.tokens.is_empty() && self.missing.is_none()
    }

    /// The text in one piece.
    pub fn text(&self) -> Vec<u8> {
        self.tokens.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect()
    }

    /// The texts of the tokens.
    pub fn pieces(&self) -> Vec<&[u8]> {
        self.tokens.iter().map(|(bytes, _)| bytes.as_slice()).collect()
    }
}

/// One scenario. Cucumber calls it the world.
#[derive(Default, cucumber::World)]
pub struct Conversation {
    /// What to work with; set before the first step.
    pub setting: Option<Arc<Setting>>,
    /// Requirements of the scenario's tags.
    pub tags: Vec<RequirementId>,
    /// How the sessions of this scenario differ from the usual.
    pub options: Options,
    /// Number of devices, where the scenario's environment makes it another than usual.
    pub device_count: Option<i32>,
    /// Whether a fault is injected in this scenario.
    pub faulty: bool,
    session: Option<Session>,
    oracle: Option<Oracle>,
    /// What finished sessions and steps judged.
    pub verdicts: Verdicts,
    names: HashMap<(Kind, String), Slot>,
    slots: u32,
    /// The last call observed.
    pub last: Option<Observation>,
    /// Generated texts by name.
    pub texts: BTreeMap<String, Generation>,
    /// The calls whose answers are kept, by name.
    pub asked: HashMap<String, String>,
    /// Numbers kept by name.
    pub figures: HashMap<String, u64>,
    /// What each round did, in the words of the scenario.
    pub cycle: String,
    /// Figures round by round, by what they measure.
    pub series: HashMap<String, Vec<u64>>,
    /// The first good call that did not work, and what it gave.
    pub odd: Option<(String, String)>,
    /// What came of buffers that are just too small or just large enough.
    pub fit: crate::steps::jobs::Fit,
    /// What several threads observed; thread 0 ran alone.
    pub threads: Vec<Observation>,
    /// How opening, closing or leaving the library went.
    pub library_event: Option<Observation>,
    /// Measurements in order.
    pub measured: Vec<Measured>,
    /// Files of this scenario that are valid models.
    pub private_models: HashMap<Vec<u8>, ModelFacts>,
    /// The model file to load where a step names none.
    pub model_file: Option<PathBuf>,
    /// Where the scenario's own copy of a model lies, removed with it: models may have gigabytes.
    pub own_folder: Option<tempfile::TempDir>,
    /// A file that controls a fault: its path, and what injects and clears.
    pub fault_file: Option<(PathBuf, String, String)>,
    /// Why the scenario stopped, if it did.
    pub stopped: Option<Stop>,
    /// Whether the process died in this session.
    pub died: bool,
    /// Whether the library was so slow that a step was given up.
    pub slow: bool,
    /// Which observations of the last run are of calls that gave no handle, which the contract leaves to the library.
    pub refused: HashSet<usize>,
    /// When the step under way began.
    pub mark: Option<Instant>,
    /// The turn that the scenario holds while it is played.
    pub turn: Option<tokio::sync::OwnedSemaphorePermit>,
    /// How long each step took that is over.
    pub steps: Vec<Duration>,
    /// What was found, and in which step.
    pub located: Vec<(Finding, usize)>,
    /// States and outcomes reached.
    pub coverage: Coverage,
    /// What the session was told to do so far, unless that is much.
    said: Vec<Op>,
    /// Programs that led to findings.
    pub shown: Vec<(RequirementId, Vec<Op>)>,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A context.
    Context,
    /// A model.
    Model,
    /// A job.
    Job,
}

impl Conversation {
    /// What to work with.
    ///
    /// # Errors
    /// Never in a run: the setting is put in before the first step.
    pub fn setting(&self) -> Result<Arc<Setting>, Stop> {
        self.setting.clone().ok_or_else(|| Stop::Broken("the scenario has no setting".to_owned()))
    }

    /// The number of devices in this scenario's environment.
    ///
    /// # Errors
    /// Never in a run.
    pub fn devices(&self) -> Result<Option<i32>, Stop> {
        Ok(match self.device_count {
            Some(count) => Some(count),
            None => self.setting()?.facts.devices,
        })
    }

    /// A new slot for a name.
    pub fn bind(&mut self, kind: Kind, name: &str) -> Slot {
        let slot = Slot(self.slots);
        self.slots += 1;
        self.names.insert((kind, name.to_owned()), slot);
        slot
    }

    /// A slot without a name.
    pub fn fresh_slot(&mut self) -> Slot {
        let slot = Slot(self.slots);
        self.slots += 1;
        slot
    }

    /// What a name stands for.
    pub fn named(&self, kind: Kind, name: &str) -> Option<Handle> {
        self.names.get(&(kind, name.to_owned())).map(|slot| Handle::Slot(*slot))
    }

    /// The bits of a context's handle, if it was opened in this session.
    pub fn context_bits(&self, name: &str) -> Option<u64> {
        let slot = self.names.get(&(Kind::Context, name.to_owned()))?;
        self.oracle.as_ref()?.context_bits(*slot)
    }

    /// What a name stands for, or why there is none.
    ///
    /// # Errors
    /// [`Stop::Broken`]: a feature names what no step made.
    pub fn need(&self, kind: Kind, name: &str) -> Result<Handle, Stop> {
        self.named(kind, name).ok_or_else(|| Stop::Broken(format!("no {kind:?} is called {name:?} here")))
    }

    /// Runs steps in the scenario's session, begins one if there is none, and judges what comes back.
    ///
    /// # Errors
    /// [`Stop::Broken`] when the executor fails, [`Stop::Blocked`] when the library is too slow.
    pub async fn run(&mut self, program: Vec<Op>) -> Result<Vec<Observation>, Stop> {
        let setting = self.setting()?;
        let session = self.session.take();
        let options = self.options.clone();
        if self.said.len() <= LONG {
            self.said.extend(program.iter().cloned());
        }
        let executor = Arc::clone(&setting.executor);
        // Waiting for another process must not hold up the other scenarios.
        let work = tokio::task::spawn_blocking(move || {
            let mut session = match session {
                Some(session) => session,
                None => executor.session(&options)?,
            };
            session.run(&program).map(|observations| (session, observations))
        });
        let (session, observations) = work
            .await
            .map_err(|error| Stop::Broken(error.to_string()))?
            .map_err(|error| Stop::Broken(error.to_string()))?;
        self.died |= !session.is_alive();
        self.session = Some(session);
        let mut facts = setting.facts_with(&self.private_models);
        facts.faulty = self.faulty;
        facts.devices = self.device_count.or(facts.devices);
        let oracle = self.oracle.get_or_insert_with(|| Oracle::new(facts));
        self.refused.clear();
        for (at, observation) in observations.iter().enumerate() {
            self.coverage.observe(observation, oracle.state());
            if let Event::Call(call) = &observation.event
                && call.bind().is_some()
                && observation.returned().is_some_and(|got| got.handle().is_none())
                && matches!(oracle.expected(call), Expected::Either { .. })
            {
                self.refused.insert(at);
            }
            oracle.observe(observation);
            match (&observation.event, &observation.outcome) {
                (Event::Call(_), _) => self.last = Some(observation.clone()),
                (_, Outcome::Measured(measured)) => self.measured.push(measured.clone()),
                _ => {}
            }
        }
        let patience = |observation: &&Observation| matches!(&observation.outcome, Outcome::Died(death) if matches!(death.cause, Cause::Patience(_)));
        if let Some(last) = observations.iter().find(patience) {
            // Slow is not broken, and what was cut short shows nothing.
            self.slow = true;
            return Err(Stop::Blocked(format!("{}: {}", last.event, last.outcome)));
        }
        Ok(observations)
    }

    /// Keeps how long a step took, and which findings are new since the one before.
    pub fn step_done(&mut self) {
        let now = Instant::now();
        let began = self.mark.replace(now).unwrap_or(now);
        self.steps.push(now - began);
        self.locate(self.steps.len() - 1);
    }

    /// Says of what is new among the findings that it was found in a step.
    fn locate(&mut self, at: usize) {
        let is_new = |finding: &&Finding| !self.located.iter().any(|(known, _)| known == *finding);
        let new: Vec<Finding> = self.findings().filter(is_new).cloned().collect();
        for finding in new {
            if !self.said.is_empty() && self.said.len() <= LONG {
                self.shown.push((finding.requirement, self.said.clone()));
            }
            self.located.push((finding, at));
        }
    }

    /// Ends the session, so that the next call begins a new one; handles are gone.
    pub async fn end_session(&mut self) {
        if let Some(session) = self.session.take() {
            let rest = tokio::task::spawn_blocking(move || session.finish()).await.unwrap_or_default();
            if let Some(oracle) = &mut self.oracle {
                rest.iter().for_each(|observation| oracle.observe(observation));
            }
        }
        if let Some(oracle) = self.oracle.take() {
            self.verdicts.absorb(oracle.into_verdicts());
        }
        // In the midst of a step, or behind the last one.
        self.locate(self.steps.len());
        self.said.clear();
        self.names.clear();
        self.died = false;
    }

    /// The oracle learns of another valid model file.
    pub fn adopt_model(&mut self, path: Vec<u8>, facts: ModelFacts) {
        self.private_models.insert(path, facts);
        // The facts of a running oracle are fixed; models are adopted before the first call.
        debug_assert!(self.oracle.is_none());
    }

    /// Forgets what is known of a file that gets another content.
    pub fn forget_file(&mut self, path: &[u8]) {
        self.private_models.remove(path);
        if let Some(oracle) = &mut self.oracle {
            oracle.forget_file(path);
        }
    }

    /// Judges a statement of the scenario; a wrong one ends it.
    ///
    /// # Errors
    /// [`Stop::Failed`] if it is wrong, [`Stop::Broken`] if no requirement is named and the scenario has several.
    pub fn judge(
        &mut self,
        requirement: Option<&str>,
        good: bool,
        finding: impl FnOnce() -> (String, String, String),
    ) -> Step {
        let requirement = self.requirement(requirement)?;
        self.verdicts.judge(requirement.as_str(), good, finding);
        if good { Ok(()) } else { Err(Stop::Failed) }
    }

    /// The requirement that a step is about: the one it names, or else the scenario's only one.
    ///
    /// # Errors
    /// [`Stop::Broken`] if that is not clear.
    pub fn requirement(&self, named: Option<&str>) -> Result<RequirementId, Stop> {
        match (named, self.tags.as_slice()) {
            (Some(named), _) => named
                .parse()
                .map_err(|error: worker_contract::UnknownRequirement| Stop::Broken(error.to_string())),
            (None, [only]) => Ok(*only),
            (None, _) => Err(Stop::Broken(
                "a scenario with several requirements needs `[ID]` at the end of each Then step".to_owned(),
            )),
        }
    }

    /// The last call and what it returned.
    ///
    /// # Errors
    /// [`Stop::Blocked`] if it was not made.
    pub fn last_call(&self) -> Result<(Observation, Option<Returned>), Stop> {
        let last =
            self.last.clone().ok_or_else(|| Stop::Broken("no call was made before this step".to_owned()))?;
        if matches!(last.outcome, Outcome::Skipped(_)) {
            return Err(Stop::Blocked(format!("{}: {}", last.event, last.outcome)));
        }
        let returned = last.returned().cloned();
        Ok((last, returned))
    }

    /// What was found in this scenario, by its claims and by the oracle.
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let judging = self.oracle.iter().flat_map(|oracle| &oracle.verdicts().findings);
        self.verdicts.findings.iter().chain(judging)
    }

    /// Whether anything was found in this scenario.
    pub fn has_findings(&self) -> bool {
        self.findings().next().is_some()
    }

    /// Whether something was found against a requirement in this scenario.
    pub fn found(&self, requirement: RequirementId) -> bool {
        self.findings().any(|finding| finding.requirement == requirement)
    }

    /// The prompt of jobs that need no other.
    ///
    /// # Errors
    /// Never in a run.
    pub fn prompt(&self) -> Result<&'static str, Stop> {
        Ok(self.setting()?.prompt)
    }

    /// Whether the context of its model is sure to have room for a job, however its prompt is split. So it is of a model
    /// that nothing is known of: then the call is to tell.
    pub fn has_room(&self, start: &Call) -> bool {
        let Call::Start { model, prompt: Text::Bytes(prompt), max_tokens, .. } = start else { return true };
        self.facts_of(*model).is_none_or(|facts| facts.has_room(prompt, *max_tokens))
    }

    /// What is known of a live model.
    fn facts_of(&self, model: Handle) -> Option<&ModelFacts> {
        self.oracle.as_ref()?.state().model(model)?.facts.as_ref()
    }

    /// Whether a path is that of the model beyond any device, for a library that is not known to run models of the suite:
    /// it resembles the library's own in tensor types and kind of vocabulary alone.
    ///
    /// # Errors
    /// Never in a run.
    pub fn is_made_like_a_foreign_model(&self, path: &[u8]) -> Result<bool, Stop> {
        let setting = self.setting()?;
        let huge = setting.huge().map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(!setting.models.iter().any(|model| model.ours)
            && huge.is_some_and(|huge| crate::setting::bytes(&huge) == path))
    }

    /// Goes on only if [`Self::has_room`]: INF-13 lets a library refuse the job, or end it anywhere, if not.
    ///
    /// # Errors
    /// [`Stop::OutOfReach`].
    pub fn need_room(&self, start: &Call) -> Step {
        match self.has_room(start) {
            true => Ok(()),
            false => Err(Stop::OutOfReach(format!("the context may be too short for this job: {start}"))),
        }
    }

    /// Tokens to ask a model for behind a prompt: as many as its context is sure to have room for, one at least, and no
    /// more than `most`.
    pub fn fitting(&self, model: Handle, prompt: &Text, most: i32) -> i32 {
        let (Some(facts), Text::Bytes(prompt)) = (self.facts_of(model), prompt) else { return most };
        let room = facts.context_length.saturating_sub(facts.most_tokens(prompt));
        most.min(i32::try_from(room).unwrap_or(most)).max(1)
    }

    /// Most tokens that an open job may give; 0 if it is none.
    pub fn most_tokens_of(&self, job: Handle) -> i32 {
        self.oracle.as_ref().and_then(|oracle| oracle.state().job(job)).map_or(0, |job| job.max_tokens)
    }

    /// Bytes of a buffer that has room for any text of a token.
    ///
    /// # Errors
    /// Never in a run.
    pub fn buffer(&self) -> Result<i32, Stop> {
        Ok(self.setting()?.facts.ample)
    }

    /// Why a claim about tokens says nothing where there is none: this text is empty, or the library gives no token at all.
    pub fn no_token(&self) -> Stop {
        if self.setting.as_ref().is_some_and(|setting| setting.talks) {
            Stop::OutOfReach(
                "the job that this is about ends at once, so there is nothing to compare".to_owned(),
            )
        } else {
            Stop::Blocked("no job of this library gives a token".to_owned())
        }
    }

    /// Makes sure that the library gives tokens at all.
    ///
    /// # Errors
    /// [`Stop::Blocked`] if it gives none, whatever the prompt.
    pub fn need_tokens(&self) -> Step {
        if self.setting()?.talks { Ok(()) } else { Err(self.no_token()) }
    }

    /// A generated text by name.
    ///
    /// # Errors
    /// [`Stop::Broken`] if no step made it.
    pub fn text(&self, name: &str) -> Result<Generation, Stop> {
        self.texts.get(name).cloned().ok_or_else(|| Stop::Broken(format!("no text is called {name:?}")))
    }
}
