#include "sql/serve/http_front.h"

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::serve {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Logger& NoLog() {
  static const std::unique_ptr<Logger> log = NullLogger();
  return *log;
}

std::optional<Reply> LetIn(const Request&, uint16_t) { return std::nullopt; }

std::unique_ptr<HttpFront> StartEcho(const HttpFront::Gate& gate = LetIn) {
  auto front = HttpFront::Start(
      {"127.0.0.1", 0}, gate,
      [](const Request& request, uint16_t) {
        Reply reply;
        reply.content_type = "text/plain";
        reply.headers = {{"X-Host", request.host}};
        reply.body = request.method + " " + request.target.Path() + " " + request.body;
        return reply;
      },
      NoLog());
  EXPECT_TRUE(front) << front.error().message;
  return std::move(*front);
}

int Connect(const HttpFront& front) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(front.address().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return fd;
}

std::string ReadAll(int fd) {
  std::string all;
  char part[4096];
  for (ssize_t n; (n = ::read(fd, part, sizeof part)) > 0;)
    all.append(part, static_cast<size_t>(n));
  ::close(fd);
  return all;
}

std::string Exchange(const HttpFront& front, const std::string& request) {
  const int fd = Connect(front);
  EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  return ReadAll(fd);
}

TEST(HttpFront, HandsARequestOnAndItsReplyBack) {
  const auto front = StartEcho();
  const std::string reply =
      Exchange(*front, "GET /a%20b?c=d HTTP/1.1\r\nHost: h:1\r\nAccept-Encoding: br\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("X-Host: h:1\r\n"));
  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\nGET /a b "));
  EXPECT_THAT(reply, Not(HasSubstr("Content-Encoding")));
}

TEST(HttpFront, AnswersHeadWithoutABody) {
  const auto front = StartEcho();
  const std::string reply = Exchange(*front, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(reply, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_TRUE(reply.ends_with("\r\n\r\n")) << reply;
}

TEST(HttpFront, TakesABodyAndRefusesALongOne) {
  const auto front = StartEcho();
  EXPECT_THAT(Exchange(*front, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"),
              HasSubstr("POST /x abc"));
  EXPECT_THAT(Exchange(*front, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n" +
                                   std::string(70'000, 'a')),
              StartsWith("HTTP/1.1 413"));
}

TEST(HttpFront, TakesABodyInChunksAndRefusesALongOne) {
  const auto front = StartEcho();
  const std::string head = "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(Exchange(*front, head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              HasSubstr("PUT /x abcde"));
  // Has no end: whoever waits for it would not answer.
  std::string chunks;
  for (int i = 0; i < 17; ++i) chunks += "1000\r\n" + std::string(0x1000, 'a') + "\r\n";
  EXPECT_THAT(Exchange(*front, head + chunks), StartsWith("HTTP/1.1 413"));
}

TEST(HttpFront, RefusesBodiesThatArePackedOrOfManyParts) {
  const auto front = StartEcho();
  for (const std::string header :
       {"Content-Encoding: gzip", "Content-Encoding: br", "Content-Type: multipart/form-data"})
    EXPECT_THAT(Exchange(*front, "POST /x HTTP/1.1\r\nHost: h\r\n" + header +
                                     "\r\nContent-Length: 3\r\n\r\nabc"),
                StartsWith("HTTP/1.1 415"));
}

TEST(HttpFront, AnswersWhoMayNotAskBeforeItReadsTheBody) {
  const auto front = StartEcho([](const Request&, uint16_t) {
    Reply reply;
    reply.status = 401;
    return reply;
  });
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "PRI"})
    EXPECT_THAT(Exchange(*front, method + " /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"),
                StartsWith("HTTP/1.1 401"));
}

TEST(HttpFront, KnowsNoRanges) {
  const auto front = StartEcho();
  const std::string reply =
      Exchange(*front, "GET /x HTTP/1.1\r\nHost: h\r\nRange: bytes=0-3,0-3,0-3\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\nGET /x "));
}

TEST(HttpFront, RefusesWhatIsNoRequest) {
  const auto front = StartEcho();
  EXPECT_THAT(Exchange(*front, "what is this\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Exchange(*front, "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 4"));
}

TEST(HttpFront, EndsWhileConnectionsAreIdle) {
  auto front = StartEcho();
  std::vector<int> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(Connect(*front));
  front.reset();
  for (const int fd : idle) ::close(fd);
}

TEST(HttpFront, TellsWhoComesWhenTooManyWaitToComeAgain) {
  std::atomic<bool> go = false;
  auto front = HttpFront::Start(
      {"127.0.0.1", 0}, LetIn,
      [&](const Request&, uint16_t) {
        go.wait(false);
        return Reply{};
      },
      NoLog());
  ASSERT_TRUE(front);
  std::vector<int> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(Connect(**front));
    const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_GT(::write(all.back(), request.data(), request.size()), 0);
  }
  // The last ones find 16 at work and 64 waiting.
  const std::string refused = ReadAll(all.back());
  all.pop_back();
  go = true;
  go.notify_all();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  int answered = 0;
  for (const int fd : all) answered += ReadAll(fd).starts_with("HTTP/1.1 200");
  EXPECT_GE(answered, 80);
}

TEST(HttpFront, SaysWhyItCannotListen) {
  const auto front = StartEcho();
  const auto second = HttpFront::Start(
      front->address(), LetIn, [](const Request&, uint16_t) { return Reply{}; }, NoLog());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("cannot listen on 127.0.0.1:"));
}

}  // namespace
}  // namespace weft::serve
