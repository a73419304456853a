/// keepwell.hpp: the C++ face of keepwell. Header only, C++17 or newer, stands on keepwell.h alone.
///
///     #include <keepwell.hpp>
///     auto store = keepwell::Store::open("app.db");
///     store.execute("CREATE TABLE IF NOT EXISTS person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT)");
///     auto id = store.execute("INSERT INTO person(name, mail) VALUES (?, ?)", "Ada", std::nullopt).last_insert_id;
///     for (const auto& row : store.query("SELECT id, name, mail FROM person WHERE id >= ?", id))
///         use(row.get<std::int64_t>(0), row.get<std::string_view>("name"), row.get<std::optional<std::string>>("mail"));
///
/// Conventions of the whole header:
///  * Every failure is an exception derived from keepwell::Error that carries the numbers of the error. Destructors,
///    moves and functions marked noexcept never throw.
///  * Owners (Config, Store, Migrations, Report, DerivedTarget, Statement, Rows, Transaction, Connection, CancelToken, Log, LogGuard) are
///    move-only and give back in their destructor what they hold. Using one that is closed or moved from throws MisuseError; a closed
///    Log has no more events.
///  * A Store, a Statement, a Config and a CancelToken may be used by many threads at once; Rows, Transaction, Connection
///    and Log by one thread at a time (a second one gets MisuseError); a Log may be closed by another thread.
///  * NULL is std::optional without a value, in parameters and in results. It is never an empty string and never 0.
///  * Parameters are borrowed for the duration of the call and never copied on this side: text from std::string_view and
///    whatever converts to it, blobs from blob_view and every contiguous range of std::byte or unsigned char.
///  * Calls block until done, until the timeout of their options (or the store's default) passes, or until cancelled.
///
/// Sections: errors · values · parameters · options · statements · rows · targets · transactions · connections · insight · stores · migrations · log.
#ifndef KEEPWELL_HPP
#define KEEPWELL_HPP

#include "keepwell.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if __cplusplus > 201703L && defined(__has_include)
#if __has_include(<span>)
#include <span>
#endif
#endif

namespace keepwell {

// ---------------------------------------------------------------------------------------------------------- errors --

/// What went wrong: the base of every exception thrown here. what() names operation, object, numbers and cure.
class Error : public std::runtime_error {
 public:
    /// Takes over what the library reported.
    explicit Error(const kw_error& e)
        : std::runtime_error(e.message), code_(e.code), engine_code_(e.engine_code),
          engine_extended_code_(e.engine_extended_code), sql_offset_(e.sql_offset), flags_(e.flags) {
        std::memcpy(sqlstate_, e.sqlstate, sizeof sqlstate_);
        sqlstate_[sizeof sqlstate_ - 1] = '\0';
    }

    /// An error found on this side of the border (a value out of range, a column that does not exist).
    Error(kw_status code, const std::string& message) : std::runtime_error(message), code_(code) {}

    /// The status number, KW_BUSY and its like.
    kw_status code() const noexcept { return code_; }
    /// The name of code(), "KW_BUSY" and its like; static storage.
    const char* name() const noexcept { return kw_status_name(code_); }
    /// The engine's primary result code (SQLite: SQLITE_BUSY is 5); 0 when the engine was not involved.
    int engine_code() const noexcept { return engine_code_; }
    /// The engine's extended result code (SQLite: SQLITE_CONSTRAINT_UNIQUE is 2067); 0 when it was not involved.
    int engine_extended_code() const noexcept { return engine_extended_code_; }
    /// Where in the SQL the error is, in bytes from its beginning; -1 when unknown.
    int sql_offset() const noexcept { return sql_offset_; }
    /// The bits KW_ERROR_RETRY_STATEMENT and following.
    std::uint32_t flags() const noexcept { return flags_; }
    /// The five characters of SQLSTATE, or an empty string.
    const char* sqlstate() const noexcept { return sqlstate_; }

    /// The same statement, or the whole transaction, may succeed when it is run again.
    bool retryable() const noexcept { return (flags_ & (KW_ERROR_RETRY_STATEMENT | KW_ERROR_RETRY_TRANSACTION)) != 0; }
    /// A deadline passed.
    bool timed_out() const noexcept { return (flags_ & KW_ERROR_TIMED_OUT) != 0; }
    /// A cancel token or a tick stopped the call.
    bool cancelled() const noexcept { return (flags_ & KW_ERROR_CANCELLED) != 0; }
    /// The commit is durable although an error is reported.
    bool committed() const noexcept { return (flags_ & KW_ERROR_COMMITTED) != 0; }
    /// The engine rolled the whole transaction back.
    bool rolled_back() const noexcept { return (flags_ & KW_ERROR_ROLLED_BACK) != 0; }

 private:
    kw_status code_;
    int engine_code_ = 0;
    int engine_extended_code_ = 0;
    int sql_offset_ = -1;
    std::uint32_t flags_ = 0;
    char sqlstate_[8] = {};
};

/// Wrong use: a closed or moved-from object, a second thread, a column that does not exist, a wrong order of calls.
class MisuseError : public Error { public: using Error::Error; };
/// A handle inherited through fork(): open a new store in the child.
class ForkedError : public MisuseError { public: using MisuseError::MisuseError; };
/// This thread already holds what it waits for (a transaction is open; use it instead of the store).
class SelfDeadlockError : public MisuseError { public: using MisuseError::MisuseError; };
/// The transaction has already ended.
class TransactionEndedError : public MisuseError { public: using MisuseError::MisuseError; };
/// An unknown configuration key or a value out of its range; what() names the nearest right one.
class ConfigError : public Error { public: using Error::Error; };
/// The SQL is wrong: syntax, no such table, several statements; sql_offset() says where. Also bad encodings in SQL.
class SqlError : public Error { public: using Error::Error; };
/// Too few, too many or misnamed parameters, or a value that no column can hold (an unsigned integer beyond int64).
class ParameterError : public Error { public: using Error::Error; };
/// A constraint refused the change; engine_extended_code() says which kind.
class ConstraintError : public Error { public: using Error::Error; };
/// Another process holds the lock, or its commit overtook this snapshot (KW_CONFLICT).
class BusyError : public Error { public: using Error::Error; };
/// A deadline passed, or no connection became free in time (KW_EXHAUSTED).
class TimeoutError : public Error { public: using Error::Error; };
/// A cancel token or a tick stopped the call.
class CancelledError : public Error { public: using Error::Error; };
/// The store is closing or closed.
class ClosedError : public Error { public: using Error::Error; };
/// A write through a read-only store, transaction or query.
class ReadOnlyError : public Error { public: using Error::Error; };
/// The file cannot be opened, read or written: input/output, disk full, permissions.
class IoError : public Error { public: using Error::Error; };
/// The file is damaged or is not a database.
class CorruptError : public Error { public: using Error::Error; };
/// The value of a column is not of the asked type, is out of its range, or is NULL where no std::optional was asked for.
class TypeError : public Error { public: using Error::Error; };
/// A migration that cannot be applied as things are; what() names files, versions and the cure.
class MigrationError : public Error { public: using Error::Error; };
/// The database has migrations that this program does not know.
class SchemaNewerError : public MigrationError { public: using MigrationError::MigrationError; };

namespace detail {

/// Throws the exception of the error's kind. The one place that maps status numbers to classes.
[[noreturn, gnu::cold, gnu::noinline]] inline void raise(const kw_error& e) {
    switch (e.code) {
        case KW_MISUSE: case KW_INVALID_HANDLE: case KW_NOT_INITIALIZED: case KW_ALREADY_INITIALIZED: case KW_ABI:
            throw MisuseError(e);
        case KW_FORKED: throw ForkedError(e);
        case KW_SELF_DEADLOCK: throw SelfDeadlockError(e);
        case KW_TX_ENDED: throw TransactionEndedError(e);
        case KW_CONFIG: throw ConfigError(e);
        case KW_SQL: case KW_ENCODING: throw SqlError(e);
        case KW_PARAMETER: throw ParameterError(e);
        case KW_CONSTRAINT: throw ConstraintError(e);
        case KW_BUSY: case KW_CONFLICT: throw BusyError(e);
        case KW_TIMEOUT: case KW_EXHAUSTED: throw TimeoutError(e);
        case KW_CANCELLED: throw CancelledError(e);
        case KW_CLOSED: throw ClosedError(e);
        case KW_READ_ONLY: throw ReadOnlyError(e);
        case KW_IO: case KW_FULL: case KW_CANT_OPEN: case KW_PERMISSION: throw IoError(e);
        case KW_CORRUPT: throw CorruptError(e);
        case KW_TYPE: throw TypeError(e);
        case KW_MIGRATION: throw MigrationError(e);
        case KW_SCHEMA_NEWER: throw SchemaNewerError(e);
        default: throw Error(e);
    }
}

/// The error slot of one call. Only struct_size is set: the library writes the rest when it fails, and a point read
/// shall not pay for half a kilobyte of zeros. Invariant: error_ is read only after a status other than KW_OK.
class Call {
 public:
    Call() noexcept { error_.struct_size = static_cast<std::uint32_t>(sizeof error_); }
    kw_error* slot() noexcept { return &error_; }
    /// Returns when the call succeeded, throws its error otherwise.
    void check(kw_status status) const {
        if (status != KW_OK) raise(error_);
    }

 private:
    kw_error error_;
};

/// A zeroed C struct with its size filled in.
template <class T>
T sized() noexcept {
    T value{};
    value.struct_size = static_cast<std::uint32_t>(sizeof value);
    return value;
}

/// A text that the library copies out: ask(buffer, size, &length) returns a status. Asked again with more room while it does not fit.
template <class Ask>
std::string text_of(const Call& call, std::size_t room, Ask ask) {
    std::string text(room, '\0');
    for (;;) {
        std::size_t length = 0;
        call.check(ask(text.data(), text.size() + 1, &length));
        const bool whole = length <= text.size();
        text.resize(length);
        if (whole) return text;
    }
}

/// A duration as microseconds for the library: rounded up, nothing below zero, and -1 (without end) for what no one lives to see.
template <class Rep, class Period>
std::int64_t micros_of(std::chrono::duration<Rep, Period> time) noexcept {
    const double wanted = std::chrono::duration<double, std::micro>(time).count();
    if (!(wanted > 0)) return 0;
    if (wanted >= 9e18) return -1;
    return std::chrono::ceil<std::chrono::duration<std::int64_t, std::micro>>(time).count();
}

/// Gives a handle back on the way out of a scope. One that another thread is in a call on is waited for: nobody would end it later.
template <class End>
void end_surely(End end) noexcept {
    while (end() == KW_MISUSE) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}
inline kw_status release_surely(kw_conn handle) noexcept {
    end_surely([handle] { return kw_conn_release(handle); });
    return KW_OK;
}

/// One owned handle and the function that gives it back. 0 means that nothing is held.
template <kw_status (*Close)(std::uint64_t)>
class Owned {
 public:
    Owned() noexcept = default;
    explicit Owned(std::uint64_t handle) noexcept : handle_(handle) {}
    Owned(Owned&& other) noexcept : handle_(other.release()) {}
    Owned& operator=(Owned&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~Owned() { reset(); }

    std::uint64_t get() const noexcept { return handle_; }
    std::uint64_t release() noexcept { return std::exchange(handle_, 0); }
    void reset(std::uint64_t handle = 0) noexcept {
        const std::uint64_t old = std::exchange(handle_, handle);
        if (old != 0) Close(old);
    }

 private:
    std::uint64_t handle_ = 0;
};

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------- values --

/// A borrowed block of bytes: what a blob parameter is made from, and what get<blob_view>() gives. Owns nothing.
class blob_view {
 public:
    constexpr blob_view() noexcept = default;
    /// `size` bytes at `data`; data may be NULL when size is 0 (an empty blob, which is not NULL).
    blob_view(const void* data, std::size_t size) noexcept : data_(static_cast<const std::byte*>(data)), size_(size) {}
    /// The bytes of a text, NULs included.
    explicit blob_view(std::string_view text) noexcept : blob_view(text.data(), text.size()) {}

    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const std::byte* begin() const noexcept { return data_; }
    const std::byte* end() const noexcept { return data_ + size_; }
    std::byte operator[](std::size_t i) const noexcept { return data_[i]; }

