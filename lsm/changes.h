// lsm/changes.h - what was written, batch by batch, in the order of the sequences: the log as a stream.
//
//   auto hold = db->HoldChanges(seq, 1 << 30);       // from here on nothing behind `seq` is forgotten
//   auto changes = db->ChangesSince(seq);
//   while ((*changes)->Next()) replay((*changes)->batch());
//   VARVE_TRY((*changes)->status());                 // OK: that is all there is now; Next() may find more later
//   (*hold)->Advance((*changes)->sequence());
//
// Source: the segments of the write-ahead log. Without a hold they are reused as soon as their memtable is in a table.
// Batches that writers committed together come as one. A batch may be seen here before it is durable, as by every
// reader. Operations come as they were written, a merge with its operand, a value that expires with its expiry, whatever
// has become of them since; WriteBatch::Add takes them on. Tables taken in by Db::Ingest are not in the log: there the
// stream ends with kOutOfRange.
// kOutOfRange means: take a Checkpoint and go on from its sequence.
// Ownership: the Db outlives both. Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "lsm/format/internal_key.h"
#include "lsm/status.h"
#include "lsm/write_batch.h"

namespace varve::lsm {

class ChangeIterator {
 public:
  virtual ~ChangeIterator() = default;
  // Moves to the next committed batch. False when there is none now, or on an error: see status(). Never waits.
  virtual bool Next() = 0;
  // Walks the operations of the batch; the views are valid until the next call of Next. Requires Next() to have
  // returned true.
  virtual WriteBatch::Reader batch() const = 0;
  // Of the last operation read so far: where ChangesSince() would go on.
  virtual SequenceNumber sequence() const = 0;
  // kOutOfRange: the log does not hold what follows. kCorruption: it is damaged. Errors stay.
  virtual const Status& status() const = 0;
};

// Keeps the changes behind a sequence in the log as long as it lives.
class ChangeHold {
 public:
  virtual ~ChangeHold() = default;
  // What is behind `sequence` is enough from now on. Never moves back.
  virtual void Advance(SequenceNumber sequence) = 0;
  virtual SequenceNumber sequence() const = 0;
  // kOutOfRange once the hold would have kept more than its bytes_max: it is broken, and the log may go.
  virtual Status status() const = 0;
};

}  // namespace varve::lsm
