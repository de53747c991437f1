// KnownFields: header lines that were seen lately, whole. The same few come again and again, on all
// connections, and comparing one takes a tenth of the time that reading it takes.
//
// Part of HeadMemory, behind FieldCursor; TokenReader keeps what it found in a line beside it.
// Bounded, lossy: a new line takes the place of an older one. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "engine/base/text_words.h"
#include "sources/ebpf/protocols/http1/field_name.h"
#include "sources/ebpf/token_set.h"

namespace weft::ebpf::http1 {

class KnownFields {
 public:
  static constexpr size_t kMaxLine = 120;
  static constexpr size_t kMaxTokens = 4;

  struct Line {
    enum class Tokens : uint8_t { kUnread, kRead, kTooMany };
    uint8_t size = 0;  // with the line's end; 0: free
    uint8_t name_size = 0, value_at = 0, value_size = 0;
    FieldName which = FieldName::kOther;
    Tokens tokens = Tokens::kUnread;  // kRead: all of them are in `token`
    uint8_t n_tokens = 0;
    std::array<TokenSet::Item, kMaxTokens> token{};
    std::array<char, kMaxLine> text{};

    bool Begins(std::string_view bytes) const {
      return size != 0 && size <= bytes.size() &&
             LoadWord<uint64_t>(bytes.data()) == LoadWord<uint64_t>(text.data()) &&
             std::memcmp(bytes.data(), text.data(), size) == 0;
    }
  };

  // The line that `rest` begins with; null: it is not known. Valid until the next Keep.
  Line* Find(std::string_view rest) {
    if (rest.size() < kKey) return nullptr;
    const size_t place = PlaceOf(rest);
    if (lines_[place].Begins(rest)) return &lines_[place];
    return lines_[place ^ 1].Begins(rest) ? &lines_[place ^ 1] : nullptr;
  }
  // `line` with its end, as FieldCursor took it apart. Null where it is too short or too long.
  Line* Keep(std::string_view line, size_t name_size, std::string_view value, FieldName which) {
    if (line.size() < kKey || line.size() > kMaxLine) return nullptr;
    size_t place = PlaceOf(line);
    if (lines_[place].size != 0 && (lines_[place ^ 1].size == 0 || ++turn_ % 2 == 0)) place ^= 1;
    Line& slot = lines_[place];
    slot.size = static_cast<uint8_t>(line.size());
    slot.name_size = static_cast<uint8_t>(name_size);
    slot.value_at = static_cast<uint8_t>(value.data() - line.data());
    slot.value_size = static_cast<uint8_t>(value.size());
    slot.which = which;
    slot.tokens = Line::Tokens::kUnread;
    std::memcpy(slot.text.data(), line.data(), line.size());
    return &slot;
  }

 private:
  static constexpr size_t kKey = 16;  // bytes that a place is found by
  static constexpr size_t kSlots = 512;

  // Of two places side by side that may have the line, the one to look at first.
  static size_t PlaceOf(std::string_view line) {
    const uint64_t mixed = (LoadWord<uint64_t>(line.data()) ^
                            LoadWord<uint64_t>(line.data() + 8) * 0x9e3779b97f4a7c15) *
                           0xbf58476d1ce4e5b9;
    return mixed >> 55;
  }
  static_assert(kSlots == size_t{1} << (64 - 55));

  std::vector<Line> lines_{kSlots};
  uint32_t turn_ = 0;  // which of two older lines goes
};

}  // namespace weft::ebpf::http1
