/*
 * keepwell: one embedded data layer. This header is generated from src/ffi; do not edit it.
 *
 * Conventions
 *
 * Handles are 64-bit numbers. 0 is never valid. A handle that is stale, of another kind, or inherited through fork() is an error
 * (KW_INVALID_HANDLE, KW_FORKED), never undefined behaviour. Closing what is closed already is harmless.
 *
 * Every function returns a kw_status: KW_OK, or the number of an error (kw_rows_step also KW_ROW and KW_DONE). A function that can fail in
 * more ways takes a kw_error as its last argument: NULL, or a struct of the caller's, initialized with KW_ERROR_INIT. It is written on
 * failure only. Nothing in it has to be freed, and there is no "last error" elsewhere.
 *
 * Outputs are written on success only. Inputs come first and are const; they are needed during the call alone.
 *
 * A struct begins with its size. Initialize it with its KW_..._INIT macro: fields that a later version adds are then zero, and zero always
 * means what it meant before.
 *
 * Text is UTF-8 with a length in bytes and may hold NULs, except for SQL; KW_NUL_TERMINATED as a length means that it ends at its NUL.
 * Invalid UTF-8 in SQL is an error; values keep their bytes whatever they are.
 *
 * Threads: every function may be called from any thread. Rows, transactions and pinned connections are used by one thread at a time; a
 * second one at the same moment gets KW_MISUSE. Stores, statements, configurations and tokens are used by any number of threads.
 *
 * Fork: in a forked child every inherited handle answers KW_FORKED, and a new store can be opened. Nothing has to be called.
 *
 * Times are in the unit that the name says: _us microseconds, _ms milliseconds, _ns nanoseconds.
 */

#ifndef KEEPWELL_H
#define KEEPWELL_H

#include <stddef.h>
#include <stdint.h>

/** As a length: the text ends at its NUL. */
#define KW_NUL_TERMINATED SIZE_MAX

/* Initializers: KW_OPTIONS_INIT and so on. */
#define KW_ERROR_INIT { (uint32_t)sizeof(kw_error), 0, 0, 0, -1, 0, { 0 }, { 0 } }
#define KW_OPTIONS_INIT { (uint32_t)sizeof(kw_options), 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0 }
#define KW_RESULT_INIT { (uint32_t)sizeof(kw_result), 0, 0, 0 }
#define KW_WRITE_INIT { (uint32_t)sizeof(kw_write), 0, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL }
#define KW_BATCH_INIT { (uint32_t)sizeof(kw_batch), 0, 0, 0, NULL }
#define KW_FETCH_INIT { (uint32_t)sizeof(kw_fetch), 0, 0, 0, 0, 0, 0 }
#define KW_STATEMENT_INFO_INIT { (uint32_t)sizeof(kw_statement_info), 0, 0, 0 }
#define KW_STATS_INIT { (uint32_t)sizeof(kw_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define KW_CACHE_STATS_INIT { (uint32_t)sizeof(kw_cache_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define KW_HEALTH_INIT { (uint32_t)sizeof(kw_health), 0, 0, 0, { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } }
#define KW_LOG_EVENT_INIT { (uint32_t)sizeof(kw_log_event), 0, 0, 0, NULL, 0, NULL, 0, NULL, 0 }
#define KW_MIGRATION_INIT { (uint32_t)sizeof(kw_migration), 0, 0, NULL, NULL, KW_NUL_TERMINATED, NULL, KW_NUL_TERMINATED }
#define KW_MIGRATE_OPTIONS_INIT { (uint32_t)sizeof(kw_migrate_options), 0, 0, 0, NULL, NULL, NULL }
#define KW_REPORT_SUMMARY_INIT { (uint32_t)sizeof(kw_report_summary), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define KW_REPORT_MIGRATION_INIT { (uint32_t)sizeof(kw_report_migration), 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL }
#define KW_REPORT_PROBLEM_INIT { (uint32_t)sizeof(kw_report_problem), 0, 0, NULL, NULL }
#define KW_REPORT_TABLE_INIT { (uint32_t)sizeof(kw_report_table), 0, 0, 0, NULL }


/**
 * SQL NULL. A zeroed cell is NULL.
 */
#define KW_NULL 0

/**
 * A 64-bit signed integer in `value.integer`.
 */
#define KW_INTEGER 1

/**
 * A double in `value.real`.
 */
#define KW_REAL 2

/**
 * UTF-8 text at `value.data`, `length` bytes. As a parameter, a length of `UINT32_MAX` means NUL-terminated.
 */
#define KW_TEXT 3

/**
 * Bytes at `value.data`, `length` of them.
 */
#define KW_BLOB 4

/**
 * Parameters only: text, `value.integer` bytes after the start of the *first* cell of the array. A block of parameters without pointers.
 */
#define KW_TEXT_AT 5

/**
 * Parameters only: bytes, addressed as with `KW_TEXT_AT`.
 */
#define KW_BLOB_AT 6

/**
 * The room for an error's message, its NUL included.
 */
#define KW_MESSAGE_SIZE 512

/**
 * The same statement may succeed when run again.
 */
#define KW_ERROR_RETRY_STATEMENT 1

/**
 * The whole transaction may succeed when run again from its start.
 */
#define KW_ERROR_RETRY_TRANSACTION 2

/**
 * A new connection is needed; the pool has dropped the broken one.
 */
#define KW_ERROR_RECONNECT 4

/**
 * The deadline passed.
 */
#define KW_ERROR_TIMED_OUT 8

/**
 * The caller cancelled.
 */
#define KW_ERROR_CANCELLED 16

/**
 * The commit is durable although an error is reported.
 */
#define KW_ERROR_COMMITTED 32

/**
 * The engine rolled the whole transaction back.
 */
#define KW_ERROR_ROLLED_BACK 64

/**
 * The engine refuses every write of the call (`KW_READ_ONLY`). For `kw_conn_acquire`: a reader instead of the writer.
 */
#define KW_OPTION_READ_ONLY 1

/**
 * Do not keep the statement prepared.
 */
#define KW_OPTION_UNPREPARED 2

/**
 * Queries only: answer `KW_NEEDS_WRITER` instead of waiting for the writer.
 */
#define KW_OPTION_NO_WRITER 4

/**
 * The call is not tied to its operating-system thread (goroutines): no look for waits of a thread for itself.
 */
#define KW_OPTION_UNBOUND 8

/**
 * `kw_query_into` only: the first row holds the column names as text.
 */
#define KW_OPTION_COLUMN_NAMES 16

/**
 * `kw_tx_begin` only: timeout and token hold for all calls of the transaction, fetches included, and not for its beginning alone. Nothing
 * ends a commit or rollback.
 */
#define KW_OPTION_WHOLE 32

/**
 * Queries of a store only: answer `KW_EXHAUSTED` instead of running the statement when the cache has no result. Needs no connection.
 */
#define KW_OPTION_CACHED 64

/**
 * As the store is configured: `cache.enabled` and `query.use_cache`.
 */
#define KW_CACHE_DEFAULT 0

/**
 * Take the result from the cache if it holds, else run the query and keep what it gives. No effect where `cache.enabled` is false.
 */
#define KW_CACHE_USE 1

/**
 * Neither look nor keep.
 */
#define KW_CACHE_SKIP 2

/**
 * Run the query and replace what is cached.
 */
#define KW_CACHE_REFRESH 3

/**
 * Nothing follows this batch.
 */
#define KW_BATCH_LAST 1

/**
 * No statement was run for this result: it was kept from an earlier query and still holds.
 */
#define KW_BATCH_CACHED 2

/**
 * `kw_tx_begin`: immediate.
 */
#define KW_TX_DEFAULT 0

/**
 * Takes the database's write lock at its first write; that write may be a `KW_CONFLICT`.
 */
#define KW_TX_DEFERRED 1

/**
 * Takes the database's write lock at once.
 */
#define KW_TX_IMMEDIATE 2

/**
 * Like immediate; outside WAL mode it keeps readers of other processes out too.
 */
#define KW_TX_EXCLUSIVE 3

/**
 * On a reader: one snapshot for all its queries, no writes.
 */
#define KW_TX_READ_ONLY 4

/**
 * `kw_migrate`: apply what is pending, up to `version` and no more than `steps` of them where these are given.
 */
#define KW_MIGRATE_UP 1

/**
 * Undo what is applied above `version` (0: all), or so many `steps`; without either the newest one.
 */
#define KW_MIGRATE_DOWN 2

/**
 * Apply and undo until `version` is the newest one.
 */
#define KW_MIGRATE_TO 3

