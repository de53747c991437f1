// A range of a topic, read beside everybody: in order, once, and nobody notices.
#include "engine/transport/kafka_range.h"

#include <thread>

#include "engine/transport/kafka_settings.h"
#include "tests/integration/kafka/kafka_harness.h"

namespace weft::transport {
namespace {

class KafkaRangeTest : public KafkaTest {
 protected:
  std::unique_ptr<KafkaRange> Range(const RangeBounds& bounds) {
    auto range = KafkaRange::Open(MakeKafkaProperties(Options().settings).value(),
                                  Topic(Stream::kSpans), bounds, clock_, metrics_, *log_);
    EXPECT_TRUE(range) << range.error().message;
    return range ? std::move(*range) : nullptr;
  }
  static std::string Read(KafkaRange& range) {
    std::string all;
    while (true) {
      auto next = range.Next();
      EXPECT_TRUE(next) << next.error().message;
      if (!next || !*next) return all;
      all += std::string((*next)->bytes->bytes()) + ((*next)->type == RecordType{0} ? "? " : " ");
    }
  }
  std::string Read(const RangeBounds& bounds) { return Read(*Range(bounds)); }
  void Write(uint32_t partition, const std::string& text) {
    writer_->Produce(Topic(Stream::kSpans), partition, text, Headers("SpanBatch"));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // append times are milliseconds
  }
  void SetUp() override {
    KafkaTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeTopics(2);
    writer_ = std::make_unique<ForeignProducer>(broker_->bootstrap(), "");
  }
  void DeleteTopics() {
    char error[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", broker_->bootstrap().c_str(), error, sizeof error);
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    rd_kafka_DeleteTopic_t* topics[kStreams];
    for (int i = 0; i < kStreams; ++i)
      topics[i] = rd_kafka_DeleteTopic_new(Topic(static_cast<Stream>(i)).c_str());
    rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopics(client, topics, kStreams, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 20'000);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy_array(topics, kStreams);
    rd_kafka_destroy(client);
  }
  // Groups that the brokers have heard of.
  size_t Groups() {
    char error[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", broker_->bootstrap().c_str(), error, sizeof error);
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    const rd_kafka_group_list* list = nullptr;
    EXPECT_EQ(rd_kafka_list_groups(client, nullptr, &list, 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    const auto count = static_cast<size_t>(list->group_cnt);
    rd_kafka_group_list_destroy(list);
    rd_kafka_destroy(client);
    return count;
  }

  std::unique_ptr<ForeignProducer> writer_;
};

TEST_F(KafkaRangeTest, AllPartitionsComeInTheOrderInWhichTheyWereAppended) {
  for (uint32_t i = 0; i < 20; ++i) Write(i * 7 % 3 % 2, std::to_string(i));
  std::string expected;
  for (uint32_t i = 0; i < 20; ++i) expected += std::to_string(i) + " ";
  const size_t groups = Groups();
  EXPECT_EQ(Read({}), expected);
  EXPECT_EQ(Read({}), expected);
  EXPECT_EQ(Groups(), groups);
}

TEST_F(KafkaRangeTest, OffsetsBoundEachPartitionAndTimesAll) {
  for (const char* text : {"a", "b", "c"}) Write(0, text);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const int64_t middle_ns = clock_.UnixNs();  // the broker's clock is this host's
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (const char* text : {"x", "y", "z"}) Write(1, text);

  EXPECT_EQ(Read({true, 1, 2}), "b y ");
  EXPECT_EQ(Read({true, 2, INT64_MAX}), "c z ");
  EXPECT_EQ(Read({true, 7, 9}), "");
  EXPECT_EQ(Read({false, INT64_MIN, middle_ns}), "a b c ");
  EXPECT_EQ(Read({false, middle_ns, INT64_MAX}), "x y z ");
  EXPECT_EQ(Read({false, middle_ns + 3600 * kSecond, INT64_MAX}), "");
}

TEST_F(KafkaRangeTest, WhatWasAbortedOrIsOpenIsNotRead) {
  Write(0, "first");
  {
    ForeignProducer dies(broker_->bootstrap(), prefix_ + "dies", 1'000);
    dies.Begin();
    dies.Produce(Topic(Stream::kSpans), 0, "aborted", Headers("SpanBatch"));
  }
  Write(0, "second");
  std::string all;
  EXPECT_TRUE(Eventually([&] { return (all = Read({})) != "first "; }));
  EXPECT_EQ(all, "first second ");

  ForeignProducer open(broker_->bootstrap(), prefix_ + "open");
  open.Begin();
  open.Produce(Topic(Stream::kSpans), 0, "open", Headers("SpanBatch"));
  EXPECT_EQ(Read({}), "first second ");
  open.Commit();
  EXPECT_EQ(Read({}), "first second open ");
}

TEST_F(KafkaRangeTest, WhatIsNotOursComesAsItIs) {
  writer_->Produce(Topic(Stream::kSpans), 0, "otlp", {});
  EXPECT_EQ(Read({}), "otlp? ");
}

TEST_F(KafkaRangeTest, WhatIsGoneFromTheEndIsCountedAndNotWaitedFor) {
  for (int i = 0; i < 20; ++i) Write(0, "old");
  auto settings = Options().settings;
  // The brokers keep the first fetch so long, and answer it when the topic goes.
  settings.librdkafka = {{"fetch.min.bytes", "100000000"}, {"fetch.wait.max.ms", "3000"}};
  auto range = KafkaRange::Open(MakeKafkaProperties(settings).value(), Topic(Stream::kSpans), {},
                                clock_, metrics_, *log_);
  ASSERT_TRUE(range) << range.error().message;
  DeleteTopics();
  MakeTopics(2);
  for (int i = 0; i < 3; ++i) Write(0, "new");
  EXPECT_EQ(Read(**range), "new new new ");
  EXPECT_EQ((*range)->gone(), 17u);
}

TEST_F(KafkaRangeTest, ATopicThatIsNotThereIsNamed) {
  const auto range = KafkaRange::Open(MakeKafkaProperties(Options().settings).value(),
                                      "no-such-topic", {}, clock_, metrics_, *log_);
  ASSERT_FALSE(range);
  EXPECT_NE(range.error().message.find("no-such-topic"), std::string::npos);
}

}  // namespace
}  // namespace weft::transport
