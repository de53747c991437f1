/* The plugin ABI of weft: everything that a correlator, sampler or exporter in any language sees.
 *
 * Status: provisional (minor 0) until the delay correlator has been through it.
 * A plugin is a shared object with exactly one exported symbol, weft_plugin_v1, which returns a
 * static table; the symbol's name has the major version. Tables and column sets are only ever
 * appended to, begin with struct_size, and neither side reads further than the other's size.
 *
 * Ownership: every pointer handed in is lent for the duration of the call unless said otherwise.
 * Whoever allocates frees. No C++ type, FILE*, errno, allocator or exception crosses.
 *
 * Threads: one caller at a time per instance, of which there is one per shard. Correlators and
 * samplers run as tasks of a work-stealing pool and must not block; exporters have a thread each.
 *
 * Errors: functions return WEFT_OK or a negative weft_result and may fill weft_error. A data path
 * function of an exporter answers with weft_outcome instead; the engine owns retry and counting.
 */
#ifndef WEFT_PLUGIN_ABI_H_
#define WEFT_PLUGIN_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_ABI_MAJOR 1u
#define WEFT_ABI_MINOR 0u
#define WEFT_NONE UINT32_MAX /* "no row", "no string" */

/* Text or bytes; not zero terminated. */
typedef struct weft_str {
  const char* data;
  uint64_t size;
} weft_str;

typedef enum weft_result { WEFT_OK = 0, WEFT_INVALID = -1, WEFT_FAILED = -2 } weft_result;

typedef enum weft_outcome {
  WEFT_EXPORT_OK = 0,    /* durable as far as the sink can tell */
  WEFT_EXPORT_RETRY = 1, /* not all was taken; the same batch comes again after a back-off */
  WEFT_EXPORT_DROP = 2   /* the sink will never take this batch; counted as dropped */
} weft_outcome;

/* Caller-owned, fixed size: fill with snprintf, always zero terminated. */
typedef struct weft_error {
  char message[512];
} weft_error;

/* ---- values of columns ---------------------------------------------------------------------- */

/* OpenTelemetry's SpanKind numbers */
enum weft_kind {
  WEFT_KIND_INTERNAL = 1,
  WEFT_KIND_SERVER = 2,
  WEFT_KIND_CLIENT = 3,
  WEFT_KIND_PRODUCER = 4,
  WEFT_KIND_CONSUMER = 5
};
enum weft_status { WEFT_STATUS_UNSET = 0, WEFT_STATUS_OK = 1, WEFT_STATUS_ERROR = 2 };
enum weft_protocol {
  WEFT_PROTOCOL_UNKNOWN = 0,
  WEFT_PROTOCOL_HTTP1 = 1,
  WEFT_PROTOCOL_REDIS = 2,
  WEFT_PROTOCOL_TCP = 3 /* not understood: bytes and time of a connection, no exchange */
};

/* Why a span is in a correlator's view. */
enum weft_role {
  WEFT_ROLE_DECIDE = 0, /* began inside the window: a client span here wants a parent */
  WEFT_ROLE_BEFORE = 1, /* server span that began earlier and may still have children here;
                           client span decided earlier whose parent is known (parent_id is set) */
  WEFT_ROLE_AHEAD = 2   /* began after the window: for look-ahead only, never decided now */
};

