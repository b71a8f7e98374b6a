// Large bodies: written once to body files, read from there, and gone with the last entry that has
// one in a file.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/file.h"
#include "io/planted.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

constexpr std::uint64_t kib = 1024;

/// Bodies of 5 KiB are large, and two of them fill a body file.
Options with_bodies() {
    Options options = small_options();
    options.large_body_bytes = 5 * kib;
    options.body_file_bytes = 20 * kib;
    return options;
}

std::string body(std::uint64_t number, std::size_t bytes = 5 * kib) {
    std::string text = fmt::format("body {} ", number);
    text.resize(bytes, static_cast<char>('a' + number % 26));
    return text;
}

std::vector<std::string> body_files(const StoreFixture& store) {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(store.directory()))
        if (file.path().filename().string().starts_with("body-"))
            names.push_back(file.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

void append(Store& store, std::uint64_t number, std::string_view segment = "seg") {
    must(store.append("sp", segment, body(number)));
}

void append_all(Store& store, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t number = first; number <= last; ++number) append(store, number);
}

std::vector<std::string> bodies(std::uint64_t first, std::uint64_t last) {
    std::vector<std::string> texts;
    for (std::uint64_t number = first; number <= last; ++number) texts.push_back(body(number));
    return texts;
}

void flip(const StoreFixture& store, const std::string& name, std::uint64_t offset) {
    std::fstream file(store.directory() + "/" + name,
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
    REQUIRE(file.good());
}

/// What `check` asks holds from memory, from packs and after a reopening, in both read modes.
void in_every_place(const std::function<void(Store&)>& fill,
                    const std::function<void(Store&)>& check) {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        CAPTURE(static_cast<int>(mode));
        Options options = with_bodies();
        options.read_mode = mode;
        StoreFixture store(options);
        fill(*store);
        check(*store);
        must(store->drain());
        check(*store);
        store.reopen();
        check(*store);
        CHECK(store->verify()->damages.empty());
        CHECK(store->verify()->unknown_files.empty());
    }
}

TEST_CASE("large body: small and large records of a segment are read in order, both ways") {
    in_every_place(
        [](Store& store) {
            auto transaction = store.begin();
            for (std::uint64_t i = 1; i <= 9; ++i)
                transaction.append("sp", "seg", i % 3 == 0 ? body(i) : test_data(i),
                                   {.metadata = {{"number", std::to_string(i)}}});
            must(transaction.commit());
            append(store, 10);
        },
        [](Store& store) {
            const auto forward = entries(store.read_segment("sp", "seg"));
            REQUIRE(sequences(forward) == numbers(1, 10));
            for (std::uint64_t i = 1; i <= 9; ++i) {
                CHECK(forward[i - 1].payload == (i % 3 == 0 ? body(i) : test_data(i)));
                REQUIRE(forward[i - 1].metadata.size() == 1);
                CHECK(forward[i - 1].metadata.front().second == std::to_string(i));
            }
            CHECK(forward.back().payload == body(10));
            CHECK(forward.back().metadata.empty());
            auto backward = entries(store.read_space("sp", {.backward = true}));
            std::reverse(backward.begin(), backward.end());
            CHECK(backward == forward);
            CHECK(entries(store.read_all()) == forward);
            CHECK(entries(store.read_segment("sp", "seg", {.from = 3, .to = 3})).front() ==
                  forward[2]);
            CHECK(entries(store.read_space("sp", {.as_of = 9})).size() == 9);
        });
}

TEST_CASE("large body: peek, status, keep, copy and seek know it") {
    in_every_place([](Store& store) { append_all(store, 1, 5); },
                   [](Store& store) {
                       const auto newest = must(store.peek("sp", "seg"));
                       REQUIRE(newest);
                       CHECK(as_text((*newest)->payload) == body(5));
                       CHECK(must(store.status("sp", "seg")).last_sequence == 5);
                       std::vector<KeptEntry> kept;
                       {
                           auto reader = store.read_segment("sp", "seg");
                           while (const auto next = reader.next()) {
                               REQUIRE(*next);
                               kept.push_back((**next).keep());
                               kept.push_back((**next).copy());
                           }
                           const auto sought = reader.seek(2);
                           REQUIRE(sought != nullptr);
                           REQUIRE(*sought);
                           CHECK(as_text((**sought).payload) == body(2));
                       }
                       REQUIRE(kept.size() == 10);
                       for (std::size_t i = 0; i < kept.size(); ++i)
                           CHECK(as_text(kept[i]->payload) == body(i / 2 + 1));
                   });
}

