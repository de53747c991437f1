#include "engine/plugin/loader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/plugin/instance.h"

namespace weft::plugin {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Loads an animal of the zoo and makes an instance, as the engine does; "" when all went well.
std::string Refusal(std::string_view name, std::string_view config = "{}") {
  const auto log = NullLogger();
  Metrics metrics;
  const ManualClock clock;
  PluginLoader loader(ZOO_FOLDER);
  const auto loaded = loader.Load(Kind::kCorrelator, name);
  if (!loaded) return loaded.error().message;
  const auto instance = PluginInstance::Create(*loaded, config, {*log, metrics, clock});
  return instance ? "" : instance.error().message;
}

struct Animal {
  const char* name;
  const char* step;   // which check refuses it
  const char* cause;  // a part of the reason given
};

void PrintTo(const Animal& animal, std::ostream* out) { *out << animal.name; }

class Zoo : public ::testing::TestWithParam<Animal> {};

TEST_P(Zoo, IsRefusedWithPluginStepAndCause) {
  const Animal& animal = GetParam();
  EXPECT_THAT(Refusal(animal.name),
              AllOf(HasSubstr("plugin correlator " + std::string(animal.name)),
                    HasSubstr(std::string(animal.step) + ": "), HasSubstr(animal.cause)));
}

INSTANTIATE_TEST_SUITE_P(
    Loader, Zoo,
    ::testing::Values(Animal{"missing-symbol", "symbol", "exports no weft_plugin_v1"},
                      Animal{"other-major-symbol", "symbol", "built for ABI 2"},
                      Animal{"undefined-symbol", "open", "weft_nobody_defines_this"},
                      Animal{"null-table", "table", "returned no table"},
                      Animal{"wrong-major", "version", "built for ABI 2.0"},
                      Animal{"larger-minor", "version", "a newer weft is needed"},
                      Animal{"short-struct", "sizes", "weft_plugin says 16 bytes"},
                      Animal{"short-operations", "sizes", "weft_correlator says 4 bytes"},
                      Animal{"missing-create", "functions", "create is required"},
                      Animal{"missing-destroy", "functions", "destroy is required"},
                      Animal{"missing-operations", "functions", "operations table is required"},
                      Animal{"missing-function", "functions", "correlate is required"},
                      Animal{"save-without-load", "functions", "save and load belong together"},
                      Animal{"bad-kind", "kind", "9 is none of"},
                      Animal{"bad-name", "name", "[a-z0-9-]"},
                      Animal{"other-name", "name", "calls itself correlator imposter"},
                      Animal{"bad-schema", "schema", "not JSON"},
                      Animal{"schema-beyond-subset", "schema",
                             "\"pattern\" is not in the supported subset"},
                      Animal{"create-fails", "create", "the moon is in the wrong phase"},
                      Animal{"create-fails-silently", "create", "no reason given"},
                      Animal{"create-throws", "create", "threw an exception: no such luck"}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::ranges::replace(name, '-', '_');
      return name;
    });

TEST(PluginLoader, LoadsAHealthyPlugin) { EXPECT_EQ(Refusal("healthy"), ""); }

TEST(PluginLoader, RefusesAConfigurationThatTheSchemaDoesNotAllow) {
  EXPECT_THAT(Refusal("healthy", R"({"dept": 3})"), HasSubstr("did you mean \"depth\"?"));
}

TEST(PluginLoader, NamesTheNearestPluginWhenThereIsNoneOfThatName) {
  EXPECT_THAT(Refusal("heathy"), HasSubstr("did you mean \"correlator healthy\"?"));
}

TEST(PluginLoader, RefusesANameThatIsAPath) {
  EXPECT_THAT(Refusal("../healthy"), HasSubstr("it is no path"));
}

TEST(PluginLoader, RefusesAFolderThatDoesNotExist) {
  PluginLoader loader("/nonexistent/plugins");
  const auto loaded = loader.Load(Kind::kSampler, "head");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kNotFound);
  EXPECT_THAT(loaded.error().message, HasSubstr("/nonexistent/plugins"));
}

class LoaderInOwnFolder : public ::testing::Test {
 protected:
  LoaderInOwnFolder() {
    std::string pattern = ::testing::TempDir() + "weft-loader-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~LoaderInOwnFolder() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(LoaderInOwnFolder, RefusesALinkThatLeadsOutOfIt) {
  fs::create_symlink(fs::path(ZOO_FOLDER) / "weft-correlator-healthy.so",
                     folder_ / "weft-correlator-healthy.so");
  PluginLoader loader(folder_);
  const auto loaded = loader.Load(Kind::kCorrelator, "healthy");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kDenied);
  EXPECT_THAT(loaded.error().message, HasSubstr("leads out of"));
}

TEST_F(LoaderInOwnFolder, RefusesAFileThatIsNoLibrary) {
  std::ofstream(folder_ / "weft-sampler-poem.so") << "roses are red";
  PluginLoader loader(folder_);
  const auto loaded = loader.Load(Kind::kSampler, "poem");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("plugin sampler poem: open: "));
}

// dlopen of a plugin that was copied half way killed weft with SIGBUS.
TEST_F(LoaderInOwnFolder, RefusesALibraryThatIsCutShort) {
  const fs::path path = folder_ / "weft-correlator-healthy.so";
  fs::copy_file(fs::path(ZOO_FOLDER) / "weft-correlator-healthy.so", path);
  const auto whole = fs::file_size(path);
  for (const auto size : {whole - 1, whole / 2, whole / 10, uintmax_t{100}}) {
    fs::resize_file(path, size);
    PluginLoader loader(folder_);
    const auto loaded = loader.Load(Kind::kCorrelator, "healthy");
    ASSERT_FALSE(loaded) << size;
    EXPECT_THAT(loaded.error().message,
                HasSubstr(fmt::format("is cut short: {} of {} bytes", size, whole)));
  }
}

TEST_F(LoaderInOwnFolder, ListsWhatIsThereByKindAndName) {
  for (const char* file :
       {"weft-sampler-b.so", "weft-exporter-a.so", "libfoo.so", "weft-sampler-c"})
    std::ofstream(folder_ / file) << "";
  EXPECT_THAT(PluginLoader(folder_).List(), ::testing::ElementsAre("exporter a", "sampler b"));
}

TEST_F(LoaderInOwnFolder, PrefersATableInMemory) {
  static const weft_sampler ops = {sizeof(weft_sampler),
                                   [](void*, const weft_spans*, const weft_traces*, weft_decisions*,
                                      weft_error*) { return int32_t{WEFT_OK}; },
                                   nullptr, nullptr};
  static const weft_plugin table = {
      sizeof(weft_plugin),
      WEFT_ABI_MAJOR,
      WEFT_ABI_MINOR,
      WEFT_PLUGIN_SAMPLER,
      "mine",
      "1.0.0",
      "",
      [](const weft_host*, weft_str, void**, weft_error*) { return int32_t{WEFT_OK}; },
      [](void*) {},
      &ops};
  PluginLoader loader(folder_);
  ASSERT_TRUE(loader.Add(&table));
  const auto loaded = loader.Load(Kind::kSampler, "mine");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->table, &table);
}

}  // namespace
}  // namespace weft::plugin
