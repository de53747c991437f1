// SpanTable: an owned batch of spans as columns, the one in-memory form that sources build, stages
// gather into and sinks read. SpanView: the same as the C ABI's weft_spans, over borrowed memory.
//
// Build with (AddRow Attribute* Truth?)*. A row's columns are plain vectors and may be set in any
// order; attributes go to the newest row only (CSR). Not thread safe; moves freely.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/api/columns.h"
#include "engine/api/dictionary.h"
#include "engine/api/plugin_abi.h"
#include "engine/base/flat_map.h"

namespace weft::api {

// A weft_spans together with the small tables it points to. Columns belong to whoever made it (a
// SpanTable or a decoded message) and must outlive it. Movable; the inner pointers follow.
class SpanView {
 public:
  SpanView() = default;
  SpanView(SpanView&& other) noexcept { *this = std::move(other); }
  SpanView& operator=(SpanView&& other) noexcept;

  const weft_spans& spans() const { return spans_; }
  std::string_view Text(uint32_t index) const { return View(strings_[index]); }

  // For makers of views; call Seal() last.
  weft_spans spans_{};
  weft_pairs pairs_{};
  weft_processes processes_{};
  std::vector<weft_str> strings_;
  std::vector<weft_str> truth_strings_;
  void Seal();
};

struct ProcessTable {
  std::vector<uint64_t> process_id;
  std::vector<uint32_t> host, service, executable, pid;
  std::vector<uint32_t> attr_offset{0}, attr;
  uint32_t size() const { return static_cast<uint32_t>(process_id.size()); }
  // The number of the first with this id; size(): there is none.
  uint32_t Find(uint64_t id);

 private:
  FlatMap<uint32_t> by_id_;  // of the first `indexed_`; where there are few, none
  uint32_t indexed_ = 0;
};

class SpanTable {
 public:
  // Appends a zeroed row and returns its number.
  uint32_t AddRow();
  // Appends n zeroed rows and returns the first. Their attributes and candidates are for
  // RowCopier::AppendLists, once for each in order.
  uint32_t AppendRows(size_t n);
  uint32_t n() const { return static_cast<uint32_t>(span_id.size()); }
  bool empty() const { return span_id.empty(); }
  // Lets go of the rows from `n` on; what they interned stays.
  void DropRows(uint32_t n);
  // Keeps capacity. Indices and views become invalid.
  void Clear();
  // How often it was cleared: whoever remembers indices compares this.
  uint32_t clears() const { return clears_; }
  // About what the batch occupies, dictionaries included.
  size_t MemoryBytes() const;

  // Attributes of the newest row.
  void Attribute(std::string_view key, std::string_view value);
  // A literal would otherwise become a bool.
  void Attribute(std::string_view key, const char* value) {
    Attribute(key, std::string_view(value));
  }
  void Attribute(std::string_view key, int64_t value);
  void Attribute(std::string_view key, double value);
  void Attribute(std::string_view key, bool value);
  void AttributePair(uint32_t pair);
  // The same for a key that lives as long as the table: found by its address, and its
  // latest values by comparing, without hashing.
  void StaticAttribute(std::string_view key, std::string_view value);
  void StaticAttribute(std::string_view key, int64_t value);
  // Such a pair alone, for AttributePair; valid until Clear.
  uint32_t StaticPair(std::string_view key, std::string_view value);
  uint32_t StaticPair(std::string_view key, int64_t value);
  void OptionId(uint64_t id);  // of the newest row
  // Ground truth of the newest row (scoring only).
  void Truth(std::string_view value);
  // A token of the newest row's payload, as in weft_spans.
  void Token(uint32_t hash);
  // A weighed candidate of the newest row, best first.
  void Candidate(uint64_t candidate_id, float log_odds, uint32_t evidence_bits);

  // Adds a process; rows refer to it by the returned number. Attributes of the newest process.
  uint32_t AddProcess(uint64_t id, std::string_view host, std::string_view service_name,
                      std::string_view executable, uint32_t pid);
  void ProcessAttribute(std::string_view key, std::string_view value);

  uint32_t Intern(std::string_view text) { return strings.Intern(text); }

  // Lends the columns; valid until the table changes.
  SpanView View() const;

#define WEFT_COLUMN(type, name, unused) std::vector<type> name;
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  std::vector<uint32_t> attr_offset{0}, attr;
  std::vector<uint32_t> candidate_offset{0};
  std::vector<uint64_t> candidate_span_id;
  std::vector<float> candidate_log_odds;
  std::vector<uint32_t> candidate_evidence;
  std::vector<uint32_t> truth;                // empty until the first Truth()
  std::vector<uint32_t> token_offset, token;  // empty until the first Token()
  std::vector<uint64_t> option_id;            // empty until the first OptionId()

