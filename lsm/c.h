/* lsm/c.h - the engine for C, and for every language that can call C. Link libvarve.so or libvarve.a.
 *
 *   char* error = NULL;
 *   varve_db* db = NULL;
 *   if (varve_open(NULL, "data", &db, &error) != VARVE_OK) { puts(error); varve_free(error); return 1; }
 *   varve_put(db, NULL, "key", 3, "value", 5, &error);
 *
 * Who knows LevelDB's C interface knows this one. What every function keeps to:
 * Errors     A call that can fail returns a varve_code, VARVE_OK being 0, and takes `char** error` last. On failure *error
 *            is set to a text that says where, what and what to do; free it with varve_free. Set it to NULL before the
 *            first call: a text that is still there is freed and replaced. NULL for `error`: the text is not wanted.
 *            No exception and no signal of ours crosses this border; a NULL where a handle belongs gives
 *            VARVE_INVALID_ARGUMENT (functions without an error do nothing, or return 0 or NULL).
 * Bytes      Keys and values are a pointer and a size; they may hold zeros. The caller's bytes are not kept.
 *            What is returned as char* to keep (values, texts) is the caller's: varve_free.
 * Handles    Made by ..._create or varve_open, given back by ..._destroy or varve_close; NULL is fine there. Options may
 *            be NULL everywhere: the defaults. A database's memory stays until its last iterator, snapshot, value,
 *            transaction, stream and hold of changes is destroyed, in whatever order that happens.
 * Callbacks  get the `state` that was given with them. They must not end by longjmp or an exception. What they are handed
 *            is theirs until they return.
 * Threads    A varve_db and a snapshot may be used by any number of threads. Everything else belongs to one thread at a
 *            time.
 * Stable     Names, values and meaning of what is here do not change; additions come at the end. */
#ifndef VARVE_LSM_C_H_
#define VARVE_LSM_C_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#else
#define VARVE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_db varve_db;
typedef struct varve_options varve_options;
typedef struct varve_read_options varve_read_options;
typedef struct varve_write_options varve_write_options;
typedef struct varve_batch varve_batch;
typedef struct varve_iterator varve_iterator;
typedef struct varve_snapshot varve_snapshot;
typedef struct varve_value varve_value;
typedef struct varve_transaction varve_transaction;
typedef struct varve_output varve_output;
typedef struct varve_table_writer varve_table_writer;
typedef struct varve_changes varve_changes;
typedef struct varve_hold varve_hold;

/* See lsm/status.h for what each one means. */
typedef enum varve_code {
  VARVE_OK = 0,
  VARVE_INVALID_ARGUMENT = 1,
  VARVE_NOT_FOUND = 2, /* no database there; a missing key is no error */
  VARVE_CORRUPTION = 3,
  VARVE_UNSUPPORTED = 4,
  VARVE_IO_ERROR = 5,
  VARVE_NO_SPACE = 6,
  VARVE_BUSY = 7,
  VARVE_WOULD_BLOCK = 8,
  VARVE_FENCED = 9,
  VARVE_READ_ONLY = 10,
  VARVE_CLOSED = 11,
  VARVE_CONFLICT = 12,     /* a transaction was refused: begin it again */
  VARVE_OUT_OF_RANGE = 13, /* the log does not hold the changes asked for */
  VARVE_OUT_OF_MEMORY = 100,
  VARVE_INTERNAL = 101 /* a defect of Varve: please report the text */
} varve_code;

/* "corruption"; a constant. */
VARVE_API const char* varve_code_name(varve_code code);
/* "0.1.0"; a constant. */
VARVE_API const char* varve_version(void);
VARVE_API void varve_free(void* memory);

/* Where long work stands; called now and then in the caller's thread. A total of 0 is unknown. */
typedef void (*varve_progress_function)(void* state, uint64_t bytes_done, uint64_t bytes_total);

/* ---- Options: by the names of docs/options.md, values as text ("256MiB", "true", "always"). ---------------------- */
/* A merge operator, a compaction filter and a listener are set by functions of their own, below. */

VARVE_API varve_options* varve_options_create(void);
VARVE_API void varve_options_destroy(varve_options* options);
VARVE_API varve_code varve_options_set(varve_options* options, const char* name, const char* value, char** error);
VARVE_API varve_code varve_options_get(const varve_options* options, const char* name, char** value, char** error);

