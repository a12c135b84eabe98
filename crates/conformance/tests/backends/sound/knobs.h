/* Every choice that the contract leaves open, as a compile-time macro with the plain library's choice. */
#ifndef BACKENDS_KNOBS_H
#define BACKENDS_KNOBS_H

/* Devices and their memory; the code for a machine that has none (8, or 1). */
#ifndef SOUND_DEVICES
#define SOUND_DEVICES 1
#endif
#ifndef SOUND_DEVICE_BYTES
#define SOUND_DEVICE_BYTES (24ull << 30)
#endif
#ifndef SOUND_NO_DEVICE_CODE
#define SOUND_NO_DEVICE_CODE 8
#endif

/* 0 addresses; 1 one counter, never recycled; 2 lowest free number, a table per kind; 3 negative numbers. */
#ifndef SOUND_HANDLES
#define SOUND_HANDLES 0
#endif

/* Milliseconds: each call that works, each load, the process's first load. */
#ifndef SOUND_CALL_MS
#define SOUND_CALL_MS 0
#endif
#ifndef SOUND_LOAD_MS
#define SOUND_LOAD_MS 0
#endif
#ifndef SOUND_FIRST_MS
#define SOUND_FIRST_MS 0
#endif

/* Of tensor types, only F32 and those with blocks of 256. */
#ifndef SOUND_K_TYPES_ONLY
#define SOUND_K_TYPES_ONLY 0
#endif

/* Process usage: a constant, a part that appears at the first load, noise, every device in one figure. */
#ifndef SOUND_OVERHEAD_BYTES
#define SOUND_OVERHEAD_BYTES 0
#endif
#ifndef SOUND_LAZY_OVERHEAD_BYTES
#define SOUND_LAZY_OVERHEAD_BYTES 0
#endif
#ifndef SOUND_NOISE_BYTES
#define SOUND_NOISE_BYTES 0
#endif
#ifndef SOUND_ONE_FIGURE
#define SOUND_ONE_FIGURE 0
#endif

/* Model usage: 0 tensors and a little scratch, 1 the tensor bytes exactly, 2 the largest that LOAD-07 allows. */
#ifndef SOUND_USAGE
#define SOUND_USAGE 0
#endif
#ifndef SOUND_KV_IN_MODEL
#define SOUND_KV_IN_MODEL 0
#endif
#ifndef SOUND_LAZY_KV
#define SOUND_LAZY_KV 0
#endif

/* Refusals, by the code given; 0 serves the request. */
#ifndef SOUND_SECOND_JOB
#define SOUND_SECOND_JOB 0
#endif
#ifndef SOUND_SECOND_MODEL
#define SOUND_SECOND_MODEL 0
#endif
#ifndef SOUND_EMPTY_PROMPT
#define SOUND_EMPTY_PROMPT 0
#endif
#ifndef SOUND_BAD_UTF8
#define SOUND_BAD_UTF8 5
#endif
/* A job that cannot fit the context: refused at start with this code, or ended by next with this code. */
#ifndef SOUND_FULL_START
#define SOUND_FULL_START 0
#endif
#ifndef SOUND_FULL_NEXT
#define SOUND_FULL_NEXT 0
#endif
#ifndef SOUND_LONG_PROMPT
#define SOUND_LONG_PROMPT 5
#endif
/* After the end, a buffer of size 0: 0 stays at the end, 5 complains. */
#ifndef SOUND_AFTER_END
#define SOUND_AFTER_END 0
#endif

/* Output: tokens without text before each with text, sequences of a few tokens, seeds of 32 bits. */
#ifndef SOUND_EMPTY_TOKENS
#define SOUND_EMPTY_TOKENS 0
#endif
#ifndef SOUND_EARLY_END
#define SOUND_EARLY_END 0
#endif
#ifndef SOUND_SEED_BITS
#define SOUND_SEED_BITS 64
#endif
/* Writes what it may into the caller's memory: the whole buffer on success, its first byte on false. */
#ifndef SOUND_WRITES_ALL
#define SOUND_WRITES_ALL 0
#endif
#ifndef SOUND_ZERO_ON_FAILED_LOAD
#define SOUND_ZERO_ON_FAILED_LOAD 0
#endif
#ifndef SOUND_OTHER_MESSAGE
#define SOUND_OTHER_MESSAGE 0
#endif

/* The process: 1 a thread a context, 2 one thread made when the library is loaded, which does all work. */
#ifndef SOUND_LANE
#define SOUND_LANE 0
#endif
#ifndef SOUND_IDLE_THREAD
#define SOUND_IDLE_THREAD 0
#endif
#ifndef SOUND_POOL_THREADS
#define SOUND_POOL_THREADS 0
#endif
#ifndef SOUND_FIRST_USE_CACHE
#define SOUND_FIRST_USE_CACHE 0
#endif
#ifndef SOUND_RESERVED_GIB
#define SOUND_RESERVED_GIB 0
#endif
#ifndef SOUND_STACK_BYTES
#define SOUND_STACK_BYTES 0
#endif
#ifndef SOUND_RESTORES
#define SOUND_RESTORES 0
#endif
#ifndef SOUND_FORK_REFUSED
#define SOUND_FORK_REFUSED 0
#endif
/* Aborts on what section 3 calls the caller's error, instead of bearing it. */
#ifndef SOUND_UNFORGIVING
#define SOUND_UNFORGIVING 0
#endif

/* One deliberate violation in the sources themselves: -DDEFECT=name, of the list in defects.h. */
#ifdef DEFECT
#include "defects.h"
#define DEFECT_PASTE(name) D_##name
#define DEFECT_NUMBER(name) DEFECT_PASTE(name)
#define BROKEN(name) (DEFECT_NUMBER(DEFECT) == D_##name)
#else
#define BROKEN(name) 0
#endif

#endif
