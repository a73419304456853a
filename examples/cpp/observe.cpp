// keepwell from C++: metrics, health, what statements cost, which index would help, and the log.
//
//   c++ -std=c++17 -o observe observe.cpp $(pkg-config --cflags --libs keepwell) && ./observe
//
// While it runs, a scraper may ask http://127.0.0.1:<port>/metrics, and a probe /health.
#include <keepwell.hpp>

#include <cstdio>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

static keepwell::Store open_store() {
    keepwell::Config config;
    config.set("datasource", "observe-cpp.db")
        .set("metrics.listen", "127.0.0.1:0")  // a port of the system's choice; write 127.0.0.1:9187 for a fixed one
        .set("metrics.label", "orders")        // what the store is called in metrics and events
        .set("metrics.slow_query", "5ms");     // calls that take as long are logged with their plan
    return keepwell::Store::open(config);
}

int main() try {
    std::remove("observe-cpp.db");
    // A function hears of events at once, on the thread on which they happen: be quick, and wait for nobody.
    auto guard = keepwell::on_log(keepwell::LogLevel::info, [](const keepwell::LogEvent& event) {
        std::clog << event.target << ": " << event.message << '\n';
    });
    // A view keeps them until a thread of the program's own has time: here for the slow calls.
    keepwell::Log log(keepwell::LogLevel::warn, 100);
    std::thread reader([&log] {
        while (const auto event = log.next()) {
            if (event->dropped != 0) std::cout << event->dropped << " events lost\n";
            std::cout << event->fields << '\n';  // a JSON object: store, sql, plan, duration_seconds, rows_scanned, ...
        }
    });

    auto store = open_store();
    std::cout << "metrics at http://" << store.metrics_address() << "/metrics\n";
    store.execute("CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, customer INTEGER, total REAL)");
    store.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO orders(customer, total) SELECT i % 1000, i FROM n");
    const std::string by_customer = "SELECT sum(total) FROM orders WHERE customer = ?";
    for (int customer = 0; customer < 50; ++customer) store.query_value<double>(by_customer, customer);

    const auto health = store.health(keepwell::Options().timeout(1s));
    std::cout << (health.healthy ? "healthy" : health.message) << "; " << health.open << " of " << health.max_open << " connections open\n";
    std::cout << store.metrics().size() << " bytes of metrics\n";
    for (const auto& cost : store.statement_report(keepwell::Order::scanned, 3)) {
        std::cout << std::chrono::duration<double, std::milli>(cost.total).count() << " ms in " << cost.calls << " calls, " << cost.scanned_rows
                  << " rows scanned: " << cost.sql.value_or("(others)").substr(0, 60) << '\n';
    }
    for (const auto& step : store.explain(by_customer)) std::cout << "plan: " << step.detail << '\n';
    for (const auto& advice : store.advise(by_customer)) std::cout << "helps: " << advice.index_sql << "; then: " << advice.after << '\n';

    store.close();
    log.close();
    reader.join();
    return health.healthy ? 0 : 1;
} catch (const keepwell::Error& e) {
    std::cerr << e.name() << ": " << e.what() << '\n';
    return 1;
}
