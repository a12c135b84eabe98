// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Owners of device memory, pinned host memory, streams, events and graphs.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "ledger.hpp"

namespace worker {

/// Every part of an allocation begins at a multiple of this (M0-W-1220).
constexpr std::size_t device_alignment = 256;

constexpr std::size_t aligned(std::size_t bytes) {
    return (bytes + device_alignment - 1) / device_alignment * device_alignment;
}

/// One allocation in device memory, entered in a ledger. Its device is current when it is made and ended.
class DeviceBuffer {
   public:
    DeviceBuffer() = default;
    /// Throws `OutOfMemory` where the device has no such room.
    DeviceBuffer(Ledger& ledger, std::size_t bytes);
    ~DeviceBuffer();
    DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }
    DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

    std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
    std::size_t bytes() const noexcept { return bytes_; }
    /// Whether the runtime says that it lies in the memory of `device`.
    bool is_resident(int device) const noexcept;

   private:
    Ledger* ledger_ = nullptr;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Parts of one allocation, each aligned: first laid out, then placed. All sizes are checked for overflow.
class Layout {
   public:
    /// Offset of a new part of `count` items of `bytes_each`.
    std::size_t add(std::size_t count, std::size_t bytes_each = 1);
    std::size_t bytes() const noexcept { return bytes_; }

   private:
    std::size_t bytes_ = 0;
};

struct PinnedDeleter {
    void operator()(void* data) const noexcept { cudaFreeHost(data); }
};
/// Host memory that the device copies from at full speed.
using PinnedBuffer = std::unique_ptr<std::byte[], PinnedDeleter>;
PinnedBuffer pinned(std::size_t bytes);

struct StreamDeleter {
    void operator()(cudaStream_t stream) const noexcept { cudaStreamDestroy(stream); }
};
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, StreamDeleter>;
/// A stream that does not wait for the default one.
Stream make_stream();

struct EventDeleter {
    void operator()(cudaEvent_t event) const noexcept { cudaEventDestroy(event); }
};
using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, EventDeleter>;
/// An event that takes no time.
Event make_event();

struct GraphDeleter {
    void operator()(cudaGraph_t graph) const noexcept { cudaGraphDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphDeleter>;

struct ExecutableDeleter {
    void operator()(cudaGraphExec_t graph) const noexcept { cudaGraphExecDestroy(graph); }
};
using Executable = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, ExecutableDeleter>;

}  // namespace worker
