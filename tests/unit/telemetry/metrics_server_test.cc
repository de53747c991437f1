#include "engine/telemetry/metrics_server.h"

#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/exposition_parser.h"
#include "tests/support/loopback.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class MetricsServerTest : public testing::Test {
 protected:
  HttpResponse Get(std::string_view path, std::string_view accept = "") {
    const auto response = HttpGet(server_->address(), path, accept, 10 * kSecond);
    EXPECT_TRUE(response.has_value()) << response.error().message;
    return response.value_or(HttpResponse{0, {}, {}});
  }

  SystemClock clock_;
  Metrics metrics_;
  Health health_{clock_};
  std::unique_ptr<HttpServer> server_ =
      StartMetricsServer("127.0.0.1:0", {"1.2.3", "run"}, metrics_, health_).value();
};

TEST_F(MetricsServerTest, ServesTheMetricsInBothFormats) {
  metrics_.Get("agent.observed").Add(7);
  const HttpResponse text = Get("/metrics", "text/plain");
  EXPECT_EQ(text.status, 200);
  EXPECT_THAT(text.content_type, StartsWith("text/plain; version=0.0.4"));
  EXPECT_EQ(testsupport::ParseMetricsPage(text.body, false).Value("weft_agent_observed_total"), 7);
  const HttpResponse open = Get("/metrics", "application/openmetrics-text; version=1.0.0");
  EXPECT_THAT(open.content_type, StartsWith("application/openmetrics-text; version=1.0.0"));
  EXPECT_EQ(testsupport::ParseMetricsPage(open.body, true).mistakes, std::vector<std::string>{});
}

TEST_F(MetricsServerTest, AnswersSupervisorsByStatusAndPeopleByText) {
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/readyz").status, 503);
  health_.Pending("engine", "no partitions yet");
  EXPECT_EQ(Get("/readyz").body, "engine: no partitions yet\n");
  health_.Ready("engine");
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Get("/nothing").status, 404);
}

TEST_F(MetricsServerTest, AnotherServerCannotShareThePort) {
  const auto second = StartMetricsServer(server_->address().Text(), {}, metrics_, health_);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("metrics.listen: cannot listen on 127.0.0.1:"));
  EXPECT_THAT(second.error().message, HasSubstr("in use"));
}

TEST_F(MetricsServerTest, NobodyListensWhereNoAddressIsGiven) {
  const auto none = StartMetricsServer("", {}, metrics_, health_);
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(*none, nullptr);
}

TEST_F(MetricsServerTest, ClientsThatSayNothingDoNotKeepOthersWaiting) {
  std::vector<int> idle;
  for (int i = 0; i < 3; ++i) idle.push_back(test::ConnectTo(server_->address().port));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Get("/healthz").status, 200);
  for (const int fd : idle) close(fd);
}

TEST_F(MetricsServerTest, ClientsThatSpeakSlowlyDoNotKeepOthersWaitingNorTakeAllDescriptors) {
  std::vector<int> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(test::ConnectTo(server_->address().port));
    send(slow.back(), "GET /healthz HTTP/1.1\r\nX: ", 26, MSG_NOSIGNAL);
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Get("/healthz").status, 200);
  char byte;
  EXPECT_LE(recv(slow.front(), &byte, 1, 0), 0) << "the oldest made room";
  for (const int fd : slow) close(fd);
}

TEST_F(MetricsServerTest, RefusesWhatIsNoRequest) {
  for (const auto& [request, status] : {std::pair<std::string, std::string>{"hello\r\n\r\n", "400"},
                                        {"GET /healthz\r\n\r\n", "400"},
                                        {"GET /" + std::string(9000, 'x'), "431"},
                                        {"GET /healthz?x=1 HTTP/1.1\r\n\r\n", "200"}}) {
    const int fd = test::ConnectTo(server_->address().port);
    ASSERT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char answer[13] = {};
    ASSERT_GT(recv(fd, answer, 12, MSG_WAITALL), 0);
    EXPECT_EQ(answer, "HTTP/1.1 " + status);
    close(fd);
  }
}

TEST_F(MetricsServerTest, RefusesEverythingButReading) {
  for (const std::string request :
       {"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    const int fd = test::ConnectTo(server_->address().port);
    ASSERT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char answer[13] = {};
    ASSERT_GT(recv(fd, answer, 12, MSG_WAITALL), 0);
    EXPECT_STREQ(answer, "HTTP/1.1 405");
    close(fd);
  }
}

TEST_F(MetricsServerTest, ScrapesAtTheSameTimeAllSeeWholePages) {
  for (int i = 0; i < 100; ++i) metrics_.Get("plugin.x.n" + std::to_string(i)).Add();
  std::vector<std::jthread> scrapers;
  for (int t = 0; t < 4; ++t)
    scrapers.emplace_back([this, t] {
      for (int i = 0; i < 5; ++i) {
        PassingGauge gauge(metrics_, "stage.lag_ns{partition=" + std::to_string(t) + "}");
        const auto page = testsupport::ParseMetricsPage(Get("/metrics").body, false);
        EXPECT_TRUE(page.mistakes.empty());
        EXPECT_EQ(page.Value(R"(weft_plugin_events_total{plugin="x",event="n99"})"), 1);
      }
    });
}

}  // namespace
}  // namespace weft::telemetry