  uint32_t StaticKey(std::string_view key) {
    KnownKey& known = known_.Get().keys[(reinterpret_cast<uintptr_t>(key.data()) >> 3) % kKeys];
    if (known.data != key.data() || known.size != key.size())
      known = {key.data(), key.size(), strings.Intern(key)};
    return known.index;
  }

  Dictionary strings;
  PairTable pairs;
  ProcessTable processes;
  Dictionary truth_strings;

 private:
  static constexpr size_t kKeys = 64;
  struct KnownKey {
    const char* data = nullptr;
    size_t size = 0;
    uint32_t index = 0;
  };
  // Pairs of static keys that were added lately.
  static constexpr size_t kPairs = 256;
  struct KnownPair {
    const char* key = nullptr;
    uint64_t value = 0;
    uint32_t pair = 0;
    uint8_t type = 0;
  };
  KnownPair& PairSlot(std::string_view key, uint64_t value) {
    const uint64_t mixed =
        (reinterpret_cast<uintptr_t>(key.data()) + value * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
    return known_.Get().pairs[mixed >> 56];
  }
  static_assert(kPairs == size_t{1} << (64 - 56));

  struct Known {
    KnownKey keys[kKeys];
    KnownPair pairs[kPairs];
  };
  // 8 KB that only sources need, and stage 1 has a table per partition and partition. A copy of the
  // table learns them anew.
  class KnownByAddress {
   public:
    KnownByAddress() = default;
    KnownByAddress(const KnownByAddress&) {}
    KnownByAddress(KnownByAddress&&) = default;
    KnownByAddress& operator=(const KnownByAddress&) {
      Forget();
      return *this;
    }
    KnownByAddress& operator=(KnownByAddress&&) = default;
    Known& Get() {
      if (!known_) known_ = std::make_unique<Known>();
      return *known_;
    }
    void Forget() {
      if (known_) *known_ = Known{};
    }

   private:
    std::unique_ptr<Known> known_;
  };
  KnownByAddress known_;
  uint32_t clears_ = 0;
};

// What a copier does with an attribute that the receiving table may have from another source.
// kOnce: it is looked for, which costs a hash. kPerSource: it is stored once per source; for
// copiers that move many rows of each.
enum class Repeats : uint8_t { kOnce, kPerSource };
// Of so many rows attributes repeat within the source more often than between sources.
constexpr Repeats RepeatsFor(size_t rows) {
  return rows < 256 ? Repeats::kOnce : Repeats::kPerSource;
}

// Copies rows from one view into a table, translating dictionary indices with a cache per source,
// so that a row costs no hashing once its strings are known. Both must outlive the copier.
class RowCopier {
 public:
  RowCopier(const weft_spans& from, SpanTable& to, Repeats repeats = Repeats::kOnce);
  RowCopier(const SpanView& from, SpanTable& to, Repeats repeats = Repeats::kOnce)
      : RowCopier(from.spans(), to, repeats) {}
  // Appends row `row` with all columns, attributes, candidates, truth and tokens; returns the new
  // row.
  uint32_t Copy(uint32_t row);
  // The same in steps, for hot paths: SpanTable::AppendRows, then the fixed columns of rows[i] into
  // row places[i], then AppendLists in order of places (attributes, candidates; no tokens).
  void FillColumns(const uint32_t* rows, const uint32_t* places, size_t n);
  // All of that for n rows of one source.
  void Append(const uint32_t* rows, size_t n);
  void AppendLists(uint32_t row);
  uint32_t MapString(uint32_t index) {
    const uint32_t mapped = string_map_[index];
    return mapped != WEFT_NONE ? mapped : NewString(index);
  }
  uint32_t MapPair(uint32_t index) {
    const uint32_t mapped = pair_map_[index];
    return mapped != WEFT_NONE ? mapped : NewPair(index);
  }
  uint32_t MapProcess(uint32_t index);

 private:
  std::string_view TextOf(uint32_t index) const { return View(from_.strings[index]); }
  uint32_t NewString(uint32_t index);
  uint32_t NewPair(uint32_t index);

  const weft_spans& from_;
  SpanTable& to_;
  const Repeats repeats_;
  std::vector<uint32_t> string_map_, pair_map_, process_map_;
};

}  // namespace weft::api
