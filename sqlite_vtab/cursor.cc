#include "sqlite_vtab/cursor.h"

#include <algorithm>
#include <utility>

#include "sqlite_vtab/sql_value.h"

namespace varve::sqlite_vtab {

using lsm::Result;
using lsm::Status;

Cursor::Cursor(Table* table, std::shared_ptr<const View> view, KeySpan span)
    : sqlite3_vtab_cursor{}, table_(*table), view_(std::move(view)), span_(std::move(span)) {}

int Cursor::Open(Table* table, Cursor** out) {
  Result<std::shared_ptr<const View>> view = table->session().CurrentView();
  if (!view.ok()) return table->Fail(view.status());
  keyspace::DatabaseOrder order = keyspace::kPlainOrder;
  if (table->kind() == ModuleKind::kStrings) {
    Result<keyspace::DatabaseOrder> stored = table->session().OrderIn(**view);
    if (!stored.ok()) return table->Fail(stored.status());
    order = *stored;
  }
  *out = new Cursor(table, std::move(*view), table->SpanIn(order));
  return SQLITE_OK;
}

lsm::ReadOptions Cursor::Reads() const {
  lsm::ReadOptions options;
  options.snapshot = view_->snapshot.get();
  options.batch = table_.session().ScannedWrites().get();
  return options;
}

// --- xFilter ---

int Cursor::DecodePlan(int bits, const char* text) {
  if (plan_text_ == text && text != nullptr && plan_bits_ == bits) return SQLITE_OK;
  std::optional<Plan> plan = Plan::Decode(bits, text == nullptr ? std::string_view() : text);
  if (!plan.has_value()) return table_.Fail(SQLITE_INTERNAL, "xFilter was handed a plan that xBestIndex never made");
  plan_ = std::move(*plan);
  plan_text_ = text;
  plan_bits_ = bits;
  return SQLITE_OK;
}

int Cursor::Filter(int plan_bits, const char* plan_text, std::span<sqlite3_value*> values) {
  source_ = Source::kEnd;
  if (Status status = table_.session().database().CheckProcess(); !status.ok()) return table_.Fail(status);
  if (int code = DecodePlan(plan_bits, plan_text)) return code;
  if (plan_.terms.size() != values.size()) return table_.Fail(SQLITE_INTERNAL, "xFilter got too few arguments");
  bool use_list = false;
  if (int code = Bind(values, &use_list)) return code;
  if (range_.empty()) return SQLITE_OK;
  Status status = use_list ? StartList() : range_.IsPoint() ? StartPoint() : StartRange();
  if (status.ok()) status = Settle();
  return status.ok() ? SQLITE_OK : table_.Fail(status);
}

// Turns the arguments into a range and a list.
int Cursor::Bind(std::span<sqlite3_value*> values, bool* use_list) {
  range_.Reset();
  list_.clear();
  *use_list = false;
  sqlite3_value* list = nullptr;
  for (size_t i = 0; i < values.size(); ++i) {
    const PlanTerm& term = plan_.terms[i];
    if (term.kind == TermKind::kList) {
      list = values[i];
      continue;
    }
    SqlValue value = ReadValue(values[i]);
    if (term.op == Operator::kGlob && value.value_class != ValueClass::kNull) {
      value = {ValueClass::kText, {}};
      if (const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(values[i]))) value.bytes = text;
    }
    range_.Narrow(term.op, table_.arguments().key_type, value);
  }
  return list == nullptr || range_.empty() ? SQLITE_OK : ReadList(list, use_list);
}

