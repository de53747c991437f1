#include "engine/api/plugin_abi.h"

#include <gtest/gtest.h>

#define PIN(type, field, offset) \
  static_assert(offsetof(type, field) == (offset), #type "." #field " has moved");
#define PIN_SIZE(type, bytes) static_assert(sizeof(type) >= (bytes), #type " has shrunk");
#include "tests/unit/plugin/abi_pins.h"

extern "C" unsigned WeftSizeOfSpansInC(void);

namespace {

TEST(PluginAbi, HasTheSameLayoutInCAndCxx) { EXPECT_EQ(sizeof(weft_spans), WeftSizeOfSpansInC()); }

}  // namespace
