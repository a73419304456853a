/* fork(): the child cannot use what it inherited, can open afresh, and does no harm to the parent. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>

/* Seconds that a child, or a call that waits for another process, may take: a busy machine's disk stands still for some of them. */
enum { PATIENCE = 120 };

static kw_store store;
static char path[4300];

/* Runs `body` in a child and returns its number of failed checks; `through_exit` also runs the exit handlers. */
static int in_child(void (*body)(void), int through_exit) {
    pid_t child = fork_child();
    if (child == 0) {
        alarm(PATIENCE); /* a child that hangs dies, and the test says so */
        body();
        fflush(NULL);
        if (through_exit) exit(checks_failed);
        _exit(checks_failed);
    }
    int state = 0;
    if (child < 0 || waitpid(child, &state, 0) != child) return 99;
    if (WIFSIGNALED(state)) fprintf(stderr, "    the child died of signal %d\n", WTERMSIG(state));
    return WIFEXITED(state) ? WEXITSTATUS(state) : 98;
}

static kw_rows rows;
static kw_tx tx;
static kw_conn conn;
static kw_statement statement;
static kw_cancel cancel;
static kw_config config;
static kw_target derived;

static void inherited_handles(void) {
    uint64_t out = 0;
    kw_batch batch = KW_BATCH_INIT;
    kw_stats stats = KW_STATS_INIT;
    kw_statement_info info = KW_STATEMENT_INFO_INIT;
    FAILS(KW_FORKED, exec_status(store, "SELECT 1"));
    FAILS(KW_FORKED, kw_query(store, "SELECT 1", 8, NULL, 0, NULL, &out, &err));
    FAILS(KW_FORKED, kw_store_stats(store, &stats, &err));
    FAILS(KW_FORKED, kw_rows_step(rows, &err));
    FAILS(KW_FORKED, kw_rows_next_batch(rows, &batch, &err));
    FAILS(KW_FORKED, exec_status(tx, "SELECT 1"));
    FAILS(KW_FORKED, kw_tx_commit(tx, &err));
    FAILS(KW_FORKED, exec_status(conn, "SELECT 1"));
    FAILS(KW_FORKED, exec_status(derived, "SELECT 1"));
    FAILS(KW_FORKED, kw_statement_describe(statement, &info, &err));
    FAILS(KW_FORKED, kw_config_set(config, "datasource", 10, "x", 1, &err));
    CHECK(err.message[0] != 0);
    kw_status status = exec_status(KW_INSTANCE, "SELECT 1");
    CHECK(status == KW_FORKED || status == KW_NOT_INITIALIZED);
    EQUAL(0, out);
}

static void closing_inherited_handles(void) {
    kw_rows_close(rows);
    kw_tx_rollback(tx, NULL);
    kw_conn_release(conn);
    kw_statement_close(statement);
    kw_target_free(derived);
    kw_cancel_trigger(cancel);
    kw_cancel_free(cancel);
    kw_config_free(config);
    kw_store_close(store, 0, NULL);
    kw_store_close(KW_INSTANCE, 0, NULL);
}

static void opening_afresh(void) {
    kw_store own = open_source(path);
    EXEC(own, "INSERT INTO t VALUES ('child')");
    CHECK(QUERY_INT(own, "SELECT count(*) FROM t WHERE x = 'child'") >= 1);
    OK(kw_store_close(own, -1, &err));
}

static void opening_afresh_as_the_instance(void) {
    kw_config own = 0;
    OK(kw_config_new(&own, &err));
    OK(kw_config_load_uri(own, path, KW_NUL_TERMINATED, &err));
    OK(kw_initialize(own, &err));
    EXEC(KW_INSTANCE, "INSERT INTO t VALUES ('instance')");
    OK(kw_store_close(KW_INSTANCE, -1, &err));
    OK(kw_config_free(own));
}

static void nothing(void) {}