VARVE_API varve_read_options* varve_read_options_create(void);
VARVE_API void varve_read_options_destroy(varve_read_options* options);
/* Read as of `snapshot`; NULL: as of the call. The options share in the snapshot: it may be destroyed before them. */
VARVE_API void varve_read_options_set_snapshot(varve_read_options* options, const varve_snapshot* snapshot);
/* Iterators see keys in [lower, upper) only. Copied. Size 0: no bound. */
VARVE_API varve_code varve_read_options_set_bounds(varve_read_options* options, const char* lower, size_t lower_size,
                                                   const char* upper, size_t upper_size, char** error);
/* 0: blocks that are read do not stay in the cache; for one-time sweeps. */
VARVE_API void varve_read_options_set_fill_cache(varve_read_options* options, int fill_cache);

VARVE_API varve_write_options* varve_write_options_create(void);
VARVE_API void varve_write_options_destroy(varve_write_options* options);
/* 1: the write is durable when the call returns, whatever the option wal_sync says. */
VARVE_API void varve_write_options_set_sync(varve_write_options* options, int sync);

/* ---- The database. ------------------------------------------------------------------------------------------------ */

/* Opens or creates the database in `dir`; *db is NULL on failure. */
VARVE_API varve_code varve_open(const varve_options* options, const char* dir, varve_db** db, char** error);
/* Waits for writers, stops background work, syncs the log, lets go of the directory and of the handle, even when it
 * returns an error. No other thread may be inside a call with `db`, nor begin one. */
VARVE_API varve_code varve_close(varve_db* db, char** error);

VARVE_API varve_code varve_put(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                               const char* value, size_t value_size, char** error);
VARVE_API varve_code varve_delete(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                                  char** error);
/* Deletes every key in [begin, end). */
VARVE_API varve_code varve_delete_range(varve_db* db, const varve_write_options* options, const char* begin,
                                        size_t begin_size, const char* end, size_t end_size, char** error);
/* All of the batch or nothing. The batch stays as it is: clear it before it is filled anew. */
VARVE_API varve_code varve_write(varve_db* db, const varve_write_options* options, varve_batch* batch, char** error);

/* *value is the caller's copy (varve_free), or NULL with VARVE_OK when the key is not there. An empty value is not NULL.
 * A byte 0 follows the value, not counted in *value_size. */
VARVE_API varve_code varve_get(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                               char** value, size_t* value_size, char** error);
/* `count` gets against one state of the database; each values[i] as varve_get's. On failure all are NULL. */
VARVE_API varve_code varve_multi_get(varve_db* db, const varve_read_options* options, size_t count,
                                     const char* const* keys, const size_t* key_sizes, char** values,
                                     size_t* value_sizes, char** error);

/* A place for values that is used again and again: no allocation for small ones, no copy of large ones. */
VARVE_API varve_value* varve_value_create(void);
VARVE_API void varve_value_destroy(varve_value* value);
/* Points into `value` or the database's cache; valid until the next call with `value`. */
VARVE_API const char* varve_value_data(const varve_value* value, size_t* size);
VARVE_API varve_code varve_get_into(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                                    varve_value* value, int* found, char** error);
/* The same without touching the disk: VARVE_WOULD_BLOCK when the answer is not in memory. */
VARVE_API varve_code varve_try_get_into(varve_db* db, const varve_read_options* options, const char* key,
                                        size_t key_size, varve_value* value, int* found, char** error);

/* ---- For event loops: calls that never wait for the disk or for other writers. ------------------------------------ */

/* `value` is NULL when the key is not there; `error` is NULL when `code` is VARVE_OK. */
typedef void (*varve_get_function)(void* state, varve_code code, const char* error, const char* value,
                                   size_t value_size);
/* varve_get whose answer comes by a call of `answer`: once, within this call when it is in memory, else from a thread
 * that reads for the database. VARVE_BUSY, and no call, when 1024 reads wait for the disk already. `answer` must not
 * close the database, which waits for it. `options` may be destroyed at once. */
VARVE_API varve_code varve_get_async(varve_db* db, const varve_read_options* options, const char* key, size_t key_size,
                                     varve_get_function answer, void* state, char** error);

