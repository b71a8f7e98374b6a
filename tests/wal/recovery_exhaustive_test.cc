#include "tests/wal/log_user.h"
#include "wal/recovery.h"

namespace braid::wal::test {
namespace {

using Disk = sim::SimDisk;

/// Six transactions over two rolls and a reopening; the last batch is attested if `sealed`.
std::unique_ptr<Disk> six(bool sealed) {
    auto disk = std::make_unique<Disk>();
    {
        LogUser log(*disk);
        REQUIRE(log.open());
        for (int i = 0; i < 5; ++i) REQUIRE(log.append(1, i == 2 ? 4100 : 100));
    }
    LogUser again(*disk, 0, {2 * file_bytes, 2 * file_bytes, 1 << 20});
    REQUIRE(again.open());
    REQUIRE(again.append());
    CHECK(again.writer->wants_seal());
    if (sealed) REQUIRE(again.seal());
    return disk;
}

/// The same transactions, or `corrupt`; or all but the last one, where `may_cut`.
void check_damaged(Disk& disk, std::uint64_t last, bool may_cut) {
    const Replay found = replay(disk);
    if (found.error) {
        REQUIRE(found.error->code() == Errc::corrupt);
        return;
    }
    if (found.transactions == through(last)) return;
    REQUIRE(may_cut);
    REQUIRE(found.transactions == through(last - 1));
}

/// Where the newest file's last batch stands.
struct Last {
    std::string name;
    std::uint64_t offset = 0;
};
Last last_batch(Disk& disk) {
    const Replay found = replay(disk);
    Last last;
    last.name = log_name(found.scan.predecessor_slot);
    last.offset = found.scan.attested_end;
    return last;
}

/// Every bit of headers, and one bit of a share of the bytes behind them.
std::vector<std::uint64_t> bits_to_flip(std::uint64_t bytes) {
    std::vector<std::uint64_t> bits;
    for (std::uint64_t byte = 0; byte < bytes; ++byte) {
        const std::uint64_t in_block = byte % io::block_bytes;
        if (in_block < 72) {
            for (std::uint64_t bit = 0; bit < 8; ++bit) bits.push_back(byte * 8 + bit);
        } else if (in_block < 200 || byte % 13 == 0) {
            bits.push_back(byte * 8 + byte % 8);
        }
    }
    return bits;
}

TEST_CASE("a flipped bit anywhere is found, or harmless, or cuts the unattested last batch") {
    for (const bool sealed : {false, true}) {
        const auto disk = six(sealed);
        const Last last = last_batch(*disk);
        for (const std::string& name : disk->names()) {
            for (const std::uint64_t bit : bits_to_flip(disk->contents(name).size())) {
                CAPTURE(name);
                CAPTURE(bit);
                const bool in_last = name == last.name && bit / 8 >= last.offset &&
                                     bit / 8 < last.offset + io::block_bytes;
                disk->flip_bit(name, bit);
                check_damaged(*disk, 6, !sealed && in_last);
                disk->flip_bit(name, bit);
            }
        }
        check_damaged(*disk, 6, false);
    }
}

TEST_CASE("a file cut anywhere, or gone, is found") {
    const auto disk = six(true);
    const std::string newest = last_batch(*disk).name;
    for (const std::string& name : disk->names()) {
        const auto bytes = disk->contents(name);
        for (std::uint64_t length = 0; length < bytes.size(); length += 512) {
            const auto cut = disk->clone();
            cut->truncate(name, length);
            CAPTURE(name);
            CAPTURE(length);
            REQUIRE(replay(*cut).error);
            REQUIRE(replay(*cut).error->code() == Errc::corrupt);
        }
        // Nothing but the catalog could tell that the file of the last opening is gone.
        const auto gone = disk->clone();
        gone->erase(name);
        if (name == newest) continue;
        const Replay found = replay(*gone);
        REQUIRE(found.error);
        CHECK(found.error->code() == Errc::corrupt);
    }
}

TEST_CASE("a block moved or copied anywhere never adds or changes a transaction") {
    const auto disk = six(true);
    const std::string newest = last_batch(*disk).name;
    for (const std::string& from : disk->names()) {
        for (const std::string& to : disk->names()) {
            for (std::uint64_t source = 0; source < 16384; source += io::block_bytes) {
                const auto bytes = disk->contents(from);
                if (source >= bytes.size()) continue;
                for (std::uint64_t target = 0; target < 16384; target += io::block_bytes) {
                    // A zeroed header of the last opening's file is like that file gone: see above.
                    if (to == newest && target == 0) continue;
                    const auto other = disk->clone();
                    other->replace(to, target, Bytes(bytes).subspan(source, io::block_bytes));
                    check_damaged(*other, 6, false);
                }
            }
        }
    }
}

/// What a disk after a crash must give: everything acknowledged, nothing out of order; and so again
/// after it was opened, and after the power went once more.
void check_after_crash(Disk& disk, std::uint64_t drained, std::uint64_t acked, std::uint64_t seed) {
    CAPTURE(seed);
    const Replay found = replay(disk, drained);
    CAPTURE(found.error ? found.error->message() : "");
    REQUIRE_FALSE(found.error);
    const std::uint64_t last = drained + found.transactions.size();
    REQUIRE(found.transactions == through(last, drained));
    REQUIRE(last >= acked);
    LogUser user(disk, drained);
    REQUIRE(user.open());
    const auto again = replay(*disk.power_loss_now(seed), drained);
    CAPTURE(again.error ? again.error->message() : "");
    REQUIRE_FALSE(again.error);
    REQUIRE(again.transactions == found.transactions);
}

/// Three openings with rolls, several batches in flight, seals, drains and files used again.
template <class Watch>
void workload(Disk& disk, Watch watch) {
    std::uint64_t drained = 0;
    std::uint64_t acked = 0;
    for (int opening = 0; opening < 3; ++opening) {
        LogUser log(disk, drained);
        watch(log, acked);
        REQUIRE(log.open());
        for (int i = 0; i < 6; ++i) {
            REQUIRE(log.submit(1 + i % 2, i == 3 ? 9000 : 200));
            if (i % 3 == 2) REQUIRE(log.settle());
            if (i == 4) log.drain(log.acked);
        }
        if (opening != 1) REQUIRE(log.settle());
        if (opening == 0) REQUIRE(log.seal());
        while (log.writer->in_flight() != 0) log.step();
        acked = log.acked;
        drained = log.drained();
        disk.on_change({});
    }
}

TEST_CASE("the power may go in the middle of every change of a workload") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        Disk disk(seed);
        workload(disk, [&](LogUser& log, std::uint64_t acked) {
            disk.on_change([&disk, &log, acked, seed](const sim::Change&) {
                const std::uint64_t floor = std::max(acked, log.acked);
                check_after_crash(*disk.after_crash(seed * 77), log.drained(), floor, seed);
            });
        });
    }
}

