/* One window of time: the threads of one side, what they wait for each other at, and what is left of it in numbers. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "writers.h"

/* What the threads of a window share. `end` is written between the two meetings at the gate, when nobody else looks. */
typedef struct stage {
    party *side;
    pthread_barrier_t gate;
    double end;
} stage;

typedef struct worker {
    stage *stage;
    void *seat;
    int64_t next;         /* number of the next row or lookup */
    long in_time, busy;   /* operations that ended in the window; answers "busy" */
    double *nanos;        /* of each write */
    long count, capacity; /* of `nanos` */
    pthread_t id;
} worker;

/* The window begins when every thread is there. */
static void meet(stage *s) {
    pthread_barrier_wait(&s->gate);
    pthread_barrier_wait(&s->gate);
}

static void keep(worker *w, double nanos) {
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 4096;
        w->nanos = realloc(w->nanos, (size_t)w->capacity * sizeof *w->nanos);
        if (!w->nanos) fail("no memory");
    }
    w->nanos[w->count++] = nanos;
}

/* A busy answer does not end a write: its caller would have to come again, so the time goes on. */
static void insert(worker *w) {
    int64_t number = w->next++;
    while (!w->stage->side->insert(w->seat, number)) w->busy++;
}

static void *write_rows(void *argument) {
    worker *w = argument;
    meet(w->stage);
    for (double start = now_ns(), now; start < w->stage->end; start = now) {
        insert(w);
        now = now_ns();
        keep(w, now - start);
        w->in_time += now <= w->stage->end;
    }
    return NULL;
}

static void *read_rows(void *argument) {
    worker *w = argument;
    meet(w->stage);
    while (now_ns() < w->stage->end) {
        w->stage->side->lookup(w->seat, key_of(w->next++));
        w->in_time++;
    }
    return NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest value that so large a part of the others does not exceed. */
static double quantile(const double *sorted, long count, double part) { return sorted[(long)ceil(part * (double)count) - 1]; }

/* Gathers the writers' latencies in the memory of the first. */
static void latencies(worker *writers, int count, window *into) {
    worker *all = &writers[0];
    for (int i = 1; i < count; i++) {
        for (long n = 0; n < writers[i].count; n++) keep(all, writers[i].nanos[n]);
    }
    if (all->count == 0) fail("no thread got to write in the window");
    qsort(all->nanos, (size_t)all->count, sizeof *all->nanos, ascending);
    into->p50 = quantile(all->nanos, all->count, 0.5);
    into->p99 = quantile(all->nanos, all->count, 0.99);
    into->p999 = quantile(all->nanos, all->count, 0.999);
    into->slowest = all->nanos[all->count - 1];
}

static window sum_up(worker *workers, const cell *c, double seconds) {
    window w = {0};
    long in_time = 0, fewest = workers[0].in_time, reads = 0;
    for (int i = 0; i < c->writers; i++) {
        in_time += workers[i].in_time;
        w.busy += workers[i].busy;
        if (workers[i].in_time < fewest) fewest = workers[i].in_time;
    }
    for (int i = c->writers; i < c->writers + c->readers; i++) reads += workers[i].in_time;
    latencies(workers, c->writers, &w);
    w.writes = (double)in_time / seconds;
    w.reads = (double)reads / seconds;
    w.fewest = in_time > 0 ? (double)fewest * c->writers / (double)in_time : 0;
    return w;
}

window play(party *p, const cell *c, double seconds) {
    int threads = c->writers + c->readers;
    worker workers[MOST_SEATS] = {0};
    stage s = {.side = p};
    pthread_barrier_init(&s.gate, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){.stage = &s, .seat = p->seats[i], .next = (int64_t)i * 1000003};
        if (pthread_create(&workers[i].id, NULL, i < c->writers ? write_rows : read_rows, &workers[i]) != 0) fail("no thread");
    }
    pthread_barrier_wait(&s.gate);
    long syncs = bench_syncs(), waited = bench_sync_nanos();
    s.end = now_ns() + seconds * 1e9;
    pthread_barrier_wait(&s.gate);
    for (int i = 0; i < threads; i++) pthread_join(workers[i].id, NULL);
    syncs = bench_syncs() - syncs;
    waited = bench_sync_nanos() - waited;
    long written = 0;
    for (int i = 0; i < c->writers; i++) written += workers[i].count;
    window w = sum_up(workers, c, seconds);
    w.syncs = (double)syncs / (double)written;
    w.sync = syncs > 0 ? (double)waited / (double)syncs : 0;
    p->written += written;
    for (int i = 0; i < c->writers; i++) free(workers[i].nanos);
    pthread_barrier_destroy(&s.gate);
    return w;
}
