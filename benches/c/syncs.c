/* Counts the calls by which SQLite waits for the disk. Linked into the C bench, and preloaded into the benches of Go and Python: either way
 * these definitions come before libc's, for every SQLite in the process. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long count;

/* How often the process has waited for the disk so far. */
__attribute__((visibility("default"))) long bench_syncs(void) { return atomic_load_explicit(&count, memory_order_relaxed); }

static int counted(long number, int fd) {
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return (int)syscall(number, fd);
}

__attribute__((visibility("default"))) int fsync(int fd) { return counted(SYS_fsync, fd); }

__attribute__((visibility("default"))) int fdatasync(int fd) { return counted(SYS_fdatasync, fd); }
