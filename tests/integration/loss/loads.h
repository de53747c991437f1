// Loads: what the processes under test do to make life hard: many connections, floods, large
// answers. Bodies for TracedProcess; each returns its exit code.
#pragma once

#include <cstdint>

namespace weft::test {

// All requests and answers of the servers and clients below have these sizes.
inline constexpr uint64_t kRequestBytes = 50;
inline constexpr uint64_t kAnswerBytes = 43;

// Lets the process have that many descriptors; false: it may not.
bool AllowDescriptors(uint64_t count);

// By the calling process, not a body.
bool ExchangeHere(int fd, int number);

// Answers HTTP requests on any number of connections until the listener's process closes `until`.
int ServeMany(int listener, int until);
// One keep-alive connection, `requests` exchanges.
int RequestMany(uint16_t port, int requests);
// A connection per exchange, ended by a reset so that no port is kept. Before each
// kConnectionsPerPermit it reads a byte from `permits`.
inline constexpr int kConnectionsPerPermit = 500;
int RequestShort(uint16_t port, int connections, int permits);
// That many connections at once, one exchange on each, then all are closed.
int RequestAtOnce(uint16_t port, int connections);
// Bytes that are no protocol, to whoever accepts; and who reads and forgets them.
int Flood(uint16_t port, uint64_t bytes);
int Swallow(int listener);
// One answer of so many bytes, and who asks for it.
int ServeLarge(int listener, uint64_t bytes);
int RequestLarge(uint16_t port, uint64_t bytes);

}  // namespace weft::test
