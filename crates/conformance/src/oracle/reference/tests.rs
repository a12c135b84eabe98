//! The reference on conversations that are written down here: what it calls wrong, and what it leaves a library.

use super::*;
use crate::oracle::{ModelFacts, Oracle};
use crate::program::{Buffer, Device};
use crate::trace::{Event, Outcome, POISON_U64, Value};

const PATH: &[u8] = b"/models/one.gguf";
const BROKEN: &[u8] = b"/models/broken.gguf";

/// The text of every job: `a`, `b`, `c`, and no end.
struct Alphabet;

impl Texts for Alphabet {
    fn text(&self, _: &Key, _: i32) -> Option<Arc<KnownText>> {
        let pieces = (b'a'..=b'z').map(|byte| vec![byte]).collect();
        Some(Arc::new(KnownText { pieces, ends: false }))
    }
}

/// A conversation in the making, with a context, a model and a job of 5 tokens.
struct Talk {
    oracle: Oracle,
}

impl Talk {
    fn new() -> Self {
        let model = ModelFacts { context_length: 512, tensor_bytes: 1000, sentence_piece: false };
        let models = [(PATH.to_vec(), model)].into();
        let facts = Facts { models, devices: Some(1), ..Facts::default() };
        let refusal = Refusal { requirement: "LOAD-03", codes: vec![3] };
        let refusals = [(BROKEN.to_vec(), refusal)].into();
        let mut talk =
            Self { oracle: Oracle::with_reference(facts, Reference::new(Arc::new(Alphabet), refusals)) };
        talk.give(Call::Init { bind: Slot(0), device: Device::Id(0), code: Out::Given }, handle(0));
        talk.give(load(1, PATH), Returned { vram: Some(2000), ..handle(0) });
        talk.give(start(2), handle(0));
        talk
    }

    fn give(&mut self, call: Call, returned: Returned) -> &mut Self {
        self.oracle.observe(&Observation {
            thread: 0,
            event: Event::Call(call),
            outcome: Outcome::Returned(returned),
            nanos: 0,
            effects: Vec::new(),
        });
        self
    }

    fn token(&mut self, text: &str, index: i32) -> &mut Self {
        self.give(next(1024), token(text, index))
    }

    /// Requirements found broken, with their levels.
    fn found(&self) -> Vec<(String, Level)> {
        let findings = &self.oracle.verdicts().findings;
        findings.iter().map(|finding| (finding.requirement.to_string(), finding.level)).collect()
    }
}

fn handle(code: i32) -> Returned {
    Returned {
        value: Some(Value::Handle(if code == 0 { 1 } else { 0 })),
        code: Some(code),
        ..Returned::default()
    }
}

fn load(bind: u32, path: &[u8]) -> Call {
    let ctx = Handle::Slot(Slot(0));
    Call::LoadModel { bind: Slot(bind), ctx, path: Text::new(path), vram: Out::Given, code: Out::Given }
}

fn start(bind: u32) -> Call {
    Call::Start {
        bind: Slot(bind),
        model: Handle::Slot(Slot(1)),
        prompt: Text::new("hello"),
        max_tokens: 5,
        temperature: 0.0,
        seed: 1,
        code: Out::Given,
    }
}

fn next(size: i32) -> Call {
    let result = Handle::Slot(Slot(2));
    Call::NextToken { result, buffer: Buffer::of(size), index: Out::Given, code: Out::Given }
}

fn token(text: &str, index: i32) -> Returned {
    Returned {
        value: Some(Value::Bool(1)),
        code: Some(0),
        index: Some(index),
        text: Some(Token::Bytes(text.as_bytes().to_vec())),
        ..Returned::default()
    }
}

fn none(code: i32) -> Returned {
    Returned { value: Some(Value::Bool(0)), code: Some(code), ..Returned::default() }
}

fn bytes(bytes: u64) -> Returned {
    Returned { value: Some(Value::Bytes(bytes)), ..Returned::default() }
}

#[test]
fn the_known_text_is_right_and_another_is_told_once() {
    assert_eq!(Talk::new().token("a", 0).token("b", 1).found(), []);
    let mut talk = Talk::new();
    talk.token("a", 0).token("x", 1).token("y", 2);
    assert_eq!(talk.found(), [("DET-08".to_owned(), Level::Must)]);
}

#[test]
fn an_end_that_comes_too_early_is_a_wrong_text() {
    assert_eq!(
        Talk::new().token("a", 0).give(next(1024), none(0)).found(),
        [("DET-08".to_owned(), Level::Must)]
    );
}

