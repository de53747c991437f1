// ProtocolSet: the protocols in use, their settings, and the parsers' part of the ledger.
//
// Made once by the agent and shared by all conversations, which it must outlive. They run on one
// thread: limits and caches are shared without a lock.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/metrics.h"
#include "sources/ebpf/protocols/http1/head_memory.h"
#include "sources/ebpf/protocols/name_limit.h"
#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/redact.h"
#include "sources/ebpf/token_reader.h"

namespace weft::ebpf {

struct ProtocolSettings {
  bool http1 = true;
  bool redis = true;
  bool capture_truth = false;        // X-Weft-Truth and weft-truth: arguments; for scoring only
  bool redis_arguments = false;      // db.query.text with its arguments instead of `?`
  std::vector<std::string> headers;  // further request and response headers, to attributes
  std::vector<std::string> secret_names;   // further query parameters and headers to redact
  bool tokens = true;                      // salted hashes of values, for the correlators
  std::string token_salt;                  // see TokenText
  std::vector<std::string> token_exclude;  // names whose values are not hashed, beside secrets
  size_t head_bytes = 16384;               // held per direction while a head is incomplete
  size_t max_open = 4096;                  // unanswered requests per connection ...
  size_t open_bytes = 1 << 20;             // ... and what they may occupy,
  size_t open_bytes_total = 32 << 20;      // and those of all connections
  size_t max_names = 256;                  // distinct span names per process and protocol
};

inline constexpr std::string_view kTruthHeader = "x-weft-truth";

// A configured header and the attribute keys it is published under.
struct HeaderKey {
  std::string name;  // lower case
  std::string request_key, response_key;
};

class ProtocolSet {
 public:
  // `metrics` must outlive the set.
  ProtocolSet(ProtocolSettings settings, Metrics& metrics);
  ProtocolSet(const ProtocolSet&) = delete;
  ProtocolSet& operator=(const ProtocolSet&) = delete;
  ~ProtocolSet();

  struct Counters {
    Counter& exchanges;        // handed out, in whatever condition
    Counter& unanswered;       // of those: without a response
    Counter& incomplete;       // of those: touched by loss
    Counter& unpaired;         // responses that belong to no request that was seen
    Counter& invalid;          // heads that did not parse
    Counter& resyncs;          // times a direction lost its place
    Counter& lost_bytes;       // jumps in position
    Counter& overflow;         // open requests or heads beyond their bounds
    Counter& context_invalid;  // trace context headers that were ignored
    Counter& unrecognised;     // connections given up
  };
  const ProtocolSettings& settings() const { return settings_; }
  const Counters& counters() const { return counters_; }
  const Redactor& redactor() const { return redactor_; }
  const std::vector<HeaderKey>& header_keys() const { return header_keys_; }
  const TokenReader* tokens() const { return tokens_.get(); }  // null: not wanted
  http1::HeadMemory& heads() const { return heads_; }
  NameLimit& names() const { return names_; }
  OpenBudget& open_budget() const { return open_budget_; }
  const std::vector<std::unique_ptr<Protocol>>& protocols() const { return protocols_; }

 private:
  ProtocolSettings settings_;
  Counters counters_;
  Redactor redactor_;
  std::vector<HeaderKey> header_keys_;
  mutable http1::HeadMemory heads_;
  std::unique_ptr<TokenReader> tokens_;
  mutable NameLimit names_;
  mutable OpenBudget open_budget_;
  std::vector<std::unique_ptr<Protocol>> protocols_;
};

}  // namespace weft::ebpf
