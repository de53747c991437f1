// KafkaOptions: what a KafkaTransport must be told.
//
// Made by the CLI from the configuration, with its settings resolved (kafka_settings.h), and by
// tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/base/clock.h"
#include "engine/base/config.h"
#include "engine/base/memory_share.h"

namespace weft::transport {

// Logs and links are read back from so long before the oldest input record that is not decided.
inline constexpr int64_t kKafkaHorizonNs = 120 * kSecond;

inline constexpr size_t kKafkaPublishBytes = size_t{64} << 20;

struct KafkaOptions {
  KafkaSettings settings;  // the stages' groups are <group>-stitch and <group>-trace
  int64_t horizon_ns = kKafkaHorizonNs;
  size_t publish_bytes = kKafkaPublishBytes;  // of sources, accepted but not acknowledged
  size_t fetch_bytes = size_t{16} << 20;      // of each partition of a stream, read ahead
  const MemoryShare* share = nullptr;         // of these two; none: all of them
  // How long the first shard to commit waits for others to share its transaction.
  int64_t commit_linger_ns = 20 * kMillisecond;
  // After CloseSources: how long what sources published, and commits, may take to be acknowledged.
  int64_t close_wait_ns = 10 * kSecond;
  // How long the topics' settings are asked for before they are taken as right.
  int64_t settings_wait_ns = 5 * kSecond;
  // While no broker answers at the start: waits so long, true: no more. Empty: fails instead.
  std::function<bool(int64_t ns)> patience;
};

}  // namespace weft::transport
