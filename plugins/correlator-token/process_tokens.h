// ProcessTokens: what one process has shown of its values: how frequent each is, how reliably calls
// share one with their cause.
//
// A value can be shared in three ways, each with counts and reliabilities of its own:
//   kRequest    the call has a value of the request
//   kResponse   the call, or its answer, has a value of the request's answer
//   kEarlier    the call has a value of the answer to an earlier call of the request
// Bounded: see TokenCounts and kMaxKinds. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "plugins/correlator-token/token_counts.h"
#include "plugins/correlator-token/token_reliability.h"

namespace weft::plugins::token {

enum Way : uint32_t { kRequest = 0, kResponse = 1, kEarlier = 2, kWays = 3 };

class ProcessTokens {
 public:
  static constexpr size_t kMaxKinds = 2048;  // of (operation, call, way); the rest share one

  // Of requests of that operation, the share that has the value. `counted`: the request that it is
  // asked for is among them already.
  float Frequency(uint64_t operation, Way way, uint32_t token, bool counted) const;
  void CountRequest(uint64_t operation, Way way) { counts_.Add(TokenCounts::Key(operation, way)); }
  void CountToken(uint64_t operation, Way way, uint32_t token) {
    counts_.Add(TokenKey(operation, way, token));
  }
  TokenReliability& Reliability(uint64_t operation, uint64_t call, Way way);

  void Save(std::string& out) const;
  // False, and nothing taken, where the bytes are no state of this version.
  bool Load(std::string_view in);

 private:
  static uint32_t TokenKey(uint64_t operation, Way way, uint32_t token) {
    return TokenCounts::Key(operation + uint64_t{way}, token);
  }

  TokenCounts counts_;
  std::unordered_map<uint64_t, TokenReliability> kinds_;
};

}  // namespace weft::plugins::token
