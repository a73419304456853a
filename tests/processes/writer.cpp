// One of the writers of writers.py, in C++: see there for what it does and says.
#include <keepwell.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr const char* insert = "INSERT INTO w(process, thread, sequence, part, parts) VALUES (?, ?, ?, ?, ?)";

void many(const keepwell::Store& store, const std::string& process, int thread, int sequence) {
    std::vector<std::tuple<std::string, int, int, int, int>> rows;
    for (int part = 0; part < 5; ++part) rows.emplace_back(process, thread, sequence, part, 5);
    store.execute_many(insert, rows);
}

void transaction(const keepwell::Store& store, const std::string& process, int thread, int sequence) {
    auto tx = store.begin();
    for (int part = 0; part < 3; ++part) tx.execute(insert, process, thread, sequence, part, 3);
    tx.commit();
}

void hurried(const keepwell::Store& store, const std::string& process, int thread, int sequence) try {
    store.execute(keepwell::Options().timeout(3ms), insert, process, thread, sequence, 0, 1);
} catch (const keepwell::TimeoutError&) {
    std::printf("refused %d %d\n", thread, sequence);
}

void work(const keepwell::Store& store, const std::string& process, int thread, int operations) {
    int sequence = 0;
    try {
        for (; sequence < operations; ++sequence) {
            switch (sequence % 8) {
            case 0: transaction(store, process, thread, sequence); break;
            case 4: many(store, process, thread, sequence); break;
            case 6: hurried(store, process, thread, sequence); break;
            default: store.execute(insert, process, thread, sequence, 0, 1);
            }
        }
    } catch (const keepwell::Error& error) {
        std::cerr << process << ", thread " << thread << ", operation " << sequence << ": " << error.what() << std::endl;
        std::exit(1);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    auto store = keepwell::Store::open(keepwell::Config(argv[1]).set("query.timeout", "60s").set("options.synchronous", argv[5]));
    std::cout << "ready" << std::endl;
    if (std::cin.get() == EOF) return 1;
    std::vector<std::thread> threads;
    for (int i = 0; i < std::stoi(argv[3]); ++i) threads.emplace_back(work, std::cref(store), argv[2], i, std::stoi(argv[4]));
    for (auto& thread : threads) thread.join();
    store.close();
    std::puts("done");
}
