/* kw_tx_run: the body of a transaction, run again when another commit was in the way. `other` is a second store on the same file, which
 * conflicts with `store` as another process would. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

static kw_store store, other;

enum { OWN = -7, PLENTY = 60 * 1000 * 1000 };

static int64_t count(kw_target target) { return QUERY_INT(target, "SELECT count(*) FROM t"); }

static void fresh(void) { EXEC(store, "DELETE FROM t"); }

static kw_status exec_in(kw_tx tx, const char *sql, kw_error *error) {
    return kw_execute(tx, sql, KW_NUL_TERMINATED, NULL, 0, NULL, NULL, error);
}

/* Reads, and lets the other store commit: the next write of a deferred transaction is a KW_CONFLICT then. */
static void be_overtaken(kw_tx tx) {
    count(tx);
    EXEC(other, "INSERT INTO t VALUES ('other')");
}

static int runs;

static int32_t insert(kw_tx tx, void *context, kw_error *error) {
    (void)context;
    runs++;
    return exec_in(tx, "INSERT INTO t VALUES ('own')", error);
}

static void a_body_is_committed_once(void) {
    static const int32_t modes[] = {KW_TX_DEFAULT, KW_TX_DEFERRED, KW_TX_IMMEDIATE, KW_TX_EXCLUSIVE};
    fresh();
    runs = 0;
    for (int i = 0; i < 4; i++) OK(kw_tx_run(store, modes[i], NULL, insert, NULL, &err));
    EQUAL(4, runs);
    EQUAL(4, count(other));
    FAILS(KW_READ_ONLY, kw_tx_run(store, KW_TX_READ_ONLY, NULL, insert, NULL, &err));
    EQUAL(5, runs);
}

static int32_t conflict_at_first(kw_tx tx, void *context, kw_error *error) {
    kw_options brief = KW_OPTIONS_INIT;
    (void)context;
    if (runs++ == 0) {
        be_overtaken(tx);
    } else {
        /* Begun immediate this time: nobody else can commit before us. */
        brief.timeout_us = 20000;
        FAILS(KW_TIMEOUT, kw_execute(other, "DELETE FROM t", KW_NUL_TERMINATED, NULL, 0, &brief, NULL, &err));
        EQUAL(1, count(tx));
    }
    return exec_in(tx, "INSERT INTO t VALUES ('own')", error);
}

static void a_conflict_is_run_again_and_immediate(void) {
    kw_error unwritten = KW_ERROR_INIT;
    fresh();
    runs = 0;
    OK(kw_tx_run(store, KW_TX_DEFERRED, NULL, conflict_at_first, NULL, &unwritten));
    EQUAL(2, runs);
    EQUAL(2, count(other));
    EQUAL(0, unwritten.code);
}

static void *insert_of_a_thread(void *unused) {
    EXEC(store, "INSERT INTO t VALUES ('thread')");
    return unused;
}

static int32_t let_a_thread_queue_up(kw_tx tx, void *context, kw_error *error) {
    kw_stats stats = KW_STATS_INIT;
    if (runs++ > 0) {
        EQUAL(1, QUERY_INT(tx, "SELECT count(*) FROM t WHERE s = 'thread'"));
        return KW_OK;
    }
    pthread_create(context, NULL, insert_of_a_thread, NULL);
    while (kw_store_stats(store, &stats, error) == KW_OK && stats.waiting == 0) sched_yield();
    be_overtaken(tx);
    return exec_in(tx, "INSERT INTO t VALUES ('own')", error);
}

static void whoever_waits_gets_in_between_two_runs(void) {
    pthread_t thread;
    fresh();
    runs = 0;
    OK(kw_tx_run(store, KW_TX_DEFERRED, NULL, let_a_thread_queue_up, &thread, &err));
    pthread_join(thread, NULL);
    EQUAL(2, runs);
}

