// The conformance suite through keepwell.hpp: plays every case of tests/conformance/*.json (README.md there says what
// the data mean). Usage: conformance [part of a case's name]. KEEPWELL_ROOT says where the project is (default: here).
#include "check.hpp"
#include "json.hpp"

#include <algorithm>
#include <fstream>
#include <list>
#include <set>

namespace {

namespace fs = std::filesystem;
using Line = std::vector<keepwell::Value>;

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// ----------------------------------------------------------------------------------------------------- texts, values --

int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string from_hex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) bytes += static_cast<char>(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1]));
    return bytes;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
    return text;
}

std::string text_of(const Json& json) {
    if (json.is<std::string>()) return json.text();
    const auto& [form, argument] = *json.object().begin();
    std::string text;
    if (form == "hex") {
        text = from_hex(argument.text());
    } else if (form == "join") {
        for (const auto& part : argument.array()) text += text_of(part);
    } else if (form == "repeat") {
        const std::string part = text_of(argument.array()[0]);
        for (std::int64_t i = argument.array()[1].as<std::int64_t>(); i > 0; --i) text += part;
    } else if (form == "each") {
        const auto& [part, from, to, glue] = std::tie(argument.array()[0], argument.array()[1], argument.array()[2], argument.array()[3]);
        for (std::int64_t i = from.as<std::int64_t>(); i <= to.as<std::int64_t>(); ++i) {
            if (i != from.as<std::int64_t>()) text += text_of(glue);
            text += replaced(text_of(part), "#", std::to_string(i));
        }
    } else {
        throw Failure("runner: unknown text " + form);
    }
    return text;
}

keepwell::Value value_of(const Json& json) {
    if (json.is<std::nullptr_t>()) return std::monostate();
    const auto& [form, argument] = *json.object().begin();
    if (form == "i") return static_cast<std::int64_t>(std::stoll(argument.text()));
    if (form == "r") return std::strtod(argument.text().c_str(), nullptr);
    if (form == "t") return text_of(argument);
    if (form == "x") return from_hex(argument.text());
    if (form != "b") throw Failure("runner: unknown value " + form);
    const std::string bytes = from_hex(text_of(argument));
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    return std::vector<std::byte>(data, data + bytes.size());
}

Line line_of(const Json& json) {
    Line line;
    for (const auto& value : json.array()) line.push_back(value_of(value));
    return line;
}

bool same(const keepwell::Value& a, const keepwell::Value& b) {
    if (a.index() != b.index()) return false;
    if (const auto* real = std::get_if<double>(&a)) return std::memcmp(real, &std::get<double>(b), sizeof *real) == 0;
    return a == b;
}

bool same_line(const Line& a, const Line& b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same); }

std::string shown(const keepwell::Value& value) {
    struct Show {
        std::string operator()(std::monostate) const { return "NULL"; }
        std::string operator()(std::int64_t i) const { return std::to_string(i); }
        std::string operator()(double r) const { std::ostringstream out; out.precision(17); out << "real " << r; return out.str(); }
        std::string operator()(const std::string& t) const { return '"' + t.substr(0, 60) + "\" of " + std::to_string(t.size()) + " bytes"; }
        std::string operator()(const std::vector<std::byte>& b) const { return "blob of " + std::to_string(b.size()) + " bytes"; }
    };
    return std::visit(Show(), value);
}

std::string shown(const Line& line) {
    std::string text;
    for (const auto& value : line) text += (text.empty() ? "(" : ", ") + shown(value);
    return text + ")";
}

// ------------------------------------------------------------------------------------------------------------- a case --

// What a name stands for. Ended handles stay until their name is used again.
struct Handle {
    std::variant<keepwell::Store, keepwell::Transaction, keepwell::Connection, keepwell::DerivedTarget, keepwell::Rows, keepwell::Statement> object;
    std::map<std::string, std::string> config;
    bool ended = false;
};

struct Outcome {
    std::vector<std::string> columns;
    bool from_cache = false;
    std::vector<Line> rows;
    keepwell::Result result;
};

