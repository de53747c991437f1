// HeadMemory: what reading heads leaves behind for the next reader: heads and lines that come
// again, and the fields of the head that was read last, so that tokens are found without a second
// walk over it.
//
// One per ProtocolSet. The dialogue writes (Begin Add* End Keep? | BeginKnown) for each head;
// TokenReader takes the walk, right after that, while the bytes are still there. One thread.
#pragma once

#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/http1/head.h"
#include "sources/ebpf/protocols/http1/known_fields.h"
#include "sources/ebpf/protocols/http1/known_heads.h"

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
    known_ = nullptr;
    walked_ = true;
  }
  // A head that was not walked over, because it is known.
  void BeginKnown(std::string_view head, KnownHead* known) {
    head_ = head;
    ended_ = true;
    read_to_ = head.data() + known->text.size();
    known_ = known;
    walked_ = false;
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
  // What the head is known by from now on.
  void Keep(KnownHead* known) { known_ = known; }
  void Forget() { read_to_ = nullptr, known_ = nullptr; }

  // Whether it is of the head that these bytes begin with.
  bool IsOf(std::string_view bytes) const {
    return read_to_ != nullptr && bytes.data() == head_.data() &&
           read_to_ <= bytes.data() + bytes.size();
  }
  // Null: the head is not known.
  KnownHead* known() const { return known_; }
  // Whether it has line and fields.
  bool walked() const { return walked_; }
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
  KnownHead* known_ = nullptr;
  bool walked_ = false;
};

struct HeadMemory {
  KnownFields known;
  KnownHeads heads;
  HeadWalk walk;
};

}  // namespace weft::ebpf::http1
