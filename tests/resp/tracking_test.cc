// tests/resp/tracking_test.cc - CLIENT TRACKING: who is told what, and when, without sockets.
#include "resp/tracking.h"

#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

std::string Invalidation(std::initializer_list<std::string_view> names) {
  std::string bytes = ">2\r\n$10\r\ninvalidate\r\n*" + std::to_string(names.size()) + "\r\n";
  for (std::string_view name : names) bytes += Bulk(name);
  return bytes;
}

const std::string kForgetAll = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

class TrackingTest : public DispatcherTest {
 protected:
  void SetUp() override { session_.protocol = 3; }
  // What the tracking client is told because of what another does, at the end of its tick.
  std::string ToldOf(std::string_view line) {
    DoOther(line);
    dispatcher_->EndTick();
    return sink_.Take();
  }
};

TEST_F(TrackingTest, AKeyThatWasReadIsInvalidatedOnce) {
  EXPECT_EQ(Do("client tracking on"), "+OK\r\n");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 1"), Invalidation({"a"}));
  EXPECT_EQ(ToldOf("set a 2"), "") << "it was not read since";
  Do("mget a b");
  EXPECT_EQ(ToldOf("mset b 1 a 2"), Invalidation({"b"}) + Invalidation({"a"}));
  Do("get a");
  EXPECT_EQ(ToldOf("del a"), Invalidation({"a"}));
  Do("set c 1");
  EXPECT_EQ(ToldOf("set c 2"), "") << "writing is no reading";
}

TEST_F(TrackingTest, OnesOwnChangeIsToldBehindTheReplyUnlessNoLoop) {
  Do("client tracking on");
  Do("get a");
  EXPECT_EQ(Do("set a 1"), "+OK\r\n");
  EXPECT_EQ(sink_.Take(), Invalidation({"a"}));
  Do("client tracking on noloop");
  Do("get a");
  Do("set a 2");
  EXPECT_EQ(sink_.Take(), "");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 3"), Invalidation({"a"}));
}

TEST_F(TrackingTest, ExpiryIsNobodysDoing) {
  Do("client tracking on noloop");
  Do("set a 1 px 100");
  Do("get a");
  clock_.now_ms += 101;
  Do("get a");
  EXPECT_EQ(sink_.Take(), Invalidation({"a"})) << "NOLOOP or not";
}

TEST_F(TrackingTest, AFlushInvalidatesEverything) {
  Do("client tracking on");
  DoOther("set a 1");
  Do("get a");
  sink_.Take();
  EXPECT_EQ(ToldOf("flushall"), kForgetAll);
  EXPECT_EQ(dispatcher_->tracking().names(), 0u);
}

TEST_F(TrackingTest, OptInAndOptOut) {
  Do("client tracking on optin");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 1"), "");
  Do("client caching yes");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 2"), Invalidation({"a"}));
  Do("get a");
  EXPECT_EQ(ToldOf("set a 3"), "") << "YES is for one command";
  Do("client caching yes");
  Do("multi");
  Do("get a");
  Do("get b");
  Do("exec");
  EXPECT_EQ(ToldOf("mset a 1 b 1"), Invalidation({"a"}) + Invalidation({"b"})) << "or for one transaction";

  Do("client tracking off");
  Do("client tracking on optout");
  Do("client caching no");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 4"), "");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 5"), Invalidation({"a"}));
}

// CLIENT CACHING is about the next command on data, whatever CLIENT is told in between.
TEST_F(TrackingTest, CachingOutlivesAnotherTrackingOn) {
  Do("client tracking on optin");
  Do("client caching yes");
  EXPECT_EQ(Do("client tracking on optin noloop"), "+OK\r\n");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 1"), Invalidation({"a"}));
  Do("get a");
  EXPECT_EQ(ToldOf("set a 2"), "") << "it held for one command";
}

TEST_F(TrackingTest, BroadcastTellsOncePerTickAndPrefix) {
  EXPECT_EQ(Do("client tracking on bcast prefix a: prefix b:"), "+OK\r\n");
  DoOther("set a:2 1");
  DoOther("set a:1 1");
  DoOther("set a:1 2");
  DoOther("set c:1 1");
  EXPECT_EQ(sink_.Take(), "");
  EXPECT_EQ(ToldOf("set b:1 1"), Invalidation({"a:1", "a:2"}) + Invalidation({"b:1"}));
  EXPECT_EQ(ToldOf("get a:1"), "");
  Do("client tracking on bcast prefix c:");
  EXPECT_EQ(ToldOf("set c:1 2"), Invalidation({"c:1"})) << "prefixes add up";
}

