//! What a step can be replaced by: the same with plainer arguments, the plainest first.

use crate::program::{Buffer, Call, Device, Guard, Handle, Op, Out, Text};

/// Tokens that a job is asked for one by one, so that each call can be dropped alone.
const FEW: u32 = 6;
const PLAIN_PROMPT: &[u8] = b"a";
const PLAIN_BUFFER: i32 = 1024;

/// Simpler steps in the place of one.
pub fn of(op: &Op) -> Vec<Vec<Op>> {
    match op {
        Op::Call(call) => calls(call).into_iter().map(|call| vec![Op::Call(call)]).collect(),
        Op::Drain { result, buffer, index, limit, pause_us } => {
            let drain = |index, limit, pause_us| {
                vec![Op::Drain { result: *result, buffer: *buffer, index, limit, pause_us }]
            };
            let mut options = Vec::new();
            for fewer in [*limit / 4, *limit / 2, limit.saturating_sub(1)] {
                if fewer > 0 && fewer < *limit {
                    options.push(drain(*index, fewer, *pause_us));
                }
            }
            if *pause_us > 0 {
                options.push(drain(*index, *limit, 0));
            }
            if *index == Out::Null {
                options.push(drain(Out::Given, *limit, *pause_us));
            }
            if *limit <= FEW && *pause_us == 0 {
                // As Drain makes them: the guard page changes sides.
                let next = |turn: u32| {
                    let guard = if turn.is_multiple_of(2) { Guard::After } else { Guard::Before };
                    let buffer = Buffer { guard, ..Buffer::of(*buffer) };
                    Op::Call(Call::NextToken { result: *result, buffer, index: *index, code: Out::Given })
                };
                options.push((0..*limit).map(next).collect());
            }
            options
        }
        Op::Threads(bodies) => {
            let reversed: Vec<Vec<Op>> = bodies.iter().rev().cloned().collect();
            let mut options: Vec<Vec<Op>> = vec![bodies.concat(), reversed.concat()];
            for at in 0..bodies.len() {
                let mut fewer = bodies.clone();
                fewer.remove(at);
                options.push(if fewer.len() == 1 { fewer.concat() } else { vec![Op::Threads(fewer)] });
            }
            options
        }
        // Growth takes its number of rounds to be told from noise.
        Op::Repeat(_, body) if body.contains(&Op::Measure) => Vec::new(),
        Op::Repeat(times, body) => {
            let mut options = vec![body.clone()];
            if *times as usize * body.len() <= FEW as usize {
                options.push(std::iter::repeat_n(body.clone(), *times as usize).flatten().collect());
            }
            for fewer in [*times / 2, times.saturating_sub(1)] {
                if fewer > 1 && fewer < *times {
                    options.push(vec![Op::Repeat(fewer, body.clone())]);
                }
            }
            options
        }
        _ => Vec::new(),
    }
}

fn calls(call: &Call) -> Vec<Call> {
    let mut options = Vec::new();
    let mut with = |change: &dyn Fn(&mut Call)| {
        let mut simpler = call.clone();
        change(&mut simpler);
        // Bits, not values: -0.0 and 0.0 are two arguments, and NaN is itself.
        if format!("{simpler:?}") != format!("{call:?}") {
            options.push(simpler);
        }
    };
    with(&|call| {
        if let Call::Init { device, .. } = call {
            *device = Device::Id(0);
        }
    });
    with(&|call| {
        if let Call::Start { model, prompt, .. } = call
            && (*prompt != Text::Null || *model == Handle::Null)
        {
            *prompt = Text::new(PLAIN_PROMPT);
        }
    });
    // Of several NULLs, one is enough.
    with(&|call| {
        if let Call::LoadModel { path, .. } = call
            && *path == Text::Null
        {
            *path = Text::new(PLAIN_PROMPT);
        }
    });
    with(&|call| {
        if let Call::LoadModel { vram, .. } = call {
            *vram = Out::Given;
        }
    });
    with(&|call| {
        if let Call::NextToken { buffer, .. } = call {
            buffer.pointer = Out::Given;
        }
    });
    for plain in [1, 2, 4, 16] {
        with(&|call| {
            if let Call::Start { max_tokens, .. } = call
                && *max_tokens > plain
            {
                *max_tokens = plain;
            }
        });
    }
    with(&|call| {
        if let Call::Start { temperature, .. } = call {
            *temperature = 0.0;
        }
    });
    with(&|call| {
        if let Call::Start { seed, temperature, .. } = call
            && *temperature == 0.0
        {
            *seed = 1;
        }
    });
    with(&|call| {
        if let Call::NextToken { buffer, .. } = call
            && buffer.size != PLAIN_BUFFER
        {
            *buffer = Buffer { size: PLAIN_BUFFER, ..*buffer };
        }
    });
    with(&|call| {
        if let Call::NextToken { buffer, .. } = call {
            buffer.guard = Guard::After;
        }
    });
    with(&|call| {
        if let Call::NextToken { index, .. } = call {
            *index = Out::Given;
        }
    });
    with(&|call| match call {
        Call::Init { code, .. }
        | Call::LoadModel { code, .. }
        | Call::Start { code, .. }
        | Call::NextToken { code, .. }
        | Call::CheckResidency { code, .. }
        | Call::CheckHealth { code, .. } => *code = Out::Given,
        _ => {}
    });
    options
}
