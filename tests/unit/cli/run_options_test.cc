#include "engine/cli/run_options.h"

#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Takes the places that a command declares, to be filled in as a command line would.
struct Fields final : Options {
  std::map<std::string, std::string*, std::less<>> texts;
  std::map<std::string, std::vector<std::string>*, std::less<>> lists;
  std::map<std::string, std::vector<int64_t>*, std::less<>> ints;
  std::map<std::string, bool*, std::less<>> flags;
  void Flag(std::string_view n, bool* out, std::string_view) override {
    flags[std::string(n)] = out;
  }
  void Text(std::string_view n, std::string* out, std::string_view, std::string_view) override {
    texts[std::string(n)] = out;
  }
  void List(std::string_view n, std::vector<std::string>* out, std::string_view,
            std::string_view) override {
    lists[std::string(n)] = out;
  }
  void Ints(std::string_view n, std::vector<int64_t>* out, int64_t, int64_t,
            std::string_view) override {
    ints[std::string(n)] = out;
  }
  void Int(std::string_view, int64_t*, int64_t, int64_t, std::string_view) override {}
  void Number(std::string_view, double*, double, double, std::string_view) override {}
  void Duration(std::string_view, int64_t*, std::string_view) override {}
  void Size(std::string_view, uint64_t*, std::string_view) override {}
  void Positional(std::string_view, std::string*, bool, std::string_view) override {}
  void Positionals(std::string_view, std::vector<std::string>*, std::string_view) override {}
};

class RunOptionsTest : public testing::Test {
 protected:
  RunOptionsTest() {
    options_.DeclareConfig(fields_);
    options_.DeclareSource(fields_);
    options_.DeclareEngine(fields_);
  }
  void ConfigFile(std::string_view yaml) {
    std::ofstream(path_) << yaml;
    *fields_.texts["--config"] = path_;
  }
  ~RunOptionsTest() override { std::filesystem::remove(path_); }

  Fields fields_;
  RunOptions options_;
  std::string path_ = testing::TempDir() + "weft-run-options-" + std::to_string(getpid()) + ".yaml";
};

TEST_F(RunOptionsTest, WithoutAnyTheConfigurationIsTheDefault) {
  const auto config = options_.Load();
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->store.path, "weft.db");
  EXPECT_EQ(config->correlators.size(), 4u);
}

TEST_F(RunOptionsTest, AnOptionWinsOverTheFile) {
  ConfigFile("store: {path: file.db, max_age: 1h}\n");
  *fields_.texts["--db"] = "option.db";
  const auto config = options_.Load();
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->store.path, "option.db");
  EXPECT_EQ(config->store.max_age_ns, 3600 * kSecond);
}

TEST_F(RunOptionsTest, SelectionsAddUp) {
  ConfigFile("sources: {ebpf: {include: {processes: [nginx]}}}\n");
  *fields_.lists["--include-process"] = {"node"};
  *fields_.ints["--port"] = {80};
  const auto config = options_.Load();
  ASSERT_TRUE(config.has_value());
  EXPECT_THAT(config->ebpf.include.processes, ElementsAre("nginx", "node"));
  EXPECT_THAT(config->ebpf.include.ports, ElementsAre(80));
}

TEST_F(RunOptionsTest, AChosenCorrelatorKeepsItsConfigurationOfTheFile) {
  ConfigFile("correlators: [thread, {name: delay, config: {depth: 3}}]\n");
  *fields_.lists["--correlators"] = {"delay"};
  const auto config = options_.Load();
  ASSERT_TRUE(config.has_value());
  ASSERT_EQ(config->correlators.size(), 1u);
  EXPECT_EQ(config->correlators[0].config_json, R"({"depth":3})");
}

TEST_F(RunOptionsTest, TheWholeIsCheckedAgain) {
  ConfigFile("sources: {ebpf: {exclude: {processes: [nginx]}}}\n");
  *fields_.lists["--include-process"] = {"nginx"};
  const auto config = options_.Load();
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(config.error().message, HasSubstr("nginx is in include.processes and in exclude"));
}

}  // namespace
}  // namespace weft::cli
