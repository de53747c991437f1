// KafkaRecord: a record of ours as a Kafka message, and back.
//
// Headers: `weft-schema`, the version of event.capnp in decimal, and `content-type:
// application/x-capnp; type=<RecordType>`. Key: 8 bytes, big-endian, where there is one. Value: the
// payload as it is. Called by everything that produces or reads. Free functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <librdkafka/rdkafka.h>

#include "engine/transport/transport.h"

namespace weft::transport {

// A message that is not for us: newer than we know, of unknown type, or not weft's at all.
struct Unreadable {
  Stream stream = Stream::kEvents;
  uint32_t partition = 0;
  uint64_t offset = 0;
  std::string reason;
  PayloadPtr bytes;
  int64_t append_ns = 0;
};

// Without a value, in a stage's log, where a new owner begins: it tells the brokers' time. Never
// handed out.
inline constexpr RecordType kTakeOver{0};

// What the two headers say; else why the message is not for us.
std::variant<RecordType, std::string> ReadHeaders(std::string_view schema,
                                                  std::string_view content_type);

// Queues one message without copying the payload, which must stay until its delivery report.
// `payload` null is a tombstone.
rd_kafka_resp_err_t Produce(rd_kafka_t* producer, rd_kafka_topic_t* topic, const OutRecord& record,
                            void* opaque);

// Requires: message.err is 0. Copies the payload: a message lies at no particular address, and as
// long as one is held librdkafka keeps the whole fetched batch. append_ns is the broker's time.
std::variant<Record, Unreadable> FromMessage(Stream stream, const rd_kafka_message_t& message);

// The append time; nullopt where the topic does not have message.timestamp.type=LogAppendTime.
std::optional<int64_t> AppendTimeNs(const rd_kafka_message_t& message);

}  // namespace weft::transport
