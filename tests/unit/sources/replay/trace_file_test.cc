#include "sources/replay/trace_file.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/support/temp_folder.h"

namespace weft::sources {
namespace {

struct ReadFile {
  api::SpanTable table;
  TraceFile::Totals totals;
  std::string format;
};

Result<ReadFile> ReadAll(const std::string& path) {
  auto file = TraceFile::Open(path);
  if (!file) return std::unexpected(file.error());
  ReadFile out;
  for (bool more = true; more;) {
    const auto read = (*file)->Next(&out.table);
    if (!read) return std::unexpected(read.error());
    more = *read;
  }
  out.totals = (*file)->totals();
  out.format = (*file)->format();
  return out;
}

// One line per span.
std::string Dump(const ReadFile& file, uint32_t at_most = 12) {
  static constexpr const char* kKinds[] = {"?",      "internal", "server",
                                           "client", "producer", "consumer"};
  const api::SpanTable& t = file.table;
  std::string out =
      fmt::format("{}: {} spans, {} malformed\n", file.format, t.n(), file.totals.malformed);
  for (uint32_t i = 0; i < std::min(t.n(), at_most); ++i) {
    out += fmt::format("{:016x}{:016x} {:016x} < {:016x} {} {} '{}' {} +{}", t.trace_hi[i],
                       t.trace_lo[i], t.span_id[i], t.parent_id[i], kKinds[t.kind[i]],
                       t.strings.Text(t.service[i]), t.strings.Text(t.operation[i]), t.start_ns[i],
                       t.end_ns[i] - t.start_ns[i]);
    if (t.peer[i] != 0) out += fmt::format(" -> {}", t.strings.Text(t.peer[i]));
    if (t.status[i] == WEFT_STATUS_ERROR) out += " error";
    out += fmt::format(" {} attributes\n", t.attr_offset[i + 1] - t.attr_offset[i]);
  }
  return out;
}

class TraceFileTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, std::string_view bytes) {
    std::ofstream(folder_.File(name), std::ios::binary) << bytes;
    return folder_.File(name);
  }
  ReadFile Read(const std::string& name, std::string_view bytes) {
    auto read = ReadAll(File(name, bytes));
    EXPECT_TRUE(read) << read.error().message;
    return read ? std::move(*read) : ReadFile{};
  }
  test::TempFolder folder_;
};

constexpr std::string_view kFlat =
    "span_id,parent_span_id,trace_id,service,kind,peer,op,start_us,duration_us\n"
    "aa:1,,aa,front,server,web,GET /,1000,50\n"
    "aa:2,aa:1,aa,front,client,stock,GET /s,1010,30\n";

TEST_F(TraceFileTest, ReadsTheFlatCsv) {
  EXPECT_EQ(Dump(Read("a.csv", kFlat)),
            "flat CSV: 2 spans, 0 malformed\n"
            "000000000000000000000000000000aa 0000000000000001 < 0000000000000000 server front "
            "'GET /' 1000000 +50000 -> web 0 attributes\n"
            "000000000000000000000000000000aa 0000000000000002 < 0000000000000001 client front "
            "'GET /s' 1010000 +30000 -> stock 0 attributes\n");
}

TEST_F(TraceFileTest, ReadsGzipAndZstdAndSeveralOfThemBehindEachOther) {
  std::string gzip(4096, '\0'), zstd(4096, '\0');
  z_stream z{};
  ASSERT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(kFlat.data()));
  z.avail_in = static_cast<uInt>(kFlat.size());
  z.next_out = reinterpret_cast<Bytef*>(gzip.data());
  z.avail_out = static_cast<uInt>(gzip.size());
  ASSERT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  gzip.resize(z.total_out);
  deflateEnd(&z);
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), kFlat.data(), kFlat.size(), 3));
  EXPECT_EQ(Read("a", gzip).totals.spans, 2u);
  EXPECT_EQ(Read("b", zstd).totals.spans, 2u);
  // The second header is a line that is no span.
  EXPECT_EQ(Read("c", gzip + gzip).totals.spans, 4u);
  EXPECT_EQ(Read("d", zstd + zstd).totals.malformed, 1u);
  const auto cut = ReadAll(File("e", std::string_view(gzip).substr(0, gzip.size() - 12)));
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().message.find("gzip"), std::string::npos);
  EXPECT_FALSE(ReadAll(File("f", std::string_view(zstd).substr(0, zstd.size() - 4))));
}

