/* keepwell from C: kw_tx_run, a transaction that is run again while another process or store is in the way.
 *
 *   cc -o run run.c $(pkg-config --cflags --libs keepwell) -lpthread && ./run
 *
 * Two stores on one file stand in for two processes. All of them move money between the same two accounts, beginning with a
 * read: whoever wants to write after another one has committed meets KW_CONFLICT, and kw_tx_run runs its body again.
 */
#include <keepwell.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TEXT KW_NUL_TERMINATED /* a length that says: until the NUL */
#define NOT_ENOUGH (-1)        /* a code of our own: keepwell's are positive */
#define MOVES 1000

struct transfer {
    int64_t from, to, amount;
    int runs; /* how often the body was run: what it leaves outside of the database has to bear that */
};

static kw_status balance_of(kw_tx tx, int64_t account, int64_t *balance, kw_error *err) {
    kw_cell key = {{0}, 0, KW_INTEGER};
    kw_rows rows = 0;
    key.value.integer = account;
    kw_status status = kw_query(tx, "SELECT balance FROM account WHERE id = ?", TEXT, &key, 1, NULL, &rows, err);
    if (status != KW_OK) return status;
    status = kw_rows_step(rows, err);
    if (status == KW_ROW) status = kw_rows_int64(rows, 0, balance, err);
    kw_rows_close(rows);
    return status;
}

static kw_status add(kw_tx tx, int64_t account, int64_t amount, kw_error *err) {
    kw_cell params[2] = {{{0}, 0, KW_INTEGER}, {{0}, 0, KW_INTEGER}};
    params[0].value.integer = amount;
    params[1].value.integer = account;
    return kw_execute(tx, "UPDATE account SET balance = balance + ? WHERE id = ?", TEXT, params, 2, NULL, NULL, err);
}

/* The body: what it returns decides. KW_OK commits; everything else rolls back, and what another one's commit caused runs it again.
 * It passes its err on to every call, because that is where kw_tx_run reads what to do. */
static int32_t transfer(kw_tx tx, void *context, kw_error *err) {
    struct transfer *order = context;
    int64_t balance = 0;
    order->runs++;
    kw_status status = balance_of(tx, order->from, &balance, err);
    if (status != KW_OK) return status;
    if (balance < order->amount) return NOT_ENOUGH;
    if ((status = add(tx, order->from, -order->amount, err)) != KW_OK) return status;
    return add(tx, order->to, order->amount, err);
}

static kw_store open_file(const char *path) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, path, TEXT, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK) {
        fprintf(stderr, "%s: %s\n", path, err.message);
    }
    kw_config_free(config);
    return store;
}

struct worker {
    kw_store store;
    int64_t from, to;
    int moved, runs;
};

static void *work(void *argument) {
    struct worker *worker = argument;
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 60 * 1000000; /* for everything: the wait for the writer, all runs, and the pauses between them */
    for (int i = 0; i < MOVES; i++) {
        kw_error err = KW_ERROR_INIT;
        struct transfer order = {worker->from, worker->to, 1, 0};
        kw_status status = kw_tx_run(worker->store, KW_TX_DEFERRED, &options, transfer, &order, &err);
        worker->runs += order.runs;
        if (status == KW_OK) worker->moved++;
        else if (status != NOT_ENOUGH) fprintf(stderr, "%s: %s\n", kw_status_name(status), err.message);
    }
    return NULL;
}

int main(void) {
    remove("run.db");
    struct worker workers[2] = {{open_file("run.db"), 1, 2, 0, 0}, {open_file("run.db"), 2, 1, 0, 0}};
    kw_error err = KW_ERROR_INIT;
    if (kw_execute_script(workers[0].store, "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));"
                                            "INSERT INTO account VALUES (1, 1000), (2, 1000)", TEXT, NULL, NULL, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, &workers[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);

    struct transfer too_much = {1, 2, 5000, 0};
    kw_status refused = kw_tx_run(workers[0].store, KW_TX_DEFAULT, NULL, transfer, &too_much, &err);
    int moved = workers[0].moved + workers[1].moved, runs = workers[0].runs + workers[1].runs;
    printf("%d moves in %d runs; more than there is: %s\n", moved, runs, refused == NOT_ENOUGH ? "refused" : "moved?");
    for (int i = 0; i < 2; i++) kw_store_close(workers[i].store, -1, NULL);
    return moved == 2 * MOVES && refused == NOT_ENOUGH ? 0 : 1;
}
