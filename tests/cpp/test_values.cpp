// What C++ types mean as parameters and as results.
#include "check.hpp"

#include <array>
#include <limits>
#include <type_traits>

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

keepwell::Store& store() {
    static keepwell::Store one = keepwell::Store::open(check::temp().file("values.db"));
    return one;
}

enum class Color : std::uint8_t { red = 1, green = 2 };

// What "SELECT ?" gives back for one value, and the name of its type there.
template <class T, class V>
T echo(const V& value) { return store().query_value<T>("SELECT ?", value); }
template <class V>
std::string type_of(const V& value) { return store().query_value<std::string>("SELECT typeof(?)", value); }

void integers_of_every_width() {
    EQUAL(-128, static_cast<int>(echo<std::int8_t>(std::int8_t{-128})));
    EQUAL(255, static_cast<int>(echo<std::uint8_t>(std::uint8_t{255})));
    EQUAL(-32768, echo<short>(short{-32768}));
    EQUAL(4294967295u, echo<unsigned>(4294967295u));
    EQUAL(std::numeric_limits<std::int64_t>::max(), echo<std::int64_t>(std::numeric_limits<std::int64_t>::max()));
    EQUAL(std::numeric_limits<std::int64_t>::min(), echo<long long>(std::numeric_limits<std::int64_t>::min()));
    EQUAL(9223372036854775807ull, echo<std::uint64_t>(9223372036854775807ull));
    EQUAL("integer"s, type_of(7));
    EQUAL("integer"s, type_of(std::size_t{7}));
}

void integers_out_of_range() {
    THROWS_AND(ParameterError, (store().query("SELECT ?, ?", 1, 9223372036854775808ull)), [](const keepwell::Error& e) {
        HAS(e.what(), "parameter 2");
        HAS(e.what(), "9223372036854775808");
        EQUAL(KW_PARAMETER, e.code());
    });
    THROWS_AND(TypeError, (store().query_value<std::int32_t>("SELECT 5000000000 AS big")), [](const keepwell::Error& e) {
        HAS(e.what(), "5000000000");
        HAS(e.what(), "int32_t");
        EQUAL(KW_TYPE, e.code());
    });
    THROWS(TypeError, (store().query_value<unsigned>("SELECT -1")));
    THROWS(TypeError, (store().query_value<std::uint64_t>("SELECT -1")));
    THROWS(TypeError, (store().query_value<std::int8_t>("SELECT 128")));
    THROWS(TypeError, (store().query_value<int>("SELECT 1.0")));
    THROWS(TypeError, (store().query_value<int>("SELECT '1'")));
    THROWS(TypeError, (store().query_value<int>("SELECT x'31'")));
}

void booleans_and_enums() {
    EQUAL(true, echo<bool>(true));
    EQUAL(false, echo<bool>(false));
    EQUAL("integer"s, type_of(true));
    CHECK(echo<Color>(Color::green) == Color::green);
    EQUAL(2, echo<int>(Color::green));
    THROWS(TypeError, (store().query_value<Color>("SELECT 300")));
    THROWS(TypeError, (store().query_value<bool>("SELECT 'true'")));
}

void reals() {
    EQUAL(0.1, echo<double>(0.1));
    EQUAL(0.5f, echo<float>(0.5f));
    EQUAL("real"s, type_of(1.0f));
    EQUAL(5.0, store().query_value<double>("SELECT 5"));
    CHECK(std::signbit(echo<double>(-0.0)));
    CHECK(std::isinf(echo<double>(std::numeric_limits<double>::infinity())));
    CHECK(std::isinf(echo<float>(std::numeric_limits<double>::infinity())));
    THROWS(TypeError, (store().query_value<float>("SELECT 1e300")));
    THROWS(TypeError, (store().query_value<double>("SELECT '1.5'")));
    CHECK(!echo<std::optional<double>>(std::numeric_limits<double>::quiet_NaN()));
}

void texts() {
    const std::string with_nul("a\0b", 3);
    const char* pointer = "pointer";
    char buffer[32] = "buffer";
    EQUAL("literal"s, echo<std::string>("literal"));
    EQUAL("pointer"s, echo<std::string>(pointer));
    EQUAL("buffer"s, echo<std::string>(buffer));
    EQUAL("view"s, echo<std::string>("view"sv));
    EQUAL(with_nul, echo<std::string>(with_nul));
    EQUAL(with_nul, echo<std::string>(std::string_view(with_nul)));
    EQUAL(""s, echo<std::string>(""));
    EQUAL("text"s, type_of(""));
    EQUAL("text"s, type_of(std::string_view()));
    EQUAL("null"s, type_of(static_cast<const char*>(nullptr)));
    EQUAL("h\xc3\xa4\xe2\x82\xac"s, echo<std::string>("h\xc3\xa4\xe2\x82\xac"));
    THROWS(TypeError, (store().query_value<std::string>("SELECT 5")));
    THROWS(TypeError, (store().query_value<std::string>("SELECT x'41'")));
}

