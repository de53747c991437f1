// What a stranger sends to `weft serve`: request line and three headers, one a line. Whatever it
// is, it is read or refused, what passes without a token names this host, and nobody is sent
// elsewhere.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "sql/serve/access.h"
#include "sql/serve/jaeger_query.h"
#include "sql/serve/page_query.h"

namespace {

constexpr std::string_view kToken = "0123456789abcdef";

void CheckLocation(const weft::serve::Reply& reply) {
  for (const auto& [name, value] : reply.headers) {
    WEFT_CHECK(value.find_first_of("\r\n") == value.npos);
    if (name == "Location") WEFT_CHECK(value[0] == '/' && !value.starts_with("//"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::serve;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines;
  while (lines.size() < 4) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  Request request;
  request.target = MakeTarget(lines[0]);
  request.host = lines[1];
  request.authorization = lines[2];
  request.cookie = lines[3];
  static const Access open({}), guarded({.token = std::string(kToken), .names = {}});
  if (const auto refusal = open.Refuse(request, 80)) CheckLocation(*refusal);
  const auto refusal = guarded.Refuse(request, 80);
  if (refusal) CheckLocation(*refusal);
  const bool said = (lines[2] + lines[3]).find(kToken) != std::string::npos;
  WEFT_CHECK(said || refusal || request.target.Path() == "/login.css");
  for (const std::string& segment : request.target.segments)
    WEFT_CHECK(DecodeUrl(EncodeUrl(segment), true) == segment);
  (void)ParseJaegerQuery(request.target, 1'700'000'000'000'000'000);
  (void)ParsePageQuery(request.target, 1'700'000'000'000'000'000);
  (void)ParseRfc3339(lines[1]);
  (void)ParseJaegerTraceId(lines[1]);
  return 0;
}
