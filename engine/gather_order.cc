// The space orders of the packs that are gathered, merged into one.
#include <fmt/format.h>

#include <utility>

#include "engine/gather.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// Entries of the space order that a step looks at, before it goes to another section.
constexpr std::size_t step_entries = 50'000;

}  // namespace

Result<void> Gather::add_order() {
    for (entries_ = 0; entries_ < step_entries && out_.size() < step_bytes;) {
        if (part_ == space_end_ && !begin_pass()) {
            phase_ = Phase::finish;
            break;
        }
        if (auto added = add_section(parts_[part_++]); !added) return added;
    }
    return write_out(false);
}

/// Goes to the next space, or a second time through the one whose records were counted. False
/// behind the last one.
bool Gather::begin_pass() {
    if (std::exchange(counting_, false)) {
        part_ = space_begin_;
    } else {
        finish_section();
        if (part_ == parts_.size()) return false;
        space_begin_ = part_;
        space_records_ = 0;
        for (; space_end_ < parts_.size() &&
               parts_[space_end_].section->space == parts_[part_].section->space;
             ++space_end_) {
            space_records_ += parts_[space_end_].section->records;
            counting_ = counting_ || sources_[parts_[space_end_].source]->leaves_out();
        }
    }
    if (counting_)
        space_records_ = 0;
    else
        begin_section();
    return true;
}

/// What is left out of a space counts as if it had come before all that is kept: so the space's
/// next section goes on where this one ends, and who counts from the end finds the same.
void Gather::begin_section() {
    if (space_records_ == 0) return;
    const Part& first = parts_[space_begin_];
    const index::OrderSection& last = *parts_[space_end_ - 1].section;
    index::OrderSection section;
    section.space = last.space;
    section.pack = gathered_.info.number;
    section.offset = offset();
    section.records_before = last.records_before + last.records - space_records_;
    section.replaced_checksum = last.followed_as();
    encoder_.emplace(out_, section, previous_of(first).value_or(0), target_.store_seed);
}

std::optional<std::uint64_t> Gather::previous_of(const Part& part) const {
    const std::uint32_t number = sources_[part.source]->pack().info.number;
    return target_.storage.previous_checksum(*target_.storage.pack_number(number), *part.section);
}

Result<void> Gather::add_section(const Part& part) {
    GatherSource& source = *sources_[part.source];
    const auto entries = source.order(*part.section, previous_of(part));
    if (!entries) return entries.error();
    entries_ += 1 + entries->size();
    for (index::OrderEntry entry : *entries) {
        const bool is_here = entry.source == 0;
        if (is_here) {
            const auto moved = source.moved_from(entry.offset);
            if (!moved) continue;  // left out, or missed when all records are counted
            entry.offset = *moved;
        } else if (entry.source > source.pack().info.pieces) {
            return other_than_counted();
        } else {
            entry.source += part.pieces_before;
        }
        if (counting_) {
            space_records_ += entry.records;
            continue;
        }
        if (!encoder_) return other_than_counted();
        if (is_here) ordered_records_ += entry.records;
        encoder_->add(entry);
    }
    return {};
}

Error Gather::other_than_counted() const {
    return Error(Errc::corrupt,
                 fmt::format("{}: {} records were gathered, and the space order has others",
                             segment::pack_name(gathered_.info.number), copied_records_));
}

void Gather::finish_section() {
    if (!encoder_) return;
    gathered_.sections.push_back(encoder_->finish());
    encoder_.reset();
}

}  // namespace braid
