#include "resp/keyspace_events.h"

namespace varve::resp {
namespace {

struct Letter {
  char letter;
  uint32_t flag;
};
constexpr Letter kClasses[] = {{'g', kNotifyGeneric}, {'$', kNotifyString},  {'l', kNotifyList},
                               {'s', kNotifySet},     {'h', kNotifyHash},    {'z', kNotifyZset},
                               {'x', kNotifyExpired}, {'e', kNotifyEvicted}, {'t', kNotifyStream},
                               {'d', kNotifyModule},  {'n', kNotifyNew}};
constexpr Letter kOthers[] = {{'K', kNotifyKeyspace}, {'E', kNotifyKeyevent}, {'m', kNotifyKeyMiss}};

constexpr uint32_t kAll = kNotifyGeneric | kNotifyString | kNotifyList | kNotifySet | kNotifyHash | kNotifyZset |
                          kNotifyExpired | kNotifyEvicted | kNotifyStream | kNotifyModule;

uint32_t FlagOf(char letter) {
  if (letter == 'A') return kAll;
  for (const Letter& row : kClasses) {
    if (row.letter == letter) return row.flag;
  }
  for (const Letter& row : kOthers) {
    if (row.letter == letter) return row.flag;
  }
  return 0;
}

}  // namespace

bool ParseNotifyFlags(std::string_view text, uint32_t* flags) {
  uint32_t all = 0;
  for (char letter : text) {
    const uint32_t flag = FlagOf(letter);
    if (flag == 0) return false;
    all |= flag;
  }
  *flags = all;
  return true;
}

std::string FormatNotifyFlags(uint32_t flags) {
  std::string text;
  if ((flags & kAll) == kAll) {
    text += 'A';
  } else {
    for (const Letter& row : kClasses) {
      if ((flags & row.flag) != 0) text += row.letter;
    }
  }
  for (const Letter& row : kOthers) {
    if ((flags & row.flag) != 0) text += row.letter;
  }
  return text;
}

}  // namespace varve::resp
