#include "keyspace/glob.h"

#include <utility>

namespace varve::keyspace {
namespace {

// As Redis on x86-64: bytes compare as signed characters, which only shows in ranges across 0x80.
int Fold(char c, bool ignore_case) {
  return ignore_case && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

// Matches one byte against the element at pattern[*at] that is no star, and moves *at behind the element.
bool MatchClass(std::string_view pattern, size_t* at, char byte, bool ignore_case) {
  size_t p = *at + 1;
  bool negate = p < pattern.size() && pattern[p] == '^';
  if (negate) p++;
  const int c = Fold(byte, ignore_case);
  bool match = false;
  while (p < pattern.size() && pattern[p] != ']') {
    if (pattern[p] == '\\' && p + 1 < pattern.size()) {
      p++;
      if (pattern[p] == byte) match = true;  // Redis does not fold here
    } else if (p + 2 < pattern.size() && pattern[p + 1] == '-') {
      int low = pattern[p];
      int high = pattern[p + 2];
      if (low > high) std::swap(low, high);
      low = Fold(static_cast<char>(low), ignore_case);
      high = Fold(static_cast<char>(high), ignore_case);
      p += 2;
      if (c >= low && c <= high) match = true;
    } else if (Fold(pattern[p], ignore_case) == c) {
      match = true;
    }
    p++;
  }
  // An unclosed class ends with the pattern.
  *at = p < pattern.size() ? p + 1 : p;
  return match != negate;
}

bool MatchElement(std::string_view pattern, size_t* at, char byte, bool ignore_case) {
  char c = pattern[*at];
  if (c == '?') {
    ++*at;
    return true;
  }
  if (c == '[') return MatchClass(pattern, at, byte, ignore_case);
  if (c == '\\' && *at + 1 < pattern.size()) c = pattern[++*at];
  ++*at;
  return Fold(c, ignore_case) == Fold(byte, ignore_case);
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (text.empty()) return pattern.empty();  // as Redis: not even "*" matches nothing; callers treat "*" apart
  constexpr size_t kNoStar = static_cast<size_t>(-1);
  size_t p = 0;
  size_t t = 0;
  size_t star_p = kNoStar;  // behind the last star seen
  size_t star_t = 0;        // where the text of that star ends, for now
  size_t steps = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      while (p < pattern.size() && pattern[p] == '*') p++;
      if (p == pattern.size()) return true;
      star_p = p;
      star_t = t;
      continue;
    }
    const size_t before = p;
    const bool match = p < pattern.size() && MatchElement(pattern, &p, text[t], ignore_case);
    steps += p - before + 1;
    if (match) {
      t++;
      continue;
    }
    if (star_p == kNoStar || steps > kGlobStepMax) return false;
    p = star_p;
    t = ++star_t;
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

std::string GlobLiteralPrefix(std::string_view pattern, bool* whole) {
  std::string prefix;
  for (size_t p = 0; p < pattern.size(); p++) {
    char c = pattern[p];
    if (c == '*' || c == '?' || c == '[') {
      *whole = false;
      return prefix;
    }
    if (c == '\\' && p + 1 < pattern.size()) c = pattern[++p];
    prefix.push_back(c);
  }
  *whole = true;
  return prefix;
}

}  // namespace varve::keyspace