static int32_t stop(kw_tx tx, void *context, kw_error *error) {
    FAILS(KW_SQL, exec_in(tx, "nonsense", error)); /* left behind, and of no meaning for what is returned */
    OK(insert(tx, NULL, error));
    return *(int32_t *)context;
}

static void numbers_of_ones_own_come_out_as_they_are(void) {
    static int32_t numbers[] = {OWN, INT32_MIN, -1, 77, KW_ROW, KW_DONE, INT32_MAX};
    kw_error unwritten = KW_ERROR_INIT;
    fresh();
    runs = 0;
    for (int i = 0; i < 7; i++) EQUAL(numbers[i], kw_tx_run(store, KW_TX_DEFAULT, NULL, stop, &numbers[i], &unwritten));
    EQUAL(7, runs);
    EQUAL(0, unwritten.code);
    EQUAL(0, count(store));
}

static int32_t violate(kw_tx tx, void *context, kw_error *error) {
    insert(tx, context, error);
    return exec_in(tx, "INSERT INTO t VALUES (NULL)", error);
}

static void other_errors_come_out_whole_and_are_not_run_again(void) {
    fresh();
    runs = 0;
    FAILS(KW_CONSTRAINT, kw_tx_run(store, KW_TX_DEFAULT, NULL, violate, NULL, &err));
    EQUAL(KW_CONSTRAINT, err.code);
    EQUAL(19, err.engine_code);
    EQUAL(1299, err.engine_extended_code);
    EQUAL(-1, err.sql_offset);
    EQUAL(0, err.flags);
    HAS(err.sqlstate, "23000");
    HAS(err.message, "t.s");
    FAILS(KW_CONSTRAINT, kw_tx_run(store, KW_TX_DEFAULT, NULL, violate, NULL, NULL));
    EQUAL(2, runs);
    EQUAL(0, count(store));
}

/* A status without its error: the number alone has to do. */
static int32_t bare(kw_tx tx, void *context, kw_error *error) {
    (void)error;
    insert(tx, NULL, NULL);
    return *(int32_t *)context;
}

static void the_deadline_is_one_for_all_runs(void) {
    static int32_t conflict = KW_CONFLICT, constraint = KW_CONSTRAINT;
    kw_options options = KW_OPTIONS_INIT;
    fresh();
    runs = 0;
    options.timeout_us = 100000;
    FAILS(KW_TIMEOUT, kw_tx_run(store, KW_TX_DEFAULT, &options, bare, &conflict, &err));
    CHECK(runs > 1);
    CHECK((err.flags & KW_ERROR_TIMED_OUT) != 0);
    HAS(err.message, "runs failed before");
    HAS(err.message, "KW_CONFLICT");
    runs = 0;
    FAILS(KW_CONSTRAINT, kw_tx_run(store, KW_TX_DEFAULT, &options, bare, &constraint, &err));
    EQUAL(1, runs);
    EQUAL(0, count(store));
}

static int32_t endless(kw_tx tx, void *context, kw_error *error) {
    (void)context;
    runs++;
    return exec_in(tx, ENDLESS_SQL, error);
}

static int32_t endless_rows(kw_tx tx, void *context, kw_error *error) {
    const char *sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    (void)context;
    runs++;
    kw_status status = kw_query(tx, sql, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, error);
    while (status == KW_OK) status = kw_rows_next_batch(rows, &batch, error);
    kw_rows_close(rows);
    return status;
}

static int32_t endless_inside(kw_tx tx, void *context, kw_error *error) {
    (void)context;
    return kw_tx_run(tx, KW_TX_DEFAULT, NULL, endless, NULL, error);
}

