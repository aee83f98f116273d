#include "tests/oplog/player.h"

#include <algorithm>

#include "lsm/format/hash.h"
#include "tests/lsm/db_test_util.h"

namespace varve::lsm {

namespace {

constexpr size_t kShownBefore = 20;  // bytes of an answer that both have

}  // namespace

Answers Play(const Log& log, Player* player) {
  Answers answers;
  answers.reserve(log.size());
  uint64_t hash = 0;
  std::string answer;
  for (const Operation& operation : log) {
    answer.clear();
    player->Do(operation, &answer);
    answers.push_back(hash = XXH3_64bits_withSeed(answer.data(), answer.size(), hash));
  }
  return answers;
}

std::optional<size_t> FirstDifference(const Log& log, Player* player, const Answers& want) {
  uint64_t hash = 0;
  std::string answer;
  for (size_t i = 0; i < log.size(); ++i) {
    answer.clear();
    player->Do(log[i], &answer);
    hash = XXH3_64bits_withSeed(answer.data(), answer.size(), hash);
    if (hash != want[i]) return i;
  }
  return std::nullopt;
}

std::optional<Disagreement> Disagree(const Log& log, Player* player, Player* model) {
  std::string got, want;
  for (size_t i = 0; i < log.size(); ++i) {
    got.clear();
    want.clear();
    player->Do(log[i], &got);
    model->Do(log[i], &want);
    if (got != want) return Disagreement{i, got, want};
  }
  return std::nullopt;
}

std::string Describe(const Log& log, const Disagreement& disagreement) {
  const std::string& got = disagreement.got;
  const std::string& want = disagreement.want;
  const auto differ = std::mismatch(got.begin(), got.end(), want.begin(), want.end()).first;
  const size_t offset = static_cast<size_t>(differ - got.begin());
  const size_t from = offset - std::min(offset, kShownBefore);
  return "operation " + std::to_string(disagreement.operation) + " of " + std::to_string(log.size()) + ", " +
         Text(log[disagreement.operation]) + "\n  from byte " + std::to_string(from) + " of the answer\n  got  " +
         Printable(std::string_view(got).substr(from)) + "\n  want " + Printable(std::string_view(want).substr(from)) +
         "\n";
}

}  // namespace varve::lsm
