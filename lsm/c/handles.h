// lsm/c/handles.h - what the handles of lsm/c.h are.
//
// Whoever reads holds a share in the database, so that no order of destruction is wrong. The share is a handle's first
// member: it goes last. Of each handle that calls are made on, `kName` is what errors call it, and engine() is what the
// call is made on. Threads: as lsm/c.h says.
#pragma once

#include <memory>
#include <string>

#include "lsm/c.h"
#include "lsm/changes.h"
#include "lsm/compaction_filter.h"
#include "lsm/db.h"
#include "lsm/event_listener.h"
#include "lsm/merge_operator.h"
#include "lsm/table_writer.h"
#include "lsm/transaction.h"

struct varve_db {
  static constexpr char kName[] = "the database";
  varve::lsm::Db& engine() { return *db; }

  std::shared_ptr<varve::lsm::Db> db;
};

struct varve_options {
  // What members of `options` point to, if it is the caller's code. A database shares in it.
  struct Callers {
    std::shared_ptr<const varve::lsm::MergeOperator> merge_operator;
    std::shared_ptr<varve::lsm::CompactionFilter> compaction_filter;
    std::shared_ptr<varve::lsm::EventListener> listener;
  };
  static constexpr char kName[] = "options";
  varve_options& engine() { return *this; }

  varve::lsm::Options options;
  Callers callers;
};

struct varve_snapshot {
  std::shared_ptr<varve::lsm::Db> db;
  std::shared_ptr<const varve::lsm::Snapshot> snapshot;
};

struct varve_read_options {
  static constexpr char kName[] = "options";
  varve_read_options& engine() { return *this; }

  varve_snapshot source;
  std::string lower, upper;
  bool fill_cache = true;
};

struct varve_write_options {
  varve::lsm::WriteOptions options;
};

struct varve_batch {
  static constexpr char kName[] = "the batch";
  varve::lsm::WriteBatch& engine() { return batch; }

  varve::lsm::WriteBatch batch;
};

struct varve_iterator {
  static constexpr char kName[] = "the iterator";
  varve::lsm::Iterator& engine() { return iterator; }

  std::shared_ptr<varve::lsm::Db> db;
  varve::lsm::Iterator iterator;
};

struct varve_transaction {
  explicit varve_transaction(const std::shared_ptr<varve::lsm::Db>& in) : db(in), txn(in.get()) {}
  static constexpr char kName[] = "the transaction";
  varve::lsm::Transaction& engine() { return txn; }

  std::shared_ptr<varve::lsm::Db> db;
  varve::lsm::Transaction txn;
};

struct varve_value {
  std::shared_ptr<varve::lsm::Db> db;  // what the value may point into
  varve::lsm::PinnedValue value;
};

struct varve_table_writer {
  static constexpr char kName[] = "the table writer";
  varve::lsm::TableWriter& engine() { return *writer; }

  std::unique_ptr<varve::lsm::TableWriter> writer;
};

struct varve_changes {
  static constexpr char kName[] = "the changes";
  varve::lsm::ChangeIterator& engine() { return *changes; }

  std::shared_ptr<varve::lsm::Db> db;
  std::unique_ptr<varve::lsm::ChangeIterator> changes;
  bool has_batch = false;  // it stands on one
  bool failed = false;     // for lack of memory
};

struct varve_hold {
  static constexpr char kName[] = "the hold";
  varve::lsm::ChangeHold& engine() { return *hold; }

  std::shared_ptr<varve::lsm::Db> db;
  std::unique_ptr<varve::lsm::ChangeHold> hold;
};

struct varve_output {
  std::string* bytes;
  bool failed = false;  // for lack of memory
};
