//! Several threads at once, where the contract allows them (THR, DEV-07, MSG-06).

use cucumber::{given, then, when};
use worker_contract::Function;

use super::arguments::Arguments;
use super::calls::build;
use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Generation, Kind, Step, Stop};
use crate::program::{Call, Device, Handle, Op, Out, Slot, Text};
use crate::setting::{PROMPTS, bytes};
use crate::trace::{Observation, Outcome, Returned};

/// Calls of each kind that a thread makes: enough for threads to overlap.
const TURNS: u32 = 200;

/// Loads that a thread makes.
const LOADS: u32 = 12;

/// Threads of this number and above ran alone: what the one `ALONE` below them should get.
const ALONE: u16 = 1000;

#[when(regex = r"^(\d+) threads at once (.+)$")]
async fn at_once(conversation: &mut Conversation, threads: u32, what: String) -> Result<(), String> {
    let step = run_threads(conversation, threads, &what).await;
    report(conversation, step)
}

#[when(regex = r"^(\d+) threads at once, before anything else, (.+), in each of (\d+) processes$")]
async fn first_use(
    conversation: &mut Conversation,
    threads: u32,
    what: String,
    processes: u32,
) -> Result<(), String> {
    let mut step = Ok(());
    for _ in 0..processes {
        if step.is_ok() && !conversation.died {
            conversation.end_session().await;
            step = first_together(conversation, threads, &what).await;
        }
    }
    report(conversation, step)
}

#[when(regex = r"^another thread unloads that model and destroys the context$")]
async fn another_releases(conversation: &mut Conversation) -> Result<(), String> {
    let step = release_elsewhere(conversation).await;
    report(conversation, step)
}

#[when(
    regex = r#"^another thread (takes the rest of the job|generates on the model|loads a model and generates)(?: as "(\w+)")?$"#
)]
async fn another(conversation: &mut Conversation, what: String, name: String) -> Result<(), String> {
    let step = other_thread(conversation, &what, &name).await;
    report(conversation, step)
}

#[when(
    regex = r#"^the host takes (\d+) tokens of the job, every other one on a thread of its own, as "(\w+)"$"#
)]
async fn in_turn(conversation: &mut Conversation, count: u32, name: String) -> Result<(), String> {
    let step = take_in_turn(conversation, count, name).await;
    report(conversation, step)
}

#[given(regex = r#"^a model that a thread has loaded which has ended since$"#)]
async fn orphaned(conversation: &mut Conversation) -> Result<(), String> {
    let step = load_on_another(conversation).await;
    report(conversation, step)
}

#[then(regex = r"^every thread gets what one thread alone gets(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn alike(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = judge_alike(conversation, named(&requirement));
    report(conversation, step)
}

#[then(regex = r"^every thread gets a context of its own(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn contexts(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = judge_contexts(conversation, named(&requirement));
    report(conversation, step)
}

async fn run_threads(conversation: &mut Conversation, threads: u32, what: &str) -> Step {
    let setting = conversation.setting()?;
    let path = setting.model().map(|model| bytes(&model.path)).unwrap_or_default();
    // Two are several: a device that is full because the suite fills it is no fault of the library.
    let most = if what.contains("load") { setting.room_for_models().max(2) } else { usize::MAX };
    let threads = threads.min(u32::try_from(most).unwrap_or(u32::MAX));
    let mut bodies = Vec::new();
    for at in 0..threads {
        bodies.push(body(conversation, what, at, &path)?);
    }
    // Each alone first: what a single thread gets.
    let mut trace = Vec::new();
    for (at, alone) in bodies.iter().enumerate() {
        // Contexts stay open; one that was opened alone would only be one more.
        if what == "open a context" {
            break;
        }
        // Where all threads ask the same, one is enough.
        if at > 0 && !what.contains("generate") && !what.contains("missing") {
            break;
        }
        let mut own = conversation.run(vec![Op::Threads(vec![alone.clone()])]).await?;
        own.iter_mut().for_each(|observation| observation.thread = ALONE + at as u16);
        trace.extend(own);
    }
    trace.extend(conversation.run(vec![Op::Threads(bodies)]).await?);
    trace.retain(|observation| observation.call().is_some());
    conversation.threads = trace;
    Ok(())
}

