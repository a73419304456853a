// Migrations in C++: sets, operations, reports, rebuilds, and the exceptions of what is refused.
#include "check.hpp"

#include <fstream>

namespace {

using namespace std::string_literals;

const std::vector<keepwell::Migration> two = {
    {1, "people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)", "DROP TABLE person"},
    {2, "some", "INSERT INTO person(name) VALUES ('a'), ('b')", "DELETE FROM person"},
};

keepwell::Store fresh(const char* name) { return keepwell::Store::open(check::temp().file(name)); }

void a_list_goes_up_down_and_says_so() {
    auto store = fresh("list.db");
    auto set = store.migrations(two);
    EQUAL(2u, set.size());
    EQUAL(2u, set.status().pending());
    const auto up = set.up();
    CHECK(!up.before() && up.version() == 2);
    const auto lines = up.migrations();
    EQUAL(2u, lines.size());
    EQUAL("some"s, std::string(lines[1].description));
    EQUAL(2, lines[1].rows_changed);
    CHECK(lines[1].state == KW_MIGRATION_APPLIED && lines[1].reversible && lines[1].transactional);
    EQUAL(64u, lines[1].checksum.size());
    CHECK(set.verify().ok());
    CHECK(set.down(keepwell::MigrateOptions().steps(1)).version() == 1);
    CHECK(!set.down(keepwell::MigrateOptions().to(0)).version());
    CHECK(set.to(2).version() == 2);
    CHECK(set.redo().version() == 2);
    HAS(set.plan().json(), "\"operation\":\"plan\"");
    CHECK(!set.status().migrations()[0].applied_at.empty());
}

void a_folder_and_files_in_memory_are_read() {
    auto store = fresh("files.db");
    auto set = store.migrations({{"1_a.up.sql"s, "CREATE TABLE a(x)"s}, {"1_a.down.sql"s, "DROP TABLE a"s}, {"README.md"s, ""s}});
    CHECK(set.up().version() == 1);
    EQUAL("1_a.up.sql"s, std::string(set.status().migrations()[0].file));
    THROWS_AND(MigrationError, store.migrations({{"1-a.up.sql"s, ""s}}), [](const keepwell::Error& e) { HAS(e.what(), "1-a.up.sql"); });
    THROWS_AND(IoError, store.migrations(check::temp().file("nowhere")), [](const keepwell::Error& e) { HAS(e.what(), "nowhere"); });
    THROWS_AND(ConfigError, set.set("outoforder", "accept"), [](const keepwell::Error& e) { HAS(e.what(), "out_of_order"); });
}

void what_is_refused_is_an_exception_of_its_kind() {
    auto store = fresh("refused.db");
    store.migrations(two).up();
    auto changed = two;
    changed[1].up = "SELECT 1";
    auto set = store.migrations(changed);
    THROWS_AND(MigrationError, set.up(), [](const keepwell::Error& e) { HAS(e.what(), "changed = accept"); });
    CHECK(set.set("changed", "accept").up().migrations().empty());
    auto older = store.migrations(std::vector<keepwell::Migration>{two[0]});
    THROWS_AND(SchemaNewerError, older.up(), [](const keepwell::Error& e) { HAS(e.what(), "newer than this program"); });
    CHECK(older.down(keepwell::MigrateOptions().to(1)).version() == 1);
    auto wrong = store.migrations(std::vector<keepwell::Migration>{two[0], {3, "wrong", "CREATE TABLE c(x);\n  SELECT y FROM c"}});
    THROWS_AND(SqlError, wrong.up(), [](const keepwell::Error& e) {
        HAS(e.what(), "line 2, column 10, statement 2");
        CHECK(e.rolled_back());
    });
}

void progress_is_heard_and_ends_a_run() {
    auto store = fresh("progress.db");
    auto set = store.migrations(two);
    int statements = 0;
    auto count = [&](const kw_migrate_event& event) {
        if (event.phase == KW_PHASE_STATEMENT) ++statements;
        return event.version < 2;
    };
    THROWS_AND(CancelledError, set.up(keepwell::MigrateOptions().progress(count)), [](const keepwell::Error&) {});
    EQUAL(1, statements);
    CHECK(set.status().version() == 1);
}

void a_table_is_made_anew_and_the_schema_dumped() {
    auto store = fresh("rebuild.db");
    store.migrations(two).up();
    const auto report = store.rebuild_table("person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER)",
                                            {{"age", "length(name)"}});
    EQUAL("person"s, std::string(report.tables()[0].table));
    CHECK(report.tables()[0].before == 2 && report.tables()[0].after == 2);
    EQUAL(2, store.query_value<int>("SELECT sum(age) FROM person"));
    HAS(store.schema_dump(), "age INTEGER);\n");
    CHECK(!store.migrations(two).verify().ok());
}

}  // namespace

int main(int, char** argv) {
    RUN(a_list_goes_up_down_and_says_so);
    RUN(a_folder_and_files_in_memory_are_read);
    RUN(what_is_refused_is_an_exception_of_its_kind);
    RUN(progress_is_heard_and_ends_a_run);
    RUN(a_table_is_made_anew_and_the_schema_dumped);
    return check::report(argv[0]);
}
