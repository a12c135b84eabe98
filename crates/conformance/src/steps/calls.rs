//! `the host calls …`: any of the 14 functions, with good arguments except where the step says otherwise.

use cucumber::when;
use worker_contract::Function;

use super::arguments::{self, Arguments, Value};
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::executor::MAX_INPUT;
use crate::program::{Buffer, Call, Device, Guard, Handle, Op, Out, Text};
use crate::setting::bytes;
use crate::trace::{Observation, Outcome};

/// Before a number as `max_tokens`: as many as the context has room for, that many at most.
pub const UP_TO: &str = "up-to-";

#[when(regex = r#"^the host calls (cuda_\w+)(?: with (.+?))?(?: as "(\w+)")?$"#)]
async fn call(
    conversation: &mut Conversation,
    function: String,
    arguments: String,
    name: String,
) -> Result<(), String> {
    let step = make(conversation, &function, &arguments, &name).await;
    report(conversation, step)
}

#[when(regex = r#"^the host calls (cuda_\w+) (\d+) times(?: with (.+?))?$"#)]
async fn call_often(
    conversation: &mut Conversation,
    function: String,
    times: u32,
    arguments: String,
) -> Result<(), String> {
    let mut step = Ok(());
    for _ in 0..times {
        if step.is_ok() {
            step = make(conversation, &function, &arguments, "").await;
        }
    }
    report(conversation, step)
}

async fn make(conversation: &mut Conversation, function: &str, arguments: &str, name: &str) -> Step {
    let function = Function::from_name(function)
        .ok_or_else(|| Stop::Broken(format!("{function} is none of the 14 functions")))?;
    let name = if name.is_empty() { None } else { Some(name) };
    let call = build(conversation, function, arguments::parse(arguments)?, name)?;
    conversation.run(vec![Op::Call(call)]).await.map(drop)
}

/// Runs one call and gives its observation.
///
/// # Errors
/// [`Stop::Blocked`] if the call was not made or the process died.
pub async fn run_one(conversation: &mut Conversation, call: Call) -> Result<Observation, Stop> {
    let text = call.to_string();
    let trace = conversation.run(vec![Op::Call(call)]).await?;
    let found = trace.into_iter().rfind(|observation| observation.call().is_some());
    match found {
        Some(observation) => match &observation.outcome {
            Outcome::Returned(_) => Ok(observation),
            other => Err(Stop::Blocked(format!("{text}: {other}"))),
        },
        None => Err(Stop::Blocked(format!("{text} could not be made: the process is gone"))),
    }
}

/// Builds a call: the latest handles and harmless values, except where arguments say otherwise.
///
/// # Errors
/// [`Stop::Broken`] for arguments that the function does not have.
pub fn build(
    conversation: &mut Conversation,
    function: Function,
    mut given: Arguments,
    name: Option<&str>,
) -> Result<Call, Stop> {
    let code = take_out(&mut given, "error_code")?;
    let call = match function {
        Function::Init => {
            let device = match given.remove("gpu_device") {
                None => Device::Id(0),
                Some(Value::Integer(id)) => {
                    Device::Id(i32::try_from(id).map_err(|_| Stop::Broken(format!("{id} is no int")))?)
                }
                Some(Value::Word(word)) if word.starts_with("count") => {
                    let offset = word.trim_start_matches("count");
                    let offset = if offset.is_empty() { 0 } else { offset.parse().unwrap_or(0) };
                    Device::Id(conversation.devices()?.unwrap_or(0).saturating_add(offset))
                }
                Some(other) => return Err(Stop::Broken(format!("{other:?} is no device"))),
            };
            Call::Init { bind: conversation.bind(Kind::Context, name.unwrap_or("context")), device, code }
        }
        Function::Destroy => {
            Call::Destroy { ctx: take_handle(conversation, &mut given, "ctx", Kind::Context)? }
        }
        Function::GetDeviceCount => Call::DeviceCount,
        Function::LoadModel => {
            let ctx = take_handle(conversation, &mut given, "ctx", Kind::Context)?;
            let path = take_path(conversation, &mut given)?;
            let vram = take_out(&mut given, "vram_bytes_used")?;
            Call::LoadModel {
                bind: conversation.bind(Kind::Model, name.unwrap_or("model")),
                ctx,
                path,
                vram,
                code,
            }
        }
        Function::UnloadModel => {
            Call::UnloadModel { model: take_handle(conversation, &mut given, "model", Kind::Model)? }
        }
        Function::ModelGetVramUsage => {
            Call::ModelVramUsage { model: take_handle(conversation, &mut given, "model", Kind::Model)? }
        }
        Function::InferenceStart => start(conversation, &mut given, name, code)?,
        Function::InferenceNextToken => {
            let usual = conversation.buffer()?;
            let size = arguments::take_integer(&mut given, "token_buffer_size", usual)?;
            Call::NextToken {
                result: take_handle(conversation, &mut given, "result", Kind::Job)?,
                buffer: Buffer { pointer: take_out(&mut given, "token_out")?, size, guard: Guard::After },
                index: take_out(&mut given, "token_index")?,
                code,
            }
        }
        Function::InferenceFree => {
            Call::Free { result: take_handle(conversation, &mut given, "result", Kind::Job)? }
        }
        Function::CheckVramResidency => {
            Call::CheckResidency { model: take_handle(conversation, &mut given, "model", Kind::Model)?, code }
        }
        Function::GetVramUsage => {
            Call::VramUsage { model: take_handle(conversation, &mut given, "model", Kind::Model)? }
        }
        Function::GetProcessVramUsage => {
            Call::ProcessVramUsage { ctx: take_handle(conversation, &mut given, "ctx", Kind::Context)? }
        }
        Function::CheckDeviceHealth => {
            Call::CheckHealth { ctx: take_handle(conversation, &mut given, "ctx", Kind::Context)?, code }
        }
        Function::ErrorMessage => {
            Call::ErrorMessage { code: arguments::take_integer(&mut given, "code", 0)? }
        }
    };
    arguments::all_taken(&given)?;
    Ok(call)
}

