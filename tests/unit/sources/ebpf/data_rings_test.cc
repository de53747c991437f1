#include "sources/ebpf/data_rings.h"

#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sources/ebpf/cpu_rings.h"
#include "sources/ebpf/data_record.h"

namespace weft::ebpf {
namespace {

constexpr size_t kBytes = 256;
constexpr uint32_t kBusy = 1u << 31, kDiscarded = 1u << 30;
constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

// The kernel's side of a ring, in memory of its own. Records are a time and a name.
class WrittenRing {
 public:
  Ring Reader(size_t behind = kBytes) { return {&consumer_, &producer_, data_, kBytes, behind}; }

  void Write(uint64_t time_ns, char name, uint32_t flags = 0) {
    uint8_t record[16] = {};
    std::memcpy(record, &time_ns, sizeof time_ns);
    record[8] = static_cast<uint8_t>(name);
    Put(producer_ + 8, record, 9);
    SetFlags(producer_, flags);
    producer_ += 8 + 16;
  }
  void SetFlags(uint64_t position, uint32_t flags) { SetLength(position, 9 | flags); }
  // What is behind the ring's end is not what goes on at its beginning.
  void WriteText(uint64_t time_ns, std::string_view text) {
    Put(producer_ + 8, &time_ns, sizeof time_ns);
    Put(producer_ + 16, text.data(), text.size());
    SetLength(producer_, static_cast<uint32_t>(8 + text.size()));
    std::memset(data_ + kBytes, '?', kBytes);
    producer_ += (16 + text.size() + 7) & ~uint64_t{7};
  }
  // Whatever lay there.
  void WriteNoise(std::minstd_rand& random, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
      const auto noise = static_cast<uint8_t>(random());
      Put(producer_ + i, &noise, 1);
    }
    // Lengths that could be: most noise is far too long.
    for (size_t i = 0; i < bytes; i += 8)
      if (random() % 2 == 0) SetLength(producer_ + i, random() % 64);
    producer_ += bytes;
  }
  void SetLength(uint64_t position, uint32_t length) {
    const uint32_t header[2] = {length, 0};
    Put(position, header, sizeof header);
  }
  bool Holds(const void* record, size_t size) const {
    const auto* at = static_cast<const uint8_t*>(record);
    return at >= data_ && at + size <= data_ + sizeof data_;
  }
  uint64_t written() const { return producer_; }
  uint64_t given_back() const { return consumer_; }

 private:
  void Put(uint64_t position, const void* from, size_t n) {
    for (size_t i = 0; i < n; i++) {
      const size_t at = (position + i) % kBytes;
      data_[at] = data_[at + kBytes] = static_cast<const uint8_t*>(from)[i];
    }
  }
  uint64_t consumer_ = 0, producer_ = 0;
  alignas(8) uint8_t data_[2 * kBytes] = {};
};

class DataRingsTest : public testing::Test {
 protected:
  DataRingsTest() {
    for (WrittenRing& ring : written_) rings_.Add(ring.Reader(), kBytes);
  }
  // Names of what is handed over.
  std::string Drain(uint64_t now_ns = kForever, size_t most = 100) {
    std::string names;
    const size_t drained = rings_.Drain(most, now_ns, [&](const void* record, size_t size) {
      EXPECT_EQ(size, 9u);
      names += static_cast<const char*>(record)[8];
    });
    EXPECT_EQ(drained, names.size());
    return names;
  }

