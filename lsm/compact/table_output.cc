#include "lsm/compact/table_output.h"

#include <algorithm>
#include <utility>

#include "lsm/out_of_memory.h"

namespace varve::lsm {

namespace {
// An output table touches at most this many tables' worth of the level below it, so that compacting it later stays
// bounded.
constexpr uint64_t kTouchedTables = 10;
}  // namespace

TableOutput::TableOutput(TableOutputSetup setup, const RangeTombstones* tombstones)
    : setup_(std::move(setup)),
      tombstones_(tombstones),
      values_(setup_.values, setup_.file_system, setup_.random, setup_.context, setup_.next_number),
      full_bytes_(setup_.table_bytes) {
  DivideToBorder(0);
}

TableOutput::~TableOutput() = default;

Result<std::vector<TableFileRef>> TableOutput::Run(VersionStream* input) {
  const Status s = OrOutOfMemory([&] {
    VARVE_TRY(Pump(input));
    VARVE_TRY(values_.Finish(&value_logs_));
    return finished_.empty() ? Status::Ok() : setup_.file_system->SyncDir(setup_.context->dir);
  });
  if (!s.ok()) {
    RemoveFiles();
    return s;
  }
  return std::move(finished_);
}

Status TableOutput::Pump(VersionStream* input) {
  std::string cut_behind;  // once set: the table ends behind all versions of this key
  bool cut = false;
  uint64_t written = 0, read_before = 0, dropped_before = 0;
  const auto count = [&] {
    if (setup_.meter == nullptr) return;
    const uint64_t read = input->versions_read(), dropped = read - written;  // what waits to be folded among them
    setup_.meter->entries_read.fetch_add(read - std::exchange(read_before, read), std::memory_order_relaxed);
    setup_.meter->entries_dropped.fetch_add(dropped - std::exchange(dropped_before, dropped),
                                            std::memory_order_relaxed);
  };
  input->CheckNowAndThen([&] {
    count();
    if (setup_.cancelled != nullptr && setup_.cancelled->load(std::memory_order_relaxed)) return Status::Closed();
    if (setup_.yield) setup_.yield();
    return Status::Ok();
  });
  while (input->Next()) {
    const std::string_view key = input->key();
    if (CutsAtBorder(key)) {
      VARVE_TRY(FinishTable(key, input->filter()));
      cut = false;
    }
    if (cut && key != std::string_view(cut_behind)) {
      VARVE_TRY(FinishTable(key, input->filter()));
      cut = false;
    }
    if (builder_ == nullptr) VARVE_TRY(OpenTable());
    uint64_t trailer = input->trailer();
    std::string_view value = input->value();
    if (values_.Wants(trailer, value)) VARVE_TRY(values_.Place(&trailer, &value));
    VARVE_TRY(builder_->Add(key, trailer, value));
    ++written;
    if (!cut && setup_.table_bytes != 0 && builder_->size_estimate() >= full_bytes_) {
      cut = true;
      cut_behind.assign(key);
    }
  }
  count();
  VARVE_TRY(input->status());
  if (builder_ == nullptr && HasRangeTombstones(input->filter())) VARVE_TRY(OpenTable());
  return builder_ == nullptr ? Status::Ok() : FinishTable({}, input->filter());
}

bool TableOutput::CutsAtBorder(std::string_view key) {
  bool passed = false;  // then no version of `key` was written yet
  while (border_ < setup_.borders.size() && setup_.borders[border_]->EndsBefore(key)) {
    touched_bytes_ += setup_.borders[border_]->facts().file_size;
    ++border_;
    passed = true;
  }
  if (builder_ == nullptr) touched_bytes_ = 0;
  if (!passed || builder_ == nullptr) return false;
  const uint64_t enough = setup_.border_bytes != 0 ? setup_.border_bytes : setup_.table_bytes / 2;
  const bool cuts = builder_->size_estimate() >= enough ||
                    (setup_.table_bytes != 0 && touched_bytes_ > kTouchedTables * setup_.table_bytes);
  DivideToBorder(cuts ? 0 : builder_->size_estimate());
  return cuts;
}

// What was there tells how much will be: how much of what comes replaces it, nobody knows. So a table that has grown is
// divided when it is written the next time, and one that grows now may do so up to twice its size.
void TableOutput::DivideToBorder(uint64_t begun) {
  if (!setup_.keeps_borders) return;
  const uint64_t full = setup_.table_bytes;
  full_bytes_ = full;  // behind the last border
  if (border_ == setup_.borders.size()) return;
  const uint64_t bytes = begun + setup_.borders[border_]->facts().file_size;
  const uint64_t parts = (bytes + 3 * full / 4) / full;
  full_bytes_ = parts < 2 ? 2 * full : bytes / parts + full / 8;
}

Status TableOutput::OpenTable() {
  number_ = setup_.next_number();
  numbers_.push_back(number_);
  auto file = setup_.file_system->Create(TableFileName(setup_.context->dir, number_));
  if (!file.ok()) return file.status();
  TableBuilderOptions options = setup_.builder;
  do {
    table_id_ = setup_.random->Next();
  } while (table_id_ == 0);  // 0 stands for "unknown"
  options.table_id = table_id_;
  builder_ = std::make_unique<TableBuilder>(std::move(file).value(), options);
  return Status::Ok();
}

bool TableOutput::HasRangeTombstones(const VersionFilter& filter) const {
  for (const RangeTombstones::Fragment& fragment : tombstones_->fragments()) {
    if (fragment.end <= lower_) continue;
    for (SequenceNumber seq : fragment.seqs) {
      if (filter.KeepRangeTombstone(seq)) return true;
    }
  }
  return false;
}

Status TableOutput::FinishTable(std::string_view upper, const VersionFilter& filter) {
  for (const RangeTombstones::Fragment& fragment : tombstones_->fragments()) {
    if (fragment.end <= lower_) continue;
    if (!upper.empty() && std::string_view(fragment.begin) >= upper) break;
    RangeTombstone piece;
    piece.begin = std::max(fragment.begin, lower_);
    piece.end = upper.empty() ? fragment.end : std::min(fragment.end, std::string(upper));
    for (SequenceNumber seq : fragment.seqs) {
      if (!filter.KeepRangeTombstone(seq)) continue;
      piece.seq = seq;
      builder_->AddRangeTombstone(piece);
    }
  }
  auto facts = builder_->Finish();
  builder_.reset();
  if (!facts.ok()) return facts.status();
  if (setup_.clock != nullptr) facts->created_ms = setup_.clock->WallMillis();
  finished_.push_back(std::make_shared<TableFile>(number_, table_id_, std::move(facts).value(), setup_.context));
  lower_.assign(upper);
  touched_bytes_ = 0;
  return Status::Ok();
}

void TableOutput::RemoveFiles() {
  builder_.reset();
  finished_.clear();
  values_.Remove();
  for (uint64_t number : numbers_) {
    // What cannot be removed now is no part of any version and goes at the next open.
    IfMemoryAllows(
        [&] { static_cast<void>(setup_.file_system->Remove(TableFileName(setup_.context->dir, number)).ok()); });
  }
}

}  // namespace varve::lsm