/* `code` is VARVE_OK when the write is durable, else it never will be. */
typedef void (*varve_durable_function)(void* state, varve_code code, const char* error);
/* varve_write that is logged and visible on return. VARVE_BUSY, with nothing written, where varve_write would have to
 * wait. `on_durable` is called once, from a background thread, when the log is synced past the write; NULL: it is not.
 * *sequence (NULL: not wanted) is that of the last operation. */
VARVE_API varve_code varve_write_async(varve_db* db, varve_batch* batch, varve_durable_function on_durable, void* state,
                                       uint64_t* sequence, char** error);
/* How close writers are to having to wait. 0: free; 1: varve_write has begun to delay; 2: varve_write_async says
 * VARVE_BUSY. *delay_us is what is suggested to wait before the next write; NULL: not wanted. */
VARVE_API int varve_write_pressure(varve_db* db, uint64_t* delay_us);

/* ---- Batches: operations that become visible together or not at all. ---------------------------------------------- */

VARVE_API varve_batch* varve_batch_create(void);
VARVE_API void varve_batch_destroy(varve_batch* batch);
VARVE_API void varve_batch_clear(varve_batch* batch);
VARVE_API size_t varve_batch_count(const varve_batch* batch);
/* A key or value over the limits is reported here, and by varve_write. */
VARVE_API varve_code varve_batch_put(varve_batch* batch, const char* key, size_t key_size, const char* value,
                                     size_t value_size, char** error);
VARVE_API varve_code varve_batch_delete(varve_batch* batch, const char* key, size_t key_size, char** error);
VARVE_API varve_code varve_batch_delete_range(varve_batch* batch, const char* begin, size_t begin_size, const char* end,
                                              size_t end_size, char** error);
/* Appends the operations of `other` behind those of `batch`; not to itself. */
VARVE_API varve_code varve_batch_append(varve_batch* batch, const varve_batch* other, char** error);

typedef enum varve_operation_kind {
  VARVE_DELETE = 0,
  VARVE_PUT = 1,
  VARVE_DELETE_RANGE = 2, /* from `key` to `value`, exclusive */
  VARVE_MERGE = 3,        /* `value` is the operand */
  VARVE_PUT_WITH_EXPIRY = 4
} varve_operation_kind;

/* `expire_at_ms` is 0 but for VARVE_PUT_WITH_EXPIRY. */
typedef void (*varve_operation_function)(void* state, varve_operation_kind kind, const char* key, size_t key_size,
                                         const char* value, size_t value_size, uint64_t expire_at_ms);
/* Calls `visit` for each operation, in their order. It must not change the batch. */
VARVE_API varve_code varve_batch_visit(const varve_batch* batch, varve_operation_function visit, void* state,
                                       char** error);

/* varve_write, if no key of `keys` was written, or deleted with a range, with a sequence above `since`; else
 * VARVE_CONFLICT, with nothing written. The caller holds a snapshot at `since` or older. */
VARVE_API varve_code varve_write_if_unchanged(varve_db* db, const varve_write_options* options, varve_batch* batch,
                                              size_t count, const char* const* keys, const size_t* key_sizes,
                                              uint64_t since, char** error);

/* ---- Snapshots: one state of the database, kept readable until destroyed. ------------------------------------------ */

/* NULL only for lack of memory. */
VARVE_API varve_snapshot* varve_snapshot_create(varve_db* db);
VARVE_API void varve_snapshot_destroy(varve_snapshot* snapshot);
VARVE_API uint64_t varve_snapshot_sequence(const varve_snapshot* snapshot);

/* ---- Iterators. Not valid before the first seek. ------------------------------------------------------------------- */

/* Never fails by itself: what is wrong, varve_iterator_status says. NULL only for lack of memory. */
VARVE_API varve_iterator* varve_iterator_create(varve_db* db, const varve_read_options* options);
VARVE_API void varve_iterator_destroy(varve_iterator* it);
VARVE_API int varve_iterator_valid(const varve_iterator* it);
VARVE_API void varve_iterator_seek_to_first(varve_iterator* it);
VARVE_API void varve_iterator_seek_to_last(varve_iterator* it);
VARVE_API void varve_iterator_seek(varve_iterator* it, const char* key, size_t key_size);          /* first >= key */
VARVE_API void varve_iterator_seek_for_prev(varve_iterator* it, const char* key, size_t key_size); /* last <= key */
VARVE_API void varve_iterator_next(varve_iterator* it); /* nothing happens when not valid */
VARVE_API void varve_iterator_prev(varve_iterator* it);
/* Valid until the iterator moves; NULL and size 0 when not valid. A large value may have to be read from the disk: where
 * that fails, the iterator is not valid any more and its status says why. */