TEST_F(TraceFileTest, CountsAndNamesLinesThatAreNoSpans) {
  const ReadFile file =
      Read("bad.csv", std::string(kFlat) +
                          "aa:3,aa:1,aa,front,client,stock,GET /s,x,30\n"
                          "aa:4,aa:1,aa\n"
                          "\n"
                          "aa:5,aa:1,aa,front,other,stock,GET /s,1,30\n"
                          "\"aa:6,aa:1\n"
                          "aa:7,aa:1,aa,\"a, \"\"b\"\"\",client,stock,x,1011,1\n");
  EXPECT_EQ(file.totals.spans, 3u);
  EXPECT_EQ(file.table.strings.Text(file.table.service[2]), "a, \"b\"");
  ASSERT_EQ(file.totals.malformed, 4u);
  EXPECT_EQ(file.totals.complaints[0],
            "bad.csv:4: start_us or duration_us is no number of microseconds");
  EXPECT_EQ(file.totals.complaints[1], "bad.csv:5: 3 fields where the header has 9");
  EXPECT_EQ(file.totals.complaints[2], "bad.csv:7: kind is neither server nor client");
  EXPECT_EQ(file.totals.complaints[3], "bad.csv:8: unbalanced quotes");
}

TEST_F(TraceFileTest, CountsAndNamesLinesThatAreNoJson) {
  const std::string good =
      R"({"traceId":"1","id":"2","timestamp":5,"localEndpoint":{"serviceName":"a"}})";
  const ReadFile file =
      Read("z.json", good + "\n{\"traceId\":\"1\",\"id\n" + good + "\nnonsense\n{}\n" + good);
  EXPECT_EQ(file.totals.spans, 3u);
  ASSERT_EQ(file.totals.malformed, 3u);
  EXPECT_TRUE(file.totals.complaints[0].starts_with("z.json:2: "));
  EXPECT_TRUE(file.totals.complaints[1].starts_with("z.json:4: "));
  EXPECT_EQ(file.totals.complaints[2], "z.json:5: no span or trace of a known form");
}

TEST_F(TraceFileTest, GivesTheElementsOfAReplyThatIsCutOff) {
  const std::string trace =
      R"({"traceID":"1","processes":{"p1":{"serviceName":"a"}},"spans":[{"spanID":"2",)"
      R"("operationName":"x","startTime":7,"duration":1,"processID":"p1"}]})";
  const ReadFile file = Read("j.json", R"({"total":2, "data":[)" + trace + "," + trace + ",{\"tr");
  EXPECT_EQ(file.totals.spans, 2u);
  EXPECT_EQ(file.totals.malformed, 1u);
  const ReadFile whole = Read(
      "k.json", R"({"data" : [)" + trace + R"(], "errors":[{"data":[1]}], "x":"]}"} )" + trace);
  EXPECT_EQ(whole.totals.spans, 2u);
  EXPECT_EQ(whole.totals.malformed, 0u);
}

TEST_F(TraceFileTest, GivesBothEndsOfASharedZipkinSpanTheirOwnIds) {
  const ReadFile file = Read("shared.json", R"([
    {"traceId":"1","id":"2","kind":"CLIENT","timestamp":10,"localEndpoint":{"serviceName":"a"}},
    {"traceId":"1","id":"2","kind":"SERVER","timestamp":11,"shared":true,"localEndpoint":{"serviceName":"b"}},
    {"traceId":"1","id":"3","parentId":"2","timestamp":12,"localEndpoint":{"serviceName":"b"}},
    {"traceId":"1","id":"4","parentId":"2","timestamp":12,"localEndpoint":{"serviceName":"a"}}])");
  const api::SpanTable& t = file.table;
  ASSERT_EQ(t.n(), 4u);
  EXPECT_NE(t.span_id[0], 2u);
  EXPECT_EQ(t.span_id[1], 2u);
  EXPECT_EQ(t.parent_id[1], t.span_id[0]);
  EXPECT_EQ(t.parent_id[2], 2u);
  EXPECT_EQ(t.parent_id[3], t.span_id[0]);
}

