//! Jobs beside each other, in pieces, past the context's end, and with buffers of every size.

use cucumber::{given, then, when};
use worker_contract::{Function, describe_code};

use super::arguments::{self, Arguments, Value};
use super::calls::{UP_TO, at_least_tokens, build};
use super::checks::{difference, named, show};
use super::generations::{started, whole_job};
use super::report;
use crate::conversation::{Conversation, Generation, Kind, Step, Stop};
use crate::oracle::AMPLE;
use crate::program::{Buffer, Call, Guard, Handle, Op, Out, Text};
use crate::trace::Observation;

#[when(regex = r#"^the host takes (\d+) tokens of job "(\w+)", if it started$"#)]
async fn takes_if(conversation: &mut Conversation, count: u32, job: String) -> Result<(), String> {
    let buffer = conversation.setting.as_ref().map_or(AMPLE, |setting| setting.facts.ample);
    let step = if_started(conversation, &job, |result| drain(result, buffer, count)).await;
    report(conversation, step)
}

#[when(regex = r#"^the host frees job "(\w+)", if it started$"#)]
async fn frees_if(conversation: &mut Conversation, job: String) -> Result<(), String> {
    let step = if_started(conversation, &job, |result| Op::Call(Call::Free { result })).await;
    report(conversation, step)
}

#[when(regex = r#"^the host takes tokens of job "(\w+)" until a call gives none(, or it ends)?$"#)]
async fn until_none(conversation: &mut Conversation, job: String, ends: String) -> Result<(), String> {
    let step = until_struck(conversation, &job, !ends.is_empty()).await;
    report(conversation, step)
}

#[when(
    regex = r#"^the host takes all tokens of a job(?: with (.+))? as "(\w+)", unless the fault is there from the start$"#
)]
async fn usual(conversation: &mut Conversation, given: String, name: String) -> Result<(), String> {
    let step = usual_job(conversation, &given, name).await;
    report(conversation, step)
}

#[given("a second model, if the library takes one")]
async fn second_model(conversation: &mut Conversation) -> Result<(), String> {
    let step = load_second(conversation).await;
    report(conversation, step)
}

#[given("a loaded model with room for 2048 tokens")]
async fn roomy_model(conversation: &mut Conversation) -> Result<(), String> {
    let step = load_roomy(conversation).await;
    report(conversation, step)
}

