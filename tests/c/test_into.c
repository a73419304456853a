/* Results into the caller's own memory: kw_query_into and kw_rows_fetch_into. */
#include "check.h"

static kw_store store;

enum { CELLS = 1024 };
static kw_cell buffer[CELLS];

static kw_status into(const char *sql, const kw_cell *params, size_t count, uint32_t flags, size_t size, kw_fetch *out) {
    kw_options options = KW_OPTIONS_INIT;
    options.flags = flags;
    return kw_query_into(store, sql, KW_NUL_TERMINATED, params, count, &options, buffer, size, out, &err);
}

static void a_small_result_is_complete(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    kw_cell param = text_cell("Ada");
    OK(into("SELECT 7, ? UNION ALL SELECT NULL, 2.5", &param, 1, 0, sizeof buffer, &fetch));
    EQUAL(2, fetch.columns);
    EQUAL(2, fetch.rows);
    EQUAL(0, fetch.more);
    EQUAL(7, buffer[0].value.integer);
    CHECK(buffer[1].type == KW_TEXT && buffer[1].length == 3 && strcmp(buffer[1].value.data, "Ada") == 0);
    CHECK((const char *)buffer[1].value.data >= (const char *)buffer && (const char *)buffer[1].value.data < (const char *)(buffer + CELLS));
    EQUAL(KW_NULL, buffer[2].type);
    CHECK(buffer[3].type == KW_REAL && buffer[3].value.real == 2.5);
}

static void no_rows(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    OK(into("SELECT 1, 2 WHERE 0", NULL, 0, 0, sizeof buffer, &fetch));
    EQUAL(0, fetch.rows);
    EQUAL(2, fetch.columns);
    EQUAL(0, fetch.more);
}

/* Whatever the buffer's size, all rows arrive, once, in order; a row that does not fit says what it needs. */
static void the_rest_follows(void) {
    static const size_t sizes[] = {64, 100, 256, 1000, 4096, sizeof buffer};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        kw_fetch fetch = KW_FETCH_INIT;
        int64_t seen = 0;
        char *large = NULL;
        void *at = buffer;
        size_t size = sizes[k];
        OK(into("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, 'row ' || i, "
                "CASE i % 1000 WHEN 999 THEN zeroblob(6000) END FROM n", NULL, 0, 0, size, &fetch));
        for (;;) {
            const kw_cell *cells = at;
            for (uint32_t r = 0; r < fetch.rows; r++, cells += 3) {
                char want[32];
                int length = snprintf(want, sizeof want, "row %lld", (long long)++seen);
                EQUAL(seen, cells[0].value.integer);
                CHECK(cells[1].length == (uint32_t)length && strcmp(cells[1].value.data, want) == 0);
                EQUAL(seen % 1000 == 999 ? KW_BLOB : KW_NULL, cells[2].type);
                if (cells[2].type == KW_BLOB) EQUAL(6000, cells[2].length);
            }
            if (fetch.more == 0) break;
            if (fetch.rows == 0) {
                CHECK(fetch.needed > size);
                if (fetch.needed <= size) break;
                free(large);
                size = (size_t)fetch.needed;
                at = large = malloc(size);
            }
            OK(kw_rows_fetch_into(fetch.more, at, size, &fetch, &err));
        }
        EQUAL(3000, seen);
        free(large);
    }
    kw_stats stats = KW_STATS_INIT;
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(0, stats.in_use);
}

static void needed_is_enough(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    OK(into("SELECT 1, zeroblob(100000), 'x'", NULL, 0, 0, 64, &fetch));
    EQUAL(0, fetch.rows);
    CHECK(fetch.more != 0 && fetch.needed >= 100000 && fetch.needed < 110000);
    kw_rows more = fetch.more;
    void *exact = malloc((size_t)fetch.needed);
    OK(kw_rows_fetch_into(more, exact, (size_t)fetch.needed, &fetch, &err));
    EQUAL(1, fetch.rows);
    EQUAL(0, fetch.more);
    EQUAL(100000, ((kw_cell *)exact)[1].length);
    free(exact);
    FAILS(KW_INVALID_HANDLE, kw_rows_step(more, &err));
    OK(kw_rows_close(more));
}

