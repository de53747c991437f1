// KafkaContext: what all parts of one KafkaTransport share. Made and owned by the transport,
// outlives them all; any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/metrics.h"
#include "engine/transport/broker_clock.h"
#include "engine/transport/kafka_client.h"
#include "engine/transport/kafka_options.h"
#include "engine/transport/kafka_record.h"
#include "engine/transport/kafka_settings.h"

namespace weft::transport {

struct KafkaContext {
  KafkaContext(const KafkaOptions& o, KafkaProperties p, const Clock& c, Metrics& m, Logger& logger)
      : options(o),
        properties(std::move(p)),
        clock(c),
        metrics(m),
        log(properties, c, m, logger),
        broker_clock(c) {}

  std::string Topic(Stream stream) const { return KafkaTopic(options.settings, stream); }
  std::string Name(Stream stream, uint32_t partition) const {
    return Topic(stream) + " [" + std::to_string(partition) + "]";
  }

  // How long it is until then, between 0 and a day.
  int64_t WaitNs(int64_t deadline_ns) const {
    const int64_t now_ns = broker_clock.NowNs();
    return deadline_ns <= now_ns ? 0 : std::min(deadline_ns - now_ns, 24 * 3600 * kSecond);
  }

  const KafkaOptions options;
  const KafkaProperties properties;  // of every client; may hold secrets
  const Clock& clock;
  Metrics& metrics;
  KafkaLog log;
  BrokerClock broker_clock;
  uint32_t partitions = 0;
  std::atomic<uint32_t> topic_partitions = 0;  // of weft.events by now; 0: not asked yet
};

inline const char* StageName(Stage stage) { return stage == Stage::kStitch ? "stitch" : "trace"; }
inline Stream InputOf(Stage stage) {
  return stage == Stage::kStitch ? Stream::kEvents : Stream::kSpans;
}

// Wakes one waiter when there is something to read; remembers that it was told.
class ReadSignal {
 public:
  void Notify();
  void WaitFor(int64_t ns);

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool told_ = false;
};

}  // namespace weft::transport
