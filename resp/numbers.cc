#include "resp/numbers.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace varve::resp {
namespace {

constexpr size_t kLongDoubleTextMax = 5 * 1024;  // LDBL_MAX has 4933 digits before the point

std::string WithoutTrailingZeros(std::string_view digits) {
  std::string text(digits);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

bool ParseInt64(std::string_view text, int64_t* value) {
  if (text.empty() || text.size() > 20) return false;
  const size_t digits = text[0] == '-' ? 1 : 0;
  if (text.size() == digits) return false;
  if (text[digits] == '0' && text.size() > 1) return false;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && rest == end;
}

bool ParseLongDouble(std::string_view text, long double* value) {
  char buffer[kLongDoubleTextMax];
  if (text.empty() || text.size() >= sizeof(buffer) || isspace(static_cast<unsigned char>(text[0])) != 0) return false;
  memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  *value = strtold(buffer, &end);
  if (end != buffer + text.size() || std::isnan(*value)) return false;
  return !(errno == ERANGE && (*value == HUGE_VALL || *value == -HUGE_VALL || std::fpclassify(*value) == FP_ZERO));
}

std::string FormatLongDouble(long double value) {
  char buffer[kLongDoubleTextMax];
  int size = snprintf(buffer, sizeof(buffer), "%.17Lf", value);
  if (size < 0 || static_cast<size_t>(size) >= sizeof(buffer)) return {};
  std::string text = WithoutTrailingZeros({buffer, static_cast<size_t>(size)});
  if (text == "-0") text = "0";
  return text;
}

std::string FormatDecimal(double value) {
  char buffer[400];  // DBL_MAX has 309 digits before the point
  return WithoutTrailingZeros({buffer, static_cast<size_t>(snprintf(buffer, sizeof(buffer), "%f", value))});
}

bool ParseMemory(std::string_view text, int64_t* bytes) {
  size_t digits = 0;
  while (digits < text.size() && (isdigit(static_cast<unsigned char>(text[digits])) != 0)) digits++;
  std::string unit(text.substr(digits));
  for (char& c : unit) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  int64_t factor = 0;
  if (unit.empty() || unit == "b") {
    factor = 1;
  } else if (unit == "k") {
    factor = 1000;
  } else if (unit == "kb") {
    factor = 1024;
  } else if (unit == "m") {
    factor = 1000 * 1000;
  } else if (unit == "mb") {
    factor = 1024 * 1024;
  } else if (unit == "g") {
    factor = int64_t{1000} * 1000 * 1000;
  } else if (unit == "gb") {
    factor = int64_t{1024} * 1024 * 1024;
  } else {
    return false;
  }
  int64_t value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (digits == 0 || error != std::errc() || rest != text.data() + digits) return false;
  return !__builtin_mul_overflow(value, factor, bytes);
}

std::string HumanBytes(uint64_t bytes) {
  char buffer[64];
  if (bytes < 1024) {
    snprintf(buffer, sizeof(buffer), "%lluB", static_cast<unsigned long long>(bytes));
    return buffer;
  }
  double scaled = static_cast<double>(bytes);
  const char* unit = "KMGTP";
  scaled /= 1024;
  while (scaled >= 1024 && unit[1] != '\0') {
    scaled /= 1024;
    unit++;
  }
  snprintf(buffer, sizeof(buffer), "%.2f%c", scaled, *unit);
  return buffer;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    const char x = a[i];
    const char y = b[i];
    if (x == y) continue;
    const char folded = static_cast<char>(x | 0x20);
    if (folded != (y | 0x20) || folded < 'a' || folded > 'z') return false;
  }
  return true;
}

}  // namespace varve::resp
