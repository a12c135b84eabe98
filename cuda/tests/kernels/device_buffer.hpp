// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Device memory for tests: poisoned, with a guard behind it that must stay as it is.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace worker::test {

inline void check(cudaError_t status) { ASSERT_EQ(status, cudaSuccess) << cudaGetErrorString(status); }

/// `count` values; every bit pattern of the poison is a NaN or an impossible value.
template <class T>
class DeviceBuffer {
   public:
    static_assert(std::is_trivially_copyable_v<T>);

    explicit DeviceBuffer(std::size_t count) : count_(count) { allocate(); }

    explicit DeviceBuffer(const std::vector<T>& values) : count_(values.size()) {
        allocate();
        upload(values);
    }

    ~DeviceBuffer() { cudaFree(memory_); }
    DeviceBuffer(const DeviceBuffer&) = delete;
    DeviceBuffer& operator=(const DeviceBuffer&) = delete;

    T* get() const { return reinterpret_cast<T*>(memory_); }

    void upload(const std::vector<T>& values) {
        check(cudaMemcpy(memory_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    }

    /// The values, once everything enqueued is done and the guard is whole.
    std::vector<T> download() const {
        check(cudaDeviceSynchronize());
        std::vector<T> values(count_);
        if (count_ != 0) check(cudaMemcpy(values.data(), memory_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
        std::vector<std::uint8_t> guard(guard_bytes);
        check(cudaMemcpy(guard.data(), memory_ + count_ * sizeof(T), guard_bytes, cudaMemcpyDeviceToHost));
        for (const auto byte : guard) EXPECT_EQ(byte, poison) << "written past the end";
        return values;
    }

   private:
    static constexpr std::size_t guard_bytes = 256;
    static constexpr std::uint8_t poison = 0xff;

    void allocate() {
        void* memory = nullptr;
        check(cudaMalloc(&memory, count_ * sizeof(T) + guard_bytes));
        memory_ = static_cast<char*>(memory);
        check(cudaMemset(memory_, poison, count_ * sizeof(T) + guard_bytes));
    }

    std::size_t count_;
    char* memory_ = nullptr;
};

/// Expects `actual` within `tolerance` of `expected`, relative to `scale` of each; NaN is never within. Tells the
/// worst.
inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
                        const std::vector<double>& scale, double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    std::size_t worst = 0;
    double most = -1;
    for (std::size_t i = 0; i < actual.size(); ++i) {
        const double error = std::abs(static_cast<double>(actual[i]) - expected[i]) / scale[i];
        if (!(error <= most)) {
            most = error;
            worst = i;
            if (std::isnan(error)) break;
        }
    }
    EXPECT_TRUE(most <= tolerance) << "element " << worst << " is " << actual[worst] << " instead of "
                                   << expected[worst] << ", " << most << " off, " << tolerance << " allowed";
}

/// Bits of `values`, which compare equal only where they are the same.
inline std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
    std::vector<std::uint32_t> bits(values.size());
    std::memcpy(bits.data(), values.data(), values.size() * sizeof(float));
    return bits;
}

}  // namespace worker::test
