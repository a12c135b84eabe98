//! Malformed and odd model files (LOAD-03, LOAD-13), each in a process of its own.

use cucumber::when;
use worker_contract::Level;

use super::{report, rounds};
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::models::malformed::{self, Expect, Malformed};
use crate::oracle::id;
use crate::program::{Call, Device, Handle, Op, Out, Text};
use crate::setting::bytes;
use crate::trace::{Event, Observation, Outcome};

/// Resident memory that refusing a file of less than a MiB may take on top of a good model and its job, in bytes.
const MEMORY: u64 = 3 << 29;

#[when(regex = r"^the host loads each malformed model: (.+)$")]
async fn each(conversation: &mut Conversation, item: String) -> Result<(), String> {
    let step = load_each(conversation, &item).await;
    report(conversation, step)
}

async fn load_each(conversation: &mut Conversation, item: &str) -> Step {
    let setting = conversation.setting()?;
    let models: Vec<&Malformed> = malformed::corpus().iter().filter(|model| model.item == item).collect();
    if models.is_empty() {
        return Err(Stop::Broken(format!("the corpus has nothing under `{item}`")));
    }
    // What must be refused is refused by a library that does not run the base as well, if for another reason.
    let mut left: Vec<(&Malformed, Vec<u8>)> = Vec::new();
    let tells = |model: &&Malformed| {
        model.expect == Expect::Refused || setting.model_of(malformed_base(model)).is_some()
    };
    for model in models.into_iter().filter(tells) {
        // Only a library that runs the base owes it to load what is valid and made from it.
        let runs = setting.runs_fixture(&model.base).map_err(|error| Stop::Broken(error.to_string()))?;
        if model.expect == Expect::Loads && !runs {
            continue;
        }
        let path =
            setting.store.malformed_path(&model.name).map_err(|error| Stop::Broken(error.to_string()))?;
        left.push((model, bytes(&path)));
    }
    if left.is_empty() {
        let why = "the library runs none of the models that these are made from";
        return Err(Stop::NotApplicable(why.to_owned()));
    }
    conversation.options.memory = Some(MEMORY.saturating_add(setting.resident));
    // All in one process; one that kills it is judged, and the rest goes on in the next.
    let mut keeping = Vec::new();
    while !left.is_empty() {
        let done = load_in_turn(conversation, &left, &mut keeping).await?;
        left.drain(..done);
        conversation.end_session().await;
    }
    for (model, path) in keeping {
        confirm_kept(conversation, model, &path).await?;
        conversation.end_session().await;
    }
    // The findings are kept with the names of the files; the scenario has nothing left to say.
    let broken = conversation.tags.iter().any(|tag| conversation.found(*tag));
    if broken { Err(Stop::Failed) } else { Ok(()) }
}

fn malformed_base(model: &Malformed) -> &'static str {
    if model.base.contains("gpt2") { "gpt2" } else { "llama" }
}