#[test]
fn a_token_that_a_refusal_lost_breaks_no_more_than_a_should() {
    let mut talk = Talk::new();
    talk.give(next(1), none(5)).token("b", 1).token("c", 2);
    assert!(
        talk.found().iter().all(|(id, level)| id == "INF-10" && *level == Level::Should),
        "{:?}",
        talk.found()
    );
    assert!(!talk.found().is_empty());
}

#[test]
fn what_is_no_text_may_be_refused_for_the_job_beside_it_but_not_alone() {
    let mut bad = start(3);
    if let Call::Start { prompt, .. } = &mut bad {
        *prompt = Text::new(b"\xff\xfe".as_slice());
    }
    let mut talk = Talk::new();
    talk.give(bad.clone(), handle(99));
    assert_eq!(talk.found(), []);
    talk.give(Call::Free { result: Handle::Slot(Slot(2)) }, Returned::default()).give(bad, handle(99));
    assert_eq!(talk.found(), [("INF-05".to_owned(), Level::Should)]);
}

#[test]
fn what_fits_is_given_and_what_does_not_is_refused() {
    assert_eq!(Talk::new().give(next(2), token("a", 0)).found(), []);
    assert_eq!(Talk::new().give(next(1), none(5)).found(), []);
    assert_eq!(Talk::new().give(next(2), none(5)).found(), [("INF-09".to_owned(), Level::Must)]);
    assert_eq!(Talk::new().give(next(1), token("", 0)).found(), [("INF-09".to_owned(), Level::Must)]);
}

#[test]
fn the_rest_of_a_code_point_may_end_a_job_but_no_other_token() {
    let mut talk = Talk::new();
    for (index, text) in ["a", "b", "c", "d", "e\u{FFFD}"].into_iter().enumerate() {
        talk.token(text, index as i32);
    }
    assert_eq!(talk.found(), []);
    assert_eq!(Talk::new().token("a\u{FFFD}", 0).found(), [("DET-08".to_owned(), Level::Must)]);
}

#[test]
fn beside_a_model_a_broken_file_may_be_refused_for_that_alone() {
    let refused = |code| Returned { vram: Some(POISON_U64), ..handle(code) };
    for code in [3, 2, 99] {
        assert_eq!(Talk::new().give(load(5, BROKEN), refused(code)).found(), [], "code {code}");
    }
    let loads = Returned { vram: Some(1500), ..handle(0) };
    assert_eq!(Talk::new().give(load(5, BROKEN), loads).found(), [("LOAD-03".to_owned(), Level::Must)]);
    let mut alone = Talk::new();
    alone
        .give(Call::Free { result: Handle::Slot(Slot(2)) }, Returned::default())
        .give(Call::UnloadModel { model: Handle::Slot(Slot(1)) }, Returned::default())
        .give(load(5, BROKEN), refused(2));
    assert_eq!(alone.found(), [("LOAD-03".to_owned(), Level::Must)]);
}

#[test]
fn figures_at_rest_are_compared_once_the_first_job_is_over() {
    let model = Handle::Slot(Slot(1));
    let usage = || Call::VramUsage { model };
    let mut talk = Talk::new();
    let free = |talk: &mut Talk| {
        talk.give(Call::Free { result: Handle::Slot(Slot(2)) }, Returned::default());
    };
    // With an open job, and before the first was freed, a figure may be any.
    talk.give(usage(), bytes(7000));
    free(&mut talk);
    talk.give(usage(), bytes(2500)).give(start(2), handle(0)).give(usage(), bytes(9000));
    free(&mut talk);
    talk.give(usage(), bytes(2500));
    assert_eq!(talk.found(), []);
    talk.give(start(2), handle(0));
    free(&mut talk);
    talk.give(usage(), bytes(2564));
    assert_eq!(talk.found(), [("INF-12".to_owned(), Level::Must)]);
}

#[test]
fn a_process_uses_no_less_than_its_models() {
    let process = Call::ProcessVramUsage { ctx: Handle::Slot(Slot(0)) };
    let model = Handle::Slot(Slot(1));
    let only = |found: Vec<(String, Level)>| {
        assert!(!found.is_empty() && found.iter().all(|(id, _)| id == "VRAM-03"), "{found:?}");
    };
    assert_eq!(Talk::new().give(process.clone(), bytes(2000)).found(), []);
    only(Talk::new().give(process.clone(), bytes(1999)).found());
    let mut talk = Talk::new();
    talk.give(Call::VramUsage { model }, bytes(2600)).give(process, bytes(2599));
    only(talk.found());
}
