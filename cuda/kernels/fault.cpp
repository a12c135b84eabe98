// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reads injected faults and counts their strikes.

#include "fault.hpp"

#ifdef WORKER_CUDA_FAULTS

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace worker::fault {

namespace {

// A plain pointer: an object with a destructor would keep the library from being unloaded.
thread_local Scope* current = nullptr;

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// One fault as written: `kind[@token=N][:times=M]`.
struct Fault {
    std::string_view kind;
    std::optional<std::uint64_t> token;
    std::optional<std::uint64_t> times;
};

/// Cuts `mark` and the number behind it off `word`; false where that is no number.
bool cut(std::string_view& word, std::string_view mark, std::optional<std::uint64_t>& value) {
    const auto at = word.find(mark);
    if (at == std::string_view::npos) return true;
    value = number(word.substr(at + mark.size()));
    word = word.substr(0, at);
    return value.has_value();
}

std::optional<Fault> parse(std::string_view word) {
    Fault fault;
    if (!cut(word, ":times=", fault.times) || !cut(word, "@token=", fault.token)) return std::nullopt;
    fault.kind = word;
    return fault;
}

bool strikes_at(const Scope& scope, const Fault& fault, Kind kind) {
    if (fault.token && scope.site() == Site::Token && static_cast<std::uint64_t>(scope.token()) != *fault.token) {
        return false;
    }
    switch (scope.site()) {
        case Site::Start:
            return fault.kind == "kv_alloc" && kind == Kind::Allocation;
        case Site::Token:
            return (fault.kind == "kernel_launch" && kind == Kind::Launch) ||
                   (fault.kind == "kernel_exec" && kind == Kind::Execution) ||
                   (fault.kind == "oom" && kind == Kind::Allocation);
        case Site::Residency:
            return fault.kind == "residency" && kind == Kind::Residency;
        case Site::Health:
            return fault.kind == "device_sick" && (kind == Kind::Launch || kind == Kind::Execution);
        default:
            return false;
    }
}

/// Counts one more strike of `word`; false once it has had its `times`.
bool count(std::string_view word, std::uint64_t times) {
    static std::mutex mutex;
    static std::map<std::string, std::uint64_t, std::less<>> strikes;
    const std::lock_guard lock(mutex);
    auto& seen = strikes[std::string(word)];
    if (seen >= times) return false;
    ++seen;
    return true;
}

bool strikes_in(std::string_view text, const Scope& scope, Kind kind) {
    constexpr std::string_view separators = ", \t\n\r";
    for (std::size_t begin = 0; (begin = text.find_first_not_of(separators, begin)) != std::string_view::npos;) {
        const auto end = std::min(text.find_first_of(separators, begin), text.size());
        const std::string_view word = text.substr(begin, end - begin);
        begin = end;
        const auto fault = parse(word);
        if (fault && strikes_at(scope, *fault, kind) && (!fault->times || count(word, *fault->times))) return true;
    }
    return false;
}

}  // namespace

Scope::Scope(Site site, std::int64_t token) noexcept : site_(site), token_(token), outer_(current) { current = this; }

Scope::~Scope() { current = outer_; }

const std::string& Scope::text() {
    if (read_) return text_;
    read_ = true;
    if (const char* listed = std::getenv("WORKER_CUDA_FAULTS")) text_ = listed;
    if (const char* path = std::getenv("WORKER_CUDA_FAULTS_FILE")) {
        std::ifstream file(path);
        text_ += ' ';
        text_.append(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return text_;
}

bool strikes(Kind kind) noexcept {
    if (current == nullptr || current->site() == Site::None) return false;
    try {
        return strikes_in(current->text(), *current, kind);
    } catch (...) {
        return false;
    }
}

}  // namespace worker::fault

#endif
