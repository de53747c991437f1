// The calls that move bytes, and the memory that they move them from and to.
#pragma once

#include "tests/integration/sockets/actor_protocol.h"

// Makes buffers, does the call, checks what came; fills in result, error, times and wrong_at.
void actor_move(const struct actor_command* command, struct actor_reply* reply);

// Address of the command's family and port or name; *size is set.
struct sockaddr_storage;
struct sockaddr_storage actor_address(const struct actor_command* command, unsigned* size);

uint64_t actor_now(void);
