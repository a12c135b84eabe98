//! Defects that the library takes on for the suite's test of itself, only with the cargo feature `defects`.
//!
//! `WORKER_MOCK_DEFECT=name` turns on one of [`catalogue`]; another name turns on none. A place in the code that a
//! defect spoils asks [`on`], which is `false` at compile time without the feature, so that a plain build contains
//! none of it. One defect at most is on in a process, hence one counter, one word and one mark serve them all.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) mod boundary;
pub mod catalogue;
pub(crate) mod deep;
pub(crate) mod job;
pub(crate) mod message;
pub mod spoiler;
pub(crate) mod token;

pub use catalogue::Defect;

use crate::ledger::Ledger;

static COUNT: AtomicU64 = AtomicU64::new(0);
static WORD: AtomicU64 = AtomicU64::new(0);
static MARK: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicU64 = AtomicU64::new(0);

/// Whether `defect` is on in this process.
#[cfg(feature = "defects")]
pub fn on(defect: Defect) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Defect>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("WORKER_MOCK_DEFECT").ok()?;
        Defect::ALL.iter().find(|entry| entry.name == name).map(|entry| entry.defect)
    }) == Some(defect)
}

/// Whether `defect` is on in this process: never in a build without the feature.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub const fn on(_defect: Defect) -> bool {
    false
}

/// Counts from 1 on.
pub(crate) fn count() -> u64 {
    COUNT.fetch_add(1, Ordering::SeqCst) + 1
}

/// How far [`count`] has come.
pub(crate) fn counted() -> u64 {
    COUNT.load(Ordering::SeqCst)
}

/// Keeps a word and returns the one before, 0 at first.
pub(crate) fn keep(word: u64) -> u64 {
    WORD.swap(word, Ordering::SeqCst)
}

/// The word that was kept.
pub(crate) fn kept() -> u64 {
    WORD.load(Ordering::SeqCst)
}

/// Leaves a mark.
pub(crate) fn mark() {
    MARK.store(true, Ordering::SeqCst);
}

/// Whether there is a mark.
pub(crate) fn marked() -> bool {
    MARK.load(Ordering::SeqCst)
}

/// Whether there was a mark, which is gone now.
pub(crate) fn unmark() -> bool {
    MARK.swap(false, Ordering::SeqCst)
}

/// Takes bytes of a device and never gives them back.
pub(crate) fn lose(ledger: &Arc<Ledger>, bytes: u64) {
    std::mem::forget(ledger.reserve(bytes));
}

/// Writes `raw` over the code that a caller got.
pub(crate) fn overwrite(error_code: *mut c_int, raw: c_int) {
    if !error_code.is_null() {
        // SAFETY: not NULL, so the caller of the ABI gave room for an int, and its call has not returned yet.
        unsafe { error_code.write(raw) };
    }
}

/// Whether another thread is in here at the same time; it stays long enough for that to happen.
pub(crate) fn crowded() -> bool {
    let mut others = INSIDE.fetch_add(1, Ordering::SeqCst) > 0;
    for _ in 0..64 {
        std::thread::yield_now();
        others |= INSIDE.load(Ordering::SeqCst) > 1;
    }
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    others
}

/// A number of the thread, never 0.
pub(crate) fn thread() -> u64 {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place) as u64)
}

/// Whether this thread is another than the first that asked.
pub(crate) fn foreign_thread() -> bool {
    let own = thread();
    WORD.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst).is_err_and(|first| first != own)
}

/// Reads bytes that nobody promised; the optimiser cannot leave it out.
pub(crate) fn peep(start: *const u8, bytes: usize) {
    for at in 0..bytes {
        // SAFETY: none: a defect reads where it must not, in a build that is made to be caught at it.
        std::hint::black_box(unsafe { start.wrapping_add(at).read_volatile() });
    }
}

/// An address that may be read.
pub(crate) fn readable() -> u64 {
    std::ptr::from_ref(&MARK) as u64
}

/// Writes a byte where nobody allowed it.
pub(crate) fn scribble(place: *mut u8, byte: u8) {
    // SAFETY: none, as for `peep`.
    unsafe { place.write_volatile(byte) };
}
