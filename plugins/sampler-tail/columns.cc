#include "plugins/sampler-tail/columns.h"

#include <unordered_map>

namespace weft::tail {
namespace {

using Readers = std::unordered_map<std::string_view, ColumnReader>;

template <class Of, class T>
AttributeValue Number(const Of& table, const T* Of::*column, uint32_t row) {
  const T* values = table.*column;
  const auto number = static_cast<int64_t>(values == nullptr ? T{} : values[row]);
  return {WEFT_ATTR_INT, {}, static_cast<uint64_t>(number)};
}

template <class Of>
AttributeValue String(const weft_spans& spans, const Of& table, const uint32_t* Of::*column,
                      uint32_t row) {
  const uint32_t* values = table.*column;
  const uint32_t text = values == nullptr ? 0 : values[row];
  if (text == 0) return {};
  return {WEFT_ATTR_STRING, sdk::View(spans.strings[text]), 0};
}

template <class T>
ColumnReader Number(const T* weft_spans::*column) {
  return [column](const weft_spans& spans, uint32_t row) { return Number(spans, column, row); };
}
ColumnReader String(const uint32_t* weft_spans::*column) {
  return
      [column](const weft_spans& spans, uint32_t row) { return String(spans, spans, column, row); };
}
ColumnReader ProcessString(const uint32_t* weft_processes::*column) {
  return [column](const weft_spans& spans, uint32_t process) {
    return String(spans, *spans.processes, column, process);
  };
}

const ColumnReader* Find(const Readers& readers, std::string_view key) {
  const auto it = readers.find(key);
  return it == readers.end() ? nullptr : &it->second;
}

}  // namespace

const ColumnReader* FindColumn(std::string_view key) {
  static const Readers columns = {
      {"network.local.address", String(&weft_spans::local_address)},
      {"network.local.port", Number(&weft_spans::local_port)},
      {"network.peer.address", String(&weft_spans::remote_address)},
      {"network.peer.port", Number(&weft_spans::remote_port)},
      {"thread.id", Number(&weft_spans::request_tid)},
      {"weft.response_thread.id", Number(&weft_spans::response_tid)},
      {"weft.fd", Number(&weft_spans::fd)},
      {"weft.request.bytes", Number(&weft_spans::request_bytes)},
      {"weft.response.bytes", Number(&weft_spans::response_bytes)},
      {"weft.flags", Number(&weft_spans::flags)},
      {"weft.link.evidence", Number(&weft_spans::evidence)},
  };
  return Find(columns, key);
}

const ColumnReader* FindProcessColumn(std::string_view key) {
  static const Readers columns = {
      {"service.name", ProcessString(&weft_processes::service)},
      {"host.name", ProcessString(&weft_processes::host)},
      {"process.executable.path", ProcessString(&weft_processes::executable)},
      {"process.pid",
       [](const weft_spans& spans, uint32_t process) {
         return Number(*spans.processes, &weft_processes::pid, process);
       }},
  };
  return Find(columns, key);
}

}  // namespace weft::tail
