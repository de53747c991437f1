// GuessProtocol: a name for a connection that no parser recognises, from the first bytes that one
// side sent. For people who wonder what is on the wire, never for parsing.
//
// Pure; called once per direction of an unrecognised connection.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::ebpf {

// `bytes`: what was captured of a record of `length` bytes. Empty: no idea. Static storage. Names
// are those of network.protocol.name in OpenTelemetry where it has one: "tls", "http2", "mysql".
std::string_view GuessProtocol(std::string_view bytes, uint64_t length);

}  // namespace weft::ebpf
