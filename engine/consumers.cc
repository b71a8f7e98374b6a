#include <algorithm>

#include "engine/engine.h"

namespace braid {

std::unique_lock<std::mutex> Engine::lock_sequencer() const {
    if (group_ == nullptr) return {};
    return std::unique_lock(group_->mutex);
}

std::optional<Consumer> Engine::consumer(std::string_view name, Level level) const {
    const auto lock = lock_sequencer();
    return consumers_->find(name, watermarks_.transaction_at(level));
}

/// In turns, so that no commit waits long.
std::vector<std::string> Engine::consumer_names(std::string after, std::uint64_t limit) const {
    constexpr std::size_t turn = 256;
    std::vector<std::string> names;
    for (bool more = true; more;) {
        const auto lock = lock_sequencer();
        more = consumers_->list(after, limit, turn, watermarks_.transaction_at(Level::committed),
                                names);
    }
    return names;
}

}  // namespace braid
