/* The ABI header compiles as C11, alone, and has the pinned layout. */
#include "engine/api/plugin_abi.h"

#define PIN(type, field, offset) \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved");
#define PIN_SIZE(type, bytes) \
  _Static_assert(sizeof(type) >= (bytes), #type " has shrunk");
#include "tests/unit/plugin/abi_pins.h"

_Static_assert(WEFT_ABI_MAJOR == 1, "the major version is in the symbol's name");

/* Called by the C++ test, so that this file is part of it. */
unsigned WeftSizeOfSpansInC(void);
unsigned WeftSizeOfSpansInC(void) { return (unsigned)sizeof(weft_spans); }
