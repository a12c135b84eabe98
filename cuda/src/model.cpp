// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Loading, in the order in which a bad file costs least.
#include "model.hpp"

#include "gguf/file.hpp"
#include "gguf/header.hpp"
#include "status.hpp"
#include "weights.hpp"

namespace worker {

Model::Model(std::shared_ptr<Context> context, const char* path) : context_(std::move(context)) {
    context_->enter();
    const gguf::File file(path);
    const gguf::Header header = gguf::read_header(file);
    const gguf::Metadata& metadata = header.metadata;
    const Adapter& adapter = adapter_of(metadata.required_text("general.architecture"));
    parameters_ =
        std::make_unique<const HyperParameters>(read_hyper_parameters(metadata, adapter.name, adapter.epsilon_key));
    adapter.check(*parameters_);
    const WeightTable table(header);
    // Known from the header alone, without asking the device for more than it has (LOAD-04).
    if (table.bytes() > context_->capacity()) throw Failure(Code::OutOfMemory, "the device is smaller than the model");
    tokenizer_ = std::make_unique<const tokenizer::Tokenizer>(metadata);
    const std::uint32_t tokens = tokenizer_->vocabulary().size();
    const auto announced = metadata.unsigned_integer(std::string(adapter.name) + ".vocab_size");
    if (announced.value_or(tokens) != tokens) refuse("the vocabulary has another size than the metadata say");
    weights_ = DeviceBuffer(context_->ledger(), table.bytes());
    network_ = adapter.build(*parameters_, static_cast<int>(tokens), Weights(table, weights_.data()));
    upload(*context_, file, table, weights_.data());
}

Model::~Model() { cudaSetDevice(context_->device()); }

}  // namespace worker
