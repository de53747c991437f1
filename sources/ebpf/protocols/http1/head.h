// HTTP/1.x heads (RFC 9112): start line and header fields as views into the captured bytes.
//
// Pure functions over borrowed bytes; used by the HTTP/1 dialogue and the fuzz target. Lenient
// where servers are (bare LF, blank lines before a request), strict where leniency could make a
// message out of something else.
#pragma once

#include <cstdint>
#include <string_view>

#include "sources/ebpf/protocols/http1/known_fields.h"
#include "sources/ebpf/protocols/protocol.h"

namespace weft::ebpf::http1 {

struct StartLine {
  std::string_view method, target;  // of a request
  int status = 0;                   // of a response
  int minor = 1;                    // HTTP/1.minor
  bool cut = false;                 // a request line whose end was not captured
};

// Each answers kDone (line read, `used` bytes with `lead`), kNeedMore or kInvalid.
Step ReadRequestLine(std::string_view bytes, bool cut, StartLine* line);
Step ReadStatusLine(std::string_view bytes, bool cut, StartLine* line);

// Walks the header fields behind the start line. `known` is lent, and asked first.
class FieldCursor {
 public:
  FieldCursor(std::string_view bytes, size_t position, KnownFields& known)
      : bytes_(bytes), position_(position), known_(known) {}
  enum class Item { kField, kEnd, kNeedMore, kInvalid };
  Item Next();
  FieldName which() const { return which_; }
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }
  // Where the field's line is remembered, null if it is not; valid until Next.
  KnownFields::Line* line() const { return line_; }
  // It is remembered from now on.
  bool line_is_new() const { return line_is_new_; }
  size_t position() const { return position_; }  // behind what was read
  const char* read_to() const { return bytes_.data() + position_; }

 private:
  std::string_view bytes_;
  size_t position_;
  KnownFields& known_;
  FieldName which_ = FieldName::kOther;
  KnownFields::Line* line_ = nullptr;
  bool line_is_new_ = false;
  std::string_view name_, value_;
};

// How long the body is, from the fields that say so.
class Framing {
 public:
  void Field(FieldName name, std::string_view value);
  bool chunked() const { return chunked_; }
  bool has_length() const { return has_length_; }
  uint64_t length() const { return length_; }
  // Contradictory or unknown: the end of the message cannot be told.
  bool broken() const { return broken_ || (has_coding_ && !chunked_); }

 private:
  bool chunked_ = false, has_coding_ = false, has_length_ = false, broken_ = false;
  uint64_t length_ = 0;
};

// Methods of the IANA registry; others do not become a part of a span's name.
bool IsRegisteredMethod(std::string_view method);
// The same text, of static storage, for methods of RFC 9110 and PATCH; else empty.
std::string_view SemanticMethod(std::string_view method);

}  // namespace weft::ebpf::http1
