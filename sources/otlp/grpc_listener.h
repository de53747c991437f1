// GrpcListener: OTLP by gRPC (opentelemetry.proto.collector.trace.v1.TraceService/Export), for
// programs that report themselves.
//
// Answers as OTLP's specification says: INVALID_ARGUMENT what cannot be read, RESOURCE_EXHAUSTED
// with RetryInfo while the pipeline is full, UNAVAILABLE while it is ended, UNIMPLEMENTED any other
// method. gzip or plain; the bound on a request counts both ways.
// Threads are gRPC's. The destructor waits for calls that are being answered.
//
// A module of its own, weft-listener-grpc.so, so that a weft which does not listen does not load
// gRPC; StartGrpcListener loads it. Host and module are of one build.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/base/listen_address.h"
#include "engine/base/result.h"
#include "sources/otlp/reception.h"

namespace weft::otlp {

struct GrpcListenerOptions {
  ListenAddress address;
  uint64_t max_bytes = 16'000'000;
};

class GrpcListener {
 public:
  virtual ~GrpcListener() = default;
  virtual const ListenAddress& address() const = 0;  // with the port that port 0 became
};

// `folder`: where the module is. kIo where the address cannot be had, kUnsupported without the
// module or with that of another build. The reception outlives the listener.
Result<std::unique_ptr<GrpcListener>> StartGrpcListener(const std::filesystem::path& folder,
                                                        const GrpcListenerOptions& options,
                                                        Reception& reception);

// What the module exports: null and *why where it failed.
using GrpcListenerMaker = GrpcListener* (*)(const GrpcListenerOptions& options,
                                            Reception& reception, std::string* why);
inline constexpr char kGrpcListenerSymbol[] = "weft_grpc_listener";
inline constexpr char kGrpcVersionSymbol[] = "weft_grpc_listener_version";  // a text: WEFT_VERSION

}  // namespace weft::otlp
