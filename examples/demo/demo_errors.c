/* One deliberate error of each kind, as a C program sees it. */
#include "demo.h"

static const char *ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/* Shows an error as a program sees it: the status says what to do, the struct has the numbers and a sentence for people. */
static void show(const char *what, kw_status status, kw_status expected, const kw_error *err) {
    require(status == expected, what);
    printf("  %-22s %s", what, kw_status_name(status));
    if (err->engine_code != 0) printf(", engine %d (%d)", err->engine_code, err->engine_extended_code);
    if (err->sql_offset >= 0) printf(", byte %d", err->sql_offset);
    printf("\n      %s\n", err->message);
}

static void *cancel_soon(void *token) {
    nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
    kw_cancel_trigger(*(kw_cancel *)token);
    return NULL;
}

void show_errors(kw_store store, const char *path) {
    kw_error err = KW_ERROR_INIT;
    kw_options timeout = KW_OPTIONS_INIT, cancel = KW_OPTIONS_INIT, read_only = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    kw_status status;
    puts("  Errors as a C program sees them:");

    status = kw_query(store, "SELECT name FORM package", TEXT, NULL, 0, NULL, &rows, &err);
    show("wrong SQL", status, KW_SQL, &err);

    status = kw_execute(store, "INSERT INTO run SELECT * FROM run", TEXT, NULL, 0, NULL, NULL, &err);
    show("a constraint", status, KW_CONSTRAINT, &err);

    kw_cell name = text("libc");
    status = kw_query(store, "SELECT id FROM package WHERE name = ? AND version = ?", TEXT, &name, 1, NULL, &rows, &err);
    show("a missing parameter", status, KW_PARAMETER, &err);

    timeout.timeout_us = 50 * 1000;
    status = kw_query(store, ENDLESS, TEXT, NULL, 0, &timeout, &rows, &err);
    show("a timeout", status, KW_TIMEOUT, &err);

    pthread_t thread;
    must(kw_cancel_new(&cancel.cancel, &err), &err);
    require(pthread_create(&thread, NULL, cancel_soon, &cancel.cancel) == 0, "pthread_create failed");
    status = kw_query(store, ENDLESS, TEXT, NULL, 0, &cancel, &rows, &err);
    show("a cancelled call", status, KW_CANCELLED, &err);
    pthread_join(thread, NULL);
    kw_cancel_free(cancel.cancel);

    read_only.flags = KW_OPTION_READ_ONLY;
    status = kw_execute(store, "DELETE FROM edge", TEXT, NULL, 0, &read_only, NULL, &err);
    show("a write, read-only", status, KW_READ_ONLY, &err);

    kw_tx tx = 0;
    must(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err), &err);
    status = kw_execute(store, "DELETE FROM edge", TEXT, NULL, 0, NULL, NULL, &err); /* the transaction was meant, not the store */
    show("a wait for oneself", status, KW_SELF_DEADLOCK, &err);
    kw_tx_rollback(tx, NULL);

    kw_store closed = open_store(path);
    must(kw_store_close(closed, -1, &err), &err);
    status = kw_query(closed, "SELECT 1", TEXT, NULL, 0, NULL, &rows, &err);
    show("a closed store", status, KW_INVALID_HANDLE, &err);

    kw_config config = 0;
    must(kw_config_new(&config, &err), &err);
    status = kw_config_set(config, "pool.max_opne", TEXT, "8", TEXT, &err);
    show("a misspelled setting", status, KW_CONFIG, &err);
    kw_config_free(config);
    putchar('\n');
}