static void the_deadline_reaches_the_calls_of_the_body(void) {
    static const kw_tx_body bodies[] = {endless, endless_rows, endless_inside};
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 50000;
    for (int i = 0; i < 3; i++) {
        runs = 0;
        FAILS(KW_TIMEOUT, kw_tx_run(store, KW_TX_DEFAULT, &options, bodies[i], NULL, &err));
        EQUAL(1, runs);
    }
    kw_tx tx = 0;
    options.flags = KW_OPTION_WHOLE;
    OK(kw_tx_begin(store, KW_TX_DEFAULT, &options, &tx, &err));
    FAILS(KW_TIMEOUT, endless(tx, NULL, &err));
    OK(kw_tx_rollback(tx, &err));
}

static int32_t commit_late(kw_tx tx, void *context, kw_error *error) {
    FAILS(KW_TIMEOUT, endless(tx, context, error));
    return KW_OK;
}

static int32_t insert_and_commit_late(kw_tx tx, void *context, kw_error *error) {
    OK(insert(tx, context, error));
    return commit_late(tx, context, error);
}

static void a_commit_is_not_ended_by_the_deadline(void) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 50000;
    fresh();
    kw_status status = kw_tx_run(store, KW_TX_DEFAULT, &options, insert_and_commit_late, NULL, &err);
    /* Interrupting a read leaves the transaction whole. */
    EQUAL(KW_OK, status);
    EQUAL(1, count(other));
}

static int32_t cancel_in_the_third_run(kw_tx tx, void *context, kw_error *error) {
    (void)error;
    insert(tx, NULL, NULL);
    if (runs == 3) kw_cancel_trigger(*(kw_cancel *)context);
    return KW_CONFLICT;
}

static void the_token_ends_pauses(void) {
    kw_options options = KW_OPTIONS_INIT;
    fresh();
    OK(kw_cancel_new(&options.cancel, &err));
    runs = 0;
    FAILS(KW_CANCELLED, kw_tx_run(store, KW_TX_DEFAULT, &options, cancel_in_the_third_run, &options.cancel, &err));
    EQUAL(3, runs);
    HAS(err.message, "3 runs failed before");
    FAILS(KW_CANCELLED, kw_tx_run(store, KW_TX_DEFAULT, &options, insert, NULL, &err));
    EQUAL(3, runs);
    OK(kw_cancel_free(options.cancel));
}

static void *trigger_soon(void *token) {
    kw_stats stats = KW_STATS_INIT;
    while (kw_store_stats(store, &stats, &err) == KW_OK && stats.in_use == 0) sched_yield();
    kw_cancel_trigger(*(kw_cancel *)token);
    return NULL;
}

static void the_token_ends_the_calls_of_the_body(void) {
    kw_options options = KW_OPTIONS_INIT;
    pthread_t thread;
    OK(kw_cancel_new(&options.cancel, &err));
    pthread_create(&thread, NULL, trigger_soon, &options.cancel);
    FAILS(KW_CANCELLED, kw_tx_run(store, KW_TX_DEFAULT, &options, endless, NULL, &err));
    pthread_join(thread, NULL);
    OK(kw_cancel_free(options.cancel));
}

static int32_t enough(void *ticks) { return ++*(int *)ticks == 2; }

static void the_tick_ends_pauses(void) {
    static int32_t conflict = KW_CONFLICT;
    int ticks = 0;
    kw_options options = KW_OPTIONS_INIT;
    options.tick = enough;
    options.tick_context = &ticks;
    FAILS(KW_CANCELLED, kw_tx_run(store, KW_TX_DEFAULT, &options, bare, &conflict, &err));
    EQUAL(2, ticks);
}

/* ------------------------------------------------------------------------------------------------------- nested -- */

static int outer_runs;

static int32_t conflict_inside(kw_tx tx, void *context, kw_error *error) {
    (void)context;
    if (runs++ == 0) be_overtaken(tx);
    return exec_in(tx, "INSERT INTO t VALUES ('inner')", error);
}

static int32_t around(kw_tx tx, void *context, kw_error *error) {
    outer_runs++;
    return kw_tx_run(tx, KW_TX_DEFAULT, NULL, conflict_inside, context, error);
}

