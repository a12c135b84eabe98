// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The kernels that multiply matrices with activations, for every kind of row (`rows_*.cuh`).
///
/// One token (decode): every block normalises and stores the activations in its own shared memory, then its warps walk
/// over rows; each weight is read once, 16 bytes a thread at a time, by way of a ring in shared memory. That is bound
/// by bandwidth. Several tokens (prefill): columns are stored in the workspace first; then each thread multiplies a
/// weight that it has unpacked with `Row::together` tokens, whose columns the L1 cache holds.
#pragma once

#include "exp.cuh"
#include "ring.cuh"
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

/// Steps of a prompt's product whose weights are on their way while one is multiplied.
constexpr int steps_ahead = 2;

/// A row times `together` columns, at `offsets` from `stored`. `results` is the same in all threads of the row.
template <class Row, int together>
__device__ __forceinline__ void multiply_row(float (&results)[together], const char* row, const char* stored,
                                             const unsigned (&offsets)[together], int columns, int lane) {
    typename Row::Sums sums[together];
    typename Row::Weights next[steps_ahead] = {};
    const int steps = Row::steps(columns);
#pragma unroll
    for (int i = 0; i < steps_ahead; ++i) {
        if (i < steps) next[i] = Row::load(Direct{}, row, columns, i, lane);
    }
    // Unrolled, sums would not fit into registers; moving what is on its way costs little beside eight tokens.
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        const typename Row::Weights weights = next[0];
#pragma unroll
        for (int i = 0; i + 1 < steps_ahead; ++i) next[i] = next[i + 1];
        if (step + steps_ahead < steps) {
            next[steps_ahead - 1] = Row::load(Direct{}, row, columns, step + steps_ahead, lane);
        }
#pragma unroll
        for (int t = 0; t < together; ++t)
            Row::template add<false>(sums[t], weights, stored + offsets[t], columns, step, lane);
    }
#pragma unroll
    for (int t = 0; t < together; ++t) results[t] = Row::finish(sums[t], row, stored + offsets[t], columns, lane);
}

__device__ __forceinline__ float finished(const RowSet& set, float sum, int row, std::size_t at) {
    if (set.bias != nullptr) sum += set.bias[row];
    if (set.activation == Activation::Gelu) sum = gelu(sum);
    if (set.activation == Activation::Gate) return swiglu(set.residual[at], sum);
    return set.residual != nullptr ? set.residual[at] + sum : sum;
}

/// Where a warp is in its walk over rows: turns of `rows_of_warp` rows, through all sets; with gate and up, each turn
/// is a row of the one and then of the other.
template <class Row, bool gate_and_up>
struct Walk {
    int set = 0;
    int turn;  ///< Of the set.
    int stride;
    const char* data = nullptr;  ///< This thread's row; nullptr past the end.

    __device__ __forceinline__ Walk(const LinearArguments& arguments, int first, int stride_)
        : turn(first), stride(stride_) {
        settle(arguments);
    }

    __device__ __forceinline__ int row() const {
        return turn * rows_of_warp<Row> + static_cast<int>(threadIdx.x) % warp_size / Row::threads;
    }

    /// Row `i` of this turn; past the last row, that one once more.
    __device__ __forceinline__ const char* row_data(const LinearArguments& arguments, int i) const {
        const int last = arguments.sets[set].rows - 1;
        const int wanted = turn * rows_of_warp<Row> + i;
        return arguments.sets[set].data + static_cast<std::size_t>(wanted < last ? wanted : last) * arguments.row_bytes;
    }

    __device__ __forceinline__ void next(const LinearArguments& arguments) {
        if constexpr (gate_and_up) {
            turn += set * stride;
            set ^= 1;
        } else {
            turn += stride;
        }
        settle(arguments);
    }

