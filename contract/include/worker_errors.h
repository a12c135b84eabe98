/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/**
 * worker_errors.h: the ten codes of the worker ABI, and the function that puts one in words.
 *
 * Part of the worker ABI, version 1.0, locked 2025-10-04. The lock and its change control are in LOCK.md.
 *
 * Codes: 0 is success and every failure is positive. The numbers are fixed by the lock: a host may store them, log
 * them and compare them across versions. Section 9 of the M0 spec numbers them differently; the lock wins. A function
 * reports only codes of its own set, listed beside it; CUDA_ERROR_UNKNOWN is in every set. [ERR-03, ERR-04]
 *
 * Hazard: CUDA_SUCCESS and several other enumerators have the names of enumerators of NVIDIA's driver API. No
 * translation unit may include both this header and <cuda.h>. <cuda_runtime_api.h> is fine.
 *
 * Spec: M0-W-1052, M0-W-1500, M0-W-1501.
 */
#ifndef WORKER_ERRORS_H
#define WORKER_ERRORS_H

#ifdef __cplusplus
extern "C" {
#endif

/** What became of a call. Out-parameters carry these values in a plain int, 4 bytes wide. [MEM-02] */
typedef enum {
    /** The call did what it was asked to do; for cuda_inference_next_token() also: the sequence has ended. */
    CUDA_SUCCESS = 0,
    /** The device number is not below the device count, or the device no longer works. [DEV-03, FAULT-05] */
    CUDA_ERROR_INVALID_DEVICE = 1,
    /** Device memory does not suffice; what the call had taken is given back. [LOAD-04, LOAD-08, FAULT-01, FAULT-06] */
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    /** The model file cannot be read, is malformed, or is of a kind not supported. [LOAD-02, LOAD-03] */
    CUDA_ERROR_MODEL_LOAD_FAILED = 3,
    /** A generation cannot start or go on. [INF-13, INF-15, FAULT-03] */
    CUDA_ERROR_INFERENCE_FAILED = 4,
    /** A pointer is NULL that may not be, or a value lies outside its range. [NULL-02, INF-02, INF-03, INF-09] */
    CUDA_ERROR_INVALID_PARAMETER = 5,
    /** The device refused to start a kernel. [FAULT-02] */
    CUDA_ERROR_KERNEL_LAUNCH_FAILED = 6,
    /** Weights are no longer in device memory. [FAULT-04] */
    CUDA_ERROR_VRAM_RESIDENCY_FAILED = 7,
    /** The machine has no device at all. [DEV-04] */
    CUDA_ERROR_DEVICE_NOT_FOUND = 8,
    /** Anything else, a caught exception among it. [ERR-08] */
    CUDA_ERROR_UNKNOWN = 99
} CudaErrorCode;

/**
 * Put a code in words, for logs and people.
 *
 * @param error_code  Any int, defined or not. An undefined one gets the message of CUDA_ERROR_UNKNOWN. [MSG-05]
 * @return NUL-terminated, non-empty UTF-8; never NULL. The pointer and its bytes stay the same for a code at every
 *         call, before the first context and after the last one too. The ten codes have ten different messages.
 *         [MSG-01, MSG-02, MSG-03, MSG-04]
 * Codes: reports none.
 * Ownership: the text is static and the library's; the host neither frees nor changes it.
 * Threads: any number at once. [MSG-06, THR-01] Spec: M0-W-1500, M0-W-1501.
 */
const char* cuda_error_message(int error_code);

#ifdef __cplusplus
}
#endif

#endif /* WORKER_ERRORS_H */
