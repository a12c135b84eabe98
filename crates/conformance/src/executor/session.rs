//! The runner's side: starts fork servers, hands programs over, keeps deadlines and collects traces.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use worker_contract::Function;

use super::instrument::Instrument;
use super::pidfd::Watched;
use super::serve::{Frame, SERVE};
use super::shared::{MAX_THREADS, Shared, futex_wait, futex_wake, now, option, state};
use super::{fault, shared};
use crate::program::Op;
use crate::trace::{Cause, Death, Effect, Event, Observation, Outcome};

/// Threads of one session: a pool for every core of a large machine, in each of dozens of contexts, stays below; a library
/// that starts them without end must not take the machine's last.
const MOST_THREADS: u64 = 4096;
/// How long the machine may have no room for another process or thread.
const NO_ROOM: Duration = Duration::from_secs(10);
/// How often a waiting runner looks at deadlines, memory, files and threads.
const TICK: Duration = Duration::from_millis(20);
/// Longest wait for the end of a session whose server has ended.
const LAST_GOODBYE: Duration = Duration::from_millis(200);
/// Time for a killed session to be reaped, with everything it left behind.
const REAP: Duration = Duration::from_secs(20);
/// Hangs of one function that are waited for in full; later ones get a shorter deadline.
const PATIENCE: u32 = 2;

/// What bounds a session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest call, in wall time.
    pub call: Duration,
    /// Longest `cuda_load_model`, `dlopen` and `dlclose`; `cuda_get_device_count` and `cuda_init` get it as well.
    pub load: Duration,
    /// Longest batch.
    pub batch: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Largest file that a session may write, and most that it may write and hold in open files, in bytes: keeps a
    /// runaway library from filling the disk.
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            load: Duration::from_secs(30),
            batch: Duration::from_secs(600),
            memory: 4 << 30,
            file: 1 << 30,
        }
    }
}

/// How to run a library.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program that serves: one that calls [`super::serve_if_asked`] first.
    pub program: PathBuf,
    /// The library under test.
    pub library: PathBuf,
    /// Variables set for it, on top of the runner's own.
    pub environment: Vec<(String, String)>,
    /// The working directory of sessions: whatever a library leaves behind there goes with it.
    pub folder: PathBuf,
    /// What bounds a session.
    pub limits: Limits,
    /// Sessions at a time.
    pub jobs: usize,
    /// The tool that watches the library, if any.
    pub instrument: Instrument,
}

/// How one session differs from the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Start a process of its own that loads the library itself, at other addresses.
    pub fresh: bool,
    /// Variables for this session; they imply `fresh`.
    pub environment: Vec<(String, String)>,
    /// Compare the whole process state after every call.
    pub watch: bool,
    /// Without the superuser's right to read files whatever their permissions.
    pub ordinary_user: bool,
    /// Prompts and paths begin behind an inaccessible page, rather than end before one.
    pub low_inputs: bool,
    /// Resident memory in bytes, where less than usual is enough.
    pub memory: Option<u64>,
}

/// The executor could not do its work. What a library does wrong is an observation, never this.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// No child process.
    #[error("cannot start `{}` as a child process: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No shared memory.
    #[error("cannot make shared memory: {0}")]
    Shared(std::io::Error),
    /// The fork server ended by itself.
    #[error("the fork server ended unexpectedly ({0}); the library may have harmed it when it was loaded")]
    ServerGone(String),
    /// The program is too large for one batch.
    #[error("a program of {0} steps is too large for one batch; split it")]
    TooLarge(usize),
    /// The trace did not fit.
    #[error("the trace of a program does not fit the shared memory; split the program")]
    TraceOverflow,
    /// The machine, or the user, has as many processes as it may have.
    #[error("there is no room for another process or thread; end some, or raise the limit (`ulimit -u`)")]
    NoRoom,
    /// A killed session did not go away.
    #[error("process {0} could not be ended")]
    Unkillable(i32),
}

