#include "engine/cli/transport_choice.h"

#include <fmt/format.h>

#include "engine/cli/json_writer.h"
#include "engine/transport/memory.h"
#include "engine/transport/spool_publisher.h"

#if WEFT_HAVE_KAFKA
#include "engine/transport/kafka_settings.h"
#include "engine/transport/kafka_transport.h"
#include "sources/otlp/otlp_topics.h"
#endif

namespace weft::cli {
namespace {

Result<std::unique_ptr<transport::Transport>> OpenMemory(const Config& config,
                                                         const plugin::Services& services,
                                                         const MemoryShare* share) {
  transport::MemoryOptions memory;
  memory.share = share;
  memory.partitions = static_cast<uint32_t>(config.partitions);
  memory.max_bytes = config.transport.memory_bytes;
  // Nobody can take a partition of this process over, so its logs are never read back: they are
  // kept only as long as a record may be on its way.
  memory.horizon_ns = 5 * kSecond;
  memory.max_log_bytes = size_t{8} << 20;
  // Stored with the rows: a later run must have higher ones.
  memory.first_generation = static_cast<uint64_t>(services.clock.UnixNs() / kMillisecond);
  return std::make_unique<transport::MemoryTransport>(memory, services.clock, services.metrics);
}

Result<std::unique_ptr<transport::Transport>> OpenKafka([[maybe_unused]] const Config& config,
                                                        [[maybe_unused]] const plugin::Services& s,
                                                        [[maybe_unused]] const Patience& patience,
                                                        [[maybe_unused]] int64_t close_wait_ns,
                                                        [[maybe_unused]] const MemoryShare* share) {
#if WEFT_HAVE_KAFKA
  auto settings = transport::ResolveKafkaSettings(config.kafka);
  if (!settings) return std::unexpected(std::move(settings.error()));
  transport::KafkaOptions options;
  options.settings = std::move(*settings);
  options.close_wait_ns = close_wait_ns;
  options.patience = patience;
  options.share = share;
  return transport::KafkaTransport::Open(options, s.clock, s.metrics, s.log);
#else
  return Fail(Code::kUnsupported,
              "this weft was built without Kafka; install librdkafka-dev and build it again");
#endif
}

}  // namespace

uint64_t ReadAheadBytes([[maybe_unused]] const Config& config) {
#if WEFT_HAVE_KAFKA
  if (config.transport.kind == "kafka") return transport::KafkaOptions().fetch_bytes;
#endif
  return 0;
}

Result<std::shared_ptr<void>> StartOtlp([[maybe_unused]] const Config& config,
                                        [[maybe_unused]] uint32_t partitions,
                                        [[maybe_unused]] const plugin::Services& services) {
  if (config.otlp.topics.empty()) return nullptr;
#if WEFT_HAVE_KAFKA
  auto settings = transport::ResolveKafkaSettings(config.kafka);
  if (!settings) return std::unexpected(std::move(settings.error()));
  transport::KafkaOptions options;
  options.settings = std::move(*settings);
  auto started = otlp::OtlpTopics::Start(config.otlp.topics, options, partitions, services.clock,
                                         services.metrics, services.log);
  if (!started) return std::unexpected(std::move(started.error()));
  return std::shared_ptr<void>(std::move(*started));
#else
  return nullptr;
#endif
}

Result<std::string> KafkaExporterConfig([[maybe_unused]] const Config& config,
                                        const std::string& own) {
#if WEFT_HAVE_KAFKA
  if (config.kafka.brokers.empty()) return own;  // the exporter says what it lacks
  const auto settings = transport::ResolveKafkaSettings(config.kafka);
  if (!settings) return std::unexpected(settings.error());
  const auto properties = transport::MakeKafkaProperties(*settings);
  if (!properties) return std::unexpected(properties.error());
  JsonWriter json;
  json.BeginObject();
  for (const auto& [key, value] : *properties) json.Field(key, value);
  json.End();
  const size_t end = own.rfind('}');
  const bool empty = own.find('"') == own.npos;
  return own.substr(0, end) + (empty ? "" : ",") + "\"properties\":" + json.text() + "}";
#else
  return own;
#endif
}

Result<void> RequireMemory(const Config& config, std::string_view command) {
  if (config.transport.kind == "memory") return {};
  return Fail(Code::kInvalid,
              fmt::format("weft {} is sources and engine in one process, but transport.kind is "
                          "kafka; start `weft agent` and `weft engine` instead",
                          command));
}

Result<void> RequireKafka(const Config& config, std::string_view command) {
  if (config.transport.kind == "kafka") return {};
  return Fail(Code::kInvalid,
              fmt::format("weft {} works through Kafka: give --brokers, or a configuration with "
                          "transport.kind: kafka (on one host `weft run` needs neither)",
                          command));
}

Result<std::unique_ptr<transport::Transport>> OpenTransport(const Config& config,
                                                            const plugin::Services& services,
                                                            const Patience& patience,
                                                            int64_t close_wait_ns,
                                                            const MemoryShare* share) {
  if (config.transport.kind == "kafka")
    return OpenKafka(config, services, patience, close_wait_ns, share);
  return OpenMemory(config, services, share);
}

Result<std::unique_ptr<transport::Publisher>> OpenPublisher(const Config& config,
                                                            const plugin::Services& services,
                                                            const Patience& patience,
                                                            int64_t close_wait_ns, bool replayed,
                                                            const MemoryShare* share) {
  // With a spool it is the spool that waits at the end; Kafka keeps nothing that the disk has not.
  const bool spooled = !config.spool.path.empty();
  auto transport =
      OpenTransport(config, services, patience, spooled ? kSecond / 2 : close_wait_ns, share);
  if (!transport) return std::unexpected(std::move(transport.error()));
  if (!spooled) return std::unique_ptr<transport::Publisher>(std::move(*transport));
  transport::SpoolPublisherOptions options;
  options.spool.folder = config.spool.path;
  options.spool.max_bytes = config.spool.max_bytes;
  options.spool.farewells = !replayed;
  options.wait_when_full = replayed;
  options.close_wait_ns = close_wait_ns;
  auto publisher = transport::SpoolPublisher::Open(options, std::move(*transport), services.clock,
                                                   services.metrics, services.log);
  if (!publisher) return std::unexpected(std::move(publisher.error()));
  return std::unique_ptr<transport::Publisher>(std::move(*publisher));
}

}  // namespace weft::cli
