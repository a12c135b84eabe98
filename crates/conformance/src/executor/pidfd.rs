//! Waits for the end of a process without reaping it, child or not.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// A process, held by a descriptor: another that gets its number later is not taken for it.
pub(super) struct Watched(OwnedFd);

impl Watched {
    /// The process of this number, if there is one.
    pub(super) fn open(pid: i32) -> Option<Self> {
        // SAFETY: takes two numbers, and opens a descriptor or none.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = i32::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        // SAFETY: just opened, and known here alone.
        Some(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Waits so long at most; whether the process has ended.
    pub(super) fn ends_within(&self, time: Duration) -> bool {
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which lives as long as the call, on an open descriptor.
        unsafe { libc::poll(&raw mut poll, 1, millis) > 0 }
    }
}
