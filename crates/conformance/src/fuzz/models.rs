//! `fuzz --models`: mutated model files, each loaded and used, and a good model after it.
//!
//! Whether a mutant is still a model is the library's to say (LOAD-13). What it must not do is crash, hang, take all
//! memory, give text that is none, report a code that the function has not, or fail at a good model afterwards.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};
use worker_contract::Level;

use super::command::Progress;
use super::failure::{Failing, Steadiness};
use super::judge::{Fault, Kind, Played};
use super::stage::Stage;
use super::{Limits, blame, judge, kept};
use crate::executor::{ExecutorError, Options};
use crate::exit_code::ExitCode;
use crate::models::mutant::Mutant;
use crate::oracle::id;
use crate::program::{Call, Device, Handle, Op, Out, Program, Slot, Text};
use crate::setting::{FIXTURES, bytes};

/// Resident memory that a file of less than two MiB may take, a runtime's own included, in bytes.
const MEMORY: u64 = 3 << 29;
const PROMPT: &str = "Hello, world";

/// A mutant that a library did not bear.
#[derive(Debug, Clone)]
struct Found {
    number: u64,
    mutant: Mutant,
    fault: Fault,
}

/// Runs the command.
///
/// # Errors
/// When the suite could not do its work.
pub fn execute(stage: &Stage, library: &Path, folder: &Path, limits: &Limits) -> anyhow::Result<ExitCode> {
    let setting = &stage.setting;
    let bases: Vec<&str> =
        FIXTURES.into_iter().filter(|name| setting.runs_fixture(name).unwrap_or(false)).collect();
    if bases.is_empty() {
        anyhow::bail!(
            "the library runs none of the models that mutants are made from ({})",
            FIXTURES.join(", ")
        );
    }
    println!("seed      {}", limits.seed);
    let work = Work { stage, bases, limits, folder };
    let started = Instant::now();
    let (found, cases, loaded) = work.search()?;
    let mut shown = std::collections::BTreeSet::new();
    for one in &found {
        let one = work.smaller(one)?;
        let main = one.fault.main().clone();
        if !shown.insert((main.requirement, one.fault.function)) {
            continue;
        }
        let program = work.keep(&one)?;
        println!("FAIL {} ({}) {}", main.requirement, main.level, main.requirement.requirement().text);
        println!("  call      {}", main.call);
        println!("  expected  {}", main.expected);
        println!("  observed  {}", main.observed);
        println!("  model     mutant {} of seed {}, of {}:", one.number, limits.seed, one.mutant.base);
        for change in &one.mutant.changes {
            // As recipes have it: JSON is YAML.
            println!("            {}", serde_json::to_string(change).unwrap_or_default());
        }
        for flip in &one.mutant.flips {
            println!("            byte {} xor {:#04x}", flip.at, flip.with);
        }
        println!("  kept in   {}", program.parent().unwrap_or(&program).display());
        println!("  again     {}\n", kept::replay_command(&program, library, None));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{cases} mutants in {seconds:.1} s, {:.0}/s; {loaded} of them loaded; failures: {}",
        cases as f64 / seconds.max(1e-9),
        shown.len()
    );
    Ok(if shown.is_empty() { ExitCode::Conformant } else { ExitCode::NonConformant })
}

struct Work<'w> {
    stage: &'w Stage,
    bases: Vec<&'w str>,
    limits: &'w Limits,
    folder: &'w Path,
}

