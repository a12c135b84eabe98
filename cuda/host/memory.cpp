// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Memory of the simulated devices: allocations with a limit, attributes of pointers, copies.

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>

#include "state.hpp"

namespace worker::host {

namespace {

/// One allocation; `device` is -1 for page-locked host memory.
struct Block {
    std::size_t bytes;
    int device;
};

struct Registry {
    std::mutex mutex;
    std::map<const void*, Block> blocks;
    std::map<int, std::uint64_t> used;
};

Registry& registry() {
    static Registry all;
    return all;
}

constexpr std::size_t alignment = 256;
// Fresh device memory holds garbage; halves, floats and quants of this pattern are conspicuous.
constexpr int garbage = 0xfb;
constexpr std::size_t most_garbage = 16u << 20;

cudaError_t allocate(void** pointer, std::size_t bytes, int device) noexcept {
    if (pointer == nullptr) return cudaErrorInvalidValue;
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    if (device >= 0) {
        const std::uint64_t used = all.used[device];
        if (bytes > devices().bytes - used) return cudaErrorMemoryAllocation;
    }
    void* memory = nullptr;
    // The exact size: a sanitizer then sees the first byte past the end.
    if (posix_memalign(&memory, alignment, bytes) != 0) return cudaErrorMemoryAllocation;
    std::memset(memory, garbage, bytes < most_garbage ? bytes : most_garbage);
    all.blocks[memory] = {bytes, device};
    if (device >= 0) all.used[device] += bytes;
    *pointer = memory;
    return cudaSuccess;
}

cudaError_t release(void* pointer, bool of_device) noexcept {
    if (pointer == nullptr) return cudaSuccess;
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.blocks.find(pointer);
    if (found == all.blocks.end() || (found->second.device >= 0) != of_device) return cudaErrorInvalidValue;
    if (of_device) all.used[found->second.device] -= found->second.bytes;
    all.blocks.erase(found);
    std::free(pointer);
    return cudaSuccess;
}

/// The allocation that `pointer` lies in, or none.
const std::pair<const void* const, Block>* find(const void* pointer) {
    auto& blocks = registry().blocks;
    auto after = blocks.upper_bound(pointer);
    if (after == blocks.begin()) return nullptr;
    const auto& block = *--after;
    const auto offset = static_cast<const char*>(pointer) - static_cast<const char*>(block.first);
    return static_cast<std::size_t>(offset) < block.second.bytes ? &block : nullptr;
}

/// Whether `bytes` at `pointer` may be what a copy says they are: device memory lies in one allocation of a device.
bool is(const void* pointer, std::size_t bytes, bool of_device) {
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    const auto* block = find(pointer);
    if (block == nullptr || block->second.device < 0) return !of_device;
    const auto offset = static_cast<const char*>(pointer) - static_cast<const char*>(block->first);
    return of_device && bytes <= block->second.bytes - static_cast<std::size_t>(offset);
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) noexcept {
    if (bytes == 0) return cudaSuccess;
    if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault && (!is(to, bytes, to_device) || !is(from, bytes, from_device))) {
        return cudaErrorInvalidValue;
    }
    const MemoryGuard guard;
    std::memmove(to, from, bytes);
    return cudaSuccess;
}

cudaError_t fill(void* pointer, int value, std::size_t bytes) noexcept {
    if (bytes == 0) return cudaSuccess;
    if (!is(pointer, bytes, true)) return cudaErrorInvalidValue;
    const MemoryGuard guard;
    std::memset(pointer, value, bytes);
    return cudaSuccess;
}

}  // namespace

Snapshot take_snapshot() {
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    Snapshot snapshot;
    for (const auto& [pointer, block] : all.blocks) {
        if (block.device < 0) continue;
        const auto* bytes = static_cast<const unsigned char*>(pointer);
        snapshot.emplace_back(bytes, bytes + block.bytes);
    }
    return snapshot;
}

void put_back(const Snapshot& snapshot) {
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    auto saved = snapshot.begin();
    for (const auto& [pointer, block] : all.blocks) {
        if (block.device < 0) continue;
        std::memcpy(const_cast<void*>(pointer), saved->data(), saved->size());
        ++saved;
    }
}

}  // namespace worker::host

using namespace worker::host;

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    const MemoryGuard guard;
    return report(allocate(pointer, bytes, current_device()));
}

cudaError_t cudaFree(void* pointer) {
    const MemoryGuard guard;
    return report(release(pointer, true));
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    return report(allocate(pointer, bytes, -1));
}

cudaError_t cudaFreeHost(void* pointer) { return report(release(pointer, false)); }

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return report(copy(to, from, bytes, kind));
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return run_or_record(stream, [=] { return copy(to, from, bytes, kind); });
}

cudaError_t cudaMemset(void* pointer, int value, size_t bytes) { return report(fill(pointer, value, bytes)); }

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
    return run_or_record(stream, [=] { return fill(pointer, value, bytes); });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (free == nullptr || total == nullptr) return report(cudaErrorInvalidValue);
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    *total = devices().bytes;
    *free = devices().bytes - all.used[current_device()];
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    if (attributes == nullptr) return report(cudaErrorInvalidValue);
    auto& all = registry();
    const std::lock_guard lock(all.mutex);
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, const_cast<void*>(pointer)};
    if (const auto* block = find(pointer)) {
        void* there = const_cast<void*>(pointer);
        *attributes = block->second.device >= 0
                          ? cudaPointerAttributes{cudaMemoryTypeDevice, block->second.device, there, nullptr}
                          : cudaPointerAttributes{cudaMemoryTypeHost, current_device(), there, there};
    }
    return cudaSuccess;
}

}  // extern "C"
