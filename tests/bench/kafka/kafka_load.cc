// What `make bench-kafka` fills topics with, and the plain consumer that weft is measured beside.
//
//   kafka_load observations BROKERS PREFIX PARTITIONS COUNT PER_SECOND
//     publishes observation_load.h to PREFIXevents as an agent does, in real time; says so, and
//     goes on with heartbeats until its standard input ends
//   kafka_load otlp BROKERS TOPIC PARTITIONS COUNT
//     makes the topic and writes spans as an OpenTelemetry Collector does (otlp_load.h)
//   kafka_load consume BROKERS TOPIC PARTITIONS
//     reads all of a topic and looks at nothing
//
// Each prints one line of JSON.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "engine/transport/kafka_transport.h"
#include "tests/bench/kafka/otlp_load.h"
#include "tests/bench/observation_load.h"

namespace {

using namespace weft;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "kafka_load: %s\n", why.c_str());
  std::exit(1);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool InputEnded() {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  char byte;
  return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

using Handle = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

Handle Open(rd_kafka_type_t type,
            const std::vector<std::pair<const char*, const char*>>& properties) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char why[512];
  for (const auto& [key, value] : properties)
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK) Die(why);
  Handle handle(rd_kafka_new(type, conf, why, sizeof why), &rd_kafka_destroy);
  if (!handle) Die(why);
  return handle;
}

int PublishObservations(const char* brokers, const char* prefix, uint32_t partitions,
                        uint64_t count, int per_second) {
  SystemClock clock;
  Metrics metrics;
  const auto log = StderrLogger(LogLevel::kWarn);
  transport::KafkaOptions options;
  options.settings.brokers = {brokers};
  options.settings.topic_prefix = prefix;
  auto kafka = transport::KafkaTransport::Open(options, clock, metrics, *log);
  if (!kafka) Die(kafka.error().message);

  bench::ObservationLoad load(
      {.observations = count, .per_second = per_second, .partitions = partitions});
  const int64_t unix_offset = clock.UnixNs() - clock.MonotonicNs();
  const int64_t begin = clock.MonotonicNs() - kSecond;  // where the load's time begins
  uint64_t bytes = 0;
  int64_t behind = 0;
  bool said = false;
  while (!said || !InputEnded()) {
    auto records = load.NextFlush(begin, unix_offset);
    const int64_t wait = records.back().append_ns - clock.MonotonicNs();
    if (wait > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(wait));
    if (!said) behind = std::max(behind, -wait);
    for (auto& r : records) {
      if (!said) bytes += r.payload->bytes().size();
      const auto sent =
          (*kafka)->Publish({r.stream, r.partition, r.type, r.key, std::move(r.payload)},
                            (*kafka)->LogTimeNs() + 60 * kSecond);
      if (!sent) Die(sent.error().message);
    }
    if (said || !load.done()) continue;
    std::printf("{\"spans\": %zu, \"bytes\": %llu, \"behind_ms\": %lld}\n", load.observations(),
                static_cast<unsigned long long>(bytes),
                static_cast<long long>(behind / kMillisecond));
    std::fflush(stdout);
    said = true;
  }
  return 0;
}

void MakeTopic(rd_kafka_t* client, const char* name, int partitions) {
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name, partitions, 1, nullptr, 0);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
  rd_kafka_event_t* done = rd_kafka_queue_poll(queue, 30'000);
  if (done == nullptr || rd_kafka_event_error(done) != RD_KAFKA_RESP_ERR_NO_ERROR)
    Die(std::string("cannot make topic ") + name);
  rd_kafka_event_destroy(done);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
}

int PublishOtlp(const char* brokers, const char* topic, int partitions, uint64_t count) {
  const Handle producer = Open(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                                   {"compression.codec", "snappy"},
                                                   {"linger.ms", "20"},
                                                   {"queue.buffering.max.kbytes", "200000"}});
  MakeTopic(producer.get(), topic, partitions);
  bench::OtlpLoad load(count);
  uint64_t bytes = 0;
  int32_t partition = 0;
  while (!load.done()) {
    const std::string message = load.Next();
    bytes += message.size();
    rd_kafka_resp_err_t err;
    while ((err = rd_kafka_producev(
                producer.get(), RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                RD_KAFKA_V_VALUE(const_cast<char*>(message.data()), message.size()),
                RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
      rd_kafka_poll(producer.get(), 10);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) Die(rd_kafka_err2str(err));
    partition = (partition + 1) % partitions;
  }
  if (rd_kafka_flush(producer.get(), 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) Die("not delivered");
  std::printf("{\"spans\": %llu, \"bytes\": %llu}\n", static_cast<unsigned long long>(load.spans()),
              static_cast<unsigned long long>(bytes));
  return 0;
}

int Consume(const char* brokers, const char* topic, int partitions) {
  const double begin = CpuSeconds();
  const Handle consumer = Open(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                                   {"group.id", "plain"},
                                                   {"enable.auto.commit", "false"},
                                                   {"enable.partition.eof", "true"},
                                                   {"queued.min.messages", "1000000"}});
  rd_kafka_poll_set_consumer(consumer.get());
  rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(partitions);
  std::vector<int64_t> left;  // what is appended meanwhile, heartbeats, does not count
  for (int p = 0; p < partitions; ++p) {
    int64_t low = 0, high = 0;
    rd_kafka_query_watermark_offsets(consumer.get(), topic, p, &low, &high, 10'000);
    left.push_back(high);
    if (high > low)
      rd_kafka_topic_partition_list_add(all, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  int reading = all->cnt;
  rd_kafka_assign(consumer.get(), all);
  rd_kafka_topic_partition_list_destroy(all);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer.get());
  uint64_t messages = 0, bytes = 0;
  while (reading > 0) {
    rd_kafka_message_t* batch[256];
    const ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, batch, std::size(batch));
    for (ssize_t i = 0; i < n; ++i) {
      const rd_kafka_message_t& message = *batch[i];
      if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++messages;
        bytes += message.len;
      } else if (message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        Die(rd_kafka_message_errstr(&message));
      }
      int64_t& end = left[static_cast<size_t>(message.partition)];
      const bool eof = message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
      if (end >= 0 && (eof || message.offset + 1 >= end)) {
        end = -1;
        --reading;
      }
      rd_kafka_message_destroy(batch[i]);
    }
  }
  std::printf("{\"messages\": %llu, \"bytes\": %llu, \"cpu_s\": %.4f}\n",
              static_cast<unsigned long long>(messages), static_cast<unsigned long long>(bytes),
              CpuSeconds() - begin);
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(consumer.get());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (mode == "observations" && argc == 7)
    return PublishObservations(argv[2], argv[3], static_cast<uint32_t>(number(4)), number(5),
                               static_cast<int>(number(6)));
  if (mode == "otlp" && argc == 6)
    return PublishOtlp(argv[2], argv[3], static_cast<int>(number(4)), number(5));
  if (mode == "consume" && argc == 5) return Consume(argv[2], argv[3], static_cast<int>(number(4)));
  Die("observations BROKERS PREFIX PARTITIONS COUNT PER_SECOND | otlp BROKERS TOPIC PARTITIONS "
      "COUNT | consume BROKERS TOPIC PARTITIONS");
}
