// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Stack switching: assembler for x86-64 and AArch64, since swapcontext makes two system calls a switch.

#include "fiber.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#ifdef WORKER_HOST_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a callee keeps, stores the stack pointer at the first argument, takes the second for its
// own.
extern "C" void worker_host_switch(void** save, void* load) noexcept;

#if defined(__x86_64__)
asm(R"(
    .text
    .p2align 4
    .hidden worker_host_switch
    .globl worker_host_switch
    .type worker_host_switch, @function
worker_host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size worker_host_switch, . - worker_host_switch
)");
#elif defined(__aarch64__)
asm(R"(
    .text
    .p2align 4
    .hidden worker_host_switch
    .globl worker_host_switch
    .type worker_host_switch, %function
worker_host_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x2, sp
    str x2, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size worker_host_switch, . - worker_host_switch
)");
#else
#error "the host runtime switches stacks on x86-64 and AArch64 only"
#endif

namespace worker::host {

namespace {

constexpr std::size_t page_bytes = 4096;
#ifdef WORKER_HOST_ASAN
constexpr std::size_t stack_bytes = 256 << 10;
#else
constexpr std::size_t stack_bytes = 64 << 10;
#endif
constexpr std::size_t stride = stack_bytes + page_bytes;

#ifdef WORKER_HOST_ASAN
thread_local Fiber* leaving = nullptr;
thread_local Fiber* entering = nullptr;
#endif

}  // namespace

Stacks::~Stacks() {
    if (memory_ != nullptr) munmap(memory_, count_ * stride);
}

bool Stacks::reserve(std::size_t count) noexcept {
    if (count <= count_) return true;
    void* memory = mmap(nullptr, count * stride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* base = static_cast<char*>(memory);
    for (std::size_t i = 0; i < count; ++i) mprotect(base + i * stride, page_bytes, PROT_NONE);
    if (memory_ != nullptr) munmap(memory_, count_ * stride);
    memory_ = base;
    count_ = count;
    return true;
}

void Stacks::prepare(Fiber& fiber, std::size_t index, void (*entry)()) noexcept {
    char* bottom = memory_ + index * stride + page_bytes;
    // Tops at different places of their pages: all at one place, they would fight for a few sets of the cache.
    char* top = bottom + stack_bytes - index % 32 * 128;
    fiber.bottom = bottom;
    fiber.bytes = stack_bytes;
    fiber.fake_stack = nullptr;
#if defined(__x86_64__)
    // Six registers and the address to return to; on entry the stack is as after a call, 8 off a multiple of 16.
    auto* frame = reinterpret_cast<void**>(top) - 8;
    std::memset(frame, 0, 8 * sizeof(void*));
    frame[6] = reinterpret_cast<void*>(entry);
#else
    auto* frame = reinterpret_cast<void**>(top - 160);
    std::memset(frame, 0, 160);
    frame[11] = reinterpret_cast<void*>(entry);
#endif
    fiber.stack_pointer = frame;
}

void Stacks::wipe() noexcept {
#ifdef WORKER_HOST_ASAN
    for (std::size_t i = 0; i < count_; ++i)
        __asan_unpoison_memory_region(memory_ + i * stride + page_bytes, stack_bytes);
#endif
}

void switch_fiber(Fiber& from, Fiber& to, [[maybe_unused]] bool last) noexcept {
#ifdef WORKER_HOST_ASAN
    if (last) {
        // Functions that never return leave their marks on the stack: from a page below this frame, which holds all of
        // this function's, to the top. Clearing whole stacks instead takes most of the time of small kernels.
        auto* bottom = static_cast<const char*>(from.bottom);
        auto* here = static_cast<const char*>(__builtin_frame_address(0));
        auto* low = std::max(bottom, here - page_bytes);
        __asan_unpoison_memory_region(low, static_cast<std::size_t>(bottom + from.bytes - low));
    }
    leaving = &from;
    entering = &to;
    __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.bottom, to.bytes);
    worker_host_switch(&from.stack_pointer, to.stack_pointer);
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(from.fake_stack, &bottom, &bytes);
    // The main flow learns its own stack from the first switch back to it.
    leaving->bottom = bottom;
    leaving->bytes = bytes;
#else
    worker_host_switch(&from.stack_pointer, to.stack_pointer);
#endif
}

void arrived_on_fiber() noexcept {
#ifdef WORKER_HOST_ASAN
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    leaving->bottom = bottom;
    leaving->bytes = bytes;
#endif
}

}  // namespace worker::host
