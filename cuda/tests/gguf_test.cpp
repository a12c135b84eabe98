// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Headers that must be read, and headers that must be refused for the reason that applies.
#include <gtest/gtest.h>

#include <functional>

#include "gguf/file.hpp"
#include "gguf/header.hpp"
#include "gguf_writer.hpp"
#include "hyper_parameters.hpp"
#include "status.hpp"
#include "tiny_model.hpp"

namespace worker::tests {
namespace {

gguf::Header read(const Bytes& bytes) {
    const TemporaryFile file(bytes);
    return gguf::read_header(gguf::File(file.path()));
}

/// Why `bytes` were refused, with code 3.
std::string refusal(const Bytes& bytes) {
    try {
        read(bytes);
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), Code::ModelLoadFailed);
        return failure.what();
    }
    ADD_FAILURE() << "read without complaint";
    return "";
}

Writer sample() {
    Writer writer;
    writer.set("general.architecture", string("llama")).set("a.number", u32(7)).set("a.truth", boolean(1));
    writer.floats("first", {4, 2}, std::vector<float>(8, 1.0F)).floats("second", {3}, {1, 2, 3});
    return writer;
}

TEST(Gguf, ASoundHeaderIsRead) {
    const Bytes bytes = sample().bytes();
    const gguf::Header header = read(bytes);
    EXPECT_EQ(header.metadata.required_text("general.architecture"), "llama");
    EXPECT_EQ(header.metadata.unsigned_integer("a.number"), 7U);
    EXPECT_EQ(header.metadata.truth("a.truth"), true);
    EXPECT_FALSE(header.metadata.unsigned_integer("a.missing"));
    ASSERT_EQ(header.tensors.size(), 2U);
    const gguf::TensorInfo& second = header.tensors.at("second");
    EXPECT_EQ(second.bytes, 12U);
    EXPECT_EQ(second.offset + second.bytes, bytes.size());
    EXPECT_EQ(header.tensor_bytes, 44U);
}

TEST(Gguf, EveryShorterFileIsRefused) {
    const Bytes bytes = sample().bytes();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_NE(refusal(bytes.substr(0, length)), "") << length;
    }
}

TEST(Gguf, EveryByteOfTheHeaderMayBeAnythingWithoutACrash) {
    const Bytes sound = sample().bytes();
    for (std::size_t at = 0; at < sound.size(); ++at) {
        for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
            Bytes bytes = sound;
            bytes[at] = static_cast<char>(value);
            try {
                read(bytes);
            } catch (const Failure& failure) {
                EXPECT_EQ(failure.code(), Code::ModelLoadFailed);
            }
        }
    }
}

TEST(Gguf, MagicAndVersionCount) {
    Bytes bytes = sample().bytes();
    bytes[0] = 'g';
    EXPECT_EQ(refusal(bytes), "wrong magic");
    for (const std::uint32_t version : {0U, 1U, 2U, 4U, 0x03000000U}) {
        Writer writer = sample();
        writer.version = version;
        EXPECT_EQ(refusal(writer.bytes()), "this version of GGUF is not supported");
    }
}