TEST_CASE("large body: a follower is given it in batches of its own") {
    StoreFixture store(with_bodies());
    must_append(*store, "sp", "seg", 1, 3);
    append(*store, 4);
    append(*store, 5);
    must_append(*store, "sp", "seg", 6, 7);
    auto follower = store->follow_space("sp", {});
    std::vector<std::string> found;
    while (found.size() < 7) {
        const auto batch = follower.next_batch(100, std::chrono::seconds(10));
        REQUIRE(batch != nullptr);
        REQUIRE(*batch);
        for (const Entry& entry : (**batch).entries) found.emplace_back(as_text(entry.payload));
    }
    CHECK(found == std::vector<std::string>{test_data(1), test_data(2), test_data(3), body(4),
                                            body(5), test_data(6), test_data(7)});
}

TEST_CASE("large body: a transaction with an id is known again, wherever its bodies lie") {
    // Where they aren't large, the shorter one shares a frame with the record behind it.
    for (const std::size_t bytes : {6 * kib, 70 * kib}) {
        CAPTURE(bytes);
        StoreFixture store(with_bodies());
        const auto commit_to = [&](Store& to, std::uint64_t number) {
            auto transaction = to.begin();
            transaction.set_id({1, 2, 3});
            transaction.append("sp", "seg", body(number, bytes)).append("sp", "seg", "small");
            transaction.append("sp", "seg", body(9, bytes), {.metadata = {{"key", "value"}}});
            transaction.append("sp", "other", "last", {.metadata = {{"key", "value"}}});
            return transaction.commit();
        };
        const Receipt first = must(commit_to(*store, 1));
        const auto files = body_files(store);
        const Receipt again = must(commit_to(*store, 1));
        CHECK(again.repeated);
        CHECK(again.first_position == first.first_position);
        CHECK(code(commit_to(*store, 2)) == Errc::conflict);
        CHECK(body_files(store) == files);  // judged before a body is written
        store.reopen();
        CHECK(must(commit_to(*store, 1)).repeated);
        // And whether it was a large body or not.
        Options options = with_bodies();
        options.large_body_bytes = 0;
        store.close();
        auto other = must(Store::open(store.directory(), options));
        CHECK(must(commit_to(other, 1)).repeated);
        CHECK(code(commit_to(other, 2)) == Errc::conflict);
        must(other.close());
        store.open();
    }
}

TEST_CASE("large body: a conflict writes none") {
    StoreFixture store(with_bodies());
    auto transaction = store->begin();
    transaction.append("sp", "seg", body(1), {.expect = expect::sequence(7)});
    CHECK(code(transaction.commit()) == Errc::conflict);
    CHECK(body_files(store).empty());
}

TEST_CASE("large body: a commit that must not block leaves it to one that may") {
    StoreFixture store(with_bodies());
    auto transaction = store->begin();
    transaction.append("sp", "seg", body(1));
    CHECK_FALSE(transaction.try_commit_async([](const Result<Receipt>&) {}));
    must(transaction.commit());
    CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 1));
}

TEST_CASE("large body: buffered and asynchronous commits have them as well") {
    StoreFixture store(with_bodies());
    must(store->append("sp", "seg", body(1), {}, Durability::buffered));
    auto transaction = store->begin();
    transaction.append("sp", "seg", body(2));
    transaction.commit_async([](const Result<Receipt>&) {});
    must(store->sync());
    CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 2));
}

TEST_CASE("large body: files roll, end with their last body, and an opening begins another") {
    StoreFixture store(with_bodies());
    append_all(*store, 1, 5);
    CHECK(body_files(store) ==
          std::vector<std::string>{"body-000001", "body-000002", "body-000003"});
    store.reopen();
    CHECK(body_files(store).size() == 3);
    CHECK(std::filesystem::file_size(store.directory() + "/body-000003") == 12 * kib);
    append(*store, 6);
    CHECK(body_files(store).size() == 4);
    CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 6));
    CHECK(store->verify()->unknown_files.empty());
}

