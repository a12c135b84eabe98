//! The handler of memory faults in a session: it notes what lies at the address, then lets the signal kill.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::memory::Arena;
use super::shared::{Header, MAX_THREADS};
use crate::trace::{Fault, Region, Site};

static HEADER: AtomicPtr<Header> = AtomicPtr::new(std::ptr::null_mut());
static ARENAS: [AtomicPtr<Arena>; MAX_THREADS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_THREADS];
static ENTERED: AtomicU32 = AtomicU32::new(0);

const SIGNALS: [i32; 2] = [libc::SIGSEGV, libc::SIGBUS];
const REGIONS: [Region; 6] =
    [Region::Buffer, Region::Code, Region::Index, Region::Vram, Region::Prompt, Region::Path];

/// Makes an arena known, so that faults in it can be named.
pub fn register(thread: usize, arena: *mut Arena) {
    ARENAS[thread].store(arena, Ordering::SeqCst);
}

/// Installs the handler.
pub fn install(header: &'static Header) {
    HEADER.store(std::ptr::from_ref(header).cast_mut(), Ordering::SeqCst);
    for signal in SIGNALS {
        // SAFETY: the handler has the three-argument form that SA_SIGINFO asks for, and does nothing but
        // atomic stores and async-signal-safe calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let header = HEADER.load(Ordering::SeqCst);
    if !header.is_null() && ENTERED.swap(1, Ordering::SeqCst) == 0 {
        // SAFETY: the kernel passes a valid siginfo and context; the header is mapped as long as the process
        // lives; arenas are only registered while they live.
        unsafe {
            let address = (*info).si_addr() as usize;
            let mut site = if address < 64 << 10 { Some(Site::Null) } else { None };
            for arena in &ARENAS {
                let arena = arena.load(Ordering::SeqCst);
                if site.is_none() && !arena.is_null() {
                    site = (*arena).site(address);
                }
            }
            let packed = match site.unwrap_or(Site::Elsewhere) {
                Site::Null => [1, 0, 0, 0],
                Site::Caller { region, offset, size } => [2, region_number(region), offset as u64, size],
                Site::Released { region } => [3, region_number(region), 0, 0],
                Site::Elsewhere => [0; 4],
            };
            for (word, value) in (*header).fault_site.iter().zip(packed) {
                word.store(value, Ordering::SeqCst);
            }
            (*header).fault_address.store(address as u64, Ordering::SeqCst);
            (*header).fault_write.store(u32::from(is_write(context)), Ordering::SeqCst);
            (*header).fault.store(1, Ordering::SeqCst);
        }
    }
    // SAFETY: both calls are async-signal-safe; the signal is delivered when this handler returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn region_number(region: Region) -> u64 {
    REGIONS.iter().position(|&known| known == region).unwrap_or(0) as u64
}

#[cfg(target_arch = "x86_64")]
unsafe fn is_write(context: *mut libc::c_void) -> bool {
    // SAFETY: the kernel passes a ucontext_t; REG_ERR holds the page-fault error code, bit 1 is "write".
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_ERR as usize] & 2 != 0 }
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn is_write(_context: *mut libc::c_void) -> bool {
    false
}

/// The fault that the handler noted, as the runner reads it.
pub fn noted(header: &Header) -> Option<Fault> {
    if header.fault.load(Ordering::SeqCst) == 0 {
        return None;
    }
    let [kind, region, offset, size] = [0, 1, 2, 3].map(|at| header.fault_site[at].load(Ordering::SeqCst));
    let region = REGIONS[(region as usize).min(REGIONS.len() - 1)];
    Some(Fault {
        address: header.fault_address.load(Ordering::SeqCst),
        write: header.fault_write.load(Ordering::SeqCst) != 0,
        site: match kind {
            1 => Site::Null,
            2 => Site::Caller { region, offset: offset as i64, size },
            3 => Site::Released { region },
            _ => Site::Elsewhere,
        },
    })
}