#[then(regex = r#"^the text "(\w+)" is the text "(\w+)" and the text "(\w+)"(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn pieces(
    conversation: &mut Conversation,
    whole: String,
    head: String,
    tail: String,
    requirement: String,
) -> Result<(), String> {
    let step = in_pieces(conversation, &whole, &head, &tail, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^the text "(\w+)" has indices from 0 without a gap(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn indices(conversation: &mut Conversation, name: String, requirement: String) -> Result<(), String> {
    let step = gapless(conversation, &name, named(&requirement));
    report(conversation, step)
}

#[when(
    regex = r#"^the host lets two jobs take turns, from ("[^"]*") as "(\w+)" and from ("[^"]*") as "(\w+)"$"#
)]
async fn turns(
    conversation: &mut Conversation,
    left: String,
    left_name: String,
    right: String,
    right_name: String,
) -> Result<(), String> {
    let step = take_turns(conversation, [(&left, &left_name), (&right, &right_name)]).await;
    report(conversation, step)
}

#[when(regex = r"^the host generates (\d+) tokens at temperature ([\d.]+) with each of (\d+) seeds$")]
async fn each_seed(
    conversation: &mut Conversation,
    count: u32,
    temperature: f32,
    seeds: u64,
) -> Result<(), String> {
    let step = many_seeds(conversation, count, temperature, seeds).await;
    report(conversation, step)
}

#[then("it is noted whether seeds that differ in their upper half alone give different texts")]
async fn upper_half(conversation: &mut Conversation) -> Result<(), String> {
    let step = note_upper_half(conversation).await;
    report(conversation, step)
}

#[when(regex = r#"^the host abandons jobs after (\d+) to (\d+) tokens, each followed by a job as "(\w+)"$"#)]
async fn abandons(conversation: &mut Conversation, from: u32, to: u32, name: String) -> Result<(), String> {
    let mut step = Ok(());
    for count in from..=to {
        if step.is_ok() {
            step = abandon(conversation, count, &format!("{name}{count}")).await;
        }
    }
    report(conversation, step)
}

#[when("the host loads and unloads a second model, if the library takes one")]
async fn second_comes_and_goes(conversation: &mut Conversation) -> Result<(), String> {
    let step = match load_second(conversation).await {
        Ok(()) => match conversation.need(Kind::Model, "second") {
            Ok(model) => conversation.run(vec![Op::Call(Call::UnloadModel { model })]).await.map(drop),
            Err(stop) => Err(stop),
        },
        Err(stop) => Err(stop),
    };
    report(conversation, step)
}

#[when("the host generates past the context length")]
async fn past_context(conversation: &mut Conversation) -> Result<(), String> {
    let step = overrun(conversation, false).await;
    report(conversation, step)
}

#[when("the host starts a job whose prompt is longer than the context")]
async fn long_prompt(conversation: &mut Conversation) -> Result<(), String> {
    let step = overrun(conversation, true).await;
    report(conversation, step)
}

/// English of a length in bytes.
pub(super) fn words(length: usize) -> Vec<u8> {
    "The quick brown fox jumps over the lazy dog. ".bytes().cycle().take(length).collect()
}

#[when(regex = r"^the host generates (\d+) tokens from a prompt of (\d+) bytes$")]
async fn prompt_of(conversation: &mut Conversation, count: u32, length: usize) -> Result<(), String> {
    let given = [("prompt".to_owned(), Value::Text(words(length)))].into();
    let step = whole_job(conversation, count, given)
        .await
        .map(|generation| drop(conversation.texts.insert("text".to_owned(), generation)));
    report(conversation, step)
}

#[when("the host generates the same tokens with buffers one byte too small, then exactly large enough")]
async fn exact_buffers(conversation: &mut Conversation) -> Result<(), String> {
    let step = fit(conversation).await;
    report(conversation, step)
}

#[then(regex = r"^every too-small buffer is refused(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn small_refused(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let found = conversation.fit.accepted.take();
    let step = conversation.judge(named(&requirement), found.is_none(), || {
        let expected =
            "false with CUDA_ERROR_INVALID_PARAMETER (5): no room for the text and its NUL".to_owned();
        let (call, observed) = found.unwrap_or_default();
        (call, expected, observed)
    });
    report(conversation, step)
}

#[then(regex = r"^every buffer that is exactly large enough is filled(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn exact_filled(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let found = conversation.fit.unfilled.take();
    let step = conversation.judge(named(&requirement), found.is_none(), || {
        let (call, observed) = found.unwrap_or_default();
        (call, "the token that a roomy buffer gets".to_owned(), observed)
    });
    report(conversation, step)
}

#[then(
    regex = r"^(nothing is lost by a refusal|checks between a refusal and the next call change nothing)(?: \[([A-Z0-9]+-\d+)\])?$"
)]
async fn nothing_lost(
    conversation: &mut Conversation,
    what: String,
    requirement: String,
) -> Result<(), String> {
    let fit = &mut conversation.fit;
    let found = if what.starts_with("checks") { fit.disturbed.take() } else { fit.lost.take() };
    let step = conversation.judge(named(&requirement), found.is_none(), || {
        let (call, observed) = found.unwrap_or_default();
        (call, "the token that the refused call would have given".to_owned(), observed)
    });
    report(conversation, step)
}

#[when(regex = r"^the host takes the tokens of jobs with buffers of every size from (\d+) to (\d+) bytes$")]
async fn every_size(conversation: &mut Conversation, from: i32, to: i32) -> Result<(), String> {
    let mut step = Ok(());
    for size in from..=to {
        if step.is_ok() {
            step = sized_job(conversation, size).await;
        }
    }
    report(conversation, step)
}

fn drain(result: Handle, buffer: i32, limit: u32) -> Op {
    Op::Drain { result, buffer, index: Out::Given, limit, pause_us: 0 }
}

async fn if_started(conversation: &mut Conversation, job: &str, op: impl FnOnce(Handle) -> Op) -> Step {
    let result = conversation.need(Kind::Job, job)?;
    // Without a handle the executor makes no call: the refusal before it was permitted, or is judged already.
    conversation.run(vec![op(result)]).await.map(drop)
}

