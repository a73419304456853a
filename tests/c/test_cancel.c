/* Cancel tokens, timeouts and ticks: each stops a running or waiting call, and the store goes on. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static kw_store store;

struct later {
    kw_cancel token;
    int milliseconds;
    pthread_t thread;
};

static void *trigger_later(void *argument) {
    struct later *later = argument;
    struct timespec pause = {later->milliseconds / 1000, (later->milliseconds % 1000) * 1000000L};
    nanosleep(&pause, NULL);
    kw_cancel_trigger(later->token);
    return NULL;
}

static void start(struct later *later, kw_cancel token, int milliseconds) {
    later->token = token;
    later->milliseconds = milliseconds;
    if (pthread_create(&later->thread, NULL, trigger_later, later) != 0) exit(2);
}

static kw_status endless(kw_target target, const kw_options *options) {
    return kw_execute(target, ENDLESS_SQL, KW_NUL_TERMINATED, NULL, 0, options, NULL, &err);
}

static void a_running_query_is_stopped(void) {
    kw_options options = KW_OPTIONS_INIT;
    struct later later;
    OK(kw_cancel_new(&options.cancel, &err));
    start(&later, options.cancel, 50);
    double began = now_seconds();
    FAILS(KW_CANCELLED, endless(store, &options));
    CHECK((err.flags & KW_ERROR_CANCELLED) != 0);
    CHECK((err.flags & KW_ERROR_TIMED_OUT) == 0);
    CHECK(now_seconds() - began < 10.0);
    pthread_join(later.thread, NULL);
    /* It stays triggered until it is reset. */
    FAILS(KW_CANCELLED, kw_execute(store, "SELECT 1", 8, NULL, 0, &options, NULL, &err));
    OK(kw_cancel_reset(options.cancel));
    OK(kw_execute(store, "SELECT 1", 8, NULL, 0, &options, NULL, &err));
    OK(kw_cancel_free(options.cancel));
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
}

static void a_stream_is_stopped(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    kw_status status;
    OK(kw_cancel_new(&options.cancel, &err));
    OK(kw_query(store, COUNT_TO(1000000000), KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    for (int i = 0; i < 1000; i++) FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_cancel_trigger(options.cancel));
    do status = kw_rows_step(rows, &err);
    while (status == KW_ROW);
    EQUAL(KW_CANCELLED, status);
    OK(kw_rows_close(rows));
    OK(kw_cancel_free(options.cancel));
}

static void waiting_for_the_writer_is_stopped(void) {
    kw_options options = KW_OPTIONS_INIT;
    struct later later;
    kw_tx tx = 0, second = 0;
    OK(kw_cancel_new(&options.cancel, &err));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    options.flags = KW_OPTION_UNBOUND;
    start(&later, options.cancel, 50);
    FAILS(KW_CANCELLED, kw_tx_begin(store, KW_TX_DEFAULT, &options, &second, &err));
    EQUAL(0, second);
    pthread_join(later.thread, NULL);
    OK(kw_tx_rollback(tx, &err));
    OK(kw_cancel_free(options.cancel));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_tx_rollback(tx, &err));
}

static void a_cancelled_statement_leaves_its_transaction(void) {
    kw_options options = KW_OPTIONS_INIT;
    struct later later;
    kw_tx tx = 0;
    EXEC(store, "CREATE TABLE c(x)");
    OK(kw_cancel_new(&options.cancel, &err));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO c VALUES (1)");
    start(&later, options.cancel, 50);
    FAILS(KW_CANCELLED, endless(tx, &options));
    pthread_join(later.thread, NULL);
    /* A cancelled read leaves the transaction as it was; had the engine rolled back, the error would say so. */
    if ((err.flags & KW_ERROR_ROLLED_BACK) == 0) {
        EXEC(tx, "INSERT INTO c VALUES (2)");
        OK(kw_tx_commit(tx, &err));
        EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM c"));
    } else {
        OK(kw_tx_rollback(tx, &err));
    }
    OK(kw_cancel_free(options.cancel));
}