/**
 * Undo the newest one and apply it again.
 */
#define KW_MIGRATE_REDO 4

/**
 * Every migration that the source or the history knows. Writes nothing.
 */
#define KW_MIGRATE_STATUS 5

/**
 * What `KW_MIGRATE_UP` would do. Writes nothing.
 */
#define KW_MIGRATE_PLAN 6

/**
 * Does what `KW_MIGRATE_UP` would do, in one transaction, and rolls it back.
 */
#define KW_MIGRATE_DRY_RUN 7

/**
 * Applies, undoes and applies again on a copy of the database, and says what differs.
 */
#define KW_MIGRATE_REHEARSE 8

/**
 * Takes everything up to `version` for applied, without running it.
 */
#define KW_MIGRATE_BASELINE 9

/**
 * Takes `version` for applied, without running it.
 */
#define KW_MIGRATE_MARK 10

/**
 * Takes over the history of another tool, with its checksums verified.
 */
#define KW_MIGRATE_ADOPT 11

/**
 * The status, and whether schema and rows are what the migrations left.
 */
#define KW_MIGRATE_VERIFY 12

/**
 * `kw_migrate_options.flags`: `version` is given.
 */
#define KW_MIGRATE_HAS_VERSION 1

/**
 * `kw_migrate_options.flags`: `steps` is given.
 */
#define KW_MIGRATE_HAS_STEPS 2

/**
 * `kw_migrate_event.phase`: a migration begins; one of its statements has run; it is applied, or undone.
 */
#define KW_PHASE_BEGIN 1

#define KW_PHASE_STATEMENT 2

#define KW_PHASE_DONE 3

/**
 * `direction`: applied by running it, undone, marked without running it, taken over from another tool.
 */
#define KW_DIRECTION_UP 1

#define KW_DIRECTION_DOWN 2

#define KW_DIRECTION_BASELINE 3

#define KW_DIRECTION_ADOPT 4

/**
 * `kw_report_migration.state`.
 */
#define KW_MIGRATION_PENDING 1

#define KW_MIGRATION_APPLIED 2

/**
 * Applied, and the source has another text.
 */
#define KW_MIGRATION_CHANGED 3

/**
 * Applied, and the source does not have it.
 */
#define KW_MIGRATION_MISSING 4

/**
 * Applied, and newer than all that the source has.
 */
#define KW_MIGRATION_NEWER 5

/**
 * Pending below an applied one.
 */
#define KW_MIGRATION_OUT_OF_ORDER 6

/**
 * Only a part of it has run.
 */
#define KW_MIGRATION_INTERRUPTED 7

/**
 * Undone by this operation.
 */
#define KW_MIGRATION_REVERTED 8

/**
 * Not run by a dry run, which cannot take it back.
 */
#define KW_MIGRATION_SKIPPED 9

/**
 * `kw_report_migration.flags`: it can be undone; it runs inside a transaction.
 */
#define KW_MIGRATION_REVERSIBLE 1

#define KW_MIGRATION_TRANSACTIONAL 2

/**
 * `kw_metrics_text`: the text of Prometheus, version 0.0.4.
 */
#define KW_METRICS_PROMETHEUS 0

/**
 * `kw_metrics_text`: the text of OpenMetrics, version 1.0.0.
 */
#define KW_METRICS_OPENMETRICS 1

/**
 * `kw_statement_report`: most time in all first.
 */
#define KW_BY_TOTAL 0

/**
 * Most calls first.
 */
#define KW_BY_CALLS 1

/**
 * Most time for each call first.
 */
#define KW_BY_MEAN 2

/**
 * Longest call first.
 */
#define KW_BY_WORST 3

/**
 * Most rows returned or changed first.
 */
#define KW_BY_ROWS 4

/**
 * Most rows gone through in whole tables first.
 */
#define KW_BY_SCANNED 5

/**
 * Connections that read.
 */
#define KW_ROLE_READER 0

/**
 * The connection that writes.
 */
#define KW_ROLE_WRITER 1

/**
 * No events.
 */
#define KW_LOG_OFF 0

/**
 * What an operator has to look at: I/O errors, a full disk, a corrupt file.
 */
#define KW_LOG_ERROR 1

/**
 * What may become a problem: slow calls, timeouts, forgotten transactions, a second SQLite library.
 */
#define KW_LOG_WARN 2

/**
 * Stores opened and closed, migrations applied.
 */
#define KW_LOG_INFO 3

/**
 * Errors that programs can expect, connections opened and closed, transactions run again.
 */
#define KW_LOG_DEBUG 4

/**
 * Everything.
 */
#define KW_LOG_TRACE 5

/**
 * The answer of nearly every function: `KW_OK`, `KW_ROW`, `KW_DONE`, or the number of an error.
 * Numbers are never reused. `kw_status_name` gives a number's name.
 */
typedef int32_t kw_status;

/**
 * A configuration that is being built.
 */
typedef uint64_t kw_config;

/**
 * What went wrong. The caller owns it; initialize it with `KW_ERROR_INIT`. Written only when a call fails; nothing to free.
 */
typedef struct kw_error {
    /**
     * `sizeof(kw_error)`.
     */
    uint32_t struct_size;
    /**
     * The status that the call returned.
     */
    kw_status code;
    /**
     * The engine's primary code (SQLite: 19 for SQLITE_CONSTRAINT), 0 where the engine was not asked.
     */
    int32_t engine_code;
    /**
     * The engine's extended code (SQLite: 2067 for SQLITE_CONSTRAINT_UNIQUE).
     */
    int32_t engine_extended_code;
    /**
     * The byte in the SQL that the error is about, -1 where unknown.
     */
    int32_t sql_offset;
    /**
     * `KW_ERROR_…` flags.
     */
    uint32_t flags;
    /**
     * The five-character SQLSTATE class, NUL-terminated.
     */
    char sqlstate[8];
    /**
     * Operation, object, numbers and cure: UTF-8, NUL-terminated, cut at a character's edge.
     */
    char message[512];
} kw_error;

/**
 * A store: a database that is open.
 */
typedef uint64_t kw_store;

/**
 * The state of a store's pool. Initialize with `KW_STATS_INIT`.
 */
typedef struct kw_stats {
    /**
     * `sizeof(kw_stats)`.
     */
    uint32_t struct_size;
    /**
     * Connections that there may be.
     */
    uint32_t max_open;
    /**
     * Connections that are open.
     */
    uint32_t open;
    uint32_t in_use;
    uint32_t idle;
    /**
     * Callers waiting for a connection now.
     */
    uint32_t waiting;
    /**
     * Waits for a connection so far, and their nanoseconds.
     */
    uint64_t waits;
    uint64_t wait_ns;
    /**
     * Connections opened so far, and closed, by reason.
     */
    uint64_t opened;
    uint64_t closed_max_idle;
    uint64_t closed_idle_time;
    uint64_t closed_lifetime;
    uint64_t closed_broken;
    /**
     * Leases that came back with something open, which was undone.
     */
    uint64_t resets;
    /**
     * Connections that came back changed and were discarded.
     */
    uint64_t discards;
    /**
     * Waits that ended without a connection.
     */
    uint64_t exhausted;
    uint64_t self_deadlocks;
    /**
     * Times the log was copied into the database.
     */
    uint64_t checkpoints;
    /**
     * Frames (pages) in the log now.
     */
    uint64_t log_frames;
    /**
     * Transactions that single writes of several callers shared (`writer.group_commit`), and the writes in them.
     */
    uint64_t groups;
    uint64_t grouped_writes;
    /**
     * Writes that were run again because another one had ended the transaction that they shared.
     */
    uint64_t replayed_writes;
} kw_stats;

/**
 * The cache of results in numbers. Initialize with `KW_CACHE_STATS_INIT`. Each query that asked for the cache and succeeded is one of hits,
 * misses and bypasses.
 */
