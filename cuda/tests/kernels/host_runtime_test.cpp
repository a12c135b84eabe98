// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The host runtime itself: threads that meet, exchange and race; memory, errors, streams and events.

#ifdef WORKER_CUDA_HOST

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "device_buffer.hpp"
#include "launch.cuh"
#include "state.hpp"

namespace worker::test {
namespace {

using kernels::all_lanes;
using kernels::launch;
using kernels::shared_memory;

__global__ void coordinates_kernel(int* out) {
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(1000 * block + thread);
}

TEST(HostRuntime, EveryThreadOfTheGridRunsOnceAndKnowsItsPlace) {
    const DeviceBuffer<int> out(std::vector<int>(3 * 2 * 2 * 5 * 3 * 4, 0));
    check(launch(coordinates_kernel, dim3(3, 2, 2), dim3(5, 3, 4), 0, nullptr, out.get()));
    const auto values = out.download();
    for (int i = 0; i < static_cast<int>(values.size()); ++i)
        EXPECT_EQ(values[static_cast<std::size_t>(i)], i / 60 * 1000 + i % 60);
}

__global__ void reverse_kernel(int* values, int rounds) {
    auto* const shared = reinterpret_cast<int*>(shared_memory());
    const unsigned mirror = blockDim.x - 1 - threadIdx.x;
    for (int round = 0; round < rounds; ++round) {
        shared[threadIdx.x] = values[threadIdx.x];
        __syncthreads();
        values[threadIdx.x] = shared[mirror] + 1;
        __syncthreads();
    }
}

TEST(HostRuntime, BarriersSeparateWritesFromReads) {
    for (const unsigned threads : {1u, 33u, 256u, 1024u}) {
        std::vector<int> values(threads);
        for (unsigned i = 0; i < threads; ++i) values[i] = static_cast<int>(i);
        const DeviceBuffer<int> out(values);
        check(launch(reverse_kernel, dim3(1), dim3(threads), threads * sizeof(int), nullptr, out.get(), 7));
        const auto reversed = out.download();
        for (unsigned i = 0; i < threads; ++i) EXPECT_EQ(reversed[i], static_cast<int>(threads - 1 - i) + 7);
    }
}

__global__ void exchange_kernel(int* out) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    int* const mine = out + threadIdx.x * 8;
    mine[0] = __shfl_sync(all_lanes, lane, 5);
    mine[1] = __shfl_xor_sync(all_lanes, lane, 3);
    mine[2] = __shfl_down_sync(all_lanes, lane, 4);
    mine[3] = __shfl_up_sync(all_lanes, lane, 4);
    mine[4] = static_cast<int>(__ballot_sync(all_lanes, lane % 3 == 0));
    mine[5] = __any_sync(all_lanes, lane == 9) * 10 + __all_sync(all_lanes, lane < 32);
    mine[6] = __reduce_add_sync(all_lanes, lane);
    // Half a warp by itself, the other half twice.
    if (lane < 16) {
        mine[7] = __shfl_xor_sync(0x0000ffffu, lane, 1);
    } else {
        mine[7] = __shfl_xor_sync(0xffff0000u, __shfl_xor_sync(0xffff0000u, lane, 1), 2);
    }
}

TEST(HostRuntime, LanesOfAWarpExchangeAndVote) {
    const DeviceBuffer<int> out(64 * 8);
    check(launch(exchange_kernel, dim3(1), dim3(64), 0, nullptr, out.get()));
    const auto values = out.download();
    for (int thread = 0; thread < 64; ++thread) {
        const int lane = thread % 32;
        const int* const mine = values.data() + thread * 8;
        EXPECT_EQ(mine[0], 5);
        EXPECT_EQ(mine[1], lane ^ 3);
        EXPECT_EQ(mine[2], lane + 4 < 32 ? lane + 4 : lane);
        EXPECT_EQ(mine[3], lane - 4 >= 0 ? lane - 4 : lane);
        EXPECT_EQ(static_cast<unsigned>(mine[4]), 0x49249249u);
        EXPECT_EQ(mine[5], 11);
        EXPECT_EQ(mine[6], 31 * 32 / 2);
        EXPECT_EQ(mine[7], lane < 16 ? lane ^ 1 : lane ^ 3);
    }
}

TEST(HostRuntime, BytesOfTwoWordsAreChosenByNibbles) {
    EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x7052u), 0x77005522u);
}

__global__ void static_shared_kernel(int* out) {
    __shared__ int total[32];
    total[threadIdx.x] = static_cast<int>(blockIdx.x + threadIdx.x);
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < 32; ++i) total[0] += total[i];
        out[blockIdx.x] = total[0];
    }
}

TEST(HostRuntime, SharedVariablesBelongToABlock) {
    const DeviceBuffer<int> out(5);
    check(launch(static_shared_kernel, dim3(5), dim3(32), 0, nullptr, out.get()));
    const auto values = out.download();
    for (int block = 0; block < 5; ++block) EXPECT_EQ(values[static_cast<std::size_t>(block)], 496 + 32 * block);
}

__global__ void half_a_barrier_kernel() {
    if (threadIdx.x % 2 == 0) __syncthreads();
}

__global__ void half_a_warp_kernel() {
    if (threadIdx.x % 2 == 0) __syncwarp();
}

