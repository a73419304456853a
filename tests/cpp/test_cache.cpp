// The cache of results: where rows come from, its numbers, and the options that ask for it.
#include "check.hpp"

#include <chrono>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using keepwell::Cache;
using keepwell::Options;

const auto use = Options().cache(Cache::use);
constexpr const char* first_three = "SELECT id, name FROM item WHERE id <= 3 ORDER BY id";

// A store with 1,000 items.
keepwell::Store items(const std::string& name, const char* enabled = "request") {
    keepwell::Config config;
    config.set("datasource", check::temp().file(name + ".db"));
    config.set("cache.enabled", enabled);
    auto store = keepwell::Store::open(config);
    store.execute_script("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE other(x)");
    store.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO item SELECT i, 'name ' || i FROM n");
    return store;
}

bool cached(const keepwell::Target& target, const Options& options, const char* sql) {
    auto rows = target.query(options, sql);
    return rows.from_cache();
}

void a_repeat_is_a_hit_until_its_table_is_written() {
    auto store = items("repeat");
    CHECK(!cached(store, use, first_three));
    CHECK(cached(store, use, first_three));
    store.execute("INSERT INTO other VALUES (1)");
    CHECK(cached(store, use, first_three));
    store.execute("UPDATE item SET name = 'new' WHERE id = 2");
    auto rows = store.query(use, first_three);
    CHECK(!rows.from_cache());
    const auto all = rows.all<int, std::string>();
    EQUAL(3u, all.size());
    EQUAL("new"s, std::get<1>(all[1]));
    CHECK(!cached(store, Options(), first_three));
    CHECK(!cached(store, Options().cache(Cache::skip), first_three));
    CHECK(!cached(store, Options().cache(Cache::refresh), first_three));
    CHECK(cached(store, use, first_three));
}

// Asking where the rows are from must neither lose nor repeat any, wherever it is done, and whether they are kept or not.
void asking_reads_nothing_away() {
    auto store = items("asking");
    for (const auto& options : {Options(), use, use, Options().batch_rows(7)}) {
        for (int ask_at : {0, 1, 500, 1000, 1001}) {
            auto rows = store.query(options, "SELECT id FROM item ORDER BY id");
            int seen = 0;
            if (ask_at == 0) rows.from_cache();
            while (rows.next()) {
                EQUAL(++seen, rows.row().get<int>(0));
                if (seen == ask_at) rows.from_cache();
            }
            EQUAL(1000, seen);
            rows.from_cache();
            CHECK(!rows.next());
        }
    }
    auto none = store.query(use, "SELECT id FROM item WHERE id < 0");
    CHECK(!none.from_cache() && !none.next());
    auto again = store.query(use, "SELECT id FROM item WHERE id < 0");
    CHECK(again.from_cache() && again.from_cache() && !again.next() && again.from_cache());
}

void rows_stay_what_they_are_when_they_move() {
    auto store = items("moves");
    CHECK(!cached(store, use, first_three));
    auto rows = store.query(use, first_three);
    CHECK(rows.from_cache());
    auto moved = std::move(rows);
    CHECK(moved.from_cache());
    EQUAL(3u, (moved.all<int, std::string>().size()));
}

void kept_rows_outlive_the_cache() {
    auto store = items("outlive");
    CHECK(!cached(store, use, first_three));
    auto rows = store.query(use, first_three);
    CHECK(rows.next() && rows.from_cache());
    const auto name = rows.row().get<std::string_view>(1);
    store.cache_clear();
    store.execute("DELETE FROM item");
    EQUAL("name 1"s, std::string(name));
    EQUAL(2u, (rows.all<int, std::string>().size()));
    CHECK(!cached(store, use, first_three));
}

void single_rows_come_from_it_too() {
    auto store = items("single");
    for (int i = 0; i < 3; ++i) EQUAL("name 7"s, store.query_value<std::string>(use, "SELECT name FROM item WHERE id = ?", 7));
    for (int i = 0; i < 3; ++i) CHECK((!store.query_one<int, std::string>(use, "SELECT id, name FROM item WHERE id = ?", -1).has_value()));
    EQUAL(4u, store.cache_stats().hits);
}

