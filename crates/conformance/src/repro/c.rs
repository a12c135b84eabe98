//! A failing program as a C program of its own: the contract's headers, a library by path or linked, and exit status 1
//! when the fault shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use worker_contract::describe_code;

use super::About;
use crate::fuzz::judge::{CONFIRMED, Fault, Kind, Player, is_in_rounds};
use crate::fuzz::known::KnownTexts;
use crate::generate::KEEPER;
use crate::oracle::reference::{Key, Refusal};
use crate::oracle::{Expected, Oracle};
use crate::program::{Call, Device, Guard, Handle, Op, Out, Slot, Text};
use crate::trace::{Event, Observation};

const INCLUDES: &str = "\
#define _GNU_SOURCE
#include \"worker_ffi.h\"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
";
const PREAMBLE: &str = include_str!("preamble.c");

/// What the C program looks at only where it is the point: sound libraries may break these.
const FLAGS: [(&str, &str); 3] = [("INF-10", "lossless"), ("ERR-07", "untouched"), ("MSG-05", "one_unknown")];

/// The C program of a failing program; `trace` is how it went.
pub fn write(player: &Player, program: &[Op], trace: &[Observation], fault: &Fault, about: &About) -> String {
    let mut writer = Writer {
        player,
        oracle: player.oracle(),
        trace,
        at: 0,
        stop: if fault.kind == Kind::Growth { usize::MAX } else { fault.at },
        fault,
        statics: String::new(),
        functions: String::new(),
        files: BTreeMap::new(),
        texts: Vec::new(),
        figures: BTreeMap::new(),
        declared: Vec::new(),
        number: 0,
        over: false,
    };
    let mut body = String::new();
    writer.steps(program, &mut body, 1);
    let rounds = is_in_rounds(program);
    writer.whole(&body, rounds, about)
}

struct Writer<'w> {
    player: &'w Player,
    oracle: Oracle,
    trace: &'w [Observation],
    /// Position of the next observation.
    at: usize,
    /// Position behind which nothing is written.
    stop: usize,
    fault: &'w Fault,
    statics: String,
    functions: String,
    /// Model files by path, and the names of their macros.
    files: BTreeMap<Vec<u8>, String>,
    texts: Vec<(Key, i32)>,
    /// The variable of each model's last figure.
    figures: BTreeMap<Slot, String>,
    declared: Vec<String>,
    number: usize,
    over: bool,
}

