// One send or receive through io_uring, by the bare system calls: no library is needed for it.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes moved, or -1 with errno. The ring is made for the call.
int64_t actor_uring_move(int send, int fd, void* buffer, size_t length, uint32_t flags);
