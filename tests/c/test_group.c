/* Several independent writes in one crossing: each has its own outcome, and they share one wait for the disk. */
#include "check.h"

static kw_store store;

static kw_write write_of(const char *sql, kw_result *result, kw_error *error) {
    kw_write write = KW_WRITE_INIT;
    write.status = -1;
    write.sql = sql;
    write.sql_len = KW_NUL_TERMINATED;
    write.result = result;
    write.error = error;
    return write;
}

static kw_stats stats(void) {
    kw_stats found = KW_STATS_INIT;
    OK(kw_store_stats(store, &found, &err));
    return found;
}

static void each_write_has_its_own_outcome(void) {
    kw_result results[5] = {KW_RESULT_INIT, KW_RESULT_INIT, KW_RESULT_INIT, KW_RESULT_INIT, KW_RESULT_INIT};
    kw_error errors[5] = {KW_ERROR_INIT, KW_ERROR_INIT, KW_ERROR_INIT, KW_ERROR_INIT, KW_ERROR_INIT};
    kw_write writes[5];
    const char *sql[] = {"INSERT INTO t VALUES (7, 'a')", "INSERT INTO t VALUES (8, 'a')", "INSERT INTO nowhere VALUES (1)",
                         "INSERT INTO t VALUES (9, ?)", "UPDATE t SET s = s || '!'"};
    kw_cell text = text_cell("c");
    for (size_t i = 0; i < 5; i++) writes[i] = write_of(sql[i], &results[i], &errors[i]);
    writes[3].params = &text;
    writes[3].param_count = 1;
    kw_stats before = stats();
    OK(kw_execute_group(store, writes, 5, &err));
    EQUAL(KW_OK, writes[0].status);
    EQUAL(7, results[0].last_insert_id);
    EQUAL(KW_CONSTRAINT, writes[1].status);
    EQUAL(KW_CONSTRAINT, errors[1].code);
    EQUAL(0, results[1].rows_affected);
    EQUAL(KW_SQL, writes[2].status);
    HAS(errors[2].message, "nowhere");
    EQUAL(KW_OK, writes[3].status);
    EQUAL(KW_OK, writes[4].status);
    EQUAL(2, results[4].rows_affected);
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM t WHERE s IN ('a!', 'c!')"));
    EQUAL(1, stats().groups - before.groups);
    EQUAL(5, stats().grouped_writes - before.grouped_writes);
}

static void rows_go_to_the_writes_memory(void) {
    uint64_t memory[32];
    kw_fetch fetch = KW_FETCH_INIT;
    kw_write writes[2] = {write_of("INSERT INTO t VALUES (20, 'x'), (21, 'y') RETURNING n, s", NULL, &err), write_of("DELETE FROM t", NULL, NULL)};
    writes[0].buffer = memory;
    writes[0].buffer_size = sizeof memory;
    writes[0].fetch = &fetch;
    OK(kw_execute_group(store, writes, 2, &err));
    EQUAL(KW_OK, writes[0].status);
    EQUAL(KW_OK, writes[1].status);
    EQUAL(2, fetch.rows);
    EQUAL(2, fetch.columns);
    EQUAL(0, fetch.more);
    const kw_cell *cells = (const kw_cell *)memory;
    EQUAL(21, cells[2].value.integer);
    EQUAL(0, memcmp(cells[3].value.data, "y", 1));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM t"));
}

static void more_than_group_max_are_several_groups(void) {
    enum { MANY = 150 };
    kw_write writes[MANY];
    for (int i = 0; i < MANY; i++) writes[i] = write_of("INSERT INTO t(s) VALUES (NULL)", NULL, NULL);
    kw_stats before = stats();
    OK(kw_execute_group(store, writes, MANY, &err));
    for (int i = 0; i < MANY; i++) EQUAL(KW_OK, writes[i].status);
    EQUAL(MANY, QUERY_INT(store, "SELECT count(*) FROM t"));
    EQUAL(3, stats().groups - before.groups); /* 64, 64, 22 */
}

/* What can not be in a transaction, ends it, or may not write, is that write's affair alone. */
static void troublemakers_do_not_trouble_the_others(void) {
    kw_options reads = KW_OPTIONS_INIT, late = KW_OPTIONS_INIT;
    kw_write writes[6];
    const char *sql[] = {"INSERT INTO t(s) VALUES ('1')", "INSERT OR ROLLBACK INTO t(s) VALUES ('1')", "VACUUM",
                         "INSERT INTO t(s) VALUES ('4')", "INSERT INTO t(s) SELECT CAST(count(*) AS TEXT) FROM a, a b, a c, a d, a e",
                         "INSERT INTO t(s) VALUES ('6')"};
    OK(kw_execute_script(store, "DELETE FROM t; CREATE TABLE a AS " COUNT_TO(1000), KW_NUL_TERMINATED, NULL, NULL, &err));
    for (size_t i = 0; i < 6; i++) writes[i] = write_of(sql[i], NULL, NULL);
    reads.flags = KW_OPTION_READ_ONLY;
    writes[3].options = &reads;
    late.timeout_us = 50000;
    writes[4].options = &late;
    OK(kw_execute_group(store, writes, 6, &err));
    const kw_status want[] = {KW_OK, KW_CONSTRAINT, KW_OK, KW_READ_ONLY, KW_TIMEOUT, KW_OK};
    for (size_t i = 0; i < 6; i++) EQUAL(want[i], writes[i].status);
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM t WHERE s IN ('1', '6')"));
}

/* Whose time is over while the call waits for the writer leaves; the call goes on for the others. */
static void a_timeout_counts_while_the_group_waits(void) {
    kw_tx tx = 0;
    kw_options hasty = KW_OPTIONS_INIT, unbound = KW_OPTIONS_INIT;
    kw_write writes[2] = {write_of("DELETE FROM t", NULL, NULL), write_of("DELETE FROM t", NULL, &err)};
    OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    hasty.timeout_us = unbound.timeout_us = 20000;
    hasty.flags = unbound.flags = KW_OPTION_UNBOUND;
    unbound.timeout_us = 60000;
    writes[0].options = &unbound;
    writes[1].options = &hasty;
    OK(kw_execute_group(store, writes, 2, &err));
    EQUAL(KW_TIMEOUT, writes[0].status);
    EQUAL(KW_TIMEOUT, writes[1].status);
    HAS(err.message, "waiting for the writer");
    OK(kw_tx_rollback(tx, &err));
}

static void wrong_use_runs_nothing(void) {
    kw_write write = write_of("DELETE FROM t", NULL, NULL);
    FAILS(KW_MISUSE, kw_execute_group(store, NULL, 1, &err));
    OK(kw_execute_group(store, NULL, 0, &err));
    write.struct_size = 9;
    FAILS(KW_ABI, kw_execute_group(store, &write, 1, &err));
    write = write_of(NULL, NULL, &err);
    OK(kw_execute_group(store, &write, 1, NULL));
    EQUAL(KW_MISUSE, write.status);
    EQUAL(KW_MISUSE, err.code);
    FAILS(KW_INVALID_HANDLE, kw_execute_group(store + 1, &write, 1, &err));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("group.db");
    EXEC(store, "CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT UNIQUE)");
    RUN(each_write_has_its_own_outcome);
    RUN(rows_go_to_the_writes_memory);
    RUN(more_than_group_max_are_several_groups);
    RUN(troublemakers_do_not_trouble_the_others);
    RUN(a_timeout_counts_while_the_group_waits);
    RUN(wrong_use_runs_nothing);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
