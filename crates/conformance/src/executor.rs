//! Runs programs on a library in child processes; nothing else in the suite touches a library under test.

mod fault;
mod floor;
mod instrument;
mod invoke;
mod memory;
mod pidfd;
mod process;
mod serve;
mod session;
mod shared;
mod stop;

pub use floor::measure_if_asked;
pub use instrument::Instrument;
pub use memory::{MAX_BUFFER, MAX_INPUT};
pub use serve::serve_if_asked;
pub use session::{Config, Executor, ExecutorError, Limits, Options, Session};
pub use stop::VARIABLE as STOP;
