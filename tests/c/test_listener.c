/* metrics.listen: metrics and health over a plain socket, for whom, and until when. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const char *const listening[] = {"metrics.listen", "127.0.0.1:0", "metrics.collect_interval", "0", NULL};

static int port_of(kw_store store) {
    char address[64] = "";
    size_t length = 0;
    OK(kw_metrics_address(store, address, sizeof address, &length, &err));
    EQUAL(strlen(address), length);
    const char *colon = strrchr(address, ':');
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0);
    return colon != NULL ? atoi(colon + 1) : 0;
}

static struct sockaddr_in local(int port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    return address;
}

static int dial(int port) {
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return -1;
}

/* What the listener answers to `request`; "" when nobody does. The next call uses the memory again. */
static const char *ask(int port, const char *request, size_t size) {
    static char answer[1 << 18];
    size_t have = 0;
    answer[0] = 0;
    int fd = dial(port);
    if (fd < 0) return answer;
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += (size_t)count;
    }
    for (ssize_t count; have < sizeof answer - 1 && (count = recv(fd, answer + have, sizeof answer - 1 - have, 0)) > 0;) have += (size_t)count;
    answer[have] = 0;
    close(fd);
    return answer;
}

static const char *get(int port, const char *path) {
    char request[256];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port);
    return ask(port, request, (size_t)size);
}

