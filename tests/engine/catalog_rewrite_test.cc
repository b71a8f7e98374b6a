// A catalog that is begun anew in parts, one drain after another, while what is in them changes.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "tests/engine/store_fixture.h"
#include "tests/main.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

constexpr std::uint64_t segments = 400;
/// With these sizes some 20 segments are written a drain: a catalog takes many.
constexpr int drains_at_least = 10;

std::set<std::string> catalogs(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        const std::string name = file.path().filename().string();
        if (name.starts_with("catalog-")) names.insert(name);
    }
    return names;
}

struct Expected {
    std::uint64_t first = 1;
    std::uint64_t last = 0;
};

/// Appends to some segments, old ones and new ones, trims one at times, and drains, until the
/// catalog was begun anew so many times.
class Changes {
public:
    explicit Changes(StoreFixture& store) : store_(store) {
        for (std::uint64_t i = 0; i < segments; ++i) append(i);
        must(store_->drain());
        make_one();  // of those that began while there were few
        drains_under_way_ = 0;
    }

    void make(int catalogs_wanted) {
        for (int begun = 0; begun < catalogs_wanted; ++begun) make_one();
        CHECK(drains_under_way_ >= drains_at_least * catalogs_wanted);
    }
    void make_until_under_way() {
        while (!is_under_way()) {
            append(random_() % segments);
            must(store_->drain());
        }
        append(0);
        must(store_->drain());
        REQUIRE(is_under_way());
    }
    [[nodiscard]] bool is_under_way() const {
        return catalogs(store_.directory()).rbegin()->ends_with(".new");
    }

    void check() const {
        for (const auto& one : expected_) {
            const std::uint64_t segment = one.first;
            const Expected& expected = one.second;
            CAPTURE(segment);
            const auto found = sequences(entries(store_->read_segment(
                space(segment), name(segment), {.on_trimmed = OnTrimmed::skip})));
            REQUIRE(found == numbers(expected.first, expected.last));
        }
        CHECK(must(store_->verify()).damages.empty());
    }

private:
    static std::string space(std::uint64_t segment) { return fmt::format("sp{}", segment % 7); }
    static std::string name(std::uint64_t segment) { return fmt::format("segment {}", segment); }

    void make_one() {
        const std::string current = newest();
        for (; newest() == current; ++drains_) {
            for (int i = 0; i < 6; ++i) append(random_() % (segments + drains_ / 2));
            if (random_() % 3 == 0) trim(random_() % segments);
            must(store_->drain());
            if (is_under_way()) ++drains_under_way_;
        }
    }
    [[nodiscard]] std::string newest() const {
        std::string found;
        for (const std::string& name : catalogs(store_.directory()))
            if (!name.ends_with(".new")) found = name;
        return found;
    }
    void append(std::uint64_t segment) {
        Expected& expected = expected_[segment];
        const std::uint64_t next = expected.last + 1;
        must_append(*store_, space(segment), name(segment), next, next, Durability::buffered);
        expected.last = next;
    }
    void trim(std::uint64_t segment) {
        Expected& expected = expected_[segment];
        if (expected.first > expected.last) return;
        const std::uint64_t through = expected.first + (expected.last - expected.first) / 2;
        must(store_->trim(space(segment), name(segment), through));
        expected.first = through + 1;
    }

    StoreFixture& store_;
    std::map<std::uint64_t, Expected> expected_;
    std::mt19937_64 random_{7};
    std::uint64_t drains_ = 0;
    int drains_under_way_ = 0;
};

TEST_CASE("a catalog is begun anew over many drains, and has what they changed") {
    StoreFixture store(small_options());
    Changes changes(store);
    changes.make(2);
    changes.check();
    store.reopen();
    changes.check();
}

TEST_CASE("where a new catalog can't be written, drains go on with the old one") {
    if (io() == Io::posix) return;  // a disk in memory has no I/O path: once is enough
    for (const sim::Call call : {sim::Call::open, sim::Call::write}) {
        sim::SimDisk disk(1);
        const auto engine =
            must(Engine::open(disk.borrow(), small_options(), Engine::Threads::none));
        disk.fail({.call = call, .onwards = true, .file = "catalog-000002.new"});
        for (std::uint64_t i = 1; i <= 60; ++i) {
            TransactionBody body(engine->options());
            for (std::uint64_t each = 0; each < 20; ++each)
                body.append("sp", fmt::format("{} of {}", each, i), as_bytes("x"), {});
            must(engine->commit(body, Durability::durable));
            must(engine->drain());
            REQUIRE(engine->stat().drained == i * 20);
            for (const std::string& name : disk.names()) REQUIRE_FALSE(name.ends_with(".new"));
        }
        const auto after = disk.power_loss_now(1);  // without the fault, whose catalog was long
        CHECK(disk.contents("catalog-000001").size() > (small_options().tail_bytes_max >> 4));
        const auto again =
            must(Engine::open(after->borrow(), small_options(), Engine::Threads::none));
        CHECK(again->stat().segments == 60 * 20);
        TransactionBody body(again->options());
        body.append("sp", "more", as_bytes("x"), {});
        must(again->commit(body, Durability::durable));
        must(again->close());
        CHECK(after->contents("catalog-000002").size() > 0);
    }
}

TEST_CASE("a closing finishes a catalog that is begun anew") {
    StoreFixture store(small_options());
    Changes changes(store);
    changes.make_until_under_way();
    store.close();
    CHECK(catalogs(store.directory()).size() == 1);
    store.open();
    changes.check();
}

TEST_CASE(
    "what was written of a new catalog doesn't count where the process ends before all of it is") {
    StoreFixture store(small_options());
    Changes changes(store);
    const auto is_under_way = [&] { return changes.is_under_way(); };
    store.in_killed_process([&](Store& other) {
        for (std::uint64_t i = 0; !is_under_way(); ++i) {
            if (!append_range(other, "more", "a", i + 1, i + 1)) return false;
            if (!append_range(other, "more", std::to_string(i), 1, 1)) return false;
            if (!other.drain()) return false;
        }
        return append_range(other, "more", "last", 1, 1) && other.drain() && is_under_way();
    });
    CHECK(catalogs(store.directory()).rbegin()->ends_with(".new"));  // in nobody's way
    changes.check();
    CHECK(last_sequence(*store, "more", "last") == 1);
    const std::uint64_t more = last_sequence(*store, "more", "a");
    CHECK(entries(store->read_space("more", {})).size() == 2 * more + 1);
    store.close();
    CHECK(catalogs(store.directory()).size() == 1);
    store.open();
    changes.check();
}

}  // namespace
}  // namespace braid::test
