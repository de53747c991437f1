#include "sql/store_set.h"

#include <algorithm>

#include <glob.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "sql/split_traces.h"

namespace weft::sql {
namespace {

bool Exists(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0;
}

// What SQLite and StoreLock keep beside a store.
bool IsCompanion(const std::string& path) {
  return std::ranges::any_of(
      std::initializer_list<const char*>{"-wal", "-shm", "-journal", "-lock"},
      [&](const char* suffix) { return path.ends_with(suffix); });
}

struct Found {
  std::string path;
  bool by_pattern = false;
};

Result<std::vector<Found>> Expand(const std::string& name) {
  if (name.find_first_of("*?[") == name.npos || Exists(name)) return std::vector{Found{name}};
  glob_t found{};
  const int rc = ::glob(name.c_str(), 0, nullptr, &found);
  std::vector<Found> paths;
  for (size_t i = 0; rc == 0 && i < found.gl_pathc; ++i)
    if (!IsCompanion(found.gl_pathv[i])) paths.push_back({found.gl_pathv[i], true});
  ::globfree(&found);
  if (paths.empty()) return Fail(Code::kNotFound, fmt::format("{}: no such database", name));
  return paths;
}

bool SameFile(const std::string& a, const std::string& b) {
  struct stat x {
  }, y{};
  return ::stat(a.c_str(), &x) == 0 && ::stat(b.c_str(), &y) == 0 && x.st_ino == y.st_ino &&
         x.st_dev == y.st_dev;
}

Result<std::vector<Found>> FindAll(const std::vector<std::string>& names) {
  std::vector<Found> files;
  for (const std::string& name : names) {
    Result<std::vector<Found>> some = Expand(name);
    if (!some) return some;
    for (Found& file : *some) {
      const auto known =
          std::ranges::find_if(files, [&](const auto& f) { return SameFile(f.path, file.path); });
      if (known == files.end())
        files.push_back(std::move(file));
      else
        known->by_pattern &= file.by_pattern;
    }
  }
  return files;
}

// What the file is, not what its owner or the disk does to us.
bool IsAboutTheFile(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kInvalid;
}

}  // namespace

Result<StoreSet> StoreSet::Open(const std::vector<std::string>& names) {
  const Result<std::vector<Found>> files = FindAll(names);
  if (!files) return std::unexpected(files.error());
  StoreSet set;
  Error empty{Code::kNotFound, "no database was named"};
  for (const auto& [path, by_pattern] : *files) {
    Result<Database> store = Database::OpenForReading(path);
    if (store)
      set.stores_.push_back(std::move(*store));
    else if (store.error().code == Code::kNotFound && Exists(path))
      empty = store.error();  // a member that has just begun has an empty file
    else if (by_pattern && IsAboutTheFile(store.error()))
      (Database::IsRefusedStore(path) ? set.unread_ : set.passed_over_).push_back(store.error());
    else
      return std::unexpected(store.error());
  }
  if (set.stores_.empty())
    return std::unexpected(!set.unread_.empty()        ? set.unread_.front()
                           : !set.passed_over_.empty() ? set.passed_over_.front()
                                                       : empty);
  WEFT_TRY(set.GatherSplitTraces());
  return set;
}

Result<void> StoreSet::GatherSplitTraces() {
  if (stores_.size() == 1) return {};
  // What is found must still be there when it is copied: writers go on.
  for (const Database& store : stores_) WEFT_TRY(store.Execute("BEGIN"));
  WEFT_TRY(GatherInSnapshot());
  for (const Database& store : stores_)
    if (store.path() != kMemoryPath) WEFT_TRY(store.Execute("COMMIT"));
  return {};
}

Result<void> StoreSet::GatherInSnapshot() {
  Result<std::vector<SplitTrace>> split = FindSplitTraces(stores_);
  if (!split) return std::unexpected(split.error());
  if (split->empty()) return {};
  Result<Database> gathered = GatherSplit(stores_, *split);
  if (!gathered) return std::unexpected(gathered.error());
  for (size_t store = 0; store < stores_.size(); ++store)
    WEFT_TRY(HideSplit(stores_[store], *split, store));
  stores_.push_back(std::move(*gathered));
  return {};
}

std::string StoreSet::Name() const {
  if (stores_.size() == 1) return stores_.front().path();
  const auto files = std::ranges::count_if(
      stores_, [](const Database& store) { return store.path() != kMemoryPath; });
  return fmt::format("{} databases ({}, ...)", files, stores_.front().path());
}

}  // namespace weft::sql
