//! What the steps of a scenario work with: the executor, the models, the facts, and the profile.

mod originals;

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::conversation::Generation;
use crate::executor::{Executor, ExecutorError, Options};
use crate::models::inspect::{self, inspect};
use crate::models::{Architecture, BEYOND_ANY_DEVICE, Likeness, ModelError, Store};
use crate::oracle::{AMPLE, Facts, ModelFacts, Oracle, Verdicts};
use crate::profile::Profile;
use crate::program::{Call, Device, Handle, Op, Out, Slot, Text};
use crate::trace::{Cause, Observation, Outcome};
use originals::Originals;

/// A model that the library under test can load.
#[derive(Debug, Clone)]
pub struct Model {
    /// `general.architecture` of the file.
    pub architecture: String,
    /// The file.
    pub path: PathBuf,
    /// What its header says.
    pub facts: ModelFacts,
    /// Its tensor type and vocabulary.
    pub like: Likeness,
    /// Whether it is one of the suite's own.
    pub ours: bool,
}

/// The stage that scenarios play on.
pub struct Setting {
    /// Runs programs on the library.
    pub executor: Arc<Executor>,
    /// Makes models.
    pub store: Store,
    /// What the backend's owner says about it.
    pub profile: Profile,
    /// The models that load, the one used by default first.
    pub models: Vec<Model>,
    /// The prompt of jobs that need no other: the first of [`PROMPTS`] after which the library goes on for long.
    pub prompt: &'static str,
    /// Whether any of [`PROMPTS`] makes the library give a token.
    pub talks: bool,
    /// Whether the library waits for most of the time that its calls take, as for a device, and leaves the cores idle.
    pub waits: bool,
    /// Whether only one process at a time may use the device, as some administrators have it.
    pub alone: bool,
    /// Resident memory of a process that has run jobs on a good model, in bytes.
    pub resident: u64,
    originals: Originals,
    /// Facts for the oracle.
    pub facts: Facts,
    /// Folder for files of single scenarios.
    pub scratch: PathBuf,
}

/// The stage cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No child process, no shared memory.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// A fixture cannot be made.
    #[error("cannot make a model: {0}")]
    Model(#[from] ModelError),
    /// A model of the profile cannot be read.
    #[error("a model of the profile cannot be used: {0}")]
    Inspect(#[from] inspect::InspectError),
    /// A model of the profile is of another architecture.
    #[error("the profile names `{}` for {expected}, but it is a {found} model", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// As the profile says.
        expected: String,
        /// As the file says.
        found: String,
    },
}

/// The suite's own models, tried in this order where the profile names none.
pub const FIXTURES: [&str; 2] = ["tiny-llama", "tiny-gpt2"];

/// Bytes of a buffer for a library that gives many tokens' text at once.
const ROOMY: i32 = 64 << 10;

/// Prompts for jobs that need no other, in order of preference. After some of them a model may end at once.
pub const PROMPTS: [&str; 8] = [
    "Hello, world",
    "The quick brown fox",
    "Once upon a time",
    "One fine day",
    "Tell me more",
    "It was late",
    "A long story about a small town by the sea, and about those who have always lived there",
    "A",
];
/// Tokens after which a job has gone on for long.
const LONG: usize = 24;

