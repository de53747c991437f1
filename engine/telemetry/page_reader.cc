#include "engine/telemetry/page_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace weft::telemetry {
namespace {

bool NameChar(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (!first && c >= '0' && c <= '9');
}

// One line from left to right. A function that fails leaves the reason in `wrong`.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  bool Read(MetricSample* out) {
    out->name = Name();
    if (out->name.empty()) return Wrong("no name of a metric");
    if (Skip('{') && !Labels(out)) return false;
    Blanks();
    const std::string_view value = Word();
    if (value.empty()) return Wrong("no value");
    if (!Number(value, &out->value)) return Wrong("no number");
    // A time stamp may follow, and in OpenMetrics an exemplar behind '#'.
    Blanks();
    double ignored = 0;
    if (!rest_.empty() && rest_[0] != '#' && !Number(Word(), &ignored))
      return Wrong("text behind the value");
    return true;
  }
  std::string_view wrong() const { return wrong_; }

 private:
  bool Wrong(std::string_view why) {
    wrong_ = why;
    return false;
  }
  bool Skip(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void Blanks() {
    while (Skip(' ') || Skip('\t')) {
    }
  }
  std::string_view Take(size_t n) {
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(out.size());
    return out;
  }
  std::string_view Word() { return Take(std::min(rest_.find_first_of(" \t"), rest_.size())); }
  std::string_view Name() {
    size_t n = 0;
    while (n < rest_.size() && NameChar(rest_[n], n == 0)) ++n;
    return Take(n);
  }

  // Behind the '{'.
  bool Labels(MetricSample* out) {
    while (true) {
      Blanks();
      if (Skip('}')) return true;
      if (out->labels.size() == MetricsReading::kMaxLabels) return Wrong("too many labels");
      std::string key(Name());
      if (key.empty()) return Wrong("no name of a label");
      if (!Skip('=') || !Skip('"')) return Wrong("no value of a label");
      std::string text;
      if (!Quoted(&text)) return Wrong("a label without its end");
      out->labels.emplace_back(std::move(key), std::move(text));
      Blanks();
      if (!Skip(',') && (rest_.empty() || rest_[0] != '}')) return Wrong("no ',' between labels");
    }
  }

  bool Quoted(std::string* out) {
    for (size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
      if (rest_[i] != '\\' || i + 1 == rest_.size()) {
        out->push_back(rest_[i]);
      } else {
        ++i;
        out->push_back(rest_[i] == 'n' ? '\n' : rest_[i]);
      }
    }
    return false;
  }

  static bool Number(std::string_view text, double* out) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, *out);
    if (rest != end || text.empty()) return false;
    return error == std::errc() || error == std::errc::result_out_of_range;
  }

  std::string_view rest_;
  std::string_view wrong_;
};

// What a message may show of somebody else's bytes.
std::string Shown(std::string_view line) {
  std::string out(line.substr(0, 60));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

bool Counts(const MetricSample& sample, std::string_view key, std::string_view text) {
  return std::isfinite(sample.value) && (key.empty() || sample.Label(key) == text);
}

}  // namespace

std::string_view MetricSample::Label(std::string_view key) const {
  for (const auto& [label, text] : labels)
    if (label == key) return text;
  return {};
}

Result<MetricsReading> MetricsReading::Parse(std::string_view page) {
  if (page.size() > kMaxPageBytes)
    return Fail(Code::kFull, fmt::format("the page is larger than {} bytes", kMaxPageBytes));
  MetricsReading reading;
  size_t number = 0;
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    std::string_view line = page.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos || line[0] == '#') continue;
    if (reading.samples_.size() == kMaxSamples)
      return Fail(Code::kFull, fmt::format("the page has more than {} samples", kMaxSamples));
    LineReader reader(line);
    MetricSample sample;
    if (!reader.Read(&sample))
      return Fail(Code::kCorrupt,
                  fmt::format("line {}: {}: '{}'", number, reader.wrong(), Shown(line)));
    reading.samples_.push_back(std::move(sample));
  }
  std::ranges::stable_sort(reading.samples_, {}, &MetricSample::name);
  return reading;
}

std::span<const MetricSample> MetricsReading::Find(std::string_view name) const {
  const auto found = std::ranges::equal_range(
      samples_, name, {}, [](const MetricSample& sample) { return std::string_view(sample.name); });
  return {found.begin(), found.end()};
}

std::optional<double> MetricsReading::Sum(std::string_view name, std::string_view key,
                                          std::string_view text) const {
  std::optional<double> out;
  for (const MetricSample& sample : Find(name))
    if (Counts(sample, key, text)) out = out.value_or(0) + sample.value;
  return out;
}

std::optional<double> MetricsReading::Max(std::string_view name, std::string_view key,
                                          std::string_view text) const {
  std::optional<double> out;
  for (const MetricSample& sample : Find(name))
    if (Counts(sample, key, text)) out = std::max(out.value_or(sample.value), sample.value);
  return out;
}

}  // namespace weft::telemetry
