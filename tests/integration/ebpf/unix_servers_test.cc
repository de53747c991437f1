// The programs that stand behind nginx on Unix stream sockets: php-fpm (FastCGI) and uWSGI.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/integration/ebpf/live_fixture.h"
#include "tests/integration/ebpf/programs.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {
namespace {

constexpr int kRequests = 25;

// The program's path; empty: it is not installed.
std::string Installed(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    for (const char* folder : {"/usr/sbin/", "/usr/bin/"})
      if (access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return {};
}

// A server that forks its workers, ended with all of them.
class Prefork {
 public:
  explicit Prefork(const std::vector<std::string>& command) {
    pid_ = fork();
    if (pid_ != 0) return;
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~Prefork() {
    kill(pid_, SIGINT);
    waitpid(pid_, nullptr, 0);
  }
  Prefork(const Prefork&) = delete;
  Prefork& operator=(const Prefork&) = delete;

  // Once there are so many; fewer where it ended.
  std::vector<uint32_t> Workers(size_t count) const {
    std::vector<uint32_t> workers;
    for (int waited = 0; waited < 10'000 && workers.size() < count; waited += 10) {
      workers.clear();
      std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", pid_));
      for (uint32_t pid = 0; file >> pid;) workers.push_back(pid);
      if (workers.size() < count) poll(nullptr, 0, 10);
    }
    return workers;
  }

 private:
  pid_t pid_ = -1;
};

class UnixServers : public EbpfLiveTest {
 protected:
  void SetUp() override {
    EbpfLiveTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    char folder[] = "/tmp/weft-unix-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::string socket() const { return folder_ + "/server.sock"; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  // nginx in front of `server`, and `kRequests` through both.
  void TraceBehindNginx(const std::string& pass, const Prefork& server, size_t workers) {
    const std::string nginx = Installed({"nginx"});
    if (nginx.empty()) WEFT_SKIP_OR_FAIL("nginx", "nginx is missing");
    uint16_t port = 0;
    {
      const test::Listener free_port;
      port = free_port.port;
    }
    std::string paths;
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      paths += fmt::format("{}_temp_path {}/{}; ", kind, folder_, kind);
    const std::string conf = Write(
        "nginx.conf", fmt::format("daemon off; user root; worker_processes 1; pid {0}/pid; "
                                  "error_log /dev/null; events {{ }} http {{ access_log off; {1} "
                                  "server {{ listen 127.0.0.1:{2}; location / {{ {3} }} }} }}",
                                  folder_, paths, port, pass));
    const Prefork front({nginx, "-c", conf});
    const std::vector<uint32_t> back = server.Workers(workers), fronts = front.Workers(1);
    ASSERT_EQ(back.size(), workers);
    ASSERT_EQ(fronts.size(), 1u);
    front_ = fronts[0];
    back_ = {back.begin(), back.end()};
    test::TracedProcess client([&] { return test::RequestHttp(port, kRequests); });
    EbpfConfig config;
    config.include.pids = back;
    config.include.pids.push_back(front_);
    Trace(config, [&] {
      client.Go();
      EXPECT_EQ(client.Wait(), 0);
    });
    EXPECT_EQ((seen_[{front_, WEFT_KIND_SERVER}].size()), size_t{kRequests});
  }

  // Each request went over the Unix socket once, and both ends say so under this name.
  void ExpectJoined(const std::string& operation) {
    std::set<uint64_t> called, served;
    for (const Seen& row : seen_[{front_, WEFT_KIND_CLIENT}]) {
      called.insert(row.wire_id);
      EXPECT_EQ(row.operation, operation);
      EXPECT_EQ(row.flags & WEFT_FLAG_INCOMPLETE, 0u);
    }
    for (const uint32_t pid : back_) {
      for (const Seen& row : seen_[{pid, WEFT_KIND_SERVER}]) {
        served.insert(row.wire_id);
        EXPECT_EQ(row.operation, operation);
        EXPECT_EQ(row.flags & WEFT_FLAG_INCOMPLETE, 0u);
      }
    }
    EXPECT_EQ(called.size(), size_t{kRequests});
    EXPECT_EQ(called, served);
  }

  std::string folder_;
  uint32_t front_ = 0;
  std::set<uint32_t> back_;
};

TEST_P(UnixServers, PhpFpmsRequestsAreJoinedThoughNothingReadsThem) {
  const std::string php = Installed({"php-fpm8.2", "php-fpm8.4", "php-fpm"});
  if (php.empty()) WEFT_SKIP_OR_FAIL("php", "php-fpm is missing");
  Write("index.php", "<?php echo 'hello'; ?>");
  const std::string conf =
      Write("fpm.conf", fmt::format("[global]\nerror_log = /dev/null\ndaemonize = no\n[www]\n"
                                    "listen = {}\nuser = root\ngroup = root\npm = static\n"
                                    "pm.max_children = 2\n",
                                    socket()));
  const Prefork server({php, "-n", "-R", "-F", "-y", conf});
  TraceBehindNginx(fmt::format("fastcgi_pass unix:{}; fastcgi_param SCRIPT_FILENAME {}/index.php; "
                               "fastcgi_param REQUEST_METHOD $request_method;",
                               socket(), folder_),
                   server, 2);
  ExpectJoined("tcp");
}

TEST_P(UnixServers, UwsgisHttpRequestsAreJoined) {
  const std::string uwsgi = Installed({"uwsgi_python3"});
  if (uwsgi.empty()) WEFT_SKIP_OR_FAIL("uwsgi", "uwsgi with its Python plugin is missing");
  const std::string app = Write("app.py",
                                "def application(env, start_response):\n"
                                "    start_response('200 OK', [('Content-Length', '5')])\n"
                                "    return [b'hello']\n");
  const Prefork server({uwsgi, "--http-socket", socket(), "--chmod-socket=666", "--master",
                        "--processes", "2", "--wsgi-file", app, "--die-on-term"});
  TraceBehindNginx(fmt::format("proxy_pass http://unix:{};", socket()), server, 2);
  ExpectJoined("GET /items/{id}");
}

INSTANTIATE_TEST_SUITE_P(Hooks, UnixServers, testing::Values(Hooks::kSocket, Hooks::kSyscalls),
                         HooksName);

}  // namespace
}  // namespace weft::ebpf
