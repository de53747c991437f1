#include "sources/ebpf/trusted_networks.h"

#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

bool Contains(const TrustedNetworks& networks, const std::string& text) {
  uint8_t address[16] = {};
  const bool ipv6 = text.find(':') != std::string::npos;
  EXPECT_EQ(inet_pton(ipv6 ? AF_INET6 : AF_INET, text.c_str(), address), 1);
  return networks.Contains(ipv6, address);
}

TEST(TrustedNetworks, TrustsPrivateRangesByDefault) {
  const auto networks = TrustedNetworks::Parse({});
  ASSERT_TRUE(networks.has_value());
  for (const char* address :
       {"127.0.0.1", "10.1.2.3", "172.31.255.1", "192.168.0.9", "::1", "fd00::1"})
    EXPECT_TRUE(Contains(*networks, address)) << address;
  for (const char* address : {"8.8.8.8", "172.32.0.1", "2001:db8::1"})
    EXPECT_FALSE(Contains(*networks, address)) << address;
}

TEST(TrustedNetworks, ReplacesTheDefaultByWhatIsGiven) {
  const std::vector<std::string> texts = {"203.0.113.0/25", "2001:db8::7"};
  const auto networks = TrustedNetworks::Parse(texts);
  ASSERT_TRUE(networks.has_value());
  EXPECT_TRUE(Contains(*networks, "203.0.113.127"));
  EXPECT_FALSE(Contains(*networks, "203.0.113.128"));
  EXPECT_TRUE(Contains(*networks, "2001:db8::7"));
  EXPECT_FALSE(Contains(*networks, "10.0.0.1"));
}

TEST(TrustedNetworks, NamesTheTextThatIsWrong) {
  for (const char* text :
       {"10.0.0.0/33", "10.0.0/8", "example.org", "fd00::/129", "10.0.0.0/", "1.2.3.4/8x"}) {
    const std::vector<std::string> texts = {text};
    const auto networks = TrustedNetworks::Parse(texts);
    ASSERT_FALSE(networks.has_value()) << text;
    EXPECT_NE(networks.error().message.find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace weft::ebpf
