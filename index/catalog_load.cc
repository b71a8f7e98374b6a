#include <fmt/format.h>

#include <algorithm>

#include "index/catalog.h"
#include "index/catalog_entries.h"
#include "index/catalog_record.h"
#include "segment/encoding.h"

namespace braid::index {

namespace {

using segment::FileIdentity;

// Between a listing and the opening, or within the listing, a writer may put a newer file in place
// and remove the older one.
constexpr int open_tries_max = 8;

struct CatalogFile {
    std::uint64_t number = 0;
    std::string name;
    std::vector<std::byte> bytes;
    FileIdentity identity;
};

Error corrupt(const CatalogFile& file, std::uint64_t offset, const std::string& what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: {}", file.name, offset, what)};
}

Result<CatalogFile> read_newest(io::Disk& disk) {
    for (int tries = 1;; ++tries) {
        auto files = disk.list();
        if (!files) return files.error();
        const std::vector<std::uint64_t> numbers = catalog_numbers(*files);
        if (numbers.empty() && tries < open_tries_max) continue;
        if (numbers.empty()) return Error(Errc::not_found, "there is no catalog file");
        CatalogFile file{numbers.back(), catalog_name(numbers.back()), {}, {}};
        auto opened = disk.open(file.name, {});
        if (!opened) {
            if (opened.error().code() == Errc::not_found && tries < open_tries_max) continue;
            return opened.error();
        }
        auto bytes = io::read_whole(**opened);
        if (!bytes) return bytes.error();
        file.bytes = *std::move(bytes);
        return file;
    }
}

Result<void> check_identity(CatalogFile& file) {
    auto identity = segment::read_file_header(file.bytes, file.name);
    if (!identity) return identity.error();
    file.identity = *identity;
    if (identity->kind != segment::FileKind::catalog)
        return corrupt(file, 0, "not a catalog but another kind of file");
    if (identity->number != file.number)
        return corrupt(file, 0,
                       fmt::format("number {} in the header expected, {} found", file.number,
                                   identity->number));
    if (identity->header_bytes % 8 != 0 || identity->header_bytes > file.bytes.size())
        return corrupt(file, 0,
                       fmt::format("a header of {} bytes in a file of {}", identity->header_bytes,
                                   file.bytes.size()));
    return {};
}

CatalogRecordKind kind_of(const CatalogRecordHeader& header) {
    return static_cast<CatalogRecordKind>(header.kind.value());
}

// How many segments the counters, with which a body begins, say to be named; 0 if that isn't told.
std::uint64_t names_before(Bytes body) {
    segment::ByteReader reader(body);
    const bool are_counters =
        reader.varint() == static_cast<std::uint64_t>(CatalogEntryType::counters);
    CatalogRecord record;
    const Bytes content = reader.bytes(reader.varint());
    if (!are_counters || reader.failed() || !decode_counters(content, record)) return 0;
    return record.next_segment == 0 ? 0 : record.next_segment.value - 1;
}

// Goes through the records of one file.
class Loader {
public:
    Loader(const CatalogFile& file, const std::function<Result<void>(const CatalogRecord&)>& apply,
           CatalogItems* items)
        : file_(file),
          apply_(apply),
          items_(items),
          seed_(catalog_seed(file.identity.store, file.number)) {
        loaded_.store = file.identity.store;
        loaded_.end.file = file.number;
        loaded_.end.offset = file.identity.header_bytes;
    }

    Result<LoadedCatalog> load() {
        if (items_ != nullptr) expect_names();
        do {
            auto good = take_record();
            if (!good) return good.error();
            if (!*good) {
                loaded_.torn_bytes = left().size();
                break;
            }
        } while (!left().empty());
        if (!loaded_.has_snapshot())
            return corrupt(file_, loaded_.end.offset, "the file ends before its snapshot");
        return std::move(loaded_);
    }

private:
    [[nodiscard]] Bytes left() const { return Bytes(file_.bytes).subspan(loaded_.end.offset); }

    // Room for the names of all parts is made once. The snapshot behind them tells how many there
    // are; this is only asked beforehand, so it is believed as far as the file's length allows.
    void expect_names() {
        constexpr std::uint64_t name_bytes_min = 5;  // type, length, id, space, an empty name
        Bytes at = left();
        for (auto header = sound_header(at, seed_);; header = sound_header(at, seed_)) {
            if (!header) return;
            const std::uint64_t bytes = segment::padded(header->body_bytes.value());
            if (bytes > at.size() - sizeof *header) return;
            if (kind_of(*header) != CatalogRecordKind::part) break;
            at = at.subspan(sizeof *header + bytes);
        }
        const std::uint64_t names = names_before(at.subspan(sizeof(CatalogRecordHeader)));
        items_->expect_names(std::min<std::uint64_t>(names, left().size() / name_bytes_min));
    }

