/* Calls that have no place for their code do their work all the same: the other reading of ERR-09. */
#include "../../broken/wrapper.h"

#define OWN_INIT
#define OWN_LOAD
#define OWN_START
#define OWN_NEXT
#define OWN_RESIDENT
#define OWN_HEALTH
static __thread int spare;
#define PLACE error_code = error_code == NULL ? &spare : error_code
INIT { PLACE; return PASS_INIT; }
LOAD { PLACE; return PASS_LOAD; }
START { PLACE; return PASS_START; }
NEXT { PLACE; return PASS_NEXT; }
RESIDENT { PLACE; return PASS_RESIDENT; }
HEALTH { PLACE; return PASS_HEALTH; }

#include "../../broken/rest.h"
