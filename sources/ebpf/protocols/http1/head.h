// HTTP/1.x heads (RFC 9112): start line and header fields as views into the captured bytes.
//
// Pure functions over borrowed bytes; used by the HTTP/1 dialogue and the fuzz target. Lenient
// where servers are (bare LF, blank lines before a request), strict where leniency could make a
// message out of something else.
#pragma once

#include <cstdint>
#include <string_view>

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

// The fields that mean something to us.
enum class FieldName : uint8_t {
  kOther,
  kHost,
  kUserAgent,
  kRequestId,
  kTruth,
  kBaggage,
  kContentLength,
  kTransferEncoding,
  kTraceContext  // one of TraceHeaders'
};
FieldName NameField(std::string_view name);

// Walks the header fields behind the start line.
class FieldCursor {
 public:
  FieldCursor(std::string_view bytes, size_t position)
      : bytes_(bytes), position_(position), zero_(bytes.find('\0', position)) {}
  enum class Item { kField, kEnd, kNeedMore, kInvalid };
  Item Next();
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }
  size_t position() const { return position_; }  // behind what was read

 private:
  std::string_view bytes_;
  size_t position_;
  size_t zero_;  // no head has this byte
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

// Methods of the IANA registry; `known` ones are span names, others become `_OTHER`.
bool IsRegisteredMethod(std::string_view method);
bool IsSemanticMethod(std::string_view method);  // RFC 9110 and PATCH

}  // namespace weft::ebpf::http1
