/* The cache of results at the border: hits say so, are right, and belong to who holds them. */
#include "check.h"

#include <pthread.h>

static kw_store store;

#define T "SELECT n, s FROM t ORDER BY n"

static kw_options asking(int32_t cache) {
    kw_options options = KW_OPTIONS_INIT;
    options.cache = cache;
    return options;
}

static kw_cache_stats stats_of(kw_store of) {
    kw_cache_stats found = KW_CACHE_STATS_INIT;
    OK(kw_store_cache_stats(of, &found, &err));
    return found;
}

static kw_rows query(kw_target target, const char *sql, int32_t cache) {
    kw_options options = asking(cache);
    kw_rows rows = 0;
    OK(kw_query(target, sql, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    return rows;
}

/* Reads rows of T to their end and closes them: as many rows as `want`, each with its text. Says whether they came from the cache. */
static int reads(kw_rows rows, uint32_t want) {
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_rows_next_batch(rows, &batch, &err));
    uint32_t flags = batch.flags;
    EQUAL(want, batch.rows);
    EQUAL(2, batch.columns);
    for (uint32_t r = 0; r < batch.rows; r++) {
        char text[32];
        int length = snprintf(text, sizeof text, "row %lld", (long long)batch.cells[2 * r].value.integer);
        CHECK(batch.cells[2 * r + 1].length == (uint32_t)length && strcmp(batch.cells[2 * r + 1].value.data, text) == 0);
    }
    CHECK((flags & KW_BATCH_LAST) != 0);
    OK(kw_rows_next_batch(rows, &batch, &err));
    EQUAL(0, batch.rows);
    OK(kw_rows_close(rows));
    return (flags & KW_BATCH_CACHED) != 0;
}

static int ask(kw_target target, int32_t cache, uint32_t want) { return reads(query(target, T, cache), want); }

/* A table of three rows, and nothing in the cache. */
static void begin_anew(void) {
    OK(kw_execute_script(store, "DROP TABLE IF EXISTS t; CREATE TABLE t(n INTEGER PRIMARY KEY, s);"
                         "INSERT INTO t VALUES (1, 'row 1'), (2, 'row 2'), (3, 'row 3')", KW_NUL_TERMINATED, NULL, NULL, &err));
    OK(kw_store_cache_clear(store, &err));
}

static void a_hit_says_so_and_a_write_ends_it(void) {
    begin_anew();
    CHECK(!ask(store, KW_CACHE_USE, 3));
    CHECK(ask(store, KW_CACHE_USE, 3));
    CHECK(!ask(store, KW_CACHE_DEFAULT, 3));
    CHECK(!ask(store, KW_CACHE_SKIP, 3));
    CHECK(!ask(store, KW_CACHE_REFRESH, 3));
    EXEC(store, "INSERT INTO t VALUES (4, 'row 4')");
    CHECK(!ask(store, KW_CACHE_USE, 4));
    CHECK(ask(store, KW_CACHE_USE, 4));
}

static void hits_into_memory_of_any_size(void) {
    static const size_t sizes[] = {0, 16, 40, 64, 100, 128, 200, 4096};
    for (uint32_t names = 0; names < 2; names++) {
        begin_anew();
        CHECK(!ask(store, KW_CACHE_USE, 3));
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            uint64_t memory[512];
            kw_options options = asking(KW_CACHE_USE);
            kw_fetch fetch = KW_FETCH_INIT;
            uint32_t seen = 0;
            size_t size = sizes[k];
            options.flags = names ? KW_OPTION_COLUMN_NAMES : 0;
            OK(kw_query_into(store, T, KW_NUL_TERMINATED, NULL, 0, &options, memory, size, &fetch, &err));
            /* Names come with the first call, if it has room for them. */
            uint32_t header = names != 0 && fetch.rows > 0;
            for (;;) {
                CHECK((fetch.flags & KW_BATCH_CACHED) != 0);
                EQUAL(2, fetch.columns);
                const kw_cell *cells = (const kw_cell *)memory;
                for (uint32_t r = 0; r < fetch.rows; r++, cells += 2, seen++) {
                    if (header && seen == 0) {
                        CHECK(strcmp(cells[0].value.data, "n") == 0 && strcmp(cells[1].value.data, "s") == 0);
                        continue;
                    }
                    EQUAL(seen + 1 - header, cells[0].value.integer);
                    CHECK(cells[1].type == KW_TEXT && cells[1].length == 5);
                    CHECK((const char *)cells[1].value.data >= (const char *)memory &&
                          (const char *)cells[1].value.data < (const char *)memory + size);
                }
                EQUAL(fetch.more == 0, (fetch.flags & KW_BATCH_LAST) != 0);
                if (fetch.more == 0) break;
                if (fetch.rows == 0) size = (size_t)fetch.needed;
                CHECK(size <= sizeof memory);
                if (size > sizeof memory) break;
                OK(kw_rows_fetch_into(fetch.more, memory, size, &fetch, &err));
            }
            EQUAL(3 + header, seen);
        }
        CHECK(ask(store, KW_CACHE_USE, 3));
    }
}

