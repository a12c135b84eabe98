// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Measures what the device and its link can copy, the ceiling that speeds are compared with; prints one JSON object.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    std::fprintf(stderr, "error: %s: %s\n", what, cudaGetErrorString(status));
    std::exit(1);
}

/// Seconds of one copy: the median of many.
double seconds(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, int rounds) {
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    check(cudaEventCreate(&begin), "an event");
    check(cudaEventCreate(&end), "an event");
    std::vector<float> all;
    for (int round = -2; round < rounds; ++round) {
        check(cudaEventRecord(begin, nullptr), "an event");
        check(cudaMemcpyAsync(to, from, bytes, kind, nullptr), "a copy");
        check(cudaEventRecord(end, nullptr), "an event");
        check(cudaEventSynchronize(end), "a copy");
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, begin, end), "an event");
        if (round >= 0) all.push_back(milliseconds);
    }
    check(cudaEventDestroy(begin), "an event");
    check(cudaEventDestroy(end), "an event");
    std::nth_element(all.begin(), all.begin() + rounds / 2, all.end());
    return all[static_cast<std::size_t>(rounds) / 2] / 1e3;
}

}  // namespace

int main() {
    constexpr std::size_t device_bytes = std::size_t{4} << 30;
    constexpr std::size_t host_bytes = std::size_t{256} << 20;
    void* from = nullptr;
    void* to = nullptr;
    void* pinned = nullptr;
    check(cudaMalloc(&from, device_bytes), "device memory");
    check(cudaMalloc(&to, device_bytes), "device memory");
    check(cudaMallocHost(&pinned, host_bytes), "pinned memory");
    check(cudaMemset(from, 0x5a, device_bytes), "device memory");
    const double copy = seconds(to, from, device_bytes, cudaMemcpyDeviceToDevice, 15);
    const double up = seconds(to, pinned, host_bytes, cudaMemcpyHostToDevice, 7);
    // A copy on the device reads its bytes and writes them.
    std::printf("{\"copy_gb_per_second\": %.1f, \"host_to_device_gb_per_second\": %.1f}\n",
                2.0 * static_cast<double>(device_bytes) / copy / 1e9, static_cast<double>(host_bytes) / up / 1e9);
    check(cudaFreeHost(pinned), "pinned memory");
    check(cudaFree(to), "device memory");
    check(cudaFree(from), "device memory");
    return 0;
}