    friend bool operator==(blob_view a, blob_view b) noexcept {
        return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
    }
    friend bool operator!=(blob_view a, blob_view b) noexcept { return !(a == b); }

 private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A value of whatever type, owned: for programs that learn the types only at run time. Can be bound and be read.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, std::vector<std::byte>>;

/// The type of one cell. SQLite types values, not columns: two rows may differ.
enum class Type : std::uint32_t { null = KW_NULL, integer = KW_INTEGER, real = KW_REAL, text = KW_TEXT, blob = KW_BLOB };

namespace detail {

template <class T> struct is_optional : std::false_type {};
template <class T> struct is_optional<std::optional<T>> : std::true_type {};

template <class T> struct is_variant : std::false_type {};
template <class... T> struct is_variant<std::variant<T...>> : std::true_type {};

template <class T> struct is_tuple : std::false_type {};
template <class... T> struct is_tuple<std::tuple<T...>> : std::true_type {};
template <class A, class B> struct is_tuple<std::pair<A, B>> : std::true_type {};

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, std::byte> || std::is_same_v<T, unsigned char>;

/// Contiguous storage of bytes: blob_view, std::vector<std::byte>, std::array, std::span, C arrays of unsigned char.
template <class T, class = void> struct is_byte_range : std::false_type {};
template <class T>
struct is_byte_range<T, std::void_t<decltype(std::data(std::declval<const T&>())), decltype(std::size(std::declval<const T&>()))>>
    : std::bool_constant<is_byte<std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const T&>()))>>>> {};

/// The types that name characters, not numbers. Binding or reading one as a number is nearly always a slip.
template <class T>
inline constexpr bool is_character = std::is_same_v<T, char> || std::is_same_v<T, wchar_t> ||
                                     std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>
#ifdef __cpp_char8_t
                                     || std::is_same_v<T, char8_t>
#endif
    ;

template <class T>
inline constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool> && !is_character<T>;

template <class T>
inline constexpr bool is_real = std::is_same_v<T, double> || std::is_same_v<T, float>;

template <class T>
inline constexpr bool is_enum_value = std::is_enum_v<T> && !std::is_same_v<T, std::byte>;

template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view> || std::is_same_v<T, blob_view>
#ifdef __cpp_lib_span
                                || std::is_same_v<T, std::span<const std::byte>>
#endif
    ;

/// True when T, or a part of it, borrows from a batch: such a type cannot leave query_one() and its like.
template <class T> struct borrows : std::bool_constant<is_view<T>> {};
template <class T> struct borrows<std::optional<T>> : borrows<T> {};
template <class... T> struct borrows<std::tuple<T...>> : std::disjunction<borrows<T>...> {};
template <class A, class B> struct borrows<std::pair<A, B>> : std::disjunction<borrows<A>, borrows<B>> {};

template <class> inline constexpr bool always_false = false;

}  // namespace detail

// ------------------------------------------------------------------------------------------------------ parameters --

namespace detail {

/// Which parameter a value is for; only error messages read it.
struct Slot {
    std::size_t index = 0;
    const char* name = nullptr;

    std::string describe() const {
        return name != nullptr ? "parameter " + std::string(name) : "parameter " + std::to_string(index + 1);
    }
};

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_unsigned(std::uint64_t value, Slot slot) {
    throw ParameterError(KW_PARAMETER, slot.describe() + ": " + std::to_string(value) +
                                           " is beyond the largest integer a column holds, 9223372036854775807");
}

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_too_big(std::size_t size, Slot slot) {
    throw ParameterError(KW_TOO_BIG, slot.describe() + ": " + std::to_string(size) + " bytes are more than one value holds");
}

inline kw_cell null_cell() noexcept {
    kw_cell cell;
    cell.value.integer = 0;
    cell.length = 0;
    cell.type = KW_NULL;
    return cell;
}

inline kw_cell integer_cell(std::int64_t value) noexcept {
    kw_cell cell;
    cell.value.integer = value;
    cell.length = 0;
    cell.type = KW_INTEGER;
    return cell;
}

inline kw_cell real_cell(double value) noexcept {
    kw_cell cell;
    cell.value.real = value;
    cell.length = 0;
    cell.type = KW_REAL;
    return cell;
}

/// A text or blob cell. An empty value gets a valid pointer, so that it can never be mistaken for NULL.
inline kw_cell bytes_cell(const void* data, std::size_t size, std::uint32_t type, Slot slot) {
    if (size >= std::numeric_limits<std::uint32_t>::max()) raise_too_big(size, slot);
    kw_cell cell;
    cell.value.data = data != nullptr ? data : "";
    cell.length = static_cast<std::uint32_t>(size);
    cell.type = type;
    return cell;
}

/// The cell for one value; borrows text and bytes. The one place that decides what a C++ type means to the database.
template <class T>
kw_cell bind(const T& value, Slot slot) {
    if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t> || std::is_same_v<T, std::monostate>) {
        return null_cell();
    } else if constexpr (is_optional<T>::value) {
        return value ? bind(*value, slot) : null_cell();
    } else if constexpr (is_variant<T>::value) {
        return std::visit([slot](const auto& held) { return bind(held, slot); }, value);
    } else if constexpr (std::is_same_v<T, bool>) {
        return integer_cell(value ? 1 : 0);
    } else if constexpr (is_integer<T>) {
        if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t)) {
            if (value > static_cast<T>(std::numeric_limits<std::int64_t>::max())) raise_unsigned(value, slot);
        }
        return integer_cell(static_cast<std::int64_t>(value));
    } else if constexpr (is_enum_value<T>) {
        return bind(static_cast<std::underlying_type_t<T>>(value), slot);
    } else if constexpr (is_real<T>) {
        return real_cell(static_cast<double>(value));
    } else if constexpr (is_byte_range<T>::value) {
        return bytes_cell(std::data(value), std::size(value), KW_BLOB, slot);
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        if constexpr (std::is_pointer_v<T>) {
            if (value == nullptr) return null_cell();
        }
        const std::string_view text = value;
        return bytes_cell(text.data(), text.size(), KW_TEXT, slot);
    } else {
        static_assert(always_false<T>,
                      "keepwell: no such parameter type. Bind integers, bool, float, double, enums, text that converts to "
                      "std::string_view, bytes as keepwell::blob_view or a range of std::byte, and std::optional or "
                      "std::variant of those. Options come before the SQL.");
    }
}

}  // namespace detail

/// A list of parameters whose length or names are known only at run time. Borrows every text and blob until the call
/// that uses it returns; positional and named ones cannot be mixed (ParameterError).
class Parameters {
 public:
    Parameters() = default;

    /// Appends the next positional parameter.
    template <class T>
    Parameters& add(T&& value) {
        static_assert(std::is_lvalue_reference_v<T> || std::is_trivially_destructible_v<T>,
                      "keepwell: Parameters borrows; this temporary would be gone before the call");
        if (!names_.empty()) raise_mixed();
        cells_.push_back(detail::bind(value, {cells_.size(), nullptr}));
        return *this;
    }

    /// Appends a named parameter; the name may carry its : @ $ prefix or not, and is borrowed too.
    template <class T>
    Parameters& add(const char* name, T&& value) {
        static_assert(std::is_lvalue_reference_v<T> || std::is_trivially_destructible_v<T>,
                      "keepwell: Parameters borrows; this temporary would be gone before the call");
        append(name, detail::bind(value, {0, name}));
        return *this;
    }

    std::size_t size() const noexcept { return cells_.size(); }
    const kw_cell* cells() const noexcept { return cells_.data(); }
    /// One name per parameter, or NULL when they are positional.
    const char* const* names() const noexcept { return names_.empty() ? nullptr : names_.data(); }

 protected:
    void append(const char* name, const kw_cell& cell) {
        if (names_.size() != cells_.size()) raise_mixed();
        names_.push_back(name);
        cells_.push_back(cell);
    }

 private:
    [[noreturn]] static void raise_mixed() {
        throw ParameterError(KW_PARAMETER, "positional and named parameters cannot be mixed in one call");
    }

    std::vector<kw_cell> cells_;
    std::vector<const char*> names_;
};

/// Named parameters, written in the call: store.query(sql, keepwell::named{{":id", 5}, {"name", name}}).
/// Borrows names and values until the end of that expression.
struct named : Parameters {
    /// One name with its value.
    struct pair {
        template <class T>
        pair(const char* parameter, const T& value)
            : name(parameter), cell(detail::bind(value, {0, parameter})) {}
        const char* name;
        kw_cell cell;
    };

    named(std::initializer_list<pair> list) {
        for (const pair& p : list) append(p.name, p.cell);
    }
};

// --------------------------------------------------------------------------------------------------------- options --

/// Stops calls from elsewhere: pass it in Options, trigger it from any thread or a signal handler. Once triggered it
/// stays so, until reset.
class CancelToken {
 public:
    CancelToken() {
        detail::Call call;
        kw_cancel handle = 0;
        call.check(kw_cancel_new(&handle, call.slot()));
        handle_.reset(handle);
    }
    /// Cancels every call that carries this token, now and later. Any thread, any time, signal handlers included.
    void trigger() const noexcept { kw_cancel_trigger(handle_.get()); }
    /// Makes the token usable again.
    void reset() const noexcept { kw_cancel_reset(handle_.get()); }
    kw_cancel handle() const noexcept { return handle_.get(); }

 private:
    detail::Owned<kw_cancel_free> handle_;
};

/// What a query wants of the cache of results. In transactions and on pinned connections it is neither read nor filled.
enum class Cache : std::int32_t {
    standard = KW_CACHE_DEFAULT,  ///< what the store is configured for
    use = KW_CACHE_USE,           ///< take the result from there if it holds, else run the query and keep what it gives
    skip = KW_CACHE_SKIP,         ///< neither look nor keep
    refresh = KW_CACHE_REFRESH    ///< run the query and replace what is kept
};

/// How a call runs. A plain value; written as Options().timeout(2s).read_only().
class Options {
 public:
    Options() noexcept : raw_(detail::sized<kw_options>()) {}

    /// Fail with TimeoutError when waiting and running take longer. Rounded up to microseconds; a duration of zero or
    /// less has already passed; without this call the store's default holds.
    template <class Rep, class Period>
    Options& timeout(std::chrono::duration<Rep, Period> limit) noexcept {
        const double wanted = std::chrono::duration<double, std::micro>(limit).count();
        if (!(wanted > 1)) raw_.timeout_us = 1;
        else if (wanted >= 9e18) raw_.timeout_us = -1;
        else raw_.timeout_us = std::chrono::ceil<std::chrono::duration<std::int64_t, std::micro>>(limit).count();
        return *this;
    }
    /// Wait and run without a limit, whatever the store's default is.
    Options& no_timeout() noexcept { raw_.timeout_us = -1; return *this; }
    /// The engine refuses any write with ReadOnlyError; the call is served by a reader.
    Options& read_only(bool on = true) noexcept { return flag(KW_OPTION_READ_ONLY, on); }
    /// Keep the prepared statement for the next call with the same text (the default) or not.
    Options& prepared(bool keep = true) noexcept { return flag(KW_OPTION_UNPREPARED, !keep); }
    /// The lease is not tied to the calling thread: no self-deadlock check (tasks that move between threads).
    Options& unbound(bool on = true) noexcept { return flag(KW_OPTION_UNBOUND, on); }
    /// Let `token` stop the call. The token must outlive the calls that carry it.
    Options& cancel(const CancelToken& token) noexcept { raw_.cancel = token.handle(); return *this; }
    Options& cancel(const CancelToken&& token) = delete;
    /// What a query wants of the cache of results; see Rows::from_cache().
    Options& cache(Cache policy) noexcept { raw_.cache = static_cast<std::int32_t>(policy); return *this; }
    /// How old a result from the cache may be, and how long what is kept may serve; rounded up to milliseconds, at least one. Without it,
    /// the store's default.
    template <class Rep, class Period>
    Options& cache_ttl(std::chrono::duration<Rep, Period> ttl) noexcept {
        const double wanted = std::chrono::duration<double, std::milli>(ttl).count();
        if (!(wanted > 1)) raw_.cache_ttl_ms = 1;
        else if (wanted >= 9e18) raw_.cache_ttl_ms = std::numeric_limits<std::int64_t>::max();
        else raw_.cache_ttl_ms = std::chrono::ceil<std::chrono::duration<std::int64_t, std::milli>>(ttl).count();
        return *this;
    }
    /// Rows per batch of a streamed result; 0 is the default, 256.
    Options& batch_rows(std::uint32_t rows) noexcept { raw_.batch_rows = rows; return *this; }
    /// Call `function` about every 20 ms on the calling thread while the call waits or runs long; true (or an exception,
    /// which is swallowed) cancels it. Borrowed: it must outlive the calls that carry it, and must not use the same
    /// transaction, rows or connection.
    template <class F>
    Options& tick(F& function) noexcept {
        raw_.tick = [](void* context) noexcept -> std::int32_t {
            try {
                return (*static_cast<F*>(context))() ? 1 : 0;
            } catch (...) {
                return 1;
            }
        };
        raw_.tick_context = &function;
        return *this;
    }

