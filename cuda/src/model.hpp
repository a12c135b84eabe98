// SPDX-License-Identifier: Apache-2.0 OR MIT
/// A loaded model: checked, copied to device memory, accounted, never changed again (M0-W-1002).
#pragma once

#include <cstdint>
#include <memory>

#include "context.hpp"
#include "device_memory.hpp"
#include "hyper_parameters.hpp"
#include "network.hpp"
#include "tokenizer/tokenizer.hpp"

namespace worker {

class Model {
   public:
    /// Loads the file at `path` onto the device of `context`. The file is closed when it returns.
    Model(std::shared_ptr<Context> context, const char* path);
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    Context& context() const noexcept { return *context_; }
    const HyperParameters& parameters() const noexcept { return *parameters_; }
    const tokenizer::Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
    const Network& network() const noexcept { return network_; }

    /// Bytes of device memory: weights, and what open jobs hold (VRAM-01).
    std::uint64_t usage() const noexcept { return weights_.bytes() + jobs_.bytes(); }
    Account& jobs() noexcept { return jobs_; }

    /// Whether all weights lie in the memory of the device (M0-W-1012).
    bool is_resident() const noexcept { return weights_.is_resident(context_->device()); }

   private:
    std::shared_ptr<Context> context_;
    std::unique_ptr<const HyperParameters> parameters_;
    std::unique_ptr<const tokenizer::Tokenizer> tokenizer_;
    DeviceBuffer weights_;
    Network network_;
    Account jobs_;
};

}  // namespace worker
