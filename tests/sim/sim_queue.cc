#include "tests/sim/sim_queue.h"

#include <algorithm>

#include "tests/sim/shelter.h"

namespace braid::sim {

SimQueue::SimQueue(SimDisk& disk) : disk_(disk) {
    disk_.queues_.push_back(this);
}

SimQueue::~SimQueue() {
    RawCompletion ignored{};
    while (reap(ignored, true)) {
    }
    disk_.queues_.erase(std::find(disk_.queues_.begin(), disk_.queues_.end(), this));
}

void SimQueue::start(const io::Request& request, std::size_t slot) {
    const Shelter shelter;
    started_.push_back({request, slot});
}

bool SimQueue::reap(RawCompletion& out, bool block) {
    const Shelter shelter;
    if (started_.empty() || (!block && disk_.choices_.flip())) return false;
    const auto index = static_cast<std::ptrdiff_t>(disk_.choices_.below(started_.size()));
    const Started picked = started_[static_cast<std::size_t>(index)];
    started_.erase(started_.begin() + index);
    const io::Request& request = picked.request;
    const std::int64_t result =
        request.kind == io::Request::Kind::write
            ? request.file->raw_write(request.bytes, request.offset, request.mode)
            : request.file->raw_sync();
    out = {picked.slot, result};
    return true;
}

}  // namespace braid::sim
