//! The memory that the runner, the fork server and a session share: commands one way, the trace the other.
//!
//! Shared memory, not a pipe: it needs no descriptor that a hostile library could close, and what was written
//! before a crash is still there after it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Threads of one program, the main one included.
pub const MAX_THREADS: usize = 65;
const BATCH_AT: usize = 64 << 10;
const BATCH_SIZE: usize = 16 << 20;
const TRACE_AT: usize = BATCH_AT + BATCH_SIZE;
const TRACE_SIZE: usize = 96 << 20;
const TOTAL: usize = TRACE_AT + TRACE_SIZE;
/// Bytes of captured output kept.
pub const EXCERPT: usize = 4096;
const COMMITTED: u32 = 1 << 31;

/// State of the fork server.
pub mod state {
    /// Not ready yet.
    pub const STARTING: u32 = 0;
    /// Ready to fork.
    pub const READY: u32 = 1;
    /// `dlopen` failed; the text is in the trace area.
    pub const LOAD_FAILED: u32 = 2;
    /// The library started threads when it was loaded: forking now would lose them.
    pub const THREADED: u32 = 3;
}

/// What a session is asked for.
pub mod option {
    /// Compare the whole process state after every call, not only at the end of a batch.
    pub const WATCH: u32 = 1;
    /// Give up the right to read files whatever their permissions.
    pub const ORDINARY: u32 = 2;
    /// Begin prompts and paths behind an inaccessible page, rather than end them before one.
    pub const LOW_INPUTS: u32 = 4;
    /// Nothing is asked of the server after it.
    pub const LAST: u32 = 8;
}

/// The start of the shared memory. All fields are atomics: three processes look at them.
#[repr(C)]
pub struct Header {
    /// One of [`state`].
    pub state: AtomicU32,
    /// Number of the session that the runner asked for.
    pub wanted: AtomicU32,
    /// Bits of [`option`] for it.
    pub options: AtomicU32,
    /// Largest file that it may write, in bytes.
    pub file_limit: AtomicU64,
    /// Its process, which may wait for it before it is asked for; 0 if there is none.
    pub pid: AtomicI32,
    /// The process of the session that has ended last; 0 if it had none.
    pub last: AtomicI32,
    /// Number of the last session that has ended and left no process behind.
    pub ended: AtomicU32,
    /// Its wait status.
    pub status: AtomicI32,
    /// Processes that it left behind and that were killed.
    pub leftovers: AtomicU32,
    /// Set where its last batch ended with a child that had ended and that nobody had waited for.
    pub unreaped: AtomicU32,
    /// Number of the batch handed over.
    pub batch: AtomicU32,
    /// Its length in bytes.
    pub batch_length: AtomicU32,
    /// Number of the batch that was finished.
    pub done: AtomicU32,
    /// Changes whenever the runner should look again.
    pub wake: AtomicU32,
    /// Bytes used in the trace area.
    pub trace_length: AtomicU64,
    /// Set when the trace area was full.
    pub overflow: AtomicU32,
    /// Set when there was no room for a process or a thread that the session itself needs.
    pub crowded: AtomicU32,
    /// Bytes at `excerpt`.
    pub excerpt_length: AtomicU32,
    /// Set when the three words below are valid.
    pub fault: AtomicU32,
    /// Faulting address.
    pub fault_address: AtomicU64,
    /// 1 for a write.
    pub fault_write: AtomicU32,
    /// The site, as `fault::Encoded` packs it.
    pub fault_site: [AtomicU64; 4],
    /// Start of the call under way on each thread, in nanoseconds of `CLOCK_MONOTONIC`; 0 if none.
    pub clocks: [AtomicU64; MAX_THREADS],
    /// The end of what was written to stdout and stderr.
    pub excerpt: [std::sync::atomic::AtomicU8; EXCERPT],
}

/// A mapping of the shared memory.
pub struct Shared {
    base: *mut u8,
    /// Kept open by the runner alone: a library may write to every descriptor it finds.
    file: Option<File>,
}

