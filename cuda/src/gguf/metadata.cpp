// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reading of metadata values, and access to them by type.
#include "gguf/metadata.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <type_traits>

#include "gguf/cursor.hpp"
#include "status.hpp"

namespace worker::gguf {

namespace {

enum Kind : std::uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

constexpr int nesting_limit = 16;

/// Arrays that something needs.
constexpr std::array<std::string_view, 4> kept = {"tokenizer.ggml.tokens", "tokenizer.ggml.merges",
                                                  "tokenizer.ggml.scores", "tokenizer.ggml.token_type"};

template <class T>
Value integer(Cursor& cursor) {
    const T number = cursor.number<T>();
    if constexpr (std::is_signed_v<T>) {
        // Negated as unsigned, because the smallest number has no positive counterpart.
        if (number < 0) return Integer{true, -static_cast<std::uint64_t>(number)};
    }
    return Integer{false, static_cast<std::uint64_t>(number)};
}

Value scalar(Cursor& cursor, std::uint32_t kind) {
    switch (kind) {
        case U8:
            return integer<std::uint8_t>(cursor);
        case I8:
            return integer<std::int8_t>(cursor);
        case U16:
            return integer<std::uint16_t>(cursor);
        case I16:
            return integer<std::int16_t>(cursor);
        case U32:
            return integer<std::uint32_t>(cursor);
        case I32:
            return integer<std::int32_t>(cursor);
        case U64:
            return integer<std::uint64_t>(cursor);
        case I64:
            return integer<std::int64_t>(cursor);
        case F32:
            return static_cast<double>(cursor.number<float>());
        case F64:
            return cursor.number<double>();
        case Bool: {
            const auto byte = cursor.number<std::uint8_t>();
            if (byte > 1) refuse("a bool is neither 0 nor 1");
            return byte == 1;
        }
        case String:
            return cursor.string();
        default:
            refuse("value type " + std::to_string(kind) + " is unknown");
    }
}

/// Bytes of an element of a fixed-size type.
std::uint64_t width(std::uint32_t kind) {
    switch (kind) {
        case U8:
        case I8:
        case Bool:
            return 1;
        case U16:
        case I16:
            return 2;
        case U32:
        case I32:
        case F32:
            return 4;
        case U64:
        case I64:
        case F64:
            return 8;
        default:
            refuse("value type " + std::to_string(kind) + " is unknown");
    }
}

/// Walks over the elements of an array, arrays in arrays included.
void pass_over(Cursor& cursor, std::uint32_t kind, std::uint64_t length, int depth) {
    if (kind == String) {
        // Each takes eight bytes at least: a length that the file cannot hold fails here, at once.
        cursor.require(length, 8);
        for (std::uint64_t i = 0; i < length; ++i) cursor.string();
    } else if (kind == Array) {
        if (depth == nesting_limit) refuse("arrays are nested too deep");
        cursor.require(length, 12);
        for (std::uint64_t i = 0; i < length; ++i) {
            const auto inner = cursor.number<std::uint32_t>();
            const auto count = cursor.number<std::uint64_t>();
            pass_over(cursor, inner, count, depth + 1);
        }
    } else {
        cursor.skip(length, width(kind));
    }
}

std::vector<std::string> strings(Cursor& cursor, std::uint64_t length) {
    cursor.require(length, 8);
    std::vector<std::string> all;
    all.reserve(length);
    for (std::uint64_t i = 0; i < length; ++i) all.push_back(cursor.string());
    return all;
}

std::vector<double> numbers_of(Cursor& cursor, std::uint32_t kind, std::uint64_t length) {
    cursor.require(length, width(kind));
    std::vector<double> all;
    all.reserve(length);
    for (std::uint64_t i = 0; i < length; ++i) {
        const Value value = scalar(cursor, kind);
        if (const auto* number = std::get_if<Integer>(&value)) {
            const auto magnitude = static_cast<double>(number->magnitude);
            all.push_back(number->negative ? -magnitude : magnitude);
        } else {
            all.push_back(std::get<double>(value));
        }
    }
    return all;
}

Value array(Cursor& cursor, bool keep) {
    const auto kind = cursor.number<std::uint32_t>();
    const auto length = cursor.number<std::uint64_t>();
    if (keep && kind == String) return strings(cursor, length);
    if (keep && kind != Array && kind != Bool) return numbers_of(cursor, kind, length);
    pass_over(cursor, kind, length, 1);
    return Dropped{};
}

[[noreturn]] void wrong(const std::string& key, const char* wanted) { refuse("key `" + key + "` is no " + wanted); }

}  // namespace

Metadata::Metadata(Cursor& cursor, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        std::string key = cursor.string();
        const auto kind = cursor.number<std::uint32_t>();
        const bool keep = std::find(kept.begin(), kept.end(), key) != kept.end();
        Value value = kind == Array ? array(cursor, keep) : scalar(cursor, kind);
        if (!values_.emplace(std::move(key), std::move(value)).second) refuse("a key appears twice");
    }
}

template <class T>
const T* Metadata::find(const std::string& key, const char* wanted) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return nullptr;
    const T* value = std::get_if<T>(&found->second);
    if (value == nullptr) wrong(key, wanted);
    return value;
}

std::optional<std::uint64_t> Metadata::unsigned_integer(const std::string& key) const {
    const auto* number = find<Integer>(key, "unsigned integer");
    if (number == nullptr) return std::nullopt;
    if (number->negative) wrong(key, "unsigned integer");
    return number->magnitude;
}

int Metadata::positive(const std::string& key, int limit) const {
    const auto number = unsigned_integer(key);
    if (!number) refuse("key `" + key + "` is missing");
    if (*number == 0 || *number > static_cast<std::uint64_t>(limit)) wrong(key, "positive integer in range");
    return static_cast<int>(*number);
}

int Metadata::positive_or(const std::string& key, int limit, int absent) const {
    return has(key) ? positive(key, limit) : absent;
}

std::optional<float> Metadata::real(const std::string& key) const {
    const auto* number = find<double>(key, "finite number");
    if (number == nullptr) return std::nullopt;
    const auto narrow = static_cast<float>(*number);
    if (!std::isfinite(narrow)) wrong(key, "finite number");
    return narrow;
}

std::optional<bool> Metadata::truth(const std::string& key) const {
    const auto* value = find<bool>(key, "bool");
    return value == nullptr ? std::nullopt : std::optional(*value);
}

const std::string* Metadata::text(const std::string& key) const { return find<std::string>(key, "string"); }

const std::string& Metadata::required_text(const std::string& key) const {
    const auto* value = text(key);
    if (value == nullptr) refuse("key `" + key + "` is missing");
    return *value;
}

const std::vector<std::string>* Metadata::texts(const std::string& key) const {
    return find<std::vector<std::string>>(key, "array of strings");
}

const std::vector<double>* Metadata::numbers(const std::string& key) const {
    return find<std::vector<double>>(key, "array of numbers");
}

}  // namespace worker::gguf
