#include "lsm/compact/covered.h"

#include <algorithm>

namespace varve::lsm {

namespace {

enum class Cover : uint8_t { kNone, kHeld, kFull };

// Whether `fragment` hides everything of the table, wherever it covers it. Held: from the snapshots below *held_below.
Cover CoverOf(const RangeTombstones::Fragment& fragment, const TableFacts& facts,
              std::span<const SequenceNumber> snapshots, SequenceNumber* held_below) {
  SequenceNumber hiding = 0;  // the oldest one that is newer than the table: the fewest snapshots are older than it
  for (SequenceNumber seq : fragment.seqs) {
    if (seq <= facts.largest_seq) break;
    hiding = seq;
  }
  if (hiding == 0) return Cover::kNone;
  const auto reader = std::lower_bound(snapshots.begin(), snapshots.end(), facts.smallest_seq);
  if (reader == snapshots.end() || *reader >= hiding) return Cover::kFull;
  *held_below = std::max(*held_below, hiding);
  return Cover::kHeld;
}

Cover CoverOf(const TableFile& file, const RangeTombstones& tombstones, std::span<const SequenceNumber> snapshots,
              SequenceNumber* held_below) {
  const auto& fragments = tombstones.fragments();
  std::string_view uncovered = file.facts().smallest;  // from here on
  Cover cover = Cover::kFull;
  for (size_t i = tombstones.FragmentAfter(uncovered); i < fragments.size(); ++i) {
    const RangeTombstones::Fragment& fragment = fragments[i];
    if (std::string_view(fragment.begin) > uncovered) return Cover::kNone;
    cover = std::min(cover, CoverOf(fragment, file.facts(), snapshots, held_below));
    if (cover == Cover::kNone) return cover;
    uncovered = fragment.end;
    if (file.EndsBefore(uncovered)) return cover;
  }
  return Cover::kNone;
}

}  // namespace

CoveredTables FindCovered(const Version& version, const RangeTombstones& tombstones,
                          std::span<const SequenceNumber> snapshots) {
  CoveredTables covered;
  if (tombstones.empty()) return covered;
  for (int n = 0; n < kLevels; ++n) {
    for (const TableFileRef& file : version.level(n)) {
      SequenceNumber held_below = 0;
      switch (CoverOf(*file, tombstones, snapshots, &held_below)) {
        case Cover::kNone: break;
        case Cover::kHeld: covered.held_below = std::max(covered.held_below, held_below); break;
        case Cover::kFull: covered.tables.push_back({n, file}); break;
      }
    }
  }
  return covered;
}

}  // namespace varve::lsm
