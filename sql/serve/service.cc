#include "sql/serve/service.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "sql/serve/page_files.h"

namespace weft::serve {
namespace {

struct Kind {
  std::string_view ending, type;
};
constexpr Kind kKinds[] = {{".html", "text/html; charset=utf-8"},
                           {".css", "text/css; charset=utf-8"},
                           {".js", "text/javascript; charset=utf-8"},
                           {".svg", "image/svg+xml"}};

// Addresses of the page itself: a script reads the rest of them.
constexpr std::array<std::string_view, 6> kViews = {"search", "trace", "graph",
                                                    "red",    "sql",   "explain"};

// Nothing from elsewhere is loaded, run, framed or told.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

// FNV-1a: the files change with the program only.
std::string TagOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("\"{:016x}\"", hash);
}

Reply FileReply(const PageFile& file, const Request& request) {
  Reply reply;
  for (const Kind& kind : kKinds)
    if (file.name.ends_with(kind.ending)) reply.content_type = kind.type;
  const std::string tag = TagOf(file.text);
  reply.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
  if (request.if_none_match == tag)
    reply.status = 304;
  else
    reply.body = file.text;
  return reply;
}

const PageFile* FindFile(std::string_view name) {
  const auto files = PageFiles();
  const auto found = std::ranges::find(files, name, &PageFile::name);
  return found == files.end() ? nullptr : &*found;
}

Reply NotFound(const Request& request) {
  Reply reply;
  reply.status = 404;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = fmt::format("404: nothing at {}\n", request.target.Path());
  return reply;
}

void AddHeaders(Reply& reply) {
  reply.headers.insert(reply.headers.end(), {{"Content-Security-Policy", std::string(kPolicy)},
                                             {"X-Content-Type-Options", "nosniff"},
                                             {"Referrer-Policy", "no-referrer"},
                                             {"Cross-Origin-Resource-Policy", "same-origin"},
                                             {"Cross-Origin-Opener-Policy", "same-origin"}});
  const bool cached = std::ranges::any_of(
      reply.headers, [](const auto& header) { return header.first == "Cache-Control"; });
  if (!cached) reply.headers.emplace_back("Cache-Control", "no-store");
}

}  // namespace

Reply Service::Route(const Request& request) const {
  if (auto reply = page_.Answer(request)) return *reply;
  if (auto reply = jaeger_.Answer(request)) return *reply;
  if (auto reply = jaeger_v3_.Answer(request)) return *reply;
  const auto& path = request.target.segments;
  if (request.method != "GET") {
    Reply reply = NotFound(request);
    reply.status = 405;
    reply.body = "405: only GET is answered here\n";
    reply.headers.emplace_back("Allow", "GET, HEAD");
    return reply;
  }
  const bool view = path.empty() || std::ranges::find(kViews, path[0]) != kViews.end();
  const PageFile* const file = FindFile(view ? "index.html" : path.size() == 1 ? path[0] : "");
  return file != nullptr ? FileReply(*file, request) : NotFound(request);
}

std::optional<Reply> Service::Refuse(const Request& request, uint16_t port) const {
  auto refusal = access_.Refuse(request, port);
  if (refusal) AddHeaders(*refusal);
  return refusal;
}

Reply Service::Answer(const Request& request, uint16_t port) const {
  if (auto refusal = Refuse(request, port)) return std::move(*refusal);
  Reply reply = Route(request);
  AddHeaders(reply);
  return reply;
}

}  // namespace weft::serve