typedef struct kw_cache_stats {
    /**
     * `sizeof(kw_cache_stats)`.
     */
    uint32_t struct_size;
    /**
     * 0 where `cache.enabled` is false.
     */
    uint32_t enabled;
    uint64_t hits;
    /**
     * Queries that were run and whose results could be kept.
     */
    uint64_t misses;
    /**
     * Queries that were run and whose results could not be kept, by reason: `cache.enabled` is false;
     */
    uint64_t bypass_disabled;
    /**
     * inside a transaction or on a pinned connection;
     */
    uint64_t bypass_transaction;
    /**
     * no single SELECT;
     */
    uint64_t bypass_statement;
    /**
     * a function whose result may depend on more than its arguments;
     */
    uint64_t bypass_function;
    /**
     * a table-valued function whose changes nobody can follow;
     */
    uint64_t bypass_table;
    /**
     * a commit of this store was becoming visible at that moment;
     */
    uint64_t bypass_under_way;
    /**
     * the schema could not be read, or was changing;
     */
    uint64_t bypass_schema;
    /**
     * larger than a sixteenth of `cache.max_bytes`, or read only in part.
     */
    uint64_t bypass_size;
    /**
     * Results that left because something that they rest on had changed, because of their age, and for want of room.
     */
    uint64_t invalidated;
    uint64_t expired;
    uint64_t evicted;
    /**
     * Results kept now, and their bytes with what goes with them.
     */
    uint64_t entries;
    uint64_t bytes;
    /**
     * `cache.size` and `cache.max_bytes`.
     */
    uint64_t max_entries;
    uint64_t max_bytes;
} kw_cache_stats;

/**
 * Where SQL runs: a `kw_store`, `kw_tx`, `kw_conn`, or one of these with default options attached (`kw_target_derive`).
 */
typedef uint64_t kw_target;

/**
 * What a cell holds, by its type.
 */
typedef union kw_value {
    int64_t integer;
    double real;
    const void *data;
} kw_value;

/**
 * One value in 16 bytes: a parameter, or a cell of a result. Text of a result is followed by a NUL byte that `length` does not count.
 */
typedef struct kw_cell {
    union kw_value value;
    /**
     * Bytes of text or blob; 0 otherwise.
     */
    uint32_t length;
    /**
     * `KW_NULL` … `KW_BLOB_AT`.
     */
    uint32_t type;
} kw_cell;

/**
 * A switch that ends calls.
 */
typedef uint64_t kw_cancel;

/**
 * A prepared statement, valid on every connection of its store, from any thread.
 */
typedef uint64_t kw_statement;

/**
 * Called on the calling thread about every 20 ms while a call waits or runs long; non-zero cancels the call.
 * It must not use the transaction, connection or rows of that call, nor write to its store, and must not unwind.
 */
typedef int32_t (*kw_tick)(void *context);

/**
 * Options of one call; NULL or all zero is right for most. Initialize with `KW_OPTIONS_INIT`.
 */
typedef struct kw_options {
    /**
     * `sizeof(kw_options)`.
     */
    uint32_t struct_size;
    /**
     * `KW_OPTION_…` flags.
     */
    uint32_t flags;
    /**
     * Microseconds for queue, locks, execution and retries together; 0: the store's `query.timeout`; negative: none.
     * For rows that are still being fetched it counts anew for each fetch.
     */
    int64_t timeout_us;
    /**
     * A token that ends the call; 0: none.
     */
    kw_cancel cancel;
    /**
     * Run this prepared statement; `sql` must be NULL then. 0: none.
     */
    kw_statement statement;
    /**
     * NULL: parameters in order. Else one NUL-terminated name per parameter, with or without its `:`, `@` or `$`.
     */
    const char *const *param_names;
    /**
     * Hears of a call that takes long; NULL: nobody. Must stay valid until rows that it was given for are closed.
     */
    kw_tick tick;
    /**
     * Passed to `tick`.
     */
    void *tick_context;
    /**
     * `KW_CACHE_…`: what a query wants of the cache of results. Inside transactions and on pinned connections it is neither read nor filled.
     */
    int32_t cache;
    /**
     * Rows in a batch; 0: the store's `query.batch_rows` (256). A result from the cache is one batch.
     */
    uint32_t batch_rows;
    /**
     * Milliseconds: how old a result from the cache may be, and how long what is kept may serve; 0: `query.cache_ttl`, else `cache.ttl`.
     */
    int64_t cache_ttl_ms;
} kw_options;

/**
 * The rows of a query. Used by one thread at a time.
 */
typedef uint64_t kw_rows;

/**
 * What a fetch put into the caller's memory: `rows × columns` cells from its start, then the bytes they point to.
 * Initialize with `KW_FETCH_INIT`.
 */
typedef struct kw_fetch {
    /**
     * `sizeof(kw_fetch)`.
     */
    uint32_t struct_size;
    uint32_t columns;
    /**
     * Rows in the memory, the one with the column names included.
     */
    uint32_t rows;
    /**
     * `KW_BATCH_…`.
     */
    uint32_t flags;
    /**
     * Equal numbers from one store mean equal column names.
     */
    uint64_t columns_id;
    /**
     * When not even the next row fitted (`rows` is 0 and `more` is not): the bytes that it needs.
     */
    uint64_t needed;
    /**
     * 0 when the result is complete, else the rows that follow: fetch on, or close them.
     */
    kw_rows more;
} kw_fetch;

/**
 * What a write changed. Initialize with `KW_RESULT_INIT`.
 */
typedef struct kw_result {
    /**
     * `sizeof(kw_result)`.
     */
    uint32_t struct_size;
    uint32_t reserved;
    /**
     * The key of the row inserted last, 0 if the statement inserted none.
     */
    int64_t last_insert_id;
    /**
     * Rows that the statement itself inserted, updated or deleted, without those of triggers and cascades.
     */
    int64_t rows_affected;
} kw_result;

/**
 * One write of a `kw_execute_group`. Initialize with `KW_WRITE_INIT`. The first fields say what to run, as the arguments of `kw_execute` and
 * `kw_query_into` do; the last ones get what became of it.
 */
typedef struct kw_write {
    /**
     * `sizeof(kw_write)`, the same in each element of an array.
     */
    uint32_t struct_size;
    /**
     * Out: what the call would have returned for this write alone.
     */
    kw_status status;
    /**
     * NULL when `options->statement` is given.
     */
    const char *sql;
    size_t sql_len;
    const struct kw_cell *params;
    size_t param_count;
    /**
     * The options of this write alone, or NULL.
     */
    const struct kw_options *options;
    /**
     * Memory for rows (RETURNING), 8-byte aligned; used when `fetch` is not NULL.
     */
    void *buffer;
    size_t buffer_size;
    /**
     * Out: what was put into the buffer. NULL: rows are dropped.
     */
    struct kw_fetch *fetch;
    /**
     * Out: what was changed, when `fetch` is NULL. May be NULL.
     */
    struct kw_result *result;
    /**
     * Out, on failure. May be NULL.
     */
    struct kw_error *error;
} kw_write;

/**
 * Some rows, row by row, in the library's memory: valid until the next call on the rows. Initialize with `KW_BATCH_INIT`.
 */
typedef struct kw_batch {
    /**
     * `sizeof(kw_batch)`.
     */
    uint32_t struct_size;
    uint32_t columns;
    /**
     * 0 at the end.
     */
    uint32_t rows;
    /**
     * `KW_BATCH_…`.
     */
    uint32_t flags;
    /**
     * `rows × columns` cells.
     */
    const struct kw_cell *cells;
} kw_batch;

/**
 * What is known of a prepared statement. Initialize with `KW_STATEMENT_INFO_INIT`.
 */
typedef struct kw_statement_info {
    /**
     * `sizeof(kw_statement_info)`.
     */
    uint32_t struct_size;
    uint32_t parameter_count;
    uint32_t column_count;
    /**
     * 1 when the engine says that it changes nothing in the database.
     */
    uint32_t read_only;
} kw_statement_info;

/**
 * A transaction, or a savepoint inside one. Used by one thread at a time.
 */
typedef uint64_t kw_tx;

/**
 * A pinned connection. Used by one thread at a time.
 */
typedef uint64_t kw_conn;

/**
 * The body of a transaction (`kw_tx_run`), called on the calling thread. `KW_OK` commits; every other value rolls back and comes out of
 * `kw_tx_run`: the status of a call that failed, or a negative number of the program's own. It hands `err`, which the library owns, on to
 * the calls it makes: there the library reads whether to run the body again. It must not unwind (C++ exceptions, longjmp).
 */
typedef int32_t (*kw_tx_body)(kw_tx tx, void *context, struct kw_error *err);

/**
 * A set of migrations for one store.
 */
typedef uint64_t kw_migrations;

/**
 * One migration of the program's. Initialize with `KW_MIGRATION_INIT`. All is copied.
 */
typedef struct kw_migration {
    /**
     * `sizeof(kw_migration)`.
     */
    uint32_t struct_size;
    uint32_t reserved;
    /**
     * 0 or more, unique in the set.
     */
    int64_t version;
    /**
     * NUL-terminated.
     */
    const char *description;
    /**
     * The statements that apply it.
     */
    const char *up;
    /**
     * In bytes, or `KW_NUL_TERMINATED`.
     */
    size_t up_len;
    /**
     * The statements that undo it; NULL: it cannot be undone.
     */
    const char *down;
    size_t down_len;
} kw_migration;

