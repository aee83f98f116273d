#include "lsm/inspect.h"

#include "lsm/table/filter.h"

namespace varve::lsm {

VerifyReport VerifyVersion(const Version& version) {
  VerifyReport report;
  report.problems = version.CheckInvariants();
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
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
    }
  }
  return report;
}

uint64_t ApproximateBytes(const Version& version, std::string_view begin, std::string_view end) {
  uint64_t bytes = 0;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      const uint64_t size = file->facts().file_size;
      if (file->EndsBefore(begin) || (!end.empty() && std::string_view(file->facts().smallest) >= end)) continue;
      const bool begins_inside = std::string_view(file->facts().smallest) < begin;
      const bool ends_inside = !end.empty() && !file->EndsBefore(end);
      const Table* table = file->opened();
      if (table == nullptr) {  // not worth a disk read: half of a table that is cut
        bytes += begins_inside || ends_inside ? size / 2 : size;
        continue;
      }
      const uint64_t from = begins_inside ? table->ApproximateOffset(begin) : 0;
      const uint64_t to = ends_inside ? table->ApproximateOffset(end) : size;
      bytes += to > from ? to - from : 0;
    }
  }
  return bytes;
}

void CountLevels(const Version& version, DbStats* stats) {
  for (int n = 0; n < kLevels; ++n)
    stats->levels[static_cast<size_t>(n)] = {version.level(n).size(), version.level_bytes(n)};
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
      table.false_positive_rate = FilterFalsePositiveRate(table.filter_bits_per_key);
      table.created_ms = facts.created_ms;
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
