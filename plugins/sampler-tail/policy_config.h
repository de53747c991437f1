// ReadPolicies: the policies of tail_sampling as the Collector's YAML has them, made into a set.
//
// Policies come as they are in a Collector's file: {name, type, <type>: {...}}. Every mistake is
// named with its path; a type that needs code inside the Collector (extension) is refused by name.
// Throws sdk::ConfigError. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/sampling/settings.h"
#include "plugins/sampler-tail/policy_set.h"

namespace weft::tail {

class PolicyReader {
 public:
  // The tests that policies need are added to `tests`, which must outlive them.
  explicit PolicyReader(SpanTests& tests) : tests_(tests) {}

  // A whole list.
  PolicySet ReadSet(std::vector<sampling::Settings> policies, bool first_match);
  // One condition, where nothing may depend on chance or a budget.
  PolicyPtr ReadCondition(sampling::Settings policy);
  bool wants_bytes() const { return wants_bytes_; }

 private:
  enum class Place : uint8_t { kTop, kInside };
  // kInside: below and, not, drop or composite.
  PolicyPtr Read(sampling::Settings& policy, const std::string& type, Place place);
  PolicyPtr ReadSimple(sampling::Settings& policy, const std::string& type);
  PolicyPtr ReadString(sampling::Settings& s);
  PolicyPtr ReadNumeric(sampling::Settings& s);
  PolicyPtr ReadBoolean(sampling::Settings& s);
  PolicyPtr ReadTraceState(sampling::Settings& s);
  PolicyPtr ReadStatus(sampling::Settings& s);
  PolicyPtr ReadProbabilistic(sampling::Settings& s);
  PolicyPtr ReadLimit(sampling::Settings& s, bool bytes);
  PolicyPtr ReadOttl(sampling::Settings& s);
  PolicyPtr ReadComposite(sampling::Settings& s);
  std::vector<PolicyPtr> ReadParts(sampling::Settings& s, const char* key);

  SpanTests& tests_;
  std::vector<Salt> salts_;
  uint32_t limiters_ = 0;
  bool condition_ = false;
  bool wants_bytes_ = false;
};

}  // namespace weft::tail
