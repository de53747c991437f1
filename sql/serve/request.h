// Request and Reply: one HTTP exchange of `weft serve`, free of any HTTP library.
//
// MakeTarget takes what stood in the request line apart; it is the first to see a stranger's bytes.
// Plain values; pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::serve {

// "/api/services/a%2Fb/operations?limit=2" -> {"api", "services", "a/b", "operations"}, limit = 2.
struct Target {
  std::vector<std::string> segments;  // decoded, so that one may hold a slash
  std::vector<std::pair<std::string, std::string>> parameters;

  // The first value; "" where there is none.
  std::string_view Get(std::string_view name) const;
  std::vector<std::string_view> All(std::string_view name) const;
  // "/api/services/a/b/operations": for comparing with fixed paths.
  std::string Path() const;
};

// Escapes that make no sense stand for themselves.
Target MakeTarget(std::string_view text);
// In a query a '+' stands for a blank.
std::string DecodeUrl(std::string_view text, bool plus_is_blank);
// For a value of a query.
std::string EncodeUrl(std::string_view text);

struct Request {
  std::string method = "GET";
  Target target;
  // Headers, as they came; "" where they did not.
  std::string host, authorization, cookie, fetch_site, if_none_match;
  std::string body;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace weft::serve
