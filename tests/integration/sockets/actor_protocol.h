// What a test tells the socket actor to do, and what the actor says that it really did.
//
// One command, one reply, over a pair of pipes called a lane: lane n reads commands from descriptor
// ACTOR_COMMAND_FD(n) and answers on ACTOR_REPLY_FD(n). Pipes, so that the control itself is no
// socket traffic. Lane 0 is served by the main thread, others by threads or forked children.
#pragma once

#include <stdint.h>

#define ACTOR_LANES 4
#define ACTOR_COMMAND_FD(lane) (10 + 2 * (lane))
#define ACTOR_REPLY_FD(lane) (11 + 2 * (lane))
#define ACTOR_TEXT 1024
#define ACTOR_MAX_BUFFERS 8

enum actor_operation {
  ACTOR_END,      // the lane ends; lane 0: the process
  ACTOR_THREAD,   // a new thread serves lane `other`
  ACTOR_FORK,     // a child serves lane `other`; result: its pid
  ACTOR_NETWORK,  // a new network namespace with loopback and fast open; text: its optmem_max
  ACTOR_LISTEN,   // result: fd; port or name; text: a Unix name to use, else one is made up
  ACTOR_SOCKET,   // result: fd
  ACTOR_CONNECT,  // fd to port or name (text); other: local port of IPv4, or 0
  ACTOR_ACCEPT,   // result: fd
  ACTOR_PAIR,     // two connected Unix sockets; result: fd, other: the second
  ACTOR_CLOSE,
  ACTOR_SHUTDOWN,  // flags: how
  ACTOR_DUP,       // fd to descriptor `other`
  ACTOR_NONBLOCK,  // flags: 1 on, 0 off
  ACTOR_OPTION,    // other: level, flags: name, length: value; SO_LINGER: the seconds
  ACTOR_WAIT,      // poll for flags, at most 10 s; result: what came
  ACTOR_PASS,      // fd by SCM_RIGHTS over the Unix socket `other`
  ACTOR_TAKE,      // from the Unix socket `fd`; result: the new fd
  ACTOR_TOUCH,     // does nothing to sockets: writes to a pipe of its own and reads it back
  ACTOR_MOVE,      // one call that moves bytes
};

enum actor_call {
  CALL_WRITE,
  CALL_WRITEV,
  CALL_SENDTO,
  CALL_SENDMSG,
  CALL_SENDMMSG,
  CALL_SENDFILE,
  CALL_SPLICE_TO,
  CALL_URING_SEND,
  CALL_ZEROCOPY_SEND,
  CALL_FAST_OPEN,  // sendto with MSG_FASTOPEN to port
  CALL_READ,
  CALL_READV,
  CALL_RECVFROM,
  CALL_RECVMSG,
  CALL_RECVMMSG,
  CALL_SPLICE_FROM,
  CALL_URING_RECV,
  CALL_ZEROCOPY_RECEIVE,
};

enum actor_memory {
  MEMORY_TOUCHED,
  MEMORY_COLD,       // no page of the buffers has been touched
  MEMORY_COLD_TAIL,  // the first 64 bytes lie at the end of a touched page, the rest is cold
};

struct actor_command {
  uint32_t operation;
  uint32_t call;
  int32_t fd;
  int32_t other;
  uint32_t family;  // AF_INET, AF_INET6, AF_UNIX
  uint32_t v4_mapped;
  uint32_t port;
  uint32_t flags;
  uint32_t length;
  uint32_t buffers;
  uint32_t memory;
  uint32_t salt;  // of the pattern that fills sent buffers and that received ones are checked with
  uint64_t position;    // of the first byte in the pattern
  uint32_t repeat;      // the same call again, so many times; position moves on
  uint32_t text_bytes;  // what is sent begins with text, then the pattern; received: not checked
  char text[ACTOR_TEXT];
};

struct actor_reply {
  int64_t result;  // bytes moved, or the descriptor made; -1: error
  int32_t error;   // errno
  int32_t other;
  uint32_t pid, tid;
  uint32_t port;
  uint32_t name_bytes;
  uint64_t begin_ns, end_ns;  // CLOCK_MONOTONIC around the call
  int64_t wrong_at;           // received: first byte that is not the pattern's; -1: none
  char name[108];
};

// Content by position: whoever knows salt and position knows the byte.
static inline uint8_t actor_pattern(uint32_t salt, uint64_t position) {
  uint32_t x = (uint32_t)position * 2654435761u + (uint32_t)(position >> 32) + salt * 0x9e3779b9u;
  x ^= x >> 15;
  x *= 0x85ebca6bu;
  return (uint8_t)(x >> 24);
}
