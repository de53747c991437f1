#include "tests/support/kafka_broker.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::test {
namespace {

Error Failed(std::string what) { return Error{Code::kInternal, "kafka: " + std::move(what)}; }

std::vector<std::string> CommandLine(const KafkaOptions& options) {
  std::vector<std::string> words{"python3", "-B", WEFT_KAFKA_CLUSTER, "--brokers",
                                 std::to_string(options.brokers)};
  const auto add = [&](const char* option, std::string value) {
    words.emplace_back(option);
    words.push_back(std::move(value));
  };
  for (const std::string& property : options.properties) add("--property", property);
  for (const auto& [name, password] : options.scram_users)
    add("--scram-user", fmt::format("{}={}", name, password));
  add("--security", options.security);
  if (options.heap_mb > 0) add("--heap-mb", std::to_string(options.heap_mb));
  return words;
}

}  // namespace

Result<std::unique_ptr<KafkaBroker>> KafkaBroker::Start(const KafkaOptions& options) {
  std::unique_ptr<KafkaBroker> broker(new KafkaBroker);
  WEFT_TRY(broker->Spawn(options));
  const auto line = broker->ReadLine();
  if (!line) return std::unexpected(line.error());
  std::istringstream words(*line);
  std::string state;
  words >> state >> broker->bootstrap_ >> broker->plain_bootstrap_ >> broker->folder_;
  if (state == "ready") return broker;
  const std::string reason = line->substr(std::min(line->size(), state.size() + 1));
  if (state == "unavailable") return Fail(Code::kUnsupported, reason);
  return std::unexpected(Failed(reason));
}

KafkaBroker::~KafkaBroker() {
  if (pid_ < 0) return;
  if (testing::Test::HasFailure() && !folder_.empty() && Command("keep"))
    std::fprintf(stderr, "kafka: logs and data stay in %s\n", folder_.c_str());
  close(fd_);  // ends the brokers
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<void> KafkaBroker::Kill(int broker) { return Command(fmt::format("kill {}", broker)); }
Result<void> KafkaBroker::Stop(int broker) { return Command(fmt::format("stop {}", broker)); }
Result<void> KafkaBroker::Start(int broker) { return Command(fmt::format("start {}", broker)); }
Result<void> KafkaBroker::Restart(int broker) {
  WEFT_TRY(Stop(broker));
  return Start(broker);
}

Result<void> KafkaBroker::Spawn(const KafkaOptions& options) {
  // Close-on-exec: a program that the test starts must not keep the brokers alive.
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(Failed(std::strerror(errno)));
  fd_ = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<std::string> words = CommandLine(options);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error == 0) return {};
  pid_ = -1;
  return Fail(Code::kUnsupported, fmt::format("python3: {}", std::strerror(error)));
}

Result<void> KafkaBroker::Command(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  if (send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    return std::unexpected(Failed(fmt::format("{}: {}", line, std::strerror(errno))));
  const auto answer = ReadLine();
  if (!answer) return std::unexpected(answer.error());
  if (*answer == "ok") return {};
  return std::unexpected(Failed(*answer));
}

Result<std::string> KafkaBroker::ReadLine() {
  for (;;) {
    if (const size_t end = unread_.find('\n'); end != unread_.npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    char piece[4096];
    const ssize_t n = read(fd_, piece, sizeof(piece));
    if (n > 0)
      unread_.append(piece, static_cast<size_t>(n));
    else if (n == 0 || errno != EINTR)
      return std::unexpected(Failed("kafka_cluster.py ended; its stderr says why"));
  }
}

}  // namespace weft::test
