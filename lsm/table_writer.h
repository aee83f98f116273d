// lsm/table_writer.h - writes a sorted file that Db::Ingest takes in.
//
//   auto writer = TableWriter::Create("load/000.sst", {});
//   for (...) VARVE_TRY((*writer)->Put(key, value));          // keys ascend
//   auto facts = (*writer)->Finish();
//   Status s = db->Ingest(std::array{std::string("load/000.sst")}, {});
//
// The file is a table (lsm/table/format.h) whose versions have no sequences of their own: the database gives it some
// when it takes it in. So a key has one operation in it: a merge is laid on what the database holds by then, and range
// deletes hide that, never a key of the file itself. Source: any process, on any machine. Memory: one block, and 8 bytes
// for each key. Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/options.h"
#include "lsm/status.h"

namespace varve::lsm {

class TableWriter {
 public:
  struct Facts {
    uint64_t file_size = 0;
    uint64_t entries = 0;  // puts, deletes and merges
    uint64_t range_deletes = 0;
  };

  // Creates `path`; one that exists is overwritten. Of `options` it uses block_size, compression, filter_bits_per_key,
  // merge_operator, file_system and random.
  static Result<std::unique_ptr<TableWriter>> Create(const std::string& path, const Options& options);
  virtual ~TableWriter() = default;  // without a successful Finish the file is removed

  // kInvalidArgument when `key` is not above the last one, or beyond the limits of options.h; then, and after any other
  // error, the file is lost.
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  // A put that reads no longer see from `expire_at_ms` on, as Db::PutWithExpiry.
  virtual Status PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms) = 0;
  // An operand, as Db::Merge. The file takes down the operator's name, and only a database that has the same one takes
  // the file in. kInvalidArgument without one.
  virtual Status Merge(std::string_view key, std::string_view operand) = 0;
  virtual Status Delete(std::string_view key) = 0;
  // [begin, end), in any order, anywhere among the keys. An empty range is ignored.
  virtual Status DeleteRange(std::string_view begin, std::string_view end) = 0;
  virtual uint64_t size_estimate() const = 0;  // bytes, so far
  // Completes the file and makes it durable (its name is, once the caller syncs the directory). kInvalidArgument when
  // nothing was added.
  virtual Result<Facts> Finish() = 0;
};

}  // namespace varve::lsm
