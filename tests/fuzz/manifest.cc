// tests/fuzz/manifest.cc - F5: version edits, the manifest, CURRENT.
//
//   | what the rest is : u8 |   0  one version edit
//                               1  the edits of a manifest, each with a length of two bytes before it; the records
//                                  check
//                               2  the bytes of CURRENT; the manifest that it should name is sound
//                               3  the bytes of MANIFEST-000005 itself
//
// What decodes, encodes to bytes that decode to the same. What a manifest says is a sound version, and a manifest
// written anew from it says the same. What does not decode is refused by its name.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lsm/io/memory_file_system.h"
#include "lsm/version/file_names.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_writer.h"
#include "tests/fuzz/fuzz_input.h"

namespace varve::lsm {
namespace {

constexpr char kDir[] = "/db";
constexpr char kManifest[] = "/db/MANIFEST-000005";
constexpr uint64_t kNumber = 5;

class Place {
 public:
  Place() {
    EXPECT_TRUE(fs_.CreateDir(kDir).ok());
    context_->file_system = &fs_;
    context_->dir = kDir;
  }

  void Put(const std::string& path, std::string_view bytes) {
    auto file = fs_.Create(path);
    EXPECT_TRUE(file.ok() && (*file)->WriteAt(0, bytes).ok());
  }
  std::unique_ptr<LogWriter> NewManifest() {
    LogWriter::Setup setup;
    setup.number = kNumber;
    setup.salt = 7;
    auto log = LogWriter::Open(&fs_, kManifest, setup);
    EXPECT_TRUE(log.ok());
    return std::move(log).value();
  }
  Status Read(ManifestState* state) {
    ManifestReader reader;
    VARVE_TRY(reader.Open(context_));
    const Result<bool> more = reader.Advance();
    EXPECT_TRUE(more.ok() && !*more) << "nobody has written since";
    *state = reader.state();
    return Status::Ok();
  }
  // Either an error with a path in it, or a sound state that can be written and read again.
  void Examine() {
    ManifestState state;
    if (const Status read = Read(&state); !read.ok()) {
      EXPECT_NE(read.message().find(kDir), std::string_view::npos) << read.ToString();
      return;
    }
    EXPECT_TRUE(state.version->CheckInvariants().empty());
    EXPECT_LE(state.jobs.size(), kJobHistoryMax);
    SeededRandom random{1};
    EXPECT_TRUE(ManifestWriter::Create(&fs_, &random, kDir, kNumber + 1, state).ok());
    ManifestState again;
    const Status read = Read(&again);
    EXPECT_TRUE(read.ok()) << "written anew: " << read.ToString();
    EXPECT_EQ(FirstEdit(again).Encode(), FirstEdit(state).Encode());
  }

  const std::shared_ptr<TableContext>& context() const { return context_; }
  MemoryFileSystem* fs() { return &fs_; }

 private:
  MemoryFileSystem fs_;
  const std::shared_ptr<TableContext> context_ = std::make_shared<TableContext>();
};

void TryEdit(std::string_view bytes) {
  const Place place;
  const auto edit = VersionEdit::Decode(bytes, "here", place.context());
  if (!edit.ok()) {
    EXPECT_TRUE(edit.status().Is(StatusCode::kCorruption) || edit.status().Is(StatusCode::kUnsupported));
    EXPECT_EQ(edit.status().message().rfind("here: ", 0), 0u) << edit.status().ToString();
    return;
  }
  EXPECT_LE(edit->added.size() + edit->removed.size() + edit->jobs.size() + edit->value_logs.size(), bytes.size() / 3);
  size_t numbers = 0;
  for (const auto& job : edit->jobs) numbers += job->inputs.size() + job->outputs.size();
  EXPECT_LE(numbers, bytes.size());
  const std::string encoded = edit->Encode();
  const auto again = VersionEdit::Decode(encoded, "again", place.context());
  EXPECT_TRUE(again.ok()) << again.status().ToString();
  if (again.ok()) {
    EXPECT_EQ(again->Encode(), encoded);
  }
}

void TryEdits(fuzz::FuzzInput* input) {
  Place place;
  {
    const auto log = place.NewManifest();
    VersionEdit first;
    first.names_format = input->Flag();
    std::string start = first.Encode();
    while (!input->empty()) {
      const std::string record = start + std::string(input->Bytes(input->Number(2)));
      start.clear();
      if (record.size() > 1) {
        EXPECT_TRUE(log->Append(record).ok());
      }
    }
  }
  place.Put(CurrentFileName(kDir), "MANIFEST-000005 0\n");
  place.Examine();
}

void TryCurrent(std::string_view bytes) {
  Place place;
  VersionEdit first;
  first.names_format = true;
  EXPECT_TRUE(place.NewManifest()->Append(first.Encode()).ok());
  place.Put(CurrentFileName(kDir), bytes);
  const auto current = ReadCurrent(place.fs(), kDir);
  if (current.ok()) {
    EXPECT_EQ(ParseFileName(current->manifest).kind, FileKind::kManifest);
    EXPECT_LT(current->manifest.size(), bytes.size());
  }
  place.Examine();
}

}  // namespace
}  // namespace varve::lsm

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve::lsm;
  varve::fuzz::FuzzInput input(data, size);
  switch (input.Below(4)) {
    case 0: TryEdit(input.Rest()); break;
    case 1: TryEdits(&input); break;
    case 2: TryCurrent(input.Rest()); break;
    default: {
      Place place;
      place.Put(kManifest, input.Rest());
      place.Put(CurrentFileName(kDir), "MANIFEST-000005 0\n");
      place.Examine();
    }
  }
  return 0;
}
