// A reader that saves its cursor, stops in the middle, and goes on in another opening of the store.

#include <fstream>

#include "examples/example.h"

namespace {

// Handles at most `limit` entries after the saved cursor, saves the new one, and says how many.
std::uint64_t handle_some(const std::string& directory, std::uint64_t limit) {
    braid::Store store = example::value(braid::Store::open(directory));
    const std::string file = directory + "-cursor";  // not among the store's own files
    std::uint64_t cursor = 0;
    std::ifstream(file) >> cursor;

    auto reader = store.read_space("jobs", {.after = cursor, .limit = limit});
    std::uint64_t handled = 0;
    while (const auto* next = reader.next()) {
        if (!*next) {
            std::fprintf(stderr, "%s\n", next->error().message().c_str());
            std::exit(1);
        }
        ++handled;
        example::expect((**next).text() == std::to_string(cursor + handled), "the next job came");
    }
    // Saved after the work: a crash in between repeats work, it never skips any.
    std::ofstream(file) << reader.cursor().value;
    return handled;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = example::directory(argc, argv) + "/store";
    braid::Store store = example::open(directory);
    for (int job = 1; job <= 7; ++job) {
        example::value(
            store.append("jobs", "queue-" + std::to_string(job % 2), std::to_string(job)));
    }
    if (!store.close()) return 1;

    example::expect(handle_some(directory, 4) == 4, "the first run handles four jobs");
    example::expect(handle_some(directory, 100) == 3, "the second run handles the three others");
    example::expect(handle_some(directory, 100) == 0, "the third run finds nothing new");
    return 0;
}
