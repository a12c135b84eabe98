// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The way of weights from the file to the device: read, pack, copy, the copy of one buffer while the next is filled.
#include <algorithm>
#include <array>
#include <cstring>

#include "context.hpp"
#include "gguf/file.hpp"
#include "status.hpp"
#include "weights.hpp"

namespace worker {

namespace {

constexpr std::size_t chunk_bytes = 1 << 20;

/// Two staging buffers, filled and copied in turns. Bytes come in the order of the device; gaps are filled with zeros.
class Stager {
   public:
    Stager(std::byte* destination, std::size_t capacity) : destination_(destination), capacity_(capacity) {
        for (Slot& slot : slots_) {
            slot.buffer = pinned(capacity);
            slot.free = make_event();
        }
    }

    // Nothing of the buffers may be given back while a copy reads it.
    ~Stager() { cudaStreamSynchronize(stream_.get()); }
    Stager(const Stager&) = delete;
    Stager& operator=(const Stager&) = delete;

    /// Room for at least one item of `bytes_each`, for as many as fit and at most `count`, at `offset` of the device.
    std::byte* reserve(std::size_t offset, std::size_t count, std::size_t bytes_each, std::size_t& granted) {
        const std::size_t gap = offset - (start_ + filled_);
        if (filled_ + gap + bytes_each > capacity_) {
            flush();
            start_ = offset;
        } else {
            std::memset(slots_[current_].buffer.get() + filled_, 0, gap);
            filled_ += gap;
        }
        granted = std::min(count, (capacity_ - filled_) / bytes_each);
        std::byte* room = slots_[current_].buffer.get() + filled_;
        filled_ += granted * bytes_each;
        return room;
    }

    void finish() {
        flush();
        check(cudaStreamSynchronize(stream_.get()), Code::Unknown, "the copy of weights");
    }

   private:
    struct Slot {
        PinnedBuffer buffer;
        Event free;
    };

    void flush() {
        Slot& slot = slots_[current_];
        if (filled_ > 0) {
            check(cudaMemcpyAsync(destination_ + start_, slot.buffer.get(), filled_, cudaMemcpyHostToDevice, stream_.get()),
                  Code::Unknown, "the copy of weights");
            check(cudaEventRecord(slot.free.get(), stream_.get()), Code::Unknown, "the copy of weights");
        }
        start_ += filled_;
        filled_ = 0;
        current_ = (current_ + 1) % slots_.size();
        // The first time an event is asked about, nothing was recorded, and it says at once that it is done.
        check(cudaEventSynchronize(slots_[current_].free.get()), Code::Unknown, "the copy of weights");
    }

    std::byte* destination_;
    std::size_t capacity_;
    Stream stream_ = make_stream();
    std::array<Slot, 2> slots_;
    std::size_t current_ = 0;
    /// Offset on the device of the current buffer's first byte.
    std::size_t start_ = 0;
    std::size_t filled_ = 0;
};

}  // namespace

void upload(const Context& context, const gguf::File& file, const WeightTable& table, std::byte* destination) {
    context.enter();
    std::size_t largest = chunk_bytes;
    std::size_t largest_raw = chunk_bytes;
    for (const Placed& tensor : table.tensors()) {
        largest = std::max(largest, tensor.device_row);
        largest_raw = std::max(largest_raw, tensor.file_row);
    }
    Stager stager(destination, largest);
    std::vector<std::byte> raw(largest_raw);
    for (const Placed& tensor : table.tensors()) {
        int done = 0;
        while (done < tensor.rows) {
            const std::size_t readable = std::max<std::size_t>(raw.size() / tensor.file_row, 1);
            const std::size_t wanted = std::min<std::size_t>(static_cast<std::size_t>(tensor.rows - done), readable);
            const std::size_t offset = tensor.offset + static_cast<std::size_t>(done) * tensor.device_row;
            std::size_t rows = 0;
            std::byte* room = stager.reserve(offset, wanted, tensor.device_row, rows);
            const std::span part(raw.data(), rows * tensor.file_row);
            file.read(part, tensor.info->offset + static_cast<std::uint64_t>(done) * tensor.file_row);
            if (tensor.is_vector) {
                std::memset(room, 0, tensor.device_row);
                kernels::decode_row(tensor.info->type, tensor.columns, part.data(), reinterpret_cast<float*>(room));
            } else {
                kernels::pack_rows(tensor.info->type, tensor.columns, part.data(), static_cast<int>(rows), room);
            }
            done += static_cast<int>(rows);
        }
    }
    stager.finish();
}

}  // namespace worker
