// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Chooses a token from logits: the largest, or by inverse distribution function; one block.

#include "block.cuh"
#include "kernels.hpp"

#include <cmath>

namespace worker::kernels {

namespace {

constexpr int most_threads = 1024;

/// The better of two candidates: the larger logit, the lower index among equals.
struct Best {
    float logit;
    int index;
};

__device__ __forceinline__ Best better(Best a, Best b) {
    return b.logit > a.logit || (b.logit == a.logit && b.index < a.index) ? b : a;
}

/// The largest logit, index -1 where one is no finite number; the same in all threads.
__device__ Best largest_of(const float* logits, int vocabulary, Best* candidates) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    Best best = {-INFINITY, vocabulary};
    bool finite = true;
#pragma unroll 8
    for (int i = thread; i < vocabulary; i += threads) {
        const float logit = logits[i];
        finite = finite && fabsf(logit) < INFINITY;
        best = better(best, {logit, i});
    }
    if (!finite) best = {INFINITY, -1};
    for (int distance = warp_size / 2; distance > 0; distance /= 2) {
        const float logit = __shfl_xor_sync(all_lanes, best.logit, distance);
        const int index = __shfl_xor_sync(all_lanes, best.index, distance);
        best = better(best, {logit, index});
    }
    if (thread % warp_size == 0) candidates[thread / warp_size] = best;
    __syncthreads();
    best = candidates[0];
    for (int warp = 1; warp < threads / warp_size; ++warp) best = better(best, candidates[warp]);
    return best;
}

__device__ __forceinline__ double weight_of(float logit, float largest, double temperature) {
    return exp((static_cast<double>(logit) - static_cast<double>(largest)) / temperature);
}

/// Index drawn with `uniform`. Each thread sums a run of neighbours, so that all sums go in vocabulary order; `sums`
/// (blockDim.x) and `chosen` are shared memory.
__device__ int drawn(const float* logits, int vocabulary, Best best, double temperature, double uniform, double* sums,
                     int* chosen) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    const int run = (vocabulary + threads - 1) / threads;
    const int begin = thread * run < vocabulary ? thread * run : vocabulary;
    const int end = begin + run < vocabulary ? begin + run : vocabulary;
    double sum = 0;
    for (int i = begin; i < end; ++i) sum += weight_of(logits[i], best.logit, temperature);
    sums[thread] = sum;
    if (thread == 0) *chosen = best.index;
    __syncthreads();
    // Sums of all runs before this one's warp, then of those in the warp; and of all.
    double before = 0;
    double after = 0;
    double total = 0;
    for (int warp = 0; warp < threads; warp += warp_size) {
        double of_warp = 0;
        for (int i = warp; i < warp + warp_size; ++i) {
            if (i == thread) before = total + of_warp;
            of_warp += sums[i];
            // The end of one run is the beginning of the next to the bit, so that no target falls in between.
            if (i == thread) after = total + of_warp;
        }
        total += of_warp;
    }
    const double target = uniform * total;
    if (before <= target && target < after) {
        double cumulative = before;
        int index = begin;
        for (; index + 1 < end; ++index) {
            cumulative += weight_of(logits[index], best.logit, temperature);
            if (cumulative > target) break;
        }
        *chosen = index;
    }
    __syncthreads();
    return *chosen;
}

struct SampleMemory {
    Best candidates[most_warps];
    int chosen;
};

constexpr std::size_t sums_offset = (sizeof(SampleMemory) + 15) / 16 * 16;

__global__ void __launch_bounds__(most_threads)
    sample_kernel(std::int32_t* token, const float* logits, int vocabulary, const Draw* draw, std::int32_t* position) {
    auto* const memory = reinterpret_cast<SampleMemory*>(shared_memory());
    wait_for_previous();
    const Best best = largest_of(logits, vocabulary, memory->candidates);
    int index = best.index;
    if (draw != nullptr && draw->temperature > 0.0f && index >= 0) {
        auto* const sums = reinterpret_cast<double*>(shared_memory() + sums_offset);
        index = drawn(logits, vocabulary, best, static_cast<double>(draw->temperature), draw->uniform, sums,
                      &memory->chosen);
    }
    if (threadIdx.x == 0) {
        *token = index;
        if (position != nullptr) *position += 1;
    }
}

}  // namespace

std::size_t sample_scratch_bytes(int) { return 0; }

cudaError_t sample(std::int32_t* token, const float* logits, int vocabulary, const Draw* draw, void*,
                   std::int32_t* position, cudaStream_t stream) {
    if (vocabulary < 1) return cudaErrorInvalidValue;
    const unsigned threads = vocabulary < 8192 ? 128 : most_threads;
    return launch(sample_kernel, dim3(1), dim3(threads), sums_offset + threads * sizeof(double), stream, token, logits,
                  vocabulary, draw, position);
}

cudaError_t argmax(std::int32_t* token, const float* logits, int vocabulary, void* scratch, cudaStream_t stream) {
    return sample(token, logits, vocabulary, nullptr, scratch, nullptr, stream);
}

}  // namespace worker::kernels
