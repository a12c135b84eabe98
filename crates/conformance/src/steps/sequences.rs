//! Good calls after bad ones: no failure sticks, none leaves the library unusable (ERR-05, ERR-06).

use cucumber::{then, when};

use super::arguments;
use super::calls::build;
use super::checks::named;
use super::report;
use crate::conversation::{Conversation, Kind, Step, Stop};
use crate::program::{Buffer, Call, Device, Handle, Op, Out, Text};
use crate::setting::bytes;
use crate::trace::{Observation, Outcome};

/// How often a bad call is made before the good ones: a failure may count before it tells.
const TIMES: usize = 4;

/// Calls that are refused, as steps write them.
const BAD: [&str; 16] = [
    "cuda_init with gpu_device = -1",
    "cuda_init with gpu_device = INT_MAX",
    "cuda_init with gpu_device = INT_MIN",
    "cuda_init with gpu_device = count",
    "cuda_load_model with model_path = missing-file",
    "cuda_load_model with model_path = directory",
    "cuda_load_model with model_path = wrong-magic-ggml",
    "cuda_load_model with model_path = ends-half-way",
    "cuda_load_model with model_path = sparse-huge-file",
    "cuda_load_model with ctx = NULL",
    "cuda_inference_start with max_tokens = 0",
    "cuda_inference_start with temperature = NaN",
    "cuda_inference_start with prompt = NULL",
    "cuda_inference_next_token with result = NULL",
    "cuda_check_vram_residency with model = NULL",
    "cuda_check_device_health with ctx = NULL",
];

#[when("the host makes every kind of bad call, each followed by a whole life of good ones")]
async fn bad_then_good(conversation: &mut Conversation) -> Result<(), String> {
    let step = alternate(conversation).await;
    report(conversation, step)
}

#[then(regex = r"^every good call reports success(?: \[([A-Z0-9]+-\d+)\])?$")]
async fn good(conversation: &mut Conversation, requirement: String) -> Result<(), String> {
    let odd = conversation.odd.clone();
    let step = conversation.judge(named(&requirement), odd.is_none(), || {
        let (call, observed) = odd.unwrap_or_default();
        (call, "success with 0: the failure before does not stick".to_owned(), observed)
    });
    report(conversation, step)
}

async fn alternate(conversation: &mut Conversation) -> Step {
    conversation.odd = None;
    // What does not work before any bad call says nothing about bad calls.
    if let Some((call, observed)) = good_life(conversation).await? {
        return Err(Stop::Blocked(format!("{call}: {observed}")));
    }
    for bad in BAD {
        let (function, given) = bad.split_once(" with ").unwrap_or((bad, ""));
        let function = worker_contract::Function::from_name(function)
            .ok_or_else(|| Stop::Broken(format!("{function} is no function")))?;
        let call = build(conversation, function, arguments::parse(given)?, Some("none"))?;
        conversation.run(vec![Op::Call(call); TIMES]).await?;
        if conversation.died {
            return Err(Stop::Blocked(format!("the process died in {bad}")));
        }
        if let Some((call, observed)) = good_life(conversation).await? {
            conversation.odd = Some((format!("{call}, after {TIMES} times {bad}"), observed));
            return Ok(());
        }
    }
    Ok(())
}

/// Every function once with good arguments, on new handles, and checks of the scenario's own; the first call that
/// does not work, and what it gave.
///
/// # Errors
/// [`Stop::Broken`] when the executor fails.
pub async fn good_life(conversation: &mut Conversation) -> Result<Option<(String, String)>, Stop> {
    let setting = conversation.setting()?;
    let path = setting.model().map(|model| bytes(&model.path)).unwrap_or_default();
    let code = Out::Given;
    let [bind_ctx, bind_model, bind_job] = [(); 3].map(|()| conversation.fresh_slot());
    let [ctx, model, result] = [bind_ctx, bind_model, bind_job].map(Handle::Slot);
    let prompt = Text::new(setting.prompt);
    let next =
        || Op::Call(Call::NextToken { result, buffer: Buffer::of(setting.facts.ample), index: code, code });
    let mut program: Vec<Op> = Vec::new();
    if let Some(ctx) = conversation.named(Kind::Context, "context") {
        program.push(Op::Call(Call::CheckHealth { ctx, code }));
    }
    if let Some(model) = conversation.named(Kind::Model, "model") {
        program.push(Op::Call(Call::CheckResidency { model, code }));
    }
    program.push(Op::Call(Call::DeviceCount));
    let life = [
        Op::Call(Call::Init { bind: bind_ctx, device: Device::Id(0), code }),
        Op::Call(Call::CheckHealth { ctx, code }),
        Op::Call(Call::LoadModel { bind: bind_model, ctx, path: Text::new(path), vram: code, code }),
        Op::Call(Call::CheckResidency { model, code }),
        Op::Call(Call::Start {
            bind: bind_job,
            model,
            prompt,
            max_tokens: 4,
            temperature: 0.0,
            seed: 1,
            code,
        }),
        next(),
        Op::Call(Call::Free { result }),
        Op::Call(Call::UnloadModel { model }),
        Op::Call(Call::Destroy { ctx }),
    ];
    // Without a device there is no life to lead.
    if conversation.devices()? != Some(0) {
        program.extend(life);
    }
    let trace = conversation.run(program).await?;
    let works = |observation: &Observation| match &observation.outcome {
        Outcome::Returned(returned) => match returned.value {
            Some(crate::trace::Value::Handle(handle)) => handle != 0,
            // A token, or the end of the sequence; a check is true.
            Some(crate::trace::Value::Bool(byte)) => {
                let next = matches!(observation.call(), Some(Call::NextToken { .. }));
                byte != 0 || next && returned.code == Some(0)
            }
            _ => true,
        },
        _ => false,
    };
    // Beside what the scenario has open, the device may have no room for another model: what needs that is skipped.
    let refused = trace.iter().enumerate().any(|(at, observation)| {
        matches!(observation.call(), Some(Call::LoadModel { .. })) && conversation.refused.contains(&at)
    });
    let counts = |(at, one): &(usize, &Observation)| {
        let permitted = conversation.refused.contains(at) || matches!(one.outcome, Outcome::Skipped(_));
        one.call().is_some() && !(refused && permitted)
    };
    let odd = trace.iter().enumerate().filter(counts).map(|(_, one)| one).find(|one| !works(one));
    if trace.is_empty() {
        return Ok(Some(("any call".to_owned(), "the process is gone".to_owned())));
    }
    Ok(odd.map(|odd| (odd.event.to_string(), odd.outcome.to_string())))
}
