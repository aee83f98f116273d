// lsm/compact/version_stream.h - what a flush or a compaction writes: the merged input without the versions that the
// filter leaves out, with merges folded, expired values gone, and the user's filter asked.
//
// Versions of a key that the same snapshots see stand or fall together. Among them
// S1  merges above a put, a delete or the end of the key's history become one put; a value that lies in the value log is
//     read for it;
// S2  otherwise, if the operator is associative, they become one merge. They stay above a value that will expire: what
//     it says depends on when it is asked. Where the operator refuses, or the value cannot be read, all versions stay;
// S3  a value that has expired is a delete;
// S4  a newest version that no snapshot sees is shown to the user's filter (lsm/compaction_filter.h).
// The time of S3 is one moment for the whole stream. Puts and deletes pass through untouched, without a copy.
// Memory: the operands of one key, at most kOperandsMax for an associative operator. Threads: one thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/compact/version_filter.h"
#include "lsm/compaction_filter.h"
#include "lsm/iter/merge_iterator.h"
#include "lsm/iter/value_rules.h"
#include "lsm/pinned_value.h"
#include "lsm/vlog/value_log_file.h"

namespace varve::lsm {

class VersionStream {
 public:
  struct Setup {
    MergeIterator* input = nullptr;  // borrowed, as all here
    VersionFilter* filter = nullptr;
    ValueRules rules = {};                      // these: merges stay as they are, nothing expires
    const ValueLogFiles* value_logs = nullptr;  // that the input points into; null: it holds no pointers
    CompactionFilter* user_filter = nullptr;    // null: none
    int level = 0;                              // written to
  };
  explicit VersionStream(const Setup& setup);

  // The first version, then the next one. False at the end, and on an error: then it is not called again.
  bool Next();
  std::string_view key() const { return key_; }
  uint64_t trailer() const { return trailer_; }
  std::string_view value() const { return value_; }
  Status status() const { return error_.ok() ? input_->status() : error_; }
  // `check` is called after every so many versions of the input; an error ends the stream.
  void CheckNowAndThen(std::function<Status()> check) { check_ = std::move(check); }
  uint64_t versions_read() const { return versions_read_; }
  const VersionFilter& filter() const { return *filter_; }

 private:
  static constexpr size_t kOperandsMax = 256;
  static constexpr uint64_t kVersionsBetweenChecks = 1024;

  // A version kept for later, since the input has moved on.
  struct Held {
    uint64_t trailer;
    std::string value;
  };
  // What lies beneath the operands.
  enum class Base : uint8_t { kUnknown, kNothing, kValue, kPointer };

  bool Load();
  void TakeOperands();
  Base FindBase(SequenceNumber seen_from);
  void AddOperand();
  bool Fold(Base base);
  void CombineOperands();
  bool ShowHeld();
  bool AskUser(SequenceNumber seq);
  bool ReadPointed(std::string_view pointer, std::string_view* value);

  MergeIterator* const input_;
  VersionFilter* const filter_;
  const ValueRules rules_;
  const ValueLogFiles* const value_logs_;
  CompactionFilter* const user_filter_;
  const int level_;
  std::function<Status()> check_;
  Status error_;  // not of the input
  uint64_t versions_read_ = 0;
  bool started_ = false;
  bool advance_ = false;  // the input stands on the version shown
  std::string_view key_, value_;
  uint64_t trailer_ = 0;
  // Of the key whose merges were taken last.
  std::string held_key_;
  std::vector<std::string> operands_;  // newest first
  std::vector<uint64_t> operand_trailers_;
  std::vector<Held> held_;  // to be shown, in order
  size_t held_shown_ = 0;
  bool combines_ = true;  // the operator has not refused for this key
  std::string changed_;   // by the user's filter
  PinnedValue pointed_;   // by ReadPointed
};

}  // namespace varve::lsm