VARVE_API const char* varve_iterator_key(const varve_iterator* it, size_t* size);
VARVE_API const char* varve_iterator_value(varve_iterator* it, size_t* size);
/* When the value goes, in milliseconds since 1970; 0: it stays. */
VARVE_API uint64_t varve_iterator_expire_at_ms(const varve_iterator* it);
/* A loop also ends on an error: look after it. */
VARVE_API varve_code varve_iterator_status(const varve_iterator* it, char** error);
/* A seek and a step that do not touch the disk. 0: the next key is not in memory; then the iterator is not valid, its
 * status is VARVE_WOULD_BLOCK, and varve_iterator_resume finishes the step, in whichever thread may wait. */
VARVE_API int varve_iterator_try_seek(varve_iterator* it, const char* key, size_t key_size);
VARVE_API int varve_iterator_try_next(varve_iterator* it); /* of one that is valid, and was reached going forward */
VARVE_API void varve_iterator_resume(varve_iterator* it);

/* ---- Optimistic transactions: see lsm/transaction.h. -------------------------------------------------------------- */

/* Reads see the database as of now, with the transaction's own writes above. NULL only for lack of memory. */
VARVE_API varve_transaction* varve_transaction_create(varve_db* db);
/* Of the state that is read. */
VARVE_API uint64_t varve_transaction_sequence(const varve_transaction* txn);
/* Without a commit, nothing was written. */
VARVE_API void varve_transaction_destroy(varve_transaction* txn);
/* As varve_get. */
VARVE_API varve_code varve_transaction_get(varve_transaction* txn, const char* key, size_t key_size, char** value,
                                           size_t* value_size, char** error);
/* The same, and the commit is refused when somebody else writes the key from now on. */
VARVE_API varve_code varve_transaction_get_for_update(varve_transaction* txn, const char* key, size_t key_size,
                                                      char** value, size_t* value_size, char** error);
VARVE_API varve_code varve_transaction_put(varve_transaction* txn, const char* key, size_t key_size, const char* value,
                                           size_t value_size, char** error);
VARVE_API varve_code varve_transaction_delete(varve_transaction* txn, const char* key, size_t key_size, char** error);
VARVE_API varve_code varve_transaction_delete_range(varve_transaction* txn, const char* begin, size_t begin_size,
                                                    const char* end, size_t end_size, char** error);
/* Sees the writes made before it. Of the options, bounds and fill_cache count. */
VARVE_API varve_iterator* varve_transaction_iterator_create(varve_transaction* txn, const varve_read_options* options);
/* Savepoints nest. Rolling back forgets the writes since the latest, which stays; releasing forgets it, not the writes. */
VARVE_API varve_code varve_transaction_set_savepoint(varve_transaction* txn, char** error);
VARVE_API varve_code varve_transaction_rollback_to_savepoint(varve_transaction* txn, char** error);
VARVE_API varve_code varve_transaction_release_savepoint(varve_transaction* txn, char** error);
/* Writes everything or, with VARVE_CONFLICT, nothing. After both, and after a rollback, `txn` is a new transaction that
 * reads the state of now; after any other failure it is as it was. */
VARVE_API varve_code varve_transaction_commit(varve_transaction* txn, const varve_write_options* options, char** error);
VARVE_API varve_code varve_transaction_rollback(varve_transaction* txn, char** error);

/* ---- Keeping house. ------------------------------------------------------------------------------------------------ */

/* Makes every write acknowledged so far durable. */
VARVE_API varve_code varve_sync(varve_db* db, char** error);
/* Writes the memtable to a table and waits for it. */
VARVE_API varve_code varve_flush(varve_db* db, char** error);
/* Compacts what lies in [begin, end] and waits. Size 0: from the first, to the last. */
VARVE_API varve_code varve_compact_range(varve_db* db, const char* begin, size_t begin_size, const char* end,
                                         size_t end_size, char** error);
/* Waits until no flush or compaction is due. */
VARVE_API varve_code varve_wait_for_background_work(varve_db* db, char** error);
/* A second database in `dir`, which must not exist, by hard links. */
VARVE_API varve_code varve_checkpoint(varve_db* db, const char* dir, char** error);
/* Reads and checks every block of every table. *report is JSON: tables, blocks, entries, values, problems.
 * VARVE_CORRUPTION when there is a problem; *error is then the first one. `progress` and `report` may be NULL. */
