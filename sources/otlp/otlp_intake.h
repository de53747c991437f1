// OtlpIntake: messages of others in, records for weft.spans out.
//
// Spans that an SDK made have their trace and parent already, so they go to stage 2 directly, to
// the partition of their trace, where they meet what weft saw of the same trace. The batches say
// nothing about watermarks. Whatever cannot be decoded becomes a DeadRecord. Rows are collected
// until Take, so that a record holds more than one message had for its partition. How many went to
// each partition goes with them, to weft.state (engine/api/ledger_record.h). Pure, one thread.
//
//   (Add* Take (Sent | Forget | Doubt))*
//
// Ledger: otlp.spans (rows handed on), otlp.invalid_spans, otlp.messages, otlp.bad_messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/metrics.h"
#include "engine/transport/transport.h"
#include "sources/otlp/otlp_json.h"
#include "sources/otlp/otlp_proto.h"

namespace weft::otlp {

class OtlpIntake {
 public:
  // `name`: under which it counts, unique among all that ever ran.
  OtlpIntake(uint32_t partitions, std::string name, Metrics& metrics);

  // Where a message came from, for what is dead.
  struct Origin {
    uint32_t partition = 0;
    uint64_t offset = 0;
  };
  // JSON begins with '{', which no OTLP protobuf does; white space may come before it.
  void Add(std::string_view message, const Origin& origin);
  uint64_t rows() const { return rows_; }
  // All that was added since the last call, to be sent as a whole.
  std::vector<transport::OutRecord> Take();
  // What Take returned is in the log for good.
  void Sent();
  // Nothing of it is, and it will be added again.
  void Forget();
  // Nobody can say whether it is. Counting begins anew beside what the log may have, so that the
  // sum is right either way.
  void Doubt();

 private:
  struct Counts {
    uint64_t messages = 0, bad = 0, spans = 0, invalid = 0;
  };

  Result<Decoded> Decode(std::string_view message);

  // Rows for one partition.
  struct Handed {
    uint64_t sent = 0, taken = 0;
  };

  void Distribute();
  void Send(const api::SpanTable& spans, uint32_t partition,
            std::vector<transport::OutRecord>* out);

  const std::string name_;
  uint64_t count_ = 0;  // begun
  ProtoDecoder proto_;
  JsonDecoder json_;
  api::SpanTable decoded_;              // of the latest messages
  std::vector<api::SpanTable> tables_;  // by partition of weft.spans
  std::vector<Handed> handed_;          // by partition of weft.spans
  std::vector<transport::OutRecord> dead_;
  uint64_t rows_ = 0;
  Counts counts_;
  Counter &messages_, &bad_messages_, &spans_, &invalid_spans_;
};

}  // namespace weft::otlp
