//! What defects do where a token is given, and where its job is freed.

use std::ffi::c_int;
use std::ops::RangeInclusive;

use super::{Defect, count, keep, kept, lose, mark, on, peep, scribble, unmark};
use crate::code::ErrorCode;
use crate::job::{Job, Produced};

/// NULL arguments of a call for a token.
pub(crate) fn nulls(result: bool, buffer: bool, index: bool) -> Result<(), ErrorCode> {
    if on(Defect::NullOutputs) && !result && buffer && index {
        peep(std::ptr::null(), 1);
    }
    if on(Defect::NullResultReports4) && result {
        return Err(ErrorCode::InferenceFailed);
    }
    if on(Defect::NullIndexRefused) && index {
        return Err(ErrorCode::InvalidParameter);
    }
    if on(Defect::NullBufferBreaksJobs) && !result && buffer {
        mark();
    }
    Ok(())
}

/// How a token is asked for.
pub(crate) fn asked(size: c_int, no_index: bool) {
    let marks = (on(Defect::BufferDiffers) && size >= 65536) || (on(Defect::NullIndexDiffers) && no_index);
    if marks {
        mark();
    } else if on(Defect::BufferDiffers) || on(Defect::NullIndexDiffers) {
        unmark();
    }
}

/// Room for nothing.
pub(crate) fn no_room() -> Result<bool, ErrorCode> {
    refused();
    if on(Defect::ErrorLooksLikeEnd) || on(Defect::ErrorIsTrue) {
        return Ok(on(Defect::ErrorIsTrue));
    }
    Err(ErrorCode::InvalidParameter)
}

/// Room for less than the text.
pub(crate) fn too_small() -> ErrorCode {
    refused();
    if on(Defect::CheckDropsToken) {
        keep(1);
    }
    if on(Defect::SecondRefusalLosesToken) {
        keep(kept() + 1);
    }
    if on(Defect::SmallBufferReports3) { ErrorCode::ModelLoadFailed } else { ErrorCode::InvalidParameter }
}

fn refused() {
    if on(Defect::NextSticksToStart) {
        keep(5);
    }
    if on(Defect::FreeAfterErrorBreaks) || on(Defect::RefusedKeepsVram) {
        keep(1);
    }
}

/// Whether the token that did not fit is lost.
pub(crate) fn refusal_loses() -> bool {
    on(Defect::RefusalLosesToken) || (on(Defect::SecondRefusalLosesToken) && kept() == 2)
}

/// At the end of a sequence.
pub(crate) fn ended(job: &mut Job) -> Result<bool, ErrorCode> {
    if on(Defect::EndOfModelRestarts) && job.ended_early() && keep(kept() + 1) == 1 {
        keep(0);
        job.restart();
        return Ok(false);
    }
    let again = on(Defect::EndReports4) || on(Defect::EndRestarts);
    if again && keep(kept() + 1) == 2 {
        keep(0);
        if on(Defect::EndRestarts) {
            job.restart();
        } else {
            return Err(ErrorCode::InferenceFailed);
        }
    }
    Ok(false)
}

/// The part of a text that is given.
pub(crate) fn cut(text: &[u8], room: usize) -> &[u8] {
    if on(Defect::Truncates) && text.len() >= room { &text[..room - 1] } else { text }
}

/// The index that is told.
pub(crate) fn index(right: i32) -> i32 {
    if on(Defect::IndexGoesOn) {
        return keep(kept() + 1) as i32;
    }
    right + i32::from(on(Defect::IndexFromOne))
}

/// Stands in a text for bytes that are none until they are written: text of this program cannot hold them.
pub(crate) const PASSED: char = '\u{10ffff}';

/// A defect that lets ill-formed sequences through.
struct Passing {
    defect: Defect,
    lead: RangeInclusive<u8>,
    second: RangeInclusive<u8>,
    /// What stands for such a sequence in the buffer.
    written: [u8; 4],
}