// BCAST once more, without a prefix: all names, beside those asked for before.
TEST_F(TrackingTest, BroadcastOfEverythingComesToThePrefixes) {
  Do("client tracking on bcast prefix a:");
  EXPECT_EQ(Do("client tracking on bcast"), "+OK\r\n");
  EXPECT_EQ(ToldOf("set b:1 1"), Invalidation({"b:1"}));
  EXPECT_EQ(ToldOf("set a:1 1"), Invalidation({"a:1"}) + Invalidation({"a:1"})) << "one message for each prefix";
  EXPECT_EQ(Do("client tracking on bcast prefix b:"),
            "-ERR Prefix 'b:' overlaps with an existing prefix ''. Prefixes for a single client must not overlap.\r\n");
  EXPECT_EQ(Do("client tracking on bcast"), "+OK\r\n");
  EXPECT_EQ(dispatcher_->tracking().prefixes(), 2u);
  EXPECT_EQ(Do("client tracking off"), "+OK\r\n");
  EXPECT_EQ(dispatcher_->tracking().prefixes(), 0u);
  EXPECT_EQ(session_.subscription_bytes, 0u);
}

TEST_F(TrackingTest, BroadcastOfEverythingAndNoLoop) {
  Do("client tracking on bcast noloop");
  DoOther("set a 1");
  Do("set b 1");
  dispatcher_->EndTick();
  EXPECT_EQ(sink_.Take(), Invalidation({"a"}));
  Do("set b 2");
  dispatcher_->EndTick();
  EXPECT_EQ(sink_.Take(), "");
}

