//! Rounds of one cycle, and whether something grows over them: leaks are judged by slope, after a warm-up.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cucumber::{then, when};

use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::program::{Call, Device, FileAction, Handle, Op, Out, Slot, Text};
use crate::setting::bytes;
use crate::trace::{Event, Observation, Outcome};

/// Host memory that may come and go over the judged rounds, in bytes: the allocator's own bookkeeping.
pub const HOST_NOISE: u64 = 256;
/// The same for resident memory, which is counted in pages and shows leaks of allocators other than the C library's.
const RESIDENT_NOISE: u64 = 256 << 10;

/// What is collected, or ends by the clock, has had its time after so many microseconds.
pub const A_WHILE: u32 = 1_000_000;

#[when(regex = r#"^the host runs (\d+) rounds of: (.+)$"#)]
async fn rounds(conversation: &mut Conversation, count: u32, cycle: String) -> Result<(), String> {
    let step = run_rounds(conversation, count, &cycle).await;
    report(conversation, step)
}

#[then(
    regex = r"^(process VRAM usage|model VRAM usage|host memory|the number of open descriptors) does not grow(?: \[([A-Z0-9]+-\d+)\])?$"
)]
async fn does_not_grow(
    conversation: &mut Conversation,
    what: String,
    requirement: String,
) -> Result<(), String> {
    let step = judge_growth(conversation, &what, named(&requirement));
    report(conversation, step)
}

/// Malformed models that a reader gives up at different points of its work.
const REFUSED: [&str; 11] = [
    "wrong-magic-ggml",
    "ends-in-the-metadata",
    "ends-in-the-tensors",
    "ends-half-way",
    "ends-one-byte-early",
    "without-output-norm",
    "without-blk-1-attn-q",
    "shape-of-half-rows",
    "tensor-type-999",
    "rows-of-a-quarter-block",
    "merge-of-unknown-tokens",
];

/// What is measured after each round.
const PROCESS: &str = "process VRAM usage";
const MODEL: &str = "model VRAM usage";
pub const HOST: &str = "host memory";
const RESIDENT: &str = "resident memory";
const ADDRESSES: &str = "address space";
pub const DESCRIPTORS: &str = "the number of open descriptors";

async fn run_rounds(conversation: &mut Conversation, count: u32, cycle: &str) -> Step {
    let setting = conversation.setting()?;
    let broken = |error: &dyn std::fmt::Display| Stop::Broken(error.to_string());
    let mut refused = vec![b"/there/is/no/such/file.gguf".to_vec(), bytes(&setting.scratch), Vec::new()];
    for name in REFUSED {
        refused.push(bytes(&setting.store.malformed_path(name).map_err(|error| broken(&error))?));
    }
    refused.extend(setting.huge().map_err(|error| broken(&error))?.map(|huge| bytes(&huge)));
    let path = match &conversation.model_file {
        Some(path) => bytes(path),
        None => setting.model().map(|model| bytes(&model.path)).unwrap_or_default(),
    };
    // The context that the figures are asked of outlives the rounds.
    if conversation.named(Kind::Context, "context").is_none() {
        super::givens::open_context(conversation, "context", "0").await?;
    }
    let keeper = conversation.need(Kind::Context, "context")?;
    let model = conversation.named(Kind::Model, "model");
    let slots = [(); 3].map(|()| conversation.fresh_slot());
    let too_long = setting.model().map_or(0, |model| model.facts.context_length).saturating_add(16);
    let fault = conversation.fault_file.clone();
    let second = conversation.named(Kind::Model, "second");
    let stage = Stage {
        keeper,
        model,
        second,
        slots,
        path,
        refused,
        prompt: setting.prompt,
        buffer: setting.facts.ample,
        too_long,
        fault,
    };
    let mut body = Vec::new();
    for part in cycle.split(',').map(str::trim) {
        let calls = part_of_cycle(part, &stage)?;
        // Others ask for more than the context has room for on purpose.
        if long_prompt(part).is_some() {
            let starts =
                calls.iter().filter_map(|op| if let Op::Call(call) = op { Some(call) } else { None });
            starts
                .filter(|call| matches!(call, Call::Start { .. }))
                .try_for_each(|start| conversation.need_room(start))?;
        }
        body.extend(calls);
    }
    body.push(Op::Call(Call::ProcessVramUsage { ctx: keeper }));
    if let Some(model) = model {
        body.push(Op::Call(Call::VramUsage { model }));
    }
    body.push(Op::Measure);
    let rounds = Rounds { program: vec![Op::Repeat(count, body)], count, cycle, keeper, model };
    conversation.series = settled(conversation, &rounds, setting.profile.tolerance.vram_bytes).await?;
    cycle.clone_into(&mut conversation.cycle);
    Ok(())
}