/// Loads the models one after the other in one context; returns how many were judged, at least one. Those after whose
/// refusal the process uses more than before go to `keeping`.
async fn load_in_turn<'a>(
    conversation: &mut Conversation,
    models: &[(&'a Malformed, Vec<u8>)],
    keeping: &mut Vec<(&'a Malformed, Vec<u8>)>,
) -> Result<usize, Stop> {
    let code = Out::Given;
    let bind_ctx = conversation.bind(Kind::Context, "context");
    let ctx = Handle::Slot(bind_ctx);
    let opened =
        conversation.run(vec![Op::Call(Call::Init { bind: bind_ctx, device: Device::Id(0), code })]).await?;
    if opened.last().and_then(|init| init.returned()?.handle()).is_none() {
        return Err(Stop::Blocked("no context could be opened".to_owned()));
    }
    let tolerance = conversation.setting()?.profile.tolerance.vram_bytes;
    let mut before = None;
    for (at, (model, path)) in models.iter().enumerate() {
        let (bind_model, bind_job) = (conversation.fresh_slot(), conversation.fresh_slot());
        let (handle, result) = (Handle::Slot(bind_model), Handle::Slot(bind_job));
        let (prompt, buffer) = (Text::new(conversation.prompt()?), conversation.buffer()?);
        let start = Call::Start {
            bind: bind_job,
            model: handle,
            prompt,
            max_tokens: 8,
            temperature: 1.0,
            seed: 1,
            code,
        };
        let trace = conversation
            .run(vec![
                Op::Call(Call::LoadModel {
                    bind: bind_model,
                    ctx,
                    path: Text::new(path.as_slice()),
                    vram: Out::Given,
                    code,
                }),
                // Made only if it loaded: whatever the library decides, it gives no invalid text.
                Op::Call(start),
                Op::Drain { result, buffer, index: Out::Given, limit: 9, pause_us: 0 },
                Op::Call(Call::Free { result }),
                Op::Call(Call::UnloadModel { model: handle }),
                Op::Call(Call::ProcessVramUsage { ctx }),
            ])
            .await?;
        let load = trace.iter().find(|one| matches!(one.call(), Some(Call::LoadModel { .. })));
        let Some(load) = load.filter(|load| !matches!(load.outcome, Outcome::Skipped(_))) else {
            return Err(Stop::Blocked("the load could not be tried".to_owned()));
        };
        judge(conversation, model, load, &trace);
        if conversation.died {
            return Ok(at + 1);
        }
        let after = trace.last().and_then(|query| query.returned()?.bytes());
        let grew = before
            .zip(after)
            .is_some_and(|(before, after): (u64, u64)| after > before.saturating_add(tolerance));
        if grew && refused(load) && keeping.len() < KEEPING {
            keeping.push((*model, path.clone()));
        }
        before = after;
    }
    Ok(models.len())
}

/// Loads that are tried again because memory seems to stay behind, in one scenario.
const KEEPING: usize = 3;
/// How often: enough to tell steady growth from a first use.
const AGAIN: u32 = 18;

/// Judges whether each refusal of the same file takes more memory (LOAD-08): once may be a first use.
async fn confirm_kept(conversation: &mut Conversation, model: &Malformed, path: &[u8]) -> Step {
    let code = Out::Given;
    let bind_ctx = conversation.bind(Kind::Context, "context");
    let ctx = Handle::Slot(bind_ctx);
    let bind = conversation.fresh_slot();
    let load = Call::LoadModel { bind, ctx, path: Text::new(path), vram: Out::Given, code };
    let round = vec![Op::Call(load), Op::Call(Call::ProcessVramUsage { ctx })];
    let init = Op::Call(Call::Init { bind: bind_ctx, device: Device::Id(0), code });
    let repeated = Op::Repeat(AGAIN, round);
    let tolerance = conversation.setting()?.profile.tolerance.vram_bytes;
    let mut program = vec![init, repeated.clone()];
    let (mut usage, mut grown) = (Vec::new(), None);
    // Growth has to show twice.
    for _ in 0..2 {
        let trace = conversation.run(std::mem::replace(&mut program, vec![repeated.clone()])).await?;
        usage = rounds::usage(&trace, |call| matches!(call, Call::ProcessVramUsage { .. }));
        grown = rounds::growth(&usage, tolerance);
        if grown.is_none() {
            break;
        }
    }
    conversation.verdicts.judge("LOAD-08", grown.is_none(), || {
        let (from, to) = grown.unwrap_or_default();
        let call = format!("{} refused loads of {} ({})", usage.len(), model.name, model.reason);
        let observed = format!("process VRAM usage goes from {from} to {to} bytes");
        (call, "process VRAM usage does not grow".to_owned(), observed)
    });
    Ok(())
}

fn refused(load: &Observation) -> bool {
    load.returned().is_some_and(|returned| returned.handle().is_none())
}

fn judge(conversation: &mut Conversation, model: &Malformed, load: &Observation, trace: &[Observation]) {
    let requirement = id(&model.requirement);
    let level = requirement.requirement().level;
    let loaded = load.returned().is_some_and(|returned| returned.handle().is_some());
    let code = load.returned().and_then(|returned| returned.written_code());
    let refused = load.returned().is_some() && !loaded && code.is_none_or(|code| code == 3);
    let death = trace.iter().find(|one| matches!(one.outcome, Outcome::Died(_)));
    let call = |one: &Observation| match &one.event {
        Event::Call(Call::LoadModel { .. }) => {
            format!("cuda_load_model of {} ({})", model.name, model.reason)
        }
        other => format!("{other} after the load of {} ({})", model.name, model.reason),
    };
    if let Some(death) = death {
        // Neither crash nor hang is a matter of taste, even where the refusal is.
        conversation.verdicts.judge_at(requirement, Level::Must, false, || {
            (call(death), "a refusal in bounded time and memory".to_owned(), death.outcome.to_string())
        });
        return;
    }
    let (good, expected) = match model.expect {
        Expect::Refused => (refused, "NULL with CUDA_ERROR_MODEL_LOAD_FAILED (3)"),
        // What the contract calls valid must not be called malformed; how much of GGUF is supported is the library's.
        Expect::Loads => (loaded, "a handle: the file is valid GGUF"),
        // Refused for its size, perhaps; 5 is for arguments.
        Expect::Either => (
            loaded || code.is_none_or(|code| [2, 3, 99].contains(&code)),
            "a handle, or NULL with 2, 3 or 99",
        ),
    };
    let level = match model.expect {
        Expect::Loads if requirement.as_str() == "LOAD-01" && !model.name.starts_with("alignment") => {
            Level::Must
        }
        Expect::Refused => level,
        _ => Level::Should,
    };
    let finding = || (call(load), expected.to_owned(), load.outcome.to_string());
    conversation.verdicts.judge_at(requirement, level, good, finding);
    if let Some(also) = model.also.as_deref().filter(|_| !good) {
        conversation.verdicts.judge_at(id(also), Level::Should, false, finding);
    }
    if model.expect == Expect::Loads && !good && requirement.as_str() != "LOAD-01" {
        conversation.verdicts.judge_at(id("LOAD-01"), Level::Should, false, finding);
    }
}