impl Setting {
    /// Looks at the library as a host would: how many devices, which models. What goes wrong on the way is judged.
    ///
    /// # Errors
    /// When the suite itself cannot work.
    pub fn prepare(
        executor: Arc<Executor>,
        store: Store,
        profile: Profile,
        scratch: PathBuf,
    ) -> Result<(Self, Verdicts), SettingError> {
        let mut candidates = Vec::new();
        let originals = Originals::default();
        if profile.models.is_empty() {
            for name in FIXTURES {
                let path = store.path(name)?;
                candidates.push(Model { ours: true, ..describe(&path)? });
                originals.watch(path, Some(name.to_owned()));
            }
        }
        for (architecture, source) in &profile.models {
            let path = match (&source.fixture, &source.path) {
                (Some(name), _) => store.path(name)?,
                (None, Some(path)) => path.clone(),
                (None, None) => continue,
            };
            let model = Model { ours: source.fixture.is_some(), ..describe(&path)? };
            if model.architecture != *architecture {
                let found = model.architecture;
                return Err(SettingError::Architecture { path, expected: architecture.clone(), found });
            }
            candidates.push(model);
            originals.watch(path, source.fixture.clone());
        }
        // The order of FIXTURES for those it knows: llama is what most backends run.
        candidates.sort_by_key(|model| (model.architecture != "llama", model.architecture.clone()));
        let named = !profile.models.is_empty();
        let mut setting = Self {
            executor,
            store,
            profile,
            models: candidates,
            prompt: PROMPTS[0],
            talks: true,
            waits: false,
            alone: false,
            resident: 0,
            originals,
            facts: Facts::default(),
            scratch,
        };
        let mut verdicts = setting.probe(named)?;
        setting.mend_models(&mut verdicts);
        Ok((setting, verdicts))
    }

    /// Looks whether the library left the models that all scenarios share alone, and mends what it did to them.
    pub fn mend_models(&self, verdicts: &mut Verdicts) {
        for (path, what) in self.originals.mend(&self.store) {
            verdicts.judge("LOAD-11", false, || {
                let call = format!("some call with the model `{}`", path.display());
                (call, "the model file is left as it is".to_owned(), what.to_owned())
            });
        }
    }

    fn probe(&mut self, named: bool) -> Result<Verdicts, SettingError> {
        let (mut first, forked) = self.look()?;
        if exceeds_files(&first) {
            // A library may stage models in files of memory that it makes larger than it needs; one that writes without
            // end stays under the usual limit.
            self.executor.limit_files(Some(STAGING));
            first = self.look()?.0;
            if exceeds_files(&first) {
                self.executor.limit_files(None);
            }
        }
        if forked && !has_context(&first) {
            // A library may work in the process that loaded it and not in a fork of that process, which the contract
            // says nothing about: what a process of its own shows is what counts.
            self.executor.never_fork();
            first = self.look()?.0;
        }
        let mut oracle = Oracle::default();
        first.iter().for_each(|observation| oracle.observe(observation));
        self.facts.tolerance = self.profile.tolerance.vram_bytes;
        self.facts.devices = first.iter().find_map(|observation| match &observation.returned()?.value {
            Some(crate::trace::Value::Int(count)) => Some(*count),
            _ => None,
        });
        let has_context = has_context(&first);
        if forked && has_context && !self.runs()? {
            // The same for what only a load or a job finds missing in a fork.
            self.executor.never_fork();
            if !self.runs()? {
                self.executor.may_fork();
            }
        }
        if has_context {
            self.alone = self.is_exclusive()?;
        }
        if !named && has_context {
            // Each in a session of its own: a library that dies of one may still run the others.
            let mut loaded = Vec::new();
            for model in &self.models {
                if self.loads(model)? {
                    loaded.push(model.clone());
                }
            }
            if loaded.is_empty() {
                loaded.extend(self.models.first().cloned());
            }
            self.models = loaded;
        }
        self.facts.models =
            self.models.iter().map(|model| (bytes(&model.path), model.facts.clone())).collect();
        if has_context {
            self.listen()?;
        }
        Ok(oracle.into_verdicts())
    }

    /// Counts the devices and opens a context; tells whether that happened in a fork.
    fn look(&self) -> Result<(Vec<Observation>, bool), SettingError> {
        let mut session = self.executor.session(&Options::default())?;
        let forked = session.is_forked();
        let trace = session.run(&[
            Op::Call(Call::DeviceCount),
            Op::Call(Call::Init { bind: Slot(0), device: Device::Id(0), code: Out::Given }),
        ])?;
        session.finish();
        Ok((trace, forked))
    }

