// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The scheduler of a block's threads, in a fixed order.

#include "executor.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

namespace worker::host {

constinit thread_local Coordinates coordinates WORKER_HOST_FAST_TLS;
constinit thread_local Executor* executor WORKER_HOST_FAST_TLS = nullptr;

namespace {

constexpr unsigned char garbage = 0xfb;

}  // namespace

std::vector<unsigned> Order::of(unsigned count, std::uint64_t salt) const {
    std::vector<unsigned> order(count);
    std::iota(order.begin(), order.end(), 0u);
    if (seed == 0) return order;
    std::uint64_t state = seed ^ (salt * 0x9e37'79b9'7f4a'7c15ull);
    for (unsigned i = 0; i < count / 2 && seed == ~0ull; ++i) std::swap(order[i], order[count - 1 - i]);
    for (unsigned i = count; i > 1 && seed != ~0ull; --i) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        std::swap(order[i - 1], order[(state >> 33) % i]);
    }
    return order;
}

void Executor::entry() {
    arrived_on_fiber();
    executor->live();
    __builtin_unreachable();
}

/// Takes the next thread that can run: of this warp behind this one, of this warp, of the warps behind it.
bool Executor::choose() noexcept {
    for (unsigned tried = 0; tried <= warps_.size(); ++tried) {
        const Warp& warp = warps_[warp_];
        if (warp.runnable != 0) {
            const unsigned behind = warp.runnable & ~((2u << slot_) - 1u);
            slot_ = static_cast<unsigned>(std::countr_zero(behind != 0 ? behind : warp.runnable));
            return true;
        }
        place_ = (place_ + 1) % warp_order_.size();
        warp_ = warp_order_[place_];
        slot_ = warp_size - 1;
    }
    return false;
}

/// Makes `thread` the one that `coordinates` speaks of.
void Executor::enter(unsigned thread) noexcept {
    coordinates.lane = thread % warp_size;
    if (flat_) {
        coordinates.thread.x = thread;
    } else {
        const dim3 size = coordinates.block_size;
        coordinates.thread = {thread % size.x, thread / size.x % size.y, thread / size.x / size.y};
    }
}

/// Runs threads on this stack, one after the other, as long as the next one has not begun yet.
void Executor::live() noexcept {
    for (;;) {
        const unsigned current = warp_ * warp_size + warps_[warp_].lane_of_slot[slot_];
        (*kernel_)();
        ++done_;
        warps_[warp_].runnable &= ~(1u << slot_);
        const std::size_t stack = threads_[current].stack;
        if (!choose()) {
            switch_fiber(threads_[current].fiber, main_, true);
        }
        const unsigned next = warp_ * warp_size + warps_[warp_].lane_of_slot[slot_];
        enter(next);
        Thread& thread = threads_[next];
        if (thread.started) {
            free_stacks_.push_back(stack);
            switch_fiber(threads_[current].fiber, thread.fiber, true);
        }
        thread.started = true;
        thread.stack = stack;
        thread.fiber.bottom = threads_[current].fiber.bottom;
        thread.fiber.bytes = threads_[current].fiber.bytes;
    }
}

/// Suspends the running thread, whose bit in `runnable` is off, until somebody sets it.
void Executor::wait() noexcept {
    const unsigned current = warp_ * warp_size + warps_[warp_].lane_of_slot[slot_];
    if (!choose()) {
        // Every thread waits or is done: they will never meet.
        switch_fiber(threads_[current].fiber, main_, true);
    }
    const unsigned next = warp_ * warp_size + warps_[warp_].lane_of_slot[slot_];
    if (next == current) return;
    enter(next);
    Thread& thread = threads_[next];
    if (!thread.started) {
        thread.started = true;
        thread.stack = free_stacks_.back();
        free_stacks_.pop_back();
        stacks_.prepare(thread.fiber, thread.stack, entry);
    }
    switch_fiber(threads_[current].fiber, thread.fiber);
}

void Executor::block_barrier() noexcept {
    if (++at_block_ == count_) {
        at_block_ = 0;
        for (Warp& warp : warps_) warp.runnable = warp.lanes;
        return;
    }
    warps_[warp_].runnable &= ~(1u << slot_);
    wait();
}

const std::uint64_t* Executor::exchange(unsigned mask, std::uint64_t value) noexcept {
    Warp& warp = warps_[warp_];
    const unsigned lane = warp.lane_of_slot[slot_];
    const unsigned side = warp.side;
    warp.values[side][lane] = value;
    warp.waiting |= 1u << lane;
    if ((warp.waiting & mask) != mask) {
        warp.runnable &= ~(1u << slot_);
        wait();
    } else if (mask == warp.lanes) {
        // Who gives next gives to the other side, and only after all have taken from this one can that be full again.
        warp.waiting = 0;
        warp.runnable = warp.lanes;
        warp.side = side ^ 1;
    } else {
        release(warp, mask);
    }
    // A part of a warp takes from its own copy.
    return mask == warp.lanes ? warp.values[side].data() : warp.copies.data();
}

/// Lets the lanes in `mask` go on, which have all given. Other lanes may be about to give to the same side, and those
/// of the mask may give again before all have taken: hence a copy.
void Executor::release(Warp& warp, unsigned mask) noexcept {
    warp.waiting &= ~mask;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        const auto member = static_cast<unsigned>(std::countr_zero(rest));
        warp.copies[member] = warp.values[warp.side][member];
        warp.runnable |= 1u << warp.slot_of_lane[member];
    }
}

