// Dictionaries: the numbers that stand for operations, processes, connections and rule names in the
// rows of a store.
//
// Looked up per row in small maps; the database is asked only for what this batch and this slice
// have not seen yet. Connections belong to a slice and are numbered anew in each (their rows go
// with it); processes remember the last slice that used them. Used by SqliteSink, inside its
// transactions, from its thread. After a rolled back transaction Forget() drops what was cached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "sql/database.h"

namespace weft::sinks {

class Dictionaries {
 public:
  Result<void> Prepare(const sql::Database& db);
  void Forget();
  // Before the rows of a batch; lends `spans` until the next call. `slice` is the current one.
  void Begin(const weft_spans& spans, int64_t slice);

  Result<int64_t> Operation(uint32_t row);
  // 0: nothing is known about where this span was seen.
  Result<int64_t> Connection(uint32_t row);
  Result<int64_t> Name(std::string_view text);

  int64_t next_connection() const { return next_connection_; }

 private:
  struct OperationKey {
    uint32_t service, name;
    uint16_t kind_protocol;
    bool operator==(const OperationKey&) const = default;
  };
  struct ConnectionKey {
    uint64_t high, low;
    bool operator==(const ConnectionKey&) const = default;
  };
  struct Hash {
    size_t operator()(const OperationKey& k) const;
    size_t operator()(const ConnectionKey& k) const { return k.low; }
  };

  Result<int64_t> Process(uint32_t index);
  Result<int64_t> AddConnection(uint32_t row, int64_t process);
  ConnectionKey KeyOf(uint32_t row, int64_t process);
  uint64_t TextHash(const uint32_t* column, uint32_t row);
  std::string_view Text(const uint32_t* column, uint32_t row) const;

  sql::Statement find_operation_, add_operation_, find_process_, add_process_, use_process_,
      add_connection_, last_connection_, find_name_, add_name_;

  std::unordered_map<std::string, int64_t> operations_, names_;
  std::unordered_map<uint64_t, int64_t> processes_;
  std::unordered_map<ConnectionKey, int64_t, Hash> connections_;
  int64_t next_connection_ = 0;
  int64_t slice_ = -1;

  const weft_spans* spans_ = nullptr;
  std::unordered_map<OperationKey, int64_t, Hash> batch_operations_;
  std::vector<int64_t> batch_processes_;  // -1: not looked up yet
  std::vector<uint64_t> text_hash_;       // 0: not computed yet
  std::string text_;
};

}  // namespace weft::sinks
