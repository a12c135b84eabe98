/* Facts about the contract's types that a C compiler found. */
#ifndef TYPES_IN_C_H
#define TYPES_IN_C_H

#include <stddef.h>

#include "worker_ffi.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const size_t size_of_bool_in_c;
extern const size_t size_of_code_in_c;
extern const size_t size_of_handle_in_c;

/* The value of the error code at this place of the enumeration, 0 to 9. */
int code_in_c(int number);

#ifdef __cplusplus
}
#endif

#endif
