// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Streams, events and graphs: work runs at once, or is recorded and replayed.

#include <chrono>
#include <memory>
#include <new>
#include <utility>

#include "state.hpp"

using Work = std::vector<std::function<cudaError_t()>>;

struct CUgraph_st {
    Work work;
};

struct CUgraphExec_st {
    Work work;
};

struct CUstream_st {
    std::unique_ptr<CUgraph_st> capture;
};

struct CUevent_st {
    std::chrono::steady_clock::time_point recorded;
    bool is_recorded = false;
    bool timing = true;
};

namespace worker::host {

cudaError_t run_or_record(cudaStream_t stream, std::function<cudaError_t()> work) noexcept {
    if (stream == nullptr || stream->capture == nullptr) return report(work());
    try {
        stream->capture->work.push_back(std::move(work));
        return cudaSuccess;
    } catch (const std::bad_alloc&) {
        return report(cudaErrorMemoryAllocation);
    }
}

namespace {

template <class T, class... A>
cudaError_t make(T** out, A&&... arguments) noexcept {
    if (out == nullptr) return report(cudaErrorInvalidValue);
    if (devices().count == 0) return report(cudaErrorNoDevice);
    *out = new (std::nothrow) T{std::forward<A>(arguments)...};
    return *out == nullptr ? report(cudaErrorMemoryAllocation) : cudaSuccess;
}

template <class T>
cudaError_t destroy(T* object) noexcept {
    if (object == nullptr) return report(cudaErrorInvalidResourceHandle);
    delete object;
    return cudaSuccess;
}

}  // namespace

}  // namespace worker::host

using namespace worker::host;

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return make(stream); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return make(stream); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) { return destroy(stream); }

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (stream != nullptr && stream->capture != nullptr) return report(cudaErrorStreamCaptureUnsupported);
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
    return event == nullptr ? report(cudaErrorInvalidResourceHandle) : cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return make(event); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    const cudaError_t status = make(event);
    if (status == cudaSuccess) (*event)->timing = (flags & cudaEventDisableTiming) == 0;
    return status;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) { return destroy(event); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (event == nullptr) return report(cudaErrorInvalidResourceHandle);
    return run_or_record(stream, [event] {
        event->recorded = std::chrono::steady_clock::now();
        event->is_recorded = true;
        return cudaSuccess;
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return event == nullptr ? report(cudaErrorInvalidResourceHandle) : cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    if (milliseconds == nullptr) return report(cudaErrorInvalidValue);
    if (start == nullptr || end == nullptr) return report(cudaErrorInvalidResourceHandle);
    if (!start->is_recorded || !end->is_recorded || !start->timing || !end->timing) {
        return report(cudaErrorInvalidResourceHandle);
    }
    *milliseconds = std::chrono::duration<float, std::milli>(end->recorded - start->recorded).count();
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    // The default stream cannot be captured, here as there.
    if (stream == nullptr || stream->capture != nullptr) return report(cudaErrorStreamCaptureUnsupported);
    stream->capture.reset(new (std::nothrow) CUgraph_st);
    return stream->capture == nullptr ? report(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    if (stream == nullptr || stream->capture == nullptr) return report(cudaErrorStreamCaptureInvalidated);
    if (graph == nullptr) return report(cudaErrorInvalidValue);
    *graph = stream->capture.release();
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    if (status == nullptr) return report(cudaErrorInvalidValue);
    const bool active = stream != nullptr && stream->capture != nullptr;
    *status = active ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    if (executable == nullptr || graph == nullptr) return report(cudaErrorInvalidValue);
    try {
        *executable = new CUgraphExec_st{graph->work};
        return cudaSuccess;
    } catch (const std::bad_alloc&) {
        return report(cudaErrorMemoryAllocation);
    }
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    if (executable == nullptr) return report(cudaErrorInvalidValue);
    if (stream != nullptr && stream->capture != nullptr) return report(cudaErrorStreamCaptureUnsupported);
    for (const auto& work : executable->work) {
        const cudaError_t status = work();
        if (status != cudaSuccess) return report(status);
    }
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return destroy(executable); }

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return destroy(graph); }

}  // extern "C"