TEST(HostRuntime, ABarrierThatNotAllReachFailsTheLaunch) {
    EXPECT_EQ(launch(half_a_barrier_kernel, dim3(2), dim3(64), 0, nullptr), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(launch(half_a_warp_kernel, dim3(1), dim3(32), 0, nullptr), cudaErrorLaunchFailure);
    cudaGetLastError();
    // The next launch starts afresh.
    const DeviceBuffer<int> out(64 * 8);
    check(launch(exchange_kernel, dim3(1), dim3(64), 0, nullptr, out.get()));
}

__global__ void race_kernel(int* out) {
    auto* const shared = reinterpret_cast<int*>(shared_memory());
    shared[threadIdx.x] = static_cast<int>(threadIdx.x);
    // A barrier is missing here: what the neighbour has written hangs on the order.
    out[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

TEST(HostRuntime, ADependenceOnTheOrderOfThreadsShows) {
    std::vector<std::vector<int>> results;
    for (const char* order : {"forward", "reverse", "12345", "forward"}) {
        setenv("WORKER_CUDA_HOST_ORDER", order, 1);
        const DeviceBuffer<int> out(64);
        const cudaError_t status = launch(race_kernel, dim3(1), dim3(64), 64 * sizeof(int), nullptr, out.get());
        if (host::race_check()) {
            EXPECT_EQ(status, cudaErrorLaunchFailure);
            cudaGetLastError();
        }
        results.push_back(out.download());
    }
    unsetenv("WORKER_CUDA_HOST_ORDER");
    if (!host::race_check()) {
        EXPECT_NE(results[0], results[1]);
        EXPECT_NE(results[0], results[2]);
        EXPECT_NE(results[1], results[2]);
        EXPECT_EQ(results[0], results[3]) << "one order leaves its mark on the next";
    }
}

TEST(HostRuntime, AShapeBeyondAGpuIsRefused) {
    const DeviceBuffer<int> out(8);
    for (const auto& [grid, block] :
         {std::pair{dim3(1), dim3(1025)}, {dim3(0), dim3(1)}, {dim3(1, 65536), dim3(1)}, {dim3(1), dim3(1, 1, 65)}}) {
        EXPECT_EQ(launch(coordinates_kernel, grid, block, 0, nullptr, out.get()), cudaErrorInvalidConfiguration);
    }
    EXPECT_EQ(launch(coordinates_kernel, dim3(1), dim3(1), 228 << 10, nullptr, out.get()),
              cudaErrorInvalidConfiguration);
    cudaGetLastError();
}

TEST(HostRuntime, ThreadsOfTheProcessLaunchSideBySide) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([t] {
            for (int i = 0; i < 20; ++i) {
                const DeviceBuffer<int> out(std::vector<int>(100, t));
                check(launch(reverse_kernel, dim3(1), dim3(100), 100 * sizeof(int), nullptr, out.get(), 4));
                for (const int value : out.download()) EXPECT_EQ(value, t + 4);
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(HostRuntime, MemoryIsLimitedCountedAndKnown) {
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total));
    void* memory = nullptr;
    EXPECT_EQ(cudaMalloc(&memory, total + 1), cudaErrorMemoryAllocation);
    EXPECT_EQ(memory, nullptr);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    check(cudaMalloc(&memory, 1000));
    std::size_t less = 0;
    check(cudaMemGetInfo(&less, &total));
    EXPECT_EQ(free - less, 1000u);
    cudaPointerAttributes attributes;
    check(cudaPointerGetAttributes(&attributes, static_cast<char*>(memory) + 999));
    EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
    EXPECT_EQ(attributes.device, 0);
    int local = 0;
    check(cudaPointerGetAttributes(&attributes, &local));
    EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
    // A copy that says the wrong kind, or runs over the end, is refused.
    EXPECT_EQ(cudaMemcpy(memory, &local, sizeof local, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpy(static_cast<char*>(memory) + 998, &local, sizeof local, cudaMemcpyHostToDevice),
              cudaErrorInvalidValue);
    EXPECT_EQ(cudaFreeHost(memory), cudaErrorInvalidValue);
    check(cudaFree(memory));
    EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
    check(cudaFree(nullptr));
    check(cudaMemGetInfo(&less, &total));
    EXPECT_EQ(free, less);
    cudaGetLastError();
    check(cudaMallocHost(&memory, 10));
    check(cudaPointerGetAttributes(&attributes, memory));
    EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
    check(cudaFreeHost(memory));
}

TEST(HostRuntime, DevicesAreNumberedFromZero) {
    int count = 0;
    check(cudaGetDeviceCount(&count));
    EXPECT_EQ(cudaSetDevice(count), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
    check(cudaSetDevice(0));
    cudaGetLastError();
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, 0));
    EXPECT_EQ(properties.warpSize, 32);
    EXPECT_STREQ(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation");
    EXPECT_STREQ(cudaGetErrorString(static_cast<cudaError_t>(-5)), "unknown error");
}

TEST(HostRuntime, EventsMeasureTimeAndStreamsRecord) {
    cudaStream_t stream = nullptr;
    cudaEvent_t start = nullptr;
    cudaEvent_t end = nullptr;
    check(cudaStreamCreate(&stream));
    check(cudaEventCreate(&start));
    check(cudaEventCreateWithFlags(&end, cudaEventDefault));
    float milliseconds = -1;
    EXPECT_NE(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess) << "not recorded yet";
    check(cudaEventRecord(start, stream));
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    check(cudaEventElapsedTime(&milliseconds, start, end));
    EXPECT_GE(milliseconds, 0.0f);
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusActive;
    check(cudaStreamIsCapturing(stream, &capture));
    EXPECT_EQ(capture, cudaStreamCaptureStatusNone);
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphDestroy(graph));
    check(cudaEventDestroy(start));
    check(cudaEventDestroy(end));
    check(cudaStreamDestroy(stream));
    cudaGetLastError();
}

}  // namespace
}  // namespace worker::test

#endif
