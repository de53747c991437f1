// Connection: one socket as the agent knows it: who talks to whom, the two streams, and the
// conversation that finds exchanges in them.
//
// Owned by ExchangeTracker, made at a socket's first data record, whether or not its begin was
// seen. Feeds the conversation in order, each byte once; what finished comes back through the sink,
// with the connection it belongs to. One thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "bpf/wire.h"
#include "sources/ebpf/connection_option.h"
#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/stream.h"
#include "sources/ebpf/tcp_activity.h"

namespace weft::ebpf {

class Connection;

class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  virtual void OnClosed(Connection& connection, const Exchange& exchange) = 0;
  // A slice of what is not understood has ended; as an exchange without a content.
  virtual void OnActivity(Connection& connection, const Exchange& slice) = 0;
};

struct ConnectionOptions {
  uint64_t boot_id = 0;
  bool tcp_spans = true;    // tell of connections that no parser understands
  int64_t attached_ns = 0;  // since when records come
};

class Connection final : private ExchangeSink {
 public:
  // Made for the first record, of that time. Lends everything but `wire`.
  Connection(const ConnectionOptions& options, const ProtocolSet& protocols, ConnectionSink& sink,
             const weft_connection& wire, int64_t first_ns);

  // What a record did to its stream.
  struct Fed {
    uint64_t missing = 0;   // bytes that no record carried
    uint32_t repeated = 0;  // bytes that had been placed before
  };
  Fed OnData(const weft_data& record, std::string_view payload);
  void OnClose(int64_t time_ns);
  // The agent stops.
  void OnCutOff(int64_t time_ns);
  // Where the streams ended: sequence numbers.
  void SetEnds(uint32_t sent, uint32_t received);
  // Bytes at the ends of both streams that no record has carried so far; 0 without SetEnds.
  uint64_t TailGap() const;

  // The socket cookie mixed with the boot id.
  uint64_t id() const { return id_; }
  const weft_connection& wire() const { return wire_; }
  std::string_view local_address() const { return local_address_; }
  std::string_view remote_address() const { return remote_address_; }
  // "address:port"; of a Unix socket the path, as the addresses.
  std::string_view remote_endpoint() const { return remote_endpoint_; }
  bool closed() const { return closed_; }
  int64_t last_ns() const { return last_.time_ns; }
  bool given_up() const { return conversation_ == nullptr; }

  // The conversation's, and nothing where it was given up.
  size_t open_count() const { return conversation_ ? conversation_->open_count() : 0; }
  const Exchange& open(size_t i) const { return conversation_->open(i); }
  int64_t OldestStartNs() const {
    return conversation_ ? conversation_->OldestStartNs() : std::numeric_limits<int64_t>::max();
  }

  // What is going on where nothing is understood; null if there is no such thing.
  TcpActivity* activity() const {
    return activity_ && activity_->open() && !waiting() ? activity_.get() : nullptr;
  }
  // The same in any state. Requires: there is one.
  TcpActivity& any_activity() const { return *activity_; }
  // Something is going on that has not been handed out.
  bool busy() const { return (activity_ && activity_->open()) || waiting(); }
  // Hands it out if it is due.
  void EndActivity(int64_t now_ns);

  // 0: not known before the response comes (the request was pipelined).
  uint64_t WireIdOf(const Exchange& exchange) const;
  // The request's id after the connection's TCP option; 0: none. Several slices of what is not
  // understood may begin at one position of the requests: they have their wire ids only.
  uint64_t OptionIdOf(const Exchange& exchange) const {
    if (exchange.wire_id != 0) return 0;
    return option_.IdOf(exchange.request_direction, exchange.request.begin);
  }
  void SetOption(const ConnectionOption& option) { option_ = option; }
  // The first exchange of a connection whose begin was seen.
  bool IsFirst(const Exchange& exchange) const {
    return wire_.opened_ns != 0 && exchange.request.begin == first_request_;
  }

  // For ExchangeTracker: is in its list of those with open exchanges; requests of that direction
  // that begin before the position were announced.
  bool listed = false;
  uint64_t announced[2] = {0, 0};
  // For ObservationWriter: what of the connection goes into every row, as the table has it since it
  // was cleared so often.
  struct Interned {
    const void* table = nullptr;
    uint32_t clears = 0;
    uint32_t local_address = 0, remote_address = 0, remote_endpoint = 0;
  };
  mutable Interned interned;

 private:
  void OnClosed(const Exchange& exchange) override;
  // Bytes that may still turn out to be the beginning of something.
  bool waiting() const {
    return conversation_ && conversation_->OldestStartNs() != std::numeric_limits<int64_t>::max();
  }
  void Feed(Direction direction, const Stream::Placement& placed, const weft_data& record,
            std::string_view payload);
  void Observe(Direction direction, const Stream::Placement& placed, std::string_view payload);
  void TakeActivity();

  // Requests from this position on were sent or received while the other direction stood at `seq`.
  struct Expectation {
    uint64_t position = 0;
    uint32_t seq = 0;
  };
  // One per turn of the talk, newest last.
  static constexpr size_t kExpectations = 4;
  void Expect(Direction requests, uint64_t position);
  uint32_t ExpectedSeq(Direction requests, uint64_t position) const;

  const ConnectionOptions& options_;
  ConnectionSink& sink_;
  uint64_t id_;
  weft_connection wire_;
  std::string local_address_, remote_address_, remote_endpoint_;
  Stream streams_[2];  // by Direction
  uint32_t ends_[2] = {};
  bool ends_known_ = false;
  Expectation expected_[2][kExpectations];
  ConnectionOption option_;
  std::unique_ptr<Conversation> conversation_;
  bool understood_ = false;  // the conversation knows the protocol
  std::unique_ptr<TcpActivity> activity_;
  uint64_t first_request_ = 0;
  Mark last_;
  bool closed_ = false;
};

}  // namespace weft::ebpf
