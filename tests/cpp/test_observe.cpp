// Metrics, health, costs of statements, plans, advice, and the log.
#include "check.hpp"

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <sys/wait.h>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using keepwell::LogEvent;
using keepwell::LogLevel;

keepwell::Store open(const std::string& name, const std::vector<std::pair<const char*, const char*>>& settings = {}) {
    keepwell::Config config;
    config.set("datasource", check::temp().file(name)).set("metrics.collect_interval", "0");
    for (const auto& [key, value] : settings) config.set(key, value);
    return keepwell::Store::open(config);
}

// The value of a series; -1 where there is none.
double metric(const keepwell::Store& store, const std::string& name, const std::string& labels = "") {
    std::istringstream lines(store.metrics());
    for (std::string line; std::getline(lines, line);) {
        if (line.compare(0, name.size() + 1, name + "{") == 0 && line.find(labels) != std::string::npos) return std::stod(line.substr(line.rfind(' ')));
    }
    return -1;
}

// Calls that fail and are logged at debug, one event each.
void fail_often(const keepwell::Store& store, int times) {
    for (int i = 0; i < times; ++i) THROWS(SqlError, store.query("SELECT broken"));
}

void metrics_as_text() {
    auto store = open("metrics.db", {{"metrics.listen", "127.0.0.1:0"}});
    store.execute("CREATE TABLE t(x)");
    for (int i = 0; i < 3; ++i) store.execute("INSERT INTO t VALUES (?)", i);
    EQUAL(3, store.query_value<int>("SELECT count(x) FROM t"));
    EQUAL(4.0, metric(store, "keepwell_query_duration_seconds_count", "statement=\"write\""));
    EQUAL(1.0, metric(store, "keepwell_query_duration_seconds_count", "statement=\"read\""));
    EQUAL(3.0, metric(store, "keepwell_query_rows_changed_total"));
    store.run([](keepwell::Transaction& tx) { tx.execute("DELETE FROM t"); });
    EQUAL(1.0, metric(store, "keepwell_tx_total", "outcome=\"committed\""));
    const std::string text = store.metrics(keepwell::MetricsFormat::openmetrics);
    CHECK(text.size() > 6 && text.substr(text.size() - 6) == "# EOF\n");
    HAS(store.metrics_address(), "127.0.0.1:");
    EQUAL(""s, open("silent.db").metrics_address());
    store.close();
    THROWS(Error, store.metrics());
    THROWS(Error, store.metrics_address());
}

void health() {
    auto store = open("health.db");
    store.execute("CREATE TABLE t(x UNIQUE)");
    THROWS(SqlError, store.query("SELECT broken"));
    const keepwell::Health health = store.health();
    CHECK(health.healthy && health.can_read && health.can_write);
    EQUAL(KW_SQL, health.last_error_code);
    HAS(health.last_error, "broken");
    EQUAL(store.stats().max_open, health.max_open);
    CHECK(health.wal_bytes > 0);
    HAS(store.health_json(), "\"healthy\":true");
    HAS(store.health_json(keepwell::Options().timeout(1s)), "\"name\":\"KW_SQL\"");

    auto other = open("health.db");
    auto tx = other.begin(keepwell::Mode::immediate);
    CHECK(!store.health(keepwell::Options().timeout(50ms)).healthy);
    HAS(store.health_json(keepwell::Options().timeout(50ms)), "\"can_write\":false");
}

void costs_of_statements() {
    auto store = open("costs.db");
    store.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
    for (int i = 0; i < 5; ++i) store.execute("INSERT INTO t(y) VALUES (?)", i);
    store.query("SELECT * FROM t WHERE y > 1").all<int, int>();
    const auto report = store.statement_report(keepwell::Order::calls);
    EQUAL(3u, report.size());
    EQUAL("INSERT INTO t(y) VALUES (?)"s, report.at(0).sql.value());
    EQUAL(5u, report[0].calls);
    EQUAL(5u, report[0].rows);
    EQUAL(0u, report[0].errors);
    CHECK(report[0].writes);
    CHECK(report[0].total >= report[0].worst && report[0].worst >= report[0].mean && report[0].mean > 0ns);
    const auto scanned = store.statement_report(keepwell::Order::scanned, 1);
    EQUAL(1u, scanned.size());
    EQUAL("SELECT * FROM t WHERE y > 1"s, scanned.at(0).sql.value());
    CHECK(!scanned[0].writes);
    EQUAL(3u, scanned[0].rows);
    EQUAL(1u, scanned[0].full_scans);
    store.reset_statement_report();
    EQUAL(0u, store.statement_report().size());
}

