// Who touches an entry's views after their time is caught, in the build with AddressSanitizer.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/lent_record.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sees_addresses = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool sees_addresses = true;
#else
constexpr bool sees_addresses = false;
#endif
#else
constexpr bool sees_addresses = false;
#endif

/// Whether another process that does this dies of it.
bool is_caught(const std::function<void()>& touch) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_WRONLY);
        ::dup2(nowhere, STDERR_FILENO);
        touch();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

void touch(Bytes bytes) {
    for (const std::byte& one : bytes)
        static_cast<void>(*static_cast<const volatile std::byte*>(&one));
}

const Entry& must_be(const Result<Entry>* next) {
    REQUIRE(next != nullptr);
    REQUIRE(*next);
    return **next;
}

void check_views(Store& store) {
    Reader reader = store.read_space("sp");
    const Entry& entry = must_be(reader.next());
    const Bytes payload = entry.payload;
    // The number of pairs stands before the first one.
    const Bytes record(entry.metadata.encoded() - 1, payload.data() + payload.size());
    const Bytes key(reinterpret_cast<const std::byte*>(entry.metadata.begin()->key.data()),
                    entry.metadata.begin()->key.size());
    const KeptEntry kept = entry.keep();
    CHECK_FALSE(is_caught([&] { touch(payload), touch(key), touch(record); }));
    CHECK(is_caught([&] { touch({payload.data(), payload.size() + 1}); }));
    CHECK(is_caught([&] { touch({record.data() - 1, 1}); }));
    const Bytes second = must_be(reader.next()).payload;
    CHECK(is_caught([&] { touch(payload); }));
    CHECK(is_caught([&] { touch(key); }));
    CHECK_FALSE(is_caught([&] { touch(second), touch(kept->payload); }));
    while (reader.next() != nullptr) {
    }
    CHECK(is_caught([&] { touch(second); }));
    CHECK_FALSE(is_caught([&] { touch(kept->payload); }));
}

void check_batches(Store& store) {
    std::optional<Follower> follower = store.follow_space("sp");
    const Result<Batch>* batch = follower->next_batch(3);
    REQUIRE((batch != nullptr && *batch));
    const Bytes first = (**batch).entries.front().payload;
    const Bytes last = (**batch).entries.back().payload;
    REQUIRE((**batch).entries.size() == 3);
    CHECK_FALSE(is_caught([&] { touch(first), touch(last); }));
    const Bytes next = must_be(follower->next()).payload;
    CHECK(is_caught([&] { touch(first); }));
    CHECK(is_caught([&] { touch(last); }));
    follower.reset();
    CHECK(is_caught([&] { touch(next); }));
}

}  // namespace

TEST_CASE("R-01 who touches a view after its reader's next step or beyond its end is caught" *
          doctest::skip(!sees_addresses || !poisons_views)) {
    Options options = default_options();
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        options.read_mode = mode;
        StoreFixture fixture(options);
        for (int i = 0; i < 5; ++i)
            must(fixture->append("sp", "a", test_data(1), with_metadata({{"key", "value"}})));
        check_views(*fixture);
        check_batches(*fixture);
        must(fixture->drain());
        check_views(*fixture);
        check_batches(*fixture);
    }
}

}  // namespace braid::test