fn start(
    conversation: &mut Conversation,
    given: &mut Arguments,
    name: Option<&str>,
    code: Out,
) -> Result<Call, Stop> {
    let model = take_handle(conversation, given, "model", Kind::Model)?;
    let prompt = match given.remove("prompt") {
        None => Text::new(conversation.prompt()?),
        Some(Value::Null) => Text::Null,
        Some(Value::Text(bytes)) => Text::Bytes(bytes),
        Some(Value::Word(word)) if word == "longer-than-context" => {
            let length = conversation.setting()?.model().map_or(0, |model| model.facts.context_length);
            Text::Bytes(at_least_tokens(length.saturating_add(16))?)
        }
        Some(other) => return Err(Stop::Broken(format!("{other:?} is no prompt"))),
    };
    if let Some(Value::Word(word)) = given.get("max_tokens")
        && let Some(most) = word.strip_prefix(UP_TO)
    {
        let most = most.parse().map_err(|_| Stop::Broken(format!("{word} is no number of tokens")))?;
        let count = conversation.fitting(model, &prompt, most);
        given.insert("max_tokens".to_owned(), Value::Integer(count.into()));
    }
    Ok(Call::Start {
        model,
        prompt,
        max_tokens: arguments::take_integer(given, "max_tokens", 16)?,
        temperature: arguments::take_real(given, "temperature", 0.0)?,
        seed: arguments::take_integer(given, "seed", 1)?,
        code,
        bind: conversation.bind(Kind::Job, name.unwrap_or("job")),
    })
}

/// A prompt of at least so many tokens: characters so rare that no vocabulary joins two of them.
///
/// # Errors
/// [`Stop::NotApplicable`] where that is more than a host can pass.
pub fn at_least_tokens(count: u64) -> Result<Vec<u8>, Stop> {
    if count > MAX_INPUT as u64 / 4 {
        return Err(Stop::NotApplicable(format!("no prompt of this suite is sure to have {count} tokens")));
    }
    let characters = (0..count).filter_map(|at| char::from_u32(0x10300 + (at * 7 % 27) as u32));
    Ok(characters.flat_map(|c| c.to_string().into_bytes()).collect())
}

fn take_out(given: &mut Arguments, name: &str) -> Result<Out, Stop> {
    match given.remove(name) {
        None => Ok(Out::Given),
        Some(Value::Null) => Ok(Out::Null),
        Some(other) => Err(Stop::Broken(format!("{name} can be NULL or left out, not {other:?}"))),
    }
}

fn take_handle(
    conversation: &Conversation,
    given: &mut Arguments,
    name: &str,
    kind: Kind,
) -> Result<Handle, Stop> {
    let usual = match kind {
        Kind::Context => "context",
        Kind::Model => "model",
        Kind::Job => "job",
    };
    match given.remove(name) {
        None => conversation.need(kind, usual),
        Some(Value::Null) => Ok(Handle::Null),
        Some(Value::Word(word)) => conversation.need(kind, &word),
        Some(other) => Err(Stop::Broken(format!("{name} can be NULL or a name, not {other:?}"))),
    }
}

fn take_path(conversation: &Conversation, given: &mut Arguments) -> Result<Text, Stop> {
    let setting = conversation.setting()?;
    let broken = |error: &dyn std::fmt::Display| Stop::Broken(format!("cannot prepare a file: {error}"));
    let word = match given.remove("model_path") {
        None => {
            let path = match &conversation.model_file {
                Some(path) => bytes(path),
                None => setting.model().map(|model| bytes(&model.path)).unwrap_or_default(),
            };
            return Ok(Text::Bytes(path));
        }
        Some(Value::Null) => return Ok(Text::Null),
        Some(Value::Text(text)) => return Ok(Text::Bytes(text)),
        Some(Value::Word(word)) => word,
        Some(other) => return Err(Stop::Broken(format!("{other:?} is no path"))),
    };
    let scratch = &setting.scratch;
    let path = match word.as_str() {
        "missing-file" => scratch.join("there-is-no-such-file.gguf"),
        "missing-folder" => scratch.join("no-such-folder").join("model.gguf"),
        "directory" => scratch.clone(),
        "through-a-file" => setting.model().map(|model| model.path.join("model.gguf")).unwrap_or_default(),
        "dangling-link" | "link-to-itself" => {
            let link = scratch.join(format!("{word}.gguf"));
            let to = if word == "link-to-itself" { link.clone() } else { scratch.join("there-is-nothing-here") };
            match std::os::unix::fs::symlink(to, &link) {
                // Another scenario has made it.
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(broken(&error)),
                _ => link,
            }
        }
        "very-long-name" => scratch.join("x".repeat(5000)),
        "sparse-huge-file" => {
            setting.huge().map_err(|error| broken(&error))?.ok_or_else(|| match setting.likeness() {
                None => Stop::OutOfReach(
                    "the suite makes no models of the architecture of the library's own".to_owned(),
                ),
                Some(_) => Stop::Blocked(
                    "the folder for models cannot hold a file of 4 TiB, though it takes no space; give another with --models"
                        .to_owned(),
                ),
            })?
        }
        // A model of the suite's own, by its name.
        other if crate::models::Recipe::names().any(|name| name == other) => {
            setting.store.path(other).map_err(|error| broken(&error))?
        }
        other => setting.store.malformed_path(other).map_err(|error| broken(&error))?,
    };
    Ok(Text::Bytes(bytes(&path)))
}
