#include "plugins/correlator-delay/state_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace weft::plugins::delay {
namespace {

constexpr uint32_t kVersion = 0x64650002;

template <class T>
void Put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
bool Get(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return true;
}

// State that was cut or bent on the way must not become a wrong model.
uint64_t Checksum(std::string_view bytes) {
  uint64_t sum = bytes.size();
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum = Join(sum, word);
  }
  for (const char c : bytes) sum = Join(sum, static_cast<unsigned char>(c));
  return sum;
}

bool Sane(double value) { return std::isfinite(value) && value >= 0 && value < 1e15; }

void PutHistogram(std::string& out, const std::array<float, RequestModel::kBins>& h) {
  const auto used = static_cast<uint8_t>(std::ranges::count_if(h, [](float c) { return c > 0; }));
  Put(out, used);
  for (size_t b = 0; b < h.size(); ++b)
    if (h[b] > 0) {
      Put(out, static_cast<uint8_t>(b));
      Put(out, h[b]);
    }
}

bool GetHistogram(std::string_view& in, std::array<float, RequestModel::kBins>& h, float& n) {
  uint8_t used = 0, bin = 0;
  if (!Get(in, used)) return false;
  n = 0;
  for (; used > 0; --used) {
    float count = 0;
    if (!Get(in, bin) || !Get(in, count) || bin >= h.size() || !Sane(static_cast<double>(count)))
      return false;
    h[bin] = count;
    n += count;
  }
  return true;
}

bool GetNames(std::string_view& in, std::vector<uint64_t>& names) {
  uint32_t n = 0;
  if (!Get(in, n) || n > kMaxNames) return false;
  names.resize(n);
  for (uint64_t& name : names)
    if (!Get(in, name)) return false;
  return true;
}

void PutNames(std::string& out, const std::vector<uint64_t>& names) {
  Put(out, static_cast<uint32_t>(names.size()));
  for (const uint64_t name : names) Put(out, name);
}

void PutOrder(std::string& out, const QueueOrder& order) {
  Put(out, static_cast<uint32_t>(order.seen.size()));
  for (const auto& [key, seen] : std::map(order.seen.begin(), order.seen.end())) {
    Put(out, key);
    Put(out, seen);
  }
}

bool GetOrder(std::string_view& in, QueueOrder& order) {
  uint32_t n = 0, key = 0;
  if (!Get(in, n) || n > QueueOrder::kMaxPairs) return false;
  for (; n > 0; --n) {
    QueueOrder::Seen seen;
    if (!Get(in, key) || !Get(in, seen)) return false;
    for (const float f :
         {seen.overtook, seen.in_order, seen.expected_overtook, seen.expected_in_order})
      if (!Sane(static_cast<double>(f))) return false;
    order.seen[key] = seen;
  }
  return true;
}

}  // namespace

// In order, so that each row comes after the coarser one that it leans on.
void StateCodec::PutRests(std::string& out, const RequestModel& m) {
  std::vector<uint64_t> keys(m.rests_.size());
  for (const auto& [key, row] : m.rest_row_) keys[row] = key;
  const size_t at = out.size();
  uint32_t rows = 0;
  Put(out, rows);
  for (; rows < m.rests_.size() && out.size() < kLimit * 7 / 8; ++rows) {
    Put(out, keys[rows]);
    Put(out, m.rests_[rows].coarser);
    PutHistogram(out, m.rests_[rows].count);
  }
  std::memcpy(out.data() + at, &rows, sizeof rows);
}

bool StateCodec::GetRests(std::string_view& in, RequestModel& m) {
  uint32_t rows = 0;
  if (!Get(in, rows) || rows > RequestModel::kMaxRows) return false;
  m.rests_.resize(std::max(rows, 1u));
  for (uint32_t r = 0; r < rows; ++r) {
    uint64_t key = 0;
    auto& row = m.rests_[r];
    if (!Get(in, key) || !Get(in, row.coarser) || (row.coarser >= r && row.coarser != 0) ||
        !GetHistogram(in, row.count, row.n))
      return false;
    if (r > 0) m.rest_row_[key] = r;
  }
  return true;
}

