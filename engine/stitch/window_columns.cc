#include "engine/stitch/window_columns.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>

namespace weft::stitch {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr uint32_t kShown = ~uint32_t{WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE};
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
    map.to_pool.assign(batch.columns().n_strings, 0);
  }
  return map.to_pool.data();
}

uint32_t WindowColumns::MapString(const HeldBatch& batch, uint32_t number, uint32_t index) {
  if (index == 0) return 0;
  uint32_t& mapped = MapOf(batch, number)[index];
  if (mapped == 0) mapped = pool_.Intern(batch.columns().Text(index));
  return mapped;
}

// What a row knows itself.
void WindowColumns::GatherRows(const RowStore& rows, const std::vector<Member>& members) {
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 8 < members.size()) rows.PrefetchRow(members[i + 8].row);
    const Row& r = rows[members[i].row];
    // When a request's caller gets known is up to other partitions: no view shows it.
    const bool before = members[i].role == WEFT_ROLE_BEFORE && !r.server();
    masked_[i] = r.open();
    role_[i] = members[i].role;
    span_id_[i] = r.span_id;
    parent_id_[i] = !before ? 0 : r.parent != kNone ? rows[r.parent].span_id : r.parent_id;
    exchange_[i] = r.exchange;
    start_ns_[i] = r.start_ns;
    kind_[i] = static_cast<uint8_t>(r.kind);
    flags_[i] = r.flags & kShown;
    process_[i] = 0;
    confidence_[i] = before ? r.confidence : 0;
    evidence_[i] = before ? r.evidence : 0;
  }
}

// Ends lie in the records, as the time since the start.
void WindowColumns::GatherEnds(const RowStore& rows, const std::vector<Member>& members,
                               int64_t horizon_ns) {
  for (const Run& run : runs_)
    rows.batch(run.batch).columns().end_ns.Scatter(
        row_.data() + run.begin, place_.data() + run.begin, run.end - run.begin, end_ns_.data());
  for (size_t i = 0; i < members.size(); ++i) {
    const int64_t* own = rows.FindOwnEnd(members[i].row);
    const int64_t end_ns =
        own != nullptr ? *own : start_ns_[i] + std::max<int64_t>(end_ns_[i], 1) - 1;
    const bool masked = masked_[i] != 0 || end_ns > horizon_ns;
    masked_[i] = masked;
    end_ns_[i] = masked ? 0 : end_ns;
    flags_[i] |= masked ? uint32_t{WEFT_FLAG_OPEN} : 0;
  }
}

// A counting sort: stable, so that within a record rows stay in order of start.
void WindowColumns::GroupByBatch(const RowStore& rows, const std::vector<Member>& members) {
  for (const Run& run : runs_) run_of_[run.batch] = 0;
  runs_.clear();
  for (const Member& m : members) {
    const uint32_t batch = rows[m.row].batch;
    if (run_of_.size() <= batch) run_of_.resize(batch + 1, 0);
    uint32_t& run = run_of_[batch];
    if (run == 0) {
      runs_.push_back({batch, 0, 0});
      run = static_cast<uint32_t>(runs_.size());
    }
    ++runs_[run - 1].end;
  }
  uint32_t at = 0;
  for (Run& run : runs_) {
    run.begin = at;
    at += run.end;
    run.end = run.begin;
  }
  for (uint32_t i = 0; i < members.size(); ++i) {
    const Row& r = rows[members[i].row];
    uint32_t& end = runs_[run_of_[r.batch] - 1].end;
    place_[end] = i;
    row_[end++] = r.row;
  }
}

