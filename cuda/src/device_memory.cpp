// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Allocation and release.
#include "device_memory.hpp"

#include <limits>

#include "kernels/device.hpp"
#include "status.hpp"

namespace worker {

DeviceBuffer::DeviceBuffer(Ledger& ledger, std::size_t bytes) {
    const std::size_t whole = aligned(bytes == 0 ? 1 : bytes);
    check(device::allocate(&data_, whole), Code::Unknown, "device memory");
    ledger_ = &ledger;
    bytes_ = whole;
    ledger_->take(bytes_);
}

DeviceBuffer::~DeviceBuffer() {
    if (data_ == nullptr) return;
    // A device that has failed has nothing to give back; the error must not meet the next call.
    if (cudaFree(data_) != cudaSuccess) cudaGetLastError();
    ledger_->give(bytes_);
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
    std::swap(ledger_, other.ledger_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

bool DeviceBuffer::is_resident(int device) const noexcept {
    cudaPointerAttributes attributes = {};
    if (device::attributes(&attributes, data_) != cudaSuccess) {
        cudaGetLastError();
        return false;
    }
    return attributes.type == cudaMemoryTypeDevice && attributes.device == device;
}

std::size_t Layout::add(std::size_t count, std::size_t bytes_each) {
    // Far above any device, far below an overflow of sums.
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 4;
    const std::size_t offset = bytes_;
    if (bytes_each != 0 && count > (most - bytes_) / bytes_each) throw Failure(Code::OutOfMemory, "a size overflows");
    bytes_ += aligned(count * bytes_each);
    return offset;
}

PinnedBuffer pinned(std::size_t bytes) {
    void* data = nullptr;
    check(cudaMallocHost(&data, bytes), Code::Unknown, "pinned memory");
    return PinnedBuffer(static_cast<std::byte*>(data));
}

Stream make_stream() {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), Code::Unknown, "a stream");
    return Stream(stream);
}

Event make_event() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), Code::Unknown, "an event");
    return Event(event);
}

}  // namespace worker
