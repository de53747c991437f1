// Members of a group: partitions wander, transactions are shared, nobody commits for another.
#include <algorithm>
#include <set>
#include <thread>

#include "engine/transport/kafka_admin.h"
#include "tests/integration/kafka/kafka_harness.h"

namespace weft::transport {
namespace {

using KafkaGroupTest = KafkaTest;

TEST_F(KafkaGroupTest, AMemberThatJoinsGetsItsShareOnceItWasReleasedAndLeavesItBehind) {
  MakeTopics(4);
  auto a = Open(), b = Open();
  auto first = a->Join(Stage::kStitch);
  EXPECT_EQ(Gain(**first, 4).size(), 4u);
  auto second = b->Join(Stage::kStitch);
  ASSERT_TRUE(second);

  std::vector<uint32_t> revoked;
  for (int i = 0; i < 200 && revoked.empty(); ++i) {
    auto change = (*first)->Wait(InNs(*a, 100 * kMillisecond));
    ASSERT_TRUE(change) << change.error().message;
    EXPECT_TRUE(change->gained.empty() && change->lost.empty());
    revoked = change->revoked;
  }
  ASSERT_EQ(revoked.size(), 2u);
  auto early = (*second)->Wait(InNs(*b, 500 * kMillisecond));
  ASSERT_TRUE(early);
  EXPECT_TRUE(early->gained.empty()) << "not released yet";
  // What is revoked can still be taken over and committed, until it is released.
  {
    auto owner = a->Own(Stage::kStitch, revoked[0]);
    ASSERT_TRUE(owner) << owner.error().message;
  }
  (*first)->Release(revoked);
  auto gained = Gain(**second, 2);
  EXPECT_EQ(std::set(gained.begin(), gained.end()), std::set(revoked.begin(), revoked.end()));
  auto theirs = a->Own(Stage::kStitch, revoked[0]);
  EXPECT_FALSE(theirs);
  auto owner = b->Own(Stage::kStitch, revoked[0]);
  ASSERT_TRUE(owner) << owner.error().message;
  owner->reset();

  second->reset();
  gained = Gain(**first, 2);
  EXPECT_EQ(std::set(gained.begin(), gained.end()), std::set(revoked.begin(), revoked.end()));
}

TEST_F(KafkaGroupTest, ShardsThatCommitAtOnceShareATransaction) {
  MakeTopics(4);
  KafkaOptions options = Options();
  options.commit_linger_ns = 500 * kMillisecond;
  auto t = Open(options);
  auto member = t->Join(Stage::kTrace);
  Gain(**member, 4);
  std::vector<std::unique_ptr<PartitionOwner>> owners(4);
  const auto each = [&](auto work) {
    std::vector<std::thread> threads;
    for (uint32_t p = 0; p < 4; ++p) threads.emplace_back([&, p] { work(p); });
    for (auto& thread : threads) thread.join();
  };
  each([&](uint32_t p) {
    auto owner = t->Own(Stage::kTrace, p);
    ASSERT_TRUE(owner) << owner.error().message;
    owners[p] = std::move(*owner);
  });
  const uint64_t before = Count("kafka.commits{stage=trace}");
  const int64_t began = clock_.MonotonicNs();
  each([&](uint32_t p) {
    Transaction tx;
    tx.out = {Out(Stream::kDecisions, "d" + std::to_string(p), p, 0, RecordType::kDecisionBatch)};
    auto done = owners[p]->Commit(std::move(tx));
    EXPECT_TRUE(done) << done.error().message;
  });

  EXPECT_EQ(Count("kafka.commits{stage=trace}"), before + 1);
  EXPECT_LT(clock_.MonotonicNs() - began, 450 * kMillisecond) << "all had joined: no more waiting";
  for (uint32_t p = 0; p < 4; ++p)
    EXPECT_EQ(Back(*owners[p], Stream::kDecisions), "d" + std::to_string(p) + " ");
}

TEST_F(KafkaGroupTest, StagesRunTogetherAndApart) {
  MakeTopics(2);
  auto a = Open(), b = Open();
  auto stitch = a->Join(Stage::kStitch);
  auto trace_a = a->Join(Stage::kTrace);
  ASSERT_TRUE(stitch && trace_a);
  Gain(**stitch, 2);
  Gain(**trace_a, 2);
  EXPECT_FALSE(a->Join(Stage::kTrace));
  auto one = a->Own(Stage::kStitch, 0);
  auto two = a->Own(Stage::kTrace, 1);
  ASSERT_TRUE(one && two);

  Transaction tx;
  tx.out = {Out(Stream::kSpans, "span", 1, 0, RecordType::kSpanBatch)};
  ASSERT_TRUE((*one)->Commit(std::move(tx)));
  EXPECT_EQ(Texts(ReadAll(*a, **two)), "span ");
}

TEST_F(KafkaGroupTest, AStaticMemberThatComesBackHasItsPartitionsAndNobodyElseHearsOfIt) {
  MakeTopics(4);
  const auto named = [&](const char* id) {
    KafkaOptions options = Options();
    options.settings.librdkafka["group.instance.id"] = id;
    options.settings.librdkafka["session.timeout.ms"] = "30000";
    return Open(options);
  };
  auto a = named("a"), b = named("b");
  auto first = a->Join(Stage::kStitch);
  ASSERT_TRUE(first);
  const auto all = Gain(**first, 4);
  auto second = b->Join(Stage::kStitch);
  ASSERT_TRUE(second);
  std::vector<uint32_t> given;
  for (int i = 0; i < 300 && given.empty(); ++i)
    given = (*first)->Wait(InNs(*a, 100 * kMillisecond)).value().revoked;
  (*first)->Release(given);
  Gain(**second, 2);
  std::set<uint32_t> kept(all.begin(), all.end());
  for (const uint32_t p : given) kept.erase(p);

  first->reset();
  a.reset();
  a = named("a");
  first = a->Join(Stage::kStitch);
  ASSERT_TRUE(first);
  const auto again = Gain(**first, 2);
  EXPECT_EQ(std::set(again.begin(), again.end()), kept);
  auto owner = a->Own(Stage::kStitch, again[0]);
  ASSERT_TRUE(owner) << owner.error().message;
  EXPECT_TRUE((*owner)->Commit({}));
  const auto heard = (*second)->Wait(InNs(*b, kSecond));
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_TRUE(heard->empty());

  // A second process of the same name: the first one is out, and says why.
  auto twin = named("a");
  auto usurper = twin->Join(Stage::kStitch);
  ASSERT_TRUE(usurper);
  Gain(**usurper, 2);
  const bool told = Eventually([&] {
    const auto change = (*first)->Wait(InNs(*a, 100 * kMillisecond));
    return !change && change.error().message.find("group.instance.id") != std::string::npos;
  });
  EXPECT_TRUE(told);
}

// Members with different numbers of partitions would ask and answer in different places.
TEST_F(KafkaGroupTest, AMemberEndsWhenTheTopicIsGivenMorePartitions) {
  MakeTopics(2);
  auto t = Open();
  auto member = t->Join(Stage::kStitch);
  ASSERT_TRUE(member);
  Gain(**member, 2);
  auto owner = t->Own(Stage::kStitch, 0);
  ASSERT_TRUE(owner);
  auto admin = KafkaAdmin::Connect({{"bootstrap.servers", broker_->bootstrap()}});
  ASSERT_TRUE(admin);
  ASSERT_TRUE((*admin)->SetPartitions(Topic(Stream::kEvents), 4));

  Result<Assignment> change;
  EXPECT_TRUE(Eventually([&] {
    change = (*member)->Wait(InNs(*t, 100 * kMillisecond));
    return !change;
  }));
  ASSERT_FALSE(change);
  EXPECT_NE(change.error().message.find("more partitions than the 2"), std::string::npos)
      << change.error().message;
}

}  // namespace
}  // namespace weft::transport
