#include "sources/otlp/topic_reception.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/transport/kafka_context.h"

namespace weft::otlp {
namespace {

using transport::KafkaClient;

constexpr int kPollMs = 50;
constexpr char kTimeoutMs[] = "8000";  // SDKs wait 10 s for an answer

// One message on its way. Owners: who waits for it, and librdkafka's opaque pointer.
struct Waiting {
  std::mutex mutex;
  std::condition_variable told;
  bool done = false;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

class TopicReception final : public DecodingReception {
 public:
  TopicReception(std::string topic, const transport::KafkaOptions& options,
                 transport::KafkaProperties properties, const Clock& clock, Metrics& metrics,
                 Logger& log, std::function<Decoder()> zipkin)
      : DecodingReception(metrics, std::move(zipkin)),
        topic_(std::move(topic)),
        context_(options, std::move(properties), clock, metrics, log),
        forwarded_(metrics.Get("otlp.forwarded")) {}

  ~TopicReception() override {
    stopping_ = true;
    if (poller_.joinable()) poller_.join();
  }

  Result<void> Open() {
    auto client = KafkaClient::Open(
        "otlp forwarder", RD_KAFKA_PRODUCER,
        {{"compression.codec", "zstd"},
         {"compression.level", "1"},
         {"linger.ms", "5"},
         {"message.max.bytes", std::to_string(size_t{17} << 20)},
         {"message.timeout.ms", kTimeoutMs}},
        context_.properties, {{"enable.idempotence", "true"}, {"acks", "all"}},
        {.delivered = [](const rd_kafka_message_t& m) { OnDelivery(m); }, .rebalance = {}},
        context_.log);
    if (!client) return std::unexpected(std::move(client.error()));
    client_ = std::move(*client);
    poller_ = std::thread([this] {
      while (!stopping_) rd_kafka_poll(client_->get(), kPollMs);
    });
    return {};
  }

 private:
  static void OnDelivery(const rd_kafka_message_t& message) {
    const std::unique_ptr<std::shared_ptr<Waiting>> waiting(
        static_cast<std::shared_ptr<Waiting>*>(message._private));
    const std::lock_guard lock((*waiting)->mutex);
    (*waiting)->done = true;
    (*waiting)->error = message.err;
    (*waiting)->told.notify_one();
  }

  // The batch that librdkafka makes of it; the message itself is the request's.
  Delivery Prepare(const Request& request, const api::SpanTable& table) override {
    return {[this, request, rows = table.n()] { return Forward(request, rows); },
            request.message.size()};
  }
  Reply Forward(const Request& request, uint32_t rows) {
    const auto waiting = std::make_shared<Waiting>();
    auto opaque = std::make_unique<std::shared_ptr<Waiting>>(waiting);
    const auto refused = rd_kafka_producev(
        client_->get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_MSGFLAGS(0),
        RD_KAFKA_V_VALUE(const_cast<char*>(request.message.data()), request.message.size()),
        RD_KAFKA_V_OPAQUE(opaque.get()), RD_KAFKA_V_END);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR) return Judge(refused);
    opaque.release();  // OnDelivery's, which comes once for each message that was taken
    std::unique_lock lock(waiting->mutex);
    waiting->told.wait(lock, [&] { return waiting->done; });
    if (waiting->error != RD_KAFKA_RESP_ERR_NO_ERROR) return Judge(waiting->error);
    forwarded_.Add(rows);
    return {};
  }

  Reply Judge(rd_kafka_resp_err_t error) const {
    const std::string why = topic_ + ": " + rd_kafka_err2str(error);
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) return {Reply::Code::kMalformed, 0, why};
    return {error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? Reply::Code::kBusy : Reply::Code::kStopped, 0,
            why};
  }

  const std::string topic_;
  transport::KafkaContext context_;
  Counter& forwarded_;
  std::unique_ptr<KafkaClient> client_;
  std::atomic<bool> stopping_ = false;
  std::thread poller_;
};

}  // namespace

Result<std::unique_ptr<Reception>> MakeTopicReception(const std::string& topic,
                                                      const transport::KafkaOptions& options,
                                                      const Clock& clock, Metrics& metrics,
                                                      Logger& log,
                                                      std::function<Decoder()> zipkin) {
  auto properties = transport::MakeKafkaProperties(options.settings);
  if (!properties) return std::unexpected(std::move(properties.error()));
  auto reception = std::make_unique<TopicReception>(topic, options, std::move(*properties), clock,
                                                    metrics, log, std::move(zipkin));
  if (auto opened = reception->Open(); !opened)
    return Context(std::move(opened.error()), "sources.otlp");
  return reception;
}

}  // namespace weft::otlp
