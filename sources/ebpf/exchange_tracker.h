// ExchangeTracker: all connections of the host; data and control records in, observation rows out.
//
// Driven by EbpfSource's thread: ((OnData | OnControl)* Sweep)* Finish. Knows no kernel: tests feed
// it made-up records. Each exchange becomes one closed row; one that is older than `announce_after`
// becomes an open row before, so that Watermark() can pass its begin.
//
// Connections that no parser understands become `tcp` rows (tcp_activity.h), at most max_tcp_rows a
// second: agent.tcp_spans, agent.tcp_limited (beyond that), agent.tcp_connections{guess=...}.
//
// Ledger: agent.records = agent.decoded + agent.parse_failed. Beside it agent.repeats (sends that
// the kernel had refused), agent.gap_bytes (in no record), agent.contentless_bytes (moved by calls
// whose buffers cannot be seen), agent.unrecognised_records, agent.connections_overflow
// (records of connections beyond the bound), agent.undescribed (records of connections whose
// description was lost with another record, until it is repeated).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bpf/wire.h"
#include "engine/base/flat_map.h"
#include "engine/base/metrics.h"
#include "sources/ebpf/connection.h"
#include "sources/ebpf/observation.h"
#include "sources/ebpf/waiting_descriptions.h"

namespace weft::ebpf {

class ExchangeTracker final : private ConnectionSink {
 public:
  struct Options {
    uint64_t boot_id = 0;
    int64_t announce_after_ns = kSecond;
    // A connection without traffic and open requests is forgotten; when it speaks again, it is
    // treated like one that was there before the agent.
    int64_t idle_ns = 300 * kSecond;
    size_t max_connections = 262144;
    bool tcp_spans = true;
    uint32_t max_tcp_rows = 1000;  // a second
    int64_t attached_ns = 0;       // since when records come
  };
  // References must outlive the tracker.
  ExchangeTracker(Options options, const ProtocolSet& protocols, ObservationWriter& writer,
                  Metrics& metrics);
  ~ExchangeTracker() override;

  // `described` comes with the first record of a connection and with some later ones, else null.
  void OnData(const weft_data& record, const weft_connection* described, std::string_view payload);
  // A record that is nobody's business told who talks: a process that is may have the socket next.
  void OnDescription(const weft_data& record, const weft_connection& described) {
    descriptions_.Add(static_cast<int64_t>(record.time_ns), described);
  }
  // Before the connection's first data record or after it.
  void OnOption(const weft_option& record);
  // A close is applied by the next Sweep: data records that were written before it may still be in
  // the other ring.
  void OnClose(const weft_control& record) { closing_.push_back(record); }

  // Requires: every record from before the OnClose calls so far has been given to OnData.
  void Sweep(int64_t now_ns);
  // Everything that began before it was written, whole or as open; at most `limit_ns`.
  int64_t Watermark(int64_t limit_ns) const;
  // The agent stops: what is open is written as ended now, marked.
  void Finish(int64_t now_ns);

  // Local addresses of the connections so far: in network namespaces they are not the host's.
  const std::unordered_set<std::string>& addresses() const { return addresses_; }
  size_t connections() const { return connections_.size(); }

 private:
  void OnClosed(Connection& connection, const Exchange& exchange) override;
  void OnActivity(Connection& connection, const Exchange& slice) override;
  // False where the second's rows are used up.
  bool AdmitActivity(TcpActivity& activity);
  void AnnounceActivity(Connection& connection, int64_t now_ns);
  void Announce(Connection& connection, int64_t now_ns);
  void ForgetIdle(int64_t now_ns);
  void List(Connection& connection);
  static bool Announced(const Connection& connection, const Exchange& exchange);

  Options options_;
  ConnectionOptions connection_options_;
  const ProtocolSet& protocols_;
  ObservationWriter& writer_;
  Counter &records_, &decoded_, &parse_failed_, &repeats_, &gap_bytes_, &contentless_bytes_, &made_,
      &forgotten_, &unrecognised_, &overflow_, &undescribed_, &tcp_spans_, &tcp_limited_;
  Metrics& metrics_;
  FlatMap<std::unique_ptr<Connection>> connections_;  // by cookie
  std::vector<Connection*> active_;                   // with something not handed out yet
  std::vector<weft_control> closing_;
  WaitingOptions waiting_options_;
  WaitingDescriptions descriptions_;
  std::vector<uint64_t> closed_;  // cookies, oldest first; kept for late records of theirs
  int64_t next_forget_ns_ = 0;
  uint32_t tcp_rows_ = 0;  // in this second
  int64_t finish_ns_ = 0;  // not 0: the agent stops
  std::unordered_set<std::string> addresses_;
};

}  // namespace weft::ebpf
