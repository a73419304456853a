/* Closing while threads write, ends of processes while threads write, and a thousand lives of one store. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 8 };

typedef struct {
    kw_store store;
    int thread;
    /* Where each acknowledged write is reported, or -1. */
    int pipe;
    int acknowledged;
    kw_status end;
} Writer;

static const char *program;

static long rounds(long usual) {
    const char *text = getenv("KEEPWELL_TEST_ROUNDS");
    return text != NULL && atol(text) < usual ? atol(text) : usual;
}

/* Writes until that fails. Even threads write single rows, which share transactions; odd ones a transaction each time. */
static void *write_until_refused(void *context) {
    Writer *me = context;
    kw_error error = KW_ERROR_INIT;
    char sql[80];
    snprintf(sql, sizeof sql, "INSERT INTO t(thread) VALUES (%d)", me->thread);
    for (;;) {
        kw_target target = me->store;
        if (me->thread % 2 == 1) {
            me->end = kw_tx_begin(me->store, KW_TX_DEFAULT, NULL, &target, &error);
            if (me->end != KW_OK) return NULL;
        }
        me->end = kw_execute(target, sql, KW_NUL_TERMINATED, NULL, 0, NULL, NULL, &error);
        if (me->end == KW_OK && target != me->store) me->end = kw_tx_commit(target, &error);
        if (target != me->store) kw_tx_rollback(target, NULL);
        if (me->end != KW_OK) return NULL;
        me->acknowledged++;
        unsigned char report = (unsigned char)me->thread;
        if (me->pipe >= 0 && write(me->pipe, &report, 1) != 1) return NULL;
    }
}

static void start_writers(Writer *writers, pthread_t *threads, kw_store store, int pipe) {
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (Writer){store, i, pipe, 0, KW_OK};
        CHECK(pthread_create(&threads[i], NULL, write_until_refused, &writers[i]) == 0);
    }
}

/* How many rows of each thread the file has, against what was acknowledged. */
static void compare(const char *name, const int *acknowledged, int may_have_more) {
    kw_store store = open_file(name);
    for (int i = 0; i < THREADS; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE thread = %d", i);
        int64_t there = QUERY_INT(store, sql);
        CHECK(there >= acknowledged[i] && there <= acknowledged[i] + may_have_more);
    }
    EQUAL(1, QUERY_INT(store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
    OK(kw_store_close(store, -1, &err));
}

/* `drain_us` 0 ends the calls under way, a long one lets them finish. */
static void close_under_load(const char *name, int64_t drain_us) {
    Writer writers[THREADS];
    pthread_t threads[THREADS];
    int acknowledged[THREADS] = {0};
    kw_store store = open_file(name);
    EXEC(store, "CREATE TABLE t(thread)");
    OK(kw_store_close(store, -1, &err));
    for (long round = 0; round < rounds(30); round++) {
        struct timespec moment = {0, round * 500000};
        store = open_file(name);
        start_writers(writers, threads, store, -1);
        nanosleep(&moment, NULL);
        kw_status status = kw_store_close(store, drain_us, &err);
        CHECK(status == KW_OK || (drain_us == 0 && status == KW_TIMEOUT));
        if (status == KW_TIMEOUT) HAS(err.message, "writer held");
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            kw_status end = writers[i].end;
            if (end != KW_CLOSED && end != KW_INVALID_HANDLE && end != KW_TX_ENDED) FAILS(KW_CLOSED, end);
            acknowledged[i] += writers[i].acknowledged;
        }
    }
    compare(name, acknowledged, 0);
}

static void closing_lets_writers_finish(void) { close_under_load("patient.db", 60000000); }

static void closing_ends_writers(void) { close_under_load("impatient.db", 0); }

/* ------------------------------------------------------------------------------------------------- ends of processes -- */

/* What this program does when a test below runs it: it ends in the middle of its writers' work. */
static int end_while_writing(const char *how, const char *path, int pipe) {
    static Writer writers[THREADS];
    static pthread_t threads[THREADS];
    start_writers(writers, threads, open_source(path), pipe);
    usleep((useconds_t)(getpid() % 16) * 2000);
    if (strcmp(how, "exit") == 0) exit(7);
    return 7;
}

static void end_rounds(const char *how, const char *name) {
    int acknowledged[THREADS] = {0};
    kw_store store = open_file(name);
    EXEC(store, "CREATE TABLE t(thread)");
    OK(kw_store_close(store, -1, &err));
    for (long round = 0; round < rounds(20); round++) {
        int ends[2], state = 0;
        char fd[12];
        CHECK(pipe(ends) == 0);
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        snprintf(fd, sizeof fd, "%d", ends[1]);
        pid_t child = fork_child();
        if (child == 0) {
            execl(program, program, how, temp_path(name), fd, (char *)NULL);
            _exit(97);
        }
        close(ends[1]);
        unsigned char report;
        while (read(ends[0], &report, 1) == 1) acknowledged[report % THREADS]++;
        close(ends[0]);
        waitpid(child, &state, 0);
        EQUAL(7, WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state));
    }
    /* Of each thread and round, one write may be done and not reported. */
    compare(name, acknowledged, (int)rounds(20));
}

static void exit_while_threads_write(void) { end_rounds("exit", "exit.db"); }

static void returning_from_main_while_threads_write(void) { end_rounds("return", "return.db"); }

/* ----------------------------------------------------------------------------------------------------- many lives -- */

static int entries(const char *folder) {
    int count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return -1;
    while (readdir(dir) != NULL) count++;
    closedir(dir);
    return count;
}

static void a_thousand_lives_leave_nothing_behind(void) {
    kw_config config = 0;
    int fds = 0, threads = 0;
    mkdir(temp_path("lives"), 0777);
    OK(kw_config_new(&config, &err));
    OK(kw_config_load_uri(config, temp_path("lives/t.db"), KW_NUL_TERMINATED, &err));
    OK(kw_initialize(config, &err));
    EXEC(KW_INSTANCE, "CREATE TABLE t(n INTEGER PRIMARY KEY)");
    OK(kw_store_close(KW_INSTANCE, -1, &err));
    long lives = rounds(1000);
    for (long life = 0; life < lives && checks_failed == 0; life++) {
        if (life == 1) fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
        OK(kw_initialize(config, &err));
        EXEC(KW_INSTANCE, "INSERT INTO t DEFAULT VALUES");
        EQUAL(life + 1, QUERY_INT(KW_INSTANCE, "SELECT max(n) FROM t"));
        OK(kw_store_close(KW_INSTANCE, -1, &err));
        FAILS(KW_NOT_INITIALIZED, exec_status(KW_INSTANCE, "SELECT 1"));
        EQUAL(3, entries(temp_path("lives"))); /* . and .. and the database */
    }
    if (lives > 1) EQUAL(fds, entries("/proc/self/fd"));
    /* A thread that was joined leaves the list a moment later. */
    for (int i = 0; lives > 1 && i < 1000 && entries("/proc/self/task") != threads; i++) usleep(1000);
    if (lives > 1) EQUAL(threads, entries("/proc/self/task"));
    OK(kw_config_free(config));
}

int main(int argc, char **argv) {
    if (argc == 4) return end_while_writing(argv[1], argv[2], atoi(argv[3]));
    program = argv[0];
    temp_path("");
    RUN(closing_lets_writers_finish);
    RUN(closing_ends_writers);
    RUN(exit_while_threads_write);
    RUN(returning_from_main_while_threads_write);
    RUN(a_thousand_lives_leave_nothing_behind);
    return REPORT();
}