TEST_CASE("the process may end in every change, and the power go in every change of the opening") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        Disk disk(seed);
        workload(disk, [&](LogUser& log, std::uint64_t acked) {
            disk.on_change([&disk, &log, acked, seed](const sim::Change&) {
                const std::uint64_t drained = log.drained();
                const std::uint64_t floor = std::max(acked, log.acked);
                const auto killed = disk.clone();
                const Replay seen = replay(*killed, drained);
                REQUIRE_FALSE(seen.error);
                killed->on_change([&](const sim::Change&) {
                    check_after_crash(*killed->after_crash(seed), drained, floor, seed);
                });
                LogUser user(*killed, drained);
                REQUIRE(user.open());
                killed->on_change({});
                const Replay found = replay(*killed->power_loss_now(seed), drained);
                REQUIRE_FALSE(found.error);
                REQUIRE(found.transactions == seen.transactions);
            });
        });
    }
}

TEST_CASE("a crash in every write of an opening leaves the same transactions") {
    Disk disk;
    {
        LogUser log(disk, 0, {65536, 65536, 1 << 20});
        REQUIRE(log.open());
        REQUIRE(log.append());
        for (int i = 0; i < 4; ++i) REQUIRE(log.submit());
        REQUIRE(log.settle());
    }
    REQUIRE(replay(disk).scan.carried.size() == 4);
    std::uint64_t cuts = 0;
    disk.on_change([&](const sim::Change&) {
        for (std::uint64_t seed = 1; seed <= 30; ++seed) {
            check_after_crash(*disk.after_crash(seed), 0, 5, seed);
        }
        ++cuts;
    });
    LogUser again(disk);
    REQUIRE(again.open());
    CHECK(cuts >= 8);
    CHECK(replay(disk).transactions == through(5));
}

}  // namespace
}  // namespace braid::wal::test
