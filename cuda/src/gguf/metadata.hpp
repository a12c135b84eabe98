// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The key-value pairs of a GGUF file. Arrays that nothing needs are checked and dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace worker::gguf {

class Cursor;

/// An integer of any width: the sign, and the magnitude of it.
struct Integer {
    bool negative = false;
    std::uint64_t magnitude = 0;
};

/// An array that is walked over and not kept.
struct Dropped {};

using Value = std::variant<Integer, double, bool, std::string, std::vector<std::string>, std::vector<double>, Dropped>;

/// All pairs of a file, each key once. A key that is there with another type or range than asked for is refused.
class Metadata {
   public:
    Metadata(Cursor& cursor, std::uint64_t count);

    bool has(const std::string& key) const { return values_.contains(key); }

    std::optional<std::uint64_t> unsigned_integer(const std::string& key) const;
    /// In 1..=`limit`; must be there.
    int positive(const std::string& key, int limit) const;
    /// As `positive`, or `absent` where the key is not there.
    int positive_or(const std::string& key, int limit, int absent) const;
    /// Finite.
    std::optional<float> real(const std::string& key) const;
    std::optional<bool> truth(const std::string& key) const;
    const std::string* text(const std::string& key) const;
    /// Must be there.
    const std::string& required_text(const std::string& key) const;
    const std::vector<std::string>* texts(const std::string& key) const;
    const std::vector<double>* numbers(const std::string& key) const;

   private:
    template <class T>
    const T* find(const std::string& key, const char* wanted) const;

    std::unordered_map<std::string, Value> values_;
};

}  // namespace worker::gguf
