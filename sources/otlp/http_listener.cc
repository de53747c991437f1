#include "sources/otlp/http_listener.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include <fmt/format.h>
#include <httplib.h>

#include "engine/http/acceptor.h"
#include "engine/http/bounded_pool.h"
#include "engine/http/idle_connections.h"
#include "engine/http/timed_stream.h"
#include "sources/otlp/otlp_reply.h"

namespace weft::otlp {
namespace {

constexpr size_t kThreads = 32;
constexpr size_t kWaitingConnections = 256;
// Between two requests a connection keeps its thread so long, where nobody waits for one.
constexpr auto kOwnThread = std::chrono::milliseconds(5);
constexpr int kIdleSeconds = 60;
constexpr size_t kIdleConnections = 512;
constexpr auto kRequestTime = std::chrono::seconds(30), kReplyTime = std::chrono::seconds(30);
constexpr auto kStopTime = std::chrono::seconds(1);  // of what is under way when it ends
constexpr auto kClosePatience = std::chrono::milliseconds(100);
constexpr size_t kRequestsOfAConnection = 100'000;  // what answers say; nobody counts
// What is too large is read on so far, so that its sender sees the answer.
constexpr uint64_t kReadOn = 4;

constexpr char kOtlpPath[] = "/v1/traces";
constexpr char kZipkinPath[] = "/api/v2/spans";
constexpr char kProto[] = "application/x-protobuf";
constexpr char kJson[] = "application/json";

std::string_view MediaType(std::string_view header) {
  const std::string_view type = header.substr(0, header.find(';'));
  const size_t end = type.find_last_not_of(" \t");
  return end == type.npos ? std::string_view() : type.substr(0, end + 1);
}

bool KnownEncoding(std::string_view encoding) {
  return encoding.empty() || encoding == "identity" || encoding == "gzip";
}

// google.rpc.Code of an HTTP status.
int RpcCode(int status) {
  switch (status) {
    case 429: return 8;   // RESOURCE_EXHAUSTED
    case 503: return 14;  // UNAVAILABLE
    default: return 3;    // INVALID_ARGUMENT
  }
}

}  // namespace

class HttpListener::Impl final : public httplib::Server {
 public:
  Impl(const HttpListener::Options& options, Reception& reception)
      : options_(options), reception_(reception) {}
  ~Impl() override {
    stop_.Set(std::chrono::steady_clock::now() + kStopTime);
    // Neither hands anything to the pool any more when it ends.
    idle_.Stop();
    acceptor_.reset();
    svr_sock_ = INVALID_SOCKET;
    pool_.Shutdown();
  }

  Result<void> Start(Logger& log) {
    Configure();
    if (options_.otlp) Serve(kOtlpPath, false);
    if (options_.zipkin) Serve(kZipkinPath, true);
    const ListenAddress& at = options_.address;
    errno = 0;
    // Not SO_REUSEPORT, which is httplib's choice: a second weft would take every other request.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const int port = at.port == 0                     ? bind_to_any_port(at.host)
                     : bind_to_port(at.host, at.port) ? at.port
                                                      : -1;
    if (port <= 0)
      return Fail(Code::kIo, fmt::format("cannot listen on {}: {}", at.Text(),
                                         errno != 0 ? std::strerror(errno) : "no such address"));
    options_.address.port = static_cast<uint16_t>(port);
    ::listen(svr_sock_, SOMAXCONN);  // httplib lets five wait
    acceptor_.emplace(svr_sock_, "http://" + options_.address.Text(), log,
                      [this](int fd) { Enqueue(fd); });
    return {};
  }

  const ListenAddress& address() const { return options_.address; }

 private:
  void Configure() {
    set_keep_alive_timeout(kIdleSeconds);  // says so in answers
    set_keep_alive_max_count(kRequestsOfAConnection);
    set_tcp_nodelay(true);
    set_payload_max_length(options_.max_bytes * kReadOn);
    set_pre_routing_handler([this](const httplib::Request& in, httplib::Response& out) {
      using Handled = httplib::Server::HandlerResponse;
      return IsWrong(in, out) ? Handled::Handled : Handled::Unhandled;
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& out, std::exception_ptr) {
      out.status = 500;
    });
  }

  void Enqueue(int fd) {
    pool_.Enqueue([this, fd] { process_and_close_socket(fd); });
  }

  bool process_and_close_socket(socket_t socket) override {
    http::TimedStream stream(socket, stop_);
    stream_of_thread_ = &stream;
    bool done = true, closed = false;
    while (done && !closed) {
      if (!stream.AwaitRequest(pool_.SomebodyWaits() ? kOwnThread * 0 : kOwnThread)) {
        if (stop_.IsSet()) break;
        idle_.Park(socket);  // comes here again with its next request
        return true;
      }
      stream.Allow(kRequestTime);
      done = process_request(stream, false, closed, nullptr);
    }
    http::CloseGently(socket, kClosePatience);
    return done;
  }

  void Serve(const char* path, bool zipkin) {
    Post(path,
         [this, zipkin](const httplib::Request& in, httplib::Response& out,
                        const httplib::ContentReader& read) { Answer(in, out, read, zipkin); });
  }

