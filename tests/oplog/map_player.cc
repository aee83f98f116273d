#include "tests/oplog/map_player.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace varve::lsm {

namespace {

constexpr size_t kVersionsMany = 8;  // so many are looked through for such as nobody sees

uint64_t NumberIn(const std::string& value) {
  uint64_t number = 0;
  std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

std::string Merged(const std::string& key, const std::string* base, const std::string& operand) {
  if (base == nullptr) return operand;
  if (!IsNumber(key)) return *base + operand;
  const uint64_t sum = NumberIn(*base) + NumberIn(operand);
  std::string value(sizeof(sum), '\0');
  std::memcpy(value.data(), &sum, sizeof(sum));
  return value;
}

}  // namespace

void MapPlayer::Do(const Operation& operation, std::string* answer) {
  const std::string& key = KeyOf(operation.key);
  switch (operation.kind) {
    case Kind::kGet: return AddSeen(key, At(operation.at), answer);
    case Kind::kMultiGet:
      for (uint32_t i = 0; i < operation.count; ++i) {
        AddSeen(KeyOf(operation.key + i * operation.seed), At(operation.at), answer);
      }
      return;
    case Kind::kScan: return AddRows(table_.lower_bound(key), At(operation.at), operation.count, answer);
    case Kind::kScanBack: return AddRowsDown(operation, answer);
    case Kind::kPut:
    case Kind::kPutAsync:
    case Kind::kPutWithExpiry:
    case Kind::kDelete:
    case Kind::kDeleteRange:
    case Kind::kMerge: return Write(operation);
    case Kind::kBatch: return WriteAll(operation.changes);
    case Kind::kIngest: return WriteAll(InFileOrder(operation.changes));
    case Kind::kOverlay:
    case Kind::kAbandon: return Overlay(operation, answer);
    case Kind::kTransaction: return Transact(operation, answer);
    case Kind::kSnapshot: snapshots_[operation.slot] = sequence_; return;
    case Kind::kRelease: snapshots_[operation.slot].reset(); return;
    case Kind::kOpen: return Open(operation);
    case Kind::kSeek:
    case Kind::kSeekForPrev:
    case Kind::kSeekToFirst:
    case Kind::kSeekToLast:
    case Kind::kNext:
    case Kind::kPrev: return Walk(operation, answer);
    case Kind::kClose: cursors_[operation.slot].reset(); return;
    case Kind::kAdvance: now_ms_ += operation.ms; return;
    case Kind::kBackup: return BackUp(operation, answer);
    case Kind::kCheckpoint: return AddAll(table_, Now(), answer);
    case Kind::kCompare: return AddAll(table_, At(operation.at), answer);
    case Kind::kRestart:
    case Kind::kKill:
    case Kind::kCrash: return Reopen(answer);
    case Kind::kSync:
    case Kind::kFlush:
    case Kind::kCompact:
    case Kind::kReclaim:
    case Kind::kSetOptions:
    case Kind::kVerify: return;  // nobody notices
  }
}

const std::string* MapPlayer::Seen(const Versions& versions, View view) {
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->sequence > view.sequence) continue;
    if (!version->live) return nullptr;
    if (version->expire_at_ms == 0 || version->expire_at_ms > static_cast<uint64_t>(view.now_ms))
      return &version->value;
    return version->merged ? &version->stays : nullptr;
  }
  return nullptr;
}

void MapPlayer::AddSeen(const std::string& key, View view, std::string* answer) const {
  const auto found = table_.find(key);
  const std::string* value = found == table_.end() ? nullptr : Seen(found->second, view);
  value == nullptr ? AddNothing(answer) : AddRow(key, *value, answer);
}

void MapPlayer::AddRows(Table::const_iterator from, View view, uint32_t count, std::string* answer) const {
  for (; count > 0 && from != table_.end(); ++from) {
    const std::string* value = Seen(from->second, view);
    if (value == nullptr) continue;
    AddRow(from->first, *value, answer);
    --count;
  }
}

