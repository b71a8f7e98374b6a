#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/sim/sim_disk.h"

namespace braid::faults {

/// A store on a simulated disk with one segment of texts, for tests that tell a story.
class SimStore {
public:
    explicit SimStore(std::unique_ptr<sim::SimDisk> disk) : disk_(std::move(disk)) { open(); }
    SimStore() : SimStore(std::make_unique<sim::SimDisk>(1)) {}
    ~SimStore() { close(); }
    SimStore(const SimStore&) = delete;
    SimStore& operator=(const SimStore&) = delete;

    [[nodiscard]] sim::SimDisk& disk() noexcept { return *disk_; }
    [[nodiscard]] Engine& engine() noexcept { return *engine_; }
    /// One small move of the log.
    void step_log() { static_cast<void>(engine_->step_log(*queue_)); }

    Result<Receipt> append(std::string_view text, Durability durability = Durability::durable);
    /// The answer, once it has come.
    using Answer = std::shared_ptr<std::optional<Result<Receipt>>>;
    [[nodiscard]] Answer append_async(std::string_view text);
    /// What a reader is served.
    [[nodiscard]] std::vector<std::string> texts(Level level = Level::committed) const;
    /// What a new process finds that opens a disk.
    [[nodiscard]] static std::vector<std::string> texts_on(std::unique_ptr<sim::SimDisk> disk);

    void reopen() {
        close();
        open();
    }

private:
    void open();
    void close();

    const std::unique_ptr<sim::SimDisk> disk_;
    std::unique_ptr<io::Queue> queue_;
    std::shared_ptr<Engine> engine_;
};

/// Code of an error; none of a success.
template <class T>
std::optional<Errc> code_of(const Result<T>& result) {
    return result ? std::nullopt : std::optional<Errc>(result.error().code());
}

}  // namespace braid::faults
