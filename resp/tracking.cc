#include "resp/tracking.h"

#include <algorithm>
#include <cstdio>
#include <new>
#include <utility>

#include "keyspace/record.h"
#include "resp/message_pieces.h"
#include "resp/message_sink.h"
#include "resp/reply.h"

namespace varve::resp {
namespace {

constexpr std::string_view kInvalidationChannel = "__redis__:invalidate";
constexpr size_t kChangesKept = 1024;

}  // namespace

// --- who ---

void Tracking::Enable(Session& session, const TrackingMode& mode, const std::vector<std::string_view>& prefixes) {
  std::vector<std::string_view> wanted = prefixes;
  if (mode.bcast && wanted.empty()) wanted.emplace_back();  // all names
  for (std::string_view prefix : wanted) {
    if (!session.tracking_prefixes.emplace(prefix).second) continue;
    session.subscription_bytes += 2 * prefix.size() + kPrefixOverhead;
    prefixes_.try_emplace(std::string(prefix)).first->second.clients[session.id] = &session;
  }
  if (!session.tracking.on) clients_++;
  const bool caching = session.tracking.caching;  // holds until the next command that is none of CLIENT's
  session.tracking = mode;
  session.tracking.caching = caching;
}

// Its id stays with the names it has read until they change: found to be gone, or not tracking, it is passed over.
void Tracking::Disable(Session& session) noexcept {
  for (const std::string& name : session.tracking_prefixes) {
    session.subscription_bytes -= 2 * name.size() + kPrefixOverhead;
    auto prefix = prefixes_.find(name);
    if (prefix == prefixes_.end()) continue;
    prefix->second.clients.erase(session.id);
    if (prefix->second.clients.empty()) prefixes_.erase(prefix);
  }
  session.tracking_prefixes.clear();
  if (!session.tracking.on) return;
  session.tracking = {};
  if (--clients_ > 0) return;
  all_changed_ = false;
  changes_.clear();
  broadcast_.clear();
  table_.clear();
  items_ = table_bytes_ = 0;
}

// --- what ---

void Tracking::Remember(const Session& session, std::string_view name, size_t names_max) {
  if (name.size() > keyspace::kNameSizeMax) return;  // it cannot come to be
  auto entry = table_.find(name);
  if (entry == table_.end()) {
    entry = table_.try_emplace(std::string(name)).first;
    table_bytes_ += Cost(name, {});
  }
  Readers& readers = entry->second;
  auto place = std::lower_bound(readers.begin(), readers.end(), session.id);
  if (place != readers.end() && *place == session.id) return;
  readers.insert(place, session.id);
  items_++;
  table_bytes_ += sizeof(uint64_t);
  GiveUp(names_max);
}

void Tracking::GiveUp(size_t names_max) {
  while ((names_max != 0 && table_.size() > names_max) || table_bytes_ > kTableBytesMax) {
    size_t bucket = random_->Next() % table_.bucket_count();
    while (table_.begin(bucket) == table_.end(bucket)) bucket = (bucket + 1) % table_.bucket_count();
    changes_.push_back({});
    TakeOut(table_.find(table_.begin(bucket)->first), &changes_.back());
  }
}

void Tracking::Changed(std::string_view name, uint64_t by) {
  auto entry = table_.find(name);
  const bool broadcast = HasPrefixOf(name);
  if (entry == table_.end() && !broadcast) return;
  changes_.push_back({.by = by, .broadcast = broadcast, .name = std::string(broadcast ? name : std::string_view())});
  if (entry != table_.end()) TakeOut(entry, &changes_.back());
}

// Who reads the name from here on has read what it will be.
void Tracking::TakeOut(Table::iterator entry, Change* change) noexcept {
  items_ -= entry->second.size();
  table_bytes_ -= Cost(entry->first, entry->second);
  change->readers = table_.extract(entry);
}

template <typename Visit>
void Tracking::ForEachPrefixOf(std::string_view name, const Visit& visit) {
  auto at = prefixes_.upper_bound(name);
  while (at != prefixes_.begin()) {
    --at;
    const std::string_view prefix = at->first;
    if (name.starts_with(prefix)) {
      if (!visit(at->second)) return;
      continue;
    }
    // None between what both begin with and here is one.
    const auto differ = std::mismatch(prefix.begin(), prefix.end(), name.begin(), name.end()).first;
    at = prefixes_.upper_bound(prefix.substr(0, static_cast<size_t>(differ - prefix.begin())));
  }
}

bool Tracking::HasPrefixOf(std::string_view name) {
  bool found = false;
  ForEachPrefixOf(name, [&found](Prefix& /*prefix*/) {
    found = true;
    return false;
  });
  return found;
}

// --- telling ---

void Tracking::Deliver() noexcept {
  if (std::exchange(all_changed_, false)) TellAll();
  for (Change& change : changes_) {
    if (!change.readers.empty()) TellReaders(change);
    if (change.broadcast) NoteForPrefixes(change.name, change.by);
  }
  changes_.clear();
  if (changes_.capacity() > kChangesKept) std::vector<Change>().swap(changes_);
}

void Tracking::Drop() noexcept {
  all_changed_ = false;
  for (Change& change : changes_) {
    if (!change.readers.empty()) PutBack(change);
  }
  changes_.clear();
}

// Where the undone request has read it again, or there is no memory, being told too much does no harm.
void Tracking::PutBack(Change& change) noexcept {
  change.by = 0;
  try {
    const size_t cost = Cost(change.readers.key(), change.readers.mapped());
    const size_t readers = change.readers.mapped().size();
    auto put = table_.insert(std::move(change.readers));
    if (put.inserted) {
      items_ += readers;
      table_bytes_ += cost;
      return;
    }
    change.readers = std::move(put.node);
  } catch (const std::bad_alloc&) {
  }
  if (!change.readers.empty()) TellReaders(change);
}

void Tracking::TellReaders(const Change& change) noexcept {
  for (uint64_t id : change.readers.mapped()) {
    Session* session = server_->FindClient(id);
    if (session == nullptr || !session->tracking.on || session->tracking.bcast) continue;
    if (session->tracking.no_loop && id == change.by) continue;
    Send(*session, {.one = change.readers.key()});
  }
}

void Tracking::TellAll() noexcept {
  server_->ForEachClient([this](Session& session, const ConnectionFacts& /*facts*/) {
    if (session.tracking.on) Send(session, {});
  });
  table_.clear();
  items_ = table_bytes_ = 0;
  broadcast_.clear();
}

void Tracking::NoteForPrefixes(std::string_view name, uint64_t by) noexcept {
  bool touched = false;
  ForEachPrefixOf(name, [&touched](Prefix& prefix) {
    prefix.touched = touched = true;
    return true;
  });
  if (!touched || broadcast_lost_) return;
  try {
    auto known = broadcast_.lower_bound(name);
    if (known != broadcast_.end() && known->first == name) {
      known->second = by;
    } else {
      broadcast_.emplace_hint(known, name, by);
    }
  } catch (const std::bad_alloc&) {
    broadcast_lost_ = true;
  }
}

void Tracking::EndTick() noexcept {
  if (broadcast_.empty() && !broadcast_lost_) return;
  for (auto& [start, prefix] : prefixes_) {
    if (std::exchange(prefix.touched, false)) Broadcast(start, prefix);
  }
  broadcast_.clear();
  broadcast_lost_ = false;
}

void Tracking::Broadcast(std::string_view start, const Prefix& prefix) noexcept {
  // The names that somebody else than `but` changed; none: all.
  auto encode = [&](uint64_t but, std::string* array) {
    array->clear();
    Reply reply(array, 2);
    size_t count = 0;
    for (auto name = broadcast_.lower_bound(start); name != broadcast_.end() && name->first.starts_with(start);
         ++name) {
      if (but != 0 && name->second == but) continue;
      reply.Bulk(name->first);
      count++;
    }
    if (count > 0) reply.ArrayAt(0, count);
  };
  try {
    std::string all;
    std::string some;
    if (!broadcast_lost_) encode(0, &all);
    for (const auto& [id, session] : prefix.clients) {
      if (broadcast_lost_ || !session->tracking.no_loop) {
        Send(*session, {.array = all});
        continue;
      }
      encode(id, &some);
      if (!some.empty()) Send(*session, {.array = some});
    }
  } catch (const std::bad_alloc&) {
    for (const auto& [id, session] : prefix.clients) Send(*session, {});
  }
}

void Tracking::Send(Session& session, const Names& names) noexcept {
  Session* target = &session;
  const uint64_t redirection = session.tracking.redirection;
  if (redirection != 0) {
    target = server_->FindClient(redirection);
    if (target == nullptr) {
      session.tracking.broken_redirection = true;
      if (session.protocol == 2) return;
      char number[24];
      const int size = snprintf(number, sizeof(number), ":%llu\r\n", static_cast<unsigned long long>(redirection));
      MessagePieces broken;
      broken.Bulk("tracking-redir-broken");
      broken.Raw({number, static_cast<size_t>(size)});
      return session.sink->Push(broken.For(session.protocol), false);
    }
  }
  MessagePieces pieces;
  if (target->protocol > 2) {
    pieces.Bulk("invalidate");
  } else if (redirection != 0 && target->subscribed()) {
    pieces.Bulk("message");
    pieces.Bulk(kInvalidationChannel);
  } else {
    return;  // it cannot tell this from a reply
  }
  if (names.one.has_value()) {
    pieces.ArrayOf(*names.one);
  } else if (!names.array.empty()) {
    pieces.Raw(names.array);
  } else {
    pieces.Raw(target->protocol > 2 ? "_\r\n" : "*-1\r\n");
  }
  target->sink->Push(pieces.For(target->protocol), false);
}

}  // namespace varve::resp
