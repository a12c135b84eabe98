//! The GPUs of this machine and a ledger of their memory. One of 8 GiB is simulated until you ask the driver.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::abi::Code;

/// One GPU. The figures of all contexts on it add up here.
pub struct Device {
    memory: u64,
    used: AtomicU64,
}

static DEVICES: [Device; 1] = [Device { memory: 8 << 30, used: AtomicU64::new(0) }];

/// TODO DEV-01: ask the driver, once, and remember the answer. 0 where no driver is installed, never a crash.
pub fn count() -> i32 {
    DEVICES.len() as i32
}

impl Device {
    /// The device of that number.
    pub fn of(number: i32) -> Result<&'static Self, Code> {
        let found = usize::try_from(number).ok().and_then(|at| DEVICES.get(at));
        found.ok_or(if count() == 0 { Code::DeviceNotFound } else { Code::InvalidDevice })
    }

    /// Bytes that models and jobs of this process hold.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// TODO FAULT-05: ask the device whether it still answers, for instance by a copy of a few bytes.
    pub fn is_healthy(&self) -> bool {
        self.memory > 0
    }
}

/// Device memory that goes back by itself, on every way out (LOAD-08).
pub struct Memory {
    device: &'static Device,
    bytes: u64,
}

impl Memory {
    /// TODO LOAD-04: let the driver allocate, and fail when it has no memory left.
    pub fn take(device: &'static Device, bytes: u64) -> Result<Self, Code> {
        let add = |used: u64| used.checked_add(bytes).filter(|all| *all <= device.memory);
        device.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add).map_err(|_| Code::OutOfMemory)?;
        Ok(Self { device, bytes })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.device.used.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}
