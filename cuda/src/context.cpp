// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Opening, probing and leaving of devices.
#include "context.hpp"

#include <array>
#include <cstring>

#include "kernels/device.hpp"
#include "kernels/kernels.hpp"
#include "status.hpp"

namespace worker {

namespace {

/// More than any machine has: the accounts of the devices are static.
constexpr int most_devices = 64;
constexpr int probe_words = 64;

Account& account_of(int device) {
    static std::array<Account, most_devices> accounts;
    return accounts[static_cast<std::size_t>(device)];
}

int checked(int device) {
    const int count = device_count();
    if (count == 0) throw Failure(Code::DeviceNotFound, "there is no device");
    if (device < 0 || device >= count) throw Failure(Code::InvalidDevice, "no such device");
    return device;
}

/// Settings of M0-W-1010 for a device that holds everything in its own memory: no heap for kernels, and the first-level
/// cache preferred. They are wishes, which a driver may refuse once the device is in use.
void configure() {
    cudaDeviceSetLimit(cudaLimitMallocHeapSize, 0);
    cudaDeviceSetCacheConfig(cudaFuncCachePreferL1);
    cudaGetLastError();
}

}  // namespace

int device_count() noexcept {
    static const int count = [] {
        int found = 0;
        if (cudaGetDeviceCount(&found) != cudaSuccess) {
            cudaGetLastError();
            return 0;
        }
        return found < most_devices ? found : most_devices;
    }();
    return count;
}

Context::Context(int device) : device_(checked(device)), ledger_(account_of(device_)) {
    enter();
    configure();
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total), Code::Unknown, "the memory of the device");
    capacity_ = total;
    transfer_ = pinned(transfer_bytes);
    probe_stream_ = make_stream();
    probe_buffer_ = DeviceBuffer(ledger_, probe_words * sizeof(std::uint32_t));
    probe_result_ = pinned(probe_words * sizeof(std::uint32_t));
}

Context::~Context() {
    // What the context holds is given back by its members, on the right device.
    cudaSetDevice(device_);
}

void Context::enter() const { check(cudaSetDevice(device_), Code::Unknown, "the device"); }

void Context::probe() {
    const std::scoped_lock lock(probe_mutex_);
    const std::uint32_t seed = ++probe_seed_;
    auto* words = reinterpret_cast<std::uint32_t*>(probe_buffer_.data());
    constexpr std::size_t bytes = probe_words * sizeof(std::uint32_t);
    const auto healthy = [](cudaError_t status) { check(status, Code::InvalidDevice, "the device does not answer"); };
    healthy(cudaSetDevice(device_));
    healthy(kernels::probe(words, probe_words, seed, probe_stream_.get()));
    healthy(cudaMemcpyAsync(probe_result_.get(), words, bytes, cudaMemcpyDeviceToHost, probe_stream_.get()));
    healthy(device::synchronize(probe_stream_.get()));
    for (std::uint32_t i = 0; i < probe_words; ++i) {
        std::uint32_t word = 0;
        std::memcpy(&word, probe_result_.get() + i * sizeof word, sizeof word);
        if (word != seed * 2654435761U + i) throw Failure(Code::InvalidDevice, "the device computes wrong numbers");
    }
}

}  // namespace worker
