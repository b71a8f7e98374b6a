// Lengths that lie under a checksum that was mended: no crash, no hang, no memory without bounds,
// and never a wrong entry. Entries may be missing only where an error says so.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "index/catalog_record.h"
#include "segment/pack.h"
#include "tests/damage/trial.h"
#include "tests/main.h"
#include "wal/log_format.h"

namespace braid::damage {
namespace {

using sim::SimDisk;

std::vector<std::uint64_t> lies_about(std::uint64_t truth) {
    return {0,
            1,
            truth - 8,
            truth - 1,
            truth + 1,
            truth + 8,
            truth * 2,
            truth + 4096,
            1ULL << 31,
            1ULL << 32,
            1ULL << 60,
            1ULL << 63,
            ~std::uint64_t{0},
            ~std::uint64_t{0} - 4095};
}

std::uint64_t load(const std::vector<std::byte>& bytes, std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, width);
    return value;
}

void store_number(std::vector<std::byte>& bytes, std::size_t at, std::uint64_t value,
                  std::size_t width) {
    std::memcpy(bytes.data() + at, &value, width);
}

class Liar {
public:
    explicit Liar(const SampleStore& store, Trials& trials) : store_(store), trials_(trials) {
        const auto loaded = index::load_catalog(*store.disk, [&](const index::CatalogRecord& one) {
            records_.push_back(one);
            return Result<void>();
        });
        REQUIRE(loaded);
        uuid_ = loaded->store;
        seed_ = segment::store_seed(uuid_);
    }

    void log_headers();
    void batch_lengths();
    void order_blocks();
    void sparse_indexes();
    void catalog_lengths();

private:
    /// Writes `value` in place of the field, calls `mend`, and tries the file that comes out.
    template <class Mend>
    void lie(const std::string& file, const char* field, std::size_t at, std::size_t width,
             Mend&& mend) {
        const auto whole = store_.disk->contents(file);
        for (const std::uint64_t value : lies_about(load(whole, at, width))) {
            auto bytes = whole;
            store_number(bytes, at, value, width);
            if (bytes == whole) continue;
            mend(bytes);
            try_bytes(fmt::format("{} {} of {} at {}", file, field, value, at), file, bytes);
        }
    }
    void try_bytes(const std::string& what, const std::string& file,
                   const std::vector<std::byte>& bytes) {
        Allowed allowed;
        allowed.floor = store_.floor_of(file, bytes);
        trials_.damage(
            what,
            [&](SimDisk& disk) {
                disk.truncate(file, 0);
                disk.replace(file, 0, bytes);
            },
            allowed);
    }
    template <class Field>
    void lie_in_catalog(const char* what, Field&& field);

