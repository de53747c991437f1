#include "sinks/kafka/kafka_sink.h"

#include <chrono>
#include <numeric>

#include <librdkafka/rdkafka.h>

#include "engine/base/json_text.h"
#include "sinks/jsonl/otlp_json.h"
#include "sinks/otlp/otlp_proto.h"

namespace weft::sinks {
namespace {

// What became of the messages of one Write.
struct Receipts {
  size_t left = 0;
  rd_kafka_resp_err_t failed = RD_KAFKA_RESP_ERR_NO_ERROR;
};

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  auto* const receipts = static_cast<Receipts*>(message->_private);
  --receipts->left;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) receipts->failed = message->err;
}

// librdkafka writes to stderr by itself otherwise.
void OnLog(const rd_kafka_t*, int, const char*, const char*) {}

Result<rd_kafka_t*> MakeProducer(const KafkaSinkOptions& options) {
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  char why[512] = {};
  std::vector<std::pair<std::string, std::string>> all = {
      {"compression.codec", "zstd"}, {"linger.ms", "5"}, {"batch.size", "1000000"}};
  all.insert(all.end(), options.properties.begin(), options.properties.end());
  all.emplace_back("enable.idempotence", "true");
  all.emplace_back("partitioner", "murmur2_random");
  for (const auto& [key, value] : all)
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return Fail(Code::kInvalid, "librdkafka does not take the setting " + key);
    }
  rd_kafka_conf_set_dr_msg_cb(conf, OnDelivery);
  rd_kafka_conf_set_log_cb(conf, OnLog);
  rd_kafka_t* const producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (producer != nullptr) return producer;
  rd_kafka_conf_destroy(conf);
  return Fail(Code::kInvalid, std::string("librdkafka: ") + why);
}

}  // namespace

class KafkaSink::Impl {
 public:
  Impl(KafkaSinkOptions options, rd_kafka_t* producer)
      : options_(std::move(options)), producer_(producer) {}
  ~Impl() {
    // Nothing is left: Write has waited, and what it gave up may go.
    rd_kafka_purge(producer_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer_, 1000);
    rd_kafka_destroy(producer_);
  }

  weft_outcome Write(const weft_spans& spans, const weft_traces& traces, std::string* why) {
    Receipts receipts;
    proto_.Begin(spans);
    for (uint32_t t = 0; t < traces.n; ++t) {
      key_.clear();
      AppendHex(key_, traces.trace_hi[t]);
      AppendHex(key_, traces.trace_lo[t]);
      Send(spans, traces.first_row[t], traces.first_row[t] + traces.n_rows[t], &receipts);
    }
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(options_.wait_ns);
    while (receipts.left > 0 && std::chrono::steady_clock::now() < deadline)
      rd_kafka_poll(producer_, 100);
    if (receipts.left > 0) {
      // They must not be delivered later, into a Receipts that is gone.
      rd_kafka_purge(producer_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      while (receipts.left > 0) rd_kafka_poll(producer_, 100);
      receipts.failed = RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (receipts.failed == RD_KAFKA_RESP_ERR_NO_ERROR) return WEFT_EXPORT_OK;
    *why = options_.topic + ": " + rd_kafka_err2str(receipts.failed);
    return WEFT_EXPORT_RETRY;
  }

  uint64_t too_large() const { return too_large_; }

 private:
  // The rows of a trace in one message, or in halves.
  void Send(const weft_spans& spans, uint32_t begin, uint32_t end, Receipts* receipts) {
    if (begin == end) return;
    message_.clear();
    if (options_.json) {
      json_.AppendTracesData(message_, spans, begin, end);
    } else {
      rows_.resize(end - begin);
      std::iota(rows_.begin(), rows_.end(), begin);
      proto_.Append(rows_, &message_);
    }
    // Headers and key take some of it.
    if (message_.size() + 1024 > options_.message_bytes) {
      if (end - begin == 1) {
        ++too_large_;
        return;
      }
      const uint32_t middle = begin + (end - begin) / 2;
      Send(spans, begin, middle, receipts);
      Send(spans, middle, end, receipts);
      return;
    }
    while (true) {
      ++receipts->left;
      const auto err = rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC(options_.topic.c_str()),
                                         RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                         RD_KAFKA_V_KEY(key_.data(), key_.size()),
                                         RD_KAFKA_V_VALUE(message_.data(), message_.size()),
                                         RD_KAFKA_V_OPAQUE(receipts), RD_KAFKA_V_END);
      if (err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
      --receipts->left;
      if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        receipts->failed = err;
        return;
      }
      rd_kafka_poll(producer_, 10);
    }
  }

  const KafkaSinkOptions options_;
  rd_kafka_t* const producer_;
  OtlpProto proto_;
  OtlpJson json_;
  std::string key_, message_;
  std::vector<uint32_t> rows_;
  uint64_t too_large_ = 0;
};

KafkaSink::KafkaSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSink::~KafkaSink() = default;

Result<std::unique_ptr<KafkaSink>> KafkaSink::Open(KafkaSinkOptions options) {
  const auto producer = MakeProducer(options);
  if (!producer) return std::unexpected(producer.error());
  return std::unique_ptr<KafkaSink>(
      new KafkaSink(std::make_unique<Impl>(std::move(options), *producer)));
}

weft_outcome KafkaSink::Write(const weft_spans& spans, const weft_traces& traces,
                              std::string* why) {
  return impl_->Write(spans, traces, why);
}
uint64_t KafkaSink::too_large() const { return impl_->too_large(); }

}  // namespace weft::sinks
