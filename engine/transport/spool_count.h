// SpoolCount: the counters of a Spool. engine/telemetry/catalogue.cc says what they mean.
#pragma once

#include <fmt/format.h>

#include "engine/base/metrics.h"
#include "engine/transport/transport.h"

namespace weft::transport {

struct SpoolCount {
  explicit SpoolCount(Metrics& m) : metrics(m) {}
  void Dropped(const OutRecord& record) {
    dropped_records.Add();
    DroppedFrom(record);
  }
  void DroppedFrom(const OutRecord& record) {
    metrics.Get(fmt::format("spool.dropped{{partition={}}}", record.partition))
        .Add(record.observations);
  }

  Metrics& metrics;
  Counter& records = metrics.Get("spool.records");
  Counter& delivered = metrics.Get("spool.delivered_records");
  Counter& read_back = metrics.Get("spool.read_back_records");
  Counter& dropped_records = metrics.Get("spool.dropped_records");
  Counter& damaged_records = metrics.Get("spool.damaged_records");
  Counter& damaged_bytes = metrics.Get("spool.damaged_bytes");
  Counter& torn = metrics.Get("spool.torn_tails");
  Counter& recovered_records = metrics.Get("spool.recovered_records");
  Counter& recovered = metrics.Get("spool.recovered");
  Counter& recovered_published = metrics.Get("spool.recovered_published");
  Counter& unstored = metrics.Get("spool.unstored_records");
  Counter& write_errors = metrics.Get("spool.write_errors");
  Counter& syncs = metrics.Get("spool.syncs");
  Counter& waiting = metrics.Get("spool.waiting_records");
  Counter& bytes = metrics.Get("spool.bytes");
};

}  // namespace weft::transport
