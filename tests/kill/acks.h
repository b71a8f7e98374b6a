#pragma once

#include <braid/transaction.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace braid::kill {

/// What a process tells the one that will look after it, at once and in the order of happening.
struct Note {
    enum class Kind : std::uint64_t {
        durable = 1,   ///< a transaction was acknowledged as durable
        buffered = 2,  ///< one was committed, and a crash may take it
        opened = 3,    ///< the store was opened for writing and ends at `last_position`
        seen = 4,      ///< a reader of durable entries saw all up to `last_position`
    };
    Kind kind = Kind::durable;
    std::uint64_t id = 0;
    std::uint64_t first_position = 0;
    std::uint64_t last_position = 0;
    std::uint64_t timestamp = 0;
    std::uint64_t transaction = 0;
    std::uint64_t reserved[2] = {0, 0};  // a note never crosses a page: a kill can't cut it in two
};
static_assert(sizeof(Note) == 64);

/// A file of notes that outlives the process: each is with the kernel when `add` returns. Any
/// thread.
class Notes {
public:
    explicit Notes(const std::string& file);
    ~Notes();
    Notes(const Notes&) = delete;
    Notes& operator=(const Notes&) = delete;

    void add(const Note& note) const;
    void acknowledge(Note::Kind kind, std::uint64_t id, const Receipt& receipt) const;

    [[nodiscard]] static std::vector<Note> read(const std::string& file);

private:
    int fd_;
};

}  // namespace braid::kill
