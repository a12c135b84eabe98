/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/**
 * worker_ffi.h: the C interface between a worker host and its GPU inference backend.
 *
 * The authority in code for the worker ABI, version 1.0, locked 2025-10-04. A backend is a shared library that
 * exports the 13 functions below and cuda_error_message() of worker_errors.h, 14 in all, with C linkage and default
 * visibility. [ABI-01] Change control is in LOCK.md. An identifier in brackets names the requirement of
 * requirements.yaml by which the conformance suite tests the sentence before it.
 *
 * Once for all functions of this file:
 *
 * Errors. Where there is an `error_code`, it may be NULL; otherwise it receives a CudaErrorCode at every call, 0 on
 *   success included. [ERR-01, ERR-09] A handle comes back if and only if the code is 0, and a check is true if and
 *   only if the code is 0. [ERR-02] No code outlives its call: a good call after a failed one reports 0, and a failed
 *   call leaves the library usable. [ERR-05, ERR-06] Nothing but the return crosses the boundary: no exception, no
 *   panic, no signal, no exit. [ERR-08]
 * NULL. Every pointer may be NULL and the function copes. NULL pointers are judged before ranges, and ranges before
 *   content. [NULL-08]
 * Strings. NUL-terminated UTF-8 both ways. A path is the bytes of a file name that exists.
 * Memory. The library writes only to the out-parameters and the buffer of the call, at their exact width and within
 *   their size, never writes to an input, and keeps no pointer of the host after it returns.
 *   [MEM-01, MEM-02, MEM-03, MEM-04] The host frees what the library made only through cuda_destroy(),
 *   cuda_unload_model() and cuda_inference_free().
 * Order. Results end before their model, models before their context.
 * Threads. No two calls at once on a context, its models and its results. Excepted are the reads, which may run at
 *   once with each other: both usage queries and the checks. [THR-02] Different contexts may be used from different
 *   threads at once. [THR-03] A handle made on one thread works on another, calls not overlapping. [THR-04]
 * Layers. The host owns HTTP, scheduling and process life; the library owns every GPU resource. Neither reaches into
 *   the other. Spec: M0-W-1050, M0-W-1051, M0-W-1052, CUDA-4011, CUDA-4030.
 *
 * Hazard: worker_errors.h clashes with NVIDIA's <cuda.h>; see there.
 */
#ifndef WORKER_FFI_H
#define WORKER_FFI_H

#include <stdbool.h>
#include <stdint.h>

#include "worker_errors.h"
#include "worker_types.h"

/** Version of the interface that these headers describe. It changes only with a new lock. */
#define WORKER_FFI_VERSION_MAJOR 1
#define WORKER_FFI_VERSION_MINOR 0

#ifdef __cplusplus
extern "C" {
#endif

/* Context. */

/**
 * Open a context on one GPU.
 *
 * @param gpu_device  Device number, 0 to cuda_get_device_count() - 1. [DEV-02] Any other number fails. [DEV-03, DEV-04]
 * @param error_code  Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return a new context, distinct from every living one, or NULL. [DEV-05]
 * Codes: 0, CUDA_ERROR_INVALID_DEVICE (no such device), CUDA_ERROR_INVALID_PARAMETER, CUDA_ERROR_DEVICE_NOT_FOUND
 *        (the machine has no device), CUDA_ERROR_UNKNOWN. [ERR-04]
 * Ownership: the host ends the context with cuda_destroy().
 * Threads: any number at once. [DEV-07] Spec: M0-W-1010, M0-W-1100, M0-W-1110.
 */
CudaContext* cuda_init(int gpu_device, int* error_code);

/**
 * End a context and give back what it holds.
 *
 * @param ctx  Context without living models. NULL: nothing happens. [NULL-01]
 * Codes: reports none. After it, memory is as it was before cuda_init(). [DEV-06, VRAM-04]
 * Ownership: `ctx` ends.
 * Threads: one call at a time on a context, its models and its results. Spec: M0-W-1010, M0-W-1110.
 */
void cuda_destroy(CudaContext* ctx);

/**
 * Count the GPUs that contexts can be opened on.
 *
 * @return 0 or more, the same at every call; 0 also where no driver is installed. [DEV-01]
 * Codes: reports none.
 * Ownership: nothing passes. Callable before anything else.
 * Threads: any number at once. [THR-01] Spec: M0-W-1100.
 */
int cuda_get_device_count(void);

/* Model. */

/**
 * Load a GGUF version 3 file into the memory of the context's device, weights still quantised. [LOAD-01, LOAD-07]
 *
 * @param ctx              Context to load into. NULL: returns NULL, CUDA_ERROR_INVALID_PARAMETER. [NULL-02]
 * @param model_path       File to read; it is neither written, nor needed after the return. NULL: as for `ctx`.
 *                         [LOAD-10, LOAD-11, NULL-02]
 * @param vram_bytes_used  Receives the bytes of device memory that the model takes, the figure of both usage queries;
 *                         untouched or 0 on failure. NULL: as for `ctx`. [LOAD-05, ERR-07, NULL-02]
 * @param error_code       Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return a new model, or NULL. A second model in a context may be refused with CUDA_ERROR_OUT_OF_MEMORY. [LOAD-12]
 * Codes: 0, CUDA_ERROR_OUT_OF_MEMORY (the device cannot hold it [LOAD-04]), CUDA_ERROR_MODEL_LOAD_FAILED (no such
 *        file, malformed, or not supported [LOAD-02, LOAD-03, LOAD-13]), CUDA_ERROR_INVALID_PARAMETER,
 *        CUDA_ERROR_UNKNOWN. [ERR-04] A failed load gives back what it took. [LOAD-08]
 * Ownership: the host ends the model with cuda_unload_model(), before its context.
 * Threads: one call at a time on a context, its models and its results.
 * Spec: M0-W-1002, M0-W-1011, M0-W-1012, M0-W-1020, M0-W-1200, M0-W-1201, M0-W-1210, M0-W-1211, M0-W-1212, M0-W-1213,
 *       M0-W-1214, M0-W-1215, M0-W-1220, M0-W-1221, M0-W-1222.
 */
CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code);