void blobs() {
    const std::vector<std::byte> bytes{std::byte{0}, std::byte{1}, std::byte{255}};
    const std::vector<unsigned char> chars{0, 1, 255};
    const std::array<std::byte, 3> array{std::byte{0}, std::byte{1}, std::byte{255}};
    const unsigned char raw[3] = {0, 1, 255};
    CHECK(echo<std::vector<std::byte>>(bytes) == bytes);
    CHECK(echo<std::vector<unsigned char>>(chars) == chars);
    CHECK(echo<std::vector<std::byte>>(array) == bytes);
    CHECK(echo<std::vector<std::byte>>(raw) == bytes);
    CHECK(echo<std::vector<std::byte>>(keepwell::blob_view(raw, 3)) == bytes);
    CHECK(echo<std::vector<std::byte>>(keepwell::blob_view()).empty());
    EQUAL("blob"s, type_of(keepwell::blob_view()));
    EQUAL("blob"s, type_of(std::vector<std::byte>()));
    EQUAL("blob"s, type_of(keepwell::blob_view("text"sv)));
    auto rows = store().query("SELECT ?", bytes);
    CHECK(rows.next());
    CHECK(rows.row().get<keepwell::blob_view>(0) == keepwell::blob_view(raw, 3));
    THROWS(TypeError, (store().query_value<std::vector<std::byte>>("SELECT 'text'")));
#ifdef __cpp_lib_span
    CHECK(echo<std::vector<std::byte>>(std::span<const std::byte>(bytes)) == bytes);
    const auto span = rows.row().get<std::span<const std::byte>>(0);
    CHECK(span.size() == 3 && span[2] == std::byte{255});
#endif
}

void null_is_an_optional_without_value() {
    EQUAL("null"s, type_of(nullptr));
    EQUAL("null"s, type_of(std::nullopt));
    EQUAL("null"s, type_of(std::optional<int>()));
    EQUAL("integer"s, type_of(std::optional<int>(5)));
    EQUAL("text"s, type_of(std::optional<std::string_view>("x")));
    CHECK(!echo<std::optional<int>>(nullptr));
    EQUAL(5, *echo<std::optional<int>>(5));
    CHECK(!echo<std::optional<std::string>>(nullptr));
    CHECK(echo<std::optional<std::string>>("").has_value());
    CHECK(echo<std::optional<std::vector<std::byte>>>(keepwell::blob_view()).has_value());
    THROWS_AND(TypeError, (echo<std::string>(nullptr)), [](const keepwell::Error& e) {
        HAS(e.what(), "NULL");
        HAS(e.what(), "std::optional");
    });
    THROWS(TypeError, (echo<int>(nullptr)));
    THROWS(TypeError, (echo<double>(nullptr)));
    THROWS(TypeError, (echo<bool>(nullptr)));
    THROWS(TypeError, (echo<std::vector<std::byte>>(nullptr)));
}

void dynamic_values() {
    const keepwell::Value values[] = {std::monostate(), std::int64_t{5}, 0.5, "text"s, std::vector<std::byte>{std::byte{7}}};
    for (const auto& value : values) CHECK(echo<keepwell::Value>(value) == value);
}

void names_in_error_messages() {
    auto rows = store().query("SELECT 1 AS id, NULL AS name");
    CHECK(rows.next());
    THROWS_AND(TypeError, (rows.row().get<std::string>("name")), [](const keepwell::Error& e) { HAS(e.what(), "column 1 (name)"); });
    THROWS_AND(MisuseError, (rows.row().get<int>("naem")), [](const keepwell::Error& e) {
        HAS(e.what(), "naem");
        HAS(e.what(), "id name");
    });
    THROWS(MisuseError, rows.row().get<int>(2));
}

static_assert(!std::is_copy_constructible_v<keepwell::Store> && std::is_nothrow_move_constructible_v<keepwell::Store>);
static_assert(!std::is_copy_constructible_v<keepwell::Rows> && std::is_nothrow_move_constructible_v<keepwell::Rows>);
static_assert(!std::is_copy_constructible_v<keepwell::Transaction> && std::is_nothrow_move_constructible_v<keepwell::Transaction>);
static_assert(!std::is_copy_constructible_v<keepwell::Connection> && std::is_nothrow_move_assignable_v<keepwell::Connection>);
static_assert(!std::is_copy_constructible_v<keepwell::Statement> && std::is_nothrow_move_assignable_v<keepwell::Statement>);
static_assert(!std::is_copy_constructible_v<keepwell::CancelToken> && std::is_nothrow_move_assignable_v<keepwell::CancelToken>);
static_assert(!std::is_copy_constructible_v<keepwell::Config> && !std::is_copy_constructible_v<keepwell::DerivedTarget>);
static_assert(std::is_nothrow_destructible_v<keepwell::Store> && std::is_nothrow_destructible_v<keepwell::Transaction>);
static_assert(std::is_trivially_copyable_v<keepwell::Target> && std::is_trivially_copyable_v<keepwell::Row>);

}  // namespace

int main(int, char** argv) {
    RUN(integers_of_every_width);
    RUN(integers_out_of_range);
    RUN(booleans_and_enums);
    RUN(reals);
    RUN(texts);
    RUN(blobs);
    RUN(null_is_an_optional_without_value);
    RUN(dynamic_values);
    RUN(names_in_error_messages);
    return check::report(argv[0]);
}