/// Runs programs on one library, each session in a process of its own.
pub struct Executor {
    config: Config,
    pool: Mutex<Pool>,
    returned: Condvar,
    pace: Mutex<HashMap<Function, Pace>>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Server>,
    out: usize,
    /// How many may be out.
    jobs: usize,
    /// Whether forking a process that has the library loaded is known to be unsafe or impossible.
    bare: bool,
    /// The largest file that a session may write, where it is not as configured.
    file: Option<u64>,
}

/// How long a function took so far.
#[derive(Default, Clone, Copy)]
struct Pace {
    slowest: u64,
    hangs: u32,
}

struct Server {
    child: Child,
    shared: Arc<Shared>,
    bare: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Config {
    /// Whether a tool watches the library's memory already, or stands in for the C library's allocator.
    pub fn is_watched(&self) -> bool {
        let tool = &self.instrument;
        !tool.wrapper.is_empty()
            || tool.environment.iter().chain(&self.environment).any(|(name, _)| name == "LD_PRELOAD")
    }
}

impl Executor {
    /// An executor; nothing is started yet.
    pub fn new(config: Config) -> Arc<Self> {
        let pool = Mutex::new(Pool { jobs: config.jobs.max(1), ..Pool::default() });
        Arc::new(Self { config, pool, returned: Condvar::new(), pace: Mutex::default() })
    }

    /// How it runs the library.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A new session. Blocks while as many as `jobs` are open.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn session(self: &Arc<Self>, options: &Options) -> Result<Session, ExecutorError> {
        let fresh = options.fresh || !options.environment.is_empty();
        let (idle, bare) = {
            let mut pool = lock(&self.pool);
            while pool.out >= pool.jobs {
                pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
            }
            pool.out += 1;
            (if fresh { None } else { pool.idle.pop() }, pool.bare)
        };
        let server = match idle {
            Some(server) => Ok(server),
            None => self.start_server(bare || fresh, &options.environment),
        };
        let server = server.inspect_err(|_| self.put_back(None))?;
        let mut session = Session {
            executor: Arc::clone(self),
            server: Some(server),
            number: 0,
            batch: 0,
            dead: false,
            keep: !fresh,
            memory: options
                .memory
                .map_or(self.config.limits.memory, |most| most.min(self.config.limits.memory)),
            pending: HashMap::new(),
        };
        session.begin(options)?;
        Ok(session)
    }

    /// Sessions at a time.
    pub fn jobs(&self) -> usize {
        lock(&self.pool).jobs
    }

    /// From now on, so many sessions at a time, at least one.
    pub fn resize(&self, jobs: usize) {
        lock(&self.pool).jobs = jobs.max(1);
        self.returned.notify_all();
    }

    /// From now on, sessions load the library themselves: it does not stand being forked.
    pub fn never_fork(&self) {
        let mut pool = lock(&self.pool);
        pool.bare = true;
        pool.idle.clear();
    }

    fn file_limit(&self) -> u64 {
        lock(&self.pool).file.unwrap_or(self.config.limits.file)
    }

    /// From now on, sessions may write files of so many bytes; `None` for the limit of the configuration.
    pub fn limit_files(&self, bytes: Option<u64>) {
        lock(&self.pool).file = bytes;
    }

    /// From now on, sessions are forked again from a process that has loaded the library.
    pub fn may_fork(&self) {
        let mut pool = lock(&self.pool);
        pool.bare = false;
        pool.idle.clear();
    }

    fn put_back(&self, server: Option<Server>) {
        let mut pool = lock(&self.pool);
        pool.out -= 1;
        if let Some(server) = server.filter(|server| server.bare == pool.bare) {
            pool.idle.push(server);
        }
        self.returned.notify_one();
    }

    fn start_server(&self, bare: bool, environment: &[(String, String)]) -> Result<Server, ExecutorError> {
        let mut server = self.spawn(bare, environment)?;
        if !bare && self.await_ready(&mut server)? != state::READY {
            // The library cannot be loaded ahead of a fork (it fails, dies, hangs or starts threads there): sessions
            // load it themselves, so that whatever it does is an observation.
            server.stop();
            lock(&self.pool).bare = true;
            server = self.spawn(true, environment)?;
        }
        if server.bare && self.await_ready(&mut server)? != state::READY {
            return Err(ExecutorError::ServerGone("it did not become ready".to_owned()));
        }
        Ok(server)
    }

