//! The child's side: a fork server that has loaded the library but never called it, and the sessions it forks.

use std::path::Path;
use std::process::exit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use libloading::Library;
use serde::{Deserialize, Serialize};
use worker_contract::{Symbols, library};

use super::fault;
use super::invoke::{World, invoke};
use super::memory::Arena;
use super::pidfd::Watched;
use super::process::{Baseline, measure, threads};
use super::session::patiently;
use super::shared::{MAX_THREADS, Shared, futex_wait, now, option, state};
use super::stop;
use crate::program::{Buffer, Call, FileAction, Guard, Op, Out};
use crate::trace::{Cause, Death, Effect, Event, Outcome, Skip};

/// First argument of a process that serves.
pub const SERVE: &str = "__serve";
/// Bytes of output kept in all; what a library writes past them is refused by the system.
const OUTPUT: i64 = 1 << 20;
const TICK: Duration = Duration::from_millis(200);
/// Time for helpers of a library to notice that its process has ended, and to end themselves.
const GRACE: Duration = Duration::from_millis(150);

/// One entry of the trace area.
#[derive(Serialize, Deserialize)]
pub enum Frame {
    /// A call begins.
    Begin {
        /// Thread of the program.
        thread: u16,
        /// What begins.
        event: Event,
    },
    /// The call that began last on this thread is over.
    End {
        /// Thread of the program.
        thread: u16,
        /// What came of it.
        outcome: Outcome,
        /// Nanoseconds.
        nanos: u64,
        /// Changes in the process.
        effects: Vec<Effect>,
    },
}

/// Serves if this process was started to serve, and does not return then. Programs that use [`super::Executor`] with
/// themselves as the server call it first thing in `main`.
pub fn serve_if_asked() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != SERVE) {
        return;
    }
    let (Some(shared), Some(library), Some(preload)) = (args.next(), args.next(), args.next()) else {
        exit(2);
    };
    let Ok(shared) = Shared::open(Path::new(&shared)) else { exit(2) };
    stop::prepare();
    // The mapping stays for the life of the process; the fault handler refers to it.
    let shared: &'static Shared = Box::leak(Box::new(shared));
    Server { shared, parent: parent(), output: capture_output() }
        .run(Path::new(&library), preload == "preload");
}

fn parent() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getppid() }
}

/// Ends this process without what a library wants done at an exit: nobody is there to see what that does.
fn leave() -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

/// Whether a child of this process has ended and nobody has waited for it.
fn has_ended_child() -> bool {
    // SAFETY: all zeros are a valid `siginfo_t`; the call writes to it alone and reaps nothing.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_ALL, 0, &raw mut info, how) == 0 && info.si_pid() != 0
    }
}

/// Makes stdout and stderr a memory file of fixed size whose position tells how much was written.
fn capture_output() -> i32 {
    // SAFETY: plain system calls on descriptors of our own; the C streams are ours until the library is loaded.
    unsafe {
        let fd = libc::memfd_create(c"output".as_ptr(), libc::MFD_ALLOW_SEALING);
        libc::ftruncate(fd, OUTPUT);
        libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_GROW | libc::F_SEAL_SHRINK);
        // A high number, out of the way of libraries that count on low ones being free.
        let high = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 700);
        libc::dup2(high, 1);
        libc::dup2(high, 2);
        libc::close(fd);
        unsafe extern "C" {
            static mut stdout: *mut libc::FILE;
        }
        // Unbuffered, so that what a C library prints is seen in the call that prints it.
        libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IONBF, 0);
        high
    }
}

struct Server {
    shared: &'static Shared,
    parent: i32,
    output: i32,
}

