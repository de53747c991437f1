// RouteNames: the span names of requests: method and route template, bounded per process,
// remembered per path, because the same few paths come again and again.
//
// One per HTTP/1 protocol; the conversations of a ProtocolSet share it. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/name_limit.h"

namespace weft::ebpf::http1 {

class RouteNames {
 public:
  // `limit` must outlive this.
  explicit RouteNames(NameLimit& limit) : limit_(limit), slots_(kSlots) {}

  // "GET /items/{id}", valid until the next call. `path` as in the request, without the query;
  // `method` is one of the registered ones.
  std::string_view NameOf(uint32_t pid, std::string_view method, std::string_view path);

 private:
  static constexpr size_t kSlots = 2048;
  static constexpr size_t kMaxPath = 128;  // longer ones are not remembered
  struct Slot {
    uint32_t pid = 0;
    std::string key, name;  // method, blank, path
  };
  void Make(uint32_t pid, std::string_view method, std::string_view path, std::string* name);

  NameLimit& limit_;
  std::vector<Slot> slots_;
  std::string other_;
};

}  // namespace weft::ebpf::http1
