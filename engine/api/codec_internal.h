// What the codec's sources share: building one flat message, opening one, reading a column in
// place.
//
// For engine/api/*_codec.cc only: everybody else uses codec.h and never sees Cap'n Proto.
#pragma once

#include <bit>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include "engine/api/codec.h"
#include "engine/api/event.capnp.h"
#include "engine/base/check.h"

namespace weft::api {

static_assert(std::endian::native == std::endian::little, "columns are read in place");

constexpr size_t Words(size_t bytes) { return (bytes + 7) / 8; }
constexpr size_t kSlackWords = 96;  // structs and pointers of the largest root, its tables included

// A list costs its words; a text one more byte.
template <typename T>
size_t ListWords(const std::vector<T>& v) {
  return Words(v.size() * sizeof(T));
}

// One segment: the segment table is "0 further segments, this many words".
inline void FinishMessage(capnp::FlatMessageBuilder& message, Payload* payload) {
  const size_t used = message.getSegmentsForOutput()[0].size();
  const uint32_t table[2] = {0, static_cast<uint32_t>(used)};
  std::memcpy(payload->data(), table, sizeof table);
  payload->Truncate((used + 1) * 8);
}

// Builds a message with root Root in place: `fill(root)` writes at most `words` words of lists.
template <typename Root, typename Fill>
PayloadPtr BuildMessage(size_t words, Fill&& fill) {
  const size_t capacity = words + kSlackWords;
  auto payload = std::make_shared<Payload>((capacity + 1) * 8);
  auto* begin = reinterpret_cast<capnp::word*>(payload->data());
  capnp::FlatMessageBuilder message(kj::arrayPtr(begin + 1, begin + 1 + capacity));
  fill(message.template initRoot<Root>());
  FinishMessage(message, payload.get());
  return payload;
}

// Zeroes a struct that was made on memory which was not. Its pointers follow its data.
template <typename Builder>
Builder Fresh(Builder made) {
  capnp::AnyStruct::Builder any{Builder(made)};
  auto data = any.getDataSection();
  std::memset(data.begin(), 0, data.size() + any.getPointerSection().size() * 8);
  return made;
}
// Of a list or text of so many bytes.
inline void ClearLastWord(kj::byte* begin, size_t bytes) {
  if (bytes % 8 != 0) std::memset(begin + bytes / 8 * 8, 0, 8);
}
// Where a freshly made list has its n values; the last word is zero.
template <typename T, typename List>
T* ListData(List list, size_t n) {
  const auto raw = capnp::AnyList::Reader(list.asReader()).getRawBytes();
  WEFT_CHECK(raw.size() == n * sizeof(T));
  auto* const begin = const_cast<kj::byte*>(raw.begin());
  ClearLastWord(begin, raw.size());
  return reinterpret_cast<T*>(begin);
}

// The same on memory that is not zeroed, for large batches. Requires: every struct is made with
// Fresh(), every list with FillList or FillData, and nothing is made twice.
template <typename Root, typename Fill>
PayloadPtr BuildBatch(size_t words, Fill&& fill) {
  const size_t capacity = words + kSlackWords;
  auto payload = std::make_shared<Payload>(Payload::Unwritten{}, (capacity + 1) * 8);
  auto* begin = reinterpret_cast<capnp::word*>(payload->data());
  std::memset(begin, 0, 2 * sizeof(capnp::word));  // the segment table and the root's pointer
  capnp::FlatMessageBuilder message(kj::arrayPtr(begin + 1, begin + 1 + capacity));
  fill(Fresh(message.template initRoot<Root>()));
  FinishMessage(message, payload.get());
  return payload;
}

inline bool AllZero(const void* data, size_t bytes) {
  const char* const at = static_cast<const char*>(data);
  return bytes == 0 || (*at == 0 && std::memcmp(at, at + 1, bytes - 1) == 0);
}

// Copies a vector into a freshly made list of the same element type.
template <typename List, typename T>
void FillList(List list, const T* from, size_t n) {
  if (n == 0) return;
  std::memcpy(ListData<T>(list, n), from, n * sizeof(T));
}
template <typename Data>
void FillData(Data data, std::string_view from) {
  if (from.empty()) return;
  ClearLastWord(data.begin(), from.size());
  std::memcpy(data.begin(), from.data(), from.size());
}

// Opens a message and runs `read(root)` -> Result<T>; what the library throws becomes kCorrupt.
template <typename Root, typename T, typename Read>
Result<T> ReadMessage(const Payload& payload, std::string_view name, Read&& read) {
  const std::string_view bytes = payload.bytes();
  if (bytes.size() > kMaxRecordBytes || bytes.size() % 8 != 0 || bytes.empty())
    return Context(Error{Code::kCorrupt, "record of " + std::to_string(bytes.size()) + " bytes"},
                   name);
  try {
    const auto* begin = reinterpret_cast<const capnp::word*>(bytes.data());
    capnp::ReaderOptions options;
    // Every list is visited once, and the one that tells the number of rows twice: an honest
    // message costs less than twice its size. Crafted ones that point at one list many times stop
    // here.
    options.traversalLimitInWords = 2 * (bytes.size() / 8) + 1024;
    options.nestingLimit = 8;
    capnp::FlatArrayMessageReader reader(kj::arrayPtr(begin, begin + bytes.size() / 8), options);
    Result<T> result = read(reader.getRoot<Root>());
    if (!result) return Context(std::move(result.error()), name);
    return result;
  } catch (const kj::Exception& e) {
    return Context(Error{Code::kCorrupt, e.getDescription().cStr()}, name);
  } catch (const std::exception& e) {
    return Context(Error{Code::kCorrupt, e.what()}, name);
  }
}

inline std::unexpected<Error> Corrupt(std::string_view what) {
  return Fail(Code::kCorrupt, std::string(what));
}

// Borrows a list of fixed-width values: sets *out and *size. A list whose stored element size is
// not the column's (Cap'n Proto lets a list of structs stand in) is refused.
template <typename T, typename List>
bool Borrow(List list, const T** out, size_t* size) {
  *size = list.size();
  *out = nullptr;
  if (*size == 0) return true;
  const auto raw = capnp::AnyList::Reader(list).getRawBytes();
  if (raw.size() != *size * sizeof(T)) return false;
  *out = reinterpret_cast<const T*>(raw.begin());
  return true;
}

// A column of a batch of n rows that is either empty or n long, copied; empty becomes zeros.
template <typename T, typename List>
bool CopyColumn(List list, size_t n, std::vector<T>* out) {
  const T* data = nullptr;
  size_t size = 0;
  if (!Borrow(list, &data, &size) || (size != 0 && size != n)) return false;
  if (size == 0) {
    out->assign(n, T{});
  } else {
    out->assign(data, data + n);
  }
  return true;
}

inline kj::ArrayPtr<const kj::byte> Bytes(std::string_view s) {
  return kj::arrayPtr(reinterpret_cast<const kj::byte*>(s.data()), s.size());
}
inline std::string_view Chars(capnp::Data::Reader d) {
  return {reinterpret_cast<const char*>(d.begin()), d.size()};
}
inline std::string Copy(capnp::Text::Reader t) { return {t.cStr(), t.size()}; }
inline capnp::Text::Reader TextOf(const std::string& s) {
  return capnp::Text::Reader(s.c_str(), s.size());
}

// A dictionary. Decoded: views into the message.
size_t DictionaryWords(const Dictionary& d);
void FillDictionary(wire::Strings::Builder out, const Dictionary& d);
Result<void> ReadDictionary(wire::Strings::Reader in, std::vector<weft_str>* out);

Result<void> ReadSpanColumns(wire::SpanColumns::Reader in, SpanView* view);

void FillProcesses(wire::Processes::Builder out, const ProcessTable& from);
Result<void> ReadProcesses(wire::Processes::Reader in, size_t strings, size_t pairs,
                           weft_processes* out);

// How a column goes into a message, in `words` words of data.
struct ColumnPlan {
  uint64_t base = 0;
  uint8_t width = 0;
  bool present = false;
  size_t words = 0;
};
// How a table goes into packed columns, in at most `words` words.
struct EventPlan {
  bool span_ids_follow = false, services_follow = false, trace_lows_follow = false;
  std::vector<uint64_t> durations;
  std::vector<ColumnPlan> columns;  // in the order of the message
  size_t words = 0;
};
EventPlan PlanEventColumns(const SpanTable& spans);
void FillEventColumns(wire::EventColumns::Builder out, const SpanTable& spans,
                      const EventPlan& plan);
Result<void> ReadEventColumns(wire::EventColumns::Reader in, EventColumns* out);

}  // namespace weft::api
