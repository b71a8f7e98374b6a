#include "engine/body_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/planted.h"
#include "segment/body_file.h"

namespace braid {

/// Somebody is writing, in whatever way that ends: with the mutex held or not.
class BodyFiles::Writing {
public:
    Writing(BodyFiles& files, Lock& lock) : files_(files), lock_(lock) { ++files_.writers_; }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    ~Writing() {
        if (!lock_.owns_lock()) lock_.lock();
        --files_.writers_;
        files_.changed_.notify_all();
    }

private:
    BodyFiles& files_;
    Lock& lock_;
};

/// Likewise a flush. One of which nobody knows how it went has failed.
class BodyFiles::Flushing {
public:
    Flushing(BodyFiles& files, BodyFile& file, Lock& lock)
        : files_(files), file_(file), lock_(lock) {
        file_.flushing = true;
    }
    Flushing(const Flushing&) = delete;
    Flushing& operator=(const Flushing&) = delete;
    ~Flushing() {
        if (!lock_.owns_lock()) lock_.lock();
        if (!known) file_.failed.emplace(Errc::io, "out of memory", ENOMEM);
        file_.flushing = false;
        files_.changed_.notify_all();
    }

    bool known = false;

private:
    BodyFiles& files_;
    BodyFile& file_;
    Lock& lock_;
};

Result<void> BodyFiles::write(TransactionBody& body) {
    while (LargeBody* next = body.unwritten_body()) {
        std::shared_ptr<const void> held;
        const auto reference = write(*next, held);
        if (!reference) return reference.error();
        body.note_written(*reference, std::move(held));
    }
    return {};
}

Result<segment::BodyReference> BodyFiles::write(LargeBody& body,
                                                std::shared_ptr<const void>& held) {
    const Bytes blocks = body.blocks();
    Lock lock(mutex_);
    auto found = file_for(blocks.size());
    if (!found) return found.error();
    const std::shared_ptr<BodyFile> file = *std::move(found);
    held = file;
    const segment::BodyReference reference{file->number, file->end, body.length, body.hash};
    file->end += blocks.size();
    const Writing writing(*this, lock);
    lock.unlock();
    auto written = file->file->write(blocks, reference.offset, io::WriteMode::cached);
    lock.lock();
    if (written) written = flush(*file, lock);
    // What couldn't be written of a file leaves doubts about what isn't durable of it yet.
    if (!written && file == current_) leave_current();
    if (!written) return written.error();
    return reference;
}

/// Makes what is written of the file up to now durable. Those who come while somebody flushes share
/// the next flush, which one of them makes. All go through one descriptor, one behind the other: so
/// an error, which the system tells a descriptor once, is known before a later success is believed.
Result<void> BodyFiles::flush(BodyFile& file, Lock& lock) {
    const std::uint64_t mine = ++file.written;
    while (file.flushed < mine && !file.failed) {
        if (file.flushing) {
            changed_.wait(lock);
            continue;
        }
        Flushing flushing(*this, file, lock);
        const std::uint64_t through = file.written;
        lock.unlock();
        auto synced =
            is_planted(PlantedFault::body_not_synced) ? Result<void>() : file.file->sync();
        lock.lock();
        if (synced)
            file.flushed = through;
        else
            file.failed = synced.error();
        flushing.known = true;
    }
    if (file.flushed < mine) return *file.failed;
    return {};
}

/// With room for so many bytes: the current file, or one that is begun for them; then everybody
/// else waits, who needs it as well. Under the mutex.
Result<std::shared_ptr<BodyFiles::BodyFile>> BodyFiles::file_for(std::uint64_t bytes) {
    if (closed_) return Error(Errc::closed, "the store is closed");
    if (current_ == nullptr || current_->end + bytes > current_->capacity)
        if (auto begun = begin_file(bytes); !begun) return begun.error();
    return current_;
}

/// In an order that makes a crash anywhere harmless: nothing refers to the file before its name is
/// durable. Under the mutex.
Result<void> BodyFiles::begin_file(std::uint64_t bytes) {
    if (next_ > segment::body_file_number_max)
        return Error(Errc::too_large, "the store has used all numbers of body files");
    leave_current();
    auto file = std::make_shared<BodyFile>();
    std::erase_if(begun_, [](const auto& one) { return one.expired(); });
    begun_.reserve(begun_.size() + 1);
    file->number = static_cast<std::uint32_t>(next_);
    const std::string name = segment::body_file_name(file->number);
    auto opened = disk_.open(name, {.write = true, .create = true, .direct = true});
    if (!opened) return opened.error();
    ++next_;  // whatever becomes of it
    file->file = std::move(*opened);
    if (auto filled = fill_header(*file, bytes); !filled) {
        static_cast<void>(disk_.remove(name));  // or it stays, and nothing refers to it
        return filled;
    }
    next_bytes_ = std::min(2 * next_bytes_, options_.body_file_bytes);
    begun_.push_back(file);
    current_ = std::move(file);
    return {};
}

Result<void> BodyFiles::fill_header(BodyFile& file, std::uint64_t bytes) {
    const std::uint64_t needed = io::block_bytes + bytes;
    file.end = io::block_bytes;
    file.capacity = std::max(needed, std::min(next_bytes_, options_.body_file_bytes));
    auto allocated = file.file->allocate(file.capacity);
    if (!allocated && allocated.error().code() == Errc::no_space) {
        // What there is may do for this one; and what was got of it already isn't kept from others.
        file.capacity = needed;
        if (auto cut = file.file->cut(0); !cut) return cut;
        allocated = file.file->allocate(needed);
    }
    if (!allocated) return allocated;
    const auto header = segment::make_body_file_header(store_, file.number);
    io::AlignedBuffer memory(io::block_bytes);
    const auto block = memory.first(io::block_bytes);
    std::memset(block.data(), 0, block.size());
    std::memcpy(block.data(), &header, sizeof header);
    if (auto written = file.file->write(block, 0, io::WriteMode::cached); !written) return written;
    // Its size and its space, too: then its name.
    if (auto synced = file.file->sync(); !synced) return synced;
    return disk_.sync_directory();
}

/// No more bodies for it: what it has too much is given back. Where that fails it stays so long.
/// Under the mutex.
void BodyFiles::leave_current() noexcept {
    const std::shared_ptr<BodyFile> left = std::move(current_);
    if (left == nullptr || left->end == left->capacity) return;
    try {
        static_cast<void>(left->file->cut(left->end));
    } catch (const std::bad_alloc&) {  // for the words of an error
    }
}

bool BodyFiles::is_in_use(std::uint64_t number) const {
    const Lock lock(mutex_);
    return std::any_of(begun_.begin(), begun_.end(), [&](const auto& one) {
        const auto file = one.lock();
        return file != nullptr && file->number == number;
    });
}

void BodyFiles::close() noexcept {
    Lock lock(mutex_);
    closed_ = true;
    changed_.wait(lock, [&] { return writers_ == 0; });
    leave_current();
}

}  // namespace braid