class Case {
 public:
    explicit Case(const Json& data) : data_(data) {}

    // Plays the case; throws Failure where the first step differs.
    void play() {
        const Json* database = data_.find("database");
        const std::string kind = database != nullptr ? database->text() : "file";
        std::map<std::string, std::string> config = settings(data_.find("config"));
        if (kind == "memory") config.emplace("datasource", ":memory:");
        if (kind != "none") open("store", std::move(config));
        std::size_t number = 0;
        for (const auto& step : data_["steps"].array()) {
            const Json* times = step.find("times");
            for (std::int64_t i = times != nullptr ? times->as<std::int64_t>() : 1; i > 0; --i) {
                try {
                    play_step(step);
                } catch (const Failure& failure) {
                    throw Failure("step " + std::to_string(number) + ": " + failure.what());
                }
            }
            ++number;
        }
        try {
            for (auto& [name, handle] : handles_) end(handle);
        } catch (const keepwell::Error& error) {
            throw Failure(std::string("closing what was left open: ") + error.what());
        }
    }

 private:
    std::string placed(std::string text) const { return replaced(std::move(text), "{dir}", folder_.file("").substr(0, folder_.file("").size() - 1)); }

    std::map<std::string, std::string> settings(const Json* json) const {
        std::map<std::string, std::string> config;
        if (json != nullptr) {
            for (const auto& [key, value] : json->object()) config[key] = placed(text_of(value));
        }
        return config;
    }

    template <class T>
    void keep(const std::string& name, T object, std::map<std::string, std::string> config = {}) {
        handles_.remove_if([&](const auto& entry) { return entry.first == name; });
        handles_.emplace_front(name, Handle{std::move(object), std::move(config), false});
    }
    void open(const std::string& name, std::map<std::string, std::string> config) {
        config.emplace("datasource", folder_.file("case.db"));
        keepwell::Config settings;
        for (const auto& [key, value] : config) settings.set(key, value);
        keep(name, keepwell::Store::open(settings), std::move(config));
    }
    Handle& find(const std::string& name) {
        for (auto& [known, handle] : handles_) {
            if (known == name) return handle;
        }
        throw Failure("runner: nothing is called " + name);
    }
    template <class T>
    T& get(const std::string& name) { return std::get<T>(find(name).object); }

    static void end(Handle& handle) {
        if (std::exchange(handle.ended, true)) return;
        std::visit([](auto& object) {
            using T = std::decay_t<decltype(object)>;
            if constexpr (std::is_same_v<T, keepwell::Store> || std::is_same_v<T, keepwell::Rows> || std::is_same_v<T, keepwell::Statement>) object.close();
            else if constexpr (std::is_same_v<T, keepwell::Transaction>) object.rollback();
            else if constexpr (std::is_same_v<T, keepwell::Connection>) object.release();
        }, handle.object);
    }

    keepwell::Target target(const Json& step) {
        const Json* on = step.find("on");
        return std::visit([](auto& object) -> keepwell::Target {
            if constexpr (std::is_convertible_v<decltype(object), keepwell::Target>) return object;
            else throw Failure("runner: not a target");
        }, find(on != nullptr ? on->text() : "store").object);
    }

    static const std::map<std::string, keepwell::Cache>& cache_uses() {
        static const std::map<std::string, keepwell::Cache> uses{
            {"use", keepwell::Cache::use}, {"skip", keepwell::Cache::skip}, {"refresh", keepwell::Cache::refresh}};
        return uses;
    }

    keepwell::Options options(const Json& step) {
        keepwell::Options options;
        const Json* json = step.find("options");
        if (json == nullptr) return options;
        for (const auto& [key, value] : json->object()) {
            if (key == "timeout_ms") options.timeout(std::chrono::milliseconds(value.as<std::int64_t>()));
            else if (key == "read_only") options.read_only(value.as<bool>());
            else if (key == "prepared") options.prepared(value.as<bool>());
            else if (key == "batch_rows") options.batch_rows(static_cast<std::uint32_t>(value.as<std::int64_t>()));
            else if (key == "cache") options.cache(cache_uses().at(value.text()));
            else if (key == "cancelled") cancelled_.trigger(), options.cancel(cancelled_);
            else throw Failure("runner: unknown option " + key);
        }
        return options;
    }

