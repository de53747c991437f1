#include "sources/otlp/reception.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "sources/otlp/otlp_json.h"
#include "sources/span_records.h"

namespace weft::otlp {
namespace {

// A listener's thread waits so long for room before the sender is sent away.
constexpr int64_t kPatienceNs = 100 * kMillisecond;

// What a message becomes while it is decoded, at most: rows of spans that have nothing but their
// ids, twice and encoded; of JSON what the parser makes of it.
constexpr size_t kDecodedFactor = 16;
constexpr size_t kDecodeBudget = size_t{256} << 20;
constexpr auto kDecodePatience = std::chrono::seconds(1);
// Records that wait for room in the pipeline; those of one message may always.
constexpr size_t kDeliveryBudget = size_t{128} << 20;
// A table that a large message left is not kept for the next.
constexpr size_t kKeepBytes = size_t{4} << 20;

constexpr char kBusy[] = "weft cannot take more now";

}  // namespace

// Decoders keep buffers, so each is used by one request at a time, again and again. So many work at
// one time as their messages leave room for; one may always.
class DecodingReception::Decoders {
 public:
  struct Set {
    ProtoDecoder proto;
    JsonDecoder json;
    Decoder zipkin;
    api::SpanTable table;  // what was decoded last
  };
  // A set for the time of one request. Empty: there was no room in time.
  class Lease {
   public:
    Lease(Decoders& from, size_t message_bytes)
        : from_(from), bytes_(message_bytes * kDecodedFactor), set_(from.Borrow(bytes_)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (set_) from_.GiveBack(std::move(set_), bytes_);
    }
    Set* get() const { return set_.get(); }

   private:
    Decoders& from_;
    const size_t bytes_;
    std::unique_ptr<Set> set_;
  };

  explicit Decoders(std::function<Decoder()> zipkin) : make_zipkin_(std::move(zipkin)) {}

 private:
  std::unique_ptr<Set> Borrow(size_t bytes) {
    std::unique_lock lock(mutex_);
    const auto fits = [&] { return in_use_ == 0 || in_use_ + bytes <= kDecodeBudget; };
    if (!room_.wait_for(lock, kDecodePatience, fits)) return nullptr;
    in_use_ += bytes;
    if (!idle_.empty()) {
      auto set = std::move(idle_.back());
      idle_.pop_back();
      return set;
    }
    lock.unlock();
    auto set = std::make_unique<Set>();
    set->zipkin = make_zipkin_();
    return set;
  }
  void GiveBack(std::unique_ptr<Set> set, size_t bytes) {
    set->table.Clear();
    if (set->table.MemoryBytes() > kKeepBytes) set->table = {};
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(set));
      in_use_ -= bytes;
    }
    room_.notify_all();
  }

  const std::function<Decoder()> make_zipkin_;
  std::mutex mutex_;
  std::condition_variable room_;
  size_t in_use_ = 0;
  std::vector<std::unique_ptr<Set>> idle_;
};

// A part of the budget for what waits to be delivered; gives it back at its end.
class DecodingReception::Held {
 public:
  explicit Held(std::atomic<size_t>& all) : all_(all) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { all_ -= bytes_; }
  // Once. False: there is no room.
  bool Hold(size_t bytes) {
    const size_t others = all_.fetch_add(bytes);
    bytes_ = bytes;
    return others == 0 || others + bytes <= kDeliveryBudget;
  }

 private:
  std::atomic<size_t>& all_;
  size_t bytes_ = 0;
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

Result<DecodingReception::Delivery> DecodingReception::Decode(const Request& request, Held* held,
                                                              uint64_t* invalid) {
  const Decoders::Lease lease(*decoders_, request.message.size());
  if (lease.get() == nullptr) return Fail(Code::kFull, kBusy);
  auto& [proto, json, zipkin, table] = *lease.get();
  const auto decoded = request.format == Format::kOtlpProto  ? proto.Decode(request.message, &table)
                       : request.format == Format::kOtlpJson ? json.Decode(request.message, &table)
                                                             : zipkin(request.message, &table);
  if (!decoded) return Fail(Code::kCorrupt, decoded.error().message);
  *invalid = decoded->invalid;
  Delivery delivery = Prepare(request, table);
  if (!held->Hold(delivery.bytes)) return Fail(Code::kFull, kBusy);
  return delivery;
}

Reply DecodingReception::Take(std::string_view message, Format format) {
  messages_.Add();
  uint64_t invalid = 0;
  Held held(delivering_);
  Result<Delivery> delivery = Decode({message, format}, &held, &invalid);
  if (!delivery) {
    const bool busy = delivery.error().code == Code::kFull;
    (busy ? refused_ : bad_messages_).Add();
    return {busy ? Reply::Code::kBusy : Reply::Code::kMalformed, 0, delivery.error().message};
  }
  Reply reply = delivery->deliver();
  if (reply.code != Reply::Code::kTaken) {
    refused_.Add();
    return reply;
  }
  invalid_spans_.Add(invalid);
  reply.rejected = invalid;
  if (invalid > 0)
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
  Delivery Prepare(const Request&, const api::SpanTable& table) override {
    auto records = sources::MakeSpanRecords(table, transport_.partitions());
    size_t bytes = 0;
    for (const sources::SpanRecord& one : records) bytes += one.record.payload->bytes().size();
    return {[this, records = std::move(records)]() mutable { return Publish(records); }, bytes};
  }
  Reply Publish(std::vector<sources::SpanRecord>& records) {
    for (sources::SpanRecord& one : records) {
      const auto published =
          transport_.Publish(std::move(one.record), transport_.LogTimeNs() + kPatienceNs);
      if (published) {
        spans_.Add(one.rows);
        continue;
      }
      const bool full = published.error().code == Code::kFull;
      return {full ? Reply::Code::kBusy : Reply::Code::kStopped, 0,
              full ? kBusy : published.error().message};
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