impl Writer<'_> {
    fn whole(&self, body: &str, rounds: bool, about: &About) -> String {
        let main = self.fault.main();
        let mut text = String::new();
        let comment = |text: &str| text.replace("*/", "* /").replace('\n', " ");
        let _ = writeln!(text, "/* {}: {}", main.requirement, comment(&main.requirement.requirement().text));
        let _ = writeln!(text, " *");
        let _ = writeln!(text, " * call      {}", comment(&main.call));
        let _ = writeln!(text, " * expected  {}", comment(&main.expected));
        let _ = writeln!(text, " * observed  {}", comment(&main.observed));
        let _ = writeln!(text, " * fails     {}", comment(&about.fails));
        let _ = writeln!(text, " *");
        let _ = writeln!(
            text,
            " * Build:    cc -std=gnu11 -Wall -I contract/include repro.c -o repro -ldl -lm -pthread"
        );
        let _ = writeln!(text, " *           ./repro ./libbackend.so");
        let _ =
            writeln!(text, " * or, against a linked library: add -DLINKED and the library, and run ./repro");
        let _ =
            writeln!(text, " * Status:   0 the fault does not show, 1 it shows, 2 the program cannot run");
        let _ = writeln!(text, " */");
        text.push_str(INCLUDES);
        text.push('\n');
        for (path, name) in &self.files {
            let _ = writeln!(text, "#ifndef {name}\n#define {name} {}\n#endif", quote(path));
        }
        text.push('\n');
        text.push_str(PREAMBLE);
        text.push('\n');
        text.push_str(&self.statics);
        if !self.texts.is_empty() {
            let _ = writeln!(text, "static struct text texts[{}];", self.texts.len());
        }
        text.push('\n');
        text.push_str(&self.functions);
        let _ = writeln!(text, "int main(int argc, char **argv) {{");
        let watched = self
            .fault
            .findings
            .iter()
            .any(|finding| ["PROC-01", "PROC-02"].contains(&finding.requirement.as_str()));
        let _ = writeln!(text, "    prepare(argc, argv, {});", u8::from(watched));
        for name in self.files.iter().filter(|(path, _)| self.is_model(path)).map(|(_, name)| name) {
            let _ = writeln!(text, "    need_file({name});");
        }
        for (at, (key, length)) in self.texts.iter().enumerate() {
            let file = self.files.get(&key.model).cloned().unwrap_or_else(|| quote(&key.model));
            let seed = if key.is_greedy() { 1 } else { key.seed };
            let _ = writeln!(
                text,
                "    learn({at}, &texts[{at}], {file}, {}, {}, {seed}u, {length});",
                quote(&key.prompt),
                float(f32::from_bits(key.temperature))
            );
        }
        if body.contains("call_count(") || self.functions.contains("call_count(") {
            let _ = writeln!(text, "    learn_count();");
        }
        let _ = writeln!(text, "    open_library();");
        if watched {
            let _ = writeln!(text, "    watched = 1;");
        }
        for (requirement, flag) in FLAGS {
            if self.fault.findings.iter().any(|finding| finding.requirement.as_str() == requirement) {
                let _ = writeln!(text, "    {flag} = 1;");
            }
        }
        text.push_str(body);
        if rounds && self.fault.kind == Kind::Growth {
            let what = self.fault.main().expected.clone();
            let tolerance = if self.fault.main().requirement.as_str() == "MEM-05" { 256 } else { 0 };
            let _ =
                writeln!(text, "    judge_growth({}, figures, rounds, {tolerance});", quote(what.as_bytes()));
        }
        let _ = writeln!(text, "    dprintf(report, \"the fault does not show\\n\");");
        let _ = writeln!(text, "    return 0;\n}}");
        text
    }

    fn is_model(&self, path: &[u8]) -> bool {
        self.player.menu().models.iter().any(|model| model.path == path)
    }

    /// The next observation of the main thread that is a call or a measurement.
    fn next(&mut self) -> Option<&Observation> {
        while let Some(one) = self.trace.get(self.at) {
            if one.thread == 0 && matches!(one.event, Event::Call(_) | Event::Measure) {
                return Some(one);
            }
            self.at += 1;
        }
        None
    }

    fn advance(&mut self) {
        if let Some(observation) = self.trace.get(self.at) {
            self.oracle.observe(observation);
        }
        self.over |= self.at >= self.stop;
        self.at += 1;
    }

    fn steps(&mut self, program: &[Op], body: &mut String, depth: usize) {
        for op in program {
            if self.over {
                return;
            }
            match op {
                Op::Call(call) => {
                    let found = self.next().is_some();
                    self.call(call, body, depth);
                    if found {
                        self.advance();
                    }
                }
                Op::Drain { result, buffer, index, limit, pause_us } => {
                    self.drain(*result, (*buffer, *pause_us), *index, *limit, body, depth);
                }
                Op::Measure => {
                    self.measure(body, depth);
                    if self.next().is_some() {
                        self.advance();
                    }
                }
                Op::Threads(bodies) => self.threads(bodies, body, depth),
                Op::Repeat(times, inner) => self.repeat(*times, inner, body, depth),
                _ => {}
            }
        }
    }

    fn repeat(&mut self, times: u32, inner: &[Op], body: &mut String, depth: usize) {
        let margin = "    ".repeat(depth);
        let measured = inner.contains(&Op::Measure);
        if measured {
            let _ = writeln!(body, "{margin}uint64_t figures[MOST_ROUNDS] = {{0}}, figure = 0;");
            let _ = writeln!(body, "{margin}int rounds = 0;");
            let _ = writeln!(body, "{margin}(void)figures;\n{margin}(void)figure;");
            // As many as growth was confirmed over.
            let _ = writeln!(body, "{margin}for (; rounds < {}; rounds++) {{", times * CONFIRMED);
        } else {
            let _ = writeln!(body, "{margin}for (int time = 0; time < {times}; time++) {{");
        }
        // Later rounds are as the first, so that is the one written; the fault may show in any.
        let stop = std::mem::replace(&mut self.stop, usize::MAX);
        self.steps(inner, body, depth + 1);
        for _ in 1..times {
            self.steps(inner, &mut String::new(), depth + 1);
        }
        self.stop = stop;
        self.over |= self.at > stop;
        if measured {
            let _ = writeln!(body, "{margin}    figures[rounds] = figure;");
        }
        let _ = writeln!(body, "{margin}}}");
    }

    fn measure(&self, body: &mut String, depth: usize) {
        let margin = "    ".repeat(depth);
        if self.fault.kind != Kind::Growth {
            return;
        }
        match self.fault.main().requirement.as_str() {
            "PROC-03" => {
                let _ = writeln!(body, "{margin}figure = open_descriptors();");
            }
            "MEM-05" => {
                let _ = writeln!(body, "{margin}figure = mallinfo2().uordblks + mallinfo2().hblkhd;");
            }
            _ => {}
        }
    }

    fn drain(
        &mut self,
        result: Handle,
        (buffer, pause_us): (i32, u32),
        index: Out,
        limit: u32,
        body: &mut String,
        depth: usize,
    ) {
        let margin = "    ".repeat(depth);
        let job = self.handle("job", result);
        let guard = Guard::After;
        let shown = Call::NextToken {
            result,
            buffer: crate::program::Buffer { guard, ..crate::program::Buffer::of(buffer) },
            index,
            code: Out::Given,
        };
        let what = quote(shown.to_string().as_bytes());
        let pause = if pause_us > 0 { format!("\n{margin}    usleep({pause_us});") } else { String::new() };
        let _ = writeln!(body, "{margin}for (int turn = 0; turn < {limit} && {job}.handle; turn++) {{");
        let _ = writeln!(
            body,
            "{margin}    int before = {job}.given;\n{margin}    call_next({what}, {ANY_TOKEN}, &{job}, 1, {buffer}, turn % 2, {}, 1);",
            given(index)
        );
        let _ = writeln!(body, "{margin}    if ({job}.given == before) break;{pause}\n{margin}}}");
        for _ in 0..limit {
            let of_this = |one: &Observation| matches!(one.call(), Some(Call::NextToken { result: asked, .. }) if *asked == result);
            let Some(true) = self.next().map(of_this) else { return };
            let token =
                self.next().and_then(Observation::returned).is_some_and(|returned| returned.is_true());
            self.advance();
            if !token || self.over {
                return;
            }
        }
    }

    fn threads(&mut self, bodies: &[Vec<Op>], body: &mut String, depth: usize) {
        let margin = "    ".repeat(depth);
        let block = self.number;
        self.number += 1;
        // What a thread may get depends on its own calls; those of the others come in any order.
        let first = self.at;
        let mut end = self.at;
        while self.trace.get(end).is_some_and(|one| one.thread != 0 || !matches!(one.event, Event::Call(_))) {
            end += 1;
        }
        for (thread, steps) in bodies.iter().enumerate() {
            let places: Vec<usize> =
                (first..end).filter(|at| usize::from(self.trace[*at].thread) == thread + 1).collect();
            let own: Vec<Observation> =
                places.iter().map(|at| Observation { thread: 0, ..self.trace[*at].clone() }).collect();
            let stop = places.iter().position(|at| *at == self.stop).unwrap_or(usize::MAX);
            let mut inner = Writer {
                player: self.player,
                oracle: self.player.oracle(),
                trace: &own,
                at: 0,
                stop,
                fault: self.fault,
                statics: std::mem::take(&mut self.statics),
                functions: std::mem::take(&mut self.functions),
                files: std::mem::take(&mut self.files),
                texts: std::mem::take(&mut self.texts),
                figures: self.figures.clone(),
                declared: std::mem::take(&mut self.declared),
                number: self.number,
                over: false,
            };
            self.trace[..first].iter().for_each(|one| inner.oracle.observe(one));
            let mut text = String::new();
            inner.steps(steps, &mut text, 1);
            self.number = inner.number;
            self.statics = inner.statics;
            self.functions = inner.functions;
            self.files = inner.files;
            self.texts = inner.texts;
            self.declared = inner.declared;
            let _ = writeln!(
                self.functions,
                "static void *block{block}_thread{thread}(void *gate) {{\n    pthread_barrier_wait(gate);\n{text}    \
                 return NULL;\n}}\n"
            );
        }
        let count = bodies.len();
        let _ = writeln!(
            body,
            "{margin}{{\n{margin}    pthread_t threads[{count}];\n{margin}    pthread_barrier_t gate;"
        );
        let _ =
            writeln!(body, "{margin}    pthread_barrier_init(&gate, NULL, {count});\n{margin}    quiet = 1;");
        for thread in 0..count {
            let _ = writeln!(
                body,
                "{margin}    pthread_create(&threads[{thread}], NULL, block{block}_thread{thread}, &gate);"
            );
        }
        let _ = writeln!(
            body,
            "{margin}    for (int at = 0; at < {count}; at++) pthread_join(threads[at], NULL);\n{margin}    quiet = 0;\n{margin}}}"
        );
        while self.at < end {
            self.advance();
        }
    }

    /// Declares a variable of a handle and gives its name.
    fn declare(&mut self, kind: &str, slot: Slot) -> String {
        let name = if slot == KEEPER { "keeper".to_owned() } else { format!("{kind}{}", slot.0) };
        if !self.declared.contains(&name) {
            self.declared.push(name.clone());
            let _ = match kind {
                "ctx" => writeln!(self.statics, "static CudaContext *{name};"),
                "model" => writeln!(self.statics, "static CudaModel *{name};"),
                _ => writeln!(self.statics, "static struct job {name};"),
            };
        }
        name
    }

    fn handle(&mut self, kind: &str, handle: Handle) -> String {
        match handle {
            Handle::Slot(slot) => self.declare(kind, slot),
            Handle::Null if kind == "job" => {
                if !self.declared.iter().any(|name| name == "nothing") {
                    self.declared.push("nothing".to_owned());
                    let _ = writeln!(self.statics, "static MAYBE_VARIABLE struct job nothing;");
                }
                "nothing".to_owned()
            }
            Handle::Null => "NULL".to_owned(),
        }
    }

    fn file(&mut self, path: &[u8]) -> String {
        let count = self.files.len();
        self.files.entry(path.to_vec()).or_insert_with(|| format!("FILE_{count}")).clone()
    }

    /// What the contract permits, as the C program's bits and in words.
    fn permit(&mut self, call: &Call) -> (String, String) {
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

    fn call(&mut self, call: &Call, body: &mut String, depth: usize) {
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
    fn shows(&self, requirements: &[&str]) -> bool {
        self.at == self.stop
            && self.fault.findings.iter().any(|finding| requirements.contains(&finding.requirement.as_str()))
    }

    fn reported(&self, name: &str) -> Option<(String, String)> {
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

    fn usage(&mut self, model: Handle, kind: u8, name: &str, what: &str) -> String {
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

    fn process_usage(&mut self, ctx: Handle) -> (String, String) {
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
    fn text(&mut self, call: &Call, model: Handle) -> String {
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
        let context = self.player.facts().models.get(&path).map_or(0, |facts| facts.context_length);
        if std::str::from_utf8(prompt).is_err()
            || !(1..=2048).contains(max_tokens)
            || prompt.len() as u64 + 2 + *max_tokens as u64 > context
        {
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

const ANY_TOKEN: &str = "\"a token, the end, or a code of the function\"";

fn given(out: Out) -> &'static str {
    if out == Out::Given { "1" } else { "0" }
}

/// A call that is made only if there is a handle to make it with.
fn guarded(name: &str, call: &str) -> String {
    if name == "NULL" { call.to_owned() } else { format!("if ({name}) {call}") }
}

fn release(name: &str, kind: u8, what: &str) -> String {
    match name {
        "NULL" => format!("call_void({what}, \"returns\", {kind}, NULL);"),
        _ => format!("if ({name}) call_void({what}, \"returns\", {kind}, {name}), {name} = NULL;"),
    }
}

fn int(value: i32) -> String {
    // The least int has no literal of its own.
    if value == i32::MIN { "(-2147483647 - 1)".to_owned() } else { value.to_string() }
}

fn float(value: f32) -> String {
    if value.is_nan() {
        return "__builtin_nanf(\"\")".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "__builtin_inff()" } else { "-__builtin_inff()" }.to_owned();
    }
    format!("{value:?}f")
}

/// A C string literal. Octal escapes have three digits and end by themselves.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'?' => text.push_str("\\077"),
            0x20..0x7f => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\{other:03o}");
            }
        }
    }
    text.push('"');
    text
}
