// OTLP and Zipkin in, by the front door: our own exporters' clients speak to the listeners, and
// raw requests where a client would not do such a thing.
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <httplib.h>

#include "sinks/http/gzip.h"
#include "sinks/http/http_post.h"
#include "sinks/otlp/otlp_channel.h"
#include "sources/otlp/grpc_listener.h"
#include "sources/otlp/http_listener.h"

namespace weft::otlp {
namespace {

constexpr uint64_t kMaxBytes = 10'000;

// Answers what it is told to; remembers what it got.
class FakeReception final : public Reception {
 public:
  Reply Take(std::string_view message, Format format) override {
    const std::lock_guard lock(mutex_);
    messages.emplace_back(message);
    formats.push_back(format);
    return reply;
  }
  void Refused() override { ++refused; }

  Reply reply;
  std::vector<std::string> messages;
  std::vector<Format> formats;
  std::atomic<int> refused = 0;
  std::atomic<size_t> room = SIZE_MAX / 2;

 private:
  bool TryClaim(size_t bytes) override {
    if (bytes > room) return false;
    room -= bytes;
    return true;
  }
  void GiveBack(size_t bytes) override { room += bytes; }
  std::mutex mutex_;
};

class HttpListenerTest : public testing::Test {
 protected:
  HttpListenerTest() {
    auto started = HttpListener::Start(
        {.address = {"127.0.0.1", 0}, .otlp = true, .zipkin = true, .max_bytes = kMaxBytes},
        reception_, *log_);
    EXPECT_TRUE(started) << started.error().message;
    listener_ = std::move(*started);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", listener_->address().port);
  }
  httplib::Result Post(const std::string& body, const std::string& type,
                       const httplib::Headers& headers = {}, const char* path = "/v1/traces") {
    auto answer = client_->Post(path, headers, body, type);
    EXPECT_TRUE(answer) << httplib::to_string(answer.error());
    return answer;
  }

