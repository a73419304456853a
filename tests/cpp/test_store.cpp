// Stores, transactions, connections, options, errors, threads.
#include "check.hpp"

#include <csignal>
#include <thread>

#include <sys/wait.h>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr const char* endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

keepwell::Store open(const std::string& name) { return keepwell::Store::open(check::temp().file(name)); }

int count(keepwell::Target db) { return db.query_value<int>("SELECT count(*) FROM t"); }

void configuration() {
    keepwell::Config config;
    config.set("datasource", check::temp().file("config.db")).set("pool.max_open", 7).set("cache.enabled", false);
    auto store = keepwell::Store::open(config);
    EQUAL(7u, store.stats().max_open);
    EQUAL(1u, store.health().can_write);
    CHECK(store.warnings().empty());
    CHECK(!keepwell::Store::open("file:" + check::temp().file("shared.db") + "?cache=shared").warnings().empty());
    THROWS_AND(ConfigError, config.set("pool.max_opne", 3); keepwell::Store::open(config), [](const keepwell::Error& e) { HAS(e.what(), "pool.max_open"); });
    auto yaml = keepwell::Config::from_yaml("database:\n  datasource: \":memory:\"\n  pool:\n    max_open: 3\n");
    EQUAL(1, keepwell::Store::open(yaml).query_value<int>("SELECT 1"));
    THROWS(Error, keepwell::Config::from_file(check::temp().file("nowhere.yaml")));
    EQUAL(std::string(kw_version()), keepwell::version());
}

void errors_carry_their_numbers() {
    auto store = open("errors.db");
    store.execute("CREATE TABLE t(x UNIQUE)");
    store.execute("INSERT INTO t VALUES (1)");
    THROWS_AND(ConstraintError, store.execute("INSERT INTO t VALUES (1)"), [](const keepwell::Error& e) {
        EQUAL(KW_CONSTRAINT, e.code());
        EQUAL("KW_CONSTRAINT"s, e.name());
        EQUAL(19, e.engine_code());
        EQUAL(2067, e.engine_extended_code());
        EQUAL(-1, e.sql_offset());
        CHECK(!e.retryable() && !e.timed_out() && !e.cancelled() && !e.committed() && !e.rolled_back());
        EQUAL("23"s, std::string(e.sqlstate()).substr(0, 2));
        HAS(e.what(), "t.x");
    });
    THROWS_AND(SqlError, store.query("SELECT missing"), [](const keepwell::Error& e) { EQUAL(7, e.sql_offset()); });
    THROWS(SqlError, store.query("SELECT 1; SELECT 2"));
    THROWS(SqlError, store.query(std::string("SELECT 1\0", 9)));
    THROWS(ReadOnlyError, store.execute(keepwell::Options().read_only(), "DELETE FROM t"));
    THROWS(IoError, keepwell::Store::open("file:" + check::temp().file("missing.db") + "?mode=rw"));
    THROWS(MisuseError, store.query(static_cast<const char*>(nullptr)));
    try {
        store.execute("nonsense");
    } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()).size() > 5);
    }
}

void transactions_as_scopes() {
    auto store = open("scopes.db");
    store.execute("CREATE TABLE t(x UNIQUE)");
    {
        auto tx = store.begin();
        tx.execute("INSERT INTO t VALUES (1)");
        EQUAL(1, count(tx));
        EQUAL(0, count(store));
    }
    EQUAL(0, count(store));
    {
        auto tx = store.begin(keepwell::Mode::deferred);
        tx.execute("INSERT INTO t VALUES (1)");
        CHECK(tx.is_open());
        tx.commit();
        CHECK(!tx.is_open());
        tx.rollback();
        THROWS(MisuseError, tx.commit());
        THROWS(MisuseError, tx.execute("DELETE FROM t"));
    }
    EQUAL(1, count(store));
    auto outer = store.begin();
    {
        auto inner = outer.begin();
        inner.execute("INSERT INTO t VALUES (2)");
    }
    EQUAL(1, count(outer));
    auto moved = std::move(outer);
    moved.execute("INSERT INTO t VALUES (3)");
    moved.commit();
    EQUAL(2, count(store));
    auto reading = store.begin(keepwell::Mode::read_only);
    EQUAL(2, count(reading));
    THROWS(ReadOnlyError, reading.execute("DELETE FROM t"));
    reading = store.begin();
    reading.execute("DELETE FROM t");
    reading = store.begin(keepwell::Options().timeout(5s), keepwell::Mode::read_only);
    EQUAL(2, count(store));
}