/**
 * Something that a run does.
 */
typedef struct kw_migrate_event {
    /**
     * `sizeof(kw_migrate_event)` of the library.
     */
    uint32_t struct_size;
    /**
     * `KW_PHASE_…`.
     */
    uint32_t phase;
    int64_t version;
    /**
     * `KW_DIRECTION_UP` or `KW_DIRECTION_DOWN`.
     */
    uint32_t direction;
    uint32_t reserved;
    /**
     * Which migration of this run it is, from 1, and how many there will be as far as can be told.
     */
    uint64_t index;
    uint64_t total;
    /**
     * The number of the statement that has just run, from 1; 0 in other phases.
     */
    uint64_t statement;
    /**
     * How much of the migration's text is done, in bytes, and how long it is.
     */
    uint64_t offset;
    uint64_t length;
    /**
     * Rows changed by the statement, or by the migration.
     */
    int64_t rows_changed;
    /**
     * UTF-8 with a length in bytes, not NUL-terminated.
     */
    const char *description;
    size_t description_len;
    const char *file;
    size_t file_len;
    const char *sql;
    size_t sql_len;
} kw_migrate_event;

/**
 * Hears of each migration and statement of a run, on the thread of `kw_migrate`; anything but 0 ends the run with `KW_CANCELLED`. What it
 * is told is valid during the call alone. It must not use the store.
 */
typedef int32_t (*kw_migrate_progress)(const struct kw_migrate_event *event, void *context);

/**
 * How an operation is done. Initialize with `KW_MIGRATE_OPTIONS_INIT`.
 */
typedef struct kw_migrate_options {
    /**
     * `sizeof(kw_migrate_options)`.
     */
    uint32_t struct_size;
    /**
     * `KW_MIGRATE_HAS_…`.
     */
    uint32_t flags;
    int64_t version;
    uint64_t steps;
    kw_migrate_progress progress;
    void *context;
    /**
     * Timeout (none by default: `query.timeout` does not hold), token, tick and flags; may be NULL.
     */
    const struct kw_options *call;
} kw_migrate_options;

/**
 * What an operation on migrations found and did.
 */
typedef uint64_t kw_report;

/**
 * A column of a rebuilt table with the expression over the old table that fills it.
 */
typedef struct kw_rebuild_column {
    /**
     * NUL-terminated.
     */
    const char *name;
    /**
     * An SQL expression, NUL-terminated.
     */
    const char *expression;
} kw_rebuild_column;

/**
 * A report in numbers. Initialize with `KW_REPORT_SUMMARY_INIT`.
 */
typedef struct kw_report_summary {
    /**
     * `sizeof(kw_report_summary)`.
     */
    uint32_t struct_size;
    /**
     * Whether `before` and `version` are there: some migration was applied before, is applied now.
     */
    uint32_t has_before;
    uint32_t has_version;
    uint32_t reserved;
    /**
     * The newest version that was applied before, and that is applied now.
     */
    int64_t before;
    int64_t version;
    /**
     * Migrations that are pending now.
     */
    uint64_t pending;
    /**
     * How many `kw_report_migration_at`, `kw_report_problem_at` and `kw_report_table_at` have.
     */
    uint64_t migrations;
    uint64_t problems;
    uint64_t tables;
    uint64_t duration_us;
} kw_report_summary;

/**
 * One migration of a report. Initialize with `KW_REPORT_MIGRATION_INIT`. Texts are NUL-terminated, borrowed until the report is freed.
 */
typedef struct kw_report_migration {
    /**
     * `sizeof(kw_report_migration)`.
     */
    uint32_t struct_size;
    /**
     * `KW_MIGRATION_PENDING` and so on.
     */
    uint32_t state;
    /**
     * `KW_DIRECTION_…`.
     */
    uint32_t direction;
    /**
     * `KW_MIGRATION_REVERSIBLE`, `KW_MIGRATION_TRANSACTIONAL`.
     */
    uint32_t flags;
    int64_t version;
    /**
     * Statements run, and rows that they changed.
     */
    uint64_t statements;
    int64_t rows_changed;
    uint64_t duration_us;
    const char *description;
    /**
     * Empty for a migration given by the program, or one that the source does not have.
     */
    const char *file;
    /**
     * SHA-256 of the text with line ends made alike, in hexadecimal.
     */
    const char *checksum;
    /**
     * UTC, as `2026-01-31T12:00:00.000Z`; empty when it is not applied.
     */
    const char *applied_at;
} kw_report_migration;

/**
 * Something that is wrong or worth knowing. Initialize with `KW_REPORT_PROBLEM_INIT`. Texts as in `kw_report_migration`.
 */
typedef struct kw_report_problem {
    /**
     * `sizeof(kw_report_problem)`.
     */
    uint32_t struct_size;
    uint32_t has_version;
    int64_t version;
    /**
     * `changed`, `missing`, `newer`, `out_of_order`, `gap`, `interrupted`, `drift`, `foreign_key`, `irreversible`, `rows`, `schema`, `note`.
     */
    const char *kind;
    const char *message;
} kw_report_problem;

/**
 * The rows of a table before and after; -1 where the table was or is not there. Initialize with `KW_REPORT_TABLE_INIT`.
 */
typedef struct kw_report_table {
    /**
     * `sizeof(kw_report_table)`.
     */
    uint32_t struct_size;
    uint32_t reserved;
    int64_t before;
    int64_t after;
    /**
     * NUL-terminated, borrowed until the report is freed.
     */
    const char *table;
} kw_report_table;

/**
 * Whether a store can work now, and what an operator asks first. Initialize with `KW_HEALTH_INIT`.
 */
typedef struct kw_health {
    /**
     * `sizeof(kw_health)`.
     */
    uint32_t struct_size;
    uint32_t can_read;
    uint32_t can_write;
    /**
     * It does what it was opened for, and there is no problem.
     */
    uint32_t healthy;
    /**
     * Why not; empty when all is well. NUL-terminated.
     */
    char message[512];
    /**
     * The pool: see `kw_stats`.
     */
    uint32_t max_open;
    uint32_t open;
    uint32_t in_use;
    uint32_t idle;
    uint32_t waiting;
    /**
     * Whether `schema_version` is known: the newest migration that is applied.
     */
    uint32_t has_schema_version;
    int64_t schema_version;
    /**
     * Sizes of database and log in bytes; 0 where they are not known.
     */
    uint64_t database_bytes;
    uint64_t wal_bytes;
    /**
     * The error that a call ended with last, however long ago: its status (`KW_OK`: there was none), when, in milliseconds since 1970, and
     * its message, cut where it is long. NUL-terminated.
     */
    kw_status last_error_code;
    uint32_t last_error_reserved;
    uint64_t last_error_at_ms;
    char last_error[512];
} kw_health;

/**
 * One event of the log. Initialize with `KW_LOG_EVENT_INIT`. Its texts are NUL-terminated, and borrowed: in a callback until it returns,
 * from `kw_log_next` until the next call on the same handle.
 */
typedef struct kw_log_event {
    /**
     * `sizeof(kw_log_event)`.
     */
    uint32_t struct_size;
    /**
     * `KW_LOG_ERROR` to `KW_LOG_TRACE`.
     */
    uint32_t level;
    /**
     * When, in microseconds since 1970.
     */
    int64_t time_us;
    /**
     * Events that this view has lost just before this one because it was full.
     */
    uint64_t dropped;
    /**
     * Which part of the library: `keepwell::slow`, `keepwell::error`, `keepwell::pool`, `keepwell::store`, …
     */
    const char *target;
    size_t target_len;
    /**
     * A sentence for people.
     */
    const char *message;
    size_t message_len;
    /**
     * The same for programs: a JSON object with `store` and what the event has besides.
     */
    const char *fields;
    size_t fields_len;
} kw_log_event;

/**
 * Called for each event, on the thread on which it happens, also on several at once: it must not take long, and no event of its own reaches
 * it.
 */
typedef void (*kw_log_callback)(const struct kw_log_event *event, void *context);

/**
 * An open view of the log: a bounded line of events.
 */
typedef uint64_t kw_log;

/**
 * Success.
 */
#define KW_OK 0

/**
 * An engine error that has no class of its own.
 */
#define KW_ERROR 1

/**
 * Wrong use: a NULL argument, a second thread on one handle, calls in the wrong order, a second SQLite library beside keepwell on one file
 * where `options.second_sqlite` is `refuse`.
 */
#define KW_MISUSE 2

/**
 * A handle that is 0, stale, of another kind, or closed.
 */