TEST_F(TrackingTest, RedirectionToASubscriberInResp2) {
  session_.protocol = 2;
  DoOther("subscribe __redis__:invalidate");
  EXPECT_EQ(Do("client tracking on redirect 2"), "+OK\r\n");
  EXPECT_EQ(Do("client getredir"), ":2\r\n");
  Do("get a");
  Do("set a 1");
  EXPECT_EQ(other_sink_.Take(), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n");
  Do("flushall");
  EXPECT_EQ(other_sink_.Take(), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n");
  EXPECT_EQ(sink_.Take(), "");
}

TEST_F(TrackingTest, InResp2NobodyIsToldDirectly) {
  session_.protocol = 2;
  Do("client tracking on");
  Do("get a");
  EXPECT_EQ(ToldOf("set a 1"), "") << "it could not tell that from a reply";
}

TEST_F(TrackingTest, ABrokenRedirectionIsToldOf) {
  Do("client tracking on redirect 2");
  Do("get a");
  server_.sessions = {&session_};
  Do("set a 1");
  EXPECT_EQ(sink_.Take(), ">2\r\n$21\r\ntracking-redir-broken\r\n:2\r\n");
  EXPECT_EQ(
      Do("client trackinginfo"),
      "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n$8\r\nredirect\r\n:2\r\n$8\r\nprefixes\r\n"
      "*0\r\n");
  server_.sessions = {&session_, &other_};
}

TEST_F(TrackingTest, WhatIsUndoneIsNotToldOf) {
  Do("client tracking on");
  DoOther("set a 1 px 100");
  Do("get a");
  sink_.Take();
  clock_.now_ms += 101;
  EXPECT_EQ(DoOther("incrbyfloat a abc").substr(0, 1), "-");
  EXPECT_EQ(sink_.Take(), "") << "that it expired was undone with the rest";
  EXPECT_EQ(dispatcher_->tracking().items(), 1u);
  EXPECT_EQ(ToldOf("set a 1"), Invalidation({"a"})) << "and it is still known to have been read";
}

// The change came first, so what was read behind it is what the client may keep.
TEST_F(TrackingTest, AReadBehindAChangeOfTheSameRequestCounts) {
  Do("client tracking on noloop");
  Do("get a");
  Do("multi");
  Do("set a 1");
  Do("get a");
  Do("exec");
  EXPECT_EQ(sink_.Take(), "");
  EXPECT_EQ(ToldOf("set a 2"), Invalidation({"a"}));
}

TEST_F(TrackingTest, NestedPrefixesOfManyClients) {
  other_.protocol = 3;
  Do("client tracking on bcast prefix ab prefix b");
  DoOther("client tracking on bcast prefix a");
  Do("mset aa 1 ab 1 abc 1 b 1 c 1");
  dispatcher_->EndTick();
  EXPECT_EQ(sink_.Take(), Invalidation({"ab", "abc"}) + Invalidation({"b"}));
  EXPECT_EQ(other_sink_.Take(), Invalidation({"aa", "ab", "abc"}));
  EXPECT_GT(session_.subscription_bytes, other_.subscription_bytes);
  Do("client tracking off");
  EXPECT_EQ(session_.subscription_bytes, 0u);
  EXPECT_EQ(dispatcher_->tracking().prefixes(), 1u);
}

TEST_F(TrackingTest, TheTableIsBoundedInBytes) {
  Do("client tracking on");
  const size_t size = keyspace::kNameSizeMax - 10;
  const size_t fit = Tracking::kTableBytesMax / size;
  for (size_t i = 0; i < fit + 10; i++) Run(session_, {"get", std::to_string(i) + std::string(size, 'k')});
  EXPECT_LE(dispatcher_->tracking().names(), fit);
  EXPECT_GE(sink_.messages, 10);
  sink_.bytes = {};
  Run(session_, {"get", std::string(keyspace::kNameSizeMax + 1, 'k')});
  EXPECT_EQ(sink_.Take(), "") << "such a key cannot come to be: not remembered";
}

TEST_F(TrackingTest, TheTableIsBounded) {
  ASSERT_EQ(Do("config set tracking-table-max-keys 10"), "+OK\r\n");
  Do("client tracking on noloop");
  int told = 0;
  for (int i = 0; i < 100; i++) {
    Do("get k" + std::to_string(i));
    EXPECT_LE(dispatcher_->tracking().names(), 10u);
    told += sink_.Take().empty() ? 0 : 1;
  }
  EXPECT_EQ(told, 90) << "whoever held a name that is given up is told, NOLOOP or not";
  EXPECT_EQ(dispatcher_->tracking().items(), 10u);
}

TEST_F(TrackingTest, OffAndGone) {
  Do("client tracking on");
  Do("get a");
  EXPECT_EQ(Do("client tracking off"), "+OK\r\n");
  EXPECT_EQ(ToldOf("set a 1"), "");
  EXPECT_EQ(dispatcher_->tracking().names(), 0u) << "nobody is left";
  Do("client tracking on bcast");
  dispatcher_->Forget(session_);
  EXPECT_TRUE(dispatcher_->tracking().idle());
  EXPECT_EQ(ToldOf("set a 2"), "");
}

TEST_F(TrackingTest, Refusals) {
  EXPECT_EQ(Do("client tracking maybe"), "-ERR syntax error\r\n");
  EXPECT_EQ(Do("client tracking on nonsense"), "-ERR syntax error\r\n");
  EXPECT_EQ(Do("client tracking on redirect 77"), "-ERR The client ID you want redirect to does not exist\r\n");
  EXPECT_EQ(Do("client tracking on redirect 2 redirect 2"),
            "-ERR A client can only redirect to a single other client\r\n");
  EXPECT_EQ(Do("client tracking on prefix a"), "-ERR PREFIX option requires BCAST mode to be enabled\r\n");
  EXPECT_EQ(Do("client tracking on bcast optin"), "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n");
  EXPECT_EQ(Do("client tracking on optin optout"), "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n");
  EXPECT_EQ(Do("client tracking on bcast prefix foobar prefix foo"),
            "-ERR Prefix 'foobar' overlaps with another provided prefix 'foo'. Prefixes for a single client must not "
            "overlap.\r\n");
  EXPECT_EQ(Do("client caching yes").substr(0, 26), "-ERR CLIENT CACHING can be");
  EXPECT_EQ(Do("client getredir"), ":-1\r\n");
  Do("client tracking on bcast prefix foo");
  EXPECT_EQ(Do("client tracking on bcast prefix fo"),
            "-ERR Prefix 'fo' overlaps with an existing prefix 'foo'. Prefixes for a single client must not "
            "overlap.\r\n");
  EXPECT_EQ(Do("client tracking on").substr(0, 39), "-ERR You can't switch BCAST mode on/off");
  Do("client tracking off");
  Do("client tracking on optin");
  EXPECT_EQ(Do("client caching no"),
            "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n");
  EXPECT_EQ(Do("client tracking on optout").substr(0, 43), "-ERR You can't switch OPTIN/OPTOUT mode bef");
  EXPECT_EQ(Do("client caching yes"), "+OK\r\n");
  EXPECT_EQ(Do("client trackinginfo"),
            "%3\r\n$5\r\nflags\r\n~3\r\n$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n$8\r\nredirect\r\n:0\r\n"
            "$8\r\nprefixes\r\n*0\r\n");
}

}  // namespace
}  // namespace varve::resp