    // Calls run(sql, parameters) with what the step says; both are borrowed for the call.
    template <class Run>
    auto with_sql(const Json& step, Run&& run) {
        keepwell::Parameters parameters;
        std::list<keepwell::Value> values;
        if (const Json* params = step.find("params")) {
            for (const auto& value : params->array()) parameters.add(values.emplace_back(value_of(value)));
        }
        if (const Json* names = step.find("named")) {
            for (const auto& [name, value] : names->object()) parameters.add(name.c_str(), values.emplace_back(value_of(value)));
        }
        if (const Json* statement = step.find("statement")) return run(keepwell::Sql(get<keepwell::Statement>(statement->text())), parameters);
        const std::string sql = placed(text_of(step["sql"]));
        return run(keepwell::Sql(sql), parameters);
    }

    static void read_rows(keepwell::Rows& rows, Outcome& out, std::size_t count) {
        while (out.rows.size() < count && rows.next()) {
            Line line;
            for (std::size_t i = 0; i < rows.row().size(); ++i) line.push_back(rows.row().get<keepwell::Value>(i));
            out.rows.push_back(std::move(line));
        }
    }
    static void read_head(keepwell::Rows& rows, Outcome& out) {
        for (const auto name : rows.columns()) out.columns.emplace_back(name);
        out.from_cache = rows.from_cache();
    }

    Outcome act(const Json& step) {
        const std::string& what = step["do"].text();
        const std::string as = step.find("as") != nullptr ? step["as"].text() : "";
        const std::string on = step.find("on") != nullptr ? step["on"].text() : "store";
        Outcome out;
        if (what == "query" || what == "stream") {
            auto rows = with_sql(step, [&](const keepwell::Sql& sql, const auto& p) { return target(step).query(options(step), sql, p); });
            read_head(rows, out);
            read_rows(rows, out, SIZE_MAX);
        } else if (what == "open_rows") {
            keep(as, with_sql(step, [&](const keepwell::Sql& sql, const auto& p) { return target(step).query(options(step), sql, p); }));
            read_head(get<keepwell::Rows>(as), out);
        } else if (what == "read") {
            read_rows(get<keepwell::Rows>(on), out, static_cast<std::size_t>(step["count"].as<std::int64_t>()));
        } else if (what == "execute") {
            out.result = with_sql(step, [&](const keepwell::Sql& sql, const auto& p) { return target(step).execute(options(step), sql, p); });
        } else if (what == "execute_many") {
            std::vector<Line> lines;
            for (std::int64_t i = step.find("many_times") != nullptr ? step["many_times"].as<std::int64_t>() : 1; i > 0; --i) {
                for (const auto& line : step["many"].array()) lines.push_back(line_of(line));
            }
            out.result = with_sql(step, [&](const keepwell::Sql& sql, const auto&) { return target(step).execute_many(options(step), sql, lines); });
        } else if (what == "script") {
            out.result = target(step).execute_script(options(step), placed(text_of(step["sql"])));
        } else if (what == "begin") {
            static const std::map<std::string, keepwell::Mode> modes{{"default", keepwell::Mode::standard}, {"deferred", keepwell::Mode::deferred},
                {"immediate", keepwell::Mode::immediate}, {"exclusive", keepwell::Mode::exclusive}, {"read_only", keepwell::Mode::read_only}};
            const Json* mode = step.find("mode");
            keep(as, target(step).begin(options(step), modes.at(mode != nullptr ? mode->text() : "default")));
        } else if (what == "commit") {
            get<keepwell::Transaction>(on).commit();
            find(on).ended = true;
        } else if (what == "rollback") {
            get<keepwell::Transaction>(on).rollback();
            find(on).ended = true;
        } else if (what == "pin") {
            keep(as, get<keepwell::Store>(on).connection(options(step)));
        } else if (what == "prepare") {
            keep(as, target(step).prepare(options(step), placed(text_of(step["sql"]))));
        } else if (what == "derive") {
            keep(as, target(step).with(options(step)));
        } else if (what == "unpin" || what == "close_rows" || what == "finalize" || what == "close") {
            end(find(on));
        } else if (what == "open") {
            open(as, settings(step.find("config")));
        } else if (what == "reopen") {
            auto config = step.find("config") != nullptr ? settings(step.find("config")) : find(on).config;
            end(find(on));
            open(on, std::move(config));
        } else if (what == "write_file") {
            std::ofstream(placed(text_of(step["path"])), std::ios::binary) << text_of(step["text"]);
        } else if (what == "make_dir") {
            fs::create_directory(placed(text_of(step["path"])));
        } else {
            throw Failure("runner: unknown step " + what);
        }
        return out;
    }