void MapPlayer::AddRowsDown(const Operation& operation, std::string* answer) const {
  auto behind = table_.upper_bound(KeyOf(operation.key));
  for (uint32_t count = operation.count; count > 0 && behind != table_.begin();) {
    const std::string* value = Seen((--behind)->second, At(operation.at));
    if (value == nullptr) continue;
    AddRow(behind->first, *value, answer);
    --count;
  }
}

void MapPlayer::AddAll(const Table& table, View view, std::string* answer) {
  for (const auto& [key, versions] : table) {
    if (const std::string* value = Seen(versions, view); value != nullptr) AddRow(key, *value, answer);
  }
}

void MapPlayer::Write(const Operation& change) {
  const std::string& key = KeyOf(change.key);
  ++sequence_;
  switch (change.kind) {
    case Kind::kPut:
    case Kind::kPutAsync: return Set(key, {.live = true, .value = ValueOf(change)});
    case Kind::kPutWithExpiry: {
      const uint64_t expire_at_ms = change.ms == 0 ? 1 : static_cast<uint64_t>(now_ms_) + change.ms;
      return Set(key, {.live = true, .value = ValueOf(change), .expire_at_ms = expire_at_ms});
    }
    case Kind::kDelete: return Set(key, {});
    case Kind::kMerge: return Merge(key, ValueOf(change));
    default: break;  // a kDeleteRange
  }
  const std::string& end = KeyOf(change.end);
  for (auto it = table_.lower_bound(key); it != table_.end() && it->first < end; ++it) {
    if (undo_) undo_->emplace(it->first, it->second);
    Set(&it->second, {});
  }
}

void MapPlayer::Merge(const std::string& key, const std::string& operand) {
  const Versions& versions = table_[key];
  const std::string* base = Seen(versions, Now());
  Version next{.live = true, .value = Merged(key, base, operand)};
  if (base != nullptr && base == &versions.back().value && versions.back().expire_at_ms != 0) {
    const Version& last = versions.back();
    next.expire_at_ms = last.expire_at_ms;
    next.merged = true;
    next.stays = Merged(key, last.merged ? &last.stays : nullptr, operand);
  }
  Set(key, std::move(next));
}

void MapPlayer::Set(const std::string& key, Version next) {
  Versions& versions = table_[key];
  if (undo_) undo_->emplace(key, versions);
  Set(&versions, std::move(next));
}

