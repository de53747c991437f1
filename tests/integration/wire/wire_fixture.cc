#include "tests/integration/wire/wire_fixture.h"

#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "engine/api/codec.h"
#include "sources/ebpf/probe_report.h"
#include "tests/support/requirement.h"
#include "tests/support/stitch_harness.h"

namespace weft::test {
namespace {

constexpr uint32_t kPartitions = 4;

std::string PathOf(const api::SpanView& view, uint32_t row) {
  const weft_spans& s = view.spans();
  for (uint32_t a = s.attr_offset[row]; a < s.attr_offset[row + 1]; a++) {
    const uint32_t pair = s.attr[a];
    if (s.pairs->type[pair] == WEFT_ATTR_STRING && view.Text(s.pairs->key[pair]) == "url.path")
      return std::string(view.Text(static_cast<uint32_t>(s.pairs->value[pair])));
  }
  return {};
}

}  // namespace

void WireTest::SetUp() {
  std::string reasons;
  for (const ebpf::Check& check : ebpf::ProbeHost())
    if (check.state == ebpf::CheckState::kFail || check.name == "TCP option")
      if (check.state != ebpf::CheckState::kOk) reasons += check.name + ": " + check.detail + " ";
  if (!reasons.empty()) WEFT_SKIP_OR_FAIL("bpf", reasons);
  static const std::string missing = MissingTools();
  if (!missing.empty()) WEFT_SKIP_OR_FAIL("netns", missing);
}

void WireTest::AddTalk(const Namespace& from, const Namespace& at, const TalkOptions& client,
                       const TalkOptions& server) {
  Talk talk;
  talk.listening = std::make_unique<Gate>();
  talk.half_way = std::make_unique<Gate>();
  const Gate* listening = talk.listening.get();
  const Gate* half_way = talk.half_way.get();
  const bool halves = connect_before_;
  const auto enter = [this](const Namespace& ns) {
    return ns.Enter() && (cgroup_.path().empty() || cgroup_.Enter());
  };
  talk.server = std::make_unique<TracedProcess>([&at, server, listening, enter] {
    if (!enter(at)) return 90;
    const int listener = ListenTalk(server);
    listening->Pass();
    return listener < 0 ? 91 : ServeTalk(listener, server.connections);
  });
  talk.client = std::make_unique<TracedProcess>([&from, client, half_way, halves, enter] {
    if (!enter(from)) return 90;
    const auto pass = [](void* gate) { static_cast<Gate*>(gate)->Pass(); };
    return halves ? RequestTalk(client, pass, const_cast<Gate*>(half_way)) : RequestTalk(client);
  });
  talks_.push_back(std::move(talk));
}

void WireTest::AddProgram(const Namespace& in, const std::vector<std::string>& command) {
  programs_.push_back(std::make_unique<TracedProcess>([this, &in, command] {
    if (!in.Enter() || (!cgroup_.path().empty() && !cgroup_.Enter())) return 90;
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    execvp(arguments[0], arguments.data());
    return 127;
  }));
}

void WireTest::StartServers() {
  for (Talk& talk : talks_) {
    talk.server->Go();
    talk.listening->WaitReached();
    talk.listening->Open();
    if (!connect_before_) continue;
    talk.client->Go();
    talk.half_way->WaitReached();
  }
}

Joined WireTest::Trace(ebpf::TcpOptionPeers peers) {
  metrics_ = std::make_unique<Metrics>();
  transport_ = std::make_unique<transport::MemoryTransport>(
      transport::MemoryOptions{.partitions = kPartitions}, clock_, *metrics_);
  Joined joined;
  StartServers();
  auto source = ebpf::EbpfSource::Start(Config(peers), *transport_, clock_, *metrics_, *logger_);
  EXPECT_TRUE(source.has_value()) << source.error().message;
  if (!source.has_value()) return joined;
  if (before_requests_) before_requests_();
  for (const auto& program : programs_) program->Go();
  if (!programs_.empty()) {
    EXPECT_EQ(programs_.back()->Wait(), 0);
  }
  for (Talk& talk : talks_) connect_before_ ? talk.half_way->Open() : talk.client->Go();
  for (Talk& talk : talks_) {
    EXPECT_EQ(talk.client->Wait(), 0) << "client";
    EXPECT_EQ(talk.server->Wait(), 0) << "server";
  }
  EXPECT_TRUE((*source)->Stop().has_value());
  talks_.clear();
  programs_.clear();
  Collect(&joined);
  return joined;
}

ebpf::EbpfConfig WireTest::Config(ebpf::TcpOptionPeers peers) const {
  ebpf::EbpfConfig config;
  config.hooks = hooks_;
  config.tcp_option = peers;
  config.tcp_option_cgroup = cgroup_.path();
  for (const Talk& talk : talks_) {
    config.include.pids.push_back(talk.server->pid());
    config.include.pids.push_back(talk.client->pid());
  }
  for (const auto& program : programs_) config.include.pids.push_back(program->pid());
  return config;
}

void WireTest::Collect(Joined* joined) {
  std::map<std::string, Ends> requests;
  std::set<uint64_t> clients, servers;
  testing::StitchHarness stage1(stitch::StitchConfig{.partitions = kPartitions});
  for (uint32_t p = 0; p < kPartitions; p++) {
    for (const auto& record : transport_->Held(transport::Stream::kEvents, p)) {
      const auto batch = api::DecodeEvents(record.payload);
      ASSERT_TRUE(batch.has_value()) << batch.error().message;
      const weft_spans& s = batch->spans.spans();
      for (uint32_t i = 0; i < s.n; i++) {
        if ((s.flags[i] & WEFT_FLAG_OPEN) != 0) continue;
        const int end = s.kind[i] == WEFT_KIND_CLIENT ? 1 : 0;
        (end == 1 ? clients : servers).insert(s.span_id[i]);
        const std::string path = PathOf(batch->spans, i);
        if (path.empty()) continue;
        Ends& ends = requests[path];
        ends.seen[end]++;
        ends.span_id[end] = s.span_id[i];
        ends.wire_id[end] = s.wire_id == nullptr ? 0 : s.wire_id[i];
        ends.option_id[end] = s.option_id == nullptr ? 0 : s.option_id[i];
      }
      stage1.PublishRaw(
          {transport::Stream::kEvents, p, transport::RecordType::kEventBatch, 0, record.payload});
    }
  }
  stage1.Finish();
  std::set<uint64_t> parents;
  for (const uint64_t server : servers) {
    joined->served++;
    const auto span = stage1.spans().find(server);
    if (span != stage1.spans().end() && clients.contains(span->second.parent))
      parents.insert(span->second.parent);
  }
  joined->caused = parents.size();
  std::set<uint64_t> option_ids;
  for (const auto& [path, ends] : requests) {
    EXPECT_LE(ends.seen[0], 1) << path;
    EXPECT_LE(ends.seen[1], 1) << path;
    if (ends.seen[0] != 1 || ends.seen[1] != 1) continue;
    joined->requests++;
    const auto server = stage1.spans().find(ends.span_id[0]);
    joined->right +=
        server != stage1.spans().end() && server->second.parent == ends.span_id[1] ? 1 : 0;
    joined->same_wire += ends.wire_id[0] == ends.wire_id[1] ? 1 : 0;
    if (ends.option_id[0] == 0 || ends.option_id[0] != ends.option_id[1]) continue;
    joined->with_option++;
    option_ids.insert(ends.option_id[0]);
  }
  joined->option_ids = option_ids.size();
}

void WireTest::ExpectJoined(const Joined& joined, size_t requests) const {
  EXPECT_EQ(joined.requests, requests);
  EXPECT_GE(joined.Share(), 0.999) << joined.right << " of " << joined.requests;
}

}  // namespace weft::test