void WindowColumns::GatherColumns(const RowStore& rows, size_t n) {
  for (const Run& run : runs_) {
    const HeldBatch& batch = rows.batch(run.batch);
    const api::EventColumns& from = batch.columns();
    const uint32_t* const row = row_.data() + run.begin;
    const uint32_t* const place = place_.data() + run.begin;
    const size_t size = run.end - run.begin;
    const auto copy = [&](uint64_t column, const api::PackedColumn& values, auto& out) {
      if ((columns_ & column) != 0) values.Scatter(row, place, size, out.data());
    };
    copy(WEFT_COLUMN_CONNECTION, from.connection, connection_);
    copy(WEFT_COLUMN_WIRE_ID, from.wire_id, wire_id_);
    copy(WEFT_COLUMN_STATUS, from.status, status_);
    copy(WEFT_COLUMN_PROTOCOL, from.protocol, protocol_);
    copy(WEFT_COLUMN_ADDRESSES, from.local_port, local_port_);
    copy(WEFT_COLUMN_ADDRESSES, from.remote_port, remote_port_);
    copy(WEFT_COLUMN_FD, from.fd, fd_);
    copy(WEFT_COLUMN_REQUEST_TID, from.request_tid, request_tid_);
    copy(WEFT_COLUMN_RESPONSE_TID, from.response_tid, response_tid_);
    copy(WEFT_COLUMN_BYTES, from.request_bytes, request_bytes_);
    copy(WEFT_COLUMN_BYTES, from.response_bytes, response_bytes_);
    copy(WEFT_COLUMN_CONTEXT, from.context_trace_hi, context_trace_hi_);
    copy(WEFT_COLUMN_CONTEXT, from.context_trace_lo, context_trace_lo_);
    copy(WEFT_COLUMN_CONTEXT, from.context_span_id, context_span_id_);
    GatherText(batch, run);
  }
  HideResponses(n);
}

void WindowColumns::GatherText(const HeldBatch& batch, const Run& run) {
  const uint32_t number = run.batch;
  const api::EventColumns& from = batch.columns();
  uint32_t* const to_pool = MapOf(batch, number);
  const auto copy = [&](uint64_t column, const api::PackedColumn& values, uint32_t* out) {
    if ((columns_ & column) == 0) return;
    values.Widen([&](auto at) {
      for (uint32_t i = run.begin; i < run.end; ++i) {
        const auto index = static_cast<uint32_t>(at(row_[i]));
        uint32_t mapped = to_pool[index];
        if (mapped == 0) mapped = MapString(batch, number, index);
        out[place_[i]] = mapped;
      }
    });
  };
  copy(WEFT_COLUMN_OPERATION, from.operation, operation_.data());
  copy(WEFT_COLUMN_PEER, from.peer, peer_.data());
  copy(WEFT_COLUMN_ADDRESSES, from.local_address, local_address_.data());
  copy(WEFT_COLUMN_ADDRESSES, from.remote_address, remote_address_.data());
  copy(WEFT_COLUMN_REQUEST_ID, from.request_id, request_id_.data());
  if ((columns_ & WEFT_COLUMN_SERVICE) == 0) return;
  for (uint32_t i = run.begin; i < run.end; ++i)
    service_[place_[i]] = MapString(batch, number, from.ServiceOf(row_[i]));
}

// What the response said, which the horizon may hide.
void WindowColumns::HideResponses(size_t n) {
  const auto hide = [&](uint64_t column, auto& values) {
    if ((columns_ & column) == 0) return;
    for (size_t i = 0; i < n; ++i)
      if (masked_[i] != 0) values[i] = 0;
  };
  hide(WEFT_COLUMN_STATUS, status_);
  hide(WEFT_COLUMN_RESPONSE_TID, response_tid_);
  hide(WEFT_COLUMN_BYTES, response_bytes_);
}

const weft_spans& WindowColumns::Gather(const RowStore& rows, const std::vector<Member>& members,
                                        int64_t horizon_ns) {
  const size_t n = members.size();
  if (pool_.size() > kPoolEntries) {
    pool_.Clear();
    ++epoch_;
  }
#define WEFT_COLUMN(type, name, unused) Resize(name##_, n);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  Resize(role_, n);
  Resize(masked_, n);
  Resize(place_, n);
  Resize(row_, n);
  GatherRows(rows, members);
  GroupByBatch(rows, members);
  GatherEnds(rows, members, horizon_ns);
  if (maps_.size() < run_of_.size()) maps_.resize(run_of_.size());
  GatherColumns(rows, n);
  GatherProcess(rows.batch(rows[members[0].row].batch), rows[members[0].row].row);
  Lend(n);
  if ((columns_ & WEFT_COLUMN_ATTRIBUTES) != 0) GatherAttributes(rows, members);
  const bool tokens = std::any_of(runs_.begin(), runs_.end(), [&](const Run& run) {
    return rows.batch(run.batch).columns().token_offset.present();
  });
  if (tokens && (columns_ & WEFT_COLUMN_TOKENS) != 0) GatherTokens(rows, members);
  view_.strings = pool_.strings();
  view_.n_strings = pool_.size();
  return view_;
}

