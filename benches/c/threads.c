/* The same work from one thread and from two at the same time, in time of the processor: what threads that meet at a lock or a cache line
 * cost each other shows there, and other work on the machine does not. */
#include <pthread.h>
#include <time.h>

#include "bench.h"

typedef struct worker {
    pthread_barrier_t *gate;
    work run;
    void *self;
    long from, count;
    double nanos; /* per operation */
} worker;

static double cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *body(void *argument) {
    worker *w = argument;
    w->run(w->self, w->from, 100); /* the thread's own connection is open from here on */
    pthread_barrier_wait(w->gate);
    double start = cpu_ns();
    w->run(w->self, w->from, w->count);
    w->nanos = (cpu_ns() - start) / (double)w->count;
    return NULL;
}

double threaded(work run, void **selves, int threads, long from, long count) {
    pthread_barrier_t gate;
    pthread_t ids[MOST_THREADS];
    worker workers[MOST_THREADS];
    double sum = 0;
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){&gate, run, selves[i], from + i * count, count, 0};
        if (pthread_create(&ids[i], NULL, body, &workers[i]) != 0) fail("no thread");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += workers[i].nanos;
    }
    pthread_barrier_destroy(&gate);
    return sum / threads;
}
