// resp/numbers.h - numbers in requests, read and written exactly as Redis does.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::resp {

// Only the canonical form: no blanks, no '+', no leading zeros, "-0" is none; within int64.
bool ParseInt64(std::string_view text, int64_t* value);
// The whole text as a finite or infinite long double: no blanks around, no NaN; below 5 KiB.
bool ParseLongDouble(std::string_view text, long double* value);
// As INCRBYFLOAT stores it: 17 decimals, trailing zeros cut, "-0" is "0". Empty when too long to print.
std::string FormatLongDouble(long double value);
// Six decimals, trailing zeros cut: 99.9, 50.
std::string FormatDecimal(double value);
// "64mb" -> 67108864: digits and b, k, kb, m, mb, g, gb in any case (k is 1000, kb is 1024). False on anything else.
bool ParseMemory(std::string_view text, int64_t* bytes);
// 1536 -> "1.50K": INFO's used_memory_human.
std::string HumanBytes(uint64_t bytes);

// ASCII letters only.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

}  // namespace varve::resp