/// Rounds that may be run again.
struct Rounds<'a> {
    program: Vec<Op>,
    count: u32,
    /// In the words of the scenario.
    cycle: &'a str,
    /// The context and the model that outlive them.
    keeper: Handle,
    model: Option<Handle>,
}

/// Runs the rounds, and again where a figure seems to move: only what moves for sure does so in what this returns.
async fn settled(
    conversation: &mut Conversation,
    rounds: &Rounds<'_>,
    tolerance: u64,
) -> Result<Series, Stop> {
    let began = Instant::now();
    let mut series = measure_rounds(conversation, rounds).await?;
    let mut took = began.elapsed();
    let way = |what: &str, figures: &[u64]| trend(what, figures, tolerance).map(|(way, _)| way);
    // What seems to grow or fall has to do so again, and once more: noise that happens to rise, or what other processes do
    // on the device, does not.
    for times in 2..=3 {
        if !series.iter().any(|(what, figures)| what != ADDRESSES && way(what, figures).is_some()) {
            break;
        }
        let again = measure_rounds(conversation, rounds).await?;
        took = began.elapsed() / times;
        for (what, figures) in again {
            match (series.get(&what).and_then(|first| way(&what, first)), way(&what, &figures)) {
                (None, _) => {}
                (first, second) if first == second => {}
                (_, None) => drop(series.insert(what, figures)),
                // Another way than before is none.
                (_, Some(_)) => drop(series.insert(what, Vec::new())),
            }
        }
    }
    let falls = |what: &str, figures: &[u64]| way(what, figures) == Some("fall");
    if series.iter().any(|(what, figures)| falls(what, figures)) {
        // What falls without any round as well is given back by the clock.
        let idle = watch_idle(conversation, rounds, took).await?;
        for (what, figures) in idle.into_iter().filter(|(what, figures)| falls(what, figures)) {
            series.insert(what.to_owned(), figures[..1].to_vec());
        }
    }
    if series.iter().any(|(what, figures)| falls(what, figures)) {
        // The clock may have been done before it was watched; rounds that take something go on, unless nothing is left.
        let last = measure_rounds(conversation, rounds).await?;
        for (what, figures) in last {
            let done = !falls(&what, &figures) && figures.last().is_some_and(|left| *left > 0);
            if done && series.get(&what).is_some_and(|figures| falls(&what, figures)) {
                series.insert(what, figures);
            }
        }
    }
    let moves = |what: &&str| way(what, series.get(*what).map_or(&[][..], Vec::as_slice)).is_some();
    let moving: Vec<&str> = [HOST, DESCRIPTORS].into_iter().filter(moves).collect();
    if !moving.is_empty() {
        // What is collected or reclaimed from time to time, or held by threads that end later, grows for a while as well.
        let longer = go_on(conversation, rounds, Longer { times: 12, time: Duration::from_secs(5) }).await?;
        let rested = conversation.run(vec![Op::Rest(A_WHILE), Op::Measure]).await?;
        for what in moving {
            let in_rounds = longer.iter().filter_map(|series| series.get(what)).flatten().copied();
            let figures: Vec<u64> = in_rounds.chain(measured(&rested, what)).collect();
            if is_given_back(&figures) {
                series.insert(what.to_owned(), Vec::new());
                if what == HOST {
                    // Pages follow the heap.
                    series.insert(RESIDENT.to_owned(), Vec::new());
                }
            }
        }
    }
    let of = |what: &str| series.get(what).map_or(&[][..], Vec::as_slice);
    if way(RESIDENT, of(RESIDENT)).is_some() && !keeps_pace(of(ADDRESSES), of(RESIDENT)) {
        let long = Longer { times: 60, time: Duration::from_secs(30) };
        let longer = go_on(conversation, rounds, long).await?;
        let last = longer.iter().filter_map(|series| series.get(RESIDENT)?.last().copied());
        series.insert(RESIDENT.to_owned(), last.collect());
    }
    Ok(series)
}