/* Bits of the flags column. */
enum weft_flag {
  WEFT_FLAG_OPEN = 1u << 0,           /* not ended yet; end_ns is 0 */
  WEFT_FLAG_LATE = 1u << 1,           /* arrived after its window was decided */
  WEFT_FLAG_INCOMPLETE = 1u << 2,     /* bytes of this exchange were lost on the way */
  WEFT_FLAG_LOCAL_ROOT = 1u << 3,     /* no parent inside what weft watches */
  WEFT_FLAG_AGENT_LOST = 1u << 4,     /* ended because its agent fell silent */
  WEFT_FLAG_DEADLINE = 1u << 5,       /* decided by a time, span or byte budget */
  WEFT_FLAG_PROVISIONAL = 1u << 6,    /* wire_id and span_id change when the response is seen */
  WEFT_FLAG_NEW_CONNECTION = 1u << 7, /* first exchange of its connection */
  WEFT_FLAG_CONTEXT = 1u << 8,        /* the context columns hold a valid, trusted trace context */
  WEFT_FLAG_OPEN_AT_EXIT = 1u << 9,   /* still open when its agent stopped in order */
  WEFT_FLAG_RESUMED = 1u << 10,  /* of a trace: its partition's earlier owner decided it, and may
                                   have exported some of its spans already */
  WEFT_FLAG_REPORTED = 1u << 11, /* made by the program's own SDK and read as OTLP */
  WEFT_FLAG_SAMPLED = 1u << 12,  /* its trace context says: sampled */
  WEFT_FLAG_UNSAMPLED = 1u << 13 /* its trace context says: not sampled */
};

/* Kinds of evidence, as bits: what spoke for a link. */
enum weft_evidence {
  WEFT_EVIDENCE_CONTEXT = 1u << 0,
  WEFT_EVIDENCE_WIRE = 1u << 1,
  WEFT_EVIDENCE_THREAD = 1u << 2,
  WEFT_EVIDENCE_DELAY = 1u << 3,
  WEFT_EVIDENCE_TOKEN = 1u << 4,
  WEFT_EVIDENCE_ORDER = 1u << 5,
  WEFT_EVIDENCE_ONLY = 1u << 6,  /* no other open request at that moment */
  WEFT_EVIDENCE_CUSTOM = 1u << 7 /* a third party's correlator */
};

enum weft_attr_type {
  WEFT_ATTR_STRING = 0, /* value: index into strings */
  WEFT_ATTR_INT = 1,    /* value: int64 bits */
  WEFT_ATTR_DOUBLE = 2, /* value: IEEE 754 bits */
  WEFT_ATTR_BOOL = 3    /* value: 0 or 1 */
};

/* ---- columns -------------------------------------------------------------------------------- */

/* Attributes are pairs (key, value); equal pairs of a batch are stored once. */
typedef struct weft_pairs {
  uint32_t struct_size;
  uint32_t n;
  const uint32_t* key; /* index into strings */
  const uint8_t* type; /* weft_attr_type */
  const uint64_t* value;
} weft_pairs;

/* The processes that the rows of a batch refer to. */
typedef struct weft_processes {
  uint32_t struct_size;
  uint32_t n;
  const uint64_t* process_id; /* hash of host id, pid, start time and exec count */
  const uint32_t* host;       /* strings: host.name */
  const uint32_t* service;    /* strings: service.name */
  const uint32_t* executable; /* strings: process.executable.path */
  const uint32_t* pid;
  const uint32_t* attr_offset; /* n + 1 offsets into attr: further resource attributes */
  const uint32_t* attr;        /* index into pairs */
} weft_processes;

/* Spans as a structure of arrays: column[i] belongs to row i, 0 <= i < n. Read no further than
 * struct_size. A column that is not known for any row may be NULL (all zero); the columns marked
 * (*) never are. String columns hold an index into strings; index 0 is always the empty string.
 * Times are ns: the host's monotonic clock in a correlator, Unix time in samplers and exporters. */
