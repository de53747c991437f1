#include "engine/base/listen_address.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(ListenAddress, UnderstandsWhatPeopleWrite) {
  for (const auto& [text, host, port] :
       std::initializer_list<std::tuple<const char*, const char*, uint16_t>>{
           {"127.0.0.1:9338", "127.0.0.1", 9338},
           {"[::1]:80", "::1", 80},
           {"localhost:1", "localhost", 1},
           {":65535", "0.0.0.0", 65535},
           {"weft-engine.svc:0", "weft-engine.svc", 0}}) {
    const auto address = ListenAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(ListenAddress, RefusesTheRestAndSaysWhatIsRight) {
  for (const char* text : {"", "9338", "localhost", "localhost:", ":65536", ":-1", "::1:80",
                           "a b:1", "http://x:80", "[::1:80", ":80x"}) {
    const auto address = ListenAddress::Parse(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_NE(address.error().message.find("127.0.0.1:9338"), std::string::npos);
  }
}

TEST(ListenAddress, PrintsWhatItReads) {
  for (const char* text : {"127.0.0.1:9338", "[::1]:80"})
    EXPECT_EQ(ListenAddress::Parse(text)->Text(), text);
}

}  // namespace
}  // namespace weft