/**
 * End a model and give back the device memory it takes. [LOAD-09]
 *
 * @param model  Model without living results. NULL: nothing happens. [NULL-01]
 * Codes: reports none.
 * Ownership: `model` ends; its context lives on.
 * Threads: one call at a time on a context, its models and its results. Spec: M0-W-1011, M0-W-1220.
 */
void cuda_unload_model(CudaModel* model);

/**
 * Tell how many bytes of device memory a model takes.
 *
 * Another name for cuda_get_vram_usage(): both give one figure at every moment. [VRAM-01]
 *
 * @param model  Model to ask about. NULL: returns 0. [NULL-06]
 * @return bytes, constant while no job runs on the model. [VRAM-02]
 * Codes: reports none.
 * Ownership: nothing passes.
 * Threads: any number at once, with other reads. [THR-02] Spec: M0-W-1011.
 */
uint64_t cuda_model_get_vram_usage(CudaModel* model);

/* Inference. */

/**
 * Begin a generation: read the prompt, reserve the KV cache, set up the sampler.
 *
 * The text depends on nothing but model, prompt, max_tokens, temperature and seed, on one device with one library.
 * At temperature 0 the most likely token is taken and the seed does not matter. [DET-01, DET-04, DET-05, DET-08]
 *
 * @param model        Model to run. NULL: returns NULL, CUDA_ERROR_INVALID_PARAMETER. [NULL-03]
 * @param prompt       UTF-8 text. NULL: as for `model`. An empty one, and one that is not UTF-8, may be refused with
 *                     CUDA_ERROR_INVALID_PARAMETER. [NULL-03, INF-04, INF-05, UTF8-03]
 * @param max_tokens   Most tokens to produce, 1 to 2048. Outside: CUDA_ERROR_INVALID_PARAMETER. [INF-01, INF-02]
 * @param temperature  0.0 (greedy) to 2.0, -0.0 included. Outside, NaN or infinite: CUDA_ERROR_INVALID_PARAMETER.
 *                     [INF-01, INF-03]
 * @param seed         Start of the random numbers, any value. [INF-01, DET-05, DET-06]
 * @param error_code   Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return an open job, or NULL. A second job on a model may be refused with CUDA_ERROR_INFERENCE_FAILED or
 *         CUDA_ERROR_OUT_OF_MEMORY. [INF-15]
 * Codes: 0, CUDA_ERROR_OUT_OF_MEMORY (no room for the KV cache [FAULT-01]), CUDA_ERROR_INFERENCE_FAILED (the prompt
 *        does not fit the context length, or the job is refused [INF-13]), CUDA_ERROR_INVALID_PARAMETER,
 *        CUDA_ERROR_UNKNOWN. [ERR-04]
 * Ownership: the host ends the job with cuda_inference_free(), before its model.
 * Threads: one call at a time on a context, its models and its results.
 * Spec: M0-W-1021, M0-W-1030, M0-W-1031, M0-W-1032, M0-W-1040, M0-W-1300, M0-W-1301, M0-W-1362, M0-W-1825, M0-W-1826.
 */
InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature,
                                      uint64_t seed, int* error_code);

