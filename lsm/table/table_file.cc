#include "lsm/table/table_file.h"

#include <cstdio>
#include <utility>

#include "lsm/out_of_memory.h"

namespace varve::lsm {

void Graveyard::Bury(std::string path, uint64_t size) {
  MutexLock lock(&mu_);
  files_.push_back({std::move(path), size});
}

std::vector<Graveyard::Buried> Graveyard::TakeAll() {
  MutexLock lock(&mu_);
  return std::exchange(files_, {});
}

std::string TableFileName(const std::string& dir, uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "/%06llu.sst", static_cast<unsigned long long>(number));
  return dir + name;
}

TableFile::TableFile(uint64_t number, uint64_t table_id, TableFacts facts, std::shared_ptr<const TableContext> context)
    : number_(number),
      table_id_(table_id),
      facts_(std::move(facts)),
      smallest_prefix_(KeyPrefix(facts_.smallest)),
      largest_prefix_(KeyPrefix(facts_.largest)),
      context_(std::move(context)) {}

TableFile::~TableFile() {
  if (!obsolete_.load(std::memory_order_relaxed)) return;
  IfMemoryAllows([&] { context_->graveyard->Bury(path(), facts_.file_size); });  // else it goes at the next open
}

Result<const Table*> TableFile::OpenSlow() const {
  MutexLock lock(&mu_);
  if (table_ == nullptr) {
    auto file = context_->file_system->OpenForRead(path());
    if (!file.ok()) {
      if (!file.status().Is(StatusCode::kNotFound)) return file.status();
      return Status::Corruption(path() + ": the manifest names this table, but the file is missing");
    }
    // What the manifest says decides how much is allocated, and where the footer is looked for.
    const Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    if (*size != facts_.file_size) {
      return Status::Corruption(path() + ": " + std::to_string(*size) + " bytes, the manifest says " +
                                std::to_string(facts_.file_size));
    }
    auto table = Table::Open(std::move(file).value(), facts_.file_size, facts_.tail_offset, table_id_, context_->cache);
    if (!table.ok()) return table.status();
    if ((*table)->properties().range_deletes != facts_.range_deletes) {
      return Status::Corruption(path() + ": " + std::to_string((*table)->properties().range_deletes) +
                                " range deletes, the manifest says " + std::to_string(facts_.range_deletes));
    }
    if ((*table)->properties().external) (*table)->SetSequences(facts_.smallest_seq, facts_.largest_seq);
    table_ = std::move(table).value();
    opened_.store(table_.get(), std::memory_order_release);
  }
  return table_.get();
}

std::shared_ptr<const Table> TableFile::shared_table() const {
  MutexLock lock(&mu_);
  return table_;
}

}  // namespace varve::lsm
