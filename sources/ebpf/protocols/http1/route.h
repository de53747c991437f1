// A guess at the route template behind a request path, for low-cardinality span names:
// /shop/cart/8231/items/4f2c... -> /shop/cart/{id}/items/{id}.
//
// Pure; a segment becomes {id} when it looks like data: numbers, UUIDs, hex and mixed tokens,
// dates, slugs, encoded bytes. The query must have been removed. What slips through is bounded by
// NameLimit.
#pragma once

#include <string>
#include <string_view>

namespace weft::ebpf::http1 {

inline constexpr size_t kMaxRouteSegments = 8;  // the rest becomes "*"

// Appends the template of `path` (which begins with '/') to *out; at most 160 bytes.
void AppendRouteGuess(std::string_view path, std::string* out);
// Whether one path segment looks like data rather than like a part of the route.
bool LooksLikeData(std::string_view segment);

}  // namespace weft::ebpf::http1
