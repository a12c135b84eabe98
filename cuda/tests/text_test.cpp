// SPDX-License-Identifier: Apache-2.0 OR MIT
/// UTF-8, the streaming of text by code points, random numbers, and the messages of codes.
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "random.hpp"
#include "status.hpp"
#include "text_stream.hpp"
#include "utf8.hpp"

namespace worker {
namespace {

std::vector<std::string> pushed(const std::vector<std::string_view>& parts) {
    TextStream stream;
    std::vector<std::string> texts;
    for (const std::string_view part : parts) texts.push_back(stream.push(part));
    return texts;
}

using Texts = std::vector<std::string>;

TEST(Text, ASplitCodePointArrivesWholeInTheCallThatCompletesIt) {
    EXPECT_EQ(pushed({"a\xf0", "\x9f\x98",
                      "\x80"
                      "b"}),
              (Texts{"a", "",
                     "\xf0\x9f\x98\x80"
                     "b"}));
}

TEST(Text, BytesThatCanNeverBeTextAreDroppedWithoutAReplacement) {
    EXPECT_EQ(pushed({"\x80x\xff", "\xc3(", "\xed\xa0\x80y"}), (Texts{"x", "(", "y"}));
}

TEST(Text, AnUnfinishedCodePointThatAnotherCharacterBreaksIsDropped) {
    EXPECT_EQ(pushed({"\xe4\xbd", "z"}), (Texts{"", "z"}));
}

TEST(Text, AReplacementCharacterOfTheModelItselfIsKept) {
    EXPECT_EQ(pushed({"\xef\xbf\xbd"}), (Texts{"\xef\xbf\xbd"}));
}

TEST(Text, NulBytesAreDropped) { EXPECT_EQ(pushed({std::string_view("a\0b", 3)}), (Texts{"ab"})); }

TEST(Text, EveryCutOfATextGivesTheText) {
    const std::string text = "a\u00e9\u65e5\u672c\U0001F469\u200d\U0001F467\u05e9\u05dc";
    for (std::size_t size = 1; size < 8; ++size) {
        TextStream stream;
        std::string whole;
        for (std::size_t at = 0; at < text.size(); at += size)
            whole += stream.push(std::string_view(text).substr(at, size));
        EXPECT_EQ(whole, text);
    }
}

TEST(Utf8, EveryCodePointSurvivesTheWayThereAndBack) {
    for (char32_t code_point = 0; code_point < 0x110000; ++code_point) {
        if (code_point >= 0xd800 && code_point < 0xe000) continue;
        std::string bytes;
        append_utf8(bytes, code_point);
        const Utf8Step step = utf8_step(bytes);
        ASSERT_EQ(step.kind, Utf8Step::Whole);
        ASSERT_EQ(step.length, bytes.size());
        ASSERT_EQ(step.code_point, code_point);
        for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
            ASSERT_EQ(utf8_step(std::string_view(bytes).substr(0, cut)).kind, Utf8Step::Unfinished);
        }
    }
}

TEST(Utf8, OverlongFormsSurrogatesAndNumbersPastTheLastPlaneAreBroken) {
    for (const char* bytes :
         {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\x80", "\xc3(", "\xe2\x82("}) {
        EXPECT_FALSE(is_utf8(bytes)) << bytes;
        EXPECT_EQ(utf8_step(bytes).kind, Utf8Step::Broken) << bytes;
    }
    EXPECT_FALSE(is_utf8("abc\xe2\x82"));
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("\xf4\x8f\xbf\xbf\xed\x9f\xbf"));
}

TEST(Random, UniformNumbersAreTheUpper53BitsOfTheStandardGenerator) {
    // The standard fixes the 10,000th number of the default seed: 9981545732273789042.
    Random random(5489);
    double last = 0;
    for (int i = 0; i < 10'000; ++i) {
        last = random.uniform();
        ASSERT_TRUE(last >= 0 && last < 1);
    }
    EXPECT_EQ(last, static_cast<double>(9981545732273789042ULL >> 11) / 9007199254740992.0);
}

TEST(Random, SeedsThatDifferOnlyInTheHighHalfGiveOtherNumbers) {
    EXPECT_NE(Random(7).uniform(), Random(7 | 1ULL << 40).uniform());
}

TEST(Message, TenCodesHaveTenMessagesAndEveryOtherNumberHasTheOneOf99) {
    std::set<std::string> all;
    for (const int code : {0, 1, 2, 3, 4, 5, 6, 7, 8, 99}) {
        all.insert(message(code));
        EXPECT_EQ(message(code), message(code));
        EXPECT_TRUE(is_utf8(message(code)));
    }
    EXPECT_EQ(all.size(), 10U);
    EXPECT_FALSE(all.contains(""));
    for (const int code : {-1, 9, 98, 100, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
        EXPECT_EQ(message(code), message(99));
    }
}

TEST(Failure, MemoryIsToldFromWhateverElseFails) {
    const auto code_of = [](auto call) {
        try {
            call();
        } catch (const Failure& failure) {
            return failure.code();
        }
        return Code::Success;
    };
    EXPECT_EQ(code_of([] { check(cudaErrorMemoryAllocation, Code::Unknown, "x"); }), Code::OutOfMemory);
    EXPECT_EQ(code_of([] { check(cudaErrorUnknown, Code::InferenceFailed, "x"); }), Code::InferenceFailed);
    EXPECT_EQ(code_of([] { check_launch(cudaErrorLaunchOutOfResources, "x"); }), Code::KernelLaunchFailed);
    EXPECT_EQ(code_of([] { check_launch(cudaErrorIllegalAddress, "x"); }), Code::InferenceFailed);
    EXPECT_EQ(code_of([] { check_launch(cudaErrorLaunchFailure, "x"); }), Code::InferenceFailed);
    EXPECT_EQ(code_of([] { check_launch(cudaSuccess, "x"); }), Code::Success);
}

}  // namespace
}  // namespace worker