    void play_step(const Json& step) {
        static const std::set<std::string> known{"do", "on", "as", "sql", "statement", "params", "named", "many", "many_times", "mode", "options", "config",
            "times", "columns", "from_cache", "rows", "rows_unordered", "row_count", "first", "last", "sums", "last_insert_id", "rows_affected", "error", "count", "path", "text"};
        for (const auto& [key, value] : step.object()) {
            if (known.count(key) == 0) throw Failure("runner: unknown key " + key);
        }
        const Json* error = step.find("error");
        try {
            const Outcome out = act(step);
            if (error != nullptr) throw Failure("succeeded, where an error was expected");
            compare(step, out);
        } catch (const keepwell::Error& got) {
            if (error == nullptr) throw Failure(std::string(got.name()) + ": " + got.what());
            compare_error(*error, got);
        }
    }

    static void differ(const std::string& what, const std::string& want, const std::string& got) {
        if (want != got) throw Failure(what + ": wanted " + want + ", got " + got);
    }

    static void compare(const Json& step, const Outcome& out) {
        if (const Json* columns = step.find("columns")) {
            std::string want, got;
            for (const auto& name : columns->array()) want += name.text() + "|";
            for (const auto& name : out.columns) got += name + "|";
            differ("columns", want, got);
        }
        if (const Json* cached = step.find("from_cache")) differ("from_cache", cached->as<bool>() ? "true" : "false", out.from_cache ? "true" : "false");
        if (const Json* count = step.find("row_count")) differ("row_count", std::to_string(count->as<std::int64_t>()), std::to_string(out.rows.size()));
        if (const Json* rows = step.find("rows")) compare_rows(*rows, out.rows);
        if (const Json* rows = step.find("rows_unordered")) compare_unordered(*rows, out.rows);
        if (const Json* first = step.find("first")) compare_line("first", *first, out.rows.empty() ? nullptr : &out.rows.front());
        if (const Json* last = step.find("last")) compare_line("last", *last, out.rows.empty() ? nullptr : &out.rows.back());
        if (const Json* sums = step.find("sums")) compare_sums(sums->array(), out.rows);
        if (const Json* id = step.find("last_insert_id")) differ("last_insert_id", id->text(), std::to_string(out.result.last_insert_id));
        if (const Json* n = step.find("rows_affected")) differ("rows_affected", std::to_string(n->as<std::int64_t>()), std::to_string(out.result.rows_affected));
    }

