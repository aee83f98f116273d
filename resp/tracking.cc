#include "resp/tracking.h"

#include <algorithm>
#include <new>
#include <utility>

#include "resp/message_pieces.h"
#include "resp/message_sink.h"
#include "resp/reply.h"

namespace varve::resp {
namespace {

constexpr std::string_view kInvalidationChannel = "__redis__:invalidate";
constexpr size_t kTextKept = size_t{64} * 1024;

}  // namespace

// --- who ---

void Tracking::Enable(Session& session, const TrackingMode& mode, const std::vector<std::string_view>& prefixes) {
  if (mode.bcast) {
    for (std::string_view prefix : prefixes)
      prefixes_.try_emplace(std::string(prefix)).first->second.clients[session.id] = &session;
    if (prefixes.empty() && PrefixesOf(session).empty())
      prefixes_.try_emplace("").first->second.clients[session.id] = &session;
  }
  if (!session.tracking.on) clients_++;
  session.tracking = mode;
}

// Its id stays with the names it has read until they change: found to be gone, or not tracking, it is passed over.
void Tracking::Disable(Session& session) noexcept {
  for (auto prefix = prefixes_.begin(); prefix != prefixes_.end();) {
    prefix->second.clients.erase(session.id);
    prefix = prefix->second.clients.empty() ? prefixes_.erase(prefix) : std::next(prefix);
  }
  if (!session.tracking.on) return;
  session.tracking = {};
  if (--clients_ > 0) return;
  table_.clear();
  items_ = table_bytes_ = 0;
}

std::vector<std::string_view> Tracking::PrefixesOf(const Session& session) const {
  std::vector<std::string_view> names;
  for (const auto& [name, prefix] : prefixes_) {
    if (prefix.clients.contains(session.id)) names.push_back(name);
  }
  return names;
}

// --- what ---

void Tracking::Remember(const Session& session, std::string_view name, size_t names_max) {
  auto entry = table_.find(name);
  if (entry == table_.end()) {
    entry = table_.try_emplace(std::string(name)).first;
    table_bytes_ += name.size() + kNameOverhead;
  }
  Readers& readers = entry->second;
  auto place = std::lower_bound(readers.begin(), readers.end(), session.id);
  if (place != readers.end() && *place == session.id) return;
  readers.insert(place, session.id);
  items_++;
  table_bytes_ += sizeof(uint64_t);
  MakeRoom(names_max);
}

// Names whose end is on its way do not count any more.
void Tracking::MakeRoom(size_t names_max) {
  if (names_max == 0) names_max = SIZE_MAX;
  const size_t given_up = changes_.size();
  if (table_.size() <= names_max + given_up && table_bytes_ <= kTableBytesMax + given_up * kNameOverhead) return;
  size_t bucket = random_->Next() % table_.bucket_count();
  while (table_.begin(bucket) == table_.end(bucket)) bucket = (bucket + 1) % table_.bucket_count();
  Changed(table_.begin(bucket)->first, 0);
}

void Tracking::Changed(std::string_view name, uint64_t by) {
  const bool wanted = table_.contains(name) || std::any_of(prefixes_.begin(), prefixes_.end(), [&](const auto& prefix) {
                        return name.starts_with(prefix.first);
                      });
  if (!wanted) return;
  changes_.push_back({name.size(), by});
  try {
    changed_text_.append(name);
  } catch (const std::bad_alloc&) {
    changes_.pop_back();
    throw;
  }
}

// --- telling ---

void Tracking::Deliver() noexcept {
  if (std::exchange(all_changed_, false)) TellAll();
  std::string_view text = changed_text_;
  for (const Change& change : changes_) {
    const std::string_view name = text.substr(0, change.name_size);
    text.remove_prefix(change.name_size);
    TellReaders(name, change.by);
    AddToPrefixes(name, change.by);
  }
  Drop();
}

void Tracking::Drop() noexcept {
  all_changed_ = false;
  changes_.clear();
  changed_text_.clear();
  if (changed_text_.capacity() > kTextKept) std::string().swap(changed_text_);
}

void Tracking::TellReaders(std::string_view name, uint64_t by) noexcept {
  auto entry = table_.find(name);
  if (entry == table_.end()) return;
  for (uint64_t id : entry->second) {
    Session* session = server_->FindClient(id);
    if (session == nullptr || !session->tracking.on || session->tracking.bcast) continue;
    if (session->tracking.no_loop && id == by) continue;
    Send(*session, {.one = name});
  }
  items_ -= entry->second.size();
  table_bytes_ -= name.size() + kNameOverhead + entry->second.size() * sizeof(uint64_t);
  table_.erase(entry);
}

void Tracking::TellAll() noexcept {
  server_->ForEachClient([this](Session& session, const ConnectionFacts& /*facts*/) {
    if (session.tracking.on) Send(session, {});
  });
  table_.clear();
  items_ = table_bytes_ = 0;
  for (auto& [name, prefix] : prefixes_) prefix.changed.clear();
}

void Tracking::AddToPrefixes(std::string_view name, uint64_t by) noexcept {
  for (auto& [start, prefix] : prefixes_) {
    if (!name.starts_with(start) || prefix.lost) continue;
    try {
      prefix.changed.insert_or_assign(std::string(name), by);
    } catch (const std::bad_alloc&) {
      prefix.lost = true;
    }
  }
}

void Tracking::EndTick() noexcept {
  for (auto& [start, prefix] : prefixes_) {
    if (prefix.changed.empty() && !prefix.lost) continue;
    Broadcast(prefix);
    prefix.changed.clear();
    prefix.lost = false;
  }
}

void Tracking::Broadcast(Prefix& prefix) noexcept {
  // The names that somebody else than `by` changed; none: all.
  auto encode = [&](uint64_t but, std::string* array) {
    array->clear();
    Reply reply(array, 2);
    size_t count = 0;
    for (const auto& [name, by] : prefix.changed) {
      if (but != 0 && by == but) continue;
      reply.Bulk(name);
      count++;
    }
    if (count > 0) reply.ArrayAt(0, count);
  };
  try {
    std::string all;
    std::string some;
    if (!prefix.lost) encode(0, &all);
    for (const auto& [id, session] : prefix.clients) {
      if (prefix.lost || !session->tracking.no_loop) {
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
  if (const uint64_t id = session.tracking.redirection; id != 0) {
    target = server_->FindClient(id);
    if (target == nullptr) {
      session.tracking.broken_redirection = true;
      if (session.protocol == 2) return;
      char number[24];
      MessagePieces broken;
      broken.Bulk("tracking-redir-broken");
      broken.Raw({number, static_cast<size_t>(
                              snprintf(number, sizeof(number), ":%llu\r\n", static_cast<unsigned long long>(id)))});
      return session.sink->Push(broken.For(session.protocol), false);
    }
  }
  MessagePieces pieces;
  if (target->protocol > 2) {
    pieces.Bulk("invalidate");
  } else if (target != &session && target->subscribed()) {
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
