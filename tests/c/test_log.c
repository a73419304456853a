/* The log: a callback, views, slow calls, and what errors of waiting say. */
#include "metrics.h"

#include <pthread.h>
#include <sys/wait.h>

/* Calls that fail and are logged at KW_LOG_DEBUG, one event each. */
static void fail_often(kw_store store, int times) {
    for (int i = 0; i < times; i++) FAILS(KW_SQL, exec_status(store, "SELECT broken"));
}

static void *fail_100(void *argument) {
    fail_often(*(kw_store *)argument, 100);
    return NULL;
}

/* The next event that is there already; KW_DONE: none. */
static kw_status next_now(kw_log view, kw_log_event *event) { return kw_log_next(view, 0, event, &err); }

static void check_texts(const kw_log_event *event) {
    CHECK(event->struct_size == sizeof(kw_log_event) && event->level >= KW_LOG_ERROR && event->level <= KW_LOG_TRACE);
    CHECK(strlen(event->target) == event->target_len && strncmp(event->target, "keepwell", 8) == 0);
    CHECK(strlen(event->message) == event->message_len && event->message_len > 0);
    CHECK(strlen(event->fields) == event->fields_len && event->fields[0] == '{' && event->fields[event->fields_len - 1] == '}');
    CHECK(event->time_us / 1000000 <= time(NULL) + 1 && event->time_us / 1000000 > time(NULL) - 3600);
}

/* ------------------------------------------------------------------------------------------------------------ callback -- */

struct heard {
    int events, inside, worst_level;
    int gone; /* the callback was removed: nothing may come any more */
    int alone; /* one thread has all events */
    kw_store store;
    char last[600];
};

static void hear(const kw_log_event *event, void *context) {
    struct heard *heard = context;
    CHECK(__atomic_add_fetch(&heard->inside, 1, __ATOMIC_SEQ_CST) >= 1); /* several threads may be here at once */
    CHECK(!__atomic_load_n(&heard->gone, __ATOMIC_SEQ_CST));
    check_texts(event);
    if (__atomic_add_fetch(&heard->events, 1, __ATOMIC_SEQ_CST) == 1 || heard->alone) {
        heard->worst_level = (int)event->level > heard->worst_level ? (int)event->level : heard->worst_level;
        snprintf(heard->last, sizeof heard->last, "%s", event->message);
    }
    __atomic_sub_fetch(&heard->inside, 1, __ATOMIC_SEQ_CST);
}

static void a_callback_hears_of_what_its_level_asks_for(void) {
    struct heard heard = {.alone = 1};
    OK(kw_log_set_callback(KW_LOG_WARN, hear, &heard, &err));
    kw_store store = open_file("levels.db");
    fail_often(store, 3);
    EQUAL(0, heard.events);
    OK(kw_log_set_callback(KW_LOG_DEBUG, hear, &heard, &err));
    fail_often(store, 3);
    EQUAL(3, heard.events);
    EQUAL(KW_LOG_DEBUG, heard.worst_level);
    HAS(heard.last, "broken");
    OK(kw_log_set_callback(KW_LOG_OFF, hear, &heard, &err));
    fail_often(store, 3);
    OK(kw_log_set_callback(KW_LOG_DEBUG, NULL, &heard, &err));
    fail_often(store, 3);
    EQUAL(3, heard.events);
    FAILS(KW_MISUSE, kw_log_set_callback(6, hear, &heard, &err));
    OK(kw_log_set_callback(KW_LOG_INFO, hear, &heard, &err));
    OK(kw_store_close(store, -1, &err));
    EQUAL(4, heard.events);
    HAS(heard.last, "closed ");
    OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, NULL));
}

