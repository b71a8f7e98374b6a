// Status signals: what has news, told as the latest of each segment, however slow who listens is.

#include <condition_variable>
#include <map>
#include <mutex>

#include "examples/example.h"

namespace {

constexpr std::uint64_t orders = 1000;

/// What is known of each segment; filled by the subscription's thread.
class Board {
public:
    void take(const braid::StatusSignal& signal) {
        const std::scoped_lock lock(mutex_);
        last_[std::string(signal.segment)] = signal.status.last_sequence.value;
        ++signals_;
        changed_.notify_all();
    }
    /// Waits until the segment has come so far.
    bool wait(const std::string& segment, std::uint64_t sequence) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(30),
                                 [&] { return last_[segment] == sequence; });
    }
    std::uint64_t signals() {
        const std::scoped_lock lock(mutex_);
        return signals_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::uint64_t> last_;
    std::uint64_t signals_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    braid::Store store = example::open(example::directory(argc, argv));
    example::value(store.append("orders", "eu-1", "placed before anybody listened"));

    Board board;
    auto subscription = example::value(store.subscribe(
        "orders", [&board](const braid::StatusSignal& signal) { board.take(signal); }));
    example::expect(board.wait("eu-1", 1), "what is there already is told first");

    for (std::uint64_t i = 0; i < orders; ++i)
        example::value(
            store.append("orders", "us-1", std::to_string(i), {}, braid::Durability::buffered));
    if (!store.sync()) return 1;
    example::expect(board.wait("us-1", orders), "the latest comes");
    example::expect(board.signals() <= orders + 1, "what came in between may be told as one");

    subscription.unsubscribe();
    const std::uint64_t before = board.signals();
    example::value(store.append("orders", "eu-1", "nobody listens any more"));
    example::expect(board.signals() == before, "nothing comes after unsubscribing");
    return store.close() ? 0 : 1;
}
