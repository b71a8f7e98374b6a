#include "engine/segment_table.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <mutex>

namespace braid {
namespace {

template <class State>
State* at_id(const std::vector<State*>& by_id, std::uint64_t id) {
    return id == 0 || id > by_id.size() ? nullptr : by_id[id - 1];
}

template <class State>
bool is_visible(const State& state, Position visible) {
    return state.id != 0 && state.first_position <= visible;
}

}  // namespace

SpaceState* SegmentTable::Finder::space(std::string_view name) const {
    const auto found = table_.spaces_.find(name);
    return found == table_.spaces_.end() ? nullptr : found->second;
}

void SegmentTable::Finder::find(std::span<Wanted> segments) const {
    const SegmentPool& pool = table_.segment_states_;
    for (Wanted& wanted : segments) {
        wanted.hash = SegmentNames::hash(wanted.name);
        wanted.space->segments.fetch(wanted.hash);
    }
    for (Wanted& wanted : segments) wanted.found = wanted.space->segments.guess(pool, wanted.hash);
    for (Wanted& wanted : segments)
        if (wanted.found != nullptr && wanted.found->name() != wanted.name)
            wanted.found = wanted.space->segments.find(pool, wanted.name, wanted.hash);
}

SpaceState* SegmentTable::find_space(std::string_view name, Position visible) const {
    const std::shared_lock lock(mutex_);
    const auto found = spaces_.find(name);
    return found != spaces_.end() && is_visible(*found->second, visible) ? found->second : nullptr;
}

SegmentState* SegmentTable::find(std::string_view space, std::string_view segment,
                                 Position visible) const {
    const std::shared_lock lock(mutex_);
    const auto in_space = spaces_.find(space);
    if (in_space == spaces_.end()) return nullptr;
    SegmentState* found = find_in(*in_space->second, segment);
    return found != nullptr && is_visible(*found, visible) ? found : nullptr;
}

SpaceState* SegmentTable::find(SpaceId id) const {
    const std::shared_lock lock(mutex_);
    return at_id(spaces_by_id_, id.value);
}

SpaceState& SegmentTable::make_space(std::string_view name) {
    const auto found = spaces_.find(name);
    if (found != spaces_.end()) return *found->second;
    SpaceState& space = space_states_.emplace_back();
    space.name = name;
    spaces_.emplace(space.name, &space);
    return space;
}

SegmentState& SegmentTable::make_segment(SpaceState& space, std::string_view name,
                                         std::uint32_t hash) {
    space.segments.reserve(space.segments.size() + 1);
    const StoredName stored(name, long_names_);
    const std::uint32_t place = segment_states_.size();
    SegmentState& segment = segment_states_.add();
    segment.space = &space;
    segment.stored_name = stored;
    space.segments.insert(hash, place);
    return segment;
}

SegmentState& SegmentTable::make(std::string_view space_name, std::string_view name) {
    const std::unique_lock lock(mutex_);
    SpaceState& space = make_space(space_name);
    const std::uint32_t hash = SegmentNames::hash(name);
    SegmentState* found = space.segments.find(segment_states_, name, hash);
    return found != nullptr ? *found : make_segment(space, name, hash);
}

void SegmentTable::reserve_ids(std::size_t spaces, std::size_t segments) {
    const std::unique_lock lock(mutex_);
    const std::size_t wanted = spaces_by_id_.size() + spaces;
    if (spaces_by_id_.capacity() < wanted)
        spaces_by_id_.reserve(std::max(wanted, spaces_by_id_.size() * 2));
    segments_by_id_.reserve(segments_by_id_.size() + segments);
}

void SegmentTable::number(SpaceState& space, Position first) noexcept {
    const std::unique_lock lock(mutex_);
    spaces_by_id_.push_back(&space);
    space.id = spaces_by_id_.size();
    space.first_position = first;
}

void SegmentTable::number(SegmentState& segment, Position first, Timestamp timestamp) noexcept {
    const std::unique_lock lock(mutex_);
    segment.id = segments_by_id_.size() + 1;
    segment.first_position = first;
    segment.first_timestamp = timestamp;
    segments_by_id_.set(segment.id.value, &segment);
}

bool SegmentTable::restore_space(const segment::SpaceNamed& named) {
    if (named.space.value != spaces_by_id_.size() + 1 || spaces_.contains(named.name)) return false;
    SpaceState& space = make_space(named.name);
    spaces_by_id_.push_back(&space);
    space.id = named.space;
    return true;
}

bool SegmentTable::restore_segment(const segment::SegmentNameView& named, std::uint32_t hash) {
    SpaceState* space = at_id(spaces_by_id_, named.space.value);
    if (space == nullptr || named.segment.value != segments_by_id_.size() + 1) return false;
    if (space->segments.find(segment_states_, named.name, hash) != nullptr) return false;
    segments_by_id_.reserve(named.segment.value);
    SegmentState& segment = make_segment(*space, named.name, hash);
    segment.id = named.segment;
    segments_by_id_.set(named.segment.value, &segment);
    return true;
}

bool SegmentTable::restore(const segment::Change& named) {
    const std::unique_lock lock(mutex_);
    if (const auto* space = std::get_if<segment::SpaceNamed>(&named)) return restore_space(*space);
    const auto& [segment, space, name] = std::get<segment::SegmentNamed>(named);
    return restore_segment({segment, space, name}, SegmentNames::hash(name));
}

bool SegmentTable::restore(std::span<const segment::SegmentNameView> names) {
    const std::unique_lock lock(mutex_);
    boost::container::small_vector<std::uint32_t, 64> hashes;
    for (const segment::SegmentNameView& named : names) {
        hashes.push_back(SegmentNames::hash(named.name));
        if (const SpaceState* space = at_id(spaces_by_id_, named.space.value))
            space->segments.fetch(hashes.back());
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        if (!restore_segment(names[i], hashes[i])) return false;
    return true;
}

void SegmentTable::expect(std::size_t segments) {
    const std::unique_lock lock(mutex_);
    segments_by_id_.reserve(segments_by_id_.size() + segments);
    if (spaces_by_id_.size() == 1)
        space_states_.front().segments.reserve(space_states_.front().segments.size() + segments);
}

SpaceId SegmentTable::next_space() const {
    const std::shared_lock lock(mutex_);
    return spaces_by_id_.size() + 1;
}

SegmentId SegmentTable::next_segment() const {
    const std::shared_lock lock(mutex_);
    return segments_by_id_.size() + 1;
}

std::vector<std::string> SegmentTable::space_names(Position visible, std::string_view after,
                                                   std::uint64_t limit) const {
    std::vector<std::string> names;
    {
        const std::shared_lock lock(mutex_);
        for (const auto& [name, space] : spaces_)
            if (is_visible(*space, visible) && name > after) names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    if (limit != 0 && names.size() > limit) names.resize(limit);
    return names;
}

std::vector<std::string> SegmentTable::segment_names(std::string_view space, Position visible,
                                                     std::string_view after,
                                                     std::uint64_t limit) const {
    const SpaceState* listed = nullptr;
    SegmentId last;
    {
        const std::shared_lock lock(mutex_);
        const auto found = spaces_.find(space);
        if (found == spaces_.end()) return {};
        listed = found->second;
        last = segments_by_id_.size();
    }
    return listing_.names(segments_by_id_, last, *listed, visible, after, limit);
}

std::vector<const SegmentState*> SegmentTable::segments_of(std::string_view space,
                                                           Position visible) const {
    std::vector<const SegmentState*> segments;
    {
        const std::shared_lock lock(mutex_);
        const auto found = spaces_.find(space);
        if (found == spaces_.end()) return segments;
        found->second->segments.for_each(segment_states_, [&](const SegmentState& segment) {
            if (is_visible(segment, visible)) segments.push_back(&segment);
        });
    }
    std::sort(segments.begin(), segments.end(),
              [](const auto* left, const auto* right) { return left->name() < right->name(); });
    return segments;
}

std::uint64_t SegmentTable::visible_segments(Position visible) const {
    const std::shared_lock lock(mutex_);
    std::uint64_t count = 0;
    for (std::uint64_t id = 1; id <= segments_by_id_.size(); ++id)
        if (is_visible(*segments_by_id_.find(id), visible)) ++count;
    return count;
}

std::uint64_t SegmentTable::segment_bytes() const {
    const std::uint64_t listing = listing_.bytes();
    const std::shared_lock lock(mutex_);
    std::uint64_t by_name = 0;
    for (const SpaceState& space : space_states_) by_name += space.segments.bytes();
    return segment_states_.bytes() + long_names_.bytes() + by_name + segments_by_id_.bytes() +
           listing;
}

}  // namespace braid
