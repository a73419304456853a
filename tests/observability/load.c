/* A program that knows exactly what it did, for counters to be compared with.
 *
 *   load work|trouble FOLDER
 *
 * Opens FOLDER/NAME.db with the listener and the textfile on, says "listening ADDRESS" and waits for a line. Then it works, writes its
 * metrics to FOLDER/NAME.prometheus and FOLDER/NAME.openmetrics, says what has to be counted, a line "SERIES<tab>NUMBER" each, and "done". It
 * stays, so that it can be scraped, until its standard input ends.
 */
#include "load.h"

#define THREADS 4
#define ROUNDS 500

/* ----------------------------------------------------------------------------------------------------- the tally -- */

static struct {
    char series[128];
    int64_t times;
} tally[128];
static size_t tallied;

void did(const char *series, int64_t times) {
    size_t i = 0;
    while (i < tallied && strcmp(tally[i].series, series) != 0) i++;
    require(i < sizeof tally / sizeof *tally && strlen(series) < sizeof tally[i].series, "the tally is too small");
    if (i == tallied) {
        strcpy(tally[i].series, series);
        tallied++;
    }
    tally[i].times += times;
}

void failed(kw_status want, kw_status got, const kw_error *err, const char *what) {
    char series[128];
    ends(want, got, err, what);
    snprintf(series, sizeof series, "keepwell_errors_total{code=\"%s\"}", kw_status_name(want));
    did(series, 1);
}

/* ------------------------------------------------------------------------------------------------------ the store -- */

kw_store open_store(const char *path, const char *const *settings) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_set(config, "datasource", TEXT, path, TEXT, &err));
    for (; *settings != NULL; settings += 2) OK(kw_config_set(config, settings[0], TEXT, settings[1], TEXT, &err));
    OK(kw_open(config, &store, &err));
    kw_config_free(config);
    return store;
}

static void migrate(kw_store store) {
    static const char *const ups[] = {
        "CREATE TABLE account(id INTEGER PRIMARY KEY, name TEXT UNIQUE, balance INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE entry(id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account(id), amount INTEGER NOT NULL)",
        "CREATE TABLE note(thread INTEGER, round INTEGER)",
    };
    kw_error err = KW_ERROR_INIT;
    kw_migrations migrations = 0;
    OK(kw_migrations_new(store, &migrations, &err));
    for (int i = 0; i < 3; i++) {
        kw_migration migration = KW_MIGRATION_INIT;
        migration.version = i + 1;
        migration.description = "step";
        migration.up = ups[i];
        OK(kw_migrations_add(migrations, &migration, &err));
    }
    OK(kw_migrate(migrations, KW_MIGRATE_UP, NULL, NULL, &err));
    OK(kw_migrate(migrations, KW_MIGRATE_UP, NULL, NULL, &err)); /* applied once: the second time there is nothing to do */
    kw_migrations_free(migrations);
    did("keepwell_migrations_applied_total", 3);
    did("keepwell_migrations_version", 3);
}

void prepare(kw_store store) {
    static kw_cell rows[ACCOUNTS * 2];
    static char names[ACCOUNTS][16];
    kw_error err = KW_ERROR_INIT;
    migrate(store);
    for (int i = 0; i < ACCOUNTS; i++) {
        snprintf(names[i], sizeof names[i], "account %d", i + 1);
        rows[2 * i] = integer(i + 1);
        rows[2 * i + 1] = text(names[i]);
    }
    OK(kw_execute_many(store, "INSERT INTO account(id, name) VALUES (?, ?)", TEXT, rows, 2, ACCOUNTS, NULL, NULL, &err));
    did(WRITES, 1);
    did(CHANGED, ACCOUNTS);
    did(TX("committed"), 1);
}

int64_t read_number(kw_target target, const char *sql, const kw_options *options) {
    kw_error err = KW_ERROR_INIT;
    kw_cell cells[4];
    kw_fetch fetch = KW_FETCH_INIT;
    OK(kw_query_into(target, sql, TEXT, NULL, 0, options, cells, sizeof cells, &fetch, &err));
    require(fetch.rows == 1 && cells[0].type == KW_INTEGER, sql);
    did(READS, 1);
    did(RETURNED, 1);
    return cells[0].value.integer;
}

