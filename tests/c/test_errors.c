/* What an error says: status, the engine's codes, the place in the SQL, flags, a message that fits. */
#include "check.h"

static kw_store store;

static void constraints_say_which(void) {
    static const struct { const char *sql; int extended; } cases[] = {
        {"INSERT INTO c(id, u) VALUES (2, 'one')", 2067 /* SQLITE_CONSTRAINT_UNIQUE */},
        {"INSERT INTO c(id, u) VALUES (1, 'two')", 1555 /* SQLITE_CONSTRAINT_PRIMARYKEY */},
        {"INSERT INTO c(id, u) VALUES (3, NULL)", 1299 /* SQLITE_CONSTRAINT_NOTNULL */},
        {"INSERT INTO c(id, u, k) VALUES (4, 'four', -1)", 275 /* SQLITE_CONSTRAINT_CHECK */},
        {"INSERT INTO d VALUES (77)", 787 /* SQLITE_CONSTRAINT_FOREIGNKEY */},
        {"DELETE FROM c WHERE id = 1", 787},
        {"INSERT INTO g VALUES (13)", 1811 /* SQLITE_CONSTRAINT_TRIGGER */},
    };
    OK(kw_execute_script(store, "CREATE TABLE c(id INTEGER PRIMARY KEY, u TEXT NOT NULL UNIQUE, k CHECK (k > 0));"
                                "CREATE TABLE d(c REFERENCES c(id)); INSERT INTO c VALUES (1, 'one', 1); INSERT INTO d VALUES (1);"
                                "CREATE TABLE g(x); CREATE TRIGGER gt BEFORE INSERT ON g BEGIN SELECT raise(ABORT, 'no thirteen'); END;",
                         KW_NUL_TERMINATED, NULL, NULL, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FAILS(KW_CONSTRAINT, exec_status(store, cases[i].sql));
        EQUAL(KW_CONSTRAINT, err.code);
        EQUAL(19, err.engine_code);
        EQUAL(cases[i].extended, err.engine_extended_code);
        EQUAL(0, err.flags & (KW_ERROR_RETRY_STATEMENT | KW_ERROR_RETRY_TRANSACTION));
        CHECK(strncmp(err.sqlstate, "23", 2) == 0);
        EQUAL(sizeof err, err.struct_size);
    }
    HAS(err.message, "no thirteen");
    FAILS(KW_CONSTRAINT, exec_status(store, cases[0].sql));
    HAS(err.message, "c.u");
}

static void offsets_point_into_the_sql(void) {
    static const struct { const char *sql, *at; } cases[] = {
        {"SELECT 1 WHERE missing = 1", "missing"}, {"SELECT a, nocolumn FROM (SELECT 1 AS a)", "nocolumn"},
        {"SELEC 1", "SELEC"}, {"SELECT '\xc3\xa4\xc3\xb6', nofunc(1)", "nofunc"}, {"SELECT 1 FROM", NULL} /* incomplete */, {"SELECT * FROM nowhere", NULL} /* SQLite gives no place for a missing table */};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FAILS(KW_SQL, exec_status(store, cases[i].sql));
        EQUAL(1, err.engine_code);
        if (cases[i].at != NULL) EQUAL(strstr(cases[i].sql, cases[i].at) - cases[i].sql, err.sql_offset);
    }
    FAILS(KW_CONSTRAINT, exec_status(store, "INSERT INTO c(id, u) VALUES (1, 'x')"));
    EQUAL(-1, err.sql_offset);
}

