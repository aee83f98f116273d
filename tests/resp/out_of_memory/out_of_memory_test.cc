// Requests that find no memory, at each of their allocations in turn, once and from there on: they are carried out, or
// answered -OOM (or not at all) and undone, with whatever of the tick could not be kept.
#include <map>
#include <new>

#include "tests/resp/harness.h"
#include "tests/starvation/starvation.h"

namespace varve::resp {
namespace {

using lsm::Starvation;

// "value@expiry" by name.
using State = std::map<std::string, std::string>;

struct Outcome {
  bool undone = false;     // -OOM
  bool tick_lost = false;  // and what the tick had written before
};

class OutOfMemoryTest : public DispatcherTest {
 protected:
  // What net::Connection and net::Server do with one request.
  Outcome Attempt(Session& session, const std::vector<std::string_view>& args) {
    Outcome outcome;
    try {
      dispatcher_->DeliverMessages(dispatcher_->Execute(session, args, &out_).wrote);
    } catch (const std::bad_alloc&) {
      outcome.undone = true;
    }
    if (!outcome.undone) return outcome;
    out_.clear();
    try {
      keys_->RollbackCommand();
    } catch (const std::bad_alloc&) {
      keys_->Abandon();
      outcome.tick_lost = true;
    }
    try {
      dispatcher_->OutOfMemory(session, &out_);
    } catch (const std::bad_alloc&) {
      session.close_after_reply = true;
    }
    return outcome;
  }
  Outcome RunFailing(const std::vector<std::string_view>& args, int64_t n, bool sticky, bool* fired) {
    out_.clear();
    Starvation starvation(n, sticky ? Starvation::Lasts::kOn : Starvation::Lasts::kOnce);
    Outcome outcome = Attempt(session_, args);
    *fired = starvation.End();
    return outcome;
  }
  void Carry(const std::vector<std::string_view>& args) {
    out_.clear();
    const Outcome outcome = Attempt(session_, args);
    ASSERT_FALSE(outcome.undone);
    ASSERT_NE(out_.substr(0, 1), "-") << out_;
  }

  State Read() {
    State state;
    keys_->BeginCommand();
    std::vector<std::string> names;
    EXPECT_TRUE(keys_
                    ->ForEachName(0, "*",
                                  [&](std::string_view name) {
                                    names.emplace_back(name);
                                    return true;
                                  })
                    .ok());
    keyspace::Entry entry;
    int64_t expires = 0;
    for (const std::string& name : names) {
      auto found = keys_->Find(0, name, &entry);
      EXPECT_TRUE(found.ok() && *found) << name;
      state[name] = std::string(entry.value) + "@" + std::to_string(entry.expire_ms);
      expires += entry.expire_ms != 0 ? 1 : 0;
    }
    EXPECT_EQ(keys_->counters(0).keys, static_cast<int64_t>(names.size()));
    EXPECT_EQ(keys_->counters(0).expires, expires);
    return state;
  }

  // The database that each request meets: some keys committed, and one that this tick has written.
  void SetUpKeys(const std::vector<std::vector<std::string_view>>& before) {
    dispatcher_->Forget(session_);
    session_ = Session();
    session_.sink = &sink_;
    session_.id = 1;
    session_.address = "127.0.0.1:1000";
    Carry({"FLUSHALL"});
    Carry({"SET", "a", "1"});
    Carry({"SET", "b", large_, "PX", "100000"});
    Carry({"SET", "number", "41"});
    Commit();
    Carry({"SET", "tick", "written"});
    for (const auto& args : before) Carry(args);
  }