impl Server {
    fn run(self, path: &Path, preload: bool) -> ! {
        // SAFETY: makes orphans of sessions children of this process, so that it can end them.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        let header = self.shared.header();
        let mut library = None;
        let mut next_state = state::READY;
        if preload {
            match library::load(path) {
                Ok(loaded) => library = Some(loaded),
                Err(error) => {
                    self.shared.append(error_reason(&error).as_bytes());
                    next_state = state::LOAD_FAILED;
                }
            }
            if threads() > 1 {
                next_state = state::THREADED;
            }
        }
        // Whatever is the same for all sessions is made once: what a forked process touches first costs it a page fault.
        let mut session = Some(Session::prepare(self.shared, self.output, path, library));
        header.state.store(next_state, Ordering::SeqCst);
        self.shared.notify();
        let mut served = 0;
        let mut ahead = true;
        loop {
            // The next session waits to be asked for, where nothing speaks against that.
            let ready = if ahead { self.fork().ok() } else { None };
            let forked = match ready {
                Some(pid) => Ok(pid),
                None => {
                    self.await_request(served);
                    patiently(|| self.fork())
                }
            };
            match &forked {
                Ok(0) => match session.take() {
                    Some(session) => session.serve(served),
                    None => exit(3),
                },
                Err(_) => header.crowded.store(1, Ordering::SeqCst),
                &Ok(pid) => {
                    header.pid.store(pid, Ordering::SeqCst);
                    let status = self.watch(pid);
                    header.status.store(status, Ordering::SeqCst);
                }
            }
            let leftovers = self.kill_orphans(*forked.as_ref().unwrap_or(&0));
            let wanted = header.wanted.load(Ordering::SeqCst);
            let asked = wanted != served;
            if asked {
                header.leftovers.store(leftovers, Ordering::SeqCst);
                header.last.store(forked.unwrap_or(0), Ordering::SeqCst);
                self.keep_excerpt();
            }
            header.pid.store(0, Ordering::SeqCst);
            if asked {
                served = wanted;
                header.ended.store(served, Ordering::SeqCst);
                self.shared.notify();
            }
            // One that ended before it was asked for anything does not stand to wait; the last is followed by none.
            ahead = asked && header.options.load(Ordering::SeqCst) & option::LAST == 0;
        }
    }

    /// Forks; 0 in the child.
    fn fork(&self) -> std::io::Result<i32> {
        // SAFETY: rewinds our own descriptor, to which no session writes now; forks a process that has one thread.
        unsafe {
            libc::lseek(self.output, 0, libc::SEEK_SET);
            match libc::fork() {
                -1 => Err(std::io::Error::last_os_error()),
                pid => Ok(pid),
            }
        }
    }

    /// Waits until a session other than the one served last is asked for; leaves if the runner is gone.
    fn await_request(&self, served: u32) {
        let wanted = &self.shared.header().wanted;
        while wanted.load(Ordering::SeqCst) == served {
            futex_wait(wanted, served, TICK);
            if parent() != self.parent {
                leave();
            }
        }
    }

    /// Waits for the session to end; ends it if the runner is gone.
    fn watch(&self, pid: i32) -> i32 {
        let mut status = 0;
        let session = Watched::open(pid);
        while session.as_ref().is_some_and(|session| !session.ends_within(TICK)) {
            if parent() != self.parent {
                // SAFETY: plain system calls on a child of ours that is not reaped yet.
                unsafe {
                    libc::kill(-pid, libc::SIGKILL);
                    libc::kill(pid, libc::SIGKILL);
                }
            }
        }
        // SAFETY: a plain system call on a child of ours that is not reaped yet.
        unsafe {
            while libc::waitpid(pid, &raw mut status, 0) == -1 && *libc::__errno_location() == libc::EINTR {}
        }
        status
    }