#define KW_INVALID_HANDLE 3

/**
 * A handle that this process inherited through fork(). Open a store of this process instead.
 */
#define KW_FORKED 4

/**
 * A panic inside keepwell, stopped at the border. The connection concerned is discarded; everything else goes on.
 */
#define KW_PANIC 5

/**
 * A configuration key or value that is wrong; the message names the right one.
 */
#define KW_CONFIG 6

/**
 * SQL that the engine does not accept; `sql_offset` says where.
 */
#define KW_SQL 7

/**
 * Too few, too many or misnamed parameters.
 */
#define KW_PARAMETER 8

/**
 * A constraint was violated; `engine_extended_code` says which.
 */
#define KW_CONSTRAINT 9

/**
 * Another process holds the database's lock.
 */
#define KW_BUSY 10

/**
 * The call's deadline passed.
 */
#define KW_TIMEOUT 11

/**
 * The call was cancelled by its token or tick.
 */
#define KW_CANCELLED 12

/**
 * No connection became free in time; the message names who holds them.
 */
#define KW_EXHAUSTED 13

/**
 * The calling thread would have waited for a connection that it holds itself.
 */
#define KW_SELF_DEADLOCK 14

/**
 * The store is closing or closed.
 */
#define KW_CLOSED 15

/**
 * A write through something that may only read.
 */
#define KW_READ_ONLY 16

/**
 * The operating system reported an I/O error.
 */
#define KW_IO 17

/**
 * The disk or the database is full.
 */
#define KW_FULL 18

/**
 * The file is corrupt, or no database.
 */
#define KW_CORRUPT 19

/**
 * The file could not be opened.
 */
#define KW_CANT_OPEN 20

/**
 * Memory ran out.
 */
#define KW_NO_MEMORY 21

/**
 * A value, row or statement is over a limit.
 */
#define KW_TOO_BIG 22

/**
 * Another process committed first: run the transaction again from its start.
 */
#define KW_CONFLICT 23

/**
 * The transaction has already ended.
 */
#define KW_TX_ENDED 24

/**
 * Text that is not UTF-8, or a NUL inside SQL.
 */
#define KW_ENCODING 25

/**
 * The operating system does not permit it.
 */
#define KW_PERMISSION 26

/**
 * With `KW_OPTION_NO_WRITER`: the statement writes. Call again without the flag.
 */
#define KW_NEEDS_WRITER 27

/**
 * The engine or this build cannot do it.
 */
#define KW_UNSUPPORTED 28

/**
 * The process-wide store was not initialized.
 */
#define KW_NOT_INITIALIZED 29

/**
 * The process-wide store was initialized already.
 */
#define KW_ALREADY_INITIALIZED 30

/**
 * A `struct_size` that this library does not know, or an unknown field that is not zero.
 */
#define KW_ABI 31

/**
 * A cell is not of the type that was asked for, or does not fit.
 */
#define KW_TYPE 32

/**
 * A migration that cannot be applied as things are: its set, its history or its text; the message names files, versions and the cure.
 */
#define KW_MIGRATION 33

/**
 * The database has migrations that this program does not know: it was migrated by a newer program.
 */
#define KW_SCHEMA_NEWER 34

/**
 * `kw_rows_step`: there is a row.
 */
#define KW_ROW 100

/**
 * `kw_rows_step`: there is no further row.
 */
#define KW_DONE 101

/**
 * The process-wide store (`kw_initialize`), accepted wherever a store or target is.
 */
#define KW_INSTANCE 1

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, for example "0.1.0". Never NULL, never freed.
 */
const char *kw_version(void);

/**
 * The name of a status, for example "KW_BUSY"; "KW_UNKNOWN" for a number that is none. Never NULL, never freed.
 */
const char *kw_status_name(kw_status status);

/**
 * A description of this library as JSON: version, functions, struct sizes and offsets, status numbers, features. Never NULL, never freed.
 */
const char *kw_abi_describe(void);

/**
 * A configuration with every key at its default. Free it with `kw_config_free`; a store that was opened with it does not need it.
 */
kw_status kw_config_new(kw_config *out,
                        struct kw_error *err);

/**
 * Sets one key (`pool.max_open`, `options.synchronous`, …; the README lists them) from text. Errors: `KW_CONFIG`, with the nearest right
 * key, or the value and its range.
 */
kw_status kw_config_set(kw_config config,
                        const char *key,
                        size_t key_len,
                        const char *value,
                        size_t value_len,
                        struct kw_error *err);

/**
 * The value of one key as text that `kw_config_set` takes, in the key's unit: set, or the default; empty for a data source that is not set.
 *
 * As much as fits goes into the buffer of `buffer_size` bytes, with a NUL at its end (nothing, where the size is 0). `length` is that of
 * the whole value without its NUL: where it is not less than `buffer_size`, call again with more room. Errors: `KW_CONFIG`, with the
 * nearest right key.
 */
kw_status kw_config_get(kw_config config,
                        const char *key,
                        size_t key_len,
                        char *buffer,
                        size_t buffer_size,
                        size_t *length,
                        struct kw_error *err);

/**
 * Reads YAML text; keys that it does not name stay as they are. Errors: `KW_CONFIG`, with the line.
 */
kw_status kw_config_load_yaml(kw_config config, const char *yaml, size_t yaml_len, struct kw_error *err);

/**
 * Reads a YAML file. Errors: `KW_CONFIG`, with file and line; `KW_IO`.
 */
kw_status kw_config_load_file(kw_config config, const char *path, size_t path_len, struct kw_error *err);

/**
 * Sets the data source: a path, a URI (`file:app.db?mode=rwc`), or `:memory:`. Errors: `KW_CONFIG`.
 */
kw_status kw_config_load_uri(kw_config config, const char *uri, size_t uri_len, struct kw_error *err);

/**
 * Frees a configuration. Harmless for one that is freed already.
 */
kw_status kw_config_free(kw_config config);

/**
 * Opens the process-wide store, which is `KW_INSTANCE` from then on. Blocks while other processes hold the database, up to
 * `pool.wait_timeout`. Errors: `KW_ALREADY_INITIALIZED`, and those of `kw_open`.
 */
kw_status kw_initialize(kw_config config,
                        struct kw_error *err);

/**
 * Gives `KW_INSTANCE` when the process-wide store is open. Errors: `KW_NOT_INITIALIZED`.
 */
kw_status kw_instance(kw_store *out, struct kw_error *err);

/**
 * Opens a store. The configuration is copied and may be freed. Blocks while other processes hold the database, up to `pool.wait_timeout`.
 * Errors: `KW_CONFIG`, `KW_CANT_OPEN`, `KW_CORRUPT` (also: not a database), `KW_READ_ONLY`, `KW_IO`, `KW_TIMEOUT`; `KW_MISUSE` for a
 * second SQLite library on the file where `options.second_sqlite` is `refuse`, which then also ends every later call.
 */
kw_status kw_open(kw_config config,
                  kw_store *out,
                  struct kw_error *err);

/**
 * Closes a store: admits nobody any more, waits up to `drain_us` microseconds (negative: `close_timeout` of the configuration) for what is
 * under way, ends the rest, rolls back what is open, and closes the database. The handle is gone in any case; closing it again is harmless.
 * Errors: `KW_TIMEOUT` when something had to be ended, with who that was.
 */
kw_status kw_store_close(kw_store store,
                         int64_t drain_us,
                         struct kw_error *err);

/**
 * The value of one key of the configuration that the store was opened with, like `kw_config_get`. Never blocks.
 */
kw_status kw_store_config(kw_store store,
                          const char *key,
                          size_t key_len,
                          char *buffer,
                          size_t buffer_size,
                          size_t *length,
                          struct kw_error *err);

/**
 * The state of a store's pool in numbers. Never blocks for long.
 */
kw_status kw_store_stats(kw_store store, struct kw_stats *out, struct kw_error *err);

/**
 * How many warnings there are: what the configuration gave when the store was opened, and what was noticed since, such as a second SQLite
 * library on the store's file (`options.second_sqlite`). The list only grows, by at most 16.
 */
kw_status kw_store_warning_count(kw_store store,
                                 uint32_t *out,
                                 struct kw_error *err);

/**
 * A warning: the key that it is about (`options.second_sqlite: …`) and a sentence. The text stays as long as the
 * process lives.
 */
kw_status kw_store_warning(kw_store store, uint32_t index, const char **text, size_t *len, struct kw_error *err);

/**
 * The cache of results in numbers. Never blocks for long.
 */