VARVE_API varve_code varve_verify(varve_db* db, varve_progress_function progress, void* state, char** report,
                                  char** error);
/* Counters and levels; lines "name value", or one JSON object, which has the jobs under way too. */
VARVE_API varve_code varve_stats_text(varve_db* db, char** text, char** error);
VARVE_API varve_code varve_stats_json(varve_db* db, char** json, char** error);
/* The flushes, compactions and so on that were finished, oldest first: a JSON array of objects as lsm/job.h has them. */
VARVE_API varve_code varve_jobs_json(varve_db* db, char** json, char** error);
/* The live table files, level by level: a JSON array of objects as TableFileFacts of lsm/db.h has them. In its keys a
 * byte that is no printable ASCII is \xHH and a backslash \\. */
VARVE_API varve_code varve_tables_json(varve_db* db, char** json, char** error);
/* The directory; valid until varve_close. */
VARVE_API const char* varve_dir(varve_db* db);
/* Bytes of table files that hold keys in [begin, end), about; size 0: from the first, to the last. */
VARVE_API uint64_t varve_approximate_size(varve_db* db, const char* begin, size_t begin_size, const char* end,
                                          size_t end_size);
/* Opened with mode "follow": moves the view to what the owner has written by now. */
VARVE_API varve_code varve_catch_up(varve_db* db, char** error);
/* Changes `count` options while the database runs, all or none; names and values as for varve_options_set.
 * VARVE_INVALID_ARGUMENT for one that cannot change. Not kept: the next open takes what it is given. */
VARVE_API varve_code varve_set_options(varve_db* db, size_t count, const char* const* names, const char* const* values,
                                       char** error);
/* The option as it is now; *value is the caller's (varve_free). */
VARVE_API varve_code varve_get_option(varve_db* db, const char* name, char** value, char** error);
/* Gives back the space of what was deleted or overwritten in [begin, end] and waits; size 0 as for varve_compact_range.
 * Needs room for one step, not for the range. */
VARVE_API varve_code varve_reclaim_space(varve_db* db, const char* begin, size_t begin_size, const char* end,
                                         size_t end_size, char** error);

/* ---- Values that expire. ------------------------------------------------------------------------------------------ */

/* A put that reads no longer see from `expire_at_ms` on: milliseconds since 1970. */
VARVE_API varve_code varve_put_with_expiry(varve_db* db, const varve_write_options* options, const char* key,
                                           size_t key_size, const char* value, size_t value_size, uint64_t expire_at_ms,
                                           char** error);
VARVE_API varve_code varve_batch_put_with_expiry(varve_batch* batch, const char* key, size_t key_size,
                                                 const char* value, size_t value_size, uint64_t expire_at_ms,
                                                 char** error);
VARVE_API varve_code varve_transaction_put_with_expiry(varve_transaction* txn, const char* key, size_t key_size,
                                                       const char* value, size_t value_size, uint64_t expire_at_ms,
                                                       char** error);

/* ---- Merges: operands that the database's merge operator lays on a value, see lsm/merge_operator.h. --------------- */

/* The option merge_operator chooses a built-in operator: "varve.counter" (int64 of eight bytes, little-endian) or
 * "varve.append". Without an operator these give VARVE_INVALID_ARGUMENT, the last two once they are written. */
VARVE_API varve_code varve_merge(varve_db* db, const varve_write_options* options, const char* key, size_t key_size,
                                 const char* operand, size_t operand_size, char** error);
VARVE_API varve_code varve_batch_merge(varve_batch* batch, const char* key, size_t key_size, const char* operand,
                                       size_t operand_size, char** error);
VARVE_API varve_code varve_transaction_merge(varve_transaction* txn, const char* key, size_t key_size,
                                             const char* operand, size_t operand_size, char** error);

/* Where a callback leaves bytes: it may append any number of times while it runs. Empty on call. */
VARVE_API void varve_output_append(varve_output* output, const char* data, size_t size);

/* What `count` operands, oldest first and at least one, make of `base`; NULL: the key holds nothing (an empty value is
 * not NULL). 0: these bytes cannot be merged; then reads of the key give VARVE_CORRUPTION. Else 1. */