void transactions_as_functions() {
    auto store = open("functions.db");
    store.execute("CREATE TABLE t(x UNIQUE)");
    const std::int64_t id = store.transaction([&](keepwell::Transaction& tx) { return tx.execute("INSERT INTO t VALUES (1)").last_insert_id; });
    EQUAL(1, id);
    THROWS(ConstraintError, store.transaction([&](auto& tx) {
        tx.execute("INSERT INTO t VALUES (2)");
        tx.execute("INSERT INTO t VALUES (1)");
    }));
    EQUAL(1, count(store));
    store.transaction([&](auto& tx) {
        tx.execute("INSERT INTO t VALUES (2)");
        try {
            tx.transaction([&](auto& inner) {
                inner.execute("INSERT INTO t VALUES (3)");
                throw std::runtime_error("mind changed");
            });
        } catch (const std::runtime_error&) {
        }
        const auto kept = tx.transaction([](auto& inner) { return std::make_unique<int>(static_cast<int>(inner.execute("INSERT INTO t VALUES (4)").rows_affected)); });
        EQUAL(1, *kept);
    });
    EQUAL(3, count(store));
    store.transaction([](auto& tx) {
        tx.execute("DELETE FROM t");
        tx.rollback();
    });
    EQUAL(3, count(store));
    EQUAL(3, store.transaction(keepwell::Mode::read_only, [](auto& tx) { return count(tx); }));
    EQUAL(3, store.transaction(keepwell::Options().timeout(5s), [](keepwell::Target db) { return count(db); }));
}

void a_refused_commit_can_be_repeated() {
    auto store = open("deferred.db");
    store.execute_script("CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE t(p REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)");
    auto tx = store.begin();
    tx.execute("INSERT INTO t VALUES (5)");
    THROWS(ConstraintError, tx.commit());
    CHECK(tx.is_open());
    tx.execute("INSERT INTO parent VALUES (5)");
    tx.commit();
    EQUAL(1, count(store));
}

void waiting_for_oneself() {
    auto store = open("self.db");
    store.execute("CREATE TABLE t(x)");
    auto tx = store.begin();
    THROWS(SelfDeadlockError, store.execute("INSERT INTO t VALUES (1)"));
    THROWS(TimeoutError, store.execute(keepwell::Options().unbound().timeout(30ms), "INSERT INTO t VALUES (1)"));
}

void pinned_connections() {
    auto store = open("pinned.db");
    {
        auto connection = store.connection();
        connection.execute_script("CREATE TEMP TABLE t(x); INSERT INTO t VALUES (1), (2)");
        EQUAL(2, count(connection));
        auto moved = std::move(connection);
        EQUAL(2, count(moved));
        moved.transaction([](auto& tx) { tx.execute("DELETE FROM t"); });
        EQUAL(0, count(moved));
        moved.release();
        moved.release();
        THROWS(MisuseError, count(moved));
    }
    THROWS(SqlError, count(store));
    auto reader = store.connection(keepwell::Options().read_only());
    THROWS(ReadOnlyError, reader.execute("CREATE TABLE t(x)"));
}

void timeouts_and_cancellation() {
    auto store = open("limits.db");
    THROWS_AND(TimeoutError, store.query(keepwell::Options().timeout(30ms), endless), [](const keepwell::Error& e) { CHECK(e.timed_out()); });
    THROWS(TimeoutError, store.query(keepwell::Options().timeout(0ms), endless));
    THROWS(TimeoutError, store.query(keepwell::Options().timeout(-5s), endless));
    EQUAL(1, store.query_value<int>(keepwell::Options().timeout(std::chrono::hours::max()), "SELECT 1"));
    EQUAL(1, store.query_value<int>(keepwell::Options().timeout(std::chrono::duration<double>(2.5)), "SELECT 1"));
    EQUAL(1, store.query_value<int>(keepwell::Options().no_timeout(), "SELECT 1"));
    keepwell::CancelToken token;
    const auto options = keepwell::Options().cancel(token);
    std::thread thread([&] {
        std::this_thread::sleep_for(30ms);
        token.trigger();
    });
    THROWS_AND(CancelledError, store.query(options, endless), [](const keepwell::Error& e) { CHECK(e.cancelled() && !e.timed_out()); });
    thread.join();
    THROWS(CancelledError, store.query(options, "SELECT 1"));
    token.reset();
    EQUAL(1, store.query_value<int>(options, "SELECT 1"));
    int ticks = 0;
    auto tick = [&] { return ++ticks >= 3; };
    THROWS(CancelledError, store.query(keepwell::Options().tick(tick), endless));
    EQUAL(3, ticks);
    auto throwing = []() -> bool { throw std::runtime_error("stop"); };
    THROWS(CancelledError, store.query(keepwell::Options().tick(throwing), endless));
}

void derived_targets() {
    auto store = open("derived.db");
    store.execute("CREATE TABLE t(x)");
    auto read_only = store.with(keepwell::Options().read_only());
    EQUAL(0, count(read_only));
    THROWS(ReadOnlyError, read_only.execute("DELETE FROM t"));
    auto hurried = store.with(keepwell::Options().timeout(30ms));
    THROWS(TimeoutError, hurried.query(endless));
    auto moved = std::move(hurried);
    THROWS(TimeoutError, moved.query(endless));
    store.transaction([](auto& tx) {
        tx.with(keepwell::Options().timeout(5s)).execute("INSERT INTO t VALUES (1)");
        EQUAL(1, count(tx));
    });
}

