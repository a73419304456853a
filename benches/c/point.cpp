// The C++ side: point reads through keepwell.hpp.
#include <optional>
#include <string>

#include "bench.h"
#include "keepwell.hpp"

uint64_t cpp_point(void *self, long from, long count) try {
    const keepwell::Target store(*static_cast<kw_store *>(self));
    uint64_t sum = 0;
    for (long i = from; i < from + count; i++) {
        using Rating = std::optional<std::int64_t>;
        auto found = store.query_one<std::int64_t, std::int64_t, double, std::string, std::string, Rating>(POINT, key_of(i));
        const auto &[id, number, price, name, note, rating] = found.value();
        sum += static_cast<uint64_t>(id) + static_cast<uint64_t>(number) + digest_real(price);
        sum += digest_text(name.data(), static_cast<uint32_t>(name.size())) + digest_text(note.data(), static_cast<uint32_t>(note.size()));
        sum += rating ? static_cast<uint64_t>(*rating) : 1u;
    }
    return sum;
} catch (const std::exception &e) {
    fail("%s", e.what());
}