typedef int (*varve_merge_function)(void* state, const char* key, size_t key_size, const char* base, size_t base_size,
                                    size_t count, const char* const* operands, const size_t* operand_sizes,
                                    varve_output* result);
/* One operand that does what `count` operands, oldest first and at least two, do one after the other. 0: there is none. */
typedef int (*varve_combine_function)(void* state, const char* key, size_t key_size, size_t count,
                                      const char* const* operands, const size_t* operand_sizes, varve_output* result);
/* An operator of the caller's. `name` is copied and recorded in databases, which are opened with no other one. `combine`
 * may be NULL: the operator is not associative. The callbacks run in many threads at one time and must not call the
 * database. `destroy` (NULL: nothing is to be done) is called once with `state` when
 * the options have another operator or are gone, and so are all databases opened with this one; when the call itself
 * fails, `state` stays the caller's. */
VARVE_API varve_code varve_options_set_merge_operator(varve_options* options, const char* name, void* state,
                                                      void (*destroy)(void* state), varve_merge_function merge,
                                                      varve_combine_function combine, char** error);

/* ---- Compaction filters: what compactions drop or change, see lsm/compaction_filter.h. ---------------------------- */

typedef enum varve_filter_decision {
  VARVE_FILTER_KEEP = 0,
  VARVE_FILTER_DROP = 1,  /* as if the key had been deleted */
  VARVE_FILTER_CHANGE = 2 /* to what was appended to `new_value` */
} varve_filter_decision;

/* `level` is the one written to. */
typedef varve_filter_decision (*varve_filter_function)(void* state, int level, const char* key, size_t key_size,
                                                       const char* value, size_t value_size, varve_output* new_value);
/* `state`, `destroy` and what the callback must not do are as for a merge operator. `filter` NULL: none, and `state` is
 * not kept. */
VARVE_API varve_code varve_options_set_compaction_filter(varve_options* options, void* state,
                                                         void (*destroy)(void* state), varve_filter_function filter,
                                                         char** error);

/* ---- Listeners: told what the database does in the background, see lsm/event_listener.h. -------------------------- */

/* `event` is a JSON object with a member "event":
 *   job_started, job_progress         "job": as in varve_stats_json, with bytes_done and bytes_total
 *   job_finished                      "job": as in varve_jobs_json, "error": "" when it succeeded
 *   table_created, table_deleted      "number", "path"
 *   stall_begin                       "why"            writers are held
 *   stall_end                         "duration_us"
 *   background_error                  "error"
 * Called by several threads at one time; whoever calls waits for the listener. It may read the database, not write to it
 * nor wait for background work. */
typedef void (*varve_listener_function)(void* state, const char* event);
/* `state` and `destroy` are as for a merge operator. `listener` NULL: none, and `state` is not kept. */
VARVE_API varve_code varve_options_set_listener(varve_options* options, void* state, void (*destroy)(void* state),
                                                varve_listener_function listener, char** error);

/* ---- Taking in sorted files, see lsm/table_writer.h. -------------------------------------------------------------- */

/* Creates the file `path`; one that exists is overwritten. The options that shape a table count, and merge_operator. */
VARVE_API varve_code varve_table_writer_create(const varve_options* options, const char* path,
                                               varve_table_writer** writer, char** error);
/* Without a finish that succeeded the file is removed. */
VARVE_API void varve_table_writer_destroy(varve_table_writer* writer);
/* Keys ascend, each has one operation. After an error the file is lost. */
VARVE_API varve_code varve_table_writer_put(varve_table_writer* writer, const char* key, size_t key_size,
                                            const char* value, size_t value_size, char** error);
VARVE_API varve_code varve_table_writer_put_with_expiry(varve_table_writer* writer, const char* key, size_t key_size,
                                                        const char* value, size_t value_size, uint64_t expire_at_ms,
                                                        char** error);
VARVE_API varve_code varve_table_writer_merge(varve_table_writer* writer, const char* key, size_t key_size,
                                              const char* operand, size_t operand_size, char** error);
VARVE_API varve_code varve_table_writer_delete(varve_table_writer* writer, const char* key, size_t key_size,
                                               char** error);
/* [begin, end), in any order; of what the database held before, never of the file's own keys. */
VARVE_API varve_code varve_table_writer_delete_range(varve_table_writer* writer, const char* begin, size_t begin_size,
                                                     const char* end, size_t end_size, char** error);
