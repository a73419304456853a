/* Migrations at the border: sets from structs, files and folders, operations, reports and what is refused. */
#include "check.h"

#include <pthread.h>
#include <sys/stat.h>

static kw_store store;

static void open_anew(const char *name) { store = open_file(name); }

static void add(kw_migrations set, int64_t version, const char *up, const char *down) {
    kw_migration one = KW_MIGRATION_INIT;
    one.version = version;
    one.description = "a migration";
    one.up = up;
    one.down = down;
    OK(kw_migrations_add(set, &one, &err));
}

static kw_migrations two(void) {
    kw_migrations set = 0;
    OK(kw_migrations_new(store, &set, &err));
    add(set, 2, "INSERT INTO a VALUES (1), (2)", NULL);
    add(set, 1, "CREATE TABLE a(x)", "DROP TABLE a");
    return set;
}

/* Does an operation that must succeed; how many migrations its report has. */
static uint64_t does(kw_migrations set, int32_t operation, const kw_migrate_options *options, kw_report_summary *summary) {
    kw_report report = 0;
    kw_report_summary own = KW_REPORT_SUMMARY_INIT;
    OK(kw_migrate(set, operation, options, &report, &err));
    OK(kw_report_describe(report, &own, &err));
    OK(kw_report_free(report));
    if (summary) *summary = own;
    return own.migrations;
}

static void a_set_of_structs_is_sorted_and_applied(void) {
    open_anew("structs.db");
    kw_migrations set = two();
    size_t count = 0;
    OK(kw_migrations_count(set, &count, &err));
    EQUAL(2, count);
    kw_report report = 0;
    OK(kw_migrate(set, KW_MIGRATE_UP, NULL, &report, &err));
    kw_report_migration line = KW_REPORT_MIGRATION_INIT;
    OK(kw_report_migration_at(report, 1, &line, &err));
    EQUAL(2, line.version);
    EQUAL(KW_MIGRATION_APPLIED, line.state);
    EQUAL(KW_DIRECTION_UP, line.direction);
    EQUAL(KW_MIGRATION_TRANSACTIONAL, line.flags);
    EQUAL(2, line.rows_changed);
    CHECK(strcmp(line.description, "a migration") == 0 && strlen(line.checksum) == 64 && strcmp(line.file, "") == 0);
    FAILS(KW_MISUSE, kw_report_migration_at(report, 2, &line, &err));
    kw_report_problem problem = KW_REPORT_PROBLEM_INIT;
    FAILS(KW_MISUSE, kw_report_problem_at(report, 0, &problem, &err));
    char json[64];
    size_t length = 0;
    OK(kw_report_json(report, json, sizeof json, &length, &err));
    CHECK(length > sizeof json && strncmp(json, "{\"operation\":\"up\"", 16) == 0 && strlen(json) < sizeof json);
    OK(kw_report_free(report));
    OK(kw_report_free(report));
    FAILS(KW_INVALID_HANDLE, kw_report_json(report, json, sizeof json, &length, &err));
    kw_report_summary summary = KW_REPORT_SUMMARY_INIT;
    EQUAL(0, does(set, KW_MIGRATE_UP, NULL, &summary));
    EQUAL(2, summary.version);
    OK(kw_migrate(set, KW_MIGRATE_VERIFY, NULL, NULL, &err));
    FAILS(KW_MIGRATION, kw_migrate(set, KW_MIGRATE_DOWN, NULL, NULL, &err));
    CHECK(strstr(err.message, "cannot be undone") != NULL);
    OK(kw_migrations_free(set));
    FAILS(KW_INVALID_HANDLE, kw_migrate(set, KW_MIGRATE_UP, NULL, NULL, &err));
    OK(kw_store_close(store, -1, &err));
}

static void text_file(const char *name, const char *text) { write_file(temp_path(name), text, strlen(text)); }

static void a_folder_is_read_and_named_in_errors(void) {
    open_anew("folder.db");
    CHECK(mkdir(temp_path("steps"), 0700) == 0);
    text_file("steps/0001_a.up.sql", "CREATE TABLE a(x);\r\n");
    text_file("steps/0001_a.down.sql", "DROP TABLE a;\n");
    text_file("steps/0002_b.up.sql", "CREATE TABLE b(x);\n\n  INSERT INTO b VALUES (nowhere);\n");
    kw_migrations set = 0;
    OK(kw_migrations_new(store, &set, &err));
    OK(kw_migrations_add_folder(set, temp_path("steps"), KW_NUL_TERMINATED, &err));
    FAILS(KW_MISUSE, kw_migrations_add_file(set, "x", 1, "", 0, &err));
    FAILS(KW_SQL, kw_migrate(set, KW_MIGRATE_UP, NULL, NULL, &err));
    CHECK(strstr(err.message, "0002_b.up.sql, line 3, column 25, statement 2") != NULL);
    CHECK(strstr(err.message, "migration 1 before it is done and stays") != NULL);
    CHECK((err.flags & KW_ERROR_ROLLED_BACK) != 0);
    kw_migrate_options down = KW_MIGRATE_OPTIONS_INIT;
    down.flags = KW_MIGRATE_HAS_VERSION;
    EQUAL(1, does(set, KW_MIGRATE_DOWN, &down, NULL));
    down.flags = 64;
    FAILS(KW_ABI, kw_migrate(set, KW_MIGRATE_DOWN, &down, NULL, &err));
    down.flags = 0;
    FAILS(KW_MISUSE, kw_migrate(set, KW_MIGRATE_TO, &down, NULL, &err));
    FAILS(KW_MISUSE, kw_migrate(set, 99, NULL, NULL, &err));
    FAILS(KW_CONFIG, kw_migrations_set(set, "format", KW_NUL_TERMINATED, "goos", KW_NUL_TERMINATED, &err));
    OK(kw_migrations_set(set, "format", KW_NUL_TERMINATED, "goose", KW_NUL_TERMINATED, &err));
    size_t count = 0;
    FAILS(KW_MIGRATION, kw_migrations_count(set, &count, &err));
    OK(kw_migrations_free(set));
    OK(kw_store_close(store, -1, &err));
}

