// UrlTexts: what the target of a request becomes: span name, and path and query without secrets.
// Remembered per target, because the same few come again and again.
//
// One per HTTP/1 protocol; the conversations of a ProtocolSet share it. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/http1/route_names.h"
#include "sources/ebpf/redact.h"

namespace weft::ebpf::http1 {

class UrlTexts {
 public:
  // Both must outlive this.
  UrlTexts(NameLimit& limit, const Redactor& redactor)
      : routes_(limit), redactor_(redactor), slots_(kSlots) {}

  struct Texts {
    std::string name;  // RouteNames'
    std::string path, query;
  };
  // Valid until the next call. `method` is one of the registered ones; `query` empty, or behind the
  // path and a `?` in the same text.
  const Texts& Of(uint32_t pid, std::string_view method, std::string_view path,
                  std::string_view query);

 private:
  static constexpr size_t kSlots = 4096;
  static constexpr size_t kMaxTarget = 192;  // longer ones are not remembered
  struct Slot {
    uint32_t pid = 0;
    std::string key;  // method, target
    Texts texts;
  };
  void Make(uint32_t pid, std::string_view method, std::string_view path, std::string_view query,
            Texts* out);

  RouteNames routes_;
  const Redactor& redactor_;
  std::vector<Slot> slots_;
  Texts other_;
};

}  // namespace weft::ebpf::http1
