// SamplerFixture: a sampler through the loader and the C ABI, asked about hand-made traces.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.h"
#include "tests/support/trace_batch.h"
#include "tests/unit/plugins/plugin_fixture.h"

namespace weft {

struct Answers {
  std::vector<uint8_t> keep;
  std::vector<double> weight;
  std::vector<std::string> rule;
  uint32_t kept() const {
    uint32_t n = 0;
    for (const uint8_t k : keep) n += k;
    return n;
  }
};

class SamplerFixture : public PluginFixture {
 protected:
  void Load(std::string_view name, std::string_view config) {
    sampler_ = &Make(plugin::Kind::kSampler, name, config);
  }
  // The message with which a configuration is refused; "" if it is not.
  std::string Refusal(std::string_view name, std::string_view config) {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    auto loaded = loader.Load(plugin::Kind::kSampler, name);
    EXPECT_TRUE(loaded) << loaded.error().message;
    auto made = plugin::PluginInstance::Create(*loaded, config, {*log_, metrics_, clock_});
    return made ? "" : made.error().message;
  }

  // A trace of one root span, with an id of its own.
  uint32_t Root(int64_t duration_ns, weft_status status = WEFT_STATUS_UNSET,
                std::string_view service = "shop", std::string_view operation = "GET /") {
    ++traces_;
    batch_.BeginTrace(Mix64(traces_ * 2 + 1), Mix64(traces_ * 2));
    return batch_.AddSpan(traces_, 0, WEFT_KIND_SERVER, service, operation, 1'000'000,
                          1'000'000 + duration_ns, status);
  }
  uint32_t Child(weft_status status = WEFT_STATUS_UNSET) {
    return batch_.AddSpan(++spans_ << 32, traces_, WEFT_KIND_CLIENT, "shop", "call", 1'000'000,
                          1'000'001, status);
  }
  // Decides on the batch and begins a new one.
  Answers Ask(int64_t now_ns = 1'000'000'000, uint32_t partitions = 1) {
    const api::SpanView view = batch_.table.View();
    weft_traces traces = batch_.Traces();
    traces.decided_ns = now_ns;
    traces.n_partitions = partitions;
    Answers out;
    out.keep.assign(traces.n, 1);
    out.weight.assign(traces.n, 1);
    std::vector<weft_str> rule(traces.n, weft_str{"", 0});
    weft_decisions decisions{sizeof decisions, traces.n, out.keep.data(), out.weight.data(),
                             rule.data()};
    weft_error error{};
    EXPECT_EQ(
        sampler_->sampler().decide(sampler_->handle(), &view.spans(), &traces, &decisions, &error),
        WEFT_OK)
        << error.message;
    for (const weft_str& r : rule) out.rule.emplace_back(api::View(r));
    batch_ = {};
    return out;
  }
  // About one trace: which rule keeps it; "" where it is dropped.
  std::string KeptBy() {
    const Answers a = Ask();
    return a.keep.at(0) ? a.rule[0] : "";
  }

  const plugin::PluginInstance* sampler_ = nullptr;
  test::TraceBatch batch_;
  uint64_t traces_ = 0, spans_ = 0;
};

// Half the width of the interval that a count of n trials at p leaves once in some ten thousand
// runs.
inline double Tolerance(double n, double p) { return 4 * std::sqrt(n * p * (1 - p)) + 1; }

}  // namespace weft
