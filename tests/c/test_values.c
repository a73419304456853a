/* Values keep type and content in both directions, whatever they hold. */
#include "check.h"

static kw_store store;

/* Sends one value through "SELECT ?" and hands back the cell; the caller closes the rows. */
static kw_cell echo(kw_cell value, kw_rows *rows) {
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_query(store, "SELECT ?", KW_NUL_TERMINATED, &value, 1, NULL, rows, &err));
    OK(kw_rows_next_batch(*rows, &batch, &err));
    EQUAL(1, batch.rows);
    return batch.rows == 1 ? batch.cells[0] : null_cell();
}

static void integers(void) {
    static const int64_t values[] = {0, 1, -1, 127, 128, -129, 32768, 2147483648LL, 9007199254740993LL, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        kw_rows rows = 0;
        kw_cell cell = echo(int_cell(values[i]), &rows);
        EQUAL(KW_INTEGER, cell.type);
        EQUAL(values[i], cell.value.integer);
        OK(kw_rows_close(rows));
    }
}

static void reals(void) {
    static const double values[] = {0.0, -0.0, 0.1, 1e308, 5e-324, INFINITY, -INFINITY, 1.0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        kw_rows rows = 0;
        kw_cell cell = echo(real_cell(values[i]), &rows);
        EQUAL(KW_REAL, cell.type);
        CHECK(memcmp(&values[i], &cell.value.real, sizeof(double)) == 0);
        OK(kw_rows_close(rows));
    }
    kw_rows rows = 0;
    EQUAL(KW_NULL, echo(real_cell(NAN), &rows).type); /* SQLite has no NaN: https://sqlite.org/floatingpoint.html */
    OK(kw_rows_close(rows));
}

static void texts_and_blobs(void) {
    static const struct { const char *data; size_t size; } values[] = {
        {"", 0}, {"a", 1}, {"a\0b", 3}, {"\0", 1}, {"\0\0\0\0", 4}, {"h\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10}, {"\xff\xfe", 2}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (uint32_t type = KW_TEXT; type <= KW_BLOB; type++) {
            kw_rows rows = 0;
            kw_cell cell = echo(bytes_cell(type, values[i].data, values[i].size), &rows);
            EQUAL(type, cell.type);
            EQUAL(values[i].size, cell.length);
            CHECK(values[i].size == 0 || memcmp(cell.value.data, values[i].data, values[i].size) == 0);
            if (type == KW_TEXT) CHECK(cell.value.data != NULL && ((const char *)cell.value.data)[cell.length] == 0);
            OK(kw_rows_close(rows));
        }
    }
}

static void empty_is_not_null(void) {
    kw_cell cells[] = {bytes_cell(KW_TEXT, "", 0), bytes_cell(KW_BLOB, NULL, 0), null_cell()};
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_query(store, "SELECT ?1, ?2, ?3, typeof(?1), typeof(?2), typeof(?3)", KW_NUL_TERMINATED, cells, 3, NULL, &rows, &err));
    OK(kw_rows_next_batch(rows, &batch, &err));
    EQUAL(KW_TEXT, batch.cells[0].type);
    EQUAL(KW_BLOB, batch.cells[1].type);
    EQUAL(KW_NULL, batch.cells[2].type);
    CHECK(strcmp(batch.cells[3].value.data, "text") == 0);
    CHECK(strcmp(batch.cells[4].value.data, "blob") == 0);
    CHECK(strcmp(batch.cells[5].value.data, "null") == 0);
    OK(kw_rows_close(rows));
}

static void nul_terminated_parameters(void) {
    kw_rows rows = 0;
    kw_cell cell = bytes_cell(KW_TEXT, "until here\0not here", UINT32_MAX);
    cell = echo(cell, &rows);
    EQUAL(10, cell.length);
    OK(kw_rows_close(rows));
}

/* The flat block of languages that may not pass pointers: cells first, bytes after them, offsets from the first cell. */
static void values_at_an_offset(void) {
    struct {
        kw_cell cells[3];
        char bytes[16];
    } block;
    memset(&block, 0, sizeof block);
    memcpy(block.bytes, "a\0bcde", 6);
    block.cells[0] = bytes_cell(KW_TEXT_AT, NULL, 3);
    block.cells[0].value.integer = (int64_t)sizeof block.cells;
    block.cells[1] = bytes_cell(KW_BLOB_AT, NULL, 3);
    block.cells[1].value.integer = (int64_t)sizeof block.cells + 3;
    block.cells[2] = bytes_cell(KW_TEXT_AT, NULL, 0);
    block.cells[2].value.integer = (int64_t)sizeof block.cells;
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_query(store, "SELECT ?, ?, ?", KW_NUL_TERMINATED, block.cells, 3, NULL, &rows, &err));
    memset(&block, 0xee, sizeof block);
    OK(kw_rows_next_batch(rows, &batch, &err));
    CHECK(batch.cells[0].type == KW_TEXT && batch.cells[0].length == 3 && memcmp(batch.cells[0].value.data, "a\0b", 3) == 0);
    CHECK(batch.cells[1].type == KW_BLOB && batch.cells[1].length == 3 && memcmp(batch.cells[1].value.data, "cde", 3) == 0);
    CHECK(batch.cells[2].type == KW_TEXT && batch.cells[2].length == 0);
    OK(kw_rows_close(rows));
}

