#include "sql/part_file.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace weft::sql {
namespace {

namespace fs = std::filesystem;

class PartFileTest : public ::testing::Test {
 protected:
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  ptrdiff_t Files() const {
    return std::distance(fs::directory_iterator(fs::path(name_).parent_path()), {});
  }

  test::TempFolder folder_;
  std::string name_ = folder_.File("copy.db");
};

TEST_F(PartFileTest, GetsItsNameWhenItIsPublishedAndIsPrivate) {
  auto part = PartFile::Create(name_);
  ASSERT_TRUE(part) << part.error().message;
  struct stat st {};
  ASSERT_EQ(stat(part->path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777u, 0600u);
  Write(part->path(), "whole");
  EXPECT_FALSE(fs::exists(name_));
  ASSERT_TRUE(part->Publish());
  EXPECT_EQ(Read(name_), "whole");
  { const PartFile done = std::move(*part); }
  EXPECT_EQ(Files(), 1);
}

TEST_F(PartFileTest, LeavesNothingWhenItIsNotPublished) {
  {
    auto part = PartFile::Create(name_);
    ASSERT_TRUE(part);
    Write(part->path() + "-journal", "of SQLite");
  }
  EXPECT_EQ(Files(), 0);
}

TEST_F(PartFileTest, TakesNoFileThatSomebodyHasPutThere) {
  fs::create_symlink(folder_.File("elsewhere"), name_ + "-part");
  auto part = PartFile::Create(name_);
  ASSERT_TRUE(part);
  auto other = PartFile::Create(name_);
  ASSERT_TRUE(other);
  EXPECT_NE(part->path(), other->path());
  EXPECT_NE(part->path(), name_ + "-part");
  EXPECT_FALSE(fs::exists(folder_.File("elsewhere")));
}

TEST_F(PartFileTest, RemovesWhatAProcessThatWasKilledHasLeft) {
  const std::string left = name_ + "-weft-part-abc123";
  for (const char* suffix : {"", "-journal", "-lock"}) Write(left + suffix, "half");
  Write(name_ + "-weft-part-alone1-lock", "");
  Write(name_ + "-weft-part-nolock", "");
  Write(name_ + "-weft-part-of-somebody", "else");
  auto part = PartFile::Create(name_);
  ASSERT_TRUE(part);
  EXPECT_EQ(Files(), 3) << "the new one, its lock, somebody's";
  EXPECT_TRUE(fs::exists(name_ + "-weft-part-of-somebody"));
  auto other = PartFile::Create(name_);
  ASSERT_TRUE(other);
  EXPECT_TRUE(fs::exists(part->path())) << "one that is being written is nobody's leftover";
}

// On NFS and SMB flock and the locks of SQLite exclude each other.
TEST_F(PartFileTest, LeavesTheLocksOfTheFileItselfToWhoOpensIt) {
  auto part = PartFile::Create(name_);
  ASSERT_TRUE(part);
  const int fd = ::open(part->path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  ::close(fd);
}

TEST_F(PartFileTest, OverwritesNothing) {
  auto part = PartFile::Create(name_);
  ASSERT_TRUE(part);
  Write(part->path(), "new");
  Write(name_, "of somebody who was quicker");
  const auto published = part->Publish();
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::kInvalid);
  EXPECT_THAT(published.error().message, ::testing::HasSubstr("is there already"));
  EXPECT_EQ(Read(name_), "of somebody who was quicker");

  fs::remove(name_);
  fs::create_symlink(folder_.File("nowhere"), name_);  // a link to nothing is a name, too
  EXPECT_FALSE(PartFile::Create(name_));
}

}  // namespace
}  // namespace weft::sql
