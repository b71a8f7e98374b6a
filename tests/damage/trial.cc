#include "tests/damage/trial.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace braid::damage {
namespace {

constexpr unsigned hang_seconds = 30;

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* text = ::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

// What to say of a process that is about to end; a signal handler may only write.
char last_words[512];

void say_and_end(int signal) {
    const char* what = signal == SIGALRM ? "hangs" : "crashes";
    static_cast<void>(!::write(STDERR_FILENO, what, std::strlen(what)));
    static_cast<void>(!::write(STDERR_FILENO, last_words, std::strlen(last_words)));
    ::_exit(3);
}

void remember_last_words(const std::string& words) {
    const std::size_t count = std::min(words.size(), sizeof last_words - 1);
    std::memcpy(last_words, words.data(), count);
    last_words[count] = '\0';
}

}  // namespace

void Tally::add(const Tally& other) {
    damages += other.damages;
    refused += other.refused;
    told += other.told;
    exact += other.exact;
    cut += other.cut;
    written += other.written;
}

Trials::Trials(const SampleStore& store, std::string test, ReadMode mode)
    : store_(store),
      options_(store.options),
      test_(std::move(test)),
      only_(number_from_environment("BRAID_DAMAGE")),
      disk_(store.disk->clone()) {
    options_.read_mode = mode;
    for (const int signal : {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT})
        ::signal(signal, say_and_end);
}

Trials::~Trials() {
    ::alarm(0);
    for (const int signal : {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT}) ::signal(signal, SIG_DFL);
}

bool Trials::begins(const std::string& what) {
    ++number_;
    if (!problem_.empty() || (only_ && *only_ != number_)) return false;
    ++tally_.damages;
    what_ = what;
    remember_last_words(fmt::format(": {}\nrepeat with: BRAID_DAMAGE={} test_damage -tc='{}'\n",
                                    what, number_, test_));
    ::alarm(hang_seconds);
    return true;
}

void Trials::note(const std::string& what) {
    if (!problem_.empty()) return;
    problem_ =
        fmt::format("{} store, {}, {}: {}\nrepeat with: BRAID_DAMAGE={} test_damage -tc='{}'",
                    store_.name, what_, phase_, what, number_, test_);
}

void Trials::flip(const std::string& file, std::uint64_t bit, bool also_writing) {
    const std::uint64_t offset = bit / 8;
    if (!begins(fmt::format("bit {} of byte {} of {} flipped", bit % 8, offset, file))) return;
    Allowed allowed;
    allowed.floor =
        store_.is_unattested(file, offset) ? store_.batches.back().before : store_.truth.last();
    allowed.refusal_names = file;
    if (store_.must_be_noticed(file, offset)) allowed.noticed_in = file;
    allowed.one_segment =
        file.starts_with("pack-") || file.starts_with("segment-") || file.starts_with("body-");
    disk_->flip_bit(file, bit);
    // A reader tries many times before it believes in damage: most refusals are judged without one.
    const bool decides_opening = file.starts_with("log-") || file.starts_with("catalog-");
    if (!decides_opening || number_ % 64 == 0 || !is_refused(*disk_, allowed))
        judge_reading(*disk_, allowed);
    if (also_writing) judge_writing(disk_->clone(), allowed);
    disk_->flip_bit(file, bit);
}

void Trials::damage(const std::string& what, const std::function<void(sim::SimDisk&)>& damage,
                    const Allowed& allowed) {
    if (!begins(what)) return;
    auto disk = store_.disk->clone();
    damage(*disk);
    if (!allowed.also_writing && is_refused(*disk, allowed)) return;
    judge_reading(*disk, allowed);
    if (allowed.also_writing) judge_writing(std::move(disk), allowed);
}

bool Trials::is_refused(const sim::SimDisk& disk, const Allowed& allowed) {
    phase_ = "opened for writing";
    const auto copy = disk.clone();
    const auto engine = Engine::open(copy->borrow(), options_, Engine::Threads::none);
    if (engine) {
        copy->cut_power();  // what it would do at its end is of no interest
        return false;
    }
    ++tally_.refused;
    judge_refusal(engine.error(), allowed);
    return true;
}

