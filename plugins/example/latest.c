/* latest: an example correlator in C. It favours the request of the process that began last before
 * the call and is still open. The table is written by hand; Rust or Zig would do the same. */
#include <stdio.h>
#include <stdlib.h>

#include <weft/plugin_abi.h>

typedef struct latest {
  const weft_host *host;
} latest;

static int is_server(const weft_spans *w, uint32_t row) {
  return w->kind[row] == WEFT_KIND_SERVER || w->kind[row] == WEFT_KIND_CONSUMER;
}

static int32_t create(const weft_host *host, weft_str config, void **instance, weft_error *error) {
  latest *self = malloc(sizeof *self);
  (void)config; /* the schema allows no keys */
  if (self == NULL) {
    snprintf(error->message, sizeof error->message, "out of memory");
    return WEFT_FAILED;
  }
  self->host = host;
  *instance = self;
  return WEFT_OK;
}

static void destroy(void *instance) { free(instance); }

static int32_t correlate(void *instance, const weft_spans *w, weft_candidates *io,
                         weft_error *error) {
  uint32_t row, candidate;
  (void)instance;
  for (row = 0; row < w->n; ++row) {
    if (is_server(w, row) || w->role[row] != WEFT_ROLE_DECIDE) continue;
    for (candidate = row; candidate-- > 0;) { /* rows are ordered by start */
      if (!is_server(w, candidate)) continue;
      if (w->end_ns[candidate] != 0 && w->end_ns[candidate] < w->start_ns[row]) continue;
      if (io->n == io->capacity && io->grow(io, io->n + 64) != WEFT_OK) {
        snprintf(error->message, sizeof error->message, "no room for another voice");
        return WEFT_FAILED;
      }
      io->child[io->n] = row;
      io->candidate[io->n] = candidate;
      io->log_odds[io->n] = 1.0f;
      io->evidence[io->n++] = WEFT_EVIDENCE_CUSTOM;
      break;
    }
  }
  return WEFT_OK;
}

/* Functions that are left out are NULL: this one learns nothing and has nothing to save. */
static const weft_correlator operations = {sizeof operations, correlate, NULL, NULL, NULL, NULL};

static const weft_plugin table = {sizeof table,
                                  WEFT_ABI_MAJOR,
                                  WEFT_ABI_MINOR,
                                  WEFT_PLUGIN_CORRELATOR,
                                  "latest",
                                  "1.0.0",
                                  "{\"type\": \"object\", \"properties\": {}}",
                                  create,
                                  destroy,
                                  &operations};

WEFT_EXPORT const weft_plugin *weft_plugin_v1(void) { return &table; }
