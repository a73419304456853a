/* Files that are missing, no database, damaged, read-only or full: a clear error, nothing left behind. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Opens and reads; the status of the first call that fails. A store that opened is closed again. */
static kw_status try_source(const char *source, const char *sql) {
    kw_config config = 0;
    kw_store store = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_load_uri(config, source, KW_NUL_TERMINATED, &err));
    kw_status status = kw_open(config, &store, &err);
    if (status == KW_OK) status = exec_status(store, sql);
    if (store != 0) OK(kw_store_close(store, -1, NULL));
    OK(kw_config_free(config));
    return status;
}

static int open_files(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void a_file_that_is_no_database(void) {
    char text[8192];
    memset(text, 'x', sizeof text);
    write_file(temp_path("text.db"), text, sizeof text);
    int before = open_files();
    for (int i = 0; i < 20; i++) FAILS(KW_CORRUPT, try_source(temp_path("text.db"), "SELECT * FROM sqlite_schema"));
    EQUAL(26, err.engine_code); /* SQLITE_NOTADB */
    EQUAL(before, open_files());
    /* It was not touched. */
    FILE *file = fopen(temp_path("text.db"), "rb");
    char again[8192];
    CHECK(file != NULL && fread(again, 1, sizeof again, file) == sizeof again && memcmp(text, again, sizeof text) == 0);
    if (file != NULL) fclose(file);
}

static void a_folder(void) {
    mkdir(temp_path("folder"), 0777);
    FAILS(KW_CANT_OPEN, try_source(temp_path("folder"), "SELECT 1"));
    HAS(err.message, "folder");
}

static void a_missing_folder(void) {
    FAILS(KW_CANT_OPEN, try_source(temp_path("nowhere/x.db"), "SELECT 1"));
    HAS(err.message, "nowhere");
}

static void a_missing_file_with_mode_rw(void) {
    char uri[4400];
    snprintf(uri, sizeof uri, "file:%s?mode=rw", temp_path("missing.db"));
    FAILS(KW_CANT_OPEN, try_source(uri, "SELECT 1"));
    snprintf(uri, sizeof uri, "file:%s?mode=ro", temp_path("missing.db"));
    FAILS(KW_CANT_OPEN, try_source(uri, "SELECT 1"));
    CHECK(access(temp_path("missing.db"), F_OK) != 0);
}

static void mode_ro_refuses_writes(void) {
    char uri[4400];
    kw_store store = open_file("ro.db");
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_store_close(store, -1, &err));
    snprintf(uri, sizeof uri, "file:%s?mode=ro", temp_path("ro.db"));
    OK(try_source(uri, "SELECT * FROM t"));
    FAILS(KW_READ_ONLY, try_source(uri, "INSERT INTO t VALUES (1)"));
}

static void an_empty_file_is_an_empty_database(void) {
    write_file(temp_path("empty.db"), "", 0);
    OK(try_source(temp_path("empty.db"), "CREATE TABLE t(x)"));
}

static void a_damaged_file(void) {
    kw_store store = open_file("damaged.db");
    EXEC(store, "CREATE TABLE t(x)");
    EXEC(store, "INSERT INTO t SELECT hex(randomblob(400)) FROM (" COUNT_TO(500) ")");
    OK(kw_store_close(store, -1, &err));
    int fd = open(temp_path("damaged.db"), O_RDWR);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (int page = 1; page < 30; page++) CHECK(pwrite(fd, junk, sizeof junk, page * 4096) == (ssize_t)sizeof junk);
    close(fd);
    FAILS(KW_CORRUPT, try_source(temp_path("damaged.db"), "SELECT sum(length(x)) FROM t"));
    EQUAL(11, err.engine_code); /* SQLITE_CORRUPT */
}

static void a_damaged_table_leaves_the_others_usable(void) {
    kw_store store = open_source(temp_path("damaged.db"));
    FAILS(KW_CORRUPT, exec_status(store, "SELECT sum(length(x)) FROM t"));
    EQUAL(3, QUERY_INT(store, "SELECT 1 + 2"));
    OK(kw_store_close(store, -1, NULL));
}

static void a_read_only_file(void) {
    kw_store store = open_file("locked.db");
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_store_close(store, -1, &err));
    chmod(temp_path("locked.db"), 0444);
    if (access(temp_path("locked.db"), W_OK) == 0) {
        SKIP("permissions do not bind this user");
    } else {
        kw_status status = try_source(temp_path("locked.db"), "INSERT INTO t VALUES (1)");
        CHECK(status == KW_READ_ONLY || status == KW_CANT_OPEN || status == KW_PERMISSION);
        CHECK(err.message[0] != 0);
    }
    chmod(temp_path("locked.db"), 0644);
}

static void a_read_only_folder(void) {
    mkdir(temp_path("sealed"), 0555);
    if (access(temp_path("sealed"), W_OK) == 0) {
        SKIP("permissions do not bind this user");
    } else {
        kw_status status = try_source(temp_path("sealed/x.db"), "CREATE TABLE t(x)");
        CHECK(status == KW_CANT_OPEN || status == KW_PERMISSION);
    }
    chmod(temp_path("sealed"), 0755);
}

/* A database that may not grow stands in for a full disk: the engine's answer is the same, SQLITE_FULL. */
static void a_full_database(void) {
    kw_store store = open_file("full.db");
    kw_conn conn = 0;
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    EXEC(conn, "PRAGMA max_page_count = 20");
    FAILS(KW_FULL, exec_status(conn, "INSERT INTO t SELECT randomblob(1000) FROM (" COUNT_TO(1000) ")"));
    EQUAL(13, err.engine_code);
    EQUAL(0, QUERY_INT(conn, "SELECT count(*) FROM t"));
    EXEC(conn, "PRAGMA max_page_count = 1000000");
    EXEC(conn, "INSERT INTO t VALUES (1)");
    OK(kw_conn_release(conn));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t"));
    OK(kw_store_close(store, -1, &err));
}

static void strange_names(void) {
    static const char *const names[] = {"with space.db", "with'quote.db", "per%cent.db", "ha#sh.db", "\xc3\xa4\xe2\x82\xac.db"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        kw_store store = open_file(names[i]);
        EXEC(store, "CREATE TABLE t(x)");
        OK(kw_store_close(store, -1, &err));
        if (access(temp_path(names[i]), F_OK) != 0) {
            fprintf(stderr, "    %s was not made under its name\n", names[i]);
            CHECK(0);
        }
    }
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(a_file_that_is_no_database);
    RUN(a_folder);
    RUN(a_missing_folder);
    RUN(a_missing_file_with_mode_rw);
    RUN(mode_ro_refuses_writes);
    RUN(an_empty_file_is_an_empty_database);
    RUN(a_damaged_file);
    RUN(a_damaged_table_leaves_the_others_usable);
    RUN(a_read_only_file);
    RUN(a_read_only_folder);
    RUN(a_full_database);
    RUN(strange_names);
    return REPORT();
}
