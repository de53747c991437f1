#include "sql/serve/access.h"

#include <gtest/gtest.h>

namespace weft::serve {
namespace {

constexpr uint16_t kPort = 16686;
constexpr const char* kToken = "0123456789abcdef";

Request Ask(const std::string& target, const std::string& host = "127.0.0.1:16686") {
  Request request;
  request.target = MakeTarget(target);
  request.host = host;
  return request;
}

int StatusFor(const Access& access, const Request& request) {
  const auto refusal = access.Refuse(request, kPort);
  return refusal ? refusal->status : 200;
}

std::string HeaderOf(const Reply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

TEST(Access, AnswersToAddressesAndLocalhostOnly) {
  const Access access({.token = "", .names = {"Weft.example"}});
  for (const char* host : {"127.0.0.1:16686", "localhost:16686", "localhost", "[::1]:16686",
                           "10.1.2.3", "a.localhost:1", "weft.example:80"})
    EXPECT_EQ(StatusFor(access, Ask("/api/services", host)), 200) << host;
  for (const char* host : {"evil.com", "evil.com:16686", "", "127.0.0.1.evil.com", "localhost.evil",
                           "127.0.0.1:16686.evil.com", "[::1", "::1.evil.com:1"})
    EXPECT_EQ(StatusFor(access, Ask("/api/services", host)), 403) << host;
}

TEST(Access, RefusesPagesOfOtherSites) {
  const Access access({});
  Request request = Ask("/api/weft/sql");
  for (const auto& [site, status] :
       {std::pair{"cross-site", 403}, {"same-site", 403}, {"same-origin", 200}, {"none", 200}}) {
    request.fetch_site = site;
    EXPECT_EQ(StatusFor(access, request), status) << site;
  }
  Request page = Ask("/trace/1");
  page.fetch_site = "cross-site";  // a link in a chat
  EXPECT_EQ(StatusFor(access, page), 200);
}

TEST(Access, WantsTheTokenFromEverybody) {
  const Access access({.token = kToken, .names = {}});
  EXPECT_EQ(StatusFor(access, Ask("/api/services")), 401);
  EXPECT_EQ(StatusFor(access, Ask("/")), 401);
  EXPECT_EQ(StatusFor(access, Ask("/app.js")), 401);
  Request request = Ask("/api/services", "weft.example");
  for (const char* wrong : {"", "Bearer ", "Bearer 0123456789abcdeF", "Bearer 0123456789abcde",
                            "Bearer 0123456789abcdef0", "Basic 0123456789abcdef"}) {
    request.authorization = wrong;
    EXPECT_EQ(StatusFor(access, request), 401) << wrong;
  }
  request.authorization = "Bearer 0123456789abcdef";
  EXPECT_EQ(StatusFor(access, request), 200);
}

TEST(Access, TurnsTheTokenOfAnAddressIntoACookie) {
  const Access access({.token = kToken, .names = {}});
  const auto moved = access.Refuse(Ask("/trace/1?token=0123456789abcdef&view=flame&a=%26"), kPort);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->status, 303);
  EXPECT_EQ(HeaderOf(*moved, "Location"), "/trace/1?view=flame&a=%26");
  const std::string cookie = HeaderOf(*moved, "Set-Cookie");
  EXPECT_TRUE(cookie.starts_with("weft_16686=0123456789abcdef;")) << cookie;
  EXPECT_NE(cookie.find("HttpOnly"), cookie.npos);
  EXPECT_NE(cookie.find("SameSite=Lax"), cookie.npos);
  Request request = Ask("/api/services");
  request.cookie = "other=1; weft_16686=0123456789abcdef";
  EXPECT_EQ(StatusFor(access, request), 200);
  request.cookie = "weft_1=0123456789abcdef; xweft_16686=0123456789abcdef";
  EXPECT_EQ(StatusFor(access, request), 401);
}

TEST(Access, RedirectsNowhereElse) {
  const Access access({.token = kToken, .names = {}});
  const auto moved = access.Refuse(Ask("//evil.com/?token=0123456789abcdef"), kPort);
  ASSERT_TRUE(moved);
  EXPECT_EQ(HeaderOf(*moved, "Location"), "/evil.com");
  const auto escaped = access.Refuse(Ask("/%2F%2Fevil.com%0D%0Ax?token=0123456789abcdef"), kPort);
  ASSERT_TRUE(escaped);
  EXPECT_EQ(HeaderOf(*escaped, "Location"), "/%2F%2Fevil.com%0D%0Ax");
}

TEST(Access, ServesTheLoginPageWithoutAToken) {
  const Access access({.token = kToken, .names = {}});
  const auto page = access.Refuse(Ask("/search"), kPort);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 401);
  EXPECT_NE(page->body.find("<form>"), page->body.npos);
  EXPECT_EQ(StatusFor(access, Ask("/login.css")), 200);
}

TEST(Access, TakesTokensThatAHeaderCanCarry) {
  EXPECT_TRUE(CheckToken("0123456789abcdef"));
  EXPECT_TRUE(CheckToken("aB3-._~+/=aB3-._~+/="));
  EXPECT_FALSE(CheckToken(""));
  EXPECT_FALSE(CheckToken("short"));
  EXPECT_FALSE(CheckToken("0123456789abcdef\r\n"));
  EXPECT_FALSE(CheckToken("0123456789abcde;"));
}

TEST(Access, KnowsWhatOnlyThisHostCanReach) {
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"})
    EXPECT_TRUE(IsLoopback(*ListenAddress::Parse(address))) << address;
  for (const char* address : {":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "weft.example:1"})
    EXPECT_FALSE(IsLoopback(*ListenAddress::Parse(address))) << address;
}

}  // namespace
}  // namespace weft::serve
