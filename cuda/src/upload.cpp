// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The way of weights from the file to the device: read, pack, copy, the copy of one buffer while the next is filled.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "context.hpp"
#include "gguf/file.hpp"
#include "status.hpp"
#include "weights.hpp"

namespace worker {

namespace {

constexpr std::size_t chunk_bytes = 1 << 20;
/// Below this a load is over before threads have started.
constexpr std::size_t parallel_bytes = 64U << 20;
/// Packing keeps up with the copy at about this many.
constexpr unsigned most_threads = 8;

/// Rows of one tensor that fit into a chunk; one row at least.
struct Piece {
    const Placed* tensor;
    int first;
    int rows;
};

std::vector<Piece> cut(const WeightTable& table) {
    std::vector<Piece> pieces;
    for (const Placed& tensor : table.tensors()) {
        const std::size_t widest = std::max(tensor.device_row, tensor.file_row);
        const int most = static_cast<int>(std::max<std::size_t>(chunk_bytes / widest, 1));
        for (int first = 0; first < tensor.rows; first += most) {
            pieces.push_back({&tensor, first, std::min(most, tensor.rows - first)});
            if (tensor.rows - first <= most) break;
        }
    }
    return pieces;
}

/// Reads pieces, packs them and copies them, until there are no more; every thread has one.
class Carrier {
   public:
    Carrier(const gguf::File& file, std::byte* destination, std::size_t capacity)
        : file_(file), destination_(destination), raw_(capacity) {
        for (Slot& slot : slots_) {
            slot.buffer = pinned(capacity);
            slot.free = make_event();
        }
    }

    // Nothing of the buffers may be given back while a copy reads it.
    ~Carrier() { cudaStreamSynchronize(stream_.get()); }
    Carrier(const Carrier&) = delete;
    Carrier& operator=(const Carrier&) = delete;

    void carry(const Piece& piece) {
        const Placed& tensor = *piece.tensor;
        Slot& slot = slots_[next_++ % slots_.size()];
        // The first time nothing was recorded, and the event says at once that it is done.
        copied(cudaEventSynchronize(slot.free.get()));
        const auto rows = static_cast<std::size_t>(piece.rows);
        const auto first = static_cast<std::size_t>(piece.first);
        const std::span raw(raw_.data(), rows * tensor.file_row);
        file_.read(raw, tensor.info->offset + first * tensor.file_row);
        if (tensor.is_vector) {
            std::memset(slot.buffer.get(), 0, tensor.device_row);
            auto* floats = reinterpret_cast<float*>(slot.buffer.get());
            kernels::decode_row(tensor.info->type, tensor.columns, raw.data(), floats);
        } else {
            kernels::pack_rows(tensor.info->type, tensor.columns, raw.data(), piece.rows, slot.buffer.get());
        }
        copied(cudaMemcpyAsync(destination_ + tensor.offset + first * tensor.device_row, slot.buffer.get(),
                               rows * tensor.device_row, cudaMemcpyHostToDevice, stream_.get()));
        copied(cudaEventRecord(slot.free.get(), stream_.get()));
    }

    void finish() { copied(cudaStreamSynchronize(stream_.get())); }

   private:
    struct Slot {
        PinnedBuffer buffer;
        Event free;
    };

    static void copied(cudaError_t status) { check(status, Code::Unknown, "the copy of weights"); }

    const gguf::File& file_;
    std::byte* destination_;
    std::vector<std::byte> raw_;
    Stream stream_ = make_stream();
    std::array<Slot, 2> slots_;
    std::size_t next_ = 0;
};

}  // namespace

void upload(const Context& context, const gguf::File& file, const WeightTable& table, std::byte* destination) {
    const std::vector<Piece> pieces = cut(table);
    std::size_t capacity = chunk_bytes;
    for (const Placed& tensor : table.tensors()) capacity = std::max({capacity, tensor.device_row, tensor.file_row});
    std::atomic<std::size_t> next = 0;
    std::exception_ptr failure;
    std::mutex failure_mutex;
    const auto work = [&]() noexcept {
        try {
            context.enter();
            Carrier carrier(file, destination, capacity);
            for (std::size_t i = next++; i < pieces.size(); i = next++) carrier.carry(pieces[i]);
            carrier.finish();
        } catch (...) {
            // The first failure is the one to tell of; the others have nothing left to do.
            const std::scoped_lock lock(failure_mutex);
            if (!failure) failure = std::current_exception();
            next = pieces.size();
        }
    };
    {
        const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
        std::vector<std::jthread> threads;
        const unsigned more = table.bytes() < parallel_bytes ? 0 : std::min(cores, most_threads) - 1;
        try {
            for (unsigned i = 0; i < more; ++i) threads.emplace_back(work);
        } catch (const std::system_error&) {
            // A process that may not start threads loads with the ones that it has.
        }
        work();
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace worker
