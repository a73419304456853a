/* Transactions and savepoints. */
#include "check.h"

static kw_store store;

static kw_tx begin(kw_target target, int32_t mode) {
    kw_tx tx = 0;
    OK(kw_tx_begin(target, mode, NULL, &tx, &err));
    CHECK(tx != 0);
    return tx;
}

static int64_t count(kw_target target) { return QUERY_INT(target, "SELECT count(*) FROM t"); }

static void fresh(void) { OK(kw_execute_script(store, "DROP TABLE IF EXISTS t; CREATE TABLE t(x UNIQUE)", KW_NUL_TERMINATED, NULL, NULL, &err)); }

static void ended(kw_tx tx) {
    kw_status status = exec_status(tx, "SELECT 1");
    CHECK(status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
    status = kw_tx_commit(tx, &err);
    CHECK(status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
    OK(kw_tx_rollback(tx, &err));
}

static void commit_keeps_and_rollback_undoes(void) {
    static const int32_t modes[] = {KW_TX_DEFAULT, KW_TX_DEFERRED, KW_TX_IMMEDIATE, KW_TX_EXCLUSIVE};
    fresh();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        kw_tx tx = begin(store, modes[i]);
        EXEC(tx, "INSERT INTO t VALUES (NULL)");
        EQUAL((int64_t)i + 1, count(tx));
        OK(kw_tx_commit(tx, &err));
        ended(tx);
        tx = begin(store, modes[i]);
        EXEC(tx, "DELETE FROM t");
        OK(kw_tx_rollback(tx, &err));
        ended(tx);
        EQUAL((int64_t)i + 1, count(store));
    }
}

static void others_see_nothing_before_the_commit(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    EXEC(tx, "INSERT INTO t VALUES (1)");
    EQUAL(1, count(tx));
    EQUAL(0, count(store));
    OK(kw_tx_commit(tx, &err));
    EQUAL(1, count(store));
}

static void savepoints_nest(void) {
    fresh();
    kw_tx outer = begin(store, KW_TX_DEFAULT);
    EXEC(outer, "INSERT INTO t VALUES (1)");
    kw_tx inner = begin(outer, KW_TX_DEFAULT);
    EXEC(inner, "INSERT INTO t VALUES (2)");
    kw_tx innermost = begin(inner, KW_TX_DEFAULT);
    EXEC(innermost, "INSERT INTO t VALUES (3)");
    EQUAL(3, count(innermost));
    OK(kw_tx_rollback(innermost, &err));
    EQUAL(2, count(inner));
    OK(kw_tx_commit(inner, &err));
    ended(inner);
    kw_tx second = begin(outer, KW_TX_DEFAULT);
    EXEC(second, "DELETE FROM t");
    OK(kw_tx_rollback(second, &err));
    OK(kw_tx_commit(outer, &err));
    EQUAL(2, count(store));
}

static void rolling_back_the_outer_ends_the_inner(void) {
    fresh();
    kw_tx outer = begin(store, KW_TX_DEFAULT);
    kw_tx inner = begin(outer, KW_TX_DEFAULT);
    EXEC(inner, "INSERT INTO t VALUES (1)");
    OK(kw_tx_rollback(outer, &err));
    ended(inner);
    EQUAL(0, count(store));
}

/* Committing the outer with the inner open: either refused (and both go on) or it ends the inner. Never half. */
static void committing_the_outer_first(void) {
    fresh();
    kw_tx outer = begin(store, KW_TX_DEFAULT);
    kw_tx inner = begin(outer, KW_TX_DEFAULT);
    EXEC(inner, "INSERT INTO t VALUES (1)");
    kw_status status = kw_tx_commit(outer, &err);
    if (status != KW_OK) {
        EQUAL(KW_MISUSE, status);
        OK(kw_tx_commit(inner, &err));
        OK(kw_tx_commit(outer, &err));
    } else {
        ended(inner);
    }
    EQUAL(1, count(store));
}

static void a_failed_statement_leaves_the_transaction_open(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    EXEC(tx, "INSERT INTO t VALUES (1)");
    FAILS(KW_CONSTRAINT, exec_status(tx, "INSERT INTO t VALUES (1)"));
    FAILS(KW_SQL, exec_status(tx, "nonsense"));
    EXEC(tx, "INSERT INTO t VALUES (2)");
    OK(kw_tx_commit(tx, &err));
    EQUAL(2, count(store));
}

static void the_engine_may_end_it(void) {
    fresh();
    EXEC(store, "INSERT INTO t VALUES (1)");
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    EXEC(tx, "INSERT INTO t VALUES (2)");
    FAILS(KW_CONSTRAINT, exec_status(tx, "INSERT OR ROLLBACK INTO t VALUES (1)"));
    CHECK((err.flags & KW_ERROR_ROLLED_BACK) != 0);
    FAILS(KW_TX_ENDED, exec_status(tx, "INSERT INTO t VALUES (3)"));
    FAILS(KW_TX_ENDED, kw_tx_commit(tx, &err));
    OK(kw_tx_rollback(tx, &err));
    EQUAL(1, count(store));
}

static void a_refused_commit_leaves_it_open(void) {
    OK(kw_execute_script(store, "DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS parent; CREATE TABLE parent(id INTEGER PRIMARY KEY);"
                                "CREATE TABLE child(p REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)", KW_NUL_TERMINATED, NULL, NULL, &err));
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    EXEC(tx, "INSERT INTO child VALUES (5)");
    FAILS(KW_CONSTRAINT, kw_tx_commit(tx, &err));
    EQUAL(787, err.engine_extended_code);
    EXEC(tx, "INSERT INTO parent VALUES (5)");
    OK(kw_tx_commit(tx, &err));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM child"));
}

static void read_only_transactions_have_one_snapshot(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_READ_ONLY);
    EQUAL(0, count(tx));
    EXEC(store, "INSERT INTO t VALUES (1)");
    EQUAL(0, count(tx));
    FAILS(KW_READ_ONLY, exec_status(tx, "INSERT INTO t VALUES (2)"));
    EQUAL(0, count(tx));
    OK(kw_tx_commit(tx, &err));
    EQUAL(1, count(store));
}