    // Takes the record at the end so far. False if it is torn.
    Result<bool> take_record() {
        const auto header = sound_header(left(), seed_);
        if (header) {
            auto placed = check_place(*header);
            if (!placed) return placed.error();
        }
        const auto body = header ? sound_body(*header, left(), seed_) : std::nullopt;
        if (!body) return judge_bad_record(header.has_value());
        auto applied = apply_record(*header, *body);
        if (!applied) return applied.error();
        move_behind(*header);
        return true;
    }

    // A sound header that doesn't continue the chain was written on purpose: that isn't a torn
    // write.
    Result<void> check_place(const CatalogRecordHeader& header) const {
        const std::uint64_t offset = loaded_.end.offset;
        const CatalogRecordKind kind = kind_of(header);
        if (kind != CatalogRecordKind::snapshot && kind != CatalogRecordKind::drain &&
            kind != CatalogRecordKind::gather && kind != CatalogRecordKind::part)
            return Error(Errc::unsupported_version,
                         fmt::format("{} at offset {}: a record of unknown kind {}", file_.name,
                                     offset, header.kind.value()));
        const bool begins =
            kind == CatalogRecordKind::snapshot || kind == CatalogRecordKind::part;
        if (begins != !loaded_.has_snapshot())
            return corrupt(file_, offset,
                           begins ? "a snapshot, or part of one, behind the file's snapshot"
                                  : "the file doesn't begin with a snapshot");
        const bool is_first = offset == file_.identity.header_bytes;
        // The snapshot has its number from the file before, whatever the parts have.
        const std::uint64_t expected = is_first ? 1 : loaded_.end.next_record;
        if (kind != CatalogRecordKind::snapshot && header.number.value() != expected)
            return corrupt(file_, offset,
                           fmt::format("record {} expected, {} found", expected,
                                       header.number.value()));
        if (!is_first && header.previous.value() != loaded_.end.last_checksum)
            return corrupt(file_, offset, "the record doesn't follow the one before it");
        return {};
    }

    // A snapshot was synced before its file got its name, and a record before the next one was
    // written: so a snapshot, or a record with a later one behind it, that is bad now was damaged.
    Result<bool> judge_bad_record(bool header_sound) const {
        const char* part = header_sound ? "body or padding" : "header";
        if (!loaded_.has_snapshot())
            return corrupt(file_, loaded_.end.offset,
                           fmt::format("the {} of the snapshot, or of part of it, is damaged",
                                       part));
        const Bytes behind = left();
        for (std::size_t at = 8; at < behind.size(); at += 8) {
            const auto later = sound_header(behind.subspan(at), seed_);
            if (later && later->number.value() > loaded_.end.next_record)
                return corrupt(file_, loaded_.end.offset,
                               fmt::format("the {} of record {} is damaged, and record {} follows "
                                           "at offset {}",
                                           part, loaded_.end.next_record, later->number.value(),
                                           loaded_.end.offset + at));
        }
        return false;
    }

    Result<void> apply_record(const CatalogRecordHeader& header, Bytes body) {
        const CatalogRecordKind kind = kind_of(header);
        const auto place = [this] {
            return fmt::format("{} at offset {}", file_.name, loaded_.end.offset);
        };
        auto record = items_ != nullptr ? decode_catalog_body(kind, body, *items_)
                                        : decode_catalog_body(kind, body);
        if (!record) return record.error().within(place());
        auto applied = apply_(*record);
        if (!applied) return applied.error().within(place());
        return {};
    }

    void move_behind(const CatalogRecordHeader& header) {
        const std::uint64_t bytes = sizeof header + segment::padded(header.body_bytes.value());
        if (loaded_.has_snapshot()) {
            const Bytes record = left().first(bytes);
            loaded_.doubtful_offset = loaded_.end.offset;
            loaded_.doubtful.assign(record.begin(), record.end());
        }
        loaded_.end.offset += bytes;
        if (kind_of(header) == CatalogRecordKind::snapshot)
            loaded_.snapshot_end = loaded_.end.offset;
        loaded_.end.next_record = header.number.value() + 1;
        loaded_.end.last_checksum = header.checksum.value();
    }

    const CatalogFile& file_;
    const std::function<Result<void>(const CatalogRecord&)>& apply_;
    CatalogItems* items_;  // nullptr: all stays in the record
    std::uint64_t seed_;
    LoadedCatalog loaded_;
};

Result<LoadedCatalog> load(io::Disk& disk,
                           const std::function<Result<void>(const CatalogRecord&)>& apply,
                           CatalogItems* items) {
    auto file = read_newest(disk);
    if (!file) return file.error();
    if (auto identity = check_identity(*file); !identity) return identity.error();
    return Loader(*file, apply, items).load();
}

}  // namespace

Result<LoadedCatalog> load_catalog(io::Disk& disk,
                                   const std::function<Result<void>(const CatalogRecord&)>& apply) {
    return load(disk, apply, nullptr);
}

Result<LoadedCatalog> load_catalog(io::Disk& disk,
                                   const std::function<Result<void>(const CatalogRecord&)>& apply,
                                   CatalogItems& items) {
    return load(disk, apply, &items);
}

}  // namespace braid::index