    /// Reaps what a session left behind for as long as [`GRACE`], or until nothing is left; how many have ended.
    fn reap(&self) -> u32 {
        let begun = Instant::now();
        let mut count = 0;
        loop {
            // SAFETY: reaps what has ended already; -1 means that there is no child at all.
            match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
                -1 => return count,
                0 if begun.elapsed() > GRACE => return count,
                0 => std::thread::sleep(Duration::from_millis(1)),
                _ => count += 1,
            }
        }
    }

    /// Kills everything the session left behind, daemons included; returns how many there were. A helper that ends when
    /// its library's process does was not left behind; one that had ended before, and that nobody waited for, was.
    fn kill_orphans(&self, session: i32) -> u32 {
        let ended = self.reap();
        let unreaped = self.shared.header().unreaped.load(Ordering::SeqCst) != 0;
        let mut count = if unreaped { ended } else { 0 };
        if session > 0 {
            // SAFETY: a plain system call; whoever is still in the session's process group.
            unsafe { libc::kill(-session, libc::SIGKILL) };
        }
        loop {
            // SAFETY: reaps what has ended already; -1 means that there is no child at all.
            let ended = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
            if ended == -1 {
                return count;
            }
            if ended > 0 {
                count += 1;
                continue;
            }
            let list = format!("/proc/self/task/{}/children", std::process::id());
            for pid in std::fs::read_to_string(list).unwrap_or_default().split_whitespace() {
                if let Ok(pid) = pid.parse::<i32>() {
                    // SAFETY: a child of ours, not reaped, so the number is still its own.
                    unsafe {
                        libc::kill(pid, libc::SIGKILL);
                        libc::waitpid(pid, std::ptr::null_mut(), 0);
                    }
                    count += 1;
                }
            }
        }
    }

    fn keep_excerpt(&self) {
        let header = self.shared.header();
        let mut bytes = [0_u8; super::shared::EXCERPT];
        // SAFETY: queries and reads our own descriptor into a live array.
        let length = unsafe {
            let end = libc::lseek(self.output, 0, libc::SEEK_CUR).clamp(0, OUTPUT);
            let from = (end - bytes.len() as i64).max(0);
            libc::pread(self.output, bytes.as_mut_ptr().cast(), (end - from) as usize, from)
        };
        let length = usize::try_from(length).unwrap_or(0);
        for (cell, byte) in header.excerpt.iter().zip(&bytes[..length]) {
            cell.store(*byte, Ordering::SeqCst);
        }
        header.excerpt_length.store(length as u32, Ordering::SeqCst);
    }
}

fn error_reason(error: &library::OpenError) -> String {
    match error {
        library::OpenError::Load { reason, .. } => reason.clone(),
        library::OpenError::Incomplete { .. } => error.to_string(),
    }
}

/// A forked process that runs programs.
struct Session {
    shared: &'static Shared,
    /// The process that forks it.
    server: i32,
    library: Option<Library>,
    path: std::path::PathBuf,
    world: World,
    watch: bool,
    low_inputs: bool,
    baseline: Mutex<Baseline>,
    arenas: Vec<Mutex<Box<Arena>>>,
}

const NO_SYMBOLS: Symbols = Symbols {
    cuda_init: None,
    cuda_destroy: None,
    cuda_get_device_count: None,
    cuda_load_model: None,
    cuda_unload_model: None,
    cuda_model_get_vram_usage: None,
    cuda_inference_start: None,
    cuda_inference_next_token: None,
    cuda_inference_free: None,
    cuda_check_vram_residency: None,
    cuda_get_vram_usage: None,
    cuda_get_process_vram_usage: None,
    cuda_check_device_health: None,
    cuda_error_message: None,
};

impl Session {
    /// A session as every one begins, made in the process that is forked.
    fn prepare(shared: &'static Shared, output: i32, path: &Path, library: Option<Library>) -> Self {
        // SAFETY: Rust ignores it from the start; a library that does the same is to be noticed.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        fault::install(shared.header());
        let symbols = library.as_ref().map_or(NO_SYMBOLS, Symbols::resolve);
        let mut session = Self {
            shared,
            server: std::process::id().cast_signed(),
            library,
            path: path.to_owned(),
            world: World::new(symbols),
            watch: false,
            low_inputs: false,
            baseline: Mutex::new(Baseline::new(output)),
            arenas: Vec::new(),
        };
        session.ensure_arenas(1);
        session
    }

