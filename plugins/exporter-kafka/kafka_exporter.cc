// kafka: kept traces as OTLP in a topic (sinks/kafka/kafka_sink.h). The cluster is that of the
// configuration's section kafka, which the engine adds as `properties`.
#include <memory>
#include <string>

#include <simdjson.h>

#include "engine/api/plugin.h"
#include "sinks/kafka/kafka_sink.h"

namespace {

class KafkaExporter {
 public:
  static constexpr const char* kName = "kafka";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "topic": {"type": "string", "default": "otlp_spans",
                "description": "one message per trace, keyed by the trace id"},
      "encoding": {"type": "string", "enum": ["otlp_proto", "otlp_json"], "default": "otlp_proto",
                   "description": "as the Collector calls them"},
      "max_message_bytes": {"type": "integer", "minimum": 10000, "default": 1000000,
                            "description": "a larger trace becomes several messages"},
      "properties": {"type": "object", "description": "filled in from the section kafka"}
    }
  })";

  KafkaExporter(const weft::sdk::Host& host, const weft::sdk::PluginConfig& config) : host_(host) {
    weft::sinks::KafkaSinkOptions options;
    options.topic = config.Text("topic", options.topic);
    options.json = config.Text("encoding", "otlp_proto") == "otlp_json";
    options.message_bytes = static_cast<uint64_t>(config.Number("max_message_bytes", 1e6));
    simdjson::dom::parser parser;
    simdjson::dom::object properties;
    const std::string_view text = config.Raw("properties");
    if (!text.empty() && parser.parse(text.data(), text.size()).get(properties) == 0)
      for (const auto& [key, value] : properties)
        if (std::string_view one; value.get(one) == 0) options.properties.emplace_back(key, one);
    if (options.properties.empty())
      weft::sdk::Refuse(true, "no brokers: the exporter kafka needs kafka.brokers");
    auto sink = weft::sinks::KafkaSink::Open(std::move(options));
    if (!sink) weft::sdk::Refuse(sink.error().code == weft::Code::kInvalid, sink.error().message);
    sink_ = std::move(*sink);
  }

  weft_outcome Export(const weft_spans& spans, const weft_traces& traces, const weft_source&,
                      std::string& why) {
    const uint64_t before = sink_->too_large();
    const weft_outcome outcome = sink_->Write(spans, traces, &why);
    host_.Count("too_large", sink_->too_large() - before);
    return outcome;
  }

 private:
  weft::sdk::Host host_;
  std::unique_ptr<weft::sinks::KafkaSink> sink_;
};

}  // namespace

WEFT_EXPORTER(KafkaExporter)
