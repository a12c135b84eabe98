// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The kernels that multiply matrices with activations, for every kind of row (`rows_*.cuh`).
///
/// One token (decode): every block normalises and stores the activations in its own shared memory, then its warps walk over
/// rows; each weight is read once, with 16-byte loads, several of them under way at a time. That is bound by bandwidth.
/// Several tokens (prefill): columns are stored in the workspace first; then each thread multiplies a weight that it has
/// unpacked with `most_together` tokens, whose columns the L1 cache holds.
#pragma once

#include "exp.cuh"
#include "rows_super.cuh"

namespace worker::kernels {

/// A product as a kernel sees it.
struct RowSet {
    const char* data;
    const float* bias;
    float* out;
    const float* residual;
    int rows;
    Activation activation;
};

struct LinearArguments {
    RowSet sets[most_products];
    int count;
    std::size_t row_bytes;
    const float* x;
    const char* columns_stored;
    int columns;
    int tokens;
    Norm norm;
};

/// Steps whose loads are under way together.
constexpr int steps_together = 4;
/// Tokens that share an unpacked weight.
constexpr int most_together = 8;

/// A row times `together` columns, `stride` bytes apart. `results` is the same in all threads of the row.
template <class Row, int together, int unrolled>
__device__ __forceinline__ void multiply_row(float (&results)[together], const char* row, const char* const (&stored)[together],
                                             int columns, int lane) {
    typename Row::Sums sums[together];
    const int steps = Row::steps(columns);
    int step = 0;
    for (; step + unrolled <= steps; step += unrolled) {
        typename Row::Weights weights[unrolled];
#pragma unroll
        for (int i = 0; i < unrolled; ++i) weights[i] = Row::load(row, columns, step + i, lane);
#pragma unroll
        for (int i = 0; i < unrolled; ++i) {
#pragma unroll
            for (int t = 0; t < together; ++t) Row::add(sums[t], weights[i], stored[t], columns, step + i, lane);
        }
    }
    for (; step < steps; ++step) {
        const typename Row::Weights weights = Row::load(row, columns, step, lane);
#pragma unroll
        for (int t = 0; t < together; ++t) Row::add(sums[t], weights, stored[t], columns, step, lane);
    }
#pragma unroll
    for (int t = 0; t < together; ++t) results[t] = Row::finish(sums[t], row, stored[t], columns, lane);
}

/// Rows that a warp works on at once.
template <class Row>
constexpr int rows_of_warp = warp_size / Row::threads;

__device__ __forceinline__ float finished(const RowSet& set, float sum, int row, std::size_t at) {
    if (set.bias != nullptr) sum += set.bias[row];
    if (set.activation == Activation::Gelu) sum = gelu(sum);
    return set.residual != nullptr ? set.residual[at] + sum : sum;
}

/// Decode. Shared memory: doubles (most_warps), then the column. Grid: any; blocks take turns of rows.
template <class Row, bool gate_and_up>
__global__ void __launch_bounds__(256, 2) one_token_kernel(const LinearArguments arguments) {
    char* const memory = shared_memory();
    char* const column = memory + most_warps * sizeof(double);
    const int columns = arguments.columns;
    store_column<Row::format>(column, arguments.x, columns, arguments.norm, reinterpret_cast<double*>(memory));

    constexpr int rows_together = rows_of_warp<Row>;
    const int lane = static_cast<int>(threadIdx.x) % Row::threads;
    const int row_of_warp = static_cast<int>(threadIdx.x) % warp_size / Row::threads;
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    const int stride = static_cast<int>(gridDim.x) * warps;
    int turn = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / warp_size;
    int first_turn = 0;
    for (int s = 0; s < (gate_and_up ? 1 : arguments.count); ++s) {
        const RowSet& set = arguments.sets[s];
        const int turns = (set.rows + rows_together - 1) / rows_together;
        for (; turn < first_turn + turns; turn += stride) {
            const int row = (turn - first_turn) * rows_together + row_of_warp;
            // Threads past the last row go along, for the exchanges within the warp, and write nothing.
            const int valid = row < set.rows ? row : set.rows - 1;
            const std::size_t offset = static_cast<std::size_t>(valid) * arguments.row_bytes;
            const char* const stored[1] = {column};
            float results[1];
            multiply_row<Row, 1, steps_together>(results, set.data + offset, stored, columns, lane);
            if constexpr (gate_and_up) {
                const RowSet& up = arguments.sets[1];
                float ups[1];
                multiply_row<Row, 1, steps_together>(ups, up.data + offset, stored, columns, lane);
                if (lane == 0 && row < set.rows) {
                    if (set.bias != nullptr) results[0] += set.bias[row];
                    if (up.bias != nullptr) ups[0] += up.bias[row];
                    set.out[row] = swiglu(results[0], ups[0]);
                }
            } else if (lane == 0 && row < set.rows) {
                set.out[row] = finished(set, results[0], row, static_cast<std::size_t>(row));
            }
        }
        first_turn += turns;
    }
}

/// Prefill, first part: the column of token `blockIdx.x`, in the workspace.
template <Format format>
__global__ void __launch_bounds__(256) store_columns_kernel(char* stored, const float* x, int columns, const Norm norm) {
    const std::size_t token = blockIdx.x;
    store_column<format>(stored + token * column_bytes(format, columns), x + token * static_cast<std::size_t>(columns),
                         columns, norm, reinterpret_cast<double*>(shared_memory()));
}

/// Prefill, second part. Grid: turns of rows of set 0, tokens over `most_together`.
template <class Row, bool gate_and_up>
__global__ void __launch_bounds__(256) tokens_kernel(const LinearArguments arguments) {
    constexpr int rows_together = rows_of_warp<Row>;
    const int columns = arguments.columns;
    const int lane = static_cast<int>(threadIdx.x) % Row::threads;
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    const int turn = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / warp_size;
    const int row = turn * rows_together + static_cast<int>(threadIdx.x) % warp_size / Row::threads;
    const RowSet& set = arguments.sets[0];
    if (turn * rows_together >= set.rows) return;
    const int valid = row < set.rows ? row : set.rows - 1;
    const std::size_t offset = static_cast<std::size_t>(valid) * arguments.row_bytes;
    const int first = static_cast<int>(blockIdx.y) * most_together;
    const char* stored[most_together];
    for (int t = 0; t < most_together; ++t) {
        const int token = first + t < arguments.tokens ? first + t : arguments.tokens - 1;
        stored[t] = arguments.columns_stored + static_cast<std::size_t>(token) * column_bytes(Row::format, columns);
    }
    float results[most_together];
    multiply_row<Row, most_together, 1>(results, set.data + offset, stored, columns, lane);
    float ups[most_together];
    if constexpr (gate_and_up) {
        multiply_row<Row, most_together, 1>(ups, arguments.sets[1].data + offset, stored, columns, lane);
    }
    if (lane != 0 || row >= set.rows) return;
    for (int t = 0; t < most_together && first + t < arguments.tokens; ++t) {
        const std::size_t at = static_cast<std::size_t>(first + t) * static_cast<std::size_t>(set.rows) +
                               static_cast<std::size_t>(row);
        if constexpr (gate_and_up) {
            const RowSet& up = arguments.sets[1];
            const float gate = set.bias != nullptr ? results[t] + set.bias[row] : results[t];
            set.out[at] = swiglu(gate, up.bias != nullptr ? ups[t] + up.bias[row] : ups[t]);
        } else {
            set.out[at] = finished(set, results[t], row, at);
        }
    }
}

/// Launchers of one kind of row; `multiprocessors` of the device.
template <class Row, bool gate_and_up>
cudaError_t launch_one_token(const LinearArguments& arguments, int multiprocessors, cudaStream_t stream) {
    constexpr int rows_together = rows_of_warp<Row>;
    int turns = 0;
    for (int s = 0; s < (gate_and_up ? 1 : arguments.count); ++s) {
        turns += (arguments.sets[s].rows + rows_together - 1) / rows_together;
    }
    // Enough blocks to fill the device, and small ones while there is little to do.
    const int warps = turns >= multiprocessors * 16 ? 8 : 4;
    const int most_blocks = multiprocessors * (32 / warps);
    const int blocks = (turns + warps - 1) / warps;
    const std::size_t shared = most_warps * sizeof(double) + column_bytes(Row::format, arguments.columns);
    return launch(one_token_kernel<Row, gate_and_up>, dim3(static_cast<unsigned>(blocks < most_blocks ? blocks : most_blocks)),
                  dim3(static_cast<unsigned>(warps * warp_size)), shared, stream, arguments);
}

template <class Row, bool gate_and_up>
cudaError_t launch_tokens(const LinearArguments& arguments, cudaStream_t stream) {
    constexpr int warps = 4;
    constexpr int rows_of_block = warps * rows_of_warp<Row>;
    for (int s = 0; s < (gate_and_up ? 1 : arguments.count); ++s) {
        LinearArguments one = arguments;
        one.sets[0] = arguments.sets[s];
        const auto blocks = static_cast<unsigned>((one.sets[0].rows + rows_of_block - 1) / rows_of_block);
        const auto groups = static_cast<unsigned>((arguments.tokens + most_together - 1) / most_together);
        const cudaError_t status = launch(tokens_kernel<Row, gate_and_up>, dim3(blocks, groups), dim3(warps * warp_size),
                                          0, stream, one);
        if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
}

template <class Row>
cudaError_t launch_rows(const LinearArguments& arguments, bool gate_and_up, bool one_token, int multiprocessors,
                        cudaStream_t stream) {
    if (one_token) {
        return gate_and_up ? launch_one_token<Row, true>(arguments, multiprocessors, stream)
                           : launch_one_token<Row, false>(arguments, multiprocessors, stream);
    }
    return gate_and_up ? launch_tokens<Row, true>(arguments, stream) : launch_tokens<Row, false>(arguments, stream);
}

}  // namespace worker::kernels
