// A third party's plugins: weft's headers are installed into an empty prefix, plugins/example is
// copied out of the tree and built against that prefix alone, and the result is loaded and run.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/api/span_table.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"

namespace weft::plugin {
namespace {

namespace fs = std::filesystem;

class ThirdParty : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = ::testing::TempDir() + "weft-third-party-XXXXXX";
    root_ = mkdtemp(pattern.data());
    fs::copy(EXAMPLE_FOLDER, root_ / "source", fs::copy_options::recursive);
    Run(fmt::format("{} --install {} --prefix {}/prefix --component sdk", CMAKE_PROGRAM,
                    BUILD_FOLDER, root_.native()));
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  // Runs a command; its output is shown only when it fails.
  static void Run(const std::string& command) {
    const fs::path log = root_ / "log";
    const int status = std::system(fmt::format("({}) >{} 2>&1", command, log.native()).c_str());
    std::ostringstream output;
    output << std::ifstream(log).rdbuf();
    ASSERT_EQ(status, 0) << command << "\n" << output.str();
  }

  static inline fs::path root_;
};

// One request that is open, one call inside it, and a request that had ended before.
struct Window {
  Window() {
    table.AddProcess(1, "host", "shop", "", 1);
    for (const auto& [kind, start, end] :
         {std::tuple{WEFT_KIND_SERVER, 1000, 2000}, std::tuple{WEFT_KIND_SERVER, 5000, 9000},
          std::tuple{WEFT_KIND_CLIENT, 6000, 7000}}) {
      const uint32_t row = table.AddRow();
      table.kind[row] = static_cast<uint8_t>(kind);
      table.start_ns[row] = start;
      table.end_ns[row] = end;
    }
    view = table.View();
    view.spans_.role = roles;
  }
  api::SpanTable table;
  const uint8_t roles[3] = {WEFT_ROLE_DECIDE, WEFT_ROLE_DECIDE, WEFT_ROLE_DECIDE};
  api::SpanView view;
};

void ExpectTheOpenRequest(const fs::path& folder, std::string_view name, std::string_view config) {
  const auto log = NullLogger();
  Metrics metrics;
  const ManualClock clock;
  PluginLoader loader(folder);
  const auto loaded = loader.Load(Kind::kCorrelator, name);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto made = PluginInstance::Create(*loaded, config, {*log, metrics, clock});
  ASSERT_TRUE(made) << made.error().message;
  const Window window;
  uint32_t child[8], candidate[8], evidence[8];
  float log_odds[8];
  weft_candidates io{sizeof io, 0, 8, child, candidate, log_odds, evidence, nullptr, nullptr};
  weft_error error{};
  ASSERT_EQ(made->correlator().correlate(made->handle(), &window.view.spans(), &io, &error),
            WEFT_OK)
      << error.message;
  ASSERT_EQ(io.n, 1u);
  EXPECT_EQ(child[0], 2u);
  EXPECT_EQ(candidate[0], 1u);
  EXPECT_GT(log_odds[0], 0.0f);
}

TEST_F(ThirdParty, BuildsWithCMakeAgainstTheInstalledHeadersAlone) {
  Run(
      fmt::format("{0} -S {1}/source -B {1}/build -DCMAKE_PREFIX_PATH={1}/prefix "
                  "-DCMAKE_C_COMPILER={2} -DCMAKE_CXX_COMPILER={3} && {0} --build {1}/build",
                  CMAKE_PROGRAM, root_.native(), C_COMPILER, CXX_COMPILER));
  ExpectTheOpenRequest(root_ / "build", "nearest", R"({"typical_ms": 2})");
  ExpectTheOpenRequest(root_ / "build", "latest", "{}");
}

TEST_F(ThirdParty, BuildsWithOneCommandAndPkgConfig) {
  if (std::system("pkg-config --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no pkg-config";
  fs::create_directory(root_ / "by-hand");
  Run(
      fmt::format("export PKG_CONFIG_PATH=$(dirname $(find {0}/prefix -name weft.pc)) && "
                  "{1} -std=c++20 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden "
                  "$(pkg-config --cflags weft) {0}/source/nearest.cc "
                  "-o {0}/by-hand/weft-correlator-nearest.so",
                  root_.native(), CXX_COMPILER));
  ExpectTheOpenRequest(root_ / "by-hand", "nearest", "{}");
}

}  // namespace
}  // namespace weft::plugin