/**
 * Produce the next token of a job as text.
 *
 * Bytes of an unfinished code point are held back until the call that completes it, so that a token's text may be
 * empty. [UTF8-01, UTF8-02]
 *
 * @param result             Open job. NULL: returns false, CUDA_ERROR_INVALID_PARAMETER. [NULL-04]
 * @param token_out          Receives NUL-terminated UTF-8. NULL: as for `result`. [UTF8-01, NULL-04]
 * @param token_buffer_size  Bytes at `token_out`, none written past them [MEM-01]. 0, negative, or too small for the
 *                           text and its NUL: false, CUDA_ERROR_INVALID_PARAMETER [INF-09]; the same token comes from
 *                           the next call with room [INF-10].
 * @param token_index        Receives 0, 1, 2, ... without a gap. May be NULL. [INF-06, NULL-05]
 * @param error_code         Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return true when a token was produced. false with code 0 at the end of the sequence or after max_tokens tokens,
 *         and at every later call; false with another code on an error. [INF-07, INF-08]
 * Codes: 0, CUDA_ERROR_OUT_OF_MEMORY [FAULT-06], CUDA_ERROR_INFERENCE_FAILED [FAULT-03], CUDA_ERROR_INVALID_PARAMETER,
 *        CUDA_ERROR_KERNEL_LAUNCH_FAILED [FAULT-02], CUDA_ERROR_UNKNOWN. [ERR-04]
 * Ownership: nothing passes.
 * Threads: one call at a time on a context, its models and its results.
 * Spec: M0-W-1021, M0-W-1031, M0-W-1300, M0-W-1301, M0-W-1310, M0-W-1311, M0-W-1362, M0-W-1430, M0-W-1431, M0-W-1432,
 *       M0-W-1433, M0-W-1434, M0-W-1824.
 */
bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index,
                               int* error_code);

/**
 * End a job and give back its KV cache. [INF-12]
 *
 * @param result  Job at any point: fresh, midway, ended or failed [INF-11]. NULL: nothing happens. [NULL-01]
 * Codes: reports none.
 * Ownership: `result` ends; its model lives on.
 * Threads: one call at a time on a context, its models and its results. Spec: M0-W-1021, M0-W-1300.
 */
void cuda_inference_free(InferenceResult* result);

/* Health. */

/**
 * Check that the weights of a model still lie in device memory.
 *
 * @param model       Model to check. NULL: returns false, CUDA_ERROR_INVALID_PARAMETER. [NULL-07]
 * @param error_code  Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return true while all weights are resident, as they are after a load [HEALTH-01]; changes nothing, and may be
 *         called in the middle of a job. [HEALTH-03]
 * Codes: 0, CUDA_ERROR_INVALID_PARAMETER, CUDA_ERROR_VRAM_RESIDENCY_FAILED (weights have left [FAULT-04]),
 *        CUDA_ERROR_UNKNOWN. [ERR-04]
 * Ownership: nothing passes.
 * Threads: any number at once, with other reads. [THR-02] Spec: M0-W-1012.
 */
bool cuda_check_vram_residency(CudaModel* model, int* error_code);

/**
 * Tell how many bytes of device memory a model takes.
 *
 * Another name for cuda_model_get_vram_usage(): both give one figure at every moment. [VRAM-01]
 *
 * @param model  Model to ask about. NULL: returns 0. [NULL-06]
 * @return bytes, constant while no job runs on the model. [VRAM-02]
 * Codes: reports none.
 * Ownership: nothing passes.
 * Threads: any number at once, with other reads. [THR-02] Spec: M0-W-1011.
 */
uint64_t cuda_get_vram_usage(CudaModel* model);

/**
 * Tell how many bytes of device memory the process takes on the device of a context.
 *
 * @param ctx  Context whose device is meant. NULL: returns 0. [NULL-06]
 * @return bytes, never less than the sum of its models' usage [VRAM-03]; may hold a constant overhead of the runtime.
 *         Back at its start when everything is released. [VRAM-04]
 * Codes: reports none.
 * Ownership: nothing passes.
 * Threads: any number at once, with other reads. [THR-02] Spec: M0-W-1011.
 */
uint64_t cuda_get_process_vram_usage(CudaContext* ctx);

/**
 * Check that the device of a context still works.
 *
 * @param ctx         Context whose device is meant. NULL: returns false, CUDA_ERROR_INVALID_PARAMETER. [NULL-07]
 * @param error_code  Receives the code, 0 included. May be NULL. [ERR-01, ERR-09]
 * @return true while the device works [HEALTH-02]; changes nothing, and may be called in the middle of a job.
 *         [HEALTH-03]
 * Codes: 0, CUDA_ERROR_INVALID_DEVICE (the device does not answer [FAULT-05]), CUDA_ERROR_INVALID_PARAMETER,
 *        CUDA_ERROR_UNKNOWN. [ERR-04]
 * Ownership: nothing passes.
 * Threads: any number at once, with other reads. [THR-02] Spec: M0-W-1010, M0-W-1100.
 */
bool cuda_check_device_health(CudaContext* ctx, int* error_code);

#ifdef __cplusplus
}
#endif

#endif /* WORKER_FFI_H */
