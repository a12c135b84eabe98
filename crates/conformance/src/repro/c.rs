//! A failing program as a C program of its own: the contract's headers, a library by path or linked, and exit status 1
//! when the fault shows.

mod calls;
mod flow;
mod literal;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use literal::quote;

use super::About;
use crate::fuzz::judge::{Fault, Kind, Player, is_in_rounds};
use crate::generate::KEEPER;
use crate::oracle::Oracle;
use crate::oracle::reference::Key;
use crate::program::{Handle, Op, Slot};
use crate::trace::{Event, Observation};
use literal::float;

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
}
