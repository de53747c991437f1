// jsonl: kept traces as OTLP JSON lines (sinks/jsonl/jsonl_sink.h).
#include <memory>
#include <string>

#include "engine/api/plugin.h"
#include "sinks/jsonl/jsonl_sink.h"

namespace {

class JsonlExporter {
 public:
  static constexpr const char* kName = "jsonl";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "path": {"type": "string", "default": "weft.jsonl",
               "description": "the file that lines are appended to; - is standard output"}
    }
  })";

  JsonlExporter(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    auto sink = weft::sinks::JsonlSink::Open(config.Text("path", "weft.jsonl"));
    if (!sink) weft::sdk::Refuse(sink.error().code == weft::Code::kInvalid, sink.error().message);
    sink_ = std::move(*sink);
  }

  weft_outcome Export(const weft_spans& spans, const weft_traces&, const weft_source&,
                      std::string& why) {
    weft::Error error;
    const weft_outcome outcome = sink_->Write(spans, &error);
    why = std::move(error.message);
    return outcome;
  }

  bool Flush(uint64_t) { return sink_->Flush().has_value(); }

 private:
  std::unique_ptr<weft::sinks::JsonlSink> sink_;
};

}  // namespace

WEFT_EXPORTER(JsonlExporter)
