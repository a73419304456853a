/* Handles: nothing that is no handle, no longer one, or one of another kind may do harm. */
#include "check.h"

static kw_store store;

/* Calls every function that takes a handle with `h` and counts answers other than the wanted one. */
static int answers_other_than(kw_status want, uint64_t h) {
    int other = 0;
    uint64_t out = 0;
    uint32_t number = 0;
    int64_t integer;
    double real;
    const char *text;
    const void *blob;
    size_t size;
    kw_result result = KW_RESULT_INIT;
    kw_batch batch = KW_BATCH_INIT;
    kw_fetch fetch = KW_FETCH_INIT;
    kw_stats stats = KW_STATS_INIT;
    kw_health health = KW_HEALTH_INIT;
    kw_statement_info info = KW_STATEMENT_INFO_INIT;
    kw_options options = KW_OPTIONS_INIT;
    kw_cell cell = int_cell(1);
#define ANSWERS(call) do { kw_status got = (call); if (got != want) { other++; fprintf(stderr, "    %s: %s\n", #call, kw_status_name(got)); } } while (0)
    ANSWERS(kw_config_set(h, "datasource", 10, "x", 1, &err));
    ANSWERS(kw_config_load_yaml(h, "a: 1", 4, &err));
    ANSWERS(kw_config_load_file(h, "/nowhere", 8, &err));
    ANSWERS(kw_config_load_uri(h, ":memory:", 8, &err));
    ANSWERS(kw_open(h, &out, &err));
    ANSWERS(kw_store_stats(h, &stats, &err));
    ANSWERS(kw_store_health(h, NULL, &health, &err));
    ANSWERS(kw_store_warning_count(h, &number, &err));
    ANSWERS(kw_store_warning(h, 0, &text, &size, &err));
    ANSWERS(kw_prepare(h, "SELECT 1", 8, NULL, &out, &err));
    ANSWERS(kw_statement_describe(h, &info, &err));
    ANSWERS(kw_statement_parameter_name(h, 0, &text, &size, &err));
    ANSWERS(kw_statement_column_name(h, 0, &text, &size, &err));
    ANSWERS(kw_query(h, "SELECT 1", 8, NULL, 0, NULL, &out, &err));
    ANSWERS(kw_query_into(h, "SELECT 1", 8, NULL, 0, NULL, &cell, sizeof cell, &fetch, &err));
    ANSWERS(kw_execute(h, "SELECT 1", 8, NULL, 0, NULL, &result, &err));
    ANSWERS(kw_execute_many(h, "SELECT ?", 8, &cell, 1, 1, NULL, &result, &err));
    ANSWERS(kw_execute_script(h, "SELECT 1", 8, NULL, &result, &err));
    ANSWERS(kw_rows_column_count(h, &number, &err));
    ANSWERS(kw_rows_column_name(h, 0, &text, &size, &err));
    ANSWERS(kw_rows_column_decltype(h, 0, &text, &size, &err));
    ANSWERS(kw_rows_next_batch(h, &batch, &err));
    ANSWERS(kw_rows_fetch_into(h, &cell, sizeof cell, &fetch, &err));
    ANSWERS(kw_rows_step(h, &err));
    ANSWERS(kw_rows_type(h, 0, &number, &err));
    ANSWERS(kw_rows_int64(h, 0, &integer, &err));
    ANSWERS(kw_rows_double(h, 0, &real, &err));
    ANSWERS(kw_rows_text(h, 0, &text, &size, &err));
    ANSWERS(kw_rows_blob(h, 0, &blob, &size, &err));
    ANSWERS(kw_tx_begin(h, KW_TX_DEFAULT, NULL, &out, &err));
    ANSWERS(kw_conn_acquire(h, NULL, &out, &err));
    ANSWERS(kw_target_derive(h, &options, &out, &err));
    EQUAL(0, out);
    return other;
}

static void zero_and_garbage_are_no_handles(void) {
    EQUAL(0, answers_other_than(KW_INVALID_HANDLE, 0));
    EQUAL(0, answers_other_than(KW_INVALID_HANDLE, UINT64_MAX));
    EQUAL(0, answers_other_than(KW_INVALID_HANDLE, 0xdeadbeefcafef00dULL));
    EQUAL(0, answers_other_than(KW_INVALID_HANDLE, UINT64_C(1) << 63));
}

