// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Brings the weights of a warp into shared memory ahead of their use.
///
/// Enough bytes must be on their way to fill the time that device memory takes, and registers cannot hold them. A ring
/// has groups of units, each a packed row of its own for every row that the warp works on at once; one group is
/// multiplied while the others are filled, in the order of the warp's walk and from row to row.
#pragma once

#include <cstring>

#include "launch.cuh"
#include "layout.hpp"

namespace worker::kernels {

/// Rows that a warp works on at once.
template <class Row>
constexpr int rows_of_warp = warp_size / Row::threads;

/// Units of a group: of four steps, and of more where a plane's part would be no multiple of 16 bytes.
template <class Row>
constexpr int group_units = (Row::planes.count() == 4 ? 8 : 4) * (Row::step_columns / Row::unit);
template <class Row>
constexpr int group_columns = group_units<Row>* Row::unit;
template <class Row>
constexpr int steps_of_group = group_columns<Row> / Row::step_columns;

/// Bytes that a warp's ring has for weights, about.
constexpr std::size_t wanted_ring_bytes = 9 << 10;

template <class Row>
constexpr std::size_t group_row_bytes = Row::planes.row(group_units<Row>);
template <class Row>
constexpr std::size_t group_bytes = group_row_bytes<Row>* rows_of_warp<Row>;
template <class Row>
constexpr int ring_groups = wanted_ring_bytes / group_bytes<Row> < 2
                                ? 2
                                : static_cast<int>(wanted_ring_bytes / group_bytes<Row>);

template <class Row>
constexpr std::size_t ring_bytes = ring_groups<Row>* group_bytes<Row>;
/// No ring has more.
constexpr std::size_t most_ring_bytes = 16 << 10;

#if defined(WORKER_CUDA_HOST) || defined(__CUDACC__)

/// Begins to copy 16 bytes from device memory to shared memory, past the L1 cache; the host copies at once.
__device__ __forceinline__ void copy_ahead(char* to, const char* from) {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
                 "l"(from)
                 : "memory");
#else
    std::memcpy(to, from, 16);
#endif
}

/// Ends a group of copies of this thread.
__device__ __forceinline__ void end_copies() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until of every thread of the warp no more than the last `groups` groups are under way.
template <int groups>
__device__ __forceinline__ void wait_for_copies() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#endif
    __syncwarp();
}

/// `Rows` is the walk: `data`, nullptr at its end, `row_data` and `next`.
template <class Row, class Rows>
class Ring {
   public:
    /// `memory` (ring_bytes) is the warp's own; all threads of a warp call everything together.
    template <class Arguments>
    __device__ __forceinline__ Ring(const Arguments& arguments, char* memory, const Rows& walk)
        : groups_(memory), walk_(walk), units_(units_in(arguments.columns)) {
        static_assert(ring_bytes<Row> <= most_ring_bytes);
        begin_turn(arguments);
#pragma unroll 1
        for (int i = 0; i < ring_groups<Row> - 1; ++i) fetch(arguments);
    }

    /// This thread's row of the next group, once it is there; the group before is given up.
    template <class Arguments>
    __device__ __forceinline__ const char* next(const Arguments& arguments) {
        // Nobody reads the group before any more: its place is filled again.
        __syncwarp();
        fetch(arguments);
        const char* const group = groups_ + static_cast<unsigned>(taken_) * group_bytes<Row>;
        taken_ = taken_ + 1 == ring_groups<Row> ? 0 : taken_ + 1;
        wait_for_copies<ring_groups<Row> - 1>();
        return group + threadIdx.x % warp_size / Row::threads * group_row_bytes<Row>;
    }

   private:
    /// What is left over of a row of floats is none.
    __device__ static __forceinline__ int units_in(int columns) {
        const int begun = (columns + Row::unit - 1) / Row::unit;
        const int stepped = Row::steps(columns) * (Row::step_columns / Row::unit);
        return begun < stepped ? begun : stepped;
    }

    /// Calls `action(copy, plane, row, chunk)` for each chunk of 16 bytes of a group that is
    /// this thread's: neighbours in a row go to neighbouring threads.
    template <class Action>
    __device__ __forceinline__ static void each_copy(Action action) {
        constexpr Planes in = Row::planes;
        const int lane = static_cast<int>(threadIdx.x) % warp_size;
        int copy = 0;
#pragma unroll
        for (int plane = 0; plane < in.count(); ++plane) {
            const int of_row = in.bytes[plane] * group_units<Row> / 16;
#pragma unroll
            for (int first = 0; first < of_row * rows_of_warp<Row>; first += warp_size) {
                action(copy, plane, (first + lane) / of_row, (first + lane) % of_row);
                ++copy;
            }
        }
    }

    static constexpr int count_copies() {
        int copies = 0;
        for (int plane = 0; plane < Row::planes.count(); ++plane) {
            copies +=
                (Row::planes.bytes[plane] * group_units<Row> / 16 * rows_of_warp<Row> + warp_size - 1) / warp_size;
        }
        return copies;
    }

    /// Where this thread's copies of a turn of rows begin.
    template <class Arguments>
    __device__ __forceinline__ void begin_turn(const Arguments& arguments) {
        constexpr Planes in = Row::planes;
        if (walk_.data == nullptr) return;
        each_copy([&](int copy, int plane, int row, int chunk) {
            from_[copy] = walk_.row_data(arguments, row) + in.offset(plane, units_) + static_cast<unsigned>(chunk) * 16;
        });
    }

    template <class Arguments>
    __device__ __forceinline__ void fetch(const Arguments& arguments) {
        if (walk_.data != nullptr && units_ > 0) {
            constexpr Planes in = Row::planes;
            char* const group = groups_ + static_cast<unsigned>(filled_) * group_bytes<Row>;
            const int left = units_ - unit_;
            each_copy([&](int copy, int plane, int row, int chunk) {
                if (row < rows_of_warp<Row> && chunk * 16 < in.bytes[plane] * left) {
                    copy_ahead(group + static_cast<unsigned>(row) * group_row_bytes<Row> +
                                   in.offset(plane, group_units<Row>) + static_cast<unsigned>(chunk) * 16,
                               from_[copy]);
                }
                from_[copy] += in.bytes[plane] * group_units<Row>;
            });
            unit_ += group_units<Row>;
            if (unit_ >= units_) {
                unit_ = 0;
                walk_.next(arguments);
                begin_turn(arguments);
            }
        }
        filled_ = filled_ + 1 == ring_groups<Row> ? 0 : filled_ + 1;
        // Empty groups count too, so that waiting is the same to the end.
        end_copies();
    }

    const char* from_[count_copies()] = {};
    char* groups_;
    Rows walk_;
    int units_;
    int unit_ = 0;
    int filled_ = 0;
    int taken_ = 0;
};

#endif

}  // namespace worker::kernels
