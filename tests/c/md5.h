/* md5.h: the digest of RFC 1321, for result hashes of sqllogictest files. Compiles as C and C++. */
#ifndef KEEPWELL_TESTS_MD5_H
#define KEEPWELL_TESTS_MD5_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Invariant: `length` bytes have been taken in; the last length % 64 of them wait in `block`. */
typedef struct md5 {
    uint32_t state[4];
    uint64_t length;
    unsigned char block[64];
} md5;

static inline void md5_begin(md5 *m) {
    static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    memcpy(m->state, start, sizeof start);
    m->length = 0;
}

static inline void md5_block(md5 *m) {
    static const int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = m->state[0], b = m->state[1], c = m->state[2], d = m->state[3];
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t f, g, word;
        if (i < 16) f = (b & c) | (~b & d), g = i;
        else if (i < 32) f = (d & b) | (~d & c), g = (5 * i + 1) % 16;
        else if (i < 48) f = b ^ c ^ d, g = (3 * i + 5) % 16;
        else f = c ^ (b | ~d), g = (7 * i) % 16;
        const unsigned char *at = m->block + 4 * g;
        word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        f += a + word + (uint32_t)(int64_t)(fabs(sin((double)i + 1.0)) * 4294967296.0);
        int turn = turns[i / 16][i % 4];
        a = d, d = c, c = b;
        b += (f << turn) | (f >> (32 - turn));
    }
    m->state[0] += a, m->state[1] += b, m->state[2] += c, m->state[3] += d;
}

static inline void md5_add(md5 *m, const void *data, size_t size) {
    const unsigned char *from = (const unsigned char *)data;
    for (size_t i = 0; i < size; i++) {
        m->block[m->length++ % 64] = from[i];
        if (m->length % 64 == 0) md5_block(m);
    }
}

/* Ends the digest and writes its 32 hexadecimal digits and a NUL. */
static inline void md5_end(md5 *m, char hex[33]) {
    uint64_t bits = m->length * 8;
    md5_add(m, "\x80", 1);
    while (m->length % 64 != 56) md5_add(m, "", 1);
    for (int i = 0; i < 8; i++) {
        unsigned char byte = (unsigned char)(bits >> (8 * i));
        md5_add(m, &byte, 1);
    }
    for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned)(m->state[i / 4] >> (8 * (i % 4)) & 0xff));
}

#endif
