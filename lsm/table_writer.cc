#include "lsm/table_writer.h"

#include <utility>

#include "lsm/db_impl.h"
#include "lsm/format/coding.h"
#include "lsm/table/table_builder.h"

namespace varve::lsm {

namespace {

constexpr SequenceNumber kTombstoneSequence = 1;  // 0 is none; the manifest's takes its place

class TableWriterImpl final : public TableWriter {
 public:
  TableWriterImpl(FileSystem* fs, std::string path, std::unique_ptr<WritableFile> file,
                  const TableBuilderOptions& options, const MergeOperator* merge_operator)
      : fs_(fs),
        path_(std::move(path)),
        builder_(std::make_unique<TableBuilder>(std::move(file), options)),
        merge_operator_(merge_operator != nullptr ? merge_operator->name() : "") {}
  ~TableWriterImpl() override {
    if (finished_) return;
    builder_.reset();
    Status ignored = fs_->Remove(path_);
    (void)ignored.ok();
  }

  Status Put(std::string_view key, std::string_view value) override { return Add(key, ValueKind::kPut, value); }
  Status PutWithExpiry(std::string_view key, std::string_view value, uint64_t expire_at_ms) override {
    stored_.clear();
    PutFixed64(&stored_, expire_at_ms);
    return Add(key, ValueKind::kPutWithExpiry, stored_.append(value));
  }
  Status Merge(std::string_view key, std::string_view operand) override {
    VARVE_TRY(CheckOpen());
    if (merge_operator_.empty()) {
      return status_ = Status::InvalidArgument(path_ + ": a merge needs an operator; set Options::merge_operator");
    }
    builder_->SetMergeOperator(merge_operator_);
    return Add(key, ValueKind::kMerge, operand);
  }
  Status Delete(std::string_view key) override { return Add(key, ValueKind::kDelete, {}); }
  Status DeleteRange(std::string_view begin, std::string_view end) override {
    VARVE_TRY(CheckOpen());
    if (begin.size() > kKeySizeMax || end.size() > kKeySizeMax) {
      return status_ = Status::InvalidArgument(path_ + ": a bound of a range delete is too large");
    }
    if (begin < end) ++range_deletes_;
    builder_->AddRangeTombstone({std::string(begin), std::string(end), kTombstoneSequence});
    return Status::Ok();
  }
  uint64_t size_estimate() const override { return builder_ == nullptr ? 0 : builder_->size_estimate(); }

  Result<Facts> Finish() override {
    if (Status s = CheckOpen(); !s.ok()) return s;
    if (!any_ && range_deletes_ == 0) {
      return status_ = Status::InvalidArgument(path_ + ": nothing was added; a file needs a key or a range delete");
    }
    auto facts = builder_->Finish();
    if (!facts.ok()) return status_ = facts.status();
    builder_.reset();
    finished_ = true;
    return Facts{.file_size = facts->file_size, .entries = facts->entries, .range_deletes = facts->range_deletes};
  }

 private:
  Status CheckOpen() const {
    VARVE_TRY(status_);
    return finished_ ? Status::InvalidArgument(path_ + ": the file is finished") : Status::Ok();
  }
  Status Add(std::string_view key, ValueKind kind, std::string_view value) {
    VARVE_TRY(CheckOpen());
    if (any_ && key <= std::string_view(last_key_)) {
      return status_ = Status::InvalidArgument(path_ + ": keys must ascend, each once; this one is not above the last");
    }
    status_ = builder_->Add(key, PackTrailer(0, kind), value);
    last_key_.assign(key);
    any_ = true;
    return status_;
  }

  FileSystem* const fs_;
  const std::string path_;
  std::unique_ptr<TableBuilder> builder_;
  const std::string merge_operator_;  // its name; empty: none
  Status status_;
  std::string stored_;  // an expiry and its value
  std::string last_key_;
  bool any_ = false;
  bool finished_ = false;
  uint64_t range_deletes_ = 0;
};

}  // namespace

Result<std::unique_ptr<TableWriter>> TableWriter::Create(const std::string& path, const Options& options) {
  auto environment = ResolveOptions(options);
  if (!environment.ok()) return environment.status();
  FileSystem* fs = environment->file_system;
  auto file = fs->Create(path);
  if (!file.ok()) return file.status();
  TableBuilderOptions builder;
  builder.block_size = options.block_size;
  builder.compression = options.compression;
  builder.filter_bits_per_key = options.filter_bits_per_key;
  builder.external = true;
  while (builder.table_id == 0) builder.table_id = environment->random->Next();
  return std::unique_ptr<TableWriter>(
      std::make_unique<TableWriterImpl>(fs, path, std::move(file).value(), builder, options.merge_operator));
}

}  // namespace varve::lsm