/* ---------------------------------------------------------------------------------------------------------- work -- */

typedef struct {
    kw_store store;
    int number;
} worker;

/* Of ten rounds one is a transaction of two writes, each fourth of which is rolled back; the others are a point read and a single write. */
static int is_transaction(int round) { return round % 10 == 0; }
static int is_undone(int round) { return round % 40 == 0; }

static void *rounds(void *argument) {
    const worker *me = argument;
    kw_error err = KW_ERROR_INIT;
    for (int round = 0; round < ROUNDS; round++) {
        kw_cell note[] = {integer(me->number), integer(round)}, account = integer(1 + round % ACCOUNTS), cells[8];
        kw_fetch fetch = KW_FETCH_INIT;
        kw_tx tx = 0;
        if (is_transaction(round)) {
            OK(kw_tx_begin(me->store, KW_TX_IMMEDIATE, NULL, &tx, &err));
            OK(kw_execute(tx, "UPDATE account SET balance = balance + 1 WHERE id = ?", TEXT, &account, 1, NULL, NULL, &err));
            OK(kw_execute(tx, "INSERT INTO note VALUES (?, ?)", TEXT, note, 2, NULL, NULL, &err));
            OK(is_undone(round) ? kw_tx_rollback(tx, &err) : kw_tx_commit(tx, &err));
        } else {
            OK(kw_query_into(me->store, "SELECT balance FROM account WHERE id = ?", TEXT, &account, 1, NULL, cells, sizeof cells, &fetch, &err));
            require(fetch.rows == 1, "an account is missing");
            OK(kw_execute(me->store, "INSERT INTO note VALUES (?, ?)", TEXT, note, 2, NULL, NULL, &err));
        }
    }
    return NULL;
}

static void many_threads(kw_store store) {
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){store, i};
        require(pthread_create(&threads[i], NULL, rounds, &workers[i]) == 0, "pthread_create failed");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (int round = 0; round < ROUNDS; round++) {
            did(WRITES, is_transaction(round) ? 2 : 1);
            did(CHANGED, is_transaction(round) ? 2 : 1);
            did(READS, !is_transaction(round));
            did(RETURNED, !is_transaction(round));
            did(TX("committed"), is_transaction(round) && !is_undone(round));
            did(TX("rolled_back"), is_undone(round));
        }
    }
}

/* Reads that stream, a script, and independent writes in one call. */
static void larger_calls(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    int64_t seen = 0;
    OK(kw_query(store, "SELECT id, name FROM account", TEXT, NULL, 0, NULL, &rows, &err));
    do {
        OK(kw_rows_next_batch(rows, &batch, &err));
        seen += batch.rows;
    } while (batch.rows > 0);
    kw_rows_close(rows);
    require(seen == ACCOUNTS, "rows are missing");
    did(READS, 1);
    did(RETURNED, ACCOUNTS);

    OK(kw_execute_script(store, "INSERT INTO note VALUES (-1, 1); INSERT INTO note VALUES (-1, 2); DELETE FROM note WHERE thread = -1;", TEXT,
                         NULL, NULL, &err));
    did(WRITES, 3);
    did(CHANGED, 4);

    kw_write writes[64];
    kw_cell params[64][2];
    for (int i = 0; i < 64; i++) {
        params[i][0] = integer(-2);
        params[i][1] = integer(i);
        writes[i] = (kw_write)KW_WRITE_INIT;
        writes[i].sql = "INSERT INTO note VALUES (?, ?)";
        writes[i].sql_len = TEXT;
        writes[i].params = params[i];
        writes[i].param_count = 2;
    }
    OK(kw_execute_group(store, writes, 64, &err));
    for (int i = 0; i < 64; i++) require(writes[i].status == KW_OK, "a write of the group failed");
    did(WRITES, 64);
    did(CHANGED, 64);
}

