// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Launches of grids: shapes, executors, orders of threads, and the check for races.

#include "execute.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "executor.hpp"
#include "state.hpp"

namespace worker::host {

namespace {

constexpr unsigned most_threads = 1024;
constexpr std::size_t most_shared_bytes = 227 << 10;

Order order_of_environment() noexcept {
    const char* text = std::getenv("WORKER_CUDA_HOST_ORDER");
    if (text == nullptr || std::string_view(text) == "forward") return {0};
    if (std::string_view(text) == "reverse") return {~0ull};
    return {std::strtoull(text, nullptr, 10)};
}

/// Executors that no launch uses now. Launches of different threads of the process run side by side.
struct Pool {
    std::mutex mutex;
    std::vector<std::unique_ptr<Executor>> idle;
};

Pool& pool() {
    static Pool all;
    return all;
}

cudaError_t run_in_order(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel,
                         Order order) {
    std::unique_ptr<Executor> mine;
    {
        const std::lock_guard lock(pool().mutex);
        if (!pool().idle.empty()) {
            mine = std::move(pool().idle.back());
            pool().idle.pop_back();
        }
    }
    if (mine == nullptr) mine = std::make_unique<Executor>();
    const cudaError_t status = mine->run(grid, block, shared_bytes, kernel, order);
    const std::lock_guard lock(pool().mutex);
    pool().idle.push_back(std::move(mine));
    return status;
}

std::recursive_mutex& memory_mutex() {
    static std::recursive_mutex mutex;
    return mutex;
}

/// Runs the grid in three orders from the same memory: what differs afterwards hung on the order of threads.
cudaError_t run_and_compare(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel) {
    const Snapshot before = take_snapshot();
    Snapshot first;
    for (const std::uint64_t seed : {0ull, ~0ull, 20251004ull}) {
        if (!first.empty()) put_back(before);
        const cudaError_t status = run_in_order(grid, block, shared_bytes, kernel, {seed});
        if (status != cudaSuccess) return status;
        Snapshot after = take_snapshot();
        if (first.empty()) {
            first = std::move(after);
        } else if (after != first) {
            return cudaErrorLaunchFailure;
        }
    }
    return cudaSuccess;
}

}  // namespace

bool race_check() noexcept {
    static const bool on = [] {
        const char* text = std::getenv("WORKER_CUDA_HOST_RACECHECK");
        return text != nullptr && std::string_view(text) == "1";
    }();
    return on;
}

MemoryGuard::MemoryGuard() noexcept : held_(race_check()) {
    if (held_) memory_mutex().lock();
}

MemoryGuard::~MemoryGuard() {
    if (held_) memory_mutex().unlock();
}

void block_barrier() noexcept { executor->block_barrier(); }

const std::uint64_t* exchange(unsigned mask, std::uint64_t value) noexcept { return executor->exchange(mask, value); }

cudaError_t run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel) noexcept {
    if (devices().count == 0) return cudaErrorNoDevice;
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    if (threads == 0 || threads > most_threads || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
        grid.x > 0x7fff'ffffu || grid.y > 0xffff || grid.z > 0xffff || shared_bytes > most_shared_bytes) {
        return cudaErrorInvalidConfiguration;
    }
    try {
        const MemoryGuard guard;
        if (race_check()) return run_and_compare(grid, block, shared_bytes, kernel);
        return run_in_order(grid, block, shared_bytes, kernel, order_of_environment());
    } catch (const std::bad_alloc&) {
        return cudaErrorMemoryAllocation;
    }
}

cudaError_t launch_on_host(cudaStream_t stream, dim3 grid, dim3 block, std::size_t shared_bytes,
                           std::function<void()> kernel) noexcept {
    try {
        return run_or_record(stream,
                             [=, kernel = std::move(kernel)] { return run_grid(grid, block, shared_bytes, kernel); });
    } catch (const std::bad_alloc&) {
        return report(cudaErrorMemoryAllocation);
    }
}

}  // namespace worker::host
