// CallCells: one call under one condition, done by the actor, and what the kernel programs captured
// of it, judged byte by byte.
//
// Each cell has a connection of its own: a plain write or read of kMark bytes, the calls under
// test, and another kMark bytes behind them, so that whatever was not captured shows as a hole in
// the stream, as the agent would see it. One test thread.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/sockets/actor.h"
#include "tests/integration/sockets/capture.h"

namespace weft::test {

enum class Condition {
  kPlain,      // room and data are there
  kBlocking,   // the call waits
  kRefused,    // EAGAIN three times, then it goes
  kPartial,    // less moves than was asked for
  kPeek,       // MSG_PEEK before it
  kTruncated,  // MSG_TRUNC: thrown away in the kernel
  kSeveral,    // four buffers
  kMany,       // eight buffers
  kCold,       // page not yet touched
  kColdTail,   // the first bytes in a touched page, the others not
};

inline constexpr Condition kConditions[] = {
    Condition::kPlain, Condition::kBlocking,  Condition::kRefused, Condition::kPartial,
    Condition::kPeek,  Condition::kTruncated, Condition::kSeveral, Condition::kMany,
    Condition::kCold,  Condition::kColdTail};

enum class Outcome {
  kNotApplicable,
  kSeen,       // position, length, content up to the limit
  kPrefix,     // less content than the limit, the rest right
  kNoContent,  // position and length, marked that the content could not be read
  kHole,       // no record: the next one shows how many bytes are missing
  kUnseen,     // no record, and nothing shows it
  kWrong,
};

struct CellResult {
  Outcome outcome = Outcome::kNotApplicable;
  bool fd_known = true;
  bool announced = false;  // the last record says more than what moved
  std::string wrong;
};

class CallCells {
 public:
  static constexpr uint32_t kMark = 64;
  static constexpr uint32_t kWindow = 16384;  // of small socket buffers

  // `listening`: by `peer`, with a window of kWindow. References outlive this.
  CallCells(Capture& capture, Actor& acting, Actor& peer, SocketKind kind,
            Actor::Listening listening);

  static bool Applies(actor_call call, Condition condition, const SocketKind& kind);
  CellResult Run(actor_call call, Condition condition);

 private:
  struct Moved {
    uint64_t begin = 0;  // position in the stream
    uint64_t bytes = 0;
    uint64_t begin_ns = 0, end_ns = 0;
  };
  void Open(bool small);
  void CloseBoth();
  void RunSend(actor_call call, Condition condition);
  void RunReceive(actor_call call, Condition condition);
  void SendBlocked(const actor_command& command);
  uint64_t FillUntilRefused();
  // Adds the call to moved_; false: it moved nothing.
  bool Log(const actor_reply& reply, uint64_t begin_ns = 0);
  actor_command Under(actor_call call, uint32_t length) const;
  void PeerReads(uint64_t bytes);
  void PeerWrites(uint32_t bytes);
  void Mark(actor_call call);
  CellResult Judge(bool receives);
  bool NothingOfTheCalls(const std::vector<CapturedRecord>& records) const;
  void JudgeRecord(const CapturedRecord& record, const Moved& moved, bool last, CellResult* result);
  void Wrong(CellResult* result, const std::string& text) const;

  Capture& capture_;
  Actor& acting_;
  Actor& peer_;
  SocketKind kind_;
  Actor::Listening listening_;
  int fd_ = -1, peer_fd_ = -1;
  uint16_t port_ = 0;
  uint32_t salt_ = 0;
  uint32_t tid_ = 0;
  uint64_t acted_ = 0, peered_ = 0;  // bytes that each end has moved in the direction under test
  uint32_t base_ = 0;                // sequence number of the stream's first byte
  std::vector<Moved> moved_;
};

const char* NameOf(actor_call call);
const char* NameOf(Condition condition);
const char* NameOf(Outcome outcome);

}  // namespace weft::test
