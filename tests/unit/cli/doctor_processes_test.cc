#include "engine/cli/doctor_processes.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/cli/doctor_host.h"
#include "sources/ebpf/other_tracers.h"
#include "tests/support/temp_folder.h"

namespace weft::cli {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000 * kSecond;

class JudgeProcessesTest : public ::testing::Test {
 protected:
  JudgeProcessesTest() {
    process_.pid = 7;
    process_.name = "nginx";
    process_.start_ns = kNow - 3600 * kSecond;
    process_.listens = {80};
    process_.connections = 3;
    store_.exists = true;
    store_.run_started_ns = kNow - 60 * kSecond;
    store_.run_updated_ns = kNow - kSecond;
    store_.newest_ns = kNow - kSecond;
  }
  ProcessVerdict Verdict() { return JudgeProcesses({process_}, config_, store_, kNow).front(); }
  void Expect(Tracing tracing, const std::string& why, const std::string& remedy = "") {
    const ProcessVerdict verdict = Verdict();
    EXPECT_EQ(TracingName(verdict.tracing), TracingName(tracing));
    EXPECT_THAT(verdict.why, HasSubstr(why));
    EXPECT_THAT(verdict.remedy, HasSubstr(remedy));
  }

  ebpf::SocketProcess process_;
  Config config_;
  StoreState store_;
};

TEST_F(JudgeProcessesTest, SaysHowManySpansThereAre) {
  store_.traced = {{7, "shop", 40, 2, "postgres"}};
  Expect(Tracing::kTraced, "40 spans of shop; 2 of bytes only, which look like postgres");
}

TEST_F(JudgeProcessesTest, SaysWhichKeyLeavesItOut) {
  config_.ebpf.exclude.processes = {"nginx"};
  Expect(Tracing::kLeftOut, "sources.ebpf.exclude.processes", "kill -HUP");
  config_.ebpf.exclude.processes = {};
  config_.ebpf.include.pids = {8};
  Expect(Tracing::kLeftOut, "not in sources.ebpf.include", "add nginx");
  process_.name = "weft";
  Expect(Tracing::kLeftOut, "weft never traces itself");
}

TEST_F(JudgeProcessesTest, KnowsTlsByTheBytesOrTheLibrary) {
  store_.traced = {{7, "shop", 0, 5, "tls"}};
  Expect(Tracing::kBytesOnly, "TLS, which weft does not decrypt");
  store_.traced = {{7, "shop", 0, 5, ""}};
  Expect(Tracing::kBytesOnly, "no protocol that weft knows");
  process_.tls = true;
  Expect(Tracing::kBytesOnly, "TLS");
}

TEST_F(JudgeProcessesTest, NamesThoseThatMoveBytesByIoUring) {
  store_.traced = {{7, "shop", 40, 0, ""}};
  process_.uring = true;
  Expect(Tracing::kTraced, "40 spans of shop; what it moves by io_uring the system-call hooks");
}

TEST_F(JudgeProcessesTest, SaysWhyNothingWasSeen) {
  Expect(Tracing::kNotSeen, "started before weft");
  process_.start_ns = kNow - kSecond;
  Expect(Tracing::kNotSeen, "no exchange has ended");
  process_.connections = 0;
  Expect(Tracing::kNotSeen, "nobody is connected");
  process_.foreign_bits = true;
  Expect(Tracing::kNotSeen, "32-bit", "hooks: socket");
  store_.run_ended = true;
  Expect(Tracing::kNotSeen, "", "weft run");
  store_.exists = false;
  Expect(Tracing::kNotSeen, "nothing has been traced into this store", "weft run");
}

TEST_F(JudgeProcessesTest, TakesNoProcessForOneThatHadItsNumber) {
  store_.traced = {{7, "shop", 40, 0, ""}};
  process_.start_ns = store_.newest_ns + 10 * kSecond;
  EXPECT_EQ(Verdict().tracing, Tracing::kNotSeen);
}

TEST_F(JudgeProcessesTest, NamesAnotherNetworkNamespace) {
  process_.foreign_network = true;
  Expect(Tracing::kNotSeen, "in a network namespace of its own");
}

TEST(HostSockets, ReadsTheKernelsTables) {
  std::istringstream tcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "12345 1 0000\n"
      "   1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 "
      "12346 1 0000\n"
      "   2: junk\n");
  const auto sockets = ebpf::ReadTcpTable(tcp);
  ASSERT_EQ(sockets.size(), 2u);
  EXPECT_EQ(sockets[0].local_port, 8080);
  EXPECT_EQ(sockets[0].state, 10);
  EXPECT_EQ(sockets[1].inode, 12346u);
  std::istringstream streams(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "0000: 00000003 00000000 00000000 0001 03 777 /run/x\n"
      "0000: 00000002 00000000 00010000 0001 01 778 /run/x\n"
      "0000: 00000003 00000000 00000000 0002 03 779\n");
  EXPECT_EQ(ebpf::ReadUnixTable(streams), std::vector<uint64_t>{777});
}

