/* The C bench: raw SQLite against keepwell, side by side in one process, on files of their own with equal contents and settings.
 * Prints JSON, one object in a line; see benches/README.md. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "writers.h"

plan the_plan = {.folder = ".", .only = "", .rows = 1000000};

void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    exit(1);
}

int rounds(int full, int quick) { return the_plan.quick ? quick : full; }

/* Whether `id` begins with what was asked for, or is the beginning of it. */
int wanted(const char *id) {
    size_t a = strlen(id), b = strlen(the_plan.only);
    return strncmp(id, the_plan.only, a < b ? a : b) == 0;
}

const char *path_in_folder(const char *name) {
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", the_plan.folder, name);
    return path;
}

/* The connections of the reading comparisons, each on a file of its own with equal contents: the locks of two connections of one process
 * on one file are cheaper than those of one alone. */
typedef struct tables {
    raw *floor;
    kw_store kept, plain;
} tables;

#define PEER "raw SQLite"

static void points(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 1000, .rounds = rounds(301, 101), .count = 6,
        .sides = {
            {.run = raw_point, .self = t->floor},
            {"c.point", "c", "point read, snapshot kept, copied into the caller's memory", 0.30, ours_point, &t->kept},
            {"c.point_rows", "c", "the same by query, next_batch, close", 0, ours_point_rows, &t->kept},
            {"c.point_plain", "c", "point read, no snapshot kept", 0, ours_point, &t->plain},
            {"c.point_floor", "c", "raw SQLite inside a transaction: what a kept snapshot could save at most", 0, raw_point_tx, t->floor},
            {"c.cpp_point", "c++", "point read to a tuple by query_one", 0.30, cpp_point, &t->kept},
        },
    };
    measure(&c);
    report(&c);
}

/* Keys from the whole table: most reads miss the page cache and ask the operating system. */
static void cold_points(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 500, .rounds = rounds(301, 101), .count = 2,
        .sides = {
            {.run = raw_point, .self = t->floor},
            {"c.point_cold", "c", "point read anywhere in the table, page cache missed", 0, ours_point, &t->kept},
        },
    };
    spread_keys(the_plan.rows);
    measure(&c);
    report(&c);
    spread_keys(HOT_ROWS);
}

static void points_in_transaction(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 1000, .rounds = rounds(301, 101), .count = 2,
        .sides = {
            {.run = raw_point_tx, .self = t->floor},
            {"c.point_tx", "c", "point read inside a transaction", 1.08, ours_point_tx, &t->kept},
        },
    };
    measure(&c);
    report(&c);
}

static void hundreds(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 50, .rounds = rounds(301, 101), .count = 4,
        .sides = {
            {.run = raw_rows100, .self = t->floor},
            {"c.rows100", "c", "100 rows by key range, copied into the caller's memory", 1.05, ours_rows100, &t->kept},
            {"c.rows100_rows", "c", "the same by query, next_batch, close", 1.05, ours_rows100_rows, &t->kept},
            {"c.rows100_plain", "c", "100 rows, no snapshot kept", 0, ours_rows100, &t->plain},
        },
    };
    measure(&c);
    report(&c);
}

static void scans(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 1, .rounds = rounds(15, 9), .count = 2,
        .sides = {
            {.run = raw_scan, .self = t->floor},
            {"c.scan", "c", "the whole table in batches", 1.15, ours_scan, &t->kept},
        },
    };
    measure(&c);
    report(&c);
}

/* What a call costs beside the statement's own work, from three pairs measured in turn. */
static void overheads(tables *t) {
    comparison c = {
        .peer = PEER, .operations = 5000, .rounds = rounds(301, 101), .count = 3,
        .sides = {
            {.run = raw_trivial_tx, .self = t->floor},
            {.id = "store", .run = ours_trivial, .self = &t->kept},
            {.id = "transaction", .run = ours_trivial_tx, .self = &t->kept},
        },
    };
    comparison handle = {
        .peer = "itself", .operations = 20000, .rounds = c.rounds, .count = 1,
        .sides = {{.run = ours_column_count, .self = &t->kept}},
    };
    double call[MOST_ROUNDS], pool[MOST_ROUNDS];
    measure(&c);
    measure(&handle);
    for (int i = 0; i < c.rounds; i++) {
        call[i] = c.nanos[1][i] - c.nanos[0][i];
        pool[i] = handle.nanos[0][i] + c.nanos[1][i] - c.nanos[2][i];
    }
    report_limit("c.overhead.handle", "handle and guard: kw_rows_column_count", handle.nanos[0], c.rounds, 60);
    report_limit("c.overhead.pool", "handle and guard, and a store's call less a transaction's: pool and snapshot", pool, c.rounds, 60);
    report_limit("c.overhead.call", "all of a call, parameters and copies too: SELECT ?1 less raw SQLite's in a transaction", call, c.rounds, 0);
}

/* Point reads of two threads at once against one alone: flat when they do not get into each other's way. The same of raw SQLite on two
 * connections shows what the machine itself adds. */
