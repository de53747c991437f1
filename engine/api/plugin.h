// Turns a C++ class into a weft plugin: the ABI's table, its static storage and a wall against
// exceptions. Header-only, C++20, no dependency but plugin_abi.h, so that a third party's plugin
// needs nothing of weft's build.
//
//   class Nearest {
//    public:
//     static constexpr const char* kName = "nearest";
//     static constexpr const char* kVersion = "1.0.0";
//     static constexpr const char* kConfigSchema = R"({"type":"object","properties":{}})";
//     Nearest(const weft::sdk::Host& host, const weft::sdk::PluginConfig& config);
//     void Correlate(const weft_spans& window, weft::sdk::Voices& voices);
//   };
//   WEFT_CORRELATOR(Nearest)
//
// The constructor may throw ConfigError to refuse a configuration; any exception of any method
// becomes an error of the call. Optional methods are used where the class has them:
//   correlator  void Learn(const weft_spans&, const weft_links&);  void Forget(uint64_t
//   process_id);
//               bool Save(uint64_t process_id, std::string& state);
//               bool Load(uint64_t process_id, std::string_view state);  (both or none)
//               static constexpr uint64_t kColumns: the weft_column bits that it reads
//   sampler     void Save(std::string& state);  bool Load(std::string_view state);  (both or none)
//   exporter    bool Flush(uint64_t deadline_ns);
//               void Delivery(uint64_t& retry_after_ns, uint64_t& refused): of the last Export
// Required:
//   sampler     void Decide(const weft_spans&, const weft_traces&, weft_decisions&);
//   exporter    weft_outcome Export(const weft_spans&, const weft_traces&, const weft_source&);
//               or the same with a std::string& last, for the reason of a retry or drop
// Threads and lifetimes are those of the ABI: one caller at a time, everything lent for the call.
#pragma once

#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "plugin_abi.h"  // relative: these three are installed side by side as <weft/...>
#include "plugin_config.h"

namespace weft::sdk {

struct ConfigError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// For constructors: the configuration is wrong, or it is right and what it names did not work.
[[noreturn]] inline void Refuse(bool config_is_wrong, const std::string& why) {
  if (config_is_wrong) throw ConfigError(why);
  throw std::runtime_error(why);
}

inline std::string_view View(weft_str s) { return {s.data, static_cast<size_t>(s.size)}; }
inline weft_str Str(std::string_view s) { return {s.data(), s.size()}; }

// What the engine offers; copyable, valid as long as the instance.
class Host {
 public:
  explicit Host(const weft_host* host) : host_(host) {}
  void Info(std::string_view text) const { host_->log(host_->ctx, 1, Str(text)); }
  void Warn(std::string_view text) const { host_->log(host_->ctx, 2, Str(text)); }
  // Takes a lock: add up in the plugin and count once per call, not once per span.
  void Count(std::string_view metric, uint64_t delta) const {
    if (delta > 0) host_->count(host_->ctx, Str(metric), delta);
  }
  uint64_t NowNs() const { return host_->now_ns(host_->ctx); }

 private:
  const weft_host* host_;
};

// The list of voices of one correlate call.
class Voices {
 public:
  explicit Voices(weft_candidates* io) : io_(io), begin_(io->n) {}

  // "Row child was caused by row candidate (or by none here: WEFT_NONE)", in natural log-odds.
  void Say(uint32_t child, uint32_t candidate, float log_odds, uint32_t evidence) {
    if (io_->n == io_->capacity && io_->grow(io_, io_->n + io_->n / 2 + 64) != WEFT_OK)
      throw std::bad_alloc();
    io_->child[io_->n] = child;
    io_->candidate[io_->n] = candidate;
    io_->log_odds[io_->n] = log_odds;
    io_->evidence[io_->n++] = evidence;
  }

  // The list with room for n more, for those who write many at once: fill the four arrays from
  // list.n on, then set list.n.
  weft_candidates& Room(size_t n) {
    if (io_->capacity - io_->n < n && io_->grow(io_, io_->n + static_cast<uint32_t>(n)) != WEFT_OK)
      throw std::bad_alloc();
    return *io_;
  }

