/* What a store says of itself: health, what statements have cost, plans, advice. */
#include "metrics.h"

#include <sys/resource.h>

static kw_rows report_of(kw_store store, uint32_t order, uint32_t limit) {
    kw_rows rows = 0;
    OK(kw_statement_report(store, order, limit, &rows, &err));
    return rows;
}

/* A cell as text; "NULL" for that. The next call uses the memory again. */
static const char *text_at(kw_rows rows, uint32_t column) {
    static char copies[4][2100];
    static int next;
    char *copy = copies[next++ % 4];
    const char *text = NULL;
    size_t size = 0;
    strcpy(copy, "NULL");
    if (kw_rows_text(rows, column, &text, &size, &err) == KW_OK && text != NULL) snprintf(copy, sizeof copies[0], "%.*s", (int)size, text);
    return copy;
}
static long long int_at(kw_rows rows, uint32_t column) {
    int64_t value = -1;
    OK(kw_rows_int64(rows, column, &value, &err));
    return value;
}
static double real_at(kw_rows rows, uint32_t column) {
    double value = -1;
    OK(kw_rows_double(rows, column, &value, &err));
    return value;
}

/* Stands on the line of a statement; 0 where it has none. */
static int find_line(kw_rows rows, const char *sql) {
    while (kw_rows_step(rows, &err) == KW_ROW) {
        if (strcmp(text_at(rows, 0), sql) == 0) return 1;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------------------- health -- */

static void a_healthy_store_says_so_with_its_numbers(void) {
    kw_store store = open_file("healthy.db");
    kw_health health = KW_HEALTH_INIT;
    OK(kw_store_health(store, NULL, &health, &err));
    EQUAL(KW_OK, health.last_error_code);
    EQUAL(0, health.last_error_at_ms);
    EQUAL(0, health.last_error[0]);
    EXEC(store, "CREATE TABLE t(x UNIQUE)");
    EXEC(store, "INSERT INTO t VALUES (1)");
    FAILS(KW_CONSTRAINT, exec_status(store, "INSERT INTO t VALUES (1)"));
    kw_stats stats = KW_STATS_INIT;
    OK(kw_store_stats(store, &stats, &err));
    OK(kw_store_health(store, NULL, &health, &err));
    EQUAL(1, health.healthy);
    EQUAL(1, health.can_read);
    EQUAL(1, health.can_write);
    EQUAL(0, health.message[0]);
    EQUAL(stats.max_open, health.max_open);
    EQUAL(health.open, health.in_use + health.idle);
    EQUAL(0, health.in_use);
    EQUAL(0, health.waiting);
    EQUAL(0, health.has_schema_version);
    CHECK(health.database_bytes >= 4096 && health.database_bytes % 512 == 0);
    CHECK(health.wal_bytes > 0);
    EQUAL(KW_CONSTRAINT, health.last_error_code);
    HAS(health.last_error, "t.x");
    CHECK(health.last_error_at_ms / 1000 + 600 > (uint64_t)time(NULL) && health.last_error_at_ms / 1000 <= (uint64_t)time(NULL));
    OK(kw_store_close(store, -1, &err));
}

static void the_health_tells_the_migration_that_is_applied(void) {
    kw_store store = open_file("migrated.db");
    kw_migrations set = 0;
    kw_migration one = KW_MIGRATION_INIT;
    kw_report report = 0;
    one.version = 42, one.description = "t", one.up = "CREATE TABLE t(x)";
    OK(kw_migrations_new(store, &set, &err));
    OK(kw_migrations_add(set, &one, &err));
    OK(kw_migrate(set, KW_MIGRATE_UP, NULL, &report, &err));
    OK(kw_report_free(report));
    OK(kw_migrations_free(set));
    OK(kw_store_close(store, -1, &err));
    store = open_file("migrated.db");
    kw_health health = KW_HEALTH_INIT;
    OK(kw_store_health(store, NULL, &health, &err));
    EQUAL(1, health.has_schema_version);
    EQUAL(42, health.schema_version);
    METRIC(42, store, "keepwell_migrations_version", "");
    METRIC(0, store, "keepwell_migrations_applied_total", "");
    OK(kw_store_close(store, -1, &err));
}

/* The struct as the version before had it: 528 bytes, and not one more may be written. */
static void an_older_program_gets_the_part_that_it_knows(void) {
    kw_store store = open_file("older.db");
    FAILS(KW_SQL, exec_status(store, "nonsense"));
    union {
        kw_health health;
        unsigned char bytes[sizeof(kw_health)];
    } own;
    CHECK(offsetof(kw_health, max_open) == 528);
    const uint32_t sizes[] = {528, 8, 12, 16, 532, 548, 552, 592, (uint32_t)sizeof(kw_health)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(own.bytes, 0xA5, sizeof own.bytes);
        own.health.struct_size = sizes[i];
        OK(kw_store_health(store, NULL, &own.health, &err));
        EQUAL(sizes[i], own.health.struct_size);
        EQUAL(1, own.health.can_read);
        if (sizes[i] >= 528) EQUAL(1, own.health.healthy);
        for (size_t at = sizes[i]; at < sizeof own.bytes; at++) {
            if (own.bytes[at] == 0xA5) continue;
            check_failed(__FILE__, __LINE__, "bytes after the struct were written");
            break;
        }
    }
    const uint32_t wrong[] = {0, 1, 4, 7, 4097, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        own.health.struct_size = wrong[i];
        FAILS(KW_ABI, kw_store_health(store, NULL, &own.health, &err));
    }
    FAILS(KW_MISUSE, kw_store_health(store, NULL, NULL, &err));
    OK(kw_store_close(store, -1, &err));
}

static void an_unwell_store_says_why_within_the_timeout(void) {
    kw_store store = open_file("unwell.db"), other = open_file("unwell.db");
    EXEC(store, "CREATE TABLE t(x)");
    kw_tx tx = 0;
    kw_health health = KW_HEALTH_INIT;
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 100000;
    OK(kw_tx_begin(other, KW_TX_IMMEDIATE, NULL, &tx, &err));
    OK(kw_store_health(store, &options, &health, &err));
    EQUAL(0, health.healthy);
    EQUAL(1, health.can_read);
    EQUAL(0, health.can_write);
    CHECK(health.message[0] != 0);
    OK(kw_tx_rollback(tx, &err));
    OK(kw_store_health(store, &options, &health, &err));
    EQUAL(1, health.healthy);
    OK(kw_store_close(other, -1, &err));
    OK(kw_store_close(store, -1, &err));
}

static void health_as_json_may_be_cut(void) {
    kw_store store = open_file("json.db");
    FAILS(KW_SQL, exec_status(store, "SELECT \"\\ \n \303\244"));
    char text[4096], part[4096];
    size_t length = 0, again = 0;
    OK(kw_store_health_json(store, NULL, text, sizeof text, &length, &err));
    EQUAL(strlen(text), length);
    CHECK(text[0] == '{' && text[length - 1] == '}');
    const char *const parts[] = {"\"healthy\":true", "\"can_read\":true", "\"can_write\":true", "\"problem\":\"\"", "\"pool\":{\"max_open\":",
                                 "\"schema_version\":null", "\"wal_bytes\":", "\"last_error\":{\"code\":", "\"name\":\"KW_SQL\"", "\"at_ms\":"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) HAS(text, parts[i]);
    for (const char *at = text; *at != 0; at++) CHECK((unsigned char)*at >= 0x20);
    memset(part, 'x', sizeof part);
    OK(kw_store_health_json(store, NULL, part, 20, &again, &err));
    CHECK(again >= length - 8 && strlen(part) == 19 && part[20] == 'x' && memcmp(part, text, 19) == 0);
    OK(kw_store_health_json(store, NULL, NULL, 0, &again, &err));
    FAILS(KW_MISUSE, kw_store_health_json(store, NULL, NULL, 1, &again, &err));
    FAILS(KW_MISUSE, kw_store_health_json(store, NULL, text, sizeof text, NULL, &err));
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_INVALID_HANDLE, kw_store_health_json(store, NULL, text, sizeof text, &length, &err));
}

/* ------------------------------------------------------------------------------------------------- costs of statements -- */

static void each_statement_has_its_line(void) {
    kw_store store = open_file("report.db");
    EXEC(store, "CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
    for (int i = 0; i < 10; i++) EXEC(store, "INSERT INTO t(y) VALUES (1), (2)");
    for (int i = 0; i < 3; i++) EQUAL(10, QUERY_INT(store, "SELECT count(y) FROM t WHERE y = 2"));
    FAILS(KW_CONSTRAINT, exec_status(store, "INSERT INTO t VALUES (1, 1)"));
    FAILS(KW_SQL, exec_status(store, "nonsense"));

    kw_rows rows = report_of(store, KW_BY_CALLS, 0);
    const char *const names[] = {"sql", "kind", "calls", "errors", "total_seconds", "mean_seconds", "worst_seconds", "rows", "full_scans", "scanned_rows", "automatic_indexes", "sorts"};
    uint32_t count = 0;
    OK(kw_rows_column_count(rows, &count, &err));
    EQUAL(sizeof names / sizeof *names, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = NULL;
        size_t size = 0;
        OK(kw_rows_column_name(rows, i, &name, &size, &err));
        CHECK(size == strlen(names[i]) && memcmp(name, names[i], size) == 0);
    }
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    CHECK(strcmp(text_at(rows, 0), "INSERT INTO t(y) VALUES (1), (2)") == 0);
    CHECK(strcmp(text_at(rows, 1), "write") == 0);
    EQUAL(10, int_at(rows, 2));
    EQUAL(0, int_at(rows, 3));
    double total = real_at(rows, 4), mean = real_at(rows, 5), worst = real_at(rows, 6);
    CHECK(total > 0 && worst <= total && worst * 10 >= total && mean * 9.99 <= total && mean <= worst);
    EQUAL(20, int_at(rows, 7));
    CHECK(find_line(rows, "SELECT count(y) FROM t WHERE y = 2"));
    CHECK(strcmp(text_at(rows, 1), "read") == 0);
    EQUAL(3, int_at(rows, 2));
    EQUAL(3, int_at(rows, 7));
    EQUAL(3, int_at(rows, 8));
    CHECK(int_at(rows, 9) >= 3 * 19 && int_at(rows, 9) <= 3 * 20);
    EQUAL(0, int_at(rows, 10));
    EQUAL(0, int_at(rows, 11));
    OK(kw_rows_close(rows));

    rows = report_of(store, KW_BY_TOTAL, 0);
    CHECK(find_line(rows, "INSERT INTO t VALUES (1, 1)"));
    EQUAL(1, int_at(rows, 2));
    EQUAL(1, int_at(rows, 3));
    OK(kw_rows_close(rows));
    rows = report_of(store, KW_BY_TOTAL, 0);
    CHECK(!find_line(rows, "nonsense"));
    OK(kw_rows_close(rows));

    for (uint32_t order = KW_BY_TOTAL; order <= KW_BY_SCANNED; order++) {
        const uint32_t columns[] = {4, 2, 5, 6, 7, 9};
        double before = 1e300;
        rows = report_of(store, order, 3);
        int lines = 0;
        while (kw_rows_step(rows, &err) == KW_ROW) {
            double value = real_at(rows, columns[order]);
            CHECK(value <= before);
            before = value;
            lines++;
        }
        EQUAL(3, lines);
        OK(kw_rows_close(rows));
    }
    kw_rows none = 77;
    FAILS(KW_MISUSE, kw_statement_report(store, 6, 0, &none, &err));
    FAILS(KW_MISUSE, kw_statement_report(store, UINT32_MAX, 0, &none, &err));
    FAILS(KW_MISUSE, kw_statement_report(store, KW_BY_TOTAL, 0, NULL, &err));
    EQUAL(77, none);

    OK(kw_statement_report_reset(store, &err));
    rows = report_of(store, KW_BY_TOTAL, 0);
    EQUAL(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
    EXEC(store, "INSERT INTO t(y) VALUES (1), (2)");
    rows = report_of(store, KW_BY_TOTAL, 0);
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    EQUAL(1, int_at(rows, 2));
    OK(kw_rows_close(rows));
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_INVALID_HANDLE, kw_statement_report_reset(store, &err));
    FAILS(KW_INVALID_HANDLE, kw_statement_report(store, KW_BY_TOTAL, 0, &none, &err));
}

static void a_stream_is_one_call_with_all_its_rows(void) {
    kw_store store = open_file("stream.db");
    kw_rows rows = 0;
    OK(kw_query(store, COUNT_TO(5000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    int64_t sum = 0;
    while (kw_rows_step(rows, &err) == KW_ROW) sum += int_at(rows, 0);
    OK(kw_rows_close(rows));
    EQUAL(5000LL * 5001 / 2, sum);
    rows = report_of(store, KW_BY_ROWS, 1);
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    EQUAL(1, int_at(rows, 2));
    EQUAL(5000, int_at(rows, 7));
    OK(kw_rows_close(rows));
    OK(kw_store_close(store, -1, &err));
}

static void no_report_where_none_is_kept(void) {
    const char *const settings[] = {"metrics.statements", "0", NULL};
    kw_store store = open_with("noreport.db", settings);
    EXEC(store, "CREATE TABLE t(x)");
    kw_rows rows = report_of(store, KW_BY_TOTAL, 0);
    EQUAL(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
    METRIC(1, store, "keepwell_query_duration_seconds_count", "statement=\"write\"");
    OK(kw_store_close(store, -1, &err));
}

static void the_report_does_not_need_the_store_any_more_once_it_is_there(void) {
    kw_store store = open_file("outlives.db");
    EXEC(store, "CREATE TABLE t(x)");
    kw_rows rows = report_of(store, KW_BY_TOTAL, 0);
    OK(kw_store_close(store, 0, &err));
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    CHECK(strcmp(text_at(rows, 0), "CREATE TABLE t(x)") == 0);
    OK(kw_rows_close(rows));
}

static long peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* A program that writes its values into the SQL. */
static void a_flood_of_texts_takes_bounded_memory(void) {
    kw_store store = open_file("flood.db");
    const char *rounds = getenv("KEEPWELL_TEST_ROUNDS");
    int half = rounds != NULL ? 1500 : 50000;
    char sql[300];
    long before = 0;
    for (int i = 0; i < 2 * half; i++) {
        if (i == half) before = peak_kib();
        snprintf(sql, sizeof sql, "SELECT %d /* %0200d */", i, i);
        EQUAL(i, QUERY_INT(store, sql));
    }
    long grown = peak_kib() - before;
    if (grown > 20000) fprintf(stderr, "    the second half of the flood took %ld KiB more\n", grown);
    CHECK(grown <= 20000);
    kw_rows rows = report_of(store, KW_BY_TOTAL, 0);
    long long lines = 0, calls = 0;
    int others = 0;
    while (kw_rows_step(rows, &err) == KW_ROW) {
        lines++;
        calls += int_at(rows, 2);
        others = strcmp(text_at(rows, 0), "NULL") == 0;
    }
    OK(kw_rows_close(rows));
    CHECK(lines <= 501);
    EQUAL(2 * half, calls);
    EQUAL(1, others);
    OK(kw_store_close(store, -1, &err));
}

static void a_text_of_a_megabyte_is_known_by_its_beginning(void) {
    kw_store store = open_file("long.db");
    size_t size = 1 << 20;
    char *sql = malloc(size + 64);
    if (sql == NULL) exit(2);
    strcpy(sql, "SELECT 1 /* ");
    memset(sql + 12, '\xC3', size);
    for (size_t i = 13; i < size; i += 2) sql[i] = '\xA4';
    strcpy(sql + size, " */");
    for (int i = 0; i < 3; i++) EQUAL(1, QUERY_INT(store, sql));
    kw_rows rows = report_of(store, KW_BY_TOTAL, 0);
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    const char *text = NULL;
    size_t length = 0;
    OK(kw_rows_text(rows, 0, &text, &length, &err));
    CHECK(length > 1900 && length < 2100);
    EQUAL(3, int_at(rows, 2));
    OK(kw_rows_close(rows));
    OK(kw_explain(store, sql, KW_NUL_TERMINATED, NULL, &rows, &err));
    OK(kw_rows_close(rows));
    OK(kw_advise(store, sql, KW_NUL_TERMINATED, NULL, &rows, &err));
    OK(kw_rows_close(rows));
    free(sql);
    OK(kw_store_close(store, -1, &err));
}

/* ---------------------------------------------------------------------------------------------------- plans and advice -- */

static void a_plan_is_told_and_nothing_is_run(void) {
    kw_store store = open_file("plan.db");
    EXEC(store, "CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
    kw_rows rows = 0;
    OK(kw_explain(store, "SELECT * FROM t WHERE y = ? ORDER BY y", KW_NUL_TERMINATED, NULL, &rows, &err));
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    CHECK(int_at(rows, 0) > 0);
    EQUAL(0, int_at(rows, 1));
    CHECK(strcmp(text_at(rows, 2), "SCAN t") == 0);
    OK(kw_rows_close(rows));
    OK(kw_explain(store, "DELETE FROM t WHERE x = 5", KW_NUL_TERMINATED, NULL, &rows, &err));
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    HAS(text_at(rows, 2), "SEARCH t USING INTEGER PRIMARY KEY");
    OK(kw_rows_close(rows));
    EXEC(store, "INSERT INTO t VALUES (5, 5)");
    OK(kw_explain(store, "DELETE FROM t", KW_NUL_TERMINATED, NULL, &rows, &err));
    OK(kw_rows_close(rows));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
    rows = 77;
    FAILS(KW_SQL, kw_explain(store, "SELECT * FROM nowhere", KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_SQL, kw_explain(store, "SELECT 1; SELECT 2", KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_SQL, kw_explain(store, "DELETE FROM t; DELETE FROM t", KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_SQL, kw_explain(store, "", 0, NULL, &rows, &err));
    FAILS(KW_SQL, kw_explain(store, "  -- nothing", KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_ENCODING, kw_explain(store, "SELECT 1\0; DELETE FROM t", 24, NULL, &rows, &err));
    FAILS(KW_ENCODING, kw_explain(store, "SELECT '\xFF'", KW_NUL_TERMINATED, NULL, &rows, &err));
    EQUAL(8, err.sql_offset);
    FAILS(KW_MISUSE, kw_explain(store, NULL, 5, NULL, &rows, &err));
    FAILS(KW_MISUSE, kw_explain(store, "SELECT 1", KW_NUL_TERMINATED, NULL, NULL, &err));
    EQUAL(77, rows);
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_INVALID_HANDLE, kw_explain(store, "SELECT 1", KW_NUL_TERMINATED, NULL, &rows, &err));
}

static void what_must_not_be_run_is_not_run_by_explaining(void) {
    kw_store store = open_file("notrun.db");
    EXEC(store, "CREATE TABLE t(x)");
    const char *const texts[] = {"PRAGMA user_version = 7", "VACUUM", "DROP TABLE t", "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1", "BEGIN", "COMMIT",
                                 "ATTACH 'attached.db' AS a", "SAVEPOINT s", "PRAGMA journal_mode = DELETE", "CREATE TABLE u(x)", "ANALYZE", "REINDEX"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int advise = 0; advise < 2; advise++) {
            kw_rows rows = 0;
            kw_status status = advise ? kw_advise(store, texts[i], KW_NUL_TERMINATED, NULL, &rows, &err)
                                      : kw_explain(store, texts[i], KW_NUL_TERMINATED, NULL, &rows, &err);
            if (status == KW_OK) OK(kw_rows_close(rows));
        }
    }
    EQUAL(0, QUERY_INT(store, "PRAGMA user_version"));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM sqlite_schema"));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM pragma_database_list"));
    kw_rows rows = 0;
    OK(kw_query(store, "PRAGMA journal_mode", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    CHECK(strcmp(text_at(rows, 0), "wal") == 0);
    OK(kw_rows_close(rows));
    EXEC(store, "INSERT INTO t VALUES (1)");
    CHECK(access("attached.db", F_OK) != 0);
    OK(kw_store_close(store, -1, &err));
}

static void an_index_is_advised_and_not_made(void) {
    kw_store store = open_file("advice.db");
    EXEC(store, "CREATE TABLE \"odd \"\" name\"(id INTEGER PRIMARY KEY, mail TEXT, age)");
    EXEC(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO \"odd \"\" name\"(mail, age) SELECT i, i % 7 FROM n");
    const char *sql = "SELECT id FROM \"odd \"\" name\" WHERE mail = ?";
    kw_rows rows = 0;
    OK(kw_advise(store, sql, KW_NUL_TERMINATED, NULL, &rows, &err));
    EQUAL(KW_ROW, kw_rows_step(rows, &err));
    CHECK(strcmp(text_at(rows, 0), "odd \" name") == 0);
    char index[2100];
    strcpy(index, text_at(rows, 1));
    HAS(index, "CREATE INDEX");
    HAS(index, "mail");
    HAS(text_at(rows, 2), "SCAN");
    HAS(text_at(rows, 3), "SEARCH");
    OK(kw_rows_close(rows));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM sqlite_schema"));
    /* The advice can be followed as it is, and is not given again. */
    EXEC(store, index);
    OK(kw_advise(store, sql, KW_NUL_TERMINATED, NULL, &rows, &err));
    EQUAL(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
    FAILS(KW_SQL, kw_advise(store, "SELECT * FROM nowhere", KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_MISUSE, kw_advise(store, NULL, KW_NUL_TERMINATED, NULL, &rows, &err));
    FAILS(KW_MISUSE, kw_advise(store, sql, KW_NUL_TERMINATED, NULL, NULL, &err));
    OK(kw_store_close(store, -1, &err));
}

static void explaining_waits_for_a_reader_no_longer_than_asked(void) {
    const char *const settings[] = {"pool.max_open", "2", NULL};
    kw_store store = open_with("waits.db", settings);
    EXEC(store, "CREATE TABLE t(x)");
    kw_options reads = KW_OPTIONS_INIT, within = KW_OPTIONS_INIT;
    reads.flags = KW_OPTION_READ_ONLY | KW_OPTION_UNBOUND;
    within.timeout_us = 50000;
    within.flags = KW_OPTION_UNBOUND;
    kw_conn conn = 0;
    OK(kw_conn_acquire(store, &reads, &conn, &err));
    kw_rows rows = 0;
    FAILS(KW_TIMEOUT, kw_explain(store, "SELECT * FROM t", KW_NUL_TERMINATED, &within, &rows, &err));
    HAS(err.message, "pinned connection");
    FAILS(KW_TIMEOUT, kw_advise(store, "SELECT * FROM t", KW_NUL_TERMINATED, &within, &rows, &err));
    OK(kw_conn_release(conn));
    OK(kw_explain(store, "SELECT * FROM t", KW_NUL_TERMINATED, &within, &rows, &err));
    OK(kw_rows_close(rows));
    OK(kw_store_close(store, -1, &err));
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(a_healthy_store_says_so_with_its_numbers);
    RUN(the_health_tells_the_migration_that_is_applied);
    RUN(an_older_program_gets_the_part_that_it_knows);
    RUN(an_unwell_store_says_why_within_the_timeout);
    RUN(health_as_json_may_be_cut);
    RUN(each_statement_has_its_line);
    RUN(a_stream_is_one_call_with_all_its_rows);
    RUN(no_report_where_none_is_kept);
    RUN(the_report_does_not_need_the_store_any_more_once_it_is_there);
    RUN(a_flood_of_texts_takes_bounded_memory);
    RUN(a_text_of_a_megabyte_is_known_by_its_beginning);
    RUN(a_plan_is_told_and_nothing_is_run);
    RUN(what_must_not_be_run_is_not_run_by_explaining);
    RUN(an_index_is_advised_and_not_made);
    RUN(explaining_waits_for_a_reader_no_longer_than_asked);
    return REPORT();
}
