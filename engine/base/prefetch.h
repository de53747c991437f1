// Prefetch: asks for a cache line ahead of time, for loops that know what comes next. Free
// function, any thread; any address will do, it is never read.
#pragma once

namespace weft {

inline void Prefetch(const void* address) {
  __builtin_prefetch(address);
  // GCC takes a function that does nothing but prefetch for one without effect, and drops its calls
  // unless it is inlined early (12.2: all but three of stage 1's). This is an effect.
  asm volatile("" : : "r"(address));
}

}  // namespace weft
