/* keepwell under test: the same work through the C interface of the shared library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static inline void check(kw_status status, const kw_error *err, const char *what) {
    if (status != KW_OK) fail("%s: %s: %s", what, kw_status_name(status), err->message);
}

static void set(kw_config config, const char *key, const char *value) {
    kw_error err = KW_ERROR_INIT;
    check(kw_config_set(config, key, strlen(key), value, strlen(value), &err), &err, key);
}

kw_store ours_open(const char *path, const char *key, const char *value) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    check(kw_config_new(&config, &err), &err, "config");
    set(config, "datasource", path);
    if (key) set(config, key, value);
    check(kw_open(config, &store, &err), &err, path);
    kw_config_free(config);
    return store;
}

void ours_close(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    check(kw_store_close(store, -1, &err), &err, "close");
}

/* A query in progress. */
static kw_rows query(kw_target target, const char *sql, size_t length, const kw_cell *params, size_t count, kw_error *err) {
    kw_rows rows = 0;
    check(kw_query(target, sql, length, params, count, NULL, &rows, err), err, sql);
    return rows;
}

void ours_text(kw_store store, const char *sql, char *into, size_t size) {
    kw_error err = KW_ERROR_INIT;
    kw_batch batch = KW_BATCH_INIT;
    kw_rows rows = query(store, sql, strlen(sql), NULL, 0, &err);
    check(kw_rows_next_batch(rows, &batch, &err), &err, sql);
    if (batch.rows != 1) fail("%s: %u rows", sql, batch.rows);
    if (batch.cells->type == KW_INTEGER) snprintf(into, size, "%lld", (long long)batch.cells->value.integer);
    else snprintf(into, size, "%s", (const char *)batch.cells->value.data);
    kw_rows_close(rows);
}

/* ---------------------------------------------------------------------------------------------------------- reading -- */

static inline uint64_t digest(const kw_cell *cells) {
    uint64_t sum = (uint64_t)cells[0].value.integer + (uint64_t)cells[1].value.integer + digest_real(cells[2].value.real);
    sum += digest_text(cells[3].value.data, cells[3].length) + digest_text(cells[4].value.data, cells[4].length);
    return sum + (cells[5].type == KW_NULL ? 1u : (uint64_t)cells[5].value.integer);
}

static inline uint64_t digest_rows(const kw_cell *cells, uint32_t rows) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows; i++) sum += digest(cells + (size_t)i * COLUMNS);
    return sum;
}

static inline kw_cell integer(int64_t value) { return (kw_cell){.value = {.integer = value}, .type = KW_INTEGER}; }

/* Who is asked, and with which options. */
typedef struct asked {
    kw_target target;
    const kw_options *options;
} asked;

/* Memory of the caller's that rows are copied into. */
typedef union room {
    kw_cell cells[1];
    char bytes[32 * 1024];
} room;

/* Runs a query whose rows fit into `space`, and gives their number. */
static inline uint32_t query_into(const asked *of, const char *sql, size_t length, const kw_cell *params, size_t count, room *space, kw_error *err) {
    kw_fetch fetch = KW_FETCH_INIT;
    check(kw_query_into(of->target, sql, length, params, count, of->options, space, sizeof *space, &fetch, err), err, sql);
    if (fetch.more != 0) fail("%s: its rows did not fit", sql);
    return fetch.rows;
}

/* All rows of a query, batch by batch in the library's memory. */
static inline uint64_t query_batches(kw_target target, const char *sql, size_t length, const kw_cell *params, size_t count, kw_error *err) {
    kw_batch batch = KW_BATCH_INIT;
    kw_rows rows = query(target, sql, length, params, count, err);
    uint64_t sum = 0;
    do {
        check(kw_rows_next_batch(rows, &batch, err), err, sql);
        sum += digest_rows(batch.cells, batch.rows);
    } while (batch.rows > 0 && !(batch.flags & KW_BATCH_LAST));
    kw_rows_close(rows);
    return sum;
}

static uint64_t points_of(const asked *of, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    room space;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        kw_cell key = integer(key_of(i));
        if (query_into(of, POINT, sizeof POINT - 1, &key, 1, &space, &err) != 1) fail("key %lld is missing", (long long)key_of(i));
        sum += digest(space.cells);
    }
    return sum;
}

static uint64_t points(kw_target target, long from, long count) { return points_of(&(asked){target, NULL}, from, count); }

uint64_t ours_point(void *self, long from, long count) { return points(*(kw_store *)self, from, count); }

uint64_t ours_point_rows(void *self, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        kw_cell key = integer(key_of(i));
        sum += query_batches(*(kw_store *)self, POINT, sizeof POINT - 1, &key, 1, &err);
    }
    return sum;
}

