// The demo in C++: load a fifth of a dependency graph, ask about it from several threads, meet each kind of error, write beside others.
//
//   demo-cpp FILE SCHEMA GRAPH    loads GRAPH (see graph.py) into the database FILE and reports
//   demo-cpp FILE --together N    N transactions in each of four threads, beside the other programs
//   demo-cpp FILE --totals        what all programs wrote together
#include <keepwell.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <thread>

using namespace std::chrono_literals;

namespace {

constexpr const char* language = "C++";
constexpr int thread_count = 4;
constexpr const char* endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

void require(bool condition, const std::string& what) {
    if (!condition) throw std::runtime_error(what);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    require(file.good(), "cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

keepwell::Store open_store(const std::string& path) {
    keepwell::Config config(path);
    config.set("pool.max_open", 8).set("query.timeout", "30s");
    return keepwell::Store::open(config);
}

// ------------------------------------------------------------------------------------------------------------ load --

using Package = std::tuple<int, std::string, std::string, std::string, int, int, std::int64_t>;
using Edge = std::tuple<int, int, std::string>;

// This program's share of the graph.
struct Share {
    std::vector<std::string> licences;
    std::vector<Package> packages;
    std::vector<Edge> edges;
};

Share read_share(const std::string& path, std::int64_t run) {
    Share share;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string> field;
        std::istringstream fields(line);
        for (std::string one; std::getline(fields, one, '\t');) field.push_back(one);
        if (field.back() != language) continue;
        if (field[0] == "package") {
            share.licences.push_back(field[4]);
            share.packages.emplace_back(std::stoi(field[1]), field[2], field[3], field[4], std::stoi(field[5]), std::stoi(field[6]), run);
        } else {
            share.edges.emplace_back(std::stoi(field[1]), std::stoi(field[2]), field[3]);
        }
    }
    return share;
}

void load(const keepwell::Store& store, const std::string& path) {
    std::string refusal;
    const Share share = store.transaction([&](keepwell::Transaction& tx) {
        Share mine = read_share(path, tx.execute("INSERT INTO run(language) VALUES (?)", language).last_insert_id);
        tx.execute_many("INSERT INTO licence(name) VALUES (?) ON CONFLICT DO NOTHING", mine.licences);
        tx.execute_many("INSERT INTO package(id, name, version, licence_id, features, targets, run_id) "
                        "SELECT ?1, ?2, ?3, licence.id, ?5, ?6, ?7 FROM licence WHERE licence.name = ?4", mine.packages);
        tx.execute_many("INSERT INTO edge(package_id, dependency_id, kind) VALUES (?, ?, ?)", mine.edges);
        try {  // a transaction inside a transaction is a savepoint: a try that fails takes nothing else with it
            tx.transaction([](keepwell::Transaction& attempt) {
                attempt.execute("UPDATE package SET features = 0");
                attempt.execute("INSERT INTO edge VALUES (1000000, 1, 'normal')");
            });
        } catch (const keepwell::ConstraintError& error) {
            refusal = error.what();
        }
        return mine;
    });
    require(!refusal.empty(), "the foreign key should have refused this");
    const auto [packages, edges] = *store.query_one<int, int>("SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge)");
    std::cout << "  loaded     " << share.packages.size() << " packages and " << share.edges.size() << " dependencies; the file has "
              << packages << " and " << edges << " now\n  savepoint  undone after: " << refusal << '\n';
}

// A transaction that is not committed leaves no trace: the destructor rolls it back.
void change_and_roll_back(const keepwell::Store& store) {
    const auto count = [](keepwell::Target db) { return db.query_value<int>("SELECT count(*) FROM edge"); };
    const int before = count(store);
    int inside = 0;
    {
        auto tx = store.begin();
        tx.execute("DELETE FROM edge");
        inside = count(tx);
    }
    const int after = count(store);
    require(inside == 0 && after == before, "the rollback did not restore the dependencies");
    std::cout << "  rollback   " << before << " dependencies, " << inside << " after DELETE, " << after << " after the rollback\n\n";
}

// ---------------------------------------------------------------------------------------------------------- report --

// Lays a result out as a table, numbers to the right.
std::string table(keepwell::Rows rows) {
    struct Column { std::vector<std::string> text; std::size_t width; bool number; };
    std::vector<Column> columns;
    for (const auto name : rows.columns()) columns.push_back({{std::string(name)}, name.size(), false});
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            columns[i].number = row[i].type() == keepwell::Type::integer;
            columns[i].text.push_back(columns[i].number ? std::to_string(row.get<int>(i)) : row.get<std::string>(i));
            columns[i].width = std::max(columns[i].width, columns[i].text.back().size());
        }
    }
    std::ostringstream out;
    for (std::size_t line = 0; line < columns[0].text.size(); ++line) {
        for (const auto& column : columns) {
            const bool last = &column == &columns.back();
            out << "  " << (column.number ? std::right : std::left) << std::setw(last && !column.number ? 0 : int(column.width)) << column.text[line];
        }
        out << '\n';
    }
    return out.str();
}

