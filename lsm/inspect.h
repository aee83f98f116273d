// lsm/inspect.h - questions about a version that owners and followers answer alike.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/version/version.h"

namespace varve::lsm {

// Reads every block of every table and every value they point to; checks invariants W1, W2, W4.
VerifyReport VerifyVersion(const Version& version, const VerifyProgress& on_progress = {});
// Bytes of table files, and of values they point to, that hold keys in [begin, end); an empty end means to the last key. No disk access.
uint64_t ApproximateBytes(const Version& version, std::string_view begin, std::string_view end);
// Fills in DbStats::levels and value_log_files, _bytes, _garbage_bytes.
void CountLevels(const Version& version, DbStats* stats);
std::vector<TableFileFacts> ListTables(const Version& version);
std::vector<Job> CopyJobs(const std::vector<std::shared_ptr<const Job>>& jobs);

}  // namespace varve::lsm
