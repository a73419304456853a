/* The base table: its rows, its keys, its file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* A stateless generator (splitmix64): good enough spread, the same everywhere. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t spread = HOT_ROWS;

void spread_keys(long among) { spread = (uint64_t)among; }

int64_t key_of(long index) { return (int64_t)(mix((uint64_t)index) % spread) + 1; }

#define SAMPLES 1000
static row samples[SAMPLES];

/* 16 to 23 and 52 to 67 characters of text; every fourth rating is NULL. */
static row sample(uint64_t random) {
    static const char letters[] = "a stitch in time saves nine, and a store that is kept well keeps what it stores";
    row r = {.number = (int64_t)(random % 1000000), .price = (double)(random % 80000) / 8 + 0.125};
    r.name_length = 16 + (uint32_t)(random >> 20) % 8;
    memcpy(r.name, letters + (random >> 24) % 48, r.name_length);
    r.note_length = 52 + (uint32_t)(random >> 32) % 16;
    memcpy(r.note, letters + (random >> 40) % 12, r.note_length);
    r.has_rating = random >> 62 != 0;
    r.rating = (int64_t)(random >> 50) % 100;
    return r;
}

__attribute__((constructor)) static void make_samples(void) {
    for (uint64_t i = 0; i < SAMPLES; i++) samples[i] = sample(mix(i ^ 0x5eed));
}

const row *row_of(int64_t id) { return &samples[id % SAMPLES]; }

void make_table(const char *path, long rows) {
    remove_database(path);
    raw *r = raw_open(path);
    if (sqlite3_exec(r->db, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL) != SQLITE_OK) fail("%s", sqlite3_errmsg(r->db));
    raw_insert(r, 1, rows);
    if (sqlite3_exec(r->db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) != SQLITE_OK) fail("%s", sqlite3_errmsg(r->db));
    raw_close(r);
}

void remove_database(const char *path) {
    static const char *const endings[] = {"", "-wal", "-shm"};
    char name[4096];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        if (unlink(name) != 0 && errno != ENOENT) fail("%s: %s", name, strerror(errno));
    }
}

void copy_file(const char *from, const char *to) {
    remove_database(to);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    static char block[1 << 20];
    if (!in || !out) fail("copying %s: %s", from, strerror(errno));
    for (size_t length; (length = fread(block, 1, sizeof block, in)) > 0;) {
        if (fwrite(block, 1, length, out) != length) fail("writing %s: %s", to, strerror(errno));
    }
    if (ferror(in) || fclose(in) != 0 || fclose(out) != 0) fail("copying %s: %s", from, strerror(errno));
}
