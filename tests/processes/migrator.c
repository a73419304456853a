/* One of the starters of migrators.py, in C: see there. */
#include <keepwell.h>

#include <stdio.h>

static kw_error err = KW_ERROR_INIT;

static int run(const char *path, const char *folder) {
    kw_config config = 0;
    kw_store store = 0;
    kw_migrations set = 0;
    kw_report report = 0;
    kw_report_summary summary = KW_REPORT_SUMMARY_INIT;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_set(config, "datasource", KW_NUL_TERMINATED, path, KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK || kw_migrations_new(store, &set, &err) != KW_OK ||
        kw_migrations_add_folder(set, folder, KW_NUL_TERMINATED, &err) != KW_OK ||
        kw_migrate(set, KW_MIGRATE_UP, NULL, &report, &err) != KW_OK || kw_report_describe(report, &summary, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("applied %llu\n", (unsigned long long)summary.migrations);
    kw_report_free(report);
    kw_migrations_free(set);
    kw_config_free(config);
    return kw_store_close(store, -1, &err) != KW_OK;
}

int main(int argc, char **argv) { return argc == 3 ? run(argv[1], argv[2]) : 2; }
