//! Prompts of many lengths, each for a short job: where batches, blocks and buffers are just full (INF-04, UTF8-03).

use cucumber::{then, when};

use super::checks::named;
use super::jobs::words;
use super::report;
use crate::conversation::{Conversation, Generation, Kind, Step, Stop};
use crate::program::{Buffer, Call, Guard, Handle, Op, Out, Text};
use crate::trace::{Observation, Outcome};

#[when(
    regex = r"^the host takes (\d+) tokens of jobs whose prompts have (a character across byte )?([\d ,toand]+?)( words| characters of 2, 3 and 4 bytes)?(, and the same in the opposite order)?$"
)]
async fn many_prompts(
    conversation: &mut Conversation,
    count: u32,
    across: String,
    numbers: String,
    what: String,
    again: String,
) -> Result<(), String> {
    let prompts = ranges(&numbers).and_then(|numbers| match (across.is_empty(), what.as_str()) {
        (false, "") => Ok(across_ends(&numbers)),
        (true, " words") => Ok(of_words(&numbers)),
        (true, " characters of 2, 3 and 4 bytes") => Ok(of_one_script(&numbers)),
        _ => Err(Stop::Broken(format!("no prompts have {across}{numbers:?}{what}"))),
    });
    let step = match prompts {
        Ok(prompts) if again.is_empty() => short_jobs(conversation, count, prompts).await.map(drop),
        Ok(prompts) => there_and_back(conversation, count, prompts).await,
        Err(stop) => Err(stop),
    };
    report(conversation, step)
}

#[when(regex = r"^the host takes the tokens of one job with buffers of (.+) bytes$")]
async fn one_job(conversation: &mut Conversation, sizes: String) -> Result<(), String> {
    let step = match ranges(&sizes) {
        Ok(sizes) => sized_tokens(conversation, &sizes).await,
        Err(stop) => Err(stop),
    };
    report(conversation, step)
}

/// Asks for each token of a job with a buffer of another size, which ends or begins at a page.
async fn sized_tokens(conversation: &mut Conversation, sizes: &[usize]) -> Step {
    let model = conversation.need(Kind::Model, "model")?;
    let prompt = Text::new(conversation.prompt()?);
    let bind = conversation.fresh_slot();
    let (result, code) = (Handle::Slot(bind), Out::Given);
    let max_tokens = i32::try_from(sizes.len()).unwrap_or(i32::MAX);
    let start = Call::Start { bind, model, prompt, max_tokens, temperature: 0.0, seed: 1, code };
    conversation.need_room(&start)?;
    let mut program = vec![Op::Call(start)];
    program.extend(sizes.iter().enumerate().map(|(at, size)| {
        let guard = if at % 2 == 0 { Guard::After } else { Guard::Before };
        let buffer = Buffer { pointer: Out::Given, size: i32::try_from(*size).unwrap_or(i32::MAX), guard };
        Op::Call(Call::NextToken { result, buffer, index: Out::Given, code })
    }));
    program.push(Op::Call(Call::Free { result }));
    let trace = conversation.run(program).await?;
    super::generations::started(conversation, &trace)
}

#[then(regex = r"^every prompt was taken(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn taken(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let odd = conversation.odd.clone();
    let finding = || {
        let (call, observed) = odd.clone().unwrap_or_default();
        (call, "a job that gives tokens".to_owned(), observed)
    };
    // Whatever else a prompt is about, it is one that has to be taken.
    conversation.verdicts.judge("INF-04", odd.is_none(), finding);
    let step = conversation.judge(named(&requirement), odd.is_none(), finding);
    report(conversation, step)
}

#[then(regex = r"^every prompt gives the same text both times(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn same_both_times(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let odd = conversation.odd.take();
    let step = conversation.judge(named(&requirement), odd.is_none(), || {
        let (call, observed) = odd.unwrap_or_default();
        (call, "the text that the prompt gave after another job".to_owned(), observed)
    });
    report(conversation, step)
}

/// Plays a job for each prompt, and for each again from the last to the first, so that each comes after two others.
async fn there_and_back(conversation: &mut Conversation, count: u32, prompts: Vec<String>) -> Step {
    let backwards: Vec<String> = prompts.iter().rev().cloned().collect();
    let first = short_jobs(conversation, count, prompts).await?;
    if let Some((call, observed)) = conversation.odd.take() {
        return Err(Stop::Blocked(format!("{call}: {observed}")));
    }
    let second = short_jobs(conversation, count, backwards).await?;
    if conversation.odd.is_none() {
        let differs = first.iter().zip(second.iter().rev()).find(|((_, before), (_, after))| before != after);
        conversation.odd = differs.map(|((call, before), (_, after))| {
            let shown = |tokens: &Tokens| {
                tokens.iter().map(|token| format!("{token:?}")).collect::<Vec<_>>().join(" ")
            };
            (call.clone(), format!("{} instead of {}", shown(after), shown(before)))
        });
    }
    Ok(())
}

