#include <fmt/format.h>
#include <braid/check.hpp>

#include <algorithm>
#include <charconv>

#include "index/catalog.h"

namespace braid::index {

namespace {

constexpr std::string_view name_prefix = "catalog-";

// Writes `name` whole and makes its content durable.
Result<void> write_durably(io::Disk& disk, const std::string& name,
                           const segment::FileHeader& header, Bytes record) {
    auto opened = disk.open(name, {.write = true, .create = true, .truncate = true});
    if (!opened) return opened.error();
    io::File& file = **opened;
    auto written = file.write(std::as_bytes(std::span(&header, 1)), 0, io::WriteMode::cached);
    if (!written) return written;
    written = file.write(record, segment::file_header_bytes, io::WriteMode::cached);
    if (!written) return written;
    return file.sync();
}

// A file that can't be removed is in nobody's way: the next new catalog tries again.
void remove_older(io::Disk& disk, std::uint64_t number) {
    auto files = disk.list();
    if (!files) return;
    for (const std::uint64_t older : catalog_numbers(*files))
        if (older < number) static_cast<void>(disk.remove(catalog_name(older)));
}

}  // namespace

std::string catalog_name(std::uint64_t number) {
    return fmt::format("{}{:06}", name_prefix, number);
}

std::vector<std::uint64_t> catalog_numbers(const std::vector<io::DirectoryEntry>& files) {
    std::vector<std::uint64_t> numbers;
    for (const io::DirectoryEntry& file : files) {
        if (!file.name.starts_with(name_prefix)) continue;
        std::uint64_t number = 0;
        const char* end = file.name.data() + file.name.size();
        std::from_chars(file.name.data() + name_prefix.size(), end, number);
        if (number != 0 && catalog_name(number) == file.name) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

Result<void> write_catalog_file(io::Disk& disk, const CatalogRecord& snapshot, const Uuid& store,
                                CatalogEnd& end) {
    BRAID_CHECK(snapshot.kind == CatalogRecordKind::snapshot,
                "a catalog file begins with a snapshot, not with a record of kind {}",
                static_cast<unsigned>(snapshot.kind));
    CatalogEnd next = end;
    next.file = end.file + 1;
    next.offset = segment::file_header_bytes;
    const std::vector<std::byte> record = encode_catalog_record(snapshot, store, next);
    segment::FileIdentity identity;
    identity.kind = segment::FileKind::catalog;
    identity.store = store;
    identity.number = next.file;

    const std::string name = catalog_name(next.file);
    const std::string unfinished = name + ".new";
    auto done = write_durably(disk, unfinished, segment::make_file_header(identity), record);
    if (!done) return done;
    // Only a whole and durable file gets the name, and only once the name is durable too may older
    // files go: a crash at any point leaves a newest file that is good.
    done = disk.rename(unfinished, name);
    if (!done) return done;
    done = disk.sync_directory();
    if (!done) return done;
    end = next;
    remove_older(disk, next.file);
    return {};
}

}  // namespace braid::index
