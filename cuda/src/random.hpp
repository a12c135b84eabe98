// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The random numbers of a job: mt19937_64 as the C++ standard fixes it, and the uniform numbers that all backends make
/// of it (M0-W-1030).
#pragma once

#include <cstdint>
#include <random>

namespace worker {

class Random {
   public:
    explicit Random(std::uint64_t seed) : generator_(seed) {}

    /// Uniform in [0, 1): the upper 53 bits as a fraction.
    double uniform() { return static_cast<double>(generator_() >> 11) * 0x1.0p-53; }

   private:
    std::mt19937_64 generator_;
};

}  // namespace worker
