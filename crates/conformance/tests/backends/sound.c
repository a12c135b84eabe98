/* The sound library in one translation unit, so that some hundred builds of it take no longer than they must. */
#define _GNU_SOURCE
#include "sound/arch.c"
#include "sound/device.c"
#include "sound/generate.c"
#include "sound/gguf.c"
#include "sound/handle.c"
#include "sound/lane.c"
#include "sound/objects.c"
#include "sound/text.c"
#include "sound/vocab.c"

#include "sound/ffi.c"
