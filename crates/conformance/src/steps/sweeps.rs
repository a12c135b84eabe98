//! Steps that make many calls at once: all NULL combinations, all messages, all devices.

use cucumber::{then, when};
use worker_contract::ErrorCode;

use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::program::{Buffer, Call, Device, Guard, Handle, Op, Out, Slot, Text};
use crate::setting::bytes;
use crate::trace::{Outcome, Value};

/// Codes around, between and far from the defined ones.
fn undefined() -> impl Iterator<Item = i32> {
    let near = (-300..=1100).filter(|&code| ErrorCode::from_raw(code).is_none());
    let far = (10..31).flat_map(|bit| [1 << bit, -(1 << bit), (1 << bit) + 5, (1 << bit) | 99]);
    near.chain(far).chain([i32::MAX, i32::MIN, i32::MIN + 5])
}

#[when("the host asks for every message")]
async fn every_message(conversation: &mut Conversation) -> Result<(), String> {
    let codes = undefined().chain(ErrorCode::ALL.map(ErrorCode::raw));
    let program = codes.map(|code| Op::Call(Call::ErrorMessage { code })).collect();
    let step = conversation.run(program).await.map(drop);
    report(conversation, step)
}

#[then(regex = r"^every message is there, what and where it was(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn messages_stay(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let last = conversation.last_call().map(|(_, returned)| returned.and_then(|returned| returned.value));
    let step = match last {
        Ok(Some(Value::Message(_, Some(_)))) => conversation
            .requirement(named(&requirement))
            .and_then(|id| super::invariants::no_finding(conversation, id)),
        Ok(_) => Err(Stop::Blocked("there is no message to look at again".to_owned())),
        Err(stop) => Err(stop),
    };
    report(conversation, step)
}

#[when(
    regex = r"^the host calls every function with (every combination of NULL pointers|NULL for every handle)$"
)]
async fn every_null(conversation: &mut Conversation, which: String) -> Result<(), String> {
    let step = null_combinations(conversation, which.starts_with("every")).await;
    report(conversation, step)
}

#[then(regex = r"^every one of them gives the failure value(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn all_failed(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let trace = std::mem::take(&mut conversation.threads);
    let wrong = trace.iter().find(|observation| {
        let Some(call) = observation.call() else { return false };
        match &observation.outcome {
            Outcome::Died(_) => true,
            Outcome::Returned(returned) if call.has_null() => {
                returned.handle().is_some()
                    || returned.is_true()
                    || returned.bytes().is_some_and(|bytes| bytes != 0)
            }
            _ => false,
        }
    });
    let step = if trace.is_empty() {
        Err(Stop::Blocked("no call was made".to_owned()))
    } else {
        conversation.judge(named(&requirement), wrong.is_none(), || {
            let (call, outcome) =
                wrong.map(|wrong| (wrong.event.to_string(), wrong.outcome.to_string())).unwrap_or_default();
            (call, "the failure value".to_owned(), outcome)
        })
    };
    report(conversation, step)
}

#[when("the host opens a context on every device")]
async fn every_device(conversation: &mut Conversation) -> Result<(), String> {
    let step = open_all(conversation).await;
    report(conversation, step)
}

#[when(regex = r"^the host opens (\d+) contexts on one device$")]
async fn many_contexts(conversation: &mut Conversation, count: u32) -> Result<(), String> {
    let inits = (0..count).map(|_| {
        let bind = conversation.fresh_slot();
        Op::Call(Call::Init { bind, device: Device::Id(0), code: Out::Given })
    });
    let program = inits.collect();
    let step = conversation.run(program).await.map(|trace| conversation.threads = trace);
    report(conversation, step)
}

#[then(regex = r"^no two of them are one(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn all_distinct(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let trace = std::mem::take(&mut conversation.threads);
    let handles: Vec<u64> = trace.iter().filter_map(|one| one.returned()?.handle()).collect();
    let double = handles.iter().enumerate().find(|(at, handle)| handles[..*at].contains(handle));
    let step = if handles.len() < 2 {
        Err(Stop::NotApplicable("the library gives one context at a time".to_owned()))
    } else {
        conversation.judge(named(&requirement), double.is_none(), || {
            let observed = double.map(|(at, handle)| format!("context {} is {handle:#x} again", at + 1));
            let call = format!("cuda_init, {} times", trace.len());
            (call, "another context each time".to_owned(), observed.unwrap_or_default())
        })
    };
    report(conversation, step)
}