/// The usage figures as often as the rounds ask for them, over as much time as they took, without any round.
async fn watch_idle(
    conversation: &mut Conversation,
    rounds: &Rounds<'_>,
    took: Duration,
) -> Result<HashMap<&'static str, Vec<u64>>, Stop> {
    let mut trace = Vec::new();
    for _ in 0..rounds.count {
        let mut ask = vec![Op::Call(Call::ProcessVramUsage { ctx: rounds.keeper })];
        ask.extend(rounds.model.map(|model| Op::Call(Call::VramUsage { model })));
        trace.extend(conversation.run(ask).await?);
        let pause = took / rounds.count.max(1);
        let slept = tokio::task::spawn_blocking(move || std::thread::sleep(pause)).await;
        slept.map_err(|error| Stop::Broken(error.to_string()))?;
    }
    Ok(HashMap::from([
        (PROCESS, usage(&trace, |call| matches!(call, Call::ProcessVramUsage { .. }))),
        (MODEL, usage(&trace, |call| matches!(call, Call::VramUsage { .. }))),
    ]))
}

/// How often rounds are run once more, and for how long.
struct Longer {
    times: usize,
    time: Duration,
}

/// Many times as many rounds, the figures of each time: the pages of a pool that was taken once may be touched
/// one after another, but that ends with the pool.
async fn go_on(
    conversation: &mut Conversation,
    rounds: &Rounds<'_>,
    long: Longer,
) -> Result<Vec<Series>, Stop> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < long.times && (began.elapsed() < long.time || times.len() < 6) {
        let figures = measure_rounds(conversation, rounds).await?;
        if figures.is_empty() {
            break;
        }
        times.push(figures);
    }
    Ok(times)
}

/// Whether what grew in rounds is given back: collected between them, or by the clock in the rest before the last figure.
pub fn is_given_back(figures: &[u64]) -> bool {
    let (Some(least), Some(most)) = (figures.iter().min(), figures.iter().max()) else { return false };
    falls_back(figures)
        || (least < most && figures.last().is_some_and(|last| *last <= least + (most - least) / 4))
}

/// Whether a figure falls at once from above the middle of its range to the lowest quarter, as garbage does that is
/// collected from time to time. A leak does not.
fn falls_back(figures: &[u64]) -> bool {
    let (Some(least), Some(most)) = (figures.iter().min(), figures.iter().max()) else { return false };
    let range = most - least;
    let (middle, low) = (least + range / 2, least + range / 4);
    figures.windows(2).any(|pair| pair[0] > middle && pair[1] <= low)
}

/// Figures round by round, by what they measure.
type Series = HashMap<String, Vec<u64>>;

async fn measure_rounds(conversation: &mut Conversation, rounds: &Rounds<'_>) -> Result<Series, Stop> {
    let trace = conversation.run(rounds.program.clone()).await?;
    if conversation.died {
        let end = trace.last().map(|last| format!("{}: {}", last.event, last.outcome)).unwrap_or_default();
        return Err(Stop::Blocked(end));
    }
    conversation.odd = gives_out(&trace, &conversation.refused);
    if conversation.odd.is_some() {
        return Ok(HashMap::new());
    }
    // What the library may refuse gives no handle to release: a second job, say, and a doubtful file that it may load.
    let optional = !conversation.refused.is_empty()
        || ["fault", "refused loads of every kind"].iter().any(|part| rounds.cycle.contains(part));
    let skipped = |observation: &&Observation| matches!(observation.outcome, Outcome::Skipped(_));
    if let Some(skipped) = trace.iter().find(skipped).filter(|_| !optional) {
        return Err(Stop::Blocked(format!("{}: {}", skipped.event, skipped.outcome)));
    }
    Ok(HashMap::from([
        (PROCESS.to_owned(), usage(&trace, |call| matches!(call, Call::ProcessVramUsage { .. }))),
        (MODEL.to_owned(), usage(&trace, |call| matches!(call, Call::VramUsage { .. }))),
        (HOST.to_owned(), measured(&trace, HOST)),
        (RESIDENT.to_owned(), measured(&trace, RESIDENT)),
        (ADDRESSES.to_owned(), measured(&trace, ADDRESSES)),
        (DESCRIPTORS.to_owned(), measured(&trace, DESCRIPTORS)),
    ]))
}

