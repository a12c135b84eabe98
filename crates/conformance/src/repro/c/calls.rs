//! One call in C, and the check of what it gives.

use std::fmt::Write as _;

use super::Writer;
use super::literal::{ANY_TOKEN, float, given, guarded, int, quote, release};
use crate::fuzz::known::KnownTexts;
use crate::generate::KEEPER;
use crate::oracle::Expected;
use crate::oracle::reference::{Key, Refusal};
use crate::program::{Call, Device, Guard, Handle, Text};
use worker_contract::describe_code;

impl Writer<'_> {
    /// What the contract permits, as the C program's bits and in words.
    pub(super) fn permit(&mut self, call: &Call) -> (String, String) {
        let bits = |codes: &[i32]| codes.iter().map(|code| format!(" | CODE({code})")).collect::<String>();
        if let Call::LoadModel { ctx, path: Text::Bytes(path), .. } = call
            && !call.has_null()
            && let beside = self.oracle.state().loaded(*ctx)
            && let Some(Refusal { codes, .. }) =
                self.oracle.reference().and_then(|known| known.refusal(path, beside))
        {
            let told: Vec<String> = codes.iter().map(|code| describe_code(*code)).collect();
            return (format!("0{}", bits(&codes)), format!("NULL with {}", told.join(" or ")));
        }
        let expected = self.oracle.expected(call);
        let permitted = match &expected {
            Expected::Success { .. } => "GOOD".to_owned(),
            Expected::Refused { codes, .. } => format!("0{}", bits(codes)),
            Expected::Either { codes, .. } => format!("GOOD | NO_CODE{}", bits(codes)),
            Expected::Open => {
                let codes: Vec<i32> = call
                    .function()
                    .spec()
                    .codes
                    .iter()
                    .map(|code| code.raw())
                    .filter(|code| *code != 0)
                    .collect();
                format!("GOOD{}", bits(&codes))
            }
        };
        (permitted, expected.to_string())
    }

    pub(super) fn call(&mut self, call: &Call, body: &mut String, depth: usize) {
        let margin = "    ".repeat(depth);
        let what = quote(call.to_string().as_bytes());
        let (permit, expected) = self.permit(call);
        let expected = quote(expected.as_bytes());
        let mut line = |text: String| body.push_str(&format!("{margin}{text}\n"));
        let code = call.code().map_or("0", given);
        match call {
            Call::Init { bind, device, .. } => {
                let name = self.declare("ctx", *bind);
                let device = match device {
                    Device::Id(id) => int(*id),
                    Device::Count(by) => int(self.player.menu().devices.saturating_add(*by)),
                };
                line(format!("{name} = call_init({what}, {expected}, {device}, {code}, {permit});"));
            }
            Call::Destroy { ctx } => {
                let name = self.handle("ctx", *ctx);
                line(release(&name, 0, &what));
            }
            Call::DeviceCount => {
                let expected = quote(b"0 or more, the same at every call and in every process");
                line(format!("call_count({what}, {expected});"));
            }
            Call::LoadModel { bind, ctx, path, vram, .. } => {
                let (name, ctx_name) = (self.declare("model", *bind), self.handle("ctx", *ctx));
                let path = match path {
                    Text::Null => "NULL".to_owned(),
                    Text::Bytes(path) => self.file(path),
                };
                let reported = format!("reported{}", bind.0);
                if !self.declared.contains(&reported) {
                    self.declared.push(reported.clone());
                    let _ = writeln!(self.statics, "static uint64_t {reported};");
                }
                let made = format!(
                    "{name} = call_load({what}, {expected}, {ctx_name}, {path}, {}, {code}, {permit}, &{reported});",
                    given(*vram)
                );
                line(guarded(&ctx_name, &made));
                if let Some((wrong, expected)) = self.reported(&reported) {
                    line(format!(
                        "wanted = {};\n{margin}if ({wrong}) fault(\"another figure\");",
                        quote(expected.as_bytes())
                    ));
                }
                self.figures.insert(*bind, reported);
            }
            Call::UnloadModel { model } => {
                let name = self.handle("model", *model);
                line(release(&name, 1, &what));
            }
            Call::Start { bind, model, prompt, max_tokens, temperature, seed, .. } => {
                let (name, model_name) = (self.declare("job", *bind), self.handle("model", *model));
                let known = self.text(call, *model);
                let prompt = match prompt {
                    Text::Null => "NULL".to_owned(),
                    Text::Bytes(bytes) => quote(bytes),
                };
                let made = format!(
                    "call_start({what}, {expected}, &{name}, {model_name}, {prompt}, {}, {}, {seed}u, {code}, {permit}, {known});",
                    int(*max_tokens),
                    float(*temperature)
                );
                line(guarded(&model_name, &made));
                if known == "NULL" {
                    line(format!("{name}.beyond = 1;"));
                }
            }
            Call::NextToken { result, buffer, index, .. } => {
                let name = self.handle("job", *result);
                let made = format!(
                    "call_next({what}, {ANY_TOKEN}, &{name}, {}, {}, {}, {}, {code});",
                    given(buffer.pointer),
                    int(buffer.size),
                    u8::from(buffer.guard == Guard::Before),
                    given(*index)
                );
                line(if name == "nothing" { made } else { format!("if ({name}.handle) {made}") });
            }
            Call::Free { result } => {
                let name = self.handle("job", *result);
                line(match result {
                    Handle::Null => format!("call_void({what}, \"returns\", 2, NULL);"),
                    Handle::Slot(_) => format!(
                        "if ({name}.handle) call_void({what}, \"returns\", 2, {name}.handle);\n{margin}{name}.handle = NULL;"
                    ),
                });
            }
            Call::CheckResidency { model: handle, .. } | Call::CheckHealth { ctx: handle, .. } => {
                let health = matches!(call, Call::CheckHealth { .. });
                let name = self.handle(if health { "ctx" } else { "model" }, *handle);
                let made = format!(
                    "call_check({what}, {expected}, {}, {name}, {code}, {permit});",
                    u8::from(health)
                );
                line(guarded(&name, &made));
            }
            Call::ModelVramUsage { model } | Call::VramUsage { model } => {
                let kind = u8::from(matches!(call, Call::VramUsage { .. }));
                let name = self.handle("model", *model);
                let made = self.usage(*model, kind, &name, &what);
                line(guarded(&name, &made));
            }
            Call::ProcessVramUsage { ctx } => {
                let name = self.handle("ctx", *ctx);
                let (least, expected) = self.process_usage(*ctx);
                let most = if *ctx == Handle::Null { "0" } else { "UINT64_MAX" };
                let before = if *ctx == Handle::Slot(KEEPER) { "figure = " } else { "" };
                let made = format!(
                    "{before}call_usage({what}, {}, 2, {name}, {least}, {most});",
                    quote(expected.as_bytes())
                );
                line(guarded(&name, &made));
            }
            Call::ErrorMessage { code } => {
                let expected = quote(b"one static text a code, not empty, in UTF-8");
                line(format!("call_message({what}, {expected}, {});", int(*code)));
            }
        }
    }

    /// Whether the next observation is the one where the fault shows, under one of these requirements.
    pub(super) fn shows(&self, requirements: &[&str]) -> bool {
        self.at == self.stop
            && self.fault.findings.iter().any(|finding| requirements.contains(&finding.requirement.as_str()))
    }

    pub(super) fn reported(&self, name: &str) -> Option<(String, String)> {
        if !self.shows(&["LOAD-06", "LOAD-07"]) {
            return None;
        }
        let Call::LoadModel { bind: _, path: Text::Bytes(path), .. } = self.trace.get(self.at)?.call()?
        else {
            return None;
        };
        let tensors = self.player.facts().models.get(path)?.tensor_bytes;
        let most = tensors + tensors / 2 + (64 << 20);
        Some((
            format!("{name} < {tensors}u || {name} > {most}u"),
            format!("from {tensors} to {most} bytes, for {tensors} bytes of tensors"),
        ))
    }

    pub(super) fn usage(&mut self, model: Handle, kind: u8, name: &str, what: &str) -> String {
        let Handle::Slot(slot) = model else {
            return format!("call_usage({what}, \"0 bytes\", {kind}, NULL, 0, 0);");
        };
        let variable = format!("usage{}", self.number);
        self.number += 1;
        let _ = writeln!(self.statics, "static MAYBE_VARIABLE uint64_t {variable};");
        let same = self.shows(&["VRAM-01", "VRAM-02", "INF-12", "LOAD-05"]);
        let before = self.figures.get(&slot).cloned().filter(|_| same);
        self.figures.insert(slot, variable.clone());
        let (least, most, expected) = match before {
            Some(before) => (before.clone(), before, "the figure of before"),
            None => ("0".to_owned(), "UINT64_MAX".to_owned(), "a figure in bytes"),
        };
        format!("{variable} = call_usage({what}, \"{expected}\", {kind}, {name}, {least}, {most});")
    }

    pub(super) fn process_usage(&mut self, ctx: Handle) -> (String, String) {
        let Handle::Slot(slot) = ctx else { return ("0".to_owned(), "0 bytes".to_owned()) };
        if !self.shows(&["VRAM-03"]) {
            return ("0".to_owned(), "a figure in bytes".to_owned());
        }
        let state = self.oracle.state();
        let models = state.models.iter().filter(|(_, model)| model.context == Some(slot));
        let sum: Vec<String> = models
            .map(|(at, model)| match (model.usage, self.figures.get(at)) {
                (Some(_), Some(figure)) => figure.clone(),
                _ => format!("{}u", model.facts.as_ref().map_or(0, |facts| facts.tensor_bytes)),
            })
            .collect();
        (format!("0 + {}", sum.join(" + ")), "at least what the context's models use".to_owned())
    }

    /// The text of a job, if it is known: where the C program keeps it.
    pub(super) fn text(&mut self, call: &Call, model: Handle) -> String {
        let none = "NULL".to_owned();
        let (
            Handle::Slot(model),
            Call::Start { prompt: Text::Bytes(prompt), max_tokens, temperature, seed, .. },
        ) = (model, call)
        else {
            return none;
        };
        let Some(path) = self.oracle.reference().and_then(|known| known.path(model).map(<[u8]>::to_vec))
        else {
            return none;
        };
        let room =
            self.player.facts().models.get(&path).is_some_and(|facts| facts.has_room(prompt, *max_tokens));
        if std::str::from_utf8(prompt).is_err() || !(1..=2048).contains(max_tokens) || !room {
            return none;
        }
        let key = Key::new(&path, prompt, *temperature, *seed);
        let texts: &KnownTexts = self.player.texts();
        let Some(length) = texts.length(&key, *max_tokens) else { return none };
        self.file(&path);
        let at = match self.texts.iter().position(|known| *known == (key.clone(), length)) {
            Some(at) => at,
            None => {
                self.texts.push((key, length));
                self.texts.len() - 1
            }
        };
        format!("&texts[{at}]")
    }
}
