#include "engine/api/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/plugin/instance.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

// Throws in every method that the configuration names.
class Thrower {
 public:
  static constexpr const char* kName = "thrower";
  static constexpr const char* kVersion = "1.0.0";
  static constexpr const char* kConfigSchema =
      R"({"type":"object","properties":{"where":{"type":"string"}}})";
  Thrower(const sdk::Host&, const sdk::PluginConfig& config) : where_(config.Text("where", "")) {
    if (where_ == "create") throw sdk::ConfigError("where must not be create");
  }
  void Correlate(const weft_spans& window, sdk::Voices& voices) {
    if (where_ == "correlate") throw 42;
    for (uint32_t i = 0; i < 100; ++i) voices.Say(i, WEFT_NONE, 1.0f, WEFT_EVIDENCE_CUSTOM);
    (void)window;
  }
  void Learn(const weft_spans&, const weft_links&) { throw std::runtime_error("cannot learn"); }
  bool Save(uint64_t process_id, std::string& state) {
    state = "state of " + std::to_string(process_id);
    return true;
  }
  bool Load(uint64_t, std::string_view state) { return state == "good"; }

 private:
  std::string where_;
};

class WrapperTest : public ::testing::Test {
 protected:
  Result<plugin::PluginInstance> Make(std::string_view config) {
    return plugin::PluginInstance::Create(*plugin::CheckTable(sdk::CorrelatorTable<Thrower>()),
                                          config, {*log_, metrics_, clock_});
  }
  std::unique_ptr<Logger> log_ = NullLogger();
  Metrics metrics_;
  ManualClock clock_;
  weft_spans window_{};
  weft_error error_{};
};

TEST_F(WrapperTest, TurnsAConfigErrorIntoInvalid) {
  const auto made = Make(R"({"where":"create"})");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kInvalid);
  EXPECT_THAT(made.error().message, HasSubstr("create: where must not be create"));
}

TEST_F(WrapperTest, LetsNoExceptionOutOfCorrelate) {
  const auto made = Make(R"({"where":"correlate"})");
  weft_candidates io{};
  EXPECT_EQ(made->correlator().correlate(made->handle(), &window_, &io, &error_), WEFT_FAILED);
  EXPECT_STREQ(error_.message, "an exception that is no std::exception");
}

TEST_F(WrapperTest, LetsNoExceptionOutOfLearn) {
  const auto made = Make("{}");
  weft_links links{};
  EXPECT_EQ(made->correlator().learn(made->handle(), &window_, &links, &error_), WEFT_FAILED);
  EXPECT_STREQ(error_.message, "cannot learn");
}

TEST_F(WrapperTest, FailsWhenTheListCannotGrow) {
  const auto made = Make("{}");
  weft_candidates io{};
  io.struct_size = sizeof io;
  io.grow = [](weft_candidates*, uint32_t) { return int32_t{WEFT_FAILED}; };
  EXPECT_EQ(made->correlator().correlate(made->handle(), &window_, &io, &error_), WEFT_FAILED);
}

TEST_F(WrapperTest, SavesThroughTheHostsBufferAndLoads) {
  const auto made = Make("{}");
  std::string bytes;
  weft_buffer buffer{sizeof(weft_buffer), &bytes, [](void* ctx, weft_str s) {
                       static_cast<std::string*>(ctx)->append(s.data, s.size);
                       return int32_t{WEFT_OK};
                     }};
  EXPECT_EQ(made->correlator().save(made->handle(), 9, &buffer, &error_), WEFT_OK);
  EXPECT_EQ(bytes, "state of 9");
  EXPECT_EQ(made->correlator().load(made->handle(), 9, sdk::Str("good"), &error_), WEFT_OK);
  EXPECT_EQ(made->correlator().load(made->handle(), 9, sdk::Str("bad"), &error_), WEFT_INVALID);
}

TEST_F(WrapperTest, HasNoForgetWhereTheClassHasNone) {
  EXPECT_EQ(Make("{}")->correlator().forget, nullptr);
}

}  // namespace
}  // namespace weft