static void a_rest_in_the_cache_can_be_read_in_every_way(void) {
    uint64_t memory[6];
    kw_options options = asking(KW_CACHE_USE);
    kw_fetch fetch = KW_FETCH_INIT;
    int64_t n = 0;
    begin_anew();
    CHECK(!ask(store, KW_CACHE_USE, 3));
    OK(kw_query_into(store, T, KW_NUL_TERMINATED, NULL, 0, &options, memory, sizeof memory, &fetch, &err));
    EQUAL(1, fetch.rows);
    kw_rows rows = fetch.more;
    EXEC(store, "DELETE FROM t");
    OK(kw_store_cache_clear(store, &err));
    for (int64_t want = 2; want <= 3; want++) {
        FAILS(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_int64(rows, 0, &n, &err));
        EQUAL(want, n);
    }
    FAILS(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
    CHECK(!ask(store, KW_CACHE_USE, 0));
}

static void a_hit_row_by_row(void) {
    const char *text = NULL, *name = NULL;
    size_t length = 0;
    uint32_t columns = 0, type = 0;
    begin_anew();
    CHECK(!ask(store, KW_CACHE_USE, 3));
    kw_rows rows = query(store, T, KW_CACHE_USE);
    OK(kw_rows_column_count(rows, &columns, &err));
    EQUAL(2, columns);
    OK(kw_rows_column_name(rows, 1, &name, &length, &err));
    CHECK(length == 1 && name[0] == 's');
    for (int64_t i = 1; i <= 3; i++) {
        FAILS(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_text(rows, 1, &text, &length, &err));
        CHECK(length == 5 && strncmp(text, "row ", 4) == 0);
        OK(kw_rows_type(rows, 0, &type, &err));
        EQUAL(KW_INTEGER, type);
    }
    FAILS(KW_DONE, kw_rows_step(rows, &err));
    OK(kw_rows_close(rows));
}

static void a_prepared_statement_and_its_text_share_a_result(void) {
    kw_statement statement = 0;
    kw_options options = asking(KW_CACHE_USE);
    kw_rows rows = 0;
    begin_anew();
    OK(kw_prepare(store, T, KW_NUL_TERMINATED, NULL, &statement, &err));
    options.statement = statement;
    OK(kw_query(store, NULL, 0, NULL, 0, &options, &rows, &err));
    CHECK(!reads(rows, 3));
    CHECK(ask(store, KW_CACHE_USE, 3));
    OK(kw_query(store, NULL, 0, NULL, 0, &options, &rows, &err));
    CHECK(reads(rows, 3));
    OK(kw_statement_close(statement));
}

static void parameters_keep_their_types_apart(void) {
    kw_cell cells[] = {int_cell(1), real_cell(1.0), text_cell("1"), bytes_cell(KW_BLOB, "1", 1), null_cell()};
    kw_options options = asking(KW_CACHE_USE);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 5; i++) {
            uint64_t memory[16];
            kw_fetch fetch = KW_FETCH_INIT;
            OK(kw_query_into(store, "SELECT ?", KW_NUL_TERMINATED, &cells[i], 1, &options, memory, sizeof memory, &fetch, &err));
            EQUAL(cells[i].type, ((kw_cell *)memory)[0].type);
            EQUAL(round, (fetch.flags & KW_BATCH_CACHED) != 0);
        }
    }
}

