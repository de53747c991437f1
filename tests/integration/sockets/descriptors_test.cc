// Descriptors and sockets as programs pass them about: the stream stays one, and each record says
// which process, thread and descriptor moved its bytes.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sources/ebpf/stream.h"
#include "tests/integration/sockets/socket_fixture.h"

namespace weft::test {
namespace {

int ThreadsInWrite(uint32_t pid) {
  int found = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    int number = -1;  // or "running"
    std::ifstream(task.path() / "syscall") >> number;
    if (number == SYS_write) found++;
  }
  return found;
}

constexpr uint32_t kPairMessages = 100, kPairBytes = 10;

int TalkOverAPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return 1;
  char bytes[kPairBytes] = {};
  iovec part{bytes, sizeof bytes};
  mmsghdr messages[kPairMessages] = {};
  for (mmsghdr& message : messages) {
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
  }
  if (sendmmsg(fds[0], messages, kPairMessages, 0) != int{kPairMessages}) return 2;
  char all[kPairMessages * kPairBytes];
  return recv(fds[1], all, sizeof all, MSG_WAITALL) == ssize_t{sizeof all} ? 0 : 3;
}

// Keeps writing to what O_PATH opened at a Unix socket's path, which the kernel refuses.
class PathWriter {
 public:
  PathWriter() {
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    path_ = open(address_.sun_path, O_PATH | O_CLOEXEC);
    EXPECT_GE(path_, 0);
    thread_ = std::thread([this] {
      while (!stop_) EXPECT_EQ(write(path_, "x", 1), -1);
    });
  }
  ~PathWriter() {
    stop_ = true;
    thread_.join();
    unlink(address_.sun_path);
    close(path_);
    close(socket_);
  }
  PathWriter(const PathWriter&) = delete;
  PathWriter& operator=(const PathWriter&) = delete;

