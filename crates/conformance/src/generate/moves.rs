//! The steps that a generated conversation may take from where it stands, and how often each is drawn.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use super::sketch::{MODEL, REFUSED, Sketch};
use crate::oracle::AMPLE;
use crate::program::{Buffer, Call, Device, Guard, Handle, Op, Out, Program, Slot, Text};

/// How many of those a program draws from.
const REFUSED_DRAWN: usize = 12;

/// Prompts: few, so that jobs meet again.
const PROMPTS: [&[u8]; 11] = [
    b"Hello, world",
    b"a",
    "Zürich, 東京 \u{1F642}".as_bytes(),
    b"\x01 tab\t line\n",
    b"<s>[INST] markup </s>",
    "שלום عليكم".as_bytes(),
    b"The quick brown fox jumps over the lazy dog, again and again.",
    b"",
    b"\xff\xfe",
    b"cut \xe6\x97",
    b"\xed\xa0\x80 half a pair",
];
/// Temperatures above 0 with their seeds: few as well.
const SAMPLED: [(f32, u64); 4] = [(0.7, 1), (1.5, (1 << 32) + 7), (2.0, u64::MAX), (1e-30, 0)];
/// Seeds at temperature 0, where they do not matter.
const SEEDS: [u64; 6] = [1, 0, 2, 41, 1 << 32, u64::MAX];

type Drawn = BoxedStrategy<Op>;

/// All steps that are open in this state, weighted so that most programs go deep.
pub fn from(sketch: &Sketch) -> Drawn {
    let mut open: Vec<(u32, Drawn)> = anytime(sketch);
    if sketch.contexts.len() < 3 {
        let weight = [60, 3, 1][sketch.contexts.len()];
        open.push((weight, init(sketch.next, Just(Device::Id(0)).boxed())));
    }
    if !sketch.contexts.is_empty() {
        open.extend(with_contexts(sketch));
    }
    if !sketch.models.is_empty() {
        open.extend(with_models(sketch));
    }
    if !sketch.jobs.is_empty() {
        open.extend(with_jobs(sketch));
    }
    Union::new_weighted(open).boxed()
}

fn call(call: impl Strategy<Value = Call> + 'static) -> Drawn {
    call.prop_map(Op::Call).boxed()
}

/// Out-parameters are passed, most of the time.
fn out() -> impl Strategy<Value = Out> {
    prop_oneof![24 => Just(Out::Given), 1 => Just(Out::Null)]
}

fn init(next: u32, device: BoxedStrategy<Device>) -> Drawn {
    call((device, out()).prop_map(move |(device, code)| Call::Init { bind: Slot(next), device, code }))
}

fn anytime(sketch: &Sketch) -> Vec<(u32, Drawn)> {
    let devices = vec![
        Device::Count(0),
        Device::Count(-1),
        Device::Count(1),
        Device::Id(-1),
        Device::Id(i32::MAX),
        Device::Id(i32::MIN),
    ];
    let codes = prop_oneof![0..=10_i32, select(vec![99, -1, 98, 100, 250, 1000, i32::MIN, i32::MAX])];
    let mut open = vec![
        (1, init(sketch.next, select(devices).boxed())),
        (1, call(Just(Call::DeviceCount))),
        (1, call(codes.prop_map(|code| Call::ErrorMessage { code }))),
        (2, with_null(sketch.next)),
    ];
    open.push((1, threads(sketch)));
    open.push((2, again(sketch)));
    open.push((1, Just(Op::Repeat(1, all_messages())).boxed()));
    open
}

/// The messages of the ten codes, and of some that are none.
fn all_messages() -> Program {
    let codes = (0..=9).chain([99, -1, 250, i32::MIN]);
    codes.map(|code| Op::Call(Call::ErrorMessage { code })).collect()
}

