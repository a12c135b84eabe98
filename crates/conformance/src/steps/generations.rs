//! Generating text: whole jobs, and parts of them.

use cucumber::when;
use worker_contract::Function;

use super::arguments::{self, Arguments, Value};
use super::calls::{UP_TO, build};
use super::report;
use crate::conversation::{Conversation, Generation, Kind, Step, Stop};
use crate::program::{Buffer, Call, Handle, Op, Out};
use crate::trace::{Observation, Outcome};

#[when(
    regex = r#"^the host generates (up to )?(\d+) tokens?(?: from ("[^"]*"))?(?: with (.+?))?(?: as "(\w+)")?$"#
)]
async fn generates(
    conversation: &mut Conversation,
    up_to: String,
    count: u32,
    prompt: String,
    arguments: String,
    name: String,
) -> Result<(), String> {
    let most = if up_to.is_empty() { String::new() } else { format!("max_tokens = {UP_TO}{count}") };
    let arguments =
        [most, arguments].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    let step = generate(conversation, count, &prompt, &arguments, &name).await;
    report(conversation, step)
}

#[when(regex = r#"^the host generates (\d+) tokens (\d+) times(?: with (.+?))? as "(\w+)"$"#)]
async fn generates_often(
    conversation: &mut Conversation,
    count: u32,
    times: u32,
    arguments: String,
    name: String,
) -> Result<(), String> {
    let mut step = Ok(());
    for turn in 0..times {
        if step.is_ok() {
            step = generate(conversation, count, "", &arguments, &format!("{name}{turn}")).await;
        }
    }
    report(conversation, step)
}

#[when(regex = r#"^the host takes (\d+) tokens?(?: of job "(\w+)")?(?: with (.+?))?(?: as "(\w+)")?$"#)]
async fn takes(
    conversation: &mut Conversation,
    count: u32,
    job: String,
    arguments: String,
    name: String,
) -> Result<(), String> {
    let step = take(conversation, count, &job, &arguments, &name).await;
    report(conversation, step)
}

#[when(regex = r#"^the host takes the rest(?: of job "(\w+)")?(?: as "(\w+)")?$"#)]
async fn takes_rest(conversation: &mut Conversation, job: String, name: String) -> Result<(), String> {
    let step = take(conversation, 2050, &job, "", &name).await;
    report(conversation, step)
}

/// With a byte, the C library fills memory that it gives out or takes back with bytes that hang on it.
#[when(
    regex = r"^the host uses the library in a new process(?: whose allocator fills memory with 0x([0-9a-f]{2}))?$"
)]
async fn new_process(conversation: &mut Conversation, byte: String) {
    conversation.end_session().await;
    conversation.options.fresh = true;
    if let Ok(byte) = u8::from_str_radix(&byte, 16) {
        conversation.options.environment.push(("MALLOC_PERTURB_".to_owned(), byte.to_string()));
    }
    conversation.step_done();
}

/// How the tokens of a job are fetched.
pub struct Fetch {
    /// Bytes of the buffer.
    pub buffer: i32,
    /// Whether `token_index` is passed.
    pub index: Out,
    /// Whether `error_code` is passed.
    pub code: Out,
    /// Microseconds between calls.
    pub pause_us: u32,
}

impl Fetch {
    /// Takes `buffer`, `token_index` and `pause_us` out of the arguments.
    ///
    /// # Errors
    /// [`Stop::Broken`] for values of the wrong kind.
    pub fn take(conversation: &Conversation, given: &mut Arguments) -> Result<Self, Stop> {
        let index = match given.remove("token_index") {
            None => Out::Given,
            Some(Value::Null) => Out::Null,
            Some(other) => return Err(Stop::Broken(format!("token_index can only be NULL, not {other:?}"))),
        };
        Ok(Self {
            buffer: arguments::take_integer(given, "token_buffer_size", conversation.buffer()?)?,
            index,
            code: Out::Given,
            pause_us: arguments::take_integer(given, "pause_us", 0)?,
        })
    }

    /// The steps that fetch.
    pub fn ops(&self, result: Handle, limit: u32) -> Vec<Op> {
        let Self { index, code, pause_us, .. } = *self;
        if code == Out::Given {
            return vec![Op::Drain { result, buffer: self.buffer, index, limit, pause_us }];
        }
        let call = Call::NextToken { result, buffer: Buffer::of(self.buffer), index, code };
        vec![Op::Call(call); limit as usize]
    }
}