static void a_child_is_told_and_the_parent_is_unharmed(void) {
    static const struct { void (*body)(void); int through_exit; } children[] = {
        {inherited_handles, 0}, {nothing, 1}, {closing_inherited_handles, 0}, {closing_inherited_handles, 1}, {inherited_handles, 1}};
    int seen = 0;
    OK(kw_query(store, COUNT_TO(2000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    FAILS(KW_ROW, kw_rows_step(rows, &err));
    OK(kw_tx_begin(store, KW_TX_DEFAULT, NULL, &tx, &err));
    EXEC(tx, "INSERT INTO t VALUES ('parent')");
    kw_options options = KW_OPTIONS_INIT;
    options.flags = KW_OPTION_READ_ONLY;
    OK(kw_conn_acquire(store, &options, &conn, &err));
    OK(kw_target_derive(store, &options, &derived, &err));
    OK(kw_prepare(store, "SELECT 1", 8, NULL, &statement, &err));
    OK(kw_cancel_new(&cancel, &err));
    OK(kw_config_new(&config, &err));
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) EQUAL(0, in_child(children[i].body, children[i].through_exit));
    /* The parent's transaction still holds the lock and still works. */
    EXEC(tx, "INSERT INTO t VALUES ('parent again')");
    EQUAL(2, QUERY_INT(tx, "SELECT count(*) FROM t"));
    OK(kw_tx_commit(tx, &err));
    for (seen = 1; kw_rows_step(rows, &err) == KW_ROW;) seen++;
    EQUAL(2000, seen);
    OK(kw_rows_close(rows));
    OK(kw_conn_release(conn));
    OK(kw_target_free(derived));
    OK(kw_statement_close(statement));
    OK(kw_cancel_free(cancel));
    OK(kw_config_free(config));
}

static void a_child_opens_afresh(void) {
    EQUAL(0, in_child(opening_afresh, 0));
    EQUAL(0, in_child(opening_afresh, 1));
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM t WHERE x = 'child'"));
    EXEC(store, "INSERT INTO t VALUES ('parent')");
    EQUAL(0, in_child(opening_afresh_as_the_instance, 1));
    EQUAL(1, QUERY_INT(store, "SELECT count(*) FROM t WHERE x = 'instance'"));
    EQUAL(1, QUERY_INT(store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
}

static void children_of_children(void) {
    int64_t before = QUERY_INT(store, "SELECT count(*) FROM t WHERE x = 'child'");
    pid_t child = fork_child();
    if (child == 0) {
        alarm(PATIENCE);
        store = open_source(path);
        EXEC(store, "INSERT INTO t VALUES ('child of first')");
        int nested = in_child(opening_afresh, 1);
        EQUAL(0, nested);
        EXEC(store, "INSERT INTO t VALUES ('child of first')");
        OK(kw_store_close(store, -1, &err));
        exit(checks_failed);
    }
    int state = 0;
    waitpid(child, &state, 0);
    EQUAL(0, WIFEXITED(state) ? WEXITSTATUS(state) : 98);
    EQUAL(2, QUERY_INT(store, "SELECT count(*) FROM t WHERE x = 'child of first'"));
    EQUAL(before + 1, QUERY_INT(store, "SELECT count(*) FROM t WHERE x = 'child'"));
}

static void many_children_one_after_the_other(void) {
    for (int i = 0; i < 40; i++) EQUAL(0, in_child(opening_afresh, i % 2));
}

/* AddressSanitizer's allocator may be inherited locked before LLVM 18 and GCC 15: a child that was forked while another thread
 * allocates waits for ever in its own malloc (https://github.com/llvm/llvm-project/pull/75290). */
#if defined(__clang__)
enum { ALLOCATOR_FORKS_WELL = !__has_feature(address_sanitizer) || __clang_major__ >= 18 };
#elif defined(__SANITIZE_ADDRESS__)
enum { ALLOCATOR_FORKS_WELL = __GNUC__ >= 15 };
#else
enum { ALLOCATOR_FORKS_WELL = 1 };
#endif

/* How many forks of each kind; KEEPWELL_TEST_ROUNDS sets it. */
static int forks = 1000;

/* What is set up once in the life of a process must not be inherited half-done. */
static int opening;
static void *open_the_first_store(void *name_of_a_status) {
    __atomic_store_n(&opening, 1, __ATOMIC_RELEASE);
    kw_store first = open_source(":memory:");
    *(const char **)name_of_a_status = kw_status_name(KW_BUSY);
    OK(kw_store_close(first, -1, &err));
    return NULL;
}

static void opening_in_memory(void) {
    kw_store own = open_source(":memory:");
    EQUAL(0, strcmp("KW_BUSY", kw_status_name(KW_BUSY)));
    EQUAL(42, QUERY_INT(own, "SELECT 6 * 7"));
    OK(kw_store_close(own, -1, &err));
}

static int forked_during_the_first_open;
static void forking_during_the_first_open(void) {
    pthread_t thread;
    const char *name = NULL;
    if (pthread_create(&thread, NULL, open_the_first_store, &name) != 0) exit(2);
    while (!__atomic_load_n(&opening, __ATOMIC_ACQUIRE)) continue;
    for (volatile int i = 0; i < forked_during_the_first_open % 100 * 300; i++) continue;
    EQUAL(0, in_child(opening_in_memory, 0));
    pthread_join(thread, NULL);
    CHECK(name != NULL);
}

static void children_forked_during_the_first_open(void) {
    for (int i = 0; i < forks; i++) {
        forked_during_the_first_open = i;
        EQUAL(0, in_child(forking_during_the_first_open, 0));
    }
}

/* Threads of the parent are inside the library, and inside SQLite, at the moment of the fork: their locks are inherited
 * as they are, held by nobody who could release them. Each row says who wrote it, and with which number. */
enum { SINGLE_1, SINGLE_2, TRANSACTIONS, OPENING, READING, ELSEWHERE, THREADS, CHILDREN };
static int64_t acknowledged[THREADS];
static char elsewhere[4400];
static int stop_working;

static int is_working(void) { return !__atomic_load_n(&stop_working, __ATOMIC_RELAXED); }

static kw_options patient(void) {
    kw_options options = KW_OPTIONS_INIT;
    options.timeout_us = PATIENCE / 2 * 1000000;
    return options;
}

static kw_status insert(kw_target target, int64_t who, int64_t number) {
    kw_cell cells[] = {int_cell(who), int_cell(number)};
    kw_options options = patient();
    return kw_execute(target, "INSERT INTO written VALUES (?, ?)", KW_NUL_TERMINATED, cells, 2, &options, NULL, &err);
}

static void insert_next(kw_target target, int64_t who) {
    kw_status status = insert(target, who, acknowledged[who] + 1);
    OK(status);
    if (status == KW_OK) acknowledged[who]++;
}

static void insert_three(int64_t who) {
    kw_tx own = 0;
    kw_options options = patient();
    OK(kw_tx_begin(store, KW_TX_DEFAULT, &options, &own, &err));
    for (int i = 1; i <= 3; i++) OK(insert(own, who, acknowledged[who] + i));
    kw_status status = kw_tx_commit(own, &err);
    OK(status);
    if (status == KW_OK) acknowledged[who] += 3;
}

/* Opens and closes a store at the path for each three rows. */
static void insert_in_a_new_store(const char *at, int64_t who) {
    kw_store own = open_source(at);
    for (int i = 0; i < 3; i++) insert_next(own, who);
    OK(kw_store_close(own, -1, &err));
}

static void *work(void *argument) {
    int who = (int)(intptr_t)argument;
    while (is_working()) {
        switch (who) {
        case TRANSACTIONS: insert_three(who); break;
        case OPENING: insert_in_a_new_store(path, who); break;
        case ELSEWHERE: insert_in_a_new_store(elsewhere, who); break;
        case READING: CHECK(QUERY_INT(store, "SELECT count(*) FROM written WHERE who = 1 AND number > 100") >= 0); break;
        default: insert_next(store, who);
        }
    }
    return NULL;
}

static int number_of_child;
static void working_as_a_child(void) {
    FAILS(KW_FORKED, exec_status(store, "SELECT 1"));
    FAILS(KW_FORKED, insert(tx, 0, 0));
    FAILS(KW_FORKED, kw_tx_commit(tx, &err));
    FAILS(KW_FORKED, kw_rows_step(rows, &err));
    kw_store own = open_source(path);
    CHECK(QUERY_INT(own, "SELECT max(rowid) FROM written") > 0);
    OK(insert(own, CHILDREN, number_of_child));
    OK(kw_store_close(own, -1, &err));
}

static int64_t count_of(int64_t who) {
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(DISTINCT number) FROM written WHERE who = %d AND number > 0", (int)who);
    return QUERY_INT(store, sql);
}

static kw_store open_with_table(const char *source) {
    kw_store own = open_source(source);
    EXEC(own, "CREATE TABLE written(who, number)");
    OK(insert(own, 0, 0));
    return own;
}

static void children_of_a_busy_process(void) {
    pthread_t threads[THREADS];
    snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", path);
    OK(kw_store_close(open_with_table(elsewhere), -1, &err));
    OK(kw_store_close(open_with_table(path), -1, &err));
    kw_store beside = open_with_table(":memory:");
    OK(kw_tx_begin(beside, KW_TX_DEFAULT, NULL, &tx, &err));
    OK(kw_query(tx, COUNT_TO(2000), KW_NUL_TERMINATED, NULL, 0, NULL, &rows, &err));
    for (intptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) exit(2);
    }
    for (number_of_child = 1; number_of_child <= forks; number_of_child++) {
        EQUAL(0, in_child(working_as_a_child, number_of_child % 2));
        OK(insert(tx, CHILDREN, number_of_child));
    }
    __atomic_store_n(&stop_working, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    OK(kw_rows_close(rows));
    OK(kw_tx_commit(tx, &err));
    EQUAL(forks, QUERY_INT(beside, "SELECT count(*) FROM written WHERE number > 0"));
    OK(kw_store_close(beside, -1, &err));
    for (int64_t who = 0; who <= OPENING; who++) {
        CHECK(acknowledged[who] > 0);
        EQUAL(acknowledged[who], count_of(who));
    }
    EQUAL(forks, count_of(CHILDREN));
    EQUAL(1, QUERY_INT(store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
}

int main(int argc, char **argv) {
    (void)argc;
    const char *rounds = getenv("KEEPWELL_TEST_ROUNDS");
    if (rounds != NULL) forks = atoi(rounds);
    if (ALLOCATOR_FORKS_WELL) RUN(children_forked_during_the_first_open); /* before anything is opened here */
    store = open_file("fork.db");
    snprintf(path, sizeof path, "%s", temp_path("fork.db"));
    EXEC(store, "CREATE TABLE t(x)");
    RUN(a_child_is_told_and_the_parent_is_unharmed);
    RUN(a_child_opens_afresh);
    RUN(children_of_children);
    RUN(many_children_one_after_the_other);
    if (ALLOCATOR_FORKS_WELL) {
        RUN(children_of_a_busy_process);
    } else {
        SKIP("forks of a busy process: this compiler's AddressSanitizer deadlocks in them");
    }
    OK(kw_store_close(store, -1, &err));
    return REPORT();
}
