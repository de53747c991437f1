#include "engine/plugin/instance.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::plugin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

class RecordingLogger final : public Logger {
 public:
  void Write(LogLevel level, std::string_view line) override { lines.emplace_back(level, line); }
  std::vector<std::pair<LogLevel, std::string>> lines;
};

// A plugin in memory whose operations table is as short as minor version 0 may have it.
struct Seen {
  const weft_host* host = nullptr;
  std::string config;
  int living = 0;
} seen;

struct ShortCorrelator {
  uint32_t struct_size;
  int32_t (*correlate)(void*, const weft_spans*, weft_candidates*, weft_error*);
  void* beyond;  // must never be read as `learn`
};
const ShortCorrelator kShort = {
    offsetof(ShortCorrelator, beyond),
    [](void*, const weft_spans*, weft_candidates*, weft_error*) { return int32_t{WEFT_OK}; },
    reinterpret_cast<void*>(0xdead)};

const weft_plugin kTable = {
    sizeof(weft_plugin),
    WEFT_ABI_MAJOR,
    WEFT_ABI_MINOR,
    WEFT_PLUGIN_CORRELATOR,
    "tiny",
    "1.0.0",
    R"({"type":"object","properties":{"depth":{"type":"integer","default":3}}})",
    [](const weft_host* host, weft_str config, void** instance, weft_error*) {
      seen.host = host;
      seen.config.assign(config.data, config.size);
      ++seen.living;
      *instance = &seen;
      return int32_t{WEFT_OK};
    },
    [](void* instance) { --static_cast<Seen*>(instance)->living; },
    &kShort};

class PluginInstanceTest : public ::testing::Test {
 protected:
  PluginInstanceTest() {
    seen = {};
    auto plugin = CheckTable(&kTable);
    EXPECT_TRUE(plugin) << plugin.error().message;
    auto made = PluginInstance::Create(*plugin, "", {log_, metrics_, clock_});
    EXPECT_TRUE(made) << made.error().message;
    instance_.emplace(std::move(*made));
  }
  RecordingLogger log_;
  Metrics metrics_;
  ManualClock clock_{77};
  std::optional<PluginInstance> instance_;
};

TEST_F(PluginInstanceTest, GivesCreateTheDefaultsOfTheSchema) {
  EXPECT_EQ(seen.config, R"({"depth":3})");
}

TEST_F(PluginInstanceTest, ReadsNoFurtherThanThePluginsTable) {
  EXPECT_NE(instance_->correlator().correlate, nullptr);
  EXPECT_EQ(instance_->correlator().learn, nullptr);
  EXPECT_EQ(instance_->correlator().struct_size, sizeof(weft_correlator));
}

TEST_F(PluginInstanceTest, DestroysOnceThoughItMoves) {
  PluginInstance moved = std::move(*instance_);
  instance_.reset();
  EXPECT_EQ(seen.living, 1);
  { const PluginInstance last = std::move(moved); }
  EXPECT_EQ(seen.living, 0);
}

TEST_F(PluginInstanceTest, BindsLogCountAndClockOfTheHost) {
  const weft_host& host = *seen.host;
  host.log(host.ctx, 2, {"tell me", 7});
  host.count(host.ctx, {"lost", 4}, 5);
  host.count(host.ctx, {"lost", 4}, 1);
  EXPECT_EQ(host.now_ns(host.ctx), 77u);
  EXPECT_THAT(log_.lines, Contains(Pair(LogLevel::kWarn, "plugin tiny: tell me")));
  EXPECT_EQ(metrics_.Get("plugin.tiny.lost").Get(), 6u);
}

}  // namespace
}  // namespace weft::plugin