    fn spawn(&self, bare: bool, environment: &[(String, String)]) -> Result<Server, ExecutorError> {
        let shared = Shared::create().map_err(ExecutorError::Shared)?;
        let instrument = &self.config.instrument;
        let mut command = match instrument.wrapper.split_first() {
            None => Command::new(&self.config.program),
            Some((tool, words)) => {
                let mut command = Command::new(tool);
                command.args(words).arg(&self.config.program);
                command
            }
        };
        command
            .arg(SERVE)
            .arg(shared.path())
            .arg::<OsString>(self.config.library.clone().into())
            .arg(if bare { "bare" } else { "preload" })
            .current_dir(&self.config.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env("GLIBC_TUNABLES", tunables(std::env::var("GLIBC_TUNABLES").ok()))
            .envs(instrument.environment.iter().map(|(key, value)| (key, value)))
            .envs(self.config.environment.iter().map(|(key, value)| (key, value)))
            .envs(environment.iter().map(|(key, value)| (key, value)));
        let child = patiently(|| command.spawn())
            .map_err(|source| ExecutorError::Spawn { program: self.config.program.clone(), source })?;
        Ok(Server { child, shared: Arc::new(shared), bare })
    }

    /// Waits until the server is ready; any state but `READY` if it is not, whatever the reason.
    fn await_ready(&self, server: &mut Server) -> Result<u32, ExecutorError> {
        let deadline = Instant::now() + self.config.limits.load;
        loop {
            let header = server.shared.header();
            let wake = header.wake.load(Ordering::SeqCst);
            let now = header.state.load(Ordering::SeqCst);
            let gone = server.child.try_wait().map_err(ExecutorError::Shared)?.is_some();
            if now != state::STARTING || gone || Instant::now() > deadline {
                return Ok(if gone { state::STARTING } else { now });
            }
            futex_wait(&header.wake, wake, TICK);
        }
    }

    /// The deadline of a call: shorter once the function is known to hang.
    fn deadline(&self, event: &Event) -> Duration {
        let limits = &self.config.limits;
        let Event::Call(call) = event else { return limits.load };
        let usual = match call.function() {
            Function::LoadModel => limits.load,
            // The first of these wakes the driver and all its devices, and may compile kernels.
            Function::GetDeviceCount | Function::Init => limits.load.max(limits.call),
            _ => limits.call,
        };
        let pace = lock(&self.pace).get(&call.function()).copied().unwrap_or_default();
        if pace.hangs < PATIENCE {
            return usual;
        }
        (Duration::from_nanos(pace.slowest) * 50).max(Duration::from_secs(1)).min(usual)
    }

    fn learn(&self, observation: &Observation) {
        let Some(call) = observation.call() else { return };
        let mut paces = lock(&self.pace);
        let pace = paces.entry(call.function()).or_default();
        match &observation.outcome {
            Outcome::Returned(_) => pace.slowest = pace.slowest.max(observation.nanos),
            Outcome::Died(Death { cause: Cause::Deadline(_), .. }) => pace.hangs += 1,
            _ => {}
        }
    }
}

impl Server {
    fn stop(&mut self) {
        let session = self.shared.header().pid.load(Ordering::SeqCst);
        // Should the number be another process's by now, that costs a moment.
        let session = Some(session).filter(|pid| *pid > 0).and_then(Watched::open);
        // Its children notice that it is gone by their parent-death signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(session) = session {
            session.ends_within(LAST_GOODBYE);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process that has loaded the library. Handles live from one batch to the next.
pub struct Session {
    executor: Arc<Executor>,
    server: Option<Server>,
    number: u32,
    batch: u32,
    dead: bool,
    keep: bool,
    memory: u64,
    pending: HashMap<u16, Event>,
}

impl Session {
    fn shared(&self) -> Option<Arc<Shared>> {
        self.server.as_ref().map(|server| Arc::clone(&server.shared))
    }

    fn begin(&mut self, options: &Options) -> Result<(), ExecutorError> {
        let Some(shared) = self.shared() else { return Ok(()) };
        let header = shared.header();
        shared.clear_trace();
        header.fault.store(0, Ordering::SeqCst);
        header.file_limit.store(self.executor.file_limit(), Ordering::SeqCst);
        header.crowded.store(0, Ordering::SeqCst);
        for clock in &header.clocks {
            clock.store(0, Ordering::SeqCst);
        }
        header.batch.store(0, Ordering::SeqCst);
        header.done.store(0, Ordering::SeqCst);
        let watch = if options.watch { option::WATCH } else { 0 };
        let ordinary = if options.ordinary_user { option::ORDINARY } else { 0 };
        let low = if options.low_inputs { option::LOW_INPUTS } else { 0 };
        let last = if self.keep { 0 } else { option::LAST };
        header.options.store(watch | ordinary | low | last, Ordering::SeqCst);
        self.number = header.ended.load(Ordering::SeqCst).wrapping_add(1);
        header.wanted.store(self.number, Ordering::SeqCst);
        futex_wake(&header.wanted);
        Ok(())
    }

    /// Whether the process still runs.
    pub fn is_alive(&self) -> bool {
        !self.dead
    }

    /// Whether the session was forked from a process that had the library loaded.
    pub fn is_forked(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.bare)
    }

    /// Runs the steps. Where the process dies, the call under way is observed as [`Outcome::Died`], and later runs
    /// give nothing.
    ///
    /// # Errors
    /// When the executor itself fails.
    pub fn run(&mut self, program: &[Op]) -> Result<Vec<Observation>, ExecutorError> {
        let Some(shared) = self.shared().filter(|_| !self.dead) else { return Ok(Vec::new()) };
        let header = shared.header();
        if !shared.put_batch(program) {
            return Err(ExecutorError::TooLarge(program.len()));
        }
        self.batch += 1;
        header.batch.store(self.batch, Ordering::SeqCst);
        futex_wake(&header.batch);
        let cause = self.wait(&shared)?;
        if header.overflow.load(Ordering::SeqCst) != 0 {
            return Err(ExecutorError::TraceOverflow);
        }
        let mut observations = self.collect(&shared);
        if let Some(cause) = cause {
            self.dead = true;
            self.bury(&shared, &cause, &mut observations);
        }
        shared.clear_trace();
        observations.iter().for_each(|observation| self.executor.learn(observation));
        Ok(observations)
    }

    /// Waits until the batch is done (`None`) or the process ended.
    fn wait(&mut self, shared: &Arc<Shared>) -> Result<Option<Cause>, ExecutorError> {
        let header = shared.header();
        let started = Instant::now();
        let mut killed: Option<(Cause, Instant)> = None;
        loop {
            let wake = header.wake.load(Ordering::SeqCst);
            if header.done.load(Ordering::SeqCst) == self.batch && killed.is_none() {
                return Ok(None);
            }
            if header.ended.load(Ordering::SeqCst) == self.number {
                if header.crowded.load(Ordering::SeqCst) != 0 {
                    self.dead = true;
                    return Err(ExecutorError::NoRoom);
                }
                let cause = match killed {
                    Some((cause, _)) => cause,
                    None => cause_of(header.status.load(Ordering::SeqCst), header),
                };
                return Ok(Some(cause));
            }
            if let Some((_, since)) = &killed {
                if since.elapsed() > REAP {
                    return Err(ExecutorError::Unkillable(header.pid.load(Ordering::SeqCst)));
                }
            } else if let Some(cause) = self.excess(shared, started) {
                let pid = header.pid.load(Ordering::SeqCst);
                if pid > 0 && header.ended.load(Ordering::SeqCst) != self.number {
                    // SAFETY: the process is a session that has not ended; its server alone reaps it.
                    unsafe {
                        libc::kill(-pid, libc::SIGKILL);
                        libc::kill(pid, libc::SIGKILL);
                    }
                }
                killed = Some((cause, Instant::now()));
            }
            futex_wait(&header.wake, wake, TICK);
            if let Some(server) = &mut self.server
                && let Ok(Some(status)) = server.child.try_wait()
            {
                self.dead = true;
                self.keep = false;
                return Err(ExecutorError::ServerGone(status.to_string()));
            }
        }
    }

    /// Which limit the process exceeds, if any.
    fn excess(&self, shared: &Arc<Shared>, started: Instant) -> Option<Cause> {
        let header = shared.header();
        let limits = &self.executor.config.limits;
        if started.elapsed() < TICK {
            return None;
        }
        let pid = header.pid.load(Ordering::SeqCst);
        if pid > 0 && exceeds(pid, self.memory) {
            return Some(Cause::Memory(self.memory));
        }
        if pid > 0 && hoards(pid, limits.file) {
            return Some(Cause::Disk(limits.file));
        }
        if pid > 0 && threads(pid) > MOST_THREADS {
            return Some(Cause::Threads(MOST_THREADS));
        }
        if started.elapsed() > limits.batch {
            return Some(Cause::Patience(limits.batch.as_millis() as u64));
        }
        let time = now();
        let late = (0..MAX_THREADS).any(|thread| {
            let start = header.clocks[thread].load(Ordering::SeqCst);
            // The shortest deadline of all is a second; only then is it worth reading what is under way.
            start != 0 && time.saturating_sub(start) > 1_000_000_000
        });
        if !late {
            return None;
        }
        pending(&shared.frames(), &self.pending).into_iter().find_map(|(thread, event)| {
            let start = header.clocks[usize::from(thread).min(MAX_THREADS - 1)].load(Ordering::SeqCst);
            let deadline = self.executor.deadline(&event);
            let over = start != 0 && u128::from(time.saturating_sub(start)) > deadline.as_nanos();
            over.then_some(Cause::Deadline(deadline.as_millis() as u64))
        })
    }

    /// Turns the frames into observations.
    fn collect(&mut self, shared: &Arc<Shared>) -> Vec<Observation> {
        let mut observations = Vec::new();
        for bytes in shared.frames() {
            match postcard::from_bytes::<Frame>(bytes) {
                Ok(Frame::Begin { thread, event }) => {
                    self.pending.insert(thread, event);
                }
                Ok(Frame::End { thread, outcome, nanos, effects }) => {
                    let event = self.pending.remove(&thread).unwrap_or(Event::Idle);
                    observations.push(Observation { thread, event, outcome, nanos, effects });
                }
                // A frame that a dying process left half-written, or that a library overwrote.
                Err(_) => {}
            }
        }
        observations
    }

    /// Adds how the process ended, at the calls that were under way.
    fn bury(&mut self, shared: &Arc<Shared>, cause: &Cause, observations: &mut Vec<Observation>) {
        if observations.last().is_some_and(|last| matches!(last.outcome, Outcome::Died(_))) {
            return;
        }
        let header = shared.header();
        let length = (header.excerpt_length.load(Ordering::SeqCst) as usize).min(shared::EXCERPT);
        let bytes: Vec<u8> =
            header.excerpt[..length].iter().map(|cell| cell.load(Ordering::SeqCst)).collect();
        let tail = &bytes[bytes.len().saturating_sub(400)..];
        let output = String::from_utf8_lossy(tail).trim().to_owned();
        // What a tool says about the end of the process says more than its last words.
        let output =
            self.executor.config.instrument.report(header.last.load(Ordering::SeqCst)).unwrap_or(output);
        let mut under_way: Vec<(u16, Event)> = self.pending.drain().collect();
        under_way.sort_by_key(|(thread, _)| *thread);
        if under_way.is_empty() {
            under_way.push((0, Event::Idle));
        }
        for (thread, event) in under_way {
            let death = Death { cause: cause.clone(), output: output.clone() };
            let outcome = Outcome::Died(death);
            observations.push(Observation { thread, event, outcome, nanos: 0, effects: Vec::new() });
        }
    }

    /// Ends the process and says what it left behind.
    pub fn finish(mut self) -> Vec<Observation> {
        let leftovers = self.end();
        let mut observations = Vec::new();
        if leftovers > 0 {
            observations.push(Observation {
                thread: 0,
                event: Event::Idle,
                outcome: Outcome::Done,
                nanos: 0,
                effects: vec![Effect::ChildProcess { count: leftovers }],
            });
        }
        observations
    }

    /// Kills the process, if it lives, and gives the server back.
    fn end(&mut self) -> u32 {
        let Some(server) = self.server.take() else { return 0 };
        let header = server.shared.header();
        let deadline = Instant::now() + REAP;
        let mut reaped = true;
        loop {
            let wake = header.wake.load(Ordering::SeqCst);
            // Read before it is known whether the session has ended: after that it is the next one's.
            let pid = header.pid.load(Ordering::SeqCst);
            if header.ended.load(Ordering::SeqCst) == self.number {
                break;
            }
            if pid > 0 {
                // SAFETY: the session has not ended, so the number is still its own.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            if Instant::now() > deadline
                || !self.keep && pid == 0 && header.wanted.load(Ordering::SeqCst) == 0
            {
                reaped = false;
                break;
            }
            if header.ended.load(Ordering::SeqCst) != self.number {
                let wait = if pid > 0 { TICK } else { Duration::from_millis(1) };
                futex_wait(&header.wake, wake, wait);
            }
        }
        let leftovers = if reaped { header.leftovers.load(Ordering::SeqCst) } else { 0 };
        self.executor.put_back(Some(server).filter(|_| self.keep && reaped));
        leftovers
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// The calls that began and did not end.
fn pending(frames: &[&[u8]], before: &HashMap<u16, Event>) -> Vec<(u16, Event)> {
    let mut open = before.clone();
    for bytes in frames {
        match postcard::from_bytes::<Frame>(bytes) {
            Ok(Frame::Begin { thread, event }) => drop(open.insert(thread, event)),
            Ok(Frame::End { thread, .. }) => drop(open.remove(&thread)),
            Err(_) => {}
        }
    }
    open.into_iter().collect()
}

fn cause_of(status: i32, header: &shared::Header) -> Cause {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let fault = fault::noted(header).filter(|_| [libc::SIGSEGV, libc::SIGBUS].contains(&signal));
        return Cause::Signal { signal, fault };
    }
    Cause::Exited(libc::WEXITSTATUS(status))
}

/// Freed memory that the allocator hoards for a thread counts as used in its figures, which then seem to grow.
fn tunables(own: Option<String>) -> String {
    const EXACT: &str = "glibc.malloc.tcache_count=0";
    own.filter(|own| !own.is_empty()).map_or(EXACT.to_owned(), |own| format!("{own}:{EXACT}"))
}

/// Tries again for a while where there is no room for another process or thread: what takes it may just be going.
pub(super) fn patiently<T>(mut start: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    let since = Instant::now();
    loop {
        match start() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && since.elapsed() < NO_ROOM => {
                std::thread::sleep(TICK);
            }
            other => return other,
        }
    }
}

/// Threads of a process; 0 if it is gone.
fn threads(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, in brackets, may hold anything; the state is the first field after it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').nth(17).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Whether a process has written more than a number of bytes and holds more in files that it has open: those without a
/// name take room that nobody sees.
fn hoards(pid: i32, most: u64) -> bool {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let figure = |key: &str| io.lines().find_map(|line| line.strip_prefix(key)?.parse::<u64>().ok());
    // By calls, and by pages of mapped files.
    ["wchar: ", "write_bytes: "].into_iter().filter_map(figure).any(|written| written > most) && {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let files = open.filter_map(|entry| std::fs::metadata(entry.path()).ok()).filter(Metadata::is_file);
        let sizes: HashMap<(u64, u64), u64> =
            files.map(|file| ((file.dev(), file.ino()), file.blocks() * 512)).collect();
        sizes.values().sum::<u64>() > most
    }
}

/// Whether the resident memory of a process exceeds a number of bytes. Pages of mapped files are not its own: a library
/// may map a model of any size while it loads it.
fn exceeds(pid: i32, most: u64) -> bool {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    // The kernel tells the kinds apart in another file, which takes it longer.
    pages * 4096 > most && {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kilobytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        (kilobytes("RssAnon:") + kilobytes("RssShmem:")) * 1024 > most
    }
}
