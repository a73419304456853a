/* Configuration: keys, YAML, data sources, and what is said about wrong ones. */
#include "check.h"

static kw_config new_config(void) {
    kw_config config = 0;
    OK(kw_config_new(&config, &err));
    CHECK(config != 0);
    return config;
}

static kw_status set(kw_config config, const char *key, const char *value) {
    return kw_config_set(config, key, KW_NUL_TERMINATED, value, KW_NUL_TERMINATED, &err);
}

/* A wrong key or value may be refused when it is set or, at the latest, when the store is opened. */
static kw_status set_and_open(const char *key, const char *value) {
    kw_config config = new_config();
    kw_store store = 0;
    OK(kw_config_load_uri(config, ":memory:", KW_NUL_TERMINATED, &err));
    kw_status status = set(config, key, value);
    if (status == KW_OK) status = kw_open(config, &store, &err);
    if (status == KW_OK) kw_store_close(store, 0, NULL);
    kw_config_free(config);
    return status;
}

static void keys_are_taken(void) {
    static const char *const good[][2] = {{"pool.max_open", "8"}, {"pool.max_idle", "2"},      {"pool.max_lifetime", "300"},
                                          {"cache.enabled", "true"}, {"cache.ttl", "300"},     {"cache.size", "1000"},
                                          {"metrics.enabled", "true"}, {"metrics.collect_interval", "10"}, {"driver", "sqlite3"}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) OK(set_and_open(good[i][0], good[i][1]));
}

static void lengths_are_honoured(void) {
    kw_config config = new_config();
    kw_store store = 0;
    OK(kw_config_set(config, "datasourceXXX", 10, ":memory:YYY", 8, &err));
    OK(kw_open(config, &store, &err));
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
    OK(kw_store_close(store, -1, &err));
    OK(kw_config_free(config));
}

static void an_unknown_key_names_the_nearest(void) {
    FAILS(KW_CONFIG, set_and_open("pool.max_opne", "5"));
    HAS(err.message, "pool.max_opne");
    HAS(err.message, "pool.max_open");
    EQUAL(KW_CONFIG, err.code);
}

static void a_wrong_value_names_key_and_value(void) {
    FAILS(KW_CONFIG, set_and_open("pool.max_open", "many"));
    HAS(err.message, "pool.max_open");
    HAS(err.message, "many");
    FAILS(KW_CONFIG, set_and_open("pool.max_open", "-3"));
    HAS(err.message, "pool.max_open");
    FAILS(KW_CONFIG, set_and_open("cache.enabled", "perhaps"));
    HAS(err.message, "perhaps");
    FAILS(KW_CONFIG, set_and_open("driver", "oracle"));
    HAS(err.message, "oracle");
}

static const char *const yaml =
    "database:\n"
    "  driver: sqlite3\n"
    "  datasource: %s\n"
    "  pool:\n    max_open: 25\n    max_idle: 5\n    max_lifetime: 300\n"
    "  cache:\n    enabled: true\n    ttl: 300\n    size: 1000\n"
    "  metrics:\n    enabled: true\n    collect_interval: 10\n";

static void yaml_text_opens_a_store(void) {
    char text[8192];
    snprintf(text, sizeof text, yaml, temp_path("yaml.db"));
    kw_config config = new_config();
    kw_store store = 0;
    kw_stats stats = KW_STATS_INIT;
    OK(kw_config_load_yaml(config, text, strlen(text), &err));
    OK(kw_open(config, &store, &err));
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(25, stats.max_open);
    OK(kw_store_close(store, -1, &err));
    OK(kw_config_free(config));
    CHECK(access(temp_path("yaml.db"), F_OK) == 0);
}

static void a_yaml_file_opens_a_store(void) {
    char text[8192];
    snprintf(text, sizeof text, yaml, temp_path("yaml2.db"));
    write_file(temp_path("config.yaml"), text, strlen(text));
    kw_config config = new_config();
    kw_store store = 0;
    OK(kw_config_load_file(config, temp_path("config.yaml"), KW_NUL_TERMINATED, &err));
    OK(kw_open(config, &store, &err));
    OK(kw_store_close(store, -1, &err));
    OK(kw_config_free(config));
}

static void broken_yaml_is_an_error(void) {
    static const char *const broken[] = {"database: [", "database:\n  pool:\n    max_opne: 3\n", "database:\n  pool: 7\n", "- a\n- b\n", "\t: x"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        kw_config config = new_config();
        FAILS(KW_CONFIG, kw_config_load_yaml(config, broken[i], KW_NUL_TERMINATED, &err));
        CHECK(err.message[0] != 0);
        OK(kw_config_free(config));
    }
}

static void a_missing_file_is_named(void) {
    kw_config config = new_config();
    kw_status status = kw_config_load_file(config, temp_path("nowhere.yaml"), KW_NUL_TERMINATED, &err);
    CHECK(status != KW_OK);
    HAS(err.message, "nowhere.yaml");
    OK(kw_config_free(config));
}

static void a_configuration_serves_several_stores(void) {
    kw_config config = new_config();
    kw_store a = 0, b = 0;
    OK(kw_config_load_uri(config, ":memory:", KW_NUL_TERMINATED, &err));
    OK(kw_open(config, &a, &err));
    OK(kw_open(config, &b, &err));
    CHECK(a != b);
    EXEC(a, "CREATE TABLE only_in_a(x)");
    FAILS(KW_SQL, exec_status(b, "INSERT INTO only_in_a VALUES (1)"));
    OK(kw_store_close(a, -1, &err));
    OK(kw_store_close(b, -1, &err));
    OK(kw_config_free(config));
}

