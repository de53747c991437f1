// The list of fixed-width span columns, in one place: (C type, field of weft_spans, name in
// event.capnp). The table, the codec and the gather loops are all generated from it, so a new
// column is one line here, one in plugin_abi.h (appended) and one or two in event.capnp (new
// number).
#pragma once

// clang-format off
// What a record of weft.events has: integers, packed.
#define WEFT_EVENT_COLUMNS(X)                           \
  X(uint64_t, span_id, SpanId)                          \
  X(uint64_t, parent_id, ParentId)                      \
  X(uint64_t, trace_hi, TraceHi)                        \
  X(uint64_t, trace_lo, TraceLo)                        \
  X(uint64_t, exchange, Exchange)                       \
  X(uint64_t, connection, Connection)                   \
  X(uint64_t, wire_id, WireId)                          \
  X(int64_t, start_ns, StartNs)                         \
  X(int64_t, end_ns, EndNs)                             \
  X(uint8_t, kind, Kind)                                \
  X(uint8_t, status, Status)                            \
  X(uint8_t, protocol, Protocol)                        \
  X(uint32_t, flags, Flags)                             \
  X(uint32_t, process, Process)                         \
  X(uint16_t, local_port, LocalPort)                    \
  X(uint16_t, remote_port, RemotePort)                  \
  X(int32_t, fd, Fd)                                    \
  X(uint32_t, request_tid, RequestTid)                  \
  X(uint32_t, response_tid, ResponseTid)                \
  X(uint64_t, request_bytes, RequestBytes)              \
  X(uint64_t, response_bytes, ResponseBytes)            \
  X(uint64_t, context_trace_hi, ContextTraceHi)         \
  X(uint64_t, context_trace_lo, ContextTraceLo)         \
  X(uint64_t, context_span_id, ContextSpanId)

#define WEFT_SPAN_COLUMNS(X)                            \
  WEFT_EVENT_COLUMNS(X)                                 \
  X(float, confidence, Confidence)                      \
  X(uint32_t, evidence, Evidence)

// Columns that hold an index into the batch's strings: remapped when a row moves between batches.
#define WEFT_STRING_COLUMNS(X)                          \
  X(uint32_t, service, Service)                         \
  X(uint32_t, operation, Operation)                     \
  X(uint32_t, peer, Peer)                               \
  X(uint32_t, local_address, LocalAddress)              \
  X(uint32_t, remote_address, RemoteAddress)            \
  X(uint32_t, request_id, RequestId)
// clang-format on