void Trials::judge_refusal(const Error& error, const Allowed& allowed) {
    std::string what = Reading::imprecise(error, store_.files);
    if (what.empty() && error.message().find(allowed.refusal_names) == std::string::npos)
        what = fmt::format("an error that names another file: {}", error.message());
    if (!what.empty()) note(what);
}

std::optional<Position> Trials::judge_end(const Engine& engine, const Allowed& allowed) {
    const Position end = engine.watermarks().durable();
    if (end > store_.truth.last() || !store_.truth.is_end(end)) {
        note(fmt::format("the store ends at position {}", end.value));
        return std::nullopt;
    }
    if (end < allowed.floor) {
        note(fmt::format("the store ends at position {}; all up to {} was attested", end.value,
                         allowed.floor.value));
        return std::nullopt;
    }
    if (end < store_.truth.last()) shorter_.try_emplace(end, store_.truth.up_to(end));
    return end;
}

void Trials::judge_entries(const Engine& engine, const Truth& truth, const Allowed& allowed) {
    Reading reading(truth, store_.files);
    reading.read_all(engine);
    if (!reading.wrong().empty()) return note(reading.wrong());
    if (allowed.one_segment && reading.segments_failed() > 1)
        return note(fmt::format("{} segments can't be read", reading.segments_failed()));
    if (!reading.errors().empty())
        ++tally_.told;
    else if (truth.last() < store_.truth.last())
        ++tally_.cut;
    else
        ++tally_.exact;
}

void Trials::judge_verify(const Engine& engine, const Allowed& allowed) {
    const auto report = engine.verify();
    if (!report) return note("verify fails: " + report.error().message());
    if (allowed.noticed_in.empty()) return;
    for (const Damage& damage : report->damages)
        if (damage.file == allowed.noticed_in) return;
    note("verify finds nothing in " + allowed.noticed_in);
}

void Trials::judge_reading(sim::SimDisk& disk, const Allowed& allowed) {
    phase_ = "opened for reading";
    Options options = options_;
    options.read_only = true;
    const auto engine = Engine::open(disk.borrow(), options, Engine::Threads::none);
    if (!engine) {
        ++tally_.refused;
        return judge_refusal(engine.error(), allowed);
    }
    const auto end = judge_end(**engine, allowed);
    if (!end) return;
    const auto shorter = shorter_.find(*end);
    judge_entries(**engine, shorter == shorter_.end() ? store_.truth : shorter->second, allowed);
    judge_verify(**engine, allowed);
}

/// What was damaged may be told, and nothing else may be harmed: not by an opening that is refused,
/// and not by one that goes on writing.
void Trials::judge_writing(std::unique_ptr<sim::SimDisk> disk, const Allowed& allowed) {
    if (!problem_.empty()) return;
    phase_ = "opened for writing";
    ++tally_.written;
    const auto before = disk->clone();
    Tally unused = tally_;
    {
        auto engine = Engine::open(disk->borrow(), options_, Engine::Threads::none);
        if (!engine) {
            judge_refusal(engine.error(), allowed);
            for (const std::string& name : before->names())
                if (!disk->exists(name) || disk->contents(name) != before->contents(name))
                    note("a refused opening has changed " + name);
            return;
        }
        const auto end = judge_end(**engine, allowed);
        if (!end) return;
        Truth truth = *end == store_.truth.last() ? store_.truth : store_.truth.up_to(*end);
        judge_entries(**engine, truth, allowed);
        truth.commit(**engine, {{"orders", "ann", "afterwards", "m"}, {"new", "n", "new", ""}});
        judge_entries(**engine, truth, allowed);
        if (const auto closed = (*engine)->close(); !closed) judge_refusal(closed.error(), {});
        engine->reset();
        phase_ = "written to and opened again";
        const auto again = open_for_reading(*disk, store_);
        if (again->watermarks().durable() != truth.last())
            return note(fmt::format("ends at position {}", again->watermarks().durable().value));
        judge_entries(*again, truth, allowed);
    }
    std::swap(tally_, unused);
}

}  // namespace braid::damage
