// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The calls of the CUDA runtime that a fault may strike (`fault.hpp`); all others are called as they are.
///
/// In a build without `WORKER_CUDA_FAULTS` each is the runtime's function and nothing else.
#pragma once

#include <cuda_runtime_api.h>

#include "fault.hpp"

namespace worker::device {

/// `cudaMalloc`; `kv_alloc` and `oom` make it fail with `cudaErrorMemoryAllocation`.
inline cudaError_t allocate(void** pointer, std::size_t bytes) {
    if (fault::strikes(fault::Kind::Allocation)) {
        *pointer = nullptr;
        return cudaErrorMemoryAllocation;
    }
    return cudaMalloc(pointer, bytes);
}

/// `cudaStreamSynchronize`; `kernel_exec` makes it fail with `cudaErrorLaunchFailure` after the work is done.
inline cudaError_t synchronize(cudaStream_t stream) {
    const cudaError_t status = cudaStreamSynchronize(stream);
    if (status == cudaSuccess && fault::strikes(fault::Kind::Execution)) return cudaErrorLaunchFailure;
    return status;
}

/// `cudaGraphLaunch`; `kernel_launch` makes it fail with `cudaErrorLaunchOutOfResources`.
inline cudaError_t launch_graph(cudaGraphExec_t graph, cudaStream_t stream) {
    if (fault::strikes(fault::Kind::Launch)) return cudaErrorLaunchOutOfResources;
    return cudaGraphLaunch(graph, stream);
}

/// `cudaPointerGetAttributes`; `residency` makes it describe host memory.
inline cudaError_t attributes(cudaPointerAttributes* attributes, const void* pointer) {
    const cudaError_t status = cudaPointerGetAttributes(attributes, pointer);
    if (status == cudaSuccess && fault::strikes(fault::Kind::Residency)) attributes->type = cudaMemoryTypeHost;
    return status;
}

}  // namespace worker::device