static void one_token_stops_several_calls(void) {
    kw_options options = KW_OPTIONS_INIT;
    OK(kw_cancel_new(&options.cancel, &err));
    OK(kw_cancel_trigger(options.cancel));
    OK(kw_cancel_trigger(options.cancel));
    kw_rows rows = 0;
    kw_tx tx = 0;
    kw_conn conn = 0;
    kw_cell cell = int_cell(1);
    kw_fetch fetch = KW_FETCH_INIT;
    FAILS(KW_CANCELLED, kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err));
    FAILS(KW_CANCELLED, kw_query_into(store, "SELECT 1", 8, NULL, 0, &options, &cell, sizeof cell, &fetch, &err));
    FAILS(KW_CANCELLED, kw_execute_many(store, "SELECT ?", 8, &cell, 1, 1, &options, NULL, &err));
    FAILS(KW_CANCELLED, kw_execute_script(store, "SELECT 1", 8, &options, NULL, &err));
    FAILS(KW_CANCELLED, kw_tx_begin(store, KW_TX_DEFAULT, &options, &tx, &err));
    FAILS(KW_CANCELLED, kw_conn_acquire(store, &options, &conn, &err));
    EQUAL(0, rows + tx + conn);
    OK(kw_cancel_free(options.cancel));
    EXEC(store, "SELECT 1");
}

static void a_timeout_stops_and_says_so(void) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 50000;
    double began = now_seconds();
    FAILS(KW_TIMEOUT, endless(store, &options));
    double took = now_seconds() - began;
    CHECK(took >= 0.045 && took < 10.0);
    CHECK((err.flags & KW_ERROR_TIMED_OUT) != 0);
    CHECK((err.flags & KW_ERROR_CANCELLED) == 0);
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
    options.timeout_us = -1;
    OK(kw_execute(store, "SELECT 1", 8, NULL, 0, &options, NULL, &err));
    options.timeout_us = INT64_MAX;
    OK(kw_execute(store, "SELECT 1", 8, NULL, 0, &options, NULL, &err));
    options.timeout_us = INT64_MIN;
    OK(kw_execute(store, "SELECT 1", 8, NULL, 0, &options, NULL, &err));
}

static void a_write_that_times_out_changes_nothing(void) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 50000;
    EXEC(store, "CREATE TABLE w(x)");
    FAILS(KW_TIMEOUT, kw_execute(store, "INSERT INTO w " COUNT_TO(1000000000), KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM w"));
    EXEC(store, "INSERT INTO w VALUES (1)");
}

static int32_t tick(void *context) {
    int *ticks = context;
    return ++*ticks >= 3;
}

static void a_tick_is_called_and_may_cancel(void) {
    kw_options options = KW_OPTIONS_INIT;
    int ticks = 0;
    options.tick = tick;
    options.tick_context = &ticks;
    FAILS(KW_CANCELLED, endless(store, &options));
    EQUAL(3, ticks);
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    ticks = 0;
    options.flags = KW_OPTION_UNBOUND;
    FAILS(KW_CANCELLED, kw_execute(store, "DELETE FROM w", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err));
    EQUAL(3, ticks);
    OK(kw_tx_rollback(tx, &err));
}

static kw_cancel signalled;
static void on_signal(int number) {
    (void)number;
    kw_cancel_trigger(signalled);
}

static void a_signal_handler_may_trigger(void) {
    kw_options options = KW_OPTIONS_INIT;
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    OK(kw_cancel_new(&signalled, &err));
    options.cancel = signalled;
    sigaction(SIGALRM, &action, &before);
    alarm(1);
    FAILS(KW_CANCELLED, endless(store, &options));
    sigaction(SIGALRM, &before, NULL);
    OK(kw_cancel_free(signalled));
}

static void a_freed_token_cancels_nothing(void) {
    kw_cancel token = 0;
    kw_rows rows = 0;
    kw_options options = KW_OPTIONS_INIT;
    OK(kw_cancel_new(&token, &err));
    options.cancel = token;
    options.batch_rows = 1;
    OK(kw_query(store, COUNT_TO(10), KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    OK(kw_cancel_free(token));
    kw_cancel_trigger(token);
    int seen = 0;
    while (kw_rows_step(rows, &err) == KW_ROW) seen++;
    EQUAL(10, seen);
    OK(kw_rows_close(rows));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("cancel.db");
    RUN(a_running_query_is_stopped);
    RUN(a_stream_is_stopped);
    RUN(waiting_for_the_writer_is_stopped);
    RUN(a_cancelled_statement_leaves_its_transaction);
    RUN(one_token_stops_several_calls);
    RUN(a_timeout_stops_and_says_so);
    RUN(a_write_that_times_out_changes_nothing);
    RUN(a_tick_is_called_and_may_cancel);
    RUN(a_signal_handler_may_trigger);
    RUN(a_freed_token_cancels_nothing);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
