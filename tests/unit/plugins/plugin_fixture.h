// Loads built-in plugins for a test and keeps what they need alive.
#pragma once

#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"

namespace weft {

class PluginFixture : public ::testing::Test {
 protected:
  const plugin::PluginInstance& Make(plugin::Kind kind, std::string_view name,
                                     std::string_view config = "{}") {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    auto loaded = loader.Load(kind, name);
    EXPECT_TRUE(loaded) << loaded.error().message;
    auto made = plugin::PluginInstance::Create(*loaded, config, {*log_, metrics_, clock_});
    EXPECT_TRUE(made) << made.error().message;
    return instances_.emplace_back(std::move(*made));
  }
  const plugin::PluginInstance& Correlator(std::string_view name) {
    return Make(plugin::Kind::kCorrelator, name);
  }
  std::vector<const plugin::PluginInstance*> Chain(const std::vector<std::string_view>& names) {
    std::vector<const plugin::PluginInstance*> chain;
    for (const std::string_view name : names) chain.push_back(&Correlator(name));
    return chain;
  }

  std::unique_ptr<Logger> log_ = StderrLogger(LogLevel::kWarn);
  Metrics metrics_;
  ManualClock clock_;
  std::list<plugin::PluginInstance> instances_;
};

}  // namespace weft
