// resp/tracking.h - server-assisted client side caching (CLIENT TRACKING): who may hold which key, and telling them when
// it changes.
//
//   default mode    table_: name -> clients that have read it. The first change takes the name out and tells them.
//   BCAST           prefixes_: prefix -> clients. All names changed in a tick that start so, in one message, at its end.
//
// A message is ">2 invalidate [names]" to RESP3 clients; to a redirection in RESP2 the same names as a message of the
// channel __redis__:invalidate. Null instead of names: forget everything (FLUSHALL, or no memory to say which). Names
// are kept without their database, as in Redis: a client forgets a little more than it must.
// What a request changed is kept until it ended well (Deliver) or was undone (Drop, which puts the readers back).
// Memory: the table holds at most tracking-table-max-keys names and kTableBytesMax bytes; beyond, names are given up at
// random, which tells their clients. Prefixes are charged to their session. A call that throws std::bad_alloc leaves at
// most a name too many.
// Threads: the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lsm/clock.h"
#include "resp/name_hash.h"
#include "resp/server_control.h"
#include "resp/session.h"

namespace varve::resp {

class Tracking {
 public:
  static constexpr size_t kTableBytesMax = size_t{256} * 1024 * 1024;

  // Both outlive it.
  Tracking(ServerControl* server, lsm::RandomSource* random) : server_(server), random_(random) {}

  // `mode.on`; the prefixes of BCAST are added to those the session has, none is all names.
  void Enable(Session& session, const TrackingMode& mode, const std::vector<std::string_view>& prefixes);
  void Disable(Session& session) noexcept;
  bool idle() const { return clients_ == 0; }

  // The client has read the name and may cache it. At most `names_max` names are kept.
  void Remember(const Session& session, std::string_view name, size_t names_max);
  // `by`: the client running, 0 when nobody did it (expiry): it hears of it unless it asked for NOLOOP.
  void Changed(std::string_view name, uint64_t by);
  void AllChanged() { all_changed_ = true; }
  void Deliver() noexcept;
  void Drop() noexcept;
  // Tells the clients of BCAST.
  void EndTick() noexcept;

  // --- for INFO ---
  size_t clients() const { return clients_; }
  size_t names() const { return table_.size(); }
  size_t items() const { return items_; }
  size_t prefixes() const { return prefixes_.size(); }

 private:
  using Readers = std::vector<uint64_t>;  // ids, ascending
  using Table = std::unordered_map<std::string, Readers, NameHash, std::equal_to<>>;
  struct Prefix {
    std::unordered_map<uint64_t, Session*> clients;
    bool touched = false;  // in this tick
  };
  using Prefixes = std::map<std::string, Prefix, std::less<>>;
  // A name that the request running has changed, or that is given up.
  struct Change {
    uint64_t by = 0;
    Table::node_type readers = {};  // empty: nobody had read it
    bool broadcast = false;         // a prefix asks for `name`
    std::string name = {};
  };
  // What a message names.
  struct Names {
    std::optional<std::string_view> one = {};  // this name
    std::string_view array = {};               // or these, as the bytes of an array; neither: all there are
  };
  static constexpr size_t kNameOverhead = 120;    // node, bucket, headers
  static constexpr size_t kPrefixOverhead = 300;  // nodes here and in the session

  static size_t Cost(std::string_view name, const Readers& readers) {
    return name.size() + kNameOverhead + readers.size() * sizeof(uint64_t);
  }
  // Those that are the beginning of the name, longest first; stops when `visit` returns false.
  template <typename Visit>
  void ForEachPrefixOf(std::string_view name, const Visit& visit);
  bool HasPrefixOf(std::string_view name);
  void GiveUp(size_t names_max);
  void TakeOut(Table::iterator entry, Change* change) noexcept;
  void PutBack(Change& change) noexcept;
  void TellReaders(const Change& change) noexcept;
  void TellAll() noexcept;
  void NoteForPrefixes(std::string_view name, uint64_t by) noexcept;
  void Broadcast(std::string_view start, const Prefix& prefix) noexcept;
  void Send(Session& session, const Names& names) noexcept;

  ServerControl* const server_;
  lsm::RandomSource* const random_;
  size_t clients_ = 0;
  Table table_;
  size_t items_ = 0;  // readers of all names
  size_t table_bytes_ = 0;
  Prefixes prefixes_;

  std::vector<Change> changes_;  // of the request running
  bool all_changed_ = false;
  std::map<std::string, uint64_t, std::less<>> broadcast_;  // names of this tick that a prefix asks for, and by whom
  bool broadcast_lost_ = false;                             // some are missing there
};

}  // namespace varve::resp
