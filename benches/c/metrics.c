/* What being watched costs: a point read with everything on (listener, log of slow calls at 100 ms, report of statements) less the same with
 * `metrics.enabled` false. */
#include <string.h>

#include "bench.h"

static kw_store open_with(const char *path, const char *settings) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    int fine = kw_config_new(&config, &err) == KW_OK && kw_config_load_uri(config, path, KW_NUL_TERMINATED, &err) == KW_OK &&
               kw_config_load_yaml(config, settings, KW_NUL_TERMINATED, &err) == KW_OK && kw_open(config, &store, &err) == KW_OK;
    if (!fine) fail("%s: %s", path, err.message);
    kw_config_free(config);
    return store;
}

void measure_metrics(const char *floor_path) {
    const char *watched_path = path_in_folder("watched.db"), *silent_path = path_in_folder("silent.db");
    copy_file(floor_path, watched_path);
    copy_file(floor_path, silent_path);
    kw_store watched = open_with(watched_path, "metrics:\n  enabled: true\n  listen: 127.0.0.1:0\n  slow_query: 100\n  statements: 500\n");
    kw_store silent = open_with(silent_path, "metrics:\n  enabled: false\n");
    comparison c = {
        .peer = "metrics off", .operations = 2000, .rounds = rounds(301, 101), .count = 2,
        .sides = {
            {.run = ours_point, .self = &silent},
            {"c.metrics.point_ratio", "c", "point read, everything measured", 0, ours_point, &watched},
        },
    };
    double more[MOST_ROUNDS];
    measure(&c);
    for (int i = 0; i < c.rounds; i++) more[i] = c.nanos[1][i] - c.nanos[0][i];
    report(&c);
    report_limit("c.metrics.point", "a point read with listener, slow-query log and statement report, less one with metrics off", more, c.rounds, 60);
    ours_close(watched);
    ours_close(silent);
    remove_database(watched_path);
    remove_database(silent_path);
}