/* Some bits of a handle name the owning process: with those flipped it looks inherited. */
static void a_handle_with_one_bit_changed(void) {
    for (int bit = 0; bit < 64; bit++) {
        uint64_t h = store ^ (UINT64_C(1) << bit);
        kw_status status = exec_status(h, "SELECT 1");
        CHECK(status == KW_INVALID_HANDLE || status == KW_FORKED || (h == KW_INSTANCE && status == KW_NOT_INITIALIZED));
    }
}

static void closed_handles_are_stale(void) {
    kw_store other = open_file("other.db");
    kw_rows rows = 0;
    kw_tx tx = 0;
    kw_conn conn = 0;
    kw_statement statement = 0;
    kw_target derived = 0;
    kw_cancel cancel = 0;
    kw_config config = 0;
    kw_options options = KW_OPTIONS_INIT;
    OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_target_derive(tx, &options, &derived, &err));
    OK(kw_prepare(store, "SELECT 1", KW_NUL_TERMINATED, NULL, &statement, &err));
    OK(kw_cancel_new(&cancel, &err));
    OK(kw_config_new(&config, &err));
    OK(kw_rows_close(rows));
    OK(kw_tx_rollback(tx, &err));
    OK(kw_conn_acquire(store, NULL, &conn, &err));
    OK(kw_conn_release(conn));
    OK(kw_statement_close(statement));
    OK(kw_target_free(derived));
    OK(kw_cancel_free(cancel));
    OK(kw_config_free(config));
    OK(kw_store_close(other, -1, &err));
    const uint64_t stale[] = {rows, conn, statement, derived, cancel, config};
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) EQUAL(0, answers_other_than(KW_INVALID_HANDLE, stale[i]));
    /* Closing what is closed does no harm. */
    OK(kw_rows_close(rows));
    OK(kw_tx_rollback(tx, &err));
    OK(kw_conn_release(conn));
    OK(kw_statement_close(statement));
    OK(kw_target_free(derived));
    OK(kw_cancel_free(cancel));
    OK(kw_config_free(config));
    OK(kw_store_close(other, -1, &err));
    kw_cancel_trigger(cancel);
    kw_status status = exec_status(other, "SELECT 1");
    CHECK(status == KW_CLOSED || status == KW_INVALID_HANDLE);
    status = exec_status(tx, "SELECT 1");
    CHECK(status == KW_TX_ENDED || status == KW_INVALID_HANDLE);
}

static void closing_zero_and_garbage(void) {
    static const uint64_t none[] = {0, UINT64_MAX, 0x1234567890abcdefULL};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        uint64_t h = none[i];
        kw_status answers[] = {kw_rows_close(h), kw_tx_rollback(h, &err), kw_conn_release(h), kw_statement_close(h), kw_target_free(h),
                               kw_cancel_free(h), kw_config_free(h), kw_store_close(h, 0, &err), kw_cancel_trigger(h), kw_cancel_reset(h)};
        for (size_t k = 0; k < sizeof answers / sizeof answers[0]; k++) {
            if (answers[k] != KW_OK && answers[k] != KW_FORKED) EQUAL(KW_INVALID_HANDLE, answers[k]);
        }
        CHECK(kw_tx_commit(h, &err) != KW_OK);
    }
}

static void closing_with_the_function_of_another_kind(void) {
    kw_rows rows = 0;
    kw_cancel cancel = 0;
    OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_cancel_new(&cancel, &err));
    kw_config_free(rows);
    kw_statement_close(rows);
    kw_conn_release(rows);
    kw_target_free(rows);
    kw_cancel_free(rows);
    kw_tx_rollback(rows, &err);
    kw_store_close(rows, 0, &err);
    kw_rows_close(cancel);
    kw_target_free(store);
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_cancel_reset(cancel));
    EQUAL(1, QUERY_INT(store, "SELECT 1"));
    OK(kw_cancel_free(cancel));
    OK(kw_rows_close(rows));
}

