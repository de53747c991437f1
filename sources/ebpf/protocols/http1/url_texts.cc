#include "sources/ebpf/protocols/http1/url_texts.h"

#include <utility>

#include "sources/ebpf/quick_hash.h"

namespace weft::ebpf::http1 {

const UrlTexts::Texts& UrlTexts::Of(uint32_t pid, std::string_view method, std::string_view path,
                                    std::string_view query) {
  const std::string_view target(path.data(), path.size() + (query.empty() ? 0 : 1 + query.size()));
  if (path.empty() || target.size() > kMaxTarget) {
    Make(pid, method, path, query, &other_);
    return other_;
  }
  // Two places for each target; what is found moves to the first, what is new takes the second.
  Slot* const pair = &slots_[QuickHash(target, pid + method.size() * 0x10000) % (kSlots / 2) * 2];
  const auto is = [&](const Slot& slot) {
    return slot.pid == pid && slot.key.size() == method.size() + target.size() &&
           SameText(std::string_view(slot.key).substr(method.size()), target) &&
           slot.key.starts_with(method);
  };
  if (is(pair[0])) return pair[0].texts;
  if (is(pair[1])) {
    std::swap(pair[0], pair[1]);
    return pair[0].texts;
  }
  Slot& slot = pair[1];
  slot.pid = pid;
  slot.key.assign(method).append(target);
  Make(pid, method, path, query, &slot.texts);
  return slot.texts;
}

void UrlTexts::Make(uint32_t pid, std::string_view method, std::string_view path,
                    std::string_view query, Texts* out) {
  out->name.assign(routes_.NameOf(pid, method, path));
  out->path.clear();
  out->query.clear();
  redactor_.Path(path, &out->path);
  if (!query.empty()) redactor_.Query(query, &out->query);
}

}  // namespace weft::ebpf::http1
