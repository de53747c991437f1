// Buffers of a call: apart from each other, so that reading past one does not find the next, and in
// pages that are touched or not as the command says. Kept until the process ends where the kernel
// may still read them (MSG_ZEROCOPY), else freed after the call.
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include "tests/integration/sockets/actor_protocol.h"

struct actor_buffers {
  void* base;
  size_t size;
  struct iovec parts[ACTOR_MAX_BUFFERS];
  int count;
};

// Filled with the command's text and pattern when `fill`.
struct actor_buffers actor_buffers_make(const struct actor_command* command, int fill);
void actor_buffers_free(struct actor_buffers* buffers);

// First of `bytes` received bytes that is not the pattern's; -1: none.
int64_t actor_buffers_check(const struct actor_buffers* buffers,
                            const struct actor_command* command, size_t bytes);
int64_t actor_check(const uint8_t* bytes, size_t count, uint32_t salt, uint64_t position);

// A file with the command's text and pattern, at offset 0.
int actor_file(const struct actor_command* command);
