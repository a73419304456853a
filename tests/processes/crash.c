/* Processes that are killed while sixteen threads of theirs write: what was acknowledged is there, and everything else is whole or absent.
 *
 *   crash              KEEPWELL_TEST_ROUNDS rounds, or as many as fit into KEEPWELL_TEST_SECONDS (default 20)
 *   crash child ...    what a round starts and kills
 *
 * A child reports each write to its parent through a pipe after the call has returned; reports are shorter than PIPE_BUF, so none is torn.
 * The kinds of rounds: the children sync as `full` and as `normal`, and the parent has the file open itself while the child dies, or not:
 * then the next one to open the file has to recover the log.
 */
#include "check.h"

#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/wait.h>

enum { THREADS = 16, MOST = 1 << 16 };

/* How a thread writes: always in the same way, so that each line at the writer has all kinds in it. */
enum { SINGLE, RETURNING, TRANSACTION, MANY, KINDS };
static const int parts_of[KINDS] = {1, 1, 3, 5};

typedef struct {
    uint32_t thread;
    uint32_t sequence;
} Report;

static const char *program;

/* ------------------------------------------------------------------------------------------------------- the child -- */

typedef struct {
    kw_store store;
    int64_t round;
    int pipe;
    uint32_t thread;
} Writer;

#define INSERT "INSERT INTO w(round, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)"

static void fill_row(kw_cell *row, const Writer *me, uint32_t sequence, int part, int parts) {
    row[0] = int_cell(me->round);
    row[1] = int_cell(me->thread);
    row[2] = int_cell(sequence);
    row[3] = int_cell(part);
    row[4] = int_cell(parts);
}

static kw_status write_single(const Writer *me, uint32_t sequence) {
    kw_cell row[5];
    fill_row(row, me, sequence, 0, 1);
    return kw_execute(me->store, INSERT, KW_NUL_TERMINATED, row, 5, NULL, NULL, &err);
}

static kw_status write_returning(const Writer *me, uint32_t sequence) {
    kw_cell row[5];
    kw_rows rows = 0;
    fill_row(row, me, sequence, 0, 1);
    kw_status status = kw_query(me->store, INSERT " RETURNING sequence", KW_NUL_TERMINATED, row, 5, NULL, &rows, &err);
    if (status == KW_OK) OK(kw_rows_close(rows));
    return status;
}

static kw_status write_transaction(const Writer *me, uint32_t sequence) {
    kw_cell row[5];
    kw_tx tx = 0;
    kw_status status = kw_tx_begin(me->store, KW_TX_DEFAULT, NULL, &tx, &err);
    for (int part = 0; status == KW_OK && part < parts_of[TRANSACTION]; part++) {
        fill_row(row, me, sequence, part, parts_of[TRANSACTION]);
        status = kw_execute(tx, INSERT, KW_NUL_TERMINATED, row, 5, NULL, NULL, &err);
    }
    return status == KW_OK ? kw_tx_commit(tx, &err) : status;
}

static kw_status write_many(const Writer *me, uint32_t sequence) {
    kw_cell rows[5 * 5];
    for (int part = 0; part < parts_of[MANY]; part++) fill_row(rows + 5 * part, me, sequence, part, parts_of[MANY]);
    return kw_execute_many(me->store, INSERT, KW_NUL_TERMINATED, rows, 5, (size_t)parts_of[MANY], NULL, NULL, &err);
}

static void *write_on(void *context) {
    static kw_status (*const kinds[KINDS])(const Writer *, uint32_t) = {write_single, write_returning, write_transaction, write_many};
    const Writer *me = context;
    for (uint32_t sequence = 0; sequence < MOST; sequence++) {
        if (kinds[me->thread % KINDS](me, sequence) != KW_OK) {
            fprintf(stderr, "thread %u: %s\n", me->thread, err.message);
            _exit(3);
        }
        Report report = {me->thread, sequence};
        if (write(me->pipe, &report, sizeof report) != (ssize_t)sizeof report) _exit(4);
    }
    _exit(5); /* the parent should have killed this process long ago */
}

static kw_store open_at(const char *path, const char *synchronous) {
    kw_config config = 0;
    kw_store store = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_set(config, "datasource", KW_NUL_TERMINATED, path, KW_NUL_TERMINATED, &err));
    OK(kw_config_set(config, "options.synchronous", KW_NUL_TERMINATED, synchronous, KW_NUL_TERMINATED, &err));
    /* A short log, so that processes die in the middle of copying it too. */
    OK(kw_config_set(config, "options.wal_autocheckpoint", KW_NUL_TERMINATED, "50", KW_NUL_TERMINATED, &err));
    if (kw_open(config, &store, &err) != KW_OK) {
        fprintf(stderr, "cannot open %s: %s\n", path, err.message);
        _exit(2);
    }
    OK(kw_config_free(config));
    return store;
}

static int child(const char *path, const char *synchronous, int64_t round, int pipe) {
    static Writer writers[THREADS];
    pthread_t thread;
    kw_store store = open_at(path, synchronous);
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] = (Writer){store, round, pipe, i};
        if (pthread_create(&thread, NULL, write_on, &writers[i]) != 0) _exit(6);
    }
    for (;;) pause();
}

/* ------------------------------------------------------------------------------------------------------ the parent -- */

