#include "engine/segment_table.h"

#include <algorithm>
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

/// Sorted names of the visible states of a map, one page of them.
template <class Map>
std::vector<std::string> visible_names(const Map& states, Position visible, std::string_view after,
                                       std::uint64_t limit) {
    std::vector<std::string> names;
    for (const auto& [name, state] : states)
        if (is_visible(*state, visible) && name > after) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    if (limit != 0 && names.size() > limit) names.resize(limit);
    return names;
}

}  // namespace

SpaceState* SegmentTable::Finder::space(std::string_view name) const {
    const auto found = table_.spaces_.find(name);
    return found == table_.spaces_.end() ? nullptr : found->second;
}

SegmentState* SegmentTable::Finder::segment(const SpaceState& space, std::string_view name) const {
    const auto found = space.segments.find(name);
    return found == space.segments.end() ? nullptr : found->second;
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
    const auto found = in_space->second->segments.find(segment);
    if (found == in_space->second->segments.end()) return nullptr;
    return is_visible(*found->second, visible) ? found->second : nullptr;
}

SegmentState* SegmentTable::find(SegmentId id) const {
    return segments_by_id_.find(id.value);
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

SegmentState& SegmentTable::make(std::string_view space_name, std::string_view name) {
    const std::unique_lock lock(mutex_);
    SpaceState& space = make_space(space_name);
    const auto found = space.segments.find(name);
    if (found != space.segments.end()) return *found->second;
    SegmentState& segment = segment_states_.emplace_back();
    segment.space = &space;
    segment.name = name;
    space.segments.emplace(segment.name, &segment);
    return segment;
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

bool SegmentTable::restore(const segment::SpaceNamed& named) {
    const std::unique_lock lock(mutex_);
    if (named.space.value <= spaces_by_id_.size() || spaces_.contains(named.name)) return false;
    SpaceState& space = make_space(named.name);
    spaces_by_id_.resize(named.space.value);
    spaces_by_id_.back() = &space;
    space.id = named.space;
    return true;
}

bool SegmentTable::restore(const segment::SegmentNamed& named) {
    SpaceState* space = find(named.space);
    if (space == nullptr || Finder(*this).segment(*space, named.name) != nullptr) return false;
    SegmentState& segment = make(space->name, named.name);
    const std::unique_lock lock(mutex_);
    if (named.segment.value <= segments_by_id_.size()) return false;
    segments_by_id_.reserve(named.segment.value);
    segment.id = named.segment;
    segments_by_id_.set(named.segment.value, &segment);
    return true;
}

void SegmentTable::restore_next(SpaceId next_space, SegmentId next_segment) {
    const std::unique_lock lock(mutex_);
    spaces_by_id_.resize(std::max<std::size_t>(spaces_by_id_.size(), next_space.value - 1));
    segments_by_id_.raise(next_segment.value - 1);
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
    const std::shared_lock lock(mutex_);
    return visible_names(spaces_, visible, after, limit);
}

std::vector<std::string> SegmentTable::segment_names(std::string_view space, Position visible,
                                                     std::string_view after,
                                                     std::uint64_t limit) const {
    const std::shared_lock lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end()) return {};
    return visible_names(found->second->segments, visible, after, limit);
}

std::vector<const SegmentState*> SegmentTable::segments_of(std::string_view space,
                                                           Position visible) const {
    std::vector<const SegmentState*> segments;
    {
        const std::shared_lock lock(mutex_);
        const auto found = spaces_.find(space);
        if (found == spaces_.end()) return segments;
        for (const auto& [name, state] : found->second->segments)
            if (is_visible(*state, visible)) segments.push_back(state);
    }
    std::sort(segments.begin(), segments.end(),
              [](const auto* left, const auto* right) { return left->name < right->name; });
    return segments;
}

std::uint64_t SegmentTable::visible_segments(Position visible) const {
    const std::shared_lock lock(mutex_);
    std::uint64_t count = 0;
    for (std::uint64_t id = 1; id <= segments_by_id_.size(); ++id) {
        const SegmentState* segment = segments_by_id_.find(id);
        if (segment != nullptr && is_visible(*segment, visible)) ++count;
    }
    return count;
}

std::vector<SegmentState*> SegmentTable::all() const {
    const std::shared_lock lock(mutex_);
    std::vector<SegmentState*> all(segments_by_id_.size());
    for (std::uint64_t id = 1; id <= all.size(); ++id) all[id - 1] = segments_by_id_.find(id);
    return all;
}

std::vector<SpaceState*> SegmentTable::all_spaces() const {
    const std::shared_lock lock(mutex_);
    return spaces_by_id_;
}

}  // namespace braid
