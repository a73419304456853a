/* The demo in C: load a fifth of a dependency graph, ask about it from several threads, meet each kind of error, write beside others.
 *
 *   demo-c FILE SCHEMA GRAPH    loads GRAPH (see graph.py) into the database FILE and reports
 *   demo-c FILE --together N    N transactions in each of four threads, beside the other programs
 *   demo-c FILE --totals        what all programs wrote together
 */
#include "demo.h"

#define USAGE "usage: demo-c FILE SCHEMA GRAPH | FILE --together N | FILE --totals"
#define LANGUAGE "C"
#define THREADS 4

static int64_t query_integer(kw_target target, const char *sql) {
    kw_error err = KW_ERROR_INIT;
    kw_cell cells[8];
    kw_fetch fetch = KW_FETCH_INIT;
    must(kw_query_into(target, sql, TEXT, NULL, 0, NULL, cells, sizeof cells, &fetch, &err), &err);
    require(fetch.rows == 1 && cells[0].type == KW_INTEGER, sql);
    return cells[0].value.integer;
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *all = NULL;
    size_t size = 0, got;
    require(file != NULL, path);
    do {
        require((all = realloc(all, size + 65537)) != NULL, "out of memory");
        size += got = fread(all + size, 1, 65536, file);
    } while (got > 0);
    fclose(file);
    all[size] = '\0';
    return all;
}

kw_store open_store(const char *path) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    must(kw_config_new(&config, &err), &err);
    must(kw_config_set(config, "datasource", TEXT, path, TEXT, &err), &err);
    must(kw_config_set(config, "pool.max_open", TEXT, "8", TEXT, &err), &err);
    must(kw_config_set(config, "query.timeout", TEXT, "30s", TEXT, &err), &err);
    must(kw_open(config, &store, &err), &err);
    kw_config_free(config);
    return store;
}

/* ---------------------------------------------------------------------------------------------------------- load -- */

/* Parameters of execute_many, row after row. */
typedef struct {
    kw_cell cells[8192];
    size_t count;
} matrix;

static void add(matrix *m, kw_cell cell) {
    require(m->count < COUNT(m->cells), "the graph is too large for this demo");
    m->cells[m->count++] = cell;
}

static void insert_all(kw_target target, const char *sql, const matrix *m, size_t columns) {
    kw_error err = KW_ERROR_INIT;
    must(kw_execute_many(target, sql, TEXT, m->cells, columns, m->count / columns, NULL, NULL, &err), &err);
}

static void load(kw_store store, const char *path) {
    static matrix licences, packages, edges;
    kw_error err = KW_ERROR_INIT;
    kw_result run = KW_RESULT_INIT;
    kw_cell language = text(LANGUAGE);
    kw_tx tx = 0, savepoint = 0;
    char *all = read_file(path), *rest = all, *line;
    must(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err), &err);
    must(kw_execute(tx, "INSERT INTO run(language) VALUES (?)", TEXT, &language, 1, NULL, &run, &err), &err);
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        char *field[8] = {NULL}, *from = line;
        size_t n = 0;
        while (n < COUNT(field) && (field[n] = strtok_r(from, "\t", &from)) != NULL) n++;
        if (n < 5 || strcmp(field[n - 1], LANGUAGE) != 0) continue; /* another program's share */
        if (strcmp(field[0], "package") == 0) {
            add(&licences, text(field[4]));
            add(&packages, integer(atoll(field[1])));
            for (int i = 2; i <= 4; i++) add(&packages, text(field[i]));
            for (int i = 5; i <= 6; i++) add(&packages, integer(atoll(field[i])));
            add(&packages, integer(run.last_insert_id));
        } else {
            for (int i = 1; i <= 2; i++) add(&edges, integer(atoll(field[i])));
            add(&edges, text(field[3]));
        }
    }
    insert_all(tx, "INSERT INTO licence(name) VALUES (?) ON CONFLICT DO NOTHING", &licences, 1);
    insert_all(tx, "INSERT INTO package(id, name, version, licence_id, features, targets, run_id) "
                   "SELECT ?1, ?2, ?3, licence.id, ?5, ?6, ?7 FROM licence WHERE licence.name = ?4", &packages, 7);
    insert_all(tx, "INSERT INTO edge(package_id, dependency_id, kind) VALUES (?, ?, ?)", &edges, 3);

    /* A savepoint: a try that fails takes nothing else with it. */
    must(kw_tx_begin(tx, KW_TX_DEFAULT, NULL, &savepoint, &err), &err);
    must(kw_execute(savepoint, "UPDATE package SET features = 0", TEXT, NULL, 0, NULL, NULL, &err), &err);
    kw_status status = kw_execute(savepoint, "INSERT INTO edge VALUES (1000000, 1, 'normal')", TEXT, NULL, 0, NULL, NULL, &err);
    require(status == KW_CONSTRAINT, "the foreign key should have refused this");
    must(kw_tx_rollback(savepoint, NULL), &err);
    must(kw_tx_commit(tx, &err), &err);
    free(all);
    printf("  loaded     %zu packages and %zu dependencies; the file has %lld and %lld now\n", packages.count / 7, edges.count / 3,
           (long long)query_integer(store, "SELECT count(*) FROM package"), (long long)query_integer(store, "SELECT count(*) FROM edge"));
    printf("  savepoint  undone after: %s\n", err.message);
}

