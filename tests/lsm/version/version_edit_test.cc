#include "lsm/version/version_edit.h"

#include <gtest/gtest.h>

#include "lsm/io/memory_file_system.h"
#include "lsm/version/version.h"

namespace varve::lsm {
namespace {

std::string Hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

std::shared_ptr<TableContext> Context() {
  auto context = std::make_shared<TableContext>();
  context->dir = "/db";
  return context;
}

TableFileRef File(uint64_t number, std::string smallest, std::string largest) {
  TableFacts facts;
  facts.file_size = 1000;
  facts.tail_offset = 900;
  facts.entries = 10;
  facts.deletes = 1;
  facts.range_deletes = 2;
  facts.smallest_seq = 3;
  facts.largest_seq = 9;
  facts.expires_ms = 300;
  facts.smallest = std::move(smallest);
  facts.largest = std::move(largest);
  facts.created_ms = 1'700'000'000'000;
  facts.filter_size = 65;
  if (number == 13) facts.value_logs = {{14, 300}};
  return std::make_shared<TableFile>(number, 0x1122334455667788, std::move(facts), Context());
}

ValueLogFileRef ValueLog(uint64_t number) {
  const ValueLogFacts facts{.file_id = 0x8877665544332211, .file_size = 1000, .records = 3};
  return std::make_shared<ValueLogFile>(number, facts, Context());
}

VersionEdit Full() {
  VersionEdit edit;
  edit.names_format = true;
  edit.wal_number = 5;
  edit.next_number = 300;
  edit.flushed_sequence = 7;
  edit.merge_operator = "op";
  edit.durable_sequence = 9;
  edit.removed.push_back({1, 12});
  edit.added.push_back({2, File(13, "a", "mz")});
  Job job;
  job.id = 9;
  job.kind = JobKind::kCompaction;
  job.from_level = 1;
  job.to_level = 2;
  job.inputs = {12, 300};
  job.outputs = {13};
  job.started_ms = 1'700'000'000'000;
  job.completed_ms = 1'700'000'000'001;
  job.bytes_read = 1000;
  job.bytes_written = 500;
  job.entries_read = 20;
  job.entries_dropped = 10;
  job.reason = "why";
  edit.jobs.push_back(std::make_shared<const Job>(std::move(job)));
  edit.value_logs.push_back(ValueLog(14));
  return edit;
}

Result<VersionEdit> Decode(std::string_view bytes) {
  return VersionEdit::Decode(bytes, "M: edit", Context());
}

// Pins the layout. If this fails the format changed: add a version, do not edit the bytes.
TEST(VersionEditFormat, EveryField) {
  EXPECT_EQ(Hex(Full().Encode()),
            "01"
            "0b"
            "76617276652e6c736d2e31"  // format "varve.lsm.1"
            "02"
            "05"  // wal number
            "03"
            "ac02"  // next number
            "04"
            "07"  // flushed
            "09"
            "02"
            "6f70"  // merge operator "op"
            "0a"
            "09"  // durable
            "05"
            "01"
            "0c"  // removed: level 1, file 12
            "08"
            "0e"
            "1122334455667788"
            "e807"
            "03"  // value-log file 14: id, size, records
            "06"
            "02"
            "0d"
            "8877665544332211"  // added: level 2, file 13, table id
            "e807"
            "8407"
            "0a"
            "01"
            "02"  // file size, tail offset, entries, deletes, range deletes
            "03"
            "09"
            "01"
            "61"
            "02"
            "6d7a"  // sequences, smallest, largest
            "00"
            "80d095ffbc31"
            "41"  // not exclusive, created, filter size
            "03"
            "0eac02"  // 300 bytes of value-log file 14
            "ac02"    // expires
            "07"
            "09"
            "01"
            "02"
            "02"  // job 9: compaction, from level 1 (+ 1), to level 2
            "80d095ffbc31"
            "81d095ffbc31"  // started, completed
            "e807"
            "f403"
            "14"
            "0a"  // bytes read, written, entries read, dropped
            "02"
            "0c"
            "ac02"
            "01"
            "0d"  // inputs, outputs
            "03"
            "776879");  // reason
}

TEST(VersionEditFormat, ComesBackAsItWas) {
  const std::string bytes = Full().Encode();
  Result<VersionEdit> edit = Decode(bytes);
  ASSERT_TRUE(edit.ok()) << edit.status().ToString();
  EXPECT_EQ(edit->Encode(), bytes);
  ASSERT_EQ(edit->added.size(), 1u);
  EXPECT_EQ(edit->added[0].file->path(), "/db/000013.sst");
  EXPECT_EQ(edit->added[0].file->facts().largest, "mz");
  Result<VersionEdit> empty = Decode({});
  ASSERT_TRUE(empty.ok());
  EXPECT_FALSE(empty->names_format || empty->wal_number || empty->next_number || empty->flushed_sequence ||
               empty->merge_operator || empty->durable_sequence);
}

// Cut anywhere but between two fields, it is corruption, named with its source.
TEST(VersionEditFormat, CutAnywhere) {
  const std::string bytes = Full().Encode();
  int whole = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    Result<VersionEdit> edit = Decode(std::string_view(bytes).substr(0, size));
    if (edit.ok()) {
      ++whole;
      continue;
    }
    EXPECT_TRUE(edit.status().Is(StatusCode::kCorruption)) << edit.status().ToString();
    EXPECT_TRUE(edit.status().message().starts_with("M: edit: malformed")) << edit.status().message();
  }
  EXPECT_EQ(whole, 10);  // after 0 to 9 fields
}

TEST(VersionEditFormat, WhatANewerVarveWrote) {
  EXPECT_TRUE(Decode(std::string_view("\x63\x01", 2)).status().Is(StatusCode::kUnsupported));
  EXPECT_TRUE(Decode(std::string_view("\x01\x03xyz", 5)).status().Is(StatusCode::kUnsupported));
}

TEST(VersionEditFormat, ValuesOutOfRange) {
  const std::string good = Full().Encode();
  const size_t added = good.find("\x06\x02\x0d");
  ASSERT_NE(added, std::string::npos);
  auto with = [&](size_t offset, char byte) {
    std::string bytes = good;
    bytes[added + offset] = byte;
    return Decode(bytes).status();
  };
  EXPECT_TRUE(with(1, 7).Is(StatusCode::kCorruption));     // level 7 of 0 to 6
  EXPECT_TRUE(with(12, 1).Is(StatusCode::kCorruption));    // file size 128 + 104, below the tail's offset
  EXPECT_TRUE(with(21, 'z').Is(StatusCode::kCorruption));  // smallest above largest
  EXPECT_TRUE(with(25, 2).Is(StatusCode::kCorruption));    // neither exclusive nor not
  EXPECT_TRUE(with(25, 1).ok());
  const size_t job = good.find("\x07\x09\x01\x02\x02");
  ASSERT_NE(job, std::string::npos);
  auto with_job = [&](size_t offset, char byte) {
    std::string bytes = good;
    bytes[job + offset] = byte;
    return Decode(bytes).status();
  };
  EXPECT_TRUE(with_job(2, 5).Is(StatusCode::kCorruption));      // kind 5 of 0 to 4
  EXPECT_TRUE(with_job(3, 8).Is(StatusCode::kCorruption));      // from level 7
  EXPECT_TRUE(with_job(4, 7).Is(StatusCode::kCorruption));      // to level 7
  EXPECT_TRUE(with_job(23, 0x7f).Is(StatusCode::kCorruption));  // 127 inputs in 8 bytes
  EXPECT_TRUE(with_job(3, 0).ok());                             // from memory
  // A merge operator without a name.
  EXPECT_TRUE(Decode(std::string_view("\x09\x00", 2)).status().Is(StatusCode::kCorruption));
  // A flushed sequence of more than 56 bits.
  EXPECT_TRUE(Decode(std::string_view("\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11))
                  .status()
                  .Is(StatusCode::kCorruption));
}

// What no writer writes, with everything else in order.
TEST(VersionEditFormat, FactsThatCannotBe) {
  const auto refused = [](const VersionEdit& edit, std::string_view what) {
    const Status status = Decode(edit.Encode()).status();
    EXPECT_TRUE(status.Is(StatusCode::kCorruption)) << what << ": " << status.ToString();
    EXPECT_EQ(status.message(), "M: edit: malformed " + std::string(what) + " in a version edit");
  };
  const auto with_table = [](auto change) {
    TableFacts facts = File(13, "a", "mz")->facts();
    change(&facts);
    VersionEdit edit;
    edit.added.push_back({2, std::make_shared<TableFile>(13, 1, std::move(facts), Context())});
    return edit;
  };
  refused(with_table([](TableFacts* facts) { facts->largest_seq = kSequenceMax + 1; }), "added file");
  refused(with_table([](TableFacts* facts) { facts->tail_offset = facts->file_size; }), "added file");
  refused(with_table([](TableFacts* facts) { facts->smallest = "n"; }), "added file");
  refused(with_table([](TableFacts* facts) { facts->value_logs[0].bytes = 0; }), "added file");
  const auto exclusive = Decode(with_table([](TableFacts* facts) { facts->largest_exclusive = true; }).Encode());
  ASSERT_TRUE(exclusive.ok()) << exclusive.status().ToString();
  EXPECT_TRUE(exclusive->added[0].file->facts().largest_exclusive);

  const auto with_value_log = [](const ValueLogFacts& facts) {
    VersionEdit edit;
    edit.value_logs.push_back(std::make_shared<ValueLogFile>(14, facts, Context()));
    return edit;
  };
  const uint64_t least = kValueLogHeaderSize + kValueLogFooterSize;
  refused(with_value_log({.file_id = 1, .file_size = least - 1, .records = 0}), "value-log file");
  refused(with_value_log({.file_id = 1, .file_size = least + kValueFrameSize, .records = 2}), "value-log file");
  EXPECT_TRUE(Decode(with_value_log({.file_id = 1, .file_size = least, .records = 0}).Encode()).ok());

  VersionEdit edit;
  edit.durable_sequence = kSequenceMax + 1;
  refused(edit, "durable sequence");
  edit = {};
  edit.merge_operator = std::string(kMergeOperatorNameMax + 1, 'o');
  refused(edit, "merge operator");
  edit.merge_operator = std::string(kMergeOperatorNameMax, 'o');
  EXPECT_TRUE(Decode(edit.Encode()).ok());
}

// Times of more than 63 bits, of the file added and of the job, and a tag of more than 32.
TEST(VersionEditFormat, NumbersTooLarge) {
  const std::string good = Full().Encode(), huge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
  const std::string started("\x80\xd0\x95\xff\xbc\x31", 6), completed("\x81\xd0\x95\xff\xbc\x31", 6);
  const auto refused = [&](size_t at, std::string_view what) {
    ASSERT_NE(at, std::string::npos);
    const Status status = Decode(std::string(good).replace(at, started.size(), huge)).status();
    EXPECT_EQ(status.message(), "M: edit: malformed " + std::string(what) + " in a version edit");
  };
  refused(good.find(started), "added file");
  refused(good.rfind(started), "job");
  refused(good.find(completed), "job");
  EXPECT_EQ(Decode(huge).status().message(), "M: edit: malformed tag in a version edit");
}

TEST(VersionTest, EditsThatDoNotFit) {
  const Version empty;
  VersionEdit edit;
  edit.removed.push_back({1, 12});
  auto missing = Version::Apply(empty, edit, "M");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().message(), "M: removes table 12 from level 1, which does not have it");
  edit = {};
  edit.added.push_back({1, File(1, "a", "m")});
  edit.added.push_back({1, File(2, "m", "z")});
  EXPECT_TRUE(Version::Apply(empty, edit, "M").status().Is(StatusCode::kCorruption));  // W1
  edit = {};
  edit.added.push_back({0, File(1, "a", "m")});
  edit.added.push_back({0, File(2, "n", "z")});
  EXPECT_TRUE(Version::Apply(empty, edit, "M").ok());  // pieces of one flush
  edit.added.push_back({0, File(3, "k", "n")});
  EXPECT_TRUE(Version::Apply(empty, edit, "M").status().Is(StatusCode::kCorruption));  // W2: equal sequences
}

TEST(VersionTest, ATableIsRemovedOnce) {
  VersionEdit add, remove, twice;
  add.added.push_back({1, File(1, "a", "m")});
  remove.removed.push_back({1, 1});
  twice.removed = {{1, 1}, {1, 1}};
  auto version = Version::Apply(Version(), add, "M");
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  EXPECT_EQ(Version::Apply(**version, twice, "M").status().message(),
            "M: removes table 1 from level 1, which does not have it");
  VersionBuilder builder(**version);  // edits read one after the other, a manifest's
  ASSERT_TRUE(builder.Add(remove, "M").ok());
  EXPECT_TRUE(builder.Add(remove, "M").Is(StatusCode::kCorruption)) << "it is not there any more";
  ASSERT_TRUE(builder.Add(add, "M").ok());
  ASSERT_TRUE(builder.Add(remove, "M").ok()) << "what an earlier edit has added";
  const auto empty = builder.Finish("M");
  ASSERT_TRUE(empty.ok()) << empty.status().ToString();
  EXPECT_EQ((*empty)->deepest_level(), -1);
}

TEST(VersionTest, ReferencesToValueLogs) {
  VersionEdit edit;
  edit.added.push_back({1, File(13, "a", "m")});  // refers to 300 bytes of file 14
  EXPECT_EQ(Version::Apply(Version(), edit, "M").status().message(),
            "M: W4: a table refers to value-log file 14, which is not there");
  edit.value_logs = {ValueLog(15), ValueLog(14)};
  auto version = Version::Apply(Version(), edit, "M");
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  ASSERT_EQ((*version)->value_logs().size(), 1u) << "nothing refers to file 15";
  EXPECT_EQ((*version)->value_logs()[0]->number(), 14u);
  EXPECT_EQ((*version)->value_log_live(0), 300u);
  EXPECT_EQ((*version)->value_log_bytes(), ValueLog(14)->facts().record_bytes());
  const ValueLogFacts small{.file_id = 1, .file_size = 200, .records = 1};
  edit.value_logs = {std::make_shared<ValueLogFile>(14, small, Context())};
  const Status refused = Version::Apply(Version(), edit, "M").status();
  EXPECT_EQ(refused.message(), "M: W4: tables refer to 300 bytes of value-log file 14, which holds " +
                                   std::to_string(small.record_bytes()));
}

// Level 0: what overlaps in keys lies in different sublevels, and must not overlap in sequences.
TEST(VersionTest, LevelZeroIsAStackOfRuns) {
  const auto flushed = [](uint64_t number, SequenceNumber first, SequenceNumber last, const char* smallest,
                          const char* largest, uint64_t expires_ms) {
    TableFacts facts = File(number, smallest, largest)->facts();
    facts.smallest_seq = first;
    facts.largest_seq = last;
    facts.expires_ms = expires_ms;
    return VersionEdit::Added{0, std::make_shared<TableFile>(number, 1, std::move(facts), Context())};
  };
  VersionEdit edit;
  edit.added = {flushed(1, 1, 9, "a", "f", 0), flushed(2, 10, 19, "h", "k", 500), flushed(3, 20, 29, "e", "i", 400),
                flushed(4, 30, 39, "x", "z", 600)};
  const auto version = Version::Apply(Version(), edit, "M");
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  const auto numbers = [](const auto& files) {
    std::vector<uint64_t> result;
    for (const TableFileRef& file : files) result.push_back(file->number());
    return result;
  };
  using Numbers = std::vector<uint64_t>;
  EXPECT_EQ(numbers((*version)->level(0)), (Numbers{4, 3, 2, 1})) << "newest first";
  ASSERT_EQ((*version)->sublevels().size(), 2u);
  EXPECT_EQ(numbers((*version)->sublevels()[0]), (Numbers{1, 2, 4}));
  EXPECT_EQ(numbers((*version)->sublevels()[1]), (Numbers{3}));
  EXPECT_TRUE((*version)->AnyOverlap(0, "y", "y"));
  EXPECT_FALSE((*version)->AnyOverlap(0, "l", "m"));
  EXPECT_EQ((*version)->earliest_expiry_ms(), 400u) << "of those that expire as a whole";
  EXPECT_TRUE((*version)->CheckInvariants().empty());
  edit.added.push_back(flushed(5, 15, 25, "g", "g", 0));
  EXPECT_EQ(Version::Apply(Version(), edit, "M").status().message(),
            "M: W2: level 0 tables 5 and 3 overlap in keys and in sequences");
}

TEST(VersionTest, OrderOverlapsAndSnapshot) {
  VersionEdit edit;
  edit.added.push_back({1, File(2, "n", "z")});
  edit.added.push_back({1, File(1, "a", "m")});
  auto version = Version::Apply(Version(), edit, "M");
  ASSERT_TRUE(version.ok()) << version.status().ToString();
  EXPECT_EQ((*version)->level(1)[0]->number(), 1u);
  EXPECT_EQ((*version)->level_bytes(1), 2000u);
  EXPECT_EQ((*version)->deepest_level(), 1);
  EXPECT_EQ((*version)->with_range_tombstones().size(), 2u);
  EXPECT_EQ((*version)->Overlap(1, "m", "n").size(), 2u);
  EXPECT_EQ((*version)->Overlap(1, "mm", "mz").size(), 0u);
  EXPECT_FALSE((*version)->AnyOverlap(2, "", "z"));
  // A table moves: removed and added by one edit.
  VersionEdit move;
  move.removed.push_back({1, 2});
  move.added.push_back({2, (*version)->level(1)[1]});
  auto moved = Version::Apply(**version, move, "M");
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ((*moved)->level(2).size(), 1u);
  auto again = Version::Apply(Version(), (*moved)->Snapshot(), "M");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->Snapshot().Encode(), (*moved)->Snapshot().Encode());
}

}  // namespace
}  // namespace varve::lsm
