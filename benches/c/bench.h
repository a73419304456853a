/* What the parts of the C bench share: the base table, how a comparison is described, and the connections under test. */
#ifndef KEEPWELL_BENCH_H
#define KEEPWELL_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "keepwell.h"
#include "sqlite3.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- the base table -- */

#define COLUMNS 6
#define CREATE                                                                                                         \
    "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, price REAL NOT NULL, name TEXT NOT NULL, "     \
    "note TEXT NOT NULL, rating INTEGER)"
#define SELECT "SELECT id, number, price, name, note, rating FROM item"
#define INSERT "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)"
#define POINT SELECT " WHERE id = ?"
#define RANGE SELECT " WHERE id BETWEEN ? AND ?"
#define TRIVIAL "SELECT ?1"

/* One row of the base table without its key. */
typedef struct row {
    int64_t number;
    double price;
    char name[24];
    char note[72];
    uint32_t name_length;
    uint32_t note_length;
    int has_rating;
    int64_t rating;
} row;

/* What the row with this key holds. Made once, before anything is timed; contents come again every 1000 keys. */
const row *row_of(int64_t id);

/* Rows that fit into the page cache together. */
#define HOT_ROWS 10000

/* Says among how many rows, from the first on, the keys to come are. */
void spread_keys(long among);

/* The key that operation `index` reads: random, and the same on every side. */
int64_t key_of(long index);

/* Creates the base table with `rows` rows at `path`, all of them in the database file itself. */
void make_table(const char *path, long rows);

void copy_file(const char *from, const char *to);
void remove_database(const char *path);

/* Sums up one row, touching every cell and the ends of every text; equal sums mean that both sides read the same. */
static inline uint64_t digest_text(const char *text, uint32_t length) {
    return length + (unsigned char)text[0] + 31u * (unsigned char)text[length - 1];
}

static inline uint64_t digest_real(double value) { return (uint64_t)(int64_t)(value * 8); }

/* ------------------------------------------------------------------------------------------------- the comparisons -- */

/* Does operations `from` … `from + count - 1` and returns the sum of what they read. */
typedef uint64_t (*work)(void *self, long from, long count);

/* One side of a comparison. A target of 0 is none. */
typedef struct side {
    const char *id;
    const char *language;
    const char *what;
    double target;
    work run;
    void *self;
} side;

#define MOST_SIDES 8
#define MOST_ROUNDS 401

/* Sides that do the same work; the first is the peer of the others. */
typedef struct comparison {
    const char *peer;
    long operations; /* in one round of one side */
    long first;      /* number of the first operation */
    int rounds;
    int count;
    side sides[MOST_SIDES];
    double nanos[MOST_SIDES][MOST_ROUNDS]; /* per operation, filled by measure() */
} comparison;

double now_ns(void);

/* Runs all sides round by round, in turn, and fails when their sums differ. */
void measure(comparison *c);

/* Prints one line of JSON for each side against the first. */
void report(const comparison *c);

/* Prints one line for nanoseconds per call that have a limit: the ratio is to the limit, the target is 1. A limit of 0 is none. */
void report_limit(const char *id, const char *what, double *nanos, int rounds, double limit);

/* Nanoseconds of the processor per operation when so many threads work at the same time, each with its own `self`. */
#define MOST_THREADS 2
double threaded(work run, void **selves, int threads, long from, long count);

typedef struct quartiles {
    double q1, median, q3;
} quartiles;

/* How much memory a scan of the whole table takes; prints one line of JSON. */
void measure_memory(kw_store store);

/* Sorts `values`. */
quartiles quartiles_of(double *values, int count);

/* ------------------------------------------------------------------------------------------------------ the run's -- */

typedef struct plan {
    const char *folder;
    const char *only; /* prefix of the ids to run */
    long rows;
    int quick;
} plan;

extern plan the_plan;

/* Rounds and operations of a comparison: as given, or fewer in a quick run. */
int rounds(int full, int quick);

/* Whether ids with this prefix are asked for. */
int wanted(const char *id);

const char *path_in_folder(const char *name);

/* Says why on the standard error and ends the process. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ------------------------------------------------------------------------------------------------------- raw SQLite -- */

/* One connection with its statements, prepared once. */
typedef struct raw {
    sqlite3 *db;
    sqlite3_stmt *point, *range, *scan, *insert, *trivial, *begin, *begin_write, *commit;
} raw;

raw *raw_open(const char *path);
void raw_close(raw *r);
/* Sets what keepwell says of itself, so that both run under the same settings; fails where they differ. */
void settle(sqlite3 *db, kw_store like);
/* Says them in the header. */
void print_settings(kw_store like);

uint64_t raw_point(void *self, long from, long count);
uint64_t raw_point_tx(void *self, long from, long count);
uint64_t raw_rows100(void *self, long from, long count);
uint64_t raw_scan(void *self, long from, long count);
uint64_t raw_trivial_tx(void *self, long from, long count);
uint64_t raw_insert(void *self, long from, long count);
uint64_t raw_insert_many(void *self, long from, long count);

/* --------------------------------------------------------------------------------------------------------- keepwell -- */

kw_store ours_open(const char *path, const char *key, const char *value);
void ours_close(kw_store store);
/* The first cell of the only row of a query, as text. */
void ours_text(kw_store store, const char *sql, char *into, size_t size);

uint64_t ours_point(void *self, long from, long count);
uint64_t ours_point_rows(void *self, long from, long count);
uint64_t ours_point_tx(void *self, long from, long count);
uint64_t ours_rows100(void *self, long from, long count);
uint64_t ours_rows100_rows(void *self, long from, long count);
uint64_t ours_scan(void *self, long from, long count);
uint64_t ours_trivial(void *self, long from, long count);
uint64_t ours_trivial_tx(void *self, long from, long count);
uint64_t ours_column_count(void *self, long from, long count);
uint64_t ours_insert(void *self, long from, long count);
uint64_t ours_insert_many(void *self, long from, long count);

/* The same reads with the cache of results. */
uint64_t ours_cached_point(void *self, long from, long count);
uint64_t ours_cached_rows100(void *self, long from, long count);
kw_cache_stats ours_cache_stats(kw_store store);

/* Measures the cache: hits, misses, mixtures, two threads, and what its bookkeeping costs a writer. */
void measure_cache(const char *floor_path, raw *floor);

/* What measuring costs a point read. */
void measure_metrics(const char *floor_path);

/* Measures migrations: a thousand of them, and their status. */
void measure_migrations(void);

/* Rows of one call of execute_many. */
#define MATRIX_ROWS 1000

/* --------------------------------------------------------------------------------------------------------------- C++ -- */

uint64_t cpp_point(void *self, long from, long count);

#ifdef __cplusplus
}
#endif

#endif
