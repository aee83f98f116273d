#include "lsm/compact/value_output.h"

#include <algorithm>
#include <utility>

namespace varve::lsm {

ValueOutput::ValueOutput(const ValueOutputSetup& setup, FileSystem* file_system, RandomSource* random,
                         std::shared_ptr<const TableContext> context, std::function<uint64_t()> next_number)
    : setup_(setup),
      file_system_(file_system),
      random_(random),
      context_(std::move(context)),
      next_number_(std::move(next_number)) {}

ValueOutput::~ValueOutput() = default;

Status ValueOutput::OpenFile() {
  number_ = next_number_();
  numbers_.push_back(number_);
  auto file = file_system_->Create(ValueLogFileName(context_->dir, number_));
  if (!file.ok()) return file.status();
  writer_ = std::make_unique<ValueLogWriter>(std::move(file).value(), number_, random_->Next(), setup_.compression,
                                             setup_.zstd_level, setup_.before_write);
  return Status::Ok();
}

Status ValueOutput::FinishFile() {
  auto facts = writer_->Finish();
  writer_.reset();
  if (!facts.ok()) return facts.status();
  finished_.push_back(std::make_shared<ValueLogFile>(number_, *facts, context_));
  return Status::Ok();
}

Status ValueOutput::Place(uint64_t* trailer, std::string_view* value) {
  if (writer_ != nullptr && writer_->size() >= setup_.file_bytes) VARVE_TRY(FinishFile());
  if (TrailerKind(*trailer) == ValueKind::kValuePointer) return Move(trailer, value);
  if (writer_ == nullptr) VARVE_TRY(OpenFile());
  ValuePointer pointer;
  VARVE_TRY(writer_->Add(*value, &pointer));
  pointer_ = pointer.Encode();
  *value = pointer_;
  *trailer = PackTrailer(TrailerSequence(*trailer), ValueKind::kValuePointer);
  return Status::Ok();
}

Status ValueOutput::Move(uint64_t* trailer, std::string_view* value) {
  ValuePointer pointer;
  if (!ValuePointer::Decode(*value, &pointer)) return Status::Ok();  // the table builder says what is wrong
  if (!std::binary_search(setup_.collected.begin(), setup_.collected.end(), pointer.file_number)) return Status::Ok();
  const ValueLogFile* source = FindValueLog(setup_.version->value_logs(), pointer.file_number);
  if (source == nullptr)
    return Status::Corruption("W4: the input points into value-log file " + std::to_string(pointer.file_number) +
                              ", which is not there");
  BlockCompression compression = BlockCompression::kNone;
  auto stored = source->ReadStored(pointer, &compression);
  if (!stored.ok()) {
    // One that cannot be read holds up nothing: it stays where it is, for its reader and Verify to report.
    return source->damaged() ? Status::Ok() : stored.status();
  }
  if (setup_.threshold == 0) {
    VARVE_TRY(source->Get(pointer, {.memory_only = false, .fill_cache = false}, &inlined_));
    *value = inlined_.view();
    *trailer = PackTrailer(TrailerSequence(*trailer), ValueKind::kPut);
    return Status::Ok();
  }
  if (writer_ == nullptr) VARVE_TRY(OpenFile());
  VARVE_TRY(writer_->AddStored(stored->view(), compression, &pointer));
  if (setup_.bytes_moved != nullptr) {
    setup_.bytes_moved->fetch_add(pointer.record_bytes(), std::memory_order_relaxed);
  }
  pointer_ = pointer.Encode();
  *value = pointer_;
  return Status::Ok();
}

Status ValueOutput::Finish(ValueLogFiles* files) {
  if (writer_ != nullptr) VARVE_TRY(FinishFile());
  *files = std::move(finished_);
  return Status::Ok();
}

void ValueOutput::Remove() {
  writer_.reset();
  finished_.clear();
  for (const uint64_t number : numbers_) {
    // What cannot be removed now is no part of any version and goes at the next open.
    Status ignored = file_system_->Remove(ValueLogFileName(context_->dir, number));
    (void)ignored.ok();
  }
}

}  // namespace varve::lsm
