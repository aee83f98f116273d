// tests/resp/pubsub_test.cc - SUBSCRIBE and its family, PUBLISH, PUBSUB, keyspace events, MONITOR, without sockets.
#include "resp/pubsub.h"

#include <new>

#include "resp/keyspace_events.h"
#include "tests/resp/harness.h"

namespace varve::resp {
namespace {

// A message as RESP2 or RESP3 has it.
std::string Message(std::initializer_list<std::string_view> values, char mark = '*') {
  std::string bytes = mark + std::to_string(values.size()) + "\r\n";
  for (std::string_view value : values) bytes += Bulk(value);
  return bytes;
}

std::string Confirmed(std::string_view verb, std::string_view name, int count, char mark = '*') {
  return mark + std::string("3\r\n") + Bulk(verb) + Bulk(name) + ":" + std::to_string(count) + "\r\n";
}

class PubSubTest : public DispatcherTest {};

TEST_F(PubSubTest, EachNameIsConfirmedWithACount) {
  EXPECT_EQ(Do("subscribe a b a"),
            Confirmed("subscribe", "a", 1) + Confirmed("subscribe", "b", 2) + Confirmed("subscribe", "a", 2));
  EXPECT_EQ(Do("psubscribe p*"), Confirmed("psubscribe", "p*", 3));
  EXPECT_EQ(Do("ssubscribe s"), Confirmed("ssubscribe", "s", 1)) << "shard channels are counted apart";
  EXPECT_EQ(Do("unsubscribe a nothing"), Confirmed("unsubscribe", "a", 2) + Confirmed("unsubscribe", "nothing", 2));
  EXPECT_EQ(Do("unsubscribe"), Confirmed("unsubscribe", "b", 1));
  EXPECT_EQ(Do("punsubscribe"), Confirmed("punsubscribe", "p*", 0));
  EXPECT_EQ(Do("sunsubscribe"), Confirmed("sunsubscribe", "s", 0));
  EXPECT_EQ(Do("unsubscribe"), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
  EXPECT_EQ(session_.subscription_bytes, 0u);
}

TEST_F(PubSubTest, ConfirmationsAreMessagesInResp3) {
  session_.protocol = 3;
  EXPECT_EQ(Do("subscribe a"), Confirmed("subscribe", "a", 1, '>'));
  EXPECT_EQ(Do("unsubscribe a"), Confirmed("unsubscribe", "a", 0, '>'));
  EXPECT_EQ(Do("unsubscribe"), ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n");
}

TEST_F(PubSubTest, AMessageReachesWhoeverListens) {
  other_.protocol = 3;
  Do("subscribe news");
  DoOther("psubscribe n?ws *");
  EXPECT_EQ(Do(other_, "publish news hello"), ":3\r\n");
  EXPECT_EQ(sink_.Take(), Message({"message", "news", "hello"}));
  const std::string got = other_sink_.Take();
  const std::string one = Message({"pmessage", "n?ws", "news", "hello"}, '>');
  const std::string two = Message({"pmessage", "*", "news", "hello"}, '>');
  EXPECT_TRUE(got == one + two || got == two + one) << got;
  EXPECT_EQ(DoOther("publish other x"), ":1\r\n");
  EXPECT_EQ(sink_.Take(), "");
  EXPECT_EQ(sink_.about_data_count + other_sink_.about_data_count, 0);
}

TEST_F(PubSubTest, ShardChannelsAreAWorldOfTheirOwn) {
  Do("ssubscribe news");
  EXPECT_EQ(DoOther("publish news x"), ":0\r\n");
  EXPECT_EQ(DoOther("spublish news y"), ":1\r\n");
  EXPECT_EQ(sink_.Take(), Message({"smessage", "news", "y"}));
  EXPECT_EQ(DoOther("pubsub channels"), "*0\r\n");
  EXPECT_EQ(DoOther("pubsub shardchannels"), Message({"news"}));
  EXPECT_EQ(DoOther("pubsub shardnumsub news no"), "*4\r\n$4\r\nnews\r\n:1\r\n$2\r\nno\r\n:0\r\n");
}

TEST_F(PubSubTest, PubsubCounts) {
  Do("subscribe abc abd");
  DoOther("psubscribe a* b*");
  EXPECT_EQ(Do("unsubscribe abd"), Confirmed("unsubscribe", "abd", 1));
  other_.protocol = 3;  // else it could only (un)subscribe
  EXPECT_EQ(DoOther("pubsub channels"), Message({"abc"}));
  EXPECT_EQ(DoOther("pubsub channels z*"), "*0\r\n");
  EXPECT_EQ(DoOther("pubsub channels a b"),
            "-ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.\r\n");
  EXPECT_EQ(DoOther("pubsub numsub abc abd"), "*4\r\n$3\r\nabc\r\n:1\r\n$3\r\nabd\r\n:0\r\n");
  EXPECT_EQ(DoOther("pubsub numsub"), "*0\r\n");
  EXPECT_EQ(DoOther("pubsub numpat"), ":2\r\n");
}

TEST_F(PubSubTest, InResp2ASubscriberDoesLittleElse) {
  Do("subscribe a");
  EXPECT_EQ(
      Do("get k"),
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
      "context\r\n");
  EXPECT_EQ(Do("ping"), Message({"pong", ""}));
  EXPECT_EQ(Do("ping x"), Message({"pong", "x"}));
  EXPECT_EQ(Do("reset"), "+RESET\r\n");
  EXPECT_EQ(Do("get k"), "$-1\r\n");
  EXPECT_EQ(DoOther("publish a x"), ":0\r\n") << "RESET unsubscribes";
  session_.protocol = 3;
  Do("subscribe a");
  EXPECT_EQ(Do("get k"), "_\r\n");
  EXPECT_EQ(Do("ping"), "+PONG\r\n");
}

TEST_F(PubSubTest, OnesOwnMessageComesBehindTheReply) {
  session_.protocol = 3;
  Do("subscribe a");
  EXPECT_EQ(Do("publish a x"), ":1\r\n");
  EXPECT_EQ(sink_.Take(), Message({"message", "a", "x"}, '>'));
  Do("multi");
  Do("publish a 1");
  Do("set k v");
  EXPECT_EQ(Do("exec"), "*2\r\n:1\r\n+OK\r\n") << "nothing between its elements";
  EXPECT_EQ(sink_.Take(), Message({"message", "a", "1"}, '>'));
  EXPECT_EQ(sink_.about_data_count, 1) << "a transaction that also writes is heard of when it is committed";
}

TEST_F(PubSubTest, WhoComesLaterDoesNotHearWhatWasSaid) {
  session_.protocol = 3;
  DoOther("subscribe a");
  Do("multi");
  Do("publish a x");
  Do("subscribe a");
  EXPECT_EQ(Do("exec"), "*2\r\n:1\r\n" + Confirmed("subscribe", "a", 1, '>'));
  EXPECT_EQ(sink_.Take(), "");
  EXPECT_EQ(other_sink_.Take(), Message({"message", "a", "x"}));
}

TEST_F(PubSubTest, ReplyOffDoesNotSilenceMessages) {
  Do("client reply off");
  EXPECT_EQ(Do("subscribe a"), Confirmed("subscribe", "a", 1));
  DoOther("publish a x");
  EXPECT_EQ(sink_.Take(), Message({"message", "a", "x"}));
}

TEST_F(PubSubTest, ReplyOffSilencesWhatIsNoMessage) {
  session_.protocol = 3;
  Do("client reply off");
  Do("subscribe a");
  EXPECT_EQ(Do("nosuch"), "");
  EXPECT_EQ(Do("subscribe"), "");
  EXPECT_EQ(Do("multi"), "");
  EXPECT_EQ(Do("subscribe b"), "") << "queued";
}

TEST_F(PubSubTest, AClientThatGoesIsForgotten) {
  Do("subscribe a");
  Do("psubscribe *");
  Do("ssubscribe s");
  dispatcher_->Forget(session_);
  EXPECT_EQ(DoOther("publish a x"), ":0\r\n");
  EXPECT_EQ(DoOther("spublish s x"), ":0\r\n");
  EXPECT_EQ(DoOther("pubsub channels"), "*0\r\n");
  EXPECT_EQ(DoOther("pubsub numpat"), ":0\r\n");
}

// --- keyspace events ---

class KeyspaceEventTest : public DispatcherTest {
 protected:
  void SetUp() override {
    other_.protocol = 3;
    DoOther("psubscribe *");
  }
  // The events since the last call, of __keyevent@<db>__ channels only: "set a, del a".
  std::string Events() {
    std::string bytes = other_sink_.Take();
    std::string list;
    const std::string_view head = "__keyevent@";
    for (size_t at = bytes.find(head); at != std::string::npos; at = bytes.find(head, at + 1)) {
      const size_t name_at = bytes.find("__:", at) + 3;
      const size_t end = bytes.find("\r\n", name_at);
      const size_t key_at = bytes.find("\r\n", end + 2) + 2;
      list += (list.empty() ? "" : ", ") + bytes.substr(name_at, end - name_at) + " " +
              bytes.substr(key_at, bytes.find("\r\n", key_at) - key_at);
    }
    return list;
  }
  std::string EventsOf(std::string_view line) {
    Do(line);
    return Events();
  }
};

TEST_F(KeyspaceEventTest, NothingIsSaidUnlessAskedFor) {
  EXPECT_EQ(EventsOf("set a 1"), "");
  EXPECT_EQ(Do("config set notify-keyspace-events Eg"), "+OK\r\n");
  EXPECT_EQ(EventsOf("set a 1"), "") << "$ was not asked for";
  EXPECT_EQ(EventsOf("del a"), "del a");
  EXPECT_EQ(Do("config set notify-keyspace-events g"), "+OK\r\n");
  Do("set a 1");
  EXPECT_EQ(EventsOf("del a"), "") << "neither K nor E";
}

TEST_F(KeyspaceEventTest, BothChannels) {
  Do("config set notify-keyspace-events KE$");
  Do("select 3");
  Do("set a 1");
  EXPECT_EQ(other_sink_.Take(), Message({"pmessage", "*", "__keyspace@3__:a", "set"}, '>') +
                                    Message({"pmessage", "*", "__keyevent@3__:set", "a"}, '>'));
  EXPECT_EQ(other_sink_.about_data_count, 2) << "not to be heard of before the commit";
}

TEST_F(KeyspaceEventTest, EveryCommandHasItsEvents) {
  Do("config set notify-keyspace-events AEnm");
  EXPECT_EQ(EventsOf("set a 1"), "new a, set a");
  EXPECT_EQ(EventsOf("set a 1 ex 100"), "set a, expire a");
  EXPECT_EQ(EventsOf("set a 2 nx"), "");
  EXPECT_EQ(EventsOf("setnx b 1"), "new b, set b");
  EXPECT_EQ(EventsOf("setex b 100 1"), "set b, expire b");
  EXPECT_EQ(EventsOf("getset b 2"), "set b");
  EXPECT_EQ(EventsOf("mset a 1 c 2"), "set a, new c, set c");
  EXPECT_EQ(EventsOf("msetnx a 1 d 2"), "");
  EXPECT_EQ(EventsOf("append a 1"), "append a");
  EXPECT_EQ(EventsOf("setrange a 0 1"), "setrange a");
  EXPECT_EQ(EventsOf("setrange a 0 ''"), "");
  EXPECT_EQ(EventsOf("incr a"), "incrby a");
  EXPECT_EQ(EventsOf("decrby a 3"), "incrby a");
  EXPECT_EQ(EventsOf("incrbyfloat a 1.5"), "incrbyfloat a");
  EXPECT_EQ(EventsOf("expire a 100"), "expire a");
  EXPECT_EQ(EventsOf("expire a 100 nx"), "");
  EXPECT_EQ(EventsOf("getex a persist"), "persist a");
  EXPECT_EQ(EventsOf("getex a ex 100"), "expire a");
  EXPECT_EQ(EventsOf("persist a"), "persist a");
  EXPECT_EQ(EventsOf("persist a"), "");
  EXPECT_EQ(EventsOf("rename a aa"), "new aa, rename_from a, rename_to aa");
  EXPECT_EQ(EventsOf("renamenx aa b"), "");
  Do("set target 1");
  Events();
  EXPECT_EQ(EventsOf("rename target b"), "new b, rename_from target, rename_to b");
  EXPECT_EQ(EventsOf("copy aa b replace"), "new b, copy_to b");
  EXPECT_EQ(EventsOf("copy aa a"), "new a, copy_to a");
  EXPECT_EQ(EventsOf("pexpireat a 1"), "del a");
  EXPECT_EQ(EventsOf("getdel aa"), "del aa");
  EXPECT_EQ(EventsOf("del b c nothing"), "del b, del c");
  EXPECT_EQ(EventsOf("get nothing"), "keymiss nothing");
  EXPECT_EQ(EventsOf("copy b c"), "keymiss b");
}

// OBJECT counts a hit or a miss and tells nobody; MEMORY USAGE does neither.
TEST_F(KeyspaceEventTest, LookingIntoAKeyIsNoMissToHearOf) {
  Do("config set notify-keyspace-events EA$m");
  const ServerStats& stats = dispatcher_->stats();
  uint64_t misses = stats.keyspace_misses;
  for (const char* command :
       {"object encoding none", "object freq none", "object idletime none", "object refcount none"}) {
    EXPECT_EQ(EventsOf(command), "") << command;
    EXPECT_EQ(stats.keyspace_misses, ++misses) << command;
  }
  EXPECT_EQ(EventsOf("memory usage none"), "");
  EXPECT_EQ(stats.keyspace_misses, misses);
  Do("set a 1");
  Events();
  const uint64_t hits = stats.keyspace_hits;
  EXPECT_EQ(EventsOf("object encoding a"), "");
  EXPECT_EQ(stats.keyspace_hits, hits + 1);
  EXPECT_EQ(EventsOf("memory usage a"), "");
  EXPECT_EQ(stats.keyspace_hits, hits + 1);
}

TEST_F(KeyspaceEventTest, AKeyExpiresOnce) {
  Do("config set notify-keyspace-events Exg");
  Do("set a 1 px 100");
  Do("set b 1 px 100");
  Events();
  clock_.now_ms += 101;
  EXPECT_EQ(EventsOf("get a"), "expired a") << "found to be due by a read";
  EXPECT_EQ(EventsOf("get a"), "");
  keys_->BeginCommand();
  ASSERT_TRUE(keys_->ActiveExpire(10).ok());
  dispatcher_->DeliverMessages(true);
  EXPECT_EQ(Events(), "expired b") << "found by the cron";
}

// Found to have expired by a command that then fails: that is undone, and the key expires another time.
TEST_F(KeyspaceEventTest, WhatIsUndoneIsNotToldOf) {
  Do("config set notify-keyspace-events Ex");
  Do("set lapsed 1 px 100");
  DoOther("monitor");
  clock_.now_ms += 101;
  EXPECT_EQ(Do("incrbyfloat lapsed abc").substr(0, 1), "-");
  EXPECT_FALSE(last_.wrote);
  const std::string told = other_sink_.Take();
  EXPECT_EQ(told.find("expired"), std::string::npos) << told;
  EXPECT_NE(told.find("incrbyfloat"), std::string::npos) << "MONITOR shows commands that fail, too";
  EXPECT_EQ(EventsOf("get lapsed"), "expired lapsed");
}

TEST(NotifyFlagsTest, ReadAndShownAsRedisDoes) {
  auto shown = [](std::string_view text) {
    uint32_t flags = 0;
    return ParseNotifyFlags(text, &flags) ? FormatNotifyFlags(flags) : "no";
  };
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("KEA"), "AKE");
  EXPECT_EQ(shown("AKEmn"), "AKEm");
  EXPECT_EQ(shown("g$lshzxetdKEnm"), "AKEm");
  EXPECT_EQ(shown("KEn"), "nKE");
  EXPECT_EQ(shown("Kg$x"), "g$xK");
  EXPECT_EQ(shown("q"), "no");
}

TEST_F(DispatcherTest, NotifyKeyspaceEventsIsChecked) {
  EXPECT_EQ(Do("config set notify-keyspace-events KEq"),
            "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class "
            "character. Use 'Ag$lshzxeKEtmdn'.\r\n");
  EXPECT_EQ(Do("config set notify-keyspace-events KEA"), "+OK\r\n");
  EXPECT_EQ(Do("config get notify-keyspace-events"), Message({"notify-keyspace-events", "AKE"}));
}

// --- MONITOR ---

class MonitorTest : public DispatcherTest {
 protected:
  // The commands seen since the last call, without time and address.
  std::string Seen() {
    std::string bytes = other_sink_.Take();
    std::string list;
    while (!bytes.empty()) {
      const size_t end = bytes.find("\r\n");
      list += (list.empty() ? "" : " | ") + bytes.substr(bytes.find("] ") + 2, end - bytes.find("] ") - 2);
      bytes.erase(0, end + 2);
    }
    return list;
  }
};

TEST_F(MonitorTest, ShowsWhoDidWhatAndWhere) {
  EXPECT_EQ(DoOther("monitor"), "+OK\r\n");
  Do("select 2");
  other_sink_.Take();
  Run(session_, {"set", "a b", std::string("\"\\\n\r\t\a\b\0\xff", 9)});
  EXPECT_EQ(other_sink_.Take(),
            "+1700000000.000000 [2 127.0.0.1:1000] \"set\" \"a b\" \"\\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff\"\r\n");
}

TEST_F(MonitorTest, OrderWithinATransaction) {
  DoOther("monitor");
  Do("multi");
  Do("set a 1");
  Do("exec");
  EXPECT_EQ(Seen(), "\"multi\" | \"set\" \"a\" \"1\" | \"exec\"");
}

TEST_F(MonitorTest, SecretsAndAdministrationAreNotShown) {
  DoOther("monitor");
  Do("auth user password");
  Do("hello 3 auth user password setname x");
  Do("config get port");
  Do("nosuch command");
  EXPECT_EQ(
      Seen(),
      "\"auth\" \"(redacted)\" \"(redacted)\" | \"hello\" \"3\" \"auth\" \"(redacted)\" \"(redacted)\" \"setname\" "
      "\"x\"");
}

TEST_F(MonitorTest, EveryPasswordOfHelloIsHidden) {
  DoOther("monitor");
  Do("hello 3 setname auth auth default secret");
  Do("hello 3 auth a secret auth auth secret");
  EXPECT_EQ(Seen(),
            "\"hello\" \"3\" \"setname\" \"auth\" \"auth\" \"(redacted)\" \"(redacted)\" | \"hello\" \"3\" \"auth\" "
            "\"(redacted)\" \"(redacted)\" \"auth\" \"(redacted)\" \"(redacted)\"");
}

TEST_F(MonitorTest, ALineIsBounded) {
  DoOther("monitor");
  Run(session_, {"echo", std::string(size_t{2} << 20, 'x'), "y"});
  Run(session_, {"echo", std::string(size_t{2} << 20, 'x')});
  EXPECT_EQ(Seen(), "\"echo\" \"(2097152 bytes)\"") << "and what has a wrong arity was not run";
}

TEST_F(MonitorTest, AMonitorOnlyWatches) {
  EXPECT_EQ(Do("multi"), "+OK\r\n");
  Do("monitor");
  EXPECT_EQ(Do("exec"), "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
  EXPECT_EQ(Do("monitor"), "+OK\r\n");
  EXPECT_EQ(Do("get a"), "-ERR Replica can't interact with the keyspace\r\n");
  EXPECT_EQ(Do("ping"), "+PONG\r\n");
}

TEST_F(MonitorTest, EndsWithResetAndWithTheClient) {
  DoOther("monitor");
  DoOther("monitor");
  Do("ping");
  EXPECT_EQ(Seen(), "\"ping\"") << "once, however often it was asked for";
  DoOther("reset");
  other_sink_.Take();
  Do("ping");
  EXPECT_EQ(Seen(), "");
  DoOther("monitor");
  dispatcher_->Forget(other_);
  Do("ping");
  EXPECT_EQ(Seen(), "");
}

}  // namespace
}  // namespace varve::resp