static void the_outermost_is_run_again(void) {
    fresh();
    runs = outer_runs = 0;
    OK(kw_tx_run(store, KW_TX_DEFERRED, NULL, around, NULL, &err));
    EQUAL(2, outer_runs);
    EQUAL(2, runs);
    EQUAL(2, count(other));
}

static int32_t give_up_inside(kw_tx tx, void *context, kw_error *error) {
    int32_t own = OWN;
    (void)context;
    OK(exec_in(tx, "INSERT INTO t VALUES ('kept')", error));
    EQUAL(OWN, kw_tx_run(tx, KW_TX_DEFAULT, NULL, stop, &own, error));
    return KW_OK;
}

static void an_inner_body_that_fails_takes_back_only_itself(void) {
    fresh();
    OK(kw_tx_run(store, KW_TX_DEFAULT, NULL, give_up_inside, NULL, &err));
    EQUAL(1, count(other));
}

static int32_t be_ended_by_the_engine(kw_tx tx, void *context, kw_error *error) {
    runs++;
    OK(exec_in(tx, "INSERT INTO t VALUES ('lost')", error));
    FAILS(KW_CONSTRAINT, exec_in(tx, "INSERT OR ROLLBACK INTO t VALUES (NULL)", error));
    CHECK((error->flags & KW_ERROR_ROLLED_BACK) != 0);
    return context == NULL ? KW_OK : KW_CONSTRAINT;
}

static int32_t take_no_notice(kw_tx tx, void *context, kw_error *error) {
    FAILS(KW_TX_ENDED, kw_tx_run(tx, KW_TX_DEFAULT, NULL, be_ended_by_the_engine, NULL, error));
    return kw_tx_run(tx, KW_TX_DEFAULT, NULL, insert, context, NULL) == KW_OK ? OWN : KW_OK;
}

static void what_the_engine_ended_is_no_success(void) {
    fresh();
    runs = 0;
    FAILS(KW_TX_ENDED, kw_tx_run(store, KW_TX_DEFAULT, NULL, be_ended_by_the_engine, NULL, &err));
    HAS(err.message, "engine");
    FAILS(KW_CONSTRAINT, kw_tx_run(store, KW_TX_DEFAULT, NULL, be_ended_by_the_engine, "", &err));
    CHECK((err.flags & KW_ERROR_ROLLED_BACK) != 0);
    FAILS(KW_TX_ENDED, kw_tx_run(store, KW_TX_DEFAULT, NULL, take_no_notice, NULL, &err));
    EQUAL(3, runs);
    EQUAL(0, count(store));
}

/* --------------------------------------------------------------------------------------------- by the body's hand -- */

static int32_t commit_by_hand(kw_tx tx, void *context, kw_error *error) {
    OK(insert(tx, NULL, error));
    OK(kw_tx_commit(tx, error));
    return *(int32_t *)context;
}

static int32_t roll_back_by_hand(kw_tx tx, void *context, kw_error *error) {
    OK(insert(tx, NULL, error));
    OK(kw_tx_rollback(tx, error));
    FAILS(KW_INVALID_HANDLE, exec_in(tx, "SELECT 1", error));
    return *(int32_t *)context;
}

static void a_body_that_ends_it_has_decided(void) {
    static int32_t answers[] = {KW_OK, KW_CONFLICT, OWN};
    fresh();
    runs = 0;
    for (int i = 0; i < 3; i++) {
        EQUAL(answers[i], kw_tx_run(store, KW_TX_DEFAULT, NULL, commit_by_hand, &answers[i], NULL));
        EQUAL(i + 1, count(other));
        EQUAL(answers[i], kw_tx_run(store, KW_TX_DEFAULT, NULL, roll_back_by_hand, &answers[i], NULL));
        EQUAL(i + 1, count(other));
    }
    EQUAL(6, runs);
}

static kw_tx kept;