// The values of an IN arrive in any order, with duplicates and of any type. A number beside a TEXT key is undecidable
// (key_range.h): then the range is read and SQLite, which checks lists that are not omitted, picks the rows.
int Cursor::ReadList(sqlite3_value* list, bool* bounded) {
  *bounded = true;
  sqlite3_value* item = nullptr;
  int code = sqlite3_vtab_in_first(list, &item);
  KeyRange single;
  for (; code == SQLITE_OK && item != nullptr; code = sqlite3_vtab_in_next(list, &item)) {
    SqlValue value = ReadValue(item);
    single.Reset();
    single.Narrow(Operator::kEqual, table_.arguments().key_type, value);
    if (single.empty()) continue;
    if (!single.IsPoint()) {
      *bounded = false;
      list_.clear();
      return SQLITE_OK;
    }
    if (range_.Contains(single.lower())) list_.push_back(span_.Lower(single));
  }
  if (code != SQLITE_OK && code != SQLITE_DONE) return table_.Fail(code, "cannot read the values of IN");
  std::sort(list_.begin(), list_.end());
  list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
  if (plan_.descending) std::reverse(list_.begin(), list_.end());
  return SQLITE_OK;
}

Status Cursor::StartPoint() {
  point_key_ = span_.Lower(range_);
  if (point_key_.size() > lsm::kKeySizeMax) return {};  // nothing that long was ever written
  Result<bool> found = table_.session().Get(view_->snapshot.get(), point_key_, &point_);
  if (!found.ok()) return found.status();
  if (*found) source_ = Source::kPoint;
  return {};
}

Status Cursor::StartList() {
  std::erase_if(list_, [](const std::string& key) { return key.size() > lsm::kKeySizeMax; });
  source_ = Source::kList;
  list_next_ = 0;
  return LoadPiece();
}

// Fetches the next keys of the list; the source ends when there are none.
Status Cursor::LoadPiece() {
  piece_begin_ = list_next_;
  piece_index_ = 0;
  size_t count = std::min(kListPiece, list_.size() - list_next_);
  list_next_ += count;
  if (count == 0) {
    source_ = Source::kEnd;
    return {};
  }
  piece_keys_.assign(list_.begin() + static_cast<ptrdiff_t>(piece_begin_),
                     list_.begin() + static_cast<ptrdiff_t>(list_next_));
  if (piece_values_.size() < count) piece_values_.resize(count);
  piece_found_.assign(count, false);
  std::vector<Result<bool>> results =
      table_.session().db().MultiGet(Reads(), piece_keys_, std::span(piece_values_).first(count));
  for (size_t i = 0; i < count; ++i) {
    if (!results[i].ok()) return results[i].status();
    piece_found_[i] = *results[i];
  }
  return {};
}

bool Cursor::CanReuseIterator() const {
  const std::shared_ptr<lsm::IndexedBatch>& batch = table_.session().ScannedWrites();
  return iterator_.has_value() && iterator_is_whole_ && iterator_batch_ == batch &&
         iterator_batch_count_ == (batch ? batch->count() : 0);
}

void Cursor::MakeIterator(std::string_view lower, std::string_view upper) {
  iterator_.reset();
  iterator_batch_ = table_.session().ScannedWrites();
  iterator_batch_count_ = iterator_batch_ ? iterator_batch_->count() : 0;
  lsm::ReadOptions options = Reads();
  options.lower_bound = lower;
  options.upper_bound = upper;
  iterator_.emplace(table_.session().db().NewIterator(options));
}

Status Cursor::StartRange() {
  std::string lower = span_.Lower(range_);
  std::string upper = span_.Upper(range_);
  check_bound_ = false;
  if (!ranged_before_) {
    MakeIterator(lower, upper);
    iterator_is_whole_ = false;
  } else {
    if (!CanReuseIterator()) MakeIterator(span_.prefix, span_.end);
    iterator_is_whole_ = true;
    check_bound_ = plan_.descending || range_.has_upper();
  }
  ranged_before_ = true;
  source_ = plan_.descending ? Source::kBackward : Source::kForward;
  bound_ = plan_.descending ? lower : upper;
  if (!plan_.descending) {
    iterator_is_whole_ ? iterator_->Seek(lower) : iterator_->SeekToFirst();
    return {};
  }
  if (!iterator_is_whole_ || !range_.has_upper()) {
    iterator_->SeekToLast();
    return {};
  }
  iterator_->SeekForPrev(upper);  // the bound itself is not in the range
  if (iterator_->Valid() && iterator_->key() == upper) iterator_->Prev();
  return {};
}

