/* Closing stores, and the process-wide store. */
#include "check.h"

#include <sys/wait.h>

static void closing_twice(void) {
    kw_store store = open_file("twice.db");
    OK(kw_store_close(store, -1, &err));
    OK(kw_store_close(store, -1, &err));
    kw_status status = exec_status(store, "SELECT 1");
    CHECK(status == KW_CLOSED || status == KW_INVALID_HANDLE);
}

static void closing_with_open_rows(void) {
    kw_store store = open_file("rows.db");
    kw_rows rows = 0, small = 0;
    kw_status status;
    OK(kw_query(store, COUNT_TO(100000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_query(store, "SELECT 7", KW_NUL_TERMINATED, NULL, 0, NULL, &small, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    double began = now_seconds();
    FAILS(KW_TIMEOUT, kw_store_close(store, 100000, &err));
    HAS(err.message, "WITH RECURSIVE");
    CHECK(now_seconds() - began < 5.0);
    int seen = 0;
    while ((status = kw_rows_step(rows, &err)) == KW_ROW) seen++;
    CHECK(status == KW_CLOSED || status == KW_CANCELLED || status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
    CHECK(seen < 100000);
    /* What had already been read entirely is still there, or the handle has ended; nothing in between. */
    status = kw_rows_step(small, &err);
    CHECK(status == KW_ROW || status == KW_CLOSED || status == KW_INVALID_HANDLE);
    OK(kw_rows_close(rows));
    OK(kw_rows_close(small));
}

static void closing_with_an_open_transaction(void) {
    kw_store store = open_file("txs.db");
    kw_tx tx = 0;
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (1)");
    FAILS(KW_TIMEOUT, kw_store_close(store, 100000, &err));
    kw_status status = exec_status(tx, "INSERT INTO t VALUES (2)");
    CHECK(status == KW_CLOSED || status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
    OK(kw_tx_rollback(tx, &err));
    store = open_file("txs.db");
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM t"));
    EXEC(store, "INSERT INTO t VALUES (3)");
    OK(kw_store_close(store, -1, &err));
}

static void closing_with_everything_else_open(void) {
    kw_store store = open_file("else.db");
    kw_conn conn = 0;
    kw_statement statement = 0;
    kw_target derived = 0;
    kw_options options = KW_OPTIONS_INIT;
    OK(kw_prepare(store, "SELECT 1", 8, NULL, &statement, &err));
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    OK(kw_target_derive(store, &options, &derived, &err));
    FAILS(KW_TIMEOUT, kw_store_close(store, 50000, &err));
    OK(kw_store_close(store, 50000, &err));
    CHECK(exec_status(conn, "SELECT 1") != KW_OK);
    CHECK(exec_status(derived, "SELECT 1") != KW_OK);
    OK(kw_conn_release(conn));
    OK(kw_statement_close(statement));
    OK(kw_target_free(derived));
}

/* Nothing stays behind beside the file: the last connection checkpoints and removes the log. */
static void the_log_is_gone_after_closing(void) {
    kw_store store = open_file("log.db");
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_store_close(store, -1, &err));
    CHECK(access(temp_path("log.db-wal"), F_OK) != 0);
    CHECK(access(temp_path("log.db-shm"), F_OK) != 0);
}

static void the_instance(void) {
    kw_config config = 0;
    kw_store instance = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_load_uri(config, temp_path("instance.db"), KW_NUL_TERMINATED, &err));
    FAILS(KW_NOT_INITIALIZED, exec_status(KW_INSTANCE, "SELECT 1"));
    FAILS(KW_NOT_INITIALIZED, kw_instance(&instance, &err));
    EQUAL(0, instance);
    OK(kw_initialize(config, &err));
    FAILS(KW_ALREADY_INITIALIZED, kw_initialize(config, &err));
    EXEC(KW_INSTANCE, "CREATE TABLE t(x)");
    OK(kw_instance(&instance, &err));
    EXEC(instance, "INSERT INTO t VALUES (1)");
    EQUAL(1, QUERY_INT(KW_INSTANCE, "SELECT count(*) FROM t"));
    kw_tx tx = 0;
    OK(kw_tx_begin(KW_INSTANCE, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (2)");
    OK(kw_tx_commit(tx, &err));
    kw_stats stats = KW_STATS_INIT;
    OK(kw_store_stats(KW_INSTANCE, &stats, &err));
    OK(kw_store_close(KW_INSTANCE, -1, &err));
    FAILS(KW_NOT_INITIALIZED, exec_status(KW_INSTANCE, "SELECT 1"));
    kw_status status = exec_status(instance, "SELECT 1");
    CHECK(status == KW_CLOSED || status == KW_INVALID_HANDLE || status == KW_NOT_INITIALIZED);
    OK(kw_initialize(config, &err));
    EQUAL(2, QUERY_INT(KW_INSTANCE, "SELECT count(*) FROM t"));
    OK(kw_instance(&instance, &err));
    OK(kw_store_close(instance, -1, &err));
    FAILS(KW_NOT_INITIALIZED, exec_status(KW_INSTANCE, "SELECT 1"));
    OK(kw_config_free(config));
}

static void a_failed_initialize_can_be_repeated(void) {
    kw_config config = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_load_uri(config, temp_path("no/such/folder.db"), KW_NUL_TERMINATED, &err));
    CHECK(kw_initialize(config, &err) != KW_OK);
    FAILS(KW_NOT_INITIALIZED, exec_status(KW_INSTANCE, "SELECT 1"));
    OK(kw_config_load_uri(config, ":memory:", KW_NUL_TERMINATED, &err));
    OK(kw_initialize(config, &err));
    EXEC(KW_INSTANCE, "SELECT 1");
    OK(kw_store_close(KW_INSTANCE, -1, &err));
    OK(kw_config_free(config));
}

static void a_memory_store_is_one_database(void) {
    kw_store store = open_source(":memory:");
    EXEC(store, "CREATE TABLE t(x)");
    EXEC(store, "INSERT INTO t VALUES (1)");
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (2)");
    OK(kw_tx_commit(tx, &err));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM t"));
    OK(kw_store_close(store, -1, &err));
}

static const char *program;

/* What this program does when the next test runs it: it leaves everything open. */
static int end_without_closing(const char *path) {
    kw_store own = open_source(path);
    kw_rows rows = 0;
    kw_tx tx = 0;
    EXEC(own, "CREATE TABLE t(x)");
    EXEC(own, "INSERT INTO t VALUES (1)");
    OK(kw_query(own, COUNT_TO(100000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_tx_begin(own, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (2)");
    return checks_failed;
}

/* A program that ends without closing must end, at once, without leaks, and lose nothing that was committed. */
static void a_process_may_simply_end(void) {
    pid_t child = fork_child();
    if (child == 0) {
        execl(program, program, "end", temp_path("end.db"), (char *)NULL);
        _exit(97);
    }
    int state = 0;
    double began = now_seconds();
    waitpid(child, &state, 0);
    CHECK(now_seconds() - began < 20.0);
    EQUAL(0, WIFEXITED(state) ? WEXITSTATUS(state) : 98);
    kw_store store = open_file("end.db");
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
    OK(kw_store_close(store, -1, &err));
}

static void many_stores(void) {
    enum { MANY = 40 };
    kw_store stores[MANY];
    for (int i = 0; i < MANY; i++) stores[i] = open_source(":memory:");
    for (int i = 0; i < MANY; i++) EQUAL(1, QUERY_INT(stores[i], "SELECT 1"));
    for (int i = 0; i < MANY; i++) OK(kw_store_close(stores[i], -1, &err));
}

int main(int argc, char **argv) {
    if (argc == 3) return end_without_closing(argv[2]);
    program = argv[0];
    temp_path("");
    RUN(closing_twice);
    RUN(closing_with_open_rows);
    RUN(closing_with_an_open_transaction);
    RUN(closing_with_everything_else_open);
    RUN(the_log_is_gone_after_closing);
    RUN(the_instance);
    RUN(a_failed_initialize_can_be_repeated);
    RUN(a_memory_store_is_one_database);
    RUN(a_process_may_simply_end);
    RUN(many_stores);
    return REPORT();
}
