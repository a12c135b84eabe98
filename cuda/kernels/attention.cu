// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Causal attention over the KV cache: rotary positions, storing, scores, softmax, values.
///
/// The order is the CPU reference's: queries and probabilities are rounded to halves, a score sums its elements in 64
/// sums (16 for prompts) that are added up by halves, and so do the values: position i goes to sum i % 64.

#include "block.cuh"
#include "exp.cuh"
#include "rope.cuh"
#include "rows_float.cuh"

namespace worker::kernels {

namespace {

constexpr int single_lanes = 64;
constexpr int prompt_lanes = 16;
/// Elements of a head whose values are summed at once, to bound shared memory.
constexpr int value_elements = 64;
constexpr int most_head_size = 256;
/// Scores stay in shared memory up to here.
constexpr std::size_t most_score_bytes = 64 << 10;

/// Floats for the scores of `positions`, and for the sums of sixteen of them.
__host__ __device__ constexpr int score_floats(int positions) { return positions + (positions + 15) / 16; }

/// Eight halves; `aligned`: at a multiple of 16 bytes.
__device__ __forceinline__ void eight_halves(float (&out)[8], const std::uint16_t* at, bool aligned) {
    if (aligned) {
        const uint4 words = *reinterpret_cast<const uint4*>(at);
        const unsigned all[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            out[2 * i] = low_half(all[i]);
            out[2 * i + 1] = high_half(all[i]);
        }
    } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) out[i] = half_to_float(at[i]);
    }
}

/// Sum of 16 by halves.
__device__ __forceinline__ float sum_of_sixteen(float (&sums)[16]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[i] += sums[i + 8];
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[i] += sums[i + 4];
    sums[0] += sums[2];
    sums[1] += sums[3];
    return sums[0] + sums[1];
}

/// Product of `key` (head_size halves) and `query` (floats); element i goes to sum i % lanes.
template <int lanes>
__device__ __forceinline__ float score(const std::uint16_t* key, const float* query, int head_size, bool aligned) {
    const int whole = head_size / lanes * lanes;
    float sixteen[16] = {};
    if (whole > 0) {
#pragma unroll
        for (int octet = 0; octet < 2; ++octet) {
            float parts[lanes / 16][8] = {};
#pragma unroll
            for (int part = 0; part < lanes / 16; ++part) {
                for (int first = 16 * part + 8 * octet; first < whole; first += lanes) {
                    float keys[8];
                    eight_halves(keys, key + first, aligned);
#pragma unroll
                    for (int i = 0; i < 8; ++i) parts[part][i] = fmaf(keys[i], query[first + i], parts[part][i]);
                }
            }
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                if constexpr (lanes == 64) {
                    sixteen[8 * octet + i] = (parts[0][i] + parts[2][i]) + (parts[1][i] + parts[3][i]);
                } else {
                    sixteen[8 * octet + i] = parts[0][i];
                }
            }
        }
    }
    const float sum = sum_of_sixteen(sixteen);
    if (whole == head_size) return sum;
    double rest = sum;
    for (int i = whole; i < head_size; ++i) rest += static_cast<double>(half_to_float(key[i]) * query[i]);
    return static_cast<float>(rest);
}

/// Scores of all positions, eight threads each, for heads of a multiple of 64 elements in the order of 64 sums: threads
/// read a key together, and several keys are on their way at once.
__device__ __forceinline__ void score_together(float* scores, const std::uint16_t* keys, int row,
                                               const std::uint16_t* last, const float* query, int head_size,
                                               int positions, float scale) {
    constexpr int threads_each = 8;
    constexpr int ahead = 4;
    const int part = static_cast<int>(threadIdx.x) % threads_each;
    const int together = static_cast<int>(blockDim.x) / threads_each;
    for (int begin = static_cast<int>(threadIdx.x) / threads_each; begin - begin % together < positions;
         begin += ahead * together) {
        float sums[ahead][8] = {};
        for (int first = 8 * part; first < head_size; first += single_lanes) {
            float some[8];
            float octets[ahead][8];
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                const int p = begin + i * together;
                if (p >= positions) continue;
                const std::uint16_t* const key =
                    p == positions - 1 ? last : keys + static_cast<std::size_t>(p) * static_cast<unsigned>(row);
                eight_halves(octets[i], key + first, true);
            }
#pragma unroll
            for (int i = 0; i < 8; ++i) some[i] = query[first + i];
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                if (begin + i * together >= positions) continue;
#pragma unroll
                for (int j = 0; j < 8; ++j) sums[i][j] = fmaf(octets[i][j], some[j], sums[i][j]);
            }
        }
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            // As in the product of a row of floats: exchanges over the threads, and once more for what each holds.
            float sum = sum_of_lanes<8, threads_each>(sums[i]);