void closing() {
    auto store = open("closing.db");
    auto rows = store.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n");
    CHECK(rows.next());
    const keepwell::Target copy = store;
    THROWS_AND(TimeoutError, store.close(50ms), [](const keepwell::Error& e) { CHECK(e.timed_out()); });
    store.close();
    THROWS(Error, while (rows.next()) {});
    THROWS(Error, copy.query("SELECT 1"));
    THROWS(MisuseError, store.query("SELECT 1"));
    store = open("closing.db");
    EQUAL(1, store.query_value<int>("SELECT 1"));
}

// Destructors in the wrong order: the store first, then what was made from it.
void everything_outlives_its_store() {
    auto store = std::make_unique<keepwell::Store>(keepwell::Store::open(keepwell::Config(check::temp().file("order.db"))));
    store->execute("CREATE TABLE t(x)");
    auto statement = store->prepare("SELECT 1");
    auto derived = store->with(keepwell::Options().timeout(1s));
    auto rows = store->query("SELECT 1");
    auto tx = store->begin();
    tx.execute("INSERT INTO t VALUES (1)");
    THROWS(TimeoutError, store->close(10ms));
    store.reset();
    THROWS(Error, tx.commit());
    THROWS(Error, derived.query("SELECT 1"));
}

void the_process_wide_store() {
    THROWS(MisuseError, keepwell::Store::instance());
    auto first = keepwell::Store::initialize(check::temp().file("instance.db"));
    THROWS(MisuseError, keepwell::Store::initialize(":memory:"));
    {
        auto second = keepwell::Store::instance();
        second.execute("CREATE TABLE t(x)");
    }
    EQUAL(0, count(keepwell::Store::instance()));
    EQUAL(0, count(keepwell::Target(KW_INSTANCE)));
    first.close();
    THROWS(MisuseError, keepwell::Store::instance());
}

void threads() {
    auto store = open("threads.db");
    store.execute("CREATE TABLE t(x)");
    std::vector<std::thread> threads;
    for (int n = 0; n < 8; ++n) {
        threads.emplace_back([&store, n] {
            try {
                for (int i = 0; i < 50; ++i) {
                    store.execute("INSERT INTO t VALUES (?)", n);
                    store.transaction([&](auto& tx) { tx.execute("INSERT INTO t VALUES (?)", n); });
                    CHECK(store.query_value<int>("SELECT count(*) FROM t WHERE x = ?", n) == 2 * (i + 1));
                }
            } catch (const std::exception& e) {
                check::fail(__FILE__, __LINE__, e.what());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EQUAL(800, count(store));
}

void forked_children() {
    auto store = open("fork.db");
    store.execute("CREATE TABLE t(x)");
    const pid_t child = check::fork_child();
    if (child == 0) {
        alarm(30);  // a child that hangs dies
        int result = 1;
        try {
            store.execute("INSERT INTO t VALUES (1)");
        } catch (const keepwell::ForkedError&) {
            auto own = open("fork.db");
            result = own.execute("INSERT INTO t VALUES (2)").rows_affected == 1 ? 0 : 2;
        }
        _exit(result);
    }
    int state = 0;
    waitpid(child, &state, 0);
    EQUAL(0, WIFEXITED(state) ? WEXITSTATUS(state) : 99);
    store.execute("INSERT INTO t VALUES (3)");
    EQUAL(2, count(store));
}

void chinook() {
    const char* data = std::getenv("KEEPWELL_TEST_DATA");
    const char* root = std::getenv("KEEPWELL_ROOT");
    const std::string path = (data != nullptr ? data : std::string(root != nullptr ? root : ".") + "/../shared/data") + "/chinook.sql"s;
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) {
        std::cout << "skipped: no " << path << "; set KEEPWELL_TEST_DATA\n";
        return;
    }
    std::string script;
    char block[65536];
    for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, file)) != 0;) script.append(block, got);
    std::fclose(file);
    auto store = open("chinook.db");
    store.execute_script(script);
    EQUAL(3503, store.query_value<int>("SELECT count(*) FROM Track"));
    EQUAL(2240, store.query_value<int>("SELECT count(*) FROM InvoiceLine"));
    EQUAL(11, store.query_value<int>("SELECT count(*) FROM sqlite_schema WHERE type = 'table'"));
    EQUAL("Iron Maiden"s, store.query_value<std::string>(
        "SELECT a.Name FROM Artist a JOIN Album USING (ArtistId) JOIN Track USING (AlbumId) GROUP BY a.ArtistId ORDER BY count(*) DESC LIMIT 1"));
    THROWS_AND(ConstraintError, store.execute("INSERT INTO Album VALUES (9999, 'x', 99999)"), [](const keepwell::Error& e) { EQUAL(787, e.engine_extended_code()); });
}

}  // namespace

int main(int, char** argv) {
    check::temp();
    RUN(configuration);
    RUN(errors_carry_their_numbers);
    RUN(transactions_as_scopes);
    RUN(transactions_as_functions);
    RUN(a_refused_commit_can_be_repeated);
    RUN(waiting_for_oneself);
    RUN(pinned_connections);
    RUN(timeouts_and_cancellation);
    RUN(derived_targets);
    RUN(closing);
    RUN(everything_outlives_its_store);
    RUN(the_process_wide_store);
    RUN(threads);
    RUN(forked_children);
    RUN(chinook);
    return check::report(argv[0]);
}