/* One result is missed, then hit; a write drops it. A function that nobody can follow goes past the cache, and so does a transaction. */
static void cached(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_options options = KW_OPTIONS_INIT;
    kw_cell cells[8];
    kw_fetch fetch = KW_FETCH_INIT;
    kw_tx tx = 0;
    const char *sum = "SELECT sum(balance) FROM account";
    options.cache = KW_CACHE_USE;
    for (int i = 0; i < 10; i++) {
        read_number(store, sum, &options); /* counted as a read each: hits run nothing */
        for (int hit = 0; hit < 20; hit++) {
            OK(kw_query_into(store, sum, TEXT, NULL, 0, &options, cells, sizeof cells, &fetch, &err));
            require((fetch.flags & KW_BATCH_CACHED) != 0, "the cache had no result");
        }
        OK(kw_execute(store, "UPDATE account SET balance = balance + 1 WHERE id = 1", TEXT, NULL, 0, NULL, NULL, &err));
    }
    did("keepwell_cache_misses_total", 10);
    did("keepwell_cache_hits_total", 200);
    did("keepwell_cache_invalidated_total", 9); /* noticed when it is asked for again */
    did(WRITES, 10);
    did(CHANGED, 10);
    for (int i = 0; i < 3; i++) read_number(store, "SELECT abs(random()) % 10", &options);
    did("keepwell_cache_bypasses_total{reason=\"function\"}", 3);
    OK(kw_tx_begin(store, KW_TX_READ_ONLY, NULL, &tx, &err));
    for (int i = 0; i < 2; i++) read_number(tx, sum, &options);
    OK(kw_tx_commit(tx, &err));
    did("keepwell_cache_bypasses_total{reason=\"transaction\"}", 2);
    did(TX("committed"), 1);
}

void work(kw_store store) {
    larger_calls(store);
    cached(store);
    many_threads(store);
    read_number(store, "SELECT count(*) FROM note", NULL);
}

/* ---------------------------------------------------------------------------------------------------------- main -- */

static void write_metrics(kw_store store, uint32_t format, const char *path) {
    kw_error err = KW_ERROR_INIT;
    size_t length = 0, got = 0;
    char *all = NULL;
    do {
        require((all = realloc(all, got = length + 4096)) != NULL, "out of memory");
        OK(kw_metrics_text(store, format, all, got, &length, &err));
    } while (length >= got);
    FILE *file = fopen(path, "wb");
    require(file != NULL && fwrite(all, 1, length, file) == length && fclose(file) == 0, path);
    free(all);
}

int main(int argc, char **argv) {
    kw_error err = KW_ERROR_INIT;
    require(argc == 3, "usage: load work|trouble FOLDER");
    const char *name = argv[1], *folder = argv[2];
    char database[4096], textfile[4096], prometheus[4096], openmetrics[4096], address[256];
    size_t length = 0;
    int troubled = strcmp(name, "trouble") == 0;
    snprintf(database, sizeof database, "%s/%s.db", folder, name);
    snprintf(textfile, sizeof textfile, "%s/%s.prom", folder, name);
    snprintf(prometheus, sizeof prometheus, "%s/%s.prometheus", folder, name);
    snprintf(openmetrics, sizeof openmetrics, "%s/%s.openmetrics", folder, name);
    const char *settings[] = {"metrics.listen", "127.0.0.1:0", "metrics.file", textfile, "metrics.label", name,
                              "metrics.collect_interval", "1s", "metrics.slow_query", "2s", "pool.max_open", troubled ? "4" : "8",
                              "pool.wait_timeout", troubled ? "1s" : "30s", "pool.leak_threshold", troubled ? "5s" : "60s", "options.busy_timeout", troubled ? "400ms" : "5s", NULL};
    kw_store store = open_store(database, settings);
    OK(kw_metrics_address(store, address, sizeof address, &length, &err));
    printf("listening %s\n", address);
    fflush(stdout);
    require(getchar() != EOF, "nobody says go");

    prepare(store);
    if (troubled) {
        trouble(store, database);
    } else {
        work(store);
    }
    write_metrics(store, KW_METRICS_PROMETHEUS, prometheus);
    write_metrics(store, KW_METRICS_OPENMETRICS, openmetrics);
    for (size_t i = 0; i < tallied; i++) printf("%s\t%lld\n", tally[i].series, (long long)tally[i].times);
    printf("done\n");
    fflush(stdout);
    while (getchar() != EOF) continue;
    kw_store_close(store, 0, NULL); /* trouble leaves something open on purpose */
    return 0;
}
