#include "sources/otlp/otlp_reply.h"

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "engine/base/json_text.h"

namespace weft::otlp {

using protozero::pbf_writer;

std::string EncodeResponse(const Reply& reply, bool json) {
  std::string out;
  if (reply.rejected == 0) return json ? "{}" : out;
  if (json) {
    out = fmt::format("{{\"partialSuccess\":{{\"rejectedSpans\":\"{}\",\"errorMessage\":",
                      reply.rejected);
    AppendJsonString(out, reply.message);
    return out + "}}";
  }
  std::string partial;
  pbf_writer fields(partial);
  fields.add_int64(1, static_cast<int64_t>(reply.rejected));
  fields.add_string(2, reply.message);
  pbf_writer(out).add_message(1, partial);
  return out;
}

std::string EncodeStatus(int code, std::string_view message, bool json,
                         int64_t retry_after_seconds) {
  std::string out;
  if (json) {
    out = fmt::format("{{\"code\":{},\"message\":", code);
    AppendJsonString(out, message);
    return out + "}";
  }
  pbf_writer fields(out);
  fields.add_int32(1, code);
  fields.add_string(2, message.data(), message.size());
  if (retry_after_seconds <= 0) return out;
  std::string duration, retry, any;
  pbf_writer(duration).add_int64(1, retry_after_seconds);
  pbf_writer(retry).add_message(1, duration);
  pbf_writer detail(any);
  detail.add_string(1, "type.googleapis.com/google.rpc.RetryInfo");
  detail.add_bytes(2, retry);
  fields.add_message(3, any);
  return out;
}

}  // namespace weft::otlp
