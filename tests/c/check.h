/* check.h: the smallest harness that says which check failed, where, and with which error of the library.
 *
 * A test is a function without arguments; RUN(test) counts it as passed or failed; REPORT() prints the closing line and
 * gives main's result. Everything is static, so that each test program stays one translation unit.
 */
#ifndef KEEPWELL_TESTS_CHECK_H
#define KEEPWELL_TESTS_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <keepwell.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#if defined(__GNUC__)
#define MAYBE_UNUSED __attribute__((unused))
#else
#define MAYBE_UNUSED
#endif

static int tests_passed MAYBE_UNUSED, tests_failed MAYBE_UNUSED;
/* Checks that failed in the running test; threads of a test may add to it. */
static int checks_failed MAYBE_UNUSED;

/* The error slot of the calling thread, for the calls of a test. */
static _Thread_local kw_error err MAYBE_UNUSED = KW_ERROR_INIT;

MAYBE_UNUSED static void check_failed(const char *file, int line, const char *what) {
    __atomic_add_fetch(&checks_failed, 1, __ATOMIC_RELAXED);
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

MAYBE_UNUSED static void check_status(kw_status want, kw_status got, const char *file, int line, const char *what) {
    if (got == want) return;
    check_failed(file, line, what);
    fprintf(stderr, "    wanted %s, got %s (%d)", kw_status_name(want), kw_status_name(got), (int)got);
    if (got != KW_OK && got != KW_ROW && got != KW_DONE) fprintf(stderr, ": %s", err.message);
    fputc('\n', stderr);
}

/* The call must succeed; pass &err to it, so that a failure can be explained. */
#define OK(call) check_status(KW_OK, (call), __FILE__, __LINE__, #call)
/* The call must fail with exactly this status. */
#define FAILS(status, call) check_status((status), (call), __FILE__, __LINE__, #call)

MAYBE_UNUSED static void check_equal(long long want, long long got, const char *file, int line, const char *what) {
    if (got == want) return;
    check_failed(file, line, what);
    fprintf(stderr, "    wanted %lld, got %lld\n", want, got);
}
#define EQUAL(want, got) check_equal((long long)(want), (long long)(got), __FILE__, __LINE__, #got)

MAYBE_UNUSED static void check_has(const char *text, const char *part, const char *file, int line) {
    if (strstr(text, part) != NULL) return;
    check_failed(file, line, "a message lacks what it should say");
    fprintf(stderr, "    wanted \"%s\" in: %s\n", part, text);
}
#define HAS(text, part) check_has((text), (part), __FILE__, __LINE__)

MAYBE_UNUSED static void run_test(void (*test)(void), const char *name) {
    const char *only = getenv("ONLY");
    if (only != NULL && strstr(name, only) == NULL) return;
    checks_failed = 0;
    test();
    if (checks_failed == 0) {
        tests_passed++;
    } else {
        tests_failed++;
        fprintf(stderr, "FAILED %s\n", name);
    }
}
#define RUN(test) run_test(test, #test)

#define SKIP(reason) (printf("skipped: %s\n", reason))

/* ------------------------------------------------------------------------------------------------ temporary files -- */

static char temp_root[4096];
static pid_t temp_owner;

MAYBE_UNUSED static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

/* In a forked child the stacks of the parent's other threads are gone, and what only they point to looks lost: no search
 * for leaks there. The parent itself is checked. */
int __lsan_is_turned_off(void); /* asked by LeakSanitizer */
MAYBE_UNUSED int __lsan_is_turned_off(void) { return temp_owner != 0 && getpid() != temp_owner; }

MAYBE_UNUSED static pid_t fork_child(void) {
    fflush(NULL);
    pid_t child = fork();
#ifdef VALGRIND_CLO_CHANGE
    if (child == 0) VALGRIND_CLO_CHANGE("--leak-check=no");
#endif
    if (child == 0) checks_failed = 0;
    return child;
}

/* A forked child must not remove what its parent still uses. */
MAYBE_UNUSED static void remove_temp(void) {
    if (getpid() == temp_owner) nftw(temp_root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file in this program's own temporary folder; the next but seven calls reuse the memory. */
MAYBE_UNUSED static const char *temp_path(const char *name) {
    static char paths[8][4300];
    static int next;
    if (temp_root[0] == 0) {
        const char *base = getenv("TMPDIR");
        snprintf(temp_root, sizeof temp_root, "%s/keepwell-test-XXXXXX", base != NULL ? base : "/tmp");
        if (mkdtemp(temp_root) == NULL) {
            perror(temp_root);
            exit(2);
        }
        temp_owner = getpid();
        atexit(remove_temp);
    }
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", temp_root, name);
    return path;
}

MAYBE_UNUSED static void write_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

/* --------------------------------------------------------------------------------------------- short forms of calls -- */

/* Opens a store on a data source, or ends the program: no test can go on without it. */
MAYBE_UNUSED static kw_store open_source(const char *source) {
    kw_config config = 0;
    kw_store store = 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, source, KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK) {
        fprintf(stderr, "cannot open %s: %s\n", source, err.message);
        exit(2);
    }
    kw_config_free(config);
    return store;
}

/* A store on a new file of the temporary folder; `settings` is a NULL-terminated list of key, value, key, value. */
MAYBE_UNUSED static kw_store open_with(const char *name, const char *const *settings) {
    kw_config config = 0;
    kw_store store = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_set(config, "datasource", KW_NUL_TERMINATED, temp_path(name), KW_NUL_TERMINATED, &err));
    for (; settings != NULL && *settings != NULL; settings += 2) {
        OK(kw_config_set(config, settings[0], KW_NUL_TERMINATED, settings[1], KW_NUL_TERMINATED, &err));
    }
    if (kw_open(config, &store, &err) != KW_OK) {
        fprintf(stderr, "cannot open %s: %s\n", name, err.message);
        exit(2);
    }
    OK(kw_config_free(config));
    return store;
}

MAYBE_UNUSED static kw_store open_file(const char *name) { return open_with(name, NULL); }

MAYBE_UNUSED static kw_status exec_status(kw_target target, const char *sql) {
    return kw_execute(target, sql, KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err);
}
#define EXEC(target, sql) OK(exec_status((target), (sql)))

/* The first cell of the first row as an integer; -1 after a failed check. */
MAYBE_UNUSED static int64_t query_int_at(kw_target target, const char *sql, const char *file, int line) {
    kw_rows rows = 0;
    int64_t value = -1;
    check_status(KW_OK, kw_query(target, sql, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err), file, line, sql);
    if (rows == 0) return -1;
    check_status(KW_ROW, kw_rows_step(rows, &err), file, line, sql);
    check_status(KW_OK, kw_rows_int64(rows, 0, &value, &err), file, line, sql);
    check_status(KW_OK, kw_rows_close(rows), file, line, sql);
    return value;
}
#define QUERY_INT(target, sql) query_int_at((target), (sql), __FILE__, __LINE__)

MAYBE_UNUSED static kw_cell null_cell(void) {
    kw_cell cell = {{0}, 0, KW_NULL};
    return cell;
}
MAYBE_UNUSED static kw_cell int_cell(int64_t value) {
    kw_cell cell = {{0}, 0, KW_INTEGER};
    cell.value.integer = value;
    return cell;
}
MAYBE_UNUSED static kw_cell real_cell(double value) {
    kw_cell cell = {{0}, 0, KW_REAL};
    cell.value.real = value;
    return cell;
}
MAYBE_UNUSED static kw_cell bytes_cell(uint32_t type, const void *data, size_t size) {
    kw_cell cell = {{0}, 0, 0};
    cell.value.data = data;
    cell.length = (uint32_t)size;
    cell.type = type;
    return cell;
}
MAYBE_UNUSED static kw_cell text_cell(const char *text) { return bytes_cell(KW_TEXT, text, strlen(text)); }

MAYBE_UNUSED static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Text longer than one batch takes or a query that runs until it is stopped. */
#define ENDLESS_SQL "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
#define COUNT_TO(n) "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " #n ") SELECT i FROM n"

MAYBE_UNUSED static int report(const char *program) {
    const char *name = strrchr(program, '/');
    printf("%s: %d passed, %d failed\n", name != NULL ? name + 1 : program, tests_passed, tests_failed);
    return tests_failed == 0 ? 0 : 1;
}
#define REPORT() report(argv[0])

#endif
