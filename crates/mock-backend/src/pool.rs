//! The threads of a model: a pool whose threads are joined when the model is unloaded.

use std::thread::JoinHandle;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::device::number;

/// Most threads that a model uses unless `WORKER_MOCK_THREADS` says otherwise.
const DEFAULT_LIMIT: usize = 4;
/// More threads than any machine has cores: keeps a mistyped number harmless.
const MOST_THREADS: u64 = 256;
/// Frames of a kernel are small; 256 KiB would do.
const STACK_BYTES: usize = 1 << 20;

/// Threads to compute with, or none: then the caller's thread does it all.
#[derive(Debug, Default)]
pub struct Pool {
    threads: Option<ThreadPool>,
    handles: Vec<JoinHandle<()>>,
}

/// Threads of a model in this process.
pub fn configured_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(DEFAULT_LIMIT);
    number("WORKER_MOCK_THREADS", cores as u64).clamp(1, MOST_THREADS) as usize
}

impl Pool {
    /// A pool of `count` threads; without any where `count` is 1 or the system gives none.
    pub fn new(count: usize) -> Self {
        let mut handles = Vec::new();
        if count <= 1 {
            return Self::default();
        }
        // Own handles, because the pool's drop does not wait, and a thread must not outlive the library (ABI-06).
        let threads = ThreadPoolBuilder::new().num_threads(count).spawn_handler(|thread| {
            let builder = std::thread::Builder::new().name("worker-mock".into()).stack_size(STACK_BYTES);
            handles.push(builder.spawn(move || thread.run())?);
            Ok(())
        });
        Self { threads: threads.build().ok(), handles }
    }

    /// Threads that work on a task.
    pub fn width(&self) -> usize {
        self.threads.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Runs `task` with [`rayon::scope`] and its kind meaning this pool.
    pub fn run<R: Send>(&self, task: impl FnOnce() -> R + Send) -> R {
        match &self.threads {
            Some(threads) => threads.install(task),
            None => task(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.threads.take());
        for handle in self.handles.drain(..) {
            // A thread that panicked has nothing to say that its task did not.
            let _ = handle.join();
        }
    }
}
