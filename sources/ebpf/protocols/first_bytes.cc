#include "sources/ebpf/protocols/first_bytes.h"

#include <algorithm>

#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

using namespace std::string_view_literals;

// The first record of a direction: what was captured, and how long it was. Out of range reads as 0.
struct First {
  std::string_view bytes;
  uint64_t length;

  uint32_t At(size_t i) const {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
  }
  uint32_t Big16(size_t i) const { return At(i) << 8 | At(i + 1); }
  uint32_t Big32(size_t i) const { return Big16(i) << 16 | Big16(i + 2); }
  uint32_t Little24(size_t i) const { return At(i) | At(i + 1) << 8 | At(i + 2) << 16; }
  uint32_t Little32(size_t i) const { return Little24(i) | At(i + 3) << 24; }
  bool Has(size_t n) const { return bytes.size() >= n; }
};

struct Prefix {
  std::string_view bytes, name;
};
constexpr Prefix kPrefixes[] = {
    {"PRI * HTTP/2.0"sv, "http2"},
    {"AMQP\0"sv, "amqp"},
    {"AMQP\2"sv, "amqp"},
    {"AMQP\3"sv, "amqp"},
    {"INFO {"sv, "nats"},
    {"CONNECT {"sv, "nats"},
    {"SSH-"sv, "ssh"},
    {"\xda\xbb"sv, "dubbo"},
    {"\0\x11"
     "ClickHouse"sv,
     "clickhouse"},
    {"CONNECT\n"sv, "stomp"},
    {"CONNECTED\n"sv, "stomp"},
    {"RTSP/1."sv, "rtsp"},
    {"* OK "sv, "imap"},
    {"VALUE "sv, "memcached"},
    {"STORED\r\n"sv, "memcached"},
    {"gets "sv, "memcached"},
};

// RFC 8446, section 5.1: a record's type, version and length.
bool IsTls(const First& f) {
  return f.Has(5) && f.At(0) >= 0x14 && f.At(0) <= 0x17 && f.At(1) == 3 && f.At(2) <= 4 &&
         f.Big16(3) > 0 && f.Big16(3) <= 0x4100;
}

// RFC 9113, section 3.4: the server's preface is a SETTINGS frame on stream 0.
bool IsHttp2Settings(const First& f) {
  return f.Has(9) && f.At(0) == 0 && f.At(3) == 4 && f.At(4) <= 1 && f.Big32(5) == 0 &&
         f.Big16(1) % 6 == 0 && f.Big16(1) <= 120;
}

// The server's greeting, protocol 10; or one command in one packet.
bool IsMysql(const First& f) {
  if (!f.Has(5) || f.Little24(0) + 4 != f.length || f.At(3) != 0) return false;
  return (f.At(4) == 10 && IsDigit(static_cast<char>(f.At(5))) && f.length >= 50) ||
         (f.At(4) >= 1 && f.At(4) <= 0x1c);
}

// StartupMessage, SSLRequest and their like; a simple query, Parse; the server's answer to the
// first.
bool IsPostgres(const First& f) {
  if (!f.Has(8)) return false;
  if (f.Big32(0) == f.length &&
      (f.Big32(4) == 0x30000 || (f.Big32(4) >= 80877102 && f.Big32(4) <= 80877104)))
    return true;
  const uint64_t size = f.Big32(1);
  if ((f.At(0) == 'Q' || f.At(0) == 'P') && size + 1 <= f.length && size > 4 && f.At(1) == 0)
    return true;
  return f.At(0) == 'R' && size >= 8 && size < 256 && f.Big32(5) <= 12;
}

// A size, then api_key, api_version, correlation id and the client's name, which is text or null.
bool IsKafka(const First& f) {
  if (!f.Has(14) || f.Big32(0) + 4 != f.length || f.Big16(4) > 100 || f.Big16(6) > 20) return false;
  const uint32_t name = f.Big16(12);
  return name == 0xffff || (name < 256 && name + 14 <= f.length);
}

