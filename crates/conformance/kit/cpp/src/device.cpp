// The GPUs of this machine and a ledger of their memory. One of 8 GiB is simulated until you ask the driver.
#include "backend.hpp"

namespace my_backend {
namespace {

Device simulated{std::uint64_t{8} << 30};

}  // namespace

// TODO DEV-01: ask the driver, once, and remember the answer. 0 where no driver is installed, never a crash.
int Device::count() noexcept { return 1; }

Device* Device::of(int number) noexcept { return number >= 0 && number < count() ? &simulated : nullptr; }

// TODO LOAD-04: let the driver allocate, and fail when it has no memory left.
void Device::take(std::uint64_t bytes) {
    std::uint64_t used = used_;
    do {
        if (bytes > memory_ - used) {
            throw Failure(CUDA_ERROR_OUT_OF_MEMORY);
        }
    } while (!used_.compare_exchange_weak(used, used + bytes));
}

// TODO FAULT-05: ask the device whether it still answers, for instance by a copy of a few bytes.
bool Device::is_healthy() const noexcept { return memory_ > 0; }

}  // namespace my_backend
