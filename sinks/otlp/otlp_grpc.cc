// The one file that knows gRPC's client. A generic stub: the request is bytes already.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/channel_arguments.h>

#include <fmt/format.h>

#include "sinks/otlp/otlp_answer.h"
#include "sinks/otlp/otlp_channel.h"

namespace weft::sinks {
namespace {

constexpr char kExport[] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr int kMaxAnswerBytes = 1 << 20;

Result<std::string> ReadFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Fail(Code::kInvalid, fmt::format("tls: {}: cannot be read", path));
  return std::move(text).str();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const OtlpChannelOptions& options) {
  if (!options.endpoint.tls) return grpc::InsecureChannelCredentials();
  if (options.tls.certificate.empty() != options.tls.key.empty())
    return Fail(Code::kInvalid, "tls: certificate and key go together; one is missing");
  grpc::SslCredentialsOptions out;
  for (const auto& [path, text] : {std::pair(&options.tls.ca, &out.pem_root_certs),
                                   std::pair(&options.tls.certificate, &out.pem_cert_chain),
                                   std::pair(&options.tls.key, &out.pem_private_key)}) {
    auto read = ReadFile(*path);
    if (!read) return std::unexpected(std::move(read.error()));
    *text = std::move(*read);
  }
  return grpc::SslCredentials(out);
}

std::string Flat(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  for (const grpc::Slice& slice : slices)
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

// What the specification of OTLP/gRPC calls retryable.
bool Retryable(grpc::StatusCode code, const OtlpAnswer& said) {
  switch (code) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS: return true;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return said.has_retry_info;
    default: return false;
  }
}

class OtlpGrpc final : public OtlpChannel {
 public:
  OtlpGrpc(OtlpChannelOptions options, std::shared_ptr<grpc::Channel> channel)
      : options_(std::move(options)), channel_(std::move(channel)), stub_(channel_) {}

  Delivery Send(std::string_view request) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::nanoseconds(options_.timeout_ns)));
    for (const auto& [name, value] : options_.headers) context.AddMetadata(name, value);
    if (options_.gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const grpc::Slice slice(request.data(), request.size());
    const grpc::ByteBuffer message(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::Status status;
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareUnaryCall(&context, kExport, message, &queue);
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);  // a unary call always finishes, at its deadline at the latest
    return Judge(status, answer);
  }

 private:
  Delivery Judge(const grpc::Status& status, const grpc::ByteBuffer& answer) const {
    if (status.ok()) {
      const OtlpAnswer said = ReadResponse(Flat(answer), false);
      Delivery out;
      out.refused = said.rejected;
      out.why = said.message;
      return out;
    }
    const OtlpAnswer said = ReadStatus(status.error_details(), false);
    std::string why = fmt::format("{}: gRPC {}: {:.300}", options_.endpoint.Authority(),
                                  static_cast<int>(status.error_code()), status.error_message());
    return Retryable(status.error_code(), said)
               ? Delivery::Retry(std::move(why), said.retry_delay_ns)
               : Delivery::Drop(std::move(why));
  }

  const OtlpChannelOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
};

}  // namespace

Result<std::unique_ptr<OtlpChannel>> OpenOtlpGrpc(OtlpChannelOptions options) {
  if (!options.endpoint.path.empty() && options.endpoint.path != "/")
    return Fail(Code::kInvalid, fmt::format("endpoint: a path ('{:.80}') has no place with gRPC",
                                            options.endpoint.path));
  // gRPC refuses capital letters in names of metadata.
  Headers lower;
  for (auto& [name, value] : options.headers) {
    std::string key = name;
    for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    lower.emplace(std::move(key), value);
  }
  options.headers = std::move(lower);
  // gRPC writes to stderr by itself; what matters is in each Delivery.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  auto credentials = Credentials(options);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("weft");
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);               // the engine's
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // what connecting may take
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  auto channel = grpc::CreateCustomChannel(options.endpoint.Authority(), *credentials, arguments);
  return std::make_unique<OtlpGrpc>(std::move(options), std::move(channel));
}

}  // namespace weft::sinks