static void values_at_an_offset_in_execute_many(void) {
    struct {
        kw_cell cells[4];
        char bytes[4];
    } block;
    memset(&block, 0, sizeof block);
    memcpy(block.bytes, "abcd", 4);
    for (int i = 0; i < 4; i++) {
        block.cells[i] = bytes_cell(KW_TEXT_AT, NULL, 1);
        block.cells[i].value.integer = (int64_t)sizeof block.cells + i;
    }
    EXEC(store, "CREATE TABLE at(a, b)");
    OK(kw_execute_many(store, "INSERT INTO at VALUES (?, ?)", KW_NUL_TERMINATED, block.cells, 2, 2, NULL, NULL, &err));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM at WHERE a || b IN ('ab', 'cd')"));
}

/* A stream goes on reading after the caller's parameters are gone. */
static void a_stream_keeps_its_own_parameters(void) {
    char *text = malloc(4);
    kw_cell *cells = malloc(2 * sizeof *cells);
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    int seen = 0;
    options.batch_rows = 2;
    memcpy(text, "key", 4);
    cells[0] = text_cell(text);
    cells[1] = bytes_cell(KW_BLOB, text, 3);
    OK(kw_query(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT ?, ?, i FROM n",
                KW_NUL_TERMINATED, cells, 2, &options, &rows, &err));
    memset(text, '!', 4);
    free(text);
    free(cells);
    for (;;) {
        OK(kw_rows_next_batch(rows, &batch, &err));
        if (batch.rows == 0) break;
        for (uint32_t i = 0; i < batch.rows; i++, seen++) {
            CHECK(memcmp(batch.cells[i * 3].value.data, "key", 4) == 0);
            CHECK(memcmp(batch.cells[i * 3 + 1].value.data, "key", 3) == 0);
        }
    }
    EQUAL(50, seen);
    OK(kw_rows_close(rows));
}

static void huge_values(void) {
    const size_t size = 20u * 1000 * 1000;
    char *data = malloc(size);
    kw_rows rows = 0;
    for (size_t i = 0; i < size; i++) data[i] = (char)('a' + i % 23);
    kw_cell cell = echo(bytes_cell(KW_TEXT, data, size), &rows);
    EQUAL(size, cell.length);
    CHECK(memcmp(cell.value.data, data, size) == 0);
    OK(kw_rows_close(rows));
    kw_cell stored = bytes_cell(KW_BLOB, data, size);
    EXEC(store, "CREATE TABLE huge(x)");
    OK(kw_execute(store, "INSERT INTO huge VALUES (?)", KW_NUL_TERMINATED, &stored, 1, NULL, NULL, &err));
    EQUAL((long long)size, QUERY_INT(store, "SELECT length(x) FROM huge"));
    free(data);
    /* Beyond SQLite's limit of 1e9 bytes: an error, and the store goes on. */
    CHECK(exec_status(store, "SELECT zeroblob(1000000001)") != KW_OK);
    CHECK(err.code == KW_TOO_BIG || err.code == KW_NO_MEMORY);
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
}

static void wrong_cells(void) {
    kw_rows rows = 0;
    kw_cell cell = int_cell(1);
    cell.type = 77;
    FAILS(KW_PARAMETER, kw_query(store, "SELECT ?", KW_NUL_TERMINATED, &cell, 1, NULL, &rows, &err));
    cell = bytes_cell(KW_TEXT, NULL, 5);
    CHECK(kw_query(store, "SELECT ?", KW_NUL_TERMINATED, &cell, 1, NULL, &rows, &err) != KW_OK);
    FAILS(KW_MISUSE, kw_query(store, "SELECT ?", KW_NUL_TERMINATED, NULL, 1, NULL, &rows, &err));
    EQUAL(0, rows);
}

static void types_differ_from_row_to_row(void) {
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    OK(kw_query(store, "SELECT 1 UNION ALL SELECT 'two' UNION ALL SELECT 3.0 UNION ALL SELECT NULL UNION ALL SELECT x'05'",
                KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_rows_next_batch(rows, &batch, &err));
    EQUAL(5, batch.rows);
    static const uint32_t types[] = {KW_INTEGER, KW_TEXT, KW_REAL, KW_NULL, KW_BLOB};
    for (uint32_t i = 0; i < batch.rows; i++) EQUAL(types[i], batch.cells[i].type);
    OK(kw_rows_close(rows));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("values.db");
    RUN(integers);
    RUN(reals);
    RUN(texts_and_blobs);
    RUN(empty_is_not_null);
    RUN(nul_terminated_parameters);
    RUN(values_at_an_offset);
    RUN(values_at_an_offset_in_execute_many);
    RUN(a_stream_keeps_its_own_parameters);
    RUN(huge_values);
    RUN(wrong_cells);
    RUN(types_differ_from_row_to_row);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