/// One of the figures of the process, wherever it was measured.
pub fn measured(trace: &[Observation], what: &str) -> Vec<u64> {
    let figures = trace.iter().filter_map(|observation| match &observation.outcome {
        Outcome::Measured(measured) => Some(match what {
            HOST => measured.heap,
            RESIDENT => measured.resident,
            ADDRESSES => measured.address_space,
            _ => measured.descriptors.len() as u64,
        }),
        _ => None,
    });
    figures.collect()
}

/// A call that worked in the first round and does not in a later one, though the library has no choice.
fn gives_out(trace: &[Observation], refused: &HashSet<usize>) -> Option<(String, String)> {
    let mut worked: Vec<&Call> = Vec::new();
    for (at, observation) in trace.iter().enumerate() {
        let (Some(call), Some(returned)) = (observation.call(), observation.returned()) else { continue };
        if call.bind().is_none() {
            continue;
        }
        if returned.handle().is_some() {
            if !worked.contains(&call) {
                worked.push(call);
            }
        } else if worked.contains(&call) && !refused.contains(&at) {
            let call = format!("{call}, in a later round");
            return Some((call, observation.outcome.to_string()));
        }
    }
    None
}

/// What a figure may differ by without growing.
fn noise(what: &str, tolerance: u64) -> u64 {
    match what {
        PROCESS | MODEL => tolerance,
        HOST => HOST_NOISE,
        RESIDENT => RESIDENT_NOISE,
        _ => 0,
    }
}

pub(super) fn usage(trace: &[Observation], wanted: impl Fn(&Call) -> bool) -> Vec<u64> {
    trace
        .iter()
        .filter(|observation| matches!(&observation.event, Event::Call(call) if wanted(call)))
        .filter_map(|observation| observation.returned()?.bytes())
        .collect()
}

/// What the parts of a cycle work with.
struct Stage {
    /// The context that outlives the rounds.
    keeper: Handle,
    /// The model that outlives them, if there is one.
    model: Option<Handle>,
    /// Another one, if the scenario has it.
    second: Option<Handle>,
    /// For a context, a model and a job of one round.
    slots: [Slot; 3],
    /// A good model.
    path: Vec<u8>,
    /// Paths of what is refused.
    refused: Vec<Vec<u8>>,
    prompt: &'static str,
    /// Bytes of a buffer that any text fits.
    buffer: i32,
    /// Tokens that do not fit the context.
    too_long: u64,
    /// The file of the scenario's fault, and what it holds with the fault and without.
    fault: Option<(PathBuf, String, String)>,
}

/// The prompt that a part of a cycle names by its length in letters, most of which are tokens: no word is made of them.
fn long_prompt(part: &str) -> Option<String> {
    let count = part.strip_prefix("job with a prompt of ")?.strip_suffix(" letters")?.parse().ok()?;
    Some(super::prompts::letters(count).split(' ').collect())
}

