#include "tests/integration/sockets/actor_memory.h"

#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096, kApart = 16, kHeadInTouchedPage = 64 };

static void content(const struct actor_command* command, uint8_t* to) {
  uint32_t text = command->text_bytes < command->length ? command->text_bytes : command->length;
  memcpy(to, command->text, text);
  for (uint32_t i = text; i < command->length; i++)
    to[i] = actor_pattern(command->salt, command->position + i);
}

static int file_of(const void* bytes, size_t size) {
  const int fd = memfd_create("actor", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0) abort();
  return fd;
}

int actor_file(const struct actor_command* command) {
  uint8_t* bytes = malloc(command->length + 1);
  content(command, bytes);
  const int fd = file_of(bytes, command->length);
  free(bytes);
  return fd;
}

struct actor_buffers actor_buffers_make(const struct actor_command* command, int fill) {
  struct actor_buffers b = {.count = command->buffers > 1 ? (int)command->buffers : 1};
  if (b.count > ACTOR_MAX_BUFFERS) abort();
  const size_t first = command->memory == MEMORY_COLD_TAIL ? kPage - kHeadInTouchedPage : 0;
  const size_t each = command->length / (size_t)b.count;
  b.size = (first + command->length + (size_t)b.count * kApart + kPage) / kPage * kPage;
  // The pages of a file that is mapped privately are in memory, but not in the page tables.
  uint8_t* image = calloc(1, b.size);
  memset(image, 0xee, b.size);
  uint8_t* filler = malloc(command->length + 1);
  content(command, filler);
  size_t offsets[ACTOR_MAX_BUFFERS];
  for (int i = 0; i < b.count; i++) {
    offsets[i] = first + (size_t)i * (each + kApart);
    b.parts[i].iov_len = i + 1 < b.count ? each : command->length - each * (size_t)(b.count - 1);
    if (fill) memcpy(image + offsets[i], filler + (size_t)i * each, b.parts[i].iov_len);
  }
  const int fd = file_of(image, b.size);
  free(image);
  free(filler);
  b.base = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  if (b.base == MAP_FAILED) abort();
  volatile uint8_t* pages = b.base;
  if (command->memory == MEMORY_TOUCHED) {
    for (size_t at = 0; at < b.size; at += kPage) pages[at] = pages[at];
  } else if (command->memory == MEMORY_COLD_TAIL) {
    pages[0] = 0xee;  // a write copies this page; a read would map its neighbours too
  }
  for (int i = 0; i < b.count; i++) b.parts[i].iov_base = (uint8_t*)b.base + offsets[i];
  return b;
}

void actor_buffers_free(struct actor_buffers* buffers) { munmap(buffers->base, buffers->size); }

int64_t actor_check(const uint8_t* bytes, size_t count, uint32_t salt, uint64_t position) {
  for (size_t i = 0; i < count; i++)
    if (bytes[i] != actor_pattern(salt, position + i)) return (int64_t)i;
  return -1;
}

int64_t actor_buffers_check(const struct actor_buffers* buffers,
                            const struct actor_command* command, size_t bytes) {
  size_t done = 0;
  for (int i = 0; i < buffers->count && done < bytes; i++) {
    const size_t left = bytes - done;
    const size_t n = buffers->parts[i].iov_len < left ? buffers->parts[i].iov_len : left;
    const int64_t wrong =
        actor_check(buffers->parts[i].iov_base, n, command->salt, command->position + done);
    if (wrong >= 0) return wrong + (int64_t)done;
    done += n;
  }
  return -1;
}
