// RequestReader: one Redis command after the other, multibulk or inline, as far as captured.
//
// Part of the Redis dialogue. Writes name, text and truth to the exchange; argument values are
// published only on demand, and never those of AUTH and its like.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/protocols/protocol_set.h"
#include "sources/ebpf/protocols/redis/commands.h"

namespace weft::ebpf::redis {

Special SpecialOf(const Exchange& exchange);
uint32_t ArgumentsOf(const Exchange& exchange);

class RequestReader {
 public:
  explicit RequestReader(const ProtocolSet& set) : set_(set) {}
  Step Begin(std::string_view bytes, bool cut, Exchange* out);
  Step Continue(std::string_view bytes, bool cut, Exchange* exchange);
  void Resynchronised() { reply_off_ = skip_next_ = false; }

 private:
  static constexpr size_t kShown = 8;  // arguments in db.query.text

  Step BeginArray(std::string_view bytes, bool cut, Exchange* out);
  Step BeginInline(std::string_view bytes, bool cut, Exchange* out);
  // Behind the name, of which `used` bytes have been read.
  Step RestOfArray(std::string_view bytes, size_t used, std::string_view name, uint64_t arguments,
                   bool cut, Exchange* out);
  // Reads arguments while they are captured; the outcome tells about the whole message.
  Step Arguments(std::string_view bytes, bool cut, Exchange* exchange);
  void Argument(std::string_view value, bool whole, Exchange* exchange);
  void Describe(std::string_view name, uint64_t arguments, Exchange* out);
  std::string_view NameOf(std::string_view name, uint32_t pid);
  void AppendText(uint64_t arguments, std::string* text) const;
  void Track(Exchange* out);

  const ProtocolSet& set_;
  uint64_t left_ = 0;  // arguments of the current command not yet read
  bool reply_off_ = false, skip_next_ = false;
  const Command* command_ = nullptr;
  std::array<std::string_view, kShown> shown_;  // valid within Begin only
  size_t n_shown_ = 0;
  bool collecting_ = false;
  bool shown_whole_ = true;  // no argument so far was cut
  std::string upper_, text_, database_;
};

}  // namespace weft::ebpf::redis
