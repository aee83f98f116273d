// lsm/io/file_in_memory.h - a file as far as the operating system has it in memory: reads that need the disk give
// kWouldBlock.
//
// A ReadableFile that can tell is a ReadsFromMemory too; of any other, nothing is in memory. Ownership: none of the file.
// Threads: as the file's.
#pragma once

#include <cstdint>
#include <string>

#include "lsm/io/file_system.h"

namespace varve::lsm {

class ReadsFromMemory {
 public:
  virtual ~ReadsFromMemory() = default;
  // Reads without waiting for the disk: kWouldBlock unless all of `size` bytes are in the operating system's memory.
  // Whatever is wrong, ReadAt tells.
  virtual Status TryReadAt(uint64_t offset, size_t size, char* buffer) const = 0;
};

class FileInMemory final : public ReadableFile {
 public:
  explicit FileInMemory(const ReadableFile& file) : file_(file), memory_(dynamic_cast<const ReadsFromMemory*>(&file)) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    if (memory_ == nullptr) return Status::WouldBlock();
    VARVE_TRY(memory_->TryReadAt(offset, size, buffer));
    return size;
  }
  Result<uint64_t> Size() const override { return file_.Size(); }
  const std::string& path() const override { return file_.path(); }

 private:
  const ReadableFile& file_;
  const ReadsFromMemory* const memory_;
};

}  // namespace varve::lsm
