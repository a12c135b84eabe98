// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Steps of a generation.
#include "job.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/device.hpp"
#include "model.hpp"
#include "status.hpp"
#include "step.hpp"

namespace worker {

namespace {

std::vector<std::uint32_t> encoded(const Model& model, std::string_view prompt) {
    std::vector<std::uint32_t> ids = model.tokenizer().encode(prompt);
    if (ids.empty()) throw Failure(Code::InvalidParameter, "the prompt gives no token");
    if (ids.size() >= static_cast<std::size_t>(model.parameters().context)) {
        throw Failure(Code::InferenceFailed, "the prompt fills the context");
    }
    return ids;
}

/// A job that would overrun the context ends at its end (INF-13).
int limited(const Model& model, const std::vector<std::uint32_t>& prompt, int max_tokens) {
    return std::min(max_tokens, model.parameters().context - static_cast<int>(prompt.size()));
}

Stream entered_stream(const Model& model) {
    model.context().enter();
    return make_stream();
}

/// Copies up to a page between host and device, by way of pinned memory, in the order of `stream`.
void put(const Context& context, void* to, const void* from, std::size_t bytes, std::size_t at, cudaStream_t stream) {
    std::memcpy(context.transfer() + at, from, bytes);
    check_launch(cudaMemcpyAsync(to, context.transfer() + at, bytes, cudaMemcpyHostToDevice, stream), "a transfer");
}

/// Parts of the page of transfers.
enum : std::size_t { page_token = 0, page_position = 8, page_draw = 16, page_ids = 64 };
static_assert(page_ids + prompt_chunk * sizeof(std::int32_t) <= Context::transfer_bytes);

}  // namespace

Job::Job(std::shared_ptr<Model> model, std::string_view prompt, int max_tokens, float temperature, std::uint64_t seed)
    : model_(std::move(model)),
      prompt_(encoded(*model_, prompt)),
      limit_(limited(*model_, prompt_, max_tokens)),
      temperature_(temperature),
      random_(seed),
      stream_(entered_stream(*model_)),
      memory_(*model_, static_cast<int>(prompt_.size()) + limit_, static_cast<int>(prompt_.size())) {
    model_->jobs().take(memory_.buffer.bytes());
}

Job::~Job() {
    model_->jobs().give(memory_.buffer.bytes());
    cudaSetDevice(model_->context().device());
    cudaStreamSynchronize(stream_.get());
    cudaGetLastError();
}

const Produced* Job::peek() {
    if (!waiting_ && !ended_) {
        if (taken_ >= limit_) {
            ended_ = true;
        } else {
            produce();
        }
    }
    return waiting_ ? &*waiting_ : nullptr;
}

void Job::take() {
    if (!waiting_) return;
    waiting_.reset();
    ++taken_;
}

void Job::produce() {
    model_->context().enter();
    const fault::Scope scope(fault::Site::Token, taken_);
    // A step allocates nothing; the question is the injected fault's place to strike (FAULT-06).
    if (fault::strikes(fault::Kind::Allocation)) throw Failure(Code::OutOfMemory, "an injected fault");
    std::int32_t token = -1;
    try {
        token = draw();
    } catch (...) {
        // Copies of the page of transfers may be under way, and the next call writes there.
        cudaStreamSynchronize(stream_.get());
        cudaGetLastError();
        throw;
    }
    if (token < 0) {
        // A model whose numbers blow up has no next token; there is none later either.
        ended_ = true;
        throw Failure(Code::InferenceFailed, "a logit is no finite number");
    }
    const tokenizer::Tokenizer& tokenizer = model_->tokenizer();
    const auto id = static_cast<std::uint32_t>(token);
    if (tokenizer.vocabulary().ends(id)) {
        ended_ = true;
    } else {
        waiting_ = Produced{text_.push(tokenizer.bytes(id)), taken_};
    }
}

std::int32_t Job::draw() {
    const Context& context = model_->context();
    if (!uniform_) uniform_ = temperature_ > 0 ? random_.uniform() : 0;
    const bool is_first = seen_ == 0;
    const bool was_in_step = is_in_step_;
    // Whatever fails from here on leaves the device in a state that is not known.
    is_in_step_ = false;
    const int seen = is_first ? static_cast<int>(prompt_.size()) : seen_ + 1;
    if (is_first) {
        run_prompt();
    } else {
        if (!was_in_step) put_state(last_, seen_);
        run_token();
    }
    check_launch(cudaMemcpyAsync(context.transfer() + page_token, memory_.tokens, sizeof(std::int32_t),
                                 cudaMemcpyDeviceToHost, stream_.get()),
                 "the next token");
    check(device::synchronize(stream_.get()), Code::InferenceFailed, "a step");
    std::memcpy(&last_, context.transfer() + page_token, sizeof last_);
    seen_ = seen;
    uniform_.reset();
    is_in_step_ = !is_first;
    return last_;
}

void Job::run_prompt() {
    const Context& context = model_->context();
    const cudaStream_t stream = stream_.get();
    const auto all = static_cast<int>(prompt_.size());
    const auto phase = all > 1 ? kernels::Phase::Prompt : kernels::Phase::Single;
    enqueue_angles(*model_, memory_, stream);
    put_draw();
    for (int start = 0; start < all; start += memory_.batch) {
        // The page of transfers serves the next chunk once the one before has been copied.
        if (start > 0) check(device::synchronize(stream), Code::InferenceFailed, "a part of the prompt");
        const int count = std::min(memory_.batch, all - start);
        put(context, memory_.tokens, prompt_.data() + start, static_cast<std::size_t>(count) * sizeof(std::int32_t),
            page_ids, stream);
        put(context, memory_.position, &start, sizeof(std::int32_t), page_position, stream);
        enqueue_tokens(*model_, memory_, count, phase, start + count == all, stream);
    }
    enqueue_draw(*model_, memory_, false, stream);
}

void Job::run_token() {
    const cudaStream_t stream = stream_.get();
    put_draw();
    // The first step loads kernels that the process has not run yet, which a recording would not bear.
    if (step_ == nullptr && is_warm_) step_ = recorded();
    if (step_ != nullptr) {
        check_launch(device::launch_graph(step_.get(), stream), "a step");
        return;
    }
    enqueue_tokens(*model_, memory_, 1, kernels::Phase::Single, true, stream);
    enqueue_draw(*model_, memory_, true, stream);
    is_warm_ = true;
}

Executable Job::recorded() const {
    const cudaStream_t stream = stream_.get();
    // Calls of other threads, on other contexts, do not disturb a recording of this kind.
    check_launch(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "the recording of a step");
    cudaGraph_t raw = nullptr;
    try {
        enqueue_tokens(*model_, memory_, 1, kernels::Phase::Single, true, stream);
        enqueue_draw(*model_, memory_, true, stream);
    } catch (...) {
        // The stream must not stay in capture; the recording is lost.
        cudaStreamEndCapture(stream, &raw);
        const Graph dropped(raw);
        cudaGetLastError();
        throw;
    }
    check_launch(cudaStreamEndCapture(stream, &raw), "the recording of a step");
    const Graph graph(raw);
    cudaGraphExec_t executable = nullptr;
    check_launch(cudaGraphInstantiate(&executable, graph.get(), 0), "the recording of a step");
    return Executable(executable);
}

void Job::put_state(std::int32_t token, std::int32_t position) {
    put(model_->context(), memory_.tokens, &token, sizeof token, page_token, stream_.get());
    put(model_->context(), memory_.position, &position, sizeof position, page_position, stream_.get());
}

void Job::put_draw() {
    // Greedy draws are all alike: the first step has said so.
    if (seen_ > 0 && temperature_ == 0) return;
    const kernels::Draw draw{*uniform_, temperature_};
    put(model_->context(), memory_.draw, &draw, sizeof draw, page_draw, stream_.get());
}

}  // namespace worker