/// The calls of one named part of a cycle.
fn part_of_cycle(part: &str, stage: &Stage) -> Result<Vec<Op>, Stop> {
    let Stage { keeper, model, path, refused, prompt, too_long, fault, .. } = stage;
    let [context_slot, model_slot, job_slot] = &stage.slots;
    let (keeper, context_slot, model_slot, job_slot) = (*keeper, *context_slot, *model_slot, *job_slot);
    let code = Out::Given;
    let own_context = Handle::Slot(context_slot);
    let own_model = Handle::Slot(model_slot);
    let result = Handle::Slot(job_slot);
    let load = |ctx, path: &[u8]| {
        Op::Call(Call::LoadModel { bind: model_slot, ctx, path: Text::new(path), vram: Out::Given, code })
    };
    let start = |model, max_tokens| {
        let prompt = Text::new(*prompt);
        Op::Call(Call::Start { bind: job_slot, model, prompt, max_tokens, temperature: 0.0, seed: 1, code })
    };
    let buffer = stage.buffer;
    let take = |limit| Op::Drain { result, buffer, index: Out::Given, limit, pause_us: 0 };
    let loaded =
        || model.ok_or_else(|| Stop::Broken(format!("the cycle part `{part}` needs a loaded model")));
    let free = Op::Call(Call::Free { result });
    if let Some(text) = long_prompt(part) {
        let mut long = start(loaded()?, 6);
        if let Op::Call(Call::Start { prompt, .. }) = &mut long {
            *prompt = Text::new(text.as_str());
        }
        return Ok(vec![long, take(7), free]);
    }
    Ok(match part {
        "init" => vec![Op::Call(Call::Init { bind: context_slot, device: Device::Id(0), code })],
        "init on device 1" => vec![Op::Call(Call::Init { bind: context_slot, device: Device::Id(1), code })],
        "destroy" => vec![Op::Call(Call::Destroy { ctx: own_context })],
        "load" => vec![load(keeper, path)],
        "load in own context" => vec![load(own_context, path)],
        "unload on another thread" => {
            vec![Op::Threads(vec![vec![Op::Call(Call::UnloadModel { model: own_model })]])]
        }
        "unload" => vec![Op::Call(Call::UnloadModel { model: own_model })],
        "job" => vec![start(loaded()?, 6), take(7), free],
        "job on the loaded model" => vec![start(own_model, 6), take(7), free],
        "job on the second model" => {
            let second = stage.second.ok_or_else(|| Stop::Broken("there is no second model".to_owned()))?;
            vec![start(second, 16), take(3), free]
        }
        "job freed midway" => vec![start(loaded()?, 16), take(3), free],
        "job of one token" => vec![start(loaded()?, 1), take(2), free],
        "job of 2048 tokens freed midway" => vec![start(loaded()?, 2048), take(3), free],
        "job with the empty prompt" => {
            let mut empty = start(loaded()?, 6);
            if let Op::Call(Call::Start { prompt, .. }) = &mut empty {
                *prompt = Text::new("");
            }
            vec![empty, take(7), free]
        }
        "job freed on another thread" => vec![start(loaded()?, 6), take(3), Op::Threads(vec![vec![free]])],
        "long job" => vec![start(loaded()?, 140), take(141), free],
        "second model" => vec![load(keeper, path)],
        "two models unloaded in turn" | "two models in own context unloaded in turn" => {
            let ctx = if part.contains("own") { own_context } else { keeper };
            let mut second = load(ctx, path);
            if let Op::Call(Call::LoadModel { bind, .. }) = &mut second {
                *bind = job_slot;
            }
            let unload = |model| Op::Call(Call::UnloadModel { model });
            vec![load(ctx, path), second, unload(own_model), unload(result)]
        }
        "job freed at once" => vec![start(loaded()?, 16), free],
        "job freed after a refusal" => {
            let refused = Op::Drain { result, buffer: 0, index: Out::Given, limit: 1, pause_us: 0 };
            vec![start(loaded()?, 16), take(1), refused, free]
        }
        "job freed with a token pending" => {
            // Texts that are empty fit; the first that does not ends this.
            let small = Op::Drain { result, buffer: 1, index: Out::Given, limit: 12, pause_us: 0 };
            vec![start(loaded()?, 16), take(1), small, free]
        }
        "sampled job" => {
            let mut sampled = start(loaded()?, 6);
            if let Op::Call(Call::Start { temperature, .. }) = &mut sampled {
                *temperature = 1.0;
            }
            vec![sampled, take(7), free]
        }
        "two jobs" | "two jobs freed in turn" => {
            // Within the first, or past its end, the second comes and goes, if the library takes a second.
            let mut second = start(loaded()?, 6);
            if let Op::Call(Call::Start { bind, .. }) = &mut second {
                *bind = model_slot;
            }
            let beside = Op::Drain { result: own_model, buffer, index: Out::Given, limit: 3, pause_us: 0 };
            let release = Op::Call(Call::Free { result: own_model });
            match part {
                "two jobs" => vec![start(loaded()?, 6), take(2), second, beside, release, take(5), free],
                _ => vec![start(loaded()?, 6), take(2), second, beside, free, release],
            }
        }
        "job struck by the fault" => {
            let Some((path, inject, clear)) = fault else {
                let why = "the injection cannot be cleared; give it a `file` in the profile";
                return Err(Stop::Blocked(why.to_owned()));
            };
            let write = |content: &str| {
                Op::File(FileAction::Write { path: bytes(path), bytes: content.as_bytes().to_vec() })
            };
            vec![write(inject), start(loaded()?, 16), take(17), free, write(clear)]
        }
        "refused init" => vec![
            Op::Call(Call::Init { bind: context_slot, device: Device::Id(-1), code }),
            Op::Call(Call::DeviceCount),
            Op::Call(Call::Init { bind: context_slot, device: Device::Count(0), code }),
        ],
        "loads with one NULL" => {
            let no_place = Call::LoadModel {
                bind: model_slot,
                ctx: keeper,
                path: Text::new(path.as_slice()),
                vram: Out::Null,
                code,
            };
            let no_path =
                Call::LoadModel { bind: model_slot, ctx: keeper, path: Text::Null, vram: Out::Given, code };
            vec![Op::Call(no_place), Op::Call(no_path), load(Handle::Null, path)]
        }
        "starts with one NULL" => {
            let mut no_prompt = start(loaded()?, 6);
            if let Op::Call(Call::Start { prompt, .. }) = &mut no_prompt {
                *prompt = Text::Null;
            }
            vec![no_prompt, start(Handle::Null, 6)]
        }
        "refused load" => vec![load(keeper, b"/there/is/no/such/file.gguf")],
        "refused loads of every kind" => {
            // Some of them are only doubtful: what loads all the same is unloaded.
            let unload = Op::Call(Call::UnloadModel { model: own_model });
            refused.iter().flat_map(|path| [load(keeper, path), unload.clone()]).collect()
        }
        "refused start" => vec![start(loaded()?, 0)],
        "refused start without error_code" => vec![without_code(start(loaded()?, 0))],
        "start without error_code" => vec![without_code(start(loaded()?, 6))],
        "refused loads of every kind without error_code" => {
            let unload = Op::Call(Call::UnloadModel { model: own_model });
            refused.iter().flat_map(|path| [without_code(load(keeper, path)), unload.clone()]).collect()
        }
        "refused load without error_code" => vec![without_code(load(keeper, b"/there/is/no/such/file.gguf"))],
        "load without error_code" => vec![without_code(load(keeper, path))],
        "init without error_code" => {
            vec![without_code(Op::Call(Call::Init { bind: context_slot, device: Device::Id(0), code }))]
        }
        "free" => vec![free],
        "checks" => vec![
            Op::Call(Call::CheckHealth { ctx: keeper, code }),
            Op::Call(Call::CheckResidency { model: loaded()?, code }),
            Op::Call(Call::ModelVramUsage { model: loaded()? }),
        ],
        "queries" => vec![
            Op::Call(Call::DeviceCount),
            Op::Call(Call::VramUsage { model: loaded()? }),
            Op::Call(Call::ModelVramUsage { model: loaded()? }),
            Op::Call(Call::ProcessVramUsage { ctx: keeper }),
        ],
        "job longer than the context" => {
            let mut long = start(loaded()?, 16);
            if let Op::Call(Call::Start { prompt, .. }) = &mut long {
                *prompt = Text::Bytes(super::calls::at_least_tokens(*too_long)?);
            }
            vec![long, take(17), free]
        }
        "messages" => [0, 1, 5, 99, -7].map(|code| Op::Call(Call::ErrorMessage { code })).to_vec(),
        other => return Err(Stop::Broken(format!("no part of a cycle is called `{other}`"))),
    })
}

