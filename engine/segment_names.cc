#include "engine/segment_names.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "segment/checksum.h"

namespace braid {
namespace {

/// At least a fifth of the slots stays free, so that few are walked over.
constexpr std::size_t filled_of_five = 4;

}  // namespace

std::uint32_t SegmentNames::hash(std::string_view name) noexcept {
    return static_cast<std::uint32_t>(segment::checksum(as_bytes(name), 0));
}

template <class IsIt>
SegmentState* SegmentNames::walk(const SegmentPool& pool, std::uint32_t hash,
                                 IsIt&& is_it) const noexcept {
    if (slots_ == 0) return nullptr;
    for (std::size_t at = hash & (slots_ - 1); slot(at).place != 0; at = after(at)) {
        if (slot(at).hash != hash) continue;
        SegmentState& state = pool.at(slot(at).place - 1);
        state.fetch();
        if (is_it(state)) return &state;
    }
    return nullptr;
}

SegmentState* SegmentNames::find(const SegmentPool& pool, std::string_view name,
                                 std::uint32_t hash) const noexcept {
    return walk(pool, hash, [&](const SegmentState& state) { return state.name() == name; });
}

SegmentState* SegmentNames::guess(const SegmentPool& pool, std::uint32_t hash) const noexcept {
    return walk(pool, hash, [](const SegmentState&) { return true; });
}

void SegmentNames::insert(std::uint32_t hash, std::uint32_t place) noexcept {
    std::size_t at = hash & (slots_ - 1);
    while (slot(at).place != 0) at = after(at);
    slot(at) = {hash, place + 1};
    ++size_;
}

void SegmentNames::reserve(std::size_t segments) {
    if (segments * 5 <= slots_ * filled_of_five) return;
    SegmentNames larger;
    larger.slots_ = std::bit_ceil(std::max(slots_min, segments * 5 / filled_of_five + 1));
    larger.memory_ = io::ZeroedMemory(larger.slots_ * sizeof(Slot));
    for (std::size_t at = 0; at < slots_; ++at)
        if (slot(at).place != 0) larger.insert(slot(at).hash, slot(at).place - 1);
    *this = std::move(larger);
}

}  // namespace braid
