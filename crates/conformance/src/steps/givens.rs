//! What a scenario starts from: contexts, models, jobs, and the kind of process.

use std::ops::RangeInclusive;

use cucumber::given;
use worker_contract::Function;

use super::arguments::{self, Value};
use super::calls::{build, run_one};
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::program::Call;

#[given(regex = r#"^a context(?: "(\w+)")?(?: on device (\d+))?$"#)]
async fn context(conversation: &mut Conversation, name: String, device: String) -> Result<(), String> {
    let step = open_context(conversation, or(&name, "context"), or(&device, "0")).await;
    report(conversation, step)
}

#[given(regex = r#"^a loaded model(?: "(\w+)")?(?: in context "(\w+)")?$"#)]
async fn model(conversation: &mut Conversation, name: String, context: String) -> Result<(), String> {
    let step = load(conversation, or(&name, "model"), or(&context, "context")).await;
    report(conversation, step)
}

#[given(regex = r#"^an open job(?: "(\w+)")?(?: with (.+))?$"#)]
async fn job(conversation: &mut Conversation, name: String, arguments: String) -> Result<(), String> {
    let step = open_job(conversation, or(&name, "job"), &arguments).await;
    report(conversation, step)
}

#[given("a device")]
async fn device(conversation: &mut Conversation) -> Result<(), String> {
    let step = need_devices(conversation, 1);
    report(conversation, step)
}

#[given("a second device")]
async fn second_device(conversation: &mut Conversation) -> Result<(), String> {
    let step = want_devices(conversation, 2..=u16::MAX);
    report(conversation, step)
}

#[given("no device at all")]
async fn no_device(conversation: &mut Conversation) -> Result<(), String> {
    let step = want_devices(conversation, 0..=0);
    report(conversation, step)
}

#[given(regex = r#"^a library that runs "([\w-]+)" models$"#)]
async fn runs_architecture(conversation: &mut Conversation, architecture: String) -> Result<(), String> {
    let step = conversation.setting().and_then(|setting| match setting.model_of(&architecture) {
        Some(model) => {
            conversation.model_file = Some(model.path.clone());
            Ok(())
        }
        None => Err(Stop::NotApplicable(format!("no {architecture} model is named that the library runs"))),
    });
    report(conversation, step)
}

#[given("a process that is watched after every call")]
async fn watched(conversation: &mut Conversation) {
    conversation.options.watch = true;
    conversation.step_done();
}

#[given("a process whose inputs begin behind a page that may not be touched")]
async fn low_inputs(conversation: &mut Conversation) {
    conversation.options.low_inputs = true;
    conversation.step_done();
}

#[given("a process whose allocator checks every block that is freed")]
async fn checked_heap(conversation: &mut Conversation) -> Result<(), String> {
    let step = check_heap(conversation);
    report(conversation, step)
}

/// The C library's own checks of its heap: a block that was written past its end, or freed twice, ends the process.
fn check_heap(conversation: &mut Conversation) -> Step {
    const CHECKER: &str = "libc_malloc_debug.so.0";
    const FOLDERS: [&str; 4] = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib"];
    if !FOLDERS.iter().any(|folder| std::path::Path::new(folder).join(CHECKER).exists()) {
        return Err(Stop::OutOfReach(format!("this machine has no {CHECKER}, which is part of glibc")));
    }
    if conversation.setting()?.executor.config().is_watched() {
        return Err(Stop::OutOfReach("a tool watches the heap already".to_owned()));
    }
    let variables = [("LD_PRELOAD", CHECKER), ("MALLOC_CHECK_", "3")];
    conversation
        .options
        .environment
        .extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(())
}

fn or<'a>(text: &'a str, usual: &'a str) -> &'a str {
    if text.is_empty() { usual } else { text }
}

/// The machine as it is, if it has the devices wanted; else the profile's way to make it seem so.
fn want_devices(conversation: &mut Conversation, wanted: RangeInclusive<u16>) -> Step {
    let setting = conversation.setting()?;
    let found = setting.facts.devices.unwrap_or(0);
    if u16::try_from(found).is_ok_and(|found| wanted.contains(&found)) {
        return Ok(());
    }
    let least = *wanted.start();
    let Some((count, environment)) = setting.profile.devices.range(wanted).next() else {
        let way = "the profile names no variables under `devices` that make it so";
        return Err(Stop::NotApplicable(format!(
            "the library reports {found} device(s), not {least}, and {way}"
        )));
    };
    conversation.options.environment.extend(environment.clone());
    conversation.device_count = Some((*count).into());
    Ok(())
}

fn need_devices(conversation: &Conversation, count: i32) -> Step {
    match conversation.devices()? {
        Some(found) if found >= count => Ok(()),
        Some(0) => Err(Stop::Blocked("the library reports no device on this machine".to_owned())),
        Some(found) => {
            Err(Stop::Blocked(format!("the library reports {found} device(s), {count} are needed")))
        }
        None => Err(Stop::Blocked("the library reports no device count".to_owned())),
    }
}

/// Opens a context.
///
/// # Errors
/// [`Stop::Blocked`] if the library gives none.
pub async fn open_context(conversation: &mut Conversation, name: &str, device: &str) -> Step {
    need_devices(conversation, 1)?;
    let arguments = arguments::parse(&format!("gpu_device = {device}"))?;
    let call = build(conversation, Function::Init, arguments, Some(name))?;
    make(conversation, call).await
}

/// Loads the default model, in a context that is opened if there is none of that name.
///
/// # Errors
/// [`Stop::Blocked`] if the library does not load it.
pub async fn load(conversation: &mut Conversation, name: &str, context: &str) -> Step {
    if conversation.named(Kind::Context, context).is_none() {
        open_context(conversation, context, "0").await?;
    }
    let arguments = [("ctx".to_owned(), Value::Word(context.to_owned()))].into();
    let call = build(conversation, Function::LoadModel, arguments, Some(name))?;
    make(conversation, call).await
}

async fn open_job(conversation: &mut Conversation, name: &str, arguments: &str) -> Step {
    if conversation.named(Kind::Model, "model").is_none() {
        load(conversation, "model", "context").await?;
    }
    let call = build(conversation, Function::InferenceStart, arguments::parse(arguments)?, Some(name))?;
    conversation.need_room(&call)?;
    make(conversation, call).await
}

async fn make(conversation: &mut Conversation, call: Call) -> Step {
    let observation = run_one(conversation, call).await?;
    match observation.returned().and_then(|returned| returned.handle()) {
        Some(_) => Ok(()),
        // Beside what the scenario has already: no room, or no second job.
        None if conversation.refused.contains(&0) => {
            Err(Stop::NotApplicable(format!("{}: {}", observation.event, observation.outcome)))
        }
        None => Err(Stop::Blocked(format!("{}: {}", observation.event, observation.outcome))),
    }
}
