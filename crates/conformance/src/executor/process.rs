//! What a call must leave alone in the process (PROC), and the measurements of it (MEM-05, PROC-03).

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::trace::{Effect, Measured};

const SIGNALS: usize = 64;

/// The state that is cheap to read: compared after every call.
#[derive(Clone, PartialEq)]
struct Quick {
    output: u64,
    mask: u64,
    floats: u64,
    locale: [u8; 64],
    thread_locale: usize,
}

/// The rest: compared after every call in watched sessions, else at the end of a batch. Names of what changed are looked up
/// only then.
#[derive(Clone, PartialEq)]
struct Slow {
    handlers: [usize; SIGNALS],
    cwd: (u64, u64),
    umask: u32,
    environment: u64,
    standard: [(u64, u64); 3],
}

/// What reports call by name.
struct Names {
    cwd: Vec<u8>,
    environment: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The state that counts as unchanged.
pub struct Baseline {
    output_fd: i32,
    quick: Quick,
    slow: Slow,
    names: Names,
}

impl Baseline {
    /// Reads the state before the first call. `output_fd` is what stdout and stderr write to; nothing was written yet.
    pub fn new(output_fd: i32) -> Self {
        let quick = Quick { output: 0, ..Quick::read(output_fd, 0) };
        Self { output_fd, quick, slow: Slow::read(), names: Names::read() }
    }

    /// What changed since the last look; the new state becomes the baseline.
    pub fn changes(&mut self, all: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        let quick = Quick::read(self.output_fd, self.quick.output);
        if quick != self.quick {
            quick.differences(&self.quick, self.output_fd, &mut effects);
            self.quick = quick;
        }
        if all {
            let slow = Slow::read();
            if slow != self.slow {
                let names = Names::read();
                slow.differences(&self.slow, [&names, &self.names], &mut effects);
                self.slow = slow;
                self.names = names;
            }
        }
        effects
    }
}

unsafe extern "C" {
    fn uselocale(locale: *mut libc::c_void) -> *mut libc::c_void;
}

impl Quick {
    fn read(output_fd: i32, last_output: u64) -> Self {
        // SAFETY: plain queries; the pointers are to live locals; `setlocale` with NULL only reads.
        unsafe {
            let position = libc::lseek(output_fd, 0, libc::SEEK_CUR);
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
            let mut bits = 0_u64;
            std::ptr::copy_nonoverlapping((&raw const mask).cast(), (&raw mut bits).cast::<u8>(), 8);
            let name = libc::setlocale(libc::LC_ALL, std::ptr::null());
            let mut locale = [0; 64];
            if !name.is_null() {
                let name = CStr::from_ptr(name).to_bytes();
                let length = name.len().min(locale.len());
                locale[..length].copy_from_slice(&name[..length]);
            }
            let output = u64::try_from(position).unwrap_or(last_output);
            Self {
                output,
                mask: bits,
                floats: float_control(),
                locale,
                thread_locale: uselocale(std::ptr::null_mut()) as usize,
            }
        }
    }

    fn differences(&self, before: &Quick, output_fd: i32, effects: &mut Vec<Effect>) {
        if self.output > before.output {
            let bytes = self.output - before.output;
            let mut excerpt = vec![0; bytes.min(200) as usize];
            // SAFETY: the vector has that many bytes; a short or failed read leaves zeros.
            let read = unsafe {
                libc::pread(
                    output_fd,
                    excerpt.as_mut_ptr().cast(),
                    excerpt.len(),
                    before.output as libc::off_t,
                )
            };
            excerpt.truncate(usize::try_from(read).unwrap_or(0));
            let excerpt = String::from_utf8_lossy(&excerpt).into_owned();
            effects.push(Effect::Output { bytes, excerpt });
        }
        if self.mask != before.mask {
            effects.push(Effect::SignalMask { before: before.mask, after: self.mask });
        }
        if self.floats != before.floats {
            effects.push(Effect::FloatEnvironment { before: before.floats, after: self.floats });
        }
        if self.thread_locale != before.thread_locale {
            let (before, after) = ("of the process".to_owned(), "of the thread's own".to_owned());
            effects.push(Effect::Locale { before, after });
        }
        if self.locale != before.locale {
            let text = |bytes: &[u8]| {
                String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
            };
            effects.push(Effect::Locale { before: text(&before.locale), after: text(&self.locale) });
        }
    }
}

impl Slow {
    fn read() -> Self {
        let handlers = std::array::from_fn(|at| {
            // SAFETY: a query into a live local; unknown signals leave it zero.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(at as i32 + 1, std::ptr::null(), &raw mut action);
                action.sa_sigaction
            }
        });
        // SAFETY: umask cannot fail; it is set back at once, and no thread of ours creates files here.
        let umask = unsafe {
            let mask = libc::umask(0o77);
            libc::umask(mask);
            mask
        };
        let file = |query: &dyn Fn(*mut libc::stat) -> i32| {
            // SAFETY: all zeros is a stat.
            let mut stat: libc::stat = unsafe { std::mem::zeroed() };
            query(&raw mut stat);
            (stat.st_dev, stat.st_ino)
        };
        // SAFETY: queries into a live local; what is closed or gone leaves zeros.
        let standard = [0, 1, 2].map(|fd| file(&|stat| unsafe { libc::fstat(fd, stat) }));
        // SAFETY: as above.
        let cwd = file(&|stat| unsafe { libc::stat(c".".as_ptr(), stat) });
        Self { handlers, cwd, umask, environment: hash_of_environment(), standard }
    }