    /// What each session does for itself, once it is asked for.
    fn start(&mut self, served: u32) {
        let header = self.shared.header();
        // SAFETY: sets up this process alone, before any call into the library.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        }
        while header.wanted.load(Ordering::SeqCst) == served {
            futex_wait(&header.wanted, served, TICK);
            // It may have gone before it could be told that its end is this one's.
            if parent() != self.server {
                leave();
            }
        }
        header.unreaped.store(0, Ordering::SeqCst);
        let most = header.file_limit.load(Ordering::SeqCst);
        let file = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: limits this process alone.
        unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const file) };
        let options = header.options.load(Ordering::SeqCst);
        if options & option::ORDINARY != 0 {
            obey_permissions();
        }
        self.watch = options & option::WATCH != 0;
        self.low_inputs = options & option::LOW_INPUTS != 0;
        for arena in &mut self.arenas {
            if let Ok(arena) = arena.get_mut() {
                arena.low_inputs = self.low_inputs;
            }
        }
        if self.library.is_none() {
            self.open();
        }
    }

    fn ensure_arenas(&mut self, count: usize) {
        while self.arenas.len() < count.min(MAX_THREADS) {
            let Ok(arena) = Arena::new() else { exit(3) };
            let mut arena = Box::new(arena);
            arena.low_inputs = self.low_inputs;
            // Boxed, so the address stays; never dropped before the process ends.
            fault::register(self.arenas.len(), std::ptr::from_mut(&mut *arena));
            self.arenas.push(Mutex::new(arena));
        }
    }

    fn serve(mut self, served: u32) -> ! {
        self.start(served);
        let header = self.shared.header();
        let mut seen = 0;
        loop {
            let batch = header.batch.load(Ordering::SeqCst);
            if batch == seen {
                futex_wait(&header.batch, seen, TICK);
                continue;
            }
            seen = batch;
            let Ok(program) = self.shared.take_batch::<Vec<Op>>() else { exit(3) };
            self.ensure_arenas(1 + most_threads(&program));
            for op in &program {
                self.run(op);
            }
            self.settle();
            header.done.store(batch, Ordering::SeqCst);
            self.shared.notify();
        }
    }

    /// Looks at the whole process state once more, so that every program checks it.
    fn settle(&self) {
        self.shared.header().unreaped.store(u32::from(has_ended_child()), Ordering::SeqCst);
        let effects = self.changes(true);
        if !effects.is_empty() {
            self.begin(0, &Event::Idle);
            self.end(0, Outcome::Done, 0, effects);
        }
    }

    fn changes(&self, all: bool) -> Vec<Effect> {
        self.baseline.lock().map(|mut baseline| baseline.changes(all)).unwrap_or_default()
    }

    fn begin(&self, thread: usize, event: &Event) {
        self.append(&Frame::Begin { thread: thread as u16, event: event.clone() });
    }

    fn end(&self, thread: usize, outcome: Outcome, nanos: u64, effects: Vec<Effect>) {
        self.append(&Frame::End { thread: thread as u16, outcome, nanos, effects });
    }

    fn append(&self, frame: &Frame) {
        if let Ok(bytes) = postcard::to_stdvec(frame) {
            self.shared.append(&bytes);
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Repeat(times, body) => {
                let start = now();
                for round in 0..*times {
                    if enough(round, start) {
                        break;
                    }
                    for op in body {
                        self.run(op);
                    }
                }
            }
            Op::Threads(bodies) => {
                let session = &*self;
                let gate = &std::sync::Barrier::new(bodies.len().min(MAX_THREADS - 1));
                std::thread::scope(|scope| {
                    let mut threads = Vec::new();
                    for (at, body) in bodies.iter().take(MAX_THREADS - 1).enumerate() {
                        threads.push(session.start_thread(scope, move || {
                            gate.wait();
                            body.iter().for_each(|op| session.run_here(at + 1, op));
                        }));
                    }
                    threads.into_iter().for_each(join);
                });
            }
            Op::Close => self.close(&[]),
            Op::CloseBeside(body) => self.close(body),
            Op::Open => self.open(),
            other => self.run_here(0, other),
        }
    }

    /// Starts a thread. A session that gets none leaves: the others wait for it, and the library has done nothing wrong.
    fn start_thread<'s>(
        &self,
        scope: &'s std::thread::Scope<'s, '_>,
        work: impl FnOnce() + Send + Copy + 's,
    ) -> ScopedJoinHandle<'s, ()> {
        patiently(|| std::thread::Builder::new().spawn_scoped(scope, work)).unwrap_or_else(|_| {
            self.shared.header().crowded.store(1, Ordering::SeqCst);
            // SAFETY: leaves at once, with other threads under way.
            unsafe { libc::_exit(5) }
        })
    }

    /// Runs what any thread may run.
    fn run_here(&self, thread: usize, op: &Op) {
        match op {
            Op::Call(call) => {
                self.call(thread, call);
            }
            Op::Drain { result, buffer, index, limit, pause_us } => {
                for turn in 0..*limit {
                    let guard = if turn % 2 == 0 { Guard::After } else { Guard::Before };
                    let buffer = Buffer { pointer: Out::Given, size: *buffer, guard };
                    let call = Call::NextToken { result: *result, buffer, index: *index, code: Out::Given };
                    if !self.call(thread, &call) {
                        break;
                    }
                    if *pause_us > 0 {
                        std::thread::sleep(Duration::from_micros(u64::from(*pause_us)));
                    }
                }
            }
            Op::Repeat(times, body) => {
                let start = now();
                for _ in (0..*times).take_while(|&round| !enough(round, start)) {
                    body.iter().for_each(|op| self.run_here(thread, op));
                }
            }
            Op::File(action) => change_file(action),
            Op::Measure => {
                self.begin(thread, &Event::Measure);
                self.end(thread, Outcome::Measured(measure()), 0, Vec::new());
            }
            Op::Rest(micros) => std::thread::sleep(Duration::from_micros(u64::from(*micros))),
            Op::ExitProcess => {
                self.begin(thread, &Event::Exit);
                self.start_clock(thread);
                exit(0);
            }
            // Only the main thread may close the library or start threads.
            Op::Threads(_) | Op::Close | Op::CloseBeside(_) | Op::Open => {}
        }
    }

    fn clock(&self, thread: usize) -> &AtomicU64 {
        &self.shared.header().clocks[thread.min(MAX_THREADS - 1)]
    }

    fn start_clock(&self, thread: usize) -> u64 {
        let start = now();
        self.clock(thread).store(start, Ordering::SeqCst);
        start
    }

    /// Makes one call; returns whether it returned true.
    fn call(&self, thread: usize, call: &Call) -> bool {
        let call = match self.world.prepare(call) {
            Ok(call) => call,
            Err(skip) => {
                self.begin(thread, &Event::Call(call.clone()));
                self.end(thread, Outcome::Skipped(skip), 0, Vec::new());
                return false;
            }
        };
        let Some(Ok(mut arena)) = self.arenas.get(thread).map(Mutex::lock) else { return false };
        self.begin(thread, &Event::Call(call.clone()));
        stop::if_asked(&call);
        let (mut start, mut stop) = (0, 0);
        let result = invoke(
            &self.world,
            &mut arena,
            &call,
            || start = self.start_clock(thread),
            || {
                // Zero means that another call has returned here in between.
                if self.clock(thread).swap(0, Ordering::SeqCst) == 0 {
                    let death = Death { cause: Cause::Jumped, output: String::new() };
                    self.end(thread, Outcome::Died(death), 0, Vec::new());
                    // SAFETY: leaves at once; nothing of this process can be trusted any more.
                    unsafe { libc::_exit(4) };
                }
                stop = now();
            },
        );
        let outcome = result.map_or_else(|skip: Skip| Outcome::Skipped(skip), Outcome::Returned);
        let truth = matches!(&outcome, Outcome::Returned(returned) if returned.is_true());
        // Threads share the process: what changes there is looked at when they have joined.
        let effects = if thread == 0 { self.changes(self.watch) } else { Vec::new() };
        self.end(thread, outcome, stop.saturating_sub(start), effects);
        truth
    }

    fn open(&mut self) {
        self.begin(0, &Event::Open);
        let start = self.start_clock(0);
        let loaded = library::load(&self.path);
        self.clock(0).store(0, Ordering::SeqCst);
        let effects = self.changes(true);
        let outcome = match loaded {
            Ok(loaded) => {
                self.world = World::new(Symbols::resolve(&loaded));
                self.library = Some(loaded);
                Outcome::Done
            }
            Err(error) => Outcome::Failed(error_reason(&error)),
        };
        self.end(0, outcome, now() - start, effects);
    }

    /// Closes the library beside a thread that has done `body` before, and that ends when the library is gone.
    fn close(&mut self, body: &[Op]) {
        let library = self.library.take();
        let session = &*self;
        let (done, gone) = (&std::sync::Barrier::new(2), &std::sync::Barrier::new(2));
        let (start, closed) = std::thread::scope(|scope| {
            let beside = (!body.is_empty()).then(|| {
                let thread = session.start_thread(scope, move || {
                    body.iter().for_each(|op| session.run_here(1, op));
                    done.wait();
                    gone.wait();
                });
                done.wait();
                thread
            });
            session.begin(0, &Event::Close);
            let start = session.start_clock(0);
            let closed = library.map_or(Ok(()), Library::close);
            if let Some(thread) = beside {
                gone.wait();
                join(thread);
            }
            (start, closed)
        });
        self.world = World::new(NO_SYMBOLS);
        // Threads that outlive the code they run crash now, not in the next call.
        std::thread::sleep(Duration::from_millis(30));
        self.clock(0).store(0, Ordering::SeqCst);
        let effects = self.changes(true);
        let outcome = closed.map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Done);
        self.end(0, outcome, now() - start, effects);
    }
}