void plans_and_advice() {
    auto store = open("plans.db");
    store.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, mail)");
    store.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t(mail) SELECT i FROM n");
    const std::string sql = "SELECT x FROM t WHERE mail = ?";
    const auto plan = store.explain(sql);
    EQUAL(1u, plan.size());
    EQUAL("SCAN t"s, plan.at(0).detail);
    EQUAL(0, plan[0].parent);
    const auto advice = store.advise(sql);
    EQUAL(1u, advice.size());
    EQUAL("t"s, advice.at(0).table);
    HAS(advice[0].before, "SCAN");
    HAS(advice[0].after, "SEARCH");
    store.execute(advice[0].index_sql);
    EQUAL(0u, store.advise(sql).size());
    THROWS(SqlError, store.explain("SELECT * FROM nowhere"));
    THROWS(SqlError, store.explain("SELECT 1; SELECT 2"));
    THROWS(SqlError, store.advise(std::string("SELECT 1\0", 9)));
    THROWS(SqlError, store.explain(std::string_view()));
}

void a_function_hears_of_events_until_its_guard_goes() {
    auto store = open("function.db");
    std::vector<LogEvent> heard;
    {
        auto guard = keepwell::on_log(LogLevel::debug, [&](const LogEvent& event) { heard.push_back(event); });
        fail_often(store, 2);
        auto moved = std::move(guard);
        guard.remove();
        fail_often(store, 1);
    }
    fail_often(store, 1);
    EQUAL(3u, heard.size());
    CHECK(heard.at(0).level == LogLevel::debug);
    EQUAL("keepwell::error"s, heard[0].target);
    HAS(heard[0].message, "broken");
    HAS(heard[0].fields, "\"code\":\"KW_SQL\"");
    CHECK(std::chrono::system_clock::now() - heard[0].time < 1h && heard[0].time < std::chrono::system_clock::now() + 1s);
    THROWS(MisuseError, auto none = keepwell::on_log(LogLevel::info, nullptr));
}

void exceptions_of_the_function_end_in_it() {
    auto store = open("throws.db");
    int calls = 0;
    auto guard = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) {
        ++calls;
        if (calls % 2 == 0) throw std::runtime_error("mine");
        throw 42;
    });
    fail_often(store, 4);
    EQUAL(4, calls);
}

void a_later_function_takes_the_place_of_an_earlier_one() {
    auto store = open("later.db");
    int first = 0, second = 0;
    auto old = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) { ++first; });
    fail_often(store, 1);
    auto young = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) { ++second; });
    fail_often(store, 1);
    old.remove();
    fail_often(store, 1);
    old = std::move(young);
    fail_often(store, 1);
    old.remove();
    fail_often(store, 1);
    EQUAL(1, first);
    EQUAL(3, second);
}

void a_function_may_use_the_library_and_remove_itself() {
    auto store = open("itself.db");
    int calls = 0;
    std::optional<keepwell::LogGuard> guard;
    guard.emplace(keepwell::on_log(LogLevel::debug, [&](const LogEvent&) {
        ++calls;
        EQUAL(1, store.query_value<int>("SELECT 1"));
        keepwell::Log view(LogLevel::debug, 4);
        fail_often(store, 1);
        CHECK(view.next(0s).has_value());
        THROWS(MisuseError, auto other = keepwell::on_log(LogLevel::debug, [](const LogEvent&) {}));
        guard.reset();
    }));
    fail_often(store, 3);
    EQUAL(1, calls);
    int later = 0;
    auto next = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) { ++later; });
    fail_often(store, 1);
    EQUAL(1, later);
}