TEST_F(TraceFileTest, ReadsAFolderAsOne) {
  File("1.csv", kFlat);
  File("2.csv", kFlat);
  const auto read = ReadAll(folder_.path().string());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->totals.spans, 4u);
}

TEST_F(TraceFileTest, NamesWhatDoesNotBelongIntoAFolderAndGoesOn) {
  File("1.txt", "hello\n");
  File("2.csv", kFlat);
  File("3.json", "");
  File("4.csv", kFlat);
  const auto read = ReadAll(folder_.path().string());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->totals.spans, 4u);
  EXPECT_EQ(read->totals.malformed, 2u);
  ASSERT_EQ(read->totals.complaints.size(), 2u);
  EXPECT_NE(read->totals.complaints[0].find("1.txt"), std::string::npos);
  EXPECT_NE(read->totals.complaints[1].find("3.json"), std::string::npos);
}

TEST_F(TraceFileTest, SaysSoWhereAFolderHasNothingToRead) {
  File("1.txt", "hello\n");
  EXPECT_FALSE(ReadAll(folder_.path().string()));
}

TEST_F(TraceFileTest, SaysWhatAFileIsNot) {
  EXPECT_EQ(ReadAll(folder_.File("none")).error().code, Code::kNotFound);
  EXPECT_NE(ReadAll(File("empty", "")).error().message.find("is empty"), std::string::npos);
  EXPECT_NE(ReadAll(File("x", "hello\n")).error().message.find("neither"), std::string::npos);
  EXPECT_NE(ReadAll(File("y", "span_id,kind\n")).error().message.find("no column"),
            std::string::npos);
}

// Others' files as they are, against tests/golden/traces; WEFT_REWRITE=1 writes them anew.
class OthersFiles : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(OthersFiles, ReadAsExpected) {
  const char* data = std::getenv("WEFT_DATA");
  if (data == nullptr) GTEST_SKIP() << "WEFT_DATA is not set: no test data";
  const auto read = ReadAll(std::string(data) + "/" + GetParam().second);
  if (!read && read.error().code == Code::kNotFound) GTEST_SKIP() << read.error().message;
  ASSERT_TRUE(read) << read.error().message;
  const std::string golden =
      std::string(WEFT_SOURCE_DIR "/tests/golden/traces/") + GetParam().first + ".expect";
  const std::string found = Dump(*read);
  if (std::getenv("WEFT_REWRITE") != nullptr) std::ofstream(golden) << found;
  std::stringstream expected;
  expected << std::ifstream(golden).rdbuf();
  EXPECT_EQ(found, expected.str());
}

INSTANTIATE_TEST_SUITE_P(
    TraceFile, OthersFiles,
    ::testing::Values(
        std::pair("flat_hotel", "correlation/hotel_load150.csv.gz"),
        std::pair("flat_train_ticket", "correlation/train_ticket.csv.gz"),
        std::pair("nezha_boutique",
                  "traces/nezha-online-boutique/faultfree_2022-08-23_17_00_trace.csv.gz"),
        std::pair("jaeger_download",
                  "traces/deathstarbench-social-network/traces-1695947455229.json.gz"),
        std::pair("jaeger_reply", "traces/jaeger-ui-fixtures/otlp2jaeger-out.json"),
        std::pair("jaeger_trace", "traces/jaeger-ui-fixtures/spansAmongEachOther.json"),
        std::pair("jaeger_errors", "traces/uber-crisp-test_cases/err_pattern1/err1.json"),
        std::pair("otlp_object", "traces/jaeger-fixtures/example_trace.json"),
        std::pair("otlp_example", "otlp/examples/trace.json"),
        std::pair("otlp_lines", "traces/jaeger-ui-fixtures/otlp2jaeger-multi-in.json.txt"),
        std::pair("otel_rows",
                  "traces/opensearch-otel-sampleapp/otel-v1-apm-span-000001.ndjson.gz"),
        std::pair("zipkin_shared", "traces/zipkin-lens/ascend.json"),
        std::pair("zipkin_messaging", "traces/zipkin-lens/messaging-kafka.json"),
        std::pair("zipkin_large", "traces/zipkin-lens/smartthings-mobile-web-install.json")),
    [](const auto& file) { return std::string(file.param.first); });

}  // namespace
}  // namespace weft::sources
