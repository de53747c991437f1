#include "sources/ebpf/protocols/http1/route_names.h"

#include <algorithm>
#include <utility>

#include "engine/api/plugin_abi.h"
#include "engine/base/hash.h"
#include "sources/ebpf/protocols/http1/route.h"
#include "sources/ebpf/quick_hash.h"

namespace weft::ebpf::http1 {

std::string_view RouteNames::NameOf(uint32_t pid, std::string_view method, std::string_view path) {
  if (path.size() > kMaxPath) {
    Make(pid, method, path, &other_);
    return other_;
  }
  // Two places for each path; what is found moves to the first, what is new takes the second.
  Slot* const pair = &slots_[QuickHash(path, pid + method.size() * 0x10000) % (kSlots / 2) * 2];
  const auto is = [&](const Slot& slot) {
    const std::string_view key = slot.key;
    return slot.pid == pid && key.size() == method.size() + 1 + path.size() &&
           key.starts_with(method) && key.ends_with(path);
  };
  if (is(pair[0])) return pair[0].name;
  if (is(pair[1])) {
    std::swap(pair[0], pair[1]);
    return pair[0].name;
  }
  Slot& slot = pair[1];
  slot.pid = pid;
  slot.key.assign(method).append(" ").append(path);
  Make(pid, method, path, &slot.name);
  return slot.name;
}

void RouteNames::Make(uint32_t pid, std::string_view method, std::string_view path,
                      std::string* name) {
  name->assign(method);
  if (method == "CONNECT") return;
  name->push_back(' ');
  if (path == "*") {
    name->push_back('*');
    return;
  }
  AppendRouteGuess(path, name);
  const uint64_t scope = HashCombine(pid, WEFT_PROTOCOL_HTTP1);
  if (limit_.Admit(scope, *name)) return;
  // One level is enough to tell services' areas apart; beyond that, the method alone.
  const size_t slash = name->find('/', method.size() + 2);
  name->resize(std::min(slash, name->size()));
  name->append("/*");
  if (!limit_.Admit(HashCombine(scope, 1), *name)) name->assign(method).append(" *");
}

}  // namespace weft::ebpf::http1