/// Tokens of a job that a fault is to strike: some ask for more memory after many only.
const STRUCK: u32 = 150;

async fn usual_job(conversation: &mut Conversation, given: &str, name: String) -> Step {
    if conversation.fault_file.is_none() {
        return Ok(());
    }
    let mut given = arguments::parse(given)?;
    given.insert("max_tokens".to_owned(), Value::Word(format!("{UP_TO}{STRUCK}")));
    let text = whole_job(conversation, STRUCK, given).await?;
    conversation.texts.insert(name, text);
    Ok(())
}

/// Takes tokens until a call gives none, and says so if that is the job's usual end: then no fault has struck. So it is
/// if the job may end by itself and nobody knows after how many tokens.
async fn until_struck(conversation: &mut Conversation, job: &str, may_end: bool) -> Step {
    let result = conversation.need(Kind::Job, job)?;
    let buffer = conversation.buffer()?;
    let most = conversation.most_tokens_of(result);
    let trace = conversation.run(vec![drain(result, buffer, 2050)]).await?;
    let found = Generation::from_trace(&trace);
    let ended = conversation
        .texts
        .get("usual")
        .map_or(may_end, |usual| (usual.tokens.len() as i32) < most && *usual == found);
    let why = "the job ended before the fault struck; let the profile inject it earlier".to_owned();
    match ended && found.last_code == Some(0) {
        true if may_end => Err(Stop::OutOfReach(why)),
        true => Err(Stop::Blocked(why)),
        false => Ok(()),
    }
}

/// A job that is freed midway, and then one that is not.
async fn abandon(conversation: &mut Conversation, count: u32, name: &str) -> Step {
    let given = [
        ("temperature".to_owned(), Value::Real(1.0)),
        ("seed".to_owned(), Value::Integer(i128::from(count) + 40)),
        ("max_tokens".to_owned(), Value::Integer(32)),
    ];
    let start = build(conversation, Function::InferenceStart, given.into(), Some("abandoned"))?;
    let result = conversation.need(Kind::Job, "abandoned")?;
    let buffer = conversation.buffer()?;
    conversation
        .run(vec![Op::Call(start), drain(result, buffer, count), Op::Call(Call::Free { result })])
        .await?;
    let text = whole_job(conversation, 8, Arguments::new()).await?;
    conversation.texts.insert(name.to_owned(), text);
    Ok(())
}

async fn load_second(conversation: &mut Conversation) -> Step {
    let call = build(conversation, Function::LoadModel, Arguments::new(), Some("second"))?;
    let trace = conversation.run(vec![Op::Call(call)]).await?;
    match trace.last().and_then(|load| load.returned()).map(|returned| returned.handle()) {
        Some(Some(_)) => Ok(()),
        Some(None) => {
            Err(Stop::NotApplicable("the library refuses a second model in one context".to_owned()))
        }
        None => Err(Stop::Blocked("the second load did not return".to_owned())),
    }
}

/// A model whose context is longer than the largest `max_tokens`: the library's own, or the suite's if it loads that.
async fn load_roomy(conversation: &mut Conversation) -> Step {
    const ROOM: u64 = 2048 + 128;
    let setting = conversation.setting()?;
    if setting.model().is_some_and(|model| model.facts.context_length >= ROOM) {
        return super::givens::load(conversation, "model", "context").await;
    }
    let broken = |error: &dyn std::fmt::Display| Stop::Broken(error.to_string());
    if !setting.runs_fixture("tiny-llama").map_err(|error| broken(&error))? {
        let why =
            "no model of the profile has a context of that length, and it names none of the suite's own";
        return Err(Stop::NotApplicable(why.to_owned()));
    }
    super::known::load_own(conversation, "tiny-llama-long").await
}