static void eight_threads_reach_one_callback(void) {
    struct heard heard = {0};
    kw_store store = open_file("eight.db");
    pthread_t threads[8];
    OK(kw_log_set_callback(KW_LOG_DEBUG, hear, &heard, &err));
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, fail_100, &store);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    EQUAL(800, heard.events);
    OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
    METRIC(800, store, "keepwell_errors_total", "code=\"KW_SQL\"");
    OK(kw_store_close(store, -1, &err));
}

static int stop;
static void *fail_until_told(void *argument) {
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) fail_often(*(kw_store *)argument, 1);
    return NULL;
}

static void removing_a_callback_waits_for_calls_under_way(void) {
    kw_store store = open_file("removed.db");
    pthread_t threads[8];
    stop = 0;
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, fail_until_told, &store);
    for (int round = 0; round < 50; round++) {
        struct heard *heard = calloc(1, sizeof *heard);
        if (heard == NULL) exit(2);
        OK(kw_log_set_callback(KW_LOG_DEBUG, hear, heard, &err));
        usleep(500);
        if (round % 2 == 0) OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
        else OK(kw_log_set_callback(KW_LOG_ERROR, hear, &(struct heard){0}, &err));
        __atomic_store_n(&heard->gone, 1, __ATOMIC_SEQ_CST);
        memset(heard, 0x5A, sizeof *heard);
        free(heard);
        OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    OK(kw_store_close(store, -1, &err));
}

/* Everything that a callback may think of, on the store whose event it is. */
static void use_everything(const kw_log_event *event, void *context) {
    struct heard *heard = context;
    kw_error own = KW_ERROR_INIT;
    kw_rows rows = 0;
    kw_log view = 0;
    kw_health health = KW_HEALTH_INIT;
    kw_stats stats = KW_STATS_INIT;
    kw_options options = KW_OPTIONS_INIT;
    kw_log_event inner = KW_LOG_EVENT_INIT;
    size_t length = 0;
    char text[64];
    check_texts(event);
    heard->events++;
    options.timeout_us = 200000;
    /* Its own failures do not come back. */
    CHECK(kw_query(heard->store, "SELECT nonsense", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &own) != KW_OK);
    if (kw_query(heard->store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, &options, &rows, &own) == KW_OK) kw_rows_close(rows);
    (void)kw_execute(heard->store, "CREATE TABLE IF NOT EXISTS from_callback(x)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &own);
    OK(kw_store_stats(heard->store, &stats, &own));
    OK(kw_store_health(heard->store, &options, &health, &own));
    OK(kw_metrics_text(heard->store, KW_METRICS_PROMETHEUS, text, sizeof text, &length, &own));
    OK(kw_statement_report(heard->store, KW_BY_TOTAL, 0, &rows, &own));
    OK(kw_rows_close(rows));
    if (kw_explain(heard->store, "SELECT 1", KW_NUL_TERMINATED, &options, &rows, &own) == KW_OK) kw_rows_close(rows);
    OK(kw_log_open(KW_LOG_TRACE, 8, &view, &own));
    CHECK(exec_status(heard->store, "SELECT nonsense") != KW_OK);
    EQUAL(KW_ROW, kw_log_next(view, 0, &inner, &own));
    OK(kw_log_close(view));
    FAILS(KW_MISUSE, kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &own));
    HAS(own.message, "callback");
    FAILS(KW_MISUSE, kw_log_set_callback(KW_LOG_DEBUG, use_everything, heard, &own));
}