/// All threads at once in a new process, one thread alone only after them: what is set up at first use is raced for.
async fn first_together(conversation: &mut Conversation, threads: u32, what: &str) -> Step {
    let mut bodies = Vec::new();
    for at in 0..=threads {
        bodies.push(body(conversation, what, at, &[])?);
    }
    let alone = bodies.pop().unwrap_or_default();
    let together = conversation.run(vec![Op::Threads(bodies)]).await?;
    let mut last = conversation.run(vec![Op::Threads(vec![alone])]).await?;
    last.iter_mut().for_each(|observation| observation.thread = ALONE);
    last.extend(together);
    // A process of its own also tells how it loaded the library.
    last.retain(|observation| observation.call().is_some());
    let odd = |trace: &[Observation]| died(trace).is_some() || first_odd(trace).is_some();
    // The first process in which something is odd is the one to judge.
    if conversation.threads.is_empty() || !odd(&conversation.threads) {
        conversation.threads = last;
    }
    Ok(())
}

/// A thread that does not get what it, or the first one, gets alone; and what that is.
fn first_odd(trace: &[Observation]) -> Option<(u16, Vec<String>)> {
    let threads = threads_of(trace);
    threads.iter().filter(|&&thread| thread < ALONE).find_map(|&thread| {
        let own = ALONE + thread - 1;
        let alone = answers(trace, if threads.contains(&own) { own } else { ALONE });
        (answers(trace, thread) != alone).then_some((thread, alone))
    })
}

/// What one of several threads does.
pub fn body(conversation: &mut Conversation, what: &str, at: u32, path: &[u8]) -> Result<Vec<Op>, Stop> {
    let code = Out::Given;
    let device = Device::Id(0);
    let buffer = conversation.buffer()?;
    Ok(match what {
        "ask for the device count and for messages" => {
            let codes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 99, -1, 1234];
            let mut calls = vec![Op::Call(Call::DeviceCount)];
            // Each thread in an order of its own, so that they ask for different messages at one moment.
            calls.extend((0..codes.len()).map(|turn| {
                Op::Call(Call::ErrorMessage { code: codes[(turn + at as usize) % codes.len()] })
            }));
            vec![Op::Repeat(TURNS / 4, calls)]
        }
        "query and check the model" => {
            let model = conversation.need(Kind::Model, "model")?;
            let ctx = conversation.need(Kind::Context, "context")?;
            let calls = vec![
                Op::Call(Call::VramUsage { model }),
                Op::Call(Call::ModelVramUsage { model }),
                Op::Call(Call::ProcessVramUsage { ctx }),
                Op::Call(Call::CheckResidency { model, code }),
                Op::Call(Call::CheckHealth { ctx, code }),
            ];
            vec![Op::Repeat(TURNS, calls)]
        }
        "open a context" => {
            // Kept open until the session ends: contexts of one moment must be distinct.
            vec![Op::Call(Call::Init { bind: conversation.fresh_slot(), device, code })]
        }
        "load a model or look for a missing one" => {
            let (ctx, model) = (conversation.fresh_slot(), conversation.fresh_slot());
            let missing = [path, b".missing"].concat();
            let path = Text::Bytes(if at.is_multiple_of(2) { path.to_vec() } else { missing });
            let own = Handle::Slot(ctx);
            let load = Call::LoadModel { bind: model, ctx: own, path, vram: Out::Given, code };
            let round = vec![Op::Call(load), Op::Call(Call::UnloadModel { model: Handle::Slot(model) })];
            vec![
                Op::Call(Call::Init { bind: ctx, device, code }),
                // To look for a file takes less time than to load it.
                Op::Repeat(if at.is_multiple_of(2) { LOADS } else { 8 * LOADS }, round),
                Op::Call(Call::Destroy { ctx: own }),
            ]
        }
        "open a context, load and generate" => {
            let slots = [(); 3].map(|()| conversation.fresh_slot());
            let [ctx, model, result] = slots.map(Handle::Slot);
            let [bind_ctx, bind_model, bind_job]: [Slot; 3] = slots;
            vec![
                Op::Call(Call::Init { bind: bind_ctx, device, code }),
                Op::Call(Call::LoadModel {
                    bind: bind_model,
                    ctx,
                    path: Text::new(path),
                    vram: Out::Given,
                    code,
                }),
                Op::Call(Call::Start {
                    bind: bind_job,
                    model,
                    // And one prompt a thread, for those that share a place for that.
                    prompt: Text::new(PROMPTS[at as usize % PROMPTS.len()]),
                    max_tokens: 48,
                    temperature: 1.0,
                    // One seed a thread: contexts that share one place for it give themselves away.
                    seed: 7 + u64::from(at),
                    code,
                }),
                Op::Drain { result, buffer, index: Out::Given, limit: 49, pause_us: 0 },
                Op::Call(Call::Free { result }),
                Op::Call(Call::UnloadModel { model }),
                Op::Call(Call::Destroy { ctx }),
            ]
        }
        other => return Err(Stop::Broken(format!("threads cannot {other:?}"))),
    })
}

