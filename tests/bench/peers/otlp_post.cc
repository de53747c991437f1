// What `make bench-peers` sends spans with: the messages of otlp_load.h by HTTP, to whoever takes
// OTLP there.
//
//   otlp_post HOST:PORT COUNT CONNECTIONS
//
// Who is told to come again later (429, 503) does, with the same message. Prints one line of JSON.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <httplib.h>

#include "tests/bench/kafka/otlp_load.h"

namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "otlp_post: %s\n", why.c_str());
  std::exit(1);
}

class Post {
 public:
  Post(std::string address, uint64_t count) : address_(std::move(address)), load_(count) {}

  // One connection's work.
  void Run() {
    httplib::Client client("http://" + address_);
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_read_timeout(60, 0);
    for (std::string message; Next(&message);)
      while (!Sent(client, message)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  void Print() const {
    std::printf("{\"spans\": %llu, \"bytes\": %llu, \"sent_away\": %llu}\n",
                static_cast<unsigned long long>(load_.spans()),
                static_cast<unsigned long long>(bytes_),
                static_cast<unsigned long long>(sent_away_));
  }

 private:
  bool Next(std::string* message) {
    const std::lock_guard lock(mutex_);
    if (load_.done()) return false;
    *message = load_.Next();
    bytes_ += message->size();
    return true;
  }
  bool Sent(httplib::Client& client, const std::string& message) {
    const auto answer = client.Post("/v1/traces", message, "application/x-protobuf");
    if (!answer) Die("no answer: " + httplib::to_string(answer.error()));
    if (answer->status == 200) return true;
    if (answer->status != 429 && answer->status != 503)
      Die("status " + std::to_string(answer->status) + ": " + answer->body);
    ++sent_away_;
    return false;
  }

  const std::string address_;
  std::mutex mutex_;
  weft::bench::OtlpLoad load_;
  uint64_t bytes_ = 0;
  std::atomic<uint64_t> sent_away_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) Die("HOST:PORT COUNT CONNECTIONS");
  Post post(argv[1], std::strtoull(argv[2], nullptr, 10));
  std::vector<std::thread> connections;
  for (int i = std::atoi(argv[3]); i > 0; --i) connections.emplace_back([&post] { post.Run(); });
  for (std::thread& one : connections) one.join();
  post.Print();
}