TEST_CASE("large body: one that is larger than a body file gets a file of its own") {
    StoreFixture store(with_bodies());
    must(store->append("sp", "seg", body(1, 100 * kib)));
    append(*store, 2);
    CHECK(body_files(store).size() == 2);
    CHECK(as_text((*must(store->peek("sp", "seg")))->payload) == body(2));
    CHECK(entries(store->read_segment("sp", "seg")).front().payload == body(1, 100 * kib));
}

TEST_CASE("large body: a body file goes when all of its bodies are trimmed") {
    StoreFixture store(with_bodies());
    append_all(*store, 1, 7);
    must(store->trim("sp", "seg", 3));
    CHECK(body_files(store) ==
          std::vector<std::string>{"body-000002", "body-000003", "body-000004"});
    CHECK(store->stat().bodies == 4);
    CHECK(store->stat().body_files == 3);
    must(store->trim("sp", "seg", 4));
    CHECK(body_files(store) == std::vector<std::string>{"body-000003", "body-000004"});
    CHECK(sequences(entries(store->read_segment("sp", "seg", {.from = 5}))) == numbers(5, 7));
    CHECK(store->verify()->damages.empty());
    store.reopen();
    CHECK(body_files(store) == std::vector<std::string>{"body-000003", "body-000004"});
    CHECK(payloads(entries(store->read_segment("sp", "seg", {.from = 5}))) == bodies(5, 7));
    // The file that was written last is let go of once another is, by the next trim.
    append_all(*store, 8, 8);
    must(store->trim("sp", "seg", 7));
    CHECK(body_files(store) == std::vector<std::string>{"body-000005"});
    must(store->trim("sp", "seg", 8));
    CHECK(body_files(store) == std::vector<std::string>{"body-000005"});
    append_all(*store, 9, 11);
    must(store->trim("sp", "seg", 9));
    CHECK(body_files(store) == std::vector<std::string>{"body-000006"});
    must(store->trim("sp", "seg", 10));
    CHECK(body_files(store) == std::vector<std::string>{"body-000006"});
    CHECK(store->verify()->damages.empty());
    CHECK(store->verify()->unknown_files.empty());
}

TEST_CASE("large body: a file stays while another segment has a body in it, or one isn't drained") {
    StoreFixture store(with_bodies());
    append(*store, 1, "a");
    append(*store, 2, "b");
    append(*store, 3, "a");
    must(store->trim("sp", "a", 2));
    CHECK(body_files(store).size() == 2);
    CHECK(payloads(entries(store->read_segment("sp", "b"))) == bodies(2, 2));
    must(store->trim("sp", "b", 1));
    CHECK(body_files(store) == std::vector<std::string>{"body-000002"});
}

TEST_CASE("large body: what a reader holds or was about to read is trimmed under it") {
    for (const OnTrimmed how : {OnTrimmed::refuse, OnTrimmed::skip}) {
        StoreFixture store(with_bodies());
        append_all(*store, 1, 7);
        must(store->drain());
        auto reader = store->read_segment("sp", "seg", {.on_trimmed = how});
        const auto first = reader.next();
        REQUIRE(first != nullptr);
        REQUIRE(*first);
        const KeptEntry kept = (**first).keep();
        must(store->trim("sp", "seg", 4));
        CHECK(as_text((**first).payload) == body(1));
        CHECK(as_text(kept->payload) == body(1));
        std::vector<std::uint64_t> found;
        const Result<Entry>* next = reader.next();
        for (; next != nullptr && *next; next = reader.next()) {
            CHECK(as_text((**next).payload) == body((**next).sequence.value));
            found.push_back((**next).sequence.value);
        }
        if (how == OnTrimmed::refuse) {
            REQUIRE(next != nullptr);
            CHECK(next->error().code() == Errc::trimmed);
            CHECK(next->error().trimmed()->trimmed_through == 4);
            CHECK(next->error().trimmed()->first_left == 5);
        } else {
            CHECK(next == nullptr);
            CHECK(found.back() == 7);
        }
    }
}