  // `args` fails everywhere. `before` is run, whole, each time first.
  void FailEverywhere(const std::vector<std::string_view>& args,
                      const std::vector<std::vector<std::string_view>>& before = {}) {
    for (bool sticky : {false, true}) {
      for (int64_t n = 0;; ++n) {
        SCOPED_TRACE(std::string(args[0]) + (sticky ? ": all from " : ": only ") + std::to_string(n));
        SetUpKeys(before);
        const State first = Read();
        State lost = first;
        lost.erase("tick");
        bool fired = false;
        const Outcome outcome = RunFailing(args, n, sticky, &fired);
        const std::string reply = out_;
        const State then = Read();
        Commit();
        EXPECT_EQ(Read(), then) << "the commit did something else";
        if (outcome.undone || reply.starts_with("-")) {
          EXPECT_EQ(then, outcome.tick_lost ? lost : first);
          EXPECT_TRUE(reply.starts_with("-OOM ") || (reply.empty() && session_.close_after_reply)) << reply;
        } else {
          EXPECT_EQ(then, Expected(args, before));
        }
        if (HasFailure()) return;
        if (!fired) {
          EXPECT_FALSE(outcome.undone);
          break;
        }
        ++failures_;
      }
    }
  }
  // What the request makes of the database when nothing fails.
  State Expected(const std::vector<std::string_view>& args, const std::vector<std::vector<std::string_view>>& before) {
    SetUpKeys(before);
    Carry(args);
    State state = Read();
    Commit();
    return state;
  }

  // Another client that hears of all that happens: of nothing that did not.
  void FailEverywhereHeardOf(const std::vector<std::string_view>& args, int messages) {
    config_.notify_keyspace_events = kNotifyKeyevent | kNotifyString;
    for (int64_t n = 0;; ++n) {
      SCOPED_TRACE(std::string(args[0]) + ": " + std::to_string(n));
      dispatcher_->Forget(other_);
      SetUpKeys({});
      other_.protocol = 3;
      Attempt(other_, {"PSUBSCRIBE", "*"});
      Attempt(other_, {"CLIENT", "TRACKING", "ON"});
      Attempt(other_, {"MGET", "a", name_});
      Attempt(other_, {"MONITOR"});
      other_sink_.bytes.reserve(size_t{1} << 20);  // the sinks of the server find no memory in their own way
      other_sink_.bytes.clear();
      other_sink_.messages = 0;
      bool fired = false;
      const Outcome outcome = RunFailing(args, n, false, &fired);
      EXPECT_EQ(other_sink_.messages, outcome.undone ? 0 : messages) << other_sink_.bytes;
      if (HasFailure() || !fired) break;
      ++failures_;
    }
    config_.notify_keyspace_events = 0;
  }

