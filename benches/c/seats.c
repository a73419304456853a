/* What a writer or reader does on its seat: a raw connection of its own, or the one store. */
#include <stdlib.h>

#include "writers.h"

/* How long a raw connection waits for the lock, in milliseconds: what applications usually say. */
#define PATIENCE 5000

typedef struct seat {
    sqlite3 *db;
    sqlite3_stmt *insert, *point;
} seat;

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) fail("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

static seat *raw_seat(const char *path, kw_store like) {
    seat *s = calloc(1, sizeof *s);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) fail("%s: %s", path, sqlite3_errmsg(s->db));
    sqlite3_busy_timeout(s->db, PATIENCE);
    settle(s->db, like);
    s->insert = prepare(s->db, LOG_INSERT);
    s->point = prepare(s->db, LOG_POINT);
    return s;
}

static int raw_insert_one(void *self, int64_t number) {
    sqlite3_stmt *s = ((seat *)self)->insert;
    const row *r = row_of(number);
    sqlite3_bind_int64(s, 1, number);
    sqlite3_bind_double(s, 2, r->price);
    sqlite3_bind_text(s, 3, r->name, (int)r->name_length, SQLITE_STATIC);
    int result = sqlite3_step(s);
    sqlite3_reset(s);
    if (result != SQLITE_DONE && (result & 0xff) != SQLITE_BUSY) fail("insert: %s", sqlite3_errmsg(((seat *)self)->db));
    return result == SQLITE_DONE;
}

/* A reader in WAL mode is never told "busy" while nobody recovers the log. */
static void raw_lookup(void *self, int64_t key) {
    sqlite3_stmt *s = ((seat *)self)->point;
    sqlite3_bind_int64(s, 1, key);
    if (sqlite3_step(s) != SQLITE_ROW || sqlite3_column_bytes(s, 2) == 0) fail("lookup: %s", sqlite3_errmsg(((seat *)self)->db));
    sqlite3_reset(s);
}

void raw_sit_down(party *p, const cell *c, kw_store like) {
    p->insert = raw_insert_one;
    p->lookup = raw_lookup;
    for (int i = 0; i < c->writers + c->readers; i++) p->seats[i] = raw_seat(p->path, like);
}

void raw_get_up(party *p, const cell *c) {
    for (int i = 0; i < c->writers + c->readers; i++) {
        seat *s = p->seats[i];
        sqlite3_finalize(s->insert);
        sqlite3_finalize(s->point);
        if (sqlite3_close(s->db) != SQLITE_OK) fail("closing: %s", sqlite3_errmsg(s->db));
        free(s);
    }
}

/* --------------------------------------------------------------------------------------------------------- keepwell -- */

static int ours_insert_one(void *self, int64_t number) {
    kw_error err = KW_ERROR_INIT;
    const row *r = row_of(number);
    kw_cell cells[] = {
        {.value = {.integer = number}, .type = KW_INTEGER},
        {.value = {.real = r->price}, .type = KW_REAL},
        {.value = {.data = r->name}, .length = r->name_length, .type = KW_TEXT},
    };
    kw_status status = kw_execute(*(kw_store *)self, LOG_INSERT, sizeof LOG_INSERT - 1, cells, 3, NULL, NULL, &err);
    if (status != KW_OK && status != KW_BUSY && status != KW_TIMEOUT) fail("insert: %s: %s", kw_status_name(status), err.message);
    return status == KW_OK;
}

static void ours_lookup(void *self, int64_t key) {
    kw_error err = KW_ERROR_INIT;
    kw_fetch fetch = KW_FETCH_INIT;
    union {
        kw_cell cells[3];
        char bytes[512];
    } space;
    kw_cell id = {.value = {.integer = key}, .type = KW_INTEGER};
    kw_status status = kw_query_into(*(kw_store *)self, LOG_POINT, sizeof LOG_POINT - 1, &id, 1, NULL, &space, sizeof space, &fetch, &err);
    if (status != KW_OK || fetch.rows != 1 || space.cells[2].length == 0) fail("lookup: %s: %s", kw_status_name(status), err.message);
}

void ours_sit_down(party *p, const cell *c, kw_store *store) {
    p->insert = ours_insert_one;
    p->lookup = ours_lookup;
    for (int i = 0; i < c->writers + c->readers; i++) p->seats[i] = store;
}