TEST(Gguf, AbsurdCountsAndLengthsAreRefusedAtOnce) {
    const auto patched = [](std::size_t at, std::uint64_t number) {
        Bytes bytes = sample().bytes();
        bytes.replace(at, 8, little(number));
        return bytes;
    };
    EXPECT_EQ(refusal(patched(8, 10'000)), "too many tensors");
    EXPECT_EQ(refusal(patched(8, 1ULL << 63)), "too many tensors");
    EXPECT_EQ(refusal(patched(16, 1ULL << 63)), "too many metadata entries");
    EXPECT_EQ(refusal(patched(24, ~0ULL)), "the file ends within its header");
    for (const std::uint64_t length : {1ULL << 24, 1ULL << 61, 1ULL << 63, ~0ULL}) {
        for (const std::uint32_t kind : {0U, 4U, 8U, 9U, 12U}) {
            Writer writer = sample();
            writer.set("a.list", list(kind, length, ""));
            EXPECT_EQ(refusal(writer.bytes()), "the file ends within its header");
        }
    }
}

TEST(Gguf, ValuesThatGgufDoesNotDefineAreRefused) {
    Writer writer = sample();
    writer.set("a.value", little<std::uint32_t>(13) + little<std::uint64_t>(0));
    EXPECT_EQ(refusal(writer.bytes()), "value type 13 is unknown");
    writer.set("a.value", list(77, 1, little<std::uint64_t>(0)));
    EXPECT_EQ(refusal(writer.bytes()), "value type 77 is unknown");
    writer.set("a.value", boolean(2));
    EXPECT_EQ(refusal(writer.bytes()), "a bool is neither 0 nor 1");
    writer.set("a.value", string("\xc3("));
    EXPECT_EQ(refusal(writer.bytes()), "a string is not UTF-8");
}

TEST(Gguf, NestedListsAreReadUpToADepth) {
    const auto nested = [](int depth) {
        Bytes value = little<std::uint32_t>(9);
        for (int i = 1; i < depth; ++i) value += little<std::uint32_t>(9) + little<std::uint64_t>(1);
        Writer writer = sample();
        writer.set("a.list", value + list(0, 1, "x").substr(4));
        return writer.bytes();
    };
    EXPECT_EQ(read(nested(10)).tensors.size(), 2U);
    EXPECT_EQ(refusal(nested(100'000)), "arrays are nested too deep");
}

TEST(Gguf, DuplicatesAreRefused) {
    Writer keys = sample();
    keys.keys.emplace_back("a.number", u32(7));
    EXPECT_EQ(refusal(keys.bytes()), "a key appears twice");
    Writer tensors = sample();
    tensors.floats("first", {1}, {0});
    EXPECT_EQ(refusal(tensors.bytes()), "tensor `first` appears twice");
}

TEST(Gguf, ImpossibleTensorsAreRefused) {
    const auto with = [](const std::vector<std::uint64_t>& dimensions, std::uint32_t type) {
        Writer writer = sample();
        writer.tensors.push_back({"odd", dimensions, type, Bytes(64, '\0')});
        return refusal(writer.bytes());
    };
    const std::string impossible = "tensor `odd` has impossible dimensions";
    EXPECT_EQ(with({}, 0), impossible);
    EXPECT_EQ(with({2, 2, 2, 2, 2}, 0), impossible);
    EXPECT_EQ(with({0}, 0), impossible);
    EXPECT_EQ(with({4, 0}, 0), impossible);
    EXPECT_EQ(with({1ULL << 32, 1ULL << 32}, 0), impossible);
    EXPECT_EQ(with({1ULL << 62, 3}, 0), impossible);
    EXPECT_EQ(with({31}, 8), impossible);
    EXPECT_EQ(with({8}, 200), "tensor `odd` has unknown type 200");
    EXPECT_EQ(with({32}, 39), "tensor `odd` has unknown type 39");
    EXPECT_EQ(with({17}, 0), "tensor `odd` reaches past the end of the file");
}

TEST(Gguf, UnalignedAndOverlappingDataAreRefused) {
    Writer writer = sample();
    const Bytes sound = writer.bytes();
    const std::size_t offset_of_second = sound.find("second") + 6 + 4 + 8 + 4;
    Bytes bytes = sound;
    bytes.replace(offset_of_second, 8, little<std::uint64_t>(33));
    EXPECT_EQ(refusal(bytes), "tensor `second` is not aligned");
    bytes.replace(offset_of_second, 8, little<std::uint64_t>(0));
    EXPECT_NE(refusal(bytes).find("overlap"), std::string::npos);
    bytes.replace(offset_of_second, 8, little<std::uint64_t>(1ULL << 63));
    EXPECT_EQ(refusal(bytes), "tensor `second` reaches past the end of the file");
}

TEST(Gguf, AlignmentIsAPowerOfTwoInRange) {
    Writer writer = sample();
    writer.alignment = 64;
    writer.set("general.alignment", u32(64));
    EXPECT_EQ(read(writer.bytes()).tensors.size(), 2U);
    for (const std::uint32_t alignment : {0U, 1U, 3U, 48U, 1U << 31}) {
        writer.set("general.alignment", u32(alignment));
        EXPECT_EQ(refusal(writer.bytes()), "the alignment is not supported");
    }
    writer.set("general.alignment", string("32"));
    EXPECT_EQ(refusal(writer.bytes()), "key `general.alignment` is no unsigned integer");
}

TEST(Gguf, OnlyRegularFilesAreOpened) {
    for (const char* path : {"", "/", "/dev/zero", "/dev/null", "/nowhere/at/all"}) {
        EXPECT_THROW(gguf::File{path}, Failure) << path;
    }
}

TEST(HyperParameters, NumbersThatMakeNoModelAreRefused) {
    const auto why = [](const std::string& key, const Bytes& value) {
        Writer writer = tiny_model("llama");
        writer.set(key, value);
        const gguf::Header header = read(writer.bytes());
        try {
            read_hyper_parameters(header.metadata, "llama", "attention.layer_norm_rms_epsilon");
        } catch (const Failure& failure) {
            return std::string(failure.what());
        }
        return std::string("accepted");
    };
    EXPECT_EQ(why("general.name", string("x")), "accepted");
    EXPECT_EQ(why("llama.attention.head_count", u32(0)),
              "key `llama.attention.head_count` is no positive integer in range");
    EXPECT_EQ(why("llama.attention.head_count", u32(5)), "the heads do not divide the width");
    EXPECT_EQ(why("llama.attention.head_count_kv", u32(3)), "the key heads do not divide the heads");
    EXPECT_EQ(why("llama.embedding_length", u32(~0U)), "key `llama.embedding_length` is no positive integer in range");
    EXPECT_EQ(why("llama.embedding_length", number<std::int32_t>(5, -64)),
              "key `llama.embedding_length` is no unsigned integer");
    EXPECT_EQ(why("llama.attention.key_length", u32(512)), "value heads unlike the key heads are not supported");
    EXPECT_EQ(why("llama.attention.layer_norm_rms_epsilon", f32(-1)), "the epsilon of the norms is out of range");
    EXPECT_EQ(why("llama.rope.freq_base", f32(0)), "key `llama.rope.freq_base` is not positive");
    EXPECT_EQ(why("llama.rope.scaling.type", string("yarn")), "rotary scaling `yarn` is not supported");
    EXPECT_EQ(why("llama.expert_count", u32(8)), "mixtures of experts are not supported");
}

}  // namespace
}  // namespace worker::tests
