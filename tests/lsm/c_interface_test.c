/* tests/lsm/c_interface_test.c - everything of lsm/c.h, from C99, through libvarve.so. */
#define _POSIX_C_SOURCE 200809L /* popen */

#include "lsm/c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed = 0, failed = 0;
static char root[1024];

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (condition) {                                                      \
      ++passed;                                                           \
    } else {                                                              \
      ++failed;                                                           \
      printf("FAIL  %s:%d: %s\n", __FILE__, __LINE__, #condition);        \
    }                                                                     \
  } while (0)

/* A call that is to succeed, with the text of its error when it does not. */
#define OK(call)                                                                  \
  do {                                                                            \
    char* error = NULL;                                                           \
    varve_code code = call;                                                       \
    if (code != VARVE_OK) printf("      %s\n", error == NULL ? "(no text)" : error); \
    CHECK(code == VARVE_OK && error == NULL);                                     \
    varve_free(error);                                                            \
  } while (0)

/* A call that is to fail with `want` and a text that holds `part`. */
#define FAILS(call, want, part)                                                                     \
  do {                                                                                              \
    char* error = NULL;                                                                             \
    varve_code code = call;                                                                         \
    if (code != (want)) printf("      code %d, want %d\n", (int)code, (int)(want));                 \
    CHECK(code == (want));                                                                          \
    if (error != NULL && strstr(error, part) == NULL) printf("      '%s', want '%s' in it\n", error, part); \
    CHECK(error != NULL && strstr(error, part) != NULL);                                            \
    varve_free(error);                                                                              \
  } while (0)

static const char* path(const char* name) {
  static char paths[4][1100];
  static int next = 0;
  char* text = paths[next++ % 4];
  snprintf(text, 1100, "%s/%s", root, name);
  return text;
}

static varve_db* open_db(const char* name) {
  varve_db* db = NULL;
  OK(varve_open(NULL, path(name), &db, &error));
  if (db == NULL) exit(1);
  return db;
}

/* "value" when the key is there, "-" when it is not. */
static const char* get(varve_db* db, const varve_read_options* options, const char* key) {
  static char text[64];
  char* value = NULL;
  size_t size = 0;
  OK(varve_get(db, options, key, strlen(key), &value, &size, &error));
  snprintf(text, sizeof text, "%.*s", value == NULL ? 1 : (int)size, value == NULL ? "-" : value);
  varve_free(value);
  return text;
}

static void put(varve_db* db, const char* key, const char* value) {
  OK(varve_put(db, NULL, key, strlen(key), value, strlen(value), &error));
}

/* The keys of an iterator in one direction, each followed by a blank. */
static const char* keys(varve_iterator* it, int forward) {
  static char text[256];
  size_t used = 0;
  if (forward) {
    varve_iterator_seek_to_first(it);
  } else {
    varve_iterator_seek_to_last(it);
  }
  for (text[0] = '\0'; varve_iterator_valid(it); forward ? varve_iterator_next(it) : varve_iterator_prev(it)) {
    size_t size = 0;
    const char* key = varve_iterator_key(it, &size);
    if (used + size + 2 > sizeof text) break;
    memcpy(text + used, key, size);
    memcpy(text + used + size, " ", 2);
    used += size + 1;
  }
  OK(varve_iterator_status(it, &error));
  return text;
}

struct work {
  int calls;
  uint64_t done, total;
};

static void note_progress(void* state, uint64_t bytes_done, uint64_t bytes_total) {
  struct work* work = (struct work*)state;
  ++work->calls;
  work->done = bytes_done;
  work->total = bytes_total;
}

/* Runs a shell command made of `format` and the path of `name`. */
static void shell(const char* format, const char* name) {
  char command[1300];
  snprintf(command, sizeof command, format, path(name));
  CHECK(system(command) == 0);
}

static void test_options(void) {
  varve_options* options = varve_options_create();
  varve_db* db = NULL;
  char* text = NULL;
  OK(varve_options_set(options, "memory_budget", "8MiB", &error));
  OK(varve_options_set(options, "wal_sync", "always", &error));
  OK(varve_options_get(options, "memory_budget", &text, &error));
  CHECK(text != NULL && strcmp(text, "8MiB") == 0);
  varve_free(text);
  OK(varve_options_get(NULL, "block_size", &text, &error));
  CHECK(text != NULL && strcmp(text, "8KiB") == 0);
  varve_free(text);
  FAILS(varve_options_set(options, "memory_budget", "lots", &error), VARVE_INVALID_ARGUMENT, "want a size");
  FAILS(varve_options_set(options, "colour", "red", &error), VARVE_INVALID_ARGUMENT, "no option 'colour'");
  FAILS(varve_options_get(options, "colour", &text, &error), VARVE_INVALID_ARGUMENT, "no option 'colour'");
  CHECK(text == NULL);
  OK(varve_open(options, path("options"), &db, &error));
  OK(varve_close(db, &error));
  OK(varve_options_set(options, "error_if_exists", "true", &error));
  FAILS(varve_open(options, path("options"), &db, &error), VARVE_INVALID_ARGUMENT, "is there already");
  CHECK(db == NULL);
  OK(varve_options_set(options, "error_if_exists", "false", &error));
  OK(varve_options_set(options, "create_if_missing", "false", &error));
  FAILS(varve_open(options, path("nowhere"), &db, &error), VARVE_NOT_FOUND, "no database there");
  varve_options_destroy(options);
}

