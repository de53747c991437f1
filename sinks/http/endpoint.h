// Endpoint: where a backend is reached, as users write it: [http://|https://]HOST[:PORT][/PATH].
//
// For exporters that speak HTTP or gRPC. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft::sinks {

struct Endpoint {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 0;
  std::string path;  // "" or "/..."

  // `port`: where the text has none. kInvalid names the text and what is wrong with it.
  static Result<Endpoint> Parse(std::string_view text, uint16_t port);
  std::string Authority() const;  // HOST:PORT
  bool OnThisHost() const;
};

struct TlsFiles {
  std::string ca;  // PEM; "": the system's
  std::string certificate, key;
};

// `text` with every ${NAME} replaced by that environment variable, so that secrets stand in no
// file. kInvalid where it is not set; the message shows the name, never a value.
Result<std::string> FillFromEnvironment(std::string_view text);

using Headers = std::map<std::string, std::string>;
// From a JSON object; values may have ${NAME}.
Result<Headers> ParseHeaders(std::string_view json);

}  // namespace weft::sinks
