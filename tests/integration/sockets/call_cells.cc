#include "tests/integration/sockets/call_cells.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "sources/ebpf/stream.h"

namespace weft::test {
namespace {

constexpr uint32_t kSmall = 300;
constexpr uint32_t kVector = 1200;
constexpr uint32_t kLarge = 256u << 10;
constexpr int kRefusals = 3;

bool Receives(actor_call call) { return call >= CALL_READ; }

bool HasFlags(actor_call call) {
  return call == CALL_RECVFROM || call == CALL_RECVMSG || call == CALL_RECVMMSG ||
         call == CALL_URING_RECV;
}

bool HasVector(actor_call call) {
  return call == CALL_WRITEV || call == CALL_SENDMSG || call == CALL_SENDMMSG ||
         call == CALL_ZEROCOPY_SEND || call == CALL_READV || call == CALL_RECVMSG ||
         call == CALL_RECVMMSG;
}

bool HasUserMemory(actor_call call) {
  return call != CALL_SENDFILE && call != CALL_SPLICE_TO && call != CALL_SPLICE_FROM;
}

// io_uring does not look at the descriptor's O_NONBLOCK.
actor_command Nowait(actor_command command) {
  if (command.call == CALL_URING_SEND || command.call == CALL_URING_RECV)
    command.flags |= MSG_DONTWAIT;
  return command;
}

}  // namespace

CallCells::CallCells(Capture& capture, Actor& acting, Actor& peer, SocketKind kind,
                     Actor::Listening listening)
    : capture_(capture),
      acting_(acting),
      peer_(peer),
      kind_(kind),
      listening_(std::move(listening)) {}

bool CallCells::Applies(actor_call call, Condition condition, const SocketKind& kind) {
  if (kind.family == AF_UNIX && (call == CALL_ZEROCOPY_SEND || call == CALL_ZEROCOPY_RECEIVE))
    return false;
  if (call == CALL_FAST_OPEN) return false;
  if (call == CALL_ZEROCOPY_RECEIVE && condition != Condition::kPlain &&
      condition != Condition::kRefused && condition != Condition::kCold)
    return false;
  switch (condition) {
    case Condition::kPeek: return HasFlags(call);
    case Condition::kTruncated: return HasFlags(call) && kind.family != AF_UNIX;
    case Condition::kSeveral:
    case Condition::kMany: return HasVector(call);
    case Condition::kCold:
    case Condition::kColdTail: return HasUserMemory(call);
    default: return true;
  }
}

CellResult CallCells::Run(actor_call call, Condition condition) {
  if (!Applies(call, condition, kind_)) return {};
  salt_++;
  acted_ = peered_ = 0;
  moved_.clear();
  capture_.Take();
  Open(!Receives(call));
  if (Receives(call)) {
    RunReceive(call, condition);
  } else {
    RunSend(call, condition);
  }
  CellResult result = Judge(Receives(call));
  CloseBoth();
  return result;
}

void CallCells::Open(bool small) {
  fd_ = acting_.Socket(kind_);
  if (small) acting_.Option(fd_, SOL_SOCKET, SO_SNDBUF, kWindow);
  port_ = acting_.Connect(fd_, kind_, listening_);
  peer_fd_ = peer_.Accept(listening_.fd);
}

void CallCells::CloseBoth() {
  acting_.Close(fd_);
  peer_.Close(peer_fd_);
}

actor_command CallCells::Under(actor_call call, uint32_t length) const {
  return Move(call, fd_, length, salt_, acted_);
}

bool CallCells::Log(const actor_reply& reply, uint64_t begin_ns) {
  EXPECT_EQ(reply.wrong_at, -1) << "the actor received other bytes than were sent";
  tid_ = reply.tid;
  if (reply.result <= 0) return false;
  moved_.push_back({acted_, static_cast<uint64_t>(reply.result),
                    begin_ns != 0 ? begin_ns : reply.begin_ns, reply.end_ns});
  acted_ += static_cast<uint64_t>(reply.result);
  return true;
}

// A plain call of the acting end that is not under test.
void CallCells::Mark(actor_call call) {
  const actor_reply reply = acting_.Do(Under(call, kMark));
  EXPECT_EQ(reply.result, int64_t{kMark});
  EXPECT_EQ(reply.wrong_at, -1);
  acted_ += kMark;
}

void CallCells::PeerWrites(uint32_t bytes) {
  EXPECT_EQ(peer_.Must(Move(CALL_WRITE, peer_fd_, bytes, salt_, peered_)), int64_t{bytes});
  peered_ += bytes;
}

void CallCells::PeerReads(uint64_t bytes) {
  while (bytes != 0) {
    const auto n = static_cast<uint32_t>(std::min<uint64_t>(bytes, kLarge));
    const actor_reply reply = peer_.Do(Move(CALL_READ, peer_fd_, n, salt_, peered_));
    ASSERT_GT(reply.result, 0);
    ASSERT_EQ(reply.wrong_at, -1);
    peered_ += static_cast<uint64_t>(reply.result);
    bytes -= static_cast<uint64_t>(reply.result);
  }
}

void CallCells::SendBlocked(const actor_command& command) {
  acting_.Start(command);
  acting_.WaitUntilBlocked(acting_.pid());
  peer_.Nonblocking(peer_fd_, true);
  while (!acting_.Answered()) {
    const actor_reply reply = peer_.Do(Move(CALL_READ, peer_fd_, kLarge, salt_, peered_));
    EXPECT_EQ(reply.wrong_at, -1);
    if (reply.result > 0) peered_ += static_cast<uint64_t>(reply.result);
  }
  peer_.Nonblocking(peer_fd_, false);
  Log(acting_.Finish());
}

// Returns when the first refused call began.
uint64_t CallCells::FillUntilRefused() {
  for (;;) {
    const actor_reply reply = acting_.Do(Under(CALL_WRITE, kLarge));
    if (reply.result < 0) {
      EXPECT_EQ(reply.error, EAGAIN);
      return reply.begin_ns;
    }
    acted_ += static_cast<uint64_t>(reply.result);
  }
}

void CallCells::RunSend(actor_call call, Condition condition) {
  if (call == CALL_ZEROCOPY_SEND) acting_.Option(fd_, SOL_SOCKET, SO_ZEROCOPY, 1);
  Mark(CALL_WRITE);
  actor_command command = Under(call, kSmall);
  uint64_t refused_ns = 0;
  switch (condition) {
    case Condition::kBlocking:
      command.length = kLarge;
      SendBlocked(command);
      break;
    case Condition::kRefused:
      acting_.Nonblocking(fd_, true);
      refused_ns = FillUntilRefused();
      // What is on its way to the peer may still make room.
      for (int refused = 0; refused < kRefusals;) {
        const actor_reply reply = acting_.Do(Nowait(Under(call, kSmall)));
        EXPECT_TRUE(reply.result > 0 || reply.error == EAGAIN) << reply.error;
        if (!Log(reply, refused_ns)) refused++;
      }
      PeerReads(acted_);
      acting_.WaitFor(fd_, POLLOUT);
      EXPECT_TRUE(Log(acting_.Do(Nowait(Under(call, kSmall))), refused_ns));
      break;
    case Condition::kPartial:
      acting_.Nonblocking(fd_, true);
      command.length = kLarge;
      EXPECT_TRUE(Log(acting_.Do(Nowait(command))));
      EXPECT_LT(moved_.back().bytes, kLarge);
      break;
    case Condition::kSeveral:
    case Condition::kMany:
      command.length = kVector;
      command.buffers = condition == Condition::kMany ? 8 : 4;
      EXPECT_TRUE(Log(acting_.Do(command)));
      break;
    case Condition::kCold:
      command.memory = MEMORY_COLD;
      EXPECT_TRUE(Log(acting_.Do(command)));
      break;
    case Condition::kColdTail:
      command.memory = MEMORY_COLD_TAIL;
      EXPECT_TRUE(Log(acting_.Do(command)));
      break;
    default: EXPECT_TRUE(Log(acting_.Do(command))); break;
  }
  PeerReads(acted_ - peered_);
  if (condition == Condition::kPartial || condition == Condition::kRefused) {
    acting_.WaitFor(fd_, POLLOUT);
    acting_.Nonblocking(fd_, false);
  }
  Mark(CALL_WRITE);
  PeerReads(kMark);
}

void CallCells::RunReceive(actor_call call, Condition condition) {
  PeerWrites(kMark);
  Mark(CALL_READ);
  actor_command command = Under(call, kSmall);
  if (condition == Condition::kBlocking) {
    acting_.Start(command);
    acting_.WaitUntilBlocked(acting_.pid());
    PeerWrites(kSmall);
    EXPECT_TRUE(Log(acting_.Finish()));
  } else {
    if (condition == Condition::kRefused) {
      acting_.Nonblocking(fd_, true);
      for (int i = 0; i < kRefusals; i++) {
        const actor_reply reply = acting_.Do(Nowait(command));
        EXPECT_TRUE(reply.result < 0 && reply.error == EAGAIN) << reply.result;
      }
    }
    PeerWrites(condition == Condition::kSeveral || condition == Condition::kMany ? kVector
                                                                                 : kSmall);
    acting_.WaitFor(fd_, POLLIN);
    switch (condition) {
      case Condition::kPartial:
        command.length = 100;
        EXPECT_TRUE(Log(acting_.Do(command)));
        break;
      case Condition::kPeek:
        command.flags = MSG_PEEK;
        EXPECT_EQ(acting_.Do(command).result, int64_t{kSmall});
        break;
      case Condition::kTruncated: command.flags = MSG_TRUNC; break;
      case Condition::kSeveral: command.buffers = 4; break;
      case Condition::kMany: command.buffers = 8; break;
      case Condition::kCold: command.memory = MEMORY_COLD; break;
      case Condition::kColdTail: command.memory = MEMORY_COLD_TAIL; break;
      default: break;
    }
    if (condition == Condition::kPeek) command.flags = 0;
    command.position = acted_;
    // More than there is, so that the call returns less than it was asked for.
    if (command.buffers == 1) command.length = 4096;
    if (command.buffers > 1) command.length = kVector;
    EXPECT_TRUE(Log(acting_.Do(command)));
  }
  acting_.Nonblocking(fd_, false);
  EXPECT_EQ(acted_, peered_);
  PeerWrites(kMark);
  Mark(CALL_READ);
}

void CallCells::Wrong(CellResult* result, const std::string& text) const {
  result->outcome = Outcome::kWrong;
  if (!result->wrong.empty()) result->wrong += "; ";
  result->wrong += text;
}

// A Unix stream has no numbers of its own: what the programs did not see moves nothing.
bool CallCells::NothingOfTheCalls(const std::vector<CapturedRecord>& records) const {
  uint64_t seen = 0, moved = 0;
  for (const CapturedRecord& record : records) seen += record.data.length;
  for (const Moved& m : moved_) moved += m.bytes;
  return seen == acted_ - moved;
}

CellResult CallCells::Judge(bool receives) {
  CellResult result{.outcome = Outcome::kSeen, .wrong = {}};
  std::vector<CapturedRecord> records = capture_.Take();
  const uint8_t type = receives ? WEFT_RECORD_RECEIVE : WEFT_RECORD_SEND;
  std::erase_if(records, [&](const CapturedRecord& r) {
    return r.data.pid != acting_.pid() || r.data.type != type;
  });
  if (records.empty()) {
    Wrong(&result, "nothing was captured, not even the plain calls");
    return result;
  }
  base_ = records[0].data.seq;
  ebpf::Stream stream;
  uint64_t missing = 0;
  for (const CapturedRecord& r : records) {
    missing += stream.Place(r.data.seq, r.data.length).missing;
    if (r.connection.cookie != records[0].connection.cookie)
      Wrong(&result, "records of another connection");
    if (kind_.family != AF_UNIX &&
        (r.connection.remote_port != listening_.port || r.connection.local_port != port_))
      Wrong(&result, "ports of another connection");
  }
  if (kind_.family == AF_UNIX && NothingOfTheCalls(records)) {
    result.outcome = Outcome::kUnseen;
    return result;
  }
  uint64_t expected_missing = 0;
  for (const Moved& moved : moved_) {
    uint64_t covered = moved.begin;
    for (const CapturedRecord& r : records) {
      const uint64_t begin = r.data.seq - base_;
      if (begin < moved.begin || begin >= moved.begin + moved.bytes) continue;
      if (begin > covered)
        Wrong(&result, fmt::format("bytes {} to {} are in no record", covered, begin));
      covered = std::max(covered, begin + r.data.length);
      JudgeRecord(r, moved, covered >= moved.begin + moved.bytes, &result);
    }
    if (covered == moved.begin) {
      expected_missing += moved.bytes;
    } else if (covered < moved.begin + moved.bytes) {
      Wrong(&result,
            fmt::format("{} of {} bytes are in records", covered - moved.begin, moved.bytes));
    }
  }
  if (missing != expected_missing)
    Wrong(&result,
          fmt::format("{} bytes missing in the stream, not {}", missing, expected_missing));
  if (expected_missing != 0 && result.outcome != Outcome::kWrong) result.outcome = Outcome::kHole;
  return result;
}

void CallCells::JudgeRecord(const CapturedRecord& record, const Moved& moved, bool last,
                            CellResult* result) {
  const weft_data& data = record.data;
  const uint64_t begin = data.seq - base_;
  const uint64_t end = moved.begin + moved.bytes;
  if (begin + data.length > end) {
    // A send may announce more than was taken; a receive knows.
    if (data.type == WEFT_RECORD_RECEIVE || !last)
      Wrong(result, fmt::format("a record of {} bytes, but {} moved", data.length, moved.bytes));
    result->announced = true;
  }
  if (data.time_ns < moved.begin_ns || data.time_ns > moved.end_ns)
    Wrong(result, fmt::format("time is off by {} ns", data.time_ns < moved.begin_ns
                                                          ? moved.begin_ns - data.time_ns
                                                          : data.time_ns - moved.end_ns));
  if (data.tid != tid_) Wrong(result, fmt::format("tid {}, not {}", data.tid, tid_));
  if (data.fd == -1) {
    result->fd_known = false;
  } else if (data.fd != fd_) {
    Wrong(result, fmt::format("fd {}, not {}", data.fd, fd_));
  }
  for (size_t i = 0; i < record.payload.size(); i++) {
    if (static_cast<uint8_t>(record.payload[i]) == actor_pattern(salt_, begin + i)) continue;
    Wrong(result, fmt::format("byte {} of {} at {} is another", i, record.payload.size(), begin));
    return;
  }
  const uint64_t wanted = std::min<uint64_t>({data.length, WEFT_CAPTURE_MOST, end - begin});
  const bool marked = (data.flags & (WEFT_DATA_NO_BUFFER | WEFT_DATA_UNREADABLE)) != 0;
  if (result->outcome == Outcome::kWrong) return;
  if (record.payload.empty()) {
    result->outcome = Outcome::kNoContent;
    if (!marked) Wrong(result, "no content, and no mark that says so");
  } else if (record.payload.size() < wanted && result->outcome == Outcome::kSeen) {
    result->outcome = Outcome::kPrefix;
  }
}

}  // namespace weft::test