static void metrics_and_health_are_served(void) {
    kw_store store = open_with("serve.db", listening);
    int port = port_of(store);
    CHECK(port > 0);
    EXEC(store, "CREATE TABLE t(x)");
    const char *answer = get(port, "/metrics");
    HAS(answer, "HTTP/1.1 200 OK\r\n");
    HAS(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    const char *body = strstr(answer, "\r\n\r\n");
    CHECK(body != NULL && metric_in(body + 4, "keepwell_query_duration_seconds_count", "statement=\"write\"") == 1);
    const char *length = strstr(answer, "Content-Length: ");
    CHECK(body != NULL && length != NULL && (size_t)atol(length + 16) == strlen(body + 4));

    const char *open_metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    answer = ask(port, open_metrics, strlen(open_metrics));
    HAS(answer, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n");
    HAS(answer, "\n# EOF\n");

    answer = get(port, "/health");
    HAS(answer, "HTTP/1.1 200 OK\r\n");
    HAS(answer, "Content-Type: application/json\r\n");
    HAS(answer, "\"healthy\":true");
    HAS(get(port, "/"), "/metrics");
    HAS(get(port, "/favicon.ico"), "HTTP/1.1 404 ");
    OK(kw_store_close(store, -1, &err));
    CHECK(dial(port) < 0 && errno == ECONNREFUSED);
    EQUAL(0, strlen(get(port, "/metrics")));
}

static void without_a_listener_the_address_is_empty(void) {
    kw_store store = open_file("none.db");
    char address[8] = "x";
    size_t length = 7;
    OK(kw_metrics_address(store, address, sizeof address, &length, &err));
    EQUAL(0, length);
    EQUAL(0, address[0]);
    OK(kw_store_close(store, -1, &err));

    store = open_with("cut.db", listening);
    OK(kw_metrics_address(store, NULL, 0, &length, &err));
    CHECK(length >= strlen("127.0.0.1:1"));
    memset(address, 'x', sizeof address);
    OK(kw_metrics_address(store, address, 4, &length, &err));
    CHECK(strcmp(address, "127") == 0 && address[4] == 'x');
    OK(kw_store_close(store, -1, &err));
}

static kw_status open_at(const char *listen, const char *anywhere, kw_store *store) {
    kw_config config = 0;
    OK(kw_config_new(&config, &err));
    OK(kw_config_set(config, "datasource", KW_NUL_TERMINATED, temp_path("at.db"), KW_NUL_TERMINATED, &err));
    OK(kw_config_set(config, "metrics.listen_anywhere", KW_NUL_TERMINATED, anywhere, KW_NUL_TERMINATED, &err));
    kw_status status = kw_config_set(config, "metrics.listen", KW_NUL_TERMINATED, listen, KW_NUL_TERMINATED, &err);
    if (status == KW_OK) status = kw_open(config, store, &err);
    OK(kw_config_free(config));
    return status;
}

static void other_machines_are_served_only_where_that_was_asked_for(void) {
    kw_store store = 0;
    const char *const refused[] = {"0.0.0.0:0", "[::]:0", "192.168.1.1:9187", "example.org:80", "9187", "127.0.0.1:65536", "127.0.0.1:-1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        FAILS(KW_CONFIG, open_at(refused[i], "false", &store));
        HAS(err.message, "metrics.listen");
        if (i < 3) HAS(err.message, "metrics.listen_anywhere");
    }
    OK(open_at("0.0.0.0:0", "true", &store));
    char address[64];
    size_t length = 0;
    OK(kw_metrics_address(store, address, sizeof address, &length, &err));
    CHECK(strncmp(address, "0.0.0.0:", 8) == 0);
    HAS(get(atoi(address + 8), "/metrics"), "HTTP/1.1 200 OK\r\n");
    OK(kw_store_close(store, -1, &err));
}

static void a_port_that_is_taken_fails_the_opening(void) {
    kw_store first = open_with("taken.db", listening), second = 0;
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port_of(first));
    kw_status status = open_at(listen, "false", &second);
    FAILS(KW_IO, status);
    HAS(err.message, listen);
    OK(kw_store_close(first, -1, &err));
    OK(open_at(listen, "false", &second));
    HAS(get(port_of(second), "/health"), "200 OK");
    OK(kw_store_close(second, -1, &err));
}

static void several_stores_listen_for_themselves(void) {
    enum { STORES = 5 };
    kw_store stores[STORES];
    int ports[STORES];
    for (int i = 0; i < STORES; i++) {
        char name[32];
        snprintf(name, sizeof name, "several-%d.db", i);
        stores[i] = open_with(name, listening);
        ports[i] = port_of(stores[i]);
        for (int j = 0; j < i; j++) CHECK(ports[i] != ports[j]);
    }
    for (int i = 0; i < STORES; i++) {
        char name[32];
        snprintf(name, sizeof name, "several-%d.db\"", i);
        HAS(get(ports[i], "/metrics"), name);
    }
    OK(kw_store_close(stores[2], -1, &err));
    for (int i = 0; i < STORES; i++) EQUAL(i != 2, strlen(get(ports[i], "/health")) > 0);
    for (int i = 0; i < STORES; i++) (void)kw_store_close(stores[i], -1, &err);
}

static void an_unwell_store_answers_503(void) {
    kw_store store = open_with("unwell.db", listening), other = open_file("unwell.db");
    EXEC(store, "CREATE TABLE t(x)");
    HAS(get(port_of(store), "/health"), "HTTP/1.1 200 OK");
    kw_tx tx = 0;
    OK(kw_tx_begin(other, KW_TX_IMMEDIATE, NULL, &tx, &err));
    double began = now_seconds();
    const char *answer = get(port_of(store), "/health");
    CHECK(now_seconds() - began < 30);
    HAS(answer, "HTTP/1.1 503 Service Unavailable\r\n");
    HAS(answer, "\"healthy\":false");
    HAS(answer, "\"can_read\":true");
    HAS(answer, "\"can_write\":false");
    OK(kw_tx_rollback(tx, &err));
    HAS(get(port_of(store), "/health"), "HTTP/1.1 200 OK");
    OK(kw_store_close(other, -1, &err));
    OK(kw_store_close(store, -1, &err));
}

/* -------------------------------------------------------------------------------------------------------------- forks -- */

static void a_fork_leaves_the_listener_with_the_parent(void) {
    kw_store store = open_with("fork.db", listening);
    int port = port_of(store), done[2];
    char byte = 0;
    if (pipe(done) != 0) exit(2);
    pid_t child = fork_child();
    if (child == 0) {
        alarm(120);
        size_t length = 0;
        char text[16];
        kw_health health = KW_HEALTH_INIT;
        FAILS(KW_FORKED, kw_metrics_text(store, KW_METRICS_PROMETHEUS, text, sizeof text, &length, &err));
        FAILS(KW_FORKED, kw_metrics_address(store, text, sizeof text, &length, &err));
        FAILS(KW_FORKED, kw_store_health(store, NULL, &health, &err));
        FAILS(KW_FORKED, kw_store_health_json(store, NULL, text, sizeof text, &length, &err));
        FAILS(KW_FORKED, kw_statement_report_reset(store, &err));
        /* The child has a listener of its own. */
        kw_store own = open_with("fork-child.db", listening);
        CHECK(port_of(own) != port);
        HAS(get(port_of(own), "/metrics"), "fork-child.db");
        OK(kw_store_close(own, -1, &err));
        if (read(done[0], &byte, 1) != 1) _exit(97);
        _exit(checks_failed);
    }
    for (int i = 0; i < 20; i++) HAS(get(port, "/metrics"), "fork.db");
    METRIC(1, store, "keepwell_forks_total", "");
    OK(kw_store_close(store, -1, &err));
    /* The child lives and has the socket open, but nobody listens there, and the port can be taken again. */
    CHECK(dial(port) < 0 && errno == ECONNREFUSED);
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    OK(open_at(listen, "false", &store));
    HAS(get(port, "/health"), "200 OK");
    OK(kw_store_close(store, -1, &err));
    EQUAL(1, write(done[1], "d", 1));
    int state = 0;
    EQUAL(child, waitpid(child, &state, 0));
    EQUAL(0, state);
    close(done[0]), close(done[1]);
}

/* The same with a port that was named: the kernel keeps a named port longer than one that it chose. */
static void a_named_port_is_free_although_a_child_lives(void) {
    kw_store store = open_with("named.db", listening);
    char listen[64];
    int done[2];
    if (pipe(done) != 0) exit(2);
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port_of(store));
    OK(kw_store_close(store, -1, &err));
    OK(open_at(listen, "false", &store));
    pid_t child = fork_child();
    if (child == 0) {
        char byte;
        alarm(120);
        _exit(read(done[0], &byte, 1) != 1);
    }
    OK(kw_store_close(store, -1, &err));
    OK(open_at(listen, "false", &store));
    HAS(get(port_of(store), "/health"), "200 OK");
    OK(kw_store_close(store, -1, &err));
    EQUAL(1, write(done[1], "d", 1));
    waitpid(child, NULL, 0);
    close(done[0]), close(done[1]);
}