static void test_changing_options(void) {
  static const char* const names[] = {"memory_budget", "max_disk_bytes", "compaction_bytes_per_second"};
  static const char* const values[] = {"16MiB", "4MiB", "1GiB"};
  static const char* const bad_values[] = {"32MiB", "1", "0"};
  static const char* const fixed[] = {"mode"};
  static const char* const owner[] = {"owner"};
  static char large[1 << 20];
  varve_db* db = open_db("changing");
  char* text = NULL;
  int i;
  OK(varve_set_options(db, 3, names, values, &error));
  for (i = 0; i < 3; ++i) {
    OK(varve_get_option(db, names[i], &text, &error));
    CHECK(text != NULL && strcmp(text, values[i]) == 0);
    varve_free(text);
  }
  FAILS(varve_set_options(db, 3, names, bad_values, &error), VARVE_INVALID_ARGUMENT, "max_disk_bytes is 1, want");
  OK(varve_get_option(db, "memory_budget", &text, &error));
  CHECK(text != NULL && strcmp(text, "16MiB") == 0); /* all or none */
  varve_free(text);
  FAILS(varve_set_options(db, 1, fixed, owner, &error), VARVE_INVALID_ARGUMENT, "does not change while");
  FAILS(varve_set_options(db, 1, NULL, owner, &error), VARVE_INVALID_ARGUMENT, "names is NULL");
  FAILS(varve_get_option(db, "colour", &text, &error), VARVE_INVALID_ARGUMENT, "no option 'colour'");
  OK(varve_set_options(db, 0, NULL, NULL, &error));
  /* At the cap writes are refused, deletes are not, and make room. */
  OK(varve_put(db, NULL, "a", 1, large, sizeof large / 2, &error));
  FAILS(varve_put(db, NULL, "b", 1, large, sizeof large, &error), VARVE_NO_SPACE, "ReclaimSpace");
  OK(varve_delete_range(db, NULL, "a", 1, "z", 1, &error));
  OK(varve_reclaim_space(db, NULL, 0, NULL, 0, &error));
  OK(varve_put(db, NULL, "b", 1, large, sizeof large / 2, &error));
  CHECK(varve_reclaim_space(NULL, NULL, 0, NULL, 0, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_set_options(NULL, 0, NULL, NULL, NULL) == VARVE_INVALID_ARGUMENT);
  OK(varve_close(db, &error));
}

static void test_rows(void) {
  varve_db* db = open_db("rows");
  varve_db* second = NULL;
  varve_write_options* durable = varve_write_options_create();
  varve_value* place = varve_value_create();
  const char* asked[3] = {"a", "gone", "empty"};
  const size_t asked_sizes[3] = {1, 4, 5};
  char* values[3];
  size_t sizes[3], size = 9;
  char* value = NULL;
  int found = 0;

  varve_write_options_set_sync(durable, 1);
  OK(varve_put(db, durable, "a", 1, "1", 1, &error));
  OK(varve_put(db, NULL, "b\0c", 3, "x\0y", 3, &error));
  OK(varve_put(db, NULL, "empty", 5, NULL, 0, &error));
  put(db, "gone", "soon");
  OK(varve_delete(db, NULL, "gone", 4, &error));
  CHECK(strcmp(get(db, NULL, "a"), "1") == 0);
  CHECK(strcmp(get(db, NULL, "gone"), "-") == 0);
  OK(varve_get(db, NULL, "b\0c", 3, &value, &size, &error));
  CHECK(value != NULL && size == 3 && memcmp(value, "x\0y", 4) == 0); /* and a zero behind it */
  varve_free(value);
  OK(varve_get(db, NULL, "empty", 5, &value, &size, &error));
  CHECK(value != NULL && size == 0);
  varve_free(value);
  OK(varve_multi_get(db, NULL, 3, asked, asked_sizes, values, sizes, &error));
  CHECK(values[0] != NULL && sizes[0] == 1 && values[0][0] == '1');
  CHECK(values[1] == NULL && sizes[1] == 0);
  CHECK(values[2] != NULL && sizes[2] == 0);
  varve_free(values[0]);
  varve_free(values[2]);
  OK(varve_get_into(db, NULL, "a", 1, place, &found, &error));
  CHECK(found == 1 && *varve_value_data(place, &size) == '1' && size == 1);
  OK(varve_try_get_into(db, NULL, "gone", 4, place, &found, &error));
  (void)varve_value_data(place, &size);
  CHECK(found == 0 && size == 0);
  put(db, "r1", "1");
  put(db, "r2", "2");
  OK(varve_delete_range(db, NULL, "r", 1, "r2", 2, &error));
  CHECK(strcmp(get(db, NULL, "r1"), "-") == 0 && strcmp(get(db, NULL, "r2"), "2") == 0);
  FAILS(varve_open(NULL, path("rows"), &second, &error), VARVE_BUSY, "rows");
  varve_value_destroy(place);
  varve_write_options_destroy(durable);
  OK(varve_close(db, &error));
  db = open_db("rows");
  CHECK(strcmp(get(db, NULL, "r2"), "2") == 0);
  OK(varve_close(db, &error));
}

static void test_batches(void) {
  varve_db* db = open_db("batches");
  varve_batch* batch = varve_batch_create();
  varve_batch* tail = varve_batch_create();
  size_t big = (size_t)1 << 20;
  char* key = calloc(1, big);
  put(db, "old", "1");
  OK(varve_batch_put(batch, "k", 1, "v", 1, &error));
  OK(varve_batch_delete(batch, "old", 3, &error));
  OK(varve_batch_put(tail, "t1", 2, "v", 1, &error));
  OK(varve_batch_put(tail, "t2", 2, "v", 1, &error));
  OK(varve_batch_delete_range(tail, "t", 1, "t2", 2, &error));
  OK(varve_batch_append(batch, tail, &error));
  CHECK(varve_batch_count(batch) == 5);
  FAILS(varve_batch_append(batch, batch, &error), VARVE_INVALID_ARGUMENT, "itself");
  OK(varve_write(db, NULL, batch, &error));
  CHECK(strcmp(get(db, NULL, "k"), "v") == 0 && strcmp(get(db, NULL, "old"), "-") == 0);
  CHECK(strcmp(get(db, NULL, "t1"), "-") == 0 && strcmp(get(db, NULL, "t2"), "v") == 0);
  varve_batch_clear(batch);
  CHECK(varve_batch_count(batch) == 0);
  FAILS(varve_batch_put(batch, key, big, "v", 1, &error), VARVE_INVALID_ARGUMENT, "key of 1048576 bytes");
  FAILS(varve_write(db, NULL, batch, &error), VARVE_INVALID_ARGUMENT, "key of 1048576 bytes");
  free(key);
  varve_batch_destroy(tail);
  varve_batch_destroy(batch);
  OK(varve_close(db, &error));
}

static void test_reading(void) {
  varve_db* db = open_db("reading");
  varve_db* other = open_db("other");
  varve_read_options* options = varve_read_options_create();
  varve_snapshot* snapshot;
  varve_iterator* it;
  char* value = NULL;
  size_t size = 0;
  put(db, "a", "1");
  put(db, "b", "2");
  put(db, "c", "3");
  put(db, "d", "4");
  snapshot = varve_snapshot_create(db);
  CHECK(varve_snapshot_sequence(snapshot) == 4);
  put(db, "b", "new");
  OK(varve_delete(db, NULL, "c", 1, &error));
  OK(varve_flush(db, &error));

  it = varve_iterator_create(db, NULL);
  CHECK(!varve_iterator_valid(it) && varve_iterator_key(it, &size) == NULL && size == 0);
  CHECK(strcmp(keys(it, 1), "a b d ") == 0);
  CHECK(strcmp(keys(it, 0), "d b a ") == 0);
  varve_iterator_seek(it, "bb", 2);
  CHECK(varve_iterator_valid(it) && *varve_iterator_key(it, &size) == 'd' && *varve_iterator_value(it, &size) == '4');
  varve_iterator_prev(it);
  CHECK(varve_iterator_valid(it) && *varve_iterator_key(it, NULL) == 'b');
  varve_iterator_seek_for_prev(it, "bb", 2);
  CHECK(varve_iterator_valid(it) && *varve_iterator_key(it, &size) == 'b');
  varve_iterator_next(it);
  varve_iterator_next(it);
  varve_iterator_next(it); /* past the end: nothing happens */
  CHECK(!varve_iterator_valid(it));
  varve_iterator_seek(it, NULL, 3);
  CHECK(!varve_iterator_valid(it));
  FAILS(varve_iterator_status(it, &error), VARVE_INVALID_ARGUMENT, "key is NULL");
  varve_iterator_destroy(it);

  varve_read_options_set_snapshot(options, snapshot);
  varve_read_options_set_fill_cache(options, 0);
  CHECK(strcmp(get(db, options, "b"), "2") == 0 && strcmp(get(db, NULL, "b"), "new") == 0);
  OK(varve_read_options_set_bounds(options, "b", 1, "d", 1, &error));
  it = varve_iterator_create(db, options);
  CHECK(strcmp(keys(it, 1), "b c ") == 0 && strcmp(keys(it, 0), "c b ") == 0);
  varve_iterator_destroy(it);
  FAILS(varve_get(other, options, "b", 1, &value, &size, &error), VARVE_INVALID_ARGUMENT, "another database");
  it = varve_iterator_create(other, options);
  FAILS(varve_iterator_status(it, &error), VARVE_INVALID_ARGUMENT, "another database");
  varve_iterator_destroy(it);

  /* The wrong order is no error: what reads keeps what it reads. */
  it = varve_iterator_create(db, options);
  OK(varve_close(db, &error));
  CHECK(strcmp(keys(it, 1), "b c ") == 0);
  varve_snapshot_destroy(snapshot);
  varve_iterator_destroy(it);
  varve_read_options_set_snapshot(options, NULL);
  varve_read_options_destroy(options);
  OK(varve_close(other, &error));
}

static void test_transactions(void) {
  varve_db* db = open_db("transactions");
  varve_transaction* txn;
  varve_iterator* it;
  char* value = NULL;
  size_t size = 0;
  put(db, "a", "1");
  txn = varve_transaction_create(db);
  OK(varve_transaction_get_for_update(txn, "a", 1, &value, &size, &error));
  CHECK(value != NULL && size == 1 && value[0] == '1');
  varve_free(value);
  OK(varve_transaction_put(txn, "b", 1, "2", 1, &error));
  OK(varve_transaction_set_savepoint(txn, &error));
  OK(varve_transaction_delete(txn, "a", 1, &error));
  OK(varve_transaction_delete_range(txn, "b", 1, "c", 1, &error));
  OK(varve_transaction_get(txn, "b", 1, &value, &size, &error));
  CHECK(value == NULL);
  OK(varve_transaction_rollback_to_savepoint(txn, &error));
  OK(varve_transaction_release_savepoint(txn, &error));
  FAILS(varve_transaction_rollback_to_savepoint(txn, &error), VARVE_INVALID_ARGUMENT, "no savepoint");
  it = varve_transaction_iterator_create(txn, NULL);
  CHECK(strcmp(keys(it, 1), "a b ") == 0);
  varve_iterator_destroy(it);
  put(db, "a", "theirs");
  FAILS(varve_transaction_commit(txn, NULL, &error), VARVE_CONFLICT, "conflict: key 'a' was written");
  CHECK(strcmp(get(db, NULL, "b"), "-") == 0);
  OK(varve_transaction_put(txn, "b", 1, "3", 1, &error)); /* begun anew */
  OK(varve_transaction_commit(txn, NULL, &error));
  CHECK(strcmp(get(db, NULL, "b"), "3") == 0);
  OK(varve_transaction_put(txn, "b", 1, "4", 1, &error));
  OK(varve_transaction_rollback(txn, &error));
  OK(varve_transaction_commit(txn, NULL, &error));
  CHECK(strcmp(get(db, NULL, "b"), "3") == 0);
  CHECK(varve_transaction_create(NULL) == NULL && varve_transaction_iterator_create(NULL, NULL) == NULL);
  CHECK(varve_transaction_commit(NULL, NULL, NULL) == VARVE_INVALID_ARGUMENT);
  OK(varve_close(db, &error));
  varve_transaction_destroy(txn); /* after its database: fine */
  varve_transaction_destroy(NULL);
}

/* Values that expire: in 1970 or never, so that no clock matters. */
static void test_expiry(void) {
  varve_db* db = open_db("expiry");
  varve_batch* batch = varve_batch_create();
  varve_transaction* txn = varve_transaction_create(db);
  varve_iterator* it;
  CHECK(varve_transaction_sequence(txn) == 0 && varve_transaction_sequence(NULL) == 0);
  put(db, "a", "old");
  OK(varve_put_with_expiry(db, NULL, "a", 1, "gone", 4, 1, &error));
  OK(varve_put_with_expiry(db, NULL, "b", 1, "stays", 5, UINT64_MAX, &error));
  OK(varve_batch_put_with_expiry(batch, "c", 1, "gone", 4, 1, &error));
  OK(varve_batch_put_with_expiry(batch, "d", 1, NULL, 0, UINT64_MAX, &error));
  OK(varve_write(db, NULL, batch, &error));
  OK(varve_transaction_put_with_expiry(txn, "e", 1, "gone", 4, 1, &error));
  OK(varve_transaction_put_with_expiry(txn, "f", 1, "stays", 5, UINT64_MAX, &error));
  OK(varve_transaction_commit(txn, NULL, &error));
  CHECK(strcmp(get(db, NULL, "a"), "-") == 0 && strcmp(get(db, NULL, "b"), "stays") == 0);
  CHECK(strcmp(get(db, NULL, "c"), "-") == 0 && strcmp(get(db, NULL, "d"), "") == 0);
  CHECK(strcmp(get(db, NULL, "e"), "-") == 0 && strcmp(get(db, NULL, "f"), "stays") == 0);
  put(db, "lasts", "");
  it = varve_iterator_create(db, NULL);
  varve_iterator_seek_to_first(it);
  CHECK(varve_iterator_expire_at_ms(it) == UINT64_MAX); /* b */
  varve_iterator_seek(it, "lasts", 5);
  CHECK(varve_iterator_valid(it) && varve_iterator_expire_at_ms(it) == 0 && varve_iterator_expire_at_ms(NULL) == 0);
  varve_iterator_destroy(it);
  FAILS(varve_put_with_expiry(db, NULL, "k", 1, NULL, 1, 1, &error), VARVE_INVALID_ARGUMENT, "value is NULL");
  FAILS(varve_batch_put_with_expiry(NULL, "k", 1, "v", 1, 1, &error), VARVE_INVALID_ARGUMENT, "batch is NULL");
  FAILS(varve_transaction_put_with_expiry(NULL, "k", 1, "v", 1, 1, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  varve_transaction_destroy(txn);
  varve_batch_destroy(batch);
  OK(varve_close(db, &error));
}

/* An operator of ours: keeps operands behind the separator that is its state; one that begins with '!' it refuses. */
static int join(void* state, const char* key, size_t key_size, const char* base, size_t base_size, size_t count,
                const char* const* operands, const size_t* operand_sizes, varve_output* result) {
  size_t i;
  (void)key, (void)key_size;
  varve_output_append(result, base == NULL ? "nothing" : base, base == NULL ? 7 : base_size);
  for (i = 0; i < count; ++i) {
    if (operand_sizes[i] > 0 && operands[i][0] == '!') return 0;
    varve_output_append(result, (const char*)state, 1);
    varve_output_append(result, operands[i], operand_sizes[i]);
  }
  return 1;
}

static int join_operands(void* state, const char* key, size_t key_size, size_t count, const char* const* operands,
                         const size_t* operand_sizes, varve_output* result) {
  size_t i;
  (void)key, (void)key_size;
  for (i = 0; i < count; ++i) {
    if (operand_sizes[i] > 0 && operands[i][0] == '!') return 0;
    if (i > 0) varve_output_append(result, (const char*)state, 1);
    varve_output_append(result, operands[i], operand_sizes[i]);
  }
  return 1;
}

static varve_filter_decision shorten(void* state, int level, const char* key, size_t key_size, const char* value,
                                     size_t value_size, varve_output* new_value) {
  (void)state, (void)level, (void)value;
  if (key_size == 4 && memcmp(key, "drop", 4) == 0) return VARVE_FILTER_DROP;
  if (value_size <= 3) return VARVE_FILTER_KEEP;
  varve_output_append(new_value, value, 3);
  return VARVE_FILTER_CHANGE;
}

static int destroyed = 0;
static void count_destroyed(void* state) {
  (void)state;
  ++destroyed;
}

static void test_merges(void) {
  static char comma[] = ",";
  varve_options* options = varve_options_create();
  varve_db* db = open_db("merges");
  varve_batch* batch = varve_batch_create();
  varve_transaction* txn;
  char* text = NULL;
  char* value = NULL;
  size_t size = 0;
  FAILS(varve_merge(db, NULL, "k", 1, "1", 1, &error), VARVE_INVALID_ARGUMENT, "a merge needs an operator");
  OK(varve_batch_merge(batch, "k", 1, "1", 1, &error));
  FAILS(varve_write(db, NULL, batch, &error), VARVE_INVALID_ARGUMENT, "a merge needs an operator");
  OK(varve_close(db, &error));

  /* Built in, chosen by name. */
  OK(varve_options_get(options, "merge_operator", &text, &error));
  CHECK(text != NULL && strcmp(text, "none") == 0);
  varve_free(text);
  FAILS(varve_options_set(options, "merge_operator", "add", &error), VARVE_INVALID_ARGUMENT, "varve.counter or varve.append");
  OK(varve_options_set(options, "merge_operator", "varve.counter", &error));
  OK(varve_open(options, path("counters"), &db, &error));
  OK(varve_merge(db, NULL, "n", 1, "\x02\0\0\0\0\0\0\0", 8, &error));
  OK(varve_merge(db, NULL, "n", 1, "\x03\0\0\0\0\0\0\0", 8, &error));
  OK(varve_get(db, NULL, "n", 1, &value, &size, &error));
  CHECK(value != NULL && size == 8 && memcmp(value, "\x05\0\0\0\0\0\0\0", 8) == 0);
  varve_free(value);
  OK(varve_close(db, &error));

  /* Ours. */
  OK(varve_options_set_merge_operator(options, "test.join", comma, count_destroyed, join, NULL, &error));
  OK(varve_options_set_merge_operator(options, "test.join", comma, count_destroyed, join, join_operands, &error));
  CHECK(destroyed == 1); /* the first, which nothing used */
  OK(varve_options_get(options, "merge_operator", &text, &error));
  CHECK(text != NULL && strcmp(text, "test.join") == 0);
  varve_free(text);
  FAILS(varve_open(options, path("counters"), &db, &error), VARVE_INVALID_ARGUMENT, "merge operator 'varve.counter'");
  OK(varve_open(options, path("merges"), &db, &error));
  OK(varve_options_set(options, "merge_operator", "none", &error));
  varve_options_destroy(options);
  CHECK(destroyed == 1); /* the database has it still */
  put(db, "k", "0");
  OK(varve_write(db, NULL, batch, &error));
  OK(varve_merge(db, NULL, "new", 3, "1", 1, &error));
  OK(varve_merge(db, NULL, "new", 3, NULL, 0, &error));
  txn = varve_transaction_create(db);
  OK(varve_transaction_merge(txn, "k", 1, "2", 1, &error));
  OK(varve_transaction_get(txn, "k", 1, &value, &size, &error));
  CHECK(value != NULL && strcmp(value, "0,1,2") == 0);
  varve_free(value);
  OK(varve_transaction_commit(txn, NULL, &error));
  varve_transaction_destroy(txn);
  OK(varve_flush(db, &error));
  CHECK(strcmp(get(db, NULL, "k"), "0,1,2") == 0 && strcmp(get(db, NULL, "new"), "nothing,1,") == 0);
  OK(varve_merge(db, NULL, "new", 3, "!", 1, &error));
  FAILS(varve_get(db, NULL, "new", 3, &value, &size, &error), VARVE_CORRUPTION, "merge operator 'test.join' cannot");
  OK(varve_compact_range(db, NULL, 0, NULL, 0, &error));
  FAILS(varve_get(db, NULL, "new", 3, &value, &size, &error), VARVE_CORRUPTION, "merge operator 'test.join' cannot");
  CHECK(strcmp(get(db, NULL, "k"), "0,1,2") == 0);
  OK(varve_close(db, &error));
  CHECK(destroyed == 2);
  FAILS(varve_merge(NULL, NULL, "k", 1, "1", 1, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_batch_merge(batch, NULL, 1, "1", 1, &error), VARVE_INVALID_ARGUMENT, "key is NULL");
  FAILS(varve_transaction_merge(NULL, "k", 1, "1", 1, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_options_set_merge_operator(NULL, "x", NULL, NULL, join, NULL, &error), VARVE_INVALID_ARGUMENT, "options");
  varve_output_append(NULL, "x", 1);
  varve_batch_destroy(batch);
}

static void test_filter(void) {
  varve_options* options = varve_options_create();
  varve_db* db = NULL;
  destroyed = 0;
  FAILS(varve_options_set_merge_operator(options, NULL, NULL, NULL, join, NULL, &error), VARVE_INVALID_ARGUMENT, "name");
  FAILS(varve_options_set_merge_operator(options, "x", NULL, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "merge");
  FAILS(varve_options_set_compaction_filter(NULL, NULL, NULL, shorten, &error), VARVE_INVALID_ARGUMENT, "options");
  OK(varve_options_set_compaction_filter(options, NULL, count_destroyed, shorten, &error));
  OK(varve_open(options, path("filter"), &db, &error));
  OK(varve_options_set_compaction_filter(options, NULL, NULL, NULL, &error));
  put(db, "drop", "1");
  put(db, "long", "12345");
  put(db, "short", "12");
  OK(varve_compact_range(db, NULL, 0, NULL, 0, &error));
  CHECK(strcmp(get(db, NULL, "drop"), "-") == 0 && strcmp(get(db, NULL, "long"), "123") == 0);
  CHECK(strcmp(get(db, NULL, "short"), "12") == 0 && destroyed == 0);
  OK(varve_close(db, &error));
  CHECK(destroyed == 1);
  varve_options_destroy(options);
}

static void test_house(void) {
  varve_options* options = varve_options_create();
  varve_db* db = open_db("house");
  varve_db* follower = NULL;
  struct work work = {0, 0, 0};
  char* text = NULL;
  int i;
  for (i = 0; i < 1000; ++i) {
    char key[16];
    snprintf(key, sizeof key, "key%04d", i);
    put(db, key, "a value of some length, as values are");
  }
  OK(varve_sync(db, &error));
  OK(varve_flush(db, &error));
  OK(varve_compact_range(db, NULL, 0, NULL, 0, &error));
  OK(varve_wait_for_background_work(db, &error));
  CHECK(varve_approximate_size(db, NULL, 0, NULL, 0) > 1000);
  CHECK(varve_approximate_size(db, "x", 1, NULL, 0) == 0);
  OK(varve_stats_text(db, &text, &error));
  CHECK(text != NULL && strstr(text, "last_sequence 1000\n") != NULL);
  varve_free(text);
  OK(varve_stats_json(db, &text, &error));
  CHECK(text != NULL && strstr(text, "\"last_sequence\":1000,") != NULL);
  varve_free(text);
  OK(varve_verify(db, NULL, NULL, &text, &error));
  CHECK(text != NULL && strstr(text, "\"entries\":1000,\"values\":0,\"problems\":[]") != NULL);
  varve_free(text);
  work.calls = 0;
  OK(varve_verify(db, note_progress, &work, NULL, &error));
  CHECK(work.calls > 0 && work.total > 1000);
  OK(varve_tables_json(db, &text, &error));
  CHECK(text != NULL && strstr(text, "\"smallest\":\"key0000\",\"largest\":\"key0999\"") != NULL);
  varve_free(text);
  OK(varve_jobs_json(db, &text, &error));
  CHECK(text != NULL && strstr(text, "\"kind\":\"flush\"") != NULL && strstr(text, "\"kind\":\"compaction\"") != NULL);
  varve_free(text);
  CHECK(strcmp(varve_dir(db), path("house")) == 0);
  OK(varve_checkpoint(db, path("copy"), &error));
  FAILS(varve_checkpoint(db, path("copy"), &error), VARVE_INVALID_ARGUMENT, "exists already");

  OK(varve_options_set(options, "mode", "follow", &error));
  OK(varve_open(options, path("house"), &follower, &error));
  put(db, "later", "x");
  OK(varve_catch_up(follower, &error));
  CHECK(strcmp(get(follower, NULL, "later"), "x") == 0);
  FAILS(varve_put(follower, NULL, "k", 1, "v", 1, &error), VARVE_READ_ONLY, "read-only");
  OK(varve_close(follower, &error));
  varve_options_destroy(options);
  OK(varve_close(db, &error));
  db = open_db("copy");
  CHECK(strcmp(get(db, NULL, "later"), "-") == 0 && get(db, NULL, "key0000")[0] == 'a');
  OK(varve_close(db, &error));
}

static void test_damage(void) {
  varve_db* db = open_db("damage");
  char* text = NULL;
  put(db, "k", "v");
  OK(varve_flush(db, &error));
  OK(varve_close(db, &error));
  shell("for f in %s/*.sst; do printf Z | dd of=$f bs=1 seek=3 conv=notrunc 2>/dev/null; done", "damage");
  db = open_db("damage");
  FAILS(varve_verify(db, NULL, NULL, &text, &error), VARVE_CORRUPTION, ".sst");
  CHECK(text != NULL && strstr(text, ".sst") != NULL);
  varve_free(text);
  OK(varve_close(db, &error));
}

/* A large value lies in a file of its own and is read when it is asked for: that can fail. */
static void test_damaged_value(void) {
  varve_db* db = open_db("damaged_value");
  varve_iterator* it = NULL;
  char* large = malloc(100001);
  size_t size = 1;
  memset(large, 'v', 100000);
  large[100000] = 0;
  put(db, "a", "small");
  put(db, "b", large);
  free(large);
  OK(varve_flush(db, &error));
  OK(varve_close(db, &error));
  shell("for f in %s/*.vlog; do printf Z | dd of=$f bs=1 seek=60 conv=notrunc 2>/dev/null; done", "damaged_value");
  db = open_db("damaged_value");
  it = varve_iterator_create(db, NULL);
  varve_iterator_seek_to_first(it);
  CHECK(varve_iterator_valid(it) && varve_iterator_value(it, &size) != NULL && size == 5);
  OK(varve_iterator_status(it, &error));
  varve_iterator_next(it);
  CHECK(varve_iterator_valid(it));
  CHECK(varve_iterator_value(it, &size) == NULL && size == 0);
  CHECK(!varve_iterator_valid(it));
  FAILS(varve_iterator_status(it, &error), VARVE_CORRUPTION, ".vlog");
  varve_iterator_destroy(it);
  OK(varve_close(db, &error));
}

/* What a callback of an answer or of a durable write was told. */
struct told {
  int calls;
  varve_code code;
  char value[32]; /* "-": the key is not there */
};

static void hear_value(void* state, varve_code code, const char* error, const char* value, size_t value_size) {
  struct told* told = (struct told*)state;
  ++told->calls;
  told->code = code;
  snprintf(told->value, sizeof told->value, "%.*s", value == NULL ? 1 : (int)value_size, value == NULL ? "-" : value);
  if ((error == NULL) != (code == VARVE_OK)) told->calls = -1;
}

static void hear_durable(void* state, varve_code code, const char* error) {
  hear_value(state, code, error, NULL, 0);
}

static void test_event_loop(void) {
  struct told here = {0, VARVE_INTERNAL, ""}, gone = here, cold = here, then = here, durable = here;
  varve_read_options* options = varve_read_options_create();
  varve_batch* batch = varve_batch_create();
  varve_db* db = open_db("loop");
  varve_snapshot* snapshot;
  varve_iterator* it;
  uint64_t sequence = 0, delay_us = 1;
  size_t size = 0;
  OK(varve_batch_put(batch, "a", 1, "1", 1, &error));
  OK(varve_batch_put(batch, "b", 1, "2", 1, &error));
  OK(varve_write_async(db, batch, hear_durable, &durable, &sequence, &error));
  CHECK(sequence == 2);
  OK(varve_get_async(db, NULL, "a", 1, hear_value, &here, &error));
  CHECK(here.calls == 1 && here.code == VARVE_OK && strcmp(here.value, "1") == 0); /* from memory: at once */
  OK(varve_get_async(db, NULL, "c", 1, hear_value, &gone, &error));
  CHECK(gone.calls == 1 && gone.code == VARVE_OK && strcmp(gone.value, "-") == 0);
  CHECK(varve_write_pressure(db, &delay_us) == 0 && delay_us == 0);
  OK(varve_flush(db, &error));
  OK(varve_close(db, &error));
  CHECK(durable.calls == 1 && durable.code == VARVE_OK);

  /* Nothing is in memory now. Closing waits for the answers. */
  db = open_db("loop");
  it = varve_iterator_create(db, NULL);
  CHECK(varve_iterator_try_seek(it, "a", 1) == 0 && !varve_iterator_valid(it));
  FAILS(varve_iterator_status(it, &error), VARVE_WOULD_BLOCK, "not in memory");
  varve_iterator_destroy(it);
  snapshot = varve_snapshot_create(db);
  varve_read_options_set_snapshot(options, snapshot);
  varve_snapshot_destroy(snapshot);
  put(db, "b", "new");
  OK(varve_get_async(db, NULL, "a", 1, hear_value, &cold, &error));
  OK(varve_get_async(db, options, "b", 1, hear_value, &then, &error));
  varve_read_options_destroy(options);
  it = varve_iterator_create(db, NULL);
  if (varve_iterator_try_seek(it, "a", 1) == 0) varve_iterator_resume(it);
  CHECK(varve_iterator_valid(it) && *varve_iterator_key(it, &size) == 'a');
  if (varve_iterator_try_next(it) == 0) varve_iterator_resume(it);
  CHECK(varve_iterator_valid(it) && *varve_iterator_key(it, &size) == 'b');
  varve_iterator_destroy(it);
  OK(varve_close(db, &error));
  CHECK(cold.calls == 1 && cold.code == VARVE_OK && strcmp(cold.value, "1") == 0);
  CHECK(then.calls == 1 && then.code == VARVE_OK && strcmp(then.value, "2") == 0);

  FAILS(varve_get_async(NULL, NULL, "a", 1, hear_value, &here, &error), VARVE_INVALID_ARGUMENT, "database is NULL");
  FAILS(varve_write_async(NULL, batch, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "database is NULL");
  db = open_db("loop");
  FAILS(varve_get_async(db, NULL, "a", 1, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "answer is NULL");
  FAILS(varve_write_async(db, NULL, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "batch is NULL");
  OK(varve_write_async(db, batch, NULL, NULL, NULL, &error));
  CHECK(varve_write_pressure(NULL, NULL) == 0);
  varve_iterator_resume(NULL);
  OK(varve_close(db, &error));
  varve_batch_destroy(batch);
}

static void test_conditions(void) {
  static const char* const keys[] = {"a", "b"};
  static const size_t sizes[] = {1, 1};
  varve_batch* batch = varve_batch_create();
  varve_db* db = open_db("conditions");
  varve_snapshot* snapshot;
  uint64_t since;
  put(db, "a", "1");
  snapshot = varve_snapshot_create(db);
  since = varve_snapshot_sequence(snapshot);
  put(db, "c", "of no concern");
  OK(varve_batch_put(batch, "b", 1, "2", 1, &error));
  OK(varve_write_if_unchanged(db, NULL, batch, 2, keys, sizes, since, &error));
  CHECK(strcmp(get(db, NULL, "b"), "2") == 0);
  FAILS(varve_write_if_unchanged(db, NULL, batch, 2, keys, sizes, since, &error), VARVE_CONFLICT, "key 'b' was written");
  OK(varve_write_if_unchanged(db, NULL, batch, 0, NULL, NULL, since, &error));
  FAILS(varve_write_if_unchanged(db, NULL, batch, 1, NULL, sizes, since, &error), VARVE_INVALID_ARGUMENT, "keys is NULL");
  FAILS(varve_write_if_unchanged(db, NULL, NULL, 0, NULL, NULL, since, &error), VARVE_INVALID_ARGUMENT, "batch is NULL");
  varve_snapshot_destroy(snapshot);
  varve_batch_destroy(batch);
  OK(varve_close(db, &error));
}

/* "kind key=value@expiry " for each operation. */
static void describe(void* state, varve_operation_kind kind, const char* key, size_t key_size, const char* value,
                     size_t value_size, uint64_t expire_at_ms) {
  char* text = (char*)state;
  sprintf(text + strlen(text), "%d %.*s=%.*s@%u ", (int)kind, (int)key_size, key, (int)value_size, value,
          (unsigned)expire_at_ms);
}

static const char* operations(const varve_batch* batch) {
  static char text[256];
  text[0] = '\0';
  OK(varve_batch_visit(batch, describe, text, &error));
  return text;
}

static void test_changes(void) {
  static const char all[] = "1 a=1@0 3 n=2@0 0 a=@0 2 b=c@0 4 e=v@77 ";
  varve_options* appending = varve_options_create();
  varve_db *db = NULL, *copy = NULL;
  varve_batch* batch = varve_batch_create();
  varve_batch* seen = varve_batch_create();
  varve_changes* changes = NULL;
  varve_hold* hold = NULL;
  OK(varve_options_set(appending, "merge_operator", "varve.append", &error));
  OK(varve_open(appending, path("changes"), &db, &error));
  OK(varve_open(appending, path("changes_copy"), &copy, &error));
  OK(varve_hold_create(db, 0, 0, &hold, &error));
  OK(varve_batch_put(batch, "a", 1, "1", 1, &error));
  OK(varve_batch_merge(batch, "n", 1, "2", 1, &error));
  OK(varve_batch_delete(batch, "a", 1, &error));
  OK(varve_batch_delete_range(batch, "b", 1, "c", 1, &error));
  OK(varve_batch_put_with_expiry(batch, "e", 1, "v", 1, 77, &error));
  CHECK(strcmp(operations(batch), all) == 0);
  OK(varve_write(db, NULL, batch, &error));
  put(db, "z", "2");
  OK(varve_flush(db, &error));

  OK(varve_changes_create(db, 0, &changes, &error));
  FAILS(varve_changes_batch(changes, seen, &error), VARVE_INVALID_ARGUMENT, "no batch");
  CHECK(varve_changes_next(changes) == 1 && varve_changes_sequence(changes) == 5);
  OK(varve_changes_batch(changes, seen, &error));
  CHECK(strcmp(operations(seen), all) == 0);
  OK(varve_write(copy, NULL, seen, &error));
  CHECK(varve_changes_next(changes) == 1);
  OK(varve_changes_batch(changes, seen, &error)); /* in place of what it held */
  CHECK(varve_batch_count(seen) == 1);
  OK(varve_write(copy, NULL, seen, &error));
  CHECK(varve_changes_next(changes) == 0);
  OK(varve_changes_status(changes, &error));
  put(db, "later", "3");
  CHECK(varve_changes_next(changes) == 1 && varve_changes_sequence(changes) == 7);
  CHECK(strcmp(get(copy, NULL, "n"), "2") == 0 && strcmp(get(copy, NULL, "z"), "2") == 0);

  varve_hold_advance(hold, 7);
  CHECK(varve_hold_sequence(hold) == 7);
  OK(varve_hold_status(hold, &error));
  varve_changes_destroy(changes);
  OK(varve_flush(db, &error));
  FAILS(varve_changes_create(db, 0, &changes, &error), VARVE_OUT_OF_RANGE, "Take a Checkpoint");
  CHECK(changes == NULL);
  OK(varve_changes_create(db, 7, &changes, &error));
  OK(varve_close(db, &error));
  CHECK(varve_changes_next(changes) == 0); /* after its database: an error, no crash */
  FAILS(varve_changes_status(changes, &error), VARVE_CLOSED, "closed");
  varve_changes_destroy(changes);
  varve_hold_destroy(hold);

  FAILS(varve_changes_create(NULL, 0, &changes, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_hold_create(NULL, 0, 0, &hold, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_changes_create(copy, 0, NULL, &error), VARVE_INVALID_ARGUMENT, "changes is NULL");
  FAILS(varve_changes_status(NULL, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_hold_status(NULL, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_batch_visit(batch, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "visit is NULL");
  FAILS(varve_batch_visit(NULL, describe, NULL, &error), VARVE_INVALID_ARGUMENT, "batch is NULL");
  CHECK(varve_changes_next(NULL) == 0 && varve_changes_sequence(NULL) == 0 && varve_hold_sequence(NULL) == 0);
  varve_changes_destroy(NULL);
  varve_hold_destroy(NULL);
  varve_hold_advance(NULL, 1);
  varve_batch_destroy(seen);
  varve_batch_destroy(batch);
  varve_options_destroy(appending);
  OK(varve_close(copy, &error));
}

static void test_ingest(void) {
  varve_options* appending = varve_options_create();
  varve_table_writer* writer = NULL;
  varve_db* db = NULL;
  const char* files[2];
  uint64_t size = 0, entries = 0, range_deletes = 0;
  char* text = NULL;
  OK(varve_options_set(appending, "merge_operator", "varve.append", &error));
  OK(varve_open(appending, path("ingest"), &db, &error));
  put(db, "m", "1");
  put(db, "q", "old");
  put(db, "x", "old");
  OK(varve_table_writer_create(appending, path("one.sst"), &writer, &error));
  OK(varve_table_writer_put(writer, "a", 1, "1", 1, &error));
  OK(varve_table_writer_put_with_expiry(writer, "e", 1, "gone", 4, 1, &error));
  OK(varve_table_writer_put_with_expiry(writer, "f", 1, NULL, 0, UINT64_MAX, &error));
  OK(varve_table_writer_merge(writer, "m", 1, "2", 1, &error));
  OK(varve_table_writer_delete(writer, "x", 1, &error));
  OK(varve_table_writer_delete_range(writer, "q", 1, "r", 1, &error));
  CHECK(varve_table_writer_size_estimate(writer) > 0);
  OK(varve_table_writer_finish(writer, &size, &entries, &range_deletes, &error));
  CHECK(size > 100 && entries == 5 && range_deletes == 1);
  FAILS(varve_table_writer_put(writer, "z", 1, "1", 1, &error), VARVE_INVALID_ARGUMENT, "is finished");
  varve_table_writer_destroy(writer);
  OK(varve_table_writer_create(NULL, path("two.sst"), &writer, &error));
  OK(varve_table_writer_put(writer, "b", 1, "2", 1, &error));
  OK(varve_table_writer_finish(writer, NULL, NULL, NULL, &error));
  varve_table_writer_destroy(writer);
  files[0] = path("one.sst");
  files[1] = path("two.sst");
  OK(varve_ingest(db, 2, files, 1, &error));
  CHECK(strcmp(get(db, NULL, "a"), "1") == 0 && strcmp(get(db, NULL, "b"), "2") == 0);
  CHECK(strcmp(get(db, NULL, "e"), "-") == 0 && strcmp(get(db, NULL, "f"), "") == 0);
  CHECK(strcmp(get(db, NULL, "m"), "12") == 0 && strcmp(get(db, NULL, "q"), "-") == 0);
  CHECK(strcmp(get(db, NULL, "x"), "-") == 0);
  OK(varve_jobs_json(db, &text, &error));
  CHECK(text != NULL && strstr(text, "\"kind\":\"ingest\"") != NULL);
  varve_free(text);
  FAILS(varve_ingest(db, 1, files, 1, &error), VARVE_NOT_FOUND, "one.sst"); /* they were moved */

  OK(varve_table_writer_create(NULL, path("bad.sst"), &writer, &error));
  FAILS(varve_table_writer_merge(writer, "m", 1, "2", 1, &error), VARVE_INVALID_ARGUMENT, "needs an operator");
  varve_table_writer_destroy(writer);
  FAILS(varve_table_writer_create(NULL, path("nowhere/x.sst"), &writer, &error), VARVE_NOT_FOUND, "nowhere/x.sst");
  CHECK(writer == NULL);
  FAILS(varve_table_writer_put(NULL, "k", 1, "v", 1, &error), VARVE_INVALID_ARGUMENT, "table writer is NULL");
  FAILS(varve_table_writer_finish(NULL, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "table writer is NULL");
  FAILS(varve_ingest(db, 1, NULL, 0, &error), VARVE_INVALID_ARGUMENT, "paths is NULL");
  OK(varve_ingest(db, 0, NULL, 0, &error));
  CHECK(varve_table_writer_size_estimate(NULL) == 0);
  varve_table_writer_destroy(NULL);
  varve_options_destroy(appending);
  OK(varve_close(db, &error));
}

static void test_backups(void) {
  varve_db* db = open_db("backed_up");
  struct work work = {0, 0, 0};
  uint64_t id = 0;
  char* text = NULL;
  put(db, "a", "1");
  OK(varve_backup_create(db, path("backups"), note_progress, &work, &id, &error));
  CHECK(id == 1 && work.calls > 0 && work.done == work.total && work.total > 0);
  put(db, "b", "2");
  OK(varve_backup_create(db, path("backups"), NULL, NULL, NULL, &error));
  OK(varve_close(db, &error));
  OK(varve_backup_list(path("backups"), &text, &error));
  CHECK(text != NULL && strncmp(text, "[{\"id\":1,", 9) == 0 && strstr(text, "},{\"id\":2,") != NULL);
  CHECK(text != NULL && strstr(text, "\"sequence\":2,") != NULL && strstr(text, "\"problems\":[]}]") != NULL);
  varve_free(text);
  OK(varve_backup_verify(path("backups"), 2, NULL, NULL, &text, &error));
  CHECK(text != NULL && strstr(text, "\"problems\":[]") != NULL);
  varve_free(text);
  OK(varve_backup_restore(path("backups"), 1, path("restored"), note_progress, &work, &error));
  db = open_db("restored");
  CHECK(strcmp(get(db, NULL, "a"), "1") == 0 && strcmp(get(db, NULL, "b"), "-") == 0);
  OK(varve_close(db, &error));
  OK(varve_backup_delete(path("backups"), 1, &error));
  FAILS(varve_backup_delete(path("backups"), 1, &error), VARVE_NOT_FOUND, "no backup 1");
  FAILS(varve_backup_restore(path("backups"), 2, path("restored"), NULL, NULL, &error), VARVE_INVALID_ARGUMENT,
        "exists already");
  shell("for f in %s/files/*.sst; do printf Z | dd of=$f bs=1 seek=3 conv=notrunc 2>/dev/null; done", "backups");
  FAILS(varve_backup_verify(path("backups"), 2, NULL, NULL, &text, &error), VARVE_CORRUPTION, "not those that were backed up");
  CHECK(text != NULL && strstr(text, ".sst") != NULL);
  varve_free(text);
  FAILS(varve_backup_create(NULL, path("backups"), NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "is NULL");
  FAILS(varve_backup_list(NULL, &text, &error), VARVE_INVALID_ARGUMENT, "dir is NULL");
  FAILS(varve_backup_restore(path("backups"), 2, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "target is NULL");
}

static void test_repair(void) {
  varve_db* db = open_db("broken");
  struct work work = {0, 0, 0};
  char* report = NULL;
  put(db, "a", "1");
  OK(varve_flush(db, &error));
  put(db, "b", "2");
  OK(varve_close(db, &error));
  shell("rm %s/CURRENT", "broken");
  FAILS(varve_open(NULL, path("broken"), &db, &error), VARVE_CORRUPTION, "CURRENT");
  OK(varve_repair(path("broken"), NULL, note_progress, &work, &report, &error));
  CHECK(report != NULL && strstr(report, "{\"manifest_used\":true,\"tables_kept\":1,") != NULL);
  CHECK(report != NULL && strstr(report, "\"losses\":[],\"moved\":[") != NULL && work.calls > 0);
  varve_free(report);
  db = open_db("broken");
  CHECK(strcmp(get(db, NULL, "a"), "1") == 0 && strcmp(get(db, NULL, "b"), "2") == 0);
  FAILS(varve_repair(path("broken"), NULL, NULL, NULL, NULL, &error), VARVE_BUSY, "broken");
  OK(varve_close(db, &error));
  FAILS(varve_repair(path("nowhere"), NULL, NULL, NULL, NULL, &error), VARVE_NOT_FOUND, "nowhere");
  FAILS(varve_repair(NULL, NULL, NULL, NULL, NULL, &error), VARVE_INVALID_ARGUMENT, "dir is NULL");
}

/* The kinds of the events, each followed by a blank. One flush at a time: they come one after the other. */
static void note_event(void* state, const char* event) {
  char* text = (char*)state;
  if (strlen(text) < 400) sscanf(event, "{\"event\":\"%30[a-z_]", text + strlen(text));
  strcat(text, " ");
  if (strstr(event, "job_finished") != NULL && strstr(event, "\"kind\":\"flush\"") == NULL) strcat(text, "? ");
  if (strstr(event, "job_finished") != NULL && strstr(event, "\"error\":\"\"}") == NULL) strcat(text, "! ");
}

static void test_listener(void) {
  varve_options* options = varve_options_create();
  varve_db* db = NULL;
  char events[512] = "";
  destroyed = 0;
  OK(varve_options_set_listener(options, NULL, count_destroyed, note_event, &error));
  OK(varve_options_set_listener(options, events, count_destroyed, note_event, &error));
  CHECK(destroyed == 1);
  OK(varve_open(options, path("listener"), &db, &error));
  varve_options_destroy(options);
  put(db, "a", "1");
  OK(varve_flush(db, &error));
  OK(varve_close(db, &error));
  CHECK(destroyed == 2);
  CHECK(strcmp(events, "job_started job_progress table_created job_finished ") == 0);
  FAILS(varve_options_set_listener(NULL, NULL, NULL, note_event, &error), VARVE_INVALID_ARGUMENT, "options is NULL");
}

/* A NULL in a place where it makes no sense is an error, not a crash; *error is replaced, not leaked. */
static void test_nulls(void) {
  varve_db* db = open_db("nulls");
  char* value = NULL;
  size_t size = 0;
  int found = 0;
  char* text = NULL;
  CHECK(varve_put(NULL, NULL, "k", 1, "v", 1, &text) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_put(db, NULL, NULL, 1, "v", 1, &text) == VARVE_INVALID_ARGUMENT);
  CHECK(text != NULL && strcmp(text, "invalid argument: key is NULL, but its size is 1") == 0);
  varve_free(text);
  CHECK(varve_put(db, NULL, "k", 1, NULL, 1, NULL) == VARVE_INVALID_ARGUMENT);
  OK(varve_close(db, &error));
  FAILS(varve_open(NULL, NULL, &db, &error), VARVE_INVALID_ARGUMENT, "dir is NULL");
  CHECK(db == NULL);
  CHECK(varve_open(NULL, "x", NULL, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_close(NULL, NULL) == VARVE_OK);
  CHECK(varve_get(NULL, NULL, "k", 1, &value, &size, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_get(NULL, NULL, "k", 1, NULL, NULL, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_get_into(NULL, NULL, "k", 1, NULL, &found, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_delete(NULL, NULL, "k", 1, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_write(NULL, NULL, NULL, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_batch_put(NULL, "k", 1, "v", 1, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_options_set(NULL, "mode", "owner", NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_flush(NULL, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_stats_json(NULL, NULL, NULL) == VARVE_INVALID_ARGUMENT);
  CHECK(varve_iterator_create(NULL, NULL) == NULL && varve_snapshot_create(NULL) == NULL);
  CHECK(varve_iterator_valid(NULL) == 0 && varve_iterator_key(NULL, &size) == NULL);
  CHECK(varve_iterator_status(NULL, NULL) == VARVE_INVALID_ARGUMENT);
  varve_iterator_next(NULL);
  varve_iterator_seek_to_last(NULL);
  varve_iterator_destroy(NULL);
  varve_snapshot_destroy(NULL);
  varve_batch_destroy(NULL);
  varve_options_destroy(NULL);
  varve_read_options_destroy(NULL);
  varve_read_options_set_snapshot(NULL, NULL);
  varve_write_options_destroy(NULL);
  varve_value_destroy(NULL);
  CHECK(varve_batch_count(NULL) == 0 && varve_value_data(NULL, &size) == NULL && size == 0);
  CHECK(varve_approximate_size(NULL, NULL, 0, NULL, 0) == 0);
  varve_free(NULL);
}

int main(void) {
  const char* temporary = getenv("TMPDIR");
  char command[1100];
  snprintf(root, sizeof root, "%s/varve_c_XXXXXX", temporary == NULL ? "/tmp" : temporary);
  snprintf(command, sizeof command, "mktemp -d %s", root);
  {
    FILE* made = popen(command, "r");
    if (made == NULL || fgets(root, sizeof root, made) == NULL) return 1;
    root[strcspn(root, "\n")] = '\0';
    pclose(made);
  }
  CHECK(strcmp(varve_code_name(VARVE_CORRUPTION), "corruption") == 0);
  CHECK(strcmp(varve_code_name(VARVE_OUT_OF_MEMORY), "out of memory") == 0);
  CHECK(strcmp(varve_code_name((varve_code)77), "unknown") == 0);
  CHECK(strchr(varve_version(), '.') != NULL);
  test_options();
  test_changing_options();
  test_rows();
  test_batches();
  test_reading();
  test_transactions();
  test_expiry();
  test_merges();
  test_filter();
  test_house();
  test_damage();
  test_damaged_value();
  test_event_loop();
  test_conditions();
  test_changes();
  test_ingest();
  test_backups();
  test_repair();
  test_listener();
  test_nulls();
  snprintf(command, sizeof command, "rm -rf %s", root);
  CHECK(system(command) == 0);
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
