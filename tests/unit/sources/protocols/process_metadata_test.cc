#include "sources/ebpf/process_metadata.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sources/ebpf/process_cgroup.h"
#include "sources/ebpf/process_service_name.h"

namespace weft::ebpf {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

// A /proc of files in a folder of its own.
class ProcessMetadataTest : public ::testing::Test {
 protected:
  ProcessMetadataTest() {
    std::string pattern = (fs::temp_directory_path() / "weft-proc-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    Write("proc/sys/kernel/hostname", "box\n");
    Write("etc/machine-id", "0123456789abcdef\n");
  }
  ~ProcessMetadataTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  void Process(uint32_t pid, const std::string& exe, const std::string& command,
               const std::string& environment = "", const std::string& cgroup = "0::/\n",
               uint32_t parent = 1, uint64_t start = 100) {
    const std::string folder = "proc/" + std::to_string(pid) + "/";
    std::string stat = std::to_string(pid) + " (a (b) c) S " + std::to_string(parent);
    for (int field = 5; field < 22; ++field) stat += " 0";
    Write(folder + "stat", stat + " " + std::to_string(start) + " 0\n");
    Write(folder + "cmdline", command);
    Write(folder + "environ", environment);
    Write(folder + "cgroup", cgroup);
    fs::remove(root_ / (folder + "exe"));
    fs::create_symlink(exe, root_ / (folder + "exe"));
  }

  ProcessMetadata Make(size_t max_entries = 100) {
    return ProcessMetadata({.root = root_.string(), .max_entries = max_entries}, clock_, metrics_);
  }

  static std::string Attribute(const ProcessInfo& info, std::string_view key) {
    for (const auto& [k, v] : info.attributes)
      if (k == key) return v;
    return "";
  }

  fs::path root_;
  ManualClock clock_{kSecond};
  Metrics metrics_;
};

TEST_F(ProcessMetadataTest, TakesTheNameThatTheEnvironmentGives) {
  Process(
      5, "/usr/bin/python3", "python3\0app.py\0"s,
      "A=1\0OTEL_SERVICE_NAME=cart\0OTEL_RESOURCE_ATTRIBUTES=service.name=no,team=a%20b,api.token=x\0"s);
  Process(6, "/usr/bin/python3", "python3\0app.py\0"s,
          "OTEL_RESOURCE_ATTRIBUTES=service.name=pay\0"s);
  ProcessMetadata metadata = Make();
  const ProcessInfo info = metadata.Get(5);
  EXPECT_EQ(info.service_name, "cart");
  EXPECT_EQ(Attribute(info, "team"), "a b");
  EXPECT_EQ(Attribute(info, "api.token"), "REDACTED");
  EXPECT_EQ(metadata.Get(6).service_name, "pay");
  EXPECT_TRUE(info.complete);
  EXPECT_EQ(metadata.host_name(), "box");
}

TEST_F(ProcessMetadataTest, TakesUnitAndContainerNamesFromTheCgroup) {
  const std::string id(64, 'a');
  Process(5, "/opt/x", "x\0"s, "", "0::/system.slice/shop-cart.service\n");
  Process(6, "/opt/x", "x\0"s, "", "0::/user.slice/user-0.slice/session-1.scope\n");
  Process(7, "/opt/x", "x\0"s, "", "0::/user.slice/user-0.slice/user@0.service/init.scope\n");
  Process(8, "/opt/x", "x\0"s, "", "0::/system.slice/docker-" + id + ".scope\n");
  Process(
      9, "/opt/x", "x\0"s, "HOSTNAME=shop-cart-7d9c5b6f4-x2k9p\0"s,
      "0::/kubepods.slice/kubepods-pod12345678_1234_1234_1234_123456789012.slice/cri-containerd-" +
          id + ".scope\n");
  Write("var/lib/docker/containers/" + id + "/config.v2.json", R"({"ID":"x","Name":"/shop-pay"})");
  ProcessMetadata metadata = Make();
  EXPECT_EQ(metadata.Get(5).service_name, "shop-cart");
  EXPECT_EQ(metadata.Get(6).service_name, "x");
  EXPECT_EQ(metadata.Get(7).service_name, "x");
  EXPECT_EQ(metadata.Get(8).service_name, "shop-pay");
  EXPECT_EQ(Attribute(metadata.Get(8), "container.id"), id);
  EXPECT_EQ(metadata.Get(9).service_name, "shop-cart");
  EXPECT_EQ(Attribute(metadata.Get(9), "k8s.pod.uid"), "12345678-1234-1234-1234-123456789012");
}

TEST_F(ProcessMetadataTest, GivesAUnitsNameOnlyToWhatTheUnitStarted) {
  const std::string unit = "0::/system.slice/cron.service\n";
  Process(10, "/usr/sbin/cron", "cron\0"s, "", unit, 1);
  Process(11, "/bin/sh", "sh\0-c\0x\0"s, "", unit, 10);
  Process(12, "/usr/bin/node", "node\0/srv/report.js\0"s, "", unit, 11);
  const std::string own = "0::/system.slice/shop.service\n";
  Process(20, "/bin/bash", "bash\0start.sh\0"s, "", own, 1);
  Process(21, "/usr/bin/node", "node\0/srv/report.js\0"s, "", own, 20);
  ProcessMetadata metadata = Make();
  EXPECT_EQ(metadata.Get(10).service_name, "cron");
  EXPECT_EQ(metadata.Get(12).service_name, "report");
  EXPECT_EQ(metadata.Get(21).service_name, "shop");
}

TEST_F(ProcessMetadataTest, TakesTheProcessesOfAConfiguredUnitForOne) {
  const std::string fpm = "0::/system.slice/php8.2-fpm.service\n";
  Process(5, "/usr/sbin/php-fpm8.2", "php-fpm: master\0"s, "", fpm);
  Process(6, "/usr/sbin/php-fpm8.2", "php-fpm: pool www\0"s, "", fpm);
  Process(7, "/usr/bin/node", "node\0/srv/a.js\0"s, "", "0::/a.scope\n");
  Process(8, "/usr/bin/node", "node\0/srv/a.js\0"s, "", "0::/b.scope\n");
  Process(9, "/usr/bin/node", "node\0/srv/b.js\0"s, "", "0::/a.scope\n");
  ProcessMetadata metadata({.root = root_.string(), .units = {"php8.2-fpm.service", "a"}}, clock_,
                           metrics_);
  const uint64_t master = metadata.Get(5).id;
  EXPECT_EQ(metadata.Get(6).id, master);
  EXPECT_EQ(metadata.Get(6).shown_pid, 5u);
  EXPECT_NE(metadata.Get(7).id, metadata.Get(8).id) << "another cgroup is another instance";
  metadata.OnExec(6);
  EXPECT_EQ(metadata.Get(6).id, master);
}

TEST_F(ProcessMetadataTest, ChangesTheIdOnExecAndOnReuseOfThePid) {
  Process(5, "/bin/sh", "sh\0"s);
  ProcessMetadata metadata = Make();
  const uint64_t first = metadata.Get(5).id;
  EXPECT_EQ(metadata.Get(5).id, first);
  Process(5, "/usr/bin/nginx", "nginx\0"s);
  metadata.OnExec(5);
  const uint64_t second = metadata.Get(5).id;
  EXPECT_NE(second, first);
  EXPECT_EQ(metadata.Get(5).service_name, "nginx");
  metadata.OnExit(5);
  EXPECT_EQ(metadata.Get(5).id, second);  // its last records come late
  Process(5, "/usr/bin/redis-server", "redis-server\0"s, "", "0::/\n", 1, 900);
  clock_.Advance(kSecond);
  EXPECT_NE(metadata.Get(5).id, second);
  EXPECT_EQ(metadata.Get(5).service_name, "redis-server");
}

TEST_F(ProcessMetadataTest, ReadsAgainWhatWasReadTooEarly) {
  ProcessMetadata metadata = Make();
  const uint64_t id = metadata.Get(5).id;
  EXPECT_EQ(metadata.Get(5).service_name, "pid-5");
  Process(5, "/usr/bin/nginx", "nginx: worker\0"s);
  EXPECT_EQ(metadata.Get(5).service_name, "pid-5");
  clock_.Advance(ProcessMetadata::kRetryNs);
  EXPECT_EQ(metadata.Get(5).service_name, "nginx");
  EXPECT_EQ(metadata.Get(5).id, id);
  EXPECT_EQ(metrics_.Get("agent.process_unreadable").Get(), 1u);
}

TEST_F(ProcessMetadataTest, KeepsTheDeadForAMinuteAndBoundsItsSize) {
  ProcessMetadata metadata = Make(3);
  for (uint32_t pid = 1; pid <= 3; ++pid)
    Process(pid + 100, "/bin/x", "x\0"s), metadata.Get(pid + 100);
  metadata.OnExit(101);
  EXPECT_EQ(metadata.size(), 3u);
  metadata.Get(104);
  EXPECT_EQ(metadata.size(), 3u);
  EXPECT_EQ(metrics_.Get("agent.process_evicted").Get(), 1u);
  clock_.Advance(2 * kSecond);
  metadata.OnExit(102);
  clock_.Advance(ProcessMetadata::kKeepNs);
  metadata.OnExit(103);
  EXPECT_EQ(metadata.size(), 2u);
}

TEST_F(ProcessMetadataTest, NamesTheRunningProcessFromTheRealProc) {
  ProcessMetadata metadata({}, clock_, metrics_);
  const ProcessInfo& info = metadata.Get(static_cast<uint32_t>(getpid()));
  EXPECT_TRUE(info.complete);
  EXPECT_NE(info.start_ticks, 0u);
}

TEST(ServiceNameFromCommand, NamesWhatRunsNotItsInterpreter) {
  const auto name = [](std::string_view exe, std::vector<std::string_view> arguments) {
    return ServiceNameFromCommand(exe, arguments, "/srv/shop");
  };
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3", "-m", "shop.cart"}), "shop.cart");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3", "-u", "/x/app.py", "--port", "1"}), "app");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python", "-um", "cart"}), "cart");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3", "/opt/pay/main.py"}), "pay");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3", "main.py"}), "shop");
  EXPECT_EQ(
      name("/usr/bin/python3.11", {"python3", "/usr/bin/gunicorn", "-w", "4", "cart.web:app"}),
      "cart.web");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3", "-m", "uvicorn", "pay:app"}), "pay");
  EXPECT_EQ(name("/usr/bin/node", {"node", "app.js"}), "app");
  EXPECT_EQ(name("/usr/bin/node", {"node", "--require", "x.js", "/srv/web/dist/index.js"}), "web");
  EXPECT_EQ(name("/usr/lib/jvm/bin/java", {"java", "-Xmx1g", "-jar", "/opt/order.jar"}), "order");
  EXPECT_EQ(name("/usr/lib/jvm/bin/java", {"java", "-cp", "a:b", "com.shop.Cart", "x"}), "Cart");
  EXPECT_EQ(name("/usr/sbin/nginx", {"nginx: worker process"}), "nginx");
  EXPECT_EQ(name("/usr/bin/redis-server", {"/usr/bin/redis-server 127.0.0.1:6379"}),
            "redis-server");
  EXPECT_EQ(name("/usr/bin/redis-check-rdb", {"/usr/bin/redis-server 127.0.0.1:6379"}),
            "redis-server");
  EXPECT_EQ(name("/app/checkout", {"./checkout", "-v"}), "checkout");
  EXPECT_EQ(name("/app/checkout (deleted)", {"./checkout"}), "checkout");
  EXPECT_EQ(name("/usr/bin/python3.11", {"python3"}), "python3.11");
  EXPECT_EQ(name("", {"/x/thing"}), "thing");
  EXPECT_EQ(name("", {}), "");
}

TEST(Cgroup, IsReadInBothVersions) {
  const std::string id(64, 'b');
  EXPECT_EQ(
      ReadCgroup("12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n").container_id,
      id);
  EXPECT_EQ(ReadCgroup("0::/system.slice/containerd.service/kubepods-x:cri-containerd:" + id)
                .container_id,
            id);
  EXPECT_EQ(ReadCgroup("1:name=systemd:/system.slice/redis@6379.service\n").unit,
            "redis@6379.service");
  EXPECT_EQ(ReadCgroup("0::/system.slice/run-u12.service\n").unit, "");
  EXPECT_EQ(ServiceOfUnit("shop\\x2dcart.service"), "shop-cart");
}

}  // namespace
}  // namespace weft::ebpf
