/* keepwell from C: open a store, write in a transaction, read rows, meet an error.
 *
 *   cc -o quickstart quickstart.c $(pkg-config --cflags --libs keepwell) && ./quickstart
 */
#include <keepwell.h>
#include <stdio.h>
#include <string.h>

#define TEXT KW_NUL_TERMINATED /* a length that says: until the NUL */

static kw_error err = KW_ERROR_INIT;

static int failed(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", what, kw_status_name(err.code), err.message);
    return 1;
}

static kw_cell text(const char *value) {
    kw_cell cell;
    cell.value.data = value;
    cell.length = (uint32_t)strlen(value);
    cell.type = KW_TEXT;
    return cell;
}

static kw_cell integer(int64_t value) {
    kw_cell cell;
    cell.value.integer = value;
    cell.length = 0;
    cell.type = KW_INTEGER;
    return cell;
}

/* Two changes that belong together: both, or none. */
static int move_stock(kw_store store, const char *from, const char *to, int64_t count) {
    kw_tx tx = 0;
    kw_cell take[] = {integer(-count), text(from)}, give[] = {integer(count), text(to)};
    const char *sql = "UPDATE stock SET count = count + ? WHERE place = ?";
    if (kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err) != KW_OK) return failed("begin");
    if (kw_execute(tx, sql, TEXT, give, 2, NULL, NULL, &err) != KW_OK || kw_execute(tx, sql, TEXT, take, 2, NULL, NULL, &err) != KW_OK ||
        kw_tx_commit(tx, &err) != KW_OK) {
        kw_tx_rollback(tx, NULL);
        return failed("move_stock");
    }
    return 0;
}

/* Whole batches of cells at once: no call per value. */
static int print_stock(kw_store store) {
    kw_rows rows = 0;
    kw_batch batch = KW_BATCH_INIT;
    kw_status status;
    if (kw_query(store, "SELECT place, count FROM stock ORDER BY place", TEXT, NULL, 0, NULL, &rows, &err) != KW_OK) return failed("query");
    while ((status = kw_rows_next_batch(rows, &batch, &err)) == KW_OK && batch.rows != 0) {
        for (uint32_t row = 0; row < batch.rows; row++) {
            const kw_cell *cells = batch.cells + row * batch.columns;
            printf("  %-8s %lld\n", (const char *)cells[0].value.data, (long long)cells[1].value.integer);
        }
    }
    kw_rows_close(rows);
    return status == KW_OK ? 0 : failed("rows");
}

int main(void) {
    kw_config config = 0;
    kw_store store = 0;
    int result = 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, ":memory:", TEXT, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK) {
        return failed("open");
    }
    kw_config_free(config);
    if (kw_execute_script(store, "CREATE TABLE stock(place TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0));"
                                 "INSERT INTO stock VALUES ('attic', 10), ('cellar', 2)", TEXT, NULL, NULL, &err) != KW_OK) {
        return failed("script");
    }
    result |= move_stock(store, "attic", "cellar", 7);
    result |= print_stock(store);
    puts("moving more than there is:");
    if (move_stock(store, "attic", "cellar", 100) == 0) result = 1; /* the CHECK must refuse this */
    result |= print_stock(store);
    if (kw_store_close(store, -1, &err) != KW_OK) return failed("close");
    return result;
}
