// Reading results: loops, typed rows, single rows, streams; parameters in all their forms.
#include "check.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <numeric>

namespace {

using namespace std::string_literals;

keepwell::Store& store() {
    static keepwell::Store one = keepwell::Store::open(check::temp().file("rows.db"));
    return one;
}

constexpr const char* count_to = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n";

void a_loop_over_rows() {
    std::int64_t sum = 0;
    std::size_t seen = 0;
    for (const auto& row : store().query(count_to, 10000)) {
        sum += row.get<std::int64_t>(0);
        EQUAL(++seen, row.get<std::size_t>("i"));
        EQUAL(1u, row.size());
    }
    EQUAL(50005000, sum);
}

void batches_of_every_size() {
    for (std::uint32_t batch : {1u, 2u, 3u, 255u, 256u, 1000u, 5000u}) {
        std::int64_t sum = 0;
        for (auto& row : store().query(keepwell::Options().batch_rows(batch), count_to, 1000)) sum += row.get<int>(0);
        EQUAL(500500, sum);
    }
}

void stepping_by_hand() {
    auto rows = store().query(count_to, 3);
    EQUAL(1u, rows.column_count());
    EQUAL("i"s, std::string(rows.column_name(0)));
    int seen = 0;
    while (rows.next()) EQUAL(++seen, rows.row().get<int>(0));
    EQUAL(3, seen);
    CHECK(!rows.next());
    CHECK(!rows.next());
    CHECK(rows.begin() == rows.end());
    rows.close();
    rows.close();
    THROWS(MisuseError, rows.next());
}

void an_empty_result() {
    auto rows = store().query("SELECT 1 AS a, 2 AS b WHERE 0");
    EQUAL(2u, rows.column_count());
    for (const auto& row : rows) CHECK(row.size() == 99);
    CHECK(store().query("SELECT 1 WHERE 0").all<int>().empty());
}

void typed_rows() {
    store().execute_script("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, age INTEGER); "
                           "INSERT INTO person VALUES (1, 'Ada', 36), (2, 'Bob', NULL)");
    constexpr const char* sql = "SELECT id, name, age FROM person ORDER BY id";
    std::string seen;
    for (auto [id, name, age] : store().query(sql).as<int, std::string_view, std::optional<int>>()) {
        seen += std::to_string(id) + std::string(name) + (age ? std::to_string(*age) : "-") + " ";
    }
    EQUAL("1Ada36 2Bob- "s, seen);
    auto rows = store().query(sql);
    for (const auto& [id, name, age] : rows.as<std::tuple<int, std::string, std::optional<int>>>()) CHECK(id > 0 && !name.empty() && age != 0);
    using Person = std::tuple<std::int64_t, std::string, std::optional<int>>;
    const std::vector<Person> all = store().query(sql).all<Person>();
    CHECK((all == std::vector<Person>{{1, "Ada", 36}, {2, "Bob", std::nullopt}}));
    CHECK((store().query("SELECT name FROM person ORDER BY id").all<std::string>() == std::vector<std::string>{"Ada", "Bob"}));
    CHECK((store().query("SELECT id, name FROM person").all<std::pair<int, std::string>>().size() == 2));
    for (const auto& row : store().query(sql)) {
        const auto [id, name, age] = row.as<int, std::string, std::optional<int>>();
        CHECK(id == row["id"].get<int>() && row[1].type() == keepwell::Type::text && age.has_value() != row.is_null("age") && !name.empty());
    }
    THROWS(MisuseError, (store().query(sql).all<int, std::string>()));
}

void one_row() {
    const auto ada = store().query_one<std::string, int>("SELECT name, age FROM person WHERE id = ?", 1);
    CHECK(ada && std::get<0>(*ada) == "Ada" && std::get<1>(*ada) == 36);
    CHECK(!(store().query_one<std::string, int>("SELECT name, age FROM person WHERE id = ?", 77)));
    EQUAL("Ada"s, *store().query_one<std::string>("SELECT name FROM person ORDER BY id"));
    EQUAL(2, store().query_value<int>("SELECT count(*) FROM person"));
    CHECK(!store().query_value<std::optional<int>>("SELECT age FROM person WHERE id = 2"));
    CHECK(!store().query_value<std::optional<int>>("SELECT age FROM person WHERE id = 77"));
    THROWS_AND(MisuseError, (store().query_value<int>("SELECT age FROM person WHERE id = 77")), [](const keepwell::Error& e) { HAS(e.what(), "no row"); });
    THROWS(MisuseError, (store().query_value<int>("SELECT 1, 2")));
    EQUAL(1, *store().query_one<int>(count_to, 100000));
    EQUAL(0u, store().stats().in_use);
}

// Rows around and beyond the size of the buffer on the stack.
void one_large_row() {
    for (std::size_t size : {1u, 1000u, 4000u, 4063u, 4064u, 4065u, 4079u, 4080u, 4081u, 4096u, 5000u, 100000u, 5000000u}) {
        const std::string text(size, 'x');
        EQUAL(size, store().query_value<std::string>("SELECT ?", text).size());
        const auto pair = store().query_one<std::string, int>("SELECT ?, 7", text);
        CHECK(pair && std::get<0>(*pair) == text && std::get<1>(*pair) == 7);
    }
    EQUAL(0u, store().stats().in_use);
}

void named_parameters() {
    const std::string name = "Ada";
    EQUAL(1, store().query_value<int>("SELECT id FROM person WHERE name = :name AND age > @age", keepwell::named{{":name", name}, {"age", 30}}));
    EQUAL(2, store().query_value<int>("SELECT :a + :a", keepwell::named{{"a", 1}}));
    CHECK(!store().query_value<std::optional<int>>("SELECT $x", keepwell::named{{"$x", std::nullopt}}));
    EQUAL("x"s, store().query_value<std::string>("SELECT :a", keepwell::named{{":a", std::string("x")}}));
    THROWS_AND(ParameterError, (store().query("SELECT :a", keepwell::named{{"b", 1}})), [](const keepwell::Error& e) { HAS(e.what(), "b"); });
}

void lists_of_parameters_made_at_run_time() {
    const std::vector<std::string> names{"Ada", "Bob", "Eve"};
    std::string sql = "SELECT count(*) FROM person WHERE name IN (";
    keepwell::Parameters list;
    for (const auto& name : names) {
        sql += list.size() == 0 ? "?" : ", ?";
        list.add(name);
    }
    EQUAL(2, store().query_value<int>(sql + ")", list));
    keepwell::Parameters by_name;
    by_name.add(":a", 40).add("b", 2);
    EQUAL(42, store().query_value<int>("SELECT :a + :b", by_name));
    THROWS(ParameterError, by_name.add(3));
    keepwell::Parameters positional;
    positional.add(1);
    THROWS(ParameterError, positional.add("x", 3));
}

void wrong_numbers_of_parameters() {
    THROWS(ParameterError, store().query("SELECT ?, ?", 1));
    THROWS(ParameterError, store().query("SELECT ?", 1, 2));
    THROWS(ParameterError, store().execute("DELETE FROM person WHERE id = ?"));
    EQUAL(2, store().query_value<int>("SELECT count(*) FROM person"));
}

void many_executions() {
    store().execute("CREATE TABLE many(a, b)");
    const std::vector<std::tuple<int, std::string>> tuples{{1, "x"}, {2, "y"}};
    const std::map<int, std::optional<std::string>> pairs{{3, "z"}, {4, std::nullopt}};
    const std::list<std::vector<keepwell::Value>> values{{std::int64_t{5}, "v"s}, {std::monostate(), 0.5}};
    EQUAL(2, store().execute_many("INSERT INTO many VALUES (?, ?)", tuples).rows_affected);
    EQUAL(2, store().execute_many("INSERT INTO many VALUES (?, ?)", pairs).rows_affected);
    EQUAL(2, store().execute_many(keepwell::Options().timeout(std::chrono::seconds(5)), "INSERT INTO many VALUES (?, ?)", values).rows_affected);
    EQUAL(3, store().execute_many("INSERT INTO many(a) VALUES (?)", std::vector<int>{7, 8, 9}).rows_affected);
    const std::string texts[] = {"p", "q"};
    EQUAL(2, store().execute_many("INSERT INTO many(b) VALUES (?)", texts).rows_affected);
    EQUAL(0, store().execute_many("INSERT INTO many VALUES (?, ?)", std::vector<std::pair<int, int>>()).rows_affected);
    EQUAL(11, store().query_value<int>("SELECT count(*) FROM many"));
    const std::vector<std::vector<int>> ragged{{1, 2}, {3}};
    THROWS(ParameterError, store().execute_many("INSERT INTO many VALUES (?, ?)", ragged));
    EQUAL(11, store().query_value<int>("SELECT count(*) FROM many"));
}

void results_of_changes() {
    store().execute("CREATE TABLE change(id INTEGER PRIMARY KEY, v)");
    const auto result = store().execute("INSERT INTO change(v) VALUES (1), (2), (3)");
    EQUAL(3, result.rows_affected);
    EQUAL(3, result.last_insert_id);
    EQUAL(2, store().execute("DELETE FROM change WHERE v > ?", 1).rows_affected);
    EQUAL(9, store().query_value<int>("INSERT INTO change(v) VALUES (?) RETURNING v", 9));
    EQUAL(2, store().query_value<int>("SELECT count(*) FROM change"));
}

void streams_end_early() {
    for (int i = 0; i < 50; ++i) {
        for (const auto& row : store().query(count_to, 100000)) {
            if (row.get<int>(0) == 300) break;
        }
    }
    EQUAL(0u, store().stats().in_use);
}

void rows_move() {
    auto first = store().query(count_to, 1000);
    for (int i = 0; i < 300; ++i) CHECK(first.next());
    keepwell::Rows second = std::move(first);
    CHECK(second.next());
    EQUAL(301, second.row().get<int>(0));
    THROWS(MisuseError, first.next());  // NOLINT: moved from on purpose
    first = std::move(second);
    CHECK(first.next());
    EQUAL(302, first.row().get<int>(0));
}

void standard_algorithms() {
    auto rows = store().query(count_to, 1000);
    EQUAL(500, std::count_if(rows.begin(), rows.end(), [](const keepwell::Row& row) { return row.get<int>(0) % 2 == 0; }));
    auto typed = store().query(count_to, 1000).as<int>();
    EQUAL(500500, std::accumulate(typed.begin(), typed.end(), 0));
}

void declared_types() {
    auto rows = store().query("SELECT age, age + 1 FROM person");
    EQUAL("INTEGER"s, std::string(*rows.column_decltype(0)));
    CHECK(!rows.column_decltype(1));
    THROWS(MisuseError, rows.column_name(2));
}

void prepared_statements() {
    auto select = store().prepare("SELECT name AS who FROM person WHERE id = :id");
    EQUAL(1u, select.parameter_count());
    EQUAL(1u, select.column_count());
    CHECK(select.read_only());
    EQUAL(":id"s, std::string(select.parameter_name(0)));
    EQUAL("who"s, std::string(select.column_name(0)));
    EQUAL("Ada"s, store().query_value<std::string>(select, 1));
    EQUAL("Bob"s, store().query_value<std::string>(select, keepwell::named{{"id", 2}}));
    EQUAL("Bob"s, store().query_value<std::string>(keepwell::Options().read_only(), select, 2));
    EQUAL(1u, store().query(select, 1).all<std::string>().size());
    const auto insert = store().prepare("INSERT INTO many VALUES (?, ?)");
    CHECK(!insert.read_only());
    store().transaction([&](auto& tx) {
        EQUAL(1, tx.execute(insert, 1, 2).rows_affected);
        EQUAL(2, tx.execute_many(insert, std::vector<std::pair<int, int>>{{1, 2}, {3, 4}}).rows_affected);
    });
    select.close();
    select.close();
    THROWS(MisuseError, store().query(select, 1));
    THROWS(MisuseError, select.column_count());
}

}  // namespace

int main(int, char** argv) {
    RUN(a_loop_over_rows);
    RUN(batches_of_every_size);
    RUN(stepping_by_hand);
    RUN(an_empty_result);
    RUN(typed_rows);
    RUN(one_row);
    RUN(one_large_row);
    RUN(named_parameters);
    RUN(lists_of_parameters_made_at_run_time);
    RUN(wrong_numbers_of_parameters);
    RUN(many_executions);
    RUN(results_of_changes);
    RUN(streams_end_early);
    RUN(rows_move);
    RUN(standard_algorithms);
    RUN(declared_types);
    RUN(prepared_statements);
    return check::report(argv[0]);
}
