/* Comparisons: rounds of all sides in turn, medians with quartiles, one line of JSON for each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One side's part of a round. */
static uint64_t timed(const comparison *c, int which, long from, double *nanos) {
    const side *s = &c->sides[which];
    double start = now_ns();
    uint64_t sum = s->run(s->self, from, c->operations);
    *nanos = (now_ns() - start) / (double)c->operations;
    return sum;
}

/* Which side starts moves on with each round, so that no side always follows the same one. Round -1 warms up and is not kept. */
void measure(comparison *c) {
    for (int round = -1; round < c->rounds; round++) {
        uint64_t sums[MOST_SIDES];
        double spare;
        for (int turn = 0; turn < c->count; turn++) {
            int which = (turn + round + 1) % c->count;
            sums[which] = timed(c, which, c->first + (round + 1) * c->operations, round < 0 ? &spare : &c->nanos[which][round]);
        }
        for (int which = 1; which < c->count; which++) {
            if (sums[which] != sums[0]) fail("%s: read something else than %s", c->sides[which].id, c->peer);
        }
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

quartiles quartiles_of(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return (quartiles){values[count / 4], values[count / 2], values[count - 1 - count / 4]};
}

static quartiles of_copy(const double *values, int count) {
    double copy[MOST_ROUNDS];
    for (int i = 0; i < count; i++) copy[i] = values[i];
    return quartiles_of(copy, count);
}

static void print_target(double target) {
    if (target > 0) printf("\"target\": %.2f", target);
    else printf("\"target\": null");
}

void report(const comparison *c) {
    quartiles peer = of_copy(c->nanos[0], c->rounds);
    for (int which = 1; which < c->count; which++) {
        const side *s = &c->sides[which];
        if (!wanted(s->id)) continue;
        double ratios[MOST_ROUNDS];
        for (int round = 0; round < c->rounds; round++) ratios[round] = c->nanos[which][round] / c->nanos[0][round];
        quartiles ours = of_copy(c->nanos[which], c->rounds), ratio = quartiles_of(ratios, c->rounds);
        printf("{\"id\": \"%s\", \"language\": \"%s\", \"peer\": \"%s\", \"what\": \"%s\", ", s->id, s->language, c->peer, s->what);
        printf("\"ours_ns\": %.1f, \"ours_q1\": %.1f, \"ours_q3\": %.1f, ", ours.median, ours.q1, ours.q3);
        printf("\"peer_ns\": %.1f, \"peer_q1\": %.1f, \"peer_q3\": %.1f, ", peer.median, peer.q1, peer.q3);
        printf("\"ratio\": %.4f, \"ratio_q1\": %.4f, \"ratio_q3\": %.4f, ", ours.median / peer.median, ratio.q1, ratio.q3);
        print_target(s->target);
        printf(", \"rounds\": %d}\n", c->rounds);
    }
    fflush(stdout);
}

void report_limit(const char *id, const char *what, double *nanos, int rounds, double limit) {
    quartiles q = quartiles_of(nanos, rounds);
    printf("{\"id\": \"%s\", \"language\": \"c\", \"peer\": \"%s\", \"what\": \"%s\", ", id, limit > 0 ? "limit" : "none", what);
    printf("\"ours_ns\": %.1f, \"ours_q1\": %.1f, \"ours_q3\": %.1f, ", q.median, q.q1, q.q3);
    if (limit > 0) {
        printf("\"peer_ns\": %.1f, \"ratio\": %.4f, \"ratio_q1\": %.4f, \"ratio_q3\": %.4f, ", limit, q.median / limit, q.q1 / limit, q.q3 / limit);
        print_target(1);
    } else {
        printf("\"peer_ns\": null, \"ratio\": null, \"target\": null");
    }
    printf(", \"rounds\": %d}\n", rounds);
    fflush(stdout);
}
