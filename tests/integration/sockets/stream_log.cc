#include "tests/integration/sockets/stream_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "sources/ebpf/stream.h"

namespace weft::test {

void StreamLog::Add(const actor_reply& reply, int fd, uint64_t since_ns) {
  if (reply.result <= 0) return;
  const auto bytes = static_cast<uint64_t>(reply.result);
  moved_.push_back({bytes_, bytes_ + bytes, since_ns != 0 ? since_ns : reply.begin_ns, reply.end_ns,
                    reply.pid, reply.tid, fd});
  bytes_ += bytes;
}

std::string StreamLog::CompareOne(const CapturedRecord& record, uint64_t begin) const {
  const weft_data& data = record.data;
  const auto moved = std::ranges::find_if(
      moved_, [&](const Moved& m) { return begin >= m.begin && begin < m.end; });
  if (moved == moved_.end()) return fmt::format("a record at {}, where nothing moved", begin);
  const std::string at = fmt::format("record of {} bytes at {}: ", data.length, begin);
  if (data.pid != moved->pid || data.tid != moved->tid)
    return at + fmt::format("thread {}/{}, not {}/{}", data.pid, data.tid, moved->pid, moved->tid);
  if (data.fd != -1 && data.fd != moved->fd)
    return at + fmt::format("descriptor {}, not {}", data.fd, moved->fd);
  if (data.time_ns < moved->begin_ns || data.time_ns > moved->end_ns)
    return at +
           fmt::format("time {} is not in {} to {}", data.time_ns, moved->begin_ns, moved->end_ns);
  if (data.type == WEFT_RECORD_RECEIVE && begin + data.length > moved->end)
    return at + fmt::format("only {} were received", moved->end - begin);
  const bool marked = (data.flags & (WEFT_DATA_NO_BUFFER | WEFT_DATA_UNREADABLE)) != 0;
  if (record.payload.empty() && !marked) return at + "no content and no mark that says so";
  for (size_t i = 0; i < record.payload.size(); i++)
    if (static_cast<uint8_t>(record.payload[i]) != actor_pattern(salt_, begin + i))
      return at + fmt::format("byte {} of {} is another", i, record.payload.size());
  return "";
}

std::string StreamLog::Compare(const std::vector<CapturedRecord>& records) const {
  if (bytes_ == 0) return records.empty() ? "" : "records, but nothing moved";
  if (records.empty()) return fmt::format("no record of {} bytes", bytes_);
  const uint32_t base = records[0].data.seq;
  uint64_t covered = 0;
  ebpf::Stream stream;
  for (const CapturedRecord& record : records) {
    const uint64_t begin = record.data.seq - base;
    if (std::string wrong = CompareOne(record, begin); !wrong.empty()) return wrong;
    if (begin > covered) return fmt::format("bytes {} to {} are in no record", covered, begin);
    covered = std::max(covered, begin + record.data.length);
    if (stream.Place(record.data.seq, record.data.length).missing != 0)
      return fmt::format("the stream misses bytes before {}", begin);
  }
  for (const Moved& moved : moved_) {
    const bool has_record = std::ranges::any_of(
        records, [&](const CapturedRecord& r) { return r.data.seq - base == moved.begin; });
    if (!has_record)
      return fmt::format("no record of the call that moved {} bytes at {}", moved.end - moved.begin,
                         moved.begin);
  }
  if (covered < bytes_) return fmt::format("{} of {} bytes are in records", covered, bytes_);
  return "";
}

std::vector<CapturedRecord> Select(const std::vector<CapturedRecord>& records, uint64_t cookie,
                                   weft_record_type type) {
  std::vector<CapturedRecord> selected;
  for (const CapturedRecord& record : records)
    if (record.connection.cookie == cookie && record.data.type == type) selected.push_back(record);
  return selected;
}

uint64_t CookieOf(const std::vector<CapturedRecord>& records, uint16_t local_port,
                  uint16_t remote_port) {
  for (size_t i = records.size(); i-- > 0;) {
    const weft_connection& c = records[i].connection;
    if (c.local_port == local_port && c.remote_port == remote_port) return c.cookie;
  }
  return 0;
}

}  // namespace weft::test