impl Work<'_> {
    fn search(&self) -> anyhow::Result<(Vec<Found>, u64, u64)> {
        let started = Instant::now();
        let limits = self.limits;
        let (next, last) =
            (AtomicU64::new(limits.first), AtomicU64::new(limits.first.saturating_add(limits.cases)));
        let state: Mutex<(Vec<Found>, u64, u64)> = Mutex::default();
        let failed: Mutex<Option<anyhow::Error>> = Mutex::new(None);
        let progress = Progress::new();
        std::thread::scope(|scope| {
            for worker in 0..limits.jobs.max(1) {
                let (next, last, state, failed, progress) = (&next, &last, &state, &failed, &progress);
                scope.spawn(move || {
                    let file = self.stage.setting.scratch.join(format!("mutant-{worker}.gguf"));
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let late = limits.time.is_some_and(|time| started.elapsed() >= time);
                        if late || number >= last.load(Ordering::SeqCst) {
                            return;
                        }
                        match self.one(number, &file) {
                            Ok((mutant, played)) => {
                                let Ok(mut state) = state.lock() else { return };
                                state.1 += 1;
                                state.2 += u64::from(loads(&played, &file));
                                if let Some(fault) = self.counted(&played) {
                                    state.0.push(Found { number, mutant, fault });
                                    if !limits.keep_going {
                                        last.fetch_min(number, Ordering::SeqCst);
                                    }
                                }
                                progress.tell(state.1, state.0.len());
                            }
                            Err(error) => {
                                if let Ok(mut failed) = failed.lock() {
                                    *failed = Some(error);
                                }
                                last.store(0, Ordering::SeqCst);
                            }
                        }
                    }
                });
            }
        });
        progress.clear();
        if let Some(error) = failed.into_inner().unwrap_or_default() {
            return Err(error);
        }
        let (mut found, cases, loaded) = state.into_inner().unwrap_or_default();
        found.sort_by_key(|one| one.number);
        if !limits.keep_going {
            found.truncate(1);
        }
        Ok((found, cases, loaded))
    }

    fn one(&self, number: u64, file: &Path) -> anyhow::Result<(Mutant, Played)> {
        let mutant = Mutant::draw(&self.stage.setting.store, &self.bases, self.limits.seed, number)?;
        let played = self.play(&mutant, file)?;
        Ok((mutant, played))
    }

    fn play(&self, mutant: &Mutant, file: &Path) -> anyhow::Result<Played> {
        std::fs::write(file, mutant.bytes(&self.stage.setting.store)?)
            .map_err(|error| anyhow::anyhow!("cannot write `{}`: {error}", file.display()))?;
        Ok(self.run(&self.program(file))?)
    }

    fn run(&self, program: &[Op]) -> Result<Played, ExecutorError> {
        let options = Options { memory: Some(MEMORY), ..Options::default() };
        let mut session = self.stage.player.executor().session(&options)?;
        let mut trace = session.run(program)?;
        trace.extend(session.finish());
        Ok(self.stage.player.judge(trace))
    }

    /// The mutant and what it gives, then a good model in the same context.
    fn program(&self, file: &Path) -> Program {
        let code = Out::Given;
        let [ctx, mutant, job, good, normal] = [0, 1, 2, 3, 4].map(Slot);
        let load = |bind, path: Vec<u8>| {
            Op::Call(Call::LoadModel {
                bind,
                ctx: Handle::Slot(ctx),
                path: Text::Bytes(path),
                vram: Out::Given,
                code,
            })
        };
        let start = |bind, model, temperature| {
            let prompt = Text::new(PROMPT);
            let model = Handle::Slot(model);
            Op::Call(Call::Start { bind, model, prompt, max_tokens: 8, temperature, seed: 1, code })
        };
        let drain = |job, limit| Op::Drain {
            result: Handle::Slot(job),
            buffer: 4096,
            index: Out::Given,
            limit,
            pause_us: 0,
        };
        let usual =
            self.stage.player.menu().models.first().map(|model| model.path.clone()).unwrap_or_default();
        vec![
            Op::Call(Call::Init { bind: ctx, device: Device::Id(0), code }),
            load(mutant, bytes(file)),
            start(job, mutant, 1.0),
            drain(job, 9),
            Op::Call(Call::Free { result: Handle::Slot(job) }),
            Op::Call(Call::UnloadModel { model: Handle::Slot(mutant) }),
            load(good, usual),
            start(normal, good, 0.0),
            drain(normal, 3),
        ]
    }

    /// The first fault that counts. What the process died of, or a text that is none, breaks LOAD-13 as well.
    fn counted(&self, played: &Played) -> Option<Fault> {
        let mut fault = played
            .faults
            .iter()
            .find(|fault| fault.is_must() && !self.limits.ignored.contains(&fault.main().requirement))?
            .clone();
        if let Ok(findings) = blame::blame(&self.stage.player, &played.trace, &fault) {
            fault.findings = findings;
        }
        let text = fault.findings.iter().any(|finding| finding.requirement.as_str().starts_with("UTF8"));
        if fault.kind == Kind::Death || text {
            let mut finding = fault.main().clone();
            finding.requirement = id("LOAD-13");
            finding.level = Level::Must;
            fault.findings.insert(0, finding);
        }
        Some(fault)
    }

    /// The same failure with no change that could be left out.
    fn smaller(&self, found: &Found) -> anyhow::Result<Found> {
        let file = self.stage.setting.scratch.join("mutant-smaller.gguf");
        let mut best = found.clone();
        let mut at = 0;
        while at < best.mutant.len() && best.mutant.len() > 1 {
            let mutant = best.mutant.without(at);
            let played = self.play(&mutant, &file)?;
            match self.counted(&played).filter(|fault| found.fault.is_like(fault)) {
                Some(fault) => best = Found { mutant, fault, number: found.number },
                None => at += 1,
            }
        }
        Ok(best)
    }

    /// Keeps the file, how it was made, and the program that loads it.
    fn keep(&self, found: &Found) -> anyhow::Result<PathBuf> {
        let yaml = serde_yaml::to_string(&found.mutant)?;
        let short: String = Sha256::digest(&yaml).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let folder = std::path::absolute(self.folder.join(format!("model-{short}")))?;
        let write = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, content)
                .map_err(|error| anyhow::anyhow!("cannot write `{}`: {error}", path.display()))
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| anyhow::anyhow!("cannot make `{}`: {error}", folder.display()))?;
        write("model.gguf", &found.mutant.bytes(&self.stage.setting.store)?)?;
        write("model.yaml", yaml.as_bytes())?;
        let whole = self.program(&folder.join("model.gguf"));
        let played = self.run(&whole)?;
        let fault = self.counted(&played).unwrap_or_else(|| found.fault.clone());
        let program = if fault.at < 3 { whole[..2].to_vec() } else { whole };
        let failing = Failing {
            number: found.number,
            program,
            fault,
            steadiness: Steadiness::Always,
            attempts: 0,
            minimal: true,
            trace: played.trace,
        };
        Ok(kept::keep(&self.stage.player, &failing, self.limits.seed, &folder)?)
    }
}

fn loads(played: &judge::Played, file: &Path) -> bool {
    played.trace.iter().any(|one| {
        matches!(one.call(), Some(Call::LoadModel { path: Text::Bytes(path), .. }) if *path == bytes(file))
            && one.returned().is_some_and(|returned| returned.handle().is_some())
    })
}