  std::string out_;
  int failures_ = 0;  // allocations made to fail
  const std::string large_ = std::string(100'000, 'x');
  const std::string name_ = std::string(100, 'n');  // too long to lie in a std::string itself
};

TEST_F(OutOfMemoryTest, Strings) {
  FailEverywhere({"SET", name_, large_, "EX", "100"});
  FailEverywhere({"SET", "b", "short"});
  FailEverywhere({"GET", "b"});
  FailEverywhere({"APPEND", "b", large_});
  FailEverywhere({"INCR", "number"});
  FailEverywhere({"SETRANGE", name_, "100000", large_});
  FailEverywhere({"MSET", "a", large_, name_, "2", "b", "3"});
  FailEverywhere({"MGET", "a", "b", "tick", "b"});
  FailEverywhere({"GETDEL", "b"});
  FailEverywhere({"GETEX", "b", "PERSIST"});
  FailEverywhere({"SET", "b", "short", "IFEQ", large_});
  FailEverywhere({"DELIFEQ", "b", large_});
  FailEverywhere({"MSETEX", "3", "a", large_, name_, "2", "b", "3", "EX", "100"});
  FailEverywhere({"LCS", "a", "number", "IDX"});
  EXPECT_GE(failures_, 20);
}

TEST_F(OutOfMemoryTest, Bits) {
  FailEverywhere({"SETBIT", name_, "800000", "1"});
  FailEverywhere({"SETBIT", "b", "7", "1"});
  FailEverywhere({"BITCOUNT", "b"});
  FailEverywhere({"BITOP", "XOR", name_, "a", "b", "tick"});
  FailEverywhere({"BITFIELD", "b", "SET", "u8", "0", "1", "GET", "u8", "0"});
  EXPECT_GE(failures_, 10);
}

TEST_F(OutOfMemoryTest, HyperLogLogs) {
  FailEverywhere({"PFADD", name_, "x", "y"});
  FailEverywhere({"PFCOUNT", "hll"}, {{"PFADD", "hll", "x"}});
  FailEverywhere({"PFMERGE", name_, "hll", "dense"},
                 {{"PFADD", "hll", "x"}, {"PFADD", "dense", "y"}, {"PFDEBUG", "TODENSE", "dense"}});
  EXPECT_GE(failures_, 10);
}

TEST_F(OutOfMemoryTest, Keys) {
  FailEverywhere({"DEL", "a", "b", "tick", "none"});
  FailEverywhere({"PEXPIRE", "a", "100000"});
  FailEverywhere({"RENAME", "b", name_});
  FailEverywhere({"COPY", "b", name_});
  FailEverywhere({"MOVE", "b", "1"});
  FailEverywhere({"SWAPDB", "0", "1"}, {{"WATCH", name_, "a", "b"}});
  FailEverywhere({"DUMP", "b"});
  FailEverywhere(
      {"RESTORE", "b", "1000", std::string_view("\0\xc2\xff\xff\xff\x7f\n\0,t\xe5\x9e\xe0.\xad\xa1", 16), "REPLACE"});
  FailEverywhere({"KEYS", "*"});
  FailEverywhere({"SCAN", "0", "COUNT", "1"});
  FailEverywhere({"RANDOMKEY"});
  FailEverywhere({"FLUSHDB"});
  EXPECT_GE(failures_, 100);
}

TEST_F(OutOfMemoryTest, TransactionsAreWholeOrAbsent) {
  FailEverywhere({"EXEC"}, {{"MULTI"}, {"SET", "a", large_}, {"DEL", "b"}, {"APPEND", "tick", large_}, {"KEYS", "*"}});
  FailEverywhere({"WATCH", name_, "a", "b"});
  EXPECT_GE(failures_, 60);
}

TEST_F(OutOfMemoryTest, Subscriptions) {
  FailEverywhere({"SUBSCRIBE", name_, "b", name_});
  FailEverywhere({"PSUBSCRIBE", name_}, {{"SUBSCRIBE", name_}});
  FailEverywhere({"UNSUBSCRIBE"}, {{"SUBSCRIBE", name_, "b"}});
  FailEverywhere({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", name_, "PREFIX", "b"});
  FailEverywhere({"MGET", "a", "b", "tick"}, {{"CLIENT", "TRACKING", "ON"}});
  FailEverywhere({"MONITOR"});
  EXPECT_GE(failures_, 30);
}

TEST_F(OutOfMemoryTest, NobodyHearsOfWhatWasUndone) {
  FailEverywhereHeardOf({"SET", name_, large_}, 3);  // the event, the invalidation, the line of MONITOR
  FailEverywhereHeardOf({"MSET", "a", "2", name_, large_}, 5);
  FailEverywhereHeardOf({"PUBLISH", name_, large_}, 2);
  EXPECT_GE(failures_, 20);
}

// What could not be queued must not be missing from what EXEC does.
TEST_F(OutOfMemoryTest, AQueueWithAHoleIsNotExecuted) {
  for (int64_t n = 0;; ++n) {
    SetUpKeys({{"MULTI"}, {"SET", "a", "2"}});
    bool fired = false;
    const Outcome outcome = RunFailing({"SET", name_, large_}, n, false, &fired);
    if (!fired) break;
    if (!outcome.undone) continue;
    EXPECT_TRUE(out_.starts_with("-OOM ")) << out_;
    EXPECT_FALSE(session_.close_after_reply);
    EXPECT_TRUE(session_.in_multi);
    out_.clear();
    (void)Attempt(session_, {"EXEC"});
    EXPECT_TRUE(out_.starts_with("-EXECABORT ")) << out_;
    Commit();
    EXPECT_EQ(Read()["a"], "1@0");
    ASSERT_FALSE(HasFailure()) << n;
  }
}

TEST_F(OutOfMemoryTest, Administration) {
  FailEverywhere({"INFO", "everything"});
  FailEverywhere({"CLIENT", "LIST"});
  FailEverywhere({"CLIENT", "SETNAME", name_});
  FailEverywhere({"CONFIG", "GET", "*"});
  FailEverywhere({"COMMAND"});
  EXPECT_GE(failures_, 100);
}

}  // namespace
}  // namespace varve::resp
