/* Pinned connections, derived targets, prepared statements. */
#include "check.h"

static kw_store store;

static void a_pinned_connection_is_one_connection(void) {
    kw_conn conn = 0;
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    EXEC(conn, "CREATE TEMP TABLE scratch(x)");
    EXEC(conn, "INSERT INTO scratch VALUES (1), (2)");
    EQUAL(2, QUERY_INT(conn, "SELECT count(*) FROM scratch"));
    kw_rows rows = 0;
    FAILS(KW_SQL, kw_query(store, "SELECT * FROM scratch", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_conn_release(conn));
    FAILS(KW_INVALID_HANDLE, exec_status(conn, "SELECT 1"));
    OK(kw_conn_release(conn));
}

static void it_comes_back_clean(void) {
    kw_conn conn = 0;
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    EXEC(conn, "CREATE TEMP TABLE scratch(x)");
    EXEC(conn, "ATTACH ':memory:' AS side");
    EXEC(conn, "PRAGMA foreign_keys = OFF");
    OK(kw_conn_release(conn));
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    FAILS(KW_SQL, exec_status(conn, "SELECT * FROM scratch"));
    EQUAL(0, QUERY_INT(conn, "SELECT count(*) FROM pragma_database_list WHERE name = 'side'"));
    EQUAL(1, QUERY_INT(conn, "PRAGMA foreign_keys"));
    OK(kw_conn_release(conn));
}

static void an_open_transaction_does_not_survive_the_release(void) {
    kw_conn conn = 0;
    kw_tx tx = 0;
    EXEC(store, "CREATE TABLE IF NOT EXISTS t(x)");
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    OK(kw_tx_begin(conn, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (1)");
    kw_status status = kw_conn_release(conn);
    CHECK(status == KW_OK || status == KW_MISUSE);
    OK(kw_tx_rollback(tx, &err));
    OK(kw_conn_release(conn));
    EXEC(store, "INSERT INTO t VALUES (2)");
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
}

static void a_pinned_reader_cannot_write(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_conn conn = 0;
    options.flags = KW_OPTION_READ_ONLY;
    OK(kw_conn_acquire(store, &options, &conn, &err));
    EQUAL(1, QUERY_INT(conn, "SELECT 1"));
    FAILS(KW_READ_ONLY, exec_status(conn, "CREATE TABLE nope(x)"));
    EXEC(store, "CREATE TABLE beside_a_reader(x)");
    OK(kw_conn_release(conn));
}

static void pinning_the_writer_twice(void) {
    kw_conn first = 0, second = 0;
    OK(kw_conn_acquire(store, NULL, &first, &err));
    FAILS(KW_SELF_DEADLOCK, kw_conn_acquire(store, NULL, &second, &err));
    EQUAL(0, second);
    OK(kw_conn_release(first));
}

static void readers_run_out_in_time(void) {
    static const char *const settings[] = {"pool.max_open", "3", NULL};
    kw_store small = open_with("small.db", settings);
    kw_options options = KW_OPTIONS_INIT;
    kw_conn conns[8] = {0};
    kw_status status = KW_OK;
    int got = 0;
    options.flags = KW_OPTION_READ_ONLY | KW_OPTION_UNBOUND;
    options.timeout_us = 50000;
    while (got < 8 && (status = kw_conn_acquire(small, &options, &conns[got], &err)) == KW_OK) got++;
    CHECK(got >= 2 && got <= 3);
    CHECK(status == KW_EXHAUSTED || status == KW_TIMEOUT);
    CHECK((err.flags & KW_ERROR_TIMED_OUT) != 0);
    for (int i = 0; i < got; i++) OK(kw_conn_release(conns[i]));
    EQUAL(1, QUERY_INT(small, "SELECT 1"));
    OK(kw_store_close(small, -1, &err));
}

static void a_derived_target_carries_its_options(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_target read_only = 0, hurried = 0;
    kw_tx tx = 0;
    options.flags = KW_OPTION_READ_ONLY;
    OK(kw_target_derive(store, &options, &read_only, &err));
    FAILS(KW_READ_ONLY, exec_status(read_only, "CREATE TABLE nope(x)"));
    EQUAL(1, QUERY_INT(read_only, "SELECT 1"));
    options.flags = 0;
    options.timeout_us = 50000;
    OK(kw_target_derive(store, &options, &hurried, &err));
    FAILS(KW_TIMEOUT, exec_status(hurried, ENDLESS_SQL));
    /* A call's own options win. */
    options.timeout_us = 10000000;
    OK(kw_execute(hurried, COUNT_TO(1000), KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err));
    OK(kw_tx_begin(hurried, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_tx_rollback(tx, &err));
    OK(kw_target_free(hurried));
    OK(kw_target_free(read_only));
    FAILS(KW_INVALID_HANDLE, exec_status(hurried, "SELECT 1"));
    OK(kw_target_derive(store, NULL, &hurried, &err));
    EXEC(hurried, "SELECT 1");
    OK(kw_target_free(hurried));
    FAILS(KW_MISUSE, kw_target_derive(store, NULL, NULL, &err));
}

static void a_target_derived_from_a_transaction(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_tx tx = 0;
    kw_target derived = 0;
    options.timeout_us = 5000000;
    EXEC(store, "CREATE TABLE IF NOT EXISTS dt(x)");
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_target_derive(tx, &options, &derived, &err));
    EXEC(derived, "INSERT INTO dt VALUES (1)");
    EQUAL(1, QUERY_INT(tx, "SELECT count(*) FROM dt"));
    OK(kw_tx_rollback(tx, &err));
    kw_status status = exec_status(derived, "INSERT INTO dt VALUES (2)");
    CHECK(status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
    OK(kw_target_free(derived));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM dt"));
}

static void a_statement_describes_itself(void) {
    kw_statement statement = 0;
    kw_statement_info info = KW_STATEMENT_INFO_INIT;
    const char *text = NULL;
    size_t size = 0;
    EXEC(store, "CREATE TABLE IF NOT EXISTS st(a, b)");
    OK(kw_prepare(store, "SELECT a AS first, b FROM st WHERE a = :key AND b > ?", KW_NUL_TERMINATED, NULL, &statement, &err));
    OK(kw_statement_describe(statement, &info, &err));
    EQUAL(2, info.parameter_count);
    EQUAL(2, info.column_count);
    EQUAL(1, info.read_only);
    OK(kw_statement_parameter_name(statement, 0, &text, &size, &err));
    CHECK(size == 4 && memcmp(text, ":key", 4) == 0);
    OK(kw_statement_parameter_name(statement, 1, &text, &size, &err));
    EQUAL(0, size);
    OK(kw_statement_column_name(statement, 0, &text, &size, &err));
    CHECK(size == 5 && memcmp(text, "first", 5) == 0);
    FAILS(KW_MISUSE, kw_statement_column_name(statement, 2, &text, &size, &err));
    FAILS(KW_MISUSE, kw_statement_parameter_name(statement, 2, &text, &size, &err));
    OK(kw_statement_close(statement));
    OK(kw_prepare(store, "INSERT INTO st VALUES (1, 2)", KW_NUL_TERMINATED, NULL, &statement, &err));
    OK(kw_statement_describe(statement, &info, &err));
    EQUAL(0, info.read_only);
    OK(kw_statement_close(statement));
    FAILS(KW_SQL, kw_prepare(store, "SELECT nocolumn", KW_NUL_TERMINATED, NULL, &statement, &err));
    EQUAL(7, err.sql_offset);
}

static void a_statement_runs_on_every_target(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_cell value = int_cell(5);
    kw_rows rows = 0;
    kw_tx tx = 0;
    EXEC(store, "CREATE TABLE IF NOT EXISTS run(x)");
    kw_statement insert = 0, select = 0;
    OK(kw_prepare(store, "INSERT INTO run VALUES (?)", KW_NUL_TERMINATED, NULL, &insert, &err));
    OK(kw_prepare(store, "SELECT count(*) FROM run WHERE x = ?", KW_NUL_TERMINATED, NULL, &select, &err));
    options.statement = insert;
    OK(kw_execute(store, NULL, 0, &value, 1, &options, NULL, &err));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_execute(tx, NULL, 0, &value, 1, &options, NULL, &err));
    OK(kw_tx_commit(tx, &err));
    kw_cell two[] = {int_cell(5), int_cell(5)};
    OK(kw_execute_many(store, NULL, 0, two, 1, 2, &options, NULL, &err));
    options.statement = select;
    for (int i = 0; i < 3; i++) {
        int64_t count = 0;
        OK(kw_query(store, NULL, 0, &value, 1, &options, &rows, &err));
        FAILS(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_int64(rows, 0, &count, &err));
        EQUAL(4, count);
        OK(kw_rows_close(rows));
    }
    FAILS(KW_MISUSE, kw_query(store, "SELECT 1", 8, &value, 1, &options, &rows, &err));
    OK(kw_statement_close(select));
    FAILS(KW_INVALID_HANDLE, kw_query(store, NULL, 0, &value, 1, &options, &rows, &err));
    OK(kw_statement_close(insert));
}

static void a_statement_survives_a_schema_change(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    uint32_t columns = 0;
    OK(kw_execute_script(store, "CREATE TABLE change(a); INSERT INTO change VALUES (1)", KW_NUL_TERMINATED, NULL, NULL, &err));
    OK(kw_prepare(store, "SELECT * FROM change", KW_NUL_TERMINATED, NULL, &options.statement, &err));
    for (uint32_t want = 1; want <= 2; want++) {
        OK(kw_query(store, NULL, 0, NULL, 0, &options, &rows, &err));
        FAILS(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_column_count(rows, &columns, &err));
        EQUAL(want, columns);
        OK(kw_rows_close(rows));
        EXEC(store, want == 1 ? "ALTER TABLE change ADD COLUMN b" : "DROP TABLE change");
    }
    FAILS(KW_SQL, kw_query(store, NULL, 0, NULL, 0, &options, &rows, &err));
    OK(kw_statement_close(options.statement));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("conn.db");
    RUN(a_pinned_connection_is_one_connection);
    RUN(it_comes_back_clean);
    RUN(an_open_transaction_does_not_survive_the_release);
    RUN(a_pinned_reader_cannot_write);
    RUN(pinning_the_writer_twice);
    RUN(readers_run_out_in_time);
    RUN(a_derived_target_carries_its_options);
    RUN(a_target_derived_from_a_transaction);
    RUN(a_statement_describes_itself);
    RUN(a_statement_runs_on_every_target);
    RUN(a_statement_survives_a_schema_change);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