    const kw_options* raw() const noexcept { return &raw_; }

 private:
    Options& flag(std::uint32_t bit, bool on) noexcept {
        raw_.flags = on ? raw_.flags | bit : raw_.flags & ~bit;
        return *this;
    }

    kw_options raw_;
};

// ------------------------------------------------------------------------------------------------------ statements --

/// A prepared statement, valid on every connection of its store: pass it where SQL text goes.
class Statement {
 public:
    explicit Statement(kw_statement handle) noexcept : handle_(handle) {}

    std::size_t parameter_count() const { return info().parameter_count; }
    std::size_t column_count() const { return info().column_count; }
    /// True when it cannot write, by the engine's own judgement.
    bool read_only() const { return info().read_only != 0; }
    /// The name of a parameter with its prefix, empty when it has none; borrowed until close().
    std::string_view parameter_name(std::size_t index) const { return text(kw_statement_parameter_name, index); }
    /// The name of a result column; borrowed until close().
    std::string_view column_name(std::size_t index) const { return text(kw_statement_column_name, index); }
    /// Gives the statement back; harmless when done already.
    void close() noexcept { handle_.reset(); }
    kw_statement handle() const noexcept { return handle_.get(); }

 private:
    using Getter = kw_status (*)(kw_statement, std::uint32_t, const char**, std::size_t*, kw_error*);

    kw_statement_info info() const {
        detail::Call call;
        auto info = detail::sized<kw_statement_info>();
        call.check(kw_statement_describe(handle_.get(), &info, call.slot()));
        return info;
    }
    std::string_view text(Getter getter, std::size_t index) const {
        detail::Call call;
        const char* data = nullptr;
        std::size_t size = 0;
        call.check(getter(handle_.get(), static_cast<std::uint32_t>(index), &data, &size, call.slot()));
        return data != nullptr ? std::string_view(data, size) : std::string_view();
    }

    detail::Owned<kw_statement_close> handle_;
};

/// What to run: SQL text or a prepared Statement. Made implicitly from either; borrows both for the call.
class Sql {
 public:
    Sql(const char* text) noexcept : text_(text), size_(text != nullptr ? std::strlen(text) : 0) {}
    Sql(std::string_view text) noexcept : text_(text.data() != nullptr ? text.data() : ""), size_(text.size()) {}
    Sql(const std::string& text) noexcept : text_(text.data()), size_(text.size()) {}
    Sql(const Statement& statement) noexcept : statement_(statement.handle()), prepared_(true) {}

    const char* data() const noexcept { return text_; }
    std::size_t size() const noexcept { return size_; }
    kw_statement statement() const noexcept { return statement_; }
    bool prepared() const noexcept { return prepared_; }

 private:
    const char* text_ = nullptr;
    std::size_t size_ = 0;
    kw_statement statement_ = 0;
    bool prepared_ = false;
};

/// What a change did.
struct Result {
    std::int64_t last_insert_id = 0;  ///< the row id of the last INSERT that succeeded on the connection
    std::int64_t rows_affected = 0;   ///< rows that the statement inserted, updated or deleted
};

// ------------------------------------------------------------------------------------------------------------ rows --

class Rows;

namespace detail {

/// Which cell a value comes from; only error messages read it. `rows` is NULL where no column names are at hand.
struct Place {
    std::size_t column = 0;
    const Rows* rows = nullptr;

    std::string describe() const;
};

inline std::string type_of(const kw_cell& cell) {
    switch (cell.type) {
        case KW_NULL: return "NULL";
        case KW_INTEGER: return "the integer " + std::to_string(cell.value.integer);
        case KW_REAL: return "the real number " + std::to_string(cell.value.real);
        case KW_TEXT: return "text of " + std::to_string(cell.length) + " bytes";
        default: return "a blob of " + std::to_string(cell.length) + " bytes";
    }
}

/// The name of a result type for error messages.
template <class T>
std::string type_name() {
    if constexpr (std::is_same_v<T, bool>) return "bool";
    else if constexpr (is_enum_value<T>) return "an enum of " + type_name<std::underlying_type_t<T>>();
    else if constexpr (is_integer<T>) return (std::is_signed_v<T> ? "int" : "uint") + std::to_string(sizeof(T) * 8) + "_t";
    else if constexpr (std::is_same_v<T, float>) return "float";
    else if constexpr (std::is_same_v<T, double>) return "double";
    else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) return "text";
    else return "a blob";
}

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_type(const kw_cell& cell, Place at, const std::string& wanted) {
    std::string message = at.describe() + " holds " + type_of(cell);
    if (cell.type == KW_NULL) message += "; read it as std::optional of " + wanted;
    else message += ", which cannot be read as " + wanted;
    throw TypeError(KW_TYPE, message);
}

template <class T>
[[noreturn, gnu::cold, gnu::noinline]] void raise_type(const kw_cell& cell, Place at) {
    raise_type(cell, at, type_name<T>());
}

template <class T>
constexpr bool fits(std::int64_t value) noexcept {
    if constexpr (std::is_unsigned_v<T>) {
        return value >= 0 && static_cast<std::uint64_t>(value) <= std::numeric_limits<T>::max();
    } else {
        return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
    }
}

/// The value of one cell as T; borrows for the view types. The one place that decides what a cell means to C++.
/// Strict: no parsing of text, no rounding of reals to integers; an integer may be read as a real number.
template <class T>
T read(const kw_cell& cell, Place at) {
    if constexpr (is_optional<T>::value) {
        if (cell.type == KW_NULL) return std::nullopt;
        return read<typename T::value_type>(cell, at);
    } else if constexpr (std::is_same_v<T, Value>) {
        switch (cell.type) {
            case KW_NULL: return std::monostate{};
            case KW_INTEGER: return cell.value.integer;
            case KW_REAL: return cell.value.real;
            case KW_TEXT: return read<std::string>(cell, at);
            default: return read<std::vector<std::byte>>(cell, at);
        }
    } else if constexpr (std::is_same_v<T, bool>) {
        if (cell.type != KW_INTEGER) raise_type<T>(cell, at);
        return cell.value.integer != 0;
    } else if constexpr (is_integer<T>) {
        if (cell.type != KW_INTEGER || !fits<T>(cell.value.integer)) raise_type<T>(cell, at);
        return static_cast<T>(cell.value.integer);
    } else if constexpr (is_enum_value<T>) {
        return static_cast<T>(read<std::underlying_type_t<T>>(cell, at));
    } else if constexpr (is_real<T>) {
        if (cell.type == KW_INTEGER) return static_cast<T>(cell.value.integer);
        if (cell.type != KW_REAL) raise_type<T>(cell, at);
        if constexpr (std::is_same_v<T, float>) {
            const double value = cell.value.real;
            if (std::isfinite(value) && std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
                raise_type<T>(cell, at);
            }
        }
        return static_cast<T>(cell.value.real);
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
        if (cell.type != KW_TEXT) raise_type<T>(cell, at);
        return cell.length != 0 ? T(static_cast<const char*>(cell.value.data), cell.length) : T();
    } else if constexpr (std::is_same_v<T, blob_view>) {
        if (cell.type != KW_BLOB) raise_type<T>(cell, at);
        return blob_view(cell.value.data, cell.length);
    } else if constexpr (std::is_same_v<T, std::vector<std::byte>> || std::is_same_v<T, std::vector<unsigned char>>) {
        if (cell.type != KW_BLOB) raise_type<T>(cell, at);
        using byte = typename T::value_type;
        const auto* data = static_cast<const byte*>(cell.value.data);
        return cell.length != 0 ? T(data, data + cell.length) : T();
#ifdef __cpp_lib_span
    } else if constexpr (std::is_same_v<T, std::span<const std::byte>>) {
        if (cell.type != KW_BLOB) raise_type<T>(cell, at);
        return T(static_cast<const std::byte*>(cell.value.data), cell.length);
#endif
    } else {
        static_assert(always_false<T>,
                      "keepwell: no such result type. Read integers, bool, float, double, enums, std::string, "
                      "std::string_view, std::vector<std::byte>, keepwell::blob_view, keepwell::Value, or std::optional of "
                      "those; several columns as std::tuple.");
    }
}

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_columns(std::size_t asked, std::size_t present) {
    throw MisuseError(KW_MISUSE, "asked for " + std::to_string(asked) + " columns, the row has " + std::to_string(present));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_column(std::size_t index, std::size_t present) {
    throw MisuseError(KW_MISUSE, "no column " + std::to_string(index) + ": the row has " + std::to_string(present) +
                                     " columns, counted from 0");
}

template <class T, std::size_t... I>
T read_tuple(const kw_cell* cells, const Rows* rows, std::index_sequence<I...>) {
    return T{read<std::tuple_element_t<I, T>>(cells[I], Place{I, rows})...};
}

/// One whole row: a tuple or pair takes a column each, any other type the only column.
template <class T>
T read_row(const kw_cell* cells, std::size_t columns, const Rows* rows) {
    if constexpr (is_tuple<T>::value) {
        if (columns != std::tuple_size_v<T>) raise_columns(std::tuple_size_v<T>, columns);
        return read_tuple<T>(cells, rows, std::make_index_sequence<std::tuple_size_v<T>>());
    } else {
        if (columns != 1) raise_columns(1, columns);
        return read<T>(cells[0], Place{0, rows});
    }
}

template <class... T> struct row_of { using type = std::tuple<T...>; };
template <class T> struct row_of<T> { using type = T; };

}  // namespace detail

/// The C++ type of a row asked for as T...: T itself for one type (a tuple included), std::tuple<T...> for several.
template <class... T>
using row_type = typename detail::row_of<T...>::type;

/// One cell of a row. Borrows from the batch like Row.
class Cell {
 public:
    Cell(const kw_cell& cell, detail::Place at) noexcept : cell_(&cell), at_(at) {}

    Type type() const noexcept { return static_cast<Type>(cell_->type); }
    bool is_null() const noexcept { return cell_->type == KW_NULL; }
    /// The value as T; TypeError when the cell is of another type, out of T's range, or NULL for a T without optional.
    template <class T>
    T get() const { return detail::read<T>(*cell_, at_); }

 private:
    const kw_cell* cell_;
    detail::Place at_;
};

/// One row. Borrows from its batch: the row, and every string_view and blob_view read from it, is valid until the Rows
/// advances beyond the batch (take it as: until the loop's next turn), is moved, closed or destroyed.
class Row {
 public:
    Row() noexcept = default;
    Row(const kw_cell* cells, std::uint32_t columns, const Rows* rows) noexcept
        : cells_(cells), columns_(columns), rows_(rows) {}

    /// The number of columns.
    std::size_t size() const noexcept { return columns_; }
    /// The cell in a column counted from 0, or in the first column of that exact name; MisuseError when there is none.
    Cell operator[](std::size_t column) const { return Cell(at(column), {column, rows_}); }
    Cell operator[](std::string_view name) const { return (*this)[find(name)]; }

    /// The value of a column; see Cell::get for what is refused.
    template <class T>
    T get(std::size_t column) const { return detail::read<T>(at(column), {column, rows_}); }
    template <class T>
    T get(std::string_view name) const { return get<T>(find(name)); }
    bool is_null(std::size_t column) const { return at(column).type == KW_NULL; }
    bool is_null(std::string_view name) const { return is_null(find(name)); }

    /// The whole row: auto [id, name] = row.as<std::int64_t, std::string>(). MisuseError when the numbers of columns differ.
    template <class... T>
    row_type<T...> as() const { return detail::read_row<row_type<T...>>(cells_, columns_, rows_); }

