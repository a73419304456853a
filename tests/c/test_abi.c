/* The border itself: versions, struct sizes of older and newer callers, the description of the ABI. */
#include "check.h"

#include <stddef.h>

static kw_store store;

static void layouts_are_fixed(void) {
    EQUAL(16, sizeof(kw_cell));
    EQUAL(0, offsetof(kw_cell, value));
    EQUAL(8, offsetof(kw_cell, length));
    EQUAL(12, offsetof(kw_cell, type));
    EQUAL(8, sizeof(kw_value));
    EQUAL(0, offsetof(kw_error, struct_size));
    EQUAL(512, sizeof(((kw_error *)0)->message));
    EQUAL(8, sizeof(((kw_error *)0)->sqlstate));
    EQUAL(4, sizeof(kw_status));
    EQUAL(8, sizeof(kw_store));
}

static void names_and_numbers(void) {
    static const struct { kw_status status; const char *name; } names[] = {
        {KW_OK, "KW_OK"}, {KW_ROW, "KW_ROW"}, {KW_DONE, "KW_DONE"}, {KW_ERROR, "KW_ERROR"}, {KW_MISUSE, "KW_MISUSE"},
        {KW_CONSTRAINT, "KW_CONSTRAINT"}, {KW_BUSY, "KW_BUSY"}, {KW_ABI, "KW_ABI"}, {KW_TYPE, "KW_TYPE"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) CHECK(strcmp(kw_status_name(names[i].status), names[i].name) == 0);
    for (kw_status s = -5; s < 200; s++) CHECK(kw_status_name(s) != NULL && kw_status_name(s)[0] != 0);
    CHECK(kw_status_name(INT32_MIN) != NULL);
    CHECK(kw_version()[0] >= '0' && kw_version()[0] <= '9');
}

static void the_description_fits_the_header(void) {
    const char *json = kw_abi_describe();
    CHECK(json != NULL && json[0] == '{');
    HAS(json, kw_version());
    HAS(json, "kw_query_into");
    HAS(json, "kw_rows_next_batch");
    HAS(json, "kw_options");
    HAS(json, "KW_CONSTRAINT");
    CHECK(kw_abi_describe() == json);
}

/* Every struct as an older caller has it: only the beginning, with the tail taken as zero. */
static void older_callers_are_served(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    options.struct_size = 16; /* struct_size, flags, timeout_us */
    options.batch_rows = 0xffffffff; /* beyond the caller's size: must not be read */
    options.cancel = 0xdead;
    OK(kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err));
    OK(kw_rows_close(rows));
    kw_error small;
    memset(&small, 0x55, sizeof small);
    small.struct_size = 24; /* up to flags */
    FAILS(KW_SQL, kw_execute(store, "nonsense", 8, NULL, 0, NULL, NULL, &small));
    EQUAL(KW_SQL, small.code);
    EQUAL(0x55, small.message[0]);
    EQUAL(0x55, small.sqlstate[0]);
    kw_stats stats;
    memset(&stats, 0x55, sizeof stats);
    stats.struct_size = 12;
    OK(kw_store_stats(store, &stats, &err));
    EQUAL(0x55555555, stats.idle);
    CHECK(stats.max_open != 0x55555555);
}

/* Every struct as a newer caller has it: longer, with a tail that must be zero where it is input. */
static void newer_callers_are_served_if_they_ask_nothing_new(void) {
    struct { kw_options options; char tail[64]; } longer;
    kw_rows rows = 0;
    memset(&longer, 0, sizeof longer);
    longer.options.struct_size = sizeof longer;
    OK(kw_query(store, "SELECT 1", 8, NULL, 0, &longer.options, &rows, &err));
    OK(kw_rows_close(rows));
    rows = 0;
    longer.tail[63] = 1;
    FAILS(KW_ABI, kw_query(store, "SELECT 1", 8, NULL, 0, &longer.options, &rows, &err));
    EQUAL(0, rows);
    struct { kw_error error; char tail[64]; } slot;
    memset(&slot, 0, sizeof slot);
    slot.error.struct_size = sizeof slot;
    FAILS(KW_SQL, kw_execute(store, "nonsense", 8, NULL, 0, NULL, NULL, &slot.error));
    EQUAL(KW_SQL, slot.error.code);
}

static void impossible_sizes_are_refused(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    static const uint32_t sizes[] = {0, 1, 3, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] - 1; i++) {
        options.struct_size = sizes[i];
        FAILS(KW_ABI, kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err));
        kw_result result = KW_RESULT_INIT;
        result.struct_size = sizes[i];
        FAILS(KW_ABI, kw_execute(store, "SELECT 1", 8, NULL, 0, NULL, &result, &err));
    }
    EQUAL(0, rows);
    /* An error slot that cannot be used is not written; the status still says what happened. */
    kw_error slot;
    memset(&slot, 0x55, sizeof slot);
    slot.struct_size = 0;
    kw_status status = kw_execute(store, "nonsense", 8, NULL, 0, NULL, NULL, &slot);
    CHECK(status == KW_SQL || status == KW_ABI);
    EQUAL(0x55, slot.message[0]);
}

static void unknown_flags_are_refused(void) {
    kw_options options = KW_OPTIONS_INIT;
    kw_rows rows = 0;
    options.flags = 0x80000000u;
    kw_status status = kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err);
    CHECK(status == KW_ABI || status == KW_MISUSE || status == KW_UNSUPPORTED);
    options.flags = 0;
    options.cache = 99;
    status = kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err);
    CHECK(status == KW_MISUSE || status == KW_UNSUPPORTED || status == KW_CONFIG);
    EQUAL(0, rows);
}

static void cache_options_are_accepted(void) {
    kw_options options = KW_OPTIONS_INIT;
    for (options.cache = KW_CACHE_DEFAULT; options.cache <= KW_CACHE_REFRESH; options.cache++) {
        kw_rows rows = 0;
        options.cache_ttl_ms = 1000;
        OK(kw_query(store, "SELECT 1", 8, NULL, 0, &options, &rows, &err));
        OK(kw_rows_close(rows));
    }
}

int main(int argc, char **argv) {
    (void)argc;
    store = open_file("abi.db");
    RUN(layouts_are_fixed);
    RUN(names_and_numbers);
    RUN(the_description_fits_the_header);
    RUN(older_callers_are_served);
    RUN(newer_callers_are_served_if_they_ask_nothing_new);
    RUN(impossible_sizes_are_refused);
    RUN(unknown_flags_are_refused);
    RUN(cache_options_are_accepted);
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