fn in_pieces(
    conversation: &mut Conversation,
    whole: &str,
    head: &str,
    tail: &str,
    requirement: Option<&str>,
) -> Step {
    let expected = conversation.text(whole)?;
    let mut found = conversation.text(head)?;
    let rest = conversation.text(tail)?;
    found.tokens.extend(rest.tokens);
    found.missing = found.missing.or(rest.missing);
    if expected.is_silent() && found.is_silent() {
        return Err(conversation.no_token());
    }
    let good = expected.pieces() == found.pieces() && expected.missing == found.missing;
    let indices: Vec<Option<i32>> = found.tokens.iter().map(|(_, index)| *index).collect();
    let counted = indices.iter().zip(0..).all(|(index, wanted)| *index == Some(wanted));
    if good && !counted {
        return conversation.judge(requirement, false, || {
            let shown: Vec<String> = indices
                .iter()
                .map(|index| index.map_or("none".to_owned(), |index| index.to_string()))
                .collect();
            (format!("the indices of {head:?} and {tail:?}"), "0, 1, 2, ...".to_owned(), shown.join(", "))
        });
    }
    conversation.judge(requirement, good, || {
        let call = format!("the job of which {head:?} and {tail:?} were taken, held against {whole:?}");
        (call, show(&expected), format!("{}; {}", show(&found), difference(&expected, &found)))
    })
}

fn gapless(conversation: &mut Conversation, name: &str, requirement: Option<&str>) -> Step {
    let text = conversation.text(name)?;
    if text.is_silent() {
        return Err(conversation.no_token());
    }
    let indices: Vec<Option<i32>> = text.tokens.iter().map(|(_, index)| *index).collect();
    let good = indices.iter().zip(0..).all(|(found, wanted)| *found == Some(wanted));
    conversation.judge(requirement, good, || {
        let shown: Vec<String> =
            indices.iter().map(|index| index.map_or("none".to_owned(), |index| index.to_string())).collect();
        (format!("the indices of {name}"), "0, 1, 2, ...".to_owned(), shown.join(", "))
    })
}

async fn take_turns(conversation: &mut Conversation, sides: [(&str, &str); 2]) -> Step {
    const TOKENS: u32 = 12;
    let mut handles = Vec::new();
    for (prompt, name) in sides {
        let prompt = arguments::value(prompt).map_or(Value::Null, |(value, _)| value);
        let given =
            [("prompt".to_owned(), prompt), ("max_tokens".to_owned(), Value::Integer(TOKENS.into()))].into();
        let call = build(conversation, Function::InferenceStart, given, Some(name))?;
        let trace = conversation.run(vec![Op::Call(call)]).await?;
        let refused =
            trace.last().and_then(|start| start.returned()).is_some_and(|start| start.handle().is_none());
        if refused && !handles.is_empty() {
            return Err(Stop::NotApplicable("the library refuses a second job on one model".to_owned()));
        }
        started(conversation, &trace)?;
        handles.push(conversation.need(Kind::Job, name)?);
    }
    let (mut program, buffer) = (Vec::new(), conversation.buffer()?);
    for _ in 0..=TOKENS {
        program.extend(handles.iter().map(|&result| drain(result, buffer, 1)));
    }
    let trace = conversation.run(program).await?;
    for ((_, name), handle) in sides.iter().zip(&handles) {
        let own = trace.iter().filter(|observation| {
            matches!(observation.call(), Some(Call::NextToken { result, .. }) if result == handle)
        });
        conversation.texts.insert((*name).to_owned(), Generation::from_trace(own));
    }
    Ok(())
}

async fn seeded(
    conversation: &mut Conversation,
    count: u32,
    temperature: f32,
    seed: u64,
) -> Result<Generation, Stop> {
    let given = [
        ("temperature".to_owned(), Value::Real(temperature)),
        ("seed".to_owned(), Value::Integer(seed.into())),
    ];
    whole_job(conversation, count, given.into()).await
}

async fn many_seeds(conversation: &mut Conversation, count: u32, temperature: f32, seeds: u64) -> Step {
    for seed in 0..seeds {
        let generation = seeded(conversation, count, temperature, seed).await?;
        conversation.texts.insert(format!("seed{seed}"), generation);
    }
    Ok(())
}

async fn note_upper_half(conversation: &mut Conversation) -> Step {
    let mut texts = Vec::new();
    for upper in 0..4_u64 {
        texts.push(seeded(conversation, 24, 1.5, upper << 32 | 1).await?.text());
    }
    let differ = texts.iter().any(|text| *text != texts[0]);
    let what = if differ { "give different texts" } else { "give one text: the upper half is ignored" };
    conversation.verdicts.note("DET-06", format!("seeds that differ in their upper 32 bits alone {what}"));
    Ok(())
}