std::string StateCodec::Save(const ProcessLearner& learner) {
  std::string out;
  if (!learner.warm_) return out;
  const RequestModel& m = learner.model_;
  Put(out, kVersion);
  Put(out, m.quantum_);
  Put(out, m.busy_);
  Put(out, m.idle_);
  Put(out, m.requests_);
  PutNames(out, learner.history_.operations.hashes());
  PutNames(out, learner.history_.callees.hashes());
  Put(out, m.responses_);
  Put(out, m.calls_);
  Put(out, m.orphans_);
  PutOrder(out, learner.order_);
  for (const auto& any : m.any_) PutHistogram(out, any.count);
  // Rows by weight; a quarter of the room stays for the context counts.
  std::vector<size_t> order(m.rows_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return m.rows_[a].n > m.rows_[b].n; });
  const size_t at = out.size();
  uint32_t rows = 0;
  Put(out, rows);
  for (const size_t i : order) {
    if (out.size() > kLimit * 3 / 4) break;
    Put(out, m.row_key_[i]);
    PutHistogram(out, m.rows_[i].count);
    ++rows;
  }
  std::memcpy(out.data() + at, &rows, sizeof rows);
  PutRests(out, m);
  std::vector<std::pair<float, uint64_t>> counts;
  m.counts_.Each([&](uint64_t key, float count) { counts.emplace_back(count, key); });
  std::ranges::sort(counts, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  const size_t fit = (kLimit - out.size() - sizeof(uint64_t)) / (sizeof(uint64_t) + sizeof(float));
  for (size_t i = 0; i < std::min(fit, counts.size()); ++i) {
    Put(out, counts[i].second);
    Put(out, counts[i].first);
  }
  return Seal(std::move(out));
}

std::string StateCodec::Seal(std::string bytes) {
  Put(bytes, Checksum(bytes));
  return bytes;
}

bool StateCodec::Load(std::string_view in, ProcessLearner& learner) {
  if (in.empty()) return true;
  if (in.size() < sizeof(uint64_t)) return false;
  std::string_view tail = in.substr(in.size() - sizeof(uint64_t));
  in.remove_suffix(sizeof(uint64_t));
  uint64_t checksum = 0;
  if (!Get(tail, checksum) || checksum != Checksum(in)) return false;
  uint32_t version = 0, rows = 0;
  RequestModel m;
  std::vector<uint64_t> operations, callees;
  QueueOrder order;
  if (!Get(in, version) || version != kVersion || !Get(in, m.quantum_) || !Get(in, m.busy_) ||
      !Get(in, m.idle_) || !Get(in, m.requests_) || !GetNames(in, operations) ||
      !GetNames(in, callees) || !Get(in, m.responses_) || !Get(in, m.calls_) ||
      !Get(in, m.orphans_))
    return false;
  if (!Sane(m.busy_) || !Sane(m.idle_) || !Sane(m.requests_) ||
      (m.quantum_ != 1 && m.quantum_ != 1000))
    return false;
  for (const auto* counts : {&m.calls_, &m.orphans_})
    for (const float c : *counts)
      if (!Sane(static_cast<double>(c))) return false;
  for (const float r : m.responses_)
    if (!Sane(static_cast<double>(r))) return false;
  if (!GetOrder(in, order)) return false;
  for (auto& any : m.any_)
    if (!GetHistogram(in, any.count, any.n)) return false;
  if (!Get(in, rows) || rows > RequestModel::kMaxRows) return false;
  for (; rows > 0; --rows) {
    uint32_t key = 0;
    if (!Get(in, key) || key >= kLabels * kOutcomes) return false;
    auto* row =
        m.RowFor(static_cast<Label>(key / kOutcomes), static_cast<Outcome>(key % kOutcomes));
    if (row == nullptr || !GetHistogram(in, row->count, row->n)) return false;
  }
  if (!GetRests(in, m)) return false;
  uint64_t key = 0;
  float count = 0;
  while (Get(in, key) && Get(in, count)) {
    if (!Sane(static_cast<double>(count))) return false;
    m.counts_.At(key) = count;
  }
  if (!in.empty()) return false;
  learner.model_ = std::move(m);
  learner.order_ = std::move(order);
  learner.history_.Clear();
  learner.history_.operations.Assign(std::move(operations));
  learner.history_.callees.Assign(std::move(callees));
  learner.warm_ = learner.quantum_known_ = true;
  learner.Refresh();
  return true;
}

}  // namespace weft::plugins::delay