static void data_sources(void) {
    char uri[4400];
    snprintf(uri, sizeof uri, "file:%s?cache=shared&mode=rwc", temp_path("uri.db"));
    kw_store store = open_source(uri);
    EXEC(store, "CREATE TABLE t(x)");
    OK(kw_store_close(store, -1, &err));
    store = open_source(temp_path("uri.db"));
    EQUAL(0, QUERY_INT(store, "SELECT count(*) FROM t"));
    OK(kw_store_close(store, -1, &err));
}

static void what_has_no_effect_is_said(void) {
    char uri[4400];
    const char *text = NULL;
    size_t size = 0;
    uint32_t count = 99;
    kw_store store = open_source(":memory:");
    OK(kw_store_warning_count(store, &count, &err));
    EQUAL(0, count);
    FAILS(KW_MISUSE, kw_store_warning(store, 0, &text, &size, &err));
    FAILS(KW_MISUSE, kw_store_warning_count(store, NULL, &err));
    OK(kw_store_close(store, -1, &err));
    snprintf(uri, sizeof uri, "file:%s?cache=shared", temp_path("warn.db"));
    store = open_source(uri);
    OK(kw_store_warning_count(store, &count, &err));
    CHECK(count >= 1);
    OK(kw_store_warning(store, 0, &text, &size, &err));
    CHECK(size > 0 && text[0] != 0);
    FAILS(KW_MISUSE, kw_store_warning(store, 0, NULL, &size, &err));
    OK(kw_store_close(store, -1, &err));
    CHECK(size > 0 && memchr(text, 0, size) == NULL);
}

static void wrong_arguments(void) {
    kw_config config = new_config();
    FAILS(KW_MISUSE, kw_config_new(NULL, &err));
    FAILS(KW_MISUSE, kw_config_set(config, NULL, 3, "x", 1, &err));
    FAILS(KW_MISUSE, kw_config_set(config, "datasource", KW_NUL_TERMINATED, NULL, 3, &err));
    FAILS(KW_MISUSE, kw_config_load_yaml(config, NULL, 3, &err));
    FAILS(KW_MISUSE, kw_config_load_file(config, NULL, 3, &err));
    FAILS(KW_MISUSE, kw_config_load_uri(config, NULL, 3, &err));
    FAILS(KW_MISUSE, kw_open(config, NULL, &err));
    OK(kw_config_free(config));
    OK(kw_config_free(config));
    FAILS(KW_INVALID_HANDLE, set(config, "datasource", "x"));
    kw_store store = 0;
    FAILS(KW_INVALID_HANDLE, kw_open(config, &store, &err));
    EQUAL(0, store);
}

static const char *value_of(kw_config config, kw_store store, const char *key) {
    static char buffer[64];
    size_t length = 0;
    if (config != 0) OK(kw_config_get(config, key, KW_NUL_TERMINATED, buffer, sizeof buffer, &length, &err));
    else OK(kw_store_config(store, key, KW_NUL_TERMINATED, buffer, sizeof buffer, &length, &err));
    EQUAL(strlen(buffer), length);
    return buffer;
}

static void values_are_read_back_however_they_were_written(void) {
    kw_config config = new_config();
    kw_store store = 0;
    HAS(value_of(config, 0, "pool.wait_timeout"), "30");
    EQUAL(0, strcmp("", value_of(config, 0, "datasource")));
    OK(kw_config_load_yaml(config, "pool: {wait_timeout: 250ms}\nwriter: {group_max: 9}", KW_NUL_TERMINATED, &err));
    OK(kw_config_load_uri(config, ":memory:", KW_NUL_TERMINATED, &err));
    OK(set(config, "sqlite.synchronous", "full"));
    OK(kw_open(config, &store, &err));
    OK(set(config, "writer.group_max", "3"));
    EQUAL(0, strcmp("0.25", value_of(0, store, "pool.wait_timeout")));
    EQUAL(0, strcmp("9", value_of(0, store, "database.writer.group_max")));
    EQUAL(0, strcmp("full", value_of(0, store, "options.synchronous")));
    EQUAL(0, strcmp(":memory:", value_of(0, store, "datasource")));
    EQUAL(0, strcmp("3", value_of(config, 0, "writer.group_max")));

    char small[4] = "xxx";
    size_t length = 0;
    OK(kw_store_config(store, "datasource", KW_NUL_TERMINATED, small, sizeof small, &length, &err));
    EQUAL(8, length);
    EQUAL(0, strcmp(":me", small));
    OK(kw_store_config(store, "datasource", KW_NUL_TERMINATED, NULL, 0, &length, &err));
    FAILS(KW_MISUSE, kw_store_config(store, "datasource", KW_NUL_TERMINATED, NULL, 1, &length, &err));
    FAILS(KW_CONFIG, kw_store_config(store, "pool.max_opne", KW_NUL_TERMINATED, small, sizeof small, &length, &err));
    HAS(err.message, "pool.max_open");
    OK(kw_store_close(store, -1, &err));
    FAILS(KW_INVALID_HANDLE, kw_store_config(store, "datasource", KW_NUL_TERMINATED, small, sizeof small, &length, &err));
    OK(kw_config_free(config));
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(keys_are_taken);
    RUN(lengths_are_honoured);
    RUN(an_unknown_key_names_the_nearest);
    RUN(a_wrong_value_names_key_and_value);
    RUN(yaml_text_opens_a_store);
    RUN(a_yaml_file_opens_a_store);
    RUN(broken_yaml_is_an_error);
    RUN(a_missing_file_is_named);
    RUN(a_configuration_serves_several_stores);
    RUN(data_sources);
    RUN(what_has_no_effect_is_said);
    RUN(wrong_arguments);
    RUN(values_are_read_back_however_they_were_written);
    return REPORT();
}
