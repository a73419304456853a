// run(): a transaction whose body is run again when another commit was in the way.
#include "check.hpp"

#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// Two stores on one file: the second is in the way of the first as another process would be.
struct Two {
    keepwell::Store store, other;

    explicit Two(const std::string& name) : store(open(name)), other(open(name)) { store.execute("CREATE TABLE t(x UNIQUE)"); }

    static keepwell::Store open(const std::string& name) { return keepwell::Store::open(check::temp().file(name)); }
    int count() const { return other.query_value<int>("SELECT count(*) FROM t"); }
    // Reads, and lets the other store commit: the next write of a deferred transaction is a conflict then.
    void overtake(keepwell::Target tx) const {
        tx.query_value<int>("SELECT count(*) FROM t");
        other.execute("INSERT INTO t VALUES ('other')");
    }
};

// Moves, and does not copy; has no default constructor.
struct Ticket {
    explicit Ticket(int value) : number(std::make_unique<int>(value)) {}
    std::unique_ptr<int> number;
};

void a_conflict_is_run_again_and_the_value_comes_out() {
    Two two("conflict.db");
    int runs = 0;
    const Ticket ticket = two.store.run(keepwell::Mode::deferred, [&](keepwell::Transaction& tx) {
        if (++runs == 1) two.overtake(tx);
        tx.execute("INSERT INTO t VALUES ('own')");
        return Ticket(runs);
    });
    EQUAL(2, *ticket.number);
    EQUAL(2, two.count());
    two.store.run([&](auto& tx) { tx.execute("DELETE FROM t"); });
    EQUAL(0, two.count());
}

void the_outermost_is_run_again() {
    Two two("nested.db");
    int outer = 0, inner = 0;
    two.store.run(keepwell::Mode::deferred, [&](keepwell::Transaction& tx) {
        ++outer;
        tx.run([&](keepwell::Transaction& savepoint) {
            if (++inner == 1) two.overtake(savepoint);
            savepoint.execute("INSERT INTO t VALUES ('own')");
        });
    });
    EQUAL(2, outer);
    EQUAL(2, inner);
    EQUAL(2, two.count());
}

void every_other_exception_passes_through_unchanged() {
    Two two("exceptions.db");
    struct Own {
        std::string what;
    };
    int runs = 0;
    try {
        two.store.run([&](keepwell::Transaction& tx) {
            ++runs;
            tx.execute("INSERT INTO t VALUES (1)");
            throw Own{"mine"};
        });
        CHECK(false);
    } catch (const Own& own) {
        EQUAL("mine"s, own.what);
    }
    THROWS_AND(ConstraintError, two.store.run([&](auto& tx) {
        ++runs;
        tx.execute_many("INSERT INTO t VALUES (?)", std::vector<int>{1, 1});
    }), [](const keepwell::Error& e) { EQUAL(2067, e.engine_extended_code()); });
    // One that says 0 is no success either.
    THROWS(Error, two.store.run([&](auto& tx) {
        ++runs;
        tx.execute("INSERT INTO t VALUES (2)");
        throw keepwell::Error(KW_OK, "odd");
    }));
    EQUAL(3, runs);
    EQUAL(0, two.count());
}

void one_deadline_and_one_token_for_all() {
    Two two("deadline.db");
    int runs = 0;
    kw_error conflict = KW_ERROR_INIT;
    conflict.code = KW_CONFLICT;
    conflict.flags = KW_ERROR_RETRY_TRANSACTION;
    std::strcpy(conflict.message, "made for this test");
    auto fail = [&](keepwell::Transaction&) {
        ++runs;
        throw keepwell::BusyError(conflict);
    };
    THROWS_AND(TimeoutError, two.store.run(keepwell::Options().timeout(60ms), fail),
               [](const keepwell::Error& e) { HAS(e.what(), "made for this test"); });
    CHECK(runs > 1);
    keepwell::CancelToken token;
    runs = 0;
    THROWS(CancelledError, two.store.run(keepwell::Options().cancel(token), [&](keepwell::Transaction& tx) {
        if (runs == 1) token.trigger();
        fail(tx);
    }));
    EQUAL(2, runs);
    constexpr const char* endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    THROWS(TimeoutError, two.store.run(keepwell::Options().timeout(50ms), [&](auto& tx) { tx.execute(endless); }));
}

