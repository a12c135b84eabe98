//! Greedy jobs whose text is known: code points that are split over tokens arrive whole, once and in time (UTF8-02).

use std::path::Path;

use cucumber::{given, then, when};

use super::arguments::{Arguments, Value};
use super::checks::named;
use super::generations::whole_job;
use super::report;
use crate::conversation::{Conversation, Step, Stop};
use crate::known_text::{Comparison, compare};
use crate::models::golden::{Golden, goldens};
use crate::setting::{bytes, describe};

#[given(regex = r#"^a loaded model "([\w-]+)" (?:whose greedy texts are known|of the suite's own)$"#)]
async fn known_model(conversation: &mut Conversation, name: String) -> Result<(), String> {
    let step = load_known(conversation, &name).await;
    report(conversation, step)
}

#[when(regex = r#"^the host generates every text that is known of "([\w-]+)"$"#)]
async fn generate_known(conversation: &mut Conversation, name: String) -> Result<(), String> {
    let step = generate_all(conversation, &name).await;
    report(conversation, step)
}

#[then(
    regex = r#"^the code points of known texts of "([\w-]+)" arrive whole, once, and in the call that completes them(?: \[([A-Z0-9]+-\d+)\])?$"#
)]
async fn arrive(conversation: &mut Conversation, name: String, requirement: String) -> Result<(), String> {
    let step = judge_known(conversation, &name, named(&requirement));
    report(conversation, step)
}

fn of(name: &str) -> Vec<&'static Golden> {
    goldens().iter().filter(|golden| golden.model == name).collect()
}

async fn load_known(conversation: &mut Conversation, name: &str) -> Step {
    // Whoever runs the plain one runs those that differ in their words or in how they end.
    let base = if name.starts_with("tiny-llama-") { "tiny-llama" } else { name };
    let runs = conversation.setting()?.runs_fixture(base);
    if !runs.map_err(|error| Stop::Broken(error.to_string()))? {
        return Err(Stop::NotApplicable(format!("the library does not run the suite's own model {base}")));
    }
    load_own(conversation, name).await
}

/// Loads a model of the suite's own, which the scenario goes on with.
///
/// # Errors
/// [`Stop::Blocked`] if the library does not load it.
pub(super) async fn load_own(conversation: &mut Conversation, name: &str) -> Step {
    let path = conversation.setting()?.store.path(name);
    let path = path.map_err(|error| Stop::Broken(error.to_string()))?;
    // A library that writes to models may have done so since.
    let model = describe(&path).map_err(|error| Stop::Blocked(error.to_string()))?;
    conversation.adopt_model(bytes(&path), model.facts);
    conversation.model_file = Some(path);
    super::givens::load(conversation, "model", "context").await
}

async fn generate_all(conversation: &mut Conversation, name: &str) -> Step {
    for golden in of(name) {
        let count = u32::try_from(golden.tokens.len()).unwrap_or(u32::MAX);
        let prompt = Value::Text(golden.prompt.clone().into_bytes());
        let given: Arguments = [("prompt".to_owned(), prompt)].into();
        let text = whole_job(conversation, count, given).await?;
        conversation.texts.insert(golden.prompt.clone(), text);
    }
    Ok(())
}

/// Characters of a text that are shown.
const SHOWN: usize = 24;

/// Where a text leaves the known one, for whoever looks for the wrong kernel.
fn parting(golden: &Golden, pieces: &[&[u8]]) -> String {
    let show = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).chars().take(SHOWN).collect::<String>();
    let (known, given) = (show(golden.tokens.concat()), show(pieces.concat()));
    format!("after {:?} it gives {given:?} instead of {known:?}", golden.prompt)
}

fn judge_known(conversation: &mut Conversation, name: &str, requirement: Option<&str>) -> Step {
    let (mut same, mut other) = (0, None);
    for golden in of(name) {
        let text = conversation.text(&golden.prompt)?;
        let comparison = compare(&golden.tokens, &text.pieces());
        same += usize::from(comparison == Comparison::Same);
        if comparison == Comparison::Unlike && other.is_none() {
            other = Some(parting(golden, &text.pieces()));
        }
        let Comparison::Wrong(fault) = comparison else { continue };
        return conversation.judge(requirement, false, || {
            let call = format!("call {} of the greedy job on {:?}", fault.call, golden.prompt);
            let expected =
                format!("U+{:04X}, which this call completes, whole and once", u32::from(fault.point));
            (call, expected, format!("it {}; all other text is what the model gives", fault.what))
        });
    }
    let whose = match other.filter(|_| same == 0) {
        None => "what the model's own arithmetic gives".to_owned(),
        Some(parting) => {
            let file = conversation.model_file.as_deref().and_then(Path::file_name).unwrap_or_default();
            format!(
                "not what the model's own arithmetic gives, so that lost code points cannot be seen: {parting} ({})",
                file.display()
            )
        }
    };
    conversation.verdicts.note("UTF8-02", format!("the greedy text of {name} is {whose}"));
    conversation.judge(requirement, true, Default::default)
}
