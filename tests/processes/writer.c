/* One of the writers of writers.py, in C: see there for what it does and says. */
#include <keepwell.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define INSERT "INSERT INTO w(process, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)"

typedef struct {
    kw_store store;
    const char *process;
    int thread, operations;
} Writer;

static kw_cell integer(int64_t value) { return (kw_cell){{value}, 0, KW_INTEGER}; }

static kw_cell text(const char *value) {
    kw_cell cell = {{0}, UINT32_MAX, KW_TEXT};
    cell.value.data = value;
    return cell;
}

static void fill(kw_cell *rows, const Writer *me, int sequence, int parts) {
    for (int part = 0; part < parts; part++, rows += 5) {
        rows[0] = text(me->process);
        rows[1] = integer(me->thread);
        rows[2] = integer(sequence);
        rows[3] = integer(part);
        rows[4] = integer(parts);
    }
}

static kw_status single(const Writer *me, int sequence, int64_t timeout_us, kw_error *err) {
    kw_cell row[5];
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = timeout_us;
    fill(row, me, sequence, 1);
    return kw_execute(me->store, INSERT, KW_NUL_TERMINATED, row, 5, &options, NULL, err);
}

static kw_status transaction(const Writer *me, int sequence, kw_error *err) {
    kw_cell rows[15];
    kw_tx tx = 0;
    fill(rows, me, sequence, 3);
    kw_status status = kw_tx_begin(me->store, KW_TX_DEFAULT, NULL, &tx, err);
    for (int part = 0; status == KW_OK && part < 3; part++) {
        status = kw_execute(tx, INSERT, KW_NUL_TERMINATED, rows + 5 * part, 5, NULL, NULL, err);
    }
    return status == KW_OK ? kw_tx_commit(tx, err) : status;
}

static kw_status many(const Writer *me, int sequence, kw_error *err) {
    kw_cell rows[25];
    fill(rows, me, sequence, 5);
    return kw_execute_many(me->store, INSERT, KW_NUL_TERMINATED, rows, 5, 5, NULL, NULL, err);
}

static void *work(void *context) {
    const Writer *me = context;
    for (int sequence = 0; sequence < me->operations; sequence++) {
        kw_error err = KW_ERROR_INIT;
        kw_status status = KW_OK;
        switch (sequence % 8) {
        case 0: status = transaction(me, sequence, &err); break;
        case 4: status = many(me, sequence, &err); break;
        case 6: status = single(me, sequence, 3000, &err); break;
        default: status = single(me, sequence, 0, &err);
        }
        if (status == KW_TIMEOUT && sequence % 8 == 6) {
            printf("refused %d %d\n", me->thread, sequence);
        } else if (status != KW_OK) {
            fprintf(stderr, "%s, thread %d, operation %d: %s: %s\n", me->process, me->thread, sequence, kw_status_name(status), err.message);
            exit(1);
        }
    }
    return NULL;
}

static kw_store open_store(const char *path, const char *synchronous) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, path, KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_config_set(config, "query.timeout", KW_NUL_TERMINATED, "60s", KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_config_set(config, "options.synchronous", KW_NUL_TERMINATED, synchronous, KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    kw_config_free(config);
    return store;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    static Writer writers[MOST];
    static pthread_t threads[MOST];
    if (argc != 6) return 2;
    int count = atoi(argv[3]) < MOST ? atoi(argv[3]) : MOST;
    kw_store store = open_store(argv[1], argv[5]);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF) return 1;
    for (int i = 0; i < count; i++) {
        writers[i] = (Writer){store, argv[2], i, atoi(argv[4])};
        if (pthread_create(&threads[i], NULL, work, &writers[i]) != 0) return 1;
    }
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    kw_error err = KW_ERROR_INIT;
    if (kw_store_close(store, -1, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    puts("done");
    return 0;
}
