#include <fmt/format.h>

#include "index/catalog.h"
#include "index/catalog_record.h"

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
        do {
            auto good = take_record();
            if (!good) return good.error();
            if (!*good) {
                loaded_.torn_bytes = left().size();
                break;
            }
        } while (!left().empty());
        return std::move(loaded_);
    }

private:
    [[nodiscard]] Bytes left() const { return Bytes(file_.bytes).subspan(loaded_.end.offset); }

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
        first_ = false;
        return true;
    }

    // A sound header that doesn't continue the chain was written on purpose: that isn't a torn
    // write.
    Result<void> check_place(const CatalogRecordHeader& header) const {
        const std::uint64_t offset = loaded_.end.offset;
        const std::uint64_t number = header.number.value();
        const auto kind = static_cast<CatalogRecordKind>(header.kind.value());
        if (kind != CatalogRecordKind::snapshot && kind != CatalogRecordKind::drain &&
            kind != CatalogRecordKind::gather)
            return Error(Errc::unsupported_version,
                         fmt::format("{} at offset {}: a record of unknown kind {}", file_.name,
                                     offset, header.kind.value()));
        if ((kind == CatalogRecordKind::snapshot) != first_)
            return corrupt(file_, offset,
                           first_ ? "the first record is not a snapshot"
                                  : "a snapshot that is not the first record");
        if (first_) return {};
        if (number != loaded_.end.next_record)
            return corrupt(
                file_, offset,
                fmt::format("record {} expected, {} found", loaded_.end.next_record, number));
        if (header.previous.value() != loaded_.end.last_checksum)
            return corrupt(file_, offset, "the record doesn't follow the one before it");
        return {};
    }

    // A snapshot was synced before its file got its name, and a record before the next one was
    // written: so a snapshot, or a record with a later one behind it, that is bad now was damaged.
    Result<bool> judge_bad_record(bool header_sound) const {
        const char* part = header_sound ? "body or padding" : "header";
        if (first_)
            return corrupt(file_, loaded_.end.offset,
                           fmt::format("the {} of the snapshot is damaged", part));
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
        const auto kind = static_cast<CatalogRecordKind>(header.kind.value());
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
        if (!first_) {
            const Bytes record = left().first(bytes);
            loaded_.doubtful_offset = loaded_.end.offset;
            loaded_.doubtful.assign(record.begin(), record.end());
        }
        loaded_.end.offset += bytes;
        if (first_) loaded_.snapshot_end = loaded_.end.offset;
        loaded_.end.next_record = header.number.value() + 1;
        loaded_.end.last_checksum = header.checksum.value();
    }

    const CatalogFile& file_;
    const std::function<Result<void>(const CatalogRecord&)>& apply_;
    CatalogItems* items_;  // nullptr: all stays in the record
    std::uint64_t seed_;
    bool first_ = true;
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
