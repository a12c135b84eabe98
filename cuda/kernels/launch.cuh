// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The one way to launch a kernel, on a GPU and on the host, and the few words that the two spell differently.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "fault.hpp"

#ifdef WORKER_CUDA_HOST
#include "device_language.hpp"
#else
#include <cuda_runtime.h>
#endif

namespace worker::kernels {

/// Shared memory that a block has without asking for more.
constexpr std::size_t plain_shared_bytes = 48 << 10;
/// Shared memory that a block may ask for, on every device from compute capability 8.0 on with room to spare (100 KiB
/// a multiprocessor on the smallest).
constexpr std::size_t most_shared_bytes = 96 << 10;
/// Part of a multiprocessor's first-level memory that is shared memory, in percent. The same for all kernels, since
/// those that differ do not run side by side; with the context's preference for the cache one block alone would fit.
constexpr int shared_percent = 100;

#ifdef WORKER_CUDA_HOST

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                   const A&... arguments) {
    if (fault::strikes(fault::Kind::Launch)) return cudaErrorLaunchOutOfResources;
    return host::launch_on_host(stream, grid, block, shared_bytes, [=] { kernel(static_cast<P>(arguments)...); });
}

/// Dynamic shared memory of the block.
inline char* shared_memory() { return static_cast<char*>(host::coordinates.shared); }

inline void wait_for_previous() {}

#else

/// Whether a kernel may begin while the one before it ends: from compute capability 9.0 on, unless
/// `WORKER_CUDA_NO_OVERLAP` is defined.
inline bool kernels_overlap() {
#ifdef WORKER_CUDA_NO_OVERLAP
    return false;
#else
    int device = 0;
    int major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess && major >= 9;
#endif
}

/// Every kernel calls this before it touches anything that an earlier kernel writes, or that an earlier kernel reads
/// and it writes. What comes before overlaps with the end of the previous kernel: fetching weights, which never change.
/// The next kernel is let in first thing; its blocks get what room is left beside this one's.
__device__ __forceinline__ void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && !defined(WORKER_CUDA_NO_OVERLAP)
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Enqueues `kernel`; `cudaErrorLaunchOutOfResources` and others where that is refused. Nothing else launches kernels.
template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                   const A&... arguments) {
    if (fault::strikes(fault::Kind::Launch)) return cudaErrorLaunchOutOfResources;
    cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout, shared_percent);
    if (status != cudaSuccess) return status;
    if (shared_bytes > plain_shared_bytes) {
        status =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
        if (status != cudaSuccess) return status;
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    cudaLaunchAttribute overlap = {};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    if (kernels_overlap()) {
        config.attrs = &overlap;
        config.numAttrs = 1;
    }
    return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

/// Dynamic shared memory of the block.
__device__ __forceinline__ char* shared_memory() {
    extern __shared__ __align__(128) char memory[];
    return memory;
}

#endif

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

}  // namespace worker::kernels
