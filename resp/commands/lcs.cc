// resp/commands/lcs.cc - LCS: the longest common subsequence of two strings, by the textbook's table.
#include <algorithm>
#include <vector>

#include "resp/commands/arguments.h"
#include "resp/commands/handlers.h"

namespace varve::resp {
namespace {

struct LcsOptions {
  bool length_only = false;
  bool ranges = false;
  bool match_length = false;
  int64_t match_min = 0;
};

bool ReadLcsOptions(Args args, CommandContext& c, LcsOptions* out) {
  for (size_t i = 3; i < args.size(); i++) {
    if (EqualsIgnoreCase(args[i], "idx")) {
      out->ranges = true;
    } else if (EqualsIgnoreCase(args[i], "len")) {
      out->length_only = true;
    } else if (EqualsIgnoreCase(args[i], "withmatchlen")) {
      out->match_length = true;
    } else if (EqualsIgnoreCase(args[i], "minmatchlen") && i + 1 < args.size()) {
      if (!ReadInt64(args[++i], c, &out->match_min)) return false;
    } else {
      c.reply.Error(kSyntaxError);
      return false;
    }
  }
  if (!out->ranges || !out->length_only) return true;
  c.reply.Error("ERR If you want both the length and indexes, please just use IDX.");
  return false;
}

// at(i, j): the length for the first i bytes of one and the first j of the other.
class LcsTable {
 public:
  LcsTable(std::string_view a, std::string_view b) : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (size_t i = 1; i <= a.size(); i++) {
      for (size_t j = 1; j < width_; j++) {
        cells_[i * width_ + j] = a[i - 1] == b[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  uint32_t at(size_t i, size_t j) const { return cells_[i * width_ + j]; }
  // The cells' bytes, or UINT64_MAX when they cannot be counted.
  static uint64_t SizeFor(size_t a, size_t b) {
    uint64_t size = 0;
    return __builtin_mul_overflow(a + 1, b + 1, &size) || __builtin_mul_overflow(size, sizeof(uint32_t), &size)
               ? UINT64_MAX
               : size;
  }

 private:
  const size_t width_;
  std::vector<uint32_t> cells_;
};

// Bytes [a, a + length) of one are bytes [b, b + length) of the other.
struct LcsMatch {
  size_t a;
  size_t b;
  size_t length;
};

// Calls visit(match) for each run of equal bytes, from the last to the first.
template <typename Visit>
void ForEachMatch(std::string_view a, std::string_view b, const LcsTable& table, Visit visit) {
  LcsMatch match{0, 0, 0};
  size_t i = a.size();
  size_t j = b.size();
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      match = {--i, --j, match.length + 1};
      continue;
    }
    if (match.length > 0) visit(match);
    match.length = 0;
    table.at(i - 1, j) > table.at(i, j - 1) ? i-- : j--;
  }
  if (match.length > 0) visit(match);
}

void ReplyMatches(std::string_view a, std::string_view b, const LcsTable& table, const LcsOptions& options,
                  CommandContext& c) {
  c.reply.Map(2);
  c.reply.Bulk("matches");
  const size_t mark = c.reply.out().size();
  size_t count = 0;
  const auto reply_range = [&c](size_t first, size_t length) {
    c.reply.Array(2);
    c.reply.Integer(static_cast<int64_t>(first));
    c.reply.Integer(static_cast<int64_t>(first + length - 1));
  };
  ForEachMatch(a, b, table, [&](const LcsMatch& match) {
    if (static_cast<int64_t>(match.length) < options.match_min) return;
    count++;
    c.reply.Array(options.match_length ? 3 : 2);
    reply_range(match.a, match.length);
    reply_range(match.b, match.length);
    if (options.match_length) c.reply.Integer(static_cast<int64_t>(match.length));
  });
  c.reply.ArrayAt(mark, count);
  c.reply.Bulk("len");
  c.reply.Integer(table.at(a.size(), b.size()));
}

void ReplySubsequence(std::string_view a, std::string_view b, const LcsTable& table, CommandContext& c) {
  c.scratch.assign(table.at(a.size(), b.size()), '\0');
  size_t end = c.scratch.size();
  ForEachMatch(a, b, table, [&](const LcsMatch& match) {
    end -= match.length;
    c.scratch.replace(end, match.length, a.substr(match.a, match.length));
  });
  c.reply.Bulk(c.scratch);
}

}  // namespace

void Lcs(Args args, CommandContext& c) {
  const Found found_a = FindForRead(args[1], c, &c.entry);
  if (found_a == Found::kFailed) return;
  const Found found_b = FindForRead(args[2], c, &c.other);
  if (found_b == Found::kFailed) return;
  if ((found_a == Found::kYes && c.entry.type != keyspace::Type::kString) ||
      (found_b == Found::kYes && c.other.type != keyspace::Type::kString)) {
    return c.reply.Error("ERR The specified keys must contain string values");
  }
  LcsOptions options;
  if (!ReadLcsOptions(args, c, &options)) return;
  const std::string_view a = found_a == Found::kYes ? c.entry.value : std::string_view();
  const std::string_view b = found_b == Found::kYes ? c.other.value : std::string_view();
  if (LcsTable::SizeFor(a.size(), b.size()) > static_cast<uint64_t>(c.config.proto_max_bulk_len)) {
    return c.reply.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  const LcsTable table(a, b);
  if (options.ranges) return ReplyMatches(a, b, table, options, c);
  if (options.length_only) return c.reply.Integer(table.at(a.size(), b.size()));
  ReplySubsequence(a, b, table, c);
}

}  // namespace varve::resp
