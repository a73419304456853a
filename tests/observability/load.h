/* What the files of the load program share: calls that have to succeed, and a tally of what was done. */
#ifndef LOAD_H
#define LOAD_H

#define _POSIX_C_SOURCE 200809L
#include <keepwell.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT KW_NUL_TERMINATED
#define ACCOUNTS 1000

/* -- cells -- */

static inline kw_cell integer(int64_t value) {
    kw_cell cell = {{0}, 0, KW_INTEGER};
    cell.value.integer = value;
    return cell;
}

static inline kw_cell text(const char *value) {
    kw_cell cell = {{0}, UINT32_MAX, KW_TEXT};
    cell.value.data = value;
    return cell;
}

/* -- checks -- */

static inline void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

/* The call has to end with this status; pass &err to it. */
static inline void ends(kw_status want, kw_status got, const kw_error *err, const char *what) {
    if (want == got) return;
    fprintf(stderr, "load: %s: wanted %s, got %s: %s\n", what, kw_status_name(want), kw_status_name(got), got == KW_OK ? "" : err->message);
    exit(1);
}
#define ENDS(want, call) ends((want), (call), &err, #call)
#define OK(call) ENDS(KW_OK, call)

/* -- the tally: from the name of a series, as Prometheus writes it, to what it has to show -- */

/* Adds to what a series has to show. Not for several threads at once: they add when they are joined. */
void did(const char *series, int64_t times);

/* A call that fails as it should: counted by its code. */
void failed(kw_status want, kw_status got, const kw_error *err, const char *what);
#define FAILS(want, call) failed((want), (call), &err, #call)

#define READS "keepwell_query_duration_seconds_count{statement=\"read\"}"
#define WRITES "keepwell_query_duration_seconds_count{statement=\"write\"}"
#define RETURNED "keepwell_query_rows_returned_total"
#define CHANGED "keepwell_query_rows_changed_total"
#define TX(outcome) "keepwell_tx_total{outcome=\"" outcome "\"}"
#define STOPPED(stage, reason) "keepwell_stopped_total{reason=\"" reason "\",stage=\"" stage "\"}"
#define BUSY(cause) "keepwell_busy_total{cause=\"" cause "\"}"

/* -- the work -- */

/* Opens the file with settings given as key, value, …, NULL. */
kw_store open_store(const char *path, const char *const *settings);

/* The schema, by migrations, and so many accounts. */
void prepare(kw_store store);

/* A read of one number, which it gives; counted. */
int64_t read_number(kw_target target, const char *sql, const kw_options *options);

/* Ordinary work of several threads: nothing of it is worth an alert. */
void work(kw_store store);

/* Everything that goes wrong at times: errors, stops, locks of others, slow statements. `path` is opened a second time for that. */
void trouble(kw_store store, const char *path);

#endif