kw_status kw_store_cache_stats(kw_store store, struct kw_cache_stats *out, struct kw_error *err);

/**
 * Forgets all results of the cache. Rows that somebody holds stay valid. Correctness never asks for it; it gives memory back.
 */
kw_status kw_store_cache_clear(kw_store store,
                               struct kw_error *err);

/**
 * Runs one statement and returns its rows.
 *
 * A read runs on a reader; a result that fits into the first batch has given its connection back when this returns, a longer one holds
 * it until the rows are closed or read to their end. A write (INSERT … RETURNING) runs to its end on the writer and is committed when this
 * returns. Blocks while no connection is free, another process holds the lock, or the statement runs, up to the timeout.
 * Errors: `KW_SQL`, `KW_PARAMETER`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_EXHAUSTED`, `KW_SELF_DEADLOCK`, …; see the table of statuses.
 */
kw_status kw_query(kw_target target,
                   const char *sql,
                   size_t sql_len,
                   const struct kw_cell *params,
                   size_t param_count,
                   const struct kw_options *options,
                   kw_rows *rows,
                   struct kw_error *err);

/**
 * Runs one statement and copies its rows into the caller's memory: nothing to close when all of them fit.
 *
 * The memory (8-byte aligned) gets `rows × columns` cells and behind them the bytes that they point to. When there are more rows than fit,
 * `out->more` is a rows handle with the rest. Otherwise like `kw_query`.
 */
kw_status kw_query_into(kw_target target,
                        const char *sql,
                        size_t sql_len,
                        const struct kw_cell *params,
                        size_t param_count,
                        const struct kw_options *options,
                        void *buffer,
                        size_t buffer_size,
                        struct kw_fetch *out,
                        struct kw_error *err);

/**
 * Runs one statement to its end on the writer and says what it changed; committed when this returns, unless the target is a transaction.
 * Rows that it returns are dropped. `out` may be NULL. Blocks and fails like `kw_query`.
 */
kw_status kw_execute(kw_target target,
                     const char *sql,
                     size_t sql_len,
                     const struct kw_cell *params,
                     size_t param_count,
                     const struct kw_options *options,
                     struct kw_result *out,
                     struct kw_error *err);

/**
 * Runs one statement for each of `row_count` rows of `column_count` parameters, row after row in `params`, in one transaction (a savepoint,
 * when the target is a transaction): all of them, or none. `rows_affected` is their sum. `out` may be NULL. `options.param_names`, where
 * given, names the columns.
 */
kw_status kw_execute_many(kw_target target,
                          const char *sql,
                          size_t sql_len,
                          const struct kw_cell *params,
                          size_t column_count,
                          size_t row_count,
                          const struct kw_options *options,
                          struct kw_result *out,
                          struct kw_error *err);

/**
 * Runs the statements of a script one after another; the engine finds where each one ends, so triggers, strings and comments are safe.
 *
 * On a store the script is one transaction and an error undoes all of it, unless it has BEGIN and COMMIT of its own, changes settings of the
 * connection by PRAGMA, or runs VACUUM: what came before is committed then. Inside a transaction it must not end that. Rows are dropped.
 * `rows_affected` is the sum; `out` may be NULL. An error's `sql_offset` counts from the start of the script.
 */
kw_status kw_execute_script(kw_target target,
                            const char *sql,
                            size_t sql_len,
                            const struct kw_options *options,
                            struct kw_result *out,
                            struct kw_error *err);

/**
 * Runs independent writes in this order as if as many threads had called `kw_execute` (`kw_query_into`, where `fetch` is given) at once:
 * one wait for the writer, and shared transactions of up to `writer.group_max` writes, each with one wait for the disk. For callers that
 * have a line of their own for many writers, such as the runtime of a language with light threads.
 *
 * Each write has its own options, result and error. One that fails is undone alone and leaves the others as they are; none is answered
 * before it is durable. Its `status` is `KW_OK` or the number of its error. A write whose timeout passes or that is cancelled while the
 * call waits gets that error, and the call goes on waiting for the others. With `KW_OPTION_READ_ONLY` a write is `KW_READ_ONLY`.
 *
 * Blocks until every write is answered. Returns `KW_OK` whatever became of the writes; on an error (`KW_MISUSE`, `KW_INVALID_HANDLE`,
 * `KW_ABI`) none has been run. `KW_PANIC` leaves open which have.
 */
kw_status kw_execute_group(kw_store store,
                           struct kw_write *writes,
                           size_t count,
                           struct kw_error *err);

/**
 * How many columns the rows have; 0 for a statement that returns none.
 */
kw_status kw_rows_column_count(kw_rows rows, uint32_t *out, struct kw_error *err);

/**
 * The name of a column, counted from 0, followed by a NUL. Borrowed until the rows are closed.
 */
kw_status kw_rows_column_name(kw_rows rows, uint32_t index, const char **name, size_t *len, struct kw_error *err);

/**
 * The declared type of a column that is a plain table column, followed by a NUL, else NULL and 0. Borrowed until the rows are closed.
 */
kw_status kw_rows_column_decltype(kw_rows rows,
                                  uint32_t index,
                                  const char **name,
                                  size_t *len,
                                  struct kw_error *err);

/**
 * The next rows, in the library's memory: valid until the next call on these rows. `out->rows` is 0 at the end.
 * The first batch is there already; later ones block like `kw_query`, each with the timeout of the query anew.
 */
kw_status kw_rows_next_batch(kw_rows rows, struct kw_batch *out, struct kw_error *err);

/**
 * Copies the next rows into the caller's memory, as `kw_query_into` does. `out->more` is `rows` again until the end; then it is 0 and the
 * handle is closed.
 */
kw_status kw_rows_fetch_into(kw_rows rows,
                             void *buffer,
                             size_t buffer_size,
                             struct kw_fetch *out,
                             struct kw_error *err);

/**
 * Moves to the next row: `KW_ROW`, or `KW_DONE` at the end. Blocks like `kw_rows_next_batch`.
 */
kw_status kw_rows_step(kw_rows rows, struct kw_error *err);

/**
 * The type of a cell of the current row: `KW_NULL` … `KW_BLOB`.
 */
kw_status kw_rows_type(kw_rows rows, uint32_t column, uint32_t *out, struct kw_error *err);

/**
 * An integer cell of the current row. `KW_TYPE` for any other cell, NULL included.
 */
kw_status kw_rows_int64(kw_rows rows, uint32_t column, int64_t *out, struct kw_error *err);

/**
 * A real cell of the current row, or an integer one as a double. `KW_TYPE` for any other cell, NULL included.
 */
kw_status kw_rows_double(kw_rows rows, uint32_t column, double *out, struct kw_error *err);

/**
 * A text cell of the current row, followed by a NUL; NULL and 0 for a NULL cell. `KW_TYPE` for any other cell.
 * Borrowed until the next call on the rows.
 */
kw_status kw_rows_text(kw_rows rows, uint32_t column, const char **text, size_t *len, struct kw_error *err);

/**
 * A blob cell of the current row, or the bytes of a text one; NULL and 0 for a NULL cell. `KW_TYPE` for any other cell.
 * Borrowed until the next call on the rows.
 */
kw_status kw_rows_blob(kw_rows rows, uint32_t column, const void **data, size_t *len, struct kw_error *err);

/**
 * Closes rows at any point and gives their connection back. Harmless for rows that are closed already.
 */
kw_status kw_rows_close(kw_rows rows);

/**
 * Checks a statement against the target's store. Run it by `options.statement` of the query functions. Every connection prepares it for
 * itself the first time. Blocks like `kw_query`. Errors: `KW_SQL`, `KW_ENCODING`, ….
 */
kw_status kw_prepare(kw_target target,
                     const char *sql,
                     size_t sql_len,
                     const struct kw_options *options,
                     kw_statement *out,
                     struct kw_error *err);

/**
 * What is known of a statement.
 */
kw_status kw_statement_describe(kw_statement statement, struct kw_statement_info *out, struct kw_error *err);

/**
 * The name of a parameter with its `:`, `@`, `$` or `?`, counted from 0, followed by a NUL; NULL and 0 for a plain `?`. Borrowed until the statement is closed.
 */
kw_status kw_statement_parameter_name(kw_statement statement,
                                      uint32_t index,
                                      const char **name,
                                      size_t *len,
                                      struct kw_error *err);

/**
 * The name of a column, counted from 0, followed by a NUL. Borrowed until the statement is closed.
 */
kw_status kw_statement_column_name(kw_statement statement,
                                   uint32_t index,
                                   const char **name,
                                   size_t *len,
                                   struct kw_error *err);