 private:
  sockaddr_un address_ = [] {
    sockaddr_un address{AF_UNIX, {}};
    const std::string path = testing::TempDir() + "weft-path-" + std::to_string(getpid());
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }();
  int socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class Descriptors : public SocketFixture {
 protected:
  static constexpr int kDuplicate = 77;
};

TEST_P(Descriptors, SayWhoIsConnectedToWhom) {
  for (const SocketKind& kind : {SocketKind{"IPv4", AF_INET}, SocketKind{"IPv6", AF_INET6},
                                 SocketKind{"IPv4 in an IPv6 socket", AF_INET6, true}}) {
    SCOPED_TRACE(kind.name);
    Trace(kind);
    Link link = Connect();
    Send(link, 100);
    ServerReads(link, 100);
    const auto& records = Captured();
    ASSERT_GE(records.size(), 2u);
    const weft_connection& sent = records[records.size() - 2].connection;
    const weft_connection& received = records[records.size() - 1].connection;
    const bool ipv6 = kind.family == AF_INET6 && !kind.v4_mapped;
    EXPECT_EQ(sent.family, ipv6 ? WEFT_FAMILY_IPV6 : WEFT_FAMILY_IPV4);
    const std::vector<uint8_t> loopback =
        ipv6 ? std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
             : std::vector<uint8_t>{127, 0, 0, 1};
    EXPECT_TRUE(std::ranges::equal(loopback, std::span(sent.local_address, loopback.size())));
    EXPECT_TRUE(std::ranges::equal(sent.local_address, received.remote_address));
    EXPECT_TRUE(std::ranges::equal(sent.remote_address, received.local_address));
    EXPECT_EQ(sent.local_port, link.client_port);
    EXPECT_EQ(sent.remote_port, listening_.port);
    EXPECT_EQ(received.local_port, listening_.port);
    EXPECT_EQ(received.remote_port, link.client_port);
    EXPECT_EQ(sent.end, WEFT_END_CONNECTED);
    EXPECT_EQ(received.end, WEFT_END_ACCEPTED);
    EXPECT_NE(sent.opened_ns, 0u);
    EXPECT_NE(received.opened_ns, 0u);
    EXPECT_EQ(sent.netns, received.netns);
    EXPECT_NE(sent.cookie, received.cookie);
    ExpectAsLogged(link);
  }
}

// It has a socket's inode and not a socket's operations, which weft learns from the first it meets.
TEST_P(Descriptors, OfPathsAreNotTakenForSockets) {
  const PathWriter writer;
  Trace();
  Link link = Connect();
  Send(link, 100);
  ServerReads(link, 100);
  Captured();
  ExpectAsLogged(link);
}

TEST_P(Descriptors, DuplicatesAreTheSameConnection) {
  Trace();
  Link link = Connect();
  Send(link, 100);
  actor_command dup = Move(CALL_WRITE, link.client_fd, 0, 0, 0);
  dup.operation = ACTOR_DUP;
  dup.other = kDuplicate;
  client_.Must(dup);
  Send(link, 200, CALL_WRITE, 0, kDuplicate);
  client_.Close(link.client_fd);
  Send(link, 300, CALL_WRITEV, 0, kDuplicate);
  ServerReads(link, 600);
  ExpectAsLogged(link);
  const uint64_t cookie = ClientCookie(link);
  EXPECT_EQ(Closes(cookie), 0u);
  client_.Close(kDuplicate);
  server_.Close(link.server_fd);
  EXPECT_EQ(Closes(cookie), 1u);
  ExpectLedger();
}

TEST_P(Descriptors, InheritedByAChildTheyAreTheSameConnection) {
  Trace();
  Link link = Connect();
  const uint32_t child = client_.Fork(1);
  Send(link, 100);
  Send(link, 200, CALL_SENDTO, 1);
  Send(link, 50);
  client_.Close(link.client_fd);
  Send(link, 300, CALL_WRITE, 1);
  ServerReads(link, 650);
  ExpectAsLogged(link);
  const uint64_t cookie = ClientCookie(link);
  EXPECT_TRUE(
      std::ranges::any_of(Captured(), [child](const auto& r) { return r.data.pid == child; }));
  EXPECT_EQ(Closes(cookie), 0u);
  client_.Close(link.client_fd, 1);
  server_.Close(link.server_fd);
  EXPECT_EQ(Closes(cookie), 1u);
  ExpectLedger();
}

// As a Node cluster does it: the primary accepts, a worker answers.
TEST_P(Descriptors, PassedToAnotherProcessTheyAreTheSameConnection) {
  Trace();
  Actor worker;
  const SocketKind unix_kind{"Unix", AF_UNIX};
  const Actor::Listening passing = worker.Listen(unix_kind);
  const int over = server_.Socket(unix_kind);
  server_.Connect(over, unix_kind, passing);
  const int from = worker.Accept(passing.fd);

  Link link = Connect();
  Send(link, 100);
  ServerReads(link, 40);
  actor_command pass = Move(CALL_WRITE, link.server_fd, 0, 0, 0);
  pass.operation = ACTOR_PASS;
  pass.other = over;
  server_.Must(pass);
  server_.Close(link.server_fd);
  actor_command take = Move(CALL_WRITE, from, 0, 0, 0);
  take.operation = ACTOR_TAKE;
  const auto fd = static_cast<int>(worker.Must(take));
  ReadAll(worker, fd, link.at_server, 60);
  const actor_reply answered = worker.Do(Move(CALL_SENDMSG, fd, 500, 2, 0));
  ASSERT_EQ(answered.result, 500);
  link.to_client.Add(answered, fd);
  ClientReads(link, 500);
  ExpectAsLogged(link);
  worker.Close(fd);
  ExpectLedger();
}

// A client that always binds the same port, and a server whose descriptor is always the same: what
// tells the connections apart is only the socket.
TEST_P(Descriptors, NumbersAndPortsThatAreUsedAgainAreNewConnections) {
  Trace();
  std::set<uint64_t> cookies;
  std::set<std::pair<int, int>> descriptors;
  uint16_t port = 0;
  constexpr size_t kTimes = 20;
  for (size_t i = 0; i < kTimes; i++) {
    Link link = Connect(port);
    port = link.client_port;
    Send(link, 100 + static_cast<uint32_t>(i));
    ServerReads(link, 100 + i);
    Answer(link, 10);
    ClientReads(link, 10);
    ExpectAsLogged(link);
    cookies.insert({ClientCookie(link), ServerCookie(link)});
    descriptors.insert({link.client_fd, link.server_fd});
    // A reset: no TIME_WAIT that would keep the port.
    client_.Option(link.client_fd, SOL_SOCKET, SO_LINGER, 0);
    client_.Close(link.client_fd);
    server_.WaitFor(link.server_fd, POLLIN);
    server_.Close(link.server_fd);
  }
  EXPECT_EQ(cookies.size(), 2 * kTimes);
  EXPECT_EQ(descriptors.size(), 1u);
  for (const uint64_t cookie : cookies) EXPECT_EQ(Closes(cookie), 1u);
  ExpectLedger();
}

TEST_P(Descriptors, OfPipesAreNoSockets) {
  Trace();
  actor_command touch = Move(CALL_WRITE, -1, 0, 0, 0);
  touch.operation = ACTOR_TOUCH;
  constexpr std::string_view kText = "GET / HTTP/1.1\r\nHost: pipe\r\n\r\n";
  touch.text_bytes = static_cast<uint32_t>(kText.copy(touch.text, sizeof touch.text));
  EXPECT_EQ(client_.Must(touch), static_cast<int64_t>(kText.size()));
  EXPECT_TRUE(Captured().empty());
  ExpectLedger();
}

// The ends of a socketpair have no address by which one could be the server, and a call may send
// more messages than are looked into.
TEST_P(Descriptors, OfASocketpairHaveOneRoleEachAndEveryMessageOfACall) {
  ebpf::EbpfConfig config;
  GetParam().choose(config);
  auto capture = Capture::Start(config);
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  capture_ = std::move(*capture);
  const pid_t child = fork();
  if (child == 0) _exit(TalkOverAPair());
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  uint64_t moved[2] = {};
  std::map<uint64_t, uint8_t> ends;  // by cookie
  for (const CapturedRecord& record : Captured()) {
    if (record.data.pid != static_cast<uint32_t>(child)) continue;
    moved[record.data.type == WEFT_RECORD_SEND ? 0 : 1] += record.data.length;
    ends[record.data.cookie] = record.connection.end;
  }
  EXPECT_EQ(moved[0], uint64_t{kPairMessages} * kPairBytes);
  EXPECT_EQ(moved[1], moved[0]);
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends.begin()->second + ends.rbegin()->second, WEFT_END_CONNECTED + WEFT_END_ACCEPTED);
  EXPECT_NE(ends.begin()->second, ends.rbegin()->second);
  ExpectLedger();
}

