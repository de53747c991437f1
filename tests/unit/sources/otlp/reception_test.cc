#include "sources/otlp/reception.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/transport/memory.h"
#include "sinks/http/gzip.h"
#include "sources/otlp/gunzip.h"
#include "sources/zipkin/zipkin_decoder.h"
#include "tests/support/otlp_message.h"

namespace weft::otlp {
namespace {

Decoder MakeZipkin() {
  return
      [decoder = std::make_shared<zipkin::ZipkinDecoder>()](
          std::string_view message, api::SpanTable* out) { return decoder->Decode(message, out); };
}

class ReceptionTest : public testing::Test {
 protected:
  void Open(size_t max_bytes) {
    transport::MemoryOptions options;
    options.partitions = 2;
    options.max_bytes = max_bytes;
    transport_ = std::make_unique<transport::MemoryTransport>(options, clock_, metrics_);
    reception_ = MakePipelineReception(*transport_, metrics_, MakeZipkin);
  }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }
  static std::string Zipkin(int spans) {
    std::string out = "[";
    for (int i = 1; i <= spans; ++i)
      out += std::string(i == 1 ? "" : ",") + R"({"traceId":")" + std::to_string(1000 + i) +
             R"(","id":"a","name":"get","timestamp":1700000000000000,"duration":5,)"
             R"("localEndpoint":{"serviceName":"cart"}})";
    return out + "]";
  }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<transport::MemoryTransport> transport_;
  std::unique_ptr<Reception> reception_;
};

TEST_F(ReceptionTest, HandsSpansToThePipelineAndCountsThem) {
  Open(10'000'000);
  EXPECT_EQ(reception_->Take(Zipkin(10), Format::kZipkinJson).code, Reply::Code::kTaken);
  EXPECT_EQ(Count("otlp.spans"), 10u);
  EXPECT_EQ(Count("otlp.messages"), 1u);
}

TEST_F(ReceptionTest, SaysWhichSpansItLeftOut) {
  Open(10'000'000);
  const Reply reply =
      reception_->Take(R"([{"traceId":"1","id":"2","timestamp":5},{"traceId":"1","id":"3"},7])",
                       Format::kZipkinJson);
  EXPECT_EQ(reply.code, Reply::Code::kTaken);
  EXPECT_EQ(reply.rejected, 2u);
  EXPECT_FALSE(reply.message.empty());
  EXPECT_EQ(Count("otlp.invalid_spans"), 2u);
}

TEST_F(ReceptionTest, RefusesWhatCannotBeRead) {
  Open(10'000'000);
  for (const Format format : {Format::kOtlpProto, Format::kOtlpJson, Format::kZipkinJson})
    EXPECT_EQ(reception_->Take("\x0a\xff?", format).code, Reply::Code::kMalformed);
  EXPECT_EQ(Count("otlp.bad_messages"), 3u);
  EXPECT_EQ(Count("otlp.spans"), 0u);
}

TEST_F(ReceptionTest, SendsSendersAwayWhileThePipelineIsFull) {
  Open(3000);
  Reply reply;
  for (int i = 0; i < 100 && reply.code == Reply::Code::kTaken; ++i)
    reply = reception_->Take(Zipkin(10), Format::kZipkinJson);
  EXPECT_EQ(reply.code, Reply::Code::kBusy);
  EXPECT_EQ(Count("otlp.refused_messages"), 1u);
}

TEST_F(ReceptionTest, SaysThatItIsEnding) {
  Open(10'000'000);
  transport_->CloseSources();
  EXPECT_EQ(reception_->Take(Zipkin(1), Format::kZipkinJson).code, Reply::Code::kStopped);
}

// Takes nothing until it may.
class SlowPublisher final : public transport::Publisher {
 public:
  uint32_t partitions() const override { return 1; }
  int64_t LogTimeNs() const override { return 0; }
  Result<void> Publish(transport::OutRecord, int64_t) override {
    ++publishing;
    publishing.notify_all();
    may.wait(false);
    return {};
  }
  void CloseSources() override {}
  std::atomic<int> publishing = 0;
  std::atomic<bool> may = false;
};

