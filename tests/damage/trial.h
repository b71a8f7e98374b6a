#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/damage/reading.h"
#include "tests/damage/sample_store.h"

namespace braid::damage {

/// What was tried, and how it ended.
struct Tally {
    std::uint64_t damages = 0;
    std::uint64_t refused = 0;  ///< to open
    std::uint64_t told = 0;     ///< by reads, the rest of them exact
    std::uint64_t exact = 0;    ///< every read, whatever verify said
    std::uint64_t cut = 0;      ///< the end of the log that nothing attests
    std::uint64_t written = 0;  ///< opened for writing as well
    void add(const Tally& other);
};

/// What one damage may do.
struct Allowed {
    Position floor = 0;      ///< entries up to here stay there
    std::string noticed_in;  ///< verify must name this file, if the store opens; empty: no
    std::string
        refusal_names;         ///< a refused opening must name this file; empty: any of the store's
    bool one_segment = false;  ///< at most one segment's reads may fail
    bool also_writing = true;  ///< the store is opened for writing, too
};

/// Damages a store, one damage after another, and judges what becomes of it. The first wrong
/// outcome is kept in words; nothing is tried after it.
///
/// Damages are numbered. BRAID_DAMAGE=n tries only that one: the order never changes.
class Trials {
public:
    Trials(const SampleStore& store, std::string test, ReadMode mode = ReadMode::mapped);
    ~Trials();
    Trials(const Trials&) = delete;
    Trials& operator=(const Trials&) = delete;

    /// Flips a bit and flips it back; opened for writing, too, if `also_writing`.
    void flip(const std::string& file, std::uint64_t bit, bool also_writing);
    /// Any other damage, to a copy of the disk.
    void damage(const std::string& what, const std::function<void(sim::SimDisk&)>& damage,
                const Allowed& allowed);

    [[nodiscard]] const SampleStore& store() const noexcept { return store_; }
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

private:
    [[nodiscard]] bool begins(const std::string& what);
    [[nodiscard]] bool is_refused(const sim::SimDisk& disk, const Allowed& allowed);
    void judge_reading(sim::SimDisk& disk, const Allowed& allowed);
    void judge_writing(std::unique_ptr<sim::SimDisk> disk, const Allowed& allowed);
    void judge_refusal(const Error& error, const Allowed& allowed);
    /// The end of what the opened store holds; nullopt if that can't be right.
    [[nodiscard]] std::optional<Position> judge_end(const Engine& engine, const Allowed& allowed);
    void judge_verify(const Engine& engine, const Allowed& allowed);
    void judge_entries(const Engine& engine, const Truth& truth, const Allowed& allowed);
    void note(const std::string& what);

    const SampleStore& store_;
    Options options_;
    const std::string test_;
    const std::optional<std::uint64_t> only_;
    std::unique_ptr<sim::SimDisk> disk_;  // for damages that are taken back
    std::map<Position, Truth> shorter_;   // truths of stores whose log was cut
    Tally tally_;
    std::uint64_t number_ = 0;
    std::string what_;
    std::string phase_;
    std::string problem_;
};

}  // namespace braid::damage
