//! Generation: indices, the end of a sequence, buffers, and the text itself (INF-06..10, UTF8-01).

use super::state::{Facts, JobState, State};
use super::{Verdicts, tell};
use crate::program::{Call, Out};
use crate::trace::{Observation, POISON_INT, Returned, Token};

pub fn judge(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    facts: &Facts,
    state: &State,
    verdicts: &mut Verdicts,
) {
    let Call::NextToken { result, buffer, index, .. } = call else { return };
    if returned.is_true() {
        let readable = match &returned.text {
            Some(Token::Bytes(bytes)) => std::str::from_utf8(bytes).is_ok(),
            Some(Token::Unterminated(_)) => false,
            None => true,
        };
        verdicts.judge("UTF8-01", readable, || tell(observation, "NUL-terminated valid UTF-8"));
        verdicts.judge("INF-09", buffer.size > 0, || {
            tell(observation, "false with CUDA_ERROR_INVALID_PARAMETER (5): the buffer has no room")
        });
    }
    if call.has_null() {
        return;
    }
    let Some(job) = state.job(*result) else { return };
    // Nothing stands in the way of a token, or of the end of the sequence.
    let ample = facts.ample;
    let healthy = buffer.size >= ample && !facts.faulty && !job.failed && (job.given as u64) < job.room;
    if healthy && (returned.is_true() || returned.code.is_some()) {
        // Other jobs and models may have taken the memory that this job needs to go on.
        let crowded = state.jobs.len() > 1 || state.models.len() > 1;
        let permitted = |code: i32| code == 0 || (code == 2 && crowded);
        let works = returned.is_true() || returned.written_code().is_none_or(permitted) || job.ended;
        let requirement = if *index == Out::Null { "NULL-05" } else { "INF-07" };
        verdicts.judge(requirement, works, || tell(observation, "a token, or false with 0 at the end"));
        if job.refused > 0 {
            verdicts.judge("ERR-05", works, || {
                tell(observation, "a token, or false with 0: the refusal of the call before does not stick")
            });
        }
    }
    if returned.is_true() {
        token(observation, returned, *index, job, verdicts);
    } else if let Some(code) = returned.written_code() {
        no_token(observation, code, (buffer.size, ample), job, verdicts);
    }
}

fn token(
    observation: &Observation,
    returned: &Returned,
    index: Out,
    job: &JobState,
    verdicts: &mut Verdicts,
) {
    if let Some(code) = returned.written_code() {
        verdicts.judge("INF-08", code == 0, || tell(observation, "true with 0: an error is false"));
    }
    verdicts.judge("INF-07", !job.ended, || tell(observation, "false with 0, as at the call before"));
    let most = job.max_tokens;
    verdicts.judge("INF-07", job.given < most, || {
        tell(observation, format!("at most {most} tokens, then false with 0"))
    });
    let (Out::Given, Some(found)) = (index, returned.index) else { return };
    let after = job.last_index.map_or(0, |last| last.saturating_add(1)).saturating_add(job.since_index);
    // A token lost to a too-small buffer is INF-10's affair, which is a SHOULD.
    let latest = after.saturating_add(job.refused).saturating_add(job.silent);
    let good = found != POISON_INT && (after..=latest).contains(&found);
    verdicts.judge("INF-06", good, || {
        let (call, expected, observed) = tell(observation, format!("index {after}"));
        (
            call,
            expected,
            if found == POISON_INT { format!("{observed}; token_index not written") } else { observed },
        )
    });
    if job.refused > 0 && job.silent == 0 {
        verdicts.judge("INF-10", found == after, || {
            tell(observation, format!("index {after}: the call with the too-small buffer loses nothing"))
        });
    }
}

fn no_token(
    observation: &Observation,
    code: i32,
    (size, ample): (i32, i32),
    job: &JobState,
    verdicts: &mut Verdicts,
) {
    if job.ended {
        // A wrong buffer after the end may be told, or not.
        let good = code == 0 || (code == 5 && size < ample);
        verdicts.judge("INF-07", good, || tell(observation, "false with 0, as at the call before"));
        return;
    }
    if size <= 0 {
        // The end may be noticed before the buffer is. Where it was none, a later token tells (INF-07).
        verdicts.judge("INF-09", code == 5 || code == 0 || job.failed, || {
            tell(observation, "false with CUDA_ERROR_INVALID_PARAMETER (5)")
        });
    }
}
