/* The part of <stddef.h> that an interface may use, for whatever target the parser is told. */
#ifndef WORKER_GATE_STDDEF_H
#define WORKER_GATE_STDDEF_H
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#ifdef __cplusplus
#define NULL 0
#else
typedef __WCHAR_TYPE__ wchar_t;
#define NULL ((void*)0)
#endif
#endif
