/* Counts and times the calls by which SQLite waits for the disk. Linked into the C bench, and preloaded into the benches of Go and Python:
 * either way these definitions come before libc's, for every SQLite in the process. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

static atomic_long count, nanos;

/* How often the process has waited for the disk so far, and how long altogether. */
SEEN long bench_syncs(void) { return atomic_load_explicit(&count, memory_order_relaxed); }
SEEN long bench_sync_nanos(void) { return atomic_load_explicit(&nanos, memory_order_relaxed); }

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int counted(long number, int fd) {
    long start = now();
    int result = (int)syscall(number, fd);
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&nanos, now() - start, memory_order_relaxed);
    return result;
}

SEEN int fsync(int fd) { return counted(SYS_fsync, fd); }

SEEN int fdatasync(int fd) { return counted(SYS_fdatasync, fd); }