static void two_threads(tables *t, raw *second) {
    void *ours[] = {&t->kept, &t->kept}, *floor[] = {t->floor, second};
    const long count = 2000;
    comparison c = {
        .peer = "one thread", .rounds = rounds(101, 41), .count = 2,
        .sides = {{0}, {.id = "c.overhead.threads", .language = "c", .what = "processor time of a point read while a second thread reads too", .target = 1.10}},
    };
    comparison d = c;
    d.sides[1] = (side){.id = "c.overhead.threads_raw", .language = "c", .what = "the same of raw SQLite on two connections, for comparison"};
    for (int round = 0; round < c.rounds; round++) {
        for (int threads = 1; threads <= 2; threads++) {
            c.nanos[threads - 1][round] = threaded(ours_point, ours, threads, 2 * round * count, count);
            d.nanos[threads - 1][round] = threaded(raw_point, floor, threads, 2 * round * count, count);
        }
    }
    report(&c);
    report(&d);
}

static void writes(void) {
    const char *floor_path = path_in_folder("floor-writes.db"), *ours_path = path_in_folder("ours-writes.db");
    remove_database(floor_path);
    remove_database(ours_path);
    raw *floor = raw_open(floor_path);
    raw_close(raw_open(ours_path)); /* creates the table */
    kw_store ours = ours_open(ours_path, NULL, NULL);
    settle(floor->db, ours);
    comparison one = {
        .peer = PEER, .operations = 1000, .rounds = rounds(101, 31), .count = 2,
        .sides = {{.run = raw_insert, .self = floor}, {"c.autocommit", "c", "insert of one row, committed", 1.10, ours_insert, &ours}},
    };
    comparison many = {
        .peer = PEER, .operations = 40, .rounds = rounds(31, 11), .count = 2, /* a checkpoint in every round */
        .first = one.operations * (one.rounds + 1) / MATRIX_ROWS + 1, /* keys behind those of the single rows */
        .sides = {{.run = raw_insert_many, .self = floor}, {"c.execute_many", "c", "insert of 1000 rows, committed", 1.10, ours_insert_many, &ours}},
    };
    if (wanted("c.autocommit")) measure(&one), report(&one);
    if (wanted("c.execute_many")) measure(&many), report(&many);
    raw_close(floor);
    ours_close(ours);
    remove_database(floor_path);
    remove_database(ours_path);
}

static void reads(void) {
    const char *floor_path = path_in_folder("floor.db"), *kept_path = path_in_folder("ours.db"), *plain_path = path_in_folder("plain.db");
    make_table(floor_path, the_plan.rows);
    copy_file(floor_path, kept_path);
    copy_file(floor_path, plain_path);
    tables t = {raw_open(floor_path), ours_open(kept_path, NULL, NULL), ours_open(plain_path, "pool.snapshot_idle", "0")};
    raw *second = raw_open(floor_path);
    settle(t.floor->db, t.kept);
    settle(second->db, t.kept);
    print_settings(t.kept);
    if (wanted("c.point") || wanted("c.cpp_point")) points(&t);
    if (wanted("c.point_cold")) cold_points(&t);
    if (wanted("c.point_tx")) points_in_transaction(&t);
    if (wanted("c.rows100")) hundreds(&t);
    if (wanted("c.scan")) scans(&t);
    if (wanted("c.scan_memory")) measure_memory(t.kept);
    if (wanted("c.overhead")) overheads(&t);
    if (wanted("c.overhead.threads")) two_threads(&t, second);
    if (wanted("c.cached")) measure_cache(floor_path, t.floor);
    if (wanted("c.metrics")) measure_metrics(floor_path);
    raw_close(second);
    raw_close(t.floor);
    ours_close(t.plain);
    ours_close(t.kept);
    remove_database(floor_path);
    remove_database(kept_path);
    remove_database(plain_path);
}

static void usage(void) {
    fail("usage: bench [--quick] [--rows N] [--folder PATH] [--only PREFIX]\n"
         "       bench [--folder PATH] [--seconds S] [--windows N] WRITERS:SYNC:READERS ...");
}

static void singles(void) {
    if (the_plan.rows < 2 * HOT_ROWS) fail("--rows: at least %d", 2 * HOT_ROWS);
    reads();
    if (wanted("c.autocommit") || wanted("c.execute_many")) writes();
    if (wanted("c.migrations")) measure_migrations();
}

/* With cells of the writers' matrix, those are measured; without, everything that one thread does. */
int main(int argc, char **argv) {
    const char *cells[64];
    int count = 0, windows = 3;
    double seconds = 2;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--quick") == 0) the_plan.quick = 1, the_plan.rows = 200000;
        else if (argv[i][0] != '-' && count < 64) cells[count++] = argv[i];
        else if (!value) usage();
        else if (strcmp(argv[i], "--rows") == 0) the_plan.rows = atol(value), i++;
        else if (strcmp(argv[i], "--folder") == 0) the_plan.folder = value, i++;
        else if (strcmp(argv[i], "--only") == 0) the_plan.only = value, i++;
        else if (strcmp(argv[i], "--seconds") == 0) seconds = atof(value), i++;
        else if (strcmp(argv[i], "--windows") == 0) windows = atoi(value), i++;
        else usage();
    }
    if (count > 0) measure_writers(cells, count, seconds, windows);
    else singles();
    return 0;
}
