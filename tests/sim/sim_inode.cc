#include "tests/sim/sim_inode.h"

#include <algorithm>
#include <cstring>

namespace braid::sim {

using io::block_bytes;

namespace {

bool is_zero(Bytes bytes) {
    return bytes.front() == std::byte{0} &&
           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

std::size_t Content::read(std::span<std::byte> into, std::uint64_t offset) const {
    if (offset >= size_) return 0;
    const std::size_t total = std::min<std::uint64_t>(into.size(), size_ - offset);
    for (std::size_t done = 0; done < total;) {
        const std::size_t index = (offset + done) / block_bytes;
        const std::size_t start = (offset + done) % block_bytes;
        const std::size_t count = std::min(total - done, block_bytes - start);
        if (const auto& block = blocks_[index]) {
            std::memcpy(into.data() + done, block->data() + start, count);
        } else {
            std::memset(into.data() + done, 0, count);
        }
        done += count;
    }
    return total;
}

void Content::write(Bytes bytes, std::uint64_t offset) {
    if (bytes.empty()) return;
    if (offset + bytes.size() > size_) resize(offset + bytes.size());
    for (std::size_t done = 0; done < bytes.size();) {
        const std::size_t start = (offset + done) % block_bytes;
        const std::size_t count = std::min(bytes.size() - done, block_bytes - start);
        const std::size_t index = (offset + done) / block_bytes;
        const Bytes part = bytes.subspan(done, count);
        done += count;
        if (!blocks_[index] && is_zero(part)) continue;  // most of a new log file
        std::memcpy(writable(index).data() + start, part.data(), count);
    }
}

void Content::resize(std::uint64_t size) {
    blocks_.resize((size + block_bytes - 1) / block_bytes);
    // What is cut off must read as zeros when the file grows again.
    if (size < size_ && size % block_bytes != 0 && blocks_.back()) {
        Block& last = writable(blocks_.size() - 1);
        std::fill(last.begin() + static_cast<std::ptrdiff_t>(size % block_bytes), last.end(),
                  std::byte{0});
    }
    size_ = size;
}

Content::Block& Content::writable(std::size_t index) {
    auto& block = blocks_[index];
    if (!block) {
        block = std::make_shared<Block>();
    } else if (block.use_count() > 1) {
        block = std::make_shared<Block>(*block);
    }
    return *block;
}

Survival::Survival(Random& random)
    : random_(random),
      way_(static_cast<Way>(random.below(static_cast<std::uint64_t>(Way::ways)))),
      pick_(random.next()) {}

bool Survival::keeps(std::size_t index, std::size_t count) {
    switch (way_) {
        case Way::none:
            return false;
        case Way::all:
            return true;
        case Way::first_ones:
            return index < pick_ % (count + 1);
        case Way::all_but_one:
            return index != pick_ % count;
        case Way::only_one:
            return index == pick_ % count;
        default:
            return random_.flip();
    }
}

bool Survival::tears() {
    // Torn ones among whole ones, too.
    return way_ == Way::torn || (way_ == Way::each && random_.below(4) == 0);
}

void Inode::write_unsynced(Bytes bytes, std::uint64_t offset) {
    if (bytes.empty()) return;
    cache_.write(bytes, offset);
    auto owner = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    unsynced_.push_back({offset, *owner, owner});
}

void Inode::empty_unsynced() {
    cache_.resize(0);
    unsynced_.push_back({});
}

void Inode::sync_last() {
    const Unsynced last = unsynced_.back();
    unsynced_.pop_back();
    // The file's size becomes durable, and so does an emptying before this write.
    const auto emptied = std::find_if(unsynced_.rbegin(), unsynced_.rend(),
                                      [](const Unsynced& one) { return one.owner == nullptr; });
    if (emptied != unsynced_.rend()) {
        unsynced_.erase(unsynced_.begin(), emptied.base());
        medium_.resize(0);
    }
    supersede(last.offset, last.offset + last.bytes.size());
    medium_.write(last.bytes, last.offset);
}

void Inode::sync() {
    for (const Unsynced& one : unsynced_) {
        if (one.owner == nullptr) medium_.resize(0);
        medium_.write(one.bytes, one.offset);
    }
    unsynced_.clear();
}

void Inode::supersede(std::uint64_t begin, std::uint64_t end) {
    std::vector<Unsynced> left;
    for (const Unsynced& one : unsynced_) {
        const std::uint64_t one_end = one.offset + one.bytes.size();
        if (one.owner == nullptr || one_end <= begin || one.offset >= end) {
            left.push_back(one);
            continue;
        }
        if (one.offset < begin) {
            left.push_back({one.offset, one.bytes.first(begin - one.offset), one.owner});
        }
        if (one_end > end) left.push_back({end, one.bytes.last(one_end - end), one.owner});
    }
    unsynced_ = std::move(left);
}

void Inode::damage(Bytes bytes, std::uint64_t offset) {
    cache_.write(bytes, offset);
    medium_.write(bytes, offset);
    supersede(offset, offset + bytes.size());
}

void Inode::damage_size(std::uint64_t size) {
    if (size < cache_.size()) supersede(size, cache_.size());
    cache_.resize(size);
    medium_.resize(size);
}

void Inode::crash(Random& random) {
    if (!unsynced_.empty()) {
        Survival survival(random);
        std::uint64_t end = medium_.size();
        for (std::size_t i = 0; i < unsynced_.size(); ++i) {
            const Unsynced& one = unsynced_[i];
            if (one.owner != nullptr && survival.tears()) {
                survive_torn(one, survival);
            } else if (survival.keeps(i, unsynced_.size())) {
                if (one.owner == nullptr) medium_.resize(0);
                medium_.write(one.bytes, one.offset);
            }
            const bool emptied = one.owner == nullptr;
            end = emptied ? medium_.size() : std::max(end, one.offset + one.bytes.size());
        }
        // A size may get there without the bytes.
        if (!survival.certain() && survival.flip() && end > medium_.size()) medium_.resize(end);
        unsynced_.clear();
    }
    cache_ = medium_;
}

void Inode::survive_torn(const Unsynced& write, Survival& survival) {
    for (std::size_t done = 0; done < write.bytes.size();) {
        const std::uint64_t offset = write.offset + done;
        const std::size_t count =
            std::min<std::size_t>(write.bytes.size() - done, sector_bytes - offset % sector_bytes);
        if (survival.flip()) medium_.write(write.bytes.subspan(done, count), offset);
        done += count;
    }
}

}  // namespace braid::sim
