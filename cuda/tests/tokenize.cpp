// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Prints the token ids of prompts, and the bytes of the ids: `tokenize MODEL`, prompts on standard input, each ended
/// by a NUL byte. A line a prompt: ids separated by spaces, a tab, the bytes of all of them in hexadecimal.
#include "tokenizer/tokenizer.hpp"

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "gguf/file.hpp"
#include "gguf/header.hpp"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: tokenize MODEL < prompts\n";
        return 2;
    }
    try {
        const worker::gguf::File file(argv[1]);
        const worker::gguf::Header header = worker::gguf::read_header(file);
        const worker::tokenizer::Tokenizer tokenizer(header.metadata);
        for (std::string prompt; std::getline(std::cin, prompt, '\0');) {
            std::string bytes;
            for (const std::uint32_t id : tokenizer.encode(prompt)) {
                std::printf("%u ", id);
                bytes += tokenizer.bytes(id);
            }
            std::printf("\t");
            for (const char byte : bytes) std::printf("%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
            std::printf("\n");
        }
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