static void bad_encodings_in_sql(void) {
    kw_rows rows = 0;
    FAILS(KW_ENCODING, kw_query(store, "SELECT 1\0, 2", 12, NULL, 0, NULL, &rows, &err));
    EQUAL(8, err.sql_offset);
    FAILS(KW_ENCODING, kw_query(store, "SELECT '\xff'", 10, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ENCODING, kw_query(store, "SELECT '\xc3", 9, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ENCODING, kw_execute_script(store, "SELECT '\xff'", KW_NUL_TERMINATED, NULL, NULL, &err));
    EQUAL(0, rows);
}

static void the_error_is_optional(void) {
    kw_rows rows = 0;
    FAILS(KW_SQL, kw_query(store, "nonsense", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, NULL));
    FAILS(KW_MISUSE, kw_query(store, NULL, 0, NULL, 0, NULL, &rows, NULL));
    FAILS(KW_INVALID_HANDLE, kw_query(0, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, NULL));
}

static void long_messages_are_cut_at_a_character(void) {
    char sql[4000] = "SELECT * FROM \"";
    for (int i = 0; i < 600; i++) strcat(sql, "\xe2\x82\xac");
    strcat(sql, "\"");
    FAILS(KW_SQL, exec_status(store, sql));
    size_t length = strnlen(err.message, sizeof err.message);
    CHECK(length < sizeof err.message);
    CHECK(length > 100);
    /* What was cut off is whole characters: the last sequence is complete. */
    size_t at = 0;
    while (at < length) {
        unsigned char lead = (unsigned char)err.message[at];
        at += lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    }
    EQUAL(length, at);
}

static void read_only_is_enforced_by_the_engine(void) {
    kw_options options = KW_OPTIONS_INIT;
    options.flags = KW_OPTION_READ_ONLY;
    EXEC(store, "CREATE TABLE ro(x)");
    FAILS(KW_READ_ONLY, kw_execute(store, "INSERT INTO ro VALUES (1)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err));
    FAILS(KW_READ_ONLY, kw_execute(store, "CREATE TABLE ro2(x)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err));
    FAILS(KW_READ_ONLY, kw_execute_script(store, "DELETE FROM ro", KW_NUL_TERMINATED, &options, NULL, &err));
    kw_rows rows = 0;
    FAILS(KW_READ_ONLY, kw_query(store, "WITH a AS (SELECT 1) INSERT INTO ro SELECT * FROM a RETURNING x", KW_NUL_TERMINATED, NULL, 0,
                                 &options, &rows, &err));
    OK(kw_query(store, "SELECT 'INSERT INTO ro VALUES (1)'", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    OK(kw_rows_close(rows));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM ro"));
}

static void no_writer_flag_reports_instead_of_waiting(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    options.flags = KW_OPTION_NO_WRITER;
    FAILS(KW_NEEDS_WRITER, kw_query(store, "INSERT INTO ro VALUES (1) RETURNING x", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    OK(kw_rows_close(rows));
}

static void an_error_in_the_middle_of_rows(void) {
    kw_rows rows = 0;
    kw_status status = kw_query(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                                       "SELECT CASE WHEN i < 900 THEN i ELSE abs(-9223372036854775807 - 1) END FROM n",
                                KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err);
    OK(status);
    int seen = 0;
    while ((status = kw_rows_step(rows, &err)) == KW_ROW) seen++;
    CHECK(status != KW_OK && status != KW_DONE);
    HAS(err.message, "overflow");
    CHECK(seen >= 256 && seen < 900);
    CHECK(kw_rows_step(rows, &err) != KW_ROW);
    OK(kw_rows_close(rows));
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
}

static void success_leaves_the_error_alone(void) {
    kw_error slot = KW_ERROR_INIT;
    strcpy(slot.message, "kept");
    slot.code = 12345;
    OK(kw_execute(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &slot));
    CHECK(slot.code == 12345 || slot.code == KW_OK);
}

static void a_write_statement_in_a_locked_file_is_busy(void) {
    static const char *const settings[] = {"sqlite.busy_timeout", "50", NULL};
    kw_store first = open_file("busy.db");
    kw_store second = open_with("busy.db", settings);
    kw_options options = KW_OPTIONS_INIT;
    kw_tx tx = 0;
    options.timeout_us = 300000;
    EXEC(first, "CREATE TABLE t(x)");
    OK(kw_tx_begin(first, KW_TX_IMMEDIATE, NULL, &tx, &err));
    kw_status status = kw_execute(second, "INSERT INTO t VALUES (1)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err);
    CHECK(status == KW_BUSY || status == KW_TIMEOUT);
    CHECK((err.flags & (KW_ERROR_RETRY_STATEMENT | KW_ERROR_TIMED_OUT)) != 0);
    OK(kw_tx_rollback(tx, &err));
    EXEC(second, "INSERT INTO t VALUES (1)");
    OK(kw_store_close(first, -1, &err));
    OK(kw_store_close(second, -1, &err));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("errors.db");
    RUN(constraints_say_which);
    RUN(offsets_point_into_the_sql);
    RUN(bad_encodings_in_sql);
    RUN(the_error_is_optional);
    RUN(long_messages_are_cut_at_a_character);
    RUN(read_only_is_enforced_by_the_engine);
    RUN(no_writer_flag_reports_instead_of_waiting);
    RUN(an_error_in_the_middle_of_rows);
    RUN(success_leaves_the_error_alone);
    RUN(a_write_statement_in_a_locked_file_is_busy);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
