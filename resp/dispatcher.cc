#include "resp/dispatcher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "resp/command_context.h"
#include "resp/command_keys.h"
#include "resp/errors.h"
#include "resp/look_ahead.h"
#include "resp/numbers.h"
#include "resp/reply_status.h"

namespace varve::resp {
namespace {

constexpr size_t kScratchBytesMax = size_t{1} << 20;  // more is given back after the command
constexpr size_t kErrorCodesMax = 128;                // distinct codes counted; texts come from us, so there are few
constexpr size_t kQueueBytesMax = size_t{512} * 1024 * 1024 + size_t{64} * 1024 * 1024;  // of one MULTI
constexpr size_t kQueuedOverhead = 2 * sizeof(QueuedCommand) + 32;  // its place in a vector that doubles
constexpr size_t kEchoedMax = 128;                                  // bytes of a request that an error text repeats

// As C's %.*s: up to `limit` bytes, ending at a NUL.
std::string_view Echo(std::string_view text, size_t limit) {
  text = text.substr(0, limit);
  return text.substr(0, text.find('\0'));
}

std::string UnknownCommand(Args args) {
  std::string list;
  for (size_t i = 1; i < args.size() && list.size() < kEchoedMax; i++) {
    list += "'";
    list += Echo(args[i], kEchoedMax - (list.size() - 1));
    list += "' ";
  }
  return "ERR unknown command '" + std::string(Echo(args[0], kEchoedMax)) + "', with args beginning with: " + list;
}

std::string UnknownSubcommand(Args args) {
  std::string name(args[0]);
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return "ERR unknown subcommand '" + std::string(Echo(args[1], kEchoedMax)) + "'. Try " + name + " HELP.";
}

// What the request may do: EXEC does what was queued.
uint32_t FlagsWithQueue(const Command& command, const Session& session) {
  return command.full_name == "exec" ? command.flags | session.queue_flags : command.flags;
}

}  // namespace

Dispatcher::Dispatcher(keyspace::Keyspace* keys, ServerControl* server, Config* config)
    : keys_(keys),
      server_(server),
      config_(config),
      command_stats_(TotalCommandCount()),
      tracking_(server, keys->random()) {
  ReadClock();
  keys_->set_observer(this);
}

Dispatcher::~Dispatcher() {
  keys_->set_observer(nullptr);
}

Execution Dispatcher::Execute(Session& session, Args args, std::string* out) {
  keys_->BeginCommand();
  client_id_ = session.id;
  const size_t mark = out->size();
  const uint64_t pending = keys_->pending_count();
  Reply reply(out, session.protocol, static_cast<size_t>(config_->OutputMax()));
  session.last_active_us = tick_us_;
  session.argument_bytes = 0;
  for (std::string_view arg : args) session.argument_bytes += arg.size();

  bool by_messages = false;
  if (const Command* command = Admit(session, args, reply); command != nullptr) {
    if (pause_end_us_ != 0 && MustWait(*command, session)) [[unlikely]]
      return NotNow({.parked = true});
    if ((command->flags & kAfterCommit) != 0 && !session.in_multi && pending != 0) [[unlikely]]
      return NotNow({.commit_first = true});
    if (session.in_multi && (command->flags & kInMulti) == 0) {
      Queue(session, *command, args, reply);
    } else {
      const ServerStats stats = stats_;
      if (!std::exchange(session.fetched, false)) StayInMemory(*command, args, session);
      if (!keys_->wants_records()) Run(session, *command, args, reply);
      if (keys_->wants_records()) [[unlikely]] {
        stats_ = stats;
        reply.Rewind(mark);
        return FetchFirst(*command, args, session, pending);
      }
      by_messages = (command->flags & kRepliesByMessages) != 0;
      // An error means that nothing was done. (Those inside an EXEC's array stand beside what was.)
      if (keys_->pending_count() != pending && out->size() > mark && (*out)[mark] == '-') {
        keys_->RollbackCommand();
        pubsub_.Drop();
        tracking_.Drop();
      }
      if (session.wait_end_us != 0) [[unlikely]]
        return NotNow({.parked = true});
    }
    if (session.tracking.caching && !session.in_multi && !command->full_name.starts_with("client|")) {
      session.tracking.caching = false;
    }
  }

  const bool silent = session.reply_mode == ReplyMode::kOff || session.reply_mode == ReplyMode::kSkip;
  if (silent && !by_messages) reply.Rewind(mark);
  if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
  if (session.reply_mode == ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kSkip;
  return {.wrote = keys_->pending_count() != pending,
          .replied = out->size() > mark,
          .overflowed = reply.overflowed(),
          .shows_commit = ShownCommit(session)};
}

size_t Dispatcher::LookAhead(const Session& session, std::string_view data) {
  if (!session.authenticated || session.in_multi) return data.size();
  constexpr size_t kLookedAtMax = 4 * keyspace::Keyspace::kPrefetchMax;
  constexpr size_t kInVain = 4;  // who began with so many requests that read no record is not looked at further
  std::array<std::string_view, keyspace::Keyspace::kPrefetchMax> names;
  size_t count = 0, looked = 0;
  for (size_t requests = 0; count < names.size(); ++requests) {
    if (requests == kLookedAtMax) break;
    const std::optional<Glimpse> glimpse = GlimpseRequest(data.substr(looked));
    if (!glimpse || (count == 0 && requests == kInVain)) {
      looked = data.size();
      break;
    }
    looked += glimpse->size;
    const Command* command = FindCommand(glimpse->name);
    if (command != nullptr && ReadsFirstArgument(*command)) names[count++] = glimpse->first;
  }
  if (count > 1) keys_->Prefetch(session.db, {names.data(), count});
  return looked;
}

// A command that names its keys has looked at nothing else.
uint64_t Dispatcher::ShownCommit(const Session& session) const {
  if (session.last_command != nullptr && !session.last_command->keys.empty()) return keys_->read_commit();
  return keys_->has_pending() ? keys_->next_commit() : keys_->next_commit() - 1;
}

void Dispatcher::PauseClients(uint64_t end_us, bool all) {
  pause_all_ = all || (LookWhetherPaused() && pause_all_);
  pause_end_us_ = std::max(pause_end_us_, end_us);
}

bool Dispatcher::LookWhetherPaused() {
  if (pause_end_us_ != 0 && keys_->clock()->MonotonicMicros() >= pause_end_us_) UnpauseClients();
  return clients_paused();
}

bool Dispatcher::MayUnpark(const Session& session) {
  if (session.wait_end_us == 0) return !LookWhetherPaused();
  return keys_->clock()->MonotonicMicros() >= session.wait_end_us;
}

bool Dispatcher::MustWait(const Command& command, const Session& session) {
  return LookWhetherPaused() && (pause_all_ || (FlagsWithQueue(command, session) & (kWrite | kMayReplicate)) != 0);
}

// --- the disk ---

void Dispatcher::StayInMemory(const Command& command, Args args, const Session& session) {
  if ((command.flags & kFetchesFirst) != 0) {
    WantKeys(command, args, session.db);
    WantQueuedKeys(session);
  } else if ((command.flags & (kWrite | kReadonly)) != 0) {
    keys_->StayInMemory();
  }
}

// Some record it needs is not in memory: the others it may need are asked for with it.
Execution Dispatcher::FetchFirst(const Command& command, Args args, Session& session, uint64_t pending) {
  if (keys_->pending_count() != pending) keys_->RollbackCommand();
  DropMessages();
  entry_.pin.Reset();
  other_entry_.pin.Reset();
  if ((command.flags & kFetchesFirst) == 0) WantKeys(command, args, session.db);
  ReadClock();
  return {.fetching = true};
}

void Dispatcher::WantKeys(const Command& command, Args args, int db) {
  for (const KeyArgument& key : KeysOf(command, args)) keys_->Want(db, args[key.index], (key.flags & kKeyOW) != 0);
}

// Of an EXEC. Keys of other databases, but for those after a SELECT, are none of these: they are waited for.
void Dispatcher::WantQueuedKeys(const Session& session) {
  int64_t db = session.db;
  std::vector<std::string_view> args;
  for (const QueuedCommand& queued : session.queue) {
    queued.GetArguments(&args);
    if (queued.command->full_name == "select") (void)ParseInt64(args[1], &db);
    if (db >= 0 && db < keyspace::kDatabaseCount) WantKeys(*queued.command, args, static_cast<int>(db));
  }
}

// In the order of Redis' processCommand, which decides who of several complaints is heard.
const Command* Dispatcher::Admit(Session& session, Args args, Reply& reply) {
  // A browser tricked into talking to us: HTTP, not Redis.
  if (EqualsIgnoreCase(args[0], "host:") || EqualsIgnoreCase(args[0], "post")) {
    session.close_after_reply = true;
    return nullptr;
  }
  const Command* command = FindCommand(args[0]);
  if (command == nullptr) {
    Reject(session, nullptr, UnknownCommand(args), reply);
    return nullptr;
  }
  if (!command->subcommands.empty() && args.size() > 1) {
    const Command* subcommand = FindSubcommand(*command, args[1]);
    if (subcommand == nullptr) {
      Reject(session, nullptr, UnknownSubcommand(args), reply);
      return nullptr;
    }
    command = subcommand;
  }
  session.last_command = command;
  if (!ArityFits(*command, args.size())) {
    Reject(session, command, "ERR wrong number of arguments for '" + std::string(command->full_name) + "' command",
           reply);
    return nullptr;
  }
  if ((command->flags & kProtected) != 0 && config_->enable_debug_command != Config::DebugCommand::kYes &&
      !(config_->enable_debug_command == Config::DebugCommand::kLocal && session.loopback)) {
    Reject(session, command,
           "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from "
           "a local connection, otherwise you need to set this option in the configuration file, and then restart the "
           "server.",
           reply);
    return nullptr;
  }
  if (!session.authenticated && !config_->requirepass.empty() && (command->flags & kNoAuth) == 0) {
    Reject(session, command, kAuthRequired, reply);
    return nullptr;
  }
  if (session.in_multi && (command->flags & kNoMulti) != 0) {
    Reject(session, command, "ERR Command not allowed inside a transaction", reply);
    return nullptr;
  }
  if ((FlagsWithQueue(*command, session) & kWrite) != 0 && config_->min_replicas_to_write > 0 &&
      config_->min_replicas_max_lag > 0) {
    Reject(session, command, "NOREPLICAS Not enough good replicas to write.", reply);
    return nullptr;
  }
  if (session.monitor && (command->flags & (kWrite | kReadonly)) != 0) [[unlikely]] {
    Reject(session, command, "ERR Replica can't interact with the keyspace", reply);
    return nullptr;
  }
  if (session.protocol == 2 && session.subscribed() && (command->flags & kWhenSubscribed) == 0) [[unlikely]] {
    Reject(session, command,
           "ERR Can't execute '" + std::string(command->full_name) +
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
           reply);
    return nullptr;
  }
  return command;
}

void Dispatcher::Reject(Session& session, const Command* command, std::string_view text, Reply& reply) {
  ReadClock();
  if (session.in_multi) session.multi_failed = true;
  if (command != nullptr) command_stats_[IndexOf(*command)].rejected++;
  const size_t mark = reply.out().size();
  if (command != nullptr && command->full_name == "exec") {
    DiscardMulti(session);
    if (text.starts_with("ERR ")) text.remove_prefix(4);
    reply.Error("EXECABORT Transaction discarded because of: " + std::string(text));
  } else {
    reply.Error(text);
  }
  CountError(std::string_view(reply.out()).substr(mark));
}

void Dispatcher::Queue(Session& session, const Command& command, Args args, Reply& reply) {
  QueuedCommand queued{.command = &command, .bytes = {}, .sizes = {}};
  if (session.queue_bytes + session.argument_bytes > kQueueBytesMax) {
    return Reject(session, &command, "ERR transaction is longer than " + std::to_string(kQueueBytesMax) + " bytes",
                  reply);
  }
  queued.bytes.reserve(session.argument_bytes);
  queued.sizes.reserve(args.size());
  for (std::string_view arg : args) {
    queued.bytes.append(arg.data(), arg.size());
    queued.sizes.push_back(static_cast<uint32_t>(arg.size()));
  }
  session.queue_bytes += queued.bytes.size() + args.size() * sizeof(uint32_t) + kQueuedOverhead;
  session.queue.push_back(std::move(queued));
  session.queue_flags |= command.flags;
  reply.Raw("+QUEUED\r\n");
  ReadClock();
}

void Dispatcher::Run(Session& session, const Command& command, Args args, Reply& reply) {
  const size_t mark = reply.out().size();
  CommandContext context{.dispatcher = *this,
                         .keys = *keys_,
                         .server = *server_,
                         .config = *config_,
                         .session = session,
                         .command = command,
                         .reply = reply,
                         .entry = entry_,
                         .other = other_entry_,
                         .scratch = scratch_};
  const uint64_t begin_us = tick_us_;
  redacted_.clear();
  command.handler(args, context);
  if (session.wait_end_us != 0 || keys_->wants_records()) [[unlikely]]
    return;  // counts when it is over

  if (session.tracking.on && (command.flags & kReadonly) != 0) RememberRead(session, command, args);
  if (!monitors_.empty() && (command.flags & (kSkipMonitor | kAdmin)) == 0) {
    monitors_.Feed(session, args, keys_->NowMs());
  }

  CommandStats& stats = command_stats_[IndexOf(command)];
  stats.calls++;
  CountTime(command);
  last_ran_ = &command;
  stats_.commands_processed++;
  NoteDuration(session, command, args, tick_us_ - begin_us);
  const std::string& out = reply.out();
  if (out.size() > mark && out[mark] == '-') {
    stats.failed++;
    CountError(std::string_view(out).substr(mark));
  }
  entry_.pin.Reset();
  other_entry_.pin.Reset();
  if (scratch_.capacity() > kScratchBytesMax) std::string().swap(scratch_);
}

void Dispatcher::NoteDuration(Session& session, const Command& command, Args args, uint64_t duration_us) {
  if (config_->latency_tracking) command_stats_[IndexOf(command)].latency.Record(duration_us * 1000);
  NoteLatency((command.flags & kFast) != 0 ? "fast-command" : "command", duration_us);
  const int64_t limit_us = config_->slowlog_log_slower_than_us;
  if (limit_us < 0 || (command.flags & kSkipSlowlog) != 0) return;
  if (duration_us >= static_cast<uint64_t>(limit_us)) {
    slow_log_.Add(args, redacted_,
                  {.id = 0,
                   .unix_seconds = keys_->clock()->WallMillis() / 1000,
                   .duration_us = duration_us,
                   .arguments = {},
                   .address = session.address,
                   .client_name = session.name});
  }
  slow_log_.Trim(static_cast<size_t>(config_->slowlog_max_len));
}

void Dispatcher::NoteLatency(std::string_view event, uint64_t duration_us) {
  const auto threshold_ms = static_cast<uint64_t>(config_->latency_monitor_threshold_ms);
  if (threshold_ms == 0 || duration_us / 1000 < threshold_ms) [[likely]]
    return;
  latency_.Add(event, duration_us / 1000, keys_->clock()->WallMillis() / 1000);
}

// All since the last command is its.
void Dispatcher::CountTime(const Command& command) {
  const uint64_t now_us = keys_->clock()->MonotonicMicros();
  command_stats_[IndexOf(command)].duration_us += now_us - tick_us_;
  tick_us_ = now_us;
}

// --- what others hear of ---

void Dispatcher::DeliverWhatThereIs(bool wrote) noexcept {
  pubsub_.Deliver(wrote);
  tracking_.Deliver();
  monitors_.Deliver();
  if (last_ran_ != nullptr) CountTime(*last_ran_);
}

void Dispatcher::RememberRead(Session& session, const Command& command, Args args) {
  const TrackingMode& mode = session.tracking;
  if (mode.bcast || (mode.opt_in && !mode.caching) || (mode.opt_out && mode.caching)) return;
  for (const KeyArgument& key : KeysOf(command, args)) {
    tracking_.Remember(session, args[key.index], static_cast<size_t>(config_->tracking_table_max_keys));
  }
}

void Dispatcher::OnKeyChange(int db, std::string_view name, keyspace::KeyChange change) {
  const bool expired = change == keyspace::KeyChange::kExpired;
  if (!tracking_.idle()) tracking_.Changed(name, expired ? 0 : client_id_);
  if (expired) Notify(kNotifyExpired, "expired", db, name);
  if (change == keyspace::KeyChange::kAdded) Notify(kNotifyNew, "new", db, name);
}

void Dispatcher::OnFlush(int /*db*/) {
  if (!tracking_.idle()) tracking_.AllChanged();
}

void Dispatcher::Notify(NotifyClass event_class, std::string_view event, int db, std::string_view name) {
  const uint32_t flags = config_->notify_keyspace_events;
  if ((flags & event_class) == 0 || !pubsub_.HasListeners()) return;
  using Kind = SubscriptionKind;
  if ((flags & kNotifyKeyspace) != 0) {
    channel_.assign("__keyspace@").append(std::to_string(db)).append("__:").append(name);
    pubsub_.Publish(Kind::kChannel, channel_, event, true);
  }
  if ((flags & kNotifyKeyevent) != 0) {
    channel_.assign("__keyevent@").append(std::to_string(db)).append("__:").append(event);
    pubsub_.Publish(Kind::kChannel, channel_, name, true);
  }
}

void Dispatcher::DropMessages() noexcept {
  client_id_ = 0;
  pubsub_.Drop();
  tracking_.Drop();
  monitors_.Drop();
}

void Dispatcher::CountError(std::string_view reply_bytes) {
  stats_.error_replies++;
  if (reply_bytes.empty()) return;  // there was no room for it
  std::string code(reply_bytes.substr(1, reply_bytes.find_first_of(" \r") - 1));
  if (error_counts_.size() < kErrorCodesMax || error_counts_.contains(code)) error_counts_[std::move(code)]++;
}

// A command on data has left nothing behind, nor one that could not be queued: its EXEC is told. All others may have
// changed what the client is to us (its database, protocol, transaction): it starts anew.
void Dispatcher::OutOfMemory(Session& session, std::string* out) {
  DropMessages();
  entry_.pin.Reset();
  other_entry_.pin.Reset();
  std::string().swap(scratch_);
  const Command* command = session.last_command;
  const bool about_data = command != nullptr && (command->flags & (kWrite | kReadonly)) != 0;
  if (session.in_multi) session.multi_failed = true;
  if (!about_data || session.reply_mode != ReplyMode::kOn) session.close_after_reply = true;
  if (session.reply_mode != ReplyMode::kOn) return;
  const size_t mark = out->size();
  Reply(out, session.protocol).Error(kOutOfMemory);
  CountError(std::string_view(*out).substr(mark));
}

void Dispatcher::FailedCommit(Session& session, const lsm::Status& why, std::string* out) {
  const size_t mark = out->size();
  Reply reply(out, session.protocol);
  reply.Error(ErrorText(why));
  CountError(std::string_view(*out).substr(mark));
}

void Dispatcher::ProtocolError(Session& session, std::string_view error, std::string* out) {
  const size_t mark = out->size();
  Reply reply(out, session.protocol);
  reply.Error("ERR " + std::string(error));
  CountError(std::string_view(*out).substr(mark));
  session.close_after_reply = true;
}

void Dispatcher::Forget(Session& session) {
  DiscardMulti(session);
  pubsub_.Forget(session);
  tracking_.Disable(session);
  monitors_.Remove(session);
}

void Dispatcher::Unwatch(Session& session) {
  for (const WatchedKey& key : session.watched) keys_->Unwatch(key.db, key.name);
  session.watched.clear();
  session.watched_names.clear();
  session.watch_bytes = 0;
}

void Dispatcher::DiscardMulti(Session& session) {
  session.in_multi = false;
  session.multi_failed = false;
  session.queue.clear();
  session.queue_flags = 0;
  session.queue_bytes = 0;
  Unwatch(session);
}

bool Dispatcher::WatchedKeysChanged(Session& session) {
  return std::any_of(session.watched.begin(), session.watched.end(), [&](const WatchedKey& key) {
    if (keys_->WatchedVersion(key.db, key.name) != key.version) return true;
    return key.expire_ms != 0 && static_cast<int64_t>(key.expire_ms) <= keys_->NowMs();
  });
}

const CommandStats& Dispatcher::stats_of(const Command& command) const {
  return command_stats_[IndexOf(command)];
}

void Dispatcher::ResetStats() {
  std::fill(command_stats_.begin(), command_stats_.end(), CommandStats{});
  stats_ = {.expired_keys_before = keys_->expire_stats().expired_keys};
  error_counts_.clear();
}

}  // namespace varve::resp
