//! Rounds, drains, threads and measurements in C.

use std::fmt::Write as _;

use super::Writer;
use super::literal::{ANY_TOKEN, given, quote};
use crate::fuzz::judge::{CONFIRMED, Kind};
use crate::program::{Call, Guard, Handle, Op, Out};
use crate::trace::{Event, Observation};

impl Writer<'_> {
    pub(super) fn repeat(&mut self, times: u32, inner: &[Op], body: &mut String, depth: usize) {
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

    pub(super) fn measure(&self, body: &mut String, depth: usize) {
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

    pub(super) fn drain(
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

    pub(super) fn threads(&mut self, bodies: &[Vec<Op>], body: &mut String, depth: usize) {
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
}
