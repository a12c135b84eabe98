//! A failing program as Gherkin, in the phrasings of `features/`: to read, and to keep as a scenario.

use std::fmt::Write as _;

use worker_contract::{ErrorCode, Function};

use super::text;
use crate::fuzz::judge::{Fault, Kind, Player};
use crate::oracle::Expected;
use crate::program::{Call, Device, Handle, Op, Out, Slot, Text};
use crate::trace::Observation;

/// The feature of a failing program; `trace` is how it went.
pub fn write(player: &Player, program: &[Op], trace: &[Observation], fault: &Fault) -> String {
    let main = fault.main();
    let mut writer =
        Writer { player, text: String::new(), keyword: "When", tokens: 0, job: None, groups: Vec::new() };
    let _ = writeln!(writer.text, "Feature: found by generated programs\n");
    let _ = writeln!(writer.text, "  # expected  {}", one_line(&main.expected));
    let _ = writeln!(writer.text, "  # observed  {}", one_line(&main.observed));
    let _ = writeln!(writer.text, "  @{}", main.requirement);
    let _ = writeln!(writer.text, "  Scenario: {}", one_line(&main.requirement.requirement().text));
    let wrong = trace.get(fault.at).and_then(Observation::call);
    if let (Kind::Text, Some(Call::NextToken { result: Handle::Slot(slot), .. })) = (&fault.kind, wrong) {
        writer.job = Some(*slot);
        writer.alone(program, *slot);
    }
    writer.steps(program);
    writer.end(trace, fault);
    writer.text
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

struct Writer<'w> {
    player: &'w Player,
    text: String,
    keyword: &'static str,
    /// Tokens that the job with the wrong text was asked for in a row.
    tokens: u32,
    job: Option<Slot>,
    /// Names of the parts of its text.
    groups: Vec<String>,
}

