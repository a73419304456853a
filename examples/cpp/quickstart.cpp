// keepwell from C++: open a store, write in a transaction, read rows, meet an error.
//
//   c++ -std=c++17 -o quickstart quickstart.cpp $(pkg-config --cflags --libs keepwell) && ./quickstart
#include <keepwell.hpp>

#include <iostream>

using Place = std::tuple<std::string, int>;

static void print_stock(keepwell::Target db) {
    for (auto [place, count] : db.query("SELECT place, count FROM stock ORDER BY place").as<std::string_view, int>()) {
        std::cout << "  " << place << ": " << count << '\n';
    }
}

// Two changes that belong together: both, or none. Runs in a transaction of its own, or inside the caller's.
static void move_stock(keepwell::Target db, std::string_view from, std::string_view to, int count) {
    db.transaction([&](auto& tx) {
        constexpr const char* sql = "UPDATE stock SET count = count + ? WHERE place = ?";
        tx.execute(sql, count, to);
        tx.execute(sql, -count, from);
    });
}

int main() try {
    auto store = keepwell::Store::open(":memory:");
    store.execute("CREATE TABLE stock(place TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0), note TEXT)");
    store.execute_many("INSERT INTO stock(place, count) VALUES (?, ?)", std::vector<Place>{{"attic", 10}, {"cellar", 2}});

    move_stock(store, "attic", "cellar", 7);
    print_stock(store);

    // One row, one value; NULL is a std::optional without value.
    const auto cellar = store.query_one<int, std::optional<std::string>>("SELECT count, note FROM stock WHERE place = :place",
                                                                         keepwell::named{{":place", "cellar"}});
    if (cellar) std::cout << "cellar holds " << std::get<0>(*cellar) << ", note: " << std::get<1>(*cellar).value_or("none") << '\n';

    std::cout << "moving more than there is:\n";
    try {
        move_stock(store, "attic", "cellar", 100);
        return 1;  // the CHECK must refuse this
    } catch (const keepwell::ConstraintError& e) {
        std::cout << "  " << e.name() << " (" << e.engine_extended_code() << "): " << e.what() << '\n';
    }
    print_stock(store);
    std::cout << store.query_value<int>("SELECT sum(count) FROM stock") << " in all\n";
    return 0;
} catch (const keepwell::Error& e) {
    std::cerr << e.name() << ": " << e.what() << '\n';
    return 1;
}
