// IntakeRun: what listens for spans that programs report themselves, as the configuration asks:
// OTLP by gRPC and HTTP, Zipkin's by HTTP.
//
// `weft run` and `weft agent` own one beside their eBPF source; an agent's takes OTLP alone. What
// comes in goes to the pipeline of this process, or to a Kafka topic that engines read. The
// destructor stops listening; it goes before the transport.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/config.h"
#include "engine/plugin/host.h"
#include "engine/transport/transport.h"

namespace weft::cli {

class IntakeRun {
 public:
  // Whether the configuration asks for any of it.
  static bool Wanted(const Config& config);
  // References outlive it. An object that does nothing where nothing is wanted.
  static Result<std::unique_ptr<IntakeRun>> IntoPipeline(const Config& config,
                                                         transport::Publisher& transport,
                                                         const plugin::Services& services);
  // kInvalid where IntoTopic could not do what is asked for: Zipkin's spans have no place in a
  // topic of OTLP.
  static Result<void> CheckIntoTopic(const Config& config);
  // To the first of sources.otlp.topics.
  static Result<std::unique_ptr<IntakeRun>> IntoTopic(const Config& config,
                                                      const plugin::Services& services);
  ~IntakeRun();

  // "OTLP at 127.0.0.1:4317 (gRPC), 127.0.0.1:4318 (HTTP)", "" where nobody listens.
  std::string Describe() const;

 private:
  struct Parts;
  IntakeRun();
  Result<void> Listen(const Config& config, Logger& log);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weft::cli
