#include "engine/cli/top_endpoint.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/cli/terminal.h"

namespace weft::cli {
namespace {

// "127.0.0.1:9338: Connection refused": the screen has the address already.
std::string Reason(std::string_view message, std::string_view address) {
  if (message.starts_with(address)) message.remove_prefix(address.size());
  if (message.starts_with(": ")) message.remove_prefix(2);
  return Printable(message);
}

std::string FirstLine(std::string_view text) {
  return Printable(text.substr(0, std::min<size_t>(text.find('\n'), 120)));
}

}  // namespace

TopEndpoint::TopEndpoint(std::string address, Fetch fetch)
    : address_(std::move(address)), fetch_(std::move(fetch)) {}

Result<ListenAddress> TopEndpoint::ParseAddress(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with("/metrics")) rest.remove_suffix(8);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  auto address = ListenAddress::Parse(rest);
  if (!address || address->port == 0)
    return Fail(Code::kInvalid,
                fmt::format("'{:.80}' is not an address such as 127.0.0.1:9338 or [::1]:9338, or "
                            ":9338 (this host)",
                            text));
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  return address;
}

std::string TopEndpoint::Ask(int64_t monotonic_ns, TopView* view) {
  const auto answer = fetch_("/metrics");
  if (!answer) return "no answer: " + Reason(answer.error().message, address_);
  if (answer->status != 200)
    return fmt::format("answers {} to /metrics: is this a weft with metrics.listen?",
                       answer->status);
  auto page = telemetry::MetricsReading::Parse(answer->body);
  if (!page) return "/metrics cannot be read: " + page.error().message;
  if (page->Find("weft_build_info").empty())
    return "is another program's /metrics: weft's has weft_build_info";

  // A process that was started anew counts from 0.
  constexpr std::string_view kStart = "process_start_time_seconds";
  const bool same =
      before_ && monotonic_ns > before_ns_ && before_->Max(kStart) == page->Max(kStart);
  view->figures = ReadFigures(same ? &*before_ : nullptr, *page,
                              static_cast<double>(monotonic_ns - before_ns_) / 1e9);
  before_ = std::move(*page);
  before_ns_ = monotonic_ns;
  if (const auto ready = fetch_("/readyz"); ready && ready->status != 200)
    view->waits_for = FirstLine(ready->body);
  return "";
}

TopView TopEndpoint::Look(int64_t monotonic_ns, int64_t unix_ns) {
  TopView view;
  view.address = address_;
  view.looked = true;
  view.trouble = Ask(monotonic_ns, &view);
  if (view.trouble.empty()) {
    trouble_since_ns_.reset();
    const double start_s = view.figures.start_unix_s.value_or(0);
    if (start_s > 0 && start_s < 9e9)
      view.up_ns = std::max<int64_t>(unix_ns - static_cast<int64_t>(start_s * 1e9), 0);
    return view;
  }
  before_.reset();
  if (!trouble_since_ns_) trouble_since_ns_ = monotonic_ns;
  view.trouble_ns = monotonic_ns - *trouble_since_ns_;
  return view;
}

}  // namespace weft::cli
