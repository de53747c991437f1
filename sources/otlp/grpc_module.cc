#include <dlfcn.h>

#include <string_view>

#include <fmt/format.h>

#include "sources/otlp/grpc_listener.h"

namespace weft::otlp {

Result<std::unique_ptr<GrpcListener>> StartGrpcListener(const std::filesystem::path& folder,
                                                        const GrpcListenerOptions& options,
                                                        Reception& reception) {
  const std::filesystem::path file = folder / "weft-listener-grpc.so";
  // Stays loaded until the process ends, as plugins do.
  void* const module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr)
    return Fail(Code::kUnsupported,
                fmt::format("OTLP by gRPC: {} (OTLP by HTTP needs no module)", dlerror()));
  const auto* const version = static_cast<const char*>(dlsym(module, kGrpcVersionSymbol));
  if (version == nullptr || std::string_view(version) != WEFT_VERSION)
    return Fail(Code::kUnsupported,
                fmt::format("OTLP by gRPC: {} is of another weft than this one ({})", file.string(),
                            WEFT_VERSION));
  const auto make = reinterpret_cast<GrpcListenerMaker>(dlsym(module, kGrpcListenerSymbol));
  if (make == nullptr)
    return Fail(Code::kUnsupported,
                fmt::format("OTLP by gRPC: {} lacks {}", file.string(), kGrpcListenerSymbol));
  std::string why;
  std::unique_ptr<GrpcListener> listener(make(options, reception, &why));
  if (!listener) return Fail(Code::kIo, std::move(why));
  return listener;
}

}  // namespace weft::otlp
