#include "sources/ebpf/libbpf_words.h"

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

TEST(LibbpfWords, SaysWhatTheVerifierSaidLast) {
  EXPECT_EQ(CauseIn("libbpf: prog 'socket_send': BPF program load failed: Permission denied\n"
                    "libbpf: prog 'socket_send': -- BEGIN PROG LOAD LOG --\n"
                    "906: (bf) r2 = r8\n"
                    "R2 type=mem expected=scalar\n"
                    "processed 484 insns (limit 1000000)\n"
                    "-- END PROG LOAD LOG --\n"
                    "libbpf: prog 'socket_send': failed to load: -13\n"
                    "libbpf: failed to load object 'socket_layer'\n"
                    "libbpf: failed to load BPF skeleton 'socket_layer': -13\n"),
            "libbpf: prog 'socket_send': failed to load: -13; the verifier: R2 type=mem "
            "expected=scalar");
}

TEST(LibbpfWords, SaysNothingWhereNothingWasSaid) { EXPECT_EQ(CauseIn(""), ""); }

}  // namespace
}  // namespace weft::ebpf
