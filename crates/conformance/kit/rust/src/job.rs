//! One generation. So far every job says the same words: prompt, weights, temperature and seed are yours to use.

use crate::abi::Code;

const WORDS: [&str; 5] = ["nothing", " is", " computed", " yet", "."];

/// One generation.
pub struct Job {
    max_tokens: i32,
    /// Tokens given so far: the index of the next one.
    produced: i32,
    /// A token that waits for a buffer that it fits (INF-10).
    next: Option<&'static str>,
}

impl Job {
    /// TODO INF-01: tokenise the prompt, reserve the KV cache (FAULT-01: `Code::OutOfMemory` when there is none), and
    /// refuse what passes the context length (INF-13). Keep no reference to the prompt: it is gone after the return
    /// (MEM-04).
    pub fn start(_prompt: &str, max_tokens: i32, _temperature: f32, _seed: u64) -> Result<Self, Code> {
        Ok(Self { max_tokens, produced: 0, next: None })
    }

    /// The next token and its index; `None` at the end of the sequence, now and at every later call (INF-07).
    ///
    /// TODO DET-01, DET-06: run the model, and choose a token: the likeliest at temperature 0, one drawn with the seed
    /// above.
    /// TODO UTF8-02: a token may end inside a code point; hold its bytes back until the call that completes it.
    pub fn peek(&mut self) -> Result<Option<(&str, i32)>, Code> {
        if self.next.is_none() && self.produced < self.max_tokens {
            self.next = Some(WORDS[self.produced as usize % WORDS.len()]);
        }
        Ok(self.next.map(|text| (text, self.produced)))
    }

    /// The token that `peek` gave has reached the host.
    pub fn taken(&mut self) {
        self.next = None;
        self.produced += 1;
    }
}