typedef struct weft_spans {
  uint32_t struct_size;
  uint32_t n;
  /* identity */
  const uint64_t* span_id;   /* (*) hash of wire id and side */
  const uint64_t* parent_id; /* 0: none or not known yet */
  const uint64_t* trace_hi;  /* 0/0: not known yet; always so for undecided rows of a correlator */
  const uint64_t* trace_lo;
  const uint64_t* exchange; /* (*) stable from open to closed: connection, stream position, side */
  const uint64_t* connection; /* socket cookie mixed with the boot id */
  const uint64_t* wire_id;    /* 0: the exchange has none */
  /* time */
  const int64_t* start_ns; /* (*) first byte of the request */
  const int64_t* end_ns;   /* (*) last byte of the response; 0 while open */
  /* what */
  const uint8_t* kind;       /* (*) weft_kind */
  const uint8_t* status;     /* weft_status */
  const uint8_t* role;       /* weft_role; correlators only */
  const uint8_t* protocol;   /* weft_protocol */
  const uint32_t* flags;     /* (*) weft_flag bits */
  const uint32_t* process;   /* (*) row of processes */
  const uint32_t* service;   /* (*) strings: the process's service.name */
  const uint32_t* operation; /* (*) strings: the low-cardinality span name */
  const uint32_t* peer;      /* strings: the callee of a client span, the caller of a server span,
                                as far as this side can tell (host:port, or Host header) */
  /* where */
  const uint32_t* local_address; /* strings */
  const uint32_t* remote_address;
  const uint16_t* local_port;
  const uint16_t* remote_port;
  const int32_t* fd;
  const uint32_t* request_tid;  /* thread that read (server) or wrote (client) the request */
  const uint32_t* response_tid; /* thread that wrote (server) or read (client) the response */
  const uint64_t* request_bytes;
  const uint64_t* response_bytes;
  /* context found in this exchange's request; valid where WEFT_FLAG_CONTEXT is set */
  const uint64_t* context_trace_hi;
  const uint64_t* context_trace_lo;
  const uint64_t* context_span_id;
  const uint32_t* request_id; /* strings: X-Request-ID */
  /* link to the parent, where decided */
  const float* confidence;  /* 0 to 1 */
  const uint32_t* evidence; /* weft_evidence bits */
  /* attributes: pairs attr[attr_offset[i]] .. attr[attr_offset[i + 1] - 1] */
  const uint32_t* attr_offset;
  const uint32_t* attr;
  /* candidates that were weighed for the parent, best first; exporters only */
  const uint32_t* candidate_offset;
  const uint64_t* candidate_span_id;
  const float* candidate_log_odds;
  const uint32_t* candidate_evidence;
  /* tables */
  const weft_pairs* pairs;
  const weft_processes* processes;
  const weft_str* strings;
  uint32_t n_strings;
  uint32_t n_truth_strings;
  /* Ground truth captured for scoring. NULL in every call of a correlator or a sampler. */
  const uint32_t* truth; /* index into truth_strings */
  const weft_str* truth_strings;
  /* Tokens: salted hashes of values in the payload (ids, numbers, keys), a few per span;
   * correlators only, NULL: none. Equal values of one deployment have equal hashes. Bit 0 is no
   * part of the hash: 0 from the request, 1 from the response. token[token_offset[i]] ..
   * token[token_offset[i+1]-1] */
  const uint32_t* token_offset;
  const uint32_t* token;
  /* A second key that both ends of the exchange have, from a TCP option; 0: none. NULL in every
   * call of a correlator. */
  const uint64_t* option_id;
} weft_spans;

/* Closed traces over the rows of a weft_spans: rows first_row .. first_row + n_rows - 1. */
typedef struct weft_traces {
  uint32_t struct_size;
  uint32_t n;
  const uint64_t* trace_hi;
  const uint64_t* trace_lo;
  const uint32_t* first_row;
  const uint32_t* n_rows;
  const uint32_t* root_row; /* WEFT_NONE: no root was seen */
  const int64_t* start_ns;  /* earliest start, latest end */
  const int64_t* end_ns;
  const uint32_t* n_errors;
  const uint32_t* flags; /* the union of the spans' flags, and WEFT_FLAG_RESUMED */
  /* decision; exporters only */
  const double* weight; /* adjusted count, >= 1 */
  const uint32_t* rule; /* strings of the spans' view: which rule kept it */
  /* samplers only: log time, never going back; of n_partitions equal shares of all traces (0: 1) */
  int64_t decided_ns;
  uint32_t partition, n_partitions;
} weft_traces;

/* ---- what the host offers ------------------------------------------------------------------- */

