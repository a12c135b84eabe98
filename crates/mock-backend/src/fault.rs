//! Injected conditions (FAULT-01 to FAULT-06), read anew at every call that one of them could change.
//!
//! `WORKER_MOCK_FAULTS`, and the content of the file that `WORKER_MOCK_FAULTS_FILE` names, hold faults separated
//! by commas or white space: `kind[@token=N][:times=M]`.
//!
//! | kind | call | code |
//! |---|---|---|
//! | `kv_alloc` | `cuda_inference_start` | 2 |
//! | `kernel_launch` | `cuda_inference_next_token` | 6 |
//! | `kernel_exec` | `cuda_inference_next_token` | 4 |
//! | `oom` | `cuda_inference_next_token` | 2 |
//! | `residency` | `cuda_check_vram_residency` | 7 |
//! | `device_sick` | `cuda_check_device_health` | 1 |
//!
//! `@token=N` (next_token kinds only) strikes only the call that would give index N. `:times=M` strikes M times
//! in the process, then clears; the count belongs to the exact spelling. A fault strikes before the call changes
//! anything, so that a job goes on where it was once the fault is gone. Unknown words are ignored: a library has
//! no way to complain (PROC-01).

use std::collections::HashMap;
use std::sync::Mutex;

use crate::code::ErrorCode;

static STRIKES: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

/// Where a fault may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Allocation of a KV cache.
    Start,
    /// Production of the token with this index.
    Token(u64),
    /// The residency check.
    Residency,
    /// The health check.
    Health,
}

/// One fault as written.
#[derive(Debug, PartialEq, Eq)]
struct Fault<'t> {
    kind: &'t str,
    token: Option<u64>,
    times: Option<u64>,
}

/// Code of the first fault that strikes at `site`, if one does.
pub fn strike(site: Site) -> Option<ErrorCode> {
    let listed = std::env::var("WORKER_MOCK_FAULTS").unwrap_or_default();
    let filed = std::env::var_os("WORKER_MOCK_FAULTS_FILE")
        .and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    [listed, filed].iter().find_map(|text| strike_of(text, site))
}

fn strike_of(text: &str, site: Site) -> Option<ErrorCode> {
    text.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).find_map(|word| {
        let fault = parse(word)?;
        let code = fault.code_at(site)?;
        fault.times.is_none_or(|times| count(word, times)).then_some(code)
    })
}

fn parse(word: &str) -> Option<Fault<'_>> {
    let (word, times) = match word.split_once(":times=") {
        Some((word, times)) => (word, Some(times.parse().ok()?)),
        None => (word, None),
    };
    let (kind, token) = match word.split_once("@token=") {
        Some((kind, token)) => (kind, Some(token.parse().ok()?)),
        None => (word, None),
    };
    Some(Fault { kind, token, times })
}

impl Fault<'_> {
    fn code_at(&self, site: Site) -> Option<ErrorCode> {
        if let (Some(wanted), Site::Token(index)) = (self.token, site)
            && wanted != index
        {
            return None;
        }
        match (self.kind, site) {
            ("kv_alloc", Site::Start) | ("oom", Site::Token(_)) => Some(ErrorCode::OutOfMemory),
            ("kernel_launch", Site::Token(_)) => Some(ErrorCode::KernelLaunchFailed),
            ("kernel_exec", Site::Token(_)) => Some(ErrorCode::InferenceFailed),
            ("residency", Site::Residency) => Some(ErrorCode::VramResidencyFailed),
            ("device_sick", Site::Health) => Some(ErrorCode::InvalidDevice),
            _ => None,
        }
    }
}

/// Counts one more strike of `word`; false once it has had its `times`.
fn count(word: &str, times: u64) -> bool {
    let Ok(mut strikes) = STRIKES.lock() else { return false };
    let seen = strikes.get_or_insert_default().entry(word.to_owned()).or_insert(0);
    let strikes_again = *seen < times;
    *seen += u64::from(strikes_again);
    strikes_again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_strikes_its_own_call_with_its_own_code() {
        let sites = [Site::Start, Site::Token(0), Site::Residency, Site::Health];
        let codes = |word| sites.map(|site| strike_of(word, site).map(ErrorCode::raw));
        assert_eq!(codes("kv_alloc"), [Some(2), None, None, None]);
        assert_eq!(codes("kernel_launch"), [None, Some(6), None, None]);
        assert_eq!(codes("kernel_exec"), [None, Some(4), None, None]);
        assert_eq!(codes("oom"), [None, Some(2), None, None]);
        assert_eq!(codes("residency"), [None, None, Some(7), None]);
        assert_eq!(codes("device_sick"), [None, None, None, Some(1)]);
    }

    #[test]
    fn a_token_fault_strikes_only_that_index() {
        let text = "kernel_launch@token=3, residency";
        assert_eq!(strike_of(text, Site::Token(2)), None);
        assert_eq!(strike_of(text, Site::Token(3)), Some(ErrorCode::KernelLaunchFailed));
        assert_eq!(strike_of(text, Site::Residency), Some(ErrorCode::VramResidencyFailed));
    }

    #[test]
    fn a_counted_fault_clears_after_its_strikes() {
        let text = "oom@token=41:times=2";
        let struck = [(); 4].map(|()| strike_of(text, Site::Token(41)).is_some());
        assert_eq!(struck, [true, true, false, false]);
    }

    #[test]
    fn words_that_mean_nothing_are_ignored() {
        for text in ["", "nonsense", "oom@token=x", "oom:times=", "oom@other=1"] {
            assert_eq!(strike_of(text, Site::Token(0)), None, "{text}");
        }
    }
}
