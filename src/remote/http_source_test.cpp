// What networks and servers do wrong: each read gives the right bytes, or the right error in its time.
#include "quire/http_source.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using source::outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kSize = 200'000;

#ifdef __has_feature
constexpr bool kHasThreadSanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool kHasThreadSanitizer = false;
#endif

class HttpSourceTest : public testing::Test {
 protected:
  struct Request {
    std::string method, path, range, if_match, authorization, connection;
  };

  HttpSourceTest() : model_(source::pattern(kSize)) {
    server().put("object", model_);
    server().put("empty", "");
    server().put("one", "x");
  }

  static const FaultServer& server() {
    static const FaultServer server;
    return server;
  }
  static HttpSourceOptions options() {
    return {.allow_private_network = true, .open_bytes = 1, .stall_timeout = seconds(20)};
  }
  // A source whose faults begin behind its opening.
  static Result<std::shared_ptr<const ByteSource>> open(const std::string& query,
                                                        const HttpSourceOptions& how = options()) {
    return open_http_source(server().url("object", query), how);
  }
  std::string expected(std::uint64_t offset, std::size_t length) const {
    return model_.substr(offset, length);
  }
  // For faults that only time tells.
  static HttpSourceOptions impatient() {
    auto how = options();
    how.stall_timeout = milliseconds(500);
    return how;
  }
  // What came of a read of 50,000 bytes, by a source whose answers have `fault` from the second on.
  std::string read_with(const std::string& fault, const HttpSourceOptions& how = options()) {
    auto source = open("skip=1&" + fault, how);
    if (!source) return "open: " + code_of(source);
    const auto result = (*source)->read(1000, 50'000);
    if (result) return result->text() == expected(1000, 50'000) ? "right" : "WRONG BYTES";
    message_ = result.error().message();
    return code_of(result);
  }
  static std::vector<Request> log(const std::string& key) {
    const auto bytes =
        open_http_source(
            server().url("__log", "key=" + key),
            {.allow_private_network = true, .allow_unpinned = true, .max_whole_bytes = 1 << 20})
            .value();
    std::istringstream text(std::string(bytes->read(0, bytes->size()).value().text()));
    std::vector<Request> requests;
    for (Request r;
         text >> r.method >> r.path >> r.range >> r.if_match >> r.authorization >> r.connection;) {
      requests.push_back(r);
    }
    return requests;
  }

  const std::string model_;
  std::string message_;  // of the last error
};

// --- Opening

TEST_F(HttpSourceTest, OpeningIsOneRequestWhoseBytesAreKept) {
  auto how = options();
  how.open_bytes = 1000;
  const auto source = open("key=opening", how).value();
  EXPECT_EQ(source->size(), kSize);
  EXPECT_EQ(source->identity().strength, IdentityStrength::strong);
  EXPECT_EQ(outcome(source->read(0, 1000)), expected(0, 1000));
  EXPECT_EQ(log("opening").size(), 1U);
  EXPECT_EQ(log("opening")[0].range, "bytes=0-999");
  EXPECT_EQ(outcome(source->read(999, 2)), expected(999, 2));
  EXPECT_EQ(log("opening").size(), 2U);
}

TEST_F(HttpSourceTest, OpensAtTheEnd) {
  auto how = options();
  how.open_bytes = 1000;
  how.open_at_end = true;
  const auto source = open("key=end", how).value();
  EXPECT_EQ(source->size(), kSize);
  EXPECT_EQ(outcome(source->read(kSize - 1000, 1000)), expected(kSize - 1000, 1000));
  EXPECT_EQ(log("end").size(), 1U);
}

TEST_F(HttpSourceTest, OpensWhatIsSmallerThanWhatItAsksFor) {
  for (const bool at_end : {false, true}) {
    const HttpSourceOptions how{.allow_private_network = true, .open_at_end = at_end};
    const auto one = open_http_source(server().url("one"), how).value();
    EXPECT_EQ(outcome(one->read(0, 1)), "x");
    const auto empty = open_http_source(server().url("empty"), how).value();
    EXPECT_EQ(empty->size(), 0U);
    EXPECT_EQ(outcome(empty->read(0, 0)), "");
  }
}

TEST_F(HttpSourceTest, AsksForTheSizeWhereAnAnswerDoesNotTellIt) {
  const auto source = open("fault=unknown&first=1&key=unknown").value();
  EXPECT_EQ(source->size(), kSize);
  const auto requests = log("unknown");
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[1].method, "HEAD");
}

TEST_F(HttpSourceTest, ReadsAServerWithoutRangesOnlyIfItMay) {
  const auto refused = open("fault=whole");
  EXPECT_EQ(code_of(refused), "unsupported");
  auto how = options();
  how.max_whole_bytes = kSize - 1;
  EXPECT_EQ(code_of(open("fault=whole", how)), "unsupported");
  how.max_whole_bytes = kSize;
  const auto source = open("fault=whole&key=whole", how).value();
  EXPECT_EQ(outcome(source->read(70'000, 9)), expected(70'000, 9));
  EXPECT_EQ(log("whole").size(), 1U);
}

TEST_F(HttpSourceTest, WantsAVersion) {
  EXPECT_EQ(code_of(open("etag=none&date=none")), "unsupported");
  auto how = options();
  how.allow_unpinned = true;
  const auto unpinned = open("etag=none&date=none", how).value();
  EXPECT_EQ(unpinned->identity().strength, IdentityStrength::size_only);
  EXPECT_EQ(open("etag=weak").value()->identity().strength, IdentityStrength::compared);
  EXPECT_EQ(open("etag=none").value()->identity().strength, IdentityStrength::compared);
}

TEST_F(HttpSourceTest, TellsWhyItCannotOpen) {
  EXPECT_EQ(code_of(open_http_source("nonsense", options())), "invalid_argument");
  EXPECT_EQ(code_of(open_http_source("ftp://example.com/", options())), "unsupported");
  EXPECT_EQ(code_of(open_http_source(server().url("missing"), options())), "not_found");
  EXPECT_EQ(code_of(open("fault=status&code=403")), "permission");
  EXPECT_EQ(code_of(open("fault=status&code=401")), "unauthenticated");
  const auto error = open("fault=status&code=403&signature=secret").error();
  EXPECT_EQ(error.system_code(), 403);
  EXPECT_EQ(error.message().find("secret"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("/object?"), std::string::npos) << error.message();
}

TEST_F(HttpSourceTest, TakesNothingOfAnOpeningThatBrokeOff) {
  auto how = options();
  how.open_bytes = 1000;
  for (const std::string broken :
       {"fault=reset&at=300", "fault=whole-reset&at=0", "fault=whole-reset&at=300"}) {
    for (const std::uint64_t max_whole : {0U, 1'000'000U}) {
      how.max_whole_bytes = max_whole;
      const auto source = open(broken + "&first=1", how);
      if (!source) {  // a whole that is too much is refused at once
        EXPECT_EQ(code_of(source), "unsupported") << broken;
        continue;
      }
      EXPECT_EQ((*source)->size(), kSize) << broken;
      EXPECT_EQ(outcome((*source)->read(0, kSize)), model_) << broken;
    }
  }
}

TEST_F(HttpSourceTest, DoesNotTryForEverToOpenWhatAlwaysBreaks) {
  auto how = options();
  how.open_bytes = 1000;
  how.max_tries = 3;
  EXPECT_EQ(code_of(open("fault=reset&at=300&key=breaks", how)), "network");
  EXPECT_EQ(log("breaks").size(), 3U);
}

TEST_F(HttpSourceTest, RefusesAnObjectWhoseEndNobodyTells) {
  auto how = options();
  how.max_whole_bytes = 1'000'000;
  EXPECT_EQ(code_of(open("fault=endless", how)), "unsupported");
}

TEST_F(HttpSourceTest, TakesAWeakVersionForTheSameOnceItIsStrong) {
  const auto source = open("etag=weak&strong_from=2").value();
  EXPECT_EQ(source->identity().strength, IdentityStrength::compared);
  EXPECT_EQ(outcome(source->read(5, 5)), expected(5, 5));
}

// --- Wrong answers

TEST_F(HttpSourceTest, RefusesAnswersThatAreNotWhatWasAskedFor) {
  EXPECT_EQ(read_with("fault=shift"), "network");
  EXPECT_EQ(read_with("fault=norange"), "network");
  EXPECT_EQ(read_with("fault=short"), "network");
  EXPECT_EQ(read_with("fault=gzip"), "network");
  EXPECT_EQ(read_with("fault=long"), "network");
  EXPECT_EQ(read_with("fault=whole"), "unsupported");
  EXPECT_EQ(read_with("fault=unknown"), "right") << "the size is known by then";
}

TEST_F(HttpSourceTest, NoticesAnotherVersion) {
  EXPECT_EQ(read_with("fault=rotate"), "changed");
  EXPECT_EQ(read_with("fault=rotate&etag=weak"), "changed");
  EXPECT_EQ(read_with("fault=total"), "changed");
  EXPECT_EQ(read_with("fault=status&code=412"), "changed");
  EXPECT_EQ(read_with("fault=status&code=416"), "changed");
  EXPECT_EQ(read_with("fault=status&code=404"), "not_found");
}

TEST_F(HttpSourceTest, AsksForTheVersionOnlyWhereServersCanTell) {
  ASSERT_TRUE(open("key=strong").value()->read(5, 5));
  EXPECT_EQ(log("strong").at(1).if_match, "\"version-1\"");
  ASSERT_TRUE(open("key=weak&etag=weak").value()->read(5, 5));
  EXPECT_EQ(log("weak").at(1).if_match, "-");
}

// --- What passes

TEST_F(HttpSourceTest, GoesOnWhereABodyBrokeOff) {
  for (const std::string fault : {"reset", "truncate", "stall"}) {
    const auto how = fault == "stall" ? impatient() : options();
    EXPECT_EQ(read_with("fault=" + fault + "&at=30000&first=1&key=" + fault, how), "right")
        << fault;
    const auto requests = log(fault);
    ASSERT_EQ(requests.size(), 3U) << fault;
    EXPECT_EQ(requests[1].range, "bytes=1000-50999");
    // Of the last bytes that were sent a part may not have come.
    const auto first = std::stoul(requests[2].range.substr(6));
    EXPECT_GT(first, 1000U) << fault;
    EXPECT_LE(first, 31'000U) << fault;
    EXPECT_EQ(requests[2].if_match, "\"version-1\"");
  }
}

TEST_F(HttpSourceTest, TriesAgainWhatPasses) {
  EXPECT_EQ(read_with("fault=status&code=503&first=2"), "right");
  EXPECT_EQ(read_with("fault=status&code=429&first=1"), "right");
  EXPECT_EQ(read_with("fault=silent&first=1", impatient()), "right");
  EXPECT_EQ(read_with("fault=garbage&first=1"), "right");
  EXPECT_EQ(read_with("fault=reset&first=2"), "right");
}

TEST_F(HttpSourceTest, GivesUpAndSaysHowOftenItTried) {
  auto how = options();
  how.max_tries = 3;
  const auto source = open("skip=1&fault=status&code=503&key=storm", how).value();
  const auto error = source->read(5, 5).error();
  EXPECT_EQ(error.code(), ErrorCode::network);
  EXPECT_EQ(error.system_code(), 503);
  EXPECT_NE(error.message().find("try 3"), std::string::npos) << error.message();
  EXPECT_TRUE(error.has_range());
  EXPECT_EQ(log("storm").size(), 4U);
}

TEST_F(HttpSourceTest, DoesNotTryAgainWhatStays) {
  for (const std::string code : {"404", "403", "400", "501"}) {
    EXPECT_NE(read_with("fault=status&code=" + code + "&key=stays" + code), "right");
    EXPECT_EQ(log("stays" + code).size(), 2U) << code;
  }
}

TEST_F(HttpSourceTest, ReadsTheWholeObjectAnewWhereAServerGivesItWhole) {
  const auto source = open("skip=1&fault=whole-reset&at=90000&first=1&key=anew").value();
  EXPECT_EQ(outcome(source->read(0, kSize)), model_);
}

TEST_F(HttpSourceTest, ObeysRetryAfter) {
  const auto source = open("skip=1&fault=status&first=1&retry_after=1").value();
  const auto began = Clock::now();
  EXPECT_EQ(outcome(source->read(5, 5)), expected(5, 5));
  EXPECT_GE(Clock::now() - began, seconds(1));
  EXPECT_EQ(read_with("fault=status&first=1&retry_after=3600"), "network");
  EXPECT_EQ(read_with("fault=status&first=1&retry_after=9223372036854775807"), "network");
}

// --- Time

TEST_F(HttpSourceTest, GivesUpAtTheDeadline) {
  auto how = options();
  how.stall_timeout = seconds(60);
  for (const std::string fault : {"silent", "stall&at=100", "status"}) {
    const auto source = open("skip=1&fault=" + fault, how).value();
    const auto began = Clock::now();
    const auto read = source->read(0, 1000, {.deadline = began + milliseconds(200)});
    EXPECT_EQ(code_of(read), "timeout") << fault;
    EXPECT_LT(Clock::now() - began, seconds(20)) << fault;
  }
}

TEST_F(HttpSourceTest, StopsWhenItIsAsked) {
  auto how = options();
  how.stall_timeout = seconds(60);
  const auto source = open("skip=1&fault=stall&at=100", how).value();
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop.request_stop();
  });
  EXPECT_EQ(code_of(source->read(0, 1000, {.stop = stop.get_token()})), "cancelled");
}

TEST_F(HttpSourceTest, SaysWhenNobodyListens) {
  auto how = options();
  how.max_tries = 2;
  EXPECT_EQ(code_of(open_http_source("http://127.0.0.1:1/x", how)), "network");
}

// --- Redirects

TEST_F(HttpSourceTest, FollowsRedirectsAndRemembersThoseForGood) {
  for (const std::string code : {"301", "302", "303", "307", "308"}) {
    const std::string key = "from" + code;
    const auto source =
        open("fault=redirect&code=" + code + "&key=" + key + "&to=/object%3Fkey=to" + code).value();
    EXPECT_EQ(outcome(source->read(5, 5)), expected(5, 5)) << code;
    const bool is_for_good = code == "301" || code == "308";
    EXPECT_EQ(log(key).size(), is_for_good ? 1U : 2U) << code;
    EXPECT_EQ(log("to" + code).size(), 2U) << code;
  }
}

TEST_F(HttpSourceTest, LeavesAPlaceThatIsGone) {
  // Moved for good, and back again when the new place knows it no more.
  const auto source = open(
                          "fault=redirect&first=1&code=301&to=/"
                          "object%3Fskip=1%26fault=status%26code=403%26key=gone")
                          .value();
  EXPECT_EQ(outcome(source->read(5, 5)), expected(5, 5));
  EXPECT_EQ(log("gone").size(), 2U);
}

TEST_F(HttpSourceTest, RefusesBadRedirects) {
  EXPECT_EQ(code_of(open("fault=redirect&key=nowhere")), "network");
  EXPECT_EQ(code_of(open("fault=redirect&to=ftp://127.0.0.1/")), "unsupported");
  EXPECT_EQ(code_of(open("fault=redirect&key=loop&to=%3Ffault=redirect%26key=loop%26to=/object")),
            "ok");
  const std::string self = "fault=redirect&key=round&to=object%3Ffault=redirect%26key=round";
  EXPECT_EQ(code_of(open(self)), "network");
}

TEST_F(HttpSourceTest, KeepsSecretsFromOtherOrigins) {
  const FaultServer other;
  other.put("object", model_);
  auto how = options();
  how.headers = {{"Authorization", "Bearer-secret"}};
  const auto source =
      open("key=mine&fault=redirect&to=" + other.url("object", "key%3Dtheirs"), how);
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(log("mine").at(0).authorization, "Bearer-secret");
  const auto theirs =
      open_http_source(
          other.url("__log", "key=theirs"),
          {.allow_private_network = true, .allow_unpinned = true, .max_whole_bytes = 10'000})
          .value();
  const auto text = theirs->read(0, theirs->size()).value();
  EXPECT_NE(text.text().find("GET"), std::string::npos);
  EXPECT_EQ(text.text().find("secret"), std::string::npos);
}

TEST_F(HttpSourceTest, SendsUserAndPasswordAndShowsThemToNobodyElse) {
  const std::string url =
      "http://me:geheim@127.0.0.1:" + std::to_string(server().port()) + "/object?key=basic";
  const auto source = open_http_source(url, options()).value();
  EXPECT_EQ(log("basic").at(0).authorization, "Basic_bWU6Z2VoZWlt");
  EXPECT_EQ(source->name().find("geheim"), std::string::npos);
  const auto outside = source->read(kSize, 1);
  EXPECT_EQ(outside.error().message().find("geheim"), std::string::npos);
}

TEST_F(HttpSourceTest, RefusesHeadersThatBeginOthers) {
  for (const std::pair<std::string, std::string>& header :
       std::vector<std::pair<std::string, std::string>>{
           {"X-A", "1\r\nX-B: 2"}, {"X-A\n", "1"}, {"", "1"}, {"X A", "1"}, {"X:A", "1"}}) {
    auto how = options();
    how.headers = {header};
    EXPECT_EQ(code_of(open("", how)), "invalid_argument") << header.first;
  }
}

// --- Processes

// The child has connections of its own, and the parent's stay as they are.
TEST_F(HttpSourceTest, AChildOfForkReadsOnAndSoDoesItsParent) {
  if (kHasThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer allows no threads behind a fork";
  const auto source = open("key=fork").value();
  ASSERT_TRUE(source->read(5, 5));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto read = source->read(100, 100, {.deadline = Clock::now() + seconds(20)});
    const auto other = open("key=forked");
    const bool is_right =
        read && read->text() == expected(100, 100) && other && (*other)->read(7, 7);
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(outcome(source->read(200, 100)), expected(200, 100));
  const auto requests = log("fork");
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_EQ(requests[3].connection, requests[0].connection);
  EXPECT_NE(requests[2].connection, requests[0].connection);
}

// --- The policy

TEST_F(HttpSourceTest, ConnectsToNoPrivateAddressUnlessAllowed) {
  const auto refused = open_http_source(server().url("object", "key=policy"));
  EXPECT_EQ(code_of(refused), "denied_by_policy");
  EXPECT_NE(refused.error().message().find("127.0.0.1"), std::string::npos);
  const std::string port = std::to_string(server().port());
  for (const std::string host :
       {"localhost", "0.0.0.0", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "10.0.0.1",
        "169.254.169.254", "100.100.100.200", "me@127.0.0.1"}) {
    auto how = HttpSourceOptions{.max_tries = 1};
    EXPECT_EQ(code_of(open_http_source("http://" + host + ":" + port + "/object?key=policy", how)),
              "denied_by_policy")
        << host;
  }
  EXPECT_TRUE(log("policy").empty());
}

// --- Requests and connections

TEST_F(HttpSourceTest, ReadsInARowUseOneConnection) {
  const auto source = open("key=row").value();
  for (int i = 1; i <= 20; ++i) ASSERT_TRUE(source->read(static_cast<std::uint64_t>(i) * 100, 10));
  const auto requests = log("row");
  ASSERT_EQ(requests.size(), 21U);
  std::set<std::string> connections;
  for (const Request& request : requests) connections.insert(request.connection);
  EXPECT_EQ(connections.size(), 1U);
}

TEST_F(HttpSourceTest, ReadsNearRangesTogetherAndLongOnesInPieces) {
  auto how = options();
  how.max_gap = 100;
  how.max_request_bytes = 1000;
  const auto source = open("key=many", how).value();
  const std::vector<ByteRange> ranges{{5000, 10}, {100, 50}, {250, 50}, {60'000, 2500}, {401, 10}};
  const auto bytes = source->read_many(ranges).value();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ(bytes[i].text(), expected(ranges[i].offset, ranges[i].length));
  }
  std::multiset<std::string> asked;
  for (const Request& request : log("many")) asked.insert(request.range);
  EXPECT_EQ(asked, (std::multiset<std::string>{"bytes=0-0", "bytes=100-299", "bytes=401-410",
                                               "bytes=5000-5009", "bytes=60000-60999",
                                               "bytes=61000-61999", "bytes=62000-62499"}));
}

TEST_F(HttpSourceTest, OneFailureEndsAReadOfMany) {
  auto how = options();
  how.max_gap = 0;
  const auto source = open("skip=3&fault=status&code=404", how).value();
  std::vector<ByteRange> ranges;
  for (std::uint64_t i = 1; i < 40; ++i) ranges.push_back({i * 1000, 10});
  EXPECT_EQ(code_of(source->read_many(ranges)), "not_found");
}

}  // namespace
}  // namespace quire::remote
