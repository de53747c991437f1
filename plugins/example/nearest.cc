// nearest: an example correlator in C++. A call was probably made by a request that began shortly
// before it; how shortly is a setting. plugins/README.md walks through this file.
#include <cmath>
#include <vector>

#include <weft/plugin.h>
#include <weft/plugin_window.h>

namespace {

class Nearest {
 public:
  static constexpr const char* kName = "nearest";
  static constexpr const char* kVersion = "1.0.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "typical_ms": {"type": "number", "minimum": 0.001, "default": 5,
                     "description": "usual time from a request's begin to its call"}
    }
  })";

  Nearest(const weft::sdk::Host& host, const weft::sdk::PluginConfig& config)
      : host_(host), typical_ns_(1e6 * config.Number("typical_ms", 5)) {
    if (typical_ns_ > 60e9)
      throw weft::sdk::ConfigError("typical_ms: more than a minute is no gap");
  }

  void Correlate(const weft_spans& window, weft::sdk::Voices& voices) {
    uint64_t calls = 0;
    open_.ForEachCall(window, [&](uint32_t call, const std::vector<uint32_t>& open) {
      if (!weft::sdk::WantsParent(window, call)) return;
      ++calls;
      for (const uint32_t request : open) {
        const double gap = static_cast<double>(window.start_ns[call] - window.start_ns[request]);
        // Natural log-odds: 2 for "just now", falling to -2 for long ago.
        const double voice = 4.0 * std::exp(-gap / typical_ns_) - 2.0;
        voices.Say(call, request, static_cast<float>(voice), WEFT_EVIDENCE_CUSTOM);
      }
    });
    host_.Count("calls", calls);
  }

 private:
  weft::sdk::Host host_;
  double typical_ns_;
  weft::sdk::OpenRequests open_;
};

}  // namespace

WEFT_CORRELATOR(Nearest)
