/* kw_metrics_text: numbers that agree exactly with what the program did, the sizes of buffers, and the file for collectors. */
#include "metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *const quiet[] = {"metrics.collect_interval", "0", NULL};

static kw_options within(int64_t ms) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = ms * 1000;
    return options;
}

/* -------------------------------------------------------------------------------------------------- what was counted -- */

static void statements_and_rows_are_counted(void) {
    kw_store store = open_with("statements.db", quiet);
    METRIC(0, store, "keepwell_query_duration_seconds_count", "statement=\"write\"");
    EXEC(store, "CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
    for (int i = 0; i < 7; i++) EXEC(store, "INSERT INTO t(y) VALUES (1)");
    EXEC(store, "UPDATE t SET y = 2 WHERE x > 3");
    METRIC(9, store, "keepwell_query_duration_seconds_count", "statement=\"write\"");
    METRIC(0, store, "keepwell_query_duration_seconds_count", "statement=\"read\"");
    METRIC(7 + 4, store, "keepwell_query_rows_changed_total", "");
    for (int i = 0; i < 5; i++) EQUAL(4, QUERY_INT(store, "SELECT count(y) FROM t WHERE y = 2"));
    METRIC(5, store, "keepwell_query_duration_seconds_count", "statement=\"read\"");
    METRIC(5, store, "keepwell_query_rows_returned_total", "");
    METRIC(5, store, "keepwell_query_full_scans_total", "");
    METRIC(0, store, "keepwell_query_automatic_indexes_total", "");
    METRIC(0, store, "keepwell_query_sorts_total", "");
    EQUAL(1, QUERY_INT(store, "SELECT x FROM t ORDER BY y, x LIMIT 1") != -1);
    METRIC(1, store, "keepwell_query_sorts_total", "");

    /* A stream counts once, with all its rows. */
    kw_rows rows = 0;
    OK(kw_query(store, COUNT_TO(3000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    while (kw_rows_step(rows, &err) == KW_ROW) {}
    OK(kw_rows_close(rows));
    METRIC(7, store, "keepwell_query_duration_seconds_count", "statement=\"read\"");
    METRIC(6 + 3000, store, "keepwell_query_rows_returned_total", "");
    OK(kw_store_close(store, -1, &err));
}

static int32_t insert_twice(kw_tx tx, void *context, kw_error *error) {
    int *runs = context;
    ++*runs;
    return kw_execute(tx, "INSERT INTO t VALUES (5)", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, error);
}

static void transactions_are_counted_by_their_ends(void) {
    kw_store store = open_with("ends.db", quiet);
    EXEC(store, "CREATE TABLE t(x UNIQUE ON CONFLICT ROLLBACK)");
    kw_tx tx = 0;
    for (int i = 0; i < 4; i++) {
        OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
        OK(kw_tx_commit(tx, &err));
    }
    for (int i = 0; i < 3; i++) {
        OK(kw_tx_begin(store, KW_TX_DEFERRED, NULL, &tx, &err));
        OK(kw_tx_rollback(tx, &err));
    }
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (1)");
    FAILS(KW_CONSTRAINT, exec_status(tx, "INSERT INTO t VALUES (1)"));
    (void)kw_tx_rollback(tx, &err);
    int runs = 0;
    OK(kw_tx_run(store, KW_TX_DEFAULT, NULL, insert_twice, &runs, &err));
    EQUAL(1, runs);
    METRIC(5, store, "keepwell_tx_total", "outcome=\"committed\"");
    METRIC(3, store, "keepwell_tx_total", "outcome=\"rolled_back\"");
    METRIC(1, store, "keepwell_tx_total", "outcome=\"ended_by_engine\"");
    METRIC(0, store, "keepwell_tx_total", "outcome=\"abandoned\"");
    METRIC(0, store, "keepwell_tx_retries_total", "");
    OK(kw_store_close(store, -1, &err));
}

static void errors_are_counted_by_their_status(void) {
    kw_store store = open_with("errors.db", quiet);
    METRIC(-1, store, "keepwell_errors_total", "code=\"KW_CONSTRAINT\"");
    EXEC(store, "CREATE TABLE t(x UNIQUE)");
    EXEC(store, "INSERT INTO t VALUES (1)");
    for (int i = 0; i < 3; i++) FAILS(KW_CONSTRAINT, exec_status(store, "INSERT INTO t VALUES (1)"));
    for (int i = 0; i < 2; i++) FAILS(KW_SQL, exec_status(store, "SELEC"));
    FAILS(KW_SQL, exec_status(store, "INSERT INTO nowhere VALUES (1)"));
    METRIC(3, store, "keepwell_errors_total", "code=\"KW_CONSTRAINT\"");
    METRIC(3, store, "keepwell_errors_total", "code=\"KW_SQL\"");
    METRIC(0, store, "keepwell_errors_total", "code=\"KW_BUSY\""); /* one that alerts look at is there from the start */
    OK(kw_store_close(store, -1, &err));
}

static void the_cache_is_counted(void) {
    kw_store store = open_with("cache.db", quiet);
    EXEC(store, "CREATE TABLE t(x)");
    kw_options options = KW_OPTIONS_INIT;
    options.cache = KW_CACHE_USE;
    for (int i = 0; i < 6; i++) {
        kw_rows rows = 0;
        OK(kw_query(store, "SELECT count(*) FROM t", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
        EQUAL(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_close(rows));
        if (i == 3) EXEC(store, "INSERT INTO t VALUES (1)");
    }
    METRIC(4, store, "keepwell_cache_hits_total", "");
    METRIC(2, store, "keepwell_cache_misses_total", "");
    METRIC(1, store, "keepwell_cache_entries", "");
    /* What came from the cache ran no statement. */
    METRIC(2, store, "keepwell_query_duration_seconds_count", "statement=\"read\"");
    kw_cache_stats stats = KW_CACHE_STATS_INIT;
    OK(kw_store_cache_stats(store, &stats, &err));
    EQUAL(4, stats.hits);
    METRIC((double)stats.bytes, store, "keepwell_cache_bytes", "");
    OK(kw_store_close(store, -1, &err));
}

static void locks_of_others_and_their_commits_are_counted(void) {
    kw_store mine = open_with("busy.db", quiet), other = open_with("busy.db", quiet);
    EXEC(mine, "CREATE TABLE t(x)");
    kw_tx tx = 0, behind = 0;
    OK(kw_tx_begin(other, KW_TX_IMMEDIATE, NULL, &tx, &err));
    kw_options options = within(150);
    for (int i = 0; i < 2; i++) {
        kw_status status = kw_execute(mine, "INSERT INTO t VALUES (1)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err);
        CHECK(status == KW_TIMEOUT || status == KW_BUSY);
        HAS(err.message, "busy ");
    }
    OK(kw_tx_rollback(tx, &err));
    METRIC(2, mine, "keepwell_busy_total", "cause=\"lock\"");
    METRIC(0, other, "keepwell_busy_total", "cause=\"lock\"");
    METRIC(2, mine, "keepwell_stopped_total", "stage=\"busy\",reason=\"timeout\"");
    double waited = metric(mine, "keepwell_busy_wait_seconds_total", "");
    CHECK(waited > 0.2 && waited < 60);

    /* The other one commits after this snapshot. */
    OK(kw_tx_begin(mine, KW_TX_DEFERRED, NULL, &behind, &err));
    EQUAL(0, QUERY_INT(behind, "SELECT count(*) FROM t"));
    EXEC(other, "INSERT INTO t VALUES (1)");
    FAILS(KW_CONFLICT, exec_status(behind, "INSERT INTO t VALUES (2)"));
    OK(kw_tx_rollback(behind, &err));
    METRIC(1, mine, "keepwell_busy_total", "cause=\"snapshot\"");
    METRIC(2, mine, "keepwell_busy_total", "cause=\"lock\"");
    OK(kw_store_close(mine, -1, &err));
    OK(kw_store_close(other, -1, &err));
}

static void a_lock_of_another_process_is_counted(void) {
    kw_store store = open_with("process.db", quiet);
    EXEC(store, "CREATE TABLE t(x)");
    int ready[2], done[2];
    char byte = 0;
    if (pipe(ready) != 0 || pipe(done) != 0) exit(2);
    pid_t child = fork_child();
    if (child == 0) {
        alarm(120);
        kw_store own = open_with("process.db", quiet);
        kw_tx tx = 0;
        OK(kw_tx_begin(own, KW_TX_IMMEDIATE, NULL, &tx, &err));
        if (write(ready[1], "r", 1) != 1 || read(done[0], &byte, 1) != 1) _exit(3);
        OK(kw_tx_rollback(tx, &err));
        OK(kw_store_close(own, -1, &err));
        _exit(checks_failed);
    }
    EQUAL(1, read(ready[0], &byte, 1));
    kw_options options = within(100);
    CHECK(kw_execute(store, "INSERT INTO t VALUES (1)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err) != KW_OK);
    METRIC(1, store, "keepwell_busy_total", "cause=\"lock\"");
    METRIC(1, store, "keepwell_forks_total", "");
    EQUAL(1, write(done[1], "d", 1));
    int state = 0;
    EQUAL(child, waitpid(child, &state, 0));
    EQUAL(0, state);
    EXEC(store, "INSERT INTO t VALUES (1)");
    OK(kw_store_close(store, -1, &err));
    close(ready[0]), close(ready[1]), close(done[0]), close(done[1]);
}

static void *wait_for_writer(void *argument) {
    kw_options *options = argument;
    return (void *)(intptr_t)kw_execute((kw_store)(uintptr_t)options->tick_context, "INSERT INTO t VALUES (1)", KW_NUL_TERMINATED, NULL, 0,
                                        &(kw_options){.struct_size = sizeof(kw_options), .timeout_us = options->timeout_us, .cancel = options->cancel},
                                        NULL, NULL);
}

static kw_status write_elsewhere(kw_store store, int64_t timeout_us, kw_cancel cancel, int trigger) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = timeout_us;
    options.cancel = cancel;
    options.tick_context = (void *)(uintptr_t)store;
    pthread_t thread;
    void *status = NULL;
    if (pthread_create(&thread, NULL, wait_for_writer, &options) != 0) exit(2);
    if (trigger) {
        /* Not before it stands in line. */
        double end = now_seconds() + 60;
        while (metric(store, "keepwell_writer_queue_depth", "") < 1 && now_seconds() < end) usleep(1000);
        METRIC(1, store, "keepwell_writer_queue_depth", "");
        OK(kw_cancel_trigger(cancel));
    }
    pthread_join(thread, &status);
    return (kw_status)(intptr_t)status;
}

static void stops_are_counted_by_stage_and_reason(void) {
    kw_store store = open_with("stops.db", quiet);
    EXEC(store, "CREATE TABLE t(x)");
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    kw_cancel cancel = 0;
    OK(kw_cancel_new(&cancel, &err));
    EQUAL(KW_TIMEOUT, write_elsewhere(store, 50000, 0, 0));
    EQUAL(KW_TIMEOUT, write_elsewhere(store, 50000, 0, 0));
    EQUAL(KW_CANCELLED, write_elsewhere(store, 0, cancel, 1));
    OK(kw_tx_rollback(tx, &err));
    METRIC(2, store, "keepwell_stopped_total", "stage=\"queue\",reason=\"timeout\"");
    METRIC(1, store, "keepwell_stopped_total", "stage=\"queue\",reason=\"cancelled\"");
    METRIC(0, store, "keepwell_writer_queue_depth", "");

    kw_options options = within(60);
    kw_rows rows = 0;
    for (int i = 0; i < 3; i++) FAILS(KW_TIMEOUT, kw_query(store, ENDLESS_SQL, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    HAS(err.message, "(queue ");
    HAS(err.message, " ms, busy ");
    HAS(err.message, " ms, execution ");
    METRIC(3, store, "keepwell_stopped_total", "stage=\"execution\",reason=\"timeout\"");
    METRIC(0, store, "keepwell_stopped_total", "stage=\"execution\",reason=\"cancelled\"");
    METRIC(0, store, "keepwell_stopped_total", "stage=\"busy\",reason=\"timeout\"");
    METRIC(5, store, "keepwell_errors_total", "code=\"KW_TIMEOUT\"");
    METRIC(1, store, "keepwell_errors_total", "code=\"KW_CANCELLED\"");
    OK(kw_cancel_free(cancel));
    OK(kw_store_close(store, -1, &err));
}

static void gauges_show_the_pool_as_it_is(void) {
    const char *const settings[] = {"metrics.collect_interval", "0", "pool.max_open", "5", NULL};
    kw_store store = open_with("gauges.db", settings);
    EXEC(store, "CREATE TABLE t(x)");
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    kw_stats stats = KW_STATS_INIT;
    OK(kw_store_stats(store, &stats, &err));
    METRIC(stats.max_open, store, "keepwell_pool_max_open_connections", "");
    METRIC(stats.open, store, "keepwell_pool_open_connections", "");
    METRIC(1, store, "keepwell_pool_in_use_connections", "");
    OK(kw_tx_commit(tx, &err));
    METRIC(0, store, "keepwell_pool_in_use_connections", "");
    METRIC(1, store, "keepwell_build_info", kw_version());
    OK(kw_store_close(store, -1, &err));
}

/* ------------------------------------------------------------------------------------------------------------- texts -- */

static void a_buffer_may_be_too_small_exact_or_none(void) {
    kw_store store = open_with("buffers.db", quiet);
    char *whole = metrics_text(store, KW_METRICS_PROMETHEUS);
    size_t length = strlen(whole), said = 0;
    CHECK(length > 1000);
    char *part = malloc(length + 2);
    if (part == NULL) exit(2);

    memset(part, 'x', length + 2);
    OK(kw_metrics_text(store, KW_METRICS_PROMETHEUS, part, 11, &said, &err));
    EQUAL(length, said);
    EQUAL(10, strlen(part));
    EQUAL('x', part[11]);
    CHECK(memcmp(whole, part, 10) == 0);

    memset(part, 'x', length + 2);
    OK(kw_metrics_text(store, KW_METRICS_PROMETHEUS, part, length + 1, &said, &err));
    EQUAL(length, strlen(part));
    EQUAL('x', part[length + 1]);

    memset(part, 'x', length + 2);
    OK(kw_metrics_text(store, KW_METRICS_PROMETHEUS, part, 0, &said, &err));
    EQUAL('x', part[0]);
    OK(kw_metrics_text(store, KW_METRICS_PROMETHEUS, part, 1, &said, &err));
    EQUAL(0, part[0]);
    EQUAL('x', part[1]);
    FAILS(KW_MISUSE, kw_metrics_text(store, KW_METRICS_PROMETHEUS, part, length + 1, NULL, &err));
    FAILS(KW_MISUSE, kw_metrics_text(store, KW_METRICS_PROMETHEUS, NULL, 5, &said, &err));
    FAILS(KW_MISUSE, kw_metrics_text(store, 2, part, 5, &said, &err));
    HAS(err.message, "KW_METRICS_OPENMETRICS");
    free(part);
    free(whole);

    whole = metrics_text(store, KW_METRICS_OPENMETRICS);
    CHECK(strlen(whole) > 6 && strcmp(whole + strlen(whole) - 6, "# EOF\n") == 0);
    CHECK(strstr(whole, "# TYPE keepwell_tx counter\n") != NULL && strstr(whole, "# UNIT keepwell_database_bytes") == NULL);
    free(whole);
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_INVALID_HANDLE, kw_metrics_text(store, KW_METRICS_PROMETHEUS, NULL, 0, &said, &err));
    FAILS(KW_INVALID_HANDLE, kw_metrics_text(0, KW_METRICS_PROMETHEUS, NULL, 0, &said, &err));
}

/* As a binding does whose callers wait in a line of its own. */
static void waits_outside_of_the_library_are_counted_too(void) {
    kw_store store = open_file("outside.db");
    OK(kw_store_waiting(store, KW_ROLE_WRITER, 3, &err));
    OK(kw_store_waiting(store, KW_ROLE_WRITER, -1, &err));
    OK(kw_store_waiting(store, KW_ROLE_READER, 1, &err));
    CHECK(metric(store, "keepwell_writer_queue_depth", "") == 2);
    CHECK(metric(store, "keepwell_reader_queue_depth", "") == 1);
    kw_stats stats = KW_STATS_INIT;
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(3, stats.waiting);
    OK(kw_store_waited(store, KW_ROLE_WRITER, 1500000, KW_OK, &err));
    OK(kw_store_waited(store, KW_ROLE_WRITER, 500000, KW_TIMEOUT, &err));
    OK(kw_store_waited(store, KW_ROLE_WRITER, 0, KW_CANCELLED, &err));
    OK(kw_store_waited(store, KW_ROLE_READER, 0, KW_EXHAUSTED, &err));
    OK(kw_store_waited(store, KW_ROLE_READER, 0, KW_SELF_DEADLOCK, &err));
    CHECK(metric(store, "keepwell_pool_wait_count_total", "") == 4);
    CHECK(metric(store, "keepwell_pool_wait_duration_seconds_sum", "role=\"writer\"") == 0.002);
    CHECK(metric(store, "keepwell_pool_wait_duration_seconds_count", "role=\"reader\"") == 1);
    CHECK(metric(store, "keepwell_stopped_total", "stage=\"queue\",reason=\"timeout\"") == 1);
    CHECK(metric(store, "keepwell_stopped_total", "stage=\"queue\",reason=\"cancelled\"") == 1);
    CHECK(metric(store, "keepwell_pool_exhausted_total", "") == 1);
    CHECK(metric(store, "keepwell_pool_self_deadlocks_total", "") == 1);
    CHECK(metric(store, "keepwell_errors_total", "KW_SELF_DEADLOCK") == 1);
    FAILS(KW_MISUSE, kw_store_waited(store, KW_ROLE_READER, 0, KW_SQL, &err));
    FAILS(KW_MISUSE, kw_store_waited(store, KW_ROLE_READER, 0, 4711, &err));
    FAILS(KW_MISUSE, kw_store_waited(store, 2, 0, KW_OK, &err));
    FAILS(KW_MISUSE, kw_store_waiting(store, 2, 1, &err));
    OK(kw_store_waiting(store, KW_ROLE_WRITER, -9, &err));
    CHECK(metric(store, "keepwell_writer_queue_depth", "") == 0);
    OK(kw_store_close(store, -1, &err));
}

static void a_label_is_escaped(void) {
    kw_config config = 0;
    OK(kw_config_new(&config, &err));
    FAILS(KW_CONFIG, kw_config_set(config, "metrics.label", KW_NUL_TERMINATED, "two\nlines", KW_NUL_TERMINATED, &err));
    FAILS(KW_CONFIG, kw_config_set(config, "metrics.label", KW_NUL_TERMINATED, "a\0b", 3, &err));
    FAILS(KW_ENCODING, kw_config_set(config, "metrics.label", KW_NUL_TERMINATED, "\377", KW_NUL_TERMINATED, &err));
    OK(kw_config_free(config));
    const char *const settings[] = {"metrics.collect_interval", "0", "metrics.label", "a\"b\\c, \303\244{}", NULL};
    kw_store store = open_with("label.db", settings);
    char *text = metrics_text(store, KW_METRICS_PROMETHEUS);
    HAS(text, "store=\"a\\\"b\\\\c, \303\244{}\"");
    free(text);
    text = metrics_text(store, KW_METRICS_OPENMETRICS);
    HAS(text, "store=\"a\\\"b\\\\c, \303\244{}\"");
    free(text);
    OK(kw_store_close(store, -1, &err));
}

static void without_metrics_the_text_has_what_costs_nothing(void) {
    const char *const settings[] = {"metrics.enabled", "false", NULL};
    kw_store store = open_with("off.db", settings);
    EXEC(store, "CREATE TABLE t(x)");
    METRIC(-1, store, "keepwell_query_duration_seconds_count", "statement=\"write\"");
    METRIC(1, store, "keepwell_build_info", "");
    OK(kw_store_close(store, -1, &err));
}

/* -------------------------------------------------------------------------------------------------------- metrics.file -- */

static char *slurp(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    char *text = calloc(1, 1 << 20);
    if (text == NULL) exit(2);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = 0;
    fclose(file);
    return text;
}

static void the_file_is_there_at_once_and_never_in_part(void) {
    char path[4300];
    snprintf(path, sizeof path, "%s", temp_path("keepwell.prom"));
    const char *const settings[] = {"metrics.collect_interval", "20ms", "metrics.file", path, NULL};
    kw_store store = open_with("file.db", settings);
    char *first = slurp(path);
    CHECK(first != NULL && strstr(first, "keepwell_build_info") != NULL);
    FILE *held = fopen(path, "rb");
    EXEC(store, "CREATE TABLE t(x)");
    double end = now_seconds() + 60;
    int seen = 0, torn = 0, looks = 0;
    while (now_seconds() < end && (!seen || looks < 200)) {
        char *text = slurp(path);
        looks++;
        if (text == NULL || strlen(text) < 100 || text[strlen(text) - 1] != '\n' || strstr(text, "keepwell_second_sqlite_total{") == NULL) torn++;
        else if (metric_in(text, "keepwell_query_duration_seconds_count", "statement=\"write\"") == 1) seen = 1;
        free(text);
        usleep(1000);
    }
    EQUAL(0, torn);
    EQUAL(1, seen);
    OK(kw_store_close(store, -1, &err));
    /* Renamed into place: who has the first one open still reads it. Nothing is left beside it. */
    char *old = calloc(1, strlen(first) + 2);
    CHECK(held != NULL && old != NULL && fread(old, 1, strlen(first) + 1, held) == strlen(first) && strcmp(old, first) == 0);
    fclose(held);
    free(old);
    free(first);
    DIR *dir = opendir(temp_root);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        CHECK(strstr(entry->d_name, "keepwell.prom.") == NULL);
    }
    closedir(dir);
}

/* The file is replaced as a whole: not the database, and nothing that is no file. */
static void what_must_not_be_replaced_is_refused(void) {
    const char *const names[] = {"own.db", "own.db-wal", "fifo", "link", "folder"};
    CHECK(mkfifo(temp_path("fifo"), 0600) == 0 && symlink("elsewhere", temp_path("link")) == 0 && mkdir(temp_path("folder"), 0700) == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        kw_config config = 0;
        kw_store store = 0;
        const char *path = temp_path(names[i]);
        OK(kw_config_new(&config, &err));
        OK(kw_config_set(config, "datasource", KW_NUL_TERMINATED, temp_path("own.db"), KW_NUL_TERMINATED, &err));
        OK(kw_config_set(config, "metrics.file", KW_NUL_TERMINATED, path, KW_NUL_TERMINATED, &err));
        FAILS(KW_CONFIG, kw_open(config, &store, &err));
        HAS(err.message, "metrics.file");
        OK(kw_config_free(config));
    }
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(statements_and_rows_are_counted);
    RUN(transactions_are_counted_by_their_ends);
    RUN(errors_are_counted_by_their_status);
    RUN(the_cache_is_counted);
    RUN(locks_of_others_and_their_commits_are_counted);
    RUN(a_lock_of_another_process_is_counted);
    RUN(stops_are_counted_by_stage_and_reason);
    RUN(gauges_show_the_pool_as_it_is);
    RUN(a_buffer_may_be_too_small_exact_or_none);
    RUN(waits_outside_of_the_library_are_counted_too);
    RUN(a_label_is_escaped);
    RUN(without_metrics_the_text_has_what_costs_nothing);
    RUN(the_file_is_there_at_once_and_never_in_part);
    RUN(what_must_not_be_replaced_is_refused);
    return REPORT();
}
