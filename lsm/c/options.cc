// Options: by name and text; those of reads and writes.
#include "lsm/c/border.h"
#include "lsm/option_names.h"

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

namespace {

Status GiveOption(const char* name, const Options& options, char** value) {
  VARVE_TRY(Clear(value, "value"));
  VARVE_TRY(Require(name, "the option's name"));
  const Result<std::string> text = GetOption(name, options);
  if (!text.ok()) return text.status();
  Give(*text, value);
  return Status::Ok();
}

}  // namespace

varve_options* varve_options_create(void) {
  return Made<varve_options>();
}

void varve_options_destroy(varve_options* options) {
  Destroy(options);
}

varve_code varve_options_set(varve_options* options, const char* name, const char* value, char** error) {
  return With(options, error, [&](varve_options& chosen) -> Status {
    VARVE_TRY(Require(name, "the option's name"));
    VARVE_TRY(Require(value, "the option's value"));
    VARVE_TRY(SetOption(name, value, &chosen.options));
    // A built-in merge operator may have taken the place of the caller's.
    auto& caller = chosen.callers.merge_operator;
    if (chosen.options.merge_operator != caller.get()) caller.reset();
    return Status::Ok();
  });
}

varve_code varve_options_get(const varve_options* options, const char* name, char** value, char** error) {
  return Guarded(error, [&] { return GiveOption(name, options == nullptr ? Options() : options->options, value); });
}

varve_code varve_get_option(varve_db* db, const char* name, char** value, char** error) {
  return With(db, error, [&](Db& engine) { return GiveOption(name, engine.GetOptions(), value); });
}

varve_code varve_set_options(varve_db* db, size_t count, const char* const* names, const char* const* values,
                             char** error) {
  return With(db, error, [&](Db& engine) -> Status {
    if (count > 0) VARVE_TRY(Require(names, "names"));
    if (count > 0) VARVE_TRY(Require(values, "values"));
    OptionChanges changes;
    for (size_t i = 0; i < count; ++i) {
      VARVE_TRY(Require(names[i], "the option's name"));
      VARVE_TRY(Require(values[i], "the option's value"));
      VARVE_TRY(SetOptionChange(names[i], values[i], &changes));
    }
    return engine.SetOptions(changes);
  });
}

varve_read_options* varve_read_options_create(void) {
  return Made<varve_read_options>();
}

void varve_read_options_destroy(varve_read_options* options) {
  Destroy(options);
}

void varve_read_options_set_snapshot(varve_read_options* options, const varve_snapshot* snapshot) {
  if (options == nullptr) return;
  Quietly([&] {
    varve_snapshot next = snapshot == nullptr ? varve_snapshot() : *snapshot;
    std::swap(options->source, next);  // an assignment would let go of the database before its snapshot
  });
}

varve_code varve_read_options_set_bounds(varve_read_options* options, const char* lower, size_t lower_size,
                                         const char* upper, size_t upper_size, char** error) {
  return With(options, {lower, lower_size, "lower"}, {upper, upper_size, "upper"}, error,
              [](varve_read_options& chosen, std::string_view from, std::string_view to) {
                std::string lower_copy(from), upper_copy(to);
                chosen.lower.swap(lower_copy);
                chosen.upper.swap(upper_copy);
              });
}

void varve_read_options_set_fill_cache(varve_read_options* options, int fill_cache) {
  if (options != nullptr) options->fill_cache = fill_cache != 0;
}

varve_write_options* varve_write_options_create(void) {
  return Made<varve_write_options>();
}

void varve_write_options_destroy(varve_write_options* options) {
  Destroy(options);
}

void varve_write_options_set_sync(varve_write_options* options, int sync) {
  if (options != nullptr) options->options.sync = sync != 0;
}
