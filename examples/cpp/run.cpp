// keepwell from C++: run(), a transaction that is run again while another process or store is in the way.
//
//   c++ -std=c++17 -o run run.cpp $(pkg-config --cflags --libs keepwell) && ./run
//
// Two stores on one file stand in for two processes. Each takes numbered tickets from the same roll, beginning with a read: whoever
// wants to write after another one has committed meets a conflict, and run() runs the function again.
#include <keepwell.hpp>

#include <cstdio>
#include <iostream>
#include <set>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;

struct SoldOut : std::runtime_error {
    SoldOut() : std::runtime_error("sold out") {}
};

// The next ticket. What the function returns comes out of run(); what it throws does too, after everything was rolled back.
static int take_ticket(keepwell::Target db, int last, int& runs) {
    return db.run(keepwell::Options().timeout(60s), keepwell::Mode::deferred, [&](keepwell::Transaction& tx) {
        ++runs;
        const int next = tx.query_value<int>("SELECT next FROM roll");
        if (next > last) throw SoldOut();
        tx.execute("UPDATE roll SET next = ?", next + 1);
        return next;
    });
}

int main() try {
    std::remove("tickets.db");
    auto first = keepwell::Store::open("tickets.db");
    auto second = keepwell::Store::open("tickets.db");
    first.execute_script("CREATE TABLE roll(next INTEGER NOT NULL); INSERT INTO roll VALUES (1)");

    constexpr int tickets = 2000;
    std::set<int> taken[2];
    int runs[2] = {};
    auto sell = [&](keepwell::Store& store, int window) {
        try {
            for (;;) taken[window].insert(take_ticket(store, tickets, runs[window]));
        } catch (const SoldOut&) {
        } catch (const keepwell::Error& e) {
            std::cerr << e.name() << ": " << e.what() << '\n';
        }
    };
    std::thread other([&] { sell(second, 1); });
    sell(first, 0);
    other.join();

    std::set<int> all = taken[0];
    all.insert(taken[1].begin(), taken[1].end());
    std::cout << taken[0].size() << " and " << taken[1].size() << " tickets taken in " << runs[0] + runs[1] << " runs, " << all.size()
              << " different ones\n";
    return all.size() == tickets && taken[0].size() + taken[1].size() == tickets ? 0 : 1;
} catch (const keepwell::Error& e) {
    std::cerr << e.name() << ": " << e.what() << '\n';
    return 1;
}
