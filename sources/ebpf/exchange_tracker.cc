#include "sources/ebpf/exchange_tracker.h"

#include <algorithm>
#include <limits>

#include "engine/base/hash.h"

namespace weft::ebpf {
namespace {

constexpr size_t kMaxAddresses = 1024;
constexpr int64_t kForgetEveryNs = kSecond;
// A program may read what was received before the connection broke.
constexpr int64_t kKeepClosedNs = kSecond;
// The socket layer does not say when a Unix socket is closed, and servers such as php-fpm have a
// new one for each request. Positions go on in the kernel, so nothing is lost by forgetting.
constexpr int64_t kUnixIdleNs = 10 * kSecond;
constexpr int64_t kKeepOptionNs = 10 * kSecond;  // from the first data segment to its record
constexpr int64_t kKeepDescriptionNs = 2 * int64_t{WEFT_DESCRIBE_NS};
// A head that is still not whole after this many times announce_after (a stalled client) does not
// hold the watermark any more: its exchange will be late.
constexpr int64_t kStalledHeads = 2;

}  // namespace

ExchangeTracker::ExchangeTracker(Options options, const ProtocolSet& protocols,
                                 ObservationWriter& writer, Metrics& metrics)
    : options_(options),
      connection_options_{.boot_id = options.boot_id,
                          .tcp_spans = options.tcp_spans,
                          .attached_ns = options.attached_ns},
      protocols_(protocols),
      writer_(writer),
      records_(metrics.Get("agent.records")),
      decoded_(metrics.Get("agent.decoded")),
      parse_failed_(metrics.Get("agent.parse_failed")),
      repeats_(metrics.Get("agent.repeats")),
      gap_bytes_(metrics.Get("agent.gap_bytes")),
      contentless_bytes_(metrics.Get("agent.contentless_bytes")),
      made_(metrics.Get("agent.connections")),
      forgotten_(metrics.Get("agent.connections_forgotten")),
      unrecognised_(metrics.Get("agent.unrecognised_records")),
      overflow_(metrics.Get("agent.connections_overflow")),
      undescribed_(metrics.Get("agent.undescribed")),
      tcp_spans_(metrics.Get("agent.tcp_spans")),
      tcp_limited_(metrics.Get("agent.tcp_limited")),
      metrics_(metrics) {}

ExchangeTracker::~ExchangeTracker() = default;

void ExchangeTracker::OnData(const weft_data& record, const weft_connection* described,
                             std::string_view payload) {
  records_.AddAlone();
  if ((record.type != WEFT_RECORD_SEND && record.type != WEFT_RECORD_RECEIVE) ||
      payload.size() > record.length) {
    parse_failed_.Add();
    return;
  }
  decoded_.AddAlone();
  const uint64_t cookie = record.cookie;
  std::unique_ptr<Connection>* found = connections_.Find(cookie);
  if (found == nullptr) {
    if (connections_.size() >= options_.max_connections) {
      overflow_.Add();
      return;
    }
    if (described == nullptr) described = descriptions_.Find(cookie);
    if (described == nullptr) {
      undescribed_.Add();
      return;
    }
    made_.Add();
    found = connections_.Insert(cookie).first;
    *found = std::make_unique<Connection>(connection_options_, protocols_,
                                          static_cast<ConnectionSink&>(*this), *described,
                                          static_cast<int64_t>(record.time_ns));
    (*found)->SetOption(waiting_options_.Take(cookie));
    if (described->family != WEFT_FAMILY_UNIX && addresses_.size() < kMaxAddresses)
      addresses_.emplace((*found)->local_address());
  }
  Connection& connection = **found;
  if (connection.given_up()) unrecognised_.AddAlone();
  const Connection::Fed fed = connection.OnData(record, payload);
  if (fed.missing != 0) gap_bytes_.Add(fed.missing);
  if ((record.flags & (WEFT_DATA_UNREADABLE | WEFT_DATA_NO_BUFFER)) != 0)
    contentless_bytes_.Add(record.length);
  if (fed.repeated != 0) repeats_.Add();
  List(connection);
}

void ExchangeTracker::OnOption(const weft_option& record) {
  if (const auto* found = connections_.Find(record.cookie)) {
    (*found)->SetOption(ConnectionOption(record));
  } else {
    waiting_options_.Add(record);
  }
}

void ExchangeTracker::List(Connection& connection) {
  if (connection.listed || !connection.busy()) return;
  connection.listed = true;
  active_.push_back(&connection);
}

void ExchangeTracker::OnClosed(Connection& connection, const Exchange& exchange) {
  writer_.Write(connection, exchange, finish_ns_ != 0 ? WEFT_FLAG_OPEN_AT_EXIT : 0, finish_ns_);
}

bool ExchangeTracker::AdmitActivity(TcpActivity& activity) {
  if (activity.announced) return true;
  if (activity.limited) return false;
  if (tcp_rows_ == options_.max_tcp_rows) {
    activity.limited = true;
    tcp_limited_.Add();
    return false;
  }
  tcp_rows_++;
  if (!activity.counted) {
    activity.counted = true;
    const std::string_view guess = activity.guess().empty() ? "unknown" : activity.guess();
    metrics_.Get("agent.tcp_connections{guess=" + std::string(guess) + "}").Add();
  }
  return true;
}

void ExchangeTracker::OnActivity(Connection& connection, const Exchange& slice) {
  if (!AdmitActivity(connection.any_activity())) return;
  tcp_spans_.Add();
  OnClosed(connection, slice);
}

void ExchangeTracker::AnnounceActivity(Connection& connection, int64_t now_ns) {
  TcpActivity* const activity = connection.activity();
  if (activity == nullptr || activity->announced ||
      activity->begin_ns() > now_ns - options_.announce_after_ns || !AdmitActivity(*activity))
    return;
  Exchange slice;
  activity->Describe(&slice);
  writer_.Write(connection, slice, WEFT_FLAG_OPEN);
  activity->announced = true;
}

bool ExchangeTracker::Announced(const Connection& connection, const Exchange& exchange) {
  return exchange.request.begin <
         connection.announced[static_cast<size_t>(exchange.request_direction)];
}

void ExchangeTracker::Announce(Connection& connection, int64_t now_ns) {
  for (size_t i = 0; i < connection.open_count(); i++) {
    const Exchange& exchange = connection.open(i);
    if (exchange.request.first.time_ns > now_ns - options_.announce_after_ns) return;
    if (Announced(connection, exchange)) continue;
    writer_.Write(connection, exchange, WEFT_FLAG_OPEN);
    connection.announced[static_cast<size_t>(exchange.request_direction)] =
        exchange.request.begin + 1;
  }
}

void ExchangeTracker::Sweep(int64_t now_ns) {
  for (const weft_control& closing : closing_) {
    const auto* found = connections_.Find(closing.cookie);
    if (found == nullptr) continue;
    Connection& connection = **found;
    connection.OnClose(static_cast<int64_t>(closing.time_ns));
    if (closing.ends_known != 0) connection.SetEnds(closing.sent, closing.received);
    closed_.push_back(closing.cookie);
  }
  closing_.clear();

  size_t kept = 0;
  for (Connection* connection : active_) {
    connection->EndActivity(now_ns);
    if (!connection->busy()) {
      connection->listed = false;
      continue;
    }
    Announce(*connection, now_ns);
    AnnounceActivity(*connection, now_ns);
    active_[kept++] = connection;
  }
  active_.resize(kept);

  if (now_ns >= next_forget_ns_) {
    next_forget_ns_ = now_ns + kForgetEveryNs;
    tcp_rows_ = 0;
    ForgetIdle(now_ns);
    waiting_options_.ForgetBefore(now_ns - kKeepOptionNs);
    descriptions_.ForgetBefore(now_ns - kKeepDescriptionNs);
  }
}

void ExchangeTracker::ForgetIdle(int64_t now_ns) {
  auto forgettable = [now_ns](const Connection& c, int64_t after) {
    return !c.listed && c.last_ns() < now_ns - after;
  };
  std::erase_if(closed_, [&](uint64_t cookie) {
    const auto* found = connections_.Find(cookie);
    if (found == nullptr) return true;
    if (!forgettable(**found, kKeepClosedNs)) return false;
    gap_bytes_.Add((*found)->TailGap());
    connections_.Erase(cookie);
    return true;
  });
  std::vector<uint64_t> idle;
  connections_.ForEach([&](uint64_t cookie, const std::unique_ptr<Connection>& connection) {
    const bool unix_socket = connection->wire().family == WEFT_FAMILY_UNIX;
    if (forgettable(*connection,
                    unix_socket ? std::min(options_.idle_ns, kUnixIdleNs) : options_.idle_ns))
      idle.push_back(cookie);
  });
  for (const uint64_t cookie : idle) connections_.Erase(cookie);
  forgotten_.Add(idle.size());
}

int64_t ExchangeTracker::Watermark(int64_t limit_ns) const {
  int64_t watermark = limit_ns;
  const int64_t stalled = limit_ns - kStalledHeads * options_.announce_after_ns;
  for (const Connection* connection : active_) {
    bool announced = false;
    for (size_t i = 0; i < connection->open_count(); i++) {
      const Exchange& exchange = connection->open(i);
      if (Announced(*connection, exchange)) {
        announced = true;
      } else {
        watermark = std::min(watermark, exchange.request.first.time_ns);
        break;
      }
    }
    // A head that is not whole yet has no exchange.
    const int64_t oldest = connection->OldestStartNs();
    if (!announced && oldest > stalled) watermark = std::min(watermark, oldest);
    const TcpActivity* const activity = connection->activity();
    if (activity != nullptr && !activity->announced && !activity->limited)
      watermark = std::min(watermark, activity->begin_ns());
  }
  return watermark;
}

void ExchangeTracker::Finish(int64_t now_ns) {
  Sweep(now_ns);
  finish_ns_ = now_ns;
  for (Connection* connection : active_) connection->OnCutOff(now_ns);
  finish_ns_ = 0;
  active_.clear();
  connections_.ForEach([this](uint64_t, const std::unique_ptr<Connection>& connection) {
    gap_bytes_.Add(connection->TailGap());
  });
}

}  // namespace weft::ebpf