#pragma unroll
            for (int distance = threads_each / 2; distance > 0; distance /= 2) {
                sum += __shfl_xor_sync(all_lanes, sum, distance);
            }
            const int p = begin + i * together;
            if (part == 0 && p < positions) scores[p] = sum * scale;
        }
    }
}

/// Turns element `i` of a head (head_size) at `from` by the angles of its position.
__device__ __forceinline__ float turned_element(const float* from, int i, RopeStyle style, int rotary,
                                                const float2* angles) {
    if (style == RopeStyle::None || i >= rotary) return from[i];
    const bool halves = style == RopeStyle::Halves;
    const int pair = halves ? i % (rotary / 2) : i / 2;
    const int2 places = places_of_pair(style, pair, rotary);
    const float2 both = turned(from[places.x], from[places.y], angles[pair]);
    return i == places.x ? both.x : both.y;
}

/// Where a block's parts of shared memory lie, in bytes.
struct Memory {
    static constexpr std::size_t query = most_warps * sizeof(double);
    static constexpr std::size_t key = query + most_head_size * sizeof(float);
    static constexpr std::size_t value = key + most_head_size * sizeof(std::uint16_t);
    static constexpr std::size_t lanes = value + most_head_size * sizeof(std::uint16_t);
    static constexpr std::size_t scores = lanes + single_lanes * value_elements * sizeof(float);
};

/// Exponentials of the scores instead of them, and the inverse of their sum.
__device__ float softmax(float* scores, int positions, double* scratch) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    float largest = -INFINITY;
    for (int p = thread; p < positions; p += threads) largest = fmaxf(largest, scores[p]);
    largest = block_max(largest, scratch);
    const int chunks = (positions + 15) / 16;
    float* const sums = scores + positions;
    // Sixteen neighbours are added up by halves, over threads. All of a warp take part.
    for (int begin = 0; begin < positions; begin += threads) {
        const int p = begin + thread;
        float sum = p < positions ? exponential(scores[p] - largest) : 0.0f;
        if (p < positions) scores[p] = sum;
#pragma unroll
        for (int distance = 8; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
        if (p < positions && thread % 16 == 0) sums[p / 16] = sum;
    }
    __syncthreads();
    // Each warp sums them all, so that the order does not hang on the size of the block.
    double total = 0;
    for (int chunk = thread % warp_size; chunk < chunks; chunk += warp_size) total += static_cast<double>(sums[chunk]);
    total = warp_sum(total);
    return static_cast<float>(1.0 / total);
}

/// Sum of `used` of `lanes` numbers, `stride` apart, by halves; in registers, since barriers take longer for
/// a single token.
template <int lanes>
__device__ __forceinline__ float sum_by_halves(const float* from, int stride, int used) {
    float sums[lanes];
#pragma unroll
    for (int lane = 0; lane < lanes; ++lane) sums[lane] = lane < used ? from[lane * stride] : 0.0f;
#pragma unroll
    for (int left = lanes / 2; left > 0; left /= 2) {
        // What lies past the last position is zero, and nothing changes where nothing is added.
#pragma unroll
        for (int lane = 0; lane < lanes / 2; ++lane) {
            if (lane < left && left < used) sums[lane] += sums[lane + left];
        }
    }
    return sums[0];
}

