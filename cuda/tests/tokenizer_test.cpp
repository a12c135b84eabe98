// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Prompts to ids and ids to bytes on hand-made vocabularies.
#include <gtest/gtest.h>

#include "gguf/file.hpp"
#include "gguf/header.hpp"
#include "gguf_writer.hpp"
#include "status.hpp"
#include "tiny_model.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/tokenizer.hpp"

namespace worker::tests {
namespace {

using tokenizer::PreTokenizer;
using tokenizer::Tokenizer;
using Ids = std::vector<std::uint32_t>;

Tokenizer built(const Writer& writer) {
    const TemporaryFile file(writer.bytes());
    return Tokenizer(gguf::read_header(gguf::File(file.path())).metadata);
}

Writer byte_level(const std::string& pre) {
    Writer writer;
    writer.set("tokenizer.ggml.model", string("gpt2"))
        .set("tokenizer.ggml.pre", string(pre))
        .set("tokenizer.ggml.tokens",
             strings({"<|im_end|>", "a", "b", "c", "\u0120", "ab", "\u0120ab", "abc", "<think>", "1", "2", "12"}))
        .set("tokenizer.ggml.token_type", numbers<std::int32_t>(5, {3, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1}))
        .set("tokenizer.ggml.merges", strings({"a b", "\u0120 ab", "1 2"}));
    return writer;
}

Writer sentence_piece() {
    Writer writer;
    writer.set("tokenizer.ggml.model", string("llama"))
        .set("tokenizer.ggml.tokens", strings({"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "\u2581", "a", "b",
                                               "\u2581a", "ab", "\u2581ab", "\u65e5"}))
        .set("tokenizer.ggml.scores", numbers<float>(6, {0, 0, 0, 0, 0, -9, -8, -7, -2, -1, -3, -4}))
        .set("tokenizer.ggml.token_type", numbers<std::int32_t>(5, {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 1}));
    return writer;
}

std::vector<std::string> split(const std::string& name, const std::string& text) {
    std::vector<std::string> pieces;
    for (const std::string_view piece : PreTokenizer(name).split(text)) pieces.emplace_back(piece);
    return pieces;
}

using Pieces = std::vector<std::string>;

TEST(PreTokenizer, Gpt2KeepsASpaceWithItsWordAndTheLastOfARun) {
    EXPECT_EQ(split("gpt-2", "I'll  see 2024!!\n x"), (Pieces{"I", "'ll", " ", " see", " 2024", "!!", "\n", " x"}));
    EXPECT_EQ(split("gpt-2", "a   "), (Pieces{"a", "   "}));
    EXPECT_EQ(split("gpt-2", "WE'LL"), (Pieces{"WE", "'", "LL"}));
}

TEST(PreTokenizer, SmollmLetsDigitsStandAlone) {
    EXPECT_EQ(split("smollm", "in 1999."), (Pieces{"in", " ", "1", "9", "9", "9", "."}));
}

TEST(PreTokenizer, Llama3GroupsDigitsByThreeAndIgnoresTheCaseOfContractions) {
    EXPECT_EQ(split("llama-bpe", "12345 WE'LL\n\nx"), (Pieces{"123", "45", " WE", "'LL", "\n\n", "x"}));
    EXPECT_EQ(split("llama-bpe", "a \n \n  b"), (Pieces{"a", " \n \n", " ", " b"}));
    EXPECT_EQ(split("llama-bpe", "'\u017f!\r\n("), (Pieces{"'\u017f", "!\r\n", "("}));
}

TEST(PreTokenizer, Qwen2TakesDigitsOneByOne) {
    EXPECT_EQ(split("qwen2", "a 12\r\n"), (Pieces{"a", " ", "1", "2", "\r\n"}));
}

TEST(PreTokenizer, TheDefaultCutsMarksAndGroupsOfDigits) {
    EXPECT_EQ(split("default", "a+b 12345"), (Pieces{"a", "+", "b", " ", "123", "45"}));
}

TEST(PreTokenizer, NothingIsLost) {
    const std::string texts[] = {"",
                                 " ",
                                 "\u65e5\u672c \u0442\u0435\u043a\u0441\u0442",
                                 "\U0001F469\u200d\t\u3000x",
                                 "a\u0301\x01\x7f",
                                 std::string(100'000, ' ')};
    for (const char* name : {"gpt-2", "smollm", "qwen2", "llama-bpe", "default"}) {
        for (const std::string& text : texts) {
            std::string whole;
            for (const std::string& piece : split(name, text)) {
                EXPECT_FALSE(piece.empty());
                whole += piece;
            }
            EXPECT_EQ(whole, text);
        }
    }
}

TEST(Tokenizer, MergesApplyInTheirOrderWithinPieces) {
    const Tokenizer tokenizer = built(byte_level("gpt-2"));
    EXPECT_EQ(tokenizer.encode("ab abc"), (Ids{5, 6, 3}));
    EXPECT_EQ(tokenizer.encode("12"), (Ids{11}));
    EXPECT_EQ(built(byte_level("smollm")).encode("12"), (Ids{9, 10}));
}

TEST(Tokenizer, Llama3TakesAPieceThatIsATokenWithoutMerging) {
    EXPECT_EQ(built(byte_level("llama-bpe")).encode("abc"), (Ids{7}));
    EXPECT_EQ(built(byte_level("gpt-2")).encode("abc"), (Ids{5, 3}));
}

TEST(Tokenizer, SpecialTokensAreCutOutOfThePromptFirst) {
    EXPECT_EQ(built(byte_level("gpt-2")).encode("a<|im_end|>ab<think><|im_end|>"), (Ids{1, 0, 5, 8, 0}));
}

TEST(Tokenizer, ControlTokensHaveNoTextAndUserDefinedOnesTheirOwn) {
    const Tokenizer tokenizer = built(byte_level("gpt-2"));
    EXPECT_EQ(tokenizer.bytes(0), "");
    EXPECT_EQ(tokenizer.bytes(6), " ab");
    EXPECT_EQ(tokenizer.bytes(8), "<think>");
    EXPECT_TRUE(tokenizer.vocabulary().ends(0));
    EXPECT_FALSE(tokenizer.vocabulary().ends(1));
}

TEST(Tokenizer, APromptWithoutTokensNeedsATokenThatBeginsAText) {
    EXPECT_EQ(built(byte_level("gpt-2")).encode(""), Ids{});
    EXPECT_EQ(built(byte_level("gpt-2")).encode("\u65e5"), Ids{});
    Writer writer = byte_level("gpt-2");
    writer.set("tokenizer.ggml.bos_token_id", u32(4));
    EXPECT_EQ(built(writer).encode(""), Ids{4});
}

TEST(Tokenizer, BosAndEosAreAddedWhereTheFileAsksForThem) {
    Writer writer = byte_level("gpt-2");
    writer.set("tokenizer.ggml.bos_token_id", u32(3))
        .set("tokenizer.ggml.eos_token_id", u32(0))
        .set("tokenizer.ggml.add_bos_token", boolean(1))
        .set("tokenizer.ggml.add_eos_token", boolean(1));
    EXPECT_EQ(built(writer).encode("a"), (Ids{3, 1, 0}));
}

TEST(Tokenizer, SentencePiecesMergeByScoreAfterALeadingSpace) {
    const Tokenizer tokenizer = built(sentence_piece());
    // `ab` has the best score of all, so that a space and `a` never join.
    EXPECT_EQ(tokenizer.encode("ab"), (Ids{1, 10}));
    EXPECT_EQ(tokenizer.encode("a b"), (Ids{1, 8, 5, 7}));
    EXPECT_EQ(tokenizer.encode("</s>a"), (Ids{1, 2, 8}));
}

TEST(Tokenizer, SentencePiecesFallBackToBytesAndThenToUnknown) {
    Writer writer = sentence_piece();
    writer.set("tokenizer.ggml.add_space_prefix", boolean(0));
    const Tokenizer tokenizer = built(writer);
    EXPECT_EQ(tokenizer.encode("\u00e9\u65e5"), (Ids{1, 3, 4, 11}));
    EXPECT_EQ(tokenizer.encode("x"), (Ids{1, 0}));
    EXPECT_EQ(tokenizer.bytes(3) + tokenizer.bytes(4), "\u00e9");
    EXPECT_EQ(tokenizer.bytes(10), " ab");
}

TEST(Tokenizer, ScoresThatAreNoNumbersDoNotStopTheMerging) {
    Writer writer = sentence_piece();
    writer.set("tokenizer.ggml.scores", numbers(6, std::vector<float>(12, std::numeric_limits<float>::quiet_NaN())));
    EXPECT_FALSE(built(writer).encode("ab ab ab").empty());
}

TEST(Tokenizer, VocabulariesThatFitNothingAreRefused) {
    const auto why = [](const std::string& key, const Bytes& value) {
        Writer writer = byte_level("gpt-2");
        writer.set("tokenizer.ggml." + key, value);
        try {
            built(writer);
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Code::ModelLoadFailed);
            return std::string(failure.what());
        }
        return std::string("accepted");
    };
    EXPECT_EQ(why("model", string("gpt2")), "accepted");
    EXPECT_EQ(why("model", string("bert")), "tokenizer `bert` is not supported");
    EXPECT_EQ(why("pre", string("x")), "pre-tokenizer `x` is not supported");
    EXPECT_EQ(why("merges", strings({"a x"})), "merge `a x` names no token");
    EXPECT_EQ(why("merges", strings({"ab"})), "merge `ab` has no two parts");
    EXPECT_EQ(why("merges", strings({""})), "merge `` has no two parts");
    EXPECT_EQ(why("merges", strings({"a "})), "merge `a ` names no token");
    EXPECT_EQ(why("tokens", strings({})), "there is no vocabulary");
    EXPECT_EQ(why("eos_token_id", u32(12)), "tokenizer.ggml.eos_token_id names a token that is not there");
    EXPECT_EQ(why("token_type", numbers<std::int32_t>(5, {1})),
              "tokenizer.ggml.token_type has another length than the tokens");
    EXPECT_EQ(why("token_type", numbers(5, std::vector<std::int32_t>(12, 9))), "a token has an unknown type");
    EXPECT_EQ(why("add_bos_token", boolean(1)), "tokenizer.ggml.add_bos_token is set, but there is no such token");
}

}  // namespace
}  // namespace worker::tests
