/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/**
 * worker_types.h: the three opaque handles of the worker ABI.
 *
 * Part of the worker ABI, version 1.0, locked 2025-10-04. The lock and its change control are in LOCK.md; the
 * functions that make and take these handles are in worker_ffi.h.
 *
 * A handle is whatever non-NULL value the library returned: the host stores it, compares it with NULL and hands it
 * back, and never reads through it. The struct tags are never completed, so that no host can depend on a layout.
 *
 * Ownership: a handle belongs to the library. The host ends its life with exactly one call of the function named
 * below, results before their model, models before their context. Using a handle after that, ending it twice, or
 * giving it to another library is the host's error and is not defined.
 *
 * Threads: no two calls at once on a context, its models and its results, except for the reads named in worker_ffi.h.
 *
 * Spec: M0-W-1052, CUDA-4030.
 */
#ifndef WORKER_TYPES_H
#define WORKER_TYPES_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One use of one GPU: its device, its memory and whatever runtime state the library keeps for it.
 *
 * Made by cuda_init(), ended by cuda_destroy(). Several contexts live side by side. [DEV-05]
 * Spec: M0-W-1010, M0-W-1110.
 */
typedef struct CudaContext CudaContext;

/**
 * One model whose weights all lie in the memory of its context's device. [LOAD-06]
 *
 * Made by cuda_load_model(), ended by cuda_unload_model(), before its context. Never changes while it lives. [LOAD-10]
 * Spec: M0-W-1011, M0-W-1012, M0-W-1200.
 */
typedef struct CudaModel CudaModel;

/**
 * One generation under way: prompt, sampler state, position and KV cache.
 *
 * Made by cuda_inference_start(), ended by cuda_inference_free(), before its model and at any point. [INF-11]
 * Spec: M0-W-1300, M0-W-1310.
 */
typedef struct InferenceResult InferenceResult;

#ifdef __cplusplus
}
#endif

#endif /* WORKER_TYPES_H */