/// Probabilities times values: `out` (head_size). Position p goes to sum p % lanes; `last` is the value of the last
/// one.
template <int lanes>
__device__ void sum_values(float* out, const float* scores, float inverse, const std::uint16_t* cache, int row,
                           const std::uint16_t* last, int positions, int head_size, float* sums) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    int used = 1;
    while (used < lanes && used < positions) used *= 2;
    const bool octets = head_size % 8 == 0;
    for (int begin = 0; begin < head_size; begin += value_elements) {
        const int width = head_size - begin < value_elements ? head_size - begin : value_elements;
        if (octets) {
            const int parts = width / 8;
            for (int pair = thread; pair < used * parts; pair += threads) {
                const int lane = pair / parts;
                const int at = begin + pair % parts * 8;
                float sum[8] = {};
#pragma unroll 4
                for (int p = lane; p < positions; p += lanes) {
                    const std::uint16_t* const from =
                        p == positions - 1 ? last + at
                                           : cache + static_cast<std::size_t>(p) * static_cast<unsigned>(row) + at;
                    float values[8];
                    eight_halves(values, from, true);
                    const float probability = round_to_half(scores[p] * inverse);
#pragma unroll
                    for (int i = 0; i < 8; ++i) sum[i] = fmaf(probability, values[i], sum[i]);
                }
                auto* const to = reinterpret_cast<float4*>(sums + lane * width + at - begin);
                to[0] = make_float4(sum[0], sum[1], sum[2], sum[3]);
                to[1] = make_float4(sum[4], sum[5], sum[6], sum[7]);
            }
        } else {
            for (int pair = thread; pair < used * width; pair += threads) {
                const int lane = pair / width;
                const int at = begin + pair % width;
                float sum = 0;
                for (int p = lane; p < positions; p += lanes) {
                    const std::uint16_t value = p == positions - 1
                                                    ? last[at]
                                                    : cache[static_cast<std::size_t>(p) * static_cast<unsigned>(row) +
                                                            static_cast<unsigned>(at)];
                    sum = fmaf(round_to_half(scores[p] * inverse), half_to_float(value), sum);
                }
                sums[pair] = sum;
            }
        }
        __syncthreads();
        if constexpr (lanes == single_lanes) {
            for (int i = thread; i < width; i += threads) out[begin + i] = sum_by_halves<lanes>(sums + i, width, used);
        } else {
            for (int left = used / 2; left > 0; left /= 2) {
                for (int i = thread; i < left * width; i += threads) sums[i] += sums[i + left * width];
                __syncthreads();
            }
            for (int i = thread; i < width; i += threads) out[begin + i] = sums[i];
        }
        __syncthreads();
    }
}

/// The same with 64 sums, for heads of a multiple of eight elements: a thread has four of the sums of eight elements,
/// so that four values are on their way at once and two of the halvings need no other thread.
__device__ __forceinline__ void sum_values_together(float* out, const float* scores, float inverse,
                                                    const std::uint16_t* cache, int row, const std::uint16_t* last,
                                                    int positions, int head_size, float* sums) {
    constexpr int lanes_each = 4;
    constexpr int groups = single_lanes / lanes_each;
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    int used = 1;
    while (used < single_lanes && used < positions) used *= 2;
    const int parts = head_size / 8;
    for (int item = thread; item < groups * parts; item += threads) {
        const int lane = item / parts;
        const int at = item % parts * 8;
        float sum[lanes_each][8] = {};
        for (int begin = lane; begin < positions; begin += single_lanes) {
            float values[lanes_each][8];
#pragma unroll
            for (int k = 0; k < lanes_each; ++k) {
                const int p = begin + k * groups;
                if (p >= positions) continue;
                eight_halves(values[k],
                             p == positions - 1 ? last + at
                                                : cache + static_cast<std::size_t>(p) * static_cast<unsigned>(row) + at,
                             true);
            }
#pragma unroll
            for (int k = 0; k < lanes_each; ++k) {
                const int p = begin + k * groups;
                if (p >= positions) continue;
                const float probability = round_to_half(scores[p] * inverse);
#pragma unroll
                for (int i = 0; i < 8; ++i) sum[k][i] = fmaf(probability, values[k][i], sum[k][i]);
            }
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            if (used > 2 * groups) {
                sum[0][i] += sum[2][i];
                sum[1][i] += sum[3][i];
            }
            if (used > groups) sum[0][i] += sum[1][i];
        }
        auto* const to = reinterpret_cast<float4*>(sums + lane * head_size + at);
        to[0] = make_float4(sum[0][0], sum[0][1], sum[0][2], sum[0][3]);
        to[1] = make_float4(sum[0][4], sum[0][5], sum[0][6], sum[0][7]);
    }
    __syncthreads();
    const int left = used < groups ? used : groups;
    for (int i = thread; i < head_size; i += threads) out[i] = sum_by_halves<groups>(sums + i, head_size, left);
}

