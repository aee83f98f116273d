// lsm/event_listener.h - told what the database does in the background, as it happens.
//
// Derive, override what you want to hear, and give it to Options::listener.
// Calls come with no lock of the database held, several at a time: from the background threads, of an ingest from its caller,
// the stalls from the writer that is held.
// Whoever calls waits for the listener: a slow one slows the flush, compaction or write it is told of, so hand on what
// takes long. A listener may read the database and ask it for facts; it must not write to it, nor wait for background
// work (Flush, CompactRange, WaitForBackgroundWork, Close): the caller may be what it would wait for. The functions are
// noexcept: one that throws ends the program. Ownership: the caller's; it outlives the database.
#pragma once

#include <cstdint>
#include <string_view>

#include "lsm/job.h"
#include "lsm/status.h"

namespace varve::lsm {

class EventListener {
 public:
  virtual ~EventListener() = default;

  virtual void OnJobStarted(const RunningJob&) noexcept {}
  // After each buffer of output, 256 KiB as a rule.
  virtual void OnJobProgress(const RunningJob&) noexcept {}
  // OK: its outputs are part of the database. An error: it left nothing behind, and is tried again.
  virtual void OnJobFinished(const Job&, const Status&) noexcept {}
  // A file of the database came (and is durable, and named in the manifest), or is gone from the directory. Told of
  // before the job that made it has finished.
  virtual void OnTableCreated(uint64_t /*number*/, std::string_view /*path*/) noexcept {}
  virtual void OnTableDeleted(uint64_t /*number*/, std::string_view /*path*/) noexcept {}
  // Write() is held until background work makes room.
  virtual void OnStallBegin(std::string_view /*why*/) noexcept {}
  virtual void OnStallEnd(uint64_t /*duration_us*/) noexcept {}
  // Background work failed and is tried again, or (kFenced) a sync failed and writing ended.
  virtual void OnBackgroundError(const Status&) noexcept {}
};

}  // namespace varve::lsm