/// Waits for a thread by `pthread_join`. A scope alone waits on a futex, which ThreadSanitizer does not see: it would take
/// calls one after the other for calls at once.
fn join(thread: ScopedJoinHandle<'_, ()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Gives up the capabilities by which a superuser opens files that nobody may read.
fn obey_permissions() {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    /// Effective, permitted, inheritable; two words each.
    type Sets = [[u32; 3]; 2];
    const VERSION_3: u32 = 0x2008_0522;
    const DAC_OVERRIDE_AND_READ_SEARCH: u32 = 1 << 1 | 1 << 2;
    let header = Header { version: VERSION_3, pid: 0 };
    let mut sets: Sets = [[0; 3]; 2];
    // SAFETY: version 3 reads a header and reads or writes two sets of three words, all of them live locals. A process
    // may always give up what it has; one that never had it is left as it is.
    unsafe {
        libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr());
        sets[0].iter_mut().for_each(|set| *set &= !DAC_OVERRIDE_AND_READ_SEARCH);
        libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr());
    }
}

/// Whether rounds are enough for a slow library: what they show does not depend on their number.
fn enough(round: u32, start: u64) -> bool {
    const ROUNDS: u32 = 16;
    const NANOS: u64 = 4_000_000_000;
    round >= ROUNDS && now() - start > NANOS
}

