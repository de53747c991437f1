#include "tests/integration/sockets/random_program.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

namespace weft::test {
namespace {

constexpr actor_call kSends[] = {CALL_WRITE,    CALL_WRITEV,   CALL_SENDTO,   CALL_SENDMSG,
                                 CALL_SENDMMSG, CALL_SENDFILE, CALL_SPLICE_TO};
constexpr actor_call kReceives[] = {CALL_READ, CALL_READV, CALL_RECVFROM, CALL_RECVMSG,
                                    CALL_RECVMMSG};
constexpr int kLanes = 3;  // the main thread and two more
constexpr size_t kMaxDescriptors = 3;

}  // namespace

RandomProgram::RandomProgram(uint64_t seed, Actor& client, Actor& server, SocketKind kind,
                             Actor::Listening listening)
    : random_(seed),
      client_(client),
      server_(server),
      kind_(kind),
      listening_(std::move(listening)),
      connections_(kConnections) {
  for (int lane = 1; lane < kLanes; lane++) {
    client_.StartThread(lane);
    server_.StartThread(lane);
  }
}

// Mostly small, now and then more than any buffer holds.
uint32_t RandomProgram::PickLength() {
  switch (Pick(8)) {
    case 0: return 1 + Pick(4);
    case 1: return 1 + Pick(60'000);
    case 2: return Pick(4) == 0 ? 1 + Pick(400'000) : 1 + Pick(9000);
    default: return 1 + Pick(1500);
  }
}

void RandomProgram::Open(Connection& connection) {
  End& a = connection.ends[0];
  End& b = connection.ends[1];
  a = {.actor = &client_, .fds = {client_.Socket(kind_)}};
  if (Pick(2) == 0) client_.Option(a.fds[0], SOL_SOCKET, SO_SNDBUF, 8192);
  const uint16_t port = client_.Connect(a.fds[0], kind_, listening_);
  b = {.actor = &server_, .fds = {server_.Accept(listening_.fd)}};
  client_.Nonblocking(a.fds[0], true);
  server_.Nonblocking(b.fds[0], true);
  a.sends = b.receives = streams_.size();
  streams_.push_back({port, listening_.port, StreamLog(next_salt_), StreamLog(next_salt_)});
  next_salt_++;
  b.sends = a.receives = streams_.size();
  streams_.push_back({listening_.port, port, StreamLog(next_salt_), StreamLog(next_salt_)});
  next_salt_++;
}

bool RandomProgram::Send(End& end) {
  StreamLog& log = streams_[end.sends].sent;
  const int fd = end.fds[Pick(static_cast<uint32_t>(end.fds.size()))];
  actor_command command =
      Move(kSends[Pick(std::size(kSends))], fd, PickLength(), log.salt(), log.bytes());
  command.buffers = 1 + Pick(ACTOR_MAX_BUFFERS);
  command.length = std::max(command.length, command.buffers);
  command.memory = Pick(4) == 0 ? 1 + Pick(2) : uint32_t{MEMORY_TOUCHED};
  const actor_reply reply = end.actor->Do(command, static_cast<int>(Pick(kLanes)));
  calls_++;
  if (reply.result < 0) {
    EXPECT_EQ(reply.error, EAGAIN) << strerror(reply.error);
    if (end.refused_ns == 0) end.refused_ns = reply.begin_ns;
    return false;
  }
  log.Add(reply, fd, std::exchange(end.refused_ns, 0));
  // The rest was refused.
  if (reply.result < command.length) end.refused_ns = reply.begin_ns;
  return true;
}

bool RandomProgram::Receive(End& end, uint32_t at_least) {
  StreamLog& log = streams_[end.receives].received;
  const int fd = end.fds[Pick(static_cast<uint32_t>(end.fds.size()))];
  actor_command command = Move(kReceives[Pick(std::size(kReceives))], fd,
                               std::max(PickLength(), at_least), log.salt(), log.bytes());
  command.buffers = 1 + Pick(ACTOR_MAX_BUFFERS);
  command.length = std::max(command.length, command.buffers);
  command.memory = Pick(4) == 0 ? 1 + Pick(2) : uint32_t{MEMORY_TOUCHED};
  const auto lane = static_cast<int>(Pick(kLanes));
  if (Pick(6) == 0 && (command.call == CALL_RECVFROM || command.call == CALL_RECVMSG)) {
    command.flags = MSG_PEEK;
    end.actor->Do(command, lane);
    command.flags = 0;
  }
  const actor_reply reply = end.actor->Do(command, lane);
  calls_++;
  EXPECT_EQ(reply.wrong_at, -1);
  if (reply.result < 0) {
    EXPECT_EQ(reply.error, EAGAIN) << strerror(reply.error);
  }
  log.Add(reply, fd);
  return reply.result > 0;
}

void RandomProgram::Duplicate(End& end) {
  if (end.fds.size() >= kMaxDescriptors) {
    end.actor->Close(end.fds.back());
    end.fds.pop_back();
    return;
  }
  actor_command command = Move(CALL_WRITE, end.fds[0], 0, 0, 0);
  command.operation = ACTOR_DUP;
  // Out of the way of the numbers that the actor's own files get.
  command.other = 200 + end.fds[0] * 4 + static_cast<int>(end.fds.size());
  end.fds.push_back(static_cast<int>(end.actor->Must(command)));
}

void RandomProgram::ReadToTheEnd(End& end) {
  const Stream& stream = streams_[end.receives];
  while (stream.received.bytes() < stream.sent.bytes()) {
    end.actor->WaitFor(end.fds[0], POLLIN);
    if (!Receive(end, 100'000) && testing::Test::HasFailure()) return;
  }
}

// One end says that it is done while its last bytes are unread.
void RandomProgram::Close(Connection& connection) {
  for (size_t i = 0; i < 2; i++) {
    End& done = connection.ends[i];
    End& other = connection.ends[1 - i];
    Send(done);
    actor_command shutdown = Move(CALL_WRITE, done.fds[0], 0, 0, 0);
    shutdown.operation = ACTOR_SHUTDOWN;
    shutdown.flags = SHUT_WR;
    done.actor->Must(shutdown);
    ReadToTheEnd(other);
  }
  for (End& end : connection.ends)
    for (const int fd : std::exchange(end.fds, {})) end.actor->Close(fd);
}

void RandomProgram::Step() {
  Connection& connection = connections_[Pick(kConnections)];
  if (connection.ends[0].fds.empty()) Open(connection);
  End& end = connection.ends[Pick(2)];
  switch (Pick(100)) {
    case 0: Close(connection); break;
    case 1:
    case 2: Duplicate(end); break;
    default: Pick(2) == 0 ? Send(end) : Receive(end); break;
  }
}

void RandomProgram::Run(int operations) {
  for (int i = 0; i < operations && !testing::Test::HasFailure(); i++) Step();
  for (Connection& connection : connections_)
    if (!connection.ends[0].fds.empty()) Close(connection);
}

}  // namespace weft::test