/* Creates the tables; every program may, the first one does. */
static void create_tables(kw_store store, const char *path) {
    kw_error err = KW_ERROR_INIT;
    char *script = read_file(path);
    must(kw_execute_script(store, script, TEXT, NULL, NULL, &err), &err);
    free(script);
}

/* A transaction that is rolled back leaves no trace. */
static void change_and_roll_back(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_tx tx = 0;
    const char *count = "SELECT count(*) FROM edge";
    long long before = query_integer(store, count), inside, after;
    must(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err), &err);
    must(kw_execute(tx, "DELETE FROM edge", TEXT, NULL, 0, NULL, NULL, &err), &err);
    inside = query_integer(tx, count);
    must(kw_tx_rollback(tx, &err), &err);
    after = query_integer(store, count);
    require(inside == 0 && after == before, "the rollback did not restore the dependencies");
    printf("  rollback   %lld dependencies, %lld after DELETE, %lld after the rollback\n", before, inside, after);
}

/* ------------------------------------------------------------------------------------------------------ together -- */

typedef struct {
    kw_store store;
    int number, transactions, retries;
} worker;

/* One commit: the counter and its note. */
static kw_status count_one(kw_store store, int thread, kw_error *err) {
    kw_cell note[] = {integer(thread), text(LANGUAGE)};
    kw_tx tx = 0;
    kw_status status = kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, err);
    if (status != KW_OK) return status;
    status = kw_execute(tx, "UPDATE counter SET value = value + 1 WHERE name = 'commits'", TEXT, NULL, 0, NULL, NULL, err);
    if (status == KW_OK) {
        status = kw_execute(tx, "INSERT INTO note(run_id, thread) SELECT id, ? FROM run WHERE language = ?", TEXT, note, 2, NULL, NULL, err);
    }
    if (status == KW_OK) status = kw_tx_commit(tx, err);
    if (status != KW_OK) kw_tx_rollback(tx, NULL);
    return status;
}

static void *work(void *argument) {
    worker *w = argument;
    for (int i = 0; i < w->transactions; i++) {
        kw_error err = KW_ERROR_INIT;
        kw_status status;
        while ((status = count_one(w->store, w->number, &err)) != KW_OK) {
            if ((err.flags & (KW_ERROR_RETRY_STATEMENT | KW_ERROR_RETRY_TRANSACTION)) == 0) must(status, &err);
            w->retries++;
        }
        /* Whatever the others do meanwhile, one query sees one state. */
        require(query_integer(w->store, "SELECT value - (SELECT count(*) FROM note) FROM counter") == 0, "a snapshot was torn");
    }
    return NULL;
}

static void together(kw_store store, int transactions) {
    kw_error err = KW_ERROR_INIT;
    kw_cell promise[] = {integer(THREADS * transactions), text(LANGUAGE)};
    worker workers[THREADS];
    pthread_t threads[THREADS];
    int retries = 0;
    must(kw_execute(store, "UPDATE run SET promised = promised + ? WHERE language = ?", TEXT, promise, 2, NULL, NULL, &err), &err);
    while (query_integer(store, "SELECT count(*) FROM run WHERE promised = 0") > 0) { /* until all programs are there */
        nanosleep(&(struct timespec){0, 2 * 1000 * 1000}, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){store, i, transactions, 0};
        require(pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "pthread_create failed");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        retries += workers[i].retries;
    }
    printf("  %-8s %d threads committed %d transactions each; %d were run again\n", LANGUAGE, THREADS, transactions, retries);
}

static void totals(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_cell cell[64];
    kw_fetch fetch = KW_FETCH_INIT;
    must(kw_query_into(store, "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge), (SELECT sum(promised) FROM run), "
                              "(SELECT value FROM counter), (SELECT count(*) FROM note), (SELECT count(*) FROM hand_over), "
                              "(SELECT * FROM pragma_integrity_check)",
                       TEXT, NULL, 0, NULL, cell, sizeof cell, &fetch, &err), &err);
    const char *integrity = cell[6].value.data;
    printf("  %-8s", LANGUAGE);
    for (int i = 0; i < 6; i++) printf("%14lld", (long long)cell[i].value.integer);
    printf("  %s\n", integrity);
    require(cell[2].value.integer == cell[3].value.integer && cell[3].value.integer == cell[4].value.integer, "the totals differ");
    require(strcmp(integrity, "ok") == 0, "the file is damaged");
}

int main(int argc, char **argv) {
    kw_error err = KW_ERROR_INIT;
    require(argc >= 3, USAGE);
    kw_store store = open_store(argv[1]);
    if (strcmp(argv[2], "--together") == 0 && argc == 4) {
        together(store, atoi(argv[3]));
    } else if (strcmp(argv[2], "--totals") == 0 && argc == 3) {
        totals(store);
    } else {
        require(argc == 4, USAGE);
        printf("C, by keepwell.h %s\n\n", kw_version());
        create_tables(store, argv[2]);
        load(store, argv[3]);
        change_and_roll_back(store);
        report(store);
        show_errors(store, argv[1]);
    }
    must(kw_store_close(store, -1, &err), &err);
    return 0;
}
