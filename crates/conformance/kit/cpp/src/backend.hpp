// What the parts of the backend share: devices, models, jobs. Nothing here is visible outside of the library.
#ifndef MY_BACKEND_HPP
#define MY_BACKEND_HPP

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "worker_ffi.h"

namespace my_backend {

// A failure on its way to the boundary: ffi.cpp alone turns it into a code.
class Failure : public std::exception {
   public:
    explicit Failure(CudaErrorCode code) : code_(code) {}
    CudaErrorCode code() const noexcept { return code_; }
    const char* what() const noexcept override { return cuda_error_message(code_); }

   private:
    CudaErrorCode code_;
};

// One GPU. The figures of all contexts on it add up here. (device.cpp)
class Device {
   public:
    explicit Device(std::uint64_t memory) : memory_(memory) {}
    static int count() noexcept;
    static Device* of(int number) noexcept;  // nullptr if there is none of that number

    void take(std::uint64_t bytes);  // Failure: CUDA_ERROR_OUT_OF_MEMORY
    void give_back(std::uint64_t bytes) noexcept { used_ -= bytes; }
    std::uint64_t used() const noexcept { return used_; }
    bool is_healthy() const noexcept;

   private:
    std::uint64_t memory_;
    std::atomic<std::uint64_t> used_{0};
};

// Device memory that goes back by itself, on every way out (LOAD-08).
class Memory {
   public:
    Memory(Device& device, std::uint64_t bytes) : device_(device), bytes_(bytes) { device_.take(bytes); }
    ~Memory() { device_.give_back(bytes_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    std::uint64_t bytes() const noexcept { return bytes_; }

   private:
    Device& device_;
    std::uint64_t bytes_;
};

// Reads a model file: the bytes of its tensors. Failure: CUDA_ERROR_MODEL_LOAD_FAILED. (gguf.cpp)
std::uint64_t read_gguf(const char* path);

// Whether text is valid UTF-8. (job.cpp)
bool is_utf8(std::string_view text) noexcept;

}  // namespace my_backend

struct CudaContext {
    my_backend::Device& device;
};

// Weights in device memory. (model.cpp)
struct CudaModel {
    CudaModel(CudaContext& context, const char* path);
    bool is_resident() const noexcept;
    std::uint64_t usage() const noexcept { return weights.bytes(); }

    my_backend::Memory weights;
};

// One generation. (job.cpp)
struct InferenceResult {
    InferenceResult(CudaModel& model, std::string_view prompt, int max_tokens, float temperature, std::uint64_t seed);
    void advance();  // computes `next`, unless the sequence has ended

    CudaModel& model;
    int max_tokens;
    float temperature;
    std::uint64_t seed;
    int produced = 0;                   // tokens given so far: the index of the next one
    std::unique_ptr<std::string> next;  // a token that waits for a buffer that it fits (INF-10)
};

#endif