void a_transaction_reads_its_own_writes() {
    auto store = items("transaction");
    CHECK(!cached(store, use, first_three));
    auto tx = store.begin();
    tx.execute("UPDATE item SET name = 'mine'");
    auto rows = tx.query(use, first_three);
    CHECK(!rows.from_cache() && rows.next());
    EQUAL("mine"s, rows.row().get<std::string>(1));
    rows.close();
    tx.rollback();
    CHECK(cached(store, use, first_three));
    EQUAL(1u, store.cache_stats().bypass_transaction);
}

void numbers_add_up() {
    auto store = items("numbers");
    EQUAL(0.0, store.cache_stats().hit_ratio());
    for (const char* sql : {first_three, first_three, first_three, "SELECT random()", "INSERT INTO other VALUES (1) RETURNING x"}) cached(store, use, sql);
    auto stats = store.cache_stats();
    EQUAL(1u, stats.enabled);
    EQUAL(2u, stats.hits);
    EQUAL(1u, stats.misses);
    EQUAL(2u, stats.bypasses());
    EQUAL(0.4, stats.hit_ratio());
    EQUAL(1u, stats.entries);
    CHECK(stats.bytes > 0);
    store.cache_clear();
    stats = store.cache_stats();
    EQUAL(0u, stats.entries);
    EQUAL(0u, stats.bytes);
    store.close();
    THROWS(MisuseError, store.cache_stats());
    THROWS(MisuseError, store.cache_clear());
}

void the_configuration_says_who_uses_it() {
    auto always = items("always", "true");
    CHECK(!cached(always, Options(), "SELECT 1") && cached(always, Options(), "SELECT 1"));
    CHECK(!cached(always, Options().cache(Cache::skip), "SELECT 1"));
    auto never = items("never", "false");
    CHECK(!cached(never, use, "SELECT 1") && !cached(never, use, "SELECT 1"));
    EQUAL(0u, never.cache_stats().enabled);
    EQUAL(2u, never.cache_stats().bypass_disabled);
}

void a_derived_target_asks_for_all_its_calls() {
    auto store = items("derived");
    auto derived = store.with(use);
    CHECK(!cached(derived, Options(), first_three) && cached(derived, Options(), first_three));
    CHECK(!cached(derived, Options().cache(Cache::skip), first_three));
}

void results_grow_old() {
    auto store = items("old");
    for (const auto& options : {Options(use).cache_ttl(1h), Options(use).cache_ttl(std::chrono::duration<double>(1e300)), Options(use).cache_ttl(90.5s)}) {
        cached(store, options, first_three);
        CHECK(cached(store, options, first_three));
    }
    const auto young = Options(use).cache_ttl(1ns);
    EQUAL(1, young.raw()->cache_ttl_ms);
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (cached(store, young, first_three)) CHECK(std::chrono::steady_clock::now() < end);
}

void threads_never_read_what_is_over() {
    auto store = items("threads");
    store.execute("INSERT INTO other VALUES (0)");
    std::atomic<int> written{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i) {
        readers.emplace_back([&] {
            for (int seen = 0; seen < 300;) {
                const int least = written;
                const int value = store.query_value<int>(use, "SELECT x FROM other");
                CHECK(value >= least && value >= seen);
                seen = value;
            }
        });
    }
    for (int i = 1; i <= 300; ++i) {
        store.execute("UPDATE other SET x = ?", i);
        written = i;
    }
    for (auto& reader : readers) reader.join();
}

}  // namespace

int main(int, char** argv) {
    RUN(a_repeat_is_a_hit_until_its_table_is_written);
    RUN(asking_reads_nothing_away);
    RUN(rows_stay_what_they_are_when_they_move);
    RUN(kept_rows_outlive_the_cache);
    RUN(single_rows_come_from_it_too);
    RUN(a_transaction_reads_its_own_writes);
    RUN(numbers_add_up);
    RUN(the_configuration_says_who_uses_it);
    RUN(a_derived_target_asks_for_all_its_calls);
    RUN(results_grow_old);
    RUN(threads_never_read_what_is_over);
    return check::report(argv[0]);
}