/**
 * Closes a statement. Harmless for one that is closed already.
 */
kw_status kw_statement_close(kw_statement statement);

/**
 * Begins a transaction on a store or pinned connection, or a savepoint inside a transaction: a handle of its own, and a target.
 *
 * The transaction holds its connection until it ends. Blocks while the writer is in use or another process holds the lock, up to the
 * timeout, which covers the beginning alone. Errors: `KW_TIMEOUT`, `KW_EXHAUSTED`, `KW_SELF_DEADLOCK`, `KW_BUSY`, `KW_READ_ONLY`, ….
 */
kw_status kw_tx_begin(kw_target target,
                      int32_t mode,
                      const struct kw_options *options,
                      kw_tx *out,
                      struct kw_error *err);

/**
 * Commits a transaction, or makes a savepoint's changes part of what is around it. Cancellation and timeouts do not reach a commit.
 * On success the handle is gone. On failure the transaction is open still and may be committed again or rolled back, unless the error's
 * flags say `KW_ERROR_ROLLED_BACK`. Errors: `KW_BUSY`, `KW_CONSTRAINT` (deferred foreign keys), `KW_TX_ENDED`, `KW_IO`, `KW_FULL`.
 */
kw_status kw_tx_commit(kw_tx tx,
                       struct kw_error *err);

/**
 * Rolls a transaction or savepoint back. Rolling back what has ended is harmless. The handle is gone, unless another thread is in a call
 * on the transaction at this moment (`KW_MISUSE`): roll back again when that has returned.
 */
kw_status kw_tx_rollback(kw_tx tx,
                         struct kw_error *err);

/**
 * Pins one connection of a store: the writer, or with `KW_OPTION_READ_ONLY` a reader. On it settings, ATTACH, temporary objects and
 * transactions by hand are allowed. Blocks like `kw_tx_begin`.
 */
kw_status kw_conn_acquire(kw_target store,
                          const struct kw_options *options,
                          kw_conn *out,
                          struct kw_error *err);

/**
 * Gives a pinned connection back; what is open on it is rolled back, and a connection whose settings were changed is discarded.
 * Harmless for one that went back already. `KW_MISUSE` while another thread is in a call on it: release it again when that has returned.
 */
kw_status kw_conn_release(kw_conn conn);

/**
 * The same target with default options attached: a call's own options go before them. `statement`, `param_names` and `tick` are not kept.
 * It stays usable as long as what it was made from, and does not hold it open.
 */
kw_status kw_target_derive(kw_target target,
                           const struct kw_options *options,
                           kw_target *out,
                           struct kw_error *err);

/**
 * Frees a derived target, not what it was made from. Harmless for one that is freed already.
 */
kw_status kw_target_free(kw_target target);

/**
 * Runs `body` in a transaction and commits, and runs the whole of it again when another process's or store's commit was in the way.
 *
 * Each run gets a handle of its own, which ends with it. What the body returns decides. `KW_OK` commits. Everything else rolls back and
 * is returned as it is, with the error that the body's `err` holds for it; `err` is not written for numbers that are none of keepwell's,
 * such as negative ones. When that error, or the commit's, has the flag `KW_ERROR_RETRY_STATEMENT` or `KW_ERROR_RETRY_TRANSACTION` (a
 * bare `KW_BUSY` or `KW_CONFLICT` counts as having it) and is no timeout, the connection is given back, so that others get in, and after
 * a random pause of up to 1 ms, later 50 ms, the body is run again from its start: what it does outside of the database has to bear
 * that. A `KW_TX_DEFERRED` transaction is begun immediate then, which rules the conflict out.
 *
 * `timeout_us` is for everything: the wait to begin, every call on the transaction, and the pauses; so is `cancel`. `KW_TIMEOUT` and
 * `KW_CANCELLED` of the pauses name the last error. Without a timeout no run begins later than 5 s after the first failure, and the last
 * error is returned. Errors of the beginning are final. A commit is never ended early, and one that is durable never reports a timeout.
 *
 * On a transaction the body is a savepoint and runs once: its error has to reach the outermost `kw_tx_run`, which runs all of it again.
 * A body that ended the transaction with `kw_tx_commit` or `kw_tx_rollback` has decided: nothing more is done, and its value is returned.
 * An error by which the engine ended the transaction cannot be ignored: `KW_OK` is `KW_TX_ENDED` then.
 *
 * Errors: those of `kw_tx_begin`, the body and `kw_tx_commit`; `KW_MISUSE` without a body.
 */
kw_status kw_tx_run(kw_target target,
                    int32_t mode,
                    const struct kw_options *options,
                    kw_tx_body body,
                    void *context,
                    struct kw_error *err);

/**
 * A token that ends every call it is given to, once it is triggered. Free it with `kw_cancel_free`.
 */
kw_status kw_cancel_new(kw_cancel *out, struct kw_error *err);

/**
 * Ends the calls that use the token, now and later, until it is reset: they return `KW_CANCELLED`. A commit that has begun is not ended.
 * From any thread at any time, also from a signal handler, also when the calls are over.
 */
kw_status kw_cancel_trigger(kw_cancel cancel);

/**
 * Makes a triggered token usable again.
 */
kw_status kw_cancel_reset(kw_cancel cancel);

/**
 * Frees a token. Harmless for one that is freed already.
 */
kw_status kw_cancel_free(kw_cancel cancel);

/**
 * Makes an empty set of migrations for a store. Free it with `kw_migrations_free`; that leaves the store alone.
 */
kw_status kw_migrations_new(kw_store store, kw_migrations *out, struct kw_error *err);

/**
 * Adds a migration of the program's own. Everything is copied. Errors: `KW_ENCODING`; a version that is there twice is an error of the
 * first operation.
 */
kw_status kw_migrations_add(kw_migrations migrations,
                            const struct kw_migration *migration,
                            struct kw_error *err);

/**
 * Adds a file that the program has in memory (an embedded folder): its path below the folder, with `/`, and its bytes, which are copied.
 */
kw_status kw_migrations_add_file(kw_migrations migrations,
                                 const char *name,
                                 size_t name_len,
                                 const void *bytes,
                                 size_t length,
                                 struct kw_error *err);

/**
 * Takes the migrations of a folder, which is read at the first operation.
 */
kw_status kw_migrations_add_folder(kw_migrations migrations, const char *path, size_t path_len, struct kw_error *err);

/**
 * Sets a policy: `out_of_order` (refuse, accept, skip), `changed`, `missing`, `newer` (refuse, accept), `gaps` (accept, refuse),
 * `interrupted` (refuse, resume, restart), `transactions` (each, all, none), `lock_timeout` (60s; none), `snapshot` (a path),
 * `ignore` (file names), `who`, `program`; or the `format` of the files (keepwell, golang-migrate, goose, dbmate, sqlx, refinery,
 * flyway, diesel, rusqlite_migration; by default it shows). Errors: `KW_CONFIG`.
 */
kw_status kw_migrations_set(kw_migrations migrations,
                            const char *key,
                            size_t key_len,
                            const char *value,
                            size_t value_len,
                            struct kw_error *err);

/**
 * How many migrations the set has. Reads the folder, so that its errors show here: `KW_MIGRATION`, `KW_ENCODING`, `KW_CANT_OPEN`, `KW_IO`.
 */
kw_status kw_migrations_count(kw_migrations migrations,
                              size_t *count,
                              struct kw_error *err);

/**
 * Frees a set. Harmless for one that is freed already.
 */
kw_status kw_migrations_free(kw_migrations migrations);

/**
 * Does `operation` (`KW_MIGRATE_UP`, …). The report is the caller's to free; `report` may be NULL.
 *
 * Each migration is a transaction of its own together with its row in the table `keepwell_migrations`; whoever starts at the same time, in
 * any process and language, finds it done. Foreign keys are off while it runs and are checked before it is committed. An error leaves
 * nothing of the migration that it is in, and says which ones before it stay.
 *
 * Blocks while others write: in this process in the line for the writer, other processes no longer than `lock_timeout`. Errors:
 * `KW_MIGRATION` and `KW_SCHEMA_NEWER` for what the policies refuse, with the cure; what statements fail with, with file, line and
 * column; `KW_CONSTRAINT` for foreign keys; `KW_READ_ONLY`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_SELF_DEADLOCK`.
 */
kw_status kw_migrate(kw_migrations migrations,
                     int32_t operation,
                     const struct kw_migrate_options *options,
                     kw_report *report,
                     struct kw_error *err);

/**
 * The schema of the store's database as SQL that makes it anew, without the history; the same schema gives the same text. `length` is
 * that of all of it, without the NUL; what does not fit is cut.
 */
