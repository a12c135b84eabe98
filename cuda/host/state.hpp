// SPDX-License-Identifier: Apache-2.0 OR MIT
/// What the parts of the host runtime share: last error, device settings, and work that a stream runs or records.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace worker::host {

/// Remembers `status` for `cudaGetLastError` of this thread, and gives it back.
cudaError_t report(cudaError_t status) noexcept;

/// Devices and the memory of each, from the environment; fixed at the first call of the process.
struct Devices {
    int count;
    std::uint64_t bytes;
};
const Devices& devices() noexcept;

/// The device of the calling thread.
int current_device() noexcept;

/// Runs `work` now, or records it where `stream` is being captured.
cudaError_t run_or_record(cudaStream_t stream, std::function<cudaError_t()> work) noexcept;

/// Whether launches are to be checked for races (`WORKER_CUDA_HOST_RACECHECK`).
bool race_check() noexcept;

/// Held over everything that touches device memory while launches are checked for races; otherwise holds nothing.
class MemoryGuard {
   public:
    MemoryGuard() noexcept;
    ~MemoryGuard();
    MemoryGuard(const MemoryGuard&) = delete;
    MemoryGuard& operator=(const MemoryGuard&) = delete;

   private:
    bool held_;
};

/// A copy of all device memory.
using Snapshot = std::vector<std::vector<unsigned char>>;
Snapshot take_snapshot();
void put_back(const Snapshot& snapshot);

}  // namespace worker::host