#[then(regex = r"^every device has a context of its own(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn contexts_of_devices(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let trace = std::mem::take(&mut conversation.threads);
    let mut handles: Vec<u64> =
        trace.iter().filter_map(|observation| observation.returned()?.handle()).collect();
    handles.sort_unstable();
    handles.dedup();
    let step =
        conversation.judge(named(&requirement), handles.len() == trace.len() && !trace.is_empty(), || {
            let observed = format!("{} different contexts", handles.len());
            ("cuda_init on every device".to_owned(), format!("{} different contexts", trace.len()), observed)
        });
    report(conversation, step)
}

#[then(regex = r#"^the contexts "(\w+)" and "(\w+)" are distinct(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn distinct(
    conversation: &mut Conversation,
    a: String,
    b: String,
    requirement: String,
) -> Result<(), String> {
    let handles = [a.as_str(), b.as_str()].map(|name| conversation.context_bits(name));
    let step = match handles {
        [Some(first), Some(second)] => conversation.judge(named(&requirement), first != second, || {
            let call = "cuda_init, twice".to_owned();
            (call, "two different contexts".to_owned(), format!("{first:#x} both times"))
        }),
        _ => Err(Stop::Blocked(format!("context {a} or {b} was not opened"))),
    };
    report(conversation, step)
}

async fn open_all(conversation: &mut Conversation) -> Step {
    let count = conversation.devices()?.unwrap_or(0).clamp(0, 64);
    let program = (0..count)
        .map(|id| {
            let bind = conversation.bind(Kind::Context, &format!("device{id}"));
            Op::Call(Call::Init { bind, device: Device::Id(id), code: Out::Given })
        })
        .collect();
    conversation.threads = conversation.run(program).await?;
    // A process of its own also tells how it loaded the library.
    conversation.threads.retain(|observation| observation.call().is_some());
    Ok(())
}

async fn null_combinations(conversation: &mut Conversation, all: bool) -> Step {
    let setting = conversation.setting()?;
    let path = setting.model().map(|model| bytes(&model.path)).unwrap_or_default();
    let [ctx, model, result] = [(Kind::Context, "context"), (Kind::Model, "model"), (Kind::Job, "job")]
        .map(|(kind, name)| conversation.named(kind, name).filter(|_| all).unwrap_or(Handle::Null));
    let mut program = Vec::new();
    // Bit n of the pattern: the n-th pointer is NULL.
    for pattern in 0..16_u32 {
        let bit = |n: u32| pattern & (1 << n) != 0;
        let out = |n: u32| if bit(n) { Out::Null } else { Out::Given };
        let handle = |n: u32, handle: Handle| if bit(n) { Handle::Null } else { handle };
        let text = |n: u32, bytes: &[u8]| if bit(n) { Text::Null } else { Text::new(bytes) };
        let mut push = |call: Call, pointers: u32| {
            // Patterns beyond the function's own pointers repeat what was called already.
            if pattern < 1 << pointers && (call.has_null() || call.code() == Some(Out::Null)) {
                program.push(Op::Call(call));
            }
        };
        let slot: Slot = conversation.fresh_slot();
        push(Call::Init { bind: slot, device: Device::Id(-1), code: out(0) }, 1);
        push(Call::Destroy { ctx: handle(0, Handle::Null) }, 1);
        push(Call::UnloadModel { model: handle(0, Handle::Null) }, 1);
        push(Call::Free { result: handle(0, Handle::Null) }, 1);
        push(Call::ModelVramUsage { model: handle(0, model) }, 1);
        push(Call::VramUsage { model: handle(0, model) }, 1);
        push(Call::ProcessVramUsage { ctx: handle(0, ctx) }, 1);
        push(Call::CheckResidency { model: handle(0, model), code: out(1) }, 2);
        push(Call::CheckHealth { ctx: handle(0, ctx), code: out(1) }, 2);
        let bind = conversation.fresh_slot();
        push(
            Call::LoadModel { bind, ctx: handle(0, ctx), path: text(1, &path), vram: out(2), code: out(3) },
            4,
        );
        let bind = conversation.fresh_slot();
        let (prompt, max_tokens) = (text(1, setting.prompt.as_bytes()), 4);
        let start = Call::Start {
            bind,
            model: handle(0, model),
            prompt,
            max_tokens,
            temperature: 0.0,
            seed: 0,
            code: out(2),
        };
        push(start, 3);
        let buffer = Buffer { pointer: out(1), size: 256, guard: Guard::After };
        push(Call::NextToken { result: handle(0, result), buffer, index: out(2), code: out(3) }, 4);
    }
    conversation.threads = conversation.run(program).await?;
    Ok(())
}