TEST(HostSockets, KnowsWhoHasAnIoUring) {
  const test::TempFolder folder;
  for (const char* pid : {"7", "8"}) {
    const auto process = folder.path() / "proc" / pid;
    std::filesystem::create_directories(process / "fd");
    std::filesystem::create_directories(process / "net");
    std::filesystem::create_symlink("socket:[777]", process / "fd/3");
    std::ofstream(process / "net/unix") << "the heads\n"
                                        << "0000: 00000003 00000000 00000000 0001 03 777 /run/x\n";
  }
  std::filesystem::create_symlink("anon_inode:[io_uring]", folder.path() / "proc/8/fd/4");
  const auto processes = ebpf::ReadHostSockets(folder.path());
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[0].unix_streams, 1u);
  EXPECT_FALSE(processes[0].uring);
  EXPECT_TRUE(processes[1].uring);
}

TEST(OtherTracers, AreNamedByWhoHoldsThem) {
  EXPECT_EQ(ebpf::ProgramsOfFdInfo("pos:\t0\nprog_type:\t5\nprog_id:\t42\n"),
            std::vector<uint32_t>{42});
  const auto checks = ebpf::DescribeForeign({{1, 5, "sys_enter", "tetragon (pid 71)"},
                                             {2, 26, "on_send", "weft (pid 9)"},
                                             {3, 13, "cil_sockops", "cilium (pid 5)"},
                                             {4, 15, "sd_devices", ""}});
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_THAT(checks[0].remedy, HasSubstr("tcp_option: off"));
  EXPECT_THAT(checks[1].detail, HasSubstr("1 of tetragon (pid 71): sys_enter"));
  EXPECT_EQ(checks[1].state, ebpf::CheckState::kOk);
  EXPECT_EQ(checks[2].remedy, "kill 9");
  EXPECT_THAT(ebpf::DescribeForeign({{4, 15, "sd_devices", ""}})[0].detail,
              HasSubstr("no tracers"));
}

TEST(DoctorHost, SaysThatTheClockWasSetBack) {
  StoreState store;
  store.newest_ns = kNow + 3600 * kSecond;
  EXPECT_THAT(CheckClock(store, kNow).detail, HasSubstr("in the future"));
}

TEST(DoctorHost, HasACheckForEachSink) {
  const auto checks = CheckSinks({{"sink.rows{sink=sqlite}", 10},
                                  {"sink.dropped{sink=kafka}", 5},
                                  {"sink.refused{sink=kafka}", 3},
                                  {"sink.rows{sink=kafka}", 7}},
                                 true);
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].state, ebpf::CheckState::kWarn);
  EXPECT_THAT(checks[0].detail, HasSubstr("3 refused for good, 2 given up"));
  EXPECT_EQ(checks[1].state, ebpf::CheckState::kOk);
}

}  // namespace
}  // namespace weft::cli