void Executor::begin_block(Order order, std::uint64_t salt) {
    const unsigned warps = (count_ + warp_size - 1) / warp_size;
    const bool fresh = warps_.size() != warps;
    warps_.resize(warps);
    threads_.resize(count_);
    for (Thread& thread : threads_) thread.started = false;
    if (fresh || order.seed != 0 || order.seed != seed_) warp_order_ = order.of(warps, salt);
    seed_ = order.seed;
    for (unsigned w = 0; w < warps; ++w) {
        Warp& warp = warps_[w];
        const unsigned lanes = std::min(warp_size, count_ - w * warp_size);
        if (order.seed == 0) {
            for (unsigned slot = 0; slot < warp_size; ++slot) {
                warp.lane_of_slot[slot] = warp.slot_of_lane[slot] = static_cast<std::uint8_t>(slot);
            }
        } else {
            const auto lane_order = order.of(lanes, salt * 37 + w + 1);
            for (unsigned slot = 0; slot < lanes; ++slot) {
                warp.lane_of_slot[slot] = static_cast<std::uint8_t>(lane_order[slot]);
                warp.slot_of_lane[lane_order[slot]] = static_cast<std::uint8_t>(slot);
            }
        }
        warp.lanes = lanes == warp_size ? ~0u : (1u << lanes) - 1;
        warp.runnable = warp.lanes;
        warp.waiting = 0;
    }
    free_stacks_.resize(count_);
    for (unsigned i = 0; i < count_; ++i) free_stacks_[i] = count_ - 1 - i;
    at_block_ = done_ = place_ = 0;
    warp_ = warp_order_[0];
    slot_ = 0;
}

bool Executor::run_block() noexcept {
    const unsigned first = warp_ * warp_size + warps_[warp_].lane_of_slot[slot_];
    enter(first);
    Thread& thread = threads_[first];
    thread.started = true;
    thread.stack = free_stacks_.back();
    free_stacks_.pop_back();
    stacks_.prepare(thread.fiber, thread.stack, entry);
    switch_fiber(main_, thread.fiber);
    return done_ == count_;
}

cudaError_t Executor::run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel,
                          Order order) {
    count_ = block.x * block.y * block.z;
    kernel_ = &kernel;
    if (!stacks_.reserve(count_)) return cudaErrorMemoryAllocation;
    // The exact size, for a sanitizer to watch; and every block finds garbage in it.
    std::unique_ptr<void, decltype(&std::free)> shared(std::aligned_alloc(128, (shared_bytes + 127) / 128 * 128 + 128),
                                                       &std::free);
    if (shared == nullptr) return cudaErrorMemoryAllocation;
#ifdef WORKER_HOST_ASAN
    void* exact = nullptr;
    if (posix_memalign(&exact, 128, shared_bytes + (shared_bytes == 0)) != 0) return cudaErrorMemoryAllocation;
    shared.reset(exact);
#endif
    Executor* const outer = executor;
    executor = this;
    coordinates.block_size = block;
    coordinates.grid_size = grid;
    coordinates.thread = {0, 0, 0};
    flat_ = block.y == 1 && block.z == 1;
    coordinates.shared = shared.get();
    const unsigned blocks = grid.x * grid.y * grid.z;
    const std::vector<unsigned> block_order = order.seed == 0 ? std::vector<unsigned>{} : order.of(blocks, 0);
    bool met = true;
    for (unsigned i = 0; i < blocks && met; ++i) {
        const unsigned index = block_order.empty() ? i : block_order[i];
        coordinates.block = {index % grid.x, index / grid.x % grid.y, index / grid.x / grid.y};
        std::memset(shared.get(), garbage, shared_bytes);
        begin_block(order, index + 1);
        met = run_block();
    }
    executor = outer;
    if (!met) stacks_.wipe();
    return met ? cudaSuccess : cudaErrorLaunchFailure;
}

}  // namespace worker::host