impl Writer<'_> {
    fn step(&mut self, words: &str) {
        let _ = writeln!(self.text, "    {} {words}", self.keyword);
        self.keyword = "And";
    }

    fn comment(&mut self, words: &str) {
        let _ = writeln!(self.text, "    # {words}");
    }

    /// The job with the wrong text, alone in a process before.
    fn alone(&mut self, program: &[Op], slot: Slot) {
        let Some(start) = find(program, slot) else { return };
        let Call::Start { model, prompt, temperature, seed, .. } = start else { return };
        let Handle::Slot(model) = model else { return };
        let asked = asked(program, slot);
        let path = find(program, *model).map(|call| arguments(self.player, call)).unwrap_or_default();
        let path = path.into_iter().find(|argument| argument.starts_with("model_path"));
        self.step("the host calls cuda_init");
        self.step(&format!(
            "the host calls cuda_load_model{}",
            path.map_or(String::new(), |path| format!(" with {path}"))
        ));
        let prompt = if let Text::Bytes(bytes) = prompt { text::write(bytes) } else { String::new() };
        self.step(&format!(
            "the host generates {asked} tokens with prompt = \"{prompt}\", temperature = {temperature:?}, seed = {seed} as \
             \"alone\""
        ));
        self.step("the host uses the library in a new process");
    }

    fn steps(&mut self, program: &[Op]) {
        for op in program {
            match op {
                Op::Call(Call::NextToken { result: Handle::Slot(slot), .. }) if Some(*slot) == self.job => {
                    self.tokens += 1;
                    continue;
                }
                Op::Drain { result: Handle::Slot(slot), limit, .. } if Some(*slot) == self.job => {
                    self.tokens += limit;
                    continue;
                }
                _ => self.flush(),
            }
            match op {
                Op::Call(call) => self.call(call),
                Op::Drain { result: Handle::Slot(slot), limit, .. } => {
                    self.step(&format!("the host takes {limit} tokens of job \"job{}\"", slot.0));
                }
                Op::Threads(bodies) => {
                    for (at, body) in bodies.iter().enumerate() {
                        self.comment(&format!("on thread {} of {}, at the same time:", at + 1, bodies.len()));
                        self.steps(body);
                    }
                    self.comment("and again on the first thread:");
                }
                Op::Repeat(times, body) => {
                    self.comment(&format!("{times} rounds of:"));
                    self.steps(body);
                }
                _ => {}
            }
        }
        self.flush();
    }

    /// The tokens of the job with the wrong text, in one step.
    fn flush(&mut self) {
        let (Some(slot), tokens @ 1..) = (self.job, self.tokens) else { return };
        self.tokens = 0;
        let name = format!("part{}", self.groups.len() + 1);
        self.step(&format!("the host takes {tokens} tokens of job \"job{}\" as \"{name}\"", slot.0));
        self.groups.push(name);
    }

    fn call(&mut self, call: &Call) {
        let arguments = arguments(self.player, call);
        let mut words = format!("the host calls {}", call.function().name());
        if !arguments.is_empty() {
            let _ = write!(words, " with {}", arguments.join(", "));
        }
        if let Some(slot) = call.bind() {
            let _ = write!(words, " as \"{}\"", name(call.function(), slot));
        }
        self.step(&words);
    }

    fn end(&mut self, trace: &[Observation], fault: &Fault) {
        let id = fault.main().requirement;
        self.keyword = "Then";
        match (fault.kind.clone(), self.groups.as_slice()) {
            (Kind::Death, _) => return self.step(&format!("the process goes on [{id}]")),
            (Kind::Text, [one]) => {
                return self.step(&format!("the text \"alone\" begins with the text \"{one}\" [{id}]"));
            }
            (Kind::Text, [head, tail]) => {
                let words =
                    format!("the text \"alone\" is the text \"{head}\" and the text \"{tail}\" [{id}]");
                return self.step(&words);
            }
            (Kind::Growth, _) => return self.comment(&format!("then {} [{id}]", fault.main().expected)),
            _ => {}
        }
        let Some(call) = trace.get(fault.at).and_then(Observation::call) else { return };
        let mut oracle = self.player.oracle();
        trace[..fault.at].iter().for_each(|one| oracle.observe(one));
        let handle = call.bind().is_some();
        // A scenario does not know by itself which files must be refused.
        let refusal = match call {
            Call::LoadModel { ctx, path: Text::Bytes(path), .. } => {
                let beside = oracle.state().loaded(*ctx);
                oracle.reference().and_then(|reference| reference.refusal(path, beside))
            }
            _ => None,
        };
        let names = |codes: &[i32]| {
            let known = |code: &i32| ErrorCode::from_raw(*code).map_or("", ErrorCode::name);
            codes.iter().map(known).collect::<Vec<_>>().join(" or ")
        };
        let phrase = match oracle.expected(call) {
            Expected::Success { .. } if handle => "a handle with CUDA_SUCCESS".to_owned(),
            Expected::Success { .. } => "true with CUDA_SUCCESS".to_owned(),
            Expected::Refused { codes, .. } => {
                format!("{} with {}", if handle { "NULL" } else { "false" }, names(codes))
            }
            // The invariants judge every call of every scenario; these need no step of their own.
            Expected::Either { .. } | Expected::Open => match refusal {
                Some(refusal) => format!("NULL with {}", names(&refusal.codes)),
                None => {
                    return self.comment(&format!("the last call is judged by {id}, as in every scenario"));
                }
            },
        };
        self.step(&format!("the call returns {phrase} [{id}]"));
    }
}

fn name(function: Function, slot: Slot) -> String {
    let kind = match function {
        Function::Init => "ctx",
        Function::LoadModel => "model",
        _ => "job",
    };
    format!("{kind}{}", slot.0)
}

/// The call that binds a slot.
fn find(program: &[Op], slot: Slot) -> Option<&Call> {
    program.iter().find_map(|op| match op {
        Op::Call(call) if call.bind() == Some(slot) => Some(call),
        Op::Repeat(_, body) => find(body, slot),
        Op::Threads(bodies) => bodies.iter().find_map(|body| find(body, slot)),
        _ => None,
    })
}