/// One call several times over: what goes wrong may do so the third time only.
fn again(sketch: &Sketch) -> Drawn {
    let mut calls =
        questions(&sketch.contexts, &sketch.models.iter().map(|(model, _)| *model).collect::<Vec<_>>());
    let null = Handle::Null;
    calls.extend([
        Call::Destroy { ctx: null },
        Call::UnloadModel { model: null },
        Call::Free { result: null },
    ]);
    let (code, index) = (Out::Given, Out::Given);
    for (job, _) in &sketch.jobs {
        let result = Handle::Slot(*job);
        calls.push(Call::NextToken { result, buffer: Buffer::of(AMPLE), index, code });
        calls.push(Call::NextToken { result, buffer: Buffer::of(0), index, code });
    }
    let refused = |model| Call::Start {
        bind: Slot(sketch.next),
        model,
        prompt: Text::new(PROMPTS[0]),
        max_tokens: 0,
        temperature: 0.0,
        seed: 1,
        code,
    };
    calls.extend(sketch.models.iter().map(|(model, _)| refused(Handle::Slot(*model))));
    (2..=5_u32, select(calls)).prop_map(|(times, call)| Op::Repeat(times, vec![Op::Call(call)])).boxed()
}

/// Calls with NULL where a handle belongs, alone and with other arguments that are wrong too.
fn with_null(next: u32) -> Drawn {
    let null = Handle::Null;
    let buffer = Buffer::of(AMPLE);
    let bind = Slot(next);
    let prompt = Text::new(PROMPTS[0]);
    let calls = (out(), any::<bool>()).prop_flat_map(move |(code, both)| {
        let way = if both { Out::Null } else { Out::Given };
        let text = |bytes: &Text| if both { Text::Null } else { bytes.clone() };
        let path = Text::Bytes([MODEL, b"0"].concat());
        select(vec![
            Call::Destroy { ctx: null },
            Call::UnloadModel { model: null },
            Call::Free { result: null },
            Call::LoadModel { bind, ctx: null, path: text(&path), vram: way, code },
            Call::Start {
                bind,
                model: null,
                prompt: text(&prompt),
                max_tokens: 4,
                temperature: 0.0,
                seed: 1,
                code,
            },
            Call::NextToken { result: null, buffer: Buffer { pointer: way, ..buffer }, index: way, code },
            Call::ModelVramUsage { model: null },
            Call::VramUsage { model: null },
            Call::ProcessVramUsage { ctx: null },
            Call::CheckHealth { ctx: null, code },
            Call::CheckResidency { model: null, code },
        ])
    });
    call(calls)
}

fn good_path() -> impl Strategy<Value = Text> {
    prop_oneof![3 => Just(b'0'), 1 => Just(b'1')].prop_map(|digit| Text::Bytes([MODEL, &[digit]].concat()))
}

fn with_contexts(sketch: &Sketch) -> Vec<(u32, Drawn)> {
    let bind = Slot(sketch.next);
    let ctx = || select(sketch.contexts.clone()).prop_map(Handle::Slot);
    let load = (ctx(), good_path(), out()).prop_map(move |(ctx, path, code)| Call::LoadModel {
        bind,
        ctx,
        path,
        vram: Out::Given,
        code,
    });
    let refused = (ctx(), 0..REFUSED_DRAWN, out()).prop_map(move |(ctx, which, code)| {
        let path = Text::Bytes([REFUSED, which.to_string().as_bytes()].concat());
        Call::LoadModel { bind, ctx, path, vram: Out::Given, code }
    });
    let nulls = (ctx(), good_path(), out(), any::<bool>()).prop_map(move |(ctx, path, code, which)| {
        let (path, vram) = if which { (Text::Null, Out::Given) } else { (path, Out::Null) };
        Call::LoadModel { bind, ctx, path, vram, code }
    });
    let loading = match sketch.models.len() {
        0 => 50,
        1 => 4,
        2 | 3 => 1,
        _ => 0,
    };
    let mut open = vec![
        (3, call(refused)),
        (1, call(nulls)),
        (2, call((ctx(), out()).prop_map(|(ctx, code)| Call::CheckHealth { ctx, code }))),
        (3, call(ctx().prop_map(|ctx| Call::ProcessVramUsage { ctx }))),
    ];
    if loading > 0 {
        open.push((loading, call(load)));
    }
    let empty: Vec<Slot> =
        sketch.contexts.iter().copied().filter(|ctx| sketch.models_of(*ctx) == 0).collect();
    if !empty.is_empty() && sketch.next > 1 {
        open.push((1, call(select(empty).prop_map(|ctx| Call::Destroy { ctx: Handle::Slot(ctx) }))));
    }
    open
}

