#include "sources/ebpf/protocols/redis/commands.h"

#include <algorithm>
#include <array>

#include "sources/ebpf/protocols/ascii.h"

namespace weft::ebpf::redis {
namespace {

using enum Special;

// Sorted by name.
constexpr Command kCommands[] = {
    {"ACL", kContainer}, {"APPEND"}, {"ASKING"}, {"AUTH", kAuth}, {"BGREWRITEAOF"}, {"BGSAVE"},
    {"BITCOUNT"}, {"BITFIELD"}, {"BITFIELD_RO"}, {"BITOP"}, {"BITPOS"}, {"BLMOVE"}, {"BLMPOP"},
    {"BLPOP"}, {"BRPOP"}, {"BRPOPLPUSH"}, {"BZMPOP"}, {"BZPOPMAX"}, {"BZPOPMIN"},
    {"CLIENT", kContainer}, {"CLUSTER", kContainer}, {"COMMAND", kContainer},
    {"CONFIG", kContainer}, {"COPY"}, {"DBSIZE"}, {"DEBUG", kContainer}, {"DECR"}, {"DECRBY"},
    {"DEL"}, {"DISCARD"}, {"DUMP"}, {"ECHO"}, {"EVAL"}, {"EVALSHA"}, {"EVALSHA_RO"}, {"EVAL_RO"},
    {"EXEC"}, {"EXISTS"}, {"EXPIRE"}, {"EXPIREAT"}, {"EXPIRETIME"}, {"FAILOVER"}, {"FCALL"},
    {"FCALL_RO"}, {"FLUSHALL"}, {"FLUSHDB"}, {"FUNCTION", kContainer}, {"GEOADD"}, {"GEODIST"},
    {"GEOHASH"}, {"GEOPOS"}, {"GEORADIUS"}, {"GEORADIUSBYMEMBER"}, {"GEOSEARCH"},
    {"GEOSEARCHSTORE"}, {"GET"}, {"GETBIT"}, {"GETDEL"}, {"GETEX"}, {"GETRANGE"}, {"GETSET"},
    {"HDEL"}, {"HELLO", kAuth}, {"HEXISTS"}, {"HEXPIRE"}, {"HGET"}, {"HGETALL"}, {"HGETDEL"},
    {"HGETEX"}, {"HINCRBY"}, {"HINCRBYFLOAT"}, {"HKEYS"}, {"HLEN"}, {"HMGET"}, {"HMSET"},
    {"HPERSIST"}, {"HPEXPIRE"}, {"HPTTL"}, {"HRANDFIELD"}, {"HSCAN"}, {"HSET"}, {"HSETEX"},
    {"HSETNX"}, {"HSTRLEN"}, {"HTTL"}, {"HVALS"}, {"INCR"}, {"INCRBY"}, {"INCRBYFLOAT"}, {"INFO"},
    {"KEYS"}, {"LASTSAVE"}, {"LATENCY", kContainer}, {"LCS"}, {"LINDEX"}, {"LINSERT"}, {"LLEN"},
    {"LMOVE"}, {"LMPOP"}, {"LOLWUT"}, {"LPOP"}, {"LPOS"}, {"LPUSH"}, {"LPUSHX"}, {"LRANGE"},
    {"LREM"}, {"LSET"}, {"LTRIM"}, {"MEMORY", kContainer}, {"MGET"}, {"MIGRATE", kAuth},
    {"MODULE", kContainer}, {"MONITOR", kMonitor}, {"MOVE"}, {"MSET"}, {"MSETNX"}, {"MULTI"},
    {"OBJECT", kContainer}, {"PERSIST"}, {"PEXPIRE"}, {"PEXPIREAT"}, {"PEXPIRETIME"}, {"PFADD"},
    {"PFCOUNT"}, {"PFMERGE"}, {"PING", kSubscriber}, {"PSETEX"}, {"PSUBSCRIBE", kSubscribe},
    {"PSYNC", kReplicate}, {"PTTL"}, {"PUBLISH"}, {"PUBSUB", kContainer},
    {"PUNSUBSCRIBE", kUnsubscribe}, {"QUIT", kSubscriber}, {"RANDOMKEY"}, {"READONLY"}, {"READWRITE"},
    {"RENAME"}, {"RENAMENX"}, {"REPLCONF"}, {"REPLICAOF"}, {"RESET", kReset}, {"RESTORE"},
    {"ROLE"}, {"RPOP"}, {"RPOPLPUSH"}, {"RPUSH"}, {"RPUSHX"}, {"SADD"}, {"SAVE"}, {"SCAN"},
    {"SCARD"}, {"SCRIPT", kContainer}, {"SDIFF"}, {"SDIFFSTORE"}, {"SELECT", kSelect}, {"SET"},
    {"SETBIT"}, {"SETEX"}, {"SETNX"}, {"SETRANGE"}, {"SHUTDOWN"}, {"SINTER"}, {"SINTERCARD"},
    {"SINTERSTORE"}, {"SISMEMBER"}, {"SLAVEOF"}, {"SLOWLOG", kContainer}, {"SMEMBERS"},
    {"SMISMEMBER"}, {"SMOVE"}, {"SORT"}, {"SORT_RO"}, {"SPOP"}, {"SPUBLISH"}, {"SRANDMEMBER"},
    {"SREM"}, {"SSCAN"}, {"SSUBSCRIBE", kSubscribe}, {"STRLEN"}, {"SUBSCRIBE", kSubscribe},
    {"SUBSTR"}, {"SUNION"}, {"SUNIONSTORE"}, {"SUNSUBSCRIBE", kUnsubscribe}, {"SWAPDB"},
    {"SYNC", kReplicate}, {"TIME"}, {"TOUCH"}, {"TTL"}, {"TYPE"}, {"UNLINK"},
    {"UNSUBSCRIBE", kUnsubscribe}, {"UNWATCH"}, {"WAIT"}, {"WAITAOF"}, {"WATCH"}, {"XACK"},
    {"XADD"}, {"XAUTOCLAIM"}, {"XCLAIM"}, {"XDEL"}, {"XGROUP", kContainer},
    {"XINFO", kContainer}, {"XLEN"}, {"XPENDING"}, {"XRANGE"}, {"XREAD"}, {"XREADGROUP"},
    {"XREVRANGE"}, {"XSETID"}, {"XTRIM"}, {"ZADD"}, {"ZCARD"}, {"ZCOUNT"}, {"ZDIFF"},
    {"ZDIFFSTORE"}, {"ZINCRBY"}, {"ZINTER"}, {"ZINTERCARD"}, {"ZINTERSTORE"}, {"ZLEXCOUNT"},
    {"ZMPOP"}, {"ZMSCORE"}, {"ZPOPMAX"}, {"ZPOPMIN"}, {"ZRANDMEMBER"}, {"ZRANGE"},
    {"ZRANGEBYLEX"}, {"ZRANGEBYSCORE"}, {"ZRANGESTORE"}, {"ZRANK"}, {"ZREM"},
    {"ZREMRANGEBYLEX"}, {"ZREMRANGEBYRANK"}, {"ZREMRANGEBYSCORE"}, {"ZREVRANGE"},
    {"ZREVRANGEBYLEX"}, {"ZREVRANGEBYSCORE"}, {"ZREVRANK"}, {"ZSCAN"}, {"ZSCORE"}, {"ZUNION"},
    {"ZUNIONSTORE"},
};
static_assert(std::ranges::is_sorted(kCommands, {}, &Command::name));

constexpr size_t kMaxCommand = 32;

}  // namespace

const Command* FindCommand(std::string_view name) {
  std::array<char, kMaxCommand> buffer;
  if (name.empty() || name.size() > kMaxCommand) return nullptr;
  std::ranges::transform(name, buffer.begin(), Upper);
  const std::string_view upper(buffer.data(), name.size());
  const auto* found = std::ranges::lower_bound(kCommands, upper, {}, &Command::name);
  return found != std::end(kCommands) && found->name == upper ? found : nullptr;
}

bool IsCommandToken(std::string_view name) {
  return !name.empty() && name.size() <= kMaxCommand && IsAlpha(name[0]) &&
         std::ranges::all_of(name, [](char c) {
           return IsAlpha(c) || IsDigit(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace weft::ebpf::redis
