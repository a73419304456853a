/* How much memory a scan takes: the growth of the heap and of the resident set while a million rows go by. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* Bytes in use of the allocator's, as exactly as it knows. */
static long heap_bytes(void) {
    struct mallinfo2 m = mallinfo2();
    return (long)(m.uordblks + m.hblkhd);
}

/* Bytes of this process in memory. */
static long resident_bytes(void) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f) && sscanf(line, "Rss: %ld kB", &kib) != 1) {}
    fclose(f);
    return kib * 1024;
}

typedef struct growth {
    long heap, resident, batch; /* the most seen, and the largest batch with its bytes */
    long rows;
} growth;

static long batch_bytes(const kw_batch *batch) {
    long bytes = (long)(batch->rows * batch->columns * sizeof(kw_cell));
    for (uint32_t i = 0; i < batch->rows * batch->columns; i++) bytes += batch->cells[i].length;
    return bytes;
}

static void most(long *known, long seen) {
    if (seen > *known) *known = seen;
}

static growth scan(kw_store store, const char *sql) {
    kw_error err = KW_ERROR_INIT;
    kw_batch batch = KW_BATCH_INIT;
    kw_rows rows = 0;
    growth g = {0};
    long heap = heap_bytes(), resident = resident_bytes();
    if (kw_query(store, sql, strlen(sql), NULL, 0, NULL, &rows, &err) != KW_OK) fail("%s", err.message);
    for (long number = 0;; number++) {
        if (kw_rows_next_batch(rows, &batch, &err) != KW_OK) fail("%s", err.message);
        if (batch.rows == 0) break;
        g.rows += batch.rows;
        most(&g.batch, batch_bytes(&batch));
        most(&g.heap, heap_bytes() - heap);
        if (number % 64 == 0) most(&g.resident, resident_bytes() - resident);
    }
    kw_rows_close(rows);
    return g;
}

/* The first scan fills the connection's page cache, which is not what is measured. */
void measure_memory(kw_store store) {
    scan(store, SELECT " LIMIT 100000");
    growth g = scan(store, SELECT);
    printf("{\"id\": \"c.scan_memory\", \"language\": \"c\", \"peer\": \"limit\", \"what\": \"growth while %ld rows are scanned\", ", g.rows);
    printf("\"ours_ns\": null, \"peer_ns\": null, \"ratio\": null, \"target\": null, ");
    printf("\"bytes\": %ld, \"resident_bytes\": %ld, \"batch_bytes\": %ld, \"limit_bytes\": %ld}\n", g.heap, g.resident, g.batch, 2 * g.batch);
    fflush(stdout);
}
