/* The floor: C on SQLite's own interface, statements prepared once, columns read in place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) fail("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

static void execute(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail("%s: %s", sql, sqlite3_errmsg(db));
}

raw *raw_open(const char *path) {
    raw *r = calloc(1, sizeof *r);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &r->db, flags, NULL) != SQLITE_OK) fail("%s: %s", path, sqlite3_errmsg(r->db));
    execute(r->db, "PRAGMA journal_mode = WAL");
    execute(r->db, "PRAGMA synchronous = NORMAL");
    execute(r->db, CREATE);
    r->point = prepare(r->db, POINT);
    r->range = prepare(r->db, RANGE);
    r->scan = prepare(r->db, SELECT);
    r->insert = prepare(r->db, INSERT);
    r->trivial = prepare(r->db, TRIVIAL);
    r->begin = prepare(r->db, "BEGIN");
    r->begin_write = prepare(r->db, "BEGIN IMMEDIATE");
    r->commit = prepare(r->db, "COMMIT");
    return r;
}

void raw_close(raw *r) {
    for (sqlite3_stmt *s; (s = sqlite3_next_stmt(r->db, NULL)) != NULL;) sqlite3_finalize(s);
    if (sqlite3_close(r->db) != SQLITE_OK) fail("closing: %s", sqlite3_errmsg(r->db));
    free(r);
}

/* ------------------------------------------------------------------------------------------------- equal settings -- */

/* What has to be equal. Those that can not be set on an open database are compared all the same. */
static const char *const settings[] = {
    "journal_mode",       "page_size",           "synchronous",     "cache_size",         "mmap_size",   "temp_store", "foreign_keys",
    "trusted_schema",     "recursive_triggers",  "cell_size_check", "journal_size_limit", "auto_vacuum", "secure_delete",
};
#define SETTINGS (sizeof settings / sizeof *settings)

static void one_text(sqlite3 *db, const char *sql, char *into, size_t size) {
    sqlite3_stmt *s = prepare(db, sql);
    if (sqlite3_step(s) != SQLITE_ROW) fail("%s: %s", sql, sqlite3_errmsg(db));
    snprintf(into, size, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
}

static void same(sqlite3 *db, kw_store like, const char *sql) {
    char floor[4096], ours[4096];
    one_text(db, sql, floor, sizeof floor);
    ours_text(like, sql, ours, sizeof ours);
    if (strcmp(floor, ours) != 0) fail("%s: raw SQLite says %s, keepwell %s; the comparison would not be fair", sql, floor, ours);
}

void print_settings(kw_store like) {
    char sql[300], value[256];
    printf("{\"header\": {\"sqlite\": \"%s\", \"keepwell\": \"%s\", \"rows\": %ld, \"pragmas\": \"", sqlite3_libversion(), kw_version(), the_plan.rows);
    for (size_t i = 0; i < SETTINGS; i++) {
        snprintf(sql, sizeof sql, "PRAGMA %s", settings[i]);
        ours_text(like, sql, value, sizeof value);
        printf("%s%s=%s", i > 0 ? " " : "", settings[i], value);
    }
    printf("\"}}\n");
}

void settle(sqlite3 *db, kw_store like) {
    char sql[300], value[256];
    same(db, like, "SELECT sqlite_source_id()");
    same(db, like, "SELECT group_concat(compile_options, ' ') FROM pragma_compile_options");
    for (size_t i = 0; i < SETTINGS; i++) {
        snprintf(sql, sizeof sql, "PRAGMA %s", settings[i]);
        ours_text(like, sql, value, sizeof value);
        snprintf(sql, sizeof sql, "PRAGMA %s = %s", settings[i], value);
        execute(db, sql);
        snprintf(sql, sizeof sql, "PRAGMA %s", settings[i]);
        same(db, like, sql);
    }
}

/* ---------------------------------------------------------------------------------------------------------- reading -- */

static inline uint64_t digest(sqlite3_stmt *s) {
    uint64_t sum = (uint64_t)sqlite3_column_int64(s, 0) + (uint64_t)sqlite3_column_int64(s, 1) + digest_real(sqlite3_column_double(s, 2));
    for (int column = 3; column < 5; column++) {
        const char *text = (const char *)sqlite3_column_text(s, column);
        sum += digest_text(text, (uint32_t)sqlite3_column_bytes(s, column));
    }
    return sum + (sqlite3_column_type(s, 5) == SQLITE_NULL ? 1u : (uint64_t)sqlite3_column_int64(s, 5));
}

static inline void step_once(sqlite3_stmt *s, int expected) {
    if (sqlite3_step(s) != expected) fail("step: %s", sqlite3_errmsg(sqlite3_db_handle(s)));
}

static inline void run(sqlite3_stmt *s) {
    step_once(s, SQLITE_DONE);
    sqlite3_reset(s);
}

uint64_t raw_point(void *self, long from, long count) {
    sqlite3_stmt *s = ((raw *)self)->point;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        sqlite3_bind_int64(s, 1, key_of(i));
        step_once(s, SQLITE_ROW);
        sum += digest(s);
        sqlite3_reset(s);
    }
    return sum;
}

uint64_t raw_point_tx(void *self, long from, long count) {
    raw *r = self;
    run(r->begin);
    uint64_t sum = raw_point(self, from, count);
    run(r->commit);
    return sum;
}

static inline uint64_t all_rows(sqlite3_stmt *s) {
    uint64_t sum = 0;
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) sum += digest(s);
    if (code != SQLITE_DONE) fail("step: %s", sqlite3_errmsg(sqlite3_db_handle(s)));
    sqlite3_reset(s);
    return sum;
}

uint64_t raw_rows100(void *self, long from, long count) {
    sqlite3_stmt *s = ((raw *)self)->range;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        int64_t first = key_of(i);
        sqlite3_bind_int64(s, 1, first);
        sqlite3_bind_int64(s, 2, first + 99);
        sum += all_rows(s);
    }
    return sum;
}

uint64_t raw_scan(void *self, long from, long count) {
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) sum += all_rows(((raw *)self)->scan);
    return sum;
}

uint64_t raw_trivial_tx(void *self, long from, long count) {
    raw *r = self;
    uint64_t sum = 0;
    run(r->begin);
    for (long i = from; i < from + count; i++) {
        sqlite3_bind_int64(r->trivial, 1, i);
        step_once(r->trivial, SQLITE_ROW);
        sum += (uint64_t)sqlite3_column_int64(r->trivial, 0);
        sqlite3_reset(r->trivial);
    }
    run(r->commit);
    return sum;
}

/* ---------------------------------------------------------------------------------------------------------- writing -- */

static void insert_row(sqlite3_stmt *s, int64_t id) {
    const row *r = row_of(id);
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, r->number);
    sqlite3_bind_double(s, 3, r->price);
    sqlite3_bind_text(s, 4, r->name, (int)r->name_length, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, r->note, (int)r->note_length, SQLITE_STATIC);
    if (r->has_rating) sqlite3_bind_int64(s, 6, r->rating);
    else sqlite3_bind_null(s, 6);
    run(s);
}

uint64_t raw_insert(void *self, long from, long count) {
    raw *r = self;
    for (long i = from; i < from + count; i++) insert_row(r->insert, i);
    return (uint64_t)count;
}

uint64_t raw_insert_many(void *self, long from, long count) {
    raw *r = self;
    for (long i = from; i < from + count; i++) {
        run(r->begin_write);
        raw_insert(self, i * MATRIX_ROWS, MATRIX_ROWS);
        run(r->commit);
    }
    return (uint64_t)(count * MATRIX_ROWS);
}
