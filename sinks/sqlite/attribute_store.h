// AttributeStore: where a span's attributes go.
//
// Attributes whose keys have few values (method, route, status code, user agent) are stored as
// whole sets, once per distinct combination, and a span has the set's number; the others are JSON
// text in the span's row. Which keys are which is learned: every key begins as common and moves to
// the rows, for good, when it has shown more than kMaxValues values or makes sets multiply.
//
// Used by SqliteSink, inside its transactions, from its thread. After a rolled back transaction
// Forget() drops everything that was cached.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "sql/database.h"

namespace weft::sinks {

class AttributeStore {
 public:
  static constexpr uint32_t kMaxValues = 1'000;
  static constexpr uint32_t kMaxSets = 65'536;

  Result<void> Prepare(const sql::Database& db);
  void Forget();

  // Before the rows of a batch; lends `spans` until the next call.
  void Begin(const weft_spans& spans);

  struct Stored {
    int64_t set = 0;        // attribute_sets.id; 0: none
    std::string_view rest;  // a JSON object, "" for none; valid until the next Store
    std::span<const uint64_t> rest_hashes;  // sql::PairHash of what is in `rest`; as valid
  };
  Result<Stored> Store(uint32_t row);

 private:
  enum class Place : uint8_t { kUnknown, kCommon, kRest };
  struct Key {
    std::string name;
    uint32_t values = 0;
    bool rest = false;
  };
  struct Pair {  // of the current batch
    Place place = Place::kUnknown;
    uint32_t begin = 0, end = 0;  // `"key":value` in fragments_
    uint64_t hash = 0;
  };

  Result<void> Render(uint32_t pair);
  Result<void> MoveToRest(Key& key);
  Result<int64_t> FindOrAddSet(uint64_t hash);
  Result<void> WatchGrowth();
  std::string_view Fragment(const Pair& pair) const {
    return std::string_view(fragments_).substr(pair.begin, pair.end - pair.begin);
  }

  sql::Statement find_set_, add_set_, count_sets_, add_key_, list_keys_;

  std::unordered_map<std::string, uint32_t> key_numbers_;
  std::vector<Key> keys_;
  std::unordered_set<uint64_t> seen_;           // hashes of common (key, value) pairs
  std::unordered_map<uint64_t, int64_t> sets_;  // hash of the pairs in order -> id
  int64_t set_count_ = 0;
  bool loaded_ = false;

  const weft_spans* spans_ = nullptr;
  std::vector<Pair> pairs_;
  std::vector<uint32_t> key_of_string_;  // batch string -> index into keys_
  std::string fragments_;
  std::vector<uint32_t> common_;
  std::vector<uint64_t> rest_hashes_;
  std::string rest_, set_json_;
  uint32_t rows_ = 0, new_sets_ = 0;  // since growth was last looked at
};

}  // namespace weft::sinks
