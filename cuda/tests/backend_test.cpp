// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Contexts, models and jobs on a device: accounts, text that hangs on nothing but its request, and failures.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <thread>

#include "context.hpp"
#include "job.hpp"
#include "job_memory.hpp"
#include "model.hpp"
#include "status.hpp"
#include "tiny_model.hpp"

namespace worker::tests {
namespace {

class Backend : public testing::Test {
   protected:
    void SetUp() override {
        if (device_count() == 0) GTEST_SKIP() << "this machine has no device";
        context = std::make_shared<Context>(0);
        idle = context->ledger().device_bytes();
    }

    std::shared_ptr<Model> load(const Writer& writer) const {
        const TemporaryFile file(writer.bytes());
        return std::make_shared<Model>(context, file.path());
    }

    std::string refusal(const Writer& writer, Code expected = Code::ModelLoadFailed) const {
        try {
            load(writer);
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), expected) << failure.what();
            EXPECT_EQ(context->ledger().device_bytes(), idle) << "a refused load kept memory";
            return failure.what();
        }
        ADD_FAILURE() << "loaded without complaint";
        return "";
    }

    static std::string text(const std::shared_ptr<Model>& model, const std::string& prompt, int count,
                            float temperature = 0, std::uint64_t seed = 0) {
        Job job(model, prompt, count, temperature, seed);
        std::string text;
        int index = 0;
        while (const Produced* produced = job.peek()) {
            EXPECT_EQ(produced->index, index++);
            text += produced->text;
            job.take();
        }
        EXPECT_LE(index, count);
        EXPECT_EQ(job.peek(), nullptr);
        return text;
    }

    std::shared_ptr<Context> context;
    std::uint64_t idle = 0;
};

TEST_F(Backend, AModelTakesAtLeastTheBytesOfItsTensorsAndGivesThemBack) {
    for (const char* architecture : architectures) {
        const Writer writer = tiny_model(architecture);
        std::uint64_t bytes = 0;
        for (const TensorBytes& tensor : writer.tensors) bytes += tensor.data.size();
        auto model = load(writer);
        EXPECT_GE(model->usage(), bytes);
        EXPECT_LE(model->usage(), bytes * 3 / 2 + (64U << 20));
        EXPECT_EQ(context->ledger().device_bytes(), idle + model->usage());
        EXPECT_TRUE(model->is_resident());
        model.reset();
        EXPECT_EQ(context->ledger().device_bytes(), idle);
    }
}

TEST_F(Backend, EveryKeyAndTensorOfAModelIsNeeded) {
    for (const char* architecture : architectures) {
        const Writer writer = tiny_model(architecture);
        for (const auto& [key, value] : writer.keys) {
            const bool optional = key.ends_with("head_count_kv") || key.ends_with(".pre") ||
                                  key.ends_with("token_type") || key.ends_with("bos_token_id") ||
                                  key.ends_with("eos_token_id");
            if (optional) continue;
            Writer less = writer;
            std::erase_if(less.keys, [&, name = key](const auto& other) { return other.first == name; });
            EXPECT_NE(refusal(less), "") << key;
        }
        for (const TensorBytes& tensor : writer.tensors) {
            // A bias may be missing, but not of a norm, nor where qwen2 has its only ones.
            const bool is_bias = tensor.name.ends_with(".bias");
            const bool needed =
                !is_bias || tensor.name.find("norm") != std::string::npos || std::string_view(architecture) == "qwen2";
            if (!needed) continue;
            Writer less = writer;
            std::erase_if(less.tensors, [&](const TensorBytes& other) { return other.name == tensor.name; });
            EXPECT_NE(refusal(less).find("missing"), std::string::npos) << tensor.name;
        }
    }
}

TEST_F(Backend, TensorsOfAnotherShapeAreRefused) {
    for (const char* architecture : architectures) {
        const Writer writer = tiny_model(architecture);
        for (std::size_t i = 0; i < writer.tensors.size(); ++i) {
            Writer other = writer;
            other.tensors[i].dimensions[0] /= 2;
            EXPECT_NE(refusal(other).find("another shape"), std::string::npos) << writer.tensors[i].name;
        }
    }
}

TEST_F(Backend, ArchitecturesAndVocabulariesThatAreNotKnownAreRefused) {
    Writer unknown = tiny_model("llama");
    unknown.set("general.architecture", string("bert"));
    EXPECT_EQ(refusal(unknown), "architecture `bert` is not supported");
    Writer announced = tiny_model("llama");
    announced.set("llama.vocab_size", u32(7));
    EXPECT_EQ(refusal(announced), "the vocabulary has another size than the metadata say");
    Writer rotary = tiny_model("phi3");
    rotary.set("phi3.rope.dimension_count", u32(15));
    EXPECT_EQ(refusal(rotary), "this number of rotary dimensions is not supported");
    Writer factors = tiny_model("phi3");
    factors.floats("rope_factors_long.weight", {8}, std::vector<float>(8, 1));
    EXPECT_EQ(refusal(factors), "tensor `rope_factors_long.weight` is not supported");
}