  // By method and path alone: httplib reads whole, without a bound, what no reader asks for.
  bool IsWrong(const httplib::Request& in, httplib::Response& out) {
    const bool known =
        (options_.otlp && in.path == kOtlpPath) || (options_.zipkin && in.path == kZipkinPath);
    if (known && in.method == "POST") return false;
    out.status = known ? 405 : 404;
    if (known) reception_.Refused();
    if (known) out.set_header("Allow", "POST");
    const std::string why = known ? "only POST is understood here\n" : "nothing is taken here\n";
    if (in.method == "GET" || in.method == "HEAD" || in.method == "OPTIONS")
      return out.set_content(why, "text/plain"), true;
    // The connection ends with the answer, as its body would be taken for the next request: false,
    // though all is written, says so to httplib.
    out.set_header("Connection", "close");
    out.set_content_provider(why.size(), "text/plain",
                             [why](size_t, size_t, httplib::DataSink& sink) {
                               sink.write(why.data(), why.size());
                               return false;
                             });
    return true;
  }

  void Answer(const httplib::Request& in, httplib::Response& out,
              const httplib::ContentReader& read, bool zipkin) {
    const std::string header = in.get_header_value("Content-Type");
    const std::string_view type = MediaType(header);
    const bool json = type == kJson || (zipkin && type.empty());
    const char* const answer_type = zipkin ? "" : json ? kJson : kProto;
    std::string body;
    Reception::Claim claim(reception_);
    // A promise that costs no memory where it is not kept: untouched pages.
    if (const uint64_t size = in.get_header_value<uint64_t>("Content-Length");
        size <= options_.max_bytes)
      body.reserve(size);
    int status = Read(read, claim, &body);
    if (status == 400 && out.status == 413) status = 413;  // httplib's own bound
    std::string why = status == 413 ? fmt::format(
                                          "a request may have {} bytes "
                                          "(sources.otlp.max_request)",
                                          options_.max_bytes)
                      : status == 429 ? "weft cannot take more now"
                                      : "the body cannot be read";
    if (!json && (zipkin || type != kProto)) {
      status = 415;
      why = zipkin ? "expected Content-Type: application/json"
                   : "expected Content-Type: application/x-protobuf or application/json";
    } else if (!KnownEncoding(in.get_header_value("Content-Encoding"))) {
      status = 415;
      why = "Content-Encoding: gzip or none is understood";
    }
    if (status != 0) {
      stream_of_thread_->Allow(kReplyTime);
      reception_.Refused();
      return Refuse(out, status, why, answer_type);
    }
    const Reply reply = reception_.Take(body, zipkin ? Format::kZipkinJson
                                              : json ? Format::kOtlpJson
                                                     : Format::kOtlpProto);
    stream_of_thread_->Allow(kReplyTime);
    if (reply.code != Reply::Code::kTaken)
      return Refuse(out, StatusOf(reply.code), reply.message, answer_type);
    out.status = zipkin ? 202 : 200;
    if (!zipkin) out.set_content(EncodeResponse(reply, json), answer_type);
  }

  static int StatusOf(Reply::Code code) {
    switch (code) {
      case Reply::Code::kTaken: return 200;
      case Reply::Code::kMalformed: return 400;
      case Reply::Code::kBusy: return 429;
      case Reply::Code::kStopped: return 503;
    }
    return 500;
  }

  // 0, or the status that says what is wrong. httplib inflates piece by piece, so a small body that
  // becomes a large one is seen before it is in memory.
  int Read(const httplib::ContentReader& read, Reception::Claim& claim, std::string* body) const {
    uint64_t size = 0;
    int status = 0;
    const bool whole = read([&](const char* data, size_t n) {
      size += n;
      if (size > options_.max_bytes) status = 413;
      if (status == 0 && !claim.More(n)) status = 429;
      if (status == 0) body->append(data, n);
      return size <= options_.max_bytes * kReadOn;
    });
    return status != 0 ? status : whole ? 0 : 400;
  }

  static void Refuse(httplib::Response& out, int status, std::string_view why, const char* type) {
    out.status = status;
    if (status == 429 || status == 503)
      out.set_header("Retry-After", std::to_string(Reception::kRetryAfterSeconds));
    if (*type == '\0')
      out.set_content(fmt::format("{}\n", why), "text/plain");
    else
      out.set_content(EncodeStatus(RpcCode(status), why, type == kJson), type);
  }

  static thread_local http::TimedStream* stream_of_thread_;
  HttpListener::Options options_;
  Reception& reception_;
  http::StopTime stop_;
  http::BoundedPool pool_{kThreads, kWaitingConnections, http::BoundedPool::WhenFull::kWait};
  http::IdleConnections idle_{{std::chrono::seconds(kIdleSeconds), kIdleConnections},
                              [this](int fd) { Enqueue(fd); }};
  std::optional<http::Acceptor> acceptor_;  // from Start on
};

thread_local http::TimedStream* HttpListener::Impl::stream_of_thread_ = nullptr;

HttpListener::HttpListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpListener::~HttpListener() = default;

Result<std::unique_ptr<HttpListener>> HttpListener::Start(const Options& options,
                                                          Reception& reception, Logger& log) {
  auto impl = std::make_unique<Impl>(options, reception);
  WEFT_TRY(impl->Start(log));
  return std::unique_ptr<HttpListener>(new HttpListener(std::move(impl)));
}

const ListenAddress& HttpListener::address() const { return impl_->address(); }

}  // namespace weft::otlp