/* ----------------------------------------------------------------------------------------------------- bad customers -- */

static void garbage_is_answered_or_dropped_and_others_are_served(void) {
    kw_store store = open_with("garbage.db", listening);
    int port = port_of(store);
    static char noise[100000];
    unsigned seed = 7;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(seed = seed * 1103515245u + 12345u, seed >> 16);
    for (size_t size = 1; size < sizeof noise; size = size * 3 + 1) {
        const char *answer = ask(port, noise, size);
        CHECK(answer[0] == 0 || strncmp(answer, "HTTP/1.1 4", 10) == 0);
    }
    static char many[40000];
    strcpy(many, "GET /metrics HTTP/1.1\r\n");
    for (int i = 0; i < 200; i++) sprintf(many + strlen(many), "X-%d: y\r\n", i);
    strcat(many, "\r\n");
    HAS(ask(port, many, strlen(many)), "HTTP/1.1 4");
    memset(many, 'a', sizeof many);
    memcpy(many, "GET /", 5);
    many[sizeof many - 1] = 0;
    CHECK(strstr(ask(port, many, strlen(many)), "200 OK") == NULL);
    const char *const odd[] = {"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                               "GET http://evil.example/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
                               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: localhost\0evil\r\n\r\n", "\r\n\r\n\r\n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) CHECK(strstr(ask(port, odd[i], strlen(odd[i])), "200 OK") == NULL);
    HAS(get(port, "/metrics"), "HTTP/1.1 200 OK");
    OK(kw_store_close(store, -1, &err));
}

