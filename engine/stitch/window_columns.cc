#include "engine/stitch/window_columns.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>

namespace weft::stitch {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr uint32_t kPoolEntries = 65536;  // request ids and the like would grow it without end

size_t HashOf(std::string_view text) { return std::hash<std::string_view>{}(text); }

template <typename T>
void Resize(std::vector<T>& v, size_t n) {
  if (v.size() < n) v.resize(n);
}

}  // namespace

void StringPool::Clear() {
  strings_.assign(1, weft_str{"", 0});
  slots_.assign(1024, 0);
  chunks_.clear();
  chunk_used_ = chunk_size_ = 0;
}

const char* StringPool::Store(std::string_view text) {
  if (chunk_size_ - chunk_used_ < text.size()) {
    chunk_size_ = std::max(kChunk, text.size());
    chunks_.push_back(std::make_unique<char[]>(chunk_size_));
    chunk_used_ = 0;
  }
  char* at = chunks_.back().get() + chunk_used_;
  std::memcpy(at, text.data(), text.size());
  chunk_used_ += text.size();
  return at;
}

uint32_t StringPool::Intern(std::string_view text) {
  if (text.empty()) return 0;
  size_t mask = slots_.size() - 1;
  size_t i = HashOf(text) & mask;
  for (; slots_[i] != 0; i = (i + 1) & mask)
    if (api::View(strings_[slots_[i] - 1]) == text) return slots_[i] - 1;
  strings_.push_back({Store(text), text.size()});
  slots_[i] = size();
  if (size() * 2 > slots_.size()) {
    std::vector<uint32_t> wider(slots_.size() * 2, 0);
    mask = wider.size() - 1;
    for (uint32_t s = 1; s < size(); ++s) {
      i = HashOf(api::View(strings_[s])) & mask;
      while (wider[i] != 0) i = (i + 1) & mask;
      wider[i] = s + 1;
    }
    slots_ = std::move(wider);
  }
  return size() - 1;
}

// The pool's numbers of a batch's strings; 0: not looked up yet.
uint32_t* WindowColumns::MapOf(const HeldBatch& batch, uint32_t number) {
  StringMap& map = maps_[number];
  if (map.serial != batch.serial || map.epoch != epoch_) {
    map.serial = batch.serial;
    map.epoch = epoch_;
    map.to_pool.assign(batch.spans().n_strings, 0);
  }
  return map.to_pool.data();
}

uint32_t WindowColumns::MapString(const HeldBatch& batch, uint32_t number, uint32_t index) {
  if (index == 0) return 0;
  uint32_t& mapped = MapOf(batch, number)[index];
  if (mapped == 0) mapped = pool_.Intern(batch.Text(index));
  return mapped;
}

// What a row knows itself.
void WindowColumns::GatherRows(const RowStore& rows, const std::vector<Member>& members,
                               int64_t horizon_ns) {
  uint32_t last_batch = kNone;
  uint32_t* last_map = nullptr;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 8 < members.size()) rows.PrefetchRow(members[i + 8].row);
    const Row& r = rows[members[i].row];
    const int64_t end_ns = rows.EndOf(members[i].row);
    const bool masked = end_ns == 0 || end_ns > horizon_ns;
    const bool before = members[i].role == WEFT_ROLE_BEFORE;
    if (r.batch != last_batch) last_map = MapOf(rows.batch(last_batch = r.batch), r.batch);
    from_[i] = {&rows.Columns(r), last_map, r.row, masked};
    role_[i] = members[i].role;
    span_id_[i] = r.span_id;
    parent_id_[i] = before ? r.parent_id : 0;
    exchange_[i] = r.exchange;
    start_ns_[i] = r.start_ns;
    end_ns_[i] = masked ? 0 : end_ns;
    kind_[i] = static_cast<uint8_t>(r.kind);
    flags_[i] = r.flags | (masked ? uint32_t{WEFT_FLAG_OPEN} : 0);
    process_[i] = 0;
    confidence_[i] = before ? r.confidence : 0;
    evidence_[i] = before ? r.evidence : 0;
  }
}

// Column by column: the members lie in a few dozen records, in each nearly in order.
void WindowColumns::GatherColumns(const RowStore& rows, const std::vector<Member>& members) {
  const size_t n = members.size();
  const auto copy = [&](auto column, auto& out) {
    for (size_t i = 0; i < n; ++i) {
      const auto* from = from_[i].spans->*column;
      out[i] = from == nullptr ? 0 : from[from_[i].row];
    }
  };
  // What the response said, which the horizon may hide.
  const auto copy_response = [&](auto column, auto& out) {
    for (size_t i = 0; i < n; ++i) {
      const auto* from = from_[i].spans->*column;
      out[i] = from == nullptr || from_[i].masked ? 0 : from[from_[i].row];
    }
  };
  const auto copy_text = [&](auto column, auto& out) {
    for (size_t i = 0; i < n; ++i) {
      const uint32_t* from = from_[i].spans->*column;
      const uint32_t index = from == nullptr ? 0 : from[from_[i].row];
      uint32_t mapped = from_[i].to_pool[index];
      if (mapped == 0 && index != 0) {
        const uint32_t batch = rows[members[i].row].batch;
        mapped = MapString(rows.batch(batch), batch, index);
      }
      out[i] = mapped;
    }
  };
  copy(&weft_spans::connection, connection_);
  copy(&weft_spans::wire_id, wire_id_);
  copy(&weft_spans::protocol, protocol_);
  copy(&weft_spans::local_port, local_port_);
  copy(&weft_spans::remote_port, remote_port_);
  copy(&weft_spans::fd, fd_);
  copy(&weft_spans::request_tid, request_tid_);
  copy(&weft_spans::request_bytes, request_bytes_);
  copy(&weft_spans::context_trace_hi, context_trace_hi_);
  copy(&weft_spans::context_trace_lo, context_trace_lo_);
  copy(&weft_spans::context_span_id, context_span_id_);
  copy_response(&weft_spans::status, status_);
  copy_response(&weft_spans::response_tid, response_tid_);
  copy_response(&weft_spans::response_bytes, response_bytes_);
#define WEFT_COLUMN(type, name, unused) copy_text(&weft_spans::name, name##_);
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
}