/// The same call with NULL for `error_code`.
fn without_code(mut op: Op) -> Op {
    if let Op::Call(Call::Init { code, .. } | Call::LoadModel { code, .. } | Call::Start { code, .. }) =
        &mut op
    {
        *code = Out::Null;
    }
    op
}

fn judge_growth(conversation: &mut Conversation, what: &str, requirement: Option<&str>) -> Step {
    if let Some((call, observed)) = conversation.odd.clone() {
        let expected = "the same in every round".to_owned();
        return conversation.judge(requirement, false, || (call, expected, observed));
    }
    let series = conversation
        .series
        .get(what)
        .cloned()
        .ok_or_else(|| Stop::Broken(format!("no rounds measured {what}")))?;
    let tolerance = conversation.setting()?.profile.tolerance.vram_bytes;
    let (mut moved, mut measure) = (trend(what, &series, tolerance), what);
    if moved.is_none() && what == HOST {
        let resident = conversation.series.get(RESIDENT).cloned().unwrap_or_default();
        (moved, measure) = (trend(RESIDENT, &resident, tolerance), RESIDENT);
    }
    let rounds = format!("{} rounds of: {}", series.len(), conversation.cycle);
    let finding = || {
        let (way, (from, to)) = moved.unwrap_or(("grow", (0, 0)));
        let unit = if measure == DESCRIPTORS { "" } else { " bytes" };
        (
            rounds.clone(),
            format!(
                "{what} does not {way} from round to round, once a third of them has warmed the library up"
            ),
            format!("{measure} goes from {from} to {to}{unit}"),
        )
    };
    // What a job does not give back is the matter of INF-12, whoever struck it.
    if moved.is_some() && conversation.requirement(requirement)?.as_str() == "FAULT-07" {
        conversation.verdicts.judge("INF-12", false, finding);
    }
    conversation.judge(requirement, moved.is_none(), finding)
}

