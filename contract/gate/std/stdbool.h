/* <stdbool.h>, for whatever target the parser is told. */
#ifndef WORKER_GATE_STDBOOL_H
#define WORKER_GATE_STDBOOL_H
#ifndef __cplusplus
#define bool _Bool
#define true 1
#define false 0
#endif
#define __bool_true_false_are_defined 1
#endif