const weft_spans& WindowColumns::Gather(const RowStore& rows, const std::vector<Member>& members,
                                        int64_t horizon_ns, bool attributes) {
  const size_t n = members.size();
  if (pool_.size() > kPoolEntries) {
    pool_.Clear();
    ++epoch_;
  }
  uint32_t batches = 0;
  bool tokens = false;
  for (const Member& m : members) {
    batches = std::max(batches, rows[m.row].batch + 1);
    tokens |= rows.Columns(rows[m.row]).token_offset != nullptr;
  }
  if (maps_.size() < batches) maps_.resize(batches);
#define WEFT_COLUMN(type, name, unused) Resize(name##_, n);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  Resize(role_, n);
  Resize(from_, n);
  GatherRows(rows, members, horizon_ns);
  GatherColumns(rows, members);
  GatherProcess(rows.batch(rows[members[0].row].batch), rows[members[0].row].row);
  view_ = weft_spans{};
  view_.struct_size = sizeof(weft_spans);
  view_.n = static_cast<uint32_t>(n);
#define WEFT_COLUMN(type, name, unused) view_.name = name##_.data();
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  view_.trace_hi = view_.trace_lo = nullptr;  // nobody decides by what is not decided
  view_.role = role_.data();
  view_.processes = &processes_;
  pairs_ = weft_pairs{};
  pairs_.struct_size = sizeof(weft_pairs);
  view_.pairs = &pairs_;
  if (attributes) GatherAttributes(rows, members);
  if (tokens) GatherTokens(rows, members);
  view_.strings = pool_.strings();
  view_.n_strings = pool_.size();
  return view_;
}

void WindowColumns::GatherProcess(const HeldBatch& batch, uint32_t row) {
  const weft_spans& from = batch.spans();
  const weft_processes& p = *from.processes;
  const uint32_t k = from.process[row];
  process_id_ = p.process_id[k];
  process_strings_[0] = pool_.Intern(batch.Text(p.host[k]));
  process_strings_[1] = pool_.Intern(batch.Text(p.service[k]));
  process_strings_[2] = pool_.Intern(batch.Text(p.executable[k]));
  pid_ = p.pid[k];
  processes_ = {
      sizeof(weft_processes), 1,     &process_id_,   &process_strings_[0], &process_strings_[1],
      &process_strings_[2],   &pid_, no_attributes_, no_attributes_};
}

void WindowColumns::GatherAttributes(const RowStore& rows, const std::vector<Member>& members) {
  attr_offset_.assign(1, 0);
  attr_.clear();
  pair_table_.Clear();
  for (const Member& m : members) {
    const Row& r = rows[m.row];
    const HeldBatch& batch = rows.batch(r.batch);
    const weft_spans& from = batch.spans();
    if (from.attr_offset != nullptr)
      for (uint32_t a = from.attr_offset[r.row]; a < from.attr_offset[r.row + 1]; ++a) {
        const weft_pairs& p = *from.pairs;
        const uint32_t pair = from.attr[a];
        const uint64_t value = p.type[pair] == WEFT_ATTR_STRING
                                   ? MapString(batch, r.batch, static_cast<uint32_t>(p.value[pair]))
                                   : p.value[pair];
        attr_.push_back(
            pair_table_.Intern(MapString(batch, r.batch, p.key[pair]), p.type[pair], value));
      }
    attr_offset_.push_back(static_cast<uint32_t>(attr_.size()));
  }
  pairs_ = {sizeof(weft_pairs), pair_table_.size(), pair_table_.key.data(), pair_table_.type.data(),
            pair_table_.value.data()};
  view_.attr_offset = attr_offset_.data();
  view_.attr = attr_.data();
}

void WindowColumns::GatherTokens(const RowStore& rows, const std::vector<Member>& members) {
  token_offset_.assign(1, 0);
  token_.clear();
  for (size_t i = 0; i < members.size(); ++i) {
    const Row& r = rows[members[i].row];
    const weft_spans& from = rows.Columns(r);
    if (from.token_offset != nullptr) {
      const bool masked = end_ns_[i] == 0;  // then its response is not there yet
      for (uint32_t t = from.token_offset[r.row]; t < from.token_offset[r.row + 1]; ++t)
        if (!masked || (from.token[t] & 1) == 0) token_.push_back(from.token[t]);
    }
    token_offset_.push_back(static_cast<uint32_t>(token_.size()));
  }
  view_.token_offset = token_offset_.data();
  view_.token = token_.data();
}

}  // namespace weft::stitch
