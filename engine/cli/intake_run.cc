#include "engine/cli/intake_run.h"

#include <utility>

#include <fmt/format.h>

#include "engine/base/listen_address.h"
#include "engine/plugin/loader.h"
#include "sources/otlp/grpc_listener.h"
#include "sources/otlp/http_listener.h"
#include "sources/zipkin/zipkin_decoder.h"

#if WEFT_HAVE_KAFKA
#include "engine/transport/kafka_settings.h"
#include "sources/otlp/topic_reception.h"
#endif

namespace weft::cli {
namespace {

otlp::Decoder MakeZipkinDecoder() {
  return
      [decoder = std::make_shared<zipkin::ZipkinDecoder>()](
          std::string_view message, api::SpanTable* out) { return decoder->Decode(message, out); };
}

}  // namespace

// Listeners go before what they hand requests to.
struct IntakeRun::Parts {
  std::unique_ptr<otlp::Reception> reception;
  std::vector<std::unique_ptr<otlp::HttpListener>> http;
  std::unique_ptr<otlp::GrpcListener> grpc;
  std::string words;

  void Say(std::string_view what) { words.append(words.empty() ? "" : ", ").append(what); }
};

IntakeRun::IntakeRun() : parts_(std::make_unique<Parts>()) {}
IntakeRun::~IntakeRun() = default;

bool IntakeRun::Wanted(const Config& config) {
  return !config.otlp.listen_grpc.empty() || !config.otlp.listen_http.empty() ||
         !config.zipkin.listen.empty();
}

std::string IntakeRun::Describe() const { return parts_->words; }

Result<std::unique_ptr<IntakeRun>> IntakeRun::IntoPipeline(const Config& config,
                                                           transport::Publisher& transport,
                                                           const plugin::Services& services) {
  std::unique_ptr<IntakeRun> run(new IntakeRun);
  run->parts_->reception =
      otlp::MakePipelineReception(transport, services.metrics, MakeZipkinDecoder);
  WEFT_TRY(run->Listen(config, services.log));
  return run;
}

Result<void> IntakeRun::CheckIntoTopic(const Config& config) {
  if (!config.zipkin.listen.empty())
    return Fail(Code::kInvalid,
                "sources.zipkin.listen: an agent forwards requests as they came to a "
                "topic of OTLP, in which Zipkin's JSON cannot be read; send OTLP to the agent "
                "(sources.otlp.listen_http), or Zipkin's spans to `weft run`");
  if (Wanted(config) && config.otlp.topics.empty())
    return Fail(Code::kInvalid,
                "sources.otlp: an agent writes what comes in to the first of sources.otlp.topics, "
                "which is empty; give one (otlp_spans), here and where `weft engine` runs");
  return {};
}

Result<std::unique_ptr<IntakeRun>> IntakeRun::IntoTopic(
    const Config& config, [[maybe_unused]] const plugin::Services& services) {
  std::unique_ptr<IntakeRun> run(new IntakeRun);
  if (!Wanted(config)) return run;
  WEFT_TRY(CheckIntoTopic(config));
#if WEFT_HAVE_KAFKA
  auto settings = transport::ResolveKafkaSettings(config.kafka);
  if (!settings) return std::unexpected(std::move(settings.error()));
  transport::KafkaOptions options;
  options.settings = std::move(*settings);
  auto reception = otlp::MakeTopicReception(config.otlp.topics.front(), options, services.clock,
                                            services.metrics, services.log, MakeZipkinDecoder);
  if (!reception) return std::unexpected(std::move(reception.error()));
  run->parts_->reception = std::move(*reception);
#endif
  WEFT_TRY(run->Listen(config, services.log));
  return run;
}

Result<void> IntakeRun::Listen(const Config& config, Logger& log) {
  const auto http = [&](const std::string& at, bool is_otlp) -> Result<void> {
    if (at.empty()) return {};
    const auto address = ListenAddress::Parse(at);
    if (!address) return std::unexpected(address.error());
    auto listener = otlp::HttpListener::Start({.address = *address,
                                               .otlp = is_otlp,
                                               .zipkin = !is_otlp,
                                               .max_bytes = config.otlp.max_request_bytes},
                                              *parts_->reception, log);
    if (!listener) return std::unexpected(std::move(listener.error()));
    parts_->Say(
        fmt::format("{} at http://{}", is_otlp ? "OTLP" : "Zipkin", (*listener)->address().Text()));
    parts_->http.push_back(std::move(*listener));
    return {};
  };
  if (const std::string& at = config.otlp.listen_grpc; !at.empty()) {
    const auto address = ListenAddress::Parse(at);
    if (!address) return std::unexpected(address.error());
    auto listener = otlp::StartGrpcListener(
        config.plugin_dir.empty() ? plugin::DefaultPluginFolder()
                                  : std::filesystem::path(config.plugin_dir),
        {*address, config.otlp.max_request_bytes}, *parts_->reception);
    if (!listener) return Context(std::move(listener.error()), "sources.otlp.listen_grpc");
    parts_->Say(fmt::format("OTLP at {} (gRPC)", (*listener)->address().Text()));
    parts_->grpc = std::move(*listener);
  }
  if (auto started = http(config.otlp.listen_http, true); !started)
    return Context(std::move(started.error()), "sources.otlp.listen_http");
  if (auto started = http(config.zipkin.listen, false); !started)
    return Context(std::move(started.error()), "sources.zipkin.listen");
  return {};
}

}  // namespace weft::cli
