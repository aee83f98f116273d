#include "lsm/version/version_edit.h"

#include <algorithm>
#include <limits>

#include "lsm/format/coding.h"
#include "lsm/version/version.h"

namespace varve::lsm {

namespace {

constexpr uint64_t kMillisMax = std::numeric_limits<int64_t>::max();

enum Tag : uint32_t {
  kTagFormat = 1,
  kTagWal = 2,
  kTagNext = 3,
  kTagFlushed = 4,
  kTagRemoved = 5,
  kTagAdded = 6,
  kTagJob = 7,
  kTagValueLog = 8,
  kTagMergeOperator = 9,
  kTagDurable = 10,
};

void EncodeAdded(const VersionEdit::Added& added, std::string* out) {
  const TableFacts& facts = added.file->facts();
  PutVarint32(out, kTagAdded);
  PutVarint32(out, static_cast<uint32_t>(added.level));
  PutVarint64(out, added.file->number());
  PutFixed64(out, added.file->table_id());
  for (uint64_t number : {facts.file_size, facts.tail_offset, facts.entries, facts.deletes, facts.range_deletes,
                          facts.smallest_seq, facts.largest_seq}) {
    PutVarint64(out, number);
  }
  PutLengthPrefixed(out, facts.smallest);
  PutLengthPrefixed(out, facts.largest);
  out->push_back(facts.largest_exclusive ? 1 : 0);
  PutVarint64(out, static_cast<uint64_t>(std::max<int64_t>(facts.created_ms, 0)));
  PutVarint64(out, facts.filter_size);
  PutLengthPrefixed(out, EncodeReferences(facts.value_logs));
  PutVarint64(out, facts.expires_ms);
}

void EncodeValueLog(const ValueLogFile& file, std::string* out) {
  PutVarint32(out, kTagValueLog);
  PutVarint64(out, file.number());
  PutFixed64(out, file.facts().file_id);
  PutVarint64(out, file.facts().file_size);
  PutVarint64(out, file.facts().records);
}

void EncodeJob(const Job& job, std::string* out) {
  PutVarint32(out, kTagJob);
  PutVarint64(out, job.id);
  out->push_back(static_cast<char>(job.kind));
  PutVarint32(out, static_cast<uint32_t>(job.from_level + 1));
  PutVarint32(out, static_cast<uint32_t>(job.to_level));
  for (int64_t time : {job.started_ms, job.completed_ms})
    PutVarint64(out, static_cast<uint64_t>(std::max<int64_t>(time, 0)));
  for (uint64_t number : {job.bytes_read, job.bytes_written, job.entries_read, job.entries_dropped})
    PutVarint64(out, number);
  for (const auto* files : {&job.inputs, &job.outputs}) {
    PutVarint64(out, files->size());
    for (uint64_t number : *files) PutVarint64(out, number);
  }
  PutLengthPrefixed(out, job.reason);
}

bool DecodeLevel(std::string_view* in, int* level) {
  uint32_t value;
  if (!GetVarint32(in, &value) || value >= static_cast<uint32_t>(kLevels)) return false;
  *level = static_cast<int>(value);
  return true;
}

bool DecodeAdded(std::string_view* in, const std::shared_ptr<const TableContext>& context, VersionEdit::Added* added) {
  TableFacts facts;
  uint64_t number, table_id;
  std::string_view smallest, largest;
  if (!DecodeLevel(in, &added->level) || !GetVarint64(in, &number) || in->size() < 8) return false;
  table_id = DecodeFixed64(in->data());
  in->remove_prefix(8);
  for (uint64_t* field : {&facts.file_size, &facts.tail_offset, &facts.entries, &facts.deletes, &facts.range_deletes,
                          &facts.smallest_seq, &facts.largest_seq}) {
    if (!GetVarint64(in, field)) return false;
  }
  if (!GetLengthPrefixed(in, &smallest) || !GetLengthPrefixed(in, &largest) || in->empty()) return false;
  const char exclusive = in->front();
  in->remove_prefix(1);
  if (exclusive != 0 && exclusive != 1) return false;
  if (smallest > largest || facts.tail_offset >= facts.file_size || facts.largest_seq > kSequenceMax) return false;
  uint64_t created;
  if (!GetVarint64(in, &created) || created > kMillisMax || !GetVarint64(in, &facts.filter_size)) return false;
  std::string_view references;
  if (!GetLengthPrefixed(in, &references) || !DecodeReferences(references, &facts.value_logs)) return false;
  if (!GetVarint64(in, &facts.expires_ms)) return false;
  facts.created_ms = static_cast<int64_t>(created);
  facts.smallest = smallest;
  facts.largest = largest;
  facts.largest_exclusive = exclusive == 1;
  added->file = std::make_shared<TableFile>(number, table_id, std::move(facts), context);
  return true;
}

bool DecodeValueLog(std::string_view* in, const std::shared_ptr<const TableContext>& context, ValueLogFileRef* file) {
  uint64_t number;
  ValueLogFacts facts;
  if (!GetVarint64(in, &number) || !GetFixed64(in, &facts.file_id) || !GetVarint64(in, &facts.file_size) ||
      !GetVarint64(in, &facts.records)) {
    return false;
  }
  if (facts.file_size < kValueLogHeaderSize + kValueLogFooterSize) return false;
  if (facts.records > facts.record_bytes() / kValueFrameSize) return false;
  *file = std::make_shared<ValueLogFile>(number, facts, context);
  return true;
}

bool DecodeNumbers(std::string_view* in, std::vector<uint64_t>* numbers) {
  uint64_t count;
  if (!GetVarint64(in, &count) || count > in->size()) return false;  // a number is a byte at least
  numbers->resize(count);
  for (uint64_t& number : *numbers) {
    if (!GetVarint64(in, &number)) return false;
  }
  return true;
}

bool DecodeJob(std::string_view* in, Job* job) {
  if (!GetVarint64(in, &job->id) || in->empty()) return false;
  const auto kind = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  uint32_t from;
  if (kind > static_cast<uint8_t>(JobKind::kIngest) || !GetVarint32(in, &from) || from > kLevels) return false;
  job->kind = static_cast<JobKind>(kind);
  job->from_level = static_cast<int>(from) - 1;
  uint64_t started, completed;
  if (!DecodeLevel(in, &job->to_level) || !GetVarint64(in, &started) || !GetVarint64(in, &completed)) return false;
  if (started > kMillisMax || completed > kMillisMax) return false;
  job->started_ms = static_cast<int64_t>(started);
  job->completed_ms = static_cast<int64_t>(completed);
  for (uint64_t* number : {&job->bytes_read, &job->bytes_written, &job->entries_read, &job->entries_dropped}) {
    if (!GetVarint64(in, number)) return false;
  }
  std::string_view reason;
  if (!DecodeNumbers(in, &job->inputs) || !DecodeNumbers(in, &job->outputs) || !GetLengthPrefixed(in, &reason))
    return false;
  job->reason = reason;
  return true;
}

}  // namespace

std::string VersionEdit::Encode() const {
  std::string out;
  if (names_format) {
    PutVarint32(&out, kTagFormat);
    PutLengthPrefixed(&out, kFormatName);
  }
  if (wal_number) {
    PutVarint32(&out, kTagWal);
    PutVarint64(&out, *wal_number);
  }
  if (next_number) {
    PutVarint32(&out, kTagNext);
    PutVarint64(&out, *next_number);
  }
  if (flushed_sequence) {
    PutVarint32(&out, kTagFlushed);
    PutVarint64(&out, *flushed_sequence);
  }
  if (merge_operator) {
    PutVarint32(&out, kTagMergeOperator);
    PutLengthPrefixed(&out, *merge_operator);
  }
  if (durable_sequence) {
    PutVarint32(&out, kTagDurable);
    PutVarint64(&out, *durable_sequence);
  }
  for (const Removed& file : removed) {
    PutVarint32(&out, kTagRemoved);
    PutVarint32(&out, static_cast<uint32_t>(file.level));
    PutVarint64(&out, file.number);
  }
  for (const ValueLogFileRef& file : value_logs) EncodeValueLog(*file, &out);
  for (const Added& file : added) EncodeAdded(file, &out);
  for (const auto& job : jobs) EncodeJob(*job, &out);
  return out;
}

Result<VersionEdit> VersionEdit::Decode(std::string_view bytes, std::string_view source,
                                        const std::shared_ptr<const TableContext>& context) {
  VersionEdit edit;
  const std::string where(source);
  auto malformed = [&](const char* what) {
    return Status::Corruption(where + ": malformed " + what + " in a version edit");
  };
  while (!bytes.empty()) {
    uint32_t tag;
    uint64_t number;
    if (!GetVarint32(&bytes, &tag)) return malformed("tag");
    switch (tag) {
      case kTagFormat: {
        std::string_view name;
        if (!GetLengthPrefixed(&bytes, &name)) return malformed("format name");
        if (name != kFormatName) {
          return Status::Unsupported(where + ": database format '" + std::string(name) +
                                     "' is not known; this build reads '" + std::string(kFormatName) +
                                     "'. Open it with the Varve that wrote it or a newer one");
        }
        edit.names_format = true;
        break;
      }
      case kTagWal:
        if (!GetVarint64(&bytes, &number)) return malformed("wal number");
        edit.wal_number = number;
        break;
      case kTagNext:
        if (!GetVarint64(&bytes, &number)) return malformed("next number");
        edit.next_number = number;
        break;
      case kTagFlushed:
        if (!GetVarint64(&bytes, &number) || number > kSequenceMax) return malformed("flushed sequence");
        edit.flushed_sequence = number;
        break;
      case kTagDurable:
        if (!GetVarint64(&bytes, &number) || number > kSequenceMax) return malformed("durable sequence");
        edit.durable_sequence = number;
        break;
      case kTagMergeOperator: {
        std::string_view name;
        if (!GetLengthPrefixed(&bytes, &name) || name.empty() || name.size() > kMergeOperatorNameMax) {
          return malformed("merge operator");
        }
        edit.merge_operator = name;
        break;
      }
      case kTagRemoved: {
        Removed file;
        if (!DecodeLevel(&bytes, &file.level) || !GetVarint64(&bytes, &file.number)) return malformed("removed file");
        edit.removed.push_back(file);
        break;
      }
      case kTagAdded: {
        Added file;
        if (!DecodeAdded(&bytes, context, &file)) return malformed("added file");
        edit.added.push_back(std::move(file));
        break;
      }
      case kTagJob: {
        auto job = std::make_shared<Job>();
        if (!DecodeJob(&bytes, job.get())) return malformed("job");
        edit.jobs.push_back(std::move(job));
        break;
      }
      case kTagValueLog: {
        ValueLogFileRef file;
        if (!DecodeValueLog(&bytes, context, &file)) return malformed("value-log file");
        edit.value_logs.push_back(std::move(file));
        break;
      }
      default:
        return Status::Unsupported(where + ": version edit has field " + std::to_string(tag) +
                                   ", which this build does not know. Open the database with a newer Varve");
    }
  }
  return edit;
}

}  // namespace varve::lsm