TEST_CASE("large body: a damaged or missing one is told, and everything else is served") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        Options options = with_bodies();
        options.read_mode = mode;
        StoreFixture store(options);
        append_all(*store, 1, 5);
        must_append(*store, "sp", "small", 1, 3);
        store.close();
        flip(store, "body-000001", 12 * kib + 100);
        std::filesystem::remove(store.directory() + "/body-000003");
        store.open();
        const auto second = read_to_end(store->read_segment("sp", "seg", {.from = 2}));
        REQUIRE(second.error);
        CHECK(second.error->code() == Errc::corrupt);
        CHECK(second.error->message().find("body-000001 at offset 12288") != std::string::npos);
        // Sound entries are left behind it in what the reader holds; still the error stays.
        auto stuck = store->read_segment("sp", "seg", {});
        const Result<Entry>* sound = stuck.next();
        REQUIRE((sound != nullptr && *sound));
        CHECK(as_text((**sound).payload) == body(1));
        for (int i = 0; i < 3; ++i) {
            const Result<Entry>* again = stuck.next();
            REQUIRE(again != nullptr);
            REQUIRE_FALSE(*again);
            CHECK(again->error().code() == Errc::corrupt);
        }
        CHECK(payloads(entries(store->read_segment("sp", "seg", {.to = 1}))) == bodies(1, 1));
        CHECK(payloads(entries(store->read_segment("sp", "seg", {.from = 3, .to = 4}))) ==
              bodies(3, 4));
        CHECK(code(store->peek("sp", "seg")) == Errc::corrupt);
        // Numbers and times are known, and so is where something lies.
        CHECK(must(store->status("sp", "seg")).last_sequence == 5);
        CHECK(must(store->lag(Source("sp", "seg"), 2)) == 3);
        CHECK(entries(store->read_segment("sp", "small")).size() == 3);
        const auto report = must(store->verify());
        REQUIRE(report.damages.size() == 2);
        CHECK(report.damages[0].file == "body-000001");
        CHECK(report.damages[0].offset == 12 * kib);
        CHECK(report.damages[1].file == "body-000003");
        append(*store, 6);
        CHECK(as_text((*must(store->peek("sp", "seg")))->payload) == body(6));
    }
}

TEST_CASE("large body: a byte of a body file's header or padding that changed is noticed") {
    for (const std::uint64_t offset : {std::uint64_t{40}, 200 * 1UL, 4 * kib + 5 * kib}) {
        CAPTURE(offset);
        StoreFixture store(with_bodies());
        append(*store, 1);
        store.close();
        flip(store, "body-000001", offset);
        store.open();
        const auto report = must(store->verify());
        REQUIRE(report.damages.size() == 1);
        CHECK(report.damages.front().file == "body-000001");
        CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 1));
    }
}

TEST_CASE("large body: the hash is what keeps a changed byte from being given out") {
    StoreFixture store(with_bodies());
    append(*store, 1);
    store.close();
    flip(store, "body-000001", 4 * kib + 100);
    store.open();
    planted_fault = PlantedFault::body_unchecked;
    const auto wrong = read_to_end(store->read_segment("sp", "seg"));
    planted_fault = PlantedFault::none;
    REQUIRE(wrong.entries.size() == 1);
    CHECK(wrong.entries.front().payload != body(1));
    store.reopen();
    CHECK(read_to_end(store->read_segment("sp", "seg")).error);
}

TEST_CASE("large body: after a kill all acknowledged ones are there, and numbers go on") {
    StoreFixture store(with_bodies());
    store.in_killed_process([](Store& other) {
        for (std::uint64_t number = 1; number <= 5; ++number)
            if (!other.append("sp", "seg", body(number))) return false;
        return true;
    });
    CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 5));
    append(*store, 6);
    CHECK(body_files(store).back() == "body-000004");
    CHECK(store->verify()->unknown_files.empty());
    CHECK(store->verify()->damages.empty());
}

