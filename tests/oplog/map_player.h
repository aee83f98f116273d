// tests/oplog/map_player.h - what a log must answer: a std::map that keeps of every key the versions that a snapshot or
// an iterator still sees. It shares no code with the engine.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lsm/io/clock.h"
#include "tests/oplog/player.h"

namespace varve::lsm {

class MapPlayer final : public Player {
 public:
  void Do(const Operation& operation, std::string* answer) override;

 private:
  struct Version {
    uint64_t sequence = 0;
    bool live = false;
    std::string value = {};
    uint64_t expire_at_ms = 0;  // 0: never
    bool merged = false;        // something was merged on top of what expires: it stays
    std::string stays = {};
  };
  using Versions = std::vector<Version>;  // oldest first
  using Table = std::map<std::string, Versions, std::less<>>;
  // What a reader sees.
  struct View {
    uint64_t sequence = 0;
    int64_t now_ms = 0;
  };
  struct Cursor {
    View view;
    std::string lower, upper;
    const std::string* key = nullptr;  // of table_, or not on any
  };

  static const std::string* Seen(const Versions& versions, View view);
  View Now() const { return {sequence_, now_ms_}; }
  View At(uint32_t slot) const { return snapshots_[slot] ? View{*snapshots_[slot], now_ms_} : Now(); }
  void AddSeen(const std::string& key, View view, std::string* answer) const;
  void AddRows(Table::const_iterator from, View view, uint32_t count, std::string* answer) const;
  void AddRowsDown(const Operation& operation, std::string* answer) const;
  static void AddAll(const Table& table, View view, std::string* answer);

  void Write(const Operation& change);
  void Merge(const std::string& key, const std::string& operand);
  void Set(const std::string& key, Version next);
  void Set(Versions* versions, Version next);
  bool IsSeen(uint64_t from, uint64_t limit) const;
  void WriteAll(const std::vector<Operation>& changes);
  void UndoAll();
  void Overlay(const Operation& operation, std::string* answer);
  void Transact(const Operation& operation, std::string* answer);

  void Walk(const Operation& operation, std::string* answer);
  void Open(const Operation& operation);
  void Up(Cursor* cursor, Table::const_iterator from) const;
  void Down(Cursor* cursor, Table::const_iterator behind) const;
  void Seek(const Operation& operation, Cursor* cursor) const;
  void Step(const Operation& operation, Cursor* cursor, std::string* answer) const;
  void AddCursor(const Cursor& cursor, std::string* answer) const;
  void BackUp(const Operation& operation, std::string* answer);
  void Reopen(std::string* answer);

  Table table_;
  uint64_t sequence_ = 0;
  int64_t now_ms_ = ManualClock::kWallStartMillis;
  std::array<std::optional<uint64_t>, kSlotCount + 1> snapshots_;
  std::array<std::optional<Cursor>, kSlotCount + 1> cursors_;
  std::deque<Table> backups_;
  std::optional<Table> undo_;  // of the keys written since it was begun, how they were
};

}  // namespace varve::lsm