TEST_F(Backend, AModelLargerThanTheDeviceIsOutOfMemoryBeforeItsDataIsRead) {
    // An honest header over a sparse file.
    Writer writer = tiny_model("llama");
    constexpr std::uint64_t rows = 1ULL << 30;
    writer.tensors.push_back({"padding", {1024, rows}, 0, ""});
    const TemporaryFile file(writer.bytes());
    struct stat status = {};
    ASSERT_EQ(::stat(file.path(), &status), 0);
    ASSERT_EQ(::truncate(file.path(), status.st_size + static_cast<off_t>(rows * 4096)), 0);
    try {
        const Model model(context, file.path());
        FAIL() << "loaded four terabytes";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), Code::OutOfMemory);
    }
    EXPECT_EQ(context->ledger().device_bytes(), idle);
}

TEST_F(Backend, TextHangsOnTheRequestAlone) {
    for (const char* architecture : architectures) {
        const auto model = load(tiny_model(architecture));
        for (const float temperature : {0.0F, 1.3F}) {
            const std::string expected = text(model, "the heart of it", 24, temperature, 7);
            // A job beside, and jobs before.
            Job other(model, "something else", 24, 1.0F, 3);
            Job again(model, "the heart of it", 24, temperature, 7);
            std::string mixed;
            while (const Produced* produced = again.peek()) {
                mixed += produced->text;
                again.take();
                if (other.peek() != nullptr) other.take();
            }
            EXPECT_EQ(mixed, expected) << architecture;
            EXPECT_EQ(text(load(tiny_model(architecture)), "the heart of it", 24, temperature, 7), expected);
            EXPECT_TRUE(expected.starts_with(text(model, "the heart of it", 5, temperature, 7)));
        }
        EXPECT_EQ(text(model, "seeds", 16, 0, 1), text(model, "seeds", 16, -0.0F, 2));
        EXPECT_NE(text(model, "seeds", 16, 2, 1), text(model, "seeds", 16, 2, 2));
    }
}

TEST_F(Backend, AJobWorksOnAnyThread) {
    const auto model = load(tiny_model("llama"));
    const std::string expected = text(model, "the heart", 8);
    std::string found;
    std::thread([&] { found = text(model, "the heart", 8); }).join();
    EXPECT_EQ(found, expected);
}

TEST_F(Backend, AJobGivesItsMemoryBackAtAnyPoint) {
    const auto model = load(tiny_model("llama"));
    const std::uint64_t at_rest = model->usage();
    for (const int steps : {0, 1, 3, 8}) {
        Job job(model, "the heart", 8, 0, 0);
        EXPECT_GT(model->usage(), at_rest);
        EXPECT_EQ(context->ledger().device_bytes(), idle + model->usage());
        for (int i = 0; i < steps && job.peek() != nullptr; ++i) job.take();
    }
    EXPECT_EQ(model->usage(), at_rest);
}

TEST_F(Backend, AJobEndsWhereTheContextEnds) {
    const auto model = load(tiny_model("gpt2"));
    const std::string prompt(context_length - 6, 'x');
    Job job(model, prompt, 64, 2.0F, 5);
    int count = 0;
    while (job.peek() != nullptr) {
        job.take();
        ++count;
    }
    EXPECT_LE(count, 6);
    EXPECT_THROW(Job(model, std::string(context_length, 'x'), 1, 0, 0), Failure);
}

TEST_F(Backend, APromptOfSeveralChunksRunsLikeAnyOther) {
    Writer writer = tiny_model("llama");
    writer.set("llama.context_length", u32(1024));
    const auto model = load(writer);
    std::string prompt;
    for (int i = 0; i < 2 * prompt_chunk + 17; ++i) prompt += static_cast<char>('a' + i * 7 % 26);
    const std::string expected = text(model, prompt, 8);
    EXPECT_EQ(text(model, prompt, 8), expected);
    // What comes first matters, however far back it is.
    prompt[0] = 'z';
    Job other(model, prompt, 8, 2.0F, 1);
    EXPECT_NE(other.peek(), nullptr);
}

TEST_F(Backend, NumbersThatBlowUpEndAJobWithAFailure) {
    Writer writer = tiny_model("llama");
    for (TensorBytes& tensor : writer.tensors) {
        if (tensor.name != "output_norm.weight") continue;
        tensor.data.replace(0, 4, little(std::numeric_limits<float>::quiet_NaN()));
    }
    const auto model = load(writer);
    for (const float temperature : {0.0F, 1.0F}) {
        Job job(model, "the heart", 8, temperature, 0);
        EXPECT_THROW(job.peek(), Failure);
        EXPECT_EQ(job.peek(), nullptr);
    }
}

TEST_F(Backend, TheProbeFindsAHealthyDeviceAgainAndAgain) {
    for (int i = 0; i < 3; ++i) context->probe();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { context->probe(); });
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Backend, DevicesOutsideTheCountAreRefused) {
    for (const int device : {-1, device_count(), std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
        try {
            const Context other(device);
            FAIL() << device;
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Code::InvalidDevice);
        }
    }
}

TEST(Layout, PartsAreAlignedAndSumsNeverOverflow) {
    Layout layout;
    EXPECT_EQ(layout.add(3, 5), 0U);
    EXPECT_EQ(layout.add(1), 256U);
    EXPECT_EQ(layout.bytes(), 512U);
    EXPECT_THROW(layout.add(std::numeric_limits<std::size_t>::max(), 2), Failure);
    EXPECT_THROW(layout.add(std::numeric_limits<std::size_t>::max() / 2, 1), Failure);
    EXPECT_EQ(layout.bytes(), 512U);
}

}  // namespace
}  // namespace worker::tests