static void transaction_statements_as_text_are_refused(void) {
    fresh();
    static const char *const control[] = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "END"};
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    EXEC(tx, "INSERT INTO t VALUES (1)");
    for (size_t i = 0; i < sizeof control / sizeof control[0]; i++) CHECK(exec_status(tx, control[i]) != KW_OK);
    OK(kw_tx_commit(tx, &err));
    EQUAL(1, count(store));
    /* On the store itself a BEGIN must not leave a pooled connection in a transaction. */
    exec_status(store, "BEGIN");
    EXEC(store, "INSERT INTO t VALUES (2)");
    kw_store second = open_file("tx.db");
    EQUAL(2, count(second));
    OK(kw_store_close(second, -1, &err));
}

static void waiting_for_oneself_is_told_at_once(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_DEFAULT), second = 0;
    double start = now_seconds();
    FAILS(KW_SELF_DEADLOCK, exec_status(store, "INSERT INTO t VALUES (1)"));
    FAILS(KW_SELF_DEADLOCK, kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &second, &err));
    CHECK(now_seconds() - start < 2.0);
    kw_options options = KW_OPTIONS_INIT;
    options.flags = KW_OPTION_UNBOUND;
    options.timeout_us = 50000;
    kw_status status = kw_execute(store, "INSERT INTO t VALUES (1)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &err);
    CHECK(status == KW_TIMEOUT || status == KW_EXHAUSTED);
    EQUAL(0, count(store));
    OK(kw_tx_rollback(tx, &err));
    EXEC(store, "INSERT INTO t VALUES (1)");
}

static void rows_of_a_transaction(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    kw_rows rows = 0;
    int seen = 0;
    EXEC(tx, "INSERT INTO t " COUNT_TO(2000));
    OK(kw_query(tx, "SELECT x FROM t", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    while (kw_rows_step(rows, &err) == KW_ROW) seen++;
    EQUAL(2000, seen);
    OK(kw_rows_close(rows));
    /* A stream left open does not outlive the transaction. */
    OK(kw_query(tx, "SELECT x FROM t", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    kw_status status = kw_tx_rollback(tx, &err);
    CHECK(status == KW_OK || status == KW_MISUSE);
    seen = 0;
    while ((status = kw_rows_step(rows, &err)) == KW_ROW) seen++;
    CHECK(seen < 2000);
    OK(kw_rows_close(rows));
    OK(kw_tx_rollback(tx, &err));
    EQUAL(0, count(store));
}

static void execute_many_inside_a_transaction(void) {
    fresh();
    kw_tx tx = begin(store, KW_TX_DEFAULT);
    kw_cell good[] = {int_cell(1), int_cell(2)}, bad[] = {int_cell(3), int_cell(1)};
    OK(kw_execute_many(tx, "INSERT INTO t VALUES (?)", KW_NUL_TERMINATED, good, 1, 2, NULL, NULL, &err));
    FAILS(KW_CONSTRAINT, kw_execute_many(tx, "INSERT INTO t VALUES (?)", KW_NUL_TERMINATED, bad, 1, 2, NULL, NULL, &err));
    EQUAL(2, count(tx));
    OK(kw_tx_commit(tx, &err));
    EQUAL(2, count(store));
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("tx.db");
    RUN(commit_keeps_and_rollback_undoes);
    RUN(others_see_nothing_before_the_commit);
    RUN(savepoints_nest);
    RUN(rolling_back_the_outer_ends_the_inner);
    RUN(committing_the_outer_first);
    RUN(a_failed_statement_leaves_the_transaction_open);
    RUN(the_engine_may_end_it);
    RUN(a_refused_commit_leaves_it_open);
    RUN(read_only_transactions_have_one_snapshot);
    RUN(transaction_statements_as_text_are_refused);
    RUN(waiting_for_oneself_is_told_at_once);
    RUN(rows_of_a_transaction);
    RUN(execute_many_inside_a_transaction);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
