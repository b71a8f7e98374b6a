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

}  // namespace

SpaceState* SegmentTable::Finder::space(std::string_view name) const {
    const auto found = table_.spaces_.find(name);
    return found == table_.spaces_.end() ? nullptr : found->second;
}

SegmentState* SegmentTable::Finder::segment(const SpaceState& space, std::string_view name) const {
    const auto found = space.segments.find(name);
    return found == space.segments.end() ? nullptr : *found;
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
    return is_visible(**found, visible) ? *found : nullptr;
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

SegmentState& SegmentTable::make_segment(SpaceState& space, std::string_view name) {
    SegmentState& segment = segment_states_.add();
    segment.space = &space;
    segment.stored_name = names_.add(name);
    space.segments.insert(&segment);
    return segment;
}

SegmentState& SegmentTable::make(std::string_view space_name, std::string_view name) {
    const std::unique_lock lock(mutex_);
    SpaceState& space = make_space(space_name);
    const auto found = space.segments.find(name);
    return found != space.segments.end() ? **found : make_segment(space, name);
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

bool SegmentTable::restore_segment(const segment::SegmentNamed& named) {
    SpaceState* space = at_id(spaces_by_id_, named.space.value);
    if (space == nullptr || named.segment.value != segments_by_id_.size() + 1 ||
        space->segments.contains(std::string_view(named.name)))
        return false;
    segments_by_id_.reserve(named.segment.value);
    SegmentState& segment = make_segment(*space, named.name);
    segment.id = named.segment;
    segments_by_id_.set(named.segment.value, &segment);
    return true;
}

bool SegmentTable::restore_one(const segment::Change& change) {
    if (const auto* space = std::get_if<segment::SpaceNamed>(&change)) return restore_space(*space);
    if (const auto* named = std::get_if<segment::SegmentNamed>(&change))
        return restore_segment(*named);
    return true;
}

bool SegmentTable::restore(const segment::Change& named) {
    const std::unique_lock lock(mutex_);
    return restore_one(named);
}

bool SegmentTable::restore(const std::vector<segment::Change>& names) {
    const std::unique_lock lock(mutex_);
    bool reserved = false;
    for (const segment::Change& change : names) {
        // Spaces come before segments in the catalog.
        if (!reserved && std::holds_alternative<segment::SegmentNamed>(change)) {
            reserve_for(names);
            reserved = true;
        }
        if (!restore_one(change)) return false;
    }
    return true;
}

void SegmentTable::reserve_for(const std::vector<segment::Change>& names) {
    boost::unordered_flat_map<std::uint64_t, std::size_t> segments;  // by space
    for (const segment::Change& change : names)
        if (const auto* named = std::get_if<segment::SegmentNamed>(&change))
            ++segments[named->space.value];
    for (const auto& [id, count] : segments)
        if (SpaceState* space = at_id(spaces_by_id_, id))
            space->segments.reserve(space->segments.size() + count);
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
        for (const SegmentState* segment : found->second->segments)
            if (is_visible(*segment, visible)) segments.push_back(segment);
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
    // A set of n places has a byte for each, one for each 15, and the pointers.
    std::uint64_t sets = 0;
    for (const SpaceState& space : space_states_) {
        const std::uint64_t places = space.segments.bucket_count();
        sets += places * sizeof(SegmentState*) + places + places / 15;
    }
    return segment_states_.bytes() + names_.bytes() + sets + segments_by_id_.bytes() + listing;
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
