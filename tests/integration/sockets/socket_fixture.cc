#include "tests/integration/sockets/socket_fixture.h"

#include <algorithm>
#include <cstring>

#include "sources/ebpf/probe_report.h"
#include "tests/support/requirement.h"

namespace weft::test {

std::string WhyNotTraceable() {
  std::string reasons;
  for (const ebpf::Check& check : ebpf::ProbeHost())
    if (check.state == ebpf::CheckState::kFail)
      reasons += check.name + ": " + check.detail + " (" + check.remedy + ") ";
  return reasons;
}

void SocketFixture::SetUp() {
  if (const std::string why = WhyNotTraceable(); !why.empty()) WEFT_SKIP_OR_FAIL("bpf", why);
}

void SocketFixture::Trace(const SocketKind& kind, uint32_t window, uint32_t ring_bytes) {
  kind_ = kind;
  listening_ = server_.Listen(kind, window);
  TraceListening(ring_bytes);
}

void SocketFixture::TraceListening(uint32_t ring_bytes) {
  ebpf::EbpfConfig config;
  GetParam().choose(config);
  config.include_ports = {listening_.port};
  config.data_ring_bytes = ring_bytes;
  auto capture = Capture::Start(config);
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  capture_ = std::move(*capture);
}

Link SocketFixture::Connect(uint16_t local_port) {
  Link link;
  link.client_fd = client_.Socket(kind_);
  link.client_port = client_.Connect(link.client_fd, kind_, listening_, local_port);
  link.server_port = listening_.port;
  link.server_fd = server_.Accept(listening_.fd);
  return link;
}

void SocketFixture::Send(Link& link, uint32_t bytes, actor_call call, int lane, int fd) {
  if (fd < 0) fd = link.client_fd;
  const StreamLog& log = link.to_server;
  const actor_reply reply = client_.Do(Move(call, fd, bytes, log.salt(), log.bytes()), lane);
  ASSERT_EQ(reply.result, int64_t{bytes}) << strerror(reply.error);
  link.to_server.Add(reply, fd);
}

void SocketFixture::Answer(Link& link, uint32_t bytes, actor_call call) {
  const StreamLog& log = link.to_client;
  const actor_reply reply = server_.Do(Move(call, link.server_fd, bytes, log.salt(), log.bytes()));
  ASSERT_EQ(reply.result, int64_t{bytes}) << strerror(reply.error);
  link.to_client.Add(reply, link.server_fd);
}

void SocketFixture::ReadAll(Actor& actor, int fd, StreamLog& log, uint64_t bytes) {
  while (bytes != 0) {
    const auto n = static_cast<uint32_t>(std::min<uint64_t>(bytes, 1u << 20));
    const actor_reply reply = actor.Do(Move(CALL_READ, fd, n, log.salt(), log.bytes()));
    ASSERT_GT(reply.result, 0) << strerror(reply.error);
    ASSERT_EQ(reply.wrong_at, -1);
    log.Add(reply, fd);
    bytes -= static_cast<uint64_t>(reply.result);
  }
}

void SocketFixture::ServerReads(Link& link, uint64_t bytes) {
  ReadAll(server_, link.server_fd, link.at_server, bytes);
}

void SocketFixture::ClientReads(Link& link, uint64_t bytes) {
  ReadAll(client_, link.client_fd, link.at_client, bytes);
}

const std::vector<CapturedRecord>& SocketFixture::Captured() {
  std::ranges::move(capture_->Take(), std::back_inserter(captured_));
  return captured_;
}

uint64_t SocketFixture::ClientCookie(const Link& link) {
  return CookieOf(Captured(), link.client_port, link.server_port);
}

uint64_t SocketFixture::ServerCookie(const Link& link) {
  return CookieOf(Captured(), link.server_port, link.client_port);
}

void SocketFixture::ExpectAsLogged(const Link& link) {
  const uint64_t client = ClientCookie(link), server = ServerCookie(link);
  EXPECT_NE(client, 0u);
  EXPECT_NE(server, 0u);
  const auto sent = Select(captured_, client, WEFT_RECORD_SEND);
  const auto received = Select(captured_, server, WEFT_RECORD_RECEIVE);
  EXPECT_EQ(link.to_server.Compare(sent), "") << "sent by the client";
  EXPECT_EQ(link.at_server.Compare(received), "") << "received by the server";
  EXPECT_EQ(link.to_client.Compare(Select(captured_, server, WEFT_RECORD_SEND)), "");
  EXPECT_EQ(link.at_client.Compare(Select(captured_, client, WEFT_RECORD_RECEIVE)), "");
  // The same byte has the same number at both ends.
  if (!sent.empty() && !received.empty()) {
    EXPECT_EQ(sent[0].data.seq, received[0].data.seq);
  }
}

size_t SocketFixture::Closes(uint64_t cookie) {
  std::ranges::copy(capture_->TakeControl(), std::back_inserter(controls_));
  return static_cast<size_t>(std::ranges::count_if(controls_, [cookie](const weft_control& c) {
    return c.type == WEFT_RECORD_CLOSE && c.cookie == cookie;
  }));
}

void SocketFixture::ExpectLedger() {
  capture_->Detach();
  capture_->Take();
  const auto counts = capture_->Counts();
  ASSERT_TRUE(counts.has_value());
  const weft_stats& s = counts->stats;
  EXPECT_EQ(s.seen, s.filtered + s.submitted + s.ring_full + s.map_full + s.unreadable);
  EXPECT_EQ(s.submitted + s.unreadable, capture_->records());
}

}  // namespace weft::test
