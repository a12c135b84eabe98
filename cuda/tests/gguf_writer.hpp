// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Writes GGUF files for tests; shares nothing with the reader.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace worker::tests {

using Bytes = std::string;

template <class T>
Bytes little(T number) {
    Bytes bytes(sizeof number, '\0');
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
}

inline Bytes text(const std::string& value) { return little<std::uint64_t>(value.size()) + value; }

/// A value with its type before it.
template <class T>
Bytes number(std::uint32_t kind, T value) {
    return little(kind) + little(value);
}
inline Bytes u32(std::uint32_t value) { return number<std::uint32_t>(4, value); }
inline Bytes f32(float value) { return number<float>(6, value); }
inline Bytes boolean(std::uint8_t value) { return number<std::uint8_t>(7, value); }
inline Bytes string(const std::string& value) { return little<std::uint32_t>(8) + text(value); }
inline Bytes list(std::uint32_t kind, std::uint64_t length, const Bytes& items) {
    return little<std::uint32_t>(9) + little(kind) + little(length) + items;
}
inline Bytes strings(const std::vector<std::string>& values) {
    Bytes items;
    for (const std::string& value : values) items += text(value);
    return list(8, values.size(), items);
}
template <class T>
Bytes numbers(std::uint32_t kind, const std::vector<T>& values) {
    Bytes items;
    for (const T value : values) items += little(value);
    return list(kind, values.size(), items);
}

struct TensorBytes {
    std::string name;
    std::vector<std::uint64_t> dimensions;
    std::uint32_t type = 0;
    Bytes data;
};

struct Writer {
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::vector<std::pair<std::string, Bytes>> keys;
    std::vector<TensorBytes> tensors;

    /// Sets `key`; `value` has its type before it.
    Writer& set(const std::string& key, Bytes value) {
        for (auto& [name, bytes] : keys) {
            if (name == key) {
                bytes = std::move(value);
                return *this;
            }
        }
        keys.emplace_back(key, std::move(value));
        return *this;
    }

    Writer& floats(const std::string& name, const std::vector<std::uint64_t>& dimensions,
                   const std::vector<float>& data) {
        Bytes bytes;
        for (const float x : data) bytes += little(x);
        tensors.push_back({name, dimensions, 0, bytes});
        return *this;
    }

    Bytes bytes() const {
        Bytes out =
            "GGUF" + little(version) + little<std::uint64_t>(tensors.size()) + little<std::uint64_t>(keys.size());
        for (const auto& [key, value] : keys) out += text(key) + value;
        std::uint64_t offset = 0;
        for (const TensorBytes& tensor : tensors) {
            out += text(tensor.name) + little(static_cast<std::uint32_t>(tensor.dimensions.size()));
            for (const std::uint64_t axis : tensor.dimensions) out += little(axis);
            out += little(tensor.type) + little(offset);
            offset += (tensor.data.size() + alignment - 1) / alignment * alignment;
        }
        for (const TensorBytes& tensor : tensors) {
            out.resize((out.size() + alignment - 1) / alignment * alignment);
            out += tensor.data;
        }
        return out;
    }
};

/// A file that is gone with its object.
class TemporaryFile {
   public:
    explicit TemporaryFile(const Bytes& bytes) {
        std::string pattern = (std::filesystem::temp_directory_path() / "worker-cuda-XXXXXX").string();
        const int descriptor = ::mkstemp(pattern.data());
        if (descriptor < 0) std::abort();
        std::FILE* file = ::fdopen(descriptor, "wb");
        std::fwrite(bytes.data(), 1, bytes.size(), file);
        std::fclose(file);
        path_ = pattern;
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const char* path() const { return path_.c_str(); }

   private:
    std::string path_;
};

}  // namespace worker::tests