void report(const keepwell::Store& store) {
    const std::pair<const char*, int> questions[] = {
        {"SELECT licence.name AS licence, count(*) AS packages FROM package JOIN licence ON licence.id = licence_id "
         "GROUP BY licence.id ORDER BY packages DESC, licence LIMIT ?", 4},
        {R"(SELECT name || ' ' || version AS "most depended upon",
                   (SELECT count(DISTINCT package_id) FROM edge WHERE dependency_id = package.id) AS directly, count(*) AS "in all"
            FROM needs JOIN package ON package.id = needs.dependency_id
            GROUP BY package.id ORDER BY "in all" DESC, directly DESC, name LIMIT ?)", 4},
        {R"(WITH RECURSIVE chain(id, steps, path) AS (
              SELECT id, 0, name FROM package UNION ALL
              SELECT dependency_id, steps + 1, path || ' > ' || package.name
              FROM chain JOIN edge ON edge.package_id = chain.id JOIN package ON package.id = dependency_id)
            SELECT steps, path AS "deepest chain" FROM chain ORDER BY steps DESC, path LIMIT ?)", 1},
    };
    std::vector<std::future<std::string>> answers;  // a store is shared freely: each question has a thread of its own
    for (const auto& [sql, limit] : questions) {
        answers.push_back(std::async(std::launch::async, [&store, sql = sql, limit = limit] { return table(store.query(sql, limit)); }));
    }
    for (auto& answer : answers) std::cout << answer.get() << '\n';
}

// ---------------------------------------------------------------------------------------------------------- errors --

// Runs something that must fail with an Expected, and shows the error as a program sees it.
template <class Expected, class F>
void show(const char* what, const char* name, F&& body) {
    try {
        body();
    } catch (const Expected& error) {
        std::cout << "  " << std::left << std::setw(23) << what << name;
        if (error.engine_code() != 0) std::cout << ", engine " << error.engine_code() << " (" << error.engine_extended_code() << ")";
        if (error.sql_offset() >= 0) std::cout << ", byte " << error.sql_offset();
        std::cout << "\n      " << error.what() << '\n';
        return;
    }
    throw std::runtime_error(std::string(what) + ": this should have failed");
}

