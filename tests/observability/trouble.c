/* What goes wrong at times, each kind a known number of times. */
#include "load.h"

#include <sys/wait.h>
#include <unistd.h>

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
#define RECORD "INSERT INTO note VALUES (0, 0)"

static kw_options within(int64_t milliseconds) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = milliseconds * 1000;
    return options;
}

static kw_status execute(kw_target target, const char *sql, const kw_options *options, kw_error *err) {
    return kw_execute(target, sql, TEXT, NULL, 0, options, NULL, err);
}

static kw_status query(kw_target target, const char *sql, const kw_options *options, kw_error *err) {
    kw_rows rows = 0;
    kw_status status = kw_query(target, sql, TEXT, NULL, 0, options, &rows, err);
    if (status == KW_OK) kw_rows_close(rows);
    return status;
}

/* Runs a call on a thread of its own: what the caller holds is somebody else's there. */
typedef struct {
    kw_status (*call)(kw_target, const char *, const kw_options *, kw_error *);
    kw_target target;
    const char *sql;
    const kw_options *options;
    kw_error *err;
    kw_status status;
} elsewhere;

static void *run_elsewhere(void *argument) {
    elsewhere *it = argument;
    it->status = it->call(it->target, it->sql, it->options, it->err);
    return NULL;
}

static kw_status on_another_thread(elsewhere it) {
    pthread_t thread;
    require(pthread_create(&thread, NULL, run_elsewhere, &it) == 0, "pthread_create failed");
    pthread_join(thread, NULL);
    return it.status;
}

/* What is wrong with the statement or its values. A statement that could be prepared counts as run, however that ended. */
static void refusals(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_options read_only = KW_OPTIONS_INIT;
    read_only.flags = KW_OPTION_READ_ONLY;
    for (int i = 0; i < 5; i++) FAILS(KW_CONSTRAINT, execute(store, "INSERT INTO account(id, name) VALUES (1, 'again')", NULL, &err));
    did(WRITES, 5);
    for (int i = 0; i < 7; i++) FAILS(KW_SQL, query(store, "SELEKT 1", NULL, &err));
    for (int i = 0; i < 3; i++) FAILS(KW_READ_ONLY, execute(store, RECORD, &read_only, &err));
    for (int i = 0; i < 2; i++) FAILS(KW_PARAMETER, execute(store, "INSERT INTO note VALUES (0, ?)", NULL, &err));
    did(WRITES, 5);
}

/* Five writes share a transaction; one of them violates a constraint. */
static void one_bad_in_a_group(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_write writes[5];
    for (int i = 0; i < 5; i++) {
        writes[i] = (kw_write)KW_WRITE_INIT;
        writes[i].sql = i == 2 ? "INSERT INTO account(id) VALUES (1)" : RECORD;
        writes[i].sql_len = TEXT;
        writes[i].error = i == 2 ? &err : NULL;
    }
    OK(kw_execute_group(store, writes, 5, &err));
    for (int i = 0; i < 5; i++) require((writes[i].status == KW_OK) == (i != 2), "one write of the group has to fail");
    FAILS(KW_CONSTRAINT, writes[2].status);
    did(WRITES, 5);
    did(CHANGED, 4);
    did("keepwell_writer_group_size_count", 1);
    did("keepwell_writer_group_size_sum", 5);
    did("keepwell_writer_syncs_saved_total", 4);
}