static void a_buffer_of_nothing(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    OK(kw_query_into(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, buffer, 0, &fetch, &err));
    EQUAL(0, fetch.rows);
    CHECK(fetch.more != 0 && fetch.needed >= sizeof(kw_cell));
    OK(kw_rows_close(fetch.more));
    FAILS(KW_MISUSE, kw_query_into(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, 64, &fetch, &err));
    FAILS(KW_MISUSE, kw_query_into(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, buffer, 64, NULL, &err));
}

static void column_names_come_first_when_asked_for(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    OK(into("SELECT 1 AS one, 'x' AS two", NULL, 0, KW_OPTION_COLUMN_NAMES, sizeof buffer, &fetch));
    EQUAL(2, fetch.rows);
    CHECK(buffer[0].type == KW_TEXT && strcmp(buffer[0].value.data, "one") == 0);
    CHECK(buffer[1].type == KW_TEXT && strcmp(buffer[1].value.data, "two") == 0);
    EQUAL(1, buffer[2].value.integer);
    OK(into("SELECT 1 AS one WHERE 0", NULL, 0, KW_OPTION_COLUMN_NAMES, sizeof buffer, &fetch));
    EQUAL(1, fetch.rows);
}

static void equal_ids_mean_equal_columns(void) {
    kw_fetch a = KW_FETCH_INIT, b = KW_FETCH_INIT, c = KW_FETCH_INIT;
    EXEC(store, "CREATE TABLE IF NOT EXISTS ids(a)");
    OK(into("SELECT * FROM ids", NULL, 0, 0, sizeof buffer, &a));
    OK(into("SELECT * FROM ids", NULL, 0, 0, sizeof buffer, &b));
    CHECK(a.columns_id == b.columns_id);
    OK(into("SELECT 1 AS other", NULL, 0, 0, sizeof buffer, &c));
    CHECK(a.columns_id != c.columns_id);
    EXEC(store, "ALTER TABLE ids RENAME COLUMN a TO renamed");
    OK(into("SELECT * FROM ids", NULL, 0, KW_OPTION_COLUMN_NAMES, sizeof buffer, &c));
    CHECK(strcmp(buffer[0].value.data, "renamed") == 0);
    CHECK(a.columns_id != c.columns_id);
}

static void an_unaligned_buffer_is_refused_or_served(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    kw_status status = kw_query_into(store, "SELECT 1, 'abc'", KW_NUL_TERMINATED, NULL, 0, NULL, (char *)buffer + 3, 1000, &fetch, &err);
    CHECK(status == KW_OK || status == KW_MISUSE);
    if (status == KW_OK && fetch.more != 0) OK(kw_rows_close(fetch.more));
}

static void errors_write_nothing(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    fetch.rows = 12345;
    FAILS(KW_SQL, into("SELECT * FROM missing", NULL, 0, 0, sizeof buffer, &fetch));
    EQUAL(12345, fetch.rows);
}

static void a_write_gives_its_rows(void) {
    kw_fetch fetch = KW_FETCH_INIT;
    EXEC(store, "CREATE TABLE w(id INTEGER PRIMARY KEY, v)");
    OK(into("INSERT INTO w(v) VALUES (5), (6) RETURNING id, v", NULL, 0, 0, sizeof buffer, &fetch));
    EQUAL(2, fetch.rows);
    EQUAL(0, fetch.more);
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM w"));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("into.db");
    RUN(a_small_result_is_complete);
    RUN(no_rows);
    RUN(the_rest_follows);
    RUN(needed_is_enough);
    RUN(a_buffer_of_nothing);
    RUN(column_names_come_first_when_asked_for);
    RUN(equal_ids_mean_equal_columns);
    RUN(an_unaligned_buffer_is_refused_or_served);
    RUN(errors_write_nothing);
    RUN(a_write_gives_its_rows);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
