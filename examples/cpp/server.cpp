// keepwell in a server: one process-wide store, a transaction around each request, a deadline for each, a clean shutdown.
// Threads stand in for the connections of a real server.
#include <keepwell.hpp>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

struct Request {
    int user;
    int amount;
};
struct Response {
    int status;
    std::string body;
};

// The handler knows nothing of transactions: it gets the place where its SQL runs.
static Response transfer(keepwell::Target db, const Request& request) {
    const auto balance = db.query_one<int>("SELECT balance FROM account WHERE user = ?", request.user);
    if (!balance) return {404, "no such user"};
    db.execute("UPDATE account SET balance = balance - ? WHERE user = ?", request.amount, request.user);
    db.execute("UPDATE account SET balance = balance + ? WHERE user = 0", request.amount);
    return {200, "balance " + std::to_string(*balance - request.amount)};
}

// The middleware: one transaction for each request, rolled back when the handler throws or answers with an error,
// and what went wrong in terms of the outside.
template <class Handler>
static Response with_transaction(const Request& request, Handler&& handler) {
    try {
        auto store = keepwell::Store::instance();
        auto tx = store.begin(keepwell::Options().timeout(2s));
        Response response = handler(tx, request);
        if (response.status < 400) tx.commit();
        return response;
    } catch (const keepwell::ConstraintError&) {
        return {409, "not enough"};
    } catch (const keepwell::TimeoutError&) {
        return {503, "busy, try again"};
    } catch (const keepwell::Error& e) {
        return {500, e.what()};
    }
}

int main() try {
    std::remove("server.db");
    auto store = keepwell::Store::initialize(keepwell::Config("server.db").set("pool.max_open", 8));
    store.execute_script("CREATE TABLE account(user INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));"
                         "INSERT INTO account VALUES (0, 0), (1, 100), (2, 100), (3, 100)");

    std::atomic<int> served{0}, refused{0};
    std::vector<std::thread> workers;
    for (int worker = 1; worker <= 4; ++worker) {
        workers.emplace_back([&served, &refused, worker] {
            for (int i = 0; i < 50; ++i) (with_transaction({worker, 3}, transfer).status == 200 ? served : refused)++;
        });
    }
    for (auto& worker : workers) worker.join();

    // 33 transfers of 3 fit into 100, for three users; user 4 does not exist.
    const int bank = store.query_value<int>("SELECT balance FROM account WHERE user = 0");
    const int total = store.query_value<int>("SELECT sum(balance) FROM account");
    std::cout << served << " served, " << refused << " refused, the bank has " << bank << " of " << total << '\n';
    store.close(5s);
    return served == 99 && bank == 297 && total == 300 ? 0 : 1;
} catch (const keepwell::Error& e) {
    std::cerr << e.name() << ": " << e.what() << '\n';
    return 1;
}
