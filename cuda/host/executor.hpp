// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Runs the threads of one block after the other: each until it waits, then the next one that can goes on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "execute.hpp"
#include "fiber.hpp"

namespace worker::host {

inline constexpr unsigned warp_size = 32;

/// In what order blocks, warps and lanes come; `seed` 0 is forward, ~0 is reverse, others permute.
struct Order {
    std::uint64_t seed = 0;

    /// The numbers below `count`; permutations of different `salt` differ.
    std::vector<unsigned> of(unsigned count, std::uint64_t salt) const;
};

struct Thread {
    Fiber fiber;
    std::size_t stack = 0;
    bool started = false;
};

/// Lanes are addressed by slot: their place in the order.
struct Warp {
    unsigned lanes = 0;     ///< Slots that exist.
    unsigned runnable = 0;  ///< Slots that can go on.
    unsigned waiting = 0;   ///< Lanes (not slots) at a warp operation.
    unsigned side = 0;      ///< Of `values` that is being given; the other one is being taken.
    std::array<std::array<std::uint64_t, warp_size>, 2> values{};
    std::array<std::uint64_t, warp_size> copies{};
    std::array<std::uint8_t, warp_size> lane_of_slot{};
    std::array<std::uint8_t, warp_size> slot_of_lane{};
};

/// Runs one block after the other; kept between launches, so that stacks stay warm.
class Executor {
   public:
    /// `cudaErrorLaunchFailure` where threads wait for one another that will never meet.
    cudaError_t run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel, Order order);
    void block_barrier() noexcept;
    const std::uint64_t* exchange(unsigned mask, std::uint64_t value) noexcept;

   private:
    static void entry();
    bool run_block() noexcept;
    void begin_block(Order order, std::uint64_t salt);
    bool choose() noexcept;
    void enter(unsigned thread) noexcept;
    static void release(Warp& warp, unsigned mask) noexcept;
    void wait() noexcept;
    void live() noexcept;

    Stacks stacks_;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    std::vector<unsigned> warp_order_;
    std::vector<std::size_t> free_stacks_;
    Fiber main_;
    const std::function<void()>* kernel_ = nullptr;
    std::uint64_t seed_ = 0;  ///< Of the order that `warp_order_` has.
    bool flat_ = true;        ///< Blocks have one axis.
    unsigned count_ = 0;      ///< Threads of a block.
    unsigned place_ = 0;      ///< Of the running warp in `warp_order_`.
    unsigned warp_ = 0;       ///< The running warp.
    unsigned slot_ = 0;       ///< The running lane's slot.
    unsigned at_block_ = 0;   ///< Threads at the block's barrier.
    unsigned done_ = 0;       ///< Threads that came to their end.
};

/// The one that the calling thread of the process is running.
extern constinit thread_local Executor* executor WORKER_HOST_FAST_TLS;

}  // namespace worker::host
