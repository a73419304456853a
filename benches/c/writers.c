/* The writers' bench: for each cell of the matrix, windows of raw SQLite and of keepwell in turn, each on a file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "writers.h"

static cell parse_cell(const char *text) {
    cell c;
    int length = 0;
    int found = sscanf(text, "%d:%7[a-z]:%d%n", &c.writers, c.sync, &c.readers, &length);
    if (found != 3 || text[length] != '\0') fail("%s is no cell, which is writers:sync:readers", text);
    if (c.writers < 1 || c.readers < 0 || c.writers + c.readers > MOST_SEATS) fail("%s: at most %d threads", text, MOST_SEATS);
    return c;
}

/* A database whose first HOT_ROWS rows are there to be read. */
static void make_log(const char *path) {
    sqlite3 *db;
    char fill[512];
    snprintf(fill, sizeof fill,
             "PRAGMA journal_mode = WAL; BEGIN; " LOG_CREATE ";"
             "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) INSERT INTO t SELECT i, i, i / 8.0, 'the name of a row' FROM k;"
             "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
             HOT_ROWS);
    remove_database(path);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, fill, NULL, NULL, NULL) != SQLITE_OK) fail("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* Every write that was answered is there, and no other. */
static void expect_rows(const party *p) {
    sqlite3 *db;
    sqlite3_stmt *count;
    if (sqlite3_open(p->path, &db) != SQLITE_OK) fail("%s: %s", p->path, sqlite3_errmsg(db));
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &count, NULL) != SQLITE_OK) fail("%s", sqlite3_errmsg(db));
    if (sqlite3_step(count) != SQLITE_ROW) fail("%s", sqlite3_errmsg(db));
    long rows = (long)sqlite3_column_int64(count, 0);
    if (rows != HOT_ROWS + p->written) fail("%s has %ld rows, and %ld were written", p->path, rows - HOT_ROWS, p->written);
    sqlite3_finalize(count);
    sqlite3_close(db);
}

static void print_window(const window *w) {
    printf("{\"writes\": %.1f, \"reads\": %.1f, ", w->writes, w->reads);
    printf("\"p50\": %.0f, \"p99\": %.0f, \"p999\": %.0f, \"slowest\": %.0f, ", w->p50, w->p99, w->p999, w->slowest);
    printf("\"errors\": %ld, \"syncs\": %.4f, \"sync\": %.0f, \"fewest\": %.4f}", w->busy, w->syncs, w->sync, w->fewest);
}

static void print_windows(const char *side, const window *all, int count) {
    printf("\"%s\": [", side);
    for (int i = 0; i < count; i++) {
        if (i > 0) printf(", ");
        print_window(&all[i]);
    }
    printf("]");
}

/* Each COMMIT waits for the disk at FULL: when none is seen, the count does not reach that side's SQLite. */
static void expect_syncs(const cell *c, const window *w, const char *path) {
    if (strcmp(c->sync, "full") == 0 && w->syncs == 0) fail("%s: no write waited for the disk", path);
}

/* Which side starts changes with each round; the first round warms up, is short, and is not kept. */
static void take_turns(party *sides, const cell *c, double seconds, int windows, window kept[2][MOST_WINDOWS]) {
    for (int round = -1; round < windows; round++) {
        for (int turn = 0; turn < 2; turn++) {
            int which = (turn + round + 1) % 2;
            window w = play(&sides[which], c, round < 0 ? seconds / 4 : seconds);
            expect_syncs(c, &w, sides[which].path);
            if (round >= 0) kept[which][round] = w;
        }
    }
}

static void measure_cell(const cell *c, double seconds, int windows, int first) {
    static window kept[2][MOST_WINDOWS];
    party sides[2] = {{.path = path_in_folder("floor-writers.db")}, {.path = path_in_folder("ours-writers.db")}};
    for (int i = 0; i < 2; i++) make_log(sides[i].path);
    kw_store store = ours_open(sides[1].path, "options.synchronous", c->sync);
    if (first) print_settings(store);
    raw_sit_down(&sides[0], c, store);
    ours_sit_down(&sides[1], c, &store);
    take_turns(sides, c, seconds, windows, kept);
    raw_get_up(&sides[0], c);
    ours_close(store);
    for (int i = 0; i < 2; i++) expect_rows(&sides[i]), remove_database(sides[i].path);
    printf("{\"language\": \"c\", \"peer\": \"raw SQLite\", \"writers\": %d, \"sync\": \"%s\", \"readers\": %d, ", c->writers, c->sync, c->readers);
    print_windows("peer_windows", kept[0], windows), printf(", "), print_windows("our_windows", kept[1], windows), printf("}\n");
    fflush(stdout);
}

void measure_writers(const char *const *cells, int count, double seconds, int windows) {
    if (seconds <= 0 || windows < 1 || windows > MOST_WINDOWS) fail("more than 0 seconds, and 1 to %d windows", MOST_WINDOWS);
    for (int i = 0; i < count; i++) {
        cell c = parse_cell(cells[i]);
        measure_cell(&c, seconds, windows, i == 0);
    }
}