// Two threads write to one socket at once. No order is given, so each has content of its own.
TEST_P(Descriptors, SharedByTwoThreadsLoseNothing) {
  constexpr uint32_t kMessages = 400, kBytes = 100;
  Trace();
  Link link = Connect();
  client_.StartThread(1);
  client_.StartThread(2);
  for (const int lane : {1, 2}) {
    actor_command command =
        Move(CALL_WRITE, link.client_fd, kBytes, 100 + static_cast<uint32_t>(lane), 0);
    command.repeat = kMessages - 1;
    client_.Start(command, lane);
  }
  const actor_reply done[] = {client_.Finish(1), client_.Finish(2)};
  uint64_t left = 2 * kMessages * kBytes;
  while (left != 0) {
    const actor_reply reply = server_.Do(Move(CALL_READ, link.server_fd, 1u << 16, 0, 0));
    ASSERT_GT(reply.result, 0);
    left -= static_cast<uint64_t>(reply.result);
  }
  std::vector<CapturedRecord> sent = Select(Captured(), ClientCookie(link), WEFT_RECORD_SEND);
  ASSERT_EQ(sent.size(), 2 * kMessages);
  const uint32_t base =
      std::ranges::min_element(sent, {}, [](const auto& r) { return r.data.seq; })->data.seq;
  std::ranges::sort(sent, {}, [base](const auto& r) { return r.data.seq - base; });
  uint32_t of_thread[2] = {};
  for (size_t i = 0; i < sent.size(); i++) {
    const CapturedRecord& record = sent[i];
    ASSERT_EQ(record.data.seq - base, i * kBytes);
    ASSERT_EQ(record.data.length, kBytes);
    const uint32_t thread = record.data.tid == done[0].tid ? 0 : 1;
    ASSERT_EQ(record.data.tid, done[thread].tid);
    for (uint32_t b = 0; b < kBytes; b++)
      ASSERT_EQ(static_cast<uint8_t>(record.payload[b]),
                actor_pattern(101 + thread, of_thread[thread] * kBytes + b));
    of_thread[thread]++;
  }
  EXPECT_EQ(of_thread[0], kMessages);
  EXPECT_EQ(of_thread[1], kMessages);
  ExpectLedger();
}

