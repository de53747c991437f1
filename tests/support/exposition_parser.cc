#include "tests/support/exposition_parser.h"

#include <cmath>
#include <cstdlib>
#include <regex>
#include <set>

namespace weft::testsupport {
namespace {

constexpr const char* kName = "[a-zA-Z_:][a-zA-Z0-9_:]*";

class Reader {
 public:
  Reader(ParsedPage* page, bool open) : page_(*page), open_(open) {}

  void Line(const std::string& line) {
    if (ended_) return Wrong(line, "after # EOF");
    if (line == "# EOF") {
      if (!open_) Wrong(line, "only OpenMetrics has it");
      ended_ = true;
    } else if (line.starts_with("#")) {
      Comment(line);
    } else {
      Sample(line);
    }
  }
  void End() {
    CloseFamily();
    if (open_ && !ended_) page_.mistakes.push_back("no # EOF");
  }

 private:
  void Wrong(const std::string& line, const std::string& why) {
    page_.mistakes.push_back(why + ": " + line);
  }

  void Comment(const std::string& line) {
    static const std::regex pattern("# (HELP|TYPE|UNIT) (" + std::string(kName) + ") (.*)");
    std::smatch match;
    if (!std::regex_match(line, match, pattern)) return Wrong(line, "no HELP, TYPE or UNIT line");
    const std::string what = match[1], name = match[2], text = match[3];
    if (name != family_) {
      CloseFamily();
      if (page_.families.contains(name)) Wrong(line, "the family was there before");
      family_ = name;
    }
    ParsedFamily& family = page_.families[name];
    if (!family.samples.empty()) Wrong(line, "after the samples");
    if (what == "HELP") {
      if (text.empty() || !family.help.empty()) Wrong(line, "empty or twice");
      family.help = text;
    } else if (what == "TYPE") {
      static const std::set<std::string> types = {"counter", "gauge", "histogram"};
      if (!types.contains(text) && text != (open_ ? "unknown" : "untyped"))
        Wrong(line, "no such type");
      if (!family.type.empty()) Wrong(line, "twice");
      family.type = text;
    } else if (!name.ends_with("_" + text)) {
      Wrong(line, "the name does not end with the unit");
    }
  }

  void Sample(const std::string& line) {
    static const std::regex pattern(
        "(" + std::string(kName) +
        ")(\\{([a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\\n]|\\\\[\\\\\"n])*\""
        "(,(?!\\})|(?=\\})))*\\})? (\\S+)"
        "( # \\{trace_id=\"[0-9a-f]{32}\"\\} [0-9.e+-]+ [0-9]+\\.[0-9]{3})?");
    std::smatch match;
    if (!std::regex_match(line, match, pattern)) return Wrong(line, "no sample");
    const std::string name = match[1], labels = match[2], text = match[6];
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size()) Wrong(line, "no number");
    if (!Belongs(name)) return Wrong(line, "not of the family " + family_);
    ParsedFamily& family = page_.families[family_];
    if (family.type == "counter" && !name.ends_with("_total"))
      Wrong(line, "a counter without _total");
    if ((family.type == "counter" || family.type == "histogram") && !(value >= 0))
      Wrong(line, "less than nothing");
    if (!family.samples.emplace(name + labels, value).second) Wrong(line, "twice");
    if (name == family_ + "_bucket") Bucket(line, labels, value);
    if (name == family_ + "_count" && value != last_bucket_)
      Wrong(line, "is not what the +Inf bucket has");
  }

  bool Belongs(const std::string& name) const {
    const auto family = page_.families.find(family_);
    if (family == page_.families.end() || family->second.type.empty()) return false;
    if (family->second.type == "histogram")
      return name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count";
    if (family->second.type == "counter" && open_) return name == family_ + "_total";
    return name == family_;
  }

  void Bucket(const std::string& line, const std::string& labels, double value) {
    const size_t at = labels.find("le=\"");
    if (at == labels.npos) return Wrong(line, "a bucket without le");
    const std::string others = labels.substr(0, at);
    const double bound = std::strtod(labels.c_str() + at + 4, nullptr);
    if (others == bucket_labels_ && !bucket_done_) {
      if (!(bound > last_bound_) || value < last_bucket_) Wrong(line, "buckets do not grow");
    } else if (!bucket_done_) {
      Wrong(line, "the series before has no +Inf");
    }
    bucket_labels_ = others;
    last_bound_ = bound;
    last_bucket_ = value;
    bucket_done_ = std::isinf(bound);
  }

  void CloseFamily() {
    if (family_.empty()) return;
    const ParsedFamily& family = page_.families[family_];
    if (family.help.empty()) page_.mistakes.push_back(family_ + " has no HELP");
    if (family.type.empty()) page_.mistakes.push_back(family_ + " has no TYPE");
    if (family.samples.empty()) page_.mistakes.push_back(family_ + " has no samples");
    if (!bucket_done_) page_.mistakes.push_back(family_ + " has no +Inf bucket");
    bucket_done_ = true;
  }

  ParsedPage& page_;
  const bool open_;
  bool ended_ = false;
  std::string family_;
  std::string bucket_labels_;
  double last_bound_ = 0, last_bucket_ = 0;
  bool bucket_done_ = true;
};

}  // namespace

double ParsedPage::Value(std::string_view series) const {
  for (const auto& [name, family] : families)
    if (const auto it = family.samples.find(std::string(series)); it != family.samples.end())
      return it->second;
  return -1;
}

ParsedPage ParseMetricsPage(std::string_view page, bool openmetrics) {
  ParsedPage parsed;
  Reader reader(&parsed, openmetrics);
  if (!page.ends_with('\n')) parsed.mistakes.push_back("the last line has no end");
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    reader.Line(std::string(page.substr(at, end - at)));
    at = end + 1;
  }
  reader.End();
  return parsed;
}

}  // namespace weft::testsupport