   private:
    __device__ __forceinline__ void settle(const LinearArguments& arguments) {
        const int sets = gate_and_up ? 1 : arguments.count;
        int turns = turns_of(arguments.sets[set].rows);
        while (!gate_and_up && turn >= turns && set + 1 < sets) {
            turn -= turns;
            turns = turns_of(arguments.sets[++set].rows);
        }
        if (turn >= turns) {
            data = nullptr;
            return;
        }
        // Threads past the last row go along, for the exchanges within the warp, and write nothing.
        data = row_data(arguments, static_cast<int>(threadIdx.x) % warp_size / Row::threads);
    }

    __device__ static __forceinline__ int turns_of(int rows) {
        return (rows + rows_of_warp<Row> - 1) / rows_of_warp<Row>;
    }
};

/// Decode. Shared memory: doubles (most_warps), the ring of each warp, then the column. Grid: any; warps take turns of
/// rows.
///
/// Weights go through shared memory, since registers cannot hold as many as must be on their way; the first ones are
/// fetched while the previous kernel ends and the activations are stored.
template <class Row, bool gate_and_up>
__global__ void __launch_bounds__(256, 2) one_token_kernel(const LinearArguments arguments) {
    char* const memory = shared_memory();
    const int columns = arguments.columns;
    const int steps = Row::steps(columns);
    const int lane = static_cast<int>(threadIdx.x) % Row::threads;
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    const int warp = static_cast<int>(threadIdx.x) / warp_size;
    char* const rings = memory + most_warps * sizeof(double);
    char* const column = rings + static_cast<unsigned>(warps) * ring_bytes<Row>;
    Walk<Row, gate_and_up> walk(arguments, static_cast<int>(blockIdx.x) * warps + warp,
                                static_cast<int>(gridDim.x) * warps);
    Ring<Row, Walk<Row, gate_and_up>> ring(arguments, rings + static_cast<unsigned>(warp) * ring_bytes<Row>, walk);
    const EarlyNorm<Row::format> early(arguments.norm, columns);

    wait_for_previous();
    store_column<Row::format>(column, arguments.x, columns, arguments.norm, early, reinterpret_cast<double*>(memory));

    float gate = 0;
    while (walk.data != nullptr) {
        const Walk<Row, gate_and_up> here = walk;
        walk.next(arguments);
        typename Row::Sums sums;
        constexpr int together = steps_of_group<Row>;
        int first = 0;
        for (; (first + together) * Row::step_columns <= columns; first += together) {
            const char* const row = ring.next(arguments);
#pragma unroll
            for (int i = 0; i < together; ++i) {
                Row::template add<true>(sums, Row::load(Plain{}, row, group_columns<Row>, i, lane), column, columns,
                                        first + i, lane);
            }
        }
        if (first < steps) {
            const char* const row = ring.next(arguments);
#pragma unroll 1
            for (int i = 0; first + i < steps; ++i) {
                Row::template add<false>(sums, Row::load(Plain{}, row, group_columns<Row>, i, lane), column, columns,
                                         first + i, lane);
            }
        }
        const float result = Row::finish(sums, here.data, column, columns, lane);
        const RowSet& set = arguments.sets[here.set];
        const int row = here.row();
        if (lane == 0 && row < set.rows) {
            const auto at = static_cast<std::size_t>(row);
            if constexpr (gate_and_up) {
                const float sum = set.bias != nullptr ? result + set.bias[row] : result;
                if (here.set == 1) arguments.sets[0].out[at] = swiglu(gate, sum);
                gate = sum;
            } else {
                set.out[at] = finished(set, result, row, at);
            }
        }
    }
}

/// Prefill, first part: the column of token `blockIdx.x`, in the workspace.
template <Format format>
__global__ void __launch_bounds__(256)
    store_columns_kernel(char* stored, const float* x, int columns, const Norm norm) {
    const std::size_t token = blockIdx.x;
    const EarlyNorm<format> early(norm, columns);
    wait_for_previous();
    store_column<format>(stored + token * column_bytes(format, columns), x + token * static_cast<std::size_t>(columns),
                         columns, norm, early, reinterpret_cast<double*>(shared_memory()));
}