// --- xNext ---

int Cursor::Next() {
  // Plain sweeps, which are nearly all rows of nearly all scans.
  if (source_ == Source::kForward && !check_bound_ && table_.kind() == ModuleKind::kRaw) {
    iterator_->Next();
    if (iterator_->Valid()) return SQLITE_OK;
    source_ = Source::kEnd;
    Status status = iterator_->status();
    return status.ok() ? SQLITE_OK : table_.Fail(status);
  }
  Status status = Advance();
  if (status.ok()) status = Settle();
  return status.ok() ? SQLITE_OK : table_.Fail(status);
}

Status Cursor::Advance() {
  switch (source_) {
    case Source::kEnd: break;
    case Source::kPoint: source_ = Source::kEnd; break;
    case Source::kList: ++piece_index_; break;
    case Source::kForward: iterator_->Next(); break;
    case Source::kBackward: iterator_->Prev(); break;
  }
  return {};
}

bool Cursor::OutOfRange() const {
  if (!check_bound_) return false;
  return source_ == Source::kForward ? iterator_->key() >= bound_ : iterator_->key() < bound_;
}

Status Cursor::Settle() {
  for (;;) {
    if (source_ == Source::kForward || source_ == Source::kBackward) {
      if (!iterator_->Valid()) {
        source_ = Source::kEnd;
        return iterator_->status();
      }
      if (OutOfRange()) source_ = Source::kEnd;
    } else if (source_ == Source::kList) {
      size_t count = list_next_ - piece_begin_;
      while (piece_index_ < count && !piece_found_[piece_index_]) ++piece_index_;
      if (piece_index_ == count) {
        VARVE_TRY(LoadPiece());
        continue;
      }
    }
    if (source_ == Source::kEnd || table_.kind() == ModuleKind::kRaw) return {};
    Result<std::string_view> record = RowRecord();
    if (!record.ok()) return record.status();
    Result<bool> visible = Visible(*record);
    if (!visible.ok()) return visible.status();
    if (*visible) return {};
    VARVE_TRY(Advance());
  }
}

Result<bool> Cursor::Visible(std::string_view record) {
  Result<StoredString> read = ReadString(record, view_->now_ms);
  if (!read.ok()) return read.status();
  string_ = *read;
  return string_.state == StoredString::State::kLive;
}

// --- xColumn ---

std::string_view Cursor::RowKey() const {
  switch (source_) {
    case Source::kPoint: return point_key_;
    case Source::kList: return piece_keys_[piece_index_];
    default: return iterator_->key();
  }
}

// A large value is read from the disk when it is asked for; one that cannot be is empty.
Result<std::string_view> Cursor::RowRecord() const {
  switch (source_) {
    case Source::kPoint: return point_.view();
    case Source::kList: return piece_values_[piece_index_].view();
    default: break;
  }
  const std::string_view value = iterator_->value();
  if (value.empty() && !iterator_->status().ok()) return iterator_->status();
  return value;
}

// An UPDATE that does not mention a column asks for it in vain (sqlite3_vtab_nochange): xUpdate keeps what is stored.
int Cursor::Column(sqlite3_context* context, int column) {
  if (column == kKeyColumn) {
    ReturnBytes(context, RowKey().substr(span_.prefix.size()), table_.arguments().key_type);
  } else if (sqlite3_vtab_nochange(context) != 0) {
    return SQLITE_OK;
  } else if (column == kValueColumn && table_.kind() == ModuleKind::kRaw) {
    Result<std::string_view> value = RowRecord();
    if (!value.ok()) return table_.Fail(value.status());
    ReturnBytes(context, *value, table_.arguments().value_type);
  } else if (column == kValueColumn) {
    ReturnBytes(context, string_.value, table_.arguments().value_type);
  } else if (column == kTtlColumn && string_.expire_ms != 0) {
    sqlite3_result_int64(context, static_cast<sqlite3_int64>(string_.expire_ms) - view_->now_ms);
  }
  return SQLITE_OK;
}

}  // namespace varve::sqlite_vtab
