// SPDX-License-Identifier: Apache-2.0 OR MIT
/// One generation: a prompt, its KV cache, and tokens drawn one at a time (M0-W-1300, M0-W-1310).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device_memory.hpp"
#include "job_memory.hpp"
#include "random.hpp"
#include "text_stream.hpp"

namespace worker {

class Model;

/// A token that the caller has not taken yet.
struct Produced {
    /// Text that became complete with it; may be empty.
    std::string text;
    /// Position in the generation, from 0.
    int index;
};

class Job {
   public:
    /// Begins a generation; the prompt (UTF-8) is only split here, the first token runs it.
    Job(std::shared_ptr<Model> model, std::string_view prompt, int max_tokens, float temperature, std::uint64_t seed);
    ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    /// The next token, the same one until `take`; nullptr at the end, for good (INF-07, INF-10). After a failure the
    /// next call tries the same step again.
    const Produced* peek();
    /// Marks the token that `peek` gave as delivered.
    void take();

   private:
    void produce();
    std::int32_t draw();
    void run_prompt();
    void run_token();
    Executable recorded() const;
    void put_state(std::int32_t token, std::int32_t position);
    void put_draw();

    std::shared_ptr<Model> model_;
    std::vector<std::uint32_t> prompt_;
    int limit_;
    float temperature_;
    Random random_;
    /// The uniform number of the step under way: a step that is tried again draws the same token.
    std::optional<double> uniform_;
    Stream stream_;
    JobMemory memory_;
    /// A step after the prompt, recorded once and replayed; the first one is run as it is.
    Executable step_;
    bool is_warm_ = false;
    TextStream text_;
    /// Positions whose keys and values are in the cache, as far as is known; 0 before the prompt has run.
    int seen_ = 0;
    /// The token that is not in the cache yet.
    std::int32_t last_ = 0;
    /// Whether token and position in device memory are as `last_` and `seen_` say.
    bool is_in_step_ = false;
    int taken_ = 0;
    bool ended_ = false;
    std::optional<Produced> waiting_;
};

}  // namespace worker