/// Tokens that a job is asked for.
fn asked(program: &[Op], slot: Slot) -> u32 {
    program
        .iter()
        .map(|op| match op {
            Op::Call(Call::NextToken { result, .. }) if *result == Handle::Slot(slot) => 1,
            Op::Drain { result, limit, .. } if *result == Handle::Slot(slot) => *limit,
            Op::Repeat(_, body) => asked(body, slot),
            Op::Threads(bodies) => bodies.iter().map(|body| asked(body, slot)).sum(),
            _ => 0,
        })
        .sum()
}

/// The arguments that differ from what a step gives by itself.
fn arguments(player: &Player, call: &Call) -> Vec<String> {
    let mut list = Vec::new();
    let handle = |kind: &str, parameter: &str, handle: Handle| match handle {
        Handle::Null => format!("{parameter} = NULL"),
        Handle::Slot(slot) => format!("{parameter} = {kind}{}", slot.0),
    };
    let parameter = match call {
        Call::Destroy { ctx }
        | Call::LoadModel { ctx, .. }
        | Call::ProcessVramUsage { ctx }
        | Call::CheckHealth { ctx, .. } => Some(handle("ctx", "ctx", *ctx)),
        Call::UnloadModel { model }
        | Call::ModelVramUsage { model }
        | Call::Start { model, .. }
        | Call::CheckResidency { model, .. }
        | Call::VramUsage { model } => Some(handle("model", "model", *model)),
        Call::NextToken { result, .. } | Call::Free { result } => Some(handle("job", "result", *result)),
        Call::Init { .. } | Call::DeviceCount | Call::ErrorMessage { .. } => None,
    };
    list.extend(parameter);
    match call {
        Call::Init { device, .. } => {
            let id = match device {
                Device::Id(id) => *id,
                Device::Count(by) => player.menu().devices.saturating_add(*by),
            };
            list.push(format!("gpu_device = {}", number(id)));
        }
        Call::LoadModel { path, vram, .. } => {
            match path {
                Text::Null => list.push("model_path = NULL".to_owned()),
                Text::Bytes(path) => list.extend(model_path(player, path)),
            }
            if *vram == Out::Null {
                list.push("vram_bytes_used = NULL".to_owned());
            }
        }
        Call::Start { prompt, max_tokens, temperature, seed, .. } => {
            list.push(match prompt {
                Text::Null => "prompt = NULL".to_owned(),
                Text::Bytes(bytes) => format!("prompt = \"{}\"", text::write(bytes)),
            });
            list.push(format!("max_tokens = {}", number(*max_tokens)));
            list.push(format!("temperature = {temperature:?}"));
            list.push(format!("seed = {seed}"));
        }
        Call::NextToken { buffer, index, .. } => {
            if buffer.pointer == Out::Null {
                list.push("token_out = NULL".to_owned());
            }
            list.push(format!("token_buffer_size = {}", number(buffer.size)));
            if *index == Out::Null {
                list.push("token_index = NULL".to_owned());
            }
        }
        Call::ErrorMessage { code } => list.push(format!("code = {}", number(*code))),
        _ => {}
    }
    if call.code() == Some(Out::Null) {
        list.push("error_code = NULL".to_owned());
    }
    list
}

fn number(value: i32) -> String {
    match value {
        i32::MIN => "INT_MIN".to_owned(),
        i32::MAX => "INT_MAX".to_owned(),
        other => other.to_string(),
    }
}

/// The default model needs no argument; malformed ones and the huge one have names in features.
fn model_path(player: &Player, path: &[u8]) -> Option<String> {
    let menu = player.menu();
    if menu.models.first().is_some_and(|model| model.path == path) {
        return None;
    }
    let word = match menu.name(path) {
        Some("missing") => "missing-file".to_owned(),
        Some("directory") => "directory".to_owned(),
        Some("huge") => "sparse-huge-file".to_owned(),
        Some(name) if name.starts_with("malformed:") => name["malformed:".len()..].to_owned(),
        _ => format!("\"{}\"", text::write(path)),
    };
    Some(format!("model_path = {word}"))
}