/* Does `inside` within one read-only transaction. */
static uint64_t in_transaction(void *self, uint64_t (*inside)(kw_target, long, long), long from, long count) {
    kw_error err = KW_ERROR_INIT;
    kw_tx tx = 0;
    check(kw_tx_begin(*(kw_store *)self, KW_TX_READ_ONLY, NULL, &tx, &err), &err, "begin");
    uint64_t sum = inside(tx, from, count);
    check(kw_tx_commit(tx, &err), &err, "commit");
    return sum;
}

uint64_t ours_point_tx(void *self, long from, long count) { return in_transaction(self, points, from, count); }

static uint64_t hundreds_of(const asked *of, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    room space;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        int64_t first = key_of(i);
        kw_cell range[] = {integer(first), integer(first + 99)};
        uint32_t rows = query_into(of, RANGE, sizeof RANGE - 1, range, 2, &space, &err);
        sum += digest_rows(space.cells, rows);
    }
    return sum;
}

uint64_t ours_rows100(void *self, long from, long count) { return hundreds_of(&(asked){*(kw_store *)self, NULL}, from, count); }

uint64_t ours_rows100_rows(void *self, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        int64_t first = key_of(i);
        kw_cell range[] = {integer(first), integer(first + 99)};
        sum += query_batches(*(kw_store *)self, RANGE, sizeof RANGE - 1, range, 2, &err);
    }
    return sum;
}

uint64_t ours_scan(void *self, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) sum += query_batches(*(kw_store *)self, SELECT, sizeof SELECT - 1, NULL, 0, &err);
    return sum;
}

static uint64_t trivials(kw_target target, long from, long count) {
    asked of = {target, NULL};
    kw_error err = KW_ERROR_INIT;
    room space;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        kw_cell value = integer(i);
        query_into(&of, TRIVIAL, sizeof TRIVIAL - 1, &value, 1, &space, &err);
        sum += (uint64_t)space.cells[0].value.integer;
    }
    return sum;
}

uint64_t ours_trivial(void *self, long from, long count) { return trivials(*(kw_store *)self, from, count); }

uint64_t ours_trivial_tx(void *self, long from, long count) { return in_transaction(self, trivials, from, count); }

uint64_t ours_column_count(void *self, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    kw_cell value = integer(from);
    kw_rows rows = query(*(kw_store *)self, TRIVIAL, sizeof TRIVIAL - 1, &value, 1, &err);
    uint32_t columns = 0;
    uint64_t sum = 0;
    for (long i = 0; i < count; i++) {
        check(kw_rows_column_count(rows, &columns, &err), &err, "column count");
        sum += columns;
    }
    kw_rows_close(rows);
    return sum;
}

/* ----------------------------------------------------------------------------------------------------------- cached -- */

static const kw_options cached = {.struct_size = sizeof(kw_options), .cache = KW_CACHE_USE};

uint64_t ours_cached_point(void *self, long from, long count) { return points_of(&(asked){*(kw_store *)self, &cached}, from, count); }

uint64_t ours_cached_rows100(void *self, long from, long count) { return hundreds_of(&(asked){*(kw_store *)self, &cached}, from, count); }

kw_cache_stats ours_cache_stats(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_cache_stats stats = KW_CACHE_STATS_INIT;
    check(kw_store_cache_stats(store, &stats, &err), &err, "cache stats");
    return stats;
}

/* ---------------------------------------------------------------------------------------------------------- writing -- */

static inline kw_cell text(const char *data, uint32_t length) { return (kw_cell){.value = {.data = data}, .length = length, .type = KW_TEXT}; }

static inline void fill(kw_cell *cells, int64_t id) {
    const row *r = row_of(id);
    cells[0] = integer(id);
    cells[1] = integer(r->number);
    cells[2] = (kw_cell){.value = {.real = r->price}, .type = KW_REAL};
    cells[3] = text(r->name, r->name_length);
    cells[4] = text(r->note, r->note_length);
    cells[5] = r->has_rating ? integer(r->rating) : (kw_cell){.type = KW_NULL};
}

uint64_t ours_insert(void *self, long from, long count) {
    kw_error err = KW_ERROR_INIT;
    kw_result result = KW_RESULT_INIT;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        kw_cell cells[COLUMNS];
        fill(cells, i);
        check(kw_execute(*(kw_store *)self, INSERT, sizeof INSERT - 1, cells, COLUMNS, NULL, &result, &err), &err, "insert");
        sum += (uint64_t)result.rows_affected;
    }
    return sum;
}

uint64_t ours_insert_many(void *self, long from, long count) {
    static kw_cell matrix[MATRIX_ROWS * COLUMNS];
    kw_error err = KW_ERROR_INIT;
    kw_result result = KW_RESULT_INIT;
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        for (long n = 0; n < MATRIX_ROWS; n++) fill(matrix + n * COLUMNS, i * MATRIX_ROWS + n);
        kw_store store = *(kw_store *)self;
        check(kw_execute_many(store, INSERT, sizeof INSERT - 1, matrix, COLUMNS, MATRIX_ROWS, NULL, &result, &err), &err, "insert many");
        sum += (uint64_t)result.rows_affected;
    }
    return sum;
}
