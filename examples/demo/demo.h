/* What the three files of the C demo share. */
#ifndef DEMO_H
#define DEMO_H

#define _POSIX_C_SOURCE 200809L
#include <keepwell.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT KW_NUL_TERMINATED
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* For calls that must succeed: says what went wrong and ends the program otherwise. */
static inline void must(kw_status status, const kw_error *err) {
    if (status == KW_OK) return;
    fprintf(stderr, "demo-c: %s: %s\n", kw_status_name(status), err->message);
    exit(1);
}

static inline void require(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "demo-c: %s\n", what);
    exit(1);
}

static inline kw_cell text(const char *value) {
    kw_cell cell = {{0}, UINT32_MAX, KW_TEXT}; /* this length: up to the NUL */
    cell.value.data = value;
    return cell;
}

static inline kw_cell integer(int64_t value) {
    kw_cell cell = {{0}, 0, KW_INTEGER};
    cell.value.integer = value;
    return cell;
}

/* Opens the database file with the demo's settings. */
kw_store open_store(const char *path);

/* Asks about the graph from several threads and prints tables. */
void report(kw_store store);

/* Makes one error of each kind and shows it. */
void show_errors(kw_store store, const char *path);

#endif
