#include "sources/ebpf/observation.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/api/ids.h"
#include "engine/base/hash.h"

namespace weft::ebpf {
namespace {

bool IsServer(const Exchange& exchange) {
  return exchange.request_direction == Direction::kReceived;
}

// When the exchange was over, by the last byte that is known to belong to it.
int64_t EndNs(const Exchange& exchange) {
  int64_t end = exchange.request.last.time_ns;
  if (!exchange.one_way && exchange.response.last.time_ns != 0)
    end = std::max(end, exchange.response.last.time_ns);
  return std::max(end, exchange.request.first.time_ns);
}

}  // namespace

ObservationWriter::ObservationWriter(TrustedNetworks trusted, ProcessMetadata& processes,
                                     sources::Publisher& publisher, Metrics& metrics)
    : trusted_(std::move(trusted)),
      processes_(processes),
      publisher_(publisher),
      context_untrusted_(metrics.Get("agent.context_untrusted")) {}

void ObservationWriter::Write(const Connection& connection, const Exchange& exchange,
                              uint32_t flags, int64_t not_before_ns) {
  const uint32_t pid = exchange.request.first.pid;
  const ProcessInfo& info = (flags & WEFT_FLAG_OPEN) != 0
                                ? processes_.Get(pid)
                                : processes_.Get(pid, connection.last_ns());
  api::SpanTable& table = publisher_.AddRow(
      {info.id, info.shown_pid, info.service_name, info.executable, info.attributes});
  const uint32_t row = table.n() - 1;
  const auto side = IsServer(exchange) ? api::Side::kServer : api::Side::kClient;
  // A slice of what is not understood may begin where a request does.
  const uint64_t owner = exchange.protocol == WEFT_PROTOCOL_TCP
                             ? HashCombine(connection.id(), exchange.response.begin)
                             : connection.id();
  const uint64_t key = api::ExchangeKey(owner, exchange.request.begin, side);
  const uint64_t wire_id = connection.WireIdOf(exchange);

  table.exchange[row] = key;
  table.connection[row] = connection.id();
  table.wire_id[row] = wire_id;
  if (const uint64_t option_id = connection.OptionIdOf(exchange)) table.OptionId(option_id);
  table.span_id[row] = api::SpanId(wire_id != 0 ? wire_id : key, side);
  if (wire_id == 0) flags |= WEFT_FLAG_PROVISIONAL;
  table.start_ns[row] = exchange.request.first.time_ns;
  table.end_ns[row] = (flags & WEFT_FLAG_OPEN) != 0 ? 0 : std::max(EndNs(exchange), not_before_ns);
  table.kind[row] = IsServer(exchange) ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
  table.status[row] = exchange.status;
  table.protocol[row] = exchange.protocol;
  table.operation[row] = table.Intern(exchange.operation);
  if (!exchange.request_id.empty()) table.request_id[row] = table.Intern(exchange.request_id);
  table.fd[row] = exchange.request.first.fd;
  table.request_tid[row] = exchange.request.first.tid;
  table.request_bytes[row] = exchange.request.bytes();
  if (exchange.has_response) {
    table.response_tid[row] = exchange.response.last.tid;
    table.response_bytes[row] = exchange.response.bytes();
  }
  if (exchange.incomplete || exchange.aborted) flags |= WEFT_FLAG_INCOMPLETE;
  if (connection.IsFirst(exchange)) flags |= WEFT_FLAG_NEW_CONNECTION;

  WriteWhere(table, row, connection, exchange);
  flags |= WriteContext(table, row, connection, exchange);
  for (const Attributes::Item& item : exchange.attributes.items()) {
    if (item.is_number) {
      table.StaticAttribute(item.key, item.number);
    } else {
      table.StaticAttribute(item.key, exchange.attributes.Text(item));
    }
  }
  if (!exchange.truth.empty()) table.Truth(exchange.truth);
  for (const uint32_t token : exchange.request_tokens.hashes()) table.Token(token);
  if ((flags & WEFT_FLAG_OPEN) == 0)
    for (const uint32_t token : exchange.response_tokens.hashes()) table.Token(token | 1);
  table.flags[row] = flags;
}

void ObservationWriter::WriteWhere(api::SpanTable& table, uint32_t row,
                                   const Connection& connection, const Exchange& exchange) {
  const weft_connection& wire = connection.wire();
  Connection::Interned& known = connection.interned;
  if (known.table != &table || known.clears != table.clears())
    known = {&table, table.clears(), table.Intern(connection.local_address()),
             table.Intern(connection.remote_address()), table.Intern(connection.remote_endpoint())};
  table.local_address[row] = known.local_address;
  table.remote_address[row] = known.remote_address;
  table.local_port[row] = wire.local_port;
  table.remote_port[row] = wire.remote_port;
  if (IsServer(exchange)) {
    table.peer[row] = table.remote_address[row];
  } else if (!exchange.peer.empty()) {
    table.peer[row] = table.Intern(exchange.peer);
  } else {
    table.peer[row] = known.remote_endpoint;
  }
  if (!exchange.names_server) {
    table.StaticAttribute("server.address", IsServer(exchange) ? connection.local_address()
                                                               : connection.remote_address());
    if (wire.family != WEFT_FAMILY_UNIX)
      table.StaticAttribute("server.port",
                            int64_t{IsServer(exchange) ? wire.local_port : wire.remote_port});
  }
  if (wire.family == WEFT_FAMILY_UNIX && exchange.protocol != WEFT_PROTOCOL_TCP)
    table.Attribute("network.transport", std::string_view("unix"));
}

uint32_t ObservationWriter::WriteContext(api::SpanTable& table, uint32_t row,
                                         const Connection& connection, const Exchange& exchange) {
  const TraceContext& context = exchange.context;
  if (!context.valid()) return 0;
  const weft_connection& wire = connection.wire();
  // What our own process sends is its own word; what it receives is the peer's.
  if (IsServer(exchange) && wire.family != WEFT_FAMILY_UNIX &&
      !trusted_.Contains(wire.family == WEFT_FAMILY_IPV6, wire.remote_address)) {
    context_untrusted_.Add();
    table.Attribute("weft.untrusted_context",
                    std::string_view(fmt::format("{:016x}{:016x}-{:016x}", context.trace_hi,
                                                 context.trace_lo, context.span_id)));
    return 0;
  }
  table.context_trace_hi[row] = context.trace_hi;
  table.context_trace_lo[row] = context.trace_lo;
  table.context_span_id[row] = context.span_id;
  // With what samplers before us have done (ot=th), so believed of nobody else.
  if (!exchange.trace_state.empty()) table.Attribute("w3c.tracestate", exchange.trace_state);
  uint32_t flags = WEFT_FLAG_CONTEXT;
  if (context.sampled) flags |= WEFT_FLAG_SAMPLED;
  if (context.unsampled) flags |= WEFT_FLAG_UNSAMPLED;
  return flags;
}

}  // namespace weft::ebpf