fn prompt() -> impl Strategy<Value = Text> {
    prop_oneof![
        10 => Just(0_usize),
        6 => Just(1),
        3 => Just(2),
        6 => 3..PROMPTS.len(),
    ]
    .prop_map(|which| Text::new(PROMPTS[which]))
}

fn choice() -> impl Strategy<Value = (f32, u64)> {
    prop_oneof![
        8 => select(&SEEDS[..]).prop_map(|seed| (0.0, seed)),
        1 => select(&SEEDS[..]).prop_map(|seed| (-0.0, seed)),
        6 => select(&SAMPLED[..]),
    ]
}

fn with_models(sketch: &Sketch) -> Vec<(u32, Drawn)> {
    let bind = Slot(sketch.next);
    let models: Vec<Slot> = sketch.models.iter().map(|(model, _)| *model).collect();
    let model = || select(models.clone()).prop_map(Handle::Slot);
    let count = prop_oneof![
        12 => 1..=12_i32,
        5 => 13..=32_i32,
        2 => select(vec![48, 64, 160]),
        1 => select(vec![2047, 2048]),
    ];
    let start = |count: BoxedStrategy<i32>, choice: BoxedStrategy<(f32, u64)>| {
        call((model(), prompt(), count, choice, out()).prop_map(
            move |(model, prompt, max_tokens, (temperature, seed), code)| Call::Start {
                bind,
                model,
                prompt,
                max_tokens,
                temperature,
                seed,
                code,
            },
        ))
    };
    let bad_counts = select(vec![0, -1, 2049, i32::MAX, i32::MIN]).boxed();
    let bad_temperatures =
        select(vec![-1e-12, -1.0, 2.000_000_2, f32::NAN, f32::INFINITY, f32::NEG_INFINITY])
            .prop_map(|temperature| (temperature, 1))
            .boxed();
    let no_prompt = (model(), out()).prop_map(move |(model, code)| Call::Start {
        bind,
        model,
        prompt: Text::Null,
        max_tokens: 4,
        temperature: 0.0,
        seed: 1,
        code,
    });
    let long = (model(), out()).prop_map(move |(model, code)| Call::Start {
        bind,
        model,
        prompt: Text::new(PROMPTS[0].repeat(400)),
        max_tokens: 4,
        temperature: 0.0,
        seed: 1,
        code,
    });
    let mut open = vec![
        (2, start(bad_counts, choice().boxed())),
        (2, start((1..9_i32).boxed(), bad_temperatures)),
        (1, call(no_prompt)),
        (1, call(long)),
        (2, call((model(), out()).prop_map(|(model, code)| Call::CheckResidency { model, code }))),
        (3, call(model().prop_map(|model| Call::ModelVramUsage { model }))),
        (3, call(model().prop_map(|model| Call::VramUsage { model }))),
    ];
    if sketch.jobs.len() < 5 {
        let weight = [40, 9, 5, 3, 2][sketch.jobs.len()];
        open.push((weight, start(count.boxed(), choice().boxed())));
    }
    let idle: Vec<Slot> = models.iter().copied().filter(|model| sketch.jobs_of(*model) == 0).collect();
    if !idle.is_empty() {
        open.push((3, call(select(idle).prop_map(|model| Call::UnloadModel { model: Handle::Slot(model) }))));
    }
    open
}