void a_body_that_ends_it_has_decided() {
    Two two("decided.db");
    EQUAL(5, two.store.run([](keepwell::Transaction& tx) {
        tx.execute("INSERT INTO t VALUES (1)");
        tx.commit();
        return 5;
    }));
    EQUAL(1, two.count());
    EQUAL(6, two.store.run([](keepwell::Transaction& tx) {
        tx.execute("DELETE FROM t");
        tx.rollback();
        return 6;
    }));
    two.store.run([](keepwell::Transaction& tx) {
        auto mine = std::move(tx);
        mine.execute("DELETE FROM t");
    });
    EQUAL(1, two.count());
    THROWS(TransactionEndedError, two.store.run([](keepwell::Transaction& tx) {
        try {
            tx.execute("INSERT OR ROLLBACK INTO t VALUES (1)");
        } catch (const keepwell::ConstraintError&) {
        }
    }));
    EQUAL(1, two.count());
}

void on_connections_and_derived_targets() {
    Two two("targets.db");
    auto connection = two.store.connection();
    auto patient = connection.with(keepwell::Options().timeout(60s));
    int runs = 0;
    patient.run(keepwell::Mode::deferred, [&](keepwell::Transaction& tx) {
        if (++runs == 1) two.overtake(tx);
        tx.execute("INSERT INTO t VALUES (1)");
    });
    EQUAL(2, runs);
    EQUAL(2, two.count());
}

// Leaves while another thread is in a call on `target`, which ends some time later.
void leave_during_a_call(const keepwell::Target& target, std::thread& caller) {
    caller = std::thread([&target] {
        const auto soon = keepwell::Options().timeout(500ms);
        for (bool timed_out = false; !timed_out;) {
            try {
                target.execute(soon, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i FROM c) SELECT i FROM c WHERE i < 0");
            } catch (const keepwell::MisuseError&) {
            } catch (const keepwell::TimeoutError&) {
                timed_out = true;
            }
        }
    });
    for (;;) {
        try {
            target.execute("SELECT 1");
        } catch (const keepwell::MisuseError&) {
            throw std::runtime_error("left");
        }
    }
}

// What is left while another thread is in a call on it ends when that has returned, and does not keep the writer for ever.
void leaving_waits_for_the_call_of_another_thread() {
    keepwell::Config config;
    config.set("datasource", check::temp().file("leaving.db")).set("pool.wait_timeout", "5s");
    auto store = keepwell::Store::open(config);
    store.execute("CREATE TABLE t(x)");
    std::thread first, second;
    try {
        store.transaction([&](keepwell::Transaction& tx) { leave_during_a_call(tx, first); });
    } catch (const std::runtime_error& left) {
        EQUAL("left"s, left.what());
    }
    first.join();
    store.execute("INSERT INTO t VALUES (1)");
    try {
        const auto connection = store.connection();
        leave_during_a_call(connection, second);
    } catch (const std::runtime_error& left) {
        EQUAL("left"s, left.what());
    }
    second.join();
    store.execute("INSERT INTO t VALUES (2)");
    EQUAL(2, store.query_value<int>("SELECT count(*) FROM t"));
}

}  // namespace

int main(int, char** argv) {
    RUN(a_conflict_is_run_again_and_the_value_comes_out);
    RUN(the_outermost_is_run_again);
    RUN(every_other_exception_passes_through_unchanged);
    RUN(one_deadline_and_one_token_for_all);
    RUN(a_body_that_ends_it_has_decided);
    RUN(on_connections_and_derived_targets);
    RUN(leaving_waits_for_the_call_of_another_thread);
    return check::report(argv[0]);
}