    static void compare_line(const std::string& what, const Json& want, const Line* got) {
        if (got == nullptr) throw Failure(what + ": there is no row");
        if (!same_line(line_of(want), *got)) throw Failure(what + ": wanted " + shown(line_of(want)) + ", got " + shown(*got));
    }
    static void compare_rows(const Json& want, const std::vector<Line>& got) {
        differ("rows", std::to_string(want.array().size()), std::to_string(got.size()));
        for (std::size_t i = 0; i < got.size(); ++i) compare_line("row " + std::to_string(i), want.array()[i], &got[i]);
    }
    static void compare_unordered(const Json& want, std::vector<Line> got) {
        differ("rows_unordered", std::to_string(want.array().size()), std::to_string(got.size()));
        for (const auto& json : want.array()) {
            const Line line = line_of(json);
            const auto at = std::find_if(got.begin(), got.end(), [&](const Line& other) { return same_line(line, other); });
            if (at == got.end()) throw Failure("rows_unordered: no row " + shown(line));
            got.erase(at);
        }
    }
    static void compare_sums(const Json::Array& want, const std::vector<Line>& got) {
        for (std::size_t i = 0; i < want.size(); ++i) {
            if (want[i].is<std::nullptr_t>()) continue;
            std::int64_t sum = 0;
            for (const auto& line : got) sum += std::get<std::int64_t>(line.at(i));
            differ("sum of column " + std::to_string(i), want[i].text(), std::to_string(sum));
        }
    }
    static void compare_error(const Json& want, const keepwell::Error& got) {
        const std::string what = std::string(", message: ") + got.what();
        const auto number = [&](const char* key, std::int64_t value) {
            if (const Json* json = want.find(key)) differ(std::string("error: ") + key, std::to_string(json->as<std::int64_t>()) + what, std::to_string(value) + what);
        };
        if (const Json* kind = want.find("kind")) {
            std::string kinds;
            if (kind->is<std::string>()) kinds = kind->text();
            else for (const auto& one : kind->array()) kinds += one.text() + " ";
            if ((" " + kinds + " ").find(" " + std::string(got.name()) + " ") == std::string::npos) differ("error: kind", kinds, got.name() + what);
        }
        number("engine_code", got.engine_code());
        number("engine_extended_code", got.engine_extended_code());
        number("sql_offset", got.sql_offset());
        if (const Json* json = want.find("retryable")) differ("error: retryable", json->as<bool>() ? "true" : "false", got.retryable() ? "true" : "false");
        const Json* parts = want.find("message_has");
        const auto lower = [](std::string text) {
            for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            return text;
        };
        for (std::size_t i = 0; parts != nullptr && i < parts->array().size(); ++i) {
            const std::string& part = parts->array()[i].text();
            if (lower(got.what()).find(lower(part)) == std::string::npos) throw Failure("error: no \"" + part + "\" in: " + got.what());
        }
    }

    const Json& data_;
    check::TempFolder folder_;
    keepwell::CancelToken cancelled_;
    std::list<std::pair<std::string, Handle>> handles_;  // newest first
};

bool can(const Json& test) {
    static const std::set<std::string> features{"prepare", "cancel", "derive", "thread_bound", "sql_bytes", "text_bytes"};
    const Json* needs = test.find("needs");
    return needs == nullptr || std::all_of(needs->array().begin(), needs->array().end(), [](const Json& need) { return features.count(need.text()) != 0; });
}

}  // namespace

int main(int argc, char** argv) {
    const char* root = std::getenv("KEEPWELL_ROOT");
    const fs::path folder = fs::path(root != nullptr ? root : ".") / "tests/conformance";
    std::vector<fs::path> files;
    if (fs::exists(folder)) {
        for (const auto& entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() == ".json") files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) {
        std::cerr << "no cases in " << folder << "; set KEEPWELL_ROOT\n";
        return 2;
    }
    int skipped = 0;
    for (const auto& file : files) {
        std::ifstream in(file, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        const Json suite = JsonParser(text.str()).parse();
        for (const auto& test : suite["cases"].array()) {
            if (argc > 1 && test["name"].text().find(argv[1]) == std::string::npos) continue;
            if (!can(test)) {
                ++skipped;
                continue;
            }
            try {
                Case(test).play();
                ++check::passed;
            } catch (const std::exception& failure) {
                ++check::failed;
                std::cerr << file.filename().string() << ": " << test["name"].text() << ": " << failure.what() << '\n';
            }
        }
    }
    std::cout << skipped << " cases skipped\n";
    return check::report(argv[0]);
}
