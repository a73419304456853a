/* metrics.h: the metrics of a store as text, and single values out of it. */
#ifndef KEEPWELL_TESTS_METRICS_H
#define KEEPWELL_TESTS_METRICS_H

#include "check.h"

/* All of it; free it. */
MAYBE_UNUSED static char *metrics_text(kw_store store, uint32_t format) {
    size_t length = 0;
    OK(kw_metrics_text(store, format, NULL, 0, &length, &err));
    for (;;) {
        size_t size = length + 1;
        char *text = malloc(size);
        if (text == NULL) exit(2);
        text[0] = 0;
        OK(kw_metrics_text(store, format, text, size, &length, &err));
        if (length < size) return text;
        free(text);
    }
}

/* The value of the line that begins with `name{` and holds `labels`; -1 where there is none. */
MAYBE_UNUSED static double metric_in(const char *text, const char *name, const char *labels) {
    size_t length = strlen(name);
    for (const char *line = text; line != NULL && *line != 0; line = strchr(line, '\n'), line = line != NULL ? line + 1 : NULL) {
        if (strncmp(line, name, length) != 0 || line[length] != '{') continue;
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, labels);
        if (end == NULL || found == NULL || found > end) continue;
        const char *value = end;
        while (value[-1] != ' ') value--;
        return strtod(value, NULL);
    }
    return -1;
}

MAYBE_UNUSED static double metric(kw_store store, const char *name, const char *labels) {
    char *text = metrics_text(store, KW_METRICS_PROMETHEUS);
    double value = metric_in(text, name, labels);
    free(text);
    return value;
}

MAYBE_UNUSED static void check_metric(double want, kw_store store, const char *name, const char *labels, const char *file, int line) {
    double got = metric(store, name, labels);
    if (got == want) return;
    check_failed(file, line, name);
    fprintf(stderr, "    %s{%s}: wanted %g, got %g\n", name, labels, want, got);
}
/* A series has exactly this value; `labels` is a part of its labels, "" where it has none but the store. */
#define METRIC(want, store, name, labels) check_metric((want), (store), (name), (labels), __FILE__, __LINE__)

#endif