// SAFETY: the mapping is only reached through atomics, or through ranges that one side owns at a time
// (batch: until `batch` is bumped the runner's, then the session's; trace frames: their reserver's until committed).
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// New, empty shared memory.
    pub fn create() -> io::Result<Self> {
        // SAFETY: the name is NUL-terminated; a negative result is handled.
        let fd = unsafe { libc::memfd_create(c"worker-conformance".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` is open and owned by nobody else.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(TOTAL as u64)?;
        Self::map(file)
    }

    /// The path under which a child opens it.
    pub fn path(&self) -> String {
        let fd = self.file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        format!("/proc/{}/fd/{fd}", std::process::id())
    }

    /// Opens the memory of another process.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut shared = Self::map(File::options().read(true).write(true).open(path)?)?;
        shared.file = None;
        Ok(shared)
    }

    fn map(file: File) -> io::Result<Self> {
        if file.metadata()?.len() < TOTAL as u64 {
            return Err(io::Error::other("the shared memory is too small"));
        }
        // SAFETY: a fresh shared mapping of a file that is long enough; it lives until drop.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                TOTAL,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), file: Some(file) })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        // SAFETY: the mapping is page-aligned, larger than a header, and all bit patterns are valid atomics.
        unsafe { &*self.base.cast::<Header>() }
    }

    /// Tells the runner to look again.
    pub fn notify(&self) {
        let wake = &self.header().wake;
        wake.fetch_add(1, Ordering::SeqCst);
        futex_wake(wake);
    }

    /// Writes a batch for the session; `false` if it is too large.
    pub fn put_batch<T: Serialize + ?Sized>(&self, value: &T) -> bool {
        // SAFETY: the batch area is the runner's until `batch` is bumped.
        let area = unsafe { std::slice::from_raw_parts_mut(self.base.add(BATCH_AT), BATCH_SIZE) };
        match postcard::to_slice(value, area) {
            Ok(used) => {
                self.header().batch_length.store(used.len() as u32, Ordering::SeqCst);
                true
            }
            Err(_) => false,
        }
    }

    /// Reads the batch.
    pub fn take_batch<T: DeserializeOwned>(&self) -> Result<T, postcard::Error> {
        let length = (self.header().batch_length.load(Ordering::SeqCst) as usize).min(BATCH_SIZE);
        // SAFETY: the batch area is the session's after `batch` was bumped.
        let area = unsafe { std::slice::from_raw_parts(self.base.add(BATCH_AT), length) };
        postcard::from_bytes(area)
    }

    /// Appends a frame to the trace; frames that do not fit set `overflow`.
    pub fn append(&self, frame: &[u8]) {
        let header = self.header();
        let need = (4 + frame.len().next_multiple_of(4)) as u64;
        let mut at = header.trace_length.load(Ordering::SeqCst);
        loop {
            if at + need > TRACE_SIZE as u64 {
                header.overflow.store(1, Ordering::SeqCst);
                return;
            }
            match header.trace_length.compare_exchange(at, at + need, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(now) => at = now,
            }
        }
        // SAFETY: [at, at + need) of the trace area was reserved above for this writer alone, and is 4-aligned.
        unsafe {
            let start = self.base.add(TRACE_AT + at as usize);
            let length = &*start.cast::<AtomicU32>();
            length.store(frame.len() as u32, Ordering::SeqCst);
            std::ptr::copy_nonoverlapping(frame.as_ptr(), start.add(4), frame.len());
            length.store(frame.len() as u32 | COMMITTED, Ordering::SeqCst);
        }
    }

    /// The committed frames of the trace.
    pub fn frames(&self) -> Vec<&[u8]> {
        let end = self.header().trace_length.load(Ordering::SeqCst).min(TRACE_SIZE as u64) as usize;
        let mut frames = Vec::new();
        let mut at = 0;
        while at + 4 <= end {
            // SAFETY: `at` is a 4-aligned offset inside the trace area.
            let word = unsafe { (*self.base.add(TRACE_AT + at).cast::<AtomicU32>()).load(Ordering::SeqCst) };
            let length = (word & !COMMITTED) as usize;
            if word == 0 || at + 4 + length > end {
                break;
            }
            if word & COMMITTED != 0 {
                // SAFETY: the frame lies inside the trace area; it is not written again before `clear_trace`.
                frames.push(unsafe { std::slice::from_raw_parts(self.base.add(TRACE_AT + at + 4), length) });
            }
            at += 4 + length.next_multiple_of(4);
        }
        frames
    }

    /// Forgets the trace.
    pub fn clear_trace(&self) {
        let header = self.header();
        let used = header.trace_length.swap(0, Ordering::SeqCst).min(TRACE_SIZE as u64) as usize;
        header.overflow.store(0, Ordering::SeqCst);
        // SAFETY: no frame is borrowed (`&self.frames()` results are consumed before), no session writes now.
        unsafe { std::ptr::write_bytes(self.base.add(TRACE_AT), 0, used) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length; nothing borrows from it any more.
        unsafe {
            libc::munmap(self.base.cast(), TOTAL);
        }
    }
}

/// Waits until `word` is not `seen`, or the time is over. What comes at once is waited for without sleep, as a core that
/// sleeps takes longer to wake than most calls last; whoever else wants the core has it meanwhile.
pub fn futex_wait(word: &AtomicU32, seen: u32, timeout: Duration) {
    const AT_ONCE: u64 = 50_000;
    let start = now();
    while now() - start < AT_ONCE {
        if word.load(Ordering::SeqCst) != seen {
            return;
        }
        // SAFETY: cannot fail.
        unsafe { libc::sched_yield() };
    }
    let limit = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: `word` is a valid aligned word; the wait is bounded; a spurious return is allowed.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, &raw const limit);
    }
}

/// Wakes all who wait on `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: `word` is a valid aligned word.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
    }
}

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_order_and_clearing_forgets_them() {
        let shared = Shared::create().unwrap();
        shared.append(b"one");
        shared.append(b"");
        shared.append(b"three!");
        // An empty frame is committed, hence seen.
        assert_eq!(shared.frames(), [b"one".as_slice(), b"", b"three!"]);
        shared.clear_trace();
        assert!(shared.frames().is_empty());
    }

    #[test]
    fn a_trace_that_does_not_fit_is_said_not_lost_in_silence() {
        let shared = Shared::create().unwrap();
        let big = vec![7; TRACE_SIZE / 2];
        shared.append(&big);
        shared.append(&big);
        assert_eq!(shared.header().overflow.load(Ordering::SeqCst), 1);
        assert_eq!(shared.frames().len(), 1);
    }
}