    /// The raw cells, size() of them.
    const kw_cell* cells() const noexcept { return cells_; }

 private:
    const kw_cell& at(std::size_t column) const {
        if (column >= columns_) detail::raise_column(column, columns_);
        return cells_[column];
    }
    std::size_t find(std::string_view name) const;

    const kw_cell* cells_ = nullptr;
    std::uint32_t columns_ = 0;
    const Rows* rows_ = nullptr;
};

template <class T>
class TypedRows;
template <class T>
class OwnedTypedRows;

/// A result, read once from front to back in batches; only one batch is in memory at a time. A result that fits in the
/// first batch holds no connection any more; a longer one holds a reader until it is read to its end, closed or destroyed.
class Rows {
 public:
    /// An input iterator over the rows; advancing it advances the Rows.
    class iterator {
     public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Row;
        using difference_type = std::ptrdiff_t;
        using pointer = const Row*;
        using reference = const Row&;

        iterator() noexcept = default;
        explicit iterator(Rows& rows) : rows_(&rows) { ++*this; }
        reference operator*() const noexcept { return row_; }
        pointer operator->() const noexcept { return &row_; }
        iterator& operator++() {
            if (rows_->next()) row_ = rows_->row();
            else rows_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.rows_ == b.rows_; }
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.rows_ != b.rows_; }

     private:
        Rows* rows_ = nullptr;
        Row row_;
    };

    explicit Rows(kw_rows handle) noexcept : handle_(handle) {}
    Rows(Rows&& other) noexcept { swap(other); }
    Rows& operator=(Rows&& other) noexcept {
        Rows taken(std::move(other));
        swap(taken);
        return *this;
    }

    /// Goes on from where reading stopped; begin() of a Rows that is read to its end equals end().
    iterator begin() { return iterator(*this); }
    iterator end() noexcept { return iterator(); }

    /// Advances to the next row; false at the end. May block on reading the next batch. row() is valid after true.
    bool next() {
        if (++position_ < batch_.rows) {
            cells_ += batch_.columns;
            return true;
        }
        return fetch();
    }
    /// The row that next() advanced to.
    Row row() const noexcept { return Row(cells_, batch_.columns, this); }

    /// The column names, in order; borrowed until the Rows is closed.
    const std::vector<std::string_view>& columns() const {
        if (names_.empty()) load_names();
        return names_;
    }
    std::size_t column_count() const { return columns().size(); }
    std::string_view column_name(std::size_t index) const {
        if (index >= columns().size()) detail::raise_column(index, columns().size());
        return names_[index];
    }
    /// The type a table's column was declared with, as written; nothing for expressions. Borrowed until closed.
    std::optional<std::string_view> column_decltype(std::size_t index) const {
        detail::Call call;
        const char* text = nullptr;
        std::size_t size = 0;
        call.check(kw_rows_column_decltype(handle_.get(), static_cast<std::uint32_t>(index), &text, &size, call.slot()));
        if (text == nullptr) return std::nullopt;
        return std::string_view(text, size);
    }
    /// The first column of that exact name; MisuseError names the columns there are.
    std::size_t find(std::string_view name) const {
        const auto& names = columns();
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] == name) return i;
        }
        std::string message = "no column \"" + std::string(name) + "\"; the columns are:";
        for (const auto& present : names) message += " " + std::string(present);
        throw MisuseError(KW_MISUSE, message);
    }

    /// The rows as typed values: for (auto [id, name] : store.query(sql).as<std::int64_t, std::string_view>()).
    template <class... T>
    TypedRows<row_type<T...>> as() & { return TypedRows<row_type<T...>>(*this); }
    template <class... T>
    OwnedTypedRows<row_type<T...>> as() && { return OwnedTypedRows<row_type<T...>>(std::move(*this)); }

    /// All remaining rows, copied: store.query(sql).all<std::int64_t, std::string>(). Not for view types.
    template <class... T>
    std::vector<row_type<T...>> all() {
        static_assert(!detail::borrows<row_type<T...>>::value,
                      "keepwell: all() outlives the batches; ask for std::string or std::vector<std::byte>");
        std::vector<row_type<T...>> list;
        while (next()) list.push_back(row().as<T...>());
        return list;
    }

    /// Whether no statement was run for this result: it was kept from an earlier query and still holds. Reads the first batch when none
    /// was read yet.
    bool from_cache() {
        if (!started_) {
            read_batch();
            waiting_ = std::exchange(batch_.rows, 0u);
        }
        return (batch_.flags & KW_BATCH_CACHED) != 0;
    }

    /// Ends reading and gives everything back; harmless when done already.
    void close() noexcept { *this = Rows(0); }
    kw_rows handle() const noexcept { return handle_.get(); }

 private:
    /// Invariant: cells_ points at row number position_ of batch_ whenever position_ < batch_.rows.
    bool fetch() {
        position_ = 0;
        batch_.rows = std::exchange(waiting_, 0u);
        if (batch_.rows == 0) {
            if (ended_) return false;
            read_batch();
        }
        cells_ = batch_.cells;
        return batch_.rows != 0;
    }

    void read_batch() {
        detail::Call call;
        auto batch = detail::sized<kw_batch>();
        call.check(kw_rows_next_batch(handle_.get(), &batch, call.slot()));
        ended_ = batch.rows == 0 || (batch.flags & KW_BATCH_LAST) != 0;
        started_ = true;
        batch_ = batch;
    }

    void load_names() const {
        detail::Call call;
        std::uint32_t count = 0;
        call.check(kw_rows_column_count(handle_.get(), &count, call.slot()));
        std::vector<std::string_view> names;
        for (std::uint32_t i = 0; i < count; ++i) {
            const char* text = nullptr;
            std::size_t size = 0;
            call.check(kw_rows_column_name(handle_.get(), i, &text, &size, call.slot()));
            names.emplace_back(text, size);
        }
        names_ = std::move(names);
    }

    void swap(Rows& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(batch_, other.batch_);
        std::swap(cells_, other.cells_);
        std::swap(position_, other.position_);
        std::swap(waiting_, other.waiting_);
        std::swap(ended_, other.ended_);
        std::swap(started_, other.started_);
        std::swap(names_, other.names_);
    }

    detail::Owned<kw_rows_close> handle_;
    kw_batch batch_ = {};
    const kw_cell* cells_ = nullptr;
    std::uint32_t position_ = 0;
    /// The rows of batch_ while from_cache() has read it and next() has not come to it; batch_.rows is 0 so long.
    std::uint32_t waiting_ = 0;
    bool ended_ = false;
    bool started_ = false;
    mutable std::vector<std::string_view> names_;
};

/// The rest of a Rows as values of T; borrows the Rows. View types inside T are valid until the loop's next turn.
template <class T>
class TypedRows {
 public:
    /// An input iterator that makes a T of each row.
    class iterator {
     public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = T;

        iterator() noexcept = default;
        explicit iterator(Rows::iterator at) noexcept : at_(at) {}
        T operator*() const { return at_->template as<T>(); }
        iterator& operator++() { ++at_; return *this; }
        void operator++(int) { ++at_; }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.at_ == b.at_; }
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.at_ != b.at_; }

     private:
        Rows::iterator at_;
    };

    explicit TypedRows(Rows& rows) noexcept : rows_(&rows) {}
    iterator begin() { return iterator(rows_->begin()); }
    iterator end() noexcept { return iterator(rows_->end()); }

 private:
    Rows* rows_;
};

/// A TypedRows that keeps its Rows alive, so that a loop may run over store.query(...).as<...>().
template <class T>
class OwnedTypedRows {
 public:
    explicit OwnedTypedRows(Rows&& rows) noexcept : rows_(std::move(rows)) {}
    auto begin() { return TypedRows<T>(rows_).begin(); }
    auto end() noexcept { return TypedRows<T>(rows_).end(); }

 private:
    Rows rows_;
};

inline std::size_t Row::find(std::string_view name) const {
    if (rows_ == nullptr) throw MisuseError(KW_MISUSE, "this row is empty: no row has been read");
    return rows_->find(name);
}

inline std::string detail::Place::describe() const {
    std::string text = "column " + std::to_string(column);
    if (rows != nullptr) text += " (" + std::string(rows->column_name(column)) + ")";
    return text;
}

// --------------------------------------------------------------------------------------------------------- targets --

namespace detail {

template <class T, class = void> struct is_range : std::false_type {};
template <class T>
struct is_range<T, std::void_t<decltype(std::begin(std::declval<const T&>())), decltype(std::end(std::declval<const T&>()))>>
    : std::true_type {};

/// True for one value of one column (text and bytes are ranges, but one value).
template <class T>
inline constexpr bool is_single = is_byte_range<T>::value || std::is_convertible_v<const T&, std::string_view> || !is_range<T>::value;

/// The parameters of execute_many, row after row. Invariant: cells_.size() == rows_ * columns_.
class Matrix {
 public:
    template <class Range>
    explicit Matrix(const Range& range) {
        static_assert(std::is_lvalue_reference_v<decltype(*std::begin(range))>,
                      "keepwell: execute_many borrows the values; give a range whose elements stay in place");
        for (const auto& row : range) {
            const std::size_t before = cells_.size();
            append(row);
            const std::size_t width = cells_.size() - before;
            if (rows_++ == 0) columns_ = width;
            else if (width != columns_) raise_width(width);
        }
    }
    const kw_cell* cells() const noexcept { return cells_.data(); }
    std::size_t columns() const noexcept { return columns_; }
    std::size_t rows() const noexcept { return rows_; }

 private:
    template <class T>
    void append(const T& row) {
        if constexpr (is_tuple<T>::value) {
            std::apply([this](const auto&... values) { (push(values), ...); }, row);
        } else if constexpr (is_single<T>) {
            push(row);
        } else {
            for (const auto& value : row) push(value);
        }
    }
    template <class T>
    void push(const T& value) { cells_.push_back(bind(value, {cells_.size(), nullptr})); }
    [[noreturn]] void raise_width(std::size_t width) const {
        throw ParameterError(KW_PARAMETER, "row " + std::to_string(rows_ - 1) + " has " + std::to_string(width) +
                                               " parameters, the rows before have " + std::to_string(columns_));
    }

    std::vector<kw_cell> cells_;
    std::size_t columns_ = 0;
    std::size_t rows_ = 0;
};

/// The options of one call: the caller's own, or a copy of them when a statement or names must be added.
class CallOptions {
 public:
    CallOptions(const Options* options, const Sql& sql, const char* const* names = nullptr) noexcept
        : use_(options != nullptr ? options->raw() : nullptr) {
        if (!sql.prepared() && names == nullptr) return;
        own_ = use_ != nullptr ? *use_ : sized<kw_options>();
        own_.statement = sql.statement();
        own_.param_names = names;
        use_ = &own_;
    }
    CallOptions(const CallOptions&) = delete;
    CallOptions& operator=(const CallOptions&) = delete;
    const kw_options* get() const noexcept { return use_; }

 private:
    const kw_options* use_;
    kw_options own_;
};

/// A handle of prepared SQL that was closed or moved from would otherwise read as "no statement, no SQL".
inline void require_open(const Sql& sql) {
    if (sql.prepared() && sql.statement() == 0) throw MisuseError(KW_INVALID_HANDLE, "the prepared statement is closed");
}

/// Lays the parameters out on the stack and passes them on: run(cells, count, options).
template <class Run, class... A>
auto with_parameters(const Options* options, const Sql& sql, Run&& run, const A&... args) {
    require_open(sql);
    if constexpr (sizeof...(A) == 0) {
        const CallOptions own(options, sql);
        return run(static_cast<const kw_cell*>(nullptr), std::size_t{0}, own.get());
    } else if constexpr (sizeof...(A) == 1 && (std::is_base_of_v<Parameters, A> && ...)) {
        const Parameters& list = std::get<0>(std::tie(args...));
        const CallOptions own(options, sql, list.names());
        return run(list.cells(), list.size(), own.get());
    } else {
        std::size_t index = 0;
        const kw_cell cells[] = {bind(args, Slot{index++, nullptr})...};
        const CallOptions own(options, sql);
        return run(static_cast<const kw_cell*>(cells), sizeof...(A), own.get());
    }
}

/// The first row of a query as T without a rows handle: it is decoded from a buffer on the stack. Views are refused by
/// the callers, because the buffer is gone on return.
template <class T>
std::optional<T> first_row(kw_target target, const Sql& sql, const kw_cell* cells, std::size_t count, const kw_options* options) {
    Call call;
    kw_fetch fetch;
    fetch.struct_size = static_cast<std::uint32_t>(sizeof fetch);
    kw_cell buffer[256];
    call.check(kw_query_into(target, sql.data(), sql.size(), cells, count, options, buffer, sizeof buffer, &fetch, call.slot()));
    if (fetch.more == 0) {
        if (fetch.rows == 0) return std::nullopt;
        return read_row<T>(buffer, fetch.columns, nullptr);
    }
    const Owned<kw_rows_close> rest(fetch.more);
    if (fetch.rows != 0) return read_row<T>(buffer, fetch.columns, nullptr);
    // The first row alone is larger than the buffer.
    const std::size_t size = static_cast<std::size_t>(fetch.needed) / sizeof(kw_cell) + 1;
    const std::unique_ptr<kw_cell[]> large(new kw_cell[size]);
    call.check(kw_rows_fetch_into(rest.get(), large.get(), size * sizeof(kw_cell), &fetch, call.slot()));
    if (fetch.rows == 0) throw Error(KW_ERROR, "the library gave no row although it named the size of one");
    return read_row<T>(large.get(), fetch.columns, nullptr);
}

}  // namespace detail

