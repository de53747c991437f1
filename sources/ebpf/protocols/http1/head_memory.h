// HeadMemory: what reading heads leaves behind for the next reader: lines that come again, and the
// fields of the head that was read last, so that tokens are found without a second walk over it.
//
// One per ProtocolSet. The dialogue writes (Begin Add* End) for each head; TokenReader takes the
// walk, right after that, while the bytes are still there. One thread.
#pragma once

#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/http1/head.h"
#include "sources/ebpf/protocols/http1/known_fields.h"

namespace weft::ebpf::http1 {

struct HeadField {
  FieldName which = FieldName::kOther;
  std::string_view name, value;
  KnownFields::Line* line = nullptr;  // null: the field's line is not remembered
};

class HeadWalk {
 public:
  // `head`: from its first byte, behind blank lines, to wherever the capture ends.
  void Begin(std::string_view head, const StartLine& line) {
    head_ = head;
    line_ = line;
    fields_.clear();
    ended_ = false;
    read_to_ = nullptr;
  }
  void Add(const FieldCursor& cursor, bool new_line) {
    // What was kept just now may lie where an earlier field's line was.
    if (new_line)
      for (HeadField& field : fields_)
        if (field.line == cursor.line()) field.line = nullptr;
    fields_.push_back({cursor.which(), cursor.name(), cursor.value(), cursor.line()});
  }
  // `read_to`: behind what was read; `ended`: that is the head's end.
  void End(const char* read_to, bool ended) { read_to_ = read_to, ended_ = ended; }
  void Forget() { read_to_ = nullptr; }

  // Whether it is of the head that these bytes begin with.
  bool IsOf(std::string_view bytes) const {
    return read_to_ != nullptr && bytes.data() == head_.data() &&
           read_to_ <= bytes.data() + bytes.size();
  }
  const StartLine& line() const { return line_; }
  const std::vector<HeadField>& fields() const { return fields_; }
  bool ended() const { return ended_; }
  const char* read_to() const { return read_to_; }

 private:
  std::string_view head_;
  StartLine line_;
  std::vector<HeadField> fields_;
  bool ended_ = false;
  const char* read_to_ = nullptr;  // null: there is none
};

struct HeadMemory {
  KnownFields known;
  HeadWalk walk;
};

}  // namespace weft::ebpf::http1
