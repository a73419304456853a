// Plays sqllogictest files through keepwell.hpp, each on a fresh store; a file with temporary objects, which the store
// itself refuses, starts anew on a pinned connection.
//
// Usage: slt_runner [file or folder...]. Without arguments: the folder slt of KEEPWELL_TEST_DATA, or of ../shared/data
// beside the project (KEEPWELL_ROOT); without that folder the program says so and succeeds.
#include "check.hpp"
#include "md5.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <variant>

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Lines = std::vector<std::string>;

// One record of a file: words of its first line, the SQL, the expected lines below "----".
struct Record {
    std::size_t line = 0;
    Words words;
    std::string sql;
    Lines expected;
};

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

Words split(const std::string& line) {
    std::istringstream in(line);
    Words words;
    for (std::string word; in >> word && word[0] != '#';) words.push_back(word);
    return words;
}

// The records meant for the engine called sqlite, up to "halt".
std::vector<Record> parse(std::istream& in) {
    std::vector<Record> records;
    bool wanted = true;
    std::size_t number = 0;
    std::string line;
    const auto next = [&] {
        if (!std::getline(in, line)) return false;
        ++number;
        line.erase(line.find_last_not_of(" \t\r") + 1);
        return true;
    };
    while (next()) {
        Record record{number, split(line), {}, {}};
        if (record.words.empty() || record.words[0] == "hash-threshold") continue;
        const std::string& verb = record.words[0];
        if (verb == "skipif" || verb == "onlyif") {
            if ((record.words.at(1) == "sqlite") != (verb == "onlyif")) wanted = false;
            continue;
        }
        if (verb == "halt") {
            if (wanted) break;
            wanted = true;
            continue;
        }
        if (record.words.size() < 2 || (verb != "statement" && verb != "query")) throw Failure("line " + std::to_string(number) + ": unknown record " + line);
        bool results = false;
        while (next() && !line.empty()) {
            if (results) record.expected.push_back(line);
            else if (line == "----") results = true;
            else record.sql += (record.sql.empty() ? "" : "\n") + line;
        }
        if (wanted) records.push_back(std::move(record));
        wanted = true;
    }
    return records;
}

// A value as the format prints it in a column of type I, R or T; conversions are SQLite's own.
std::string print(keepwell::Target db, const keepwell::Cell& cell, char type) {
    const auto converted = [&](const char* sql) { return db.query_value<std::string>(sql, cell.get<keepwell::Value>()); };
    if (cell.is_null()) return "NULL";
    if (type == 'R') return converted("SELECT printf('%.3f', ?)");
    if (cell.type() == keepwell::Type::integer) return std::to_string(cell.get<std::int64_t>());
    if (type == 'I') return converted("SELECT CAST(CAST(? AS INTEGER) AS TEXT)");
    if (cell.type() == keepwell::Type::real) return converted("SELECT CAST(? AS TEXT)");
    std::string text;
    if (cell.type() == keepwell::Type::text) text = cell.get<std::string>();
    else for (std::byte byte : cell.get<keepwell::blob_view>()) text += static_cast<char>(byte);
    for (char& c : text) {
        if (c < ' ' || c > '~') c = '@';
    }
    return text.empty() ? "(empty)" : text;
}

Lines values_of(keepwell::Target db, const Record& record) {
    const std::string& types = record.words[1];
    const std::string sort = record.words.size() > 2 ? record.words[2] : "nosort";
    std::vector<Lines> rows;
    try {
        for (const auto& row : db.query(record.sql)) {
            if (row.size() != types.size()) throw Failure(std::to_string(row.size()) + " columns");
            Lines line;
            for (std::size_t i = 0; i < row.size(); ++i) line.push_back(print(db, row[i], types[i]));
            rows.push_back(std::move(line));
        }
    } catch (const keepwell::Error&) {
        // The format's own runner takes an error on the way for the end of the result.
        if (!record.expected.empty()) throw;
    }
    if (sort == "rowsort") std::sort(rows.begin(), rows.end());
    Lines values;
    for (auto& row : rows) values.insert(values.end(), row.begin(), row.end());
    if (sort == "valuesort") std::sort(values.begin(), values.end());
    return values;
}

