// Saved state of the delay correlator, as it comes back from a stream. The checksum is put right,
// so that the fields behind it are reached.
#include <cstdint>
#include <string>

#include "plugins/correlator-delay/state_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::plugins::delay::ProcessLearner;
  using weft::plugins::delay::StateCodec;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ProcessLearner as_it_is;
  StateCodec::Load(input, as_it_is);
  ProcessLearner learner;
  if (StateCodec::Load(StateCodec::Seal(std::string(input)), learner)) StateCodec::Save(learner);
  return 0;
}