async fn generate(
    conversation: &mut Conversation,
    count: u32,
    prompt: &str,
    arguments: &str,
    name: &str,
) -> Step {
    let mut given = arguments::parse(arguments)?;
    if given.get("token_buffer_size") == Some(&Value::Word("snug".to_owned())) {
        // Exactly as large as the longest text needs.
        let longest = conversation.text("usual")?.pieces().iter().map(|piece| piece.len()).max().unwrap_or(0);
        given.insert("token_buffer_size".to_owned(), Value::Integer(longest as i128 + 1));
    }
    if let Some((value, _)) = arguments::value(prompt) {
        given.insert("prompt".to_owned(), value);
    }
    if let Some(&Value::Integer(size)) = given.get("token_buffer_size") {
        let longest = conversation.texts.values().flat_map(|text| text.pieces()).map(<[u8]>::len).max();
        if longest.is_some_and(|longest| longest as i128 >= size) {
            let why = format!("a text of this library needs more than {size} bytes, with its NUL");
            return Err(Stop::OutOfReach(why));
        }
    }
    let generation = match whole_job(conversation, count, given).await {
        // Jobs of this scenario worked before: that this one does not is what the comparison is to tell.
        Err(Stop::Blocked(why)) if !conversation.texts.is_empty() && !conversation.slow => {
            Generation { missing: Some(why), ..Generation::default() }
        }
        other => other?,
    };
    let name = if name.is_empty() { "text" } else { name };
    conversation.texts.insert(name.to_owned(), generation);
    Ok(())
}

/// Starts a job, fetches all its tokens, `count` at most, and the end, and frees it.
///
/// # Errors
/// [`Stop::Blocked`] if the job does not start or the process dies.
pub async fn whole_job(
    conversation: &mut Conversation,
    count: u32,
    mut given: Arguments,
) -> Result<Generation, Stop> {
    if conversation.named(Kind::Model, "model").is_none() && !given.contains_key("model") {
        super::givens::load(conversation, "model", "context").await?;
    }
    let mut fetch = Fetch::take(conversation, &mut given)?;
    // That of the calls for tokens: the start always says why it fails.
    if given.remove("error_code").is_some() {
        fetch.code = Out::Null;
    }
    given.entry("max_tokens".to_owned()).or_insert(Value::Integer(count.into()));
    let start = build(conversation, Function::InferenceStart, given, Some("whole"))?;
    conversation.need_room(&start)?;
    let result = conversation.need(Kind::Job, "whole")?;
    let mut program = vec![Op::Call(start)];
    program.extend(fetch.ops(result, count + 1));
    program.push(Op::Call(Call::Free { result }));
    let trace = conversation.run(program).await?;
    started(conversation, &trace)?;
    let generation = Generation::from_trace(&trace);
    if fetch.code == Out::Null && generation.tokens.is_empty() && !conversation.died {
        return Err(Stop::NotApplicable("the library gives no token without error_code".to_owned()));
    }
    if conversation.died || !generation.whole {
        return Err(Stop::Blocked("the generation did not get to its end".to_owned()));
    }
    Ok(generation)
}

/// Says so if the job of a trace did not start.
///
/// # Errors
/// [`Stop::OutOfReach`] if the context may have no room for it (INF-13), [`Stop::NotApplicable`] if its model was refused
/// rightly. Else [`Stop::Blocked`] with what happened.
pub fn started(conversation: &Conversation, trace: &[Observation]) -> Step {
    let start = trace.iter().find(|observation| matches!(observation.call(), Some(Call::Start { .. })));
    let Some(start) = start else {
        return Err(Stop::Blocked("no job was started: the process is gone".to_owned()));
    };
    let told = format!("{}: {}", start.event, start.outcome);
    match (start.returned(), start.call()) {
        (Some(returned), _) if returned.handle().is_some() => Ok(()),
        (Some(_), Some(call)) => {
            conversation.need_room(call)?;
            Err(Stop::Blocked(told))
        }
        (None, _)
            if matches!(start.outcome, Outcome::Skipped(_))
                && !conversation.died
                && !conversation.faulty
                && !conversation.has_findings() =>
        {
            // Only a load that was refused rightly leaves no model and no finding.
            Err(Stop::NotApplicable(format!("the library refused what this job needs: {told}")))
        }
        _ => Err(Stop::Blocked(told)),
    }
}

async fn take(conversation: &mut Conversation, count: u32, job: &str, arguments: &str, name: &str) -> Step {
    let mut given = arguments::parse(arguments)?;
    let fetch = Fetch::take(conversation, &mut given)?;
    arguments::all_taken(&given)?;
    let result = conversation.need(Kind::Job, if job.is_empty() { "job" } else { job })?;
    let trace = conversation.run(fetch.ops(result, count)).await?;
    let generation = Generation::from_trace(&trace);
    let name = if name.is_empty() { "text" } else { name };
    conversation.texts.insert(name.to_owned(), generation);
    Ok(())
}
