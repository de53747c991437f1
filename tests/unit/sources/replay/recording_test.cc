#include "sources/replay/recording.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace weft::sources {
namespace {

class RecordingTest : public testing::Test {
 protected:
  RecordingTest() {
    char name[] = "/tmp/weft-recording-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ / "a.weft";
  }
  ~RecordingTest() override { std::filesystem::remove_all(folder_); }

  void WriteThree() {
    auto writer = RecordingWriter::Create(path_, {1, 4, 77});
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->Write(0, transport::RecordType::kEventBatch, 10, "first!!!"));
    offset_of_second_ = writer->bytes();
    ASSERT_TRUE(writer->Write(3, transport::RecordType::kEventBatch, 20, std::string(4096, 'x')));
    offset_of_third_ = writer->bytes();
    ASSERT_TRUE(writer->Write(1, transport::RecordType::kEventBatch, 30, "third!!!"));
    ASSERT_TRUE(writer->Close());
  }
  void Flip(uint64_t offset) {
    std::fstream f(path_, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(offset));
    const char c = static_cast<char>(f.get() ^ 0x40);
    f.seekp(static_cast<std::streamoff>(offset));
    f.put(c);
  }
  std::vector<std::string> ReadAll() {
    auto reader = RecordingReader::Open(path_);
    EXPECT_TRUE(reader);
    std::vector<std::string> all;
    while (auto record = reader->Next()) all.emplace_back(record->payload->bytes());
    totals_ = reader->totals();
    return all;
  }

  std::filesystem::path folder_, path_;
  uint64_t offset_of_second_ = 0, offset_of_third_ = 0;
  RecordingReader::Totals totals_;
};

TEST_F(RecordingTest, GivesBackWhatWasWritten) {
  WriteThree();
  auto reader = RecordingReader::Open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header().partitions, 4u);
  EXPECT_EQ(reader->header().created_unix_ns, 77);
  ASSERT_TRUE(reader->Next());
  const auto second = reader->Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->partition, 3u);
  EXPECT_EQ(second->append_ns, 20);
  EXPECT_EQ(second->payload->bytes(), std::string(4096, 'x'));
  EXPECT_TRUE(reader->Next());
  EXPECT_FALSE(reader->Next());
  EXPECT_EQ(reader->totals().damage, "");
  EXPECT_LT(std::filesystem::file_size(path_), 1000u) << "compressed";
}

TEST_F(RecordingTest, SkipsARecordWhoseContentIsDamagedAndNamesTheOffset) {
  WriteThree();
  Flip(offset_of_second_ + 45);
  EXPECT_EQ(ReadAll(), (std::vector<std::string>{"first!!!", "third!!!"}));
  EXPECT_EQ(totals_.corrupt_records, 1u);
  EXPECT_NE(totals_.damage.find("offset " + std::to_string(offset_of_second_)), std::string::npos)
      << totals_.damage;
}

TEST_F(RecordingTest, EndsAtADamagedHeadAndCountsTheRest) {
  WriteThree();
  Flip(offset_of_second_ + 1);
  EXPECT_EQ(ReadAll(), (std::vector<std::string>{"first!!!"}));
  EXPECT_EQ(totals_.unread_bytes, std::filesystem::file_size(path_) - offset_of_second_);
}

TEST_F(RecordingTest, UsesWhatATruncatedFileStillHas) {
  WriteThree();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 3);
  EXPECT_EQ(ReadAll().size(), 2u);
  EXPECT_NE(totals_.damage.find("ends inside a record"), std::string::npos);
  EXPECT_EQ(totals_.unread_bytes, std::filesystem::file_size(path_) - offset_of_third_);
}

TEST_F(RecordingTest, RefusesWhatIsNoRecordingAndWhatIsNewer) {
  std::ofstream(path_) << "SQLite format 3";
  EXPECT_EQ(RecordingReader::Open(path_).error().code, Code::kCorrupt);
  WriteThree();
  Flip(9);  // the version
  EXPECT_EQ(RecordingReader::Open(path_).error().code, Code::kUnsupported);
  EXPECT_EQ(RecordingReader::Open(folder_ / "none").error().code, Code::kIo);
}

TEST_F(RecordingTest, ReportsADiskThatIsFull) {
  auto writer = RecordingWriter::Create("/dev/full", {1, 1, 0});
  if (!writer) return;
  Result<void> result;
  for (int i = 0; i < 10'000 && result; ++i)
    result = writer->Write(0, transport::RecordType::kEventBatch, 0, std::string(64, char(i)));
  if (result) result = writer->Close();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kIo);
}

}  // namespace
}  // namespace weft::sources
