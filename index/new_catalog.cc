#include "index/new_catalog.h"

#include <braid/check.hpp>
#include <new>

namespace braid::index {

namespace {

std::string unfinished_name(std::uint64_t number) {
    return catalog_name(number) + ".new";
}

void check_kind(const CatalogRecord& record, CatalogRecordKind expected) {
    BRAID_CHECK(record.kind == expected,
                "a catalog file begins with parts and a snapshot, not with a record of kind {}",
                static_cast<unsigned>(record.kind));
}

// A file that can't be removed is in nobody's way: the next new catalog tries again.
void remove_older(io::Disk& disk, std::uint64_t number) {
    auto files = disk.list();
    if (!files) return;
    for (const std::uint64_t older : catalog_numbers(*files))
        if (older < number) static_cast<void>(disk.remove(catalog_name(older)));
}

}  // namespace

NewCatalog::NewCatalog(io::Disk& disk, const Uuid& store, std::uint64_t number,
                       std::unique_ptr<io::File> file)
    : disk_(&disk), store_(store), file_(std::move(file)) {
    parts_.file = number;
    parts_.offset = segment::file_header_bytes;
}

Result<NewCatalog> NewCatalog::begin(io::Disk& disk, const Uuid& store, std::uint64_t number) {
    segment::FileIdentity identity;
    identity.kind = segment::FileKind::catalog;
    identity.store = store;
    identity.number = number;
    const auto header = segment::make_file_header(identity);
    auto file =
        disk.open(unfinished_name(number), {.write = true, .create = true, .truncate = true});
    if (!file) return file.error();
    NewCatalog catalog(disk, store, number, std::move(*file));
    auto written =
        catalog.file_->write(std::as_bytes(std::span(&header, 1)), 0, io::WriteMode::cached);
    if (written) return catalog;
    catalog.give_up();
    return written.error();
}

Result<void> NewCatalog::append(const CatalogRecord& record, CatalogEnd& end) {
    const std::uint64_t offset = end.offset;
    const auto bytes = encode_catalog_record(record, store_, end);
    return file_->write(bytes, offset, io::WriteMode::cached);
}

Result<void> NewCatalog::add(const CatalogRecord& part) {
    check_kind(part, CatalogRecordKind::part);
    return append(part, parts_);
}

Result<void> NewCatalog::finish(const CatalogRecord& snapshot, CatalogEnd& end) {
    check_kind(snapshot, CatalogRecordKind::snapshot);
    CatalogEnd next = parts_;
    if (next.next_record == 1) next.last_checksum = end.last_checksum;
    next.next_record = end.next_record;
    auto done = append(snapshot, next);
    if (!done) return done;
    done = file_->sync();
    if (!done) return done;
    // Only a whole and durable file gets the name, and only once the name is durable too may older
    // files go.
    done = disk_->rename(unfinished_name(next.file), catalog_name(next.file));
    if (!done) return done;
    done = disk_->sync_directory();
    if (!done) return done;
    end = next;
    remove_older(*disk_, next.file);
    return {};
}

void NewCatalog::give_up() noexcept {
    try {
        static_cast<void>(disk_->remove(unfinished_name(parts_.file)));
    } catch (const std::bad_alloc&) {  // the next one overwrites it
    }
}

Result<void> write_catalog_file(io::Disk& disk, const CatalogRecord& snapshot, const Uuid& store,
                                CatalogEnd& end) {
    auto file = NewCatalog::begin(disk, store, end.file + 1);
    if (!file) return file.error();
    return file->finish(snapshot, end);
}

}  // namespace braid::index