/// A block attends for one head (x) of one token (y). `one_token`: it also turns and stores, else that is done.
template <int lanes, bool one_token>
__global__ void __launch_bounds__(256) attention_kernel(const Attention a) {
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    const int head = static_cast<int>(blockIdx.x);
    const int token = static_cast<int>(blockIdx.y);
    const int group = a.heads / a.kv_heads;
    const int kv_head = head / group;
    const int size = a.head_size;
    const int row = a.kv_heads * size;
    wait_for_previous();
    const int position = *a.position + token;
    const int positions = position + 1;

    char* const memory = shared_memory();
    auto* const scratch = reinterpret_cast<double*>(memory);
    auto* const query = reinterpret_cast<float*>(memory + Memory::query);
    auto* const sums = reinterpret_cast<float*>(memory + Memory::lanes);
    float* const scores = a.scratch != nullptr
                              ? a.scratch + (static_cast<std::size_t>(token) * static_cast<unsigned>(a.heads) +
                                             static_cast<unsigned>(head)) *
                                                static_cast<unsigned>(score_floats(a.capacity))
                              : reinterpret_cast<float*>(memory + Memory::scores);
    const std::uint16_t* const keys = a.key_cache + kv_head * size;
    const std::uint16_t* const values = a.value_cache + kv_head * size;
    // Key and value of the token itself: this block's own copy while another block is still storing them.
    const std::uint16_t* last_key = keys + static_cast<std::size_t>(position) * static_cast<unsigned>(row);
    const std::uint16_t* last_value = values + static_cast<std::size_t>(position) * static_cast<unsigned>(row);

    const float* const from =
        a.queries + static_cast<std::size_t>(token) * static_cast<unsigned>(a.query_stride) + head * size;
    if constexpr (one_token) {
        auto* const my_key = reinterpret_cast<std::uint16_t*>(memory + Memory::key);
        auto* const my_value = reinterpret_cast<std::uint16_t*>(memory + Memory::value);
        const float2* const angles = a.style == RopeStyle::None ? nullptr
                                                                : a.angles + static_cast<std::size_t>(position) *
                                                                                 static_cast<unsigned>(a.rotary / 2);
        for (int i = thread; i < size; i += threads) {
            query[i] = round_to_half(turned_element(from, i, a.style, a.rotary, angles));
            my_key[i] = float_to_half(turned_element(a.keys + kv_head * size, i, a.style, a.rotary, angles));
            my_value[i] = float_to_half(a.values[kv_head * size + i]);
            if (head % group == 0) {
                const std::size_t at = static_cast<std::size_t>(position) * static_cast<unsigned>(row) +
                                       static_cast<unsigned>(kv_head * size + i);
                a.key_cache[at] = my_key[i];
                a.value_cache[at] = my_value[i];
            }
        }
        last_key = my_key;
        last_value = my_value;
    } else {
        for (int i = thread; i < size; i += threads) query[i] = round_to_half(from[i]);
    }
    __syncthreads();

    const float scale = 1.0f / sqrtf(static_cast<float>(size));
    const bool aligned = size % 8 == 0;
    if (lanes == single_lanes && size % single_lanes == 0) {
        score_together(scores, keys, row, last_key, query, size, positions, scale);
    } else {
        for (int p = thread; p < positions; p += threads) {
            const std::uint16_t* const key =
                p == position ? last_key : keys + static_cast<std::size_t>(p) * static_cast<unsigned>(row);
            scores[p] = score<lanes>(key, query, size, aligned) * scale;
        }
    }
    __syncthreads();
    const float inverse = softmax(scores, positions, scratch);
    float* const out =
        a.out + (static_cast<std::size_t>(token) * static_cast<unsigned>(a.heads) + static_cast<unsigned>(head)) *
                    static_cast<unsigned>(size);
    if (lanes == single_lanes && aligned) {
        sum_values_together(out, scores, inverse, values, row, last_value, positions, size, sums);
    } else {
        sum_values<lanes>(out, scores, inverse, values, row, last_value, positions, size, sums);
    }
}

