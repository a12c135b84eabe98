// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Simulated devices: how many, which one a thread uses, what they say of themselves; and errors.

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "state.hpp"

namespace worker::host {

namespace {

constexpr std::uint64_t default_bytes = 24ull << 30;
constexpr std::uint64_t most_devices = 1024;
// Few multiprocessors: persistent grids then have few blocks, which is what a CPU likes.
constexpr int multiprocessors = 2;
constexpr int shared_bytes = 48 << 10;
constexpr int shared_bytes_optin = 227 << 10;

thread_local cudaError_t last_error = cudaSuccess;
thread_local int device = 0;

std::uint64_t number(const char* name, std::uint64_t otherwise) noexcept {
    const char* text = std::getenv(name);
    if (text == nullptr || *text < '0' || *text > '9') return otherwise;
    char* end = nullptr;
    const auto value = std::strtoull(text, &end, 10);
    return *end == '\0' ? value : otherwise;
}

bool known(int id) noexcept { return id >= 0 && id < devices().count; }

std::array<std::atomic<std::size_t>, 3> limits{1024, 1 << 20, 8 << 20};
std::atomic<int> cache_config{cudaFuncCachePreferNone};

struct ErrorText {
    cudaError_t error;
    const char* name;
    const char* text;
};

constexpr ErrorText error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "driver version is insufficient for runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted while capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "the capture was invalidated"},
};

const ErrorText* text_of(cudaError_t error) noexcept {
    for (const auto& entry : error_texts) {
        if (entry.error == error) return &entry;
    }
    return nullptr;
}

}  // namespace

cudaError_t report(cudaError_t status) noexcept {
    if (status != cudaSuccess) last_error = status;
    return status;
}

const Devices& devices() noexcept {
    static const Devices all = [] {
        const auto count = number("WORKER_CUDA_HOST_DEVICES", 1);
        return Devices{static_cast<int>(count < most_devices ? count : most_devices),
                       number("WORKER_CUDA_HOST_VRAM_BYTES", default_bytes)};
    }();
    return all;
}

int current_device() noexcept { return device; }

}  // namespace worker::host

using namespace worker::host;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
    if (count == nullptr) return report(cudaErrorInvalidValue);
    *count = devices().count;
    return *count == 0 ? report(cudaErrorNoDevice) : cudaSuccess;
}

cudaError_t cudaSetDevice(int id) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (!known(id)) return report(cudaErrorInvalidDevice);
    device = id;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int* id) {
    if (id == nullptr) return report(cudaErrorInvalidValue);
    if (devices().count == 0) return report(cudaErrorNoDevice);
    *id = device;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int id) {
    if (value == nullptr) return report(cudaErrorInvalidValue);
    if (!known(id)) return report(cudaErrorInvalidDevice);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock:
            *value = 1024;
            break;
        case cudaDevAttrMaxSharedMemoryPerBlock:
            *value = shared_bytes;
            break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = shared_bytes_optin;
            break;
        case cudaDevAttrWarpSize:
            *value = 32;
            break;
        case cudaDevAttrMultiProcessorCount:
            *value = multiprocessors;
            break;
        case cudaDevAttrL2CacheSize:
            *value = 1 << 20;
            break;
        case cudaDevAttrComputeCapabilityMajor:
            *value = 9;
            break;
        case cudaDevAttrComputeCapabilityMinor:
            *value = 0;
            break;
        default:
            return report(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int id) {
    if (properties == nullptr) return report(cudaErrorInvalidValue);
    if (!known(id)) return report(cudaErrorInvalidDevice);
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "host device %d", id);
    properties->totalGlobalMem = devices().bytes;
    properties->sharedMemPerBlock = shared_bytes;
    properties->sharedMemPerBlockOptin = shared_bytes_optin;
    properties->warpSize = 32;
    properties->major = 9;
    properties->minor = 0;
    properties->multiProcessorCount = multiprocessors;
    properties->l2CacheSize = 1 << 20;
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) { return devices().count == 0 ? report(cudaErrorNoDevice) : cudaSuccess; }

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (limit < 0 || static_cast<std::size_t>(limit) >= limits.size()) return report(cudaErrorInvalidValue);
    limits[limit] = value;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (value == nullptr || limit < 0 || static_cast<std::size_t>(limit) >= limits.size()) {
        return report(cudaErrorInvalidValue);
    }
    *value = limits[limit];
    return cudaSuccess;
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    cache_config = config;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* config) {
    if (devices().count == 0) return report(cudaErrorNoDevice);
    if (config == nullptr) return report(cudaErrorInvalidValue);
    *config = static_cast<cudaFuncCache>(cache_config.load());
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
    if (version == nullptr) return report(cudaErrorInvalidValue);
    *version = devices().count == 0 ? 0 : 13000;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    if (version == nullptr) return report(cudaErrorInvalidValue);
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void) {
    const cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return last_error; }

const char* cudaGetErrorName(cudaError_t error) {
    const auto* entry = text_of(error);
    return entry != nullptr ? entry->name : "cudaErrorUnknown";
}

const char* cudaGetErrorString(cudaError_t error) {
    const auto* entry = text_of(error);
    return entry != nullptr ? entry->text : "unknown error";
}

}  // extern "C"