// The socket is let go while a thread waits for room, so the messages are cut into each other.
// Whose bytes lie where is not known, but all of them have their place.
TEST_P(Descriptors, SharedByTwoThreadsThatWaitHaveNoHole) {
  constexpr uint32_t kMessages = 30, kBytes = 30'000;
  Trace(kIpv4, 16384);
  Link link = Connect();
  client_.Option(link.client_fd, SOL_SOCKET, SO_SNDBUF, 8192);
  client_.StartThread(1);
  client_.StartThread(2);
  for (const int lane : {1, 2}) {
    actor_command command =
        Move(CALL_WRITE, link.client_fd, kBytes, 100 + static_cast<uint32_t>(lane), 0);
    command.repeat = kMessages - 1;
    client_.Start(command, lane);
  }
  // Nothing is read before both wait in a send: else one may be done before the other begins.
  for (int ms = 0; ms < 10'000 && ThreadsInWrite(client_.pid()) < 2; ms++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  uint64_t left = uint64_t{2} * kMessages * kBytes;
  while (left != 0) {
    const actor_reply reply = server_.Do(Move(CALL_READ, link.server_fd, 1u << 16, 0, 0));
    ASSERT_GT(reply.result, 0);
    left -= static_cast<uint64_t>(reply.result);
  }
  EXPECT_EQ(client_.Finish(1).result, int64_t{kMessages * kBytes});
  EXPECT_EQ(client_.Finish(2).result, int64_t{kMessages * kBytes});
  const auto sent = Select(Captured(), ClientCookie(link), WEFT_RECORD_SEND);
  ASSERT_FALSE(sent.empty());
  if (GetParam().name == "SystemCalls") {
    // At a call's end the other thread's bytes may lie in front of, within or behind its own.
    const auto counts = capture_->Counts();
    ASSERT_TRUE(counts.has_value());
    EXPECT_GT(counts->stats.contended, 0u);
    ExpectLedger();
    return;
  }
  // The record that comes first need not be of the stream's first byte.
  const auto from_first = [&](const CapturedRecord& r) {
    return static_cast<int32_t>(r.data.seq - sent[0].data.seq);
  };
  int32_t begin = 0;
  for (const CapturedRecord& record : sent) begin = std::min(begin, from_first(record));
  ebpf::Stream stream;
  uint64_t missing = 0;
  for (const CapturedRecord& record : sent)
    missing += stream.Place(record.data.seq, record.data.length).missing;
  EXPECT_EQ(missing, 0u);
  const uint32_t end = static_cast<uint32_t>(stream.next()) - sent[0].data.seq;
  EXPECT_EQ(static_cast<int64_t>(end) - begin, int64_t{2} * kMessages * kBytes);
  ExpectLedger();
}

INSTANTIATE_TEST_SUITE_P(Families, Descriptors, testing::ValuesIn(HookFamilies()), FamilyName);

}  // namespace
}  // namespace weft::test
