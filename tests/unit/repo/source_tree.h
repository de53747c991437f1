// SourceTree: the text files of the repository as the repository tests read them, without build
// output, version control and other people's generated files.
#pragma once

#include <string>
#include <vector>

namespace weft::repo {

struct SourceFile {
  std::string path;  // relative to the root: "engine/base/result.h"
  std::vector<std::string> lines;
};

// Files whose name ends with one of the suffixes; "" is every text file.
std::vector<SourceFile> ReadSourceTree(const std::vector<std::string>& suffixes);

}  // namespace weft::repo