static void options_of_a_derived_target_hold_where_the_call_says_nothing(void) {
    kw_options defaults = asking(KW_CACHE_USE), plain = KW_OPTIONS_INIT;
    kw_target target = 0;
    kw_rows rows = 0;
    begin_anew();
    defaults.cache_ttl_ms = 60000;
    OK(kw_target_derive(store, &defaults, &target, &err));
    CHECK(!ask(target, KW_CACHE_DEFAULT, 3));
    CHECK(ask(target, KW_CACHE_DEFAULT, 3));
    CHECK(!ask(target, KW_CACHE_SKIP, 3));
    OK(kw_query(target, T, KW_NUL_TERMINATED, NULL, 0, &plain, &rows, &err));
    CHECK(reads(rows, 3));
    OK(kw_query(target, T, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    CHECK(reads(rows, 3));
    OK(kw_target_free(target));
    defaults.cache = 4;
    kw_status status = kw_target_derive(store, &defaults, &target, &err);
    if (status == KW_OK) {
        FAILS(KW_MISUSE, kw_query(target, T, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
        OK(kw_target_free(target));
    } else {
        EQUAL(KW_MISUSE, status);
    }
}

static void a_result_grows_too_old(void) {
    kw_options brief = asking(KW_CACHE_USE);
    kw_rows rows = 0;
    begin_anew();
    brief.cache_ttl_ms = 50;
    OK(kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &brief, &rows, &err));
    CHECK(!reads(rows, 3));
    kw_cache_stats before = stats_of(store);
    usleep(120000);
    CHECK(!ask(store, KW_CACHE_USE, 3));
    EQUAL(1, stats_of(store).expired - before.expired);
    usleep(120000);
    OK(kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &brief, &rows, &err));
    CHECK(!reads(rows, 3));
}

static void wrong_options_are_refused_and_run_nothing(void) {
    static const int32_t wrong[] = {-1, 4, 5, INT32_MAX, INT32_MIN};
    begin_anew();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kw_options options = asking(wrong[i]);
        kw_rows rows = 0;
        FAILS(KW_MISUSE, kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
        HAS(err.message, "cache");
        EQUAL(0, rows);
    }
}

/* An older caller's options end before the cache's. */
static void callers_of_other_versions_are_served(void) {
    struct { kw_options options; char tail[32]; } longer;
    kw_options options = asking(99);
    kw_rows rows = 0;
    begin_anew();
    options.struct_size = offsetof(kw_options, cache);
    OK(kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    CHECK(!reads(rows, 3));
    options = asking(KW_CACHE_USE);
    options.cache_ttl_ms = 1; /* beyond the caller's size: must not be read */
    options.struct_size = offsetof(kw_options, cache_ttl_ms);
    for (int hit = 0; hit < 2; hit++) {
        OK(kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
        EQUAL(hit, reads(rows, 3));
        usleep(20000);
    }
    memset(&longer, 0, sizeof longer);
    longer.options = asking(KW_CACHE_USE);
    longer.options.struct_size = sizeof longer;
    OK(kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &longer.options, &rows, &err));
    CHECK(reads(rows, 3));
    longer.tail[0] = 1;
    FAILS(KW_ABI, kw_query(store, T, KW_NUL_TERMINATED, NULL, 0, &longer.options, &rows, &err));
}

static void the_numbers(void) {
    struct { kw_cache_stats stats; char tail[32]; } longer;
    kw_cache_stats before = stats_of(store), after;
    begin_anew();
    CHECK(!ask(store, KW_CACHE_USE, 3));
    CHECK(ask(store, KW_CACHE_USE, 3));
    OK(kw_rows_close(query(store, "SELECT random()", KW_CACHE_USE)));
    OK(kw_rows_close(query(store, "SELECT name FROM pragma_table_list", KW_CACHE_USE)));
    OK(kw_rows_close(query(store, "INSERT INTO t VALUES (9, 'row 9') RETURNING n", KW_CACHE_USE)));
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_DEFERRED, NULL, &tx, &err));
    CHECK(!ask(tx, KW_CACHE_USE, 4));
    OK(kw_tx_rollback(tx, &err));
    after = stats_of(store);
    EQUAL(sizeof after, after.struct_size);
    EQUAL(1, after.enabled);
    EQUAL(1, after.hits - before.hits);
    EQUAL(1, after.misses - before.misses);
    EQUAL(1, after.bypass_function - before.bypass_function);
    EQUAL(1, after.bypass_table - before.bypass_table);
    EQUAL(1, after.bypass_statement - before.bypass_statement);
    EQUAL(1, after.bypass_transaction - before.bypass_transaction);
    EQUAL(1, after.entries);
    CHECK(after.bytes > 256 && after.bytes < 1024);
    EQUAL(1000, after.max_entries);
    EQUAL(64 << 20, after.max_bytes);

    memset(&longer, 0x55, sizeof longer);
    longer.stats.struct_size = sizeof longer;
    OK(kw_store_cache_stats(store, &longer.stats, &err));
    EQUAL(after.hits, longer.stats.hits);
    memset(&longer, 0x55, sizeof longer);
    longer.stats.struct_size = offsetof(kw_cache_stats, misses);
    OK(kw_store_cache_stats(store, &longer.stats, &err));
    EQUAL(after.hits, longer.stats.hits);
    EQUAL(0x5555555555555555, longer.stats.misses);

    OK(kw_store_cache_clear(store, &err));
    EQUAL(0, stats_of(store).entries);
    EQUAL(0, stats_of(store).bytes);
}

static void nulls_and_wrong_handles(void) {
    kw_cache_stats stats = KW_CACHE_STATS_INIT;
    stats.hits = 12345;
    FAILS(KW_MISUSE, kw_store_cache_stats(store, NULL, &err));
    FAILS(KW_MISUSE, kw_store_cache_stats(store, NULL, NULL));
    FAILS(KW_INVALID_HANDLE, kw_store_cache_stats(0, &stats, &err));
    FAILS(KW_INVALID_HANDLE, kw_store_cache_stats(store + 1, &stats, &err));
    FAILS(KW_INVALID_HANDLE, kw_store_cache_clear(0, &err));
    FAILS(KW_INVALID_HANDLE, kw_store_cache_clear(store + 1, NULL));
    stats.struct_size = 0;
    FAILS(KW_ABI, kw_store_cache_stats(store, &stats, &err));
    EQUAL(12345, stats.hits);
}

static void a_store_without_a_cache(void) {
    static const char *const settings[] = {"cache.enabled", "false", NULL};
    kw_store own = open_with("without.db", settings);
    EXEC(own, "CREATE TABLE t(n, s)");
    for (int i = 0; i < 2; i++) CHECK(!ask(own, KW_CACHE_USE, 0));
    EQUAL(0, stats_of(own).enabled);
    EQUAL(2, stats_of(own).bypass_disabled);
    OK(kw_store_cache_clear(own, &err));
    OK(kw_store_close(own, -1, &err));
}

/* Rows of a hit are whole for as long as they are open. */
static void rows_of_a_hit_outlive_the_cache_and_the_store(void) {
    static const char *const settings[] = {"cache.enabled", "true", "cache.size", "1", NULL};
    kw_store own = open_with("outlive.db", settings);
    EXEC(own, "CREATE TABLE t(n, s)");
    EXEC(own, "INSERT INTO t VALUES (1, 'row 1'), (2, 'row 2')");
    CHECK(!ask(own, KW_CACHE_DEFAULT, 2));
    kw_rows evicted = query(own, T, KW_CACHE_DEFAULT), cleared, closed;
    OK(kw_rows_close(query(own, "SELECT 1", KW_CACHE_DEFAULT)));
    EQUAL(1, stats_of(own).evicted);
    CHECK(!ask(own, KW_CACHE_DEFAULT, 2));
    cleared = query(own, T, KW_CACHE_DEFAULT);
    OK(kw_store_cache_clear(own, &err));
    CHECK(!ask(own, KW_CACHE_DEFAULT, 2));
    closed = query(own, T, KW_CACHE_DEFAULT);
    EXEC(own, "DELETE FROM t");
    CHECK(reads(evicted, 2));
    CHECK(reads(cleared, 2));
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_rows_next_batch(closed, &batch, &err));
    OK(kw_store_close(own, -1, &err));
    /* What was handed out stays until the rows are closed; what follows may be refused. */
    CHECK(strcmp(batch.cells[3].value.data, "row 2") == 0);
    OK(kw_rows_close(closed));
}