/// Reads `1 to 33, 62 to 66 and 128`.
fn ranges(text: &str) -> Result<Vec<usize>, Stop> {
    let number = |word: &str| {
        word.trim().parse::<usize>().map_err(|_| Stop::Broken(format!("`{word}` in `{text}` is no number")))
    };
    let mut all = Vec::new();
    for part in text.split(',').flat_map(|part| part.split(" and ")) {
        let (from, to) = part.split_once(" to ").unwrap_or((part, part));
        all.extend(number(from)?..=number(to)?);
    }
    Ok(all)
}

/// Letters with spaces between them, which are a token each or two, and the same with one more space: whatever a
/// tokenizer makes of a space, numbers of both kinds occur.
fn of_words(lengths: &[usize]) -> Vec<String> {
    lengths.iter().flat_map(|count| [letters(*count), letters(*count) + " "]).collect()
}

/// Letters with spaces between them.
pub fn letters(count: usize) -> String {
    let words: Vec<String> = ('a'..='z').cycle().step_by(7).take(count).map(String::from).collect();
    words.join(" ")
}

/// One character over and over, of two, of three and of four bytes.
fn of_one_script(lengths: &[usize]) -> Vec<String> {
    lengths.iter().flat_map(|length| ["ж", "語", "😀"].map(|one| one.repeat(*length))).collect()
}

/// Texts that go on past a number of bytes, with a character of two, three or four of them where it is reached.
fn across_ends(ends: &[usize]) -> Vec<String> {
    let with = |end: usize, before: usize, character: char| {
        let words = String::from_utf8_lossy(&words(end - before)).into_owned();
        format!("{words}{character} and on")
    };
    ends.iter()
        .filter(|end| **end > 3)
        .flat_map(|&end| [with(end, 3, '😀'), with(end, 1, '😀'), with(end, 2, '語'), with(end, 1, 'é')])
        .collect()
}

/// Texts of a job, one a token.
type Tokens = Vec<(Vec<u8>, Option<i32>)>;

/// Plays a job of so many tokens for each prompt that the context has room for, and keeps the first that fails; what the
/// others gave, by their start.
async fn short_jobs(
    conversation: &mut Conversation,
    count: u32,
    prompts: Vec<String>,
) -> Result<Vec<(String, Tokens)>, Stop> {
    conversation.odd = None;
    let model = conversation.need(Kind::Model, "model")?;
    let max_tokens = i32::try_from(count).unwrap_or(i32::MAX);
    let (mut played, buffer) = (Vec::new(), conversation.buffer()?);
    for prompt in prompts {
        let bind = conversation.fresh_slot();
        let result = Handle::Slot(bind);
        let start = Call::Start {
            bind,
            model,
            prompt: Text::new(prompt.as_str()),
            max_tokens,
            temperature: 0.0,
            seed: 1,
            code: Out::Given,
        };
        if !conversation.has_room(&start) {
            continue;
        }
        let name = start.to_string();
        let drain = Op::Drain { result, buffer, index: Out::Given, limit: count, pause_us: 0 };
        let trace = conversation.run(vec![Op::Call(start), drain, Op::Call(Call::Free { result })]).await?;
        played.push((name, Generation::from_trace(&trace).tokens));
        if let Some(failed) = trace.iter().find(|observation| failed(observation)) {
            conversation.odd = Some((failed.event.to_string(), failed.outcome.to_string()));
            break;
        }
    }
    if played.is_empty() {
        return Err(Stop::OutOfReach("the context is too short for the prompts".to_owned()));
    }
    Ok(played)
}

fn failed(observation: &Observation) -> bool {
    match (observation.call(), &observation.outcome) {
        (_, Outcome::Died(_)) => true,
        (Some(Call::Start { .. }), Outcome::Returned(returned)) => returned.handle().is_none(),
        (Some(Call::NextToken { .. }), Outcome::Returned(returned)) => {
            !returned.is_true() && returned.written_code().is_some_and(|code| code != 0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_lengths_are_read() {
        assert_eq!(ranges("1 to 3, 62 to 63 and 128").unwrap(), [1, 2, 3, 62, 63, 128]);
        assert!(ranges("1 to many").is_err());
    }

    #[test]
    fn a_character_lies_across_every_end() {
        for end in [63, 64, 255, 256] {
            let prompts = across_ends(&[end]);
            assert_eq!(prompts.len(), 4);
            for cut in [end - 2, end - 1, end] {
                assert!(prompts.iter().any(|prompt| !prompt.is_char_boundary(cut)), "{end}: {cut}");
            }
            assert!(prompts.iter().all(|prompt| prompt.len() > end), "{end}");
        }
    }

    #[test]
    fn prompts_of_words_have_all_lengths_of_both_kinds() {
        let lengths: Vec<usize> = of_words(&[1, 2, 3]).iter().map(String::len).collect();
        assert_eq!(lengths, [1, 2, 3, 4, 5, 6]);
    }
}
