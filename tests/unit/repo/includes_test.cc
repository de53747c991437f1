// The arrows of ARCHITECTURE.md, checked on the include lines.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/repo/source_tree.h"

namespace weft::repo {
namespace {

struct Arrow {
  std::string_view folder;
  std::vector<std::string_view> may_include;  // beside itself
};

// The first folder that matches decides: special cases come before their parents.
const std::vector<Arrow>& Arrows() {
  static const std::vector<Arrow> arrows = {
      {"engine/base", {}},
      {"engine/api", {"engine/base"}},
      {"engine/transport", {"engine/base", "engine/api"}},
      {"engine/stitch", {"engine/base", "engine/api", "engine/transport"}},
      {"engine/redact", {"engine/base", "engine/api"}},
      {"engine/trace", {"engine/base", "engine/api", "engine/transport", "engine/redact"}},
      {"engine/plugin", {"engine/base", "engine/api"}},
      {"engine/telemetry", {"engine/base"}},
      {"engine/http", {"engine/base"}},
      {"engine/eval", {"engine/base", "engine/api", "engine/transport", "engine/stitch"}},
      {"engine/graph",
       {"engine/base", "engine/api", "engine/transport", "engine/stitch", "engine/trace",
        "engine/plugin"}},
      {"engine/cli", {"engine", "sources", "sinks", "sql", "bpf"}},
      {"sources/ebpf",
       {"engine/base", "engine/api", "engine/transport", "bpf/wire.h", "bpf/socket_layer.skel.h",
        "bpf/syscalls.skel.h", "bpf/syscalls_compat.skel.h", "bpf/tcp_option.skel.h",
        "sources/publisher.h"}},
      {"sources/otlp",
       {"engine/base", "engine/api", "engine/http", "engine/transport", "sources/span_records.h"}},
      {"sources/replay",
       {"engine/base", "engine/api", "engine/transport", "sources/publisher.h",
        "sources/span_records.h", "sources/otlp/otlp_json.h", "sources/otlp/otlp_rows.h"}},
      {"sources/zipkin",
       {"engine/base", "engine/api", "sources/otlp/otlp_proto.h", "sources/replay/foreign_rows.h",
        "sources/replay/json_value.h", "sources/replay/zipkin_traces.h"}},
      {"sources", {"engine/base", "engine/api", "engine/transport", "bpf/wire.h"}},
      {"plugins/exporter-", {"engine/api", "sinks", "plugins/exporting"}},
      {"plugins/exporting", {"engine/api", "sinks"}},
      {"plugins/sampler-", {"engine/api", "plugins/sampling"}},
      {"plugins", {"engine/api"}},
      {"sinks/sqlite", {"engine/base", "engine/api", "sinks/jsonl/json_text.h", "sql"}},
      {"sinks", {"engine/base", "engine/api"}},
      {"sql/serve", {"engine/base", "engine/http", "sql"}},
      {"sql", {"engine/base"}},
      {"bpf", {}},
  };
  return arrows;
}

bool IsOurs(std::string_view path) {
  for (std::string_view top :
       {"engine/", "sources/", "plugins/", "sinks/", "sql/", "bpf/", "tests/"})
    if (path.starts_with(top)) return true;
  return false;
}

// The path between the quotes of an include line, or "".
std::string_view Quoted(std::string_view line) {
  if (!line.starts_with("#include \"")) return {};
  line.remove_prefix(10);
  return line.substr(0, line.find('"'));
}

bool IsAllowed(std::string_view from, const Arrow& arrow, std::string_view to) {
  // A plugin's own folder, and never another plugin's.
  const std::string_view own = from.substr(0, from.rfind('/') + 1);
  if (to.starts_with(own)) return true;
  if (to.starts_with(arrow.folder) && arrow.folder != "plugins" && !arrow.folder.ends_with('-'))
    return true;
  return std::any_of(arrow.may_include.begin(), arrow.may_include.end(),
                     [&](std::string_view folder) { return to.starts_with(folder); });
}

TEST(Includes, FollowTheArrowsOfTheArchitecture) {
  for (const SourceFile& file : ReadSourceTree({".h", ".cc", ".c"})) {
    const auto arrow = std::find_if(Arrows().begin(), Arrows().end(), [&](const Arrow& a) {
      return file.path.starts_with(a.folder);
    });
    if (arrow == Arrows().end()) continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string_view to = Quoted(file.lines[i]);
      if (to.empty() || !IsOurs(to)) continue;
      EXPECT_TRUE(IsAllowed(file.path, *arrow, to))
          << file.path << ":" << i + 1 << ": " << arrow->folder << " must not include " << to;
    }
  }
}

TEST(Includes, PathsStartAtTheRoot) {
  for (const SourceFile& file : ReadSourceTree({".h", ".cc"})) {
    // What is installed for third parties, and their example, knows no root.
    if (file.path.starts_with("engine/api/plugin") || file.path.starts_with("plugins/sdk") ||
        file.path.starts_with("bpf/"))
      continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string_view to = Quoted(file.lines[i]);
      EXPECT_TRUE(to.empty() || to.find('/') != to.npos)
          << file.path << ":" << i + 1 << ": " << to << " does not start at the root";
      EXPECT_FALSE(to.starts_with("../")) << file.path << ":" << i + 1;
    }
  }
}

TEST(Includes, NothingIncludesAKernelProgram) {
  for (const SourceFile& file : ReadSourceTree({".h", ".cc", ".c"}))
    for (size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(Quoted(file.lines[i]).ends_with(".bpf.c")) << file.path << ":" << i + 1;
}

TEST(Includes, HeadersHaveAPragmaOnceAndSayWhatTheyAre) {
  for (const SourceFile& file : ReadSourceTree({".h"})) {
    if (!file.path.starts_with("engine/") && !file.path.starts_with("sources/") &&
        !file.path.starts_with("sinks/") && !file.path.starts_with("sql/"))
      continue;
    ASSERT_FALSE(file.lines.empty()) << file.path;
    EXPECT_TRUE(file.lines[0].starts_with("//") || file.lines[0].starts_with("/*")) << file.path;
    const bool guarded = std::any_of(file.lines.begin(), file.lines.end(), [](const auto& line) {
      return line == "#pragma once" || line.starts_with("#ifndef WEFT_");
    });
    EXPECT_TRUE(guarded) << file.path;
  }
}

}  // namespace
}  // namespace weft::repo
