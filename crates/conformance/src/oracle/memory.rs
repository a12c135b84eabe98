//! Caller memory: nothing outside the buffer, out-parameters at their exact width (MEM-01, MEM-02).

use super::{Verdicts, tell};
use crate::program::{Call, Out};
use crate::trace::{Observation, POISON_INT, POISON_U64, Region, Returned};

pub fn judge(observation: &Observation, call: &Call, returned: &Returned, verdicts: &mut Verdicts) {
    let damaged =
        |buffer: bool| returned.damage.iter().find(|found| (found.region == Region::Buffer) == buffer);
    if let Call::NextToken { buffer, .. } = call
        && buffer.pointer == Out::Given
    {
        let found = damaged(true);
        verdicts.judge("MEM-01", found.is_none(), || {
            let (call, _, _) = tell(observation, "");
            let at = found.map_or(0, |found| found.offset);
            let expected = "nothing is written outside token_out[0 .. token_buffer_size)".to_owned();
            (call, expected, format!("byte {at} was written"))
        });
    }
    if returned.code.is_none() && returned.index.is_none() && returned.vram.is_none() {
        return;
    }
    let found = damaged(false);
    verdicts.judge("MEM-02", found.is_none(), || {
        let (call, _, _) = tell(observation, "");
        let (name, size, at) =
            found.map_or(("", 0, 0), |found| (found.region.parameter(), found.size, found.offset));
        let expected = format!("{name} is written at its width, {size} bytes");
        (call, expected, format!("byte {at} counted from its start was written"))
    });
    for (name, value) in [("error_code", returned.code), ("token_index", returned.index)] {
        let Some(value) = value.filter(|&value| value != POISON_INT) else { continue };
        // The upper half alone cannot be what the library wrote: it is no code and no index.
        verdicts.judge("MEM-02", value >> 16 != POISON_INT >> 16, || {
            let (call, _, _) = tell(observation, "");
            let expected = format!("{name} is written at its width, 4 bytes");
            (call, expected, format!("only its lower bytes were written: {value:#x}"))
        });
    }
    if let Some(vram) = returned.vram.filter(|&vram| vram != POISON_U64) {
        let half = vram >> 32 == POISON_U64 >> 32;
        verdicts.judge("MEM-02", !half, || {
            let (call, _, _) = tell(observation, "");
            let expected = "vram_bytes_used is written at its width, 8 bytes".to_owned();
            (call, expected, format!("only its lower half was written: {vram:#x}"))
        });
    }
}
