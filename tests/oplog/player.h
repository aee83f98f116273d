// tests/oplog/player.h - what carries out the operations of a log and says what each answered: a database under some
// options (db_player.h), or the map that all of them must agree with (map_player.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/oplog/operation_log.h"

namespace varve::lsm {

class Player {
 public:
  virtual ~Player() = default;
  // Adds to *answer what is to be the same for all. An error is an answer as well.
  virtual void Do(const Operation& operation, std::string* answer) = 0;
};

// The words that answers are made of.
inline void AddRow(std::string_view key, std::string_view value, std::string* answer) {
  answer->append(key).append("=").append(value).push_back('\n');
}
inline void AddNothing(std::string* answer) {
  *answer += "-\n";
}

// A hash over all answers up to each operation's.
using Answers = std::vector<uint64_t>;
Answers Play(const Log& log, Player* player);

// Plays until an answer is not what `want`, the answers to the same log, has there: at which operation, if at any.
std::optional<size_t> FirstDifference(const Log& log, Player* player, const Answers& want);

struct Disagreement {
  size_t operation;
  std::string got, want;
};
// The same with the answers in full.
std::optional<Disagreement> Disagree(const Log& log, Player* player, Player* model);

// From where two answers differ.
std::string Describe(const Log& log, const Disagreement& disagreement);

}  // namespace varve::lsm