/* Of a stream the second batch is cancelled; the first one was handed out. */
static void stream_that_is_cancelled(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_cancel_new(&options.cancel, &err));
    OK(kw_query(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", TEXT, NULL, 0, &options, &rows, &err));
    OK(kw_rows_next_batch(rows, &batch, &err));
    did(READS, 1);
    did(RETURNED, batch.rows);
    OK(kw_cancel_trigger(options.cancel));
    FAILS(KW_CANCELLED, kw_rows_next_batch(rows, &batch, &err));
    did(STOPPED("execution", "cancelled"), 1);
    kw_rows_close(rows);
    kw_cancel_free(options.cancel);
}

/* Calls that are stopped in line, in execution, and while another store has the lock. */
static void stops(kw_store store, kw_store other) {
    kw_error err = KW_ERROR_INIT;
    kw_options soon = within(150), cancelled = KW_OPTIONS_INIT;
    kw_tx tx = 0;
    OK(kw_cancel_new(&cancelled.cancel, &err));
    OK(kw_cancel_trigger(cancelled.cancel));

    for (int i = 0; i < 2; i++) FAILS(KW_TIMEOUT, query(store, ENDLESS, &soon, &err));
    did(STOPPED("execution", "timeout"), 2);
    did(READS, 2);
    stream_that_is_cancelled(store);

    OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    for (int i = 0; i < 3; i++) FAILS(KW_TIMEOUT, on_another_thread((elsewhere){execute, store, RECORD, &soon, &err, KW_OK}));
    did(STOPPED("queue", "timeout"), 3);
    for (int i = 0; i < 2; i++) FAILS(KW_CANCELLED, on_another_thread((elsewhere){execute, store, RECORD, &cancelled, &err, KW_OK}));
    did(STOPPED("queue", "cancelled"), 2);
    for (int i = 0; i < 2; i++) FAILS(KW_SELF_DEADLOCK, execute(store, RECORD, NULL, &err));
    did("keepwell_pool_self_deadlocks_total", 2);
    OK(kw_tx_rollback(tx, &err));
    did(TX("rolled_back"), 1);

    OK(kw_tx_begin(other, KW_TX_IMMEDIATE, NULL, &tx, &err));
    for (int i = 0; i < 2; i++) FAILS(KW_TIMEOUT, execute(store, RECORD, &soon, &err));
    did(STOPPED("busy", "timeout"), 2);
    did(BUSY("lock"), 2);
    for (int i = 0; i < 3; i++) FAILS(KW_BUSY, execute(store, RECORD, NULL, &err));
    did(BUSY("lock"), 3);
    did(WRITES, 5);
    OK(kw_tx_rollback(tx, &err));
    kw_cancel_free(cancelled.cancel);
}

/* Every reader is lent, so that others wait in vain. */
static void exhaustion(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_options reader = KW_OPTIONS_INIT;
    kw_conn pinned[3];
    reader.flags = KW_OPTION_READ_ONLY;
    for (int i = 0; i < 3; i++) OK(kw_conn_acquire(store, &reader, &pinned[i], &err));
    for (int i = 0; i < 2; i++) FAILS(KW_EXHAUSTED, on_another_thread((elsewhere){query, store, "SELECT 1", NULL, &err, KW_OK}));
    did("keepwell_pool_exhausted_total", 2);
    for (int i = 0; i < 3; i++) kw_conn_release(pinned[i]);
}

/* A transaction that read before another store committed cannot write any more. */
static kw_status read_then_write(kw_tx tx, kw_store other, int disturbed, kw_error *err) {
    read_number(tx, "SELECT count(*) FROM note", NULL);
    if (disturbed) {
        kw_error theirs = KW_ERROR_INIT;
        ends(KW_OK, execute(other, RECORD, NULL, &theirs), &theirs, "the write of another store");
    }
    did(WRITES, 1);
    return execute(tx, RECORD, NULL, err);
}

typedef struct {
    kw_store other;
    int runs;
} body;

static int32_t conflicts_once(kw_tx tx, void *context, kw_error *err) {
    body *it = context;
    return read_then_write(tx, it->other, it->runs++ == 0, err);
}

static int32_t never_succeeds(kw_tx tx, void *context, kw_error *err) {
    (void)tx, (void)err;
    ((body *)context)->runs++;
    return KW_BUSY;
}

static void conflicts(kw_store store, kw_store other) {
    kw_error err = KW_ERROR_INIT;
    kw_tx tx = 0;
    body once = {other, 0}, never = {other, 0};
    kw_options soon = within(200);
    OK(kw_tx_begin(store, KW_TX_DEFERRED, NULL, &tx, &err));
    FAILS(KW_CONFLICT, read_then_write(tx, other, 1, &err));
    OK(kw_tx_rollback(tx, &err));
    did(BUSY("snapshot"), 1);
    did(TX("rolled_back"), 1);

    OK(kw_tx_run(store, KW_TX_DEFERRED, NULL, conflicts_once, &once, &err));
    require(once.runs == 2, "the body should have been run twice");
    did("keepwell_errors_total{code=\"KW_CONFLICT\"}", 1);
    did(BUSY("snapshot"), 1);
    did(CHANGED, 1);
    did(TX("rolled_back"), 1);
    did(TX("committed"), 1);
    did("keepwell_tx_retries_total", 1);

    FAILS(KW_TIMEOUT, kw_tx_run(store, KW_TX_IMMEDIATE, &soon, never_succeeds, &never, &err));
    did(TX("rolled_back"), never.runs);
    did("keepwell_tx_retries_total", never.runs - 1);
    did("keepwell_tx_retries_exhausted_total", 1);
}

/* The engine may end a transaction, and a connection may go back with one open. */
static void ends_of_transactions(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_tx tx = 0;
    for (int i = 0; i < 2; i++) {
        OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
        FAILS(KW_CONSTRAINT, execute(tx, "INSERT OR ROLLBACK INTO account(id, name) VALUES (1, 'again')", NULL, &err));
        OK(kw_tx_rollback(tx, &err));
    }
    did(WRITES, 2);
    did(TX("ended_by_engine"), 2);

    kw_conn pinned = 0;
    OK(kw_conn_acquire(store, NULL, &pinned, &err));
    OK(kw_tx_begin(pinned, KW_TX_IMMEDIATE, NULL, &tx, &err));
    OK(kw_conn_release(pinned));
    did(TX("abandoned"), 1);
    did("keepwell_pool_resets_total{reason=\"transaction\"}", 1);

    OK(kw_conn_acquire(store, NULL, &pinned, &err));
    OK(execute(pinned, "PRAGMA cache_size = 100", NULL, &err));
    OK(kw_conn_release(pinned));
    did(READS, 1);
    did("keepwell_pool_discards_total{reason=\"changed\"}", 1);
}

/* A child that leaves the store alone. */
static void fork_a_child(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    require(child > 0 && waitpid(child, NULL, 0) == child, "fork failed");
    did("keepwell_forks_total", 1);
}

/* The first time that the library asks whether to go on, the answer takes longer than metrics.slow_query. */
static int32_t linger(void *context) {
    int *lingered = context;
    if (!*lingered) nanosleep(&(struct timespec){2, 200 * 1000 * 1000}, NULL);
    *lingered = 1;
    return 0;
}

/* Statements that are slow, that read a table from end to end, that have the engine make an index, or sort. */
static void expensive(kw_store store) {
    kw_options slow = KW_OPTIONS_INIT;
    int lingered = 0;
    slow.tick = linger;
    slow.tick_context = &lingered;
    read_number(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n", &slow);
    require(lingered, "the statement was too quick to be slow");
    did("keepwell_query_slow_total", 1);

    /* The engine counts the steps from row to row. No account has a balance. */
    for (int i = 0; i < 4; i++) read_number(store, "SELECT count(*) FROM account WHERE balance = 7", NULL);
    for (int i = 0; i < 3; i++) read_number(store, "SELECT id FROM account ORDER BY balance LIMIT 1", NULL);
    for (int i = 0; i < 2; i++) read_number(store, "SELECT count(*) FROM account a JOIN account b ON a.balance = b.balance + 1", NULL);
    did("keepwell_query_full_scans_total", 4 + 3 + 2);
    did("keepwell_query_full_scan_rows_total", (4 + 3 + 2) * (ACCOUNTS - 1));
    did("keepwell_query_sorts_total", 3);
    did("keepwell_query_automatic_indexes_total", 2);
}

void trouble(kw_store store, const char *path) {
    static const char *const settings[] = {"pool.max_open", "2", NULL};
    kw_error err = KW_ERROR_INIT;
    kw_store other = open_store(path, settings);
    kw_tx forgotten = 0;
    refusals(store);
    stops(store, other);
    exhaustion(store);
    conflicts(store, other);
    ends_of_transactions(store);
    one_bad_in_a_group(store);
    fork_a_child();
    expensive(store);
    OK(kw_store_close(other, -1, &err));
    OK(kw_tx_begin(store, KW_TX_READ_ONLY, NULL, &forgotten, &err)); /* held until the end: longer than pool.leak_threshold */
}
