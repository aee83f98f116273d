#include "server/arguments.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "server/config_file.h"

namespace varve::server {
namespace {

// Redis' settings for TLS, which there is none of (but tls-port, which decides that).
constexpr std::string_view kIgnored = "tls-";

// Facts nobody may be left wrong about: data would be open, elsewhere, or fewer than asked for.
constexpr std::string_view kNeverIgnored[] = {"aclfile",   "cluster-enabled", "databases", "enable-module-command",
                                              "replicaof", "slaveof",         "tls-port"};

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

lsm::Status Apply(const Setting& setting, resp::Config* config, Arguments* arguments) {
  if (setting.name == "log-format") {
    if (setting.value != "text" && setting.value != "json") {
      return lsm::Status::InvalidArgument(setting.where + ": log-format '" + setting.value + "': want text or json");
    }
    arguments->json_log = setting.value == "json";
    return lsm::Status::Ok();
  }
  if (!config->Knows(setting.name)) {
    if (!setting.name.starts_with(kIgnored)) {
      return lsm::Status::InvalidArgument(setting.where + ": there is no setting '" + setting.name + "'");
    }
    arguments->warnings.push_back(setting.where + ": " + setting.name + " has nothing to act on here, ignored");
    return lsm::Status::Ok();
  }
  const std::string before = config->Get(setting.name);
  std::string problem = config->Set(setting.name, setting.value, resp::SettingTime::kStart);
  if (problem.empty() && config->IsKept(setting.name) && config->Get(setting.name) != before) {
    arguments->warnings.push_back(setting.where + ": " + setting.name + " is kept, and has no effect here");
  }
  if (problem.empty()) return lsm::Status::Ok();
  std::string message = setting.where + ": " + setting.name + " '" + setting.value + "': " + problem;
  if (!config->IsFact(setting.name) || Contains(kNeverIgnored, setting.name)) {
    return lsm::Status::InvalidArgument(std::move(message));
  }
  arguments->warnings.push_back(std::move(message));
  return lsm::Status::Ok();
}

lsm::Status ApplyFile(const std::string& path, resp::Config* config, Arguments* arguments) {
  auto settings = ReadConfigFile(path);
  if (!settings.ok()) return settings.status();
  for (const Setting& setting : *settings) VARVE_TRY(Apply(setting, config, arguments));
  std::error_code error;
  arguments->config_file = std::filesystem::absolute(path, error).string();
  return lsm::Status::Ok();
}

}  // namespace

lsm::Result<Arguments> ParseArguments(const std::vector<std::string>& words, resp::Config* config) {
  Arguments arguments;
  size_t at = 0;
  if (!words.empty() && !words[0].starts_with('-')) {
    if (lsm::Status status = ApplyFile(words[at++], config, &arguments); !status.ok()) return status;
  }
  while (at < words.size()) {
    const std::string& word = words[at++];
    if (word == "-h" || word == "--help") {
      arguments.help = true;
    } else if (word == "-v" || word == "--version") {
      arguments.version = true;
    } else if (!word.starts_with("--") || word.size() == 2) {
      return lsm::Status::InvalidArgument("'" + word + "': want --name value; see --help");
    } else {
      Setting setting{.name = word.substr(2), .value = {}, .where = word};
      bool any = false;
      for (; at < words.size() && !words[at].starts_with("--"); ++at) {
        if (std::exchange(any, true)) setting.value += ' ';
        setting.value += words[at];
      }
      if (!any) return lsm::Status::InvalidArgument(word + ": a value must follow");
      if (lsm::Status status = Apply(setting, config, &arguments); !status.ok()) return status;
    }
  }
  return arguments;
}

std::string HelpText() {
  std::string text =
      "Usage: varve-server [FILE] [--name value ...]\n"
      "Serves the Redis protocol on a durable store that may be larger than memory.\n"
      "FILE is in the style of redis.conf; flags have the names of its settings and win over it.\n\n"
      "  --port 6379             0: no TCP\n"
      "  --bind 127.0.0.1 -::1   addresses to listen on; * for all\n"
      "  --dir ./data            the data; made when missing, the engine's part is in DIR/db\n"
      "  --appendfsync everysec  always, everysec or no: what a power cut may cost; a crash of the server costs "
      "nothing\n"
      "  --memory-budget 256mb   for everything the engine keeps in memory (maxmemory means the same)\n"
      "  --max-disk-bytes 0      0: all there is. At the limit writes are refused, while deletes still make room\n"
      "  --maxmemory-clients 1536mb  for requests and replies of all clients; bytes, a percentage of memory-budget, or "
      "0\n"
      "                          for no limit. Above it the clients that use most are disconnected\n"
      "  --requirepass WORD      clients must AUTH\n"
      "  --protected-mode yes    without a password, serve this machine only\n"
      "  --maxclients 10000\n"
      "  --timeout 0             close clients idle for so many seconds\n"
      "  --proto-max-bulk-len 512mb\n"
      "  --unixsocket PATH       and --unixsocketperm 700\n"
      "  --logfile PATH          default: standard error\n"
      "  --loglevel notice       debug, verbose, notice or warning\n"
      "  --log-format text       or json, one object a line\n"
      "  --pidfile PATH\n"
      "  --help, --version\n\n"
      "All settings: redis-cli CONFIG GET '*'. Exit codes: 0 shut down cleanly, 1 cannot start or stop properly, 2 "
      "wrong\n"
      "configuration.\n";
  return text;
}

}  // namespace varve::server
