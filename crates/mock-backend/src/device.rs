//! The simulated devices of the process: how many, how large, and the ledger of each.

use std::sync::{Arc, OnceLock};

use crate::code::ErrorCode;
use crate::defect::{self, Defect};
use crate::ledger::Ledger;

/// Memory of a device where `WORKER_MOCK_VRAM_BYTES` does not say: 24 GiB.
const DEFAULT_VRAM_BYTES: u64 = 24 << 30;
/// More devices than any machine has: keeps a mistyped count from filling memory.
const MOST_DEVICES: usize = 1024;

// Every context of one device shares its ledger: the limit is the device's, not the context's.
static DEVICES: OnceLock<Vec<Arc<Ledger>>> = OnceLock::new();

/// Number of devices, fixed at the first call of the process (DEV-01).
pub fn count() -> usize {
    devices().len()
}

/// Ledger of device `id`: `InvalidDevice` outside 0..count, `DeviceNotFound` where there is none (DEV-03, DEV-04).
pub fn open(id: i32) -> Result<Arc<Ledger>, ErrorCode> {
    let devices = devices();
    if devices.is_empty() {
        if defect::on(Defect::NoDeviceUnknown) {
            return Err(ErrorCode::Unknown);
        }
        if defect::on(Defect::NoDeviceContext) && id < 0 {
            return Err(ErrorCode::InvalidParameter);
        }
        return Err(ErrorCode::DeviceNotFound);
    }
    let spoilt = match id {
        0 => defect::on(Defect::NoDeviceWorks),
        1 => {
            defect::on(Defect::SecondDeviceFails)
                || (defect::on(Defect::SecondDeviceBusy) && defect::kept() > 0)
        }
        _ => false,
    };
    if spoilt {
        return Err(ErrorCode::Unknown);
    }
    let id = match id {
        i32::MIN if defect::on(Defect::NegativeIsADevice) => 0,
        id if defect::on(Defect::CountIsADevice) && id as usize == devices.len() => id - 1,
        id if defect::on(Defect::PackedDevice) && id >= 1 << 16 => id & 0xffff,
        id => id,
    };
    let index = usize::try_from(id).map_err(|_| ErrorCode::InvalidDevice)?;
    devices.get(index).cloned().ok_or(ErrorCode::InvalidDevice)
}

fn devices() -> &'static [Arc<Ledger>] {
    DEVICES.get_or_init(|| {
        let count = number("WORKER_MOCK_DEVICES", 1).min(MOST_DEVICES as u64);
        let capacity = number("WORKER_MOCK_VRAM_BYTES", DEFAULT_VRAM_BYTES);
        (0..count).map(|_| Ledger::new(capacity)).collect()
    })
}

/// Environment variable `name` as a number; `default` where it is absent or no number.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_the_count_are_invalid_devices() {
        for id in [-1, count() as i32, i32::MIN, i32::MAX] {
            assert_eq!(open(id).unwrap_err(), ErrorCode::InvalidDevice);
        }
        assert!(open(0).is_ok());
    }

    #[test]
    fn contexts_of_one_device_share_a_ledger() {
        assert!(Arc::ptr_eq(&open(0).unwrap(), &open(0).unwrap()));
    }
}
