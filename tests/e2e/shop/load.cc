// Drives the shop: a closed loop of keep-alive connections, each with one request in flight. Every
// request carries a unique X-Weft-Truth (r1, r2, ...). Ends after --duration or --count, waits for
// the answers that are still due, and prints one JSON object. One thread, epoll.
//
//   shop-load --port N [--concurrency 8] [--duration SECONDS] [--count N] [--first-truth 1]
//             [--seed 1] [--mix name=weight,...] [--no-truth]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kDrainTime{10};

// One kind of request; `%` in the path is replaced by a number.
struct Page {
  std::string name, method, path;
  double weight;
  uint64_t sent = 0;
};

struct Options {
  uint16_t port = 0;
  unsigned concurrency = 8;
  double duration_s = 1e9;
  uint64_t count = UINT64_MAX;
  uint64_t first_truth = 1;
  uint64_t seed = 1;
  bool truth = true;
  std::vector<Page> pages = {
      {"about", "GET", "/api/about", 10},          {"healthz", "GET", "/healthz", 5},
      {"product", "GET", "/api/product/%", 30},    {"cart", "GET", "/api/cart/%", 15},
      {"add", "POST", "/api/cart/%", 12},          {"search", "GET", "/search?q=q%", 16},
      {"checkout", "POST", "/api/checkout/%", 12},
  };
};

// A client connection: `Send` starts a request, `Receive` reads until its answer is whole.
class Connection {
 public:
  explicit Connection(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ok_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool ok() const { return ok_; }
  bool busy() const { return busy_; }
  Clock::time_point sent_at() const { return sent_at_; }

  void Send(const std::string& request) {
    sent_at_ = Clock::now();
    busy_ = true;
    answer_.clear();
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      ok_ = false;
    }
  }

  enum class Outcome { kMore, kDone, kFailed };
  Outcome Receive() {
    char buffer[16384];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::kMore;
    if (n <= 0 || !busy_) {
      ok_ = busy_ = false;
      return Outcome::kFailed;
    }
    answer_.append(buffer, static_cast<size_t>(n));
    const size_t head = answer_.find("\r\n\r\n");
    if (head == std::string::npos) return Outcome::kMore;
    if (answer_.size() < head + 4 + ContentLength(head)) return Outcome::kMore;
    busy_ = false;
    return answer_.compare(0, 12, "HTTP/1.1 200") == 0 ? Outcome::kDone : Outcome::kFailed;
  }

 private:
  size_t ContentLength(size_t head) const {
    constexpr std::string_view kName = "\r\ncontent-length:";
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
    const auto end = answer_.begin() + static_cast<ptrdiff_t>(head);
    const auto at = std::search(answer_.begin(), end, kName.begin(), kName.end(), same);
    if (at == end) return 0;
    return std::strtoull(&*at + kName.size(), nullptr, 10);
  }

  int fd_;
  bool ok_ = false, busy_ = false;
  Clock::time_point sent_at_;
  std::string answer_;
};

class Load {
 public:
  explicit Load(Options options)
      : options_(std::move(options)),
        random_(options_.seed),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        next_truth_(options_.first_truth) {
    std::vector<double> weights;
    for (const Page& page : options_.pages) weights.push_back(page.weight);
    pick_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }

  void Run() {
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(options_.duration_s));
    for (unsigned i = 0; i < options_.concurrency; ++i) Open(i);
    for (auto now = start; in_flight_ > 0 && now < end + kDrainTime; now = Clock::now()) {
      epoll_event events[64];
      const int n = epoll_wait(epoll_, events, 64, 100);
      stopping_ = stopping_ || Clock::now() >= end;
      for (int i = 0; i < n; ++i) OnReadable(static_cast<unsigned>(events[i].data.u32));
    }
    failed_ += in_flight_;  // not answered in time
    elapsed_s_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  void Print() {
    std::sort(latencies_us_.begin(), latencies_us_.end());
    std::printf(
        "{\"sent\": %lu, \"ok\": %lu, \"failed\": %lu, \"seconds\": %.3f, \"per_second\": %.1f, "
        "\"latency_ms\": {\"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f}, "
        "\"first_truth\": \"r%lu\", \"last_truth\": \"r%lu\", \"pages\": {",
        sent_, latencies_us_.size(), failed_, elapsed_s_,
        static_cast<double>(latencies_us_.size()) / elapsed_s_, Percentile(0.50), Percentile(0.95),
        Percentile(0.99), options_.first_truth, next_truth_ - 1);
    const char* separator = "";
    for (const Page& page : options_.pages) {
      std::printf("%s\"%s\": %lu", separator, page.name.c_str(), page.sent);
      separator = ", ";
    }
    std::printf("}}\n");
  }