static void a_callback_may_use_the_library(void) {
    const char *const settings[] = {"metrics.slow_query", "1us", NULL};
    struct heard heard = {0};
    alarm(120); /* who waits for itself waits for ever */
    heard.store = open_with("inside.db", settings);
    EXEC(heard.store, "CREATE TABLE t(x)");
    OK(kw_log_set_callback(KW_LOG_DEBUG, use_everything, &heard, &err));
    fail_often(heard.store, 1);
    EQUAL(1, heard.events);
    /* Slow calls are told while their connection is in use. */
    EXEC(heard.store, "INSERT INTO t VALUES (1)");
    EQUAL(2, heard.events);
    EQUAL(1, QUERY_INT(heard.store, "SELECT count(*) FROM t"));
    EQUAL(3, heard.events);
    kw_tx tx = 0;
    OK(kw_tx_begin(heard.store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (2)");
    EQUAL(4, heard.events);
    OK(kw_tx_commit(tx, &err));
    OK(kw_execute_script(heard.store, "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)", KW_NUL_TERMINATED, NULL, NULL, &err));
    EQUAL(6, heard.events);
    OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
    EQUAL(4, QUERY_INT(heard.store, "SELECT count(*) FROM t"));
    OK(kw_store_close(heard.store, -1, &err));
    alarm(0);
}

static void close_it(const kw_log_event *event, void *context) {
    struct heard *heard = context;
    (void)event;
    heard->events++;
    (void)kw_store_close(heard->store, 0, NULL);
}

static void a_callback_may_close_the_store(void) {
    const char *const settings[] = {"metrics.slow_query", "1us", NULL};
    for (int slow = 0; slow < 2; slow++) {
        struct heard heard = {0};
        alarm(120);
        heard.store = open_with("closes.db", slow ? settings : NULL);
        OK(kw_log_set_callback(KW_LOG_DEBUG, close_it, &heard, &err));
        (void)exec_status(heard.store, slow ? "CREATE TABLE IF NOT EXISTS t(x)" : "nonsense");
        OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
        CHECK(heard.events >= 1);
        FAILS(KW_INVALID_HANDLE, exec_status(heard.store, "SELECT 1"));
        alarm(0);
    }
}

/* --------------------------------------------------------------------------------------------------------------- views -- */

static void a_full_view_loses_the_oldest_and_says_how_many(void) {
    kw_store store = open_file("drops.db");
    kw_log small = 0, large = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    OK(kw_log_open(KW_LOG_DEBUG, 4, &small, &err));
    OK(kw_log_open(KW_LOG_DEBUG, 0, &large, &err));
    fail_often(store, 4);
    for (int i = 0; i < 4; i++) {
        EQUAL(KW_ROW, next_now(small, &event));
        EQUAL(0, event.dropped);
    }
    EQUAL(KW_DONE, next_now(small, &event));
    fail_often(store, 11);
    EQUAL(KW_ROW, next_now(small, &event));
    EQUAL(7, event.dropped);
    EQUAL(KW_ROW, next_now(small, &event));
    EQUAL(0, event.dropped);
    fail_often(store, 3); /* 2 + 3: one more is lost */
    EQUAL(KW_ROW, next_now(small, &event));
    EQUAL(1, event.dropped);
    for (int i = 0; i < 3; i++) {
        EQUAL(KW_ROW, next_now(small, &event));
        EQUAL(0, event.dropped);
        check_texts(&event);
    }
    EQUAL(KW_DONE, next_now(small, &event));
    for (int i = 0; i < 18; i++) {
        EQUAL(KW_ROW, next_now(large, &event));
        EQUAL(0, event.dropped);
    }
    EQUAL(KW_DONE, next_now(large, &event));
    OK(kw_log_close(small));
    OK(kw_log_close(small));
    OK(kw_log_close(large));
    FAILS(KW_INVALID_HANDLE, next_now(small, &event));
    OK(kw_store_close(store, -1, &err));
}

static void all_that_was_lost_adds_up(void) {
    kw_store store = open_file("sum.db");
    kw_log view = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    pthread_t threads[8];
    uint64_t seen = 0, lost = 0;
    OK(kw_log_open(KW_LOG_DEBUG, 4, &view, &err));
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, fail_100, &store);
    while (seen + lost < 800 && kw_log_next(view, 60 * 1000000, &event, &err) == KW_ROW) {
        check_texts(&event);
        seen++;
        lost += event.dropped;
        usleep(seen % 3 == 0 ? 300 : 0);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    EQUAL(800, seen + lost);
    EQUAL(KW_DONE, next_now(view, &event));
    OK(kw_log_close(view));
    OK(kw_store_close(store, -1, &err));
}

static void levels_of_views_are_their_own(void) {
    kw_store store = open_file("own.db");
    kw_log warn = 0, debug = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    OK(kw_log_open(KW_LOG_WARN, 8, &warn, &err));
    OK(kw_log_open(KW_LOG_DEBUG, 8, &debug, &err));
    fail_often(store, 1);
    EQUAL(KW_DONE, next_now(warn, &event));
    EQUAL(KW_ROW, next_now(debug, &event));
    EQUAL(KW_LOG_DEBUG, event.level);
    CHECK(strcmp(event.target, "keepwell::error") == 0);
    HAS(event.fields, "\"code\":\"KW_SQL\"");
    HAS(event.fields, "\"store\":\"");
    HAS(event.fields, "own.db\"");
    OK(kw_log_close(debug));
    OK(kw_log_close(warn));
    kw_log none = 77;
    FAILS(KW_MISUSE, kw_log_open(KW_LOG_OFF, 8, &none, &err));
    FAILS(KW_MISUSE, kw_log_open(6, 8, &none, &err));
    FAILS(KW_MISUSE, kw_log_open(KW_LOG_INFO, 8, NULL, &err));
    EQUAL(77, none);
    OK(kw_log_open(KW_LOG_INFO, UINT32_MAX, &none, &err));
    FAILS(KW_MISUSE, kw_log_next(none, 0, NULL, &err));
    event.struct_size = 3;
    FAILS(KW_ABI, kw_log_next(none, 0, &event, &err));
    event.struct_size = 24; /* one that knows level, time and losses alone */
    event.target = "untouched";
    fail_often(store, 1);
    OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
    EQUAL(KW_DONE, kw_log_next(none, 0, &event, &err));
    OK(kw_log_close(none));
    FAILS(KW_INVALID_HANDLE, kw_log_close(0));
    FAILS(KW_INVALID_HANDLE, kw_log_close(store));
    FAILS(KW_INVALID_HANDLE, kw_log_next(0, 0, &event, &err));
    OK(kw_store_close(store, -1, &err));
}

static void *wait_without_end(void *argument) {
    kw_log_event event = KW_LOG_EVENT_INIT;
    kw_error own = KW_ERROR_INIT;
    kw_status status;
    while ((status = kw_log_next(*(kw_log *)argument, -1, &event, &own)) == KW_MISUSE) sched_yield();
    return (void *)(intptr_t)status;
}

static void closing_a_view_wakes_who_waits(void) {
    for (int i = 0; i < 20; i++) {
        kw_log view = 0;
        pthread_t thread;
        void *status = NULL;
        OK(kw_log_open(KW_LOG_ERROR, 4, &view, &err));
        pthread_create(&thread, NULL, wait_without_end, &view);
        kw_log_event event = KW_LOG_EVENT_INIT;
        /* It waits as soon as nobody else can: one thread at a time. */
        for (double end = now_seconds() + 60; i % 2 == 0 && kw_log_next(view, 0, &event, &err) != KW_MISUSE && now_seconds() < end;) usleep(200);
        if (i % 2 == 0) HAS(err.message, "another thread");
        OK(kw_log_close(view));
        pthread_join(thread, &status);
        CHECK((intptr_t)status == KW_DONE || (intptr_t)status == KW_INVALID_HANDLE);
    }
}

struct reader {
    kw_log view;
    size_t sum;
};

static void *read_to_the_end(void *argument) {
    struct reader *reader = argument;
    kw_log_event event = KW_LOG_EVENT_INIT;
    kw_error own = KW_ERROR_INIT;
    while (kw_log_next(reader->view, -1, &event, &own) == KW_ROW) {
        sched_yield();
        for (size_t i = 0; i < event.message_len; i++) reader->sum += (unsigned char)event.message[i];
        for (size_t i = 0; i < event.fields_len; i++) reader->sum += (unsigned char)event.fields[i];
    }
    return NULL;
}

/* The usual end of a program: one thread reads, another one closes while there are events. */
static void closing_a_view_leaves_the_reader_its_texts(void) {
    kw_store store = open_file("reader.db");
    for (int i = 0; i < 100; i++) {
        struct reader reader = {0, 0};
        pthread_t thread;
        OK(kw_log_open(KW_LOG_DEBUG, 64, &reader.view, &err));
        pthread_create(&thread, NULL, read_to_the_end, &reader);
        fail_often(store, 5);
        OK(kw_log_close(reader.view));
        pthread_join(thread, NULL);
    }
    OK(kw_store_close(store, -1, &err));
}

static void a_wait_ends_in_time(void) {
    kw_log view = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    OK(kw_log_open(KW_LOG_TRACE, 4, &view, &err));
    double began = now_seconds();
    EQUAL(KW_DONE, kw_log_next(view, 50000, &event, &err));
    double took = now_seconds() - began;
    CHECK(took >= 0.045 && took < 30);
    OK(kw_log_close(view));
}

static void a_fork_leaves_views_and_callback_with_the_parent(void) {
    struct heard heard = {0};
    kw_store store = open_file("fork.db");
    kw_log view = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    pthread_t thread;
    OK(kw_log_open(KW_LOG_DEBUG, 4, &view, &err));
    OK(kw_log_set_callback(KW_LOG_DEBUG, hear, &heard, &err));
    kw_log waited = 0;
    OK(kw_log_open(KW_LOG_ERROR, 4, &waited, &err));
    pthread_create(&thread, NULL, wait_without_end, &waited);
    fail_often(store, 2);
    pid_t child = fork_child();
    if (child == 0) {
        alarm(120);
        FAILS(KW_FORKED, kw_log_next(view, -1, &event, &err));
        FAILS(KW_FORKED, kw_log_next(waited, -1, &event, &err));
        FAILS(KW_FORKED, kw_log_close(view));
        kw_store own = open_file("fork-child.db");
        fail_often(own, 3);
        EQUAL(2, heard.events);
        kw_log fresh = 0;
        OK(kw_log_open(KW_LOG_DEBUG, 4, &fresh, &err));
        fail_often(own, 1);
        EQUAL(KW_ROW, next_now(fresh, &event));
        OK(kw_log_close(fresh));
        OK(kw_log_set_callback(KW_LOG_DEBUG, hear, &heard, &err));
        fail_often(own, 1);
        EQUAL(3, heard.events);
        OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
        OK(kw_store_close(own, -1, &err));
        fflush(NULL);
        _exit(checks_failed);
    }
    int state = 0;
    EQUAL(child, waitpid(child, &state, 0));
    EQUAL(0, state);
    fail_often(store, 1);
    EQUAL(3, heard.events);
    for (int i = 0; i < 3; i++) EQUAL(KW_ROW, next_now(view, &event));
    EQUAL(KW_DONE, next_now(view, &event));
    OK(kw_log_set_callback(KW_LOG_OFF, NULL, NULL, &err));
    OK(kw_log_close(view));
    OK(kw_log_close(waited));
    pthread_join(thread, NULL);
    OK(kw_store_close(store, -1, &err));
}

static void thousands_of_views(void) {
    enum { VIEWS = 3000 };
    static kw_log views[VIEWS];
    kw_store store = open_file("views.db");
    kw_log_event event = KW_LOG_EVENT_INIT;
    for (int i = 0; i < VIEWS; i++) OK(kw_log_open(KW_LOG_DEBUG, 2, &views[i], &err));
    fail_often(store, 5);
    for (int i = 0; i < VIEWS; i += 100) {
        EQUAL(KW_ROW, next_now(views[i], &event));
        EQUAL(3, event.dropped);
    }
    for (int i = 0; i < VIEWS; i++) OK(kw_log_close(views[i]));
    for (int i = 0; i < VIEWS; i++) FAILS(KW_INVALID_HANDLE, next_now(views[i], &event));
    OK(kw_store_close(store, -1, &err));
}

/* ---------------------------------------------------------------------------------------------------------- slow calls -- */

/* The next event of the slow calls, or the test fails. */
static kw_log_event next_slow(kw_log view) {
    kw_log_event event = KW_LOG_EVENT_INIT;
    while (kw_log_next(view, 60 * 1000000, &event, &err) == KW_ROW) {
        if (strcmp(event.target, "keepwell::slow") == 0) return event;
    }
    check_failed(__FILE__, __LINE__, "no slow call in the log");
    event.message = event.fields = "";
    return event;
}

static void a_slow_call_is_told_with_its_plan(void) {
    const char *const settings[] = {"metrics.slow_query", "20ms", NULL};
    kw_store store = open_with("slow.db", settings);
    kw_log view = 0;
    EXEC(store, "CREATE TABLE t(x, y)");
    EXEC(store, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    OK(kw_log_open(KW_LOG_WARN, 0, &view, &err));
    double before = metric(store, "keepwell_query_slow_total", "");
    kw_cell params[3] = {text_cell("secret"), int_cell(100000), null_cell()};
    const char *sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) SELECT count(*) FROM n, t WHERE t.y <> ?1 AND ?3 IS NULL";
    kw_rows rows = 0;
    OK(kw_query(store, sql, KW_NUL_TERMINATED, params, 3, NULL, &rows, &err));
    OK(kw_rows_close(rows));
    kw_log_event event = next_slow(view);
    EQUAL(KW_LOG_WARN, event.level);
    HAS(event.message, "slow: ");
    HAS(event.message, "WITH RECURSIVE n(i)");
    const char *const parts[] = {"\"sql\":\"WITH RECURSIVE", "\"plan\":\"", "SCAN t", "\"rows_scanned\":", "\"rows_returned\":1", "\"rows_changed\":0",
                                 "\"duration_seconds\":", "\"queue_seconds\":", "\"busy_seconds\":", "\"execution_seconds\":", "\"failed\":false",
                                 "\"params\":\"1: text of 6 bytes, 2: integer, 3: NULL\"", "slow.db\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) HAS(event.fields, parts[i]);
    CHECK(strstr(event.fields, "secret") == NULL && strstr(event.message, "secret") == NULL);
    METRIC(before + 1, store, "keepwell_query_slow_total", "");

    /* One that failed is told as well. */
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 40000;
    FAILS(KW_TIMEOUT, kw_query(store, ENDLESS_SQL, KW_NUL_TERMINATED, NULL, 0, &options, &rows, &err));
    event = next_slow(view);
    HAS(event.fields, "\"failed\":true");
    OK(kw_log_close(view));
    OK(kw_store_close(store, -1, &err));
}

static void parameters_are_shown_where_that_was_asked_for(void) {
    const char *const settings[] = {"metrics.slow_query", "1us", "metrics.slow_query_params", "true", NULL};
    kw_store store = open_with("shown.db", settings);
    kw_log view = 0;
    EXEC(store, "CREATE TABLE t(x, y)");
    OK(kw_log_open(KW_LOG_WARN, 0, &view, &err));
    kw_cell params[2] = {text_cell("it's \"shown\""), int_cell(42)};
    OK(kw_execute(store, "INSERT INTO t VALUES (?, ?)", KW_NUL_TERMINATED, params, 2, NULL, NULL, &err));
    kw_log_event event = next_slow(view);
    HAS(event.fields, "it''s \\\"shown\\\"");
    HAS(event.fields, "42");
    HAS(event.fields, "\"rows_changed\":1");

    /* Bytes that are no text, and more of them than a log should hold. */
    size_t size = 4 << 20;
    char *large = malloc(size);
    if (large == NULL) exit(2);
    memset(large, '\xFF', size);
    params[0] = bytes_cell(KW_BLOB, large, size);
    params[1] = bytes_cell(KW_TEXT, "a\0b\xFF", 4);
    OK(kw_execute(store, "INSERT INTO t VALUES (?, ?)", KW_NUL_TERMINATED, params, 2, NULL, NULL, &err));
    event = next_slow(view);
    check_texts(&event);
    if (event.fields_len > 20000) fprintf(stderr, "    the fields have %zu bytes\n", event.fields_len);
    CHECK(event.fields_len <= 20000);
    free(large);
    OK(kw_log_close(view));
    OK(kw_store_close(store, -1, &err));
}

static void a_slow_stream_is_told_once_at_its_end(void) {
    const char *const settings[] = {"metrics.slow_query", "1us", NULL};
    kw_store store = open_with("slowstream.db", settings);
    kw_log view = 0;
    kw_log_event event = KW_LOG_EVENT_INIT;
    OK(kw_log_open(KW_LOG_WARN, 0, &view, &err));
    kw_rows rows = 0;
    OK(kw_query(store, COUNT_TO(3000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    while (kw_rows_step(rows, &err) == KW_ROW) {}
    OK(kw_rows_close(rows));
    event = next_slow(view);
    HAS(event.fields, "\"rows_returned\":3000");
    EQUAL(KW_DONE, next_now(view, &event));
    METRIC(1, store, "keepwell_query_slow_total", "");
    OK(kw_log_close(view));
    OK(kw_store_close(store, -1, &err));
}

/* ------------------------------------------------------------------------------------------------- what the errors say -- */

static void *try_to_write(void *argument) {
    static kw_error own;
    own = (kw_error)KW_ERROR_INIT;
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = 80000;
    CHECK(kw_execute(*(kw_store *)argument, "INSERT INTO t VALUES (2)", KW_NUL_TERMINATED, NULL, 0, &options, NULL, &own) == KW_TIMEOUT);
    return &own;
}

static void a_write_that_waits_in_vain_says_for_whom(void) {
    kw_store store = open_file("holder.db");
    EXEC(store, "CREATE TABLE t(x)");
    kw_tx tx = 0;
    OK(kw_tx_begin(store, KW_TX_IMMEDIATE, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES (1)");
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, try_to_write, &store);
    pthread_join(thread, &result);
    const char *message = ((kw_error *)result)->message;
    const char *const parts[] = {"writer held ", " ms by a transaction", ", lease ", "INSERT INTO t VALUES (1)", "queue position 1", "timeout of 80ms", "(queue 8"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i == 6) HAS(message, "queue "); /* a busy machine takes longer than 80 ms */
        else HAS(message, parts[i]);
    }
    OK(kw_tx_rollback(tx, &err));
    OK(kw_store_close(store, -1, &err));
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(a_callback_hears_of_what_its_level_asks_for);
    RUN(eight_threads_reach_one_callback);
    RUN(removing_a_callback_waits_for_calls_under_way);
    RUN(a_callback_may_use_the_library);
    RUN(a_callback_may_close_the_store);
    RUN(a_full_view_loses_the_oldest_and_says_how_many);
    RUN(all_that_was_lost_adds_up);
    RUN(levels_of_views_are_their_own);
    RUN(closing_a_view_wakes_who_waits);
    RUN(closing_a_view_leaves_the_reader_its_texts);
    RUN(a_wait_ends_in_time);
    RUN(a_fork_leaves_views_and_callback_with_the_parent);
    RUN(thousands_of_views);
    RUN(a_slow_call_is_told_with_its_plan);
    RUN(parameters_are_shown_where_that_was_asked_for);
    RUN(a_slow_stream_is_told_once_at_its_end);
    RUN(a_write_that_waits_in_vain_says_for_whom);
    return REPORT();
}
