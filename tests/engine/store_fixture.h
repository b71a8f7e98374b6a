#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <braid/braid.hpp>

namespace braid::test {

/// Whether the suite runs under a sanitizer, where concurrent cases use smaller numbers.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

/// A new directory that goes with everything in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// Options under which a test runs, with a name for its messages.
struct Sizes {
    std::string name;
    Options options;
};
/// The defaults.
Options default_options();
/// So small that logs roll, tails drain and pieces are written all the time.
Options small_options();
/// Both of them, and small ones where the log thread leads.
std::vector<Sizes> all_sizes();

/// A store in a directory of its own.
class StoreFixture {
public:
    explicit StoreFixture(Options options = default_options());

    [[nodiscard]] Store& store() { return *store_; }
    Store* operator->() { return &*store_; }
    Store& operator*() { return *store_; }
    [[nodiscard]] const Options& options() const noexcept { return options_; }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_.path(); }

    void open();
    void close();
    void reopen();
    /// Runs `body` on the closed store in another process, which is killed when it has returned;
    /// then opens the store again. `body` says whether all went well.
    void in_killed_process(const std::function<bool(Store&)>& body);

private:
    TemporaryDirectory directory_;
    Options options_;
    std::optional<Store> store_;
};

/// A store without room for a large transaction until somebody drains it, which it doesn't by
/// itself yet.
struct FullStore {
    FullStore();
    [[nodiscard]] Transaction large();

    StoreFixture store;
    Position last_position;
};

/// Runs `body` on fresh stores, one for each of `all_sizes`.
void with_every_size(const std::function<void(StoreFixture&)>& body);
/// Runs `check` on what `fill` has written while it is in tails (as far as the sizes let it), after
/// a drain, after a reopening, and behind a gathering; for all sizes.
void in_every_state(const std::function<void(Store&)>& fill,
                    const std::function<void(Store&)>& check);

/// An entry with memory of its own.
struct Seen {
    std::string space;
    std::string segment;
    std::uint64_t sequence = 0;
    std::uint64_t position = 0;
    std::uint64_t timestamp = 0;
    std::uint64_t transaction = 0;
    std::string payload;
    std::vector<std::pair<std::string, std::string>> metadata;

    bool operator==(const Seen&) const = default;
};
Seen seen(const Entry& entry);

/// What a reader gave up to its end or its error.
struct Delivery {
    std::vector<Seen> entries;
    std::optional<Error> error;
};
Delivery read_to_end(Reader reader);
/// The entries; fails the test on an error.
std::vector<Seen> entries(Reader reader);
std::vector<std::uint64_t> sequences(const std::vector<Seen>& entries);
std::vector<std::uint64_t> positions(const std::vector<Seen>& entries);
std::vector<std::string> payloads(const std::vector<Seen>& entries);
/// first, first + 1 … last.
std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last);

/// "test data N".
std::string test_data(std::uint64_t sequence);
/// One transaction that appends `first` to `last`, each expecting its sequence.
Result<Receipt> append_range(Store& store, std::string_view space, std::string_view segment,
                             std::uint64_t first, std::uint64_t last,
                             Durability durability = Durability::durable);
/// The same; fails the test on an error.
Receipt must_append(Store& store, std::string_view space, std::string_view segment,
                    std::uint64_t first, std::uint64_t last,
                    Durability durability = Durability::durable);
AppendOptions expecting(Expectation expectation);
AppendOptions with_metadata(MetadataList metadata);
Page page(std::string after, std::uint64_t limit);

inline constexpr std::uint64_t data_set_spaces = 5;
inline constexpr std::uint64_t data_set_segments = 5;
inline constexpr std::uint64_t data_set_records = 253;
std::string space_name(std::uint64_t number);
std::string segment_name(std::uint64_t number);
/// space0…4, each with segment0…4, each with 253 records, in transactions that take turns.
void fill_data_set(Store& store);

/// The code of a failed result, or none.
template <class T>
std::optional<Errc> code(const Result<T>& result) {
    if (result) return std::nullopt;
    return result.error().code();
}
/// Fails the test with the error's sentence.
template <class T>
T must(Result<T> result) {
    REQUIRE_MESSAGE(result.has_value(), (result ? std::string() : result.error().message()));
    return *std::move(result);
}
inline void must(Result<void> result) {
    REQUIRE_MESSAGE(result.has_value(), (result ? std::string() : result.error().message()));
}
std::uint64_t last_sequence(Store& store, std::string_view space, std::string_view segment);

/// Flips a bit in every place where a pack or a segment's own file holds these bytes, followed by
/// no digit; returns how many. The store must be closed.
std::uint64_t damage_stored(const std::string& directory, std::string_view payload);

/// Checks that nothing was ever committed.
void check_empty(Store& store);
/// Checks that a commit was refused, first for a segment that was to get sequence `required` where
/// it would now get `found`.
void check_conflict(const Result<Receipt>& result, std::string_view segment, std::uint64_t required,
                    std::uint64_t found);
/// One transaction that appends to space0/segment0 records expecting these sequences.
Result<Receipt> append_sequences(Store& store, std::initializer_list<std::uint64_t> wanted);

}  // namespace braid::test

namespace doctest {

template <>
struct StringMaker<std::vector<std::uint64_t>> {
    static String convert(const std::vector<std::uint64_t>& values);
};
template <>
struct StringMaker<std::vector<std::string>> {
    static String convert(const std::vector<std::string>& values);
};
template <>
struct StringMaker<std::optional<braid::Errc>> {
    static String convert(const std::optional<braid::Errc>& code);
};
template <class Kind>
struct StringMaker<braid::Number<Kind>> {
    static String convert(const braid::Number<Kind>& number) { return toString(number.value); }
};

}  // namespace doctest