  bool all_ok() const { return failed_ == 0 && sent_ > 0; }

 private:
  void Open(unsigned index) {
    if (index >= connections_.size()) connections_.resize(index + 1);
    connections_[index] = std::make_unique<Connection>(options_.port);
    if (!connections_[index]->ok()) {
      std::fprintf(stderr, "shop-load: connect to port %u: %s\n", options_.port, strerror(errno));
      ++failed_;
      return;
    }
    epoll_event event{.events = EPOLLIN, .data = {.u32 = index}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[index]->fd(), &event);
    SendNext(*connections_[index]);
  }

  void SendNext(Connection& connection) {
    if (stopping_ || sent_ >= options_.count) return;
    Page& page = options_.pages[pick_(random_)];
    std::string path = page.path;
    if (const size_t at = path.find('%'); at != std::string::npos) {
      path.replace(at, 1, std::to_string(random_() % 100));
    }
    std::string request = page.method + " " + path + " HTTP/1.1\r\nHost: shop\r\n";
    if (options_.truth) request += "X-Weft-Truth: r" + std::to_string(next_truth_) + "\r\n";
    if (page.method == "POST")
      request += "Content-Length: 2\r\n\r\n{}";
    else
      request += "\r\n";
    ++next_truth_;
    ++sent_;
    ++page.sent;
    ++in_flight_;
    connection.Send(request);
  }

  void OnReadable(unsigned index) {
    Connection& connection = *connections_[index];
    const bool was_busy = connection.busy();
    const auto outcome = connection.Receive();
    if (outcome == Connection::Outcome::kMore) return;
    if (was_busy) {
      --in_flight_;
      if (outcome == Connection::Outcome::kDone) {
        latencies_us_.push_back(
            std::chrono::duration<double, std::micro>(Clock::now() - connection.sent_at()).count());
      } else {
        ++failed_;
      }
    }
    if (connection.ok())
      SendNext(connection);
    else if (!stopping_)
      Open(index);
  }

  double Percentile(double share) const {
    if (latencies_us_.empty()) return 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(latencies_us_.size() - 1));
    return latencies_us_[at] / 1000;
  }

  Options options_;
  std::mt19937_64 random_;
  std::discrete_distribution<size_t> pick_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<double> latencies_us_;
  int epoll_;
  uint64_t next_truth_, sent_ = 0, failed_ = 0, in_flight_ = 0;
  bool stopping_ = false;
  double elapsed_s_ = 0;
};

// Sets the weights of the named pages and zero for all others; false for an unknown name.
bool ParseMix(std::string_view text, std::vector<Page>& pages) {
  for (Page& page : pages) page.weight = 0;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    const size_t equals = std::min(item.find('='), item.size());
    const auto page = std::find_if(pages.begin(), pages.end(),
                                   [&](const Page& p) { return p.name == item.substr(0, equals); });
    if (page == pages.end()) return false;
    page->weight =
        equals == item.size() ? 1 : std::atof(std::string(item.substr(equals + 1)).c_str());
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

bool ParseOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--no-truth") {
      options.truth = false;
      continue;
    }
    if (i + 1 >= argc) return false;
    const char* value = argv[++i];
    if (name == "--port")
      options.port = static_cast<uint16_t>(std::atoi(value));
    else if (name == "--concurrency")
      options.concurrency = static_cast<unsigned>(std::atoi(value));
    else if (name == "--duration")
      options.duration_s = std::atof(value);
    else if (name == "--count")
      options.count = std::strtoull(value, nullptr, 10);
    else if (name == "--first-truth")
      options.first_truth = std::strtoull(value, nullptr, 10);
    else if (name == "--seed")
      options.seed = std::strtoull(value, nullptr, 10);
    else if (name != "--mix" || !ParseMix(value, options.pages))
      return false;
  }
  return options.port != 0 && (options.duration_s < 1e9 || options.count < UINT64_MAX);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: shop-load --port N (--duration SECONDS | --count N) [--concurrency 8]\n"
                 "       [--first-truth 1] [--seed 1] [--mix page=weight,...] [--no-truth]\n");
    return 2;
  }
  Load load(std::move(options));
  load.Run();
  load.Print();
  return load.all_ok() ? 0 : 1;
}