/// A context longer than this is not filled token by token.
const FILLABLE: u64 = 2048;
/// Codes with which a job that does not fit may be refused. Source: INF-13, and "99 is as good".
pub(super) const REFUSALS: [i32; 4] = [2, 4, 5, 99];

async fn overrun(conversation: &mut Conversation, by_prompt: bool) -> Step {
    let setting = conversation.setting()?;
    let length = setting.model().map_or(0, |model| model.facts.context_length);
    if !by_prompt && length > FILLABLE {
        let why = format!("a context of {length} tokens is longer than the largest max_tokens fills");
        return Err(Stop::NotApplicable(why));
    }
    let attempts: Vec<(Vec<u8>, i32)> = if by_prompt {
        // The first that can be passed at all says whether any can.
        let mut prompts = vec![(at_least_tokens(length)?, 16)];
        let longer = [16, length, 25_000].map(|more| at_least_tokens(length.saturating_add(more)));
        prompts.extend(longer.into_iter().flatten().map(|prompt| (prompt, 16)));
        prompts
    } else {
        // Libraries that refuse what cannot fit are asked for ever less, until the job just fits.
        let most = (length + 8).min(2048);
        [2048]
            .into_iter()
            .chain((most.saturating_sub(40)..=most).rev())
            .map(|n| (setting.prompt.into(), n as i32))
            .collect()
    };
    let mut accepted = 0;
    for (prompt, max_tokens) in attempts {
        let generation = overrun_once(conversation, prompt, max_tokens).await?;
        if conversation.died {
            return Ok(());
        }
        accepted += usize::from(generation.last_code.is_some());
        judge_overrun(conversation, &generation, length, by_prompt)?;
        if accepted == 3 && !by_prompt {
            break;
        }
    }
    Ok(())
}

/// One job that may not fit, from its start to its end.
async fn overrun_once(
    conversation: &mut Conversation,
    prompt: Vec<u8>,
    max_tokens: i32,
) -> Result<Generation, Stop> {
    let model = conversation.need(Kind::Model, "model")?;
    let bind = conversation.bind(Kind::Job, "overrun");
    let result = Handle::Slot(bind);
    let prompt = Text::Bytes(prompt);
    let start = Call::Start { bind, model, prompt, max_tokens, temperature: 0.0, seed: 1, code: Out::Given };
    let buffer = conversation.buffer()?;
    let trace = conversation
        .run(vec![Op::Call(start), drain(result, buffer, 2050), Op::Call(Call::Free { result })])
        .await?;
    Ok(Generation::from_trace(&trace))
}

fn judge_overrun(
    conversation: &mut Conversation,
    generation: &Generation,
    length: u64,
    by_prompt: bool,
) -> Step {
    let Some(code) = generation.last_code else { return Ok(()) };
    // An empty text is a part of a token: a library may give as many of these as it likes.
    let count = generation.tokens.iter().filter(|(text, _)| !text.is_empty()).count();
    let what = if by_prompt { "a prompt longer than the context" } else { "a job at the end of the context" };
    let how = match code {
        0 => "ends cleanly".to_owned(),
        code => format!("fails with {}", describe_code(code)),
    };
    conversation.verdicts.note("INF-13", format!("{what} {how}"));
    let good = (code == 0 || REFUSALS.contains(&code)) && count as u64 <= length;
    conversation.judge(Some("INF-13"), good, || {
        let expected = format!("at most the {length} tokens of the context, then false with 0, 2, 4 or 5");
        let call = "cuda_inference_next_token at the end of the context".to_owned();
        (call, expected, format!("{count} tokens, then it {how}"))
    })
}

/// A call and what it gave.
type Odd = Option<(String, String)>;

/// What came of buffers that are just too small or just large enough.
#[derive(Default)]
pub struct Fit {
    accepted: Odd,
    unfilled: Odd,
    lost: Odd,
    disturbed: Odd,
}

