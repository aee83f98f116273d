#include "tests/oplog/shrink.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace varve::lsm {

namespace {

class Shrinker {
 public:
  Shrinker(Log log, const FindFailure& find_failure, uint64_t operations_max)
      : log_(std::move(log)), find_failure_(find_failure), operations_left_(operations_max) {}

  Log Run() {
    Log before;
    do {
      before = log_;
      TryLog(log_);  // what follows the failure goes
      DropOperations();
      DropChanges();
      RenameKeys();
      SimplifyNumbers();
    } while (log_ != before && operations_left_ > 0);
    return std::move(log_);
  }

 private:
  // Takes `candidate`, as far as it fails, in the place of the log. False: it does not fail.
  bool TryLog(Log candidate) {
    if (operations_left_ == 0) return false;
    const std::optional<size_t> failure = find_failure_(candidate);
    operations_left_ -= std::min<uint64_t>(operations_left_, (failure ? *failure : candidate.size()) + 1);
    if (!failure) return false;
    candidate.resize(*failure + 1);
    log_ = std::move(candidate);
    return true;
  }

  // Removes parts of a list of `size()`, at first large ones, as long as `drop(from, limit)` succeeds.
  template <typename Size, typename Drop>
  void DropParts(Size size, Drop drop) {
    for (size_t part = std::max<size_t>(size() / 2, 1);; part /= 2) {
      for (size_t limit = size(); limit > 0 && operations_left_ > 0;) {
        const size_t from = limit - std::min(part, limit);
        drop(from, limit);
        limit = std::min(from, size());
      }
      if (part <= 1) return;
    }
  }

  void DropOperations() {
    DropParts([&] { return log_.size(); },
              [&](size_t from, size_t limit) {
                Log candidate(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(from));
                candidate.insert(candidate.end(), log_.begin() + static_cast<std::ptrdiff_t>(limit), log_.end());
                if (!candidate.empty()) TryLog(std::move(candidate));
              });
  }

  void DropChanges() {
    for (size_t i = log_.size(); i-- > 0 && operations_left_ > 0;) {
      const size_t length = log_.size();
      DropParts([&] { return i < log_.size() ? log_[i].changes.size() : 0; },
                [&](size_t from, size_t limit) {
                  Log candidate = log_;
                  auto& changes = candidate[i].changes;
                  changes.erase(changes.begin() + static_cast<std::ptrdiff_t>(from),
                                changes.begin() + static_cast<std::ptrdiff_t>(limit));
                  TryLog(std::move(candidate));
                });
      if (log_.size() != length) return;  // it fails earlier: all begins anew
    }
  }

  // All keys together, so that they go on meeting: the first few keys in the same order.
  void RenameKeys() {
    std::map<uint32_t, uint32_t> names;
    Log candidate = log_;
    const auto for_each_key = [&](const auto& use) {
      for (Operation& operation : candidate) {
        use(&operation);
        for (Operation& change : operation.changes) use(&change);
      }
    };
    for_each_key([&](Operation* operation) { names[operation->key] = names[operation->end] = 0; });
    uint32_t next = 0;
    for (auto& [key, name] : names) name = next++;
    for_each_key([&](Operation* operation) {
      operation->key = names[operation->key];
      operation->end = names[operation->end];
    });
    if (candidate != log_) TryLog(std::move(candidate));
  }

  void SimplifyNumbers() {
    for (size_t i = 0; i < log_.size() && operations_left_ > 0; ++i) {
      Simplify(log_[i].kind, [i](Log* log) { return i < log->size() ? &(*log)[i] : nullptr; });
      for (size_t c = 0; i < log_.size() && c < log_[i].changes.size(); ++c) {
        Simplify(log_[i].changes[c].kind, [i, c](Log* log) {
          return i < log->size() && c < (*log)[i].changes.size() ? &(*log)[i].changes[c] : nullptr;
        });
      }
    }
  }
  // 0 where it will do, else half as much, else one less.
  template <typename Find>
  void Simplify(Kind kind, Find find) {
    for (const Member member : MembersOf(kind)) {
      for (bool smaller = true; smaller;) {
        smaller = false;
        const Operation* operation = find(&log_);
        const uint32_t number = operation != nullptr ? operation->*member : 0;
        for (const uint32_t less : {uint32_t{0}, number / 2, number - 1}) {
          if (smaller || less >= number || (member == &Operation::slot && less == 0)) continue;
          Log candidate = log_;
          find(&candidate)->*member = less;
          smaller = TryLog(std::move(candidate));
        }
      }
    }
  }

  Log log_;
  const FindFailure& find_failure_;
  uint64_t operations_left_;
};

}  // namespace

Log Shrink(Log log, const FindFailure& find_failure, uint64_t operations_max) {
  return Shrinker(std::move(log), find_failure, operations_max).Run();
}

}  // namespace varve::lsm
