#include "engine/trace/trace_weight.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/ascii.h"

namespace weft::trace {
namespace {

constexpr std::string_view kKey = "w3c.tracestate";
constexpr int kDigits = 14;  // of 56 bits
constexpr int kPrecision = 4;

// Calls visit(part) for each part between separators that is not empty.
template <typename Visit>
void Split(std::string_view text, char separator, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (const auto part = TrimBlank(text.substr(0, end)); !part.empty()) visit(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void Append(std::string& list, char separator, std::string_view part) {
  if (!list.empty()) list.push_back(separator);
  list.append(part);
}

// Of hex digits of which trailing zeros are left out, the order of the numbers is that of the
// texts.
bool IsThreshold(std::string_view digits) {
  return !digits.empty() && digits.size() <= kDigits &&
         digits.find_first_not_of("0123456789abcdef") == digits.npos;
}

// The pairs of one table that are trace states, as they are to become.
class Rewriter {
 public:
  explicit Rewriter(api::SpanTable& spans) : spans_(spans), key_(spans.Intern(kKey)) {}

  // By its text: a key that was some value before has another number.
  bool IsTraceState(uint32_t pair) const {
    return spans_.pairs.type[pair] == WEFT_ATTR_STRING &&
           spans_.strings.Text(spans_.pairs.key[pair]) == kKey;
  }
  // `pair`: that of the span, or WEFT_NONE.
  uint32_t With(uint32_t pair, double weight, Earlier earlier) {
    const auto [known, fresh] = made_.try_emplace({pair, weight, earlier}, pair);
    if (!fresh) return known->second;
    const std::string before = pair == WEFT_NONE ? std::string() : TextOf(pair);
    if (weight <= 1 && before.find("th:") == before.npos) return pair;
    const uint32_t text = spans_.Intern(WithThreshold(before, Threshold(weight), earlier));
    return known->second = spans_.pairs.Intern(key_, WEFT_ATTR_STRING, text);
  }

 private:
  std::string TextOf(uint32_t pair) const {
    return std::string(spans_.strings.Text(static_cast<uint32_t>(spans_.pairs.value[pair])));
  }

  api::SpanTable& spans_;
  const uint32_t key_;
  std::map<std::tuple<uint32_t, double, Earlier>, uint32_t> made_;
};

// Which rows' earlier thresholds say nothing.
std::vector<Earlier> EarlierOf(const ExportBatch& batch) {
  const std::vector<uint32_t>& flags = batch.spans.flags;
  std::vector<Earlier> out(flags.size());
  for (size_t row = 0; row < flags.size(); ++row)
    out[row] = (flags[row] & WEFT_FLAG_REPORTED) != 0 ? Earlier::kCounts : Earlier::kSaysNothing;
  for (const uint32_t row : batch.seen_too) out[row] = Earlier::kSaysNothing;
  return out;
}

// Of traces that stand for themselves alone nothing has to be added.
void TakeThresholdsOff(ExportBatch& batch) {
  // Whose requests had a trace context may have a trace state.
  constexpr uint32_t kContext = WEFT_FLAG_CONTEXT | WEFT_FLAG_SAMPLED | WEFT_FLAG_UNSAMPLED;
  uint32_t any = batch.seen_too.empty() ? 0 : kContext;
  for (const uint32_t flags : batch.spans.flags)
    any |= (flags & WEFT_FLAG_REPORTED) != 0 ? 0 : flags;
  if ((any & kContext) == 0) return;
  api::SpanTable& spans = batch.spans;
  const std::vector<Earlier> earlier = EarlierOf(batch);
  Rewriter rewriter(spans);
  for (uint32_t row = 0; row < spans.n(); ++row) {
    if (earlier[row] == Earlier::kCounts) continue;
    for (uint32_t a = spans.attr_offset[row]; a < spans.attr_offset[row + 1]; ++a)
      if (rewriter.IsTraceState(spans.attr[a]))
        spans.attr[a] = rewriter.With(spans.attr[a], 1, Earlier::kSaysNothing);
  }
}

}  // namespace

std::string Threshold(double weight) {
  if (!(weight > 1)) return "0";
  constexpr uint64_t kAll = uint64_t{1} << 56;
  const auto exact =
      static_cast<uint64_t>(std::llround((1 - 1 / weight) * static_cast<double>(kAll)));
  uint64_t threshold = std::min(exact, kAll - 1);
  const std::string all = fmt::format("{:014x}", threshold);
  const size_t silent = std::min(all.find_first_not_of('f'), all.size());
  if (silent + kPrecision < kDigits) {
    const size_t shift = 4 * (kDigits - kPrecision - silent);
    const uint64_t rounded = (threshold + (uint64_t{1} << (shift - 1))) >> shift << shift;
    threshold = rounded < kAll ? rounded : threshold >> shift << shift;
  }
  std::string digits = fmt::format("{:014x}", threshold);
  digits.erase(std::max<size_t>(digits.find_last_not_of('0') + 1, 1));
  return digits;
}

std::string WithThreshold(std::string_view trace_state, std::string_view threshold,
                          Earlier earlier) {
  std::string others, ours;
  std::string_view wins = threshold;
  Split(trace_state, ',', [&](std::string_view member) {
    if (!member.starts_with("ot=")) return Append(others, ',', member);
    Split(member.substr(3), ';', [&](std::string_view field) {
      if (!field.starts_with("th:")) return Append(ours, ';', field);
      const auto before = field.substr(3);
      if (earlier == Earlier::kCounts && IsThreshold(before)) wins = std::max(wins, before);
    });
  });
  std::string out = fmt::format("ot=th:{}", wins);
  if (!ours.empty()) Append(out, ';', ours);
  if (!others.empty()) Append(out, ',', others);
  return out;
}

void WriteThresholds(ExportBatch& batch) {
  const TraceRows& traces = batch.traces;
  if (std::ranges::none_of(traces.weight, [](double weight) { return weight > 1; }))
    return TakeThresholdsOff(batch);
  api::SpanTable& spans = batch.spans;
  std::vector<double> weight(spans.n(), 1);
  for (uint32_t t = 0; t < traces.n(); ++t)
    std::fill_n(weight.begin() + traces.first_row[t], traces.n_rows[t], traces.weight[t]);
  const std::vector<Earlier> earlier = EarlierOf(batch);
  Rewriter rewriter(spans);
  std::vector<uint32_t> attr, offset{0};
  attr.reserve(spans.attr.size() + spans.n());
  for (uint32_t row = 0; row < spans.n(); ++row) {
    const bool written = weight[row] > 1 || earlier[row] == Earlier::kSaysNothing;
    bool found = false;
    for (uint32_t a = spans.attr_offset[row]; a < spans.attr_offset[row + 1]; ++a) {
      const uint32_t pair = spans.attr[a];
      const bool state = written && rewriter.IsTraceState(pair);
      found |= state;
      attr.push_back(state ? rewriter.With(pair, weight[row], earlier[row]) : pair);
    }
    if (weight[row] > 1 && !found)
      attr.push_back(rewriter.With(WEFT_NONE, weight[row], earlier[row]));
    offset.push_back(static_cast<uint32_t>(attr.size()));
  }
  spans.attr = std::move(attr);
  spans.attr_offset = std::move(offset);
}

}  // namespace weft::trace