    /// What changed, each state with its names.
    fn differences(&self, before: &Slow, [names, old]: [&Names; 2], effects: &mut Vec<Effect>) {
        for (signal, (now, then)) in (1..).zip(self.handlers.iter().zip(&before.handlers)) {
            if now != then {
                effects.push(Effect::SignalHandler { signal });
            }
        }
        if self.cwd != before.cwd {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            effects.push(Effect::WorkingDirectory { before: text(&old.cwd), after: text(&names.cwd) });
        }
        if self.umask != before.umask {
            effects.push(Effect::Umask { before: before.umask, after: self.umask });
        }
        for key in names.environment.keys().chain(old.environment.keys()) {
            if names.environment.get(key) != old.environment.get(key) {
                let variable = String::from_utf8_lossy(key).into_owned();
                effects.push(Effect::Environment { variable });
            }
        }
        effects.dedup();
        for (fd, (now, then)) in (0..).zip(self.standard.iter().zip(&before.standard)) {
            if now != then {
                effects.push(Effect::StandardDescriptor { fd });
            }
        }
    }
}

impl Names {
    fn read() -> Self {
        let cwd = std::env::current_dir().map(|dir| dir.as_os_str().as_bytes().to_vec()).unwrap_or_default();
        let environment = std::env::vars_os()
            .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        Self { cwd, environment }
    }
}

/// A hash of all variables in their order, without a piece of memory of its own.
fn hash_of_environment() -> u64 {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut hasher = DefaultHasher::new();
    // SAFETY: the list ends with NULL, each entry with a NUL, and no thread of ours changes it.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            CStr::from_ptr(*at).hash(&mut hasher);
            at = at.add(1);
        }
    }
    hasher.finish()
}

/// The control bits of the floating-point environment; sticky exception flags may change.
#[cfg(target_arch = "x86_64")]
fn float_control() -> u64 {
    let mut mxcsr = 0_u32;
    let mut x87 = 0_u16;
    // SAFETY: both instructions only store a register to the given live local.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
        std::arch::asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack, preserves_flags));
    }
    const STICKY: u32 = 0x3f;
    u64::from(mxcsr & !STICKY) << 32 | u64::from(x87)
}

#[cfg(target_arch = "aarch64")]
fn float_control() -> u64 {
    let control: u64;
    // SAFETY: reads a control register.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack)) };
    control
}

/// Measures the process.
pub fn measure() -> Measured {
    let mut descriptors: Vec<(i32, String)> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        // The descriptor that reads the directory itself.
        .filter(|(_, target)| !target.ends_with("/fd"))
        .collect();
    descriptors.sort();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut mapped: Vec<String> =
        maps.lines().filter_map(|line| Some(line[line.find(" /")? + 1..].to_owned())).collect();
    mapped.dedup();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = |at: usize| statm.split(' ').nth(at).and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count() as u32);
    // SAFETY: reads the allocator's counters; it takes the arenas' locks as malloc does.
    let heap = unsafe { libc::mallinfo2() };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    let processor = usage.map_or(0, |usage| {
        let nanos = |time: nix::sys::time::TimeVal| u64::try_from(time.num_nanoseconds()).unwrap_or(0);
        nanos(usage.user_time()) + nanos(usage.system_time())
    });
    let switches = usage.map_or((0, 0), |usage| {
        let count = |switches: i64| u64::try_from(switches).unwrap_or(0);
        (count(usage.voluntary_context_switches()), count(usage.involuntary_context_switches()))
    });
    Measured {
        processor,
        switches,
        resident: pages(1).saturating_sub(pages(2)) * 4096,
        address_space: pages(0) * 4096,
        heap: heap.uordblks as u64 + heap.hblkhd as u64,
        threads,
        descriptors,
        mapped,
    }
}

/// Number of threads of this process.
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
