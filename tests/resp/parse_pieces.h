// tests/resp/parse_pieces.h - what a connection makes of bytes that come in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace varve::resp {

using Request = std::vector<std::string>;

// Requests, and the error that ended them.
struct Outcome {
  std::vector<Request> requests;
  std::string error;
  size_t left = 0;  // bytes of an unfinished request
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Feeds pieces as reads would bring them. The buffer moves before every call, as a growing one may.
inline Outcome ParsePieces(const std::vector<std::string_view>& pieces, const ParserLimits& limits) {
  Outcome outcome;
  Parser parser;
  std::string buffer;
  for (std::string_view piece : pieces) {
    buffer += piece;
    while (true) {
      std::string moved(buffer.data(), buffer.size());
      buffer.swap(moved);
      const ParseResult result = parser.Parse(buffer, limits);
      if (result == ParseResult::kRequest) {
        outcome.requests.emplace_back(parser.args().begin(), parser.args().end());
      }
      if (result == ParseResult::kError) {
        outcome.error = parser.error();
        return outcome;
      }
      buffer.erase(0, parser.consumed());
      if (result == ParseResult::kNeedMore) break;
    }
  }
  outcome.left = buffer.size();
  return outcome;
}

}  // namespace varve::resp