// Versions that nobody sees any more go.
void MapPlayer::Set(Versions* versions, Version next) {
  next.sequence = sequence_;
  if (!versions->empty() && !IsSeen(versions->back().sequence, sequence_)) versions->pop_back();
  if (versions->size() > kVersionsMany) {
    for (size_t i = versions->size() - 1; i-- > 0;) {
      if (!IsSeen((*versions)[i].sequence, (*versions)[i + 1].sequence)) {
        versions->erase(versions->begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  versions->push_back(std::move(next));
}

bool MapPlayer::IsSeen(uint64_t from, uint64_t limit) const {
  const auto lies_between = [&](uint64_t sequence) { return from <= sequence && sequence < limit; };
  return std::any_of(snapshots_.begin(), snapshots_.end(), [&](const auto& s) { return s && lies_between(*s); }) ||
         std::any_of(cursors_.begin(), cursors_.end(),
                     [&](const auto& c) { return c && lies_between(c->view.sequence); });
}

void MapPlayer::WriteAll(const std::vector<Operation>& changes) {
  for (const Operation& change : changes) Write(change);
}

void MapPlayer::UndoAll() {
  for (auto& [key, versions] : *undo_) table_[key] = std::move(versions);
  undo_.reset();
}

void MapPlayer::Overlay(const Operation& operation, std::string* answer) {
  undo_.emplace();
  WriteAll(operation.changes);
  AddSeen(KeyOf(operation.key), Now(), answer);
  AddRows(table_.lower_bound(KeyOf(operation.key)), Now(), operation.count, answer);
  if (operation.kind == Kind::kAbandon) UndoAll();
  undo_.reset();
}

void MapPlayer::Transact(const Operation& operation, std::string* answer) {
  std::vector<Operation> kept = operation.changes;
  kept.resize(std::min<size_t>(operation.count, kept.size()));
  undo_.emplace();
  WriteAll(kept);
  AddSeen(KeyOf(operation.key), Now(), answer);
  UndoAll();
  if (operation.end != 0) {
    Write({.kind = Kind::kPut, .key = operation.end, .size = operation.size, .seed = operation.seed});
  }
  std::set<uint32_t> watched = {operation.key};
  for (const Operation& change : kept) {
    if (change.kind != Kind::kDeleteRange) watched.insert(change.key);
  }
  const bool conflict = operation.end != 0 && !kept.empty() && watched.contains(operation.end);
  *answer += conflict ? "conflict\n" : "committed\n";
  if (!conflict) WriteAll(kept);
}

void MapPlayer::Open(const Operation& operation) {
  Cursor cursor;
  cursor.view = At(operation.at);
  cursor.lower = KeyOf(operation.key);
  if (operation.end != 0) cursor.upper = KeyOf(operation.end);
  cursors_[operation.slot] = std::move(cursor);
}

void MapPlayer::Walk(const Operation& operation, std::string* answer) {
  if (!cursors_[operation.slot]) return;
  Cursor* cursor = &*cursors_[operation.slot];
  if (operation.kind == Kind::kNext || operation.kind == Kind::kPrev) return Step(operation, cursor, answer);
  Seek(operation, cursor);
  AddCursor(*cursor, answer);
}

// To the first row at `from` or behind it.
void MapPlayer::Up(Cursor* cursor, Table::const_iterator from) const {
  while (from != table_.end() && Seen(from->second, cursor->view) == nullptr) ++from;
  const bool inside = from != table_.end() && (cursor->upper.empty() || from->first < cursor->upper);
  cursor->key = inside ? &from->first : nullptr;
}

// To the last row before `behind`.
void MapPlayer::Down(Cursor* cursor, Table::const_iterator behind) const {
  cursor->key = nullptr;
  while (behind != table_.begin() && (--behind)->first >= cursor->lower) {
    if (Seen(behind->second, cursor->view) == nullptr) continue;
    cursor->key = &behind->first;
    return;
  }
}

void MapPlayer::Seek(const Operation& operation, Cursor* cursor) const {
  const std::string& key = KeyOf(operation.key);
  const auto limit = cursor->upper.empty() ? table_.end() : table_.lower_bound(cursor->upper);
  switch (operation.kind) {
    case Kind::kSeek: return Up(cursor, table_.lower_bound(std::max(key, cursor->lower)));
    case Kind::kSeekForPrev:
      return Down(cursor, !cursor->upper.empty() && key >= cursor->upper ? limit : table_.upper_bound(key));
    case Kind::kSeekToFirst: return Up(cursor, table_.lower_bound(cursor->lower));
    default: return Down(cursor, limit);
  }
}

void MapPlayer::Step(const Operation& operation, Cursor* cursor, std::string* answer) const {
  for (uint32_t i = 0; i < operation.count && cursor->key != nullptr; ++i) {
    operation.kind == Kind::kNext ? Up(cursor, table_.upper_bound(*cursor->key))
                                  : Down(cursor, table_.lower_bound(*cursor->key));
    AddCursor(*cursor, answer);
  }
}

void MapPlayer::AddCursor(const Cursor& cursor, std::string* answer) const {
  if (cursor.key == nullptr) return AddNothing(answer);
  AddSeen(*cursor.key, cursor.view, answer);
}

void MapPlayer::BackUp(const Operation& operation, std::string* answer) {
  constexpr size_t kKept = 2;
  backups_.push_back(table_);
  const auto old = backups_.begin() + static_cast<std::ptrdiff_t>(operation.seed % backups_.size());
  AddAll(*old, {~uint64_t{0}, now_ms_}, answer);
  if (backups_.size() > kKept) backups_.erase(old);
}

void MapPlayer::Reopen(std::string* answer) {
  snapshots_.fill(std::nullopt);
  cursors_.fill(std::nullopt);
  AddAll(table_, Now(), answer);
}

}  // namespace varve::lsm
