#include "sources/otlp/reception.h"

#include <mutex>
#include <utility>
#include <vector>

#include "sources/otlp/otlp_json.h"
#include "sources/span_records.h"

namespace weft::otlp {
namespace {

// A listener's thread waits so long for room before the sender is sent away.
constexpr int64_t kPatienceNs = 100 * kMillisecond;

}  // namespace

// Decoders keep buffers, so each is used by one request at a time, again and again.
class DecodingReception::Decoders {
 public:
  explicit Decoders(std::function<Decoder()> zipkin) : make_zipkin_(std::move(zipkin)) {}

  Result<Decoded> Decode(const Request& request, api::SpanTable* out) {
    auto set = Borrow();
    auto decoded = request.format == Format::kOtlpProto  ? set->proto.Decode(request.message, out)
                   : request.format == Format::kOtlpJson ? set->json.Decode(request.message, out)
                                                         : set->zipkin(request.message, out);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(set));
    return decoded;
  }

 private:
  struct Set {
    ProtoDecoder proto;
    JsonDecoder json;
    Decoder zipkin;
  };
  std::unique_ptr<Set> Borrow() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto set = std::move(idle_.back());
        idle_.pop_back();
        return set;
      }
    }
    auto set = std::make_unique<Set>();
    set->zipkin = make_zipkin_();
    return set;
  }

  const std::function<Decoder()> make_zipkin_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Set>> idle_;
};

DecodingReception::DecodingReception(Metrics& metrics, std::function<Decoder()> zipkin)
    : decoders_(std::make_unique<Decoders>(std::move(zipkin))),
      messages_(metrics.Get("otlp.messages")),
      bad_messages_(metrics.Get("otlp.bad_messages")),
      refused_(metrics.Get("otlp.refused_messages")),
      invalid_spans_(metrics.Get("otlp.invalid_spans")) {}

DecodingReception::~DecodingReception() = default;

bool DecodingReception::TryClaim(size_t bytes) {
  if (claimed_.fetch_add(bytes) + bytes <= kBudget) return true;
  claimed_ -= bytes;
  return false;
}

Reply DecodingReception::Take(std::string_view message, Format format) {
  messages_.Add();
  api::SpanTable table;
  const auto decoded = decoders_->Decode({message, format}, &table);
  if (!decoded) {
    bad_messages_.Add();
    return {Reply::Code::kMalformed, 0, decoded.error().message};
  }
  Reply reply = Deliver({message, format}, table);
  if (reply.code != Reply::Code::kTaken) {
    refused_.Add();
    return reply;
  }
  invalid_spans_.Add(decoded->invalid);
  reply.rejected = decoded->invalid;
  if (decoded->invalid > 0)
    reply.message = "spans without valid ids, or with a time that cannot be, were left out";
  return reply;
}

namespace {

class PipelineReception final : public DecodingReception {
 public:
  PipelineReception(transport::Publisher& transport, Metrics& metrics,
                    std::function<Decoder()> zipkin)
      : DecodingReception(metrics, std::move(zipkin)),
        transport_(transport),
        spans_(metrics.Get("otlp.spans")) {}

 private:
  Reply Deliver(const Request&, const api::SpanTable& table) override {
    for (sources::SpanRecord& one : sources::MakeSpanRecords(table, transport_.partitions())) {
      const auto published =
          transport_.Publish(std::move(one.record), transport_.LogTimeNs() + kPatienceNs);
      if (published) {
        spans_.Add(one.rows);
        continue;
      }
      const bool full = published.error().code == Code::kFull;
      return {full ? Reply::Code::kBusy : Reply::Code::kStopped, 0,
              full ? "weft cannot take more now" : published.error().message};
    }
    return {};
  }

  transport::Publisher& transport_;
  Counter& spans_;
};

}  // namespace

std::unique_ptr<Reception> MakePipelineReception(transport::Publisher& transport, Metrics& metrics,
                                                 std::function<Decoder()> zipkin) {
  return std::make_unique<PipelineReception>(transport, metrics, std::move(zipkin));
}

}  // namespace weft::otlp
