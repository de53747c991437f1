#include "sinks/otlp/otlp_answer.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <protozero/pbf_reader.hpp>
#include <simdjson.h>

namespace weft::sinks {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

constexpr size_t kMaxMessage = 1000;
constexpr int64_t kLongestSeconds = 3600;
constexpr std::string_view kRetryInfo = "google.rpc.RetryInfo";

constexpr uint32_t Bytes(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}
constexpr uint32_t Varint(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}

std::string_view View(data_view bytes) { return {bytes.data(), bytes.size()}; }
std::string Message(std::string_view text) { return std::string(text.substr(0, kMaxMessage)); }

void ReadDuration(data_view bytes, OtlpAnswer* out) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  for (pbf_reader in(bytes); in.next();) {
    if (in.tag_and_type() == Varint(1))
      seconds = in.get_int64();
    else if (in.tag_and_type() == Varint(2))
      nanos = in.get_int32();
    else
      in.skip();
  }
  seconds = std::clamp<int64_t>(seconds, 0, kLongestSeconds);
  out->retry_delay_ns = std::min(seconds * 1'000'000'000 + std::max<int64_t>(nanos, 0),
                                 kLongestSeconds * 1'000'000'000);
}

void ReadDetail(data_view any, OtlpAnswer* out) {
  std::string_view type;
  data_view value{nullptr, 0};
  for (pbf_reader in(any); in.next();) {
    if (in.tag_and_type() == Bytes(1))
      type = View(in.get_view());
    else if (in.tag_and_type() == Bytes(2))
      value = in.get_view();
    else
      in.skip();
  }
  if (!type.ends_with(kRetryInfo)) return;
  out->has_retry_info = true;
  for (pbf_reader in(value); in.next();) {
    if (in.tag_and_type() == Bytes(1))
      ReadDuration(in.get_view(), out);
    else
      in.skip();
  }
}

void ReadStatusProto(data_view bytes, OtlpAnswer* out) {
  for (pbf_reader in(bytes); in.next();) {
    if (in.tag_and_type() == Bytes(2))
      out->message = Message(View(in.get_view()));
    else if (in.tag_and_type() == Bytes(3))
      ReadDetail(in.get_view(), out);
    else
      in.skip();
  }
}

void ReadResponseProto(data_view bytes, OtlpAnswer* out) {
  for (pbf_reader in(bytes); in.next();) {
    if (in.tag_and_type() != Bytes(1)) {
      in.skip();
      continue;
    }
    for (pbf_reader partial(in.get_view()); partial.next();) {
      if (partial.tag_and_type() == Varint(1))
        out->rejected = static_cast<uint64_t>(std::max<int64_t>(partial.get_int64(), 0));
      else if (partial.tag_and_type() == Bytes(2))
        out->message = Message(View(partial.get_view()));
      else
        partial.skip();
    }
  }
}

// A 64-bit number is text in protobuf's JSON; some write a number.
uint64_t Count(simdjson::dom::element value) {
  uint64_t out = 0;
  std::string_view text;
  if (value.get(out) == simdjson::SUCCESS) return out;
  if (value.get(text) == simdjson::SUCCESS)
    std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

template <typename Read>
OtlpAnswer Guarded(Read read) {
  OtlpAnswer out;
  try {
    read(&out);
  } catch (const std::exception&) {  // protozero's, and none of simdjson's: it answers by codes
    return {};
  }
  return out;
}

}  // namespace

OtlpAnswer ReadResponse(std::string_view bytes, bool json) {
  return Guarded([&](OtlpAnswer* out) {
    if (!json) return ReadResponseProto({bytes.data(), bytes.size()}, out);
    simdjson::dom::parser parser;
    simdjson::dom::object partial;
    if (parser.parse(bytes.data(), bytes.size())["partialSuccess"].get(partial) !=
        simdjson::SUCCESS)
      return;
    simdjson::dom::element value;
    std::string_view text;
    if (partial["rejectedSpans"].get(value) == simdjson::SUCCESS) out->rejected = Count(value);
    if (partial["errorMessage"].get(text) == simdjson::SUCCESS) out->message = Message(text);
  });
}

OtlpAnswer ReadStatus(std::string_view bytes, bool json) {
  return Guarded([&](OtlpAnswer* out) {
    if (!json) return ReadStatusProto({bytes.data(), bytes.size()}, out);
    simdjson::dom::parser parser;
    std::string_view text;
    if (parser.parse(bytes.data(), bytes.size())["message"].get(text) == simdjson::SUCCESS)
      out->message = Message(text);
  });
}

}  // namespace weft::sinks
