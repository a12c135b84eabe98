// Reads a GGUF file, version 3. So far its first bytes only: the rest of the header is yours to read and to check.
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "backend.hpp"

namespace my_backend {
namespace {

constexpr std::size_t HEADER_BYTES = 24;
constexpr std::uint32_t VERSION = 3;

}  // namespace

// TODO LOAD-03: read metadata and tensor table, and refuse what does not fit: every count, length and offset is a
// stranger's number, so check it against what is left of the file before you multiply, allocate or jump by it.
std::uint64_t read_gguf(const char* path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
        throw Failure(CUDA_ERROR_MODEL_LOAD_FAILED);
    }
    std::ifstream file(path, std::ios::binary);
    std::array<unsigned char, HEADER_BYTES> header{};
    if (!file.read(reinterpret_cast<char*>(header.data()), header.size())) {
        throw Failure(CUDA_ERROR_MODEL_LOAD_FAILED);
    }
    std::uint32_t version = 0;
    for (int byte = 0; byte < 4; byte++) {
        version |= std::uint32_t{header[4 + byte]} << (8 * byte);
    }
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (std::memcmp(header.data(), "GGUF", 4) != 0 || version != VERSION || error) {
        throw Failure(CUDA_ERROR_MODEL_LOAD_FAILED);
    }
    return size;
}

}  // namespace my_backend