/// How a transaction begins.
enum class Mode : std::int32_t {
    standard = KW_TX_DEFAULT,     ///< immediate; a savepoint inside a transaction
    deferred = KW_TX_DEFERRED,    ///< reads first, may have to retry when it comes to write
    immediate = KW_TX_IMMEDIATE,  ///< holds the writer from the beginning
    exclusive = KW_TX_EXCLUSIVE,  ///< immediate, and (outside WAL) no reader beside it
    read_only = KW_TX_READ_ONLY   ///< one snapshot for all its queries; a write is a ReadOnlyError
};

class Transaction;
class DerivedTarget;

namespace detail {
template <class F, class R>
class Body;
}  // namespace detail

/// Where SQL runs: a store, a transaction, a pinned connection or a derived target, so that one function can serve all
/// of them: void save(keepwell::Target db). A Target itself is a borrowed, copyable reference that must not outlive its
/// owner (a call through one that does is a MisuseError).
///
/// In every function `args` are the parameters in order, or one `named{...}` or Parameters; `options` come first. Where a
/// Sql is asked for, pass text or a prepared Statement. All throw Error and its subclasses.
class Target {
 public:
    /// Borrows a handle of the C API; KW_INSTANCE is the process-wide store.
    explicit Target(kw_target handle) noexcept : handle_(handle) {}

    /// Runs one statement that gives rows. Blocks until the first batch is there.
    template <class... A>
    Rows query(const Sql& sql, const A&... args) const { return run_query(nullptr, sql, args...); }
    template <class... A>
    Rows query(const Options& options, const Sql& sql, const A&... args) const { return run_query(&options, sql, args...); }

    /// The first row, copied, or nothing: auto row = store.query_one<std::string, double>(sql, id). Further rows are not
    /// looked at. The cheapest way to read one row: no handle, no allocation but what the types need.
    template <class... T, class... A>
    std::optional<row_type<T...>> query_one(const Sql& sql, const A&... args) const {
        return run_first<row_type<T...>>(nullptr, sql, args...);
    }
    template <class... T, class... A>
    std::optional<row_type<T...>> query_one(const Options& options, const Sql& sql, const A&... args) const {
        return run_first<row_type<T...>>(&options, sql, args...);
    }

    /// The only column of the first row. Without a row: nothing when T is std::optional, else MisuseError.
    template <class T, class... A>
    T query_value(const Sql& sql, const A&... args) const { return run_value<T>(nullptr, sql, args...); }
    template <class T, class... A>
    T query_value(const Options& options, const Sql& sql, const A&... args) const { return run_value<T>(&options, sql, args...); }

    /// Runs one statement for its effect; rows that it gives are discarded.
    template <class... A>
    Result execute(const Sql& sql, const A&... args) const { return run_execute(nullptr, sql, args...); }
    template <class... A>
    Result execute(const Options& options, const Sql& sql, const A&... args) const { return run_execute(&options, sql, args...); }

    /// Runs one statement once per element of `rows`, all in one transaction and one crossing: tuples, pairs, ranges of
    /// values, or single values for one column. rows_affected counts all. Needs 16 bytes of memory per value.
    template <class Range>
    Result execute_many(const Sql& sql, const Range& rows) const { return run_many(nullptr, sql, rows); }
    template <class Range>
    Result execute_many(const Options& options, const Sql& sql, const Range& rows) const { return run_many(&options, sql, rows); }

    /// Runs any number of statements, separated by semicolons; stops at the first that fails.
    Result execute_script(std::string_view sql) const { return run_script(nullptr, sql); }
    Result execute_script(const Options& options, std::string_view sql) const { return run_script(&options, sql); }

    /// Prepares a statement that every connection of the store can run.
    Statement prepare(std::string_view sql) const { return run_prepare(nullptr, sql); }
    Statement prepare(const Options& options, std::string_view sql) const { return run_prepare(&options, sql); }

    /// Begins a transaction; on a transaction, a nested one (a savepoint). Waits for the writer unless read-only or deferred.
    Transaction begin(Mode mode = Mode::standard) const;
    Transaction begin(const Options& options, Mode mode = Mode::standard) const;

    /// Runs body(Transaction&) and commits; rolls back when it throws. Returns what body returns. The body may end the
    /// transaction itself; then there is no commit. Nests: on a transaction the body runs in a savepoint.
    template <class F>
    auto transaction(F&& body) const { return run_transaction(nullptr, Mode::standard, body); }
    template <class F>
    auto transaction(Mode mode, F&& body) const { return run_transaction(nullptr, mode, body); }
    template <class F>
    auto transaction(const Options& options, F&& body) const { return run_transaction(&options, Mode::standard, body); }
    template <class F>
    auto transaction(const Options& options, Mode mode, F&& body) const { return run_transaction(&options, mode, body); }

    /// Like transaction(), and runs the whole body again when another process's or store's commit was in the way: when an
    /// Error that says retryable() (and is no timeout) leaves the body or the commit. What the body does outside of the
    /// database has to bear that. Any other exception rolls back and passes through unchanged. The connection is given back
    /// between two runs, and a deferred transaction is begun immediate from the second run on, which rules the conflict out.
    ///
    /// The timeout and the token of `options` are for everything: the wait to begin, each call in the body, the pauses
    /// (TimeoutError and CancelledError of a pause name the last error). Without a timeout no run begins later than 5 s after
    /// the first failure, and the last error is thrown. Nothing ends a commit early. A body that commits or rolls back itself
    /// has decided and is not run again. On a transaction the body is a savepoint and runs once: let its error reach the
    /// outermost run().
    template <class F>
    auto run(F&& body) const { return run_again(nullptr, Mode::standard, body); }
    template <class F>
    auto run(Mode mode, F&& body) const { return run_again(nullptr, mode, body); }
    template <class F>
    auto run(const Options& options, F&& body) const { return run_again(&options, Mode::standard, body); }
    template <class F>
    auto run(const Options& options, Mode mode, F&& body) const { return run_again(&options, mode, body); }

    /// This target with default options attached; a call's own options win. A tick is not kept.
    DerivedTarget with(const Options& options) const;

    kw_target handle() const noexcept { return handle_; }

 protected:
    kw_target handle_;

 private:
    static const kw_options* raw(const Options* options) noexcept { return options != nullptr ? options->raw() : nullptr; }

    static Result result(const kw_result& raw) noexcept { return Result{raw.last_insert_id, raw.rows_affected}; }

    template <class... A>
    Rows run_query(const Options* options, const Sql& sql, const A&... args) const {
        return detail::with_parameters(options, sql, [&](const kw_cell* cells, std::size_t count, const kw_options* own) {
            detail::Call call;
            kw_rows rows = 0;
            call.check(kw_query(handle_, sql.data(), sql.size(), cells, count, own, &rows, call.slot()));
            return Rows(rows);
        }, args...);
    }

    template <class T, class... A>
    std::optional<T> run_first(const Options* options, const Sql& sql, const A&... args) const {
        static_assert(!detail::borrows<T>::value,
                      "keepwell: this result outlives its buffer; ask for std::string or std::vector<std::byte>, not for a view");
        return detail::with_parameters(options, sql, [&](const kw_cell* cells, std::size_t count, const kw_options* own) {
            return detail::first_row<T>(handle_, sql, cells, count, own);
        }, args...);
    }

    template <class T, class... A>
    T run_value(const Options* options, const Sql& sql, const A&... args) const {
        static_assert(!detail::is_tuple<T>::value, "keepwell: query_value reads one column; query_one reads several");
        auto row = run_first<T>(options, sql, args...);
        if (row) return *std::move(row);
        if constexpr (detail::is_optional<T>::value) return std::nullopt;
        else throw MisuseError(KW_MISUSE, "the query gave no row; ask for std::optional when there may be none");
    }

    template <class... A>
    Result run_execute(const Options* options, const Sql& sql, const A&... args) const {
        return detail::with_parameters(options, sql, [&](const kw_cell* cells, std::size_t count, const kw_options* own) {
            detail::Call call;
            auto out = detail::sized<kw_result>();
            call.check(kw_execute(handle_, sql.data(), sql.size(), cells, count, own, &out, call.slot()));
            return result(out);
        }, args...);
    }

    template <class Range>
    Result run_many(const Options* options, const Sql& sql, const Range& rows) const {
        detail::require_open(sql);
        const detail::Matrix matrix(rows);
        const detail::CallOptions own(options, sql);
        detail::Call call;
        auto out = detail::sized<kw_result>();
        call.check(kw_execute_many(handle_, sql.data(), sql.size(), matrix.cells(), matrix.columns(), matrix.rows(), own.get(),
                                   &out, call.slot()));
        return result(out);
    }

    Result run_script(const Options* options, const Sql& sql) const {
        detail::Call call;
        auto out = detail::sized<kw_result>();
        call.check(kw_execute_script(handle_, sql.data(), sql.size(), raw(options), &out, call.slot()));
        return result(out);
    }

    Statement run_prepare(const Options* options, const Sql& sql) const {
        detail::Call call;
        kw_statement out = 0;
        call.check(kw_prepare(handle_, sql.data(), sql.size(), raw(options), &out, call.slot()));
        return Statement(out);
    }

    Transaction run_begin(const Options* options, Mode mode) const;

    template <class F>
    std::invoke_result_t<F&, Transaction&> run_transaction(const Options* options, Mode mode, F& body) const;

    template <class F>
    std::invoke_result_t<F&, Transaction&> run_again(const Options* options, Mode mode, F& body) const;
};

/// A target with default options attached; owns the attachment, borrows what it was derived from.
class DerivedTarget : public Target {
 public:
    explicit DerivedTarget(kw_target handle) noexcept : Target(handle), owned_(handle) {}
    DerivedTarget(DerivedTarget&& other) noexcept : Target(std::exchange(other.handle_, 0)), owned_(std::move(other.owned_)) {}
    DerivedTarget& operator=(DerivedTarget&& other) noexcept {
        if (this != &other) {
            owned_ = std::move(other.owned_);
            handle_ = std::exchange(other.handle_, 0);
        }
        return *this;
    }

 private:
    detail::Owned<kw_target_free> owned_;
};

inline DerivedTarget Target::with(const Options& options) const {
    detail::Call call;
    kw_target out = 0;
    call.check(kw_target_derive(handle_, options.raw(), &out, call.slot()));
    return DerivedTarget(out);
}

// ---------------------------------------------------------------------------------------------------- transactions --

/// An open transaction or savepoint. Rolls back in its destructor unless it was committed. One thread at a time.
class Transaction : public Target {
 public:
    explicit Transaction(kw_tx handle) noexcept : Target(handle), open_(true) {}
    Transaction(Transaction&& other) noexcept
        : Target(std::exchange(other.handle_, 0)), open_(std::exchange(other.open_, false)) {}
    Transaction& operator=(Transaction&& other) noexcept {
        if (this != &other) {
            drop();
            handle_ = std::exchange(other.handle_, 0);
            open_ = std::exchange(other.open_, false);
        }
        return *this;
    }
    ~Transaction() { drop(); }

