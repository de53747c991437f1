#include "sinks/sqlite/dictionaries.h"

#include <xxhash.h>

#include "engine/api/dictionary.h"
#include "engine/base/hash.h"
#include "sinks/jsonl/json_text.h"

namespace weft::sinks {
namespace {

// A column that is not known for any row is NULL and reads as zero.
template <typename T>
T At(const T* column, uint32_t row) {
  return column ? column[row] : T{};
}

Result<int64_t> AddedId(sql::Statement& add) {
  WEFT_TRY(add.Step());
  const int64_t id = add.Int(0);
  add.Reset();
  return id;
}

// The id that `find` answers, else the one that `add` returns; both have the same parameters.
Result<int64_t> FindOrAdd(sql::Statement& find, sql::Statement& add) {
  const Result<bool> found = find.Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return AddedId(add);
  const int64_t id = find.Int(0);
  find.Reset();
  return id;
}

std::string ProcessAttributes(const weft_spans& spans, uint32_t index) {
  const weft_processes& p = *spans.processes;
  std::string json;
  for (uint32_t a = p.attr_offset ? p.attr_offset[index] : 0;
       p.attr_offset && a < p.attr_offset[index + 1]; ++a) {
    json.push_back(json.empty() ? '{' : ',');
    AppendJsonString(json, api::View(spans.strings[spans.pairs->key[p.attr[a]]]));
    json.push_back(':');
    AppendPlainValue(json, spans, p.attr[a]);
  }
  if (!json.empty()) json.push_back('}');
  return json;
}

}  // namespace

size_t Dictionaries::Hash::operator()(const OperationKey& k) const {
  return Mix64((static_cast<uint64_t>(k.service) << 32 | k.name) ^
               static_cast<uint64_t>(k.kind_protocol) << 20);
}

Result<void> Dictionaries::Prepare(const sql::Database& db) {
  const sql::StatementText all[] = {
      {&find_operation_,
       "SELECT id FROM operations WHERE service = ?1 AND name = ?2 AND kind = ?3 AND protocol = "
       "?4"},
      {&add_operation_,
       "INSERT INTO operations(service, name, kind, protocol) VALUES(?1, ?2, ?3, ?4) RETURNING id"},
      {&find_process_,
       "SELECT id FROM process_rows WHERE process_id = ?1 AND host = ?2 AND service = ?3 AND "
       "executable = ?4 AND pid = ?5 AND attributes IS ?6"},
      {&add_process_,
       "INSERT INTO process_rows(process_id, host, service, executable, pid, attributes, "
       "last_slice)"
       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0) RETURNING id"},
      {&use_process_, "UPDATE process_rows SET last_slice = ?2 WHERE id = ?1"},
      {&add_connection_, "INSERT INTO connection_rows VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"},
      {&last_connection_,
       "SELECT max((SELECT coalesce(max(id), 0) FROM connection_rows),"
       " (SELECT coalesce(max(first_connection), 1) - 1 FROM slices))"},
      {&find_name_, "SELECT id FROM strings WHERE text = ?1"},
      {&add_name_, "INSERT INTO strings(text) VALUES(?1) RETURNING id"},
  };
  WEFT_TRY(db.PrepareAll(all));
  WEFT_TRY(last_connection_.Step());
  next_connection_ = last_connection_.Int(0) + 1;
  last_connection_.Reset();
  return {};
}

void Dictionaries::Forget() {
  operations_.clear();
  names_.clear();
  processes_.clear();
  connections_.clear();
  slice_ = -1;
}

void Dictionaries::Begin(const weft_spans& spans, int64_t slice) {
  spans_ = &spans;
  batch_operations_.clear();
  batch_processes_.assign(spans.processes ? spans.processes->n : 0, -1);
  text_hash_.assign(spans.n_strings, 0);
  if (slice == slice_) return;
  slice_ = slice;
  connections_.clear();
  processes_.clear();
}

std::string_view Dictionaries::Text(const uint32_t* column, uint32_t row) const {
  return column ? api::View(spans_->strings[column[row]]) : std::string_view{};
}

uint64_t Dictionaries::TextHash(const uint32_t* column, uint32_t row) {
  if (!column) return 0;
  uint64_t& hash = text_hash_[column[row]];
  if (hash == 0) {
    const std::string_view text = api::View(spans_->strings[column[row]]);
    hash = XXH3_64bits(text.data(), text.size()) | 1;
  }
  return hash;
}

Result<int64_t> Dictionaries::Operation(uint32_t row) {
  const weft_spans& s = *spans_;
  const auto protocol = At(s.protocol, row);
  const OperationKey key{s.service[row], s.operation[row],
                         static_cast<uint16_t>(s.kind[row] << 8 | protocol)};
  const auto [known, fresh] = batch_operations_.try_emplace(key, 0);
  if (!fresh) return known->second;
  const std::string_view service = Text(s.service, row), name = Text(s.operation, row);
  text_.assign(service).push_back('\0');
  text_.append(name).push_back('\0');
  text_.push_back(static_cast<char>(s.kind[row]));
  text_.push_back(static_cast<char>(protocol));
  if (const auto stored = operations_.find(text_); stored != operations_.end())
    return known->second = stored->second;
  for (sql::Statement* statement : {&find_operation_, &add_operation_}) {
    statement->Bind(1, service);
    statement->Bind(2, name);
    statement->Bind(3, static_cast<int64_t>(s.kind[row]));
    statement->Bind(4, static_cast<int64_t>(protocol));
  }
  const Result<int64_t> id = FindOrAdd(find_operation_, add_operation_);
  if (!id) return id;
  operations_.emplace(text_, *id);
  return known->second = *id;
}

Result<int64_t> Dictionaries::Process(uint32_t index) {
  if (index >= batch_processes_.size()) return 0;
  int64_t& known = batch_processes_[index];
  if (known >= 0) return known;
  const weft_processes& p = *spans_->processes;
  const std::string attributes = ProcessAttributes(*spans_, index);
  const std::string_view host = Text(p.host, index), service = Text(p.service, index),
                         executable = Text(p.executable, index);
  // A process whose name or attributes were found out later is a new row.
  uint64_t hash = HashCombine(p.process_id[index], At(p.pid, index));
  for (const std::string_view text : {host, service, executable, std::string_view(attributes)})
    hash = HashCombine(hash, XXH3_64bits(text.data(), text.size()));
  if (const auto stored = processes_.find(hash); stored != processes_.end())
    return known = stored->second;
  for (sql::Statement* statement : {&find_process_, &add_process_}) {
    statement->Bind(1, static_cast<int64_t>(p.process_id[index]));
    statement->Bind(2, host);
    statement->Bind(3, service);
    statement->Bind(4, executable);
    statement->Bind(5, static_cast<int64_t>(At(p.pid, index)));
    if (attributes.empty())
      statement->BindNull(6);
    else
      statement->Bind(6, std::string_view(attributes));
  }
  const Result<int64_t> id = FindOrAdd(find_process_, add_process_);
  if (!id) return id;
  use_process_.Bind(1, *id);
  use_process_.Bind(2, slice_);
  WEFT_TRY(use_process_.Run());
  processes_.emplace(hash, *id);
  return known = *id;
}

Dictionaries::ConnectionKey Dictionaries::KeyOf(uint32_t row, int64_t process) {
  const weft_spans& s = *spans_;
  const uint64_t words[] = {static_cast<uint64_t>(process),
                            At(s.connection, row),
                            TextHash(s.local_address, row),
                            TextHash(s.remote_address, row),
                            TextHash(s.peer, row),
                            static_cast<uint64_t>(At(s.local_port, row)) << 48 |
                                static_cast<uint64_t>(At(s.remote_port, row)) << 32 |
                                static_cast<uint32_t>(At(s.fd, row))};
  const XXH128_hash_t hash = XXH3_128bits(words, sizeof words);
  return {hash.high64, hash.low64};
}

Result<int64_t> Dictionaries::Connection(uint32_t row) {
  const Result<int64_t> process = Process(spans_->process[row]);
  if (!process) return process;
  const auto [known, fresh] = connections_.try_emplace(KeyOf(row, *process), 0);
  if (!fresh) return known->second;
  const Result<int64_t> id = AddConnection(row, *process);
  if (!id) return id;
  return known->second = *id;
}

Result<int64_t> Dictionaries::AddConnection(uint32_t row, int64_t process) {
  const weft_spans& s = *spans_;
  const int64_t id = next_connection_;
  add_connection_.Bind(1, id);
  add_connection_.Bind(2, process);
  add_connection_.Bind(3, static_cast<int64_t>(At(s.connection, row)));
  add_connection_.Bind(4, Text(s.local_address, row));
  add_connection_.Bind(5, static_cast<int64_t>(At(s.local_port, row)));
  add_connection_.Bind(6, Text(s.remote_address, row));
  add_connection_.Bind(7, static_cast<int64_t>(At(s.remote_port, row)));
  add_connection_.Bind(8, static_cast<int64_t>(At(s.fd, row)));
  add_connection_.Bind(9, Text(s.peer, row));
  WEFT_TRY(add_connection_.Run());
  ++next_connection_;
  return id;
}

Result<int64_t> Dictionaries::Name(std::string_view text) {
  if (const auto known = names_.find(std::string(text)); known != names_.end())
    return known->second;
  find_name_.Bind(1, text);
  add_name_.Bind(1, text);
  const Result<int64_t> id = FindOrAdd(find_name_, add_name_);
  if (id) names_.emplace(text, *id);
  return id;
}

}  // namespace weft::sinks
