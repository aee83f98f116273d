#include "resp/config.h"

#include <gtest/gtest.h>

namespace varve::resp {
namespace {

TEST(Config, LiveSettingsChange) {
  Config config;
  EXPECT_EQ(config.Set("MaxClients", "50", SettingTime::kRunning), "");
  EXPECT_EQ(config.maxclients, 50);
  EXPECT_EQ(config.Get("maxclients"), "50");
  EXPECT_EQ(config.Set("appendfsync", "ALWAYS", SettingTime::kRunning), "");
  EXPECT_EQ(config.appendfsync, Config::AppendFsync::kAlways);
  EXPECT_EQ(config.Set("proto-max-bulk-len", "2mb", SettingTime::kRunning), "");
  EXPECT_EQ(config.proto_max_bulk_len, 2 << 20);
  EXPECT_EQ(config.Set("client-output-buffer-limit", "normal 10mb 5mb 7 pubsub 1 2 3", SettingTime::kRunning), "");
  EXPECT_EQ(config.output_normal.hard_bytes, 10 << 20);
  EXPECT_EQ(config.output_normal.soft_seconds, 7);
}

TEST(Config, MemoryOfClientsIsBytesOrAShareOrAnything) {
  Config config;
  const auto set = [&](std::string_view value) {
    return config.Set("maxmemory-clients", value, SettingTime::kRunning);
  };
  EXPECT_EQ(config.ClientMemoryMax(), int64_t{1536} << 20);
  EXPECT_EQ(set("64mb"), "");
  EXPECT_EQ(config.ClientMemoryMax(), 64 << 20);
  EXPECT_EQ(config.OutputMax(), 64 << 20) << "one client is one of all";
  config.memory_budget = 200'000'000;
  EXPECT_EQ(set("5%"), "");
  EXPECT_EQ(config.Get("maxmemory-clients"), "5%");
  EXPECT_EQ(config.ClientMemoryMax(), 10'000'000);
  EXPECT_EQ(set("101%"), "percentage argument must be less or equal to 100");
  EXPECT_EQ(set("-5%"), "argument must be a memory or percent value");
  EXPECT_EQ(set("%"), "argument must be a memory or percent value");
  EXPECT_EQ(config.Get("maxmemory-clients"), "5%");
  EXPECT_EQ(set("0"), "");
  EXPECT_EQ(config.ClientMemoryMax(), INT64_MAX);
  EXPECT_EQ(config.OutputMax(), config.output_normal.hard_bytes);
}

TEST(Config, ABadValueChangesNothing) {
  Config config;
  for (const auto& [name, value] : {std::pair{"maxclients", "0"},
                                    {"maxclients", "x"},
                                    {"timeout", "-1"},
                                    {"appendfsync", "sometimes"},
                                    {"protected-mode", "maybe"},
                                    {"client-output-buffer-limit", "normal 1 2"},
                                    {"client-output-buffer-limit", "normal 1 2 -3"}}) {
    const std::string before = config.Get(name);
    EXPECT_NE(config.Set(name, value, SettingTime::kStart), "") << name;
    EXPECT_EQ(config.Get(name), before) << name;
  }
}

TEST(Config, StartSettingsAreFixedLater) {
  Config config;
  EXPECT_EQ(config.Set("port", "7000", SettingTime::kStart), "");
  EXPECT_EQ(config.port, 7000);
  EXPECT_EQ(config.Set("tcp-backlog", "5", SettingTime::kRunning), "can't set immutable config");
  EXPECT_EQ(config.Set("dir", "/", SettingTime::kRunning), "can't set protected config");
  EXPECT_EQ(config.Set("unixsocketperm", "755", SettingTime::kStart), "");
  EXPECT_EQ(config.unixsocketperm, 0755);
  EXPECT_EQ(config.Get("unixsocketperm"), "755");
}

// Nobody is told that something changed that did not.
TEST(Config, FactsAcceptOnlyThemselves) {
  Config config;
  EXPECT_EQ(config.Set("maxmemory-policy", "noeviction", SettingTime::kRunning), "");
  EXPECT_NE(config.Set("maxmemory-policy", "allkeys-lru", SettingTime::kRunning), "");
  EXPECT_EQ(config.Set("appendonly", "yes", SettingTime::kRunning), "");
  EXPECT_NE(config.Set("appendonly", "no", SettingTime::kRunning), "");
  EXPECT_FALSE(config.IsLive("appendonly"));
  EXPECT_TRUE(config.IsLive("timeout"));
}

TEST(Config, KeptSettingsAreCheckedAsRedisDoes) {
  Config config;
  const auto set = [&](std::string_view name, std::string_view value) {
    return config.Set(name, value, SettingTime::kRunning);
  };
  EXPECT_EQ(set("hash-max-listpack-value", "1kb"), "");
  EXPECT_EQ(config.Get("hash-max-listpack-value"), "1024");
  EXPECT_EQ(set("set-max-intset-entries", "1kb"), "argument couldn't be parsed into an integer");
  EXPECT_EQ(set("list-max-listpack-size", "-5"), "");
  EXPECT_EQ(set("list-compress-depth", "-1"), "argument must be between 0 and 2147483647 inclusive");
  EXPECT_EQ(set("lazyfree-lazy-expire", "YES"), "");
  EXPECT_EQ(config.Get("lazyfree-lazy-expire"), "yes");
  EXPECT_EQ(set("lazyfree-lazy-expire", "1"), "argument must be 'yes' or 'no'");
  EXPECT_EQ(set("sanitize-dump-payload", "Clients"), "");
  EXPECT_EQ(config.Get("sanitize-dump-payload"), "clients");
  EXPECT_EQ(set("sanitize-dump-payload", "perhaps"), "argument(s) must be one of the following: no, yes, clients");
  EXPECT_EQ(set("shutdown-on-sigterm", "nosave now"), "");
  EXPECT_EQ(config.Get("shutdown-on-sigterm"), "nosave now");
  EXPECT_NE(set("shutdown-on-sigterm", "nosave later"), "");
  EXPECT_EQ(config.Get("shutdown-on-sigterm"), "nosave now") << "a refused value changes nothing";
  EXPECT_EQ(set("masterauth", "Pass Word"), "");
  EXPECT_EQ(config.Get("masterauth"), "Pass Word");
  EXPECT_EQ(set("rdbchecksum", "no"), "can't set immutable config");
  EXPECT_TRUE(config.IsKept("hz"));
  EXPECT_TRUE(config.IsLive("hz")) << "REWRITE writes it";
  EXPECT_FALSE(config.IsKept("timeout"));
}

TEST(Config, AnAliasIsItsParameter) {
  Config config;
  EXPECT_EQ(config.Set("hash-max-ziplist-entries", "20", SettingTime::kRunning), "");
  EXPECT_EQ(config.Get("hash-max-listpack-entries"), "20");
  EXPECT_EQ(config.Match({"hash-max-*-entries"}).size(), 2u);
  EXPECT_EQ(Config::Canonical("HASH-max-ziplist-entries"), "hash-max-listpack-entries");
  EXPECT_EQ(Config::Canonical("hash-max-listpack-entries"), "hash-max-listpack-entries");
  EXPECT_EQ(Config::Canonical("nosuch"), "");
}

TEST(Config, HiddenSettingsAnswerToTheirNameOnly) {
  Config config;
  EXPECT_EQ(config.Set("key-load-delay", "50", SettingTime::kRunning), "");
  EXPECT_EQ(config.Match({"key-load-delay"}).size(), 1u);
  EXPECT_EQ(config.Match({"key-load-dela*"}).size(), 0u);
}

TEST(Config, SaveIsAScheduleOfCheckpoints) {
  Config config;
  EXPECT_EQ(config.Get("save"), "");
  EXPECT_EQ(config.Set("save", "3600 1", SettingTime::kStart), "");
  EXPECT_EQ(config.Set("save", "60 1000", SettingTime::kStart), "") << "lines of a file add up";
  EXPECT_EQ(config.Get("save"), "3600 1 60 1000");
  EXPECT_EQ(config.Set("save", "10 5", SettingTime::kRunning), "");
  ASSERT_EQ(config.save_points.size(), 1u);
  EXPECT_EQ(config.save_points[0].seconds, 10);
  EXPECT_EQ(config.save_points[0].changes, 5);
  for (const char* bad : {"10", "0 5", "10 -1", "a 1", "10 1 5"}) {
    EXPECT_EQ(config.Set("save", bad, SettingTime::kRunning), "Invalid save parameters") << bad;
  }
  EXPECT_EQ(config.Get("save"), "10 5");
  EXPECT_EQ(config.Set("save", "", SettingTime::kRunning), "");
  EXPECT_TRUE(config.save_points.empty());
}

TEST(Config, MaxMemoryIsTheBudgetUnlessItIsZero) {
  Config config;
  EXPECT_EQ(config.MemoryBudget(), config.memory_budget);
  EXPECT_EQ(config.Set("maxmemory", "100mb", SettingTime::kRunning), "");
  EXPECT_EQ(config.MemoryBudget(), 100 << 20);
  EXPECT_EQ(config.Set("maxmemory", "1", SettingTime::kRunning), "argument must be 0 or at least 4194304");
  EXPECT_EQ(config.Get("maxmemory"), "104857600");
  EXPECT_EQ(config.Set("maxmemory", "0", SettingTime::kRunning), "");
  EXPECT_EQ(config.MemoryBudget(), config.memory_budget);
}

TEST(Config, PercentilesAreNumbersUpToAHundred) {
  Config config;
  EXPECT_EQ(config.Get("latency-tracking-info-percentiles"), "50 99 99.9");
  EXPECT_EQ(config.Set("latency-tracking-info-percentiles", "0.0 50.0 100.0", SettingTime::kRunning), "");
  EXPECT_EQ(config.Get("latency-tracking-info-percentiles"), "0 50 100");
  EXPECT_EQ(config.Set("latency-tracking-info-percentiles", "101", SettingTime::kRunning),
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
  EXPECT_EQ(config.Set("latency-tracking-info-percentiles", "x", SettingTime::kRunning),
            "Invalid latency-tracking-info-percentiles parameters");
  EXPECT_EQ(config.Set("latency-tracking-info-percentiles", "", SettingTime::kRunning), "");
  EXPECT_EQ(config.Get("latency-tracking-info-percentiles"), "");
}

TEST(Config, MatchesNamesAndPatterns) {
  Config config;
  using Rows = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(config.Match({"MAXCLIENTS"}), (Rows{{"MAXCLIENTS", "10000"}}));
  EXPECT_EQ(config.Match({"nosuch"}), Rows{});
  EXPECT_EQ(config.Match({"maxcl*", "maxclients"}), (Rows{{"maxclients", "10000"}}));
  EXPECT_GT(config.Match({"*"}).size(), 80u);
  EXPECT_EQ(config.Match({"databases"}), (Rows{{"databases", "16"}}));
}

}  // namespace
}  // namespace varve::resp
