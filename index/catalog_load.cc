#include <fmt/format.h>

#include <algorithm>
#include <array>

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
    std::unique_ptr<io::File> file;
    std::uint64_t bytes = 0;
    FileIdentity identity;
};

Error corrupt(const CatalogFile& file, std::uint64_t offset, const std::string& what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: {}", file.name, offset, what)};
}

Result<CatalogFile> open_newest(io::Disk& disk) {
    for (int tries = 1;; ++tries) {
        auto files = disk.list();
        if (!files) return files.error();
        const std::vector<std::uint64_t> numbers = catalog_numbers(*files);
        if (numbers.empty() && tries < open_tries_max) continue;
        if (numbers.empty()) return Error(Errc::not_found, "there is no catalog file");
        const std::string name = catalog_name(numbers.back());
        auto opened = disk.open(name, {});
        if (!opened) {
            if (opened.error().code() == Errc::not_found && tries < open_tries_max) continue;
            return opened.error();
        }
        auto bytes = (*opened)->size();
        if (!bytes) return bytes.error();
        return CatalogFile{numbers.back(), name, *std::move(opened), *bytes, {}};
    }
}

Result<void> check_identity(CatalogFile& file) {
    std::array<std::byte, segment::file_header_bytes> header;
    const auto read = file.file->read(header, 0);
    if (!read) return read.error();
    auto identity = segment::read_file_header(Bytes(header).first(*read), file.name);
    if (!identity) return identity.error();
    file.identity = *identity;
    if (identity->kind != segment::FileKind::catalog)
        return corrupt(file, 0, "not a catalog but another kind of file");
    if (identity->number != file.number)
        return corrupt(file, 0,
                       fmt::format("number {} in the header expected, {} found", file.number,
                                   identity->number));
    if (identity->header_bytes % 8 != 0 || identity->header_bytes > file.bytes)
        return corrupt(file, 0,
                       fmt::format("a header of {} bytes in a file of {}", identity->header_bytes,
                                   file.bytes));
    return {};
}

CatalogRecordKind kind_of(const CatalogRecordHeader& header) {
    return static_cast<CatalogRecordKind>(header.kind.value());
}

// With its padding.
std::uint64_t record_bytes(const CatalogRecordHeader& header) {
    return sizeof header + segment::padded(header.body_bytes.value());
}

// How many segments the counters, with which a body begins, say to be named, if all are in one
// space; else 0, or if that isn't told.
std::uint64_t names_before(Bytes body) {
    segment::ByteReader reader(body);
    const bool are_counters =
        reader.varint() == static_cast<std::uint64_t>(CatalogEntryType::counters);
    CatalogRecord record;
    const Bytes content = reader.bytes(reader.varint());
    if (!are_counters || reader.failed() || !decode_counters(content, record)) return 0;
    const bool is_one_space = record.next_space == 2 && record.next_segment != 0;
    return is_one_space ? record.next_segment.value - 1 : 0;
}

// A part brings nothing but segments: what else there is comes in one record.
bool is_of_segments(const CatalogRecord& record) {
    return record.packs.empty() && record.gathered.empty() && record.pieces.empty() &&
           record.sections.empty() && record.pack_trims.empty() && record.next_body_file == 0 &&
           record.consumers.empty() && record.leases.empty() && record.noted.empty();
}

// What is read of a file, some at a time into the same memory: new memory for all of a catalog
// would cost more than all else that is done with it.
class ReadAhead {
public:
    explicit ReadAhead(const CatalogFile& file) : file_(file) {}

    // So many bytes from `offset` on, or as many as there are. They stay until the next call.
    Result<Bytes> read(std::uint64_t offset, std::uint64_t length) {
        length = std::min(length, file_.bytes - offset);
        if (offset < begin_ || offset + length > begin_ + held_) {
            auto read = fill(offset, std::max(length, bytes_at_once));
            if (!read) return read.error();
        }
        const std::uint64_t at = offset - begin_;
        return Bytes(memory_.get() + at, std::min(length, held_ - at));
    }

private:
    static constexpr std::uint64_t bytes_at_once = 1 << 20;

    Result<void> fill(std::uint64_t offset, std::uint64_t length) {
        held_ = 0;
        length = std::min(length, file_.bytes - offset);
        if (room_ < length) {
            memory_ = std::make_unique_for_overwrite<std::byte[]>(length);
            room_ = length;
        }
        auto read = file_.file->read(std::span(memory_.get(), length), offset);
        if (!read) return read.error();
        begin_ = offset;
        held_ = *read;
        return {};
    }

    const CatalogFile& file_;
    std::unique_ptr<std::byte[]> memory_;
    std::uint64_t room_ = 0;
    std::uint64_t begin_ = 0;  // offset of what is held
    std::uint64_t held_ = 0;
};

// Goes through the records of one file.
class Loader {
public:
    Loader(const CatalogFile& file, const std::function<Result<void>(const CatalogRecord&)>& apply,
           CatalogItems* items)
        : file_(file),
          read_ahead_(file),
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
                loaded_.torn_bytes = left();
                break;
            }
        } while (left() != 0);
        if (!loaded_.has_snapshot())
            return corrupt(file_, loaded_.end.offset, "the file ends before its snapshot");
        if (auto kept = keep_doubtful(); !kept) return kept.error();
        return std::move(loaded_);
    }