/// Turns the queries of token `blockIdx.x` in place, turns and stores its key, stores its value; `gridDim.y` blocks a
/// token share its elements.
__global__ void __launch_bounds__(256) place_kernel(const Attention a) {
    const std::size_t token = blockIdx.x;
    wait_for_previous();
    const int position = *a.position + static_cast<int>(token);
    const int size = a.head_size;
    const int rotary = a.style == RopeStyle::None ? 0 : a.rotary;
    const int pairs = rotary / 2;
    const float2* const angles =
        pairs == 0 ? nullptr : a.angles + static_cast<std::size_t>(position) * static_cast<unsigned>(pairs);
    float* const queries = a.queries + token * static_cast<unsigned>(a.query_stride);
    const float* const keys = a.keys + token * static_cast<unsigned>(a.key_stride);
    const float* const values = a.values + token * static_cast<unsigned>(a.value_stride);
    const std::size_t row = static_cast<std::size_t>(position) * static_cast<unsigned>(a.kv_heads * size);
    const int first = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
    const int stride = static_cast<int>(gridDim.y * blockDim.x);
    for (int i = first; i < a.heads * pairs; i += stride) {
        float* const head = queries + i / pairs * size;
        const int2 places = places_of_pair(a.style, i % pairs, rotary);
        const float2 both = turned(head[places.x], head[places.y], angles[i % pairs]);
        head[places.x] = both.x;
        head[places.y] = both.y;
    }
    for (int i = first; i < a.kv_heads * size; i += stride) {
        const float* const head = keys + i / size * size;
        a.key_cache[row + static_cast<unsigned>(i)] =
            float_to_half(turned_element(head, i % size, a.style, rotary, angles));
        a.value_cache[row + static_cast<unsigned>(i)] = float_to_half(values[i]);
    }
}

bool sound(const Attention& a) {
    const bool heads = a.heads > 0 && a.kv_heads > 0 && a.heads % a.kv_heads == 0;
    const bool size = a.head_size > 0 && a.head_size % 2 == 0 && a.head_size <= most_head_size;
    const bool turn =
        a.style == RopeStyle::None || (a.rotary % 2 == 0 && a.rotary <= a.head_size && a.angles != nullptr);
    return heads && size && turn && a.tokens > 0 && a.capacity > 0;
}

}  // namespace

std::size_t attention_scratch_bytes(int tokens, int heads, int capacity) {
    const std::size_t bytes = static_cast<std::size_t>(score_floats(capacity)) * sizeof(float);
    return bytes <= most_score_bytes ? 0 : static_cast<std::size_t>(tokens) * static_cast<std::size_t>(heads) * bytes;
}

cudaError_t attention(const Attention& arguments, cudaStream_t stream) {
    if (!sound(arguments)) return cudaErrorInvalidValue;
    Attention a = arguments;
    const bool needs_scratch = attention_scratch_bytes(1, 1, a.capacity) != 0;
    if (needs_scratch && a.scratch == nullptr) return cudaErrorInvalidValue;
    if (!needs_scratch) a.scratch = nullptr;
    const bool one_token = a.tokens == 1;
    const std::size_t score_bytes =
        needs_scratch ? 0 : static_cast<std::size_t>(score_floats(a.capacity)) * sizeof(float);
    const std::size_t shared = Memory::scores + score_bytes;
    const dim3 grid(static_cast<unsigned>(a.heads), static_cast<unsigned>(a.tokens));
    const dim3 block(256);
    if (!one_token) {
        const cudaError_t status =
            launch(place_kernel, dim3(static_cast<unsigned>(a.tokens), 4), dim3(128), 0, stream, a);
        if (status != cudaSuccess) return status;
    }
    if (a.phase == Phase::Prompt) {
        return one_token ? launch(attention_kernel<prompt_lanes, true>, grid, block, shared, stream, a)
                         : launch(attention_kernel<prompt_lanes, false>, grid, block, shared, stream, a);
    }
    return one_token ? launch(attention_kernel<single_lanes, true>, grid, block, shared, stream, a)
                     : launch(attention_kernel<single_lanes, false>, grid, block, shared, stream, a);
}

}  // namespace worker::kernels
