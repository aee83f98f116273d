// The database: open, close, write, keep house.
#include <vector>

#include "lsm/c/border.h"
#include "lsm/stats_text.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

template <typename TextOf>
varve_code GiveText(varve_db* db, char** text, char** error, TextOf&& text_of) noexcept {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Clear(text, "the place for the text"));
    Give(text_of(engine), text);
    return Status::Ok();
  });
}

}  // namespace

varve_code varve_open(const varve_options* options, const char* dir, varve_db** db, char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Clear(db, "db"));
    VARVE_TRY(Require(dir, "dir"));
    const varve_options defaults;
    const varve_options& chosen = options == nullptr ? defaults : *options;
    auto handle = std::make_unique<varve_db>();
    auto opened = Db::Open(dir, chosen.options);
    if (!opened.ok()) return opened.status();
    // The caller's code stays until the database is gone.
    handle->db.reset(std::move(opened).value().release(), [callers = chosen.callers](Db* engine) { delete engine; });
    *db = handle.release();
    return Status::Ok();
  });
}

varve_code varve_close(varve_db* db, char** error) {
  if (db == nullptr) return VARVE_OK;
  const varve_code code = With(db, error, [](Db& engine) { return engine.Close(); });
  Destroy(db);
  return code;
}

varve_code varve_put(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                     const char* value, size_t value_size, char** error) {
  return With(db, {key, key_size, "key"}, {value, value_size, "value"}, error,
              [&](Db& engine, std::string_view k, std::string_view v) { return engine.Put(Writing(options), k, v); });
}

varve_code varve_put_with_expiry(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                                 const char* value, size_t value_size, uint64_t expire_at_ms, char** error) {
  return With(db, {key, key_size, "key"}, {value, value_size, "value"}, error,
              [&](Db& engine, std::string_view k, std::string_view v) {
                return engine.PutWithExpiry(Writing(options), k, v, expire_at_ms);
              });
}

varve_code varve_merge(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                       const char* operand, size_t operand_size, char** error) {
  return With(db, {key, key_size, "key"}, {operand, operand_size, "operand"}, error,
              [&](Db& engine, std::string_view k, std::string_view o) { return engine.Merge(Writing(options), k, o); });
}

varve_code varve_delete(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                        char** error) {
  return With(db, {key, key_size, "key"}, error,
              [&](Db& engine, std::string_view k) { return engine.Delete(Writing(options), k); });
}

varve_code varve_delete_range(varve_db* db, const varve_write_options* options, const char* begin, size_t begin_size,
                              const char* end, size_t end_size, char** error) {
  return With(db, {begin, begin_size, "begin"}, {end, end_size, "end"}, error,
              [&](Db& engine, std::string_view from, std::string_view to) {
                return engine.DeleteRange(Writing(options), from, to);
              });
}

varve_code varve_write(varve_db* db, const varve_write_options* options, varve_batch* batch, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(batch, varve_batch::kName));
    return engine.Write(Writing(options), batch->batch);
  });
}

varve_code varve_write_if_unchanged(varve_db* db, const varve_write_options* options, varve_batch* batch, size_t count,
                                    const char* const* keys, const size_t* key_sizes, uint64_t since, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(batch, varve_batch::kName));
    std::vector<std::string_view> watched;
    VARVE_TRY(TakeKeys(count, keys, key_sizes, &watched));
    return engine.WriteIfUnchanged(Writing(options), batch->batch, watched, since);
  });
}

varve_code varve_write_async(varve_db* db, varve_batch* batch, varve_durable_function on_durable, void* state,
                             uint64_t* sequence, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(batch, varve_batch::kName));
    DurableCallback told;
    if (on_durable != nullptr) {
      told = [on_durable, state](const Status& status) {
        Tell(status, [&](varve_code code, const char* text) { on_durable(state, code, text); });
      };
    }
    const Result<SequenceNumber> last = engine.WriteAsync(batch->batch, std::move(told));
    if (!last.ok()) return last.status();
    SetIfWanted(sequence, *last);
    return Status::Ok();
  });
}

int varve_write_pressure(varve_db* db, uint64_t* delay_us) {
  WritePressure pressure;
  (void)With(db, nullptr, [&](Db& engine) { pressure = engine.Pressure(); });
  SetIfWanted(delay_us, pressure.suggested_delay_us);
  return pressure.level;
}

varve_code varve_ingest(varve_db* db, size_t count, const char* const* paths, int move_files, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    if (count > 0) VARVE_TRY(Require(paths, "paths"));
    std::vector<std::string> files;
    for (size_t i = 0; i < count; ++i) {
      VARVE_TRY(Require(paths[i], "a path"));
      files.emplace_back(paths[i]);
    }
    return engine.Ingest(files, {.move_files = move_files != 0});
  });
}

varve_code varve_sync(varve_db* db, char** error) {
  return With(db, error, [](Db& engine) { return engine.SyncWal(); });
}

varve_code varve_flush(varve_db* db, char** error) {
  return With(db, error, [](Db& engine) { return engine.Flush(); });
}

varve_code varve_compact_range(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size,
                               char** error) {
  return With(db, {begin, begin_size, "begin"}, {end, end_size, "end"}, error,
              [](Db& engine, std::string_view from, std::string_view to) { return engine.CompactRange(from, to); });
}

varve_code varve_reclaim_space(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size,
                               char** error) {
  return With(db, {begin, begin_size, "begin"}, {end, end_size, "end"}, error,
              [](Db& engine, std::string_view from, std::string_view to) { return engine.ReclaimSpace(from, to); });
}

varve_code varve_wait_for_background_work(varve_db* db, char** error) {
  return With(db, error, [](Db& engine) { return engine.WaitForBackgroundWork(); });
}

varve_code varve_checkpoint(varve_db* db, const char* dir, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    VARVE_TRY(Require(dir, "dir"));
    return engine.Checkpoint(dir);
  });
}

varve_code varve_verify(varve_db* db, varve_progress_function progress, void* state, char** report, char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    SetIfWanted<char*>(report, nullptr);
    return GiveVerified(engine.Verify(Progress(progress, state)), report);
  });
}

varve_code varve_stats_text(varve_db* db, char** text, char** error) {
  return GiveText(db, text, error, [](Db& engine) { return StatsText(engine.Stats()); });
}

varve_code varve_stats_json(varve_db* db, char** json, char** error) {
  return GiveText(db, json, error, [](Db& engine) { return StatsJson(engine.Stats()); });
}

varve_code varve_jobs_json(varve_db* db, char** json, char** error) {
  return GiveText(db, json, error, [](Db& engine) { return JobsJson(engine.JobHistory()); });
}

varve_code varve_tables_json(varve_db* db, char** json, char** error) {
  return GiveText(db, json, error, [](Db& engine) { return TablesJson(engine.TableFiles()); });
}

const char* varve_dir(varve_db* db) {
  return db == nullptr ? nullptr : db->db->dir().c_str();
}

uint64_t varve_approximate_size(varve_db* db, const char* begin, size_t begin_size, const char* end, size_t end_size) {
  uint64_t bytes = 0;
  (void)With(db, {begin, begin_size, "begin"}, {end, end_size, "end"}, nullptr,
             [&](Db& engine, std::string_view from, std::string_view to) { bytes = engine.ApproximateSize(from, to); });
  return bytes;
}

varve_code varve_catch_up(varve_db* db, char** error) {
  return With(db, error, [](Db& engine) { return engine.CatchUp(); });
}