TEST_F(ReceptionTest, SendsSendersAwayWhileMessagesBeforeThemAreDecoded) {
  Open(10'000'000);
  std::atomic<bool> decoding = false, may = false;
  const auto reception = MakePipelineReception(*transport_, metrics_, [&] {
    return [&](std::string_view, api::SpanTable*) -> Result<Decoded> {
      decoding = true;
      decoding.notify_all();
      may.wait(false);
      return Decoded{};
    };
  });
  const std::string large(10'000'000, ' ');
  std::thread first(
      [&] { EXPECT_EQ(reception->Take(large, Format::kZipkinJson).code, Reply::Code::kTaken); });
  decoding.wait(false);
  EXPECT_EQ(reception->Take(large, Format::kZipkinJson).code, Reply::Code::kBusy);
  EXPECT_EQ(Count("otlp.refused_messages"), 1u);
  may = true;
  may.notify_all();
  first.join();
  EXPECT_EQ(reception->Take(large, Format::kZipkinJson).code, Reply::Code::kTaken);
}

TEST_F(ReceptionTest, WhoWaitsForRoomInThePipelineDoesNotKeepOthersFromDecoding) {
  SlowPublisher slow;
  const auto reception = MakePipelineReception(slow, metrics_, MakeZipkin);
  const std::string large = Zipkin(1) + std::string(10'000'000, ' ');
  std::vector<std::thread> senders;
  for (int i = 1; i <= 3; ++i) {
    senders.emplace_back(
        [&] { EXPECT_EQ(reception->Take(large, Format::kZipkinJson).code, Reply::Code::kTaken); });
    slow.publishing.wait(i - 1);
  }
  slow.may = true;
  slow.may.notify_all();
  for (std::thread& sender : senders) sender.join();
}

// However small the messages were that it was decoded from.
TEST_F(ReceptionTest, SendsSendersAwayWhileTooMuchThatWasDecodedWaitsForRoom) {
  SlowPublisher slow;
  const auto reception = MakePipelineReception(slow, metrics_, [] {
    return [](std::string_view message, api::SpanTable* out) -> Result<Decoded> {
      out->AddRow();
      out->Attribute("text", std::string(size_t{1} << (message.size() == 1 ? 27 : 10), 'x'));
      return Decoded{};
    };
  });
  std::thread first(
      [&] { EXPECT_EQ(reception->Take("1", Format::kZipkinJson).code, Reply::Code::kTaken); });
  slow.publishing.wait(0);
  EXPECT_EQ(reception->Take("22", Format::kZipkinJson).code, Reply::Code::kBusy);
  EXPECT_EQ(Count("otlp.refused_messages"), 1u);
  slow.may = true;
  slow.may.notify_all();
  first.join();
  EXPECT_EQ(reception->Take("22", Format::kZipkinJson).code, Reply::Code::kTaken);
}

TEST_F(ReceptionTest, ItsBudgetIsGivenBack) {
  Open(10'000'000);
  for (int i = 0; i < 3; ++i) {
    Reception::Claim claim(*reception_);
    EXPECT_TRUE(claim.More(size_t{100} << 20));
    EXPECT_FALSE(claim.More(size_t{100} << 20));
  }
}

TEST(ZipkinDecoder, AServersEndOfASharedIdGetsOneOfItsOwnWithWhatItDid) {
  api::SpanTable table;
  const auto decoded = zipkin::ZipkinDecoder().Decode(
      R"([{"traceId":"1","id":"2","kind":"SERVER","shared":true,"timestamp":5,"duration":9,
           "localEndpoint":{"serviceName":"cart"}},
          {"traceId":"1","parentId":"2","id":"3","kind":"CLIENT","timestamp":6,"duration":1,
           "localEndpoint":{"serviceName":"cart"}}])",
      &table);
  ASSERT_TRUE(decoded) << decoded.error().message;
  ASSERT_EQ(table.n(), 2u);
  EXPECT_EQ(table.parent_id[0], 2u);  // the caller's end, which another program reports
  EXPECT_NE(table.span_id[0], 2u);
  EXPECT_EQ(table.parent_id[1], table.span_id[0]);
}

TEST(Gunzip, GivesBackWhatWasPacked) {
  std::string packed;
  const std::string text(100'000, 'x');
  sinks::Gzip(text, &packed);
  EXPECT_TRUE(LooksCompressed(packed));
  EXPECT_EQ(Gunzip(packed, 100'000).value(), text);
  EXPECT_EQ(Gunzip(packed, 99'999).error().code, Code::kFull);
}

TEST(Gunzip, RefusesWhatIsDamagedOrEndsEarly) {
  std::string packed;
  sinks::Gzip("some text that is packed", &packed);
  EXPECT_EQ(Gunzip(packed.substr(0, packed.size() - 9), 1000).error().code, Code::kCorrupt);
  packed[12] = static_cast<char>(~packed[12]);
  EXPECT_EQ(Gunzip(packed, 1000).error().code, Code::kCorrupt);
  EXPECT_EQ(Gunzip("", 1000).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace weft::otlp
