//! Several threads at once, where the contract allows them (THR, DEV-07, MSG-06).

use cucumber::{then, when};

use super::calls::PROMPT;
use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Generation, Kind, Step, Stop};
use crate::program::{Call, Device, Handle, Op, Out, Slot, Text};
use crate::setting::bytes;
use crate::trace::{Observation, Outcome};

/// Calls of each kind that a thread makes: enough for threads to overlap.
const TURNS: u32 = 200;

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

#[when(regex = r#"^another thread (takes the rest of the job|generates on the model)(?: as "(\w+)")?$"#)]
async fn another(conversation: &mut Conversation, what: String, name: String) -> Result<(), String> {
    let step = other_thread(conversation, &what, &name).await;
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
    let mut bodies = Vec::new();
    // The last one runs alone, before the others: what a single thread gets.
    for at in 0..=threads {
        bodies.push(body(conversation, what, at, &path)?);
    }
    let alone = bodies.pop().unwrap_or_default();
    let mut trace = conversation.run(vec![Op::Threads(vec![alone])]).await?;
    trace.iter_mut().for_each(|observation| observation.thread = 0);
    trace.extend(conversation.run(vec![Op::Threads(bodies)]).await?);
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
    last.iter_mut().for_each(|observation| observation.thread = 0);
    last.extend(together);
    let odd = |trace: &[Observation]| died(trace).is_some() || first_odd(trace).is_some();
    // The first process in which something is odd is the one to judge.
    if conversation.threads.is_empty() || !odd(&conversation.threads) {
        conversation.threads = last;
    }
    Ok(())
}

/// A thread of a trace whose answers are not those of thread 0.
fn first_odd(trace: &[Observation]) -> Option<u16> {
    let expected = answers(trace, 0);
    threads_of(trace).into_iter().find(|&thread| thread != 0 && answers(trace, thread) != expected)
}

fn body(conversation: &mut Conversation, what: &str, at: u32, path: &[u8]) -> Result<Vec<Op>, Stop> {
    let code = Out::Given;
    let device = Device::Id(0);
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
            vec![Op::Repeat(TURNS / 4, calls)]
        }
        "open a context" => {
            // Kept open until the session ends: contexts of one moment must be distinct.
            vec![Op::Call(Call::Init { bind: conversation.fresh_slot(), device, code })]
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
                    prompt: Text::new(PROMPT),
                    max_tokens: 16,
                    temperature: 1.0,
                    seed: 7,
                    code,
                }),
                Op::Drain { result, buffer: 1024, index: Out::Given, limit: 17, pause_us: 0 },
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
        let model = conversation.need(Kind::Model, "model")?;
        let bind = conversation.bind(Kind::Job, "elsewhere");
        let prompt = Text::new(PROMPT);
        let start =
            Call::Start { bind, model, prompt, max_tokens: 16, temperature: 0.0, seed: 1, code: Out::Given };
        (Handle::Slot(bind), vec![Op::Call(start)])
    };
    body.push(Op::Drain { result, buffer: 1024, index: Out::Given, limit: 2050, pause_us: 0 });
    body.push(Op::Call(Call::Free { result }));
    let trace = conversation.run(vec![Op::Threads(vec![body])]).await?;
    let name = if name.is_empty() { "text" } else { name };
    conversation.texts.insert(name.to_owned(), Generation::from_trace(&trace));
    Ok(())
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
                _ => format!("{}: {}", call.function().name(), observation.outcome),
            };
            Some(shown)
        })
        .collect();
    if !trace.iter().any(|observation| matches!(observation.call(), Some(Call::NextToken { .. }))) {
        answers.sort();
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
    let alone = answers(&trace, 0);
    if alone.is_empty() || died(&trace).is_some_and(|observation| observation.thread == 0) {
        return Err(Stop::Blocked("one thread alone gets no answers".to_owned()));
    }
    let others: Vec<(u16, Vec<String>)> = threads_of(&trace)
        .into_iter()
        .filter(|&thread| thread != 0)
        .map(|thread| (thread, answers(&trace, thread)))
        .collect();
    let odd = others.iter().find(|(_, answers)| *answers != alone);
    let good = odd.is_none() && died(&trace).is_none() && !others.is_empty();
    conversation.judge(requirement, good, || {
        let expected = format!("{} answers, as one thread alone gets them", alone.len());
        if let Some(death) = died(&trace) {
            return (death.event.to_string(), expected, death.outcome.to_string());
        }
        let Some((thread, found)) = odd else {
            return (String::new(), expected, "no thread answered".to_owned());
        };
        let at = alone.iter().zip(found).position(|(a, b)| a != b);
        let shown = match at {
            Some(at) => format!("thread {thread}: {:?} instead of {:?}", found[at], alone[at]),
            None => format!("thread {thread}: {} answers", found.len()),
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
