// ObservationWriter: one exchange of one connection becomes one row of the publisher's batch.
//
// Called by ExchangeTracker, for exchanges that ended and for those that are announced while open.
// One thread.
#pragma once

#include "engine/base/metrics.h"
#include "sources/ebpf/connection.h"
#include "sources/ebpf/process_metadata.h"
#include "sources/ebpf/trusted_networks.h"
#include "sources/publisher.h"

namespace weft::ebpf {

class ObservationWriter {
 public:
  // `metrics`: agent.context_untrusted. References must outlive the writer.
  ObservationWriter(TrustedNetworks trusted, ProcessMetadata& processes,
                    sources::Publisher& publisher, Metrics& metrics);

  // `flags`: weft_flag bits to add. With WEFT_FLAG_OPEN the row has no end; else it does not end
  // before `not_before_ns`.
  void Write(const Connection& connection, const Exchange& exchange, uint32_t flags,
             int64_t not_before_ns = 0);

 private:
  void WriteWhere(api::SpanTable& table, uint32_t row, const Connection& connection,
                  const Exchange& exchange);
  // Returns the flags that go with it.
  uint32_t WriteContext(api::SpanTable& table, uint32_t row, const Connection& connection,
                        const Exchange& exchange);

  TrustedNetworks trusted_;
  ProcessMetadata& processes_;
  sources::Publisher& publisher_;
  Counter& context_untrusted_;
};

}  // namespace weft::ebpf