/// Where a series grows: its level after the warm-up and at the end. `None` if it does not grow steadily.
///
/// The first third is warm-up. The rest must rise beyond the tolerance from its first to its second half, and
/// again within the second, without ever coming back: one late step is a first use, noise goes both ways.
pub fn growth(series: &[u64], tolerance: u64) -> Option<(u64, u64)> {
    let rest = &series[series.len() / 3..];
    if rest.len() < 4 {
        return None;
    }
    let quarter = rest.len() / 4;
    let parts: Vec<&[u64]> = (0..4)
        .map(|at| if at == 3 { &rest[3 * quarter..] } else { &rest[at * quarter..(at + 1) * quarter] })
        .collect();
    let high = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let low = |part: &[u64]| part.iter().copied().min().unwrap_or(0);
    let early = low(parts[2]) > high(parts[0]);
    let late = low(parts[3]) > high(parts[1]);
    let rises = rest.windows(2).filter(|pair| pair[1] > pair[0]).count();
    let total = low(parts[3]) > high(parts[0]).saturating_add(tolerance);
    (early && late && total && rises > 1).then(|| (high(parts[0]), low(parts[3])))
}

/// Whether address space was taken for at least half of what became resident once the library was warm.
fn keeps_pace(address_space: &[u64], resident: &[u64]) -> bool {
    let rise = |series: &[u64]| match &series[series.len() / 3..] {
        [first, .., last] => last.saturating_sub(*first),
        _ => 0,
    };
    rise(address_space) >= rise(resident) / 2
}

/// Which way a figure goes from round to round, and from where to where. Figures of the process may fall as they like,
/// those of the device may not.
fn trend(what: &str, figures: &[u64], tolerance: u64) -> Option<(&'static str, (u64, u64))> {
    let noise = noise(what, tolerance);
    let falls = || matches!(what, PROCESS | MODEL).then(|| fall(figures, noise)).flatten();
    growth(figures, noise).map(|levels| ("grow", levels)).or_else(|| falls().map(|levels| ("fall", levels)))
}

