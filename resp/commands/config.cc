// resp/commands/config.cc - CONFIG and its subcommands; the parameters themselves are rows of resp/config.cc.
#include <string>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

struct Setting {
  std::string_view name;
  std::string_view value;
  std::string before;
};

void ReplyFailed(std::string_view name, std::string_view why, CommandContext& c) {
  c.reply.Error("ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
                std::string(why));
}

// Everything that can be refused without looking at a value, as Redis does: then nothing is changed.
bool ReadSettings(Args args, CommandContext& c, std::vector<Setting>* settings) {
  std::string_view refused;
  std::string why;
  for (size_t i = 2; i < args.size(); i += 2) {
    const std::string_view name = args[i];
    if (!c.config.Knows(name) && why.empty()) {
      c.reply.Error("ERR Unknown option or number of arguments for CONFIG SET - '" + std::string(name) + "'");
      return false;
    }
    if (Config::IsSecret(name)) c.dispatcher.Redact(i + 1);
    if (!why.empty()) continue;
    refused = name;
    why = c.config.Immutable(name);
    for (const Setting& earlier : *settings) {
      if (EqualsIgnoreCase(earlier.name, name)) why = "duplicate parameter";
    }
    settings->push_back({name, args[i + 1], c.config.Get(name)});
  }
  if (why.empty()) return true;
  ReplyFailed(refused, why, c);
  return false;
}

void PutBack(const std::vector<Setting>& settings, size_t count, CommandContext& c) {
  for (size_t i = 0; i < count; i++) {
    (void)c.config.Set(settings[i].name, settings[i].before, SettingTime::kRunning);
  }
}

}  // namespace

void ConfigGet(Args args, CommandContext& c) {
  const std::vector<std::string_view> patterns(args.begin() + 2, args.end());
  const auto found = c.config.Match(patterns);
  c.reply.Map(found.size());
  for (const auto& [name, value] : found) {
    c.reply.Bulk(name);
    c.reply.Bulk(value);
  }
}

// All or nothing.
void ConfigSet(Args args, CommandContext& c) {
  if (args.size() % 2 != 0) return c.reply.Error(kSyntaxError);
  std::vector<Setting> settings;
  if (!ReadSettings(args, c, &settings)) return;
  for (size_t i = 0; i < settings.size(); i++) {
    const std::string why = c.config.Set(settings[i].name, settings[i].value, SettingTime::kRunning);
    if (why.empty()) continue;
    PutBack(settings, i, c);
    return ReplyFailed(settings[i].name, why, c);
  }
  for (size_t i = 0; i < settings.size(); i++) {
    if (!c.config.IsLive(settings[i].name)) continue;
    const std::string why = c.server.ApplyConfig(c.config, settings[i].name);
    if (why.empty()) continue;
    PutBack(settings, settings.size(), c);
    for (size_t applied = 0; applied < i; applied++) (void)c.server.ApplyConfig(c.config, settings[applied].name);
    return ReplyFailed(settings[i].name, why, c);
  }
  c.reply.Ok();
}

void ConfigResetStat(Args /*args*/, CommandContext& c) {
  c.dispatcher.ResetStats();
  c.server.ResetStats();
  c.reply.Ok();
}

void ConfigRewrite(Args /*args*/, CommandContext& c) {
  const std::string why = c.server.RewriteConfigFile();
  if (why.empty()) return c.reply.Ok();
  c.reply.Error("ERR " + why);
}

void ConfigHelp(Args /*args*/, CommandContext& c) {
  ReplyHelp(c,
            {"GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
             "SET <directive> <value>", "    Set the configuration <directive> to <value>.", "RESETSTAT",
             "    Reset statistics reported by the INFO command.", "REWRITE", "    Rewrite the configuration file."});
}

}  // namespace varve::resp
