#include <braid/entry.hpp>
#include <vector>

#include "engine/lent_record.h"
#include "segment/pinned.h"

namespace braid {
namespace {

std::uint64_t take_varint(const std::byte*& at) {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const auto byte = static_cast<std::uint64_t>(*at++);
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
}

/// The entry's bytes as they lie: encoded metadata, and behind it the payload.
Bytes record_of(const Entry& entry) {
    const std::byte* begin =
        entry.metadata.empty() ? entry.payload.data() : entry.metadata.encoded();
    return {begin, entry.payload.data() + entry.payload.size()};
}

/// The same entry, its views into another copy of its record, which ends where the payload does.
Entry moved_to(Bytes copy, const Entry& entry) {
    Entry moved = entry;
    const Bytes record = copy.last(record_of(entry).size());
    moved.payload = record.last(entry.payload.size());
    if (!entry.metadata.empty()) moved.metadata = Metadata(record.data(), entry.metadata.size());
    return moved;
}

std::string_view take_text(const std::byte*& at) {
    const std::size_t length = take_varint(at);
    const std::string_view text(reinterpret_cast<const char*>(at), length);
    at += length;
    return text;
}

}  // namespace

Metadata::Iterator::Iterator(const std::byte* at, std::size_t left) : at_(at), left_(left) {
    if (left_ != 0) decode();
}

Metadata::Iterator& Metadata::Iterator::operator++() {
    if (--left_ != 0) decode();
    return *this;
}

void Metadata::Iterator::decode() {
    pair_.key = take_text(at_);
    pair_.value = take_text(at_);
}

KeptEntry::KeptEntry(const Entry& entry, std::shared_ptr<const void> memory)
    : memory_(std::move(memory)),
      names_(std::make_shared<const std::string>(std::string(entry.space).append(entry.segment))),
      entry_(entry) {
    const std::string_view names = *names_;
    entry_.space = names.substr(0, entry.space.size());
    entry_.segment = names.substr(entry.space.size());
    entry_.pin = nullptr;
    entry_.pinned = nullptr;
}

KeptEntry Entry::keep() const {
    if (pin == nullptr || pinned->is_full()) return copy();
    if constexpr (poisons_views) {
        const auto& lent = *static_cast<const LentRecord*>(pin->get());
        return {moved_to(lent.stored(), *this), lent.memory()};
    }
    return {*this, *pin};
}

KeptEntry Entry::copy() const {
    const Bytes record = record_of(*this);
    auto memory = std::make_shared<std::vector<std::byte>>(record.begin(), record.end());
    return {moved_to(*memory, *this), memory};
}

}  // namespace braid