typedef struct weft_host {
  uint32_t struct_size;
  void* ctx;
  void (*log)(void* ctx, int32_t level, weft_str text); /* 0 debug .. 3 error */
  void (*count)(void* ctx, weft_str metric, uint64_t delta);
  uint64_t (*now_ns)(void* ctx); /* monotonic */
} weft_host;

/* A byte buffer of the host's that the plugin appends to. */
typedef struct weft_buffer {
  uint32_t struct_size;
  void* ctx;
  int32_t (*append)(void* ctx, weft_str bytes); /* WEFT_FAILED when the limit would be passed */
} weft_buffer;

/* ---- correlator ----------------------------------------------------------------------------- */

/* A sparse list of voices: "row child was caused by row candidate", with log-odds: natural, against
 * the even chance of any open request; 0 says nothing, +-4 is strong. A candidate of WEFT_NONE says
 * that the call has no parent here. The lists already hold what the chain's earlier ones said. The
 * engine adds the voices up per (child, candidate) and decides; only WEFT_EVIDENCE_CONTEXT from the
 * built-in context correlator fixes an owner. A pair is ignored, and counted, where the candidate
 * is no server span of the view or began later than the child. Arrays belong to the host; call grow
 * before writing beyond capacity. */
typedef struct weft_candidates {
  uint32_t struct_size;
  uint32_t n;
  uint32_t capacity;
  uint32_t* child;
  uint32_t* candidate;
  float* log_odds;
  uint32_t* evidence;
  void* ctx;
  int32_t (*grow)(struct weft_candidates* self, uint32_t min_capacity); /* may move the arrays */
} weft_candidates;

/* What was decided in the window, for learning: one entry per decided client row. */
typedef struct weft_links {
  uint32_t struct_size;
  uint32_t n;
  const uint32_t* child;
  const uint32_t* parent; /* WEFT_NONE: unlinked */
  const float* confidence;
  const uint32_t* evidence;
} weft_links;

/* What of a correlator's view not everybody reads, as bits: columns, and the rows of a role. */
enum weft_column {
  WEFT_COLUMN_CONNECTION = 1u << 0,
  WEFT_COLUMN_WIRE_ID = 1u << 1,
  WEFT_COLUMN_STATUS = 1u << 2,
  WEFT_COLUMN_PROTOCOL = 1u << 3,
  WEFT_COLUMN_SERVICE = 1u << 4,
  WEFT_COLUMN_OPERATION = 1u << 5,
  WEFT_COLUMN_PEER = 1u << 6,
  WEFT_COLUMN_ADDRESSES = 1u << 7, /* local_address, remote_address, local_port, remote_port */
  WEFT_COLUMN_FD = 1u << 8,
  WEFT_COLUMN_REQUEST_TID = 1u << 9,
  WEFT_COLUMN_RESPONSE_TID = 1u << 10,
  WEFT_COLUMN_BYTES = 1u << 11,   /* request_bytes, response_bytes */
  WEFT_COLUMN_CONTEXT = 1u << 12, /* context_trace_hi, context_trace_lo, context_span_id */
  WEFT_COLUMN_REQUEST_ID = 1u << 13,
  WEFT_COLUMN_TOKENS = 1u << 14,
  WEFT_COLUMN_ATTRIBUTES = 1u << 15,
  WEFT_COLUMN_AHEAD = 1u << 16 /* rows of WEFT_ROLE_AHEAD */
};

/* One process and one window. Rows are ordered by (start_ns, exchange). A process is always given
 * to the same instance, told apart by processes->process_id; windows of a process come in order. */
typedef struct weft_correlator {
  uint32_t struct_size;
  /* Required. */
  int32_t (*correlate)(void* instance, const weft_spans* window, weft_candidates* io, weft_error*);
  /* Optional: the window was decided; the same view as in correlate, which returned WEFT_OK. */
  int32_t (*learn)(void* instance, const weft_spans* window, const weft_links* links, weft_error*);
  /* Optional, both or none: learned state of one process, at most 256 KB. load replaces. */
  int32_t (*save)(void* instance, uint64_t process_id, weft_buffer* state, weft_error*);
  int32_t (*load)(void* instance, uint64_t process_id, weft_str state, weft_error*);
  /* Optional: the process has ended, its state may go. */
  void (*forget)(void* instance, uint64_t process_id);
  /* Optional: what it reads, bits of weft_column; columns that nobody of the chain reads may be
   * NULL, such rows missing. 0: all. */
  uint64_t columns;
} weft_correlator;

