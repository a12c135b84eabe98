// SPDX-License-Identifier: Apache-2.0 OR MIT
/// A context: one use of one device, right from any thread (M0-W-1010, M0-W-1110).
#pragma once

#include <cstdint>
#include <mutex>

#include "device_memory.hpp"
#include "ledger.hpp"

namespace worker {

/// Devices of the machine, counted once a process; 0 without a driver.
int device_count() noexcept;

class Context {
   public:
    /// Throws `DeviceNotFound` on a machine without devices, `InvalidDevice` where `device` is none of them.
    explicit Context(int device);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    /// Makes the device the calling thread's: the first thing of every call, because the current device is the
    /// thread's and not the process's (THR-04).
    void enter() const;

    int device() const noexcept { return device_; }
    Ledger& ledger() noexcept { return ledger_; }
    /// Bytes of device memory in all.
    std::uint64_t capacity() const noexcept { return capacity_; }

    /// A page of pinned memory for the small transfers of one call at a time.
    std::byte* transfer() const noexcept { return transfer_.get(); }
    static constexpr std::size_t transfer_bytes = 4096;

    /// Runs a kernel and looks at what it wrote. Throws `InvalidDevice` where the device does not answer (FAULT-05).
    void probe();

   private:
    int device_;
    std::uint64_t capacity_ = 0;
    Ledger ledger_;
    PinnedBuffer transfer_;
    // Checks may come from several threads at once (THR-02): they take turns.
    std::mutex probe_mutex_;
    Stream probe_stream_;
    DeviceBuffer probe_buffer_;
    PinnedBuffer probe_result_;
    std::uint32_t probe_seed_ = 0;
};

}  // namespace worker
