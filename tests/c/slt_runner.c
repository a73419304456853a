/* Plays sqllogictest files through the C interface, each on a pinned connection of a fresh store.
 *
 * Usage: slt_runner [file or folder...]. Without arguments: the folder slt of KEEPWELL_TEST_DATA, or of ../shared/data
 * beside the project (KEEPWELL_ROOT); without that folder the program says so and succeeds.
 */
#include "check.h"
#include "md5.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

/* A growing list of texts, each allocated. */
struct list {
    char **items;
    size_t count, room;
};

static void push(struct list *list, char *item) {
    if (list->count == list->room) {
        list->room = list->room * 2 + 16;
        list->items = realloc(list->items, list->room * sizeof *list->items);
        if (list->items == NULL) exit(2);
    }
    list->items[list->count++] = item;
}

static void clear(struct list *list) {
    for (size_t i = 0; i < list->count; i++) free(list->items[i]);
    list->count = 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static size_t row_width;
static int by_row(const void *a, const void *b) {
    char *const *left = a, *const *right = b;
    for (size_t i = 0; i < row_width; i++) {
        int order = strcmp(left[i], right[i]);
        if (order != 0) return order;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ printing values -- */

/* SQLite's own conversion of a value that is not of the column's expected type. */
static char *convert(kw_target target, const char *sql, const kw_cell *cell) {
    kw_rows rows = 0;
    const char *text = NULL;
    size_t size = 0;
    OK(kw_query(target, sql, KW_NUL_TERMINATED, cell, 1, NULL, &rows, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_rows_text(rows, 0, &text, &size, &err));
    char *copy = strndup(text != NULL ? text : "", size);
    OK(kw_rows_close(rows));
    return copy;
}

/* A value as the format prints it in a column of type I, R or T; allocated. */
static char *print(kw_target target, const kw_cell *cell, char type) {
    char number[400];
    if (cell->type == KW_NULL) return strdup("NULL");
    if (type == 'R') return convert(target, "SELECT printf('%.3f', ?)", cell);
    if (cell->type == KW_INTEGER) {
        snprintf(number, sizeof number, "%lld", (long long)cell->value.integer);
        return strdup(number);
    }
    if (type == 'I') return convert(target, "SELECT CAST(CAST(? AS INTEGER) AS TEXT)", cell);
    if (cell->type == KW_REAL) return convert(target, "SELECT CAST(? AS TEXT)", cell);
    if (cell->length == 0) return strdup("(empty)");
    char *text = malloc(cell->length + 1u);
    memcpy(text, cell->value.data, cell->length);
    text[cell->length] = 0;
    for (char *at = text; at < text + cell->length; at++) {
        if (*at < ' ' || *at > '~') *at = '@';
    }
    return text;
}

/* -------------------------------------------------------------------------------------------------------- records -- */

struct record {
    const char *file;
    int line;
    char *words[6]; /* of the first line: statement ok | query <types> <sort> [label] */
    int word_count;
    char *sql;
    struct list expected;
};

static int fail(const struct record *record, const char *what, const char *detail) {
    fprintf(stderr, "%s:%d: %s: %s\n    %s\n", record->file, record->line, what, detail, record->sql);
    return 0;
}

static int run_statement(kw_target target, const struct record *record) {
    kw_status status = kw_execute_script(target, record->sql, KW_NUL_TERMINATED, NULL, NULL, &err);
    int expected_ok = strcmp(record->words[1], "ok") == 0;
    if (expected_ok && status != KW_OK) return fail(record, kw_status_name(status), err.message);
    if (!expected_ok && status == KW_OK) return fail(record, "succeeded", "an error was expected");
    return 1;
}

static int compare(const struct record *record, const struct list *values) {
    char summary[80];
    size_t hashed = 0;
    const char *hash = record->expected.count == 1 ? strstr(record->expected.items[0], " values hashing to ") : NULL;
    if (hash != NULL && sscanf(record->expected.items[0], "%zu", &hashed) == 1) {
        md5 digest;
        char hex[33];
        md5_begin(&digest);
        for (size_t i = 0; i < values->count; i++) {
            md5_add(&digest, values->items[i], strlen(values->items[i]));
            md5_add(&digest, "\n", 1);
        }
        md5_end(&digest, hex);
        snprintf(summary, sizeof summary, "%zu values hashing to %s", values->count, hex);
        return strcmp(summary, record->expected.items[0]) == 0 ? 1 : fail(record, "another result", summary);
    }
    if (values->count != record->expected.count) {
        snprintf(summary, sizeof summary, "%zu, wanted %zu", values->count, record->expected.count);
        return fail(record, "another number of values", summary);
    }
    for (size_t i = 0; i < values->count; i++) {
        if (strcmp(values->items[i], record->expected.items[i]) != 0) return fail(record, "another value", values->items[i]);
    }
    return 1;
}

static int run_query(kw_target target, const struct record *record) {
    const char *types = record->words[1], *sort = record->word_count > 2 ? record->words[2] : "nosort";
    struct list values = {0};
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    kw_status status = kw_query(target, record->sql, KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err);
    row_width = strlen(types);
    while (status == KW_OK && (status = kw_rows_next_batch(rows, &batch, &err)) == KW_OK && batch.rows != 0) {
        if (batch.columns != row_width) break;
        for (size_t i = 0; i < (size_t)batch.rows * batch.columns; i++) {
            push(&values, print(target, &batch.cells[i], types[i % row_width]));
        }
    }
    kw_rows_close(rows);
    int good;
    /* The format's own runner takes an error on the way for the end of the result. */
    if (status != KW_OK && record->expected.count != 0) {
        good = fail(record, kw_status_name(status), err.message);
    } else {
        if (strcmp(sort, "rowsort") == 0 && values.count != 0) qsort(values.items, values.count / row_width, row_width * sizeof(char *), by_row);
        if (strcmp(sort, "valuesort") == 0 && values.count != 0) qsort(values.items, values.count, sizeof(char *), by_text);
        good = compare(record, &values);
    }
    clear(&values);
    free(values.items);
    return good;
}

/* ---------------------------------------------------------------------------------------------------------- files -- */

/* The next line without its end, or NULL; cuts the text in place. */
static char *next_line(char **rest) {
    char *line = *rest, *end;
    if (line == NULL || *line == 0) return NULL;
    end = strchr(line, '\n');
    *rest = end != NULL ? end + 1 : NULL;
    if (end == NULL) end = line + strlen(line);
    while (end > line && isspace((unsigned char)end[-1])) end--;
    *end = 0;
    return line;
}

static void read_record(struct record *record, char **rest, int *line_number) {
    char *line;
    size_t used = 0, room = 256;
    int results = 0;
    record->sql = malloc(room);
    record->sql[0] = 0;
    while ((line = next_line(rest)) != NULL && ++*line_number && *line != 0) {
        if (!results && strcmp(line, "----") == 0) {
            results = 1;
        } else if (results) {
            push(&record->expected, strdup(line));
        } else {
            size_t length = strlen(line);
            while (used + length + 2 > room) record->sql = realloc(record->sql, room *= 2);
            if (used != 0) record->sql[used++] = '\n';
            memcpy(record->sql + used, line, length + 1);
            used += length;
        }
    }
    if (line == NULL) ++*line_number;
}

static void play(kw_target target, const char *file, char *text) {
    char *line, *rest = text;
    int line_number = 0, wanted = 1;
    while ((line = next_line(&rest)) != NULL) {
        struct record record = {file, ++line_number, {0}, 0, NULL, {0}};
        char *save = NULL;
        for (char *word = strtok_r(line, " \t", &save); word != NULL && *word != '#' && record.word_count < 6; word = strtok_r(NULL, " \t", &save)) {
            record.words[record.word_count++] = word;
        }
        if (record.word_count == 0 || strcmp(record.words[0], "hash-threshold") == 0) continue;
        if (strcmp(record.words[0], "skipif") == 0 || strcmp(record.words[0], "onlyif") == 0) {
            int same = record.word_count > 1 && strcmp(record.words[1], "sqlite") == 0;
            if (same != (record.words[0][0] == 'o')) wanted = 0;
            continue;
        }
        if (strcmp(record.words[0], "halt") == 0) {
            if (wanted) return;
            wanted = 1;
            continue;
        }
        read_record(&record, &rest, &line_number);
        if (record.word_count < 2 || (strcmp(record.words[0], "statement") != 0 && strcmp(record.words[0], "query") != 0)) {
            tests_failed++;
            fail(&record, "unknown record", record.words[0]);
        } else if (wanted) {
            int good = record.words[0][0] == 's' ? run_statement(target, &record) : run_query(target, &record);
            if (good) tests_passed++;
            else tests_failed++;
        }
        wanted = 1;
        clear(&record.expected);
        free(record.expected.items);
        free(record.sql);
    }
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    long size = 0;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        perror(path);
        exit(2);
    }
    rewind(file);
    char *text = malloc((size_t)size + 1);
    text[fread(text, 1, (size_t)size, file)] = 0;
    fclose(file);
    return text;
}

static int files_played;

static void play_file(const char *path) {
    char name[32];
    snprintf(name, sizeof name, "slt%d.db", files_played++);
    char *text = read_file(path);
    kw_store store = open_file(name);
    kw_conn conn = 0;
    int passed = tests_passed, failed = tests_failed;
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    play(conn, path, text);
    OK(kw_conn_release(conn));
    OK(kw_store_close(store, -1, &err));
    printf("%s: %d passed, %d failed\n", path, tests_passed - passed, tests_failed - failed);
    free(text);
}

static void play_path(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        play_file(path);
        return;
    }
    struct list names = {0};
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.') continue;
        if (entry->d_type == DT_DIR || (length > 5 && strcmp(entry->d_name + length - 5, ".test") == 0)) push(&names, strdup(entry->d_name));
    }
    if (folder != NULL) closedir(folder);
    if (names.count > 1) qsort(names.items, names.count, sizeof(char *), by_text);
    for (size_t i = 0; i < names.count; i++) {
        char below[4300];
        snprintf(below, sizeof below, "%s/%s", path, names.items[i]);
        play_path(below);
    }
    clear(&names);
    free(names.items);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        for (int i = 1; i < argc; i++) play_path(argv[i]);
        return REPORT();
    }
    char path[4200];
    const char *data = getenv("KEEPWELL_TEST_DATA"), *root = getenv("KEEPWELL_ROOT");
    if (data != NULL) snprintf(path, sizeof path, "%s/slt", data);
    else snprintf(path, sizeof path, "%s/../shared/data/slt", root != NULL ? root : ".");
    if (access(path, R_OK) != 0) printf("skipped: no sqllogictest files in %s; set KEEPWELL_TEST_DATA\n", path);
    else play_path(path);
    return REPORT();
}
