#include "engine/telemetry/metrics_server.h"

#include <utility>

namespace weft::telemetry {
namespace {

HttpResponse Show(const Health::Answer& answer) {
  return {answer.ok ? 200 : 503, "text/plain; charset=utf-8", answer.text + "\n"};
}

}  // namespace

Result<std::unique_ptr<HttpServer>> StartMetricsServer(const std::string& listen,
                                                       const PageFacts& facts,
                                                       const Metrics& metrics,
                                                       const Health& health) {
  if (listen.empty()) return nullptr;
  const auto address = ListenAddress::Parse(listen);
  if (!address) return Context(address.error(), "metrics.listen");
  std::vector<HttpRoute> routes;
  routes.push_back({"/metrics", [facts, &metrics](const HttpRequest& request) {
                      const PageFormat format = ChooseFormat(request.accept);
                      return HttpResponse{200, std::string(ContentType(format)),
                                          MetricsPage(metrics, format, facts)};
                    }});
  routes.push_back({"/healthz", [&health](const HttpRequest&) { return Show(health.Alive()); }});
  routes.push_back({"/readyz", [&health](const HttpRequest&) { return Show(health.IsReady()); }});
  auto server = HttpServer::Start(*address, std::move(routes));
  if (!server) return Context(server.error(), "metrics.listen");
  return server;
}

}  // namespace weft::telemetry