  WrittenRing written_[3];
  DataRings rings_;
};

TEST_F(DataRingsTest, HandsOverByTimeAcrossRings) {
  written_[0].Write(10, 'a');
  written_[1].Write(20, 'b');
  written_[0].Write(30, 'c');
  written_[2].Write(40, 'd');
  written_[1].Write(50, 'e');
  EXPECT_EQ(Drain(), "abcde");
  EXPECT_EQ(Drain(), "");
}

TEST_F(DataRingsTest, KeepsTheOrderInsideARingWhenACallBeganLongBefore) {
  written_[0].Write(100, 'a');
  written_[0].Write(5, 'b');  // a send that waited
  written_[1].Write(99, 'x');
  written_[1].Write(101, 'y');
  EXPECT_EQ(Drain(), "xaby");
}

// A call that sends several messages: the second found no room in its CPU's ring, the third did.
TEST(DataRings, KeepTheOrderOfOneCallsRecordsByWhatEachSaysItWasLate) {
  struct alignas(8) {
    uint32_t length = sizeof(weft_data), rest = 0;
    weft_data data{};
  } records[4];
  static_assert(sizeof records[0] == 8 + sizeof(weft_data));
  for (uint32_t i = 0; i < 3; i++) {
    records[i].data.time_ns = 100;
    records[i].data.late = i;
    records[i].data.seq = i;
  }
  std::swap(records[1], records[2]);  // first and third, then the second
  uint64_t consumer[2] = {}, producer[2] = {2 * sizeof records[0], sizeof records[0]};
  DataRings rings;
  const auto* begin = reinterpret_cast<const uint8_t*>(records);
  rings.Add({&consumer[0], &producer[0], begin, 256, 256}, 256);
  rings.Add({&consumer[1], &producer[1], begin + 2 * sizeof records[0], 256, 256}, 256);
  std::vector<uint32_t> order;
  rings.Drain(100, kForever, [&](const void* record, size_t) {
    order.push_back(static_cast<const weft_data*>(record)->seq);
  });
  EXPECT_EQ(order, (std::vector<uint32_t>{0, 1, 2}));
}

TEST_F(DataRingsTest, LeavesWhatBeganAfterTheLook) {
  written_[0].Write(10, 'a');
  written_[0].Write(30, 'c');
  written_[1].Write(31, 'd');
  EXPECT_EQ(Drain(20), "a");
  // Written while the first round was going on.
  written_[1].Write(15, 'x');
  EXPECT_EQ(Drain(40), "cdx");
}

TEST_F(DataRingsTest, WaitsForARecordThatIsBeingWritten) {
  written_[0].Write(10, 'a');
  const uint64_t begun = written_[0].written();
  written_[0].Write(20, 'b', kBusy);
  written_[0].Write(30, 'c');
  written_[1].Write(25, 'x');
  EXPECT_EQ(Drain(), "ax");
  written_[0].SetFlags(begun, 0);
  EXPECT_EQ(Drain(), "bc");
}

TEST_F(DataRingsTest, SkipsWhatWasTakenBack) {
  written_[0].Write(10, 'a', kDiscarded);
  written_[0].Write(20, 'b');
  written_[0].Write(30, 'c', kDiscarded);
  EXPECT_EQ(Drain(), "b");
  EXPECT_EQ(written_[0].given_back(), written_[0].written());
}

TEST_F(DataRingsTest, GoesRoundTheRingAndGivesItBack) {
  std::string expected, seen;
  for (char name = 'a'; name <= 'z'; name++) {
    written_[0].Write(static_cast<uint64_t>(name), name);
    expected += name;
    if ((name - 'a') % 5 == 4) seen += Drain();
  }
  EXPECT_EQ(seen + Drain(), expected);
  EXPECT_EQ(written_[0].given_back(), written_[0].written());
}

// Two programs that wrote into one ring at the same time would leave such.
TEST_F(DataRingsTest, PassesOverWhatIsNoRecordAndCountsIt) {
  written_[0].Write(10, 'a');
  written_[0].SetLength(0, 1000);
  written_[0].Write(20, 'b');
  written_[1].Write(15, 'x');
  EXPECT_EQ(Drain(), "x");
  EXPECT_EQ(rings_.garbled(), 1u);
  EXPECT_EQ(written_[0].given_back(), written_[0].written());
  written_[0].Write(30, 'c');
  written_[0].SetLength(written_[0].written() - 24, 0);
  EXPECT_EQ(Drain(), "");
  EXPECT_EQ(rings_.garbled(), 2u);
  written_[0].Write(40, 'd');
  EXPECT_EQ(Drain(), "d");
}

TEST_F(DataRingsTest, NoNoiseLeadsOutOfTheRingOrHoldsItUp) {
  std::minstd_rand random(7);
  for (int round = 0; round < 2000; round++) {
    written_[0].WriteNoise(random, 8 * (1 + random() % (kBytes / 8)));
    rings_.Drain(1000, kForever, [&](const void* record, size_t size) {
      EXPECT_TRUE(written_[0].Holds(record, size));
    });
    // A length that says "being written" is waited for.
    const uint64_t left = written_[0].written() - written_[0].given_back();
    if (left == 0) continue;
    written_[0].SetLength(written_[0].given_back(), kBytes);
    rings_.Drain(1000, kForever, [](const void*, size_t) {});
    ASSERT_EQ(written_[0].given_back(), written_[0].written());
  }
  EXPECT_GT(rings_.garbled(), 1000u);
}

TEST(DataRings, JoinARecordThatGoesOnAtTheRingsBeginning) {
  WrittenRing written;
  DataRings rings;
  rings.Add(written.Reader(0), kBytes);
  std::string seen;
  for (uint64_t i = 0; i < 1000; i++) {
    const std::string text(1 + i * 7 % 100, static_cast<char>('a' + i % 26));
    written.WriteText(i, text);
    rings.Drain(1, kForever, [&](const void* record, size_t size) {
      ASSERT_EQ(size, 8 + text.size());
      uint64_t time = 0;
      std::memcpy(&time, record, sizeof time);
      EXPECT_EQ(time, i);
      seen.assign(static_cast<const char*>(record) + 8, text.size());
    });
    ASSERT_EQ(seen, text);
  }
  EXPECT_EQ(rings.garbled(), 0u);
}

TEST_F(DataRingsTest, StopsAtTheMostAndGoesOnThere) {
  for (char name = 'a'; name < 'g'; name++)
    written_[name % 2].Write(static_cast<uint64_t>(name), name);
  EXPECT_EQ(Drain(kForever, 2), "ab");
  EXPECT_EQ(Drain(kForever, 3), "cde");
  EXPECT_EQ(Drain(), "f");
}

TEST_F(DataRingsTest, TellsHowFullItFoundThem) {
  for (int i = 0; i < 8; i++) written_[1].Write(1, 'a');
  (void)Drain();
  EXPECT_DOUBLE_EQ(rings_.TakeFullest(), 8 * 24 / static_cast<double>(kBytes));
  EXPECT_DOUBLE_EQ(rings_.TakeFullest(), 0);
}

TEST(CpuRings, TogetherAreNoLargerThanTheSharedOne) {
  EXPECT_EQ(CpuRingBytes(16 << 20, 256 << 10, 2), size_t{256 << 10});
  EXPECT_EQ(CpuRingBytes(16 << 20, 256 << 10, 192), size_t{64 << 10});
  EXPECT_EQ(CpuRingBytes(4096, 256 << 10, 64), size_t{4096});
}

// As the kernel programs put it together.
struct Laid {
  weft_data data{};
  uint8_t payload[16] = {};
  weft_connection connection{};
};

TEST(DataRecord, FindsPayloadAndDescription) {
  Laid laid;
  laid.data.captured = 11;
  EXPECT_EQ(DataRecord::At(&laid, sizeof(weft_data) + 11).payload, laid.payload);
  EXPECT_EQ(DataRecord::At(&laid, sizeof laid).described, nullptr);
  laid.data.flags = WEFT_DATA_DESCRIBED;
  EXPECT_EQ(DataRecord::At(&laid, sizeof laid).described, &laid.connection);
}

TEST(DataRecord, ShorterThanItSaysIsNone) {
  Laid laid;
  laid.data.captured = 11;
  EXPECT_EQ(DataRecord::At(&laid, sizeof(weft_data) - 1).data, nullptr);
  EXPECT_EQ(DataRecord::At(&laid, sizeof(weft_data) + 10).data, nullptr);
  laid.data.flags = WEFT_DATA_DESCRIBED;
  EXPECT_EQ(DataRecord::At(&laid, sizeof laid - 1).data, nullptr);
}

}  // namespace
}  // namespace weft::ebpf
