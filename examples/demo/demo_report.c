/* Questions about the graph, all asked at the same time, and their answers as tables. */
#include "demo.h"

typedef struct {
    kw_store store;
    const char *sql;
    int64_t limit;
    kw_rows rows;
} question;

static void *ask(void *argument) {
    question *q = argument;
    kw_error err = KW_ERROR_INIT;
    kw_cell limit = integer(q->limit);
    must(kw_query(q->store, q->sql, TEXT, &limit, 1, NULL, &q->rows, &err), &err);
    return NULL;
}

/* The bytes of a cell, or of its column's name where there is no cell. Column names do not end in a NUL: keep their length. */
static int cell_text(kw_rows rows, uint32_t column, const kw_cell *cell, char number[24], const char **value) {
    kw_error err = KW_ERROR_INIT;
    size_t length = 0;
    *value = number;
    if (cell == NULL) must(kw_rows_column_name(rows, column, value, &length, &err), &err);
    else if (cell->type == KW_INTEGER) return snprintf(number, 24, "%lld", (long long)cell->value.integer);
    else *value = cell->value.data, length = cell->length;
    return (int)length;
}

/* Prints a small result as a table, numbers to the right. */
static void print_table(kw_rows rows) {
    kw_error err = KW_ERROR_INIT;
    kw_batch batch = KW_BATCH_INIT;
    must(kw_rows_next_batch(rows, &batch, &err), &err);
    for (int pass = 0, width[8] = {0}; pass < 2; pass++) { /* first the widths, then the text */
        for (uint32_t row = 0; row <= batch.rows; row++) { /* the names, then the cells */
            for (uint32_t column = 0; column < batch.columns; column++) {
                char number[24];
                const char *value;
                const kw_cell *cell = row == 0 ? NULL : &batch.cells[(row - 1) * batch.columns + column];
                int length = cell_text(rows, column, cell, number, &value), pad = width[column] - length;
                if (pass == 0) width[column] = pad < 0 ? length : width[column];
                else if (batch.rows > 0 && batch.cells[column].type == KW_INTEGER) printf("  %*s%.*s", pad, "", length, value);
                else printf("  %.*s%*s", length, value, column + 1 < batch.columns ? pad : 0, "");
            }
            if (pass == 1) putchar('\n');
        }
    }
    putchar('\n');
    kw_rows_close(rows);
}

void report(kw_store store) {
    question questions[] = {
        {store, "SELECT licence.name AS licence, count(*) AS packages FROM package JOIN licence ON licence.id = licence_id "
                "GROUP BY licence.id ORDER BY packages DESC, licence LIMIT ?", 4, 0},
        {store, "SELECT name || ' ' || version AS \"most depended upon\", "
                "(SELECT count(DISTINCT package_id) FROM edge WHERE dependency_id = package.id) AS directly, count(*) AS \"in all\" "
                "FROM needs JOIN package ON package.id = needs.dependency_id "
                "GROUP BY package.id ORDER BY \"in all\" DESC, directly DESC, name LIMIT ?", 4, 0},
        {store, "WITH RECURSIVE chain(id, steps, path) AS ("
                "  SELECT id, 0, name FROM package UNION ALL"
                "  SELECT dependency_id, steps + 1, path || ' > ' || package.name"
                "  FROM chain JOIN edge ON edge.package_id = chain.id JOIN package ON package.id = dependency_id) "
                "SELECT steps, path AS \"deepest chain\" FROM chain ORDER BY steps DESC, path LIMIT ?", 1, 0},
    };
    pthread_t threads[COUNT(questions)];
    for (size_t i = 0; i < COUNT(questions); i++) {
        require(pthread_create(&threads[i], NULL, ask, &questions[i]) == 0, "pthread_create failed");
    }
    putchar('\n');
    for (size_t i = 0; i < COUNT(questions); i++) {
        pthread_join(threads[i], NULL);
        print_table(questions[i].rows);
    }
}
