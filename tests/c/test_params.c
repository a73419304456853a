/* Parameters by position and by name, and every way to get their number or names wrong. */
#include "check.h"

static kw_store store;

static kw_status run(const char *sql, const kw_cell *cells, size_t count, const char *const *names, int64_t *out) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    options.param_names = names;
    kw_status status = kw_query(store, sql, KW_NUL_TERMINATED, cells, count, names != NULL ? &options : NULL, &rows, &err);
    if (status != KW_OK) {
        EQUAL(0, rows);
        return status;
    }
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_rows_int64(rows, 0, out, &err));
    OK(kw_rows_close(rows));
    return KW_OK;
}

static void by_position(void) {
    kw_cell cells[] = {int_cell(100), int_cell(20), int_cell(3)};
    int64_t out = 0;
    OK(run("SELECT ? - ? - ?", cells, 3, NULL, &out));
    EQUAL(77, out);
    OK(run("SELECT ?3 - ?1 - ?2", cells, 3, NULL, &out));
    EQUAL(-117, out);
    OK(run("SELECT :a - :b - :a", cells, 2, NULL, &out));
    EQUAL(-20, out);
}

static void too_few_and_too_many(void) {
    kw_cell cells[] = {int_cell(1), int_cell(2), int_cell(3)};
    int64_t out = 0;
    FAILS(KW_PARAMETER, run("SELECT ? + ?", cells, 1, NULL, &out));
    FAILS(KW_PARAMETER, run("SELECT ? + ?", cells, 3, NULL, &out));
    HAS(err.message, "2");
    HAS(err.message, "3");
    FAILS(KW_PARAMETER, run("SELECT ? + ?", NULL, 0, NULL, &out));
    FAILS(KW_PARAMETER, run("SELECT 1", cells, 1, NULL, &out));
    FAILS(KW_PARAMETER, run("SELECT ?3", cells, 1, NULL, &out));
}

static void by_name(void) {
    kw_cell cells[] = {int_cell(100), int_cell(20), int_cell(3)};
    const char *const with_prefix[] = {":c", "@b", "$a"};
    const char *const without[] = {"c", "b", "a"};
    const char *const mixed[] = {"c", "@b", "a"};
    int64_t out = 0;
    OK(run("SELECT $a - @b - :c", cells, 3, with_prefix, &out));
    EQUAL(3 - 20 - 100, out);
    OK(run("SELECT $a - @b - :c", cells, 3, without, &out));
    EQUAL(3 - 20 - 100, out);
    OK(run("SELECT $a - @b - :c + :c", cells, 3, mixed, &out));
    EQUAL(3 - 20, out);
}

static void names_that_differ_only_in_their_prefix(void) {
    kw_cell cells[] = {int_cell(100), int_cell(20), int_cell(3)};
    const char *const names[] = {"$a", "@a", ":a"};
    int64_t out = 0;
    OK(run("SELECT :a - @a - $a", cells, 3, names, &out));
    EQUAL(3 - 20 - 100, out);
}

static void wrong_names(void) {
    kw_cell cells[] = {int_cell(1), int_cell(2)};
    const char *const unknown[] = {"a", "zebra"};
    const char *const twice[] = {"a", "a"};
    const char *const null_name[] = {"a", NULL};
    const char *const empty[] = {"a", ""};
    const char *const prefix_only[] = {"a", ":"};
    const char *const good[] = {"a", "b"};
    int64_t out = 0;
    FAILS(KW_PARAMETER, run("SELECT :a + :b", cells, 2, unknown, &out));
    HAS(err.message, "zebra");
    FAILS(KW_PARAMETER, run("SELECT :a + :b", cells, 1, good, &out));
    HAS(err.message, "b");
    FAILS(KW_PARAMETER, run("SELECT :a", cells, 2, good, &out));
    FAILS(KW_PARAMETER, run("SELECT :a + :b", cells, 2, twice, &out));
    FAILS(KW_PARAMETER, run("SELECT :a + :b", cells, 2, empty, &out));
    FAILS(KW_PARAMETER, run("SELECT :a + :b", cells, 2, prefix_only, &out));
    FAILS(KW_PARAMETER, run("SELECT ? + ?", cells, 2, good, &out));
    kw_status status = run("SELECT :a + :b", cells, 2, null_name, &out);
    CHECK(status == KW_PARAMETER || status == KW_MISUSE);
    OK(run("SELECT :a + :b", cells, 2, good, &out));
    EQUAL(3, out);
}

static void in_execute_and_execute_many(void) {
    kw_options options = KW_OPTIONS_INIT;
    const char *const names[] = {"name", "id"};
    options.param_names = names;
    kw_cell cells[] = {text_cell("x"), int_cell(1), text_cell("y"), int_cell(2)};
    EXEC(store, "CREATE TABLE p(id INTEGER PRIMARY KEY, name)");
    OK(kw_execute(store, "INSERT INTO p VALUES (:id, :name)", KW_NUL_TERMINATED, cells, 2, &options, NULL, &err));
    EXEC(store, "DELETE FROM p");
    OK(kw_execute_many(store, "INSERT INTO p VALUES (:id, :name)", KW_NUL_TERMINATED, cells, 2, 2, &options, NULL, &err));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM p WHERE (id, name) IN (VALUES (1, 'x'), (2, 'y'))"));
    FAILS(KW_PARAMETER, kw_execute_many(store, "INSERT INTO p VALUES (?, ?)", KW_NUL_TERMINATED, cells, 1, 4, NULL, NULL, &err));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM p"));
}

static void the_most_there_can_be(void) {
    enum { MOST = 32766 };
    char *sql = malloc(MOST * 2 + 100);
    kw_cell *cells = malloc(MOST * sizeof *cells);
    char *end = sql + sprintf(sql, "SELECT count(*) FROM (SELECT 1 WHERE 7 IN (");
    for (int i = 0; i < MOST; i++) {
        end += sprintf(end, i != 0 ? ",?" : "?");
        cells[i] = int_cell(i);
    }
    strcpy(end, "))");
    int64_t out = 0;
    OK(run(sql, cells, MOST, NULL, &out));
    EQUAL(1, out);
    free(sql);
    free(cells);
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("params.db");
    RUN(by_position);
    RUN(too_few_and_too_many);
    RUN(by_name);
    RUN(names_that_differ_only_in_their_prefix);
    RUN(wrong_names);
    RUN(in_execute_and_execute_many);
    RUN(the_most_there_can_be);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