void functions_come_and_go_while_eight_threads_log() {
    auto store = open("eight.db");
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            while (!stop) fail_often(store, 1);
        });
    }
    std::vector<std::thread> owners;
    for (int i = 0; i < 2; ++i) {
        owners.emplace_back([&] {
            for (int round = 0; round < 30; ++round) {
                auto here = std::make_unique<std::string>("alive");
                auto guard = keepwell::on_log(LogLevel::debug, [&](const LogEvent& event) { CHECK(*here == "alive" && !event.message.empty()); });
                std::this_thread::sleep_for(200us);
                guard.remove();
                *here = "gone";
            }
        });
    }
    for (auto& owner : owners) owner.join();
    stop = true;
    for (auto& thread : threads) thread.join();
}

void a_view_gives_events_one_by_one() {
    auto store = open("view.db");
    keepwell::Log log(LogLevel::debug, 4);
    CHECK(!log.next(0ms));
    CHECK(!log.next(-1h));
    fail_often(store, 9);
    const auto first = log.next(1s);
    CHECK(first && first->dropped == 5);
    for (int i = 0; i < 3; ++i) {
        const auto event = log.next();
        CHECK(event && event->dropped == 0 && event->level == LogLevel::debug);
    }
    CHECK(!log.next(1ms));
    keepwell::Log moved(std::move(log));
    CHECK(!log.is_open() && moved.is_open());
    CHECK(!log.next());
    fail_often(store, 1);
    CHECK(moved.next().has_value());
    moved = keepwell::Log(LogLevel::error);
    fail_often(store, 1);
    CHECK(!moved.next(1us));
    moved.close();
    moved.close();
    CHECK(!moved.next(std::chrono::hours::max()));
}

void closing_a_view_ends_the_loop_of_its_reader() {
    auto store = open("loop.db");
    for (int round = 0; round < 20; ++round) {
        keepwell::Log log(LogLevel::debug);
        std::size_t bytes = 0;
        std::thread reader([&] {
            while (const auto event = log.next()) bytes += event->message.size();
        });
        fail_often(store, 3);
        log.close();
        reader.join();
    }
}

void a_forked_child_has_neither_function_nor_view() {
    auto store = open("fork.db");
    keepwell::Log log(LogLevel::debug);
    int heard = 0;
    auto guard = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) { ++heard; });
    const pid_t child = check::fork_child();
    if (child == 0) {
        alarm(120);
        THROWS(ForkedError, log.next());
        THROWS(ForkedError, store.metrics());
        auto own = open("fork-child.db");
        fail_often(own, 1);
        EQUAL(0, heard);
        guard.remove();
        auto mine = keepwell::on_log(LogLevel::debug, [&](const LogEvent&) { ++heard; });
        fail_often(own, 1);
        EQUAL(1, heard);
        mine.remove();
        own.close();
        _exit(check::failures);
    }
    int state = 0;
    EQUAL(child, waitpid(child, &state, 0));
    EQUAL(0, state);
    fail_often(store, 1);
    EQUAL(1, heard);
    CHECK(log.next().has_value());
}

// The last: whoever forgets a guard that lives as long as the program must not be punished at its end.
void a_guard_may_live_until_the_program_ends() {
    static std::vector<std::string> kept;
    static auto store = open("static.db");
    static auto guard = keepwell::on_log(LogLevel::debug, [](const LogEvent& event) { kept.push_back(event.message); });
    fail_often(store, 1);
    EQUAL(1u, kept.size());
}

}  // namespace

int main(int, char** argv) {
    RUN(metrics_as_text);
    RUN(health);
    RUN(costs_of_statements);
    RUN(plans_and_advice);
    RUN(a_function_hears_of_events_until_its_guard_goes);
    RUN(exceptions_of_the_function_end_in_it);
    RUN(a_later_function_takes_the_place_of_an_earlier_one);
    RUN(a_function_may_use_the_library_and_remove_itself);
    RUN(functions_come_and_go_while_eight_threads_log);
    RUN(a_view_gives_events_one_by_one);
    RUN(closing_a_view_ends_the_loop_of_its_reader);
    RUN(a_forked_child_has_neither_function_nor_view);
    RUN(a_guard_may_live_until_the_program_ends);
    return check::report(argv[0]);
}