static int32_t keep_the_handle(kw_tx tx, void *context, kw_error *error) {
    kept = tx;
    return insert(tx, context, error);
}

static void the_handle_ends_with_its_run(void) {
    fresh();
    OK(kw_tx_run(store, KW_TX_DEFAULT, NULL, keep_the_handle, NULL, &err));
    FAILS(KW_INVALID_HANDLE, exec_status(kept, "SELECT 1"));
    FAILS(KW_INVALID_HANDLE, kw_tx_commit(kept, &err));
    FAILS(KW_INVALID_HANDLE, kw_tx_run(kept, KW_TX_DEFAULT, NULL, insert, NULL, &err));
    OK(kw_tx_rollback(kept, &err));
    EQUAL(1, count(store));
}

static void wrong_use(void) {
    runs = 0;
    FAILS(KW_MISUSE, kw_tx_run(store, KW_TX_DEFAULT, NULL, NULL, NULL, &err));
    HAS(err.message, "body");
    FAILS(KW_MISUSE, kw_tx_run(store, 99, NULL, insert, NULL, &err));
    FAILS(KW_INVALID_HANDLE, kw_tx_run(0, KW_TX_DEFAULT, NULL, insert, NULL, &err));
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    FAILS(KW_SELF_DEADLOCK, kw_tx_run(store, KW_TX_DEFAULT, NULL, insert, NULL, &err));
    OK(kw_tx_rollback(tx, &err));
    EQUAL(0, runs);
}

static int32_t close_the_store(kw_tx tx, void *context, kw_error *error) {
    OK(exec_in(tx, "INSERT INTO t VALUES ('closed')", error));
    FAILS(KW_TIMEOUT, kw_store_close(*(kw_store *)context, 0, error));
    return KW_OK;
}

static void a_store_that_closes_is_no_success(void) {
    fresh();
    kw_store third = open_file("run.db");
    FAILS(KW_TX_ENDED, kw_tx_run(third, KW_TX_DEFAULT, NULL, close_the_store, &third, &err));
    EQUAL(0, count(store));
}

/* ------------------------------------------------------------------------------------------------------- elsewhere -- */

static void a_pinned_connection_runs_the_outermost_again(void) {
    kw_conn conn = 0;
    kw_tx tx = 0;
    fresh();
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    runs = 0;
    OK(kw_tx_run(conn, KW_TX_DEFERRED, NULL, conflict_at_first, NULL, &err));
    EQUAL(2, runs);
    OK(kw_tx_begin(conn, KW_TX_DEFERRED, NULL, &tx, &err));
    runs = 0;
    FAILS(KW_CONFLICT, kw_tx_run(conn, KW_TX_DEFAULT, NULL, conflict_inside, NULL, &err));
    EQUAL(1, runs);
    OK(kw_tx_rollback(tx, &err));
    OK(kw_conn_release(conn));
}

/* Outside WAL mode a commit may find readers in its way. */
struct reader {
    kw_store store;
    kw_rows rows;
};

static int32_t commit_beside_a_reader(kw_tx tx, void *context, kw_error *error) {
    struct reader *reader = context;
    if (runs++ == 0) {
        OK(kw_query(reader->store, "SELECT a.i FROM numbers a, numbers b", KW_NUL_TERMINATED, NULL, 0, NULL, &reader->rows, error));
    } else {
        OK(kw_rows_close(reader->rows));
    }
    return exec_in(tx, "INSERT INTO numbers VALUES (0)", error);
}

