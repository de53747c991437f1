#include "tests/support/pcap_reader.h"

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace weft::testing {
namespace {

using ebpf::Direction;

struct Bytes {
  std::string_view data;
  uint32_t At(size_t i) const { return i < data.size() ? static_cast<unsigned char>(data[i]) : 0; }
  uint32_t Big16(size_t i) const { return At(i) << 8 | At(i + 1); }
  uint32_t Big32(size_t i) const { return Big16(i) << 16 | Big16(i + 2); }
  uint32_t Little32(size_t i) const {
    return At(i) | At(i + 1) << 8 | At(i + 2) << 16 | At(i + 3) << 24;
  }
};

struct TcpPacket {
  std::string source, destination;  // address and port
  uint16_t source_port = 0, destination_port = 0;
  uint32_t seq = 0;
  bool syn = false, ack = false;
  std::string_view payload;
};

// A packet beginning with its Ethernet header; nothing if it is no TCP.
std::optional<TcpPacket> ParseFrame(std::string_view frame) {
  Bytes eth{frame};
  size_t at = 14;
  uint32_t type = eth.Big16(12);
  while (type == 0x8100 && at < frame.size()) type = eth.Big16(at + 2), at += 4;  // VLAN
  Bytes ip{frame.substr(std::min(at, frame.size()))};
  size_t head = 0, total = 0, address = 0, address_size = 4;
  uint32_t protocol = 0;
  if (type == 0x0800) {
    head = (ip.At(0) & 15) * size_t{4};
    total = ip.Big16(2);
    protocol = ip.At(9);
    address = 12;
    if ((ip.Big16(6) & 0x3fff) != 0) return std::nullopt;  // a fragment
  } else if (type == 0x86dd) {
    head = 40;
    total = 40 + ip.Big16(4);
    protocol = ip.At(6);
    address = 8;
    address_size = 16;
  }
  if (protocol != 6 || ip.data.size() < head + 20 || total < head + 20) return std::nullopt;
  const Bytes tcp{ip.data.substr(head, total - head)};
  const size_t tcp_head = (tcp.At(12) >> 4) * size_t{4};
  if (tcp_head < 20 || tcp_head > tcp.data.size()) return std::nullopt;
  TcpPacket packet;
  packet.source = std::string(ip.data.substr(address, address_size)).append(tcp.data.substr(0, 2));
  packet.destination = std::string(ip.data.substr(address + address_size, address_size))
                           .append(tcp.data.substr(2, 2));
  packet.source_port = static_cast<uint16_t>(tcp.Big16(0));
  packet.destination_port = static_cast<uint16_t>(tcp.Big16(2));
  packet.seq = tcp.Big32(4);
  packet.syn = (tcp.At(13) & 2) != 0;
  packet.ack = (tcp.At(13) & 16) != 0;
  packet.payload = tcp.data.substr(tcp_head);
  return packet;
}

class Flow {
 public:
  void Take(const TcpPacket& packet, Direction direction) {
    Half& half = halves_[static_cast<size_t>(direction)];
    if (packet.syn) half.next = packet.seq + 1, half.started = true;
    if (packet.payload.empty()) return;
    if (!half.started) half.next = packet.seq, half.started = true;
    half.early[static_cast<int32_t>(packet.seq - half.next)] = packet.payload;
    const uint32_t base = half.next;
    std::map<int32_t, std::string_view> rest;
    for (const auto& [offset, payload] : half.early) {
      const auto place = offset - static_cast<int32_t>(half.next - base);
      if (place > 0)
        rest[place] = payload;
      else if (static_cast<size_t>(-place) < payload.size())
        Add(half, direction, payload.substr(static_cast<size_t>(-place)));
    }
    const auto moved = static_cast<int32_t>(half.next - base);
    half.early.clear();
    for (const auto& [place, payload] : rest)
      half.early[place + (moved - static_cast<int32_t>(half.next - base))] = payload;
  }

  Transcript Finish() {
    for (const Direction direction : {Direction::kReceived, Direction::kSent}) {
      Half& half = halves_[static_cast<size_t>(direction)];
      int32_t at = 0;
      for (const auto& [place, payload] : half.early) {
        if (place > at)
          transcript_.events.push_back(
              {Event::Kind::kLost, direction, "", static_cast<uint64_t>(place - at)});
        Add(half, direction, payload);
        at = place + static_cast<int32_t>(payload.size());
      }
    }
    transcript_.events.push_back({Event::Kind::kEnd, Direction::kReceived, "", 0});
    return std::move(transcript_);
  }
  void SetJoined(bool joined) { transcript_.joined = joined; }

 private:
  struct Half {
    bool started = false;
    uint32_t next = 0;
    std::map<int32_t, std::string_view> early;  // by distance from next
  };
  void Add(Half& half, Direction direction, std::string_view payload) {
    half.next += static_cast<uint32_t>(payload.size());
    transcript_.events.push_back({Event::Kind::kBytes, direction, std::string(payload), 0});
  }

  Half halves_[2];
  Transcript transcript_;
};

}  // namespace

Result<std::vector<CapturedFlow>> ReadPcap(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(Code::kNotFound, path + ": not there");
  const std::string data{std::istreambuf_iterator<char>(file), {}};
  const Bytes all{data};
  constexpr size_t kFileHead = 24, kPacketHead = 16;
  const uint32_t magic = all.Little32(0);
  if (data.size() < kFileHead || (magic != 0xa1b2c3d4 && magic != 0xa1b2cd34) ||
      all.Little32(20) != 1)
    return Fail(Code::kCorrupt, path + ": no little-endian capture of Ethernet");
  // Nokia's variant has eight more bytes in front of each packet.
  const size_t head = magic == 0xa1b2cd34 ? kPacketHead + 8 : kPacketHead;
  struct Known {
    std::string server;
    uint16_t server_port;
    Flow flow;
  };
  std::map<std::pair<std::string, std::string>, Known> flows;
  for (size_t at = kFileHead; at + head <= data.size();) {
    const size_t size = all.Little32(at + 8);
    if (size > data.size() - at - head) return Fail(Code::kCorrupt, path + ": cut packet");
    const auto packet = ParseFrame(std::string_view(data).substr(at + head, size));
    at += head + size;
    if (!packet) continue;
    const auto key = std::minmax(packet->source, packet->destination);
    auto [it, added] = flows.try_emplace({key.first, key.second});
    Known& known = it->second;
    if (added) {
      const bool from_server =
          packet->syn ? packet->ack : packet->source_port < packet->destination_port;
      known.server = from_server ? packet->source : packet->destination;
      known.server_port = from_server ? packet->source_port : packet->destination_port;
      known.flow.SetJoined(!packet->syn);
    }
    known.flow.Take(*packet,
                    packet->source == known.server ? Direction::kSent : Direction::kReceived);
  }
  std::vector<CapturedFlow> result;
  for (auto& [key, known] : flows) result.push_back({known.server_port, known.flow.Finish()});
  return result;
}

}  // namespace weft::testing
