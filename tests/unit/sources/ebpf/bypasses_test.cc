#include "sources/ebpf/bypasses.h"

#include <sstream>

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

TEST(Bypasses, KernelTlsIsCountedInTheDirectionThatHasMore) {
  std::istringstream stat(
      "TlsCurrTxSw                     \t3\nTlsCurrRxSw                     \t1\n"
      "TlsCurrTxDevice                 \t2\nTlsCurrRxDevice                 \t0\n"
      "TlsTxSw                         \t90\n");
  EXPECT_EQ(KernelTlsSockets(stat), 5u);
}

TEST(Bypasses, MptcpSocketsAreCountedByProtocol) {
  std::istringstream protocols(
      "protocol  size sockets  memory press maxhdr  slab module     cl co di ac\n"
      "MPTCPv6   2048      1      -1   NI       0   yes  kernel      y  n  y  y\n"
      "TCPv6     2432      8       6   no     320   yes  kernel      y  y  y  y\n"
      "MPTCP     1920      2       0   no       0   yes  kernel      y  n  y  y\n");
  EXPECT_EQ(MptcpSockets(protocols), 3u);
}

TEST(Bypasses, KernelWithoutThemHasNone) {
  std::istringstream nothing, heads("protocol  size sockets\nTCP 2432 8 6 no\n");
  EXPECT_EQ(KernelTlsSockets(nothing), 0u);
  EXPECT_EQ(MptcpSockets(heads), 0u);
}

}  // namespace
}  // namespace weft::ebpf
