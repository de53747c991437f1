#include "sql/serve/reader_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "sql/functions.h"
#include "sql/serve/bounded_functions.h"
#include "sql/union_tables.h"

namespace weft::serve {
namespace {

// Virtual machine steps between two looks at the clock: some microseconds, but a single one may be
// a function's call on a megabyte.
constexpr int kStepsPerLook = 100;
// Opening again costs at most this share of the time.
constexpr int64_t kOpeningShare = 20;
constexpr int64_t kFreshNs = 2 * kSecond;

}  // namespace

struct ReaderPool::Reader {
  static int Expired(void* self) noexcept {
    const Reader& reader = *static_cast<Reader*>(self);
    return reader.stopped->load(std::memory_order_relaxed) ||
           reader.clock->MonotonicNs() > reader.deadline_ns;
  }
  void Limit(const sql::Database& db) {
    sqlite3_progress_handler(db.get(), kStepsPerLook, &Expired, this);
  }

  sql::StoreSet stores;
  sql::Database all;  // over several stores; made when it is first asked for
  bool has_functions = false;
  const Clock* clock = nullptr;
  const std::atomic<bool>* stopped = nullptr;
  int64_t opened_ns = 0, opening_ns = 0, deadline_ns = 0;
};

ReaderPool::Lease::Lease(ReaderPool& pool, std::unique_ptr<Reader> reader)
    : pool_(&pool), reader_(std::move(reader)) {}
ReaderPool::Lease::Lease(Lease&&) noexcept = default;
ReaderPool::Lease::~Lease() {
  if (reader_) pool_->GiveBack(std::move(reader_));
}

const sql::StoreSet& ReaderPool::Lease::stores() const { return reader_->stores; }

int64_t ReaderPool::Lease::time_left_ns() const {
  return reader_->deadline_ns - reader_->clock->MonotonicNs();
}

Result<const sql::Database*> ReaderPool::Lease::Sql() {
  const bool several = reader_->stores.size() > 1;
  if (several && !reader_->all) {
    Result<sql::Database> all = sql::OpenUnion(reader_->stores, true);
    if (!all) return std::unexpected(all.error());
    reader_->all = std::move(*all);
    reader_->Limit(reader_->all);
  }
  const sql::Database& db = several ? reader_->all : reader_->stores[0];
  if (!reader_->has_functions) {
    int rc = sql::RegisterFunctions(db.get());
    if (rc == SQLITE_OK)
      rc = BoundFunctions(
          db.get(),
          [](const void* reader) { return Reader::Expired(const_cast<void*>(reader)) != 0; },
          reader_.get());
    if (rc != SQLITE_OK) return Fail(sql::CodeOf(rc), sqlite3_errmsg(db.get()));
    reader_->has_functions = true;
  }
  return &db;
}

ReaderPool::ReaderPool(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}
ReaderPool::~ReaderPool() = default;

bool ReaderPool::IsStale(const Reader& reader) const {
  const int64_t age = clock_.MonotonicNs() - reader.opened_ns;
  return age > std::max(kFreshNs, kOpeningShare * reader.opening_ns);
}

Result<std::unique_ptr<ReaderPool::Reader>> ReaderPool::OpenReader() {
  auto reader = std::make_unique<Reader>();
  const int64_t begin = clock_.MonotonicNs();
  Result<sql::StoreSet> stores = sql::StoreSet::Open(options_.names);
  if (!stores) return std::unexpected(stores.error());
  Note(*stores);
  reader->stores = std::move(*stores);
  reader->clock = &clock_;
  reader->stopped = &stopped_;
  reader->opened_ns = clock_.MonotonicNs();
  reader->opening_ns = reader->opened_ns - begin;
  for (const sql::Database& store : reader->stores) reader->Limit(store);
  return reader;
}

void ReaderPool::Note(const sql::StoreSet& stores) {
  const auto once = [&](std::string_view what, const std::vector<Error>& errors) {
    for (const Error& error : errors) {
      const std::string note = fmt::format("{}: {}", what, error.message);
      std::unique_lock lock(mutex_);
      const bool is_new = noted_.insert(note).second;
      lock.unlock();
      if (is_new) options_.note(note);
    }
  };
  once("passed over", stores.passed_over());
  once("not read, and missing in every answer", stores.unread());
}

Result<ReaderPool::Lease> ReaderPool::Take() {
  std::unique_ptr<Reader> reader;
  {
    std::unique_lock lock(mutex_);
    const bool free = free_.wait_for(lock, std::chrono::nanoseconds(options_.wait_ns),
                                     [&] { return stopped_ || lent_ < options_.readers; });
    if (stopped_) return Fail(Code::kCancelled, "the server is stopping");
    if (!free)
      return Fail(Code::kFull,
                  fmt::format("{} queries are running already; try again later", options_.readers));
    ++lent_;
    if (!idle_.empty()) {
      reader = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (reader && IsStale(*reader)) reader.reset();
  if (!reader) {
    Result<std::unique_ptr<Reader>> opened = OpenReader();
    if (!opened) {
      GiveBack(nullptr);
      return std::unexpected(opened.error());
    }
    reader = std::move(*opened);
  }
  reader->deadline_ns = clock_.MonotonicNs() + options_.query_ns;
  return Lease(*this, std::move(reader));
}

void ReaderPool::GiveBack(std::unique_ptr<Reader> reader) {
  {
    std::lock_guard lock(mutex_);
    --lent_;
    if (reader && !stopped_) idle_.push_back(std::move(reader));
  }
  free_.notify_one();
}

void ReaderPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    idle_.clear();
  }
  free_.notify_all();
}

}  // namespace weft::serve
