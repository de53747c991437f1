// The delay correlator's saved state is all that it knows: moved to a new instance after every
// window, it says to the bit what one says that was never disturbed.
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "engine/api/plugin.h"
#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

class DelayTakeOver;
DelayTakeOver* running = nullptr;

// A correlator that is the delay correlator, in a new instance after each window.
class Moving {
 public:
  static constexpr const char* kName = "moving";
  static constexpr const char* kVersion = "1.0.0";
  static constexpr const char* kConfigSchema = R"({"type":"object","properties":{}})";
  Moving(const sdk::Host&, const sdk::PluginConfig&);
  void Correlate(const weft_spans& window, sdk::Voices& voices);
  void Learn(const weft_spans& window, const weft_links& links);

 private:
  void Move();
  std::optional<plugin::PluginInstance> inner_;
  std::set<uint64_t> processes_;
};

class DelayTakeOver : public PluginFixture {
 protected:
  DelayTakeOver() { running = this; }
  ~DelayTakeOver() override { running = nullptr; }

  void ExpectSame(const accuracy::Recording& recording,
                  const std::vector<std::string_view>& before = {}) {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    ASSERT_TRUE(loader.Add(sdk::CorrelatorTable<Moving>()));
    auto loaded = loader.Load(plugin::Kind::kCorrelator, "moving");
    ASSERT_TRUE(loaded) << loaded.error().message;
    auto moving = plugin::PluginInstance::Create(*loaded, "{}", {*log_, metrics_, clock_});
    ASSERT_TRUE(moving) << moving.error().message;
    auto chain = Chain(before);
    chain.push_back(&*moving);
    const auto moved = accuracy::Replay(recording, chain);
    ASSERT_TRUE(moved) << moved.error().message;
    chain = Chain(before);
    chain.push_back(&Correlator("delay"));
    const auto undisturbed = accuracy::Replay(recording, chain);
    ASSERT_TRUE(undisturbed);
    EXPECT_EQ(moved->parents, undisturbed->parents);
    EXPECT_EQ(moved->confidence, undisturbed->confidence);
    EXPECT_GT(moves, 5u);
    EXPECT_LE(largest, size_t{256} * 1024);
  }

 public:
  plugin::PluginInstance NewDelay() {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    auto loaded = loader.Load(plugin::Kind::kCorrelator, "delay");
    EXPECT_TRUE(loaded);
    return std::move(*plugin::PluginInstance::Create(*loaded, "{}", {*log_, metrics_, clock_}));
  }

  size_t moves = 0, largest = 0;
};

Moving::Moving(const sdk::Host&, const sdk::PluginConfig&) : inner_(running->NewDelay()) {}

void Moving::Correlate(const weft_spans& window, sdk::Voices& voices) {
  processes_.insert(window.processes->process_id[0]);
  weft_error error{};
  EXPECT_EQ(inner_->correlator().correlate(inner_->handle(), &window, &voices.Room(0), &error),
            WEFT_OK)
      << error.message;
}

void Moving::Learn(const weft_spans& window, const weft_links& links) {
  weft_error error{};
  EXPECT_EQ(inner_->correlator().learn(inner_->handle(), &window, &links, &error), WEFT_OK);
  Move();
}

void Moving::Move() {
  plugin::PluginInstance next = running->NewDelay();
  for (const uint64_t process : processes_) {
    std::string state;
    weft_buffer buffer{sizeof buffer, &state, [](void* ctx, weft_str bytes) {
                         static_cast<std::string*>(ctx)->append(bytes.data, bytes.size);
                         return int32_t{WEFT_OK};
                       }};
    weft_error error{};
    EXPECT_EQ(inner_->correlator().save(inner_->handle(), process, &buffer, &error), WEFT_OK);
    EXPECT_EQ(next.correlator().load(next.handle(), process, {state.data(), state.size()}, &error),
              WEFT_OK)
        << error.message;
    running->largest = std::max(running->largest, state.size());
  }
  ++running->moves;
  inner_.emplace(std::move(next));
}

// Several kinds of requests, calls one after another and at once, answers that come late, calls of
// nobody, on a few threads.
WindowBuilder MixedLoad(uint64_t seed, int requests, double load, uint32_t threads) {
  WindowBuilder builder(seed);
  double at = 0;
  for (int i = 0; i < requests; ++i) {
    at += builder.Exponential(20'000 / load);
    int64_t now = static_cast<int64_t>(at);
    const auto tid = threads == 0 ? 0 : 1 + static_cast<uint32_t>(builder.Between(0, threads - 1));
    const int32_t request = builder.Request(now, tid, builder.Between(0, 2) == 0 ? 1 : 6);
    const int64_t calls = builder.Between(0, 4);
    for (int64_t c = 0; c < calls; ++c) {
      const int64_t begin = now + builder.About(700);
      const int64_t end = begin + builder.Between(300, 9'000);
      builder.Call(request, begin, end, tid, 2 + static_cast<uint32_t>(builder.Between(0, 2)));
      now = builder.Between(0, 3) == 0 ? begin : end;
    }
    if (builder.Between(0, 30) == 0) builder.Call(-1, now, now + 400, tid, 3);
    builder.End(request, now + builder.About(builder.Between(0, 50) == 0 ? 900'000 : 400));
  }
  return builder;
}

TEST_F(DelayTakeOver, ChangesNothing) {
  for (const uint64_t seed : {1u, 2u, 3u}) ExpectSame(MixedLoad(seed, 900, 2, 0).recording());
}

// What a save cannot hold, or a load would refuse, must not be taken in.
TEST_F(DelayTakeOver, ChangesNothingWhereTimesAreNonsense) {
  auto recording = MixedLoad(6, 400, 2, 3).recording();
  for (size_t i = 0; i < recording.spans.size(); i += 17)
    recording.spans[i].end_ns = i % 2 == 0 ? INT64_MAX : recording.spans[i].start_ns - 1;
  ExpectSame(recording);
}

TEST_F(DelayTakeOver, ChangesNothingUnderLoad) {
  ExpectSame(MixedLoad(4, 3'000, 12, 0).recording());
}

TEST_F(DelayTakeOver, ChangesNothingWithThreads) {
  ExpectSame(MixedLoad(5, 1'500, 4, 5).recording(), {"context", "thread"});
}

TEST_F(DelayTakeOver, ChangesNothingInARealRecording) {
  const char* data = std::getenv("WEFT_DATA");
  const std::string file = std::string(data == nullptr ? "" : data) + "/correlation/";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "WEFT_DATA has no correlation/";
  for (const char* name : {"online_boutique", "hotel_load150"}) {
    const auto recording = accuracy::ReadRecording(file + name + ".csv.gz", 2);
    ASSERT_TRUE(recording) << recording.error().message;
    ExpectSame(*recording);
  }
}

}  // namespace
}  // namespace weft
