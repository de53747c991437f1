// A subclass of cpp-httplib's server that brings a stream of its own: theirs has a time limit per
// read, so that whoever sends a byte now and then would hold a thread for hours.
#include "sql/serve/http_front.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <httplib.h>

namespace weft::serve {
namespace {

using Time = std::chrono::steady_clock::time_point;

constexpr size_t kThreads = 16, kWaiting = 64, kMaxBody = 64 << 10;
constexpr auto kRequestTime = std::chrono::seconds(10), kReplyTime = std::chrono::seconds(60);
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
constexpr int kPatienceMs = 100, kRefusalPatienceMs = 10;
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\nbusy: please ask again...\n";

// One connection, with a time by which all of it must be read, and then written.
class TimedStream final : public httplib::Stream {
 public:
  TimedStream(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {
    end_ = std::chrono::steady_clock::now() + kRequestTime;
  }
  void BeginReply() { end_ = std::chrono::steady_clock::now() + kReplyTime; }

  bool is_readable() const override { return at_ < held_ || Wait(POLLIN); }
  bool is_writable() const override { return Wait(POLLOUT); }
  ssize_t read(char* out, size_t size) override {
    if (at_ == held_) {
      if (!Wait(POLLIN)) return -1;
      const ssize_t got = ::recv(fd_, buffer_, sizeof buffer_, 0);
      if (got <= 0) return got;
      at_ = 0;
      held_ = static_cast<size_t>(got);
    }
    const size_t n = std::min(size, held_ - at_);
    std::memcpy(out, buffer_ + at_, n);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* bytes, size_t size) override {
    size_t sent = 0;
    while (sent < size) {
      if (!Wait(POLLOUT)) return -1;
      const ssize_t put = ::send(fd_, bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (put < 0) return -1;
      sent += static_cast<size_t>(put);
    }
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip.clear(), port = 0; }
  socket_t socket() const override { return fd_; }

 private:
  bool Wait(int16_t what) const {
    while (!stopping_) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      pollfd one{fd_, what, 0};
      // In parts, so that a stop is noticed.
      const int ready = ::poll(&one, 1, static_cast<int>(std::min<int64_t>(left.count(), 200)));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  const int fd_;
  const std::atomic<bool>& stopping_;
  Time end_;
  char buffer_[4096];
  size_t at_ = 0, held_ = 0;
};

// Closing on bytes that nobody read would send a reset, and lose the reply. So waits a little for
// them, and for the end that follows ours.
void Close(int fd, int patience_ms) {
  ::shutdown(fd, SHUT_WR);
  char rest[4096];
  pollfd one{fd, POLLIN, 0};
  for (int i = 0; i < 16 && ::poll(&one, 1, patience_ms) > 0; ++i)
    if (::recv(fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
  ::close(fd);
}

thread_local bool refusing = false;

// Threads with a bounded queue; what does not fit runs at once, with `refusing` set.
class BoundedPool final : public httplib::TaskQueue {
 public:
  BoundedPool() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }
  void enqueue(std::function<void()> task) override {
    {
      std::lock_guard lock(mutex_);
      if (waiting_.size() < kWaiting) {
        waiting_.push_back(std::move(task));
        task = nullptr;
      }
    }
    if (!task) return ready_.notify_one();
    refusing = true;
    task();
    refusing = false;
  }
  void shutdown() override {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto task = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::list<std::function<void()>> waiting_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

Request FromHttplib(const httplib::Request& from) {
  Request request;
  request.method = from.method == "HEAD" ? "GET" : from.method;
  request.target = MakeTarget(from.target);
  request.host = from.get_header_value("Host");
  request.authorization = from.get_header_value("Authorization");
  request.cookie = from.get_header_value("Cookie");
  request.fetch_site = from.get_header_value("Sec-Fetch-Site");
  request.if_none_match = from.get_header_value("If-None-Match");
  return request;
}

}  // namespace

class HttpFront::Impl final : public httplib::Server {
 public:
  Impl(const ListenAddress& address, HttpFront::Gate gate, HttpFront::Handler handler)
      : address_(address), gate_(std::move(gate)), handler_(std::move(handler)) {
    new_task_queue = [] { return new BoundedPool; };
    set_payload_max_length(kMaxBody);
    set_pre_routing_handler([this](const httplib::Request& from, httplib::Response& to) {
      return Refuse(from, to) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    Get(".*", [this](const httplib::Request& from, httplib::Response& to) {
      Send(handler_(FromHttplib(from), address_.port), to);
    });
    // Whatever has no reader of its own the library reads whole: its bound is on Content-Length.
    const auto answer = [this](const httplib::Request& from, httplib::Response& to,
                               const httplib::ContentReader& read) { Answer(from, to, read); };
    Post(".*", answer).Put(".*", answer).Patch(".*", answer).Delete(".*", answer);
  }
  ~Impl() override {
    stopping_ = true;
    stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> Listen() {
    errno = 0;
    set_socket_options([](socket_t socket) {
      const int yes = 1;  // not SO_REUSEPORT: a second weft would take every other request
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    int port = address_.port;
    if (port == 0)
      port = bind_to_any_port(address_.host);
    else if (!bind_to_port(address_.host, port))
      port = -1;
    if (port < 0)
      return Fail(Code::kIo, fmt::format("cannot listen on {}: {}", address_.Text(),
                                         errno != 0 ? std::strerror(errno) : "no such address"));
    // The library lets five connections wait; a browser opens as many at once.
    ::listen(svr_sock_, SOMAXCONN);
    address_.port = static_cast<uint16_t>(port);
    thread_ = std::thread([this] { listen_after_bind(); });
    // stop() does nothing before it runs.
    while (!is_running()) std::this_thread::yield();
    return {};
  }
  const ListenAddress& address() const { return address_; }

 private:
  bool process_and_close_socket(socket_t socket) override {
    if (refusing) {
      (void)::send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      Close(socket, kRefusalPatienceMs);
      return false;
    }
    TimedStream stream(socket, stopping_);
    bool closed = false;
    // Compressing well takes longer than finding the answer.
    const bool done = process_request(stream, true, closed, [&](httplib::Request& request) {
      request.headers.erase("Accept-Encoding");
      request.ranges.clear();  // a range that is repeated multiplies the reply
      stream_of_thread_ = &stream;
    });
    Close(socket, kPatienceMs);
    return done;
  }

  // By the headers alone.
  bool Refuse(const httplib::Request& from, httplib::Response& to) {
    if (auto refusal = gate_(FromHttplib(from), address_.port)) return Send(*refusal, to), true;
    if (std::ranges::find(kMethods, from.method) == std::end(kMethods))
      return Say(405, "this method is not answered here", to), true;
    const bool packed = !from.get_header_value("Content-Encoding").empty();
    if (packed || from.is_multipart_form_data())
      return Say(415, "a body must be plain: without Content-Encoding, of one part", to), true;
    return false;
  }

  void Answer(const httplib::Request& from, httplib::Response& to,
              const httplib::ContentReader& read) {
    Request request = FromHttplib(from);
    bool fits = true;
    const bool whole = read([&](const char* data, size_t n) {
      fits = request.body.size() + n <= kMaxBody;
      if (fits) request.body.append(data, n);
      return fits;
    });
    if (!fits || to.status == 413)
      return Say(413, fmt::format("a body may have {} bytes", kMaxBody), to);
    if (!whole) return Say(400, "the body cannot be read", to);
    Send(handler_(request, address_.port), to);
  }

  void Say(int status, std::string_view why, httplib::Response& to) {
    Reply reply;
    reply.status = status;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = fmt::format("{}: {}\n", status, why);
    Send(reply, to);
  }

  void Send(const Reply& reply, httplib::Response& to) {
    stream_of_thread_->BeginReply();
    to.status = reply.status;
    for (const auto& [name, value] : reply.headers) to.set_header(name, value);
    to.set_content(reply.body, reply.content_type);
  }

  static thread_local TimedStream* stream_of_thread_;
  ListenAddress address_;
  const HttpFront::Gate gate_;
  const HttpFront::Handler handler_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

thread_local TimedStream* HttpFront::Impl::stream_of_thread_ = nullptr;

HttpFront::HttpFront(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpFront::~HttpFront() = default;
const ListenAddress& HttpFront::address() const { return impl_->address(); }

Result<std::unique_ptr<HttpFront>> HttpFront::Start(const ListenAddress& address, Gate gate,
                                                    Handler handler) {
  auto impl = std::make_unique<Impl>(address, std::move(gate), std::move(handler));
  WEFT_TRY(impl->Listen());
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(impl)));
}

}  // namespace weft::serve