kw_status kw_schema_dump(kw_store store,
                         const struct kw_options *options,
                         char *buffer,
                         size_t size,
                         size_t *length,
                         struct kw_error *err);

/**
 * Makes a table anew with another definition, one `CREATE TABLE` statement for the same name, in SQLite's own twelve steps
 * (<https://sqlite.org/lang_altertable.html#otheralter>), in one transaction. Rows with their rowids, indexes, triggers, views, references
 * of other tables and the AUTOINCREMENT mark are kept. Columns are filled from the old ones of the same name, or by `columns`. The
 * report's table has the rows before and after. Blocks like `kw_tx_begin`, and while rows are copied. Errors: `KW_MIGRATION` for what
 * cannot be rebuilt as asked, with the cure; `KW_CONSTRAINT` for rows that do not fit and for foreign keys. Nothing is changed then.
 */
kw_status kw_rebuild_table(kw_store store,
                           const char *table,
                           size_t table_len,
                           const char *definition,
                           size_t definition_len,
                           const struct kw_rebuild_column *columns,
                           size_t column_count,
                           const struct kw_options *options,
                           kw_report *report,
                           struct kw_error *err);

/**
 * The report in numbers.
 */
kw_status kw_report_describe(kw_report report, struct kw_report_summary *out, struct kw_error *err);

/**
 * One migration of the report, counted from 0. Its texts are borrowed until the report is freed.
 */
kw_status kw_report_migration_at(kw_report report, size_t index, struct kw_report_migration *out, struct kw_error *err);

/**
 * One problem or note of the report, counted from 0. Its texts are borrowed until the report is freed.
 */
kw_status kw_report_problem_at(kw_report report, size_t index, struct kw_report_problem *out, struct kw_error *err);

/**
 * One table of the report, counted from 0. Its name is borrowed until the report is freed.
 */
kw_status kw_report_table_at(kw_report report, size_t index, struct kw_report_table *out, struct kw_error *err);

/**
 * All of the report as a JSON object: operation, before, version, pending, migrations, problems, tables, adopted_from, ignored,
 * schema_hash, snapshot, duration_us. `length` is that of all of it, without the NUL; what does not fit is cut.
 */
kw_status kw_report_json(kw_report report,
                         char *buffer,
                         size_t size,
                         size_t *length,
                         struct kw_error *err);

/**
 * Frees a report and the texts lent from it. Harmless for one that is freed already.
 */
kw_status kw_report_free(kw_report report);

/**
 * All metrics of a store as text (`KW_METRICS_PROMETHEUS`, `KW_METRICS_OPENMETRICS`), with the label `store`. `length` is that of all of it,
 * without the NUL; what does not fit is cut: call again with more room. Blocks for a look at the database file where the last one is older
 * than `metrics.collect_interval`, but waits for nobody.
 */
kw_status kw_metrics_text(kw_store store,
                          uint32_t format,
                          char *buffer,
                          size_t size,
                          size_t *length,
                          struct kw_error *err);

/**
 * Where a store serves its metrics by HTTP (`metrics.listen`): `127.0.0.1:9187`, with the port that was taken; empty where it does not.
 */
kw_status kw_metrics_address(kw_store store,
                             char *buffer,
                             size_t size,
                             size_t *length,
                             struct kw_error *err);

/**
 * For a binding whose callers wait for connections in a line of its own, outside of the library: so many more (or, negative, less) wait now for
 * a connection of this role (`KW_ROLE_READER`, `KW_ROLE_WRITER`). They are in the store's numbers then: queue depths, `kw_stats`, health.
 */
kw_status kw_store_waiting(kw_store store,
                           uint32_t role,
                           int64_t change,
                           struct kw_error *err);

/**
 * For such a binding: a wait is over that took so many nanoseconds, with `KW_OK` for a caller that goes on, or with what it got instead of a
 * connection: `KW_EXHAUSTED`, `KW_TIMEOUT`, `KW_CANCELLED`, `KW_CLOSED`, or `KW_SELF_DEADLOCK` where there was no wait. Counted as if the
 * library had made the caller wait. Errors: `KW_MISUSE` for any other status.
 */
kw_status kw_store_waited(kw_store store,
                          uint32_t role,
                          uint64_t wait_ns,
                          kw_status ended,
                          struct kw_error *err);

/**
 * Tries whether the store can read and write now (the write is begun and rolled back). Blocks like `kw_query`: give it a timeout.
 * Returns `KW_OK` also when the store is unwell; `out` says so. A store opened to read only is not expected to write.
 */
kw_status kw_store_health(kw_store store,
                          const struct kw_options *options,
                          struct kw_health *out,
                          struct kw_error *err);

/**
 * What `kw_store_health` says as a JSON object: healthy, can_read, can_write, problem, pool, schema_version, database_bytes, wal_bytes,
 * last_error. `length` is that of all of it, without the NUL; what does not fit is cut.
 */
kw_status kw_store_health_json(kw_store store,
                               const struct kw_options *options,
                               char *buffer,
                               size_t size,
                               size_t *length,
                               struct kw_error *err);

/**
 * What each statement has cost, most of `order` (`KW_BY_TOTAL`, …) first and no more than `limit` of them (0: all), as rows: sql, kind (read,
 * write), calls, errors, total_seconds, mean_seconds, worst_seconds, rows (returned, or changed), full_scans (calls that went through a whole
 * table), scanned_rows, automatic_indexes (calls for which the engine made an index of its own), sorts. At most `metrics.statements` are
 * known; those that have cost least go first, and their sum is the last row, with NULL for sql. Close the rows.
 */
kw_status kw_statement_report(kw_store store,
                              uint32_t order,
                              uint32_t limit,
                              kw_rows *rows,
                              struct kw_error *err);

/**
 * Begins the report of statements anew.
 */
kw_status kw_statement_report_reset(kw_store store, struct kw_error *err);

/**
 * How the engine would run one statement, as rows: id, parent, detail (<https://sqlite.org/eqp.html>). It is not run; parameters count as
 * NULL. Blocks for a reader like `kw_query`. Close the rows. Errors: `KW_SQL`, `KW_TIMEOUT`, ….
 */
kw_status kw_explain(kw_store store,
                     const char *sql,
                     size_t sql_len,
                     const struct kw_options *options,
                     kw_rows *rows,
                     struct kw_error *err);

/**
 * The indexes that would help one statement, most useful first, at most three, as rows: table, index_sql (the CREATE INDEX), before and
 * after (the plan without and with it). They are tried on a copy of the schema in memory, where the engine's own planner decides; the
 * database is not changed. Takes some milliseconds, for very large schemas and joins some hundred; the timeout ends it. Blocks for a reader
 * like `kw_query`. Close the rows. Errors: as `kw_explain`.
 */
kw_status kw_advise(kw_store store,
                    const char *sql,
                    size_t sql_len,
                    const struct kw_options *options,
                    kw_rows *rows,
                    struct kw_error *err);

/**
 * Has `callback` called with its `context` for each event of `level` and above, on the thread on which it happens; in place of the one
 * before. `KW_LOG_OFF`, or NULL: for none. Waits for calls under way, so that nothing uses the context of the one before when this returns.
 * Several threads may be in it at once. It may use the library, but its thread waits for it, with what that holds, such as a writer: it must
 * not take long. A view has no such bounds. Nothing is called in a forked child. Errors: `KW_MISUSE` from inside the callback.
 */
kw_status kw_log_set_callback(uint32_t level,
                              kw_log_callback callback,
                              void *context,
                              struct kw_error *err);

/**
 * Opens a view of the events of `level` and above that come from now on. It keeps up to `capacity` of them (0: 1024) until they are read; full,
 * it loses the oldest, and says so with the next one. Close it.
 */
kw_status kw_log_open(uint32_t level,
                      uint32_t capacity,
                      kw_log *out,
                      struct kw_error *err);

/**
 * The next event of a view: `KW_ROW` with one in `out`, `KW_DONE` when none came within `timeout_us` microseconds (negative: without end), or
 * the view was closed meanwhile. The texts are borrowed until the next call on the view. Errors: `KW_MISUSE` while another thread waits
 * here; `KW_INVALID_HANDLE` after the closing.
 */
kw_status kw_log_next(kw_log log,
                      int64_t timeout_us,
                      struct kw_log_event *out,
                      struct kw_error *err);

/**
 * Closes a view, from any thread: who waits for its next event gets `KW_DONE`, and who just reads one may go on to. Harmless for one that
 * is closed already.
 */
kw_status kw_log_close(kw_log log);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KEEPWELL_H */