fn with_jobs(sketch: &Sketch) -> Vec<(u32, Drawn)> {
    let jobs: Vec<Slot> = sketch.jobs.iter().map(|(job, _)| *job).collect();
    let job = || select(jobs.clone()).prop_map(Handle::Slot);
    let guard = prop_oneof![Just(Guard::After), Just(Guard::Before)];
    let next = (job(), guard, out(), out()).prop_map(|(result, guard, index, code)| Call::NextToken {
        result,
        buffer: Buffer { guard, ..Buffer::of(AMPLE) },
        index,
        code,
    });
    let tight = (job(), prop_oneof![1..=8_i32, select(vec![16, 64, 256, 4096, 65536])], out()).prop_map(
        |(result, size, index)| Call::NextToken { result, buffer: Buffer::of(size), index, code: Out::Given },
    );
    let bad = (job(), select(vec![0, -1, i32::MIN, AMPLE]), prop_oneof![6 => out(), 1 => Just(Out::Null)])
        .prop_map(|(result, size, code)| {
            let pointer = if size == AMPLE { Out::Null } else { Out::Given };
            let buffer = Buffer { pointer, ..Buffer::of(size) };
            // Without a code, without anything.
            Call::NextToken { result, buffer, index: if size == AMPLE { code } else { Out::Given }, code }
        });
    let limit = prop_oneof![20 => 1..=6_u32, 8 => 7..=16_u32, 3 => 17..=40_u32, 1 => 41..=165_u32];
    let pause = prop_oneof![60 => Just(0_u32), 1 => Just(2500)];
    let drain = (job(), limit, out(), pause).prop_map(|(result, limit, index, pause_us)| {
        let limit = if pause_us > 0 { limit.min(6) } else { limit };
        Op::Drain { result, buffer: AMPLE, index, limit, pause_us }
    });
    vec![
        (14, call(next)),
        (5, call(tight)),
        (3, call(bad)),
        (12, drain.boxed()),
        (7, call(job().prop_map(|result| Call::Free { result }))),
    ]
}

/// Threads as far as the contract allows them: whole lives of their own (THR-03), or questions about what there is
/// (THR-01, THR-02).
fn threads(sketch: &Sketch) -> Drawn {
    let own = (Just(2_u32), choice(), 1..=12_i32).prop_map({
        let next = sketch.next;
        move |(count, (temperature, seed), tokens)| {
            Op::Threads((0..count).map(|at| life(next + 3 * at, temperature, seed, tokens)).collect())
        }
    });
    let models: Vec<Slot> = sketch.models.iter().map(|(model, _)| *model).collect();
    let questions = questions(&sketch.contexts, &models);
    let reading = (2..=4_usize, proptest::collection::vec(select(questions), 1..=4))
        .prop_map(|(count, body)| Op::Threads(vec![body.into_iter().map(Op::Call).collect(); count]));
    prop_oneof![1 => own, 2 => reading].boxed()
}

fn questions(contexts: &[Slot], models: &[Slot]) -> Vec<Call> {
    let code = Out::Given;
    let mut calls = vec![Call::DeviceCount, Call::ErrorMessage { code: 5 }, Call::ErrorMessage { code: -7 }];
    for ctx in contexts.iter().map(|slot| Handle::Slot(*slot)) {
        calls.extend([Call::ProcessVramUsage { ctx }, Call::CheckHealth { ctx, code }]);
    }
    for model in models.iter().map(|slot| Handle::Slot(*slot)) {
        calls.extend([
            Call::ModelVramUsage { model },
            Call::VramUsage { model },
            Call::CheckResidency { model, code },
        ]);
    }
    calls
}

/// A context, a model and a job from beginning to end.
fn life(first: u32, temperature: f32, seed: u64, tokens: i32) -> Program {
    let [ctx, model, job] = [0, 1, 2].map(|at| Slot(first + at));
    let code = Out::Given;
    let path = Text::Bytes([MODEL, b"0"].concat());
    let prompt = Text::new(PROMPTS[0]);
    vec![
        Op::Call(Call::Init { bind: ctx, device: Device::Id(0), code }),
        Op::Call(Call::LoadModel { bind: model, ctx: Handle::Slot(ctx), path, vram: Out::Given, code }),
        Op::Call(Call::Start {
            bind: job,
            model: Handle::Slot(model),
            prompt,
            max_tokens: tokens,
            temperature,
            seed,
            code,
        }),
        Op::Drain {
            result: Handle::Slot(job),
            buffer: AMPLE,
            index: Out::Given,
            limit: tokens as u32 + 1,
            pause_us: 0,
        },
        Op::Call(Call::Free { result: Handle::Slot(job) }),
        Op::Call(Call::UnloadModel { model: Handle::Slot(model) }),
        Op::Call(Call::Destroy { ctx: Handle::Slot(ctx) }),
    ]
}
