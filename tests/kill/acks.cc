#include "tests/kill/acks.h"

#include <fcntl.h>
#include <unistd.h>

#include <braid/check.hpp>
#include <cstring>
#include <fstream>
#include <iterator>

namespace braid::kill {

Notes::Notes(const std::string& file)
    : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    BRAID_CHECK(fd_ >= 0, "{} can't be opened", file);
}

Notes::~Notes() {
    ::close(fd_);
}

void Notes::add(const Note& note) const {
    const ssize_t written = ::write(fd_, &note, sizeof note);
    BRAID_CHECK(written == sizeof note, "{} bytes of a note written", written);
}

void Notes::acknowledge(Note::Kind kind, std::uint64_t id, const Receipt& receipt) const {
    Note note;
    note.kind = kind;
    note.id = id;
    note.first_position = receipt.first_position.value;
    note.last_position = receipt.last_position.value;
    note.timestamp = receipt.timestamp.value;
    note.transaction = receipt.transaction.value;
    add(note);
}

std::vector<Note> Notes::read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::vector<Note> notes(bytes.size() / sizeof(Note));
    std::memcpy(notes.data(), bytes.data(), notes.size() * sizeof(Note));
    return notes;
}

}  // namespace braid::kill