/* Bytes so far, about. */
VARVE_API uint64_t varve_table_writer_size_estimate(const varve_table_writer* writer);
/* Completes the file. Each number may be NULL: not wanted. */
VARVE_API varve_code varve_table_writer_finish(varve_table_writer* writer, uint64_t* file_size, uint64_t* entries,
                                               uint64_t* range_deletes, char** error);
/* Takes in `count` files: they become visible together, as if written just now in this order, and are durable on return.
 * With `move_files` they are linked where that can be, and their own names removed; else they are copied and stay. */
VARVE_API varve_code varve_ingest(varve_db* db, size_t count, const char* const* paths, int move_files, char** error);

/* ---- The change stream, see lsm/changes.h. ------------------------------------------------------------------------ */

/* What was written behind `sequence` (0: everything), from the log. VARVE_OUT_OF_RANGE when the log does not reach back
 * so far: take a checkpoint and go on from its sequence. */
VARVE_API varve_code varve_changes_create(varve_db* db, uint64_t sequence, varve_changes** changes, char** error);
VARVE_API void varve_changes_destroy(varve_changes* changes);
/* Moves to the next committed batch: 1. 0 when there is none now, or on an error, which the status tells. Never waits. */
VARVE_API int varve_changes_next(varve_changes* changes);
VARVE_API varve_code varve_changes_status(const varve_changes* changes, char** error);
/* Of the last operation read so far: where another stream would go on. */
VARVE_API uint64_t varve_changes_sequence(const varve_changes* changes);
/* Puts the operations of the batch into `batch`, in place of what it holds: to be visited, or written elsewhere. */
VARVE_API varve_code varve_changes_batch(const varve_changes* changes, varve_batch* batch, char** error);

/* Keeps what was written behind `sequence` in the log as long as the hold lives, or until it has kept `bytes_max` bytes
 * (0: no limit) that nobody else needs. */
VARVE_API varve_code varve_hold_create(varve_db* db, uint64_t sequence, uint64_t bytes_max, varve_hold** hold,
                                       char** error);
VARVE_API void varve_hold_destroy(varve_hold* hold);
/* What is behind `sequence` is enough from now on. Never moves back. */
VARVE_API void varve_hold_advance(varve_hold* hold, uint64_t sequence);
VARVE_API uint64_t varve_hold_sequence(const varve_hold* hold);
/* VARVE_OUT_OF_RANGE once it would have kept more than `bytes_max`: it is broken, and the log may go. */
VARVE_API varve_code varve_hold_status(const varve_hold* hold, char** error);

/* ---- Backups: a directory of them that share what they have in common, see lsm/backup.h. `progress` may be NULL. --- */

/* Adds a backup of `db` to `dir`, which is made when missing. Writers go on. *id (NULL: not wanted) is above all others. */
VARVE_API varve_code varve_backup_create(varve_db* db, const char* dir, varve_progress_function progress, void* state,
                                         uint64_t* id, char** error);
/* Oldest first: a JSON array of {"id","wall_ms","sequence","files","bytes","new_bytes","problems"}. */
VARVE_API varve_code varve_backup_list(const char* dir, char** json, char** error);
/* Reads every file of a backup; `report` and the code as varve_verify's. */
VARVE_API varve_code varve_backup_verify(const char* dir, uint64_t id, varve_progress_function progress, void* state,
                                         char** report, char** error);
/* Forgets a backup, and removes the files that no other one holds. */
VARVE_API varve_code varve_backup_delete(const char* dir, uint64_t id, char** error);
/* Makes the database `target`, which must not exist: all of it, checked and durable, or nothing. */
VARVE_API varve_code varve_backup_restore(const char* dir, uint64_t id, const char* target,
                                          varve_progress_function progress, void* state, char** error);

/* ---- Repair, see lsm/repair.h. ------------------------------------------------------------------------------------ */

/* Makes an openable database of what is left of a damaged one. VARVE_OK also when something was lost: *report (NULL: not
 * wanted) is JSON: manifest_used, tables_kept, tables_rewritten, entries, log_records, last_sequence, losses, moved. */
VARVE_API varve_code varve_repair(const char* dir, const varve_options* options, varve_progress_function progress,
                                  void* state, char** report, char** error);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_LSM_C_H_ */
