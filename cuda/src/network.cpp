// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The factory of architectures.
#include "network.hpp"

#include <algorithm>
#include <array>

#include "status.hpp"

namespace worker {

const Adapter& adapter_of(const std::string& architecture) {
    static const std::array all = {&llama_adapter, &qwen2_adapter, &phi3_adapter, &gpt2_adapter};
    const auto* const found =
        std::find_if(all.begin(), all.end(), [&](const Adapter* adapter) { return adapter->name == architecture; });
    if (found == all.end()) refuse("architecture `" + architecture + "` is not supported");
    return **found;
}

}  // namespace worker