fn most_threads(program: &[Op]) -> usize {
    program
        .iter()
        .map(|op| match op {
            Op::Threads(bodies) => bodies.len(),
            Op::CloseBeside(_) => 1,
            Op::Repeat(_, body) => most_threads(body),
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

/// Changes a file between calls. A failure shows in what the library makes of the file.
fn change_file(action: &FileAction) {
    use std::os::unix::ffi::OsStrExt;
    let path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let _ = match action {
        FileAction::Write { path: at, bytes } => std::fs::write(path(at), bytes),
        FileAction::Overwrite { path: at } => std::fs::metadata(path(at)).and_then(|meta| {
            let mut file = std::fs::File::options().write(true).open(path(at))?;
            std::io::copy(&mut std::io::Read::take(std::io::repeat(0), meta.len()), &mut file).map(drop)
        }),
        FileAction::Truncate { path: at, length } => {
            std::fs::File::options().write(true).open(path(at)).and_then(|file| file.set_len(*length))
        }
        FileAction::Copy { path: at, from } => {
            std::fs::read(path(from)).and_then(|bytes| std::fs::write(path(at), bytes))
        }
        FileAction::Replace { path: at, from } => {
            let new = path(at).with_extension("new");
            std::fs::read(path(from))
                .and_then(|bytes| std::fs::write(&new, bytes))
                .and_then(|()| std::fs::rename(&new, path(at)))
        }
        FileAction::Delete { path: at } => std::fs::remove_file(path(at)),
    };
}
