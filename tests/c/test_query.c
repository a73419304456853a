/* Statements and their results: execute, execute_many, scripts, rows by step and by batch. */
#include "check.h"

static kw_store store;

static void execute_says_what_it_did(void) {
    kw_result result = KW_RESULT_INIT;
    EXEC(store, "CREATE TABLE e(id INTEGER PRIMARY KEY, v)");
    kw_cell params[] = {int_cell(7)};
    OK(kw_execute(store, "INSERT INTO e(v) VALUES (?), (8), (9)", KW_NUL_TERMINATED, params, 1, NULL, &result, &err));
    EQUAL(3, result.last_insert_id);
    EQUAL(3, result.rows_affected);
    OK(kw_execute(store, "UPDATE e SET v = v + 1 WHERE v > 7", KW_NUL_TERMINATED, NULL, 0, NULL, &result, &err));
    EQUAL(2, result.rows_affected);
    OK(kw_execute(store, "DELETE FROM e WHERE v > 100", KW_NUL_TERMINATED, NULL, 0, NULL, &result, &err));
    EQUAL(0, result.rows_affected);
}

static void execute_discards_rows(void) {
    EXEC(store, "SELECT 1 UNION SELECT 2");
    EXEC(store, "CREATE TABLE ret(id INTEGER PRIMARY KEY, v)");
    EXEC(store, "INSERT INTO ret(v) VALUES (1), (2), (3) RETURNING id");
    EQUAL(3, QUERY_INT(store, "SELECT count(*) FROM ret"));
}