    /// Makes the changes durable (of a savepoint: part of the outer transaction) and ends the transaction. When it throws
    /// BusyError or ConstraintError (a deferred foreign key) the transaction stays open: try again, or roll back.
    void commit() {
        detail::Call call;
        call.check(kw_tx_commit(handle_, call.slot()));
        open_ = false;
    }
    /// Undoes everything since begin and ends the transaction; harmless when it has ended.
    void rollback() {
        if (!open_) return;
        detail::Call call;
        const kw_status status = kw_tx_rollback(handle_, call.slot());
        open_ = status == KW_MISUSE;  // another thread is in a call on it
        call.check(status);
    }
    /// False after commit(), rollback() and a move.
    bool is_open() const noexcept { return open_; }

 private:
    template <class F, class R>
    friend class detail::Body;

    void drop() noexcept {
        if (std::exchange(open_, false)) detail::end_surely([this] { return kw_tx_rollback(handle_, nullptr); });
    }
    /// Somebody else ends it.
    void disown() noexcept { open_ = false; }

    /// The number of an ended transaction is kept: the library says best what is wrong with it.
    bool open_;
};

inline Transaction Target::run_begin(const Options* options, Mode mode) const {
    detail::Call call;
    kw_tx out = 0;
    call.check(kw_tx_begin(handle_, static_cast<std::int32_t>(mode), raw(options), &out, call.slot()));
    return Transaction(out);
}

inline Transaction Target::begin(Mode mode) const { return run_begin(nullptr, mode); }
inline Transaction Target::begin(const Options& options, Mode mode) const { return run_begin(&options, mode); }

template <class F>
std::invoke_result_t<F&, Transaction&> Target::run_transaction(const Options* options, Mode mode, F& body) const {
    using R = std::invoke_result_t<F&, Transaction&>;
    static_assert(!std::is_reference_v<R>, "keepwell: the body of a transaction returns a value, not a reference");
    Transaction tx = run_begin(options, mode);
    if constexpr (std::is_void_v<R>) {
        std::invoke(body, tx);
        if (tx.is_open()) tx.commit();
    } else {
        R value = std::invoke(body, tx);
        if (tx.is_open()) tx.commit();
        return value;
    }
}

namespace detail {

/// Hands an error back to the library, which reads there what to do.
inline void give_back(const Error& e, kw_error* err) noexcept {
    err->code = e.code();
    err->engine_code = e.engine_code();
    err->engine_extended_code = e.engine_extended_code();
    err->sql_offset = e.sql_offset();
    err->flags = e.flags();
    std::memcpy(err->sqlstate, e.sqlstate(), std::strlen(e.sqlstate()) + 1);
    const std::size_t length = (std::min)(std::strlen(e.what()), sizeof err->message - 1);
    std::memcpy(err->message, e.what(), length);
    err->message[length] = '\0';
}

/// A function as the body of kw_tx_run. No exception passes through the library: it waits here until kw_tx_run has returned.
template <class F, class R>
class Body {
 public:
    explicit Body(F& function) noexcept : function_(function) {}

    static std::int32_t run(kw_tx handle, void* context, kw_error* err) noexcept {
        Body& self = *static_cast<Body*>(context);
        self.thrown_ = nullptr;
        Transaction tx(handle);
        self.left_ = self.call(tx, err);
        tx.disown();
        return self.left_;
    }

    /// What the last run returned, or what ended the runs.
    R result(kw_status status, const Call& call) {
        if (thrown_ && status == left_) std::rethrow_exception(thrown_);
        call.check(status);
        if constexpr (!std::is_void_v<R>) return *std::move(value_);
    }

 private:
    /// A failure that is none of keepwell's.
    static constexpr std::int32_t foreign = -1;

    std::int32_t call(Transaction& tx, kw_error* err) noexcept {
        try {
            if constexpr (std::is_void_v<R>) std::invoke(function_, tx);
            else value_.emplace(std::invoke(function_, tx));
            return KW_OK;
        } catch (const Error& e) {
            thrown_ = std::current_exception();
            give_back(e, err);
            return e.code() > 0 ? e.code() : foreign;
        } catch (...) {
            thrown_ = std::current_exception();
            return foreign;
        }
    }

    F& function_;
    std::conditional_t<std::is_void_v<R>, std::monostate, std::optional<R>> value_;
    std::exception_ptr thrown_;
    std::int32_t left_ = KW_OK;
};

}  // namespace detail

template <class F>
std::invoke_result_t<F&, Transaction&> Target::run_again(const Options* options, Mode mode, F& function) const {
    using R = std::invoke_result_t<F&, Transaction&>;
    static_assert(!std::is_reference_v<R>, "keepwell: the body of a transaction returns a value, not a reference");
    detail::Body<F, R> body(function);
    detail::Call call;
    const kw_status status = kw_tx_run(handle_, static_cast<std::int32_t>(mode), raw(options), &detail::Body<F, R>::run, &body, call.slot());
    return body.result(status, call);
}

// ----------------------------------------------------------------------------------------------------- connections --

/// One connection taken out of the store, for what belongs to a connection: PRAGMA, ATTACH, temporary tables. Given back
/// (and reset) in its destructor. One thread at a time.
class Connection : public Target {
 public:
    explicit Connection(kw_conn handle) noexcept : Target(handle), owned_(handle) {}
    Connection(Connection&& other) noexcept : Target(std::exchange(other.handle_, 0)), owned_(std::move(other.owned_)) {}
    Connection& operator=(Connection&& other) noexcept {
        if (this != &other) {
            owned_ = std::move(other.owned_);
            handle_ = std::exchange(other.handle_, 0);
        }
        return *this;
    }
    /// Gives the connection back now; harmless when done already.
    void release() noexcept { owned_.reset(); }

 private:
    detail::Owned<detail::release_surely> owned_;
};

// --------------------------------------------------------------------------------------------------------- insight --

/// The form of Store::metrics().
enum class MetricsFormat : std::uint32_t {
    prometheus = KW_METRICS_PROMETHEUS,   ///< the text format 0.0.4
    openmetrics = KW_METRICS_OPENMETRICS  ///< OpenMetrics 1.0.0
};

/// What Store::statement_report() puts first.
enum class Order : std::uint32_t {
    total = KW_BY_TOTAL,     ///< most time in all
    calls = KW_BY_CALLS,     ///< most calls
    mean = KW_BY_MEAN,       ///< most time for each call
    worst = KW_BY_WORST,     ///< longest call
    rows = KW_BY_ROWS,       ///< most rows returned or changed
    scanned = KW_BY_SCANNED  ///< most rows gone through in whole tables
};

/// What one statement has cost, from the first call or the last reset on.
struct StatementCost {
    /// Nothing: the sum of those that were dropped for want of room.
    std::optional<std::string> sql;
    bool writes;  ///< it may change something
    std::uint64_t calls;
    std::uint64_t errors;  ///< calls of these that failed
    std::chrono::nanoseconds total;
    std::chrono::nanoseconds mean;
    std::chrono::nanoseconds worst;
    std::uint64_t rows;               ///< returned, or changed
    std::uint64_t full_scans;         ///< calls that went through a whole table
    std::uint64_t scanned_rows;       ///< rows gone through in whole tables
    std::uint64_t automatic_indexes;  ///< calls for which the engine made an index of its own
    std::uint64_t sorts;              ///< calls that sorted
};

/// One step of the plan of a statement; see <https://sqlite.org/eqp.html>.
struct PlanStep {
    std::int64_t id;
    std::int64_t parent;  ///< 0: none
    std::string detail;
};

/// An index that would help a statement.
struct IndexAdvice {
    std::string table;
    std::string index_sql;  ///< the CREATE INDEX
    std::string before;     ///< the plan without it
    std::string after;      ///< the plan with it
};

namespace detail {

/// Seconds as the library gives them; exact for 104 days.
inline std::chrono::nanoseconds seconds_of(double seconds) noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::llround(seconds * 1e9)));
}

