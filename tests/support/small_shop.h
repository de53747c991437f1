// A small, fixed set of traces for tests of everything that reads a store: two requests of a shop,
// the second one slow and failing, with ids that are easy to read.
//
//   0abc...01  front GET /cart/{id} -> cart GET /cart -> redis GET
//   0abc...02  front POST /order -> cart GET /cart
//                                -> pay POST /pay (fails, 400 ms; its link is doubtful)
#pragma once

#include "tests/support/trace_batch.h"

namespace weft::test {

inline constexpr int64_t kShopNoon = 1'700'000'000'000'000'000;

inline TraceBatch SmallShop() {
  TraceBatch batch;
  api::SpanTable& t = batch.table;
  const auto ms = [](int64_t n) { return kShopNoon + n * 1'000'000; };
  const auto link = [&](uint32_t row, float confidence, uint32_t evidence) {
    t.confidence[row] = confidence;
    t.evidence[row] = evidence;
  };
  const auto call = [&](uint64_t id, uint64_t parent, const char* peer, int64_t begin, int64_t end,
                        weft_status status = WEFT_STATUS_UNSET) {
    const uint32_t row =
        batch.AddSpan(id, parent, WEFT_KIND_CLIENT, "front", "GET", ms(begin), ms(end), status);
    t.peer[row] = t.Intern(peer);
    return row;
  };
  batch.BeginTrace(0x0abc000000000000, 1);
  batch.AddSpan(0x11, 0, WEFT_KIND_SERVER, "front", "GET /cart/{id}", ms(0), ms(50));
  t.Attribute("http.response.status_code", int64_t{200});
  t.Attribute("url.path", "/cart/17");
  t.Truth("r1");
  link(call(0x12, 0x11, "cart:80", 5, 40), 1.0f, WEFT_EVIDENCE_THREAD | WEFT_EVIDENCE_ONLY);
  t.Truth("r1.1");
  link(batch.AddSpan(0x13, 0x12, WEFT_KIND_SERVER, "cart", "GET /cart", ms(6), ms(39)), 1.0f,
       WEFT_EVIDENCE_WIRE);
  t.Attribute("http.response.status_code", int64_t{200});
  t.Truth("r1.1");
  const uint32_t redis = batch.AddSpan(0x14, 0x13, WEFT_KIND_CLIENT, "cart", "GET", ms(10), ms(12));
  t.peer[redis] = t.Intern("redis:6379");
  link(redis, 1.0f, WEFT_EVIDENCE_THREAD);

  batch.BeginTrace(0x0abc000000000000, 2);
  batch.AddSpan(0x21, 0, WEFT_KIND_SERVER, "front", "POST /order", ms(1'000), ms(1'500),
                WEFT_STATUS_ERROR);
  t.Attribute("http.response.status_code", int64_t{500});
  t.Attribute("url.path", "/order");
  t.Truth("r2");
  link(call(0x22, 0x21, "cart:80", 1'010, 1'030), 0.95f, WEFT_EVIDENCE_THREAD);
  t.Truth("r2.1");
  link(batch.AddSpan(0x23, 0x22, WEFT_KIND_SERVER, "cart", "GET /cart", ms(1'011), ms(1'029)), 1.0f,
       WEFT_EVIDENCE_WIRE);
  t.Attribute("http.response.status_code", int64_t{200});
  t.Truth("r2.1");
  link(call(0x24, 0x21, "pay:80", 1'040, 1'440, WEFT_STATUS_ERROR), 0.62f, WEFT_EVIDENCE_DELAY);
  t.Candidate(0x21, 1.5f, WEFT_EVIDENCE_DELAY);
  t.Candidate(0x11, 1.0f, WEFT_EVIDENCE_DELAY);
  t.Truth("r2.2");
  link(batch.AddSpan(0x25, 0x24, WEFT_KIND_SERVER, "pay", "POST /pay", ms(1'041), ms(1'439),
                     WEFT_STATUS_ERROR),
       1.0f, WEFT_EVIDENCE_WIRE);
  t.Attribute("http.response.status_code", int64_t{503});
  t.Truth("r2.2");
  return batch;
}

}  // namespace weft::test
