// ExchangeTrackerTest: an ExchangeTracker with everything behind it, fed with made-up records; what
// it published is read back from the transport as rows. For the tests of the tracker only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/transport/memory.h"
#include "sources/ebpf/exchange_tracker.h"
#include "sources/ebpf/protocols/protocol_set.h"
#include "tests/unit/sources/ebpf/made_socket.h"

namespace weft::ebpf {

inline constexpr int64_t kStart = 1000 * kSecond;
inline constexpr std::string_view kRequest = "GET /items/7 HTTP/1.1\r\nHost: shop\r\n\r\n";
inline constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Row {
  uint64_t exchange, span_id, wire_id, option_id, connection, context_span_id;
  int64_t start_ns, end_ns;
  uint32_t flags, request_tid, response_tid;
  uint64_t request_bytes, response_bytes;
  int32_t fd;
  uint16_t local_port, remote_port;
  uint8_t kind, status, protocol;
  std::string service, operation, peer, local_address, remote_address, truth;
  std::vector<std::string> attributes;  // "key" or "key=text"
};

class ExchangeTrackerTest : public testing::Test {
 protected:
  ExchangeTrackerTest() { clock_.Set(kStart); }

  void Feed(const MadeRecord& made) { tracker_.OnData(made.data, &made.connection, made.payload); }
  void Close(const MadeSocket& socket, int64_t time_ns) {
    weft_control record{};
    record.type = WEFT_RECORD_CLOSE;
    record.cookie = socket.wire.cookie;
    record.time_ns = static_cast<uint64_t>(time_ns);
    tracker_.OnClose(record);
  }

  // Everything published so far, in order of start.
  std::vector<Row> Rows() {
    clock_.Advance(kSecond);
    publisher_.Tick(0);
    std::vector<Row> rows;
    for (const auto& record : transport_.Held(transport::Stream::kEvents, 0)) {
      auto batch = api::DecodeEvents(record.payload);
      if (!batch.has_value()) {
        ADD_FAILURE() << batch.error().message;
        continue;
      }
      for (uint32_t i = 0; i < batch->spans.spans().n; i++) rows.push_back(RowOf(batch->spans, i));
    }
    std::ranges::stable_sort(rows, {}, &Row::start_ns);
    return rows;
  }

  static Row RowOf(const api::SpanView& view, uint32_t i) {
    const weft_spans& s = view.spans();
    Row row{};
    row.exchange = s.exchange[i];
    row.span_id = s.span_id[i];
    row.wire_id = s.wire_id ? s.wire_id[i] : 0;
    row.option_id = s.option_id ? s.option_id[i] : 0;
    row.connection = s.connection[i];
    row.context_span_id = s.context_span_id ? s.context_span_id[i] : 0;
    row.start_ns = s.start_ns[i];
    row.end_ns = s.end_ns[i];
    row.flags = s.flags[i];
    row.request_tid = s.request_tid[i];
    row.response_tid = s.response_tid ? s.response_tid[i] : 0;
    row.request_bytes = s.request_bytes[i];
    row.response_bytes = s.response_bytes ? s.response_bytes[i] : 0;
    row.fd = s.fd[i];
    row.local_port = s.local_port ? s.local_port[i] : 0;
    row.remote_port = s.remote_port ? s.remote_port[i] : 0;
    row.kind = s.kind[i];
    row.status = s.status ? s.status[i] : 0;
    row.protocol = s.protocol ? s.protocol[i] : 0;
    row.service = view.Text(s.service[i]);
    row.operation = view.Text(s.operation[i]);
    row.peer = view.Text(s.peer[i]);
    row.local_address = view.Text(s.local_address[i]);
    row.remote_address = view.Text(s.remote_address[i]);
    if (s.truth != nullptr) row.truth = api::View(s.truth_strings[s.truth[i]]);
    for (uint32_t a = s.attr_offset[i]; a < s.attr_offset[i + 1]; a++) {
      const uint32_t pair = s.attr[a];
      std::string text(view.Text(s.pairs->key[pair]));
      if (s.pairs->type[pair] == WEFT_ATTR_STRING)
        text.append("=").append(view.Text(static_cast<uint32_t>(s.pairs->value[pair])));
      row.attributes.push_back(std::move(text));
    }
    return row;
  }

  static ProtocolSettings Settings() {
    ProtocolSettings settings;
    settings.capture_truth = true;
    return settings;
  }

  ManualClock clock_;
  Metrics metrics_;
  transport::MemoryTransport transport_{{.partitions = 1, .blocking = false}, clock_, metrics_};
  ProtocolSet protocols_{Settings(), metrics_};
  ProcessMetadata processes_{{.root = "/nonexistent"}, clock_, metrics_};
  sources::Publisher publisher_{{.host_id = "h", .host_name = "alpha", .agent_id = 1, .boot_id = 2},
                                {},
                                transport_,
                                clock_,
                                metrics_};
  ObservationWriter writer_{*TrustedNetworks::Parse({}), processes_, publisher_, metrics_};
  ExchangeTracker tracker_{{.boot_id = 2}, protocols_, writer_, metrics_};

  MadeSocket server_{11, 8080, 40000, 5000, 7000};
  MadeSocket client_{12, 40000, 8080, 7000, 5000};
};

}  // namespace weft::ebpf
