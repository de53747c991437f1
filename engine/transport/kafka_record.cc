#include "engine/transport/kafka_record.h"

#include <array>
#include <charconv>
#include <string_view>

#include <endian.h>
#include <fmt/format.h>

#include "engine/api/event.capnp.h"
#include "engine/base/clock.h"

namespace weft::transport {
namespace {

constexpr std::string_view kSchemaHeader = "weft-schema";
constexpr std::string_view kTypeHeader = "content-type";
constexpr std::string_view kTypePrefix = "application/x-capnp; type=";
constexpr std::array<std::string_view, 11> kTypeNames = {
    "TakeOver",      "EventBatch",      "AgentLost",  "LinkBatch",   "LabelBatch", "SpanBatch",
    "DecisionBatch", "CorrelatorState", "DeadRecord", "StageLedger", "AgentLedger"};

// Somebody else's bytes for a log line.
std::string Shown(std::string_view text) {
  std::string out(text.substr(0, 80));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

std::optional<std::string_view> Header(const rd_kafka_headers_t* headers, std::string_view name) {
  const void* value = nullptr;
  size_t size = 0;
  if (rd_kafka_header_get_last(headers, name.data(), &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::nullopt;
  return std::string_view(static_cast<const char*>(value), size);
}

// The record's type, or why it is not one of ours.
std::variant<RecordType, std::string> TypeOf(const rd_kafka_message_t& message) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return "no headers: not written by weft";
  const auto schema = Header(headers, kSchemaHeader);
  const auto content = Header(headers, kTypeHeader);
  if (!schema || !content) return "no weft-schema or content-type header: not written by weft";
  return ReadHeaders(*schema, *content);
}

}  // namespace

std::variant<RecordType, std::string> ReadHeaders(std::string_view schema,
                                                  std::string_view content) {
  uint32_t version = 0;
  const auto parsed = std::from_chars(schema.data(), schema.data() + schema.size(), version);
  if (parsed.ec != std::errc() || parsed.ptr != schema.data() + schema.size() || version == 0)
    return fmt::format("weft-schema '{}' is not a version", Shown(schema));
  if (version > wire::SCHEMA_VERSION)
    return fmt::format(
        "schema version {} is newer than {}, the last that this weft knows: update it", version,
        wire::SCHEMA_VERSION);
  if (content.starts_with(kTypePrefix))
    for (size_t i = 0; i < kTypeNames.size(); ++i)
      if (content.substr(kTypePrefix.size()) == kTypeNames[i]) return static_cast<RecordType>(i);
  return fmt::format("content-type '{}' is not one that this weft knows", Shown(content));
}

rd_kafka_resp_err_t Produce(rd_kafka_t* producer, rd_kafka_topic_t* topic, const OutRecord& record,
                            void* opaque) {
  char version[12];
  const auto digits = std::to_chars(version, version + sizeof(version), wire::SCHEMA_VERSION);
  const std::string type =
      std::string(kTypePrefix) + std::string(kTypeNames[static_cast<size_t>(record.type)]);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(2);
  rd_kafka_header_add(headers, kSchemaHeader.data(), static_cast<ssize_t>(kSchemaHeader.size()),
                      version, digits.ptr - version);
  rd_kafka_header_add(headers, kTypeHeader.data(), static_cast<ssize_t>(kTypeHeader.size()),
                      type.data(), static_cast<ssize_t>(type.size()));
  const uint64_t key = htobe64(record.key);
  const bool keyed = record.key != 0 || record.stream == Stream::kState;
  const std::string_view bytes = record.payload ? record.payload->bytes() : std::string_view();
  std::array<rd_kafka_vu_t, 7> v{};
  v[0].vtype = RD_KAFKA_VTYPE_RKT, v[0].u.rkt = topic;
  v[1].vtype = RD_KAFKA_VTYPE_PARTITION, v[1].u.i32 = static_cast<int32_t>(record.partition);
  v[2].vtype = RD_KAFKA_VTYPE_VALUE;
  v[2].u.mem.ptr = const_cast<char*>(record.payload ? bytes.data() : nullptr);
  v[2].u.mem.size = bytes.size();
  v[3].vtype = RD_KAFKA_VTYPE_HEADERS, v[3].u.headers = headers;
  v[4].vtype = RD_KAFKA_VTYPE_OPAQUE, v[4].u.ptr = opaque;
  v[5].vtype = RD_KAFKA_VTYPE_MSGFLAGS, v[5].u.i = 0;  // neither copied nor freed: the caller's
  v[6].vtype = RD_KAFKA_VTYPE_KEY;                     // copied
  v[6].u.mem.ptr = const_cast<uint64_t*>(&key);
  v[6].u.mem.size = sizeof(key);
  rd_kafka_error_t* error = rd_kafka_produceva(producer, v.data(), keyed ? 7 : 6);
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_headers_destroy(headers);
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return code;
}

std::optional<int64_t> AppendTimeNs(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t ms = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME) return std::nullopt;
  return ms * kMillisecond;
}

std::variant<Record, Unreadable> FromMessage(Stream stream, const rd_kafka_message_t& message) {
  const auto partition = static_cast<uint32_t>(message.partition);
  const auto offset = static_cast<uint64_t>(message.offset);
  PayloadPtr payload;
  if (message.payload != nullptr)
    payload = CopyPayload({static_cast<const char*>(message.payload), message.len});
  auto type = TypeOf(message);
  if (auto* reason = std::get_if<std::string>(&type))
    return Unreadable{stream, partition, offset, std::move(*reason), std::move(payload), 0};
  if (payload == nullptr && stream != Stream::kState && std::get<RecordType>(type) != kTakeOver)
    return Unreadable{stream, partition, offset, "no value", nullptr, 0};
  uint64_t key = 0;
  if (message.key_len == sizeof(key)) {
    __builtin_memcpy(&key, message.key, sizeof(key));
    key = be64toh(key);
  }
  return Record{stream,
                partition,
                std::get<RecordType>(type),
                key,
                offset,
                AppendTimeNs(message).value_or(0),
                std::move(payload)};
}

}  // namespace weft::transport
