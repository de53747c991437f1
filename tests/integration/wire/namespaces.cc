#include "tests/integration/wire/namespaces.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sources/ebpf/probe_report.h"

namespace weft::test {
namespace {

int next_number = 0;

}  // namespace

std::string Shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "no shell";
  std::string output;
  char buffer[512];
  while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = pclose(pipe);
  if (status == 0) return {};
  return "'" + command + "' failed: " + output + "\n";
}

namespace {

// What a test that was killed could not take away: names that begin so, then have its process.
void RemoveLeftBehind(const std::string& folder, std::string_view prefix, auto&& remove) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (!name.starts_with(prefix)) continue;
    const char* const end = name.data() + name.size();
    const auto number = std::from_chars(name.data() + prefix.size(), end, pid);
    if (number.ec != std::errc{} || number.ptr == end || *number.ptr != '-' || pid <= 0) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) remove(name);
  }
}

}  // namespace

std::string MissingTools() {
  if (geteuid() != 0) return "network namespaces need root";
  for (const char* tool : {"ip", "nft"})
    if (!Shell(std::string("command -v ") + tool).empty())
      return std::string(tool) + " is not installed (.ci/deps installs it)";
  RemoveLeftBehind("/run/netns", "weft-",
                   [](const std::string& name) { Shell("ip netns del " + name); });
  if (const std::string root = ebpf::FindMount("cgroup2"); !root.empty())
    RemoveLeftBehind(root, "weft-test-",
                     [&](const std::string& name) { rmdir((root + "/" + name).c_str()); });
  Namespace probe("probe");
  return probe.errors();
}

Namespace::Namespace(std::string_view name)
    : name_("weft-" + std::to_string(getpid()) + "-" + std::to_string(next_number++) + "-" +
            std::string(name)) {
  errors_ += Shell("ip netns add " + name_);
  Run("ip link set lo up");
}

Namespace::~Namespace() { Shell("ip netns del " + name_); }

bool Namespace::Enter() const {
  const int fd = open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC);
  const bool entered = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
  if (fd >= 0) close(fd);
  return entered;
}

void Namespace::Run(const std::string& command) {
  errors_ += Shell("ip netns exec " + name_ + " " + command);
}

void Namespace::Sysctl(std::string_view key, std::string_view value) {
  std::string path = "/proc/sys/net/" + std::string(key);
  Run("sh -c 'echo " + std::string(value) + " > " + path + "'");
}

void Namespace::Rules(const std::string& text) {
  const std::string file = "/tmp/" + name_ + ".nft";
  std::ofstream(file) << text;
  Run("nft -f " + file);
  unlink(file.c_str());
}

void Namespace::Connect(Namespace& a, const std::string& a_address, Namespace& b,
                        const std::string& b_address) {
  const std::string left = "v" + std::to_string(a.cables_++);
  const std::string right = "v" + std::to_string(b.cables_++);
  a.errors_ += Shell("ip link add " + left + " netns " + a.name_ + " type veth peer name " + right +
                     " netns " + b.name_);
  for (const auto& [end, device, address] :
       {std::tuple{&a, left, a_address}, std::tuple{&b, right, b_address}}) {
    end->Run("ip addr add " + address + " dev " + device +
             (address.find(':') != std::string::npos ? " nodad" : ""));
    end->Run("ip link set " + device + " up");
  }
}

TestCgroup::TestCgroup() {
  const std::string root = ebpf::FindMount("cgroup2");
  if (root.empty()) return;
  path_ = root + "/weft-test-" + std::to_string(getpid()) + "-" + std::to_string(next_number++);
  if (mkdir(path_.c_str(), 0755) != 0) path_.clear();
}

TestCgroup::~TestCgroup() {
  if (!path_.empty()) rmdir(path_.c_str());
}

bool TestCgroup::Enter() const {
  std::ofstream file(path_ + "/cgroup.procs");
  file << getpid() << std::flush;
  return file.good();
}

}  // namespace weft::test
