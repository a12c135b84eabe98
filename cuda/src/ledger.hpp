// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Accounts of device memory: what a context has allocated, and what the whole process has on a device (M0-W-1011).
#pragma once

#include <atomic>
#include <cstdint>

namespace worker {

/// Bytes allocated, by one holder.
class Account {
   public:
    void take(std::uint64_t bytes) noexcept { bytes_.fetch_add(bytes, std::memory_order_acq_rel); }
    void give(std::uint64_t bytes) noexcept { bytes_.fetch_sub(bytes, std::memory_order_acq_rel); }
    std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_acquire); }

   private:
    std::atomic<std::uint64_t> bytes_ = 0;
};

/// The account of a context, which also counts for its device.
class Ledger {
   public:
    explicit Ledger(Account& device) : device_(device) {}

    void take(std::uint64_t bytes) noexcept {
        own_.take(bytes);
        device_.take(bytes);
    }
    void give(std::uint64_t bytes) noexcept {
        own_.give(bytes);
        device_.give(bytes);
    }
    /// Of this context.
    std::uint64_t bytes() const noexcept { return own_.bytes(); }
    /// Of all contexts of the process on this device.
    std::uint64_t device_bytes() const noexcept { return device_.bytes(); }

   private:
    Account own_;
    Account& device_;
};

}  // namespace worker
