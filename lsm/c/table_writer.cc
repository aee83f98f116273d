// Sorted files for varve_ingest.
#include "lsm/c/operations.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

varve_code varve_table_writer_create(const varve_options* options, const char* path, varve_table_writer** writer,
                                     char** error) {
  return Guarded(error, [&]() -> Status {
    VARVE_TRY(Clear(writer, "writer"));
    VARVE_TRY(Require(path, "path"));
    auto handle = std::make_unique<varve_table_writer>();
    auto created = TableWriter::Create(path, options == nullptr ? Options() : options->options);
    if (!created.ok()) return created.status();
    handle->writer = std::move(created).value();
    *writer = handle.release();
    return Status::Ok();
  });
}

void varve_table_writer_destroy(varve_table_writer* writer) {
  Destroy(writer);
}

varve_code varve_table_writer_put(varve_table_writer* writer, const char* key, size_t key_size, const char* value,
                                  size_t value_size, char** error) {
  return AddPut(writer, {key, key_size, "key"}, {value, value_size, "value"}, error);
}

varve_code varve_table_writer_put_with_expiry(varve_table_writer* writer, const char* key, size_t key_size,
                                              const char* value, size_t value_size, uint64_t expire_at_ms,
                                              char** error) {
  return AddPutWithExpiry(writer, {key, key_size, "key"}, {value, value_size, "value"}, expire_at_ms, error);
}

varve_code varve_table_writer_merge(varve_table_writer* writer, const char* key, size_t key_size, const char* operand,
                                    size_t operand_size, char** error) {
  return AddMerge(writer, {key, key_size, "key"}, {operand, operand_size, "operand"}, error);
}

varve_code varve_table_writer_delete(varve_table_writer* writer, const char* key, size_t key_size, char** error) {
  return AddDelete(writer, {key, key_size, "key"}, error);
}

varve_code varve_table_writer_delete_range(varve_table_writer* writer, const char* begin, size_t begin_size,
                                           const char* end, size_t end_size, char** error) {
  return AddDeleteRange(writer, {begin, begin_size, "begin"}, {end, end_size, "end"}, error);
}

uint64_t varve_table_writer_size_estimate(const varve_table_writer* writer) {
  return writer == nullptr ? 0 : writer->writer->size_estimate();
}

varve_code varve_table_writer_finish(varve_table_writer* writer, uint64_t* file_size, uint64_t* entries,
                                     uint64_t* range_deletes, char** error) {
  return With(writer, error, [&](TableWriter& engine) -> Status {
    const Result<TableWriter::Facts> facts = engine.Finish();
    if (!facts.ok()) return facts.status();
    SetIfWanted(file_size, facts->file_size);
    SetIfWanted(entries, facts->entries);
    SetIfWanted(range_deletes, facts->range_deletes);
    return Status::Ok();
  });
}
