/* keepwell from C: metrics, health, what statements cost, and the log.
 *
 *   cc -o observe observe.c $(pkg-config --cflags --libs keepwell) && ./observe
 *
 * While it runs, a scraper may ask http://127.0.0.1:<port>/metrics, and a probe /health.
 */
#include <keepwell.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT KW_NUL_TERMINATED /* a length that says: until the NUL */

static void fail(const char *what, const kw_error *err) {
    fprintf(stderr, "%s: %s: %s\n", what, kw_status_name(err->code), err->message);
    exit(1);
}

/* Called on the thread on which the event happens: be quick, and wait for nobody. */
static void on_event(const kw_log_event *event, void *context) {
    static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};
    fprintf(context, "[%s] %s: %s\n", levels[event->level], event->target, event->message);
}

static kw_store open_store(void) {
    static const char *const settings[][2] = {
        {"datasource", "observe.db"},
        {"metrics.listen", "127.0.0.1:0"}, /* a port of the system's choice; write 127.0.0.1:9187 for a fixed one */
        {"metrics.label", "orders"},       /* what the store is called in metrics and events */
        {"metrics.slow_query", "5ms"},     /* calls that take as long are logged with their plan */
    };
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    if (kw_config_new(&config, &err) != KW_OK) fail("config", &err);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (kw_config_set(config, settings[i][0], TEXT, settings[i][1], TEXT, &err) != KW_OK) fail(settings[i][0], &err);
    }
    if (kw_open(config, &store, &err) != KW_OK) fail("open", &err);
    kw_config_free(config);
    return store;
}

static void run(kw_store store, const char *sql) {
    kw_error err = KW_ERROR_INIT;
    if (kw_execute(store, sql, TEXT, NULL, 0, NULL, NULL, &err) != KW_OK) fail(sql, &err);
}

/* The lines of the metrics that begin with `name`. All of them: kw_metrics_text as it is, or GET /metrics. */
static void print_metrics(kw_store store, const char *name) {
    kw_error err = KW_ERROR_INIT;
    size_t size = 0, length = 0;
    char *text = NULL;
    do { /* it may have grown meanwhile */
        free(text);
        size = length + 1;
        text = malloc(size);
        if (text == NULL || kw_metrics_text(store, KW_METRICS_PROMETHEUS, text, size, &length, &err) != KW_OK) fail("metrics", &err);
    } while (length >= size);
    for (const char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, name, strlen(name)) == 0) puts(line);
    }
    free(text);
}

static void print_costs(kw_store store) {
    kw_error err = KW_ERROR_INIT;
    kw_rows rows = 0;
    if (kw_statement_report(store, KW_BY_TOTAL, 3, &rows, &err) != KW_OK) fail("report", &err);
    while (kw_rows_step(rows, &err) == KW_ROW) { /* sql, kind, calls, errors, total_seconds, ... */
        const char *sql = NULL;
        size_t length = 0;
        int64_t calls = 0;
        double seconds = 0;
        kw_rows_text(rows, 0, &sql, &length, NULL);
        kw_rows_int64(rows, 2, &calls, NULL);
        kw_rows_double(rows, 4, &seconds, NULL);
        printf("%8.3f ms in %4" PRId64 " calls: %.*s\n", seconds * 1e3, calls, (int)(length < 60 ? length : 60), sql != NULL ? sql : "(others)");
    }
    kw_rows_close(rows);
}

int main(void) {
    kw_error err = KW_ERROR_INIT;
    remove("observe.db");
    if (kw_log_set_callback(KW_LOG_INFO, on_event, stdout, &err) != KW_OK) fail("log", &err);
    kw_store store = open_store();
    char address[64];
    size_t length = 0;
    if (kw_metrics_address(store, address, sizeof address, &length, &err) != KW_OK) fail("address", &err);
    printf("metrics at http://%s/metrics\n", address);

    run(store, "CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, customer INTEGER, total REAL)");
    for (int i = 0; i < 100; i++) run(store, "INSERT INTO orders(customer, total) VALUES (abs(random()) % 10, 9.99)");
    /* Slow on purpose: on_event hears of it. */
    run(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) UPDATE orders SET total = (SELECT max(i) FROM n) WHERE id = 1");

    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 1000000;
    kw_health health = KW_HEALTH_INIT;
    if (kw_store_health(store, &options, &health, &err) != KW_OK) fail("health", &err);
    printf("%s; %" PRIu32 " of %" PRIu32 " connections open, %" PRIu64 " bytes of log\n", health.healthy ? "healthy" : health.message, health.open,
           health.max_open, health.wal_bytes);
    print_metrics(store, "keepwell_query_rows_changed_total");
    print_costs(store);
    kw_store_close(store, -1, NULL);
    kw_log_set_callback(KW_LOG_OFF, NULL, NULL, NULL);
    return health.healthy ? 0 : 1;
}
