#include "sources/ebpf/protocols/http1/route.h"

#include <gtest/gtest.h>

#include "sources/ebpf/protocols/name_limit.h"

namespace weft::ebpf::http1 {
namespace {

std::string Route(std::string_view path) {
  std::string out;
  AppendRouteGuess(path, &out);
  return out;
}

TEST(RouteGuess, ReplacesWhatLooksLikeData) {
  EXPECT_EQ(Route("/cart/8231"), "/cart/{id}");
  EXPECT_EQ(Route("/u/7f3c9a12-1111-4222-8333-944445555666/x"), "/u/{id}/x");
  EXPECT_EQ(Route("/o/5f2b9e8c7d"), "/o/{id}");
  EXPECT_EQ(Route("/o/item-42"), "/o/{id}");
  EXPECT_EQ(Route("/reports/2026-11-21"), "/reports/{id}");
  EXPECT_EQ(Route("/s/caf%C3%A9"), "/s/{id}");
  EXPECT_EQ(Route("/posts/ten-ways-to-cook-rice"), "/posts/{id}");
  EXPECT_EQ(Route("/img/a1b2c3d4.png"), "/img/{id}.png");
  EXPECT_EQ(Route("/mail/a@b.example"), "/mail/{id}");
}

TEST(RouteGuess, KeepsWhatLooksLikeARoute) {
  for (const char* path :
       {"/", "/api/v1/users", "/api/v2beta1/pods", "/oauth2/authorize", "/a/b/c",
        "/static/logo.png", "/hash/sha256", "/1.0/status", "/s3/list", "/getUserProfile"})
    EXPECT_EQ(Route(path), path);
}

TEST(RouteGuess, NormalisesSlashesAndBoundsTheDepth) {
  EXPECT_EQ(Route(""), "/");
  EXPECT_EQ(Route("//a///b/"), "/a/b");
  EXPECT_EQ(Route("/a/b/c/d/e/f/g/h/i/j"), "/a/b/c/d/e/f/g/h/*");
  EXPECT_LE(
      Route("/" + std::string(30, 'a') + "/" + std::string(32, 'b') + "/" + std::string(32, 'c') +
            "/" + std::string(32, 'd') + "/" + std::string(32, 'e') + "/" + std::string(32, 'f'))
          .size(),
      170u);
}

TEST(NameLimit, AdmitsSoManyNamesPerScope) {
  NameLimit limit(2);
  EXPECT_TRUE(limit.Admit(1, "a"));
  EXPECT_TRUE(limit.Admit(1, "b"));
  EXPECT_FALSE(limit.Admit(1, "c"));
  EXPECT_TRUE(limit.Admit(1, "a"));
  EXPECT_TRUE(limit.Admit(2, "c"));
}

}  // namespace
}  // namespace weft::ebpf::http1