async fn fit(conversation: &mut Conversation) -> Step {
    let roomy = conversation.text("roomy")?;
    if roomy.is_silent() {
        return Err(conversation.no_token());
    }
    let model = conversation.need(Kind::Model, "model")?;
    conversation.fit = Fit::default();
    // The last token that can be refused is the last of the job, so that a refusal at its very end is tried too. A
    // shorter job may give fewer texts than tokens, so it is asked what it gives.
    let last = roomy.tokens.iter().rposition(|(text, _)| !text.is_empty());
    let most = last.map_or(roomy.tokens.len(), |at| at + 1) as u32;
    let shorter = whole_job(conversation, most, Arguments::new()).await?;
    let tokens = &shorter.tokens;
    // First with exact sizes alone, then with a refusal before each token, with several, and with checks behind one.
    let ctx = conversation.named(Kind::Context, "context");
    for (refusals, check) in [(0, false), (1, false), (3, false), (1, true)] {
        let bind = conversation.bind(Kind::Job, "exact");
        let result = Handle::Slot(bind);
        let (prompt, max_tokens) = (Text::new(conversation.prompt()?), most as i32);
        let start =
            Call::Start { bind, model, prompt, max_tokens, temperature: 0.0, seed: 1, code: Out::Given };
        let mut program = vec![Op::Call(start)];
        for (at, (text, _)) in tokens.iter().enumerate() {
            let guard = if at % 2 == 0 { Guard::After } else { Guard::Before };
            let call = |size: usize| {
                let buffer = Buffer { pointer: Out::Given, size: size as i32, guard };
                Op::Call(Call::NextToken { result, buffer, index: Out::Given, code: Out::Given })
            };
            if !text.is_empty() {
                program.extend(std::iter::repeat_n(call(text.len()), refusals));
            }
            if check {
                let health = ctx.map(|ctx| Op::Call(Call::CheckHealth { ctx, code: Out::Given }));
                program.extend(health);
                program.push(Op::Call(Call::CheckResidency { model, code: Out::Given }));
                program.push(Op::Call(Call::VramUsage { model }));
            }
            program.push(call(text.len() + 1));
        }
        program.push(Op::Call(Call::Free { result }));
        let trace = conversation.run(program).await?;
        started(conversation, &trace)?;
        let mut calls = trace.iter().filter(|one| matches!(one.call(), Some(Call::NextToken { .. })));
        for (at, (text, _)) in tokens.iter().enumerate() {
            let tell = |one: &Observation| Some((one.event.to_string(), one.outcome.to_string()));
            if !text.is_empty() {
                let refused = |small: &&Observation| {
                    small
                        .returned()
                        .is_some_and(|got| !got.is_true() && got.written_code().is_none_or(|c| c == 5))
                };
                let small: Vec<_> = calls.by_ref().take(refusals).collect();
                if let Some(at) = small.iter().position(|one| !refused(one)) {
                    // A later one may be about the next token: that the first of them lost this one is INF-10 alone.
                    let fit = &mut conversation.fit;
                    *(if at == 0 { &mut fit.accepted } else { &mut fit.lost }) = tell(small[at]);
                    break;
                }
            }
            let Some(exact) = calls.next() else { break };
            let wanted = crate::trace::Token::Bytes(text.clone());
            let same = exact.returned().is_some_and(|got| {
                got.is_true()
                    && got.text.as_ref() == Some(&wanted)
                    && got.index.is_none_or(|i| i == at as i32)
            });
            if !same {
                // What is lost without checks is no fault of theirs.
                let fit = &mut conversation.fit;
                match (refusals, check) {
                    (0, _) => fit.unfilled = tell(exact),
                    (_, false) => fit.lost = tell(exact),
                    (_, true) if fit.lost.is_none() => fit.disturbed = tell(exact),
                    (_, true) => {}
                }
                break;
            }
        }
    }
    Ok(())
}

async fn sized_job(conversation: &mut Conversation, size: i32) -> Step {
    let model = conversation.need(Kind::Model, "model")?;
    let bind = conversation.bind(Kind::Job, "sized");
    let result = Handle::Slot(bind);
    let prompt = Text::new(conversation.prompt()?);
    let start =
        Call::Start { bind, model, prompt, max_tokens: 8, temperature: 1.0, seed: 3, code: Out::Given };
    conversation.need_room(&start)?;
    let trace = conversation
        .run(vec![Op::Call(start), drain(result, size, 9), Op::Call(Call::Free { result })])
        .await?;
    started(conversation, &trace)
}