inline StatementCost cost_of(const Row& row) {
    const auto count = [&row](std::size_t column) { return row.get<std::uint64_t>(column); };
    const auto time = [&row](std::size_t column) { return seconds_of(row.get<double>(column)); };
    return StatementCost{row.get<std::optional<std::string>>(0), row.get<std::string_view>(1) == "write", count(2), count(3), time(4), time(5),
                         time(6), count(7), count(8), count(9), count(10), count(11)};
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------- stores --

/// Settings by name ("datasource", "pool.max_open", "sqlite.synchronous"), collected before a store is opened.
/// ConfigError names the nearest right key, or the range of a value.
class Config {
 public:
    Config() {
        detail::Call call;
        kw_config out = 0;
        call.check(kw_config_new(&out, call.slot()));
        handle_.reset(out);
    }
    /// The settings of a data source: "app.db", "file:app.db?mode=rwc", ":memory:".
    explicit Config(std::string_view uri) : Config() { load_uri(uri); }

    static Config from_yaml(std::string_view text) { return made([&](Config& c) { c.load_yaml(text); }); }
    static Config from_file(std::string_view path) { return made([&](Config& c) { c.load_file(path); }); }

    Config& set(std::string_view key, std::string_view value) {
        detail::Call call;
        call.check(kw_config_set(handle_.get(), key.data(), key.size(), value.data(), value.size(), call.slot()));
        return *this;
    }
    Config& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
    Config& set(std::string_view key, bool value) { return set(key, std::string_view(value ? "true" : "false")); }
    template <class T, std::enable_if_t<detail::is_integer<T>, int> = 0>
    Config& set(std::string_view key, T value) { return set(key, std::string_view(std::to_string(value))); }

    Config& load_yaml(std::string_view text) { return load(kw_config_load_yaml, text); }
    /// Reads a YAML file.
    Config& load_file(std::string_view path) { return load(kw_config_load_file, path); }
    Config& load_uri(std::string_view uri) { return load(kw_config_load_uri, uri); }

    kw_config handle() const noexcept { return handle_.get(); }

 private:
    using Loader = kw_status (*)(kw_config, const char*, std::size_t, kw_error*);

    Config& load(Loader loader, std::string_view text) {
        detail::Call call;
        call.check(loader(handle_.get(), text.data(), text.size(), call.slot()));
        return *this;
    }
    template <class F>
    static Config made(F&& fill) {
        Config config;
        fill(config);
        return config;
    }

    detail::Owned<kw_config_free> handle_;
};

/// Numbers of the pool; the fields are documented in keepwell.h.
using Stats = kw_stats;
/// Numbers of the cache of results; the fields are documented in keepwell.h.
struct CacheStats : kw_cache_stats {
    CacheStats() noexcept : kw_cache_stats(detail::sized<kw_cache_stats>()) {}

    /// Queries that asked for the cache and went past it.
    std::uint64_t bypasses() const noexcept {
        return bypass_disabled + bypass_transaction + bypass_statement + bypass_function + bypass_table + bypass_under_way + bypass_schema +
               bypass_size;
    }
    /// The part of the queries that asked for the cache and were answered from it; 0 when none asked.
    double hit_ratio() const noexcept {
        const std::uint64_t asked = hits + misses + bypasses();
        return asked == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(asked);
    }
};
/// The answer of a health check; the fields are documented in keepwell.h.
using Health = kw_health;

class Migrations;
class Report;

/// A migration of the program's own.
struct Migration {
    std::int64_t version;
    std::string description;
    std::string up;
    /// Without one it cannot be undone.
    std::optional<std::string> down = std::nullopt;
};

/// A database with its pool of connections. Shared freely between threads. The owner of an opened store closes it in its
/// destructor; what instance() and initialize() give only borrows the process-wide store.
class Store : public Target {
 public:
    /// Opens a store of its own.
    static Store open(const Config& config) {
        detail::Call call;
        kw_store out = 0;
        call.check(kw_open(config.handle(), &out, call.slot()));
        return Store(out, true);
    }
    /// Opens "app.db", "file:app.db?mode=rwc" or ":memory:" with the default settings.
    static Store open(std::string_view uri) { return open(Config(uri)); }

    /// Opens the process-wide store; MisuseError when it is open already. It stays open until close() is called on it.
    static Store initialize(const Config& config) {
        detail::Call call;
        call.check(kw_initialize(config.handle(), call.slot()));
        return instance();
    }
    static Store initialize(std::string_view uri) { return initialize(Config(uri)); }
    /// The process-wide store; MisuseError when initialize() has not been called.
    static Store instance() {
        detail::Call call;
        kw_store out = 0;
        call.check(kw_instance(&out, call.slot()));
        return Store(out, false);
    }

    Store(Store&& other) noexcept
        : Target(std::exchange(other.handle_, 0)), owned_(std::exchange(other.owned_, false)),
          closed_(std::exchange(other.closed_, true)) {}
    Store& operator=(Store&& other) noexcept {
        if (this != &other) {
            drop();
            handle_ = std::exchange(other.handle_, 0);
            owned_ = std::exchange(other.owned_, false);
            closed_ = std::exchange(other.closed_, true);
        }
        return *this;
    }
    /// Closes an opened store with the drain time of its configuration; errors are swallowed (close() reports them).
    ~Store() { drop(); }

    /// Refuses new work, waits for running work up to the configured drain time, then stops it and closes. Throws
    /// TimeoutError when something had to be stopped; the store is closed all the same. Harmless when closed already. On
    /// the process-wide store this closes it for the whole process.
    void close() { close_within(-1); }
    /// The same with a drain time of its own; zero stops running work at once.
    template <class Rep, class Period>
    void close(std::chrono::duration<Rep, Period> drain) {
        const auto micros = std::chrono::ceil<std::chrono::duration<std::int64_t, std::micro>>(drain).count();
        close_within(micros < 0 ? 0 : micros);
    }

    /// Takes one connection out of the pool: the writer, or with Options().read_only() a reader. Waits until one is free.
    Connection connection(const Options& options = Options()) const {
        detail::Call call;
        kw_conn out = 0;
        call.check(kw_conn_acquire(handle_, options.raw(), &out, call.slot()));
        return Connection(out);
    }

    Stats stats() const {
        detail::Call call;
        auto out = detail::sized<kw_stats>();
        call.check(kw_store_stats(handle_, &out, call.slot()));
        return out;
    }
    CacheStats cache_stats() const {
        detail::Call call;
        CacheStats out;
        call.check(kw_store_cache_stats(handle_, &out, call.slot()));
        return out;
    }
    /// Forgets the results in the cache. Only memory is a reason for it: results that do not hold any more are never given out. Rows that
    /// are being read stay valid.
    void cache_clear() const {
        detail::Call call;
        call.check(kw_store_cache_clear(handle_, call.slot()));
    }
    /// What the configuration said and has no effect, in words; empty when all is well.
    std::vector<std::string> warnings() const {
        detail::Call call;
        std::uint32_t count = 0;
        call.check(kw_store_warning_count(handle_, &count, call.slot()));
        std::vector<std::string> list;
        for (std::uint32_t i = 0; i < count; ++i) {
            const char* text = nullptr;
            std::size_t size = 0;
            call.check(kw_store_warning(handle_, i, &text, &size, call.slot()));
            list.emplace_back(text, size);
        }
        return list;
    }
    /// A set of migrations from a folder, whose layout (keepwell, golang-migrate, goose, dbmate, sqlx, refinery, flyway, diesel,
    /// rusqlite_migration) shows where `format` is empty. The folder is read here: MigrationError, SqlError (encodings), IoError.
    Migrations migrations(std::string_view folder, std::string_view format = {}) const;
    /// A set of migrations of the program's own.
    Migrations migrations(const std::vector<Migration>& list) const;
    /// A set of migrations from files in memory: their paths below the folder, and their bytes.
    Migrations migrations(const std::vector<std::pair<std::string, std::string>>& files, std::string_view format = {}) const;
    /// The schema as SQL that makes it anew, without the history; the same schema gives the same text.
    std::string schema_dump(const Options& options = Options()) const {
        detail::Call call;
        return detail::text_of(call, 4096, [&](char* buffer, std::size_t size, std::size_t* length) {
            return kw_schema_dump(handle_, options.raw(), buffer, size, length, call.slot());
        });
    }
    /// Makes a table anew with another definition, one CREATE TABLE statement for the same name; `columns` are names with the
    /// expressions over the old table that fill them. See kw_rebuild_table.
    Report rebuild_table(std::string_view table, std::string_view definition,
                         const std::vector<std::pair<std::string, std::string>>& columns = {}, const Options& options = Options()) const;
    /// Tries to read and to write; within the timeout of the options. Does not throw because the store is unwell: see `healthy`.
    Health health(const Options& options = Options()) const {
        detail::Call call;
        auto out = detail::sized<kw_health>();
        call.check(kw_store_health(handle_, options.raw(), &out, call.slot()));
        return out;
    }
    /// The same as a JSON object.
    std::string health_json(const Options& options = Options()) const {
        detail::Call call;
        return detail::text_of(call, 2047, [&](char* buffer, std::size_t size, std::size_t* length) {
            return kw_store_health_json(handle_, options.raw(), buffer, size, length, call.slot());
        });
    }
    /// All metrics as text for a scraper. Waits for nobody.
    std::string metrics(MetricsFormat format = MetricsFormat::prometheus) const {
        detail::Call call;
        return detail::text_of(call, 32767, [&](char* buffer, std::size_t size, std::size_t* length) {
            return kw_metrics_text(handle_, static_cast<std::uint32_t>(format), buffer, size, length, call.slot());
        });
    }
    /// Where the metrics are served by HTTP (`metrics.listen`), "127.0.0.1:9187"; empty where they are not.
    std::string metrics_address() const {
        detail::Call call;
        return detail::text_of(call, 63, [&](char* buffer, std::size_t size, std::size_t* length) {
            return kw_metrics_address(handle_, buffer, size, length, call.slot());
        });
    }
    /// What each statement has cost, most of `order` first and no more than `limit` of them (0: all).
    std::vector<StatementCost> statement_report(Order order = Order::total, std::uint32_t limit = 0) const {
        detail::Call call;
        kw_rows out = 0;
        call.check(kw_statement_report(handle_, static_cast<std::uint32_t>(order), limit, &out, call.slot()));
        std::vector<StatementCost> list;
        for (const Row& row : Rows(out)) list.push_back(detail::cost_of(row));
        return list;
    }
    /// Begins the report of statements anew.
    void reset_statement_report() const {
        detail::Call call;
        call.check(kw_statement_report_reset(handle_, call.slot()));
    }
    /// How the engine would run one statement; it is not run. Waits for a reader like query(). SqlError, TimeoutError.
    std::vector<PlanStep> explain(std::string_view sql, const Options& options = Options()) const {
        detail::Call call;
        kw_rows out = 0;
        call.check(kw_explain(handle_, sql.empty() ? "" : sql.data(), sql.size(), options.raw(), &out, call.slot()));
        std::vector<PlanStep> list;
        for (auto& [id, parent, text] : Rows(out).all<std::int64_t, std::int64_t, std::string>()) list.push_back({id, parent, std::move(text)});
        return list;
    }
    /// The indexes that would help one statement, most useful first; the database is not changed. Throws as explain() does.
    std::vector<IndexAdvice> advise(std::string_view sql, const Options& options = Options()) const {
        detail::Call call;
        kw_rows out = 0;
        call.check(kw_advise(handle_, sql.empty() ? "" : sql.data(), sql.size(), options.raw(), &out, call.slot()));
        std::vector<IndexAdvice> list;
        for (const Row& row : Rows(out)) {
            const auto text = [&row](std::size_t column) { return row.get<std::string>(column); };
            list.push_back({text(0), text(1), text(2), text(3)});
        }
        return list;
    }

 private:
    Store(kw_store handle, bool owned) noexcept : Target(handle), owned_(owned) {}

    void close_within(std::int64_t drain_us) {
        if (std::exchange(closed_, true)) return;
        detail::Call call;
        call.check(kw_store_close(handle_, drain_us, call.slot()));
    }
    void drop() noexcept {
        if (owned_ && !std::exchange(closed_, true)) kw_store_close(handle_, -1, nullptr);
    }

    bool owned_;
    /// Closed through this object: a later process-wide store has the same number and must not be closed by it.
    bool closed_ = false;
};

// ------------------------------------------------------------------------------------------------------ migrations --

/// What an operation on migrations found and did. Text views are valid as long as the report.
class Report {
 public:
    struct Line {
        std::int64_t version;
        std::uint32_t state;      ///< KW_MIGRATION_PENDING, KW_MIGRATION_APPLIED, ...
        std::uint32_t direction;  ///< KW_DIRECTION_UP, ...
        bool reversible;
        bool transactional;
        std::uint64_t statements;
        std::int64_t rows_changed;
        std::chrono::microseconds duration;
        std::string_view description, file, checksum, applied_at;
    };
    struct Problem {
        std::optional<std::int64_t> version;
        std::string_view kind, message;
    };
    struct Table {
        std::string_view table;
        std::optional<std::int64_t> before, after;
    };

    /// Takes a handle of the C API over.
    explicit Report(kw_report handle) : handle_(handle), summary_(detail::sized<kw_report_summary>()) {
        detail::Call call;
        call.check(kw_report_describe(handle, &summary_, call.slot()));
    }

    /// The newest version that was applied before, and that is applied now.
    std::optional<std::int64_t> before() const noexcept { return some(summary_.has_before != 0, summary_.before); }
    std::optional<std::int64_t> version() const noexcept { return some(summary_.has_version != 0, summary_.version); }
    std::uint64_t pending() const noexcept { return summary_.pending; }
    std::chrono::microseconds duration() const noexcept { return std::chrono::microseconds(summary_.duration_us); }
    /// No problems but notes.
    bool ok() const {
        for (const auto& problem : problems())
            if (problem.kind != "note") return false;
        return true;
    }
    std::vector<Line> migrations() const {
        return all<Line>(summary_.migrations, [this](std::size_t index) {
            detail::Call call;
            auto raw = detail::sized<kw_report_migration>();
            call.check(kw_report_migration_at(handle_.get(), index, &raw, call.slot()));
            return Line{raw.version, raw.state, raw.direction, (raw.flags & KW_MIGRATION_REVERSIBLE) != 0,
                        (raw.flags & KW_MIGRATION_TRANSACTIONAL) != 0, raw.statements, raw.rows_changed,
                        std::chrono::microseconds(raw.duration_us), raw.description, raw.file, raw.checksum, raw.applied_at};
        });
    }
    std::vector<Problem> problems() const {
        return all<Problem>(summary_.problems, [this](std::size_t index) {
            detail::Call call;
            auto raw = detail::sized<kw_report_problem>();
            call.check(kw_report_problem_at(handle_.get(), index, &raw, call.slot()));
            return Problem{some(raw.has_version != 0, raw.version), raw.kind, raw.message};
        });
    }
    std::vector<Table> tables() const {
        return all<Table>(summary_.tables, [this](std::size_t index) {
            detail::Call call;
            auto raw = detail::sized<kw_report_table>();
            call.check(kw_report_table_at(handle_.get(), index, &raw, call.slot()));
            return Table{raw.table, some(raw.before >= 0, raw.before), some(raw.after >= 0, raw.after)};
        });
    }
    /// All of it as a JSON object.
    std::string json() const {
        detail::Call call;
        return detail::text_of(call, 4096, [&](char* buffer, std::size_t size, std::size_t* length) {
            return kw_report_json(handle_.get(), buffer, size, length, call.slot());
        });
    }

 private:
    static std::optional<std::int64_t> some(bool there, std::int64_t value) noexcept {
        return there ? std::optional<std::int64_t>(value) : std::nullopt;
    }
    template <class T, class At>
    static std::vector<T> all(std::uint64_t count, At at) {
        std::vector<T> list;
        list.reserve(static_cast<std::size_t>(count));
        for (std::size_t index = 0; index < count; ++index) list.push_back(at(index));
        return list;
    }

    detail::Owned<kw_report_free> handle_;
    kw_report_summary summary_;
};

/// How an operation on migrations is done. A plain value.
class MigrateOptions {
 public:
    MigrateOptions() noexcept : raw_(detail::sized<kw_migrate_options>()) {}
    /// Up or down to this version.
    MigrateOptions& to(std::int64_t version) noexcept {
        raw_.version = version;
        raw_.flags |= KW_MIGRATE_HAS_VERSION;
        return *this;
    }
    /// No more than so many.
    MigrateOptions& steps(std::uint64_t count) noexcept {
        raw_.steps = count;
        raw_.flags |= KW_MIGRATE_HAS_STEPS;
        return *this;
    }
    /// Timeout (none by default), token and tick; borrowed.
    MigrateOptions& call(const Options& options) noexcept { raw_.call = options.raw(); return *this; }
    MigrateOptions& call(const Options&& options) = delete;
    /// Calls `function(const kw_migrate_event&)` for each migration and statement; false (or an exception, which is swallowed) ends the
    /// run with CancelledError. Borrowed. It must not use the store.
    template <class F>
    MigrateOptions& progress(F& function) noexcept {
        raw_.progress = [](const kw_migrate_event* event, void* context) noexcept -> std::int32_t {
            try {
                return (*static_cast<F*>(context))(*event) ? 0 : 1;
            } catch (...) {
                return 1;
            }
        };
        raw_.context = &function;
        return *this;
    }
    const kw_migrate_options* raw() const noexcept { return &raw_; }

 private:
    kw_migrate_options raw_;
};

/// A set of migrations for a store, which must outlive it. See kw_migrate for what each operation does, blocks on and throws.
class Migrations {
 public:
    /// Takes a handle of the C API over.
    explicit Migrations(kw_migrations handle) noexcept : handle_(handle) {}

    /// Sets a policy by its name: migrations.set("out_of_order", "accept"); see kw_migrations_set.
    Migrations& set(std::string_view key, std::string_view value) {
        detail::Call call;
        call.check(kw_migrations_set(handle_.get(), key.data(), key.size(), value.data(), value.size(), call.slot()));
        return *this;
    }
    /// How many migrations the set has.
    std::size_t size() const {
        detail::Call call;
        std::size_t count = 0;
        call.check(kw_migrations_count(handle_.get(), &count, call.slot()));
        return count;
    }
    Report up(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_UP, options); }
    Report down(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_DOWN, options); }
    Report to(std::int64_t version) const { return run(KW_MIGRATE_TO, MigrateOptions().to(version)); }
    Report redo(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_REDO, options); }
    Report status() const { return run(KW_MIGRATE_STATUS, {}); }
    Report plan(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_PLAN, options); }
    Report dry_run(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_DRY_RUN, options); }
    Report rehearse(const MigrateOptions& options = {}) const { return run(KW_MIGRATE_REHEARSE, options); }
    Report baseline(std::int64_t version) const { return run(KW_MIGRATE_BASELINE, MigrateOptions().to(version)); }
    Report mark(std::int64_t version) const { return run(KW_MIGRATE_MARK, MigrateOptions().to(version)); }
    Report adopt() const { return run(KW_MIGRATE_ADOPT, {}); }
    Report verify() const { return run(KW_MIGRATE_VERIFY, {}); }
    /// Any operation by its number (KW_MIGRATE_UP, ...).
    Report run(std::int32_t operation, const MigrateOptions& options) const {
        detail::Call call;
        kw_report out = 0;
        call.check(kw_migrate(handle_.get(), operation, options.raw(), &out, call.slot()));
        return Report(out);
    }
    kw_migrations handle() const noexcept { return handle_.get(); }

 private:
    detail::Owned<kw_migrations_free> handle_;
};

