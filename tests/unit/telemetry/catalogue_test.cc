#include "engine/telemetry/catalogue.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/repo/source_tree.h"

namespace weft::telemetry {
namespace {

// Every name that a source gives to Metrics, with the file that does: Get("x"), and what is put
// together, fmt::format("x{{partition={}}}", ...).
std::map<std::string, std::string> NamesInSources() {
  static const std::regex pattern(
      R"re((?:\bGet|GetHistogram|OfStage|OfPartition|fmt::format)\("([a-z]+\.[a-z0-9_]+)["{])re");
  std::map<std::string, std::string> names;
  for (const repo::SourceFile& file : repo::ReadSourceTree({".h", ".cc"})) {
    if (file.path.starts_with("tests/")) continue;
    std::string text;
    for (const std::string& line : file.lines) text += line + "\n";
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
      names.emplace((*it)[1], file.path);
  }
  return names;
}

TEST(Catalogue, DescribesEveryMetricThatTheSourcesMake) {
  const auto names = NamesInSources();
  ASSERT_GT(names.size(), 90u);
  for (const auto& [name, file] : names)
    EXPECT_NE(FindMetric(name), nullptr) << file << " makes the metric " << name
                                         << ": add a line for it to engine/telemetry/catalogue.cc";
}

TEST(Catalogue, DescribesNothingThatNoSourceMakes) {
  const auto names = NamesInSources();
  for (const MetricInfo& metric : Catalogue()) {
    if (metric.name == "plugin.events") continue;
    EXPECT_TRUE(names.contains(std::string(metric.name))) << metric.name;
  }
}

TEST(Catalogue, NamesAreThoseThatPrometheusExpects) {
  std::set<std::string> seen;
  for (const MetricInfo& metric : Catalogue()) {
    const std::string name = PrometheusName(metric.name, metric.kind);
    EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
    EXPECT_TRUE(std::regex_match(name, std::regex("weft_[a-z0-9_]+"))) << name;
    EXPECT_EQ(name.ends_with("_total"), metric.kind == MetricKind::kCounter) << name;
    EXPECT_TRUE(metric.help.ends_with('.')) << name;
    EXPECT_EQ(name.find("_ns"), std::string::npos) << name;
  }
}

// WEFT_REWRITE=1 writes it anew.
TEST(Catalogue, TheReadmeHasTheTable) {
  const std::string path = std::string(WEFT_SOURCE_DIR) + "/engine/telemetry/README.md";
  std::ifstream in(path);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const size_t at = text.find("| metric |");
  ASSERT_NE(at, std::string::npos) << path;
  if (std::getenv("WEFT_REWRITE") != nullptr) {
    std::ofstream(path) << text.substr(0, at) << CatalogueMarkdown();
    return;
  }
  EXPECT_EQ(text.substr(at), CatalogueMarkdown()) << "WEFT_REWRITE=1 telemetry_test writes it anew";
}

}  // namespace
}  // namespace weft::telemetry
