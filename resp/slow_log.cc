#include "resp/slow_log.h"

#include <algorithm>
#include <utility>

namespace varve::resp {
namespace {

std::string Cut(std::string_view argument) {
  if (argument.size() <= SlowLog::kArgumentBytesMax) return std::string(argument);
  return std::string(argument.substr(0, SlowLog::kArgumentBytesMax)) + "... (" +
         std::to_string(argument.size() - SlowLog::kArgumentBytesMax) + " more bytes)";
}

}  // namespace

void SlowLog::Add(Args args, std::span<const size_t> redacted, Entry entry) {
  // The last place is for the words that say how many are missing.
  const size_t shown = args.size() <= kArgumentsMax ? args.size() : kArgumentsMax - 1;
  for (size_t i = 0; i < shown; i++) {
    const bool hidden = std::find(redacted.begin(), redacted.end(), i) != redacted.end();
    entry.arguments.push_back(hidden ? "(redacted)" : Cut(args[i]));
  }
  if (shown < args.size()) {
    entry.arguments.push_back("... (" + std::to_string(args.size() - shown) + " more arguments)");
  }
  entry.id = next_id_;
  entries_.push_front(std::move(entry));
  next_id_++;
}

void SlowLog::Trim(size_t entries_max) {
  while (entries_.size() > entries_max) entries_.pop_back();
}

}  // namespace varve::resp
