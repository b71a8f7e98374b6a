#include <unistd.h>

#include <braid/store.hpp>
#include <chrono>
#include <optional>

#include "tools/commands.h"
#include "tools/entry_json.h"
#include "tools/stop_signals.h"

namespace braid::tools {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
constexpr std::uint64_t entries_per_look = 1024;  // between looks for a signal

/// Where a read stands: what it has printed, and behind which position a next round goes on.
class ReadCommand {
public:
    explicit ReadCommand(const ReadArguments& arguments)
        : arguments_(arguments), output_(STDOUT_FILENO), bounds_(arguments.bounds) {}

    int run() {
        if (arguments_.follow) signals_.emplace();
        auto store = open_to_read(arguments_.store);
        if (!store) return report(store.error());
        auto result = print_all(*store);
        while (result && arguments_.follow && goes_on()) {
            result = store->refresh();
            if (result) result = print_all(*store);
        }
        const ExitCode printed = output_.finish();
        return result ? printed : report(result.error());
    }

private:
    /// Prints what the store holds now beyond what was printed before.
    Result<void> print_all(const Store& store) {
        Reader reader = open_reader(store);
        while (const auto* next = reader.next()) {
            if (!*next) return next->error();
            print(**next);
            if (!output_.flush_if_large() || is_stopped()) break;
        }
        if (arguments_.follow) output_.flush();
        return {};
    }

    Reader open_reader(const Store& store) const {
        if (arguments_.segment) {
            return store.read_segment(arguments_.spaces.front(), *arguments_.segment, bounds_);
        }
        const Bounds bounds{.after = bounds_.after,
                            .from_time = bounds_.from_time,
                            .to_time = bounds_.to_time,
                            .limit = bounds_.limit,
                            .backward = bounds_.backward,
                            .level = bounds_.level,
                            .on_trimmed = bounds_.on_trimmed,
                            .as_of = bounds_.as_of};
        if (arguments_.spaces.empty()) return store.read_all(bounds);
        std::vector<SpaceCursor> spaces;
        for (const std::string& space : arguments_.spaces) spaces.push_back({space, bounds.after});
        return store.read_spaces(spaces, bounds);
    }

    void print(const Entry& entry) {
        if (arguments_.payload_only) {
            const std::string_view text = entry.text();
            output_.buffer().append(text.data(), text.data() + text.size());
            output_.buffer().push_back('\n');
        } else {
            json_.append(output_.buffer(), entry);
        }
        ++printed_;
        if (!arguments_.follow) return;
        bounds_.after = entry.position;
        if (bounds_.limit > 0) is_done_ = --bounds_.limit == 0;
    }

    bool is_stopped() {
        return is_done_ || (signals_ && printed_ % entries_per_look == 0 && signals_->came());
    }

    /// Waits for the next round of a follow; false if there is none.
    bool goes_on() { return !is_done_ && output_.has_reader() && !signals_->wait(poll_interval); }

    const ReadArguments& arguments_;
    Output output_;
    EntryJson json_;
    SegmentBounds bounds_;
    std::uint64_t printed_ = 0;
    bool is_done_ = false;  // the limit of a follow is reached
    std::optional<StopSignals> signals_;
};

}  // namespace

int run_read(const ReadArguments& arguments) {
    return ReadCommand(arguments).run();
}

}  // namespace braid::tools
