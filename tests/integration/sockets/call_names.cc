#include "tests/integration/sockets/call_cells.h"

namespace weft::test {

const char* NameOf(actor_call call) {
  switch (call) {
    case CALL_WRITE: return "write";
    case CALL_WRITEV: return "writev";
    case CALL_SENDTO: return "sendto";
    case CALL_SENDMSG: return "sendmsg";
    case CALL_SENDMMSG: return "sendmmsg";
    case CALL_SENDFILE: return "sendfile";
    case CALL_SPLICE_TO: return "splice to";
    case CALL_URING_SEND: return "io_uring send";
    case CALL_ZEROCOPY_SEND: return "MSG_ZEROCOPY";
    case CALL_FAST_OPEN: return "MSG_FASTOPEN";
    case CALL_READ: return "read";
    case CALL_READV: return "readv";
    case CALL_RECVFROM: return "recvfrom";
    case CALL_RECVMSG: return "recvmsg";
    case CALL_RECVMMSG: return "recvmmsg";
    case CALL_SPLICE_FROM: return "splice from";
    case CALL_URING_RECV: return "io_uring recv";
    case CALL_ZEROCOPY_RECEIVE: return "zero-copy receive";
  }
  return "?";
}

const char* NameOf(Condition condition) {
  switch (condition) {
    case Condition::kPlain: return "plain";
    case Condition::kBlocking: return "blocking";
    case Condition::kRefused: return "EAGAIN";
    case Condition::kPartial: return "partial";
    case Condition::kPeek: return "peek";
    case Condition::kTruncated: return "MSG_TRUNC";
    case Condition::kSeveral: return "4 buffers";
    case Condition::kMany: return "8 buffers";
    case Condition::kCold: return "cold page";
    case Condition::kColdTail: return "cold tail";
  }
  return "?";
}

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNotApplicable: return "n.a.";
    case Outcome::kSeen: return "seen";
    case Outcome::kPrefix: return "prefix";
    case Outcome::kNoContent: return "length";
    case Outcome::kHole: return "hole";
    case Outcome::kUnseen: return "unseen";
    case Outcome::kWrong: return "WRONG";
  }
  return "?";
}

}  // namespace weft::test