typedef struct {
    /* How many writes of each thread were acknowledged: the first so many, because a thread goes on only after a success. */
    uint32_t acknowledged[THREADS];
    long reports;
} Round;

static pid_t start(const char *path, const char *synchronous, int64_t round, int pipe) {
    pid_t pid = fork_child();
    if (pid == 0) {
        char number[24], fd[12];
        snprintf(number, sizeof number, "%lld", (long long)round);
        snprintf(fd, sizeof fd, "%d", pipe);
        execl(program, program, "child", path, synchronous, number, fd, (char *)NULL);
        _exit(97);
    }
    return pid;
}

/* Reads reports until nobody can send any more; kills `pid` after `allowed` of them. */
static void listen_and_kill(int pipe, pid_t pid, long allowed, Round *round) {
    Report report;
    while (read(pipe, &report, sizeof report) == (ssize_t)sizeof report) {
        CHECK(report.thread < THREADS && report.sequence == round->acknowledged[report.thread]);
        if (report.thread < THREADS) round->acknowledged[report.thread] = report.sequence + 1;
        if (++round->reports == allowed) {
            /* A moment between two reports, not always the one right after an acknowledgement. */
            struct timespec moment = {0, rand() % 2000000};
            nanosleep(&moment, NULL);
            kill(pid, SIGKILL);
        }
    }
}

static void run_round(const char *path, const char *synchronous, int64_t number, Round *round) {
    int ends[2], state = 0;
    CHECK(pipe(ends) == 0);
    pid_t pid = start(path, synchronous, number, ends[1]);
    close(ends[1]);
    listen_and_kill(ends[0], pid, 1 + rand() % 1500, round);
    close(ends[0]);
    waitpid(pid, &state, 0);
    EQUAL(SIGKILL, WIFSIGNALED(state) ? WTERMSIG(state) : -WEXITSTATUS(state));
}

static int64_t query_number(kw_store store, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int64_t query_number(kw_store store, const char *format, ...) {
    char sql[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    return QUERY_INT(store, sql);
}

/* What the round left in the file against what it acknowledged. `before` is the number of rows of all earlier rounds. */
static void check_round(kw_store store, int64_t number, const Round *round, int64_t before) {
    EQUAL(1, QUERY_INT(store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
    EQUAL(before, query_number(store, "SELECT count(*) FROM w WHERE round < %lld", (long long)number));
    EQUAL(0, query_number(store,
                          "SELECT count(*) FROM (SELECT 1 FROM w WHERE round = %lld GROUP BY thread, sequence HAVING count(*) <> max(parts))",
                          (long long)number));
    for (int thread = 0; thread < THREADS; thread++) {
        int64_t there = query_number(store, "SELECT count(*) / %d FROM w WHERE round = %lld AND thread = %d", parts_of[thread % KINDS],
                                     (long long)number, thread);
        int64_t last = query_number(store, "SELECT coalesce(max(sequence), -1) + 1 FROM w WHERE round = %lld AND thread = %d",
                                    (long long)number, thread);
        EQUAL(last, there); /* no gap */
        int64_t acknowledged = round->acknowledged[thread];
        /* At most one more: done, but killed before it could be reported. */
        CHECK(there == acknowledged || there == acknowledged + 1);
        if (there < acknowledged) fprintf(stderr, "    round %lld, thread %d: %lld of %lld acknowledged writes\n", (long long)number,
                                          thread, (long long)there, (long long)acknowledged);
    }
}

static long rounds_wanted(void) {
    const char *text = getenv("KEEPWELL_TEST_ROUNDS");
    return text != NULL ? atol(text) : 0;
}

static double seconds_wanted(void) {
    const char *text = getenv("KEEPWELL_TEST_SECONDS");
    return text != NULL ? atof(text) : 20;
}

static void killed_writers_lose_nothing_acknowledged(void) {
    const char *path = temp_path("crash.db");
    long reports = 0;
    int rounds = 0;
    int64_t rows = 0;
    double began = now_seconds();
    kw_store store = open_at(path, "full");
    EXEC(store, "CREATE TABLE w(round, thread, sequence, part, parts, PRIMARY KEY(round, thread, sequence, part))");
    while (checks_failed == 0 && (rounds_wanted() > 0 ? rounds < rounds_wanted() : now_seconds() - began < seconds_wanted())) {
        Round round = {{0}, 0};
        int stays_open = rounds / 2 % 2;
        if (!stays_open) OK(kw_store_close(store, -1, &err));
        run_round(path, rounds % 2 == 0 ? "full" : "normal", rounds, &round);
        if (!stays_open) store = open_at(path, "normal");
        check_round(store, rounds, &round, rows);
        rows = QUERY_INT(store, "SELECT count(*) FROM w");
        reports += round.reports;
        rounds++;
    }
    OK(kw_store_close(store, -1, &err));
    CHECK(rounds > 0 && reports > rounds);
    printf("crash: %d kills, %ld acknowledged writes, %lld rows, %.1f s\n", rounds, reports, (long long)rows, now_seconds() - began);
}

int main(int argc, char **argv) {
    if (argc == 6) return child(argv[2], argv[3], atoll(argv[4]), atoi(argv[5]));
    program = argv[0];
    srand((unsigned)time(NULL));
    RUN(killed_writers_lose_nothing_acknowledged);
    return REPORT();
}