const PASSING: [Passing; 4] = [
    passing(Defect::SurrogatesPass, 0xed..=0xed, 0xa0..=0xbf, *b"\xed\xa0\x80-"),
    passing(Defect::OverlongPasses, 0xc0..=0xc1, 0x80..=0xbf, *b"\xc0\x80\xc1\xbf"),
    passing(Defect::LongOverlongPasses, 0xe0..=0xe0, 0x80..=0x9f, *b"\xe0\x80\x80-"),
    passing(Defect::BeyondPasses, 0xf4..=0xf4, 0x90..=0xbf, *b"\xf4\x90\x80\x80"),
];

const fn passing(
    defect: Defect,
    lead: RangeInclusive<u8>,
    second: RangeInclusive<u8>,
    written: [u8; 4],
) -> Passing {
    Passing { defect, lead, second, written }
}

/// Whether bytes that begin with what is no text count as text.
pub(crate) fn passes(bad: &[u8]) -> bool {
    let [first, second, ..] = bad else { return false };
    PASSING.iter().any(|one| on(one.defect) && one.lead.contains(first) && one.second.contains(second))
}

/// A token was written to the buffer.
pub(crate) fn given(buffer: *mut u8, room: usize, produced: &Produced, index: *mut c_int) {
    let text = produced.text.as_bytes();
    if on(Defect::BytesNotText) && text.first().is_some_and(|byte| *byte >= 0xc2) {
        scribble(buffer, 0xc1);
    }
    if let Some(Passing { written, .. }) = PASSING.iter().find(|one| on(one.defect)) {
        for (place, _) in produced.text.match_indices(PASSED) {
            (0..4).for_each(|at| scribble(buffer.wrapping_add(place + at), written[at]));
        }
    }
    if on(Defect::CheckDropsToken) || on(Defect::SecondRefusalLosesToken) {
        keep(0);
    }
    if on(Defect::WritesPastEnd) || (on(Defect::BufferOfHundred) && (100..128).contains(&room)) {
        scribble(buffer.wrapping_add(room), 0);
    }
    if on(Defect::WordsCopied) && text.len() >= 8 {
        (text.len() + 1..text.len().next_multiple_of(8)).for_each(|at| scribble(buffer.wrapping_add(at), 0));
        scribble(buffer.wrapping_add((text.len() + 1).next_multiple_of(8) - 1), 0);
    }
    if on(Defect::WritesBefore) && produced.index == 3 {
        scribble(buffer.wrapping_sub(1), 0);
    }
    if on(Defect::WideIndex) && !index.is_null() {
        scribble(index.wrapping_add(1).cast(), 0);
    }
    if on(Defect::BufferKept) {
        keep(buffer as u64);
    }
    if on(Defect::PrintsLate) && produced.index == 2 {
        println!("{}", produced.text);
    }
    if on(Defect::EndReports4) || on(Defect::EndRestarts) {
        keep(0);
    }
}

/// A job goes.
pub(crate) fn freeing(job: &Job) {
    let (given, ended, model) = job.progress();
    let midway = given > 0 && !ended;
    if on(Defect::ExitInFreeMidway) && given == 5 {
        std::process::exit(3);
    }
    if on(Defect::FreeAtOnceAborts) && given == 0 && !ended {
        std::process::abort();
    }
    if on(Defect::AbandonedJobStays) && midway {
        mark();
    }
    if on(Defect::ProcessFalls) && midway {
        count();
    }
    if on(Defect::MidwayKeepsVram) && midway {
        lose(&model.ledger, 64);
    }
    if on(Defect::MidwayKeepsDescriptor) && midway {
        std::mem::forget(std::fs::File::open("/dev/null"));
    }
    if on(Defect::FreeAfterErrorBreaks) && keep(0) == 1 {
        mark();
    }
    if on(Defect::RefusedKeepsVram) && keep(0) == 1 {
        lose(&model.ledger, 64);
    }
    if on(Defect::BufferKept) && kept() != 0 {
        scribble(keep(0) as *mut u8, 0);
    }
}
