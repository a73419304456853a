// One of the starters of migrators.py, in C++: see there.
#include <keepwell.hpp>

#include <iostream>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        auto store = keepwell::Store::open(argv[1]);
        std::cout << "applied " << store.migrations(argv[2]).up().migrations().size() << "\n";
        return 0;
    } catch (const keepwell::Error& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