  // What earlier correlators of the chain said: entries [0, earlier()) of list().
  uint32_t earlier() const { return begin_; }
  const weft_candidates& list() const { return *io_; }

 private:
  weft_candidates* io_;
  uint32_t begin_;
};

namespace internal {

inline void Explain(weft_error* error, const char* what) {
  if (error != nullptr) std::snprintf(error->message, sizeof error->message, "%s", what);
}

// The wall: whatever escapes from `body` becomes a result and a message.
template <class Body>
int32_t Guard(weft_error* error, Body&& body) noexcept {
  try {
    return body();
  } catch (const ConfigError& e) {
    Explain(error, e.what());
    return WEFT_INVALID;
  } catch (const std::exception& e) {
    Explain(error, e.what());
  } catch (...) {
    Explain(error, "an exception that is no std::exception");
  }
  return WEFT_FAILED;
}

template <class T>
int32_t Create(const weft_host* host, weft_str config, void** instance,
               weft_error* error) noexcept {
  return Guard(error, [&] {
    *instance = new T(Host(host), PluginConfig(View(config)));
    return static_cast<int32_t>(WEFT_OK);
  });
}

template <class T>
void Destroy(void* instance) noexcept {
  delete static_cast<T*>(instance);
}

template <class T>
const weft_plugin* Table(uint32_t kind, const void* operations) {
  static const weft_plugin table = {
      sizeof(weft_plugin), WEFT_ABI_MAJOR,   WEFT_ABI_MINOR, kind,        T::kName,
      T::kVersion,         T::kConfigSchema, &Create<T>,     &Destroy<T>, operations};
  return &table;
}

template <class T>
weft_correlator CorrelatorOperations() {
  weft_correlator ops{};
  ops.struct_size = sizeof ops;
  ops.correlate = [](void* self, const weft_spans* window, weft_candidates* io,
                     weft_error* error) noexcept {
    return Guard(error, [&] {
      Voices voices(io);
      static_cast<T*>(self)->Correlate(*window, voices);
      return static_cast<int32_t>(WEFT_OK);
    });
  };
  if constexpr (requires(T & t, const weft_spans& w, const weft_links& l) { t.Learn(w, l); })
    ops.learn = [](void* self, const weft_spans* window, const weft_links* links,
                   weft_error* error) noexcept {
      return Guard(error, [&] {
        static_cast<T*>(self)->Learn(*window, *links);
        return static_cast<int32_t>(WEFT_OK);
      });
    };
  if constexpr (requires(T & t, std::string & s) { t.Save(uint64_t{}, s); }) {
    ops.save = [](void* self, uint64_t process_id, weft_buffer* state, weft_error* error) noexcept {
      return Guard(error, [&] {
        std::string bytes;
        if (!static_cast<T*>(self)->Save(process_id, bytes)) return int32_t{WEFT_FAILED};
        return state->append(state->ctx, Str(bytes));
      });
    };
    ops.load = [](void* self, uint64_t process_id, weft_str state, weft_error* error) noexcept {
      return Guard(error, [&] {
        if (static_cast<T*>(self)->Load(process_id, View(state))) return int32_t{WEFT_OK};
        Explain(error, "the saved state is not readable");
        return int32_t{WEFT_INVALID};
      });
    };
  }
  if constexpr (requires { T::kColumns; }) ops.columns = T::kColumns;
  if constexpr (requires(T & t) { t.Forget(uint64_t{}); })
    ops.forget = [](void* self, uint64_t process_id) noexcept {
      Guard(nullptr, [&] {
        static_cast<T*>(self)->Forget(process_id);
        return int32_t{WEFT_OK};
      });
    };
  return ops;
}

}  // namespace internal

template <class T>
const weft_plugin* CorrelatorTable() {
  static const weft_correlator ops = internal::CorrelatorOperations<T>();
  return internal::Table<T>(WEFT_PLUGIN_CORRELATOR, &ops);
}

template <class T>
const weft_plugin* SamplerTable() {
  static const weft_sampler ops = [] {
    weft_sampler table{};
    table.struct_size = sizeof table;
    table.decide = [](void* self, const weft_spans* spans, const weft_traces* traces,
                      weft_decisions* out, weft_error* error) noexcept {
      return internal::Guard(error, [&] {
        static_cast<T*>(self)->Decide(*spans, *traces, *out);
        return static_cast<int32_t>(WEFT_OK);
      });
    };
    if constexpr (requires(T & t, std::string & s) { t.Save(s); }) {
      table.save = [](void* self, weft_buffer* state, weft_error* error) noexcept {
        return internal::Guard(error, [&] {
          std::string bytes;
          static_cast<T*>(self)->Save(bytes);
          return state->append(state->ctx, Str(bytes));
        });
      };
      table.load = [](void* self, weft_str state, weft_error* error) noexcept {
        return internal::Guard(error, [&] {
          if (static_cast<T*>(self)->Load(View(state))) return int32_t{WEFT_OK};
          internal::Explain(error, "the saved state is not readable");
          return int32_t{WEFT_INVALID};
        });
      };
    }
    return table;
  }();
  return internal::Table<T>(WEFT_PLUGIN_SAMPLER, &ops);
}

template <class T>
const weft_plugin* ExporterTable() {
  static const weft_exporter ops = [] {
    weft_exporter table{};
    table.struct_size = sizeof table;
    table.export_spans = [](void* self, const weft_spans* spans, const weft_traces* traces,
                            const weft_source* source, weft_error* error) noexcept {
      return internal::Guard(error, [&] {
        T& exporter = *static_cast<T*>(self);
        if constexpr (requires(std::string & w) { exporter.Export(*spans, *traces, *source, w); }) {
          std::string why;
          const auto outcome = exporter.Export(*spans, *traces, *source, why);
          if (outcome != WEFT_EXPORT_OK) internal::Explain(error, why.c_str());
          return static_cast<int32_t>(outcome);
        } else {
          return static_cast<int32_t>(exporter.Export(*spans, *traces, *source));
        }
      });
    };
    if constexpr (requires(T & t) { t.Flush(uint64_t{}); })
      table.flush = [](void* self, uint64_t deadline_ns, weft_error* error) noexcept {
        return internal::Guard(error, [&] {
          return static_cast<T*>(self)->Flush(deadline_ns) ? int32_t{WEFT_OK}
                                                           : int32_t{WEFT_FAILED};
        });
      };
    if constexpr (requires(T & t, uint64_t & n) { t.Delivery(n, n); })
      table.delivery = [](void* self, uint64_t* retry_after_ns, uint64_t* refused) noexcept {
        internal::Guard(nullptr, [&] {
          static_cast<T*>(self)->Delivery(*retry_after_ns, *refused);
          return int32_t{WEFT_OK};
        });
      };
    if constexpr (requires(T & t) { t.Taken(); })
      table.taken = [](void* self) noexcept {
        uint64_t taken = 0;
        internal::Guard(nullptr, [&] {
          taken = static_cast<T*>(self)->Taken();
          return int32_t{WEFT_OK};
        });
        return taken;
      };
    return table;
  }();
  return internal::Table<T>(WEFT_PLUGIN_EXPORTER, &ops);
}

}  // namespace weft::sdk

#define WEFT_PLUGIN_EXPORT(table) \
  extern "C" WEFT_EXPORT const weft_plugin* weft_plugin_v1(void) { return table; }
#define WEFT_CORRELATOR(type) WEFT_PLUGIN_EXPORT(::weft::sdk::CorrelatorTable<type>())
#define WEFT_SAMPLER(type) WEFT_PLUGIN_EXPORT(::weft::sdk::SamplerTable<type>())
#define WEFT_EXPORTER(type) WEFT_PLUGIN_EXPORT(::weft::sdk::ExporterTable<type>())
