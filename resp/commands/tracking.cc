// resp/commands/tracking.cc - CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

using Prefixes = std::vector<std::string_view>;

bool Fail(CommandContext& c, std::string_view error) {
  c.reply.Error(error);
  return false;
}

bool ReadRedirection(std::string_view text, CommandContext& c, TrackingMode* mode) {
  if (mode->redirection != 0) return Fail(c, "ERR A client can only redirect to a single other client");
  int64_t id = 0;
  if (!ReadInt64(text, c, &id)) return false;
  if (id <= 0 || c.server.FindClient(static_cast<uint64_t>(id)) == nullptr) {
    return Fail(c, "ERR The client ID you want redirect to does not exist");
  }
  mode->redirection = static_cast<uint64_t>(id);
  return true;
}

bool ReadOptions(Args args, CommandContext& c, TrackingMode* mode, Prefixes* prefixes) {
  for (size_t i = 3; i < args.size(); i++) {
    const bool more = i + 1 < args.size();
    if (more && EqualsIgnoreCase(args[i], "redirect")) {
      if (!ReadRedirection(args[++i], c, mode)) return false;
    } else if (EqualsIgnoreCase(args[i], "bcast")) {
      mode->bcast = true;
    } else if (EqualsIgnoreCase(args[i], "optin")) {
      mode->opt_in = true;
    } else if (EqualsIgnoreCase(args[i], "optout")) {
      mode->opt_out = true;
    } else if (EqualsIgnoreCase(args[i], "noloop")) {
      mode->no_loop = true;
    } else if (more && EqualsIgnoreCase(args[i], "prefix")) {
      prefixes->push_back(args[++i]);
    } else {
      return Fail(c, kSyntaxError);
    }
  }
  return true;
}

// What goes together, and with what is on already.
bool CheckMode(const TrackingMode& mode, bool has_prefixes, CommandContext& c) {
  const TrackingMode& now = c.session.tracking;
  if (has_prefixes && !mode.bcast) return Fail(c, "ERR PREFIX option requires BCAST mode to be enabled");
  if (now.on && now.bcast != mode.bcast) {
    return Fail(c,
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
                "re-enabling it with a different mode.");
  }
  if (mode.bcast && (mode.opt_in || mode.opt_out)) {
    return Fail(c, "ERR OPTIN and OPTOUT are not compatible with BCAST");
  }
  if (mode.opt_in && mode.opt_out) return Fail(c, "ERR You can't specify both OPTIN mode and OPTOUT mode");
  if ((mode.opt_in && now.opt_out) || (mode.opt_out && now.opt_in)) {
    return Fail(c,
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
                "re-enabling it with a different mode.");
  }
  return true;
}

bool Overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

bool FailOverlap(std::string_view a, std::string_view b, std::string_view kind, CommandContext& c) {
  return Fail(c, "ERR Prefix '" + std::string(a) + "' overlaps with " + std::string(kind) + " prefix '" +
                     std::string(b) + "'. Prefixes for a single client must not overlap.");
}

// One name must lead to one message. In order, a prefix of another stands right before it, or before one that overlaps
// with both: so neighbours tell. Only the empty one may have come to others (BCAST once more, without PREFIX): it is asked
// about first.
bool CheckPrefixes(const Prefixes& prefixes, CommandContext& c) {
  const auto& known = c.session.tracking_prefixes;
  for (std::string_view prefix : prefixes) {
    if (prefix.size() > keyspace::kNameSizeMax) return Fail(c, "ERR Prefix is longer than any key can be");
    if (known.contains(std::string_view())) return FailOverlap(prefix, {}, "an existing", c);
    auto next = known.lower_bound(prefix);
    if (next != known.end() && Overlap(*next, prefix)) return FailOverlap(prefix, *next, "an existing", c);
    if (next != known.begin() && Overlap(*std::prev(next), prefix)) {
      return FailOverlap(prefix, *std::prev(next), "an existing", c);
    }
  }
  std::vector<const std::string_view*> sorted;
  for (const std::string_view& prefix : prefixes) sorted.push_back(&prefix);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a < *b; });
  for (size_t i = 1; i < sorted.size(); i++) {
    if (!Overlap(*sorted[i - 1], *sorted[i])) continue;
    const auto [first, second] = std::minmax(sorted[i - 1], sorted[i]);  // as they were given
    return FailOverlap(*first, *second, "another provided", c);
  }
  return true;
}

}  // namespace

void ClientTracking(Args args, CommandContext& c) {
  TrackingMode mode;
  Prefixes prefixes;
  if (!ReadOptions(args, c, &mode, &prefixes)) return;
  if (EqualsIgnoreCase(args[2], "off")) {
    c.dispatcher.tracking().Disable(c.session);
    return c.reply.Ok();
  }
  if (!EqualsIgnoreCase(args[2], "on")) return c.reply.Error(kSyntaxError);
  if (!CheckMode(mode, !prefixes.empty(), c) || !CheckPrefixes(prefixes, c)) return;
  mode.on = true;
  c.dispatcher.tracking().Enable(c.session, mode, prefixes);
  c.reply.Ok();
}

void ClientCaching(Args args, CommandContext& c) {
  TrackingMode& mode = c.session.tracking;
  if (!mode.on) {
    return c.reply.Error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled");
  }
  const bool yes = EqualsIgnoreCase(args[2], "yes");
  if (!yes && !EqualsIgnoreCase(args[2], "no")) return c.reply.Error(kSyntaxError);
  if (yes && !mode.opt_in) {
    return c.reply.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
  }
  if (!yes && !mode.opt_out) {
    return c.reply.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
  }
  mode.caching = true;
  c.reply.Ok();
}

void ClientGetRedir(Args /*args*/, CommandContext& c) {
  const TrackingMode& mode = c.session.tracking;
  c.reply.Integer(mode.on ? static_cast<int64_t>(mode.redirection) : -1);
}

void ClientTrackingInfo(Args /*args*/, CommandContext& c) {
  const TrackingMode& mode = c.session.tracking;
  std::vector<std::string_view> flags = {mode.on ? "on" : "off"};
  if (mode.bcast) flags.push_back("bcast");
  if (mode.opt_in) flags.push_back("optin");
  if (mode.opt_in && mode.caching) flags.push_back("caching-yes");
  if (mode.opt_out) flags.push_back("optout");
  if (mode.opt_out && mode.caching) flags.push_back("caching-no");
  if (mode.no_loop) flags.push_back("noloop");
  if (mode.broken_redirection) flags.push_back("broken_redirect");
  c.reply.Map(3);
  c.reply.Bulk("flags");
  c.reply.Set(flags.size());
  for (std::string_view flag : flags) c.reply.Bulk(flag);
  c.reply.Bulk("redirect");
  c.reply.Integer(mode.on ? static_cast<int64_t>(mode.redirection) : -1);
  c.reply.Bulk("prefixes");
  c.reply.Array(c.session.tracking_prefixes.size());
  for (const std::string& prefix : c.session.tracking_prefixes) c.reply.Bulk(prefix);
}

}  // namespace varve::resp
