// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Stacks to run a block's threads on, and the switch between them: a few instructions, no system call.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define WORKER_HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WORKER_HOST_ASAN 1
#endif
#endif

namespace worker::host {

/// A suspended flow of control: its stack pointer, and what a sanitizer wants to know of its stack.
struct Fiber {
    void* stack_pointer = nullptr;
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    void* fake_stack = nullptr;
};

/// Stacks of equal size in one mapping, with an inaccessible page below each.
class Stacks {
   public:
    Stacks() = default;
    ~Stacks();
    Stacks(const Stacks&) = delete;
    Stacks& operator=(const Stacks&) = delete;

    /// Makes room for `count` stacks; false where the system has no memory. Contents of stacks are lost when it grows.
    bool reserve(std::size_t count) noexcept;

    /// Makes `fiber` begin with `entry()` on stack `index`; `entry` never returns.
    void prepare(Fiber& fiber, std::size_t index, void (*entry)()) noexcept;

    /// Clears what a sanitizer knows of flows that were given up in the middle.
    void wipe() noexcept;

   private:
    char* memory_ = nullptr;
    std::size_t count_ = 0;
};

/// Continues `to`; comes back when somebody continues `from`. `last`: nobody will, its stack is free for another.
void switch_fiber(Fiber& from, Fiber& to, bool last = false) noexcept;

/// To be called first thing on a new stack.
void arrived_on_fiber() noexcept;

}  // namespace worker::host