/* ---- sampler -------------------------------------------------------------------------------- */

/* Host-owned arrays of n entries, prefilled with keep = 1, weight = 1, rule = "" (static storage
 * of the plugin, or storage that lives as long as the instance). */
typedef struct weft_decisions {
  uint32_t struct_size;
  uint32_t n;
  uint8_t* keep;
  double* weight;
  weft_str* rule;
} weft_decisions;

typedef struct weft_sampler {
  uint32_t struct_size;
  int32_t (*decide)(void* instance, const weft_spans*, const weft_traces*, weft_decisions* out,
                    weft_error*); /* required */
  /* Optional, both or none: what it has learned, at most 256 KB, for its partition's next owner. */
  int32_t (*save)(void* instance, weft_buffer* state, weft_error*);
  int32_t (*load)(void* instance, weft_str state, weft_error*);
} weft_sampler;

/* ---- exporter ------------------------------------------------------------------------------- */

/* Where a batch comes from: a sink that stores this with the rows is exactly-once. */
typedef struct weft_source {
  uint32_t struct_size;
  uint32_t partition;
  uint64_t generation;  /* of the partition's ownership; a newer one overrules an older one */
  uint64_t next_offset; /* reading goes on here once this batch is durable */
  uint64_t batch;       /* grows by one per batch of (partition, generation) */
} weft_source;

typedef struct weft_exporter {
  uint32_t struct_size;
  /* Required. Answers a weft_outcome, or a negative weft_result as drop. */
  int32_t (*export_spans)(void* instance, const weft_spans*, const weft_traces*, const weft_source*,
                          weft_error*);
  /* Optional: make everything accepted so far durable, by deadline_ns of the host's clock. */
  int32_t (*flush)(void* instance, uint64_t deadline_ns, weft_error*);
  /* Optional: of the last call, the pause asked for (RETRY), ended spans refused for good (OK). */
  void (*delivery)(void* instance, uint64_t* retry_after_ns, uint64_t* refused); /* 0 before */
  uint64_t (*taken)(void* instance); /* Optional: ended spans that it has, after a RETRY. */
} weft_exporter;

/* ---- the plugin ----------------------------------------------------------------------------- */

enum weft_plugin_kind {
  WEFT_PLUGIN_CORRELATOR = 1,
  WEFT_PLUGIN_SAMPLER = 2,
  WEFT_PLUGIN_EXPORTER = 3
};

typedef struct weft_plugin {
  uint32_t struct_size;
  uint32_t abi_major; /* WEFT_ABI_MAJOR it was built with */
  uint32_t abi_minor; /* the host's must be at least this */
  uint32_t kind;
  const char* name;          /* lower-case, [a-z0-9-]+ */
  const char* version;       /* semantic version */
  const char* config_schema; /* JSON Schema of the configuration object */
  /* Required. config_json is valid by the schema (type, properties, required, enum, minimum,
   * maximum, default), which the host has checked. On failure *instance is untouched. */
  int32_t (*create)(const weft_host*, weft_str config_json, void** instance, weft_error*);
  void (*destroy)(void* instance); /* required */
  const void* operations;          /* weft_correlator, weft_sampler or weft_exporter, by kind */
} weft_plugin;

/* The only exported symbol. Static storage; the same pointer each time. */
#if defined(__GNUC__)
#define WEFT_EXPORT __attribute__((visibility("default")))
#else
#define WEFT_EXPORT
#endif
typedef const weft_plugin* (*weft_plugin_v1_fn)(void);
WEFT_EXPORT const weft_plugin* weft_plugin_v1(void);

#ifdef __cplusplus
}
#endif
#endif /* WEFT_PLUGIN_ABI_H_ */
