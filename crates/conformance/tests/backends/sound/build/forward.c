/* Forwards and nothing more: the front of a library in two files, or of one whose inside comes from an archive. */
#include "../../broken/wrapper.h"

#include "../../broken/rest.h"
