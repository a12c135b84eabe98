// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Every operation that runs on a device: shapes, units, and what the caller owes.
///
/// Rules for all launchers:
/// - They only enqueue work on `stream` and return the status of the launch: `cudaSuccess`, or what the runtime said
///   (contract code 6). Errors of execution show up at `synchronize` (contract code 4).
/// - Pointers are device pointers unless said otherwise; floats need 16-byte alignment. Shapes are written
///   slowest axis first, so (tokens, columns) has a token's elements side by side.
/// - Nothing is allocated; what changes from token to token is read from device memory (`position`, token ids, draws),
///   so a decode step can be captured in a graph once and replayed.
/// - Results are the same bits in every run, for every `tokens` a caller cuts a prompt into, on the GPU and on the CPU.
///   The order of every float sum is the one of the CPU reference backend: see `Phase` and `order.hpp`.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace worker::kernels {

/// Storage of a matrix; the numbers are those of GGUF.
enum class TensorType : std::uint32_t {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    BF16 = 30,
    MXFP4 = 39,
};

/// Elements of a block, or 0 for a number that is no `TensorType` above.
int block_elements(TensorType type);
/// Bytes of a block in the file, or 0.
int block_bytes(TensorType type);

// ---- Weights in device memory -------------------------------------------------------------------------------------
//
// A row keeps its quants as they are, but split by kind and padded to 16 bytes, so that every load is a 16-byte load:
// Q8_0 for instance is [quants][scales]. At most 1.07 times the file's bytes for rows of 256 elements and more.

/// Bytes of a packed row of `columns` elements (a whole number of blocks); a multiple of 16.
std::size_t packed_row_bytes(TensorType type, int columns);

/// Packs `rows` rows of the file, `raw` (host), to `packed` (host), `packed_row_bytes` each; every byte is written.
/// `raw` needs no alignment. Rows are independent: a large tensor can be packed and copied part by part.
void pack_rows(TensorType type, int columns, const void* raw, int rows, void* packed);

/// Decodes one row of the file on the host: `out` (columns). For norms and biases of any type.
void decode_row(TensorType type, int columns, const void* raw, float* out);

/// A packed matrix (rows, columns) in device memory, with an optional bias (rows).
struct Matrix {
    TensorType type = TensorType::F32;
    int rows = 0;
    int columns = 0;
    /// Rows of the whole tensor, also where this is a part of it: the order of sums hangs on it.
    int tensor_rows = 0;
    const void* data = nullptr;
    const float* bias = nullptr;
};

Matrix matrix(TensorType type, int rows, int columns, const void* data, const float* bias = nullptr);
/// Rows `first` to `first + rows` of `whole`: a part of a fused tensor.
Matrix part(const Matrix& whole, int first, int rows);

/// What the tokens of a call are to their job. The CPU reference sums F16 and F32 rows and attention in another order
/// for prompts, so the last bits hang on it. Prompt: one of several tokens of a prompt. Single: a generated token, or
/// the only one of its prompt, and, past the attention of the last layer, the token whose logits are wanted.
enum class Phase : std::uint32_t { Prompt, Single };

// ---- Embedding ----------------------------------------------------------------------------------------------------

/// `out` (count, columns) = rows `tokens[i]` of `table`, plus rows `*position + i` of `positions` (nullptr: none).
/// A token outside the table gives a row of zeros; the caller has checked.
cudaError_t embed(float* out, const Matrix& table, const Matrix* positions, const std::int32_t* tokens, int count,
                  const std::int32_t* position, cudaStream_t stream);

// ---- Matrix products ----------------------------------------------------------------------------------------------

enum class NormKind : std::uint32_t { None, RootMeanSquare, Layer };

/// Normalisation of the input of a product. Layer norms have a bias (columns), the others have none.
struct Norm {
    NormKind kind = NormKind::None;
    const float* weight = nullptr;
    const float* bias = nullptr;
    float epsilon = 0;
};

/// Input of products: (tokens, columns), normalised first.
struct Input {
    const float* values = nullptr;
    int tokens = 1;
    int columns = 0;
    Norm norm;
    Phase phase = Phase::Single;
    /// `workspace_bytes(tokens, columns)` bytes, 16-byte aligned; contents are the launcher's for the time of the call.
    void* workspace = nullptr;
};

std::size_t workspace_bytes(int tokens, int columns);

enum class Activation : std::uint32_t { None, Gelu, Gate };

/// `out` (tokens, rows) = residual + activation(matrix * input + bias); residual (tokens, rows) may be `out`, or
/// nullptr. Gate: `out` = silu(residual) * (matrix * input + bias).
struct Product {
    Matrix matrix;
    float* out = nullptr;
    const float* residual = nullptr;
    Activation activation = Activation::None;
};

