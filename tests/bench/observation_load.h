// ObservationLoad: what agents publish, made up; the same observations for every benchmark of
// stage 1.
//
// Each host has four times five processes (front, two apps, backend, redis) and writes up to four
// partitions. A trace is nine observations: the edge request and both sides of four calls. Ten
// attributes each, seven of them text, of which one in eight is unique. At 200,000 observations a
// second about 28 requests are open per process of one host. Made by benchmarks; one thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/base/clock.h"
#include "engine/transport/transport.h"

namespace weft::bench {

class ObservationLoad {
 public:
  // Between two records of one agent for one partition.
  static constexpr int64_t kFlush = 50 * kMillisecond;

  struct Shape {
    uint64_t observations = 1'000'000;  // rounded down to whole traces
    int per_second = 200'000;           // of event time, all hosts together
    uint32_t partitions = 4;
    uint32_t hosts = 1;
  };
  explicit ObservationLoad(const Shape& shape);

  size_t observations() const { return all_.size(); }
  bool done() const { return next_ == all_.size(); }
  // What ended in the next kFlush, one record per agent and partition that it writes; empty ones,
  // heartbeats, when all is done. `begin_ns` is where monotonic time began, and does not change.
  std::vector<transport::Record> NextFlush(int64_t begin_ns = 0, int64_t unix_offset_ns = 0);
  // All that is left.
  std::vector<transport::Record> Rest();

 private:
  struct Observation {
    int64_t start, end;
    uint64_t wire, connection;
    uint32_t host, process, replica, tid;
    bool server;
  };
  // The record that is being built for one partition, and the numbers of processes in it.
  struct Batch {
    api::SpanTable table;
    std::vector<uint32_t> known;
  };
  void Trace(uint64_t number, int64_t start);
  void Add(const Observation& observation, int64_t begin_ns, Batch* batch);
  std::string Text(const char* key);

  const Shape shape_;
  const uint32_t width_;  // partitions that one agent writes
  std::mt19937_64 random_{42};
  std::vector<Observation> all_;  // by their end
  size_t next_ = 0;
  int64_t now_;
  std::vector<uint64_t> sequence_;  // by agent and partition that it writes
  std::vector<uint64_t> offset_;    // by partition
  uint64_t unique_ = 100'000'000;
};

}  // namespace weft::bench
