#include "sinks/sqlite/attribute_store.h"

#include <algorithm>

#include "engine/api/dictionary.h"
#include "engine/base/hash.h"
#include "sinks/jsonl/json_text.h"
#include "sql/attribute_hash.h"

#include <xxhash.h>

namespace weft::sinks {
namespace {

// Sets that are still multiplying after this many rows make the richest key leave.
constexpr uint32_t kGrowthWindow = 16'384;
constexpr uint32_t kGrowthLimit = kGrowthWindow / 8;
constexpr size_t kMaxSeen = 1'000'000;

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

Result<void> AttributeStore::Prepare(const sql::Database& db) {
  for (const auto& [statement, sql] :
       {std::pair{&find_set_, "SELECT id FROM attribute_sets WHERE json = ?1"},
        std::pair{&add_set_, "INSERT INTO attribute_sets(json) VALUES(?1) RETURNING id"},
        std::pair{&count_sets_, "SELECT count(*) FROM attribute_sets"},
        std::pair{&add_key_, "INSERT OR IGNORE INTO attribute_keys VALUES(?1)"},
        std::pair{&list_keys_, "SELECT key FROM attribute_keys"}}) {
    Result<sql::Statement> prepared = db.Prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return {};
}

void AttributeStore::Forget() {
  key_numbers_.clear();
  keys_.clear();
  seen_.clear();
  sets_.clear();
  loaded_ = false;
}

void AttributeStore::Begin(const weft_spans& spans) {
  spans_ = &spans;
  pairs_.assign(spans.pairs ? spans.pairs->n : 0, Pair{});
  key_of_string_.assign(spans.n_strings, WEFT_NONE);
  fragments_.clear();
}

Result<AttributeStore::Stored> AttributeStore::Store(uint32_t row) {
  if (!loaded_) {
    WEFT_TRY(count_sets_.Step());
    set_count_ = count_sets_.Int(0);
    count_sets_.Reset();
    for (;;) {
      const Result<bool> more = list_keys_.Step();
      if (!more) return std::unexpected(more.error());
      if (!*more) break;
      const std::string name(list_keys_.Text(0));
      key_numbers_.emplace(name, keys_.size());
      keys_.push_back({name, 0, true});
    }
    loaded_ = true;
  }
  Stored out;
  common_.clear();
  rest_.clear();
  rest_hashes_.clear();
  uint64_t hash = 0;
  const uint32_t* const offset = spans_->attr_offset;
  for (uint32_t a = offset ? offset[row] : 0; offset && a < offset[row + 1]; ++a) {
    const uint32_t number = spans_->attr[a];
    Pair& pair = pairs_[number];
    if (pair.place == Place::kUnknown) WEFT_TRY(Render(number));
    if (pair.place == Place::kCommon) {
      common_.push_back(number);
      hash = HashCombine(hash, pair.hash);
    } else {
      rest_.push_back(rest_.empty() ? '{' : ',');
      rest_.append(Fragment(pair));
      rest_hashes_.push_back(pair.hash);
    }
  }
  if (spans_->truth && spans_->truth[row] != 0) {
    rest_.append(rest_.empty() ? "{" : ",");
    const size_t begin = rest_.size();
    rest_.append("\"weft.truth\":");
    AppendJsonString(rest_, api::View(spans_->truth_strings[spans_->truth[row]]));
    rest_hashes_.push_back(sql::PairHash(std::string_view(rest_).substr(begin)));
  }
  if (!common_.empty()) {
    const Result<int64_t> set = FindOrAddSet(hash);
    if (!set) return std::unexpected(set.error());
    out.set = *set;
  }
  if (!rest_.empty()) rest_.push_back('}');
  out.rest = rest_;
  out.rest_hashes = rest_hashes_;
  if (++rows_ >= kGrowthWindow) WEFT_TRY(WatchGrowth());
  return out;
}

Result<void> AttributeStore::Render(uint32_t number) {
  Pair& pair = pairs_[number];
  uint32_t& key_number = key_of_string_[spans_->pairs->key[number]];
  const std::string_view name = api::View(spans_->strings[spans_->pairs->key[number]]);
  if (key_number == WEFT_NONE) {
    const auto [it, fresh] =
        key_numbers_.try_emplace(std::string(name), static_cast<uint32_t>(keys_.size()));
    if (fresh) keys_.push_back({std::string(name)});
    key_number = it->second;
  }
  pair.begin = static_cast<uint32_t>(fragments_.size());
  AppendJsonString(fragments_, name);
  fragments_.push_back(':');
  AppendPlainValue(fragments_, *spans_, number);
  pair.end = static_cast<uint32_t>(fragments_.size());
  Key& key = keys_[key_number];
  if (!key.rest) {
    pair.hash = HashBytes(Fragment(pair));
    if (seen_.size() >= kMaxSeen) seen_.clear();
    if (seen_.insert(pair.hash).second && ++key.values > kMaxValues) WEFT_TRY(MoveToRest(key));
  }
  pair.place = key.rest ? Place::kRest : Place::kCommon;
  if (key.rest) pair.hash = sql::PairHash(Fragment(pair));
  return {};
}

Result<void> AttributeStore::MoveToRest(Key& key) {
  key.rest = true;
  add_key_.Bind(1, std::string_view(key.name));
  return add_key_.Run();
}

Result<int64_t> AttributeStore::FindOrAddSet(uint64_t hash) {
  if (const auto known = sets_.find(hash); known != sets_.end()) return known->second;
  // In the order of their text, so that the order on the wire makes no new sets.
  std::sort(common_.begin(), common_.end(),
            [&](uint32_t a, uint32_t b) { return Fragment(pairs_[a]) < Fragment(pairs_[b]); });
  set_json_.clear();
  for (const uint32_t number : common_)
    set_json_.append(set_json_.empty() ? "{" : ",").append(Fragment(pairs_[number]));
  set_json_.push_back('}');
  find_set_.Bind(1, std::string_view(set_json_));
  const Result<bool> found = find_set_.Step();
  if (!found) return std::unexpected(found.error());
  int64_t id = 0;
  if (*found) {
    id = find_set_.Int(0);
    find_set_.Reset();
  } else if (set_count_ >= kMaxSets) {
    // The dictionary is full: this combination is text in the row.
    for (const uint32_t number : common_)
      rest_hashes_.push_back(sql::PairHash(Fragment(pairs_[number])));
    if (rest_.empty())
      rest_.assign(set_json_, 0, set_json_.size() - 1);
    else
      rest_.append(",").append(set_json_, 1, set_json_.size() - 2);
    return 0;
  } else {
    add_set_.Bind(1, std::string_view(set_json_));
    WEFT_TRY(add_set_.Step());
    id = add_set_.Int(0);
    add_set_.Reset();
    ++set_count_;
    ++new_sets_;
  }
  sets_.emplace(hash, id);
  return id;
}

Result<void> AttributeStore::WatchGrowth() {
  const bool growing = new_sets_ > kGrowthLimit;
  rows_ = new_sets_ = 0;
  if (!growing) return {};
  Key* richest = nullptr;
  for (Key& key : keys_)
    if (!key.rest && key.values > 1 && (!richest || key.values > richest->values)) richest = &key;
  return richest ? MoveToRest(*richest) : Result<void>{};
}

}  // namespace weft::sinks
