//! A loaded model: checked, copied to owned memory, accounted on its device, never changed again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::code::ErrorCode;
use crate::defect::{self, Defect};
use crate::gguf::{self, FileSource, GgufError, Source};
use crate::hyper_parameters::{Architecture, HyperParameterError, HyperParameters};
use crate::ledger::{Ledger, OutOfMemory, Reservation};
use crate::network::Network;
use crate::pool::{Pool, configured_threads};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::weights::WeightError;

/// Weights in bytes below which threads would cost more than they give.
const PARALLEL_BYTES: u64 = 1 << 20;

/// Why a load failed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is no sound GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Its numbers make no model.
    #[error(transparent)]
    HyperParameters(#[from] HyperParameterErrorBox),
    /// Its vocabulary makes no tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The metadata and the tokens disagree on their number.
    #[error("`vocab_size` is {announced}, the vocabulary has {tokens} tokens")]
    VocabularySize {
        /// As the metadata says.
        announced: u64,
        /// As listed.
        tokens: usize,
    },
    /// Its tensors make no model.
    #[error("{0}")]
    Weights(String),
    /// The device is too small.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The host is too small.
    #[error("the host has no memory for tensor `{0}`")]
    HostMemory(String),
}

/// A hyper-parameter error, kept opaque because its type is private to the crate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HyperParameterErrorBox(String);

impl LoadError {
    /// Code at the boundary (LOAD-02 to LOAD-04, LOAD-13).
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfMemory(_) | Self::HostMemory(_) => ErrorCode::OutOfMemory,
            _ => ErrorCode::ModelLoadFailed,
        }
    }
}

impl From<HyperParameterError> for LoadError {
    fn from(error: HyperParameterError) -> Self {
        match error {
            HyperParameterError::Metadata(error) => Self::Gguf(error),
            other => Self::HyperParameters(HyperParameterErrorBox(other.to_string())),
        }
    }
}

impl From<WeightError> for LoadError {
    fn from(error: WeightError) -> Self {
        match error {
            WeightError::Memory(name) => Self::HostMemory(name),
            other => Self::Weights(other.to_string()),
        }
    }
}

/// Everything that jobs read.
pub struct Model {
    pub(crate) parameters: HyperParameters,
    pub(crate) network: Network,
    pub(crate) pool: Pool,
    pub(crate) ledger: Arc<Ledger>,
    tokenizer: Tokenizer,
    weights: Reservation,
    job_bytes: AtomicU64,
}

impl Model {
    /// Loads the file at `path` onto the device of `ledger`.
    pub fn load(path: &Path, ledger: &Arc<Ledger>) -> Result<Self, LoadError> {
        let source = FileSource::open(path)?;
        let model = Self::load_from(&source, ledger, configured_threads())?;
        if defect::on(Defect::FileReadAgain) || defect::on(Defect::FileMissed) {
            defect::spoiler::remember(path);
        }
        if defect::on(Defect::FileHeldOpen) {
            std::mem::forget(source);
        }
        Ok(model)
    }

    /// As [`Self::load`], from any source and with a number of threads.
    pub fn load_from(source: &dyn Source, ledger: &Arc<Ledger>, threads: usize) -> Result<Self, LoadError> {
        let header = gguf::read_header(source)?;
        let parameters = HyperParameters::new(&header.metadata)?;
        // All tensors are resident, so the header alone tells whether they fit (LOAD-04, LOAD-06).
        if defect::on(Defect::Gpt2Refused) && parameters.architecture == Architecture::Gpt2 {
            return Err(LoadError::Weights("a model of this architecture".to_owned()));
        }
        let weights = ledger.reserve(header.tensor_bytes)?;
        let tokenizer = Tokenizer::new(&header.metadata)?;
        let tokens = tokenizer.vocabulary().tokens.len();
        let name = header.metadata.string("general.architecture")?;
        match header.metadata.optional_u64(&format!("{name}.vocab_size"))? {
            Some(announced) if announced != tokens as u64 => {
                return Err(LoadError::VocabularySize { announced, tokens });
            }
            _ => {}
        }
        let network = Network::load(&parameters, tokens, &header, source)?;
        let pool = Pool::new(if header.tensor_bytes < PARALLEL_BYTES { 1 } else { threads });
        let ledger = Arc::clone(ledger);
        Ok(Self { parameters, network, pool, ledger, tokenizer, weights, job_bytes: AtomicU64::new(0) })
    }

    /// Bytes held on the device: weights, and the KV caches and activations of open jobs (VRAM-01).
    pub fn usage(&self) -> u64 {
        let weights = match self.weights.bytes() {
            bytes if defect::on(Defect::UsageWithoutTensors) => bytes / 4 * 3,
            bytes if defect::on(Defect::UsageDequantised) => bytes + (128 << 20),
            bytes if defect::on(Defect::UsageCreeps) => bytes + 64 * defect::counted(),
            bytes if defect::on(Defect::BesideUsage) && defect::kept() > 1 => bytes + 512,
            bytes if defect::on(Defect::LargestJobUsage) && defect::marked() => bytes + 256,
            bytes => bytes,
        };
        weights + self.job_bytes.load(Ordering::Acquire) + defect::deep::stray(self)
    }

    /// Vocabulary and algorithm.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Bytes of the weights alone.
    pub(crate) fn at_rest(&self) -> u64 {
        self.weights.bytes()
    }

    pub(crate) fn open_job(&self, bytes: u64) {
        self.job_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn close_job(&self, bytes: u64) {
        self.job_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
pub(crate) mod tests;
