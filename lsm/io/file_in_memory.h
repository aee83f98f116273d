// lsm/io/file_in_memory.h - a file as far as the operating system has it in memory: reads that need the disk give
// kWouldBlock.
//
// Ownership: none of the file. Threads: as the file's.
#pragma once

#include <cstdint>
#include <string>

#include "lsm/io/file_system.h"

namespace varve::lsm {

class FileInMemory final : public ReadableFile {
 public:
  explicit FileInMemory(const ReadableFile& file) : file_(file) {}

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* buffer) const override {
    VARVE_TRY(file_.TryReadAt(offset, size, buffer));
    return size;
  }
  Result<uint64_t> Size() const override { return file_.Size(); }
  const std::string& path() const override { return file_.path(); }

 private:
  const ReadableFile& file_;
};

}  // namespace varve::lsm
