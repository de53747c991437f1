#include "sources/ebpf/protocols/name_limit.h"

#include "engine/base/hash.h"

namespace weft::ebpf {

bool NameLimit::Admit(uint64_t scope, std::string_view name) {
  const uint64_t key = HashText(name);
  if (scopes_.size() >= kMaxScopes && !scopes_.contains(scope)) scopes_.clear();
  std::unordered_set<uint64_t>& names = scopes_[scope];
  if (names.contains(key)) return true;
  if (names.size() >= per_scope_) return false;
  names.insert(key);
  return true;
}

}  // namespace weft::ebpf
