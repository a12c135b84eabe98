/* Handles: addresses, or numbers that mean something to this table only. */
#include <pthread.h>
#include <stdlib.h>

#include "parts.h"

enum { SLOTS = 4096 };

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { void *thing; uint64_t number; } slots[3][SLOTS];
#if SOUND_HANDLES != 0
static uint64_t counter;
#endif

static int slot_of(enum handle_kind kind, uint64_t number) {
    for (int i = 0; i < SLOTS; i++)
        if (slots[kind][i].thing != NULL && slots[kind][i].number == number) return i;
    return -1;
}

void *handle_make(enum handle_kind kind, void *thing) {
    uint64_t number = 0;
    pthread_mutex_lock(&table_lock);
    int free_slot = 0;
    while (free_slot < SLOTS && slots[kind][free_slot].thing != NULL) free_slot++;
    if (free_slot < SLOTS) {
#if SOUND_HANDLES == 0
        number = (uint64_t)(uintptr_t)thing;
#elif SOUND_HANDLES == 1
        number = ++counter;
#elif SOUND_HANDLES == 2
        counter++;
        number = (uint64_t)free_slot + 1;
#else
        number = 0 - ++counter;
#endif
        slots[kind][free_slot].thing = thing;
        slots[kind][free_slot].number = number;
    }
    pthread_mutex_unlock(&table_lock);
    return (void *)(uintptr_t)number;
}

void *handle_open(enum handle_kind kind, void *handle) {
    pthread_mutex_lock(&table_lock);
    int at = slot_of(kind, (uint64_t)(uintptr_t)handle);
    void *thing = at < 0 ? NULL : slots[kind][at].thing;
    pthread_mutex_unlock(&table_lock);
    /* A handle that is not live is the caller's error. */
    if (thing == NULL) abort();
    return thing;
}

void handle_drop(enum handle_kind kind, void *handle) {
    pthread_mutex_lock(&table_lock);
    int at = slot_of(kind, (uint64_t)(uintptr_t)handle);
    if (at >= 0) slots[kind][at].thing = NULL;
    pthread_mutex_unlock(&table_lock);
}
