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
  EXPECT_EQ(config.Set("port", "7001", SettingTime::kRunning), "can't set immutable config");
  EXPECT_EQ(config.Set("dir", "/", SettingTime::kRunning), "can't set protected config");
  EXPECT_EQ(config.Set("unixsocketperm", "755", SettingTime::kStart), "");
  EXPECT_EQ(config.unixsocketperm, 0755);
  EXPECT_EQ(config.Get("unixsocketperm"), "755");
}

// Nobody is told that something changed that did not.
TEST(Config, FactsAcceptOnlyThemselves) {
  Config config;
  EXPECT_EQ(config.Set("save", "", SettingTime::kRunning), "");
  EXPECT_NE(config.Set("save", "60 1000", SettingTime::kRunning), "");
  EXPECT_EQ(config.Set("appendonly", "yes", SettingTime::kRunning), "");
  EXPECT_NE(config.Set("appendonly", "no", SettingTime::kRunning), "");
  EXPECT_FALSE(config.IsLive("save"));
  EXPECT_TRUE(config.IsLive("timeout"));
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
