// BatchSender: takes batches to a backend in requests of bounded size, and remembers how far each
// got.
//
// A batch of which some requests have been taken goes on behind them when it comes again; what a
// backend gets twice has the same ids. A request that is refused for good does not hold up the
// others: its spans are counted. Spans that have not ended are left out; they come when they have.
// For exporters; one thread.
//
//   (Begin (Encode | Send)*)*   of the target
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "sinks/http/delivery.h"

namespace weft::sinks {

// The protocol.
class BatchTarget {
 public:
  virtual ~BatchTarget() = default;
  virtual void Begin(const weft_spans& spans) = 0;  // lent until the next one
  // Replaces *request by one with these rows.
  virtual void Encode(std::span<const uint32_t> rows, std::string* request) = 0;
  virtual Delivery Send(std::string_view request) = 0;
};

class BatchSender {
 public:
  BatchSender(std::unique_ptr<BatchTarget> target, uint64_t request_bytes);

  // DROP only where no span of the batch was taken.
  Delivery Write(const weft_spans& spans, const weft_source& source);
  // After a RETRY: how many spans of the batch have been taken for good.
  uint64_t taken() const { return taken_ - refused_; }

 private:
  bool Send(std::span<const uint32_t> rows);  // false: to be tried again

  const std::unique_ptr<BatchTarget> target_;
  const uint64_t request_bytes_;
  std::vector<uint32_t> rows_;
  std::string request_;
  // Of the batch at hand, kept between attempts.
  weft_source source_{};
  size_t taken_ = 0;  // of rows_
  uint64_t refused_ = 0;
  Delivery last_;
};

}  // namespace weft::sinks
