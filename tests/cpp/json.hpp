// json.hpp: as much JSON as the conformance suite uses (no fractions, no exponents, keys without order).
#ifndef KEEPWELL_TESTS_JSON_HPP
#define KEEPWELL_TESTS_JSON_HPP

#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

struct Json {
    using Array = std::vector<Json>;
    using Object = std::map<std::string, Json>;
    std::variant<std::nullptr_t, bool, std::int64_t, std::string, Array, Object> value = nullptr;

    template <class T> bool is() const { return std::holds_alternative<T>(value); }
    template <class T> const T& as() const { return std::get<T>(value); }
    const std::string& text() const { return as<std::string>(); }
    const Array& array() const { return as<Array>(); }
    const Object& object() const { return as<Object>(); }

    // The member of an object, or NULL when there is none.
    const Json* find(const std::string& key) const {
        const auto at = object().find(key);
        return at != object().end() ? &at->second : nullptr;
    }
    const Json& operator[](const std::string& key) const {
        if (const Json* found = find(key)) return *found;
        throw std::runtime_error("no key " + key);
    }
};

class JsonParser {
 public:
    explicit JsonParser(const std::string& text) : at_(text.c_str()), end_(at_ + text.size()) {}

    Json parse() {
        Json json = value();
        space();
        if (at_ != end_) fail("something follows the value");
        return json;
    }

 private:
    [[noreturn]] void fail(const std::string& what) const { throw std::runtime_error("JSON: " + what + " before: " + std::string(at_, at_ + std::min<std::ptrdiff_t>(40, end_ - at_))); }
    void space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    }
    bool take(char c) {
        space();
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    void need(char c) {
        if (!take(c)) fail(std::string("wanted ") + c);
    }
    bool word(const char* text) {
        const std::string want(text);
        if (static_cast<std::size_t>(end_ - at_) < want.size() || std::string(at_, at_ + want.size()) != want) return false;
        at_ += want.size();
        return true;
    }

    Json value() {
        space();
        if (at_ == end_) fail("the text ends");
        if (*at_ == '{') return {object()};
        if (*at_ == '[') return {array()};
        if (*at_ == '"') return {string()};
        if (word("true")) return {true};
        if (word("false")) return {false};
        if (word("null")) return {nullptr};
        char* after = nullptr;
        const std::int64_t number = std::strtoll(at_, &after, 10);
        if (after == at_) fail("no value");
        at_ = after;
        return {number};
    }
    Json::Object object() {
        Json::Object members;
        need('{');
        if (take('}')) return members;
        do {
            space();
            std::string key = string();
            need(':');
            if (!members.emplace(key, value()).second) fail("key twice: " + key);
        } while (take(','));
        need('}');
        return members;
    }
    Json::Array array() {
        Json::Array items;
        need('[');
        if (take(']')) return items;
        do items.push_back(value());
        while (take(','));
        need(']');
        return items;
    }
    std::string string() {
        std::string text;
        need('"');
        while (at_ != end_ && *at_ != '"') {
            if (*at_ != '\\') {
                text += *at_++;
                continue;
            }
            ++at_;
            switch (*at_++) {
                case 'n': text += '\n'; break;
                case 't': text += '\t'; break;
                case '"': text += '"'; break;
                case '\\': text += '\\'; break;
                case 'u':
                    text += static_cast<char>(std::strtol(std::string(at_, at_ + 4).c_str(), nullptr, 16));
                    at_ += 4;
                    break;
                default: fail("unknown escape");
            }
        }
        need('"');
        return text;
    }

    const char* at_;
    const char* end_;
};

#endif