/// Up to three products of one input, in one launch for a single token (norm included).
constexpr int most_products = 3;
cudaError_t linear(const Input& input, const Product* products, int count, cudaStream_t stream);

/// `out` (tokens, gate.rows) = silu(gate * input) * (up * input), biases added before. Gate and up have equal shapes;
/// where their types differ, it takes two launches.
cudaError_t gated(const Input& input, const Matrix& gate, const Matrix& up, float* out, cudaStream_t stream);

/// `out` (tokens, columns) = the norm of `x` alone. Products take their norm as part of `Input`, which is faster.
cudaError_t normalise(float* out, const float* x, int tokens, int columns, const Norm& norm, cudaStream_t stream);

// ---- Rotary positions ---------------------------------------------------------------------------------------------

/// Interleaved: neighbours (2i, 2i + 1) turn together (llama). Halves: (i, i + rotary / 2) (qwen2, phi3).
enum class RopeStyle : std::uint32_t { None, Interleaved, Halves };

/// `angles` (positions, rotary / 2) of {cos, sin}: pair i at position p turns by scale * p * step^i / factors[i].
/// `step` = base^(-2 / rotary) by powf on the host; `factors` (rotary / 2) may be nullptr. Filled once for a job, on
/// the host; waits for the stream where there are factors.
cudaError_t rope_angles(float2* angles, int first_position, int positions, int rotary, float step, float scale,
                        const float* factors, cudaStream_t stream);

// ---- Attention ----------------------------------------------------------------------------------------------------

/// Causal attention of `tokens` new tokens at positions `*position` and on, over everything before them.
/// Turns queries and keys, stores keys and values as halves in the cache, then attends: `out` (tokens, heads *
/// head_size).
struct Attention {
    float* out = nullptr;
    /// (tokens, heads * head_size), rows `query_stride` floats apart; overwritten where tokens > 1.
    float* queries = nullptr;
    /// (tokens, kv_heads * head_size), rows `key_stride` / `value_stride` floats apart.
    const float* keys = nullptr;
    const float* values = nullptr;
    int query_stride = 0;
    int key_stride = 0;
    int value_stride = 0;
    /// This layer's cache: (capacity, kv_heads * head_size) halves each.
    std::uint16_t* key_cache = nullptr;
    std::uint16_t* value_cache = nullptr;
    /// Positions that the cache has room for; `*position + tokens` never exceeds it.
    int capacity = 0;
    const std::int32_t* position = nullptr;
    int tokens = 1;
    /// `heads` is a multiple of `kv_heads`; `head_size` is even and at most 256.
    int heads = 0;
    int kv_heads = 0;
    int head_size = 0;
    /// (capacity, rotary / 2), row p for position p; unused where style is None.
    const float2* angles = nullptr;
    RopeStyle style = RopeStyle::None;
    int rotary = 0;
    Phase phase = Phase::Single;
    /// `attention_scratch_bytes` bytes; nullptr where that is 0.
    float* scratch = nullptr;
};

/// Scratch for `tokens` at once: 0 while the scores of `capacity` positions fit into shared memory.
std::size_t attention_scratch_bytes(int tokens, int heads, int capacity);
cudaError_t attention(const Attention& arguments, cudaStream_t stream);

// ---- Choice of a token --------------------------------------------------------------------------------------------

/// What a draw needs, in device memory: temperature (0: the largest logit), and a uniform number in [0, 1) from the
/// job's mt19937_64, which the host owns.
struct Draw {
    double uniform = 0;
    float temperature = 0;
};

/// `*token` = the token drawn from `logits` (vocabulary), -1 where a logit is no finite number. Temperature 0: the
/// largest, the lowest index among equals. Else the inverse distribution function over an f64 softmax in vocabulary
/// order. `scratch`: `sample_scratch_bytes(vocabulary)` bytes. `position` (nullptr: leave alone) grows by one, so that
/// a replayed graph finds the next token and its position where it reads them.
std::size_t sample_scratch_bytes(int vocabulary);
cudaError_t sample(std::int32_t* token, const float* logits, int vocabulary, const Draw* draw, void* scratch,
                   std::int32_t* position, cudaStream_t stream);

/// `*token` = index of the largest logit, the lowest among equals; -1 where one is no finite number.
cudaError_t argmax(std::int32_t* token, const float* logits, int vocabulary, void* scratch, cudaStream_t stream);

// ---- Health -------------------------------------------------------------------------------------------------------

/// Writes `seed * 2654435761 + i` to each of `count` words: a probe that the host can check.
cudaError_t probe(std::uint32_t* out, int count, std::uint32_t seed, cudaStream_t stream);

}  // namespace worker::kernels
