//! Why a GGUF file was refused.

/// One precise reason; every one becomes code 3 at the boundary.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The path cannot be opened or read.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// A directory, FIFO, socket or device.
    #[error("not a regular file")]
    NotRegular,
    /// The file ends inside the header.
    #[error("the file ends at byte {size}, {wanted} more bytes wanted at byte {at}")]
    Truncated {
        /// Where the read began.
        at: u64,
        /// How many bytes it wanted.
        wanted: u64,
        /// Size of the file.
        size: u64,
    },
    /// The header is larger than any real one.
    #[error("the header is larger than {0} bytes")]
    HeaderSize(u64),
    /// The first four bytes are not `GGUF`.
    #[error("wrong magic")]
    Magic,
    /// Not version 3 (a big-endian file shows here too).
    #[error("version {0} is not supported")]
    Version(u32),
    /// Too many tensors.
    #[error("{0} tensors are too many")]
    TensorCount(u64),
    /// Too many metadata entries.
    #[error("{0} metadata entries are too many")]
    MetadataCount(u64),
    /// A string that is not UTF-8.
    #[error("the string at byte {0} is not UTF-8")]
    NotUtf8(u64),
    /// A value type that GGUF does not define.
    #[error("value type {0} is unknown")]
    ValueType(u32),
    /// A bool other than 0 or 1.
    #[error("a bool of value {0}")]
    Bool(u8),
    /// Arrays nested too deep.
    #[error("arrays are nested deeper than {0} levels")]
    Nesting(u32),
    /// The same key twice.
    #[error("key `{0}` appears twice")]
    DuplicateKey(String),
    /// A key the model needs.
    #[error("key `{0}` is missing")]
    MissingKey(String),
    /// A key of the wrong type or out of range.
    #[error("key `{key}` is no {wanted}")]
    WrongValue {
        /// The key.
        key: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// `general.alignment` that is no power of two in 8..=1 MiB.
    #[error("alignment {0} is not supported")]
    Alignment(u64),
    /// A tensor name that is empty or longer than GGUF permits.
    #[error("a tensor name of {0} bytes")]
    TensorName(usize),
    /// The same tensor name twice.
    #[error("tensor `{0}` appears twice")]
    DuplicateTensor(String),
    /// A quantisation that this backend does not know.
    #[error("tensor `{name}` has unknown type {kind}")]
    TensorType {
        /// The tensor.
        name: String,
        /// Number of the type in the file.
        kind: u32,
    },
    /// Zero, too many or overflowing dimensions, or rows that are no whole number of blocks.
    #[error("tensor `{name}` has impossible dimensions {dimensions:?}")]
    Dimensions {
        /// The tensor.
        name: String,
        /// As written in the file, fastest first.
        dimensions: Vec<u64>,
    },
    /// An offset that is no multiple of the alignment.
    #[error("tensor `{0}` is not aligned")]
    Unaligned(String),
    /// Data past the end of the file.
    #[error("tensor `{0}` reaches past the end of the file")]
    PastEnd(String),
    /// Two tensors share bytes.
    #[error("tensors `{0}` and `{1}` overlap")]
    Overlap(String, String),
}
