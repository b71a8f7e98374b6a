#pragma once

#include "tests/sim/sim_disk.h"

namespace braid::sim {

/// Requests that are done when they are taken, in an order that the disk picks.
class SimQueue : public io::Queue {
public:
    explicit SimQueue(SimDisk& disk);
    /// Does what is still in flight, as a ring waits for it.
    ~SimQueue() override;

    struct Started {
        io::Request request;
        std::size_t slot;
    };
    [[nodiscard]] const std::vector<Started>& started() const noexcept { return started_; }

protected:
    void reserve_slots(std::size_t count) override { started_.reserve(count); }
    void start(const io::Request& request, std::size_t slot) override;
    bool reap(RawCompletion& out, bool block) override;

private:
    SimDisk& disk_;
    std::vector<Started> started_;
};

}  // namespace braid::sim
