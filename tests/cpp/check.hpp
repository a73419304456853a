// check.hpp: the smallest harness for the C++ tests. A test is a void function; run() counts it, report() prints the
// closing line and gives main's result.
#ifndef KEEPWELL_TESTS_CHECK_HPP
#define KEEPWELL_TESTS_CHECK_HPP

#include <keepwell.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>

#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace check {

// fork() without a search for leaks in the child: the stacks of the parent's other threads are gone there, and what only
// they point to looks lost. The parent itself is checked.
inline pid_t fork_child() {
    std::cout.flush();
    const pid_t child = fork();
#ifdef VALGRIND_CLO_CHANGE
    if (child == 0) VALGRIND_CLO_CHANGE("--leak-check=no");
#endif
    return child;
}

inline int passed = 0;
inline int failed = 0;
// Checks that failed in the running test; its threads may add to it.
inline std::atomic<int> failures{0};

inline void fail(const char* file, int line, const std::string& what) {
    ++failures;
    std::cerr << file << ':' << line << ": failed: " << what << '\n';
}

template <class A, class B>
void equal(const A& want, const B& got, const char* file, int line, const char* what) {
    if (want == got) return;
    std::ostringstream text;
    text << what << "\n    wanted " << want << ", got " << got;
    fail(file, line, text.str());
}

// The exception of exactly this class (or one derived from it) that `call` throws, handed to `inspect`.
template <class E, class F, class G>
void throws(F&& call, G&& inspect, const char* file, int line, const char* what) {
    try {
        call();
        fail(file, line, std::string(what) + " did not throw");
    } catch (const E& error) {
        inspect(error);
    } catch (const std::exception& error) {
        fail(file, line, std::string(what) + " threw another exception: " + error.what());
    }
}

inline void run(void (*test)(), const char* name) {
    const char* only = std::getenv("ONLY");
    if (only != nullptr && std::strstr(name, only) == nullptr) return;
    failures = 0;
    try {
        test();
    } catch (const std::exception& error) {
        fail(name, 0, std::string("an exception came through: ") + error.what());
    }
    if (failures == 0) {
        ++passed;
    } else {
        ++failed;
        std::cerr << "FAILED " << name << '\n';
    }
}

inline int report(const char* program) {
    const std::string path(program);
    std::cout << path.substr(path.find_last_of('/') + 1) << ": " << passed << " passed, " << failed << " failed\n";
    return failed == 0 ? 0 : 1;
}

// A folder of this program's own, removed at its end.
class TempFolder {
 public:
    TempFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "keepwell-test-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

inline TempFolder& temp() {
    static TempFolder folder;
    return folder;
}

}  // namespace check

#define CHECK(condition) ((condition) ? static_cast<void>(0) : check::fail(__FILE__, __LINE__, #condition))
#define EQUAL(want, got) check::equal((want), (got), __FILE__, __LINE__, #got)
#define THROWS(type, call) check::throws<keepwell::type>([&] { call; }, [](const keepwell::type&) {}, __FILE__, __LINE__, #call)
#define THROWS_AND(type, call, inspect) check::throws<keepwell::type>([&] { call; }, inspect, __FILE__, __LINE__, #call)
#define HAS(text, part) (std::string(text).find(part) != std::string::npos ? static_cast<void>(0) : check::fail(__FILE__, __LINE__, std::string("no \"") + (part) + "\" in: " + (text)))
#define RUN(test) check::run(test, #test)

#endif