namespace detail {

/// An empty set with a format.
inline Migrations new_migrations(kw_store store, std::string_view format) {
    Call call;
    kw_migrations out = 0;
    call.check(kw_migrations_new(store, &out, call.slot()));
    Migrations made(out);
    if (!format.empty()) made.set("format", format);
    return made;
}

}  // namespace detail

inline Migrations Store::migrations(std::string_view folder, std::string_view format) const {
    Migrations made = detail::new_migrations(handle_, format);
    detail::Call call;
    call.check(kw_migrations_add_folder(made.handle(), folder.data(), folder.size(), call.slot()));
    made.size();
    return made;
}

inline Migrations Store::migrations(const std::vector<Migration>& list) const {
    Migrations made = detail::new_migrations(handle_, {});
    for (const Migration& one : list) {
        detail::Call call;
        auto raw = detail::sized<kw_migration>();
        raw.version = one.version;
        raw.description = one.description.c_str();
        raw.up = one.up.data();
        raw.up_len = one.up.size();
        raw.down = one.down ? one.down->data() : nullptr;
        raw.down_len = one.down ? one.down->size() : 0;
        call.check(kw_migrations_add(made.handle(), &raw, call.slot()));
    }
    made.size();
    return made;
}

inline Migrations Store::migrations(const std::vector<std::pair<std::string, std::string>>& files, std::string_view format) const {
    Migrations made = detail::new_migrations(handle_, format);
    for (const auto& [name, bytes] : files) {
        detail::Call call;
        call.check(kw_migrations_add_file(made.handle(), name.data(), name.size(), bytes.data(), bytes.size(), call.slot()));
    }
    made.size();
    return made;
}

inline Report Store::rebuild_table(std::string_view table, std::string_view definition,
                                   const std::vector<std::pair<std::string, std::string>>& columns, const Options& options) const {
    std::vector<kw_rebuild_column> raw;
    for (const auto& [name, expression] : columns) raw.push_back({name.c_str(), expression.c_str()});
    detail::Call call;
    kw_report out = 0;
    call.check(kw_rebuild_table(handle_, table.data(), table.size(), definition.data(), definition.size(), raw.data(), raw.size(),
                                options.raw(), &out, call.slot()));
    return Report(out);
}

// ------------------------------------------------------------------------------------------------------------- log --

/// How much an event matters. A view or a function that asks for one level gets those above it as well.
enum class LogLevel : std::uint32_t {
    error = KW_LOG_ERROR,  ///< what an operator has to look at
    warn = KW_LOG_WARN,    ///< what may become a problem: slow calls, timeouts, forgotten transactions
    info = KW_LOG_INFO,    ///< stores opened and closed, migrations applied
    debug = KW_LOG_DEBUG,  ///< errors that a program can expect
    trace = KW_LOG_TRACE   ///< all else
};

/// One event of the library's log, with texts of its own: it may be kept and handed to other threads.
struct LogEvent {
    LogLevel level;
    std::chrono::system_clock::time_point time;
    std::uint64_t dropped;  ///< events that this Log has lost just before this one because it was full
    std::string target;     ///< which part of the library: "keepwell::slow", "keepwell::error", ...
    std::string message;    ///< a sentence for people
    std::string fields;     ///< the same for programs: a JSON object
};

namespace detail {

inline LogEvent event_of(const kw_log_event& raw) {
    using Clock = std::chrono::system_clock;
    return LogEvent{static_cast<LogLevel>(raw.level),
                    Clock::time_point(std::chrono::duration_cast<Clock::duration>(std::chrono::microseconds(raw.time_us))), raw.dropped,
                    std::string(raw.target, raw.target_len), std::string(raw.message, raw.message_len), std::string(raw.fields, raw.fields_len)};
}

/// A function that on_log() was given.
struct LogFunction {
    explicit LogFunction(std::function<void(const LogEvent&)> f) : function(std::move(f)) {}

    static void call(const kw_log_event* event, void* context) noexcept {
        LogFunction& self = *static_cast<LogFunction*>(context);
        if (self.removed.load(std::memory_order_acquire)) return;
        running() = &self;
        try {
            self.function(event_of(*event));
        } catch (...) {
        }
        running() = nullptr;
    }
    /// The function that the calling thread is in.
    static LogFunction*& running() noexcept {
        static thread_local LogFunction* one = nullptr;
        return one;
    }

    std::function<void(const LogEvent&)> function;
    std::atomic<bool> removed{false};
};

/// The process has one function. Never destroyed: threads may log while the program exits.
struct LogSeat {
    std::mutex lock;
    /// What the library calls, or a removed one that it may still call.
    std::shared_ptr<LogFunction> taken;

    static LogSeat& one() {
        static LogSeat& seat = *new LogSeat;
        return seat;
    }
};

}  // namespace detail

/// Keeps a function of on_log() in place. Its destructor removes the function, unless another one has taken its place already, and waits
/// for calls under way; so it must not hold a lock that the function takes. Inside the function itself it does not wait.
class [[nodiscard]] LogGuard {
 public:
    explicit LogGuard(std::shared_ptr<detail::LogFunction> function) noexcept : function_(std::move(function)) {}
    LogGuard(LogGuard&&) noexcept = default;
    LogGuard& operator=(LogGuard&& other) noexcept {
        if (this != &other) {
            remove();
            function_ = std::move(other.function_);
        }
        return *this;
    }
    ~LogGuard() { remove(); }

    /// Removes the function now; harmless when done already.
    void remove() noexcept {
        const auto function = std::exchange(function_, nullptr);
        if (!function) return;
        function->removed.store(true, std::memory_order_release);
        // The library still knows it then; the next one takes its place.
        if (detail::LogFunction::running() != nullptr) return;
        auto& seat = detail::LogSeat::one();
        const std::lock_guard<std::mutex> locked(seat.lock);
        if (seat.taken != function) return;
        if (kw_log_set_callback(KW_LOG_OFF, nullptr, nullptr, nullptr) == KW_OK) seat.taken = nullptr;
    }

 private:
    std::shared_ptr<detail::LogFunction> function_;
};

/// Has `function` called for each event of `level` and above until the guard goes, in place of the one before: the process has one. It
/// runs on the thread on which the event happens, also on several at once; it must not take long, its exceptions are swallowed, and no
/// event of its own reaches it. MisuseError from inside of it. A forked child has none.
inline LogGuard on_log(LogLevel level, std::function<void(const LogEvent&)> function) {
    if (!function) throw MisuseError(KW_MISUSE, "on_log: the function is empty");
    // Not after the lock: who holds it may wait for this call to end.
    if (detail::LogFunction::running() != nullptr) throw MisuseError(KW_MISUSE, "on_log: not from inside of the function itself");
    auto made = std::make_shared<detail::LogFunction>(std::move(function));
    auto& seat = detail::LogSeat::one();
    const std::lock_guard<std::mutex> locked(seat.lock);
    detail::Call call;
    call.check(kw_log_set_callback(static_cast<std::uint32_t>(level), detail::LogFunction::call, made.get(), call.slot()));
    seat.taken = made;
    return LogGuard(std::move(made));
}

/// A view of the library's log: a bounded line of the events from now on, read when the program likes.
class Log {
 public:
    /// Of the events of `level` and above it keeps up to `capacity` (0: 1024) until they are read; full, it loses the oldest.
    explicit Log(LogLevel level = LogLevel::info, std::uint32_t capacity = 0) {
        detail::Call call;
        kw_log out = 0;
        call.check(kw_log_open(static_cast<std::uint32_t>(level), capacity, &out, call.slot()));
        handle_ = out;
    }
    Log(Log&& other) noexcept : handle_(other.handle_.exchange(0)) {}
    Log& operator=(Log&& other) noexcept {
        if (this != &other) end(handle_.exchange(other.handle_.exchange(0)));
        return *this;
    }
    ~Log() { close(); }

    /// The next event; waits for it. Nothing: the view was closed.
    std::optional<LogEvent> next() { return next_within(-1); }
    /// The next event; nothing: none came in time, or the view was closed.
    template <class Rep, class Period>
    std::optional<LogEvent> next(std::chrono::duration<Rep, Period> timeout) { return next_within(detail::micros_of(timeout)); }
    /// Closes it, from any thread: who waits in next() gets nothing. Harmless when done already.
    void close() noexcept { end(handle_.exchange(0)); }
    bool is_open() const noexcept { return handle_ != 0; }
    kw_log handle() const noexcept { return handle_; }

 private:
    static void end(kw_log handle) noexcept {
        if (handle != 0) kw_log_close(handle);
    }
    std::optional<LogEvent> next_within(std::int64_t timeout_us) {
        const kw_log handle = handle_;
        if (handle == 0) return std::nullopt;
        detail::Call call;
        auto raw = detail::sized<kw_log_event>();
        const kw_status status = kw_log_next(handle, timeout_us, &raw, call.slot());
        if (status == KW_ROW) return detail::event_of(raw);
        // Another thread may have closed it just before the call.
        if (status != KW_DONE && handle_ != 0) call.check(status);
        return std::nullopt;
    }

    std::atomic<kw_log> handle_{0};
};

/// The version of the library that the program runs with, "0.1.0".
inline const char* version() noexcept { return kw_version(); }

}  // namespace keepwell

#endif  // KEEPWELL_HPP
