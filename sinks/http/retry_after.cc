#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

#include "sinks/http/http_post.h"

namespace weft::sinks {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kLongestSeconds = 3600;

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may still be sent; -1: it is none.
int64_t DateSeconds(std::string_view text) {
  std::tm time{};
  const char* const end = strptime(std::string(text).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  return end == nullptr ? -1 : int64_t{timegm(&time)};
}

}  // namespace

int64_t RetryAfterNs(std::string_view header, int64_t unix_ns) {
  if (header.empty()) return 0;
  uint32_t seconds = 0;
  const char* const end = header.data() + header.size();
  const auto [rest, error] = std::from_chars(header.data(), end, seconds);
  if (error == std::errc() && rest == end)
    return std::min<int64_t>(seconds, kLongestSeconds) * kSecondNs;
  const int64_t date = DateSeconds(header);
  if (date < 0) return 0;
  return std::clamp<int64_t>(date - unix_ns / kSecondNs, 0, kLongestSeconds) * kSecondNs;
}

Delivery JudgeStatus(const HttpAnswer& answer, std::string_view said) {
  if (answer.status >= 200 && answer.status < 300) return {};
  std::string why = fmt::format("HTTP {}{}{:.300}", answer.status, said.empty() ? "" : ": ", said);
  switch (answer.status) {
    case 429:
    case 502:
    case 503:
    case 504: {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      return Delivery::Retry(
          std::move(why),
          RetryAfterNs(answer.retry_after,
                       std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
    }
    default: return Delivery::Drop(std::move(why));
  }
}

}  // namespace weft::sinks
