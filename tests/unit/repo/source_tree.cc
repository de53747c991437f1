#include "tests/unit/repo/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

namespace weft::repo {
namespace {

namespace fs = std::filesystem;

bool IsSkippedFolder(const std::string& name) {
  static const std::set<std::string> kSkipped = {".git", "build", "__pycache__", "node_modules",
                                                 "corpus"};
  return kSkipped.contains(name);
}

bool EndsWithAny(const std::string& path, const std::vector<std::string>& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](const std::string& suffix) { return path.ends_with(suffix); });
}

}  // namespace

std::vector<SourceFile> ReadSourceTree(const std::vector<std::string>& suffixes) {
  const fs::path root = WEFT_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::end(it); ++it) {
    if (it->is_directory() && IsSkippedFolder(it->path().filename()))
      it.disable_recursion_pending();
    if (!it->is_regular_file()) continue;
    SourceFile file{fs::relative(it->path(), root), {}};
    if (!EndsWithAny(file.path, suffixes)) continue;
    std::ifstream in(it->path());
    bool binary = false;
    for (std::string line; std::getline(in, line); file.lines.push_back(line))
      binary = binary || line.find('\0') != line.npos;
    if (!binary) files.push_back(std::move(file));
  }
  return files;
}

}  // namespace weft::repo