static void handles_of_another_kind_are_refused(void) {
    kw_rows rows = 0, out = 0;
    kw_cancel cancel = 0;
    OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    OK(kw_cancel_new(&cancel, &err));
    FAILS(KW_INVALID_HANDLE, kw_rows_step(store, &err));
    FAILS(KW_INVALID_HANDLE, kw_rows_step(cancel, &err));
    FAILS(KW_INVALID_HANDLE, kw_query(rows, "SELECT 1", 8, NULL, 0, NULL, &out, &err));
    FAILS(KW_INVALID_HANDLE, kw_query(cancel, "SELECT 1", 8, NULL, 0, NULL, &out, &err));
    FAILS(KW_INVALID_HANDLE, kw_open(store, &out, &err));
    FAILS(KW_INVALID_HANDLE, kw_tx_commit(store, &err));
    kw_options options = KW_OPTIONS_INIT;
    options.cancel = rows;
    FAILS(KW_INVALID_HANDLE, kw_query(store, "SELECT 1", 8, NULL, 0, &options, &out, &err));
    options.cancel = 0;
    options.statement = cancel;
    FAILS(KW_INVALID_HANDLE, kw_query(store, NULL, 0, NULL, 0, &options, &out, &err));
    EQUAL(0, out);
    OK(kw_rows_close(rows));
    OK(kw_cancel_free(cancel));
}

/* The place of a closed handle is used again; the old number must not open the new object. */
static void numbers_do_not_come_back(void) {
    kw_rows first = 0;
    OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &first, &err));
    OK(kw_rows_close(first));
    for (int i = 0; i < 20000; i++) {
        kw_rows next = 0;
        OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &next, &err));
        CHECK(next != first);
        if (i % 1000 == 0) FAILS(KW_INVALID_HANDLE, kw_rows_step(first, &err));
        OK(kw_rows_close(next));
    }
}

static void many_handles_at_once(void) {
    enum { MANY = 5000 };
    static kw_rows rows[MANY];
    for (int i = 0; i < MANY; i++) OK(kw_query(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, NULL, &rows[i], &err));
    for (int i = 0; i < MANY; i += 2) OK(kw_rows_close(rows[i]));
    for (int i = 0; i < MANY; i++) FAILS(i % 2 != 0 ? KW_ROW : KW_INVALID_HANDLE, kw_rows_step(rows[i], &err));
    for (int i = 1; i < MANY; i += 2) OK(kw_rows_close(rows[i]));
}

static void null_outputs(void) {
    kw_rows rows = 0;
    uint32_t number = 0;
    size_t size = 0;
    const char *text = NULL;
    OK(kw_query(store, "SELECT 1, 'text', x'00'", KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    FAILS(KW_MISUSE, kw_rows_next_batch(rows, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_column_count(rows, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_column_name(rows, 0, NULL, &size, &err));
    FAILS(KW_MISUSE, kw_rows_column_name(rows, 0, &text, NULL, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    FAILS(KW_MISUSE, kw_rows_int64(rows, 0, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_double(rows, 0, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_text(rows, 1, NULL, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_blob(rows, 2, NULL, NULL, &err));
    FAILS(KW_MISUSE, kw_rows_type(rows, 0, NULL, &err));
    OK(kw_rows_type(rows, 0, &number, &err));
    OK(kw_rows_close(rows));
    FAILS(KW_MISUSE, kw_tx_begin(store, KW_TX_DEFAULT, NULL, NULL, &err));
    FAILS(KW_MISUSE, kw_conn_acquire(store, NULL, NULL, &err));
    FAILS(KW_MISUSE, kw_prepare(store, "SELECT 1", 8, NULL, NULL, &err));
    FAILS(KW_MISUSE, kw_cancel_new(NULL, &err));
    kw_status status = kw_instance(NULL, &err);
    CHECK(status == KW_MISUSE || status == KW_NOT_INITIALIZED);
    kw_tx tx = 0;
    FAILS(KW_MISUSE, kw_tx_begin(store, 99, NULL, &tx, &err));
    EQUAL(0, tx);
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("handles.db");
    RUN(zero_and_garbage_are_no_handles);
    RUN(a_handle_with_one_bit_changed);
    RUN(closed_handles_are_stale);
    RUN(closing_zero_and_garbage);
    RUN(closing_with_the_function_of_another_kind);
    RUN(handles_of_another_kind_are_refused);
    RUN(numbers_do_not_come_back);
    RUN(many_handles_at_once);
    RUN(null_outputs);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
