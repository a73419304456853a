/* The cache of results: a report that is asked for all the time and changes now and then.
 *
 * cc cache.c $(pkg-config --cflags --libs keepwell) && ./a.out [file] */
#include <keepwell.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kw_error err = KW_ERROR_INIT;

static void check(kw_status status) {
    if (status == KW_OK) return;
    fprintf(stderr, "%s: %s\n", kw_status_name(status), err.message);
    exit(1);
}

static kw_store open_store(const char *path) {
    kw_config config = 0;
    kw_store store = 0;
    check(kw_config_new(&config, &err));
    check(kw_config_set(config, "datasource", KW_NUL_TERMINATED, path, KW_NUL_TERMINATED, &err));
    check(kw_open(config, &store, &err));
    kw_config_free(config);
    return store;
}

static void run(kw_store store, const char *sql) { check(kw_execute_script(store, sql, KW_NUL_TERMINATED, NULL, NULL, &err)); }

/* The sum of all orders, and where it came from. */
static void report(kw_store store, const char *when) {
    union { kw_cell cells[2]; char bytes[256]; } room;
    kw_options options = KW_OPTIONS_INIT;
    kw_fetch fetch = KW_FETCH_INIT;
    options.cache = KW_CACHE_USE;
    const char *sql = "SELECT count(*), coalesce(sum(cents), 0) FROM orders";
    check(kw_query_into(store, sql, strlen(sql), NULL, 0, &options, &room, sizeof room, &fetch, &err));
    printf("%-34s %lld orders, %lld cents, %s\n", when, (long long)room.cells[0].value.integer, (long long)room.cells[1].value.integer,
           fetch.flags & KW_BATCH_CACHED ? "from the cache" : "run");
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "cache-example.db";
    kw_store store = open_store(path), other = open_store(path); /* as another process would */
    run(store, "CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, cents INTEGER); DELETE FROM orders;"
               "CREATE TABLE IF NOT EXISTS visits(page TEXT)");
    report(store, "at first:");
    report(store, "again:");
    run(store, "BEGIN; INSERT INTO visits VALUES ('start'); COMMIT");
    check(kw_execute(store, "INSERT INTO visits VALUES ('end')", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err));
    report(store, "after visits were written:");
    check(kw_execute(store, "INSERT INTO orders(cents) VALUES (1999)", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err));
    report(store, "after an order:");
    check(kw_execute(other, "INSERT INTO orders(cents) VALUES (501)", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err));
    report(store, "after an order of somebody else:");
    report(store, "again:");

    kw_cache_stats stats = KW_CACHE_STATS_INIT;
    check(kw_store_cache_stats(store, &stats, &err));
    printf("%llu hits, %llu misses, %llu results in %llu bytes\n", (unsigned long long)stats.hits, (unsigned long long)stats.misses,
           (unsigned long long)stats.entries, (unsigned long long)stats.bytes);
    check(kw_store_close(other, -1, &err));
    check(kw_store_close(store, -1, &err));
    return 0;
}