enum { THREADS = 6 };
static int rounds = 300;

/* Each thread raises a number of its own and reads it back with the cache; one of them clears the cache now and then. */
static void *raises(void *argument) {
    int64_t me = (int64_t)(intptr_t)argument;
    kw_options options = asking(KW_CACHE_USE);
    kw_cell who = int_cell(me);
    for (int64_t i = 1; i <= rounds; i++) {
        OK(kw_execute(store, "UPDATE numbers SET v = v + 1 WHERE who = ?", KW_NUL_TERMINATED, &who, 1, NULL, NULL, &err));
        for (int again = 0; again < 4; again++) {
            uint64_t memory[8];
            kw_fetch fetch = KW_FETCH_INIT;
            OK(kw_query_into(store, "SELECT v FROM numbers WHERE who = ?", KW_NUL_TERMINATED, &who, 1, &options, memory, sizeof memory, &fetch, &err));
            EQUAL(i, ((kw_cell *)memory)[0].value.integer);
        }
        if (me == 0 && i % 10 == 0) OK(kw_store_cache_clear(store, &err));
    }
    return NULL;
}

static void many_threads_read_what_they_wrote(void) {
    pthread_t threads[THREADS];
    kw_cache_stats before = stats_of(store), after;
    const char *text = getenv("KEEPWELL_TEST_ROUNDS");
    if (text != NULL) rounds = atoi(text);
    EXEC(store, "CREATE TABLE numbers(who INTEGER PRIMARY KEY, v)");
    EXEC(store, "INSERT INTO numbers VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)");
    for (intptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, raises, (void *)i) != 0) exit(2);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    after = stats_of(store);
    CHECK(after.hits > before.hits);
    EQUAL((int64_t)THREADS * rounds * 4, after.hits - before.hits + after.misses - before.misses + after.bypass_under_way - before.bypass_under_way +
                                             after.bypass_schema - before.bypass_schema);
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("cache.db");
    RUN(a_hit_says_so_and_a_write_ends_it);
    RUN(hits_into_memory_of_any_size);
    RUN(a_rest_in_the_cache_can_be_read_in_every_way);
    RUN(a_hit_row_by_row);
    RUN(a_prepared_statement_and_its_text_share_a_result);
    RUN(parameters_keep_their_types_apart);
    RUN(options_of_a_derived_target_hold_where_the_call_says_nothing);
    RUN(a_result_grows_too_old);
    RUN(wrong_options_are_refused_and_run_nothing);
    RUN(callers_of_other_versions_are_served);
    RUN(the_numbers);
    RUN(nulls_and_wrong_handles);
    RUN(a_store_without_a_cache);
    RUN(rows_of_a_hit_outlive_the_cache_and_the_store);
    RUN(many_threads_read_what_they_wrote);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