// Truth, trace ids and the key of the TCP option are in no view: nobody decides by them.
void WindowColumns::Lend(size_t n) {
  view_ = weft_spans{};
  view_.struct_size = sizeof(weft_spans);
  view_.n = static_cast<uint32_t>(n);
  const auto lend = [&](uint64_t column, auto*& out, const auto& values) {
    if (column == 0 || (columns_ & column) != 0) out = values.data();
  };
#define WEFT_LEND(column, name) lend(column, view_.name, name##_)
  WEFT_LEND(0, span_id);
  WEFT_LEND(0, parent_id);
  WEFT_LEND(0, exchange);
  WEFT_LEND(0, start_ns);
  WEFT_LEND(0, end_ns);
  WEFT_LEND(0, kind);
  WEFT_LEND(0, role);
  WEFT_LEND(0, flags);
  WEFT_LEND(0, process);
  WEFT_LEND(0, confidence);
  WEFT_LEND(0, evidence);
  WEFT_LEND(WEFT_COLUMN_CONNECTION, connection);
  WEFT_LEND(WEFT_COLUMN_WIRE_ID, wire_id);
  WEFT_LEND(WEFT_COLUMN_STATUS, status);
  WEFT_LEND(WEFT_COLUMN_PROTOCOL, protocol);
  WEFT_LEND(WEFT_COLUMN_SERVICE, service);
  WEFT_LEND(WEFT_COLUMN_OPERATION, operation);
  WEFT_LEND(WEFT_COLUMN_PEER, peer);
  WEFT_LEND(WEFT_COLUMN_ADDRESSES, local_address);
  WEFT_LEND(WEFT_COLUMN_ADDRESSES, remote_address);
  WEFT_LEND(WEFT_COLUMN_ADDRESSES, local_port);
  WEFT_LEND(WEFT_COLUMN_ADDRESSES, remote_port);
  WEFT_LEND(WEFT_COLUMN_FD, fd);
  WEFT_LEND(WEFT_COLUMN_REQUEST_TID, request_tid);
  WEFT_LEND(WEFT_COLUMN_RESPONSE_TID, response_tid);
  WEFT_LEND(WEFT_COLUMN_BYTES, request_bytes);
  WEFT_LEND(WEFT_COLUMN_BYTES, response_bytes);
  WEFT_LEND(WEFT_COLUMN_CONTEXT, context_trace_hi);
  WEFT_LEND(WEFT_COLUMN_CONTEXT, context_trace_lo);
  WEFT_LEND(WEFT_COLUMN_CONTEXT, context_span_id);
  WEFT_LEND(WEFT_COLUMN_REQUEST_ID, request_id);
#undef WEFT_LEND
  view_.processes = &processes_;
  pairs_ = weft_pairs{};
  pairs_.struct_size = sizeof(weft_pairs);
  view_.pairs = &pairs_;
}

void WindowColumns::GatherProcess(const HeldBatch& batch, uint32_t row) {
  const api::EventColumns& from = batch.columns();
  const weft_processes& p = from.processes;
  const auto k = static_cast<uint32_t>(from.process[row]);
  process_id_ = p.process_id[k];
  process_strings_[0] = pool_.Intern(from.Text(p.host[k]));
  process_strings_[1] = pool_.Intern(from.Text(p.service[k]));
  process_strings_[2] = pool_.Intern(from.Text(p.executable[k]));
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
    const api::EventColumns& from = batch.columns();
    const uint64_t end = from.attr_offset[size_t{r.row} + 1];
    for (uint64_t a = from.attr_offset[r.row]; a < end; ++a) {
      const uint64_t pair = from.attr[a];
      const auto type = static_cast<uint8_t>(from.pair_type[pair]);
      uint64_t value = from.pair_value[pair];
      if (type == WEFT_ATTR_STRING) value = MapString(batch, r.batch, static_cast<uint32_t>(value));
      const auto key = static_cast<uint32_t>(from.pair_key[pair]);
      attr_.push_back(pair_table_.Intern(MapString(batch, r.batch, key), type, value));
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
    const api::EventColumns& from = rows.Columns(r);
    const bool masked = masked_[i] != 0;  // then its response is not there yet
    const uint64_t end = from.token_offset[size_t{r.row} + 1];
    for (uint64_t t = from.token_offset[r.row]; t < end; ++t)
      if (const auto token = static_cast<uint32_t>(from.token[t]); !masked || (token & 1) == 0)
        token_.push_back(token);
    token_offset_.push_back(static_cast<uint32_t>(token_.size()));
  }
  view_.token_offset = token_offset_.data();
  view_.token = token_.data();
}

}  // namespace weft::stitch
