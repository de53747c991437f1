// ReaderPool: the connections with which `weft serve` reads its stores, a few, each lent to one
// request at a time and for a limited time.
//
// A lease reads until its time is over, then everything on its connections ends with kCancelled.
// Connections are read-only. A pool of one file sees what is written at once; what several files
// share, and files that are new or were replaced, are found by opening them again every few
// seconds. Any thread; a lease belongs to one. Lent: the clock. Stop before the destructor ends
// what runs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::serve {

class ReaderPool {
 public:
  struct Options {
    std::vector<std::string> names;  // files or patterns
    size_t readers = 4;
    int64_t query_ns = 10 * kSecond;
    int64_t wait_ns = 2 * kSecond;  // for a reader to be free
    // Called once for each file that a pattern found and that is not read, from any thread.
    std::function<void(const std::string&)> note = [](const std::string&) {};
  };
  struct Reader;

  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Reader> reader);
    ~Lease();
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) = delete;

    const sql::StoreSet& stores() const;
    // One connection over all of them with the SQL functions of weft, for SQL of the user's.
    Result<const sql::Database*> Sql();
    int64_t time_left_ns() const;

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  ReaderPool(Options options, const Clock& clock);
  ~ReaderPool();

  // kFull: all are busy; else as StoreSet::Open.
  Result<Lease> Take();
  // Ends what is being read; nothing is lent any more.
  void Stop();
  const Options& options() const { return options_; }

 private:
  Result<std::unique_ptr<Reader>> OpenReader();
  void GiveBack(std::unique_ptr<Reader> reader);
  bool IsStale(const Reader& reader) const;
  void Note(const sql::StoreSet& stores);

  const Options options_;
  const Clock& clock_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable free_;
  size_t lent_ = 0;
  std::vector<std::unique_ptr<Reader>> idle_;
  std::set<std::string> noted_;
};

}  // namespace weft::serve