    const SampleStore& store_;
    Trials& trials_;
    std::vector<index::CatalogRecord> records_;
    Uuid uuid_{};
    std::uint64_t seed_ = 0;
};

void Liar::log_headers() {
    for (const std::string& file : store_.files) {
        if (!file.starts_with("log-")) continue;
        const auto mend = [](std::vector<std::byte>& bytes) {
            const auto header = Bytes(bytes).first(segment::file_header_bytes);
            store_number(bytes, 0, segment::checksum(header.subspan(8), 0), 8);
        };
        lie(file, "header_bytes", 20, 4, mend);
        lie(file, "capacity", 72, 8, mend);
        lie(file, "predecessor_end", 88, 8, mend);
    }
}

void Liar::batch_lengths() {
    for (const std::string& file : store_.files) {
        if (!file.starts_with("log-")) continue;
        const auto whole = store_.disk->contents(file);
        const auto header = wal::decode_log_header(Bytes(whole).first(io::block_bytes), file);
        REQUIRE(header);
        if (!*header) continue;
        for (std::size_t at = io::block_bytes; at < whole.size(); at += io::block_bytes) {
            if (!wal::look_at_batch(whole, at, (*header)->seed()).batch) continue;
            lie(file, "body_bytes", at + 56, 4, [&](std::vector<std::byte>& bytes) {
                const std::uint64_t seed = segment::mix_seed((*header)->seed(), at);
                const auto hashed = Bytes(bytes).subspan(at + 8, wal::batch_header_bytes - 8);
                store_number(bytes, at, segment::checksum(hashed, seed), 8);
            });
        }
    }
}

void Liar::order_blocks() {
    for (const index::CatalogRecord& record : records_) {
        for (const index::OrderSection& section : record.sections) {
            const auto mend = [&](std::vector<std::byte>& bytes) {
                const auto count = std::min<std::uint64_t>(load(bytes, section.offset + 46, 2),
                                                           bytes.size() - section.offset);
                if (count < 8) return;
                const auto hashed = Bytes(bytes).subspan(section.offset + 8, count - 8);
                const std::uint64_t seed = segment::mix_seed(seed_, section.pack);
                store_number(bytes, section.offset, segment::checksum(hashed, seed), 8);
            };
            const std::string file = segment::pack_name(section.pack);
            if (!store_.disk->exists(file)) continue;  // was gathered
            lie(file, "records", section.offset + 40, 4, mend);
            lie(file, "entries", section.offset + 44, 2, mend);
            lie(file, "bytes", section.offset + 46, 2, mend);
        }
    }
}

void Liar::sparse_indexes() {
    for (const index::CatalogRecord& record : records_) {
        for (const segment::Piece& piece : record.pieces) {
            const auto mend = [&](std::vector<std::byte>& bytes) {
                const auto hashed =
                    Bytes(bytes).subspan(piece.index_offset + 8, piece.index_bytes - 8);
                store_number(bytes, piece.index_offset, segment::checksum(hashed, seed_), 8);
            };
            const std::string file = segment::segment_file_name(piece.segment, piece.file);
            lie(file, "entries", piece.index_offset + 12, 4, mend);
            lie(file, "frames_offset", piece.index_offset + 24, 8, mend);
            lie(file, "frames_bytes", piece.index_offset + 32, 8, mend);
        }
    }
}

/// Encodes the catalog anew with one number of its newest record changed.
template <class Field>
void Liar::lie_in_catalog(const char* what, Field&& field) {
    for (const std::uint64_t value : lies_about(field(records_.back()))) {
        std::vector<index::CatalogRecord> records = records_;
        auto& number = field(records.back());
        number = static_cast<std::remove_reference_t<decltype(number)>>(value);
        auto bytes = store_.disk->contents(store_.catalog);
        bytes.resize(segment::file_header_bytes);
        index::CatalogEnd end;
        end.file = 1;
        end.offset = bytes.size();
        for (const index::CatalogRecord& record : records) {
            const auto encoded = index::encode_catalog_record(record, uuid_, end);
            bytes.insert(bytes.end(), encoded.begin(), encoded.end());
        }
        try_bytes(fmt::format("the catalog's {} is {}", what, value), store_.catalog, bytes);
    }
}

void Liar::catalog_lengths() {
    using index::CatalogRecord;
    REQUIRE(!records_.back().pieces.empty());
    lie_in_catalog(
        "extents_end", [](auto& r) -> auto& { return r.packs.back().extents_end; });
    lie_in_catalog(
        "order_offset", [](auto& r) -> auto& { return r.packs.back().order_offset; });
    lie_in_catalog(
        "pack bytes", [](auto& r) -> auto& { return r.packs.back().bytes; });
    lie_in_catalog(
        "piece offset", [](auto& r) -> auto& { return r.pieces.back().offset; });
    lie_in_catalog(
        "frames_bytes", [](auto& r) -> auto& { return r.pieces.back().frames_bytes; });
    lie_in_catalog(
        "index_offset", [](auto& r) -> auto& { return r.pieces.back().index_offset; });
    lie_in_catalog(
        "index_bytes", [](auto& r) -> auto& { return r.pieces.back().index_bytes; });
    lie_in_catalog(
        "order offset", [](auto& r) -> auto& { return r.sections.back().offset; });
    lie_in_catalog(
        "order bytes", [](auto& r) -> auto& { return r.sections.back().bytes; });
}

void lie_everywhere(const SampleStore& store, const char* test) {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        Trials trials(store, test, mode);
        Liar liar(store, trials);
        liar.log_headers();
        liar.batch_lengths();
        liar.order_blocks();
        liar.sparse_indexes();
        liar.catalog_lengths();
        if (!trials.problem().empty()) FAIL_CHECK(trials.problem());
        fmt::print("figure: lengths that lie ({} store, {}): {}\n", store.name,
                   mode == ReadMode::mapped ? "mapped" : "copied", trials.tally().damages);
    }
}

TEST_CASE("damage: lengths that lie are bounded before they are used (rule 5)") {
    if (test::io() == Io::posix) return;
    const char* test = "damage: lengths that lie*";
    lie_everywhere(make_small_store(), test);
    lie_everywhere(make_large_store(), test);
}

}  // namespace
}  // namespace braid::damage
