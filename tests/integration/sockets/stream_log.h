// StreamLog: one direction at one end of a connection: what the program says that it moved, and
// whether the captured records say the same. One thread.
//
// Strict: every byte in a record, every captured byte the right one, by the right thread and
// descriptor, at the right time, and nothing else. A send may announce more than was taken as long
// as a later record begins where the taken bytes ended.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/sockets/actor_protocol.h"
#include "tests/integration/sockets/capture.h"

namespace weft::test {

class StreamLog {
 public:
  explicit StreamLog(uint32_t salt) : salt_(salt) {}

  // A call that succeeded; it moved reply.result bytes. `since_ns`: when the first refused attempt
  // of it began, if one did.
  void Add(const actor_reply& reply, int fd, uint64_t since_ns = 0);
  uint64_t bytes() const { return bytes_; }
  uint32_t salt() const { return salt_; }

  // `records`: of this direction and connection, in ring order. Empty, or what is wrong.
  std::string Compare(const std::vector<CapturedRecord>& records) const;

 private:
  struct Moved {
    uint64_t begin, end;
    uint64_t begin_ns, end_ns;
    uint32_t pid, tid;
    int fd;
  };
  std::string CompareOne(const CapturedRecord& record, uint64_t begin) const;

  uint32_t salt_;
  uint64_t bytes_ = 0;
  std::vector<Moved> moved_;
};

// Those of one connection and direction.
std::vector<CapturedRecord> Select(const std::vector<CapturedRecord>& records, uint64_t cookie,
                                   weft_record_type type);

// Of the connection with these ports whose latest record is the latest; 0: none.
uint64_t CookieOf(const std::vector<CapturedRecord>& records, uint16_t local_port,
                  uint16_t remote_port);

}  // namespace weft::test
