// What a drain does once its record is durable: readers go over to what is stored.
#include "engine/drain.h"
#include "segment/pack.h"

namespace braid {

/// May throw std::bad_alloc, and is then carried on where it stood.
void Drain::publish() {
    if (!stored_shown_) show_stored();
    publish_segments();
    if (is_gathering())
        publish_gathered();
    else if (trim_)
        publish_trims();
    else
        let_go_of_tails();
    if (!is_gathering()) ++drains_;
    drained_bytes_ += frames_bytes_;
    stored_bytes_ += record_bytes_.size();
    if (frames_bytes_ != 0) drained_us_ = begun_us_;
    next_space_ = record_.next_space;
    next_segment_ = record_.next_segment;
    give_up();
}

void Drain::show_stored() {
    const std::unique_lock lock(target_.storage.publish);
    target_.storage.add(record_);
    for (const index::SegmentTrim& trim : record_.trims)
        apply_trim(trim, target_.table, target_.storage);
    stored_shown_ = true;
    if (is_gathering()) return;  // what its sections say of their spaces is known
    for (const index::OrderSection& section : record_.sections) {
        SpaceState& space = *target_.table.find(section.space);
        space.in_catalog = true;
        space.order = {section.records_before + section.records, section.followed_as()};
    }
}

void Drain::publish_segments() {
    constexpr std::size_t turn = 1024;  // so that no reader waits long
    while (segments_shown_ < work_.size()) {
        const std::unique_lock lock(target_.storage.publish);
        const std::size_t end = std::min(work_.size(), segments_shown_ + turn);
        for (; segments_shown_ < end; ++segments_shown_) {
            fetch_segment(segments_shown_ + segments_ahead);
            const Work& work = work_[segments_shown_];
            SegmentState& segment = *work.segment;
            if (work.piece != 0) segment.add_piece(record_.pieces[work.piece - 1]);
            segment.set_drained(work.update);
            const segment::TailNode* newest = segment.tail.load(std::memory_order_acquire);
            if (newest != nullptr && newest->last_sequence() <= work.update.last_sequence)
                segment.tail.compare_exchange_strong(newest, nullptr);
        }
    }
}

void Drain::let_go_of_tails() {
    std::vector<std::shared_ptr<segment::Chunk>> empty;
    {
        const std::scoped_lock lock(target_.commit_mutex);
        empty = target_.arena.take_through(record_.cut, record_.transaction,
                                           target_.sequencer.last_position());
        target_.consumers.finish_drain();
        target_.leases.finish_drain();
    }
    // Nobody who began to walk before this point is still walking after it: the chunks may go.
    { const std::unique_lock lock(target_.storage.publish); }
}

/// What can't be removed now is removed by the next opening.
void Drain::publish_trims() {
    for (const std::string& name : trim_->retired) {
        target_.storage.files.forget(name);
        static_cast<void>(target_.disk.remove(name));
    }
    trim_.reset();
}

void Drain::publish_gathered() {
    remove_gathered_from();
    target_.storage.reserve_pack(0);
    gathered_.reset();
    ++gathered_count_;
}

void Drain::remove_gathered_from() {
    std::vector<std::string> names;
    for (const std::uint32_t number : gathered_->sources)
        names.push_back(segment::pack_name(number));
    target_.storage.remove_later(names);
}

/// Where frames come fast the next drain is soon to need them.
void Drain::let_go_of_parts() {
    std::erase_if(parts_, [this](const Part& part) {
        return mode_ == io::WriteMode::cached || part.bytes.capacity() > write_bytes_max;
    });
    for (Part& part : parts_) part.writes = 0;
}

/// Forgets the drain under way, whether it was published or not.
void Drain::give_up() {
    phase_ = Phase::idle;
    stored_shown_ = false;
    segments_shown_ = 0;
    if (catalog_doubtful_) catalog_file_.reset();
    outputs_.clear();
    outputs_finished_ = 0;
    let_go_of_parts();
    built_ = 0;
    for (std::size_t i = 0; i < work_.size(); ++i) {
        fetch_segment(i + segments_ahead);
        work_[i].segment->drain_work = 0;
    }
    work_.clear();
    large_.clear();
    frames_bytes_ = 0;
    nodes_.clear();
    frames_.clear();
    joiner_.clear();
    chunks_.clear();
    order_ = {};
    record_ = {};
}

}  // namespace braid
