#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace braid {

/// A shared mutex whose exclusive side gets its turn however many hold the shared one in turns: the
/// system's lets a new sharer in as long as another one is inside, so that readers who never pause
/// could keep a drain, and with it every commit, waiting for good. Not to be taken twice by one
/// thread.
class FairSharedMutex {
public:
    void lock() {
        waiting_.fetch_add(1);
        const std::scoped_lock gate(gate_);
        mutex_.lock();
        waiting_.fetch_sub(1);
    }
    void unlock() { mutex_.unlock(); }
    void lock_shared() {
        // Who comes while somebody waits for the exclusive side stands behind that one.
        if (waiting_.load() != 0) const std::scoped_lock behind(gate_);
        mutex_.lock_shared();
    }
    void unlock_shared() { mutex_.unlock_shared(); }

private:
    std::shared_mutex mutex_;
    std::mutex gate_;                   // held while waiting for the exclusive side
    std::atomic<unsigned> waiting_{0};  // only a hint: mutex_ alone protects
};

}  // namespace braid