/// Where a series falls, as [`growth`] says where one grows: what is given back more than once is missing later.
fn fall(series: &[u64], tolerance: u64) -> Option<(u64, u64)> {
    let top = series.iter().copied().max().unwrap_or(0);
    let turned: Vec<u64> = series.iter().map(|value| top - value).collect();
    growth(&turned, tolerance).map(|(from, to)| (top - from, top - to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_growth_is_found_however_small() {
        let linear: Vec<u64> = (0..50).map(|round| 1000 + round).collect();
        assert!(growth(&linear, 0).is_some());
        let every_fourth: Vec<u64> = (0..50).map(|round| 1000 + round / 4 * 64).collect();
        assert!(growth(&every_fourth, 0).is_some());
    }

    #[test]
    fn garbage_falls_back_and_a_leak_does_not() {
        let collected: Vec<u64> = (0..12).map(|time| 1000 + time % 5 * 300).collect();
        assert!(falls_back(&collected));
        let leak: Vec<u64> = (0..12).map(|time| 1000 + time * 300 - time % 2 * 20).collect();
        assert!(!falls_back(&leak) && !falls_back(&[]) && !falls_back(&[7; 12]));
        // Both at once: what is lost shows, once the range is that of the leak.
        let both: Vec<u64> = (0..12).map(|time| 1000 + time * 300 + time % 3 * 200).collect();
        assert!(!falls_back(&both));
    }

    #[test]
    fn what_a_rest_gives_back_is_no_leak() {
        // Threads that linger, under rounds that get slower: no fall at once from above the middle.
        let lingers: Vec<u64> = (0..60).map(|round: u64| 9 + 2 * round.min(60 - round)).chain([8]).collect();
        assert!(!falls_back(&lingers) && is_given_back(&lingers));
        let leak: Vec<u64> = (0..240).map(|round| 9 + round).collect();
        assert!(
            !is_given_back(&[&leak[..], &[248]].concat()) && !is_given_back(&[7; 12]) && !is_given_back(&[])
        );
    }

    #[test]
    fn a_steady_fall_is_found_and_a_single_step_down_is_not() {
        let linear: Vec<u64> = (0..40).map(|round| 10_000 - 16 * round).collect();
        assert_eq!(fall(&linear, 0).map(|(from, to)| from > to), Some(true));
        assert_eq!(fall(&linear, 1000), None);
        for step in 0..40 {
            let late: Vec<u64> = (0..40).map(|round| if round < step { 5000 } else { 1000 }).collect();
            assert_eq!(fall(&late, 0), None, "one step at round {step}");
        }
    }

    #[test]
    fn warm_up_noise_and_single_steps_are_no_leaks() {
        let warm_up: Vec<u64> = (0_u64..50).map(|round| 1000 + round.min(12) * 100).collect();
        assert_eq!(growth(&warm_up, 0), None);
        let noise: Vec<u64> = (0_u64..50).map(|round| 1000 + round * 7919 % 13).collect();
        assert_eq!(growth(&noise, 0), None);
        for step in 0..50 {
            let late: Vec<u64> = (0..50).map(|round| if round < step { 1000 } else { 5000 }).collect();
            assert_eq!(growth(&late, 0), None, "one step at round {step}");
        }
    }

    #[test]
    fn a_pool_that_was_taken_once_does_not_keep_pace_with_its_pages_and_a_leak_does() {
        let touched: Vec<u64> = (0..50).map(|round| 1000 + 4096 * round).collect();
        assert!(!keeps_pace(&[1 << 30; 50], &touched));
        assert!(keeps_pace(&touched, &touched));
        // Taken in large pieces, as an allocator does.
        let pieces: Vec<u64> = (0..50).map(|round| round / 10 * 10 * 4096).collect();
        assert!(keeps_pace(&pieces, &touched));
        // What came before the library was warm does not count.
        let early: Vec<u64> = (0_u64..50).map(|round| 1 << round.min(16)).collect();
        assert!(!keeps_pace(&early, &touched));
    }

    #[test]
    fn the_tolerance_is_for_the_whole_growth() {
        let linear: Vec<u64> = (0..50).map(|round| 1000 + round).collect();
        assert_eq!(growth(&linear, 100), None);
    }
}
