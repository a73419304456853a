/* Many threads on one store: sums agree, nothing is lost, wrong sharing is an error and no crash. */
#include "check.h"

#include <pthread.h>

static kw_store store;

enum { THREADS = 8 };
static int rounds = 300; /* fewer under valgrind: see KEEPWELL_TEST_ROUNDS */

static void on_threads(void *(*body)(void *)) {
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, body, (void *)i) != 0) exit(2);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void *insert_and_read(void *argument) {
    int64_t me = (int64_t)(intptr_t)argument;
    for (int i = 0; i < rounds; i++) {
        kw_cell cells[] = {int_cell(me), int_cell(i)};
        kw_result result = KW_RESULT_INIT;
        OK(kw_execute(store, "INSERT INTO t(who, n) VALUES (?, ?)", KW_NUL_TERMINATED, cells, 2, NULL, &result, &err));
        EQUAL(1, result.rows_affected);
        /* What this thread wrote it reads back at once, whatever the others do. */
        kw_rows rows = 0;
        kw_cell id = int_cell(result.last_insert_id);
        int64_t who = -1, n = -1;
        OK(kw_query(store, "SELECT who, n FROM t WHERE id = ?", KW_NUL_TERMINATED, &id, 1, NULL, &rows, &err));
        FAILS(KW_ROW, kw_rows_step(rows, &err));
        OK(kw_rows_int64(rows, 0, &who, &err));
        OK(kw_rows_int64(rows, 1, &n, &err));
        OK(kw_rows_close(rows));
        EQUAL(me, who);
        EQUAL(i, n);
    }
    return NULL;
}

static void writers_and_readers(void) {
    EXEC(store, "CREATE TABLE t(id INTEGER PRIMARY KEY, who, n)");
    on_threads(insert_and_read);
    EQUAL((int64_t)THREADS * rounds, QUERY_INT(store, "SELECT count(*) FROM t"));
    EQUAL(THREADS, QUERY_INT(store, "SELECT count(DISTINCT who) FROM t"));
}

static void *transfer(void *argument) {
    (void)argument;
    for (int i = 0; i < rounds; i++) {
        kw_tx tx = 0;
        OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
        EXEC(tx, "UPDATE account SET v = v - 1 WHERE id = 1");
        EXEC(tx, "UPDATE account SET v = v + 1 WHERE id = 2");
        EQUAL(0, QUERY_INT(tx, "SELECT sum(v) FROM account"));
        if (i % 3 == 0) OK(kw_tx_rollback(tx, &err));
        else OK(kw_tx_commit(tx, &err));
        EQUAL(0, QUERY_INT(store, "SELECT sum(v) FROM account"));
    }
    return NULL;
}

static void transfers_balance(void) {
    OK(kw_execute_script(store, "CREATE TABLE account(id INTEGER PRIMARY KEY, v); INSERT INTO account VALUES (1, 0), (2, 0)",
                         KW_NUL_TERMINATED, NULL, NULL, &err));
    on_threads(transfer);
    EQUAL((int64_t)THREADS * (rounds - (rounds + 2) / 3), QUERY_INT(store, "SELECT v FROM account WHERE id = 2"));
}

static void *stream_some(void *argument) {
    for (int i = 0; i < rounds / 10 + 1; i++) {
        kw_rows rows = 0;
        int64_t seen = 0, want = 200 + 700 * ((intptr_t)argument % 3);
        kw_cell limit = int_cell(want);
        OK(kw_query(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n",
                    KW_NUL_TERMINATED, &limit, 1, NULL, &rows, &err));
        while (kw_rows_step(rows, &err) == KW_ROW) seen++;
        EQUAL(want, seen);
        OK(kw_rows_close(rows));
    }
    return NULL;
}

static void streams_beside_each_other(void) { on_threads(stream_some); }