async fn other_thread(conversation: &mut Conversation, what: &str, name: &str) -> Step {
    let (result, mut body) = if what.starts_with("takes") {
        (conversation.need(Kind::Job, "job")?, Vec::new())
    } else {
        let mut program = Vec::new();
        let model = if what.starts_with("loads") {
            let call = build(conversation, Function::LoadModel, Arguments::new(), Some("elsewhere"))?;
            program.push(Op::Call(call));
            conversation.need(Kind::Model, "elsewhere")?
        } else {
            conversation.need(Kind::Model, "model")?
        };
        let bind = conversation.bind(Kind::Job, "elsewhere");
        let prompt = Text::new(conversation.prompt()?);
        let start =
            Call::Start { bind, model, prompt, max_tokens: 16, temperature: 0.0, seed: 1, code: Out::Given };
        program.push(Op::Call(start));
        (Handle::Slot(bind), program)
    };
    let buffer = conversation.buffer()?;
    body.push(Op::Drain { result, buffer, index: Out::Given, limit: 2050, pause_us: 0 });
    body.push(Op::Call(Call::Free { result }));
    let trace = conversation.run(vec![Op::Threads(vec![body])]).await?;
    let refused = trace.iter().enumerate().find(|(at, one)| {
        matches!(one.call(), Some(Call::LoadModel { .. })) && conversation.refused.contains(at)
    });
    if let Some((_, load)) = refused {
        return Err(Stop::NotApplicable(format!("{}: {}", load.event, load.outcome)));
    }
    let name = if name.is_empty() { "text" } else { name };
    let mut generation = Generation::from_trace(&trace);
    if let Some(death) = died(&trace) {
        generation.missing = Some(format!("{}: {}", death.event, death.outcome));
    }
    conversation.texts.insert(name.to_owned(), generation);
    Ok(())
}

async fn take_in_turn(conversation: &mut Conversation, count: u32, name: String) -> Step {
    let (result, buffer) = (conversation.need(Kind::Job, "job")?, conversation.buffer()?);
    let take = Op::Drain { result, buffer, index: Out::Given, limit: 1, pause_us: 0 };
    let turn = |at| if at % 2 == 0 { take.clone() } else { Op::Threads(vec![vec![take.clone()]]) };
    let trace = conversation.run((0..count).map(turn).collect()).await?;
    let mut generation = Generation::from_trace(&trace);
    if let Some(death) = died(&trace) {
        generation.missing = Some(format!("{}: {}", death.event, death.outcome));
    }
    conversation.texts.insert(name, generation);
    Ok(())
}

/// Opens a context on one thread and loads a model on another; both end.
async fn load_on_another(conversation: &mut Conversation) -> Step {
    let init = build(conversation, Function::Init, Arguments::new(), Some("context"))?;
    conversation.run(vec![Op::Threads(vec![vec![Op::Call(init)]])]).await?;
    let load = build(conversation, Function::LoadModel, Arguments::new(), Some("model"))?;
    let trace = conversation.run(vec![Op::Threads(vec![vec![Op::Call(load)]])]).await?;
    let loaded = trace.iter().find(|one| matches!(one.call(), Some(Call::LoadModel { .. })));
    match loaded {
        Some(load) if load.returned().is_some_and(|returned| returned.handle().is_some()) => Ok(()),
        // A handle of one thread that does not work on another is what the scenario is about.
        Some(load) if load.returned().is_some() => {
            let (call, observed) = (load.event.to_string(), load.outcome.to_string());
            conversation.judge(None, false, || (call, "a handle, on another thread too".to_owned(), observed))
        }
        Some(load) => Err(Stop::Blocked(format!("{}: {}", load.event, load.outcome))),
        None => Err(Stop::Blocked("the model could not be loaded".to_owned())),
    }
}

/// Releases on a thread what another has made.
async fn release_elsewhere(conversation: &mut Conversation) -> Step {
    let model = conversation.need(Kind::Model, "elsewhere")?;
    let ctx = conversation.need(Kind::Context, "context")?;
    let body = vec![Op::Call(Call::UnloadModel { model }), Op::Call(Call::Destroy { ctx })];
    let trace = conversation.run(vec![Op::Threads(vec![body])]).await?;
    match died(&trace) {
        Some(death) => {
            let (call, observed) = (death.event.to_string(), death.outcome.to_string());
            conversation.judge(None, false, || (call, "released on another thread".to_owned(), observed))
        }
        None => Ok(()),
    }
}

