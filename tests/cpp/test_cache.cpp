// The result cache through keepwell.hpp.
#include "check.hpp"

#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

const keepwell::Options cached = keepwell::Options().cache(keepwell::Cache::use);

keepwell::Store open(const std::string& name, const char* enabled = "request") {
    keepwell::Config config;
    config.set("datasource", check::temp().file(name)).set("cache.enabled", enabled);
    auto store = keepwell::Store::open(config);
    store.execute_script("CREATE TABLE t(x); CREATE TABLE other(x); INSERT INTO t VALUES (1), (2), (3)");
    return store;
}

bool hits(keepwell::Target db, const keepwell::Options& options = cached) { return db.query(options, "SELECT x FROM t ORDER BY x").from_cache(); }

void a_repeat_is_a_hit_until_its_table_changes() {
    auto store = open("repeat.db");
    CHECK(!hits(store));
    CHECK(hits(store));
    store.execute("INSERT INTO other VALUES (1)");
    CHECK(hits(store));
    store.execute("INSERT INTO t VALUES (4)");
    auto rows = store.query(cached, "SELECT x FROM t ORDER BY x");
    CHECK(!rows.from_cache());
    EQUAL(4u, rows.all<int>().size());
    CHECK(hits(store));
}

// Asking moves nothing, whenever it is asked.
void from_cache_loses_no_row() {
    auto store = open("rows.db");
    for (int round = 0; round < 2; ++round) {
        const bool expected = round == 1;
        auto rows = store.query(cached, "SELECT x FROM t ORDER BY x");
        EQUAL(expected, rows.from_cache());
        EQUAL(expected, rows.from_cache());
        int sum = 0;
        while (rows.next()) {
            sum = sum * 10 + rows.row().get<int>(0);
            EQUAL(expected, rows.from_cache());
        }
        EQUAL(123, sum);
        EQUAL(expected, rows.from_cache());
        CHECK(!rows.next());
        auto late = store.query(cached, "SELECT x FROM t ORDER BY x");
        CHECK(late.next());
        CHECK(late.from_cache());
        auto moved = std::move(late);
        CHECK(moved.next());
        EQUAL(2, moved.row().get<int>(0));
        CHECK(moved.from_cache());
        auto asked = store.query(cached, "SELECT x FROM t ORDER BY x");
        CHECK(asked.from_cache());
        auto taken = std::move(asked);
        EQUAL(3u, taken.all<int>().size());
        taken.close();
        THROWS(MisuseError, taken.from_cache());
    }
}

void empty_and_long_results() {
    auto store = open("sizes.db");
    for (int round = 0; round < 2; ++round) {
        auto none = store.query(cached, "SELECT x FROM t WHERE x > ?", 100);
        EQUAL(round == 1, none.from_cache());
        CHECK(!none.next());
        EQUAL(round == 1, none.from_cache());
        auto many = store.query(cached, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT i, NULL, x'00ff' FROM n");
        EQUAL(round == 1, many.from_cache());
        std::int64_t sum = 0;
        for (auto [i, null, blob] : many.as<int, std::optional<int>, keepwell::blob_view>()) {
            sum += i;
            CHECK(!null && blob.size() == 2);
        }
        EQUAL(2001000, sum);
    }
}

void use_skip_refresh_and_age() {
    auto store = open("ways.db");
    const auto skip = keepwell::Options().cache(keepwell::Cache::skip), refresh = keepwell::Options().cache(keepwell::Cache::refresh);
    CHECK(!hits(store, keepwell::Options()));
    CHECK(!hits(store, keepwell::Options()));
    CHECK(!hits(store, skip));
    CHECK(!hits(store, refresh));
    CHECK(hits(store));
    CHECK(!hits(store, refresh));
    CHECK(!hits(store, skip));
    CHECK(hits(store.with(cached), keepwell::Options()));
    CHECK(hits(store, keepwell::Options(cached).cache_ttl(1h)));
    std::this_thread::sleep_for(30ms);
    CHECK(!hits(store, keepwell::Options(cached).cache_ttl(1us)));
    CHECK(hits(store, keepwell::Options(cached).cache_ttl(std::chrono::hours(1 << 30))));
    CHECK(hits(store, keepwell::Options(cached).cache_ttl(-1s)));
    auto prepared = store.prepare("SELECT x FROM t ORDER BY x");
    CHECK(store.query(cached, prepared).from_cache());
}

void what_the_configuration_says() {
    auto always = open("always.db", "true");
    CHECK(!hits(always, keepwell::Options()));
    CHECK(hits(always, keepwell::Options()));
    CHECK(!hits(always, keepwell::Options().cache(keepwell::Cache::skip)));
    auto never = open("never.db", "false");
    CHECK(!hits(never));
    CHECK(!hits(never));
    EQUAL(0u, never.cache_stats().enabled);
    EQUAL(2u, never.cache_stats().bypass_disabled);
}

void transactions_go_past_it() {
    auto store = open("transactions.db");
    CHECK(!hits(store));
    auto tx = store.begin();
    tx.execute("INSERT INTO t VALUES (4)");
    auto rows = tx.query(cached, "SELECT x FROM t ORDER BY x");
    CHECK(!rows.from_cache());
    EQUAL(4u, rows.all<int>().size());
    CHECK(hits(store));
    tx.rollback();
    CHECK(hits(store));
    CHECK(!hits(store.connection(keepwell::Options().read_only())));
    EQUAL(2u, store.cache_stats().bypass_transaction);
}

void numbers_and_clearing() {
    auto store = open("numbers.db");
    EQUAL(0.0, store.cache_stats().hit_ratio());
    CHECK(!hits(store));
    auto held = store.query(cached, "SELECT x FROM t ORDER BY x");
    CHECK(held.from_cache());
    CHECK(hits(store));
    store.query(cached, "SELECT random()");
    auto stats = store.cache_stats();
    EQUAL(1u, stats.enabled);
    EQUAL(2u, stats.hits);
    EQUAL(1u, stats.misses);
    EQUAL(1u, stats.bypass_function);
    EQUAL(1u, stats.bypasses());
    EQUAL(0.5, stats.hit_ratio());
    EQUAL(1u, stats.entries);
    EQUAL(1000u, stats.max_entries);
    CHECK(stats.bytes > 0 && stats.bytes <= stats.max_bytes);
    store.cache_clear();
    EQUAL(0u, store.cache_stats().entries);
    EQUAL(3u, held.all<int>().size());
    CHECK(!hits(store));
    store.close();
    THROWS(Error, store.cache_stats());
    THROWS(Error, store.cache_clear());
}

// Many readers and one writer: nobody sees less than what was committed before asking.
void never_stale() {
    auto store = open("stale.db");
    std::atomic<int> committed{3};
    std::atomic<bool> done{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!done) {
                const int before = committed;
                const int seen = store.query_value<int>(cached, "SELECT max(x) FROM t");
                if (seen < before) CHECK(!"a stale result");
            }
        });
    }
    for (int i = 4; i < 200; ++i) {
        store.execute("INSERT INTO t VALUES (?)", i);
        committed = i;
    }
    done = true;
    for (auto& reader : readers) reader.join();
}

}  // namespace

int main(int, char** argv) {
    check::temp();
    RUN(a_repeat_is_a_hit_until_its_table_changes);
    RUN(from_cache_loses_no_row);
    RUN(empty_and_long_results);
    RUN(use_skip_refresh_and_age);
    RUN(what_the_configuration_says);
    RUN(transactions_go_past_it);
    RUN(numbers_and_clearing);
    RUN(never_stale);
    return check::report(argv[0]);
}
