//! Claims that the oracle judges at every call: a scenario names them where they are its point.

use cucumber::{then, when};
use worker_contract::RequirementId;

use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::program::{Call, Handle, Op, Out, Text};
use crate::trace::{Observation, Value};

#[then(
    regex = r"^(?:nothing was printed|the process is as it was|nothing outside a buffer was written|nothing beside an out-parameter was written|inputs were neither written nor read past their end|inputs were read only from their first byte to their NUL|no pointer was used after its call|every token is valid UTF-8|they agree every time|the indices count on|process usage covers the models every time)(?: \[([A-Z0-9]+-\d+)\])?$"
)]
async fn clean(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = conversation.requirement(named(&requirement)).and_then(|id| no_finding(conversation, id));
    report(conversation, step)
}

#[then(regex = r"^a load that failed has left vram_bytes_used untouched or 0(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn usage_left_alone(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = match conversation.last_call() {
        Ok((_, Some(returned))) if returned.handle().is_none() => {
            conversation.requirement(named(&requirement)).and_then(|id| no_finding(conversation, id))
        }
        Ok((load, _)) => Err(Stop::Blocked(format!("{}: {}", load.event, load.outcome))),
        Err(stop) => Err(stop),
    };
    report(conversation, step)
}

#[then(regex = r"^code points come whole and once(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn whole(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = code_points(conversation, named(&requirement));
    report(conversation, step)
}

#[then(regex = r"^no replacement character is made up(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn no_replacement(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = replacement(conversation, named(&requirement));
    report(conversation, step)
}

#[when("the host compares the model's two usage figures before, during and after a job")]
async fn two_figures(conversation: &mut Conversation) -> Result<(), String> {
    let step = ask_both(conversation).await;
    report(conversation, step)
}

#[when(regex = r#"^the host compares process usage with the sum of models "(\w+)" and "(\w+)"$"#)]
async fn with_sum(conversation: &mut Conversation, a: String, b: String) -> Result<(), String> {
    let step = ask_sum(conversation, &a, &b).await;
    report(conversation, step)
}

#[then(regex = r"^the process uses at least the sum(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn at_least_sum(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let figures = ["process", "sum"].map(|name| conversation.figures.get(name).copied());
    let step = match figures {
        [Some(process), Some(sum)] => conversation.setting().and_then(|setting| {
            conversation.judge(named(&requirement), setting.facts.covers(process, sum), || {
                let expected = format!("at least {sum} bytes, the sum of the models");
                ("cuda_get_process_vram_usage".to_owned(), expected, format!("{process} bytes"))
            })
        }),
        _ => Err(Stop::Blocked("the usage figures were not given".to_owned())),
    };
    report(conversation, step)
}

/// Holds if the oracle has found nothing against a requirement in this scenario.
pub fn no_finding(conversation: &mut Conversation, requirement: RequirementId) -> Step {
    if conversation.found(requirement) {
        return Err(Stop::Failed);
    }
    if conversation.died {
        return Err(Stop::Blocked("the process is gone".to_owned()));
    }
    if requirement.as_str().starts_with("UTF8") && conversation.text("text")?.is_silent() {
        return Err(conversation.no_token());
    }
    conversation.judge(Some(requirement.as_str()), true, Default::default)
}

fn code_points(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let text = conversation.text("text")?;
    if text.is_silent() {
        return Err(conversation.no_token());
    }
    let broken = text.tokens.iter().position(|(bytes, _)| std::str::from_utf8(bytes).is_err());
    if String::from_utf8_lossy(&text.text()).is_ascii() {
        conversation.verdicts.note("UTF8-02", "some generations have no character of more than one byte");
    }
    conversation.judge(requirement, broken.is_none(), || {
        let at = broken.unwrap_or(0);
        let shown = text.tokens[at].0.escape_ascii().to_string();
        (format!("token {at} of the generation"), "whole code points".to_owned(), format!("\"{shown}\""))
    })
}

fn replacement(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let text = conversation.text("text")?;
    if text.is_silent() {
        return Err(conversation.no_token());
    }
    let at = text.tokens.iter().position(|(bytes, _)| String::from_utf8_lossy(bytes).contains('\u{fffd}'));
    if at.is_some() && !conversation.setting()?.model().is_some_and(|model| model.ours) {
        let why = "a model of the library's own gives U+FFFD, which may be one of its tokens";
        return Err(Stop::NotApplicable(why.to_owned()));
    }
    conversation.judge(requirement, at.is_none(), || {
        let at = at.unwrap_or(0);
        let shown = String::from_utf8_lossy(&text.tokens[at].0).into_owned();
        (format!("token {at} of the generation"), "no U+FFFD".to_owned(), format!("{shown:?}"))
    })
}

async fn ask_both(conversation: &mut Conversation) -> Step {
    let model = conversation.need(Kind::Model, "model")?;
    let bind = conversation.bind(Kind::Job, "counted");
    let result = Handle::Slot(bind);
    let both = || {
        [
            Op::Call(Call::VramUsage { model }),
            Op::Call(Call::ModelVramUsage { model }),
            Op::Call(Call::VramUsage { model }),
        ]
    };
    let (prompt, buffer) = (Text::new(conversation.prompt()?), conversation.buffer()?);
    let start =
        Call::Start { bind, model, prompt, max_tokens: 6, temperature: 0.0, seed: 1, code: Out::Given };
    let mut program = both().to_vec();
    program.push(Op::Call(start));
    for _ in 0..7 {
        program.extend(both());
        program.push(Op::Drain { result, buffer, index: Out::Given, limit: 1, pause_us: 0 });
    }
    program.extend(both());
    program.push(Op::Call(Call::Free { result }));
    program.extend(both());
    let trace = conversation.run(program).await?;
    super::generations::started(conversation, &trace)
}

async fn ask_sum(conversation: &mut Conversation, a: &str, b: &str) -> Step {
    let models = [conversation.need(Kind::Model, a)?, conversation.need(Kind::Model, b)?];
    let ctx = conversation.need(Kind::Context, "context")?;
    let mut program: Vec<Op> = models.iter().map(|&model| Op::Call(Call::VramUsage { model })).collect();
    program.push(Op::Call(Call::ProcessVramUsage { ctx }));
    let trace = conversation.run(program).await?;
    let bytes = |observation: &Observation| match observation.returned()?.value {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    };
    let figures: Vec<u64> = trace.iter().filter_map(bytes).collect();
    if let [first, second, process] = figures[..] {
        conversation.figures.insert("sum".to_owned(), first.saturating_add(second));
        conversation.figures.insert("process".to_owned(), process);
    }
    Ok(())
}
