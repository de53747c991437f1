// Reception: takes requests with spans that programs report themselves, and says what became of
// each.
//
// Called by the listeners (http_listener.h, grpc_listener.h), any number of threads at once. A
// request is taken as a whole or not at all as far as its sender can tell: where the pipeline is
// full, part of it may be in already, and the sender brings all of it again with the same ids.
// Bounded: what is being read has a budget in bytes, what is being decoded another, and what
// was decoded and waits for room in the pipeline a third.
//
// Ledger: otlp.messages = taken + otlp.bad_messages + of otlp.refused_messages those that were
// read; otlp.spans (rows handed on), otlp.invalid_spans.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/metrics.h"
#include "engine/transport/transport.h"
#include "sources/otlp/otlp_proto.h"

namespace weft::otlp {

enum class Format : uint8_t { kOtlpProto, kOtlpJson, kZipkinJson };

struct Reply {
  enum class Code : uint8_t {
    kTaken,
    kMalformed,  // never bring it again
    kBusy,       // bring it again later
    kStopped,    // there is nobody who takes it; bring it again, perhaps to another
  };
  Code code = Code::kTaken;
  uint64_t rejected = 0;     // of kTaken: spans that were left out for good
  std::string message = {};  // of anything but a whole request taken
};

// Appends rows. One thread at a time.
using Decoder = std::function<Result<Decoded>(std::string_view message, api::SpanTable* out)>;

// An interface without a body, because the gRPC listener is a module of its own (grpc_module.h).
class Reception {
 public:
  virtual ~Reception() = default;
  virtual Reply Take(std::string_view message, Format format) = 0;
  // Counts a request that a listener sent away without handing it on.
  virtual void Refused() = 0;

  // A part of the budget; gives it back at its end.
  class Claim {
   public:
    explicit Claim(Reception& reception) : reception_(reception) {}
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() { reception_.GiveBack(bytes_); }
    // False: nothing more is claimed, the sender is to come again later.
    bool More(size_t bytes) {
      if (!reception_.TryClaim(bytes)) return false;
      bytes_ += bytes;
      return true;
    }

   private:
    Reception& reception_;
    size_t bytes_ = 0;
  };

  static constexpr int64_t kRetryAfterSeconds = 1;  // what to tell who is to come again

 private:
  virtual bool TryClaim(size_t bytes) = 0;
  virtual void GiveBack(size_t bytes) = 0;
};

// Decodes, counts, and leaves to its heirs where it all goes.
class DecodingReception : public Reception {
 public:
  ~DecodingReception() override;
  Reply Take(std::string_view message, Format format) override;
  void Refused() override { refused_.Add(); }

 protected:
  struct Request {
    std::string_view message;
    Format format;
  };
  DecodingReception(Metrics& metrics, std::function<Decoder()> zipkin);
  struct Delivery {
    // Called once, when the table is gone: it may wait, and those who decode do not wait for it.
    std::move_only_function<Reply()> deliver;
    size_t bytes = 0;  // that it keeps until then, beside the message
  };
  // `table` is what the request says; the request's message stays until the delivery is over.
  virtual Delivery Prepare(const Request& request, const api::SpanTable& table) = 0;

 private:
  class Decoders;
  class Held;
  Result<Delivery> Decode(const Request& request, Held* held, uint64_t* invalid);
  static constexpr size_t kBudget = size_t{128} << 20;
  bool TryClaim(size_t bytes) override;
  void GiveBack(size_t bytes) override { claimed_ -= bytes; }

  const std::unique_ptr<Decoders> decoders_;
  Counter &messages_, &bad_messages_, &refused_, &invalid_spans_;
  std::atomic<size_t> claimed_ = 0;
  std::atomic<size_t> delivering_ = 0;
};

// Into the pipeline of this process. `zipkin`: makes a decoder of Zipkin's JSON.
std::unique_ptr<Reception> MakePipelineReception(transport::Publisher& transport, Metrics& metrics,
                                                 std::function<Decoder()> zipkin);

}  // namespace weft::otlp
