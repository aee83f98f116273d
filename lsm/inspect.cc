#include "lsm/inspect.h"

#include <map>

#include "lsm/table/filter.h"

namespace varve::lsm {

namespace {

// Reads every value that `file` points to. Pointers that lie in damaged blocks were reported before.
void VerifyValues(const Version& version, const TableFile& file, VerifyReport* report) {
  if (file.facts().value_logs.empty()) return;
  std::map<uint64_t, uint64_t> seen;
  TableIterator it(file.shared_table(), {.memory_only = false, .fill_cache = false});
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (TrailerKind(it.trailer()) != ValueKind::kValuePointer) continue;
    ValuePointer pointer;
    if (!ValuePointer::Decode(it.value(), &pointer)) {
      report->problems.push_back(file.path() + ": holds a value pointer that cannot be read");
      continue;
    }
    seen[pointer.file_number] += pointer.record_bytes();
    ++report->values;
    const ValueLogFile* log = FindValueLog(version.value_logs(), pointer.file_number);
    if (log == nullptr) continue;  // W4 was reported
    if (Status s = log->Verify(pointer); !s.ok()) {
      report->problems.push_back(std::string(s.message()) + " (referred to by " + file.path() + ")");
    }
  }
  if (!it.status().ok()) return;
  for (const ValueLogReference& reference : file.facts().value_logs) {
    if (seen[reference.file_number] == reference.bytes) continue;
    report->problems.push_back(file.path() + ": refers to " + std::to_string(seen[reference.file_number]) +
                               " bytes of value-log file " + std::to_string(reference.file_number) +
                               ", the manifest says " + std::to_string(reference.bytes));
  }
}

}  // namespace

VerifyReport VerifyVersion(const Version& version, const VerifyProgress& on_progress) {
  VerifyReport report;
  report.problems = version.CheckInvariants();
  uint64_t bytes_done = 0, bytes_total = 0;
  for (int n = 0; n < kLevels; ++n) bytes_total += version.level_bytes(n);
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      if (on_progress) on_progress(bytes_done, bytes_total);
      bytes_done += file->facts().file_size;
      ++report.tables;
      auto table = file->Open();
      if (!table.ok()) {
        report.problems.emplace_back(table.status().message());
        continue;
      }
      uint64_t entries = 0;
      (*table)->Verify(&report.blocks, &entries, &report.problems);
      report.entries += entries;
      if (entries != file->facts().entries) {
        report.problems.push_back(file->path() + ": holds " + std::to_string(entries) + " entries, the manifest says " +
                                  std::to_string(file->facts().entries));
      }
      VerifyValues(version, *file, &report);
    }
  }
  return report;
}

uint64_t ApproximateBytes(const Version& version, std::string_view begin, std::string_view end) {
  uint64_t bytes = 0;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      const uint64_t size = file->facts().file_size;
      uint64_t values = 0;
      for (const ValueLogReference& reference : file->facts().value_logs) values += reference.bytes;
      // Values count with the table, as if they were spread over it evenly.
      auto with_values = [&](uint64_t part) {
        return part + static_cast<uint64_t>(static_cast<double>(values) * static_cast<double>(part) /
                                            static_cast<double>(size));
      };
      if (file->EndsBefore(begin) || (!end.empty() && std::string_view(file->facts().smallest) >= end)) continue;
      const bool begins_inside = std::string_view(file->facts().smallest) < begin;
      const bool ends_inside = !end.empty() && !file->EndsBefore(end);
      const Table* table = file->opened();
      if (table == nullptr) {  // not worth a disk read: half of a table that is cut
        bytes += with_values(begins_inside || ends_inside ? size / 2 : size);
        continue;
      }
      const uint64_t from = begins_inside ? table->ApproximateOffset(begin) : 0;
      const uint64_t to = ends_inside ? table->ApproximateOffset(end) : size;
      bytes += with_values(to > from ? to - from : 0);
    }
  }
  return bytes;
}

void CountLevels(const Version& version, DbStats* stats) {
  for (int n = 0; n < kLevels; ++n)
    stats->levels[static_cast<size_t>(n)] = {version.level(n).size(), version.level_bytes(n)};
  stats->value_log_files = version.value_logs().size();
  stats->value_log_bytes = version.value_log_bytes();
  stats->value_log_garbage_bytes = version.value_log_bytes() - version.value_log_live_bytes();
}

std::vector<TableFileFacts> ListTables(const Version& version) {
  std::vector<TableFileFacts> tables;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      const TableFacts& facts = file->facts();
      TableFileFacts& table = tables.emplace_back();
      table.number = file->number();
      table.level = n;
      table.path = file->path();
      table.smallest = facts.smallest;
      table.largest = facts.largest;
      table.largest_exclusive = facts.largest_exclusive;
      table.size = facts.file_size;
      table.entries = facts.entries;
      table.deletes = facts.deletes;
      table.range_deletes = facts.range_deletes;
      if (facts.entries > 0)
        table.filter_bits_per_key = 8 * static_cast<double>(facts.filter_size) / static_cast<double>(facts.entries);
      table.false_positive_rate = FilterFalsePositiveRate(facts.entries, facts.filter_size);
      table.created_ms = facts.created_ms;
      table.expires_ms = facts.expires_ms;
      table.smallest_sequence = facts.smallest_seq;
      table.largest_sequence = facts.largest_seq;
    }
  }
  return tables;
}

std::vector<Job> CopyJobs(const std::vector<std::shared_ptr<const Job>>& jobs) {
  std::vector<Job> copies;
  copies.reserve(jobs.size());
  for (const auto& job : jobs) copies.push_back(*job);
  return copies;
}

}  // namespace varve::lsm
