/* The GPUs of this machine and a ledger of their memory. One of 8 GiB is simulated until you ask the driver. */
#include "backend.h"

enum { DEVICES = 1 };

static Device devices[DEVICES] = {{.memory = UINT64_C(8) << 30}};

/* TODO DEV-01: ask the driver, once, and remember the answer. 0 where no driver is installed, never a crash. */
int device_count(void) { return DEVICES; }

Device* device_of(int number) {
    if (number < 0 || number >= device_count()) {
        return NULL;
    }
    return &devices[number];
}

/* TODO LOAD-04: let the driver allocate, and give false when it has no memory left. */
bool device_take(Device* device, uint64_t bytes) {
    uint64_t used = atomic_load(&device->memory_used);
    do {
        if (bytes > device->memory - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&device->memory_used, &used, used + bytes));
    return true;
}

void device_give_back(Device* device, uint64_t bytes) { atomic_fetch_sub(&device->memory_used, bytes); }

/* TODO FAULT-05: ask the device whether it still answers, for instance by a copy of a few bytes. */
bool device_is_healthy(const Device* device) { return device->memory > 0; }
