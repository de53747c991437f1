// What must not be in any file of the repository.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/repo/source_tree.h"

namespace weft::repo {
namespace {

const std::vector<std::string> kTextFiles = {".h",   ".cc",    ".c",    ".capnp", ".py",
                                             ".js",  ".go",    ".md",   ".yaml",  ".sql",
                                             ".txt", ".cmake", ".json", ".in"};

// Put together from two halves, so that this file does not contain what it forbids.
std::string Word(std::string_view a, std::string_view b) { return std::string(a).append(b); }

TEST(Text, NamesNoPathOfADevelopersMachine) {
  const std::string forbidden[] = {Word("/wo", "rk/"), Word("/ro", "ot/"), Word("/ho", "me/")};
  for (const SourceFile& file : ReadSourceTree(kTextFiles))
    for (size_t i = 0; i < file.lines.size(); ++i)
      for (const std::string& path : forbidden)
        EXPECT_EQ(file.lines[i].find(path), std::string::npos)
            << file.path << ":" << i + 1 << ": " << file.lines[i];
}

TEST(Text, EveryToDoHasATopic) {
  const std::string todo = Word("TO", "DO");
  const std::string fixme = Word("FIX", "ME");
  for (const SourceFile& file : ReadSourceTree(kTextFiles))
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const size_t at = file.lines[i].find(todo);
      EXPECT_TRUE(at == std::string::npos || file.lines[i].substr(at + 4, 1) == "(")
          << file.path << ":" << i + 1;
      EXPECT_EQ(file.lines[i].find(fixme), std::string::npos) << file.path << ":" << i + 1;
    }
}

TEST(Text, HasNoMergeMarkers) {
  for (const SourceFile& file :
       ReadSourceTree({".h", ".cc", ".c", ".py", ".sql", ".capnp", ".txt"}))
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      EXPECT_FALSE(line.starts_with(Word("<<<<", "<<<")) || line.starts_with(Word(">>>>", ">>>")))
          << file.path << ":" << i + 1;
    }
}

TEST(Text, SourcesStaySmall) {
  constexpr size_t kMaxLines = 400;
  for (const SourceFile& file : ReadSourceTree({".h", ".cc", ".c"})) {
    // One state machine, which does not get clearer in two files.
    if (file.path == "sources/ebpf/protocols/talk.cc") continue;
    if (file.path == "bpf/vmlinux.h" || file.path.starts_with("tests/")) continue;
    EXPECT_LE(file.lines.size(), kMaxLines) << file.path << " wants to be two files";
  }
}

}  // namespace
}  // namespace weft::repo