/* All threads use the same rows handle at once: each call works, or says that it is in use. */
static kw_rows shared;
static int64_t shared_seen;
static void *step_shared(void *argument) {
    (void)argument;
    for (;;) {
        kw_status status = kw_rows_step(shared, &err);
        if (status == KW_ROW) __atomic_add_fetch(&shared_seen, 1, __ATOMIC_RELAXED);
        else if (status == KW_MISUSE) continue;
        else {
            EQUAL(KW_DONE, status);
            return NULL;
        }
    }
}

static void one_rows_handle_in_many_threads(void) {
    OK(kw_query(store, COUNT_TO(20000), KW_NUL_TERMINATED, NULL, 0, NULL, &shared, &err));
    shared_seen = 0;
    on_threads(step_shared);
    EQUAL(20000, shared_seen);
    OK(kw_rows_close(shared));
}

static kw_tx shared_tx;
static void *use_shared_tx(void *argument) {
    (void)argument;
    for (int i = 0; i < rounds; i++) {
        kw_status status = exec_status(shared_tx, "UPDATE account SET v = v");
        CHECK(status == KW_OK || status == KW_MISUSE);
    }
    return NULL;
}

static void one_transaction_in_many_threads(void) {
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &shared_tx, &err));
    on_threads(use_shared_tx);
    OK(kw_tx_commit(shared_tx, &err));
}

/* Closing in one thread what others use: every call ends with an answer. */
static void *use_until_closed(void *argument) {
    kw_store target = *(kw_store *)argument;
    for (;;) {
        kw_rows rows = 0;
        kw_status status = kw_query(target, COUNT_TO(300), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err);
        if (status == KW_OK) {
            while ((status = kw_rows_step(rows, &err)) == KW_ROW) {}
            OK(kw_rows_close(rows));
        }
        if (status != KW_OK && status != KW_DONE) {
            CHECK(status == KW_CLOSED || status == KW_INVALID_HANDLE || status == KW_CANCELLED);
            return NULL;
        }
    }
}

static void a_store_closed_under_its_users(void) {
    for (int round = 0; round < 5; round++) {
        kw_store other = open_file("closing.db");
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, use_until_closed, &other);
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        OK(kw_store_close(other, 2000000, &err));
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    }
}

static void *open_and_close(void *argument) {
    char name[32];
    snprintf(name, sizeof name, "own%d.db", (int)(intptr_t)argument);
    char path[4300];
    snprintf(path, sizeof path, "%s/%s", temp_root, name);
    for (int i = 0; i < rounds / 30 + 1; i++) {
        kw_store own = open_source(path);
        EXEC(own, "CREATE TABLE IF NOT EXISTS o(x)");
        EXEC(own, "INSERT INTO o VALUES (1)");
        EQUAL(i + 1, QUERY_INT(own, "SELECT count(*) FROM o"));
        OK(kw_store_close(own, -1, &err));
    }
    return NULL;
}

static void stores_come_and_go(void) { on_threads(open_and_close); }

/* A handle made by one thread, used and closed by another. */
static void *finish(void *argument) {
    kw_tx tx = *(kw_tx *)argument;
    EXEC(tx, "INSERT INTO t(who) VALUES (99)");
    OK(kw_tx_commit(tx, &err));
    return NULL;
}

static void handles_may_move_between_threads(void) {
    kw_tx tx = 0;
    pthread_t thread;
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    pthread_create(&thread, NULL, finish, &tx);
    pthread_join(thread, NULL);
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t WHERE who = 99"));
    /* This thread no longer counts as the holder. */
    EXEC(store, "DELETE FROM t WHERE who = 99");
}

int main(int argc, char **argv) {
    (void)argc;
    const char *setting = getenv("KEEPWELL_TEST_ROUNDS");
    if (setting != NULL) rounds = atoi(setting);
    store = open_file("threads.db");
    RUN(writers_and_readers);
    RUN(transfers_balance);
    RUN(streams_beside_each_other);
    RUN(one_rows_handle_in_many_threads);
    RUN(one_transaction_in_many_threads);
    RUN(a_store_closed_under_its_users);
    RUN(stores_come_and_go);
    RUN(handles_may_move_between_threads);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
