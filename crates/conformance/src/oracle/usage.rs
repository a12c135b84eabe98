//! VRAM figures: one figure under its names, and within what the file implies (LOAD-05..07, VRAM-01).

use super::state::{Facts, State};
use super::{Verdicts, tell};
use crate::program::{Call, Handle};
use crate::trace::{Observation, POISON_U64, Returned};

/// What a model may take besides 1.5 times its tensors, in bytes. Source: LOAD-07.
const ALLOWANCE: u64 = 64 << 20;

pub fn judge(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    facts: &Facts,
    state: &State,
    verdicts: &mut Verdicts,
) {
    match call {
        Call::LoadModel { path, .. } => {
            let Some(vram) = returned.vram else { return };
            if returned.handle().is_none() {
                let kept = vram == POISON_U64 || vram == 0;
                verdicts.judge("ERR-07", kept, || tell(observation, "vram_bytes_used untouched or 0"));
                return;
            }
            verdicts.judge("LOAD-01", vram != POISON_U64 && vram > 0, || {
                tell(observation, "vram_bytes_used above 0")
            });
            let crate::program::Text::Bytes(path) = path else { return };
            if let Some(model) = facts.models.get(path).filter(|_| vram != POISON_U64) {
                let tensors = model.tensor_bytes;
                verdicts.judge("LOAD-06", vram >= tensors, || {
                    tell(observation, format!("at least the {tensors} bytes of the tensors"))
                });
                let most = tensors + tensors / 2 + ALLOWANCE;
                verdicts.judge("LOAD-07", vram <= most, || {
                    tell(observation, format!("at most {most} bytes, for {tensors} bytes of tensors"))
                });
            }
        }
        Call::ModelVramUsage { model: Handle::Null }
        | Call::VramUsage { model: Handle::Null }
        | Call::ProcessVramUsage { ctx: Handle::Null } => {
            verdicts.judge("NULL-06", returned.bytes() == Some(0), || tell(observation, "0 bytes"));
        }
        Call::ProcessVramUsage { ctx } => {
            let Some(bytes) = returned.bytes() else { return };
            let sum = state.used(*ctx);
            verdicts.judge("VRAM-03", facts.covers(bytes, sum), || {
                tell(observation, format!("at least the {sum} bytes that the models of this context use"))
            });
        }
        Call::ModelVramUsage { model } | Call::VramUsage { model } => {
            let (Some(known), Some(bytes)) = (state.model(*model), returned.bytes()) else { return };
            if let Some(reported) = known.reported {
                verdicts.judge("LOAD-05", bytes == reported, || {
                    tell(observation, format!("{reported} bytes, as the load reported"))
                });
            }
            let Some(before) = known.usage else { return };
            // What a job takes may come and go on the library's own threads: then the figures disagree for sure only if
            // the same query gives the same figure before and after the other.
            let between = || {
                matches!(known.answers[..], [(other, _), (same, figure)]
                    if same == call.function() && other != same && figure == bytes)
            };
            let agree = bytes == before || !(state.untouched() || between());
            verdicts.judge("VRAM-01", agree, || {
                tell(observation, format!("{before} bytes, as the query before gave"))
            });
        }
        _ => {}
    }
}
