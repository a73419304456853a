/* The cache of results: what a hit and a miss cost, what it gives at a ratio of hits, and what a writer pays for it. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* Stores on files of their own with equal contents. The keys are random among HOT_ROWS, so the size of the cache makes the ratio of hits. */
typedef struct stores {
    raw *floor;
    kw_store uncached, all, most, half, none;
} stores;

/* The ratio of hits of what ran since `before`, for the report. */
static double ratio_since(kw_store store, kw_cache_stats before) {
    kw_cache_stats now = ours_cache_stats(store);
    double hits = (double)(now.hits - before.hits), misses = (double)(now.misses - before.misses);
    return hits + misses > 0 ? hits / (hits + misses) : 0;
}

static void say_ratio(const char *id, kw_store store, kw_cache_stats before) {
    fprintf(stderr, "%s: hit ratio %.3f\n", id, ratio_since(store, before));
}

/* Fills the cache with every key that is going to be asked for. */
static void warm(kw_store store, uint64_t (*run)(void *, long, long)) { run(&store, 0, 12 * HOT_ROWS); }

/* Among few keys: what is asked for again and again, and stays in the processor's own caches on both sides. */
static void hot_hits(stores *s) {
    comparison c = {
        .peer = "raw SQLite", .operations = 1000, .rounds = rounds(301, 101), .count = 2,
        .sides = {{.run = raw_point, .self = s->floor}, {"c.cached.point", "c", "point read among 100 rows, found in the cache", 0.05, ours_cached_point, &s->all}},
    };
    spread_keys(100);
    warm(s->all, ours_cached_point);
    measure(&c);
    report(&c);
    spread_keys(HOT_ROWS);
}

static void hits(stores *s) {
    comparison c = {
        .peer = "raw SQLite", .operations = 1000, .rounds = rounds(301, 101), .count = 5,
        .sides = {
            {.run = raw_point, .self = s->floor},
            {"c.cached.point_99", "c", "point reads, 99 of 100 found in the cache", 0, ours_cached_point, &s->most},
            {"c.cached.point_100", "c", "point reads among 10,000 rows, all found in the cache", 0, ours_cached_point, &s->all},
            {"c.cached.point_50", "c", "point reads, half of them found in the cache", 0, ours_cached_point, &s->half},
            {"c.cached.point_0", "c", "point reads, hardly any found in the cache", 0, ours_cached_point, &s->none},
        },
    };
    warm(s->all, ours_cached_point);
    warm(s->most, ours_cached_point);
    kw_cache_stats all = ours_cache_stats(s->all), most = ours_cache_stats(s->most), half = ours_cache_stats(s->half), none = ours_cache_stats(s->none);
    measure(&c);
    report(&c);
    say_ratio("c.cached.point_100", s->all, all);
    say_ratio("c.cached.point_99", s->most, most);
    say_ratio("c.cached.point_50", s->half, half);
    say_ratio("c.cached.point_0", s->none, none);
}

static void hundreds(stores *s) {
    comparison c = {
        .peer = "raw SQLite", .operations = 50, .rounds = rounds(301, 101), .count = 2,
        .sides = {
            {.run = raw_rows100, .self = s->floor},
            {"c.cached.rows100", "c", "100 rows, found in the cache", 0, ours_cached_rows100, &s->all},
        },
    };
    spread_keys(400);
    warm(s->all, ours_cached_rows100);
    measure(&c);
    report(&c);
    spread_keys(HOT_ROWS);
}

static void misses(stores *s) {
    comparison point = {
        .peer = "keepwell without the cache", .operations = 1000, .rounds = rounds(301, 101), .count = 2,
        .sides = {{.run = ours_point, .self = &s->uncached}, {"c.cached.miss_point", "c", "point read that misses", 1.05, ours_cached_point, &s->none}},
    };
    comparison hundred = {
        .peer = "keepwell without the cache", .operations = 50, .rounds = rounds(301, 101), .count = 2,
        .sides = {{.run = ours_rows100, .self = &s->uncached}, {"c.cached.miss_rows100", "c", "100 rows that miss", 1.05, ours_cached_rows100, &s->none}},
    };
    measure(&point);
    report(&point);
    measure(&hundred);
    report(&hundred);
}

/* Two threads at once against one alone, in processor time. */
static void two_threads(stores *s) {
    void *selves[] = {&s->all, &s->all};
    const long count = 20000;
    comparison c = {
        .peer = "one thread", .rounds = rounds(101, 41), .count = 2,
        .sides = {{0}, {.id = "c.cached.threads", .language = "c", .what = "processor time of a hit while a second thread hits too"}},
    };
    for (int round = 0; round < c.rounds; round++) {
        for (int threads = 1; threads <= 2; threads++) {
            c.nanos[threads - 1][round] = threaded(ours_cached_point, selves, threads, 2 * round * count, count);
        }
    }
    report(&c);
}

static void writers(void) {
    const char *off_path = path_in_folder("cache-off.db"), *on_path = path_in_folder("cache-on.db");
    remove_database(off_path);
    remove_database(on_path);
    raw_close(raw_open(off_path)); /* creates the table */
    raw_close(raw_open(on_path));
    kw_store off = ours_open(off_path, "cache.enabled", "false"), on = ours_open(on_path, "cache.enabled", "true");
    comparison c = {
        .peer = "cache.enabled = false", .operations = 1000, .rounds = rounds(101, 31), .count = 2,
        .sides = {{.run = ours_insert, .self = &off}, {"c.cached.writer", "c", "insert of one row, committed, with the cache's bookkeeping", 1.03, ours_insert, &on}},
    };
    measure(&c);
    report(&c);
    ours_close(off);
    ours_close(on);
    remove_database(off_path);
    remove_database(on_path);
}

static kw_store store_of(const char *floor_path, const char *name, const char *size) {
    const char *path = path_in_folder(name);
    copy_file(floor_path, path);
    return ours_open(path, "cache.size", size);
}

void measure_cache(const char *floor_path, raw *floor) {
    stores s = {
        floor, store_of(floor_path, "uncached.db", "1"), store_of(floor_path, "all.db", "100000"),
        store_of(floor_path, "most.db", "9900"), store_of(floor_path, "half.db", "5000"), store_of(floor_path, "none.db", "50"),
    };
    if (wanted("c.cached.point")) hot_hits(&s);
    if (wanted("c.cached.point_")) hits(&s);
    if (wanted("c.cached.rows100")) hundreds(&s);
    if (wanted("c.cached.miss")) misses(&s);
    if (wanted("c.cached.threads")) warm(s.all, ours_cached_point), two_threads(&s);
    if (wanted("c.cached.writer")) writers();
    ours_close(s.uncached);
    ours_close(s.all);
    ours_close(s.most);
    ours_close(s.half);
    ours_close(s.none);
    remove_database(path_in_folder("uncached.db"));
    remove_database(path_in_folder("all.db"));
    remove_database(path_in_folder("most.db"));
    remove_database(path_in_folder("half.db"));
    remove_database(path_in_folder("none.db"));
}