bool IsMongo(const First& f) {
  const uint32_t op = f.Little32(12);
  return f.Has(16) && f.Little32(0) >= 16 && f.Little32(0) <= 48'000'000 &&
         (op == 1 || (op >= 2004 && op <= 2007) || op == 2012 || op == 2013);
}

// CONNECT with the protocol's name, or CONNACK.
bool IsMqtt(const First& f) {
  if (f.At(0) == 0x20 && f.length == 4) return f.At(1) == 2 && f.At(2) <= 1 && f.At(3) <= 5;
  return f.At(0) == 0x10 && (f.bytes.substr(0, 12).find("MQTT") != std::string_view::npos ||
                             f.bytes.substr(0, 12).find("MQIsdp") != std::string_view::npos);
}

// Frame header of CQL v3 to v5: version, flags, stream, opcode, length.
bool IsCassandra(const First& f) {
  const uint32_t version = f.At(0) & 0x7f;
  return f.Has(9) && version >= 3 && version <= 5 && f.At(4) <= 0x10 &&
         f.Big32(5) + uint64_t{9} == f.length;
}

bool IsThrift(const First& f) {
  const size_t at = f.Big32(0) + uint64_t{4} == f.length ? 4 : 0;
  return f.Has(at + 4) && f.Big16(at) == 0x8001 && f.At(at + 2) == 0 && f.At(at + 3) >= 1 &&
         f.At(at + 3) <= 4;
}

bool IsTds(const First& f) {
  return f.Has(8) && (f.At(0) == 0x12 || f.At(0) == 0x10) && f.At(1) <= 1 &&
         f.Big16(2) == f.length && f.At(7) == 0;
}

// RFC 1035, section 4.2.2: a length, then a header with one question.
bool IsDns(const First& f) {
  return f.Has(14) && f.Big16(0) + uint64_t{2} == f.length && f.Big16(6) == 1 &&
         (f.Big16(4) & 0x0070) == 0 && f.Big16(8) < 64;
}

bool IsLdap(const First& f) {
  return f.Has(7) && f.At(0) == 0x30 && f.At(1) + uint64_t{2} == f.length && f.At(2) == 2 &&
         f.At(3) == 1 && (f.At(5) == 0x60 || f.At(5) == 0x61 || f.At(5) == 0x63);
}

bool IsMemcachedBinary(const First& f) {
  return f.Has(24) && (f.At(0) == 0x80 || f.At(0) == 0x81) && f.At(1) <= 0x25 && f.At(5) == 0 &&
         f.Big32(8) + uint64_t{24} == f.length;
}

struct Test {
  bool (*is)(const First&);
  std::string_view name;
};
// What fits few other bytes first.
constexpr Test kTests[] = {{IsTls, "tls"},
                           {IsHttp2Settings, "http2"},
                           {IsMongo, "mongodb"},
                           {IsPostgres, "postgresql"},
                           {IsKafka, "kafka"},
                           {IsThrift, "thrift"},
                           {IsMqtt, "mqtt"},
                           {IsCassandra, "cassandra"},
                           {IsMemcachedBinary, "memcached"},
                           {IsTds, "mssql"},
                           {IsLdap, "ldap"},
                           {IsDns, "dns"},
                           {IsMysql, "mysql"}};

}  // namespace

std::string_view GuessProtocol(std::string_view bytes, uint64_t length) {
  const First first{bytes, std::max<uint64_t>(length, bytes.size())};
  for (const Prefix& prefix : kPrefixes)
    if (bytes.starts_with(prefix.bytes)) return prefix.name;
  if (bytes.starts_with("220 ") || bytes.starts_with("220-"))
    return bytes.find("SMTP") != std::string_view::npos ? "smtp" : "ftp";
  for (const Test& test : kTests)
    if (test.is(first)) return test.name;
  return {};
}

}  // namespace weft::ebpf