std::string digest(const Lines& values) {
    md5 state;
    char hex[33];
    md5_begin(&state);
    for (const auto& value : values) {
        md5_add(&state, value.data(), value.size());
        md5_add(&state, "\n", 1);
    }
    md5_end(&state, hex);
    return std::to_string(values.size()) + " values hashing to " + hex;
}

void run_query(keepwell::Target db, const Record& record, std::map<std::string, std::string>& labels) {
    const Lines values = values_of(db, record);
    const std::string hash = digest(values);
    const bool hashed = record.expected.size() == 1 && record.expected[0].find(" values hashing to ") != std::string::npos;
    if (hashed ? hash != record.expected[0] : values != record.expected) {
        std::string got;
        for (const auto& value : values) got += value + " ";
        throw Failure("another result: " + (hashed ? hash : got));
    }
    if (record.words.size() > 3) {
        const auto [at, first] = labels.emplace(record.words[3], hash);
        if (!first && at->second != hash) throw Failure("another result than the earlier one with this label");
    }
}

void run_statement(keepwell::Target db, const Record& record) {
    try {
        db.execute(record.sql);
    } catch (const keepwell::Error& error) {
        const bool several = error.code() == KW_SQL && error.engine_code() == 0;
        if (several) db.execute_script(record.sql);
        else if (record.words[1] == "ok") throw;
        else return;
    }
    if (record.words[1] != "ok") throw Failure("succeeded, where an error was expected");
}

struct NeedsPinned {};

void play(keepwell::Target db, const std::string& file, const std::vector<Record>& records, bool pinned) {
    std::map<std::string, std::string> labels;
    for (const auto& record : records) {
        try {
            if (record.words[0] == "statement") run_statement(db, record);
            else run_query(db, record, labels);
            ++check::passed;
        } catch (const std::exception& error) {
            const auto* own = dynamic_cast<const keepwell::Error*>(&error);
            if (!pinned && own != nullptr && own->code() == KW_UNSUPPORTED) throw NeedsPinned();
            ++check::failed;
            std::cerr << file << ':' << record.line << ": " << error.what() << "\n    " << record.sql << '\n';
        }
    }
}

void play_file(const std::string& path) {
    static int number = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Failure("cannot read " + path);
    const auto records = parse(in);
    const int passed = check::passed, failed = check::failed;
    const char* where = "on the store";
    try {
        auto store = keepwell::Store::open(check::temp().file("slt" + std::to_string(number++)));
        play(store, path, records, false);
        store.close();
    } catch (const NeedsPinned&) {
        check::passed = passed;
        check::failed = failed;
        where = "on a pinned connection";
        auto store = keepwell::Store::open(check::temp().file("slt" + std::to_string(number++)));
        auto connection = store.connection();
        play(connection, path, records, true);
    }
    std::cout << path << ": " << check::passed - passed << " passed, " << check::failed - failed << " failed, " << where << '\n';
}

void play_path(const fs::path& path) {
    if (!fs::is_directory(path)) return play_file(path.string());
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.path().extension() == ".test") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) play_file(file.string());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        for (int i = 1; i < argc; ++i) play_path(argv[i]);
        const char* data = std::getenv("KEEPWELL_TEST_DATA");
        const char* root = std::getenv("KEEPWELL_ROOT");
        const fs::path folder = (data != nullptr ? fs::path(data) : fs::path(root != nullptr ? root : ".") / "../shared/data") / "slt";
        if (argc == 1 && fs::exists(folder)) play_path(folder);
        else if (argc == 1) std::cout << "skipped: no sqllogictest files in " << folder << "; set KEEPWELL_TEST_DATA\n";
    } catch (const std::exception& error) {
        ++check::failed;
        std::cerr << error.what() << '\n';
    }
    return check::report(argv[0]);
}
