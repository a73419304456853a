/* What the parts of the writers' bench share: many threads at one database, each inserting one row a call, for a fixed time. */
#ifndef KEEPWELL_BENCH_WRITERS_H
#define KEEPWELL_BENCH_WRITERS_H

#include "bench.h"

#define LOG_CREATE "CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b REAL NOT NULL, c TEXT NOT NULL)"
#define LOG_INSERT "INSERT INTO t(a,b,c) VALUES(?,?,?)"
#define LOG_POINT "SELECT a, b, c FROM t WHERE id = ?"

#define MOST_SEATS 128
#define MOST_WINDOWS 101

/* A cell of the matrix. */
typedef struct cell {
    int writers, readers;
    char sync[8]; /* normal, full */
} cell;

/* One side: a database file, with a seat for each thread, writers first. */
typedef struct party {
    const char *path;
    int (*insert)(void *seat, int64_t number); /* one row, committed; 0 when the engine was busy and it has to be tried again */
    void (*lookup)(void *seat, int64_t key);   /* one row by its key */
    void *seats[MOST_SEATS];
    long written; /* rows that were inserted in all windows */
} party;

/* Opens a raw connection for each seat, under the settings of `like`. */
void raw_sit_down(party *p, const cell *c, kw_store like);
void raw_get_up(party *p, const cell *c);

/* Gives every seat the same store. */
void ours_sit_down(party *p, const cell *c, kw_store *store);

/* What one side did in one window of time. Latencies are those of writes that began in the window, however late they ended; the rates
 * count what ended in it. */
typedef struct window {
    double writes, reads; /* per second */
    double p50, p99, p999, slowest; /* nanoseconds */
    double syncs; /* per write */
    double sync;  /* nanoseconds that one took, 0 when there was none */
    double fewest; /* writes of the writer that did the fewest, per the mean */
    long busy;
} window;

/* Lets all threads of a side work for so many seconds. */
window play(party *p, const cell *c, double seconds);

/* Measures the cells that the command line names as writers:sync:readers, and prints a line of JSON for each. */
void measure_writers(const char *const *cells, int count, double seconds, int windows);

/* How often the process has waited for the disk so far, and how long altogether; see syncs.c. */
long bench_syncs(void);
long bench_sync_nanos(void);

#endif
