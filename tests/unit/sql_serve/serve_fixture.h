// A Service over the small shop's store, asked without a socket.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "sql/serve/service.h"
#include "tests/support/shop_store.h"

namespace weft::serve {

class ServeTest : public testing::Test {
 protected:
  ServeTest() : ServeTest(test::SmallShop()) {}
  explicit ServeTest(const test::TraceBatch& batch)
      : store_(batch),
        clock_(0, test::kShopNoon + 60 * kSecond),
        pool_({.names = {store_.path()}, .readers = 2}, clock_),
        service_(Access({}), pool_, clock_) {}

  Reply Ask(const std::string& target, const std::string& method = "GET",
            const std::string& body = "") {
    Request request;
    request.method = method;
    request.target = MakeTarget(target);
    request.host = "127.0.0.1:1";
    request.body = body;
    return service_.Answer(request, 1);
  }
  // The body as JSON; valid until the next call.
  simdjson::dom::element Json(const Reply& reply) {
    simdjson::dom::element document;
    EXPECT_EQ(parser_.parse(simdjson::padded_string(reply.body)).get(document), simdjson::SUCCESS)
        << reply.body;
    return document;
  }

  test::ShopStore store_;
  ManualClock clock_;
  ReaderPool pool_;
  Service service_;
  simdjson::dom::parser parser_;
};

}  // namespace weft::serve
