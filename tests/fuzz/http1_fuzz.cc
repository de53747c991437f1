#include "tests/fuzz/conversation_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::RunConversation(data, size, true, false);
  return 0;
}