    /// Whether a job on the first of the models gets as far as its first call for a token.
    fn runs(&self) -> Result<bool, SettingError> {
        let Some(model) = self.model() else { return Ok(false) };
        let mut session = self.executor.session(&Options::default())?;
        let code = Out::Given;
        let [bind_ctx, bind_model, bind_job] = [0, 1, 2].map(Slot);
        let [ctx, loaded, result] = [bind_ctx, bind_model, bind_job].map(Handle::Slot);
        let path = Text::Bytes(bytes(&model.path));
        let prompt = Text::new(PROMPTS[0]);
        let trace = session.run(&[
            Op::Call(Call::Init { bind: bind_ctx, device: Device::Id(0), code }),
            Op::Call(Call::LoadModel { bind: bind_model, ctx, path, vram: code, code }),
            Op::Call(Call::Start {
                bind: bind_job,
                model: loaded,
                prompt,
                max_tokens: 2,
                temperature: 0.0,
                seed: 1,
                code,
            }),
            Op::Drain { result, buffer: ROOMY, index: code, limit: 1, pause_us: 0 },
        ])?;
        let last = trace.last().and_then(|next| next.returned());
        Ok(last.is_some_and(|next| next.is_true() || next.written_code() == Some(0)))
    }

    /// Whether a second process gets no context while a first one has one.
    fn is_exclusive(&self) -> Result<bool, SettingError> {
        if self.executor.jobs() < 2 {
            return Ok(false);
        }
        let init = [Op::Call(Call::Init { bind: Slot(0), device: Device::Id(0), code: Out::Given })];
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let mut session = self.executor.session(&Options::default())?;
            let trace = session.run(&init)?;
            sessions.push((has_context(&trace), session));
        }
        Ok(sessions[0].0 && !sessions[1].0)
    }

    fn loads(&self, model: &Model) -> Result<bool, SettingError> {
        let mut session = self.executor.session(&Options::default())?;
        let (ctx, bind) = (Slot(0), Slot(1));
        let trace = session.run(&[
            Op::Call(Call::Init { bind: ctx, device: Device::Id(0), code: Out::Given }),
            Op::Call(Call::LoadModel {
                bind,
                ctx: Handle::Slot(ctx),
                path: Text::Bytes(bytes(&model.path)),
                vram: Out::Given,
                code: Out::Given,
            }),
        ])?;
        Ok(trace.get(1).and_then(|load| load.returned()?.handle()).is_some())
    }

    /// Finds the prompt after which the default model goes on for long.
    fn listen(&mut self) -> Result<(), SettingError> {
        let Some(path) = self.model().map(|model| bytes(&model.path)) else { return Ok(()) };
        let mut session = self.executor.session(&Options::default())?;
        let mut best = 0;
        let code = Out::Given;
        let [bind_ctx, bind_model, bind_job] = [0, 1, 2].map(Slot);
        let [ctx, model, result] = [bind_ctx, bind_model, bind_job].map(Handle::Slot);
        let mut program = vec![
            Op::Measure,
            Op::Call(Call::Init { bind: bind_ctx, device: Device::Id(0), code }),
            Op::Call(Call::LoadModel { bind: bind_model, ctx, path: Text::Bytes(path), vram: code, code }),
        ];
        for prompt in PROMPTS {
            let start = Call::Start {
                bind: bind_job,
                model,
                prompt: Text::new(prompt),
                max_tokens: LONG as i32,
                temperature: 0.0,
                seed: 1,
                code,
            };
            program.push(Op::Call(start));
            let limit = LONG as u32 + 1;
            program.push(Op::Drain { result, buffer: ROOMY, index: code, limit, pause_us: 0 });
            program.push(Op::Call(Call::Free { result }));
            program.push(Op::Measure);
            let trace = session.run(&program)?;
            let measured = trace.iter().filter_map(|one| match &one.outcome {
                Outcome::Measured(measured) => Some(measured.resident),
                _ => None,
            });
            let texts = Generation::from_trace(&trace);
            // A job may be a hundred times as long.
            if texts.pieces().iter().any(|text| text.len() >= AMPLE as usize / 8) {
                self.facts.ample = ROOMY;
            }
            self.resident = measured.fold(self.resident, u64::max);
            self.waits |= mostly_waits(&trace);
            program.clear();
            let started = trace.iter().any(|one| {
                matches!(one.call(), Some(Call::Start { .. }))
                    && one.returned().is_some_and(|got| got.handle().is_some())
            });
            if !started {
                // What stands in the way of a job is told by the scenarios.
                return Ok(());
            }
            let count = Generation::from_trace(&trace).tokens.len();
            if count > best {
                (best, self.prompt) = (count, prompt);
            }
            if count >= LONG || !session.is_alive() {
                return Ok(());
            }
        }
        self.talks = best > 0;
        Ok(())
    }

    /// Sessions that there is room for at the same time, as far as the models and the device say: a library that runs out of memory
    /// because the suite uses it many times over is not to blame.
    pub fn room(&self) -> usize {
        if self.alone { 1 } else { room_for(self.largest().saturating_mul(MODELS_OF_A_SESSION)) }
    }

    /// Models that there is room for in one session, for the same reason.
    pub fn room_for_models(&self) -> usize {
        room_for(self.largest())
    }

    fn largest(&self) -> u64 {
        self.models.iter().map(|model| model.facts.tensor_bytes).max().unwrap_or(0)
    }

    /// The model used by default.
    pub fn model(&self) -> Option<&Model> {
        self.models.first()
    }

    /// The model of an architecture, if the library runs it.
    pub fn model_of(&self, architecture: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.architecture == architecture)
    }

    /// Whether the library runs this fixture of the suite. One that has models of its own in the profile may know
    /// none of the tensor types of the fixtures, and owes them nothing.
    ///
    /// # Errors
    /// When the fixture cannot be made.
    pub fn runs_fixture(&self, name: &str) -> Result<bool, ModelError> {
        let path = self.store.path(name)?;
        Ok(self.models.iter().any(|model| model.path == path))
    }

    /// What a model is to be like that differs from the library's own in nothing but its size. `None` if the suite makes
    /// no models of that architecture: the library may refuse them for what they are.
    pub fn likeness(&self) -> Option<Likeness> {
        let Some(model) = self.model() else { return Some(Likeness::default()) };
        let known = [Architecture::Llama, Architecture::Qwen2, Architecture::Phi3, Architecture::Gpt2];
        let architecture = known.into_iter().find(|one| one.name() == model.architecture)?;
        Some(Likeness { architecture, ..model.like })
    }

    /// A model beyond any device (LOAD-04), like the library's own. `None` where there is no such, see
    /// [`Self::likeness`], and where no file can be that large.
    ///
    /// # Errors
    /// When it cannot be made for another reason.
    pub fn huge(&self) -> Result<Option<PathBuf>, ModelError> {
        let Some(like) = self.likeness() else { return Ok(None) };
        match self.store.sparse_huge(BEYOND_ANY_DEVICE, like) {
            Err(ModelError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::FileTooLarge => {
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    /// Facts that also know these models.
    pub fn facts_with(&self, more: &HashMap<Vec<u8>, ModelFacts>) -> Facts {
        let mut facts = self.facts.clone();
        facts.models.extend(more.iter().map(|(path, known)| (path.clone(), known.clone())));
        facts
    }
}

/// The largest file for a library that needs larger ones than usual, in bytes.
const STAGING: u64 = 64 << 30;

/// Whether the process died of a file that was too large.
fn exceeds_files(trace: &[Observation]) -> bool {
    let died = |one: &Observation| matches!(&one.outcome, Outcome::Died(death) if matches!(death.cause, Cause::Signal { signal: libc::SIGXFSZ, .. }));
    trace.iter().any(died)
}

/// Bytes of models that all sessions together may hold: what a small GPU and a small machine have.
const ROOM: u64 = 8 << 30;
/// Models that a scenario may have loaded at the same time.
pub const MODELS_OF_A_SESSION: u64 = 3;

/// How many things of so many bytes there is room for: one at least.
fn room_for(each: u64) -> usize {
    usize::try_from(ROOM / each.max(1)).unwrap_or(usize::MAX).max(1)
}

/// Calls that take less than this in all say nothing about how the library spends its time, in nanoseconds.
const TELLING: u64 = 250_000_000;

/// Whether the calls between two measurements took long, and little of that on a processor. A process that others keep
/// from one has it taken away; one that waits gives it up.
fn mostly_waits(trace: &[Observation]) -> bool {
    let measured = |observation: &Observation| match &observation.outcome {
        Outcome::Measured(measured) => Some((measured.processor, measured.switches)),
        _ => None,
    };
    let mut ends = trace.iter().filter_map(measured);
    let (Some((before, switched)), Some((after, switches))) = (ends.next(), ends.next_back()) else {
        return false;
    };
    let took: u64 = trace.iter().filter(|one| one.call().is_some()).map(|one| one.nanos).sum();
    let (gave_up, lost) = (switches.0 - switched.0, switches.1 - switched.1);
    took >= TELLING && after.saturating_sub(before) < took / 4 && gave_up > lost
}

fn has_context(trace: &[Observation]) -> bool {
    trace.last().and_then(|last| last.returned()?.handle()).is_some()
}

/// The bytes of a path.
pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A model as its header describes it.
///
/// # Errors
/// When the header cannot be read.
pub fn describe(path: &Path) -> Result<Model, SettingError> {
    let facts = inspect(path)?;
    let (matrices, sentence_piece) = (facts.matrices, facts.sentence_piece);
    Ok(Model {
        like: Likeness { matrices, sentence_piece, ..Likeness::default() },
        architecture: facts.architecture,
        path: path.to_owned(),
        facts: ModelFacts {
            context_length: facts.context_length,
            tensor_bytes: facts.tensor_bytes,
            sentence_piece,
        },
        ours: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Event, Measured};

    /// A call that takes so long between two measurements, with so much processor time and such switches between.
    fn trace(nanos: u64, processor: u64, switches: (u64, u64)) -> Vec<Observation> {
        let one =
            |event, outcome, nanos| Observation { thread: 0, event, outcome, nanos, effects: Vec::new() };
        let measured = |processor, switches| {
            let measured = Measured { processor, switches, ..Measured::default() };
            one(Event::Measure, Outcome::Measured(measured), 0)
        };
        let call = one(Event::Call(Call::DeviceCount), Outcome::Done, nanos);
        vec![measured(1_000, (2, 3)), call, measured(1_000 + processor, (2 + switches.0, 3 + switches.1))]
    }

    #[test]
    fn large_models_leave_room_for_few() {
        assert!(room_for(MODELS_OF_A_SESSION * (98 << 20)) > crate::suite::WAITING_JOBS);
        assert_eq!([0, 1 << 30, 7 << 30, u64::MAX].map(room_for), [8 << 30, 8, 1, 1]);
    }

    #[test]
    fn a_library_waits_that_takes_long_and_leaves_the_cores_to_others() {
        const SECOND: u64 = 1_000_000_000;
        assert!(mostly_waits(&trace(SECOND, SECOND / 50, (40, 2))));
        assert!(!mostly_waits(&trace(SECOND, SECOND / 2, (40, 2))), "it computes");
        assert!(!mostly_waits(&trace(SECOND, SECOND / 8, (2, 40))), "others keep it from computing");
        assert!(!mostly_waits(&trace(SECOND / 100, 0, (40, 2))), "it is quick");
        assert!(!mostly_waits(&trace(SECOND, 0, (40, 2))[..2]), "it died");
    }
}