static void a_writing_query_gives_its_rows(void) {
    kw_rows rows = 0;
    int64_t id = 0;
    EXEC(store, "CREATE TABLE w(id INTEGER PRIMARY KEY, v)");
    OK(kw_query(store, "INSERT INTO w(v) VALUES (1), (2) RETURNING id", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_rows_int64(rows, 0, &id, &err));
    EQUAL(1, id);
    OK(kw_rows_close(rows));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM w"));
}

static void execute_many_is_one_transaction(void) {
    kw_result result = KW_RESULT_INIT;
    EXEC(store, "CREATE TABLE many(a INTEGER PRIMARY KEY, b)");
    kw_cell matrix[] = {int_cell(1), text_cell("x"), int_cell(2), null_cell(), int_cell(3), real_cell(0.5)};
    OK(kw_execute_many(store, "INSERT INTO many VALUES (?, ?)", KW_NUL_TERMINATED, matrix, 2, 3, NULL, &result, &err));
    EQUAL(3, result.rows_affected);
    EQUAL(3, result.last_insert_id);
    kw_cell clash[] = {int_cell(4), int_cell(5), int_cell(1), int_cell(0)};
    FAILS(KW_CONSTRAINT, kw_execute_many(store, "INSERT INTO many VALUES (?, ?)", KW_NUL_TERMINATED, clash, 2, 2, NULL, NULL, &err));
    EQUAL(3, QUERY_INT(store, "SELECT count(*) FROM many"));
    OK(kw_execute_many(store, "INSERT INTO many VALUES (?, ?)", KW_NUL_TERMINATED, NULL, 2, 0, NULL, &result, &err));
    EQUAL(0, result.rows_affected);
}

static void execute_many_without_columns(void) {
    EXEC(store, "CREATE TABLE ticks(id INTEGER PRIMARY KEY)");
    OK(kw_execute_many(store, "INSERT INTO ticks DEFAULT VALUES", KW_NUL_TERMINATED, NULL, 0, 5, NULL, NULL, &err));
    EQUAL(5, QUERY_INT(store, "SELECT count(*) FROM ticks"));
}

static void a_script_runs_everything(void) {
    kw_result result = KW_RESULT_INIT;
    OK(kw_execute_script(store, "CREATE TABLE s(x); -- a comment; with a semicolon\nINSERT INTO s VALUES ('a;b');;\n"
                                "CREATE TRIGGER st AFTER INSERT ON s BEGIN DELETE FROM s WHERE x = 'gone'; END;\n"
                                "INSERT INTO s VALUES ('gone'); SELECT * FROM s /* the end */", KW_NUL_TERMINATED, NULL, &result, &err));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM s"));
    OK(kw_execute_script(store, "", 0, NULL, NULL, &err));
    OK(kw_execute_script(store, "  -- nothing\n", KW_NUL_TERMINATED, NULL, NULL, &err));
}

static void a_script_error_has_its_place(void) {
    const char *sql = "CREATE TABLE s2(x); INSERT INTO s2 VALUES (1); INSERT INTO s2 VALUES (missing)";
    FAILS(KW_SQL, kw_execute_script(store, sql, KW_NUL_TERMINATED, NULL, NULL, &err));
    EQUAL(strstr(sql, "missing") - sql, err.sql_offset);
    HAS(err.message, "missing");
}

static void stepping_reads_typed_values(void) {
    kw_rows rows = 0;
    uint32_t count = 0, type = 99;
    const char *text = NULL;
    const void *blob = NULL;
    size_t size = 0;
    int64_t integer = 0;
    double real = 0;
    OK(kw_query(store, "SELECT 5 AS i, 1.5 AS r, 'text' AS t, x'010203' AS b, NULL AS n", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_column_count(rows, &count, &err));
    EQUAL(5, count);
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    static const uint32_t types[] = {KW_INTEGER, KW_REAL, KW_TEXT, KW_BLOB, KW_NULL};
    for (uint32_t i = 0; i < 5; i++) {
        OK(kw_rows_type(rows, i, &type, &err));
        EQUAL(types[i], type);
    }
    OK(kw_rows_int64(rows, 0, &integer, &err));
    EQUAL(5, integer);
    OK(kw_rows_double(rows, 1, &real, &err));
    CHECK(real == 1.5);
    OK(kw_rows_text(rows, 2, &text, &size, &err));
    CHECK(size == 4 && strcmp(text, "text") == 0);
    OK(kw_rows_blob(rows, 3, &blob, &size, &err));
    CHECK(size == 3 && memcmp(blob, "\1\2\3", 3) == 0);
    OK(kw_rows_text(rows, 4, &text, &size, &err));
    CHECK(text == NULL && size == 0);
    FAILS(KW_TYPE, kw_rows_int64(rows, 2, &integer, &err));
    FAILS(KW_TYPE, kw_rows_int64(rows, 4, &integer, &err));
    FAILS(KW_MISUSE, kw_rows_int64(rows, 5, &integer, &err));
    FAILS(KW_DONE, kw_rows_step(rows, &err));
    FAILS(KW_DONE, kw_rows_step(rows, &err));
    FAILS(KW_MISUSE, kw_rows_int64(rows, 0, &integer, &err));
    OK(kw_rows_close(rows));
}

static void columns_have_names_and_types(void) {
    kw_rows rows = 0;
    const char *text = NULL;
    size_t size = 0;
    EXEC(store, "CREATE TABLE decl(a VARCHAR(20), \"b \xc3\xa4\" INTEGER)");
    OK(kw_query(store, "SELECT a, \"b \xc3\xa4\", 1 + 1 AS sum FROM decl", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_column_name(rows, 1, &text, &size, &err));
    CHECK(size == 4 && memcmp(text, "b \xc3\xa4", 4) == 0);
    OK(kw_rows_column_decltype(rows, 0, &text, &size, &err));
    CHECK(size == 11 && memcmp(text, "VARCHAR(20)", 11) == 0);
    OK(kw_rows_column_decltype(rows, 2, &text, &size, &err));
    CHECK(text == NULL && size == 0);
    FAILS(KW_MISUSE, kw_rows_column_name(rows, 3, &text, &size, &err));
    FAILS(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
}

static void batches_carry_all_rows_in_order(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_batch batch = KW_BATCH_INIT;
    static const uint32_t sizes[] = {0, 1, 2, 100, 256, 1000, 5000};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        kw_rows rows = 0;
        int64_t seen = 0;
        options.batch_rows = sizes[k];
        OK(kw_query(store, COUNT_TO(1000), KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
        for (;;) {
            OK(kw_rows_next_batch(rows, &batch, &err));
            if (batch.rows == 0) break;
            EQUAL(1, batch.columns);
            CHECK(batch.rows <= (sizes[k] != 0 ? sizes[k] : 256));
            for (uint32_t i = 0; i < batch.rows; i++) EQUAL(++seen, batch.cells[i].value.integer);
            if ((batch.flags & KW_BATCH_LAST) != 0) EQUAL(1000, seen);
        }
        EQUAL(1000, seen);
        OK(kw_rows_next_batch(rows, &batch, &err));
        EQUAL(0, batch.rows);
        OK(kw_rows_close(rows));
    }
}

static void an_empty_result_has_columns(void) {
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    uint32_t count = 0;
    OK(kw_query(store, "SELECT 1 AS a, 2 AS b WHERE 0", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_column_count(rows, &count, &err));
    EQUAL(2, count);
    OK(kw_rows_next_batch(rows, &batch, &err));
    EQUAL(0, batch.rows);
    OK(kw_rows_close(rows));
}

static void small_results_hold_no_connection(void) {
    kw_rows small = 0, large = 0;
    kw_stats stats = KW_STATS_INIT;
    OK(kw_query(store, COUNT_TO(100), KW_NUL_TERMINATED, NULL, 0, NULL, &small, &err));
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(0, stats.in_use);
    OK(kw_query(store, COUNT_TO(100000), KW_NUL_TERMINATED, NULL, 0, NULL, &large, &err));
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(1, stats.in_use);
    OK(kw_rows_close(large));
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(0, stats.in_use);
    OK(kw_rows_close(small));
}

static void an_exhausted_stream_has_given_back_its_reader(void) {
    kw_rows rows = 0;
    kw_stats stats = KW_STATS_INIT;
    OK(kw_query(store, COUNT_TO(10000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    while (kw_rows_step(rows, &err) == KW_ROW) {}
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(0, stats.in_use);
    OK(kw_rows_close(rows));
}

static void a_stream_keeps_its_snapshot(void) {
    kw_rows rows = 0;
    int64_t seen = 0;
    EXEC(store, "CREATE TABLE snap(x)");
    EXEC(store, "INSERT INTO snap " COUNT_TO(5000));
    OK(kw_query(store, "SELECT x FROM snap", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    EXEC(store, "DELETE FROM snap");
    for (seen = 1; kw_rows_step(rows, &err) == KW_ROW;) seen++;
    EQUAL(5000, seen);
    OK(kw_rows_close(rows));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM snap"));
}

static void one_statement_is_expected(void) {
    kw_rows rows = 0;
    const char *two = "SELECT 1; SELECT 2";
    FAILS(KW_SQL, kw_query(store, two, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    EQUAL(10, err.sql_offset);
    EQUAL(0, rows);
    OK(kw_query(store, "SELECT 1; -- and a comment\n ;", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_close(rows));
    CHECK(kw_query(store, "", 0, NULL, 0, NULL, &rows, &err) != KW_OK);
    CHECK(kw_query(store, " -- nothing", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err) != KW_OK);
    FAILS(KW_MISUSE, kw_query(store, NULL, 0, NULL, 0, NULL, &rows, &err));
    FAILS(KW_MISUSE, kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err));
}

static void wide_rows(void) {
    static char sql[64 * 1024] = "SELECT 0";
    kw_rows rows = 0;
    uint32_t count = 0;
    size_t used = strlen(sql);
    for (int i = 1; i < 2000; i++) used += (size_t)snprintf(sql + used, sizeof sql - used, ",%d", i);
    OK(kw_query(store, sql, used, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_column_count(rows, &count, &err));
    EQUAL(2000, count);
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_rows_next_batch(rows, &batch, &err));
    EQUAL(1999, batch.cells[1999].value.integer);
    OK(kw_rows_close(rows));
}

static void stats_and_health(void) {
    kw_stats stats = KW_STATS_INIT;
    kw_health health = KW_HEALTH_INIT;
    OK(kw_store_stats(store, &stats, &err));
    CHECK(stats.open >= 1 && stats.max_open >= 1);
    OK(kw_store_health(store, NULL, &health, &err));
    EQUAL(1, health.can_read);
    EQUAL(1, health.can_write);
    FAILS(KW_MISUSE, kw_store_stats(store, NULL, &err));
    FAILS(KW_MISUSE, kw_store_health(store, NULL, NULL, &err));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("query.db");
    RUN(execute_says_what_it_did);
    RUN(execute_discards_rows);
    RUN(a_writing_query_gives_its_rows);
    RUN(execute_many_is_one_transaction);
    RUN(execute_many_without_columns);
    RUN(a_script_runs_everything);
    RUN(a_script_error_has_its_place);
    RUN(stepping_reads_typed_values);
    RUN(columns_have_names_and_types);
    RUN(batches_carry_all_rows_in_order);
    RUN(an_empty_result_has_columns);
    RUN(small_results_hold_no_connection);
    RUN(an_exhausted_stream_has_given_back_its_reader);
    RUN(a_stream_keeps_its_snapshot);
    RUN(one_statement_is_expected);
    RUN(wide_rows);
    RUN(stats_and_health);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