void show_errors(const keepwell::Store& store, const std::string& path) {
    std::cout << "  Errors as a C++ program sees them:\n";
    show<keepwell::SqlError>("wrong SQL", "keepwell::SqlError", [&] { store.query("SELECT name FORM package"); });
    show<keepwell::ConstraintError>("a constraint", "keepwell::ConstraintError",
                                    [&] { store.execute("INSERT INTO run SELECT * FROM run"); });
    show<keepwell::ParameterError>("a missing parameter", "keepwell::ParameterError",
                                   [&] { store.query("SELECT id FROM package WHERE name = ? AND version = ?", "libc"); });
    show<keepwell::TimeoutError>("a timeout", "keepwell::TimeoutError",
                                 [&] { store.query(keepwell::Options().timeout(50ms), endless); });
    show<keepwell::CancelledError>("a cancelled call", "keepwell::CancelledError", [&] {
        keepwell::CancelToken token;
        const auto waiting = std::async(std::launch::async, [&] { std::this_thread::sleep_for(50ms); token.trigger(); });
        store.query(keepwell::Options().cancel(token), endless);
    });
    show<keepwell::ReadOnlyError>("a write, read-only", "keepwell::ReadOnlyError",
                                  [&] { store.execute(keepwell::Options().read_only(), "DELETE FROM edge"); });
    show<keepwell::SelfDeadlockError>("a wait for oneself", "keepwell::SelfDeadlockError", [&] {
        store.transaction([&](auto&) { store.execute("DELETE FROM edge"); });  // the transaction was meant, not the store
    });
    show<keepwell::MisuseError>("a closed store", "keepwell::MisuseError", [&] {
        auto closed = open_store(path);
        closed.close();
        closed.query("SELECT 1");
    });
    show<keepwell::ConfigError>("a misspelled setting", "keepwell::ConfigError", [] { keepwell::Config().set("pool.max_opne", 8); });
    std::cout << '\n';
}

// -------------------------------------------------------------------------------------------------------- together --

// One commit: the counter and its note.
void count_one(const keepwell::Store& store, int thread) {
    store.transaction([&](keepwell::Transaction& tx) {
        tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'commits'");
        tx.execute("INSERT INTO note(run_id, thread) SELECT id, ? FROM run WHERE language = ?", thread, language);
    });
}

void together(const keepwell::Store& store, int transactions) {
    store.execute("UPDATE run SET promised = promised + ? WHERE language = ?", thread_count * transactions, language);
    while (store.query_value<int>("SELECT count(*) FROM run WHERE promised = 0") > 0) std::this_thread::sleep_for(2ms);  // for all programs
    std::atomic<int> again = 0;
    const auto work = [&](int thread) {
        for (int done = 0; done < transactions;) {
            try {
                count_one(store, thread);
                ++done;
            } catch (const keepwell::Error& error) {
                if (!error.retryable()) throw;
                ++again;
            }
            // Whatever the others do meanwhile, one query sees one state.
            require(store.query_value<int>("SELECT value - (SELECT count(*) FROM note) FROM counter") == 0, "a snapshot was torn");
        }
    };
    std::vector<std::future<void>> threads;
    for (int i = 0; i < thread_count; ++i) threads.push_back(std::async(std::launch::async, work, i));
    for (auto& thread : threads) thread.get();
    std::cout << "  " << std::left << std::setw(8) << language << " " << thread_count << " threads committed " << transactions
              << " transactions each; " << again << " were run again\n";
}

void totals(const keepwell::Store& store) {
    const auto row = *store.query_one<int, int, int, int, int, int, std::string>(
        "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM edge), (SELECT sum(promised) FROM run), "
        "(SELECT value FROM counter), (SELECT count(*) FROM note), (SELECT count(*) FROM hand_over), (SELECT * FROM pragma_integrity_check)");
    const auto& [packages, edges, promised, counter, notes, hand_overs, integrity] = row;
    std::cout << "  " << std::left << std::setw(8) << language << std::right;
    for (const int number : {packages, edges, promised, counter, notes, hand_overs}) std::cout << std::setw(14) << number;
    std::cout << "  " << integrity << '\n';
    require(promised == counter && counter == notes, "the totals differ");
    require(integrity == "ok", "the file is damaged");
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    const char* usage = "usage: demo-cpp FILE SCHEMA GRAPH | FILE --together N | FILE --totals";
    require(args.size() >= 2, usage);
    auto store = open_store(args[0]);
    if (args[1] == "--together" && args.size() == 3) {
        together(store, std::stoi(args[2]));
    } else if (args[1] == "--totals" && args.size() == 2) {
        totals(store);
    } else {
        require(args.size() == 3, usage);
        std::cout << "C++, by keepwell.hpp " << keepwell::version() << "\n\n";
        store.execute_script(read_file(args[1]));
        load(store, args[2]);
        change_and_roll_back(store);
        report(store);
        show_errors(store, args[0]);
    }
    store.close();
} catch (const std::exception& error) {
    std::cerr << "demo-cpp: " << error.what() << '\n';
    return 1;
}
