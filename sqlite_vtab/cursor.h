// sqlite_vtab/cursor.h - walks the rows that a plan leaves, in one view of the database.
//
// Four ways to the rows: one Get (a point), MultiGet in pieces (a list), an iterator forward, an iterator backward. The
// first range of a cursor gets an iterator with exactly its bounds. A cursor that is asked again is the inner loop of a
// join: from then on it keeps one iterator over the whole table, seeks it, and checks the far bound itself, since
// making an iterator costs more than a seek. That iterator is made anew when the transaction has written since. Rows of
// redis_strings that are expired or of another type are stepped over. Threads: its connection's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "sqlite_vtab/plan.h"
#include "sqlite_vtab/sqlite_api.h"
#include "sqlite_vtab/table.h"

namespace varve::sqlite_vtab {

class Cursor : public sqlite3_vtab_cursor {
 public:
  // Joins the view of the running statement, or makes one.
  static int Open(Table* table, Cursor** out);

  int Filter(int plan_bits, const char* plan_text, std::span<sqlite3_value*> values);
  int Next();
  bool eof() const { return source_ == Source::kEnd; }
  int Column(sqlite3_context* context, int column);

 private:
  enum class Source : uint8_t { kEnd, kPoint, kList, kForward, kBackward };

  // Keys fetched together from a list.
  static constexpr size_t kListPiece = 128;

  Cursor(Table* table, std::shared_ptr<const View> view, KeySpan span);

  int DecodePlan(int bits, const char* text);
  int Bind(std::span<sqlite3_value*> values, bool* use_list);
  int ReadList(sqlite3_value* list, bool* bounded);
  lsm::ReadOptions Reads() const;

  lsm::Status StartPoint();
  lsm::Status StartList();
  lsm::Status StartRange();
  bool CanReuseIterator() const;
  void MakeIterator(std::string_view lower, std::string_view upper);

  lsm::Status Settle();  // from where the source stands to the first visible row
  lsm::Status Advance();
  lsm::Status LoadPiece();
  bool OutOfRange() const;
  lsm::Result<bool> Visible(std::string_view record);
  std::string_view RowKey() const;
  lsm::Result<std::string_view> RowRecord() const;

  Table& table_;
  const std::shared_ptr<const View> view_;
  const KeySpan span_;

  // The plan, decoded once: SQLite hands over the same text at every xFilter of one loop.
  const char* plan_text_ = nullptr;
  int plan_bits_ = 0;
  Plan plan_;

  Source source_ = Source::kEnd;
  KeyRange range_;
  StoredString string_;  // the row, decoded, for redis_strings

  std::string point_key_;
  lsm::PinnedValue point_;

  std::vector<std::string> list_;  // engine keys, in the order of the scan
  size_t list_next_ = 0;           // of the list: the first key behind the piece
  size_t piece_begin_ = 0;
  size_t piece_index_ = 0;
  std::vector<std::string_view> piece_keys_;
  std::vector<lsm::PinnedValue> piece_values_;
  std::vector<bool> piece_found_;

  // The batch comes first: the iterator reads from it and goes before it.
  std::shared_ptr<lsm::IndexedBatch> iterator_batch_;
  uint32_t iterator_batch_count_ = 0;
  std::optional<lsm::Iterator> iterator_;
  bool iterator_is_whole_ = false;  // its bounds are the table's, so ours must be checked
  bool check_bound_ = false;
  std::string bound_;  // when checked: engine key, exclusive above when forward, inclusive below when backward
  bool ranged_before_ = false;
};

}  // namespace varve::sqlite_vtab
