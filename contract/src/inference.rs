//! The safe form of a job: an iterator of tokens that ends the job when dropped.

use std::ffi::{CStr, c_char};
use std::iter::FusedIterator;
use std::ptr::NonNull;

use crate::bindings::InferenceResult;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::functions::Function;
use crate::model::Model;

/// Bytes of the first buffer: ample for the text of almost every token.
const FIRST_BUFFER: i32 = 1024;

/// Bytes of the largest buffer: a token that does not fit it is an error.
const LARGEST_BUFFER: i32 = 64 * 1024;

/// How tokens are chosen, and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Most tokens to produce, 1 to 2048. Requirement: INF-02.
    pub max_tokens: i32,
    /// 0.0 takes the likeliest token every time; up to 2.0 spreads the choice. Requirement: INF-03. Spec: M0-W-1032.
    pub temperature: f32,
    /// Start of the random numbers; without effect at temperature 0. Requirements: DET-04, DET-05. Spec: M0-W-1030.
    pub seed: u64,
}

impl Default for Sampling {
    /// 128 tokens, greedy.
    fn default() -> Self {
        Self { max_tokens: 128, temperature: 0.0, seed: 0 }
    }
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its place in the sequence: 0, 1, 2, ... Requirement: INF-06.
    pub index: i32,
    /// Its text, which is empty while a code point is unfinished. Requirement: UTF8-01.
    pub text: String,
}

/// A generation under way: an iterator of tokens. Ends itself with `cuda_inference_free` when dropped, at any point.
///
/// The first error is the last item. Neither `Send` nor `Sync`.
#[derive(Debug)]
pub struct Inference<'model> {
    model: &'model Model<'model>,
    handle: NonNull<InferenceResult>,
    buffer: Vec<u8>,
    next_index: i32,
    max_tokens: i32,
    ended: bool,
}

impl<'model> Inference<'model> {
    pub(crate) fn start(model: &'model Model<'_>, prompt: &CStr, sampling: Sampling) -> Result<Self, Error> {
        let backend = model.context().backend();
        let Sampling { max_tokens, temperature, seed } = sampling;
        let (handle, code) = backend.report(Function::InferenceStart, |code| {
            let start = backend.symbols().cuda_inference_start;
            // SAFETY: the model lives and stays on one thread; the prompt is NUL-terminated; it and `code` outlive
            // the call, after which the library keeps neither. [MEM-04]
            unsafe { start(model.handle(), prompt.as_ptr(), max_tokens, temperature, seed, code) }
        })?;
        let handle = NonNull::new(handle);
        backend.judge(Function::InferenceStart, handle.is_some(), code)?;
        let handle =
            handle.ok_or_else(|| Error::breach(Function::InferenceStart, "no handle came", "ERR-02"))?;
        model.jobs().set(model.jobs().get() + 1);
        Ok(Self { model, handle, buffer: buffer(FIRST_BUFFER), next_index: 0, max_tokens, ended: false })
    }

    /// Ask for the next token until its text fits the buffer; `None` at the end of the sequence.
    fn next_token(&mut self) -> Result<Option<Token>, Error> {
        const FUNCTION: Function = Function::InferenceNextToken;
        let backend = self.model.context().backend();
        let mut refused = false;
        loop {
            // No NUL and no UTF-8: what the call leaves unwritten cannot pass for text.
            self.buffer.fill(0xff);
            let size = i32::try_from(self.buffer.len()).unwrap_or(LARGEST_BUFFER);
            let mut index = -1;
            let (came, code) = backend.report(FUNCTION, |code| {
                let next = backend.symbols().cuda_inference_next_token;
                let token_out = self.buffer.as_mut_ptr().cast::<c_char>();
                // SAFETY: the job lives and stays on one thread; the buffer has `size` bytes, past which nothing is
                // written; it and both out-parameters outlive the call. [MEM-01, MEM-02, MEM-04]
                unsafe { next(self.handle.as_ptr(), token_out, size, &raw mut index, code) }
            })?;
            if came == 0 && code == ErrorCode::Success.raw() {
                let lost = || Error::breach(FUNCTION, "a token was lost to too small a buffer", "INF-10");
                return if refused { Err(lost()) } else { Ok(None) };
            }
            // The arguments are right but for the size, so that this code says that the text does not fit. A library
            // that loses the token all the same (INF-10 is a SHOULD) shows by an end or by a gap in the indices.
            if came == 0 && code == ErrorCode::InvalidParameter.raw() && size < LARGEST_BUFFER {
                refused = true;
                self.buffer = buffer((size * 8).min(LARGEST_BUFFER));
                continue;
            }
            backend.judge(FUNCTION, came != 0, code)?;
            if self.next_index == self.max_tokens {
                return Err(Error::breach(FUNCTION, "more tokens came than max_tokens", "INF-07"));
            }
            if index != self.next_index {
                let what = format!("token {} came as token {index}", self.next_index);
                return Err(Error::breach(FUNCTION, &what, "INF-06"));
            }
            self.next_index += 1;
            let text = CStr::from_bytes_until_nul(&self.buffer).ok().and_then(|text| text.to_str().ok());
            let text =
                text.ok_or_else(|| Error::breach(FUNCTION, "the text is not UTF-8 with a NUL", "UTF8-01"))?;
            return Ok(Some(Token { index, text: text.to_owned() }));
        }
    }
}

fn buffer(size: i32) -> Vec<u8> {
    vec![0xff; usize::try_from(size).unwrap_or_default()]
}

impl Iterator for Inference<'_> {
    type Item = Result<Token, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let token = self.next_token().transpose();
        self.ended = !matches!(token, Some(Ok(_)));
        token
    }
}

impl FusedIterator for Inference<'_> {}

impl Drop for Inference<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own and is used for the last time; a job ends at any point. [INF-11]
        unsafe { (self.model.context().backend().symbols().cuda_inference_free)(self.handle.as_ptr()) }
        self.model.jobs().set(self.model.jobs().get() - 1);
    }
}