/// What a thread got, as text: results without addresses, in an order that does not depend on the thread's own.
fn answers(trace: &[Observation], thread: u16) -> Vec<String> {
    let mut answers: Vec<String> = trace
        .iter()
        .filter(|observation| observation.thread == thread)
        .filter_map(|observation| {
            let call = observation.call()?;
            let shown = match call {
                // Slots differ from thread to thread.
                Call::NextToken { .. } => observation.outcome.to_string(),
                Call::ErrorMessage { .. } | Call::DeviceCount => format!("{call}: {}", observation.outcome),
                // Another thread's models count in the process: that figure may differ.
                Call::ProcessVramUsage { .. } => call.function().name().to_owned(),
                // What a model takes may hang on what others have taken before it.
                Call::LoadModel { .. } => {
                    let plain = observation.returned().cloned().map(|got| Returned { vram: None, ..got });
                    let outcome = plain.map_or_else(|| observation.outcome.clone(), Outcome::Returned);
                    format!("{}: {outcome}", call.function().name())
                }
                _ => format!("{}: {}", call.function().name(), observation.outcome),
            };
            Some(shown)
        })
        .collect();
    if !trace.iter().any(|observation| matches!(observation.call(), Some(Call::NextToken { .. }))) {
        // Which answers there are, not how many: a slow library makes fewer rounds beside others than alone.
        answers.sort();
        answers.dedup();
    }
    answers
}

fn threads_of(trace: &[Observation]) -> Vec<u16> {
    let mut threads: Vec<u16> = trace.iter().map(|observation| observation.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    threads
}

fn died(trace: &[Observation]) -> Option<&Observation> {
    trace.iter().find(|observation| matches!(observation.outcome, Outcome::Died(_)))
}

fn judge_alike(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let trace = std::mem::take(&mut conversation.threads);
    let alone = |observation: &&Observation| observation.thread >= ALONE;
    let failed = trace.iter().filter(alone).any(|one| matches!(one.outcome, Outcome::Died(_)));
    if failed || !trace.iter().any(|observation| alone(&observation)) {
        return Err(Stop::Blocked("one thread alone gets no answers".to_owned()));
    }
    let generated = trace.iter().any(|one| matches!(one.call(), Some(Call::Start { .. })));
    if generated
        && !trace.iter().any(|one| one.returned().is_some_and(|got| got.text.is_some() && got.is_true()))
    {
        return Err(conversation.no_token());
    }
    let loads = || trace.iter().filter(|one| matches!(one.call(), Some(Call::LoadModel { .. })));
    let loaded = loads().any(|one| one.returned().is_some_and(|got| got.handle().is_some()));
    if loads().next().is_some() && !loaded {
        return Err(Stop::Blocked("no load gives a model".to_owned()));
    }
    let full = |one: &&Observation| {
        one.thread < ALONE && one.returned().is_some_and(|got| got.handle().is_none() && got.code == Some(2))
    };
    if let Some(full) = loads().find(full) {
        let why = "the device has no room for a model of each thread";
        return Err(Stop::NotApplicable(format!("{why}: {}: {}", full.event, full.outcome)));
    }
    let odd = first_odd(&trace);
    let together = trace.iter().any(|observation| observation.thread < ALONE);
    conversation.judge(requirement, odd.is_none() && died(&trace).is_none() && together, || {
        let expected = "what a thread alone gets".to_owned();
        if let Some(death) = died(&trace) {
            return (death.event.to_string(), expected, death.outcome.to_string());
        }
        let Some((thread, alone)) = odd else {
            return (String::new(), expected, "no thread answered".to_owned());
        };
        let found = answers(&trace, thread);
        let at = alone.iter().zip(&found).position(|(a, b)| a != b);
        let shown = match at {
            Some(at) => format!("thread {thread}: {:?} instead of {:?}", found[at], alone[at]),
            None => format!("thread {thread}: {} answers instead of {}", found.len(), alone.len()),
        };
        ("several threads at once".to_owned(), expected, shown)
    })
}

fn judge_contexts(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let trace = std::mem::take(&mut conversation.threads);
    let handles: Vec<u64> = trace.iter().filter_map(|observation| observation.returned()?.handle()).collect();
    let mut distinct = handles.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let wanted = trace.iter().filter(|observation| observation.call().is_some()).count();
    let good = distinct.len() == wanted && wanted > 1 && died(&trace).is_none();
    conversation.judge(requirement, good, || {
        let observed = match died(&trace) {
            Some(death) => format!("{}: {}", death.event, death.outcome),
            None => format!("{} handles, {} different", handles.len(), distinct.len()),
        };
        ("cuda_init on several threads".to_owned(), format!("{wanted} different contexts"), observed)
    })
}
