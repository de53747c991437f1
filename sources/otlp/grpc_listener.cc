// The one file that knows gRPC's server. A generic service: requests are bytes, which the decoders
// of this folder read.
#include "sources/otlp/grpc_listener.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <fmt/format.h>

#include "sources/otlp/gunzip.h"
#include "sources/otlp/otlp_reply.h"

namespace weft::otlp {
namespace {

constexpr char kExport[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr size_t kQuotaBytes = size_t{256} << 20;
constexpr int kThreads = 16;
constexpr int kStreams = 100;  // calls at one time on one connection
constexpr auto kStopWait = std::chrono::seconds(2);
// A connection whose other end is gone without a word, or that holds streams open and says nothing,
// ends; one that works does not notice: clients connect again by themselves.
constexpr int kPingMs = 30'000, kPingAnswerMs = 10'000;
constexpr int kIdleMs = 300'000, kAgeMs = 600'000, kAgeGraceMs = 30'000;

grpc::Status Refusal(grpc::StatusCode code, const std::string& why, int64_t retry_seconds = 0) {
  return {code, why, retry_seconds == 0 ? "" : EncodeStatus(code, why, false, retry_seconds)};
}

// One request, one answer. Deletes itself when the call is over.
class ExportCall final : public grpc::ServerGenericBidiReactor {
 public:
  ExportCall(Reception& reception, uint64_t max_bytes, bool known)
      : reception_(reception), max_bytes_(max_bytes) {
    if (known)
      StartRead(&request_);
    else
      Finish({grpc::StatusCode::UNIMPLEMENTED, "only TraceService/Export is understood here"});
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish({grpc::StatusCode::INVALID_ARGUMENT, "no request"});
    grpc::Status status = Take();
    if (!status.ok()) return Finish(status);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), status);
  }
  void OnDone() override { delete this; }

 private:
  grpc::Status Take() {
    // Ends with this function: how long a client takes to read its answer is the client's.
    Reception::Claim claim(reception_);
    if (!claim.More(request_.Length())) return Busy("weft cannot take more now");
    std::string message = Flat();
    request_.Clear();
    if (LooksCompressed(message)) {
      // What it becomes is not known before; claimed is what it may become.
      if (!claim.More(max_bytes_)) return Busy("weft cannot take more now");
      auto plain = Gunzip(message, max_bytes_);
      if (!plain) {
        reception_.Refused();
        return Refusal(plain.error().code == Code::kFull ? grpc::StatusCode::RESOURCE_EXHAUSTED
                                                         : grpc::StatusCode::INVALID_ARGUMENT,
                       plain.error().message);
      }
      message = std::move(*plain);
    }
    const Reply reply = reception_.Take(message, Format::kOtlpProto);
    switch (reply.code) {
      case Reply::Code::kMalformed:
        return Refusal(grpc::StatusCode::INVALID_ARGUMENT, reply.message);
      case Reply::Code::kBusy:
        return Refusal(grpc::StatusCode::RESOURCE_EXHAUSTED, reply.message,
                       Reception::kRetryAfterSeconds);
      case Reply::Code::kStopped:
        return Refusal(grpc::StatusCode::UNAVAILABLE, reply.message, Reception::kRetryAfterSeconds);
      case Reply::Code::kTaken: break;
    }
    const std::string answer = EncodeResponse(reply, false);
    const grpc::Slice slice(answer);
    response_ = grpc::ByteBuffer(&slice, 1);
    return grpc::Status::OK;
  }

  grpc::Status Busy(const std::string& why) {
    reception_.Refused();
    return Refusal(grpc::StatusCode::RESOURCE_EXHAUSTED, why, Reception::kRetryAfterSeconds);
  }

  std::string Flat() const {
    std::string out;
    std::vector<grpc::Slice> slices;
    if (!request_.Dump(&slices).ok()) return out;
    out.reserve(request_.Length());
    for (const grpc::Slice& slice : slices)
      out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return out;
  }

  Reception& reception_;
  const uint64_t max_bytes_;
  grpc::ByteBuffer request_, response_;
};

class Service final : public grpc::CallbackGenericService {
 public:
  Service(Reception& reception, uint64_t max_bytes)
      : reception_(reception), max_bytes_(max_bytes) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const bool known = context->method() == kExport;
    if (!known) reception_.Refused();
    return new ExportCall(reception_, max_bytes_, known);
  }

 private:
  Reception& reception_;
  const uint64_t max_bytes_;
};

class Server final : public GrpcListener {
 public:
  Server(const GrpcListenerOptions& options, Reception& reception)
      : options_(options), service_(reception, options.max_bytes) {}
  ~Server() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + kStopWait);
  }
  const ListenAddress& address() const override { return options_.address; }

  bool Start(std::string* why) {
    // gRPC writes to stderr by itself; what matters is in *why.
    if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options_.address.Text(), grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_bytes));
    // gRPC bounds what comes, not what it becomes: it is inflated here.
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreams);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kAgeMs);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kAgeGraceMs);
    builder.SetResourceQuota(
        grpc::ResourceQuota("weft").Resize(kQuotaBytes).SetMaxThreads(kThreads));
    server_ = builder.BuildAndStart();
    if (server_ && port > 0) {
      options_.address.port = static_cast<uint16_t>(port);
      return true;
    }
    *why =
        fmt::format("cannot listen on {}: the port is taken, or the address is none of this host's",
                    options_.address.Text());
    return false;
  }

 private:
  GrpcListenerOptions options_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace
}  // namespace weft::otlp

extern "C" __attribute__((visibility("default"))) weft::otlp::GrpcListener* weft_grpc_listener(
    const weft::otlp::GrpcListenerOptions& options, weft::otlp::Reception& reception,
    std::string* why) {
  auto server = std::make_unique<weft::otlp::Server>(options, reception);
  return server->Start(why) ? server.release() : nullptr;
}

extern "C" __attribute__((visibility("default"))) const char weft_grpc_listener_version[] =
    WEFT_VERSION;