static void a_commit_that_is_refused_is_run_again(void) {
    const char *settings[] = {"options.journal_mode", "delete", "options.busy_timeout", "10ms", NULL};
    kw_store writer = open_with("journal.db", settings);
    EXEC(writer, "CREATE TABLE numbers(i)");
    EXEC(writer, "INSERT INTO numbers " COUNT_TO(300));
    struct reader reader = {open_with("journal.db", settings), 0};
    runs = 0;
    OK(kw_tx_run(writer, KW_TX_DEFAULT, NULL, commit_beside_a_reader, &reader, &err));
    EQUAL(2, runs);
    EQUAL(301, QUERY_INT(writer, "SELECT count(*) FROM numbers"));
    OK(kw_store_close(reader.store, -1, &err));
    OK(kw_store_close(writer, -1, &err));
}

static void *stay_inside(void *tx) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 200000;
    /* The body's own look inside may be in the way at first. */
    kw_status status = KW_MISUSE;
    while (status == KW_MISUSE) status = kw_execute(*(kw_tx *)tx, ENDLESS_SQL, KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err);
    EQUAL(KW_TIMEOUT, status);
    return NULL;
}

static kw_tx shared;

static int32_t leave_a_thread_inside(kw_tx tx, void *context, kw_error *error) {
    OK(insert(tx, NULL, error));
    shared = tx;
    pthread_create(context, NULL, stay_inside, &shared);
    while (exec_in(tx, "SELECT 1", NULL) != KW_MISUSE) sched_yield();
    return KW_OK;
}

static void a_thread_that_is_still_inside_is_waited_for(void) {
    pthread_t thread;
    fresh();
    FAILS(KW_MISUSE, kw_tx_run(store, KW_TX_DEFAULT, NULL, leave_a_thread_inside, &thread, &err));
    /* Nothing is left behind: the writer is free, although the thread may not have returned yet. */
    EXEC(store, "INSERT INTO t VALUES ('after')");
    EQUAL(1, count(store));
    pthread_join(thread, NULL);
}

static int32_t fork_inside(kw_tx tx, void *context, kw_error *error) {
    OK(insert(tx, NULL, error));
    *(pid_t *)context = fork_child();
    return KW_OK;
}

static void a_child_forked_by_the_body_ends_nothing(void) {
    pid_t child = -1;
    int state = -1;
    fresh();
    kw_status status = kw_tx_run(store, KW_TX_DEFAULT, NULL, fork_inside, &child, &err);
    if (child == 0) _exit(status == KW_FORKED ? 0 : 1);
    EQUAL(KW_OK, status);
    CHECK(waitpid(child, &state, 0) == child && WIFEXITED(state));
    EQUAL(0, WEXITSTATUS(state));
    EQUAL(1, count(other));
    EXEC(other, "INSERT INTO t VALUES ('after')");
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("run.db");
    EXEC(store, "CREATE TABLE t(s TEXT NOT NULL)");
    other = open_file("run.db");
    RUN(a_body_is_committed_once);
    RUN(a_conflict_is_run_again_and_immediate);
    RUN(whoever_waits_gets_in_between_two_runs);
    RUN(numbers_of_ones_own_come_out_as_they_are);
    RUN(other_errors_come_out_whole_and_are_not_run_again);
    RUN(the_deadline_is_one_for_all_runs);
    RUN(the_deadline_reaches_the_calls_of_the_body);
    RUN(a_commit_is_not_ended_by_the_deadline);
    RUN(the_token_ends_pauses);
    RUN(the_token_ends_the_calls_of_the_body);
    RUN(the_tick_ends_pauses);
    RUN(the_outermost_is_run_again);
    RUN(an_inner_body_that_fails_takes_back_only_itself);
    RUN(what_the_engine_ended_is_no_success);
    RUN(a_body_that_ends_it_has_decided);
    RUN(the_handle_ends_with_its_run);
    RUN(wrong_use);
    RUN(a_store_that_closes_is_no_success);
    RUN(a_pinned_connection_runs_the_outermost_again);
    RUN(a_commit_that_is_refused_is_run_again);
    RUN(a_thread_that_is_still_inside_is_waited_for);
    RUN(a_child_forked_by_the_body_ends_nothing);
    OK(kw_store_close(other, -1, &err));
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
