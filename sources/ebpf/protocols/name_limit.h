// NameLimit: keeps the number of distinct span names per process bounded, whatever the traced
// programs send. Names once admitted stay admitted. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace weft::ebpf {

class NameLimit {
 public:
  explicit NameLimit(size_t per_scope) : per_scope_(per_scope) {}

  // Whether `name` may be used in `scope` (a process and protocol): known already, or new and
  // below the limit. At most kMaxScopes scopes are kept; when full, all are forgotten.
  bool Admit(uint64_t scope, std::string_view name);

  static constexpr size_t kMaxScopes = 8192;

 private:
  size_t per_scope_;
  std::unordered_map<uint64_t, std::unordered_set<uint64_t>> scopes_;
};

}  // namespace weft::ebpf