/// Prefill, second part. Grid: turns of rows of set 0, tokens over `Row::together`.
template <class Row, bool gate_and_up>
__global__ void __launch_bounds__(128, 2) tokens_kernel(const LinearArguments arguments) {
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
    const int first = static_cast<int>(blockIdx.y) * Row::together;
    const std::size_t bytes = column_bytes(Row::format, columns);
    const char* const stored = arguments.columns_stored + static_cast<std::size_t>(first) * bytes;
    unsigned offsets[Row::together];
#pragma unroll
    for (int t = 0; t < Row::together; ++t) {
        const int token = first + t < arguments.tokens ? t : arguments.tokens - 1 - first;
        offsets[t] = static_cast<unsigned>(token) * static_cast<unsigned>(bytes);
    }
    wait_for_previous();
    float results[Row::together];
    multiply_row<Row, Row::together>(results, set.data + offset, stored, offsets, columns, lane);
    float ups[Row::together];
    if constexpr (gate_and_up) {
        multiply_row<Row, Row::together>(ups, arguments.sets[1].data + offset, stored, offsets, columns, lane);
    }
    if (lane != 0 || row >= set.rows) return;
#pragma unroll
    for (int t = 0; t < Row::together && first + t < arguments.tokens; ++t) {
        const std::size_t at =
            static_cast<std::size_t>(first + t) * static_cast<std::size_t>(set.rows) + static_cast<std::size_t>(row);
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
    // No more blocks than run at the same time: each stores the activations once. Small ones while there is little to
    // do.
    int warps = turns >= multiprocessors * 4 ? 8 : 4;
    const auto shared = [&](int of) {
        return most_warps * sizeof(double) + static_cast<unsigned>(of) * ring_bytes<Row> +
               column_bytes(Row::format, arguments.columns);
    };
    while (warps > 1 && shared(warps) > most_shared_bytes) warps /= 2;
    if (shared(warps) > most_shared_bytes) return cudaErrorInvalidValue;
    const int most_blocks = multiprocessors * (16 / warps);
    const int blocks = (turns + warps - 1) / warps;
    return launch(one_token_kernel<Row, gate_and_up>,
                  dim3(static_cast<unsigned>(blocks < most_blocks ? blocks : most_blocks)),
                  dim3(static_cast<unsigned>(warps * warp_size)), shared(warps), stream, arguments);
}

template <class Row, bool gate_and_up>
cudaError_t launch_tokens(const LinearArguments& arguments, cudaStream_t stream) {
    constexpr int warps = 4;
    constexpr int rows_of_block = warps * rows_of_warp<Row>;
    constexpr int together = Row::together;
    for (int s = 0; s < (gate_and_up ? 1 : arguments.count); ++s) {
        LinearArguments one = arguments;
        one.sets[0] = arguments.sets[s];
        const auto blocks = static_cast<unsigned>((one.sets[0].rows + rows_of_block - 1) / rows_of_block);
        const auto groups = static_cast<unsigned>((arguments.tokens + together - 1) / together);
        const cudaError_t status =
            launch(tokens_kernel<Row, gate_and_up>, dim3(blocks, groups), dim3(warps * warp_size), 0, stream, one);
        if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
}

template <class Single, class Several>
cudaError_t launch_rows(const LinearArguments& arguments, bool gate_and_up, bool one_token, int multiprocessors,
                        cudaStream_t stream) {
    if (one_token) {
        return gate_and_up ? launch_one_token<Single, true>(arguments, multiprocessors, stream)
                           : launch_one_token<Single, false>(arguments, multiprocessors, stream);
    }
    return gate_and_up ? launch_tokens<Several, true>(arguments, stream)
                       : launch_tokens<Several, false>(arguments, stream);
}

}  // namespace worker::kernels
