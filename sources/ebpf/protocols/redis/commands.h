// What weft knows about Redis commands: their names, which ones end or bend the request/response
// order, and which arguments may never be published.
//
// Static tables, compared without case. https://redis.io/commands
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::ebpf::redis {

// Kept in Exchange::tag of a request.
enum class Special : uint8_t {
  kNone,
  kSubscribe,    // answered by one confirmation per channel; pushes follow
  kUnsubscribe,  // the same
  kMonitor,      // after +OK the connection is a log
  kReplicate,    // SYNC, PSYNC: the connection becomes a replication stream
  kReply,        // CLIENT REPLY ON | OFF | SKIP
  kSubscriber,   // PING, QUIT: may be sent, and are answered in order, between messages of channels
  kReset,        // the same, and leaves subscriber mode
  kSelect,
  kAuth,      // its arguments are secrets, also where arguments are wanted
  kContainer  // its first argument is a subcommand
};

struct Command {
  std::string_view name;  // upper case
  Special special = Special::kNone;
};

// Null for names that are not in the table (modules, later versions).
const Command* FindCommand(std::string_view name);
// Could be a command's name: a bounded token of letters, digits, '.', '_' and '-'.
bool IsCommandToken(std::string_view name);

}  // namespace weft::ebpf::redis
