//! What a scenario claims: results of calls, texts, and that things still work.

use std::collections::BTreeMap;

use cucumber::{then, when};
use worker_contract::{ErrorCode, describe_code};

use super::arguments::Arguments;
use super::generations::whole_job;
use super::jobs::REFUSALS;
use super::report;
use crate::conversation::{Conversation, Generation, Step, Stop};
use crate::program::{Call, Handle, Op, Text};
use crate::trace::{Outcome, POISON_INT, Returned, Value};

#[then(regex = r"^the call returns (.+?)(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn returns(conversation: &mut Conversation, wanted: String, requirement: String) -> Result<(), String> {
    let step = result_is(conversation, &wanted, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^the texts "(\w+)" and "(\w+)" are the same(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn same(
    conversation: &mut Conversation,
    a: String,
    b: String,
    requirement: String,
) -> Result<(), String> {
    let step = same_texts(conversation, &a, &b, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^the text "(\w+)" begins with the text "(\w+)"(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn begins(
    conversation: &mut Conversation,
    long: String,
    short: String,
    requirement: String,
) -> Result<(), String> {
    let step = prefix(conversation, &long, &short, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^at least (\d+) of the texts "(\w+?)" differ(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn differ(
    conversation: &mut Conversation,
    count: usize,
    stem: String,
    requirement: String,
) -> Result<(), String> {
    let step = texts_differ(conversation, count, &stem, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^the texts "(\w+?)" are all the same(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn all_same(conversation: &mut Conversation, stem: String, requirement: String) -> Result<(), String> {
    let mut names: Vec<String> =
        conversation.texts.keys().filter(|name| name.starts_with(&stem)).cloned().collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    let mut step =
        if names.len() < 2 { Err(Stop::Broken(format!("fewer than 2 texts {stem}"))) } else { Ok(()) };
    for name in names.iter().skip(1) {
        if step.is_ok() {
            step = same_texts(conversation, &names[0], name, named(&requirement));
        }
    }
    report(conversation, step)
}

#[then(regex = r#"^the text "(\w+)" has (at most|at least|exactly) (\d+) tokens?(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn has_tokens(
    conversation: &mut Conversation,
    name: String,
    relation: String,
    count: usize,
    requirement: String,
) -> Result<(), String> {
    let step = token_count(conversation, &name, &relation, count, named(&requirement));
    report(conversation, step)
}

#[then(regex = r#"^the text "(\w+)" ends cleanly(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn ends(conversation: &mut Conversation, name: String, requirement: String) -> Result<(), String> {
    let step = ends_cleanly(conversation, &name, named(&requirement));
    report(conversation, step)
}

#[then(regex = r"^a normal job works(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn works(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = normal_job(conversation, named(&requirement)).await;
    report(conversation, step)
}

#[then(regex = r"^everything works as before(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn as_before(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = everything_works(conversation, named(&requirement)).await;
    report(conversation, step)
}

#[then(regex = r"^the process goes on(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn goes_on(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let step = still_alive(conversation, named(&requirement)).await;
    report(conversation, step)
}

#[when(regex = r#"^the host notes the (?:answer|message) as "(\w+)"$"#)]
async fn note(conversation: &mut Conversation, name: String) -> Result<(), String> {
    let step = note_answer(conversation, &name);
    report(conversation, step)
}

#[then(regex = r#"^the answers "(\w+)" and "(\w+)" are the same(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn answers(
    conversation: &mut Conversation,
    a: String,
    b: String,
    requirement: String,
) -> Result<(), String> {
    let step = compare_answers(conversation, (&b, "the same as"), &a, named(&requirement), |b, a| a == b);
    report(conversation, step)
}

#[then(regex = r#"^the answer "(\w+)" is at least the answer "(\w+)"(?: \[([A-Z0-9]+-\d+)\])?$"#)]
async fn at_least(
    conversation: &mut Conversation,
    a: String,
    b: String,
    requirement: String,
) -> Result<(), String> {
    let step = conversation.setting().and_then(|setting| {
        let enough = |a: u64, b: u64| setting.facts.covers(a, b);
        compare_answers(conversation, (&a, "at least"), &b, named(&requirement), enough)
    });
    report(conversation, step)
}

/// The requirement of a step, if it names one.
pub fn named(requirement: &str) -> Option<&str> {
    Some(requirement).filter(|text| !text.is_empty())
}

/// The result that a phrase asks for.
struct Wanted {
    value: &'static str,
    codes: Vec<i32>,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Stop> {
        let (value, codes) = text.split_once(" with ").unwrap_or((text, ""));
        let value = [
            "a handle",
            "NULL",
            "true",
            "true or false",
            "false",
            "0",
            "a count of 0 or more",
            "more than 0 bytes",
        ]
        .into_iter()
        .find(|known| *known == value)
        .ok_or_else(|| Stop::Broken(format!("no call returns {value:?}")))?;
        let codes = codes
            .split(" or ")
            .filter(|name| !name.is_empty())
            .map(|name| {
                let known = ErrorCode::ALL.into_iter().find(|code| code.name() == name);
                known.map(ErrorCode::raw).ok_or_else(|| Stop::Broken(format!("{name} is no error code")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { value, codes })
    }

    fn fits(&self, returned: &Returned) -> bool {
        let value = match (&returned.value, self.value) {
            (Some(Value::Handle(handle)), "a handle") => *handle != 0,
            (Some(Value::Handle(handle)), "NULL") => *handle == 0,
            (Some(Value::Message(_, text)), "NULL") => text.is_none(),
            (Some(Value::Bool(byte)), "true") => *byte != 0,
            (Some(Value::Bool(byte)), "false") => *byte == 0,
            (Some(Value::Bool(_)), "true or false") => true,
            (Some(Value::Bytes(bytes)), "0") => *bytes == 0,
            (Some(Value::Bytes(bytes)), "more than 0 bytes") => *bytes > 0,
            (Some(Value::Int(count)), "a count of 0 or more") => *count >= 0,
            _ => false,
        };
        // That a success writes its code is ERR-01; a refusal that says nothing is not the one asked for.
        let silent = returned.code == Some(POISON_INT) && self.codes.iter().any(|&code| code != 0);
        value
            && !silent
            && returned.written_code().is_none_or(|code| self.codes.is_empty() || self.codes.contains(&code))
    }
}

fn result_is(conversation: &mut Conversation, wanted: &str, requirement: Option<&str>) -> Step {
    let parsed = Wanted::parse(wanted)?;
    let (observation, returned) = conversation.last_call()?;
    let good = returned.is_some_and(|returned| parsed.fits(&returned));
    if let Some(Call::LoadModel { path: Text::Bytes(path), .. }) = observation.call()
        && !good
        && observation.returned().is_some_and(|got| got.handle().is_none() && got.code == Some(3))
        && conversation.is_made_like_a_foreign_model(path)?
    {
        let why = "the model beyond any device is made like the library's own, which may know no other";
        return Err(Stop::OutOfReach(why.to_owned()));
    }
    if let Some(start @ Call::Start { .. }) = observation.call()
        && !good
        && observation.returned().is_some_and(|got| {
            got.handle().is_none() && got.code.is_some_and(|code| REFUSALS.contains(&code))
        })
    {
        conversation.need_room(start)?;
    }
    if let Some(Call::NextToken { result: Handle::Slot(_), buffer, .. }) = observation.call()
        && !good
        && (parsed.value == "true" || parsed.codes.contains(&5))
    {
        // Of a job that ends at once the first call may say so, whatever its arguments.
        conversation.need_tokens()?;
        if parsed.value == "true" && buffer.size < conversation.buffer()? {
            return Err(Stop::OutOfReach("the texts of this library may need a larger buffer".to_owned()));
        }
    }
    conversation.judge(requirement, good, || {
        let codes: Vec<String> = parsed.codes.iter().map(|&code| describe_code(code)).collect();
        let codes = if codes.is_empty() { String::new() } else { format!(" with {}", codes.join(" or ")) };
        (observation.event.to_string(), format!("{}{codes}", parsed.value), observation.outcome.to_string())
    })
}

/// A text in short.
pub fn show(generation: &Generation) -> String {
    if let Some(why) = &generation.missing {
        return format!("no text: {why}");
    }
    let text = generation.text();
    let shown: String = String::from_utf8_lossy(&text).chars().take(80).collect();
    format!("{} tokens, {shown:?}", generation.tokens.len())
}

/// Where a text parts from the one before it that it should be, in words.
pub fn difference(a: &Generation, b: &Generation) -> String {
    if let Some(why) = a.missing.as_ref().or(b.missing.as_ref()) {
        return format!("no text: {why}");
    }
    let at = a.pieces().iter().zip(b.pieces()).position(|(x, y)| **x != *y);
    match at {
        Some(at) => format!(
            "token {at} is {:?} instead of {:?}",
            String::from_utf8_lossy(&b.tokens[at].0),
            String::from_utf8_lossy(&a.tokens[at].0)
        ),
        None => format!("{} tokens instead of {}", b.tokens.len(), a.tokens.len()),
    }
}

fn same_texts(conversation: &mut Conversation, a: &str, b: &str, requirement: Option<&str>) -> Step {
    let (first, second) = (conversation.text(a)?, conversation.text(b)?);
    if first.is_silent() && second.is_silent() {
        return Err(conversation.no_token());
    }
    // How the bytes are cut into tokens is part of the promise: the same tokens, not only the same text.
    let good = first.pieces() == second.pieces() && first.missing == second.missing;
    conversation.judge(requirement, good, || {
        (
            format!("the job {b:?}, held against {a:?}"),
            show(&first),
            format!("{}; {}", show(&second), difference(&first, &second)),
        )
    })
}

fn prefix(conversation: &mut Conversation, long: &str, short: &str, requirement: Option<&str>) -> Step {
    let (whole, part) = (conversation.text(long)?, conversation.text(short)?);
    if whole.is_silent() && part.is_silent() {
        return Err(conversation.no_token());
    }
    let good = whole.text().starts_with(&part.text()) && whole.missing == part.missing;
    conversation.judge(requirement, good, || {
        (
            format!("the job {long:?}, held against {short:?}"),
            format!("a text that begins with {}", show(&part)),
            show(&whole),
        )
    })
}

fn texts_differ(
    conversation: &mut Conversation,
    count: usize,
    stem: &str,
    requirement: Option<&str>,
) -> Step {
    let texts: Vec<&Generation> =
        conversation.texts.iter().filter(|(name, _)| name.starts_with(stem)).map(|(_, text)| text).collect();
    let mut distinct: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for text in &texts {
        *distinct.entry(text.text()).or_default() += 1;
    }
    let (found, all) = (distinct.len(), texts.len());
    if texts.iter().all(|text| text.is_silent()) {
        return Err(conversation.no_token());
    }
    if all < count {
        return Err(Stop::Broken(format!("only {all} texts are called {stem}...")));
    }
    let observed = match texts.first() {
        Some(one) if found == 1 => format!("one text for all of them: {}", show(one)),
        _ => format!("{found} different texts"),
    };
    if found < count && !conversation.setting()?.model().is_some_and(|model| model.ours) {
        let why = "a model of the library's own gives one text for all of them, which may be its only one";
        return Err(Stop::NotApplicable(why.to_owned()));
    }
    conversation.judge(requirement, found >= count, || {
        (
            format!("{all} jobs that differ in {stem} alone"),
            format!("at least {count} different texts"),
            observed,
        )
    })
}

fn token_count(
    conversation: &mut Conversation,
    name: &str,
    relation: &str,
    count: usize,
    requirement: Option<&str>,
) -> Step {
    let text = conversation.text(name)?;
    let found = text.tokens.len();
    if found == 0 && relation != "at most" {
        conversation.need_tokens()?;
    }
    let good = match relation {
        "at most" => found <= count,
        "at least" => found >= count,
        _ => found == count,
    };
    conversation.judge(requirement, good, || {
        (format!("the generation {name}"), format!("{relation} {count} tokens"), show(&text))
    })
}

fn ends_cleanly(conversation: &mut Conversation, name: &str, requirement: Option<&str>) -> Step {
    let text = conversation.text(name)?;
    conversation.need_tokens()?;
    let good = text.whole && text.last_code == Some(0);
    conversation.judge(requirement, good, || {
        let code = text.last_code.map_or("no call without a token".to_owned(), describe_code);
        let code = text.missing.clone().unwrap_or(code);
        (format!("the generation {name}"), "at its end, false with 0".to_owned(), code)
    })
}

/// A job like any other gives tokens, with what the scenario has open or with handles of its own.
async fn normal_job(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let requirement = conversation.requirement(requirement)?.to_string();
    conversation.need_tokens()?;
    let expected = "a job that starts and gives tokens".to_owned();
    let result = whole_job(conversation, 4, Arguments::new()).await;
    let (good, observed) = match result {
        Ok(generation) => {
            (!generation.tokens.is_empty() || generation.last_code == Some(0), show(&generation))
        }
        Err(Stop::Blocked(why)) => (false, why),
        Err(other) => return Err(other),
    };
    conversation.judge(Some(&requirement), good, || ("a normal job".to_owned(), expected, observed))
}

/// A whole life of new handles, and checks of those that the scenario has open.
async fn everything_works(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let requirement = conversation.requirement(requirement)?.to_string();
    let odd = super::sequences::good_life(conversation).await?;
    if odd.is_some() {
        // What does not work in a process of its own either was not broken here.
        conversation.end_session().await;
        if let Some((call, observed)) = super::sequences::good_life(conversation).await? {
            return Err(Stop::Blocked(format!("{call}: {observed}, in a new process too")));
        }
    }
    conversation.judge(Some(&requirement), odd.is_none(), || {
        let (call, observed) = odd.unwrap_or_default();
        (call, "success, as before".to_owned(), observed)
    })
}

async fn still_alive(conversation: &mut Conversation, requirement: Option<&str>) -> Step {
    let trace = conversation.run(vec![Op::Call(Call::DeviceCount)]).await?;
    let last = trace.last().cloned().or_else(|| conversation.last.clone());
    let good = !conversation.died
        && trace.iter().all(|observation| !matches!(observation.outcome, Outcome::Died(_)))
        && !trace.is_empty();
    conversation.judge(requirement, good, || {
        let (call, outcome) =
            last.map(|last| (last.event.to_string(), last.outcome.to_string())).unwrap_or_default();
        (call, "the process goes on".to_owned(), outcome)
    })
}

fn note_answer(conversation: &mut Conversation, name: &str) -> Step {
    let (observation, returned) = conversation.last_call()?;
    let number = match returned.and_then(|returned| returned.value) {
        Some(Value::Int(value)) => value as u64,
        Some(Value::Bytes(value) | Value::Handle(value) | Value::Message(value, _)) => value,
        Some(Value::Bool(value)) => value.into(),
        None => return Err(Stop::Blocked(format!("{}: {}", observation.event, observation.outcome))),
    };
    conversation.asked.insert(name.to_owned(), observation.event.to_string());
    conversation.figures.insert(name.to_owned(), number);
    Ok(())
}

fn compare_answers(
    conversation: &mut Conversation,
    (name, relation): (&str, &str),
    other: &str,
    requirement: Option<&str>,
    good: impl Fn(u64, u64) -> bool,
) -> Step {
    let figure = |name: &str| {
        let found = conversation.figures.get(name).copied();
        found.ok_or_else(|| Stop::Broken(format!("no answer is called {name:?}")))
    };
    let (given, wanted) = (figure(name)?, figure(other)?);
    let call = conversation.asked.get(name).cloned().unwrap_or_default();
    let good = good(given, wanted);
    conversation.judge(requirement, good, || {
        let call = format!("{call}, the answer {name:?}");
        (call, format!("{relation} the answer {other:?}, {wanted}"), given.to_string())
    })
}