/* Whoever asks slowly, or not at all, is no matter to the others. */
static void slow_customers_hold_up_nobody(void) {
    enum { SILENT = 40 };
    int fds[SILENT];
    kw_store store = open_with("slow.db", listening);
    int port = port_of(store);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = dial(port);
        if (fds[i] >= 0 && i % 2 == 0) (void)!send(fds[i], "GET /metr", 9, MSG_NOSIGNAL);
    }
    double began = now_seconds();
    HAS(get(port, "/metrics"), "HTTP/1.1 200 OK");
    CHECK(now_seconds() - began < SILENT);
    /* One that asks in two parts is answered. */
    char answer[16] = "";
    CHECK(send(fds[0], "ics HTTP/1.1\r\n\r\n", 16, MSG_NOSIGNAL) == 16);
    if (now_seconds() - began < 1) CHECK(recv(fds[0], answer, 15, MSG_WAITALL) == 15 && strcmp(answer, "HTTP/1.1 200 OK") == 0);
    for (int i = 0; i < SILENT; i++) close(fds[i]);
    OK(kw_store_close(store, -1, &err));
}

/* Connections that say nothing must neither stop the others for long nor keep the store from being closed. */
static void a_thousand_connections_at_once(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    enum { CONNECTIONS = 1000 };
    static int fds[CONNECTIONS];
    kw_store store = open_with("thousand.db", listening);
    int port = port_of(store), connected = 0;
    struct sockaddr_in address = local(port);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fds[i] < 0) continue;
        (void)!connect(fds[i], (const struct sockaddr *)&address, sizeof address);
        connected++;
    }
    CHECK(connected > 500);
    EXEC(store, "CREATE TABLE t(x)");
    double began = now_seconds();
    OK(kw_store_close(store, -1, &err));
    double took = now_seconds() - began;
    if (took > 10) fprintf(stderr, "    closing took %.1f s\n", took);
    CHECK(took <= 10);
    for (int i = 0; i < CONNECTIONS; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
    CHECK(dial(port) < 0);
}

static void *ask_often(void *argument) {
    int port = *(int *)argument, answered = 0;
    for (int i = 0; i < 50; i++) {
        int fd = dial(port);
        if (fd < 0) continue;
        const char *request = i % 3 == 0 ? "GET /health HTTP/1.0\r\n\r\n" : "GET /metrics HTTP/1.0\r\n\r\n";
        (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
        char block[4096];
        ssize_t count = recv(fd, block, sizeof block, 0);
        answered += count > 15 && memcmp(block, "HTTP/1.1 200 OK", 15) == 0;
        if (i % 2 == 0) {
            while (recv(fd, block, sizeof block, 0) > 0) {}
        }
        close(fd);
    }
    return (void *)(intptr_t)answered;
}

static void many_scrapers_at_once_and_a_close_in_the_middle(void) {
    kw_store store = open_with("scrapers.db", listening);
    int port = port_of(store);
    EXEC(store, "CREATE TABLE t(x)");
    for (int round = 0; round < 2; round++) {
        pthread_t threads[8];
        intptr_t all = 0;
        for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, ask_often, &port);
        if (round == 1) {
            usleep(20000);
            OK(kw_store_close(store, -1, &err));
        }
        for (int i = 0; i < 8; i++) {
            void *answered = NULL;
            pthread_join(threads[i], &answered);
            all += (intptr_t)answered;
        }
        if (round == 0) EQUAL(400, all);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    RUN(metrics_and_health_are_served);
    RUN(without_a_listener_the_address_is_empty);
    RUN(other_machines_are_served_only_where_that_was_asked_for);
    RUN(a_port_that_is_taken_fails_the_opening);
    RUN(several_stores_listen_for_themselves);
    RUN(an_unwell_store_answers_503);
    RUN(a_fork_leaves_the_listener_with_the_parent);
    RUN(a_named_port_is_free_although_a_child_lives);
    RUN(garbage_is_answered_or_dropped_and_others_are_served);
    RUN(slow_customers_hold_up_nobody);
    RUN(a_thousand_connections_at_once);
    RUN(many_scrapers_at_once_and_a_close_in_the_middle);
    return REPORT();
}