struct heard {
    int begun, statements, done, stop_at;
    char last[64];
};

static int32_t listen(const kw_migrate_event *event, void *context) {
    struct heard *heard = context;
    heard->begun += event->phase == KW_PHASE_BEGIN;
    heard->done += event->phase == KW_PHASE_DONE;
    if (event->phase != KW_PHASE_STATEMENT) return 0;
    snprintf(heard->last, sizeof heard->last, "%.*s", (int)event->sql_len, event->sql);
    return ++heard->statements == heard->stop_at;
}

static void progress_is_heard_and_ends_a_run(void) {
    open_anew("progress.db");
    kw_migrations set = two();
    struct heard heard = {0, 0, 0, 2, ""};
    kw_migrate_options options = KW_MIGRATE_OPTIONS_INIT;
    options.progress = listen;
    options.context = &heard;
    FAILS(KW_CANCELLED, kw_migrate(set, KW_MIGRATE_UP, &options, NULL, &err));
    CHECK(heard.begun == 2 && heard.statements == 2 && heard.done == 1);
    CHECK(strcmp(heard.last, "INSERT INTO a VALUES (1), (2)") == 0);
    kw_report_summary summary = KW_REPORT_SUMMARY_INIT;
    does(set, KW_MIGRATE_STATUS, NULL, &summary);
    CHECK(summary.has_version && summary.version == 1 && summary.pending == 1);
    OK(kw_migrations_free(set));
    OK(kw_store_close(store, -1, &err));
}

static void *start(void *context) {
    kw_migrations set = two();
    *(uint64_t *)context = does(set, KW_MIGRATE_UP, NULL, NULL);
    OK(kw_migrations_free(set));
    return NULL;
}

static void threads_that_start_together_apply_each_once(void) {
    enum { THREADS = 8 };
    open_anew("threads.db");
    pthread_t threads[THREADS];
    uint64_t applied[THREADS] = {0}, sum = 0;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, start, &applied[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += applied[i];
    }
    EQUAL(2, sum);
    OK(kw_store_close(store, -1, &err));
}

static void a_table_is_rebuilt_and_the_schema_dumped(void) {
    open_anew("rebuild.db");
    kw_migrations set = two();
    does(set, KW_MIGRATE_UP, NULL, NULL);
    kw_rebuild_column columns[] = {{"y", "x * 10"}};
    kw_report report = 0;
    OK(kw_rebuild_table(store, "a", 1, "CREATE TABLE a(x INTEGER PRIMARY KEY, y)", KW_NUL_TERMINATED, columns, 1, NULL, &report, &err));
    kw_report_table table = KW_REPORT_TABLE_INIT;
    OK(kw_report_table_at(report, 0, &table, &err));
    CHECK(table.before == 2 && table.after == 2 && strcmp(table.table, "a") == 0);
    OK(kw_report_free(report));
    FAILS(KW_MIGRATION, kw_rebuild_table(store, "b", 1, "CREATE TABLE b(x)", KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &err));
    char dump[256];
    size_t length = 0;
    OK(kw_schema_dump(store, NULL, dump, sizeof dump, &length, &err));
    CHECK(strcmp(dump, "CREATE TABLE \"a\"(x INTEGER PRIMARY KEY, y);\n") == 0);
    EQUAL(strlen(dump), length);
    OK(kw_schema_dump(store, NULL, NULL, 0, &length, &err));
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_CLOSED, kw_migrate(set, KW_MIGRATE_STATUS, NULL, NULL, &err));
    OK(kw_migrations_free(set));
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(a_set_of_structs_is_sorted_and_applied);
    RUN(a_folder_is_read_and_named_in_errors);
    RUN(progress_is_heard_and_ends_a_run);
    RUN(threads_that_start_together_apply_each_once);
    RUN(a_table_is_rebuilt_and_the_schema_dumped);
    return REPORT();
}
