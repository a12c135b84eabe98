//! The VRAM account of one simulated device: what is taken, by reservations that give it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes taken on a device, never more than its capacity.
#[derive(Debug)]
pub struct Ledger {
    capacity: u64,
    used: AtomicU64,
}

/// The device has fewer free bytes than asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes wanted, {free} of {capacity} free")]
pub struct OutOfMemory {
    wanted: u64,
    free: u64,
    capacity: u64,
}

/// Bytes held on a ledger until dropped.
#[derive(Debug)]
pub struct Reservation {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Ledger {
    /// An empty account of `capacity` bytes.
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { capacity, used: AtomicU64::new(0) })
    }

    /// Bytes taken now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Takes `bytes`, or nothing at all.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, OutOfMemory> {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(bytes).filter(|&total| total <= self.capacity)
            })
            .map(|_| Reservation { ledger: Arc::clone(self), bytes })
            .map_err(|used| OutOfMemory {
                wanted: bytes,
                free: self.capacity - used,
                capacity: self.capacity,
            })
    }
}

impl Reservation {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ledger.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_reservation_gives_its_bytes_back() {
        let ledger = Ledger::new(100);
        let first = ledger.reserve(60).unwrap();
        let second = ledger.reserve(40).unwrap();
        assert_eq!(ledger.used(), 100);
        drop(first);
        assert_eq!(ledger.used(), 40);
        drop(second);
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn a_refused_reservation_takes_nothing() {
        let ledger = Ledger::new(100);
        let _held = ledger.reserve(60).unwrap();
        assert_eq!(ledger.reserve(41).unwrap_err().to_string(), "41 bytes wanted, 40 of 100 free");
        assert!(ledger.reserve(u64::MAX).is_err());
        assert_eq!(ledger.used(), 60);
    }

    #[test]
    fn threads_never_take_more_than_the_capacity() {
        let ledger = Ledger::new(50);
        let held: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..10).filter_map(|_| ledger.reserve(1).ok()).collect::<Vec<_>>()))
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        assert_eq!(held.len(), 50);
        assert_eq!(ledger.used(), 50);
    }
}
