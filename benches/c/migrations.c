/* A thousand small migrations of a new database file, against the same SQL run by SQLite alone with one transaction each; and the time that
 * the status of a thousand applied ones takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define MIGRATIONS 1000

static char texts[MIGRATIONS][400];

/* Every fifth makes a table; the others add a column, an index, rows and a view to it. */
static void write_texts(void) {
    for (int i = 0; i < MIGRATIONS; i++) {
        int table = i / 5;
        const char *const forms[] = {
            "CREATE TABLE part%1$d(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL)",
            "ALTER TABLE part%1$d ADD COLUMN colour TEXT DEFAULT 'none'",
            "CREATE INDEX part%1$d_name ON part%1$d(name)",
            "INSERT INTO part%1$d(name, price) VALUES ('bolt', 0.5), ('nut', 0.25), ('washer', 0.125); UPDATE part%1$d SET price = price * 2",
            "CREATE VIEW part%1$d_cheap AS SELECT id, name FROM part%1$d WHERE price < 1",
        };
        snprintf(texts[i], sizeof texts[i], forms[i % 5], table);
    }
}

static void check(kw_status status, const kw_error *err) {
    if (status != KW_OK) fail("migrations: %s", err->message);
}

static kw_migrations set_of(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_migrations set = 0;
    check(kw_migrations_new(store, &set, &err), &err);
    for (int i = 0; i < MIGRATIONS; i++) {
        kw_migration one = KW_MIGRATION_INIT;
        one.version = i + 1;
        one.description = "part";
        one.up = texts[i];
        check(kw_migrations_add(set, &one, &err), &err);
    }
    return set;
}

static uint64_t migrate(kw_migrations set, int32_t operation) {
    kw_error err = KW_ERROR_INIT;
    kw_report report = 0;
    kw_report_summary summary = KW_REPORT_SUMMARY_INIT;
    check(kw_migrate(set, operation, NULL, &report, &err), &err);
    check(kw_report_describe(report, &summary, &err), &err);
    kw_report_free(report);
    return summary.migrations;
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail("%s: %s", sql, sqlite3_errmsg(db));
}

static double raw_round(const char *path, kw_store like) {
    remove_database(path);
    raw *floor = raw_open(path);
    settle(floor->db, like);
    double start = now_ns();
    for (int i = 0; i < MIGRATIONS; i++) {
        run(floor->db, "BEGIN IMMEDIATE");
        run(floor->db, texts[i]);
        run(floor->db, "COMMIT");
    }
    double nanos = now_ns() - start;
    raw_close(floor);
    return nanos / MIGRATIONS;
}

static double our_round(const char *path, double *status) {
    remove_database(path);
    kw_store store = ours_open(path, NULL, NULL);
    double start = now_ns();
    kw_migrations set = set_of(store);
    if (migrate(set, KW_MIGRATE_UP) != MIGRATIONS) fail("migrations: not all were applied");
    double nanos = now_ns() - start;
    start = now_ns();
    if (migrate(set, KW_MIGRATE_STATUS) != MIGRATIONS) fail("migrations: the status lacks some");
    *status = now_ns() - start;
    kw_migrations_free(set);
    ours_close(store);
    return nanos / MIGRATIONS;
}

void measure_migrations(void) {
    const char *floor_path = path_in_folder("floor-migrations.db"), *our_path = path_in_folder("our-migrations.db"),
               *like_path = path_in_folder("like-migrations.db");
    write_texts();
    remove_database(like_path);
    raw_close(raw_open(like_path));
    kw_store like = ours_open(like_path, NULL, NULL);
    comparison c = {
        .peer = "raw SQLite", .rounds = rounds(21, 9), .count = 2,
        .sides = {{0}, {.id = "c.migrations.up", .language = "c", .what = "one of a thousand small migrations of a new file", .target = 1.20}},
    };
    double status[MOST_ROUNDS], spare;
    raw_round(floor_path, like);
    our_round(our_path, &spare);
    for (int round = 0; round < c.rounds; round++) {
        for (int turn = 0; turn < 2; turn++) {
            if ((round + turn) % 2) c.nanos[0][round] = raw_round(floor_path, like);
            else c.nanos[1][round] = our_round(our_path, &status[round]);
        }
    }
    report(&c);
    report_limit("c.migrations.status", "status of a thousand applied migrations", status, c.rounds, 10e6);
    ours_close(like);
    remove_database(floor_path);
    remove_database(our_path);
    remove_database(like_path);
}