private:
    [[nodiscard]] std::uint64_t left() const { return file_.bytes - loaded_.end.offset; }

    // Room for the names of all parts is made once if one space has them all. The snapshot behind
    // them tells that; it is only asked beforehand, so it is believed as far as the file's length
    // allows.
    void expect_names() {
        constexpr std::uint64_t name_bytes_min = 5;  // type, length, id, space, an empty name
        constexpr std::size_t counters_bytes_max = 64;
        std::array<std::byte, sizeof(CatalogRecordHeader) + counters_bytes_max> beginning;
        for (std::uint64_t offset = loaded_.end.offset; offset < file_.bytes;) {
            const auto read = file_.file->read(beginning, offset);
            const Bytes bytes = Bytes(beginning).first(read ? *read : 0);
            const auto header = sound_header(bytes, seed_);
            if (!header || header->body_bytes.value() > file_.bytes) return;
            if (kind_of(*header) != CatalogRecordKind::part) {
                const std::uint64_t names = names_before(bytes.subspan(sizeof *header));
                items_->expect_names(std::min(names, left() / name_bytes_min));
                return;
            }
            offset += record_bytes(*header);
        }
    }

    // Takes the record at the end so far. False if it is torn.
    Result<bool> take_record() {
        auto bytes = read_ahead_.read(loaded_.end.offset, sizeof(CatalogRecordHeader));
        if (!bytes) return bytes.error();
        const auto header = sound_header(*bytes, seed_);
        if (!header) return judge_bad_record(false);
        auto placed = check_place(*header);
        if (!placed) return placed.error();
        if (header->body_bytes.value() > left() - sizeof *header) return judge_bad_record(true);
        bytes = read_ahead_.read(loaded_.end.offset, record_bytes(*header));
        if (!bytes) return bytes.error();
        const auto body = sound_body(*header, *bytes, seed_);
        if (!body) return judge_bad_record(true);
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
        const bool begins = kind == CatalogRecordKind::snapshot || kind == CatalogRecordKind::part;
        if (begins != !loaded_.has_snapshot())
            return corrupt(file_, offset,
                           begins ? "a snapshot, or part of one, behind the file's snapshot"
                                  : "the file doesn't begin with a snapshot");
        const bool is_first = offset == file_.identity.header_bytes;
        // The snapshot has its number from the file before, whatever the parts have.
        const std::uint64_t expected = is_first ? 1 : loaded_.end.next_record;
        if (kind != CatalogRecordKind::snapshot && header.number.value() != expected)
            return corrupt(
                file_, offset,
                fmt::format("record {} expected, {} found", expected, header.number.value()));
        if (!is_first && header.previous.value() != loaded_.end.last_checksum)
            return corrupt(file_, offset, "the record doesn't follow the one before it");
        return {};
    }

    // A snapshot was synced before its file got its name, and a record before the next one was
    // written: so a snapshot, or a record with a later one behind it, that is bad now was damaged.
    Result<bool> judge_bad_record(bool header_sound) {
        const char* part = header_sound ? "body or padding" : "header";
        if (!loaded_.has_snapshot())
            return corrupt(
                file_, loaded_.end.offset,
                fmt::format("the {} of the snapshot, or of part of it, is damaged", part));
        const auto behind = read_ahead_.read(loaded_.end.offset, left());
        if (!behind) return behind.error();
        for (std::size_t at = 8; at < behind->size(); at += 8) {
            const auto later = sound_header(behind->subspan(at), seed_);
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
        if (kind == CatalogRecordKind::part && !is_of_segments(*record))
            return corrupt(file_, loaded_.end.offset, "part of a snapshot with more than segments");
        auto applied = apply_(*record);
        if (!applied) return applied.error().within(place());
        loaded_.next_space = record->next_space;
        loaded_.next_segment = record->next_segment;
        return {};
    }

    void move_behind(const CatalogRecordHeader& header) {
        if (loaded_.has_snapshot()) {
            loaded_.doubtful_offset = loaded_.end.offset;
            doubtful_bytes_ = record_bytes(header);
        }
        loaded_.end.offset += record_bytes(header);
        if (kind_of(header) == CatalogRecordKind::snapshot)
            loaded_.snapshot_end = loaded_.end.offset;
        loaded_.end.next_record = header.number.value() + 1;
        loaded_.end.last_checksum = header.checksum.value();
    }

    // The last record's bytes, read once more: they must be the same.
    Result<void> keep_doubtful() {
        if (doubtful_bytes_ == 0) return {};
        const auto bytes = read_ahead_.read(loaded_.doubtful_offset, doubtful_bytes_);
        if (!bytes) return bytes.error();
        const auto header = sound_header(*bytes, seed_);
        if (!header || !sound_body(*header, *bytes, seed_) ||
            header->checksum.value() != loaded_.end.last_checksum)
            return corrupt(file_, loaded_.doubtful_offset, "the record isn't what it just was");
        loaded_.doubtful.assign(bytes->begin(), bytes->end());
        return {};
    }

    const CatalogFile& file_;
    ReadAhead read_ahead_;
    const std::function<Result<void>(const CatalogRecord&)>& apply_;
    CatalogItems* items_;  // nullptr: all stays in the record
    std::uint64_t seed_;
    LoadedCatalog loaded_;
    std::uint64_t doubtful_bytes_ = 0;
};

Result<LoadedCatalog> load(io::Disk& disk,
                           const std::function<Result<void>(const CatalogRecord&)>& apply,
                           CatalogItems* items) {
    auto file = open_newest(disk);
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