TEST_CASE(
    "large body: a file that no frame refers to is reported, and goes once newer ones count") {
    StoreFixture store(with_bodies());
    append(*store, 1);
    store.close();
    std::filesystem::copy_file(store.directory() + "/body-000001",
                               store.directory() + "/body-000007");
    store.open();
    CHECK(store->stat().unknown_files == std::vector<std::string>{"body-000007"});
    append(*store, 2);
    CHECK(body_files(store).back() == "body-000008");
    store.reopen();
    CHECK(body_files(store) == std::vector<std::string>{"body-000001", "body-000008"});
    CHECK(payloads(entries(store->read_segment("sp", "seg"))) == bodies(1, 2));
}

TEST_CASE("large body: a retired file whose removal a crash undid goes with the next opening") {
    StoreFixture store(with_bodies());
    append_all(*store, 1, 3);
    must(store->drain());
    const std::string path = store.directory() + "/body-000001";
    std::filesystem::copy_file(path, path + ".kept");
    must(store->trim("sp", "seg", 2));
    CHECK_FALSE(std::filesystem::exists(path));
    store.close();
    std::filesystem::rename(path + ".kept", path);
    store.open();
    CHECK(body_files(store) == std::vector<std::string>{"body-000002"});
    CHECK(payloads(entries(store->read_segment("sp", "seg", {.from = 3}))) == bodies(3, 3));
}

TEST_CASE("large body: a reader beside the writer is given them") {
    StoreFixture store(with_bodies());
    append_all(*store, 1, 3);
    Options options = with_bodies();
    options.create = false;
    options.read_only = true;
    auto other = must(Store::open(store.directory(), options));
    CHECK(payloads(entries(other.read_segment("sp", "seg"))) == bodies(1, 3));
    must(store->drain());
    append_all(*store, 4, 6);
    must(other.refresh());
    CHECK(payloads(entries(other.read_segment("sp", "seg"))) == bodies(1, 6));
    CHECK(must(other.verify()).damages.empty());
}

TEST_CASE("large body: a store with few of them takes little for their files, which grow") {
    Options options = with_bodies();
    options.record_bytes_max = 1024 * kib;
    options.body_file_bytes = 3 * 1024 * kib;
    StoreFixture store(options);
    const auto bytes_of_newest = [&] {
        return std::filesystem::file_size(store.directory() + "/" + body_files(store).back());
    };
    std::vector<std::uint64_t> sizes;
    for (std::uint64_t i = 1; i <= 6; ++i) {
        must(store->append("sp", "seg", body(i, 900 * kib)));
        if (sizes.empty() || sizes.back() != bytes_of_newest()) sizes.push_back(bytes_of_newest());
    }
    CHECK(sizes == std::vector<std::uint64_t>{1024 * kib, 2048 * kib, 3072 * kib});
}

TEST_CASE("large body: concurrent commits of large bodies are all there, while they are read") {
    Options options = with_bodies();
    options.body_file_bytes = 64 * kib;
    StoreFixture store(options);
    constexpr std::uint64_t threads = 4;
    const std::uint64_t each = sanitized ? 20 : 100;
    std::vector<std::thread> writers;
    for (std::uint64_t t = 0; t < threads; ++t)
        writers.emplace_back([&, t] {
            for (std::uint64_t i = 1; i <= each; ++i) {
                const auto receipt = store->append("sp", segment_name(t), body(i, 5 * kib + i));
                CHECK(receipt.has_value());
            }
        });
    auto follower = store->follow_space("sp", {});
    for (std::uint64_t found = 0; found < threads * each; ++found) {
        const auto next = follower.next(std::chrono::seconds(60));
        REQUIRE(next != nullptr);
        REQUIRE_MESSAGE(*next, next->error().message());
        const std::uint64_t number = (**next).sequence.value;
        REQUIRE(as_text((**next).payload) == body(number, 5 * kib + number));
    }
    for (std::thread& writer : writers) writer.join();
    CHECK(store->verify()->damages.empty());
    store.reopen();
    for (std::uint64_t t = 0; t < threads; ++t)
        CHECK(entries(store->read_segment("sp", segment_name(t))).size() == each);
}

}  // namespace
}  // namespace braid::test