  FakeReception reception_;
  const std::unique_ptr<Logger> log_ = NullLogger();
  std::unique_ptr<HttpListener> listener_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(HttpListenerTest, TakesProtobufAndJsonAndAnswersInKind) {
  const auto proto = Post("\n", "application/x-protobuf");
  EXPECT_EQ(proto->status, 200);
  EXPECT_EQ(proto->get_header_value("Content-Type"), "application/x-protobuf");
  const auto json = Post("{}", "application/json; charset=utf-8");
  EXPECT_EQ(json->status, 200);
  EXPECT_EQ(json->body, "{}");
  EXPECT_EQ(reception_.formats, (std::vector<Format>{Format::kOtlpProto, Format::kOtlpJson}));
}

TEST_F(HttpListenerTest, SaysHowManySpansWereLeftOut) {
  reception_.reply = {Reply::Code::kTaken, 2, "bad ids"};
  EXPECT_EQ(Post("{}", "application/json")->body,
            R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"bad ids"}})");
}

TEST_F(HttpListenerTest, AnswersZipkinWith202) {
  EXPECT_EQ(Post("[]", "application/json", {}, "/api/v2/spans")->status, 202);
  EXPECT_EQ(reception_.formats, (std::vector<Format>{Format::kZipkinJson}));
}

TEST_F(HttpListenerTest, InflatesGzip) {
  std::string packed;
  sinks::Gzip(std::string(5000, 'x'), &packed);
  EXPECT_EQ(Post(packed, "application/json", {{"Content-Encoding", "gzip"}})->status, 200);
  EXPECT_EQ(reception_.messages, (std::vector<std::string>{std::string(5000, 'x')}));
}

TEST_F(HttpListenerTest, RefusesADecompressionBomb) {
  std::string packed;
  sinks::Gzip(std::string(2 << 20, 'x'), &packed);
  ASSERT_LT(packed.size(), kMaxBytes);
  EXPECT_EQ(Post(packed, "application/json", {{"Content-Encoding", "gzip"}})->status, 413);
  EXPECT_TRUE(reception_.messages.empty());
  EXPECT_EQ(reception_.refused, 1);
}

TEST_F(HttpListenerTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(Post(std::string(kMaxBytes + 1, 'x'), "application/json")->status, 413);
  EXPECT_EQ(Post(std::string(kMaxBytes, 'x'), "application/json")->status, 200);
}

TEST_F(HttpListenerTest, RefusesWhatIsMalformedWithAStatusOfItsKind) {
  reception_.reply = {Reply::Code::kMalformed, 0, "not OTLP"};
  const auto json = Post("?", "application/json");
  EXPECT_EQ(json->status, 400);
  EXPECT_EQ(json->body, R"({"code":3,"message":"not OTLP"})");
  const auto proto = Post("?", "application/x-protobuf");
  EXPECT_EQ(proto->status, 400);
  EXPECT_EQ(proto->body, std::string("\x08\x03\x12\x08not OTLP"));
}

TEST_F(HttpListenerTest, SendsSendersAwayForAWhileWhenItIsFull) {
  reception_.reply = {Reply::Code::kBusy, 0, "full"};
  const auto busy = Post("{}", "application/json");
  EXPECT_EQ(busy->status, 429);
  EXPECT_EQ(busy->get_header_value("Retry-After"), "1");
  reception_.reply = {Reply::Code::kStopped, 0, "ending"};
  EXPECT_EQ(Post("{}", "application/json")->status, 503);
  reception_.reply = {};
  reception_.room = 10;
  EXPECT_EQ(Post(std::string(100, 'x'), "application/json")->status, 429);
  EXPECT_EQ(reception_.room, 10u);
}

TEST_F(HttpListenerTest, KnowsItsPathsMethodsTypesAndEncodings) {
  EXPECT_EQ(Post("{}", "text/plain")->status, 415);
  EXPECT_EQ(Post("{}", "application/json", {{"Content-Encoding", "zstd"}})->status, 415);
  EXPECT_EQ(Post("[]", "application/x-protobuf", {}, "/api/v2/spans")->status, 415);
  EXPECT_EQ(Post("{}", "application/json", {}, "/v1/logs")->status, 404);
  const auto got = client_->Get("/v1/traces");
  EXPECT_EQ(got->status, 405);
  EXPECT_EQ(got->get_header_value("Allow"), "POST");
  EXPECT_TRUE(reception_.messages.empty());
}

// A connection that says `text`.
int ConnectAndSay(const HttpListener& listener, const std::string& text) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(listener.address().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return fd;
}

// A byte now and then never lets a time per read run out.
TEST_F(HttpListenerTest, WhoSendsSlowlyDoesNotHoldUpTheEnd) {
  const int fd = ConnectAndSay(*listener_,
                               "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: "
                               "application/json\r\nContent-Length: 9000\r\n\r\n");
  std::atomic<bool> ended = false;
  std::thread sender([&] {
    for (int i = 0; i < 8'999 && !ended; ++i) {
      if (::send(fd, "x", 1, MSG_NOSIGNAL) < 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  ended = true;
  sender.join();
  ::close(fd);
  EXPECT_TRUE(reception_.messages.empty());
}

TEST_F(HttpListenerTest, AnswersWhatIsUnderWayWhenItEnds) {
  const std::string body(kMaxBytes, 'x');
  const int fd =
      ConnectAndSay(*listener_,
                    "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    "Expect: 100-continue\r\nContent-Length: 10000\r\n\r\n");
  char go_on[64];
  ASSERT_GT(::read(fd, go_on, sizeof go_on), 0);  // it has begun to read
  std::thread end([&] { listener_.reset(); });
  EXPECT_EQ(::write(fd, body.data(), body.size()), static_cast<ssize_t>(body.size()));
  std::string answer;
  char part[4096];
  for (ssize_t n; (n = ::read(fd, part, sizeof part)) > 0;)
    answer.append(part, static_cast<size_t>(n));
  end.join();
  ::close(fd);
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 200") << answer;
}

TEST_F(HttpListenerTest, AnswersWhatIsWrongBeforeItsBody) {
  for (const auto& [method, path, status] : {std::tuple{"PUT", "/v1/traces", "405"},
                                             {"PATCH", "/api/v2/spans", "405"},
                                             {"POST", "/v1/logs", "404"},
                                             {"DELETE", "/", "404"},
                                             {"PRI", "/v1/traces", "405"}}) {
    const int fd =
        ConnectAndSay(*listener_, std::string(method) + " " + path +
                                      " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string answer;  // to the connection's end
    char part[4096];
    for (ssize_t n; (n = ::read(fd, part, sizeof part)) > 0;)
      answer.append(part, static_cast<size_t>(n));
    ::close(fd);
    EXPECT_EQ(answer.substr(0, 12), std::string("HTTP/1.1 ") + status) << method << path;
    EXPECT_TRUE(answer.ends_with("here\n")) << answer;
  }
}

TEST_F(HttpListenerTest, ServesManyConnectionsAtOnce) {
  std::vector<std::thread> senders;
  std::atomic<int> taken = 0;
  for (int i = 0; i < 100; ++i)
    senders.emplace_back([&] {
      httplib::Client client("127.0.0.1", listener_->address().port);
      client.set_read_timeout(60);
      const auto answer = client.Post("/v1/traces", "{}", "application/json");
      EXPECT_TRUE(answer) << httplib::to_string(answer.error());
      taken += answer && answer->status == 200;
    });
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(taken, 100);
}

std::string ReadAnswer(int fd) {
  std::string answer;
  char part[1024];
  while (!answer.ends_with("{}") && !answer.ends_with("here\n")) {
    const ssize_t n = ::read(fd, part, sizeof part);
    if (n <= 0) break;
    answer.append(part, static_cast<size_t>(n));
  }
  return answer.substr(0, 12);
}

// Each SDK keeps its connection, and there are fewer threads than SDKs.
TEST_F(HttpListenerTest, ConnectionsThatWaitForTheirNextRequestHoldUpNobody) {
  const std::string request =
      "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\n\r\n{}";
  std::vector<int> open;
  for (int i = 0; i < 300; ++i) {
    open.push_back(ConnectAndSay(*listener_, request));
    ASSERT_EQ(ReadAnswer(open.back()), "HTTP/1.1 200") << i;
  }
  for (int round = 0; round < 2; ++round) {
    for (const int fd : open)
      EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    for (const int fd : open) EXPECT_EQ(ReadAnswer(fd), "HTTP/1.1 200");
  }
  for (const int fd : open) ::close(fd);
  EXPECT_EQ(reception_.messages.size(), 900u);
}

TEST_F(HttpListenerTest, OfTooManyConnectionsThatWaitTheOldestIsClosed) {
  const std::string request = "GET /v1/traces HTTP/1.1\r\nHost: h\r\n\r\n";
  std::vector<int> open;
  for (int i = 0; i < 600; ++i) {
    open.push_back(ConnectAndSay(*listener_, request));
    ASSERT_EQ(ReadAnswer(open.back()), "HTTP/1.1 405") << i;
  }
  char more = 0;
  EXPECT_EQ(::read(open.front(), &more, 1), 0);
  for (const int fd : open) ::close(fd);
}

// The number of the socket that listens on `port`.
int ListeningSocket(uint16_t port) {
  for (int fd = 0; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    sockaddr_in at{};
    socklen_t at_size = sizeof at;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &at_size) == 0 &&
        ntohs(at.sin_port) == port)
      return fd;
  }
  return -1;
}

TEST_F(HttpListenerTest, WhereAcceptFailsItServesTheConnectionsItHasAndGoesOnTrying) {
  const std::string request =
      "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\n\r\n{}";
  const int open = ConnectAndSay(*listener_, request);
  ASSERT_EQ(ReadAnswer(open), "HTTP/1.1 200");
  const int listening = ListeningSocket(listener_->address().port);
  ASSERT_GE(listening, 0);
  ::shutdown(listening, SHUT_RDWR);  // accept: EINVAL
  // Waits for the connection to be parked again each time.
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::write(open, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    EXPECT_EQ(ReadAnswer(open), "HTTP/1.1 200") << i;
  }
  ::close(open);
  // As if what was lacking is there again.
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(listener_->address().port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listening, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(listening, 16), 0);
  EXPECT_EQ(Post("{}", "application/json")->status, 200);
}

TEST_F(HttpListenerTest, AnotherOneDoesNotGetThePort) {
  const auto second =
      HttpListener::Start({.address = listener_->address(), .otlp = true}, reception_, *log_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("cannot listen on 127.0.0.1:"), std::string::npos);
}

class GrpcListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(std::filesystem::path(WEFT_PLUGIN_FOLDER) /
                                 "weft-listener-grpc.so"))
      GTEST_SKIP() << "this build has no gRPC";
    auto started = StartGrpcListener(
        WEFT_PLUGIN_FOLDER, {.address = {"127.0.0.1", 0}, .max_bytes = kMaxBytes}, reception_);
    ASSERT_TRUE(started) << started.error().message;
    listener_ = std::move(*started);
  }
  std::unique_ptr<sinks::OtlpChannel> Channel(bool gzip = false) {
#if WEFT_HAVE_GRPC
    sinks::OtlpChannelOptions options;
    options.endpoint = {false, "127.0.0.1", listener_->address().port, ""};
    options.gzip = gzip;
    auto opened = sinks::OpenOtlpGrpc(std::move(options));
    return std::move(*opened);
#else
    return nullptr;
#endif
  }

  FakeReception reception_;
  std::unique_ptr<GrpcListener> listener_;
};

TEST_F(GrpcListenerTest, TakesRequestsAndSaysHowManySpansWereLeftOut) {
  reception_.reply = {Reply::Code::kTaken, 2, "bad ids"};
  const sinks::Delivery delivery = Channel()->Send("\nabc");
  EXPECT_EQ(delivery.outcome, WEFT_EXPORT_OK) << delivery.why;
  EXPECT_EQ(delivery.refused, 2u);
  EXPECT_EQ(reception_.messages, (std::vector<std::string>{"\nabc"}));
}

TEST_F(GrpcListenerTest, InflatesGzipAndRefusesADecompressionBomb) {
  const auto channel = Channel(true);
  EXPECT_EQ(channel->Send("\n" + std::string(5000, 'x')).outcome, WEFT_EXPORT_OK);
  EXPECT_EQ(reception_.messages, (std::vector<std::string>{"\n" + std::string(5000, 'x')}));
  // It is small enough on the wire.
  EXPECT_EQ(channel->Send("\n" + std::string(2 << 20, 'x')).outcome, WEFT_EXPORT_DROP);
  EXPECT_EQ(reception_.messages.size(), 1u);
  EXPECT_EQ(reception_.room, SIZE_MAX / 2);
}

TEST_F(GrpcListenerTest, SendsSendersAwayForAWhileWhenItIsFull) {
  reception_.reply = {Reply::Code::kBusy, 0, "full"};
  const sinks::Delivery busy = Channel()->Send("\n");
  EXPECT_EQ(busy.outcome, WEFT_EXPORT_RETRY);
  EXPECT_EQ(busy.retry_after_ns, 1'000'000'000);
  reception_.reply = {Reply::Code::kStopped, 0, "ending"};
  EXPECT_EQ(Channel()->Send("\n").outcome, WEFT_EXPORT_RETRY);
  reception_.reply = {Reply::Code::kMalformed, 0, "not OTLP"};
  EXPECT_EQ(Channel()->Send("\n").outcome, WEFT_EXPORT_DROP);
}

TEST_F(GrpcListenerTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(Channel()->Send("\n" + std::string(kMaxBytes, 'x')).outcome, WEFT_EXPORT_DROP);
  EXPECT_TRUE(reception_.messages.empty());
}

TEST_F(GrpcListenerTest, AnotherOneDoesNotGetThePort) {
  const auto second =
      StartGrpcListener(WEFT_PLUGIN_FOLDER, {.address = listener_->address()}, reception_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kIo);
}

TEST(GrpcModule, IsNamedWhereItIsMissing) {
  FakeReception reception;
  const auto started = StartGrpcListener("/nowhere", {.address = {"127.0.0.1", 0}}, reception);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kUnsupported);
  EXPECT_NE(started.error().message.find("/nowhere/weft-listener-grpc.so"), std::string::npos);
}

}  // namespace
}  // namespace weft::otlp
