#include "engine/stored_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/store_files.h"
#include "io/aligned_buffer.h"
#include "io/planted.h"
#include "segment/body_file.h"
#include "segment/pack.h"
#include "segment/segment_file.h"

namespace braid {
namespace {

Error too_short(FileId id, std::uint64_t bytes, std::uint64_t wanted) {
    return Error(Errc::corrupt, fmt::format("{}: the file has {} bytes, {} of {}", id.name(), bytes,
                                            id.segment == FileId::of_bodies ? "a frame speaks"
                                                                            : "the catalog speaks",
                                            wanted));
}

}  // namespace

std::string FileId::name() const {
    if (segment == of_bodies) return segment::body_file_name(number);
    return segment == 0 ? segment::pack_name(number) : segment::segment_file_name(segment, number);
}

Result<std::unique_ptr<io::File>> StoredFiles::open(FileId id, bool direct) {
    auto file = disk_.open(id.name(), {.direct = direct});
    if (!file && file.error().code() == Errc::not_found)
        return Error(Errc::corrupt, fmt::format("{}: the file is missing", id.name()));
    return file;
}

StoredFiles::Kept& StoredFiles::use(FileId id) {
    auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        List fresh;
        fresh.push_front({id, {}});
        found = by_id_.emplace(id, fresh.begin()).first;
        kept_.splice(kept_.begin(), fresh);
        if (kept_.size() > options_.open_files_max) {
            unmap(kept_.back());
            by_id_.erase(kept_.back().id);
            kept_.pop_back();
        }
    }
    kept_.splice(kept_.begin(), kept_, found->second);
    return kept_.front();
}

/// A body file is cut when it is left, and that may be between two looks at its size.
Result<std::unique_ptr<io::Mapping>> StoredFiles::map_whole(io::File& file, FileId id,
                                                            std::uint64_t least) {
    auto size = file.size();
    for (;;) {
        if (!size) return size.error();
        if (*size < least) return too_short(id, *size, least);
        auto mapping = file.map(*size);
        const auto now = mapping ? size : file.size();
        if (mapping || (now && *now >= *size)) return mapping;
        size = now;
    }
}

Result<void> StoredFiles::map(Kept& kept, Access access, std::uint64_t least) {
    auto& ours = kept.mapped[static_cast<std::size_t>(access)];
    const auto& other = kept.mapped[1 - static_cast<std::size_t>(access)];
    if (ours != nullptr && ours->mapping->bytes().size() >= least) return {};
    auto file = open(kept.id);
    if (!file) return file.error();
    auto mapping = map_whole(**file, kept.id, least);
    if (!mapping) return mapping.error();
    if (access == Access::random) (*mapping)->expect_random_reads();
    auto mapped = std::make_shared<Mapped>();
    mapped->mapping = std::move(*mapping);
    const std::uint64_t size = mapped->mapping->bytes().size();
    const bool same = other != nullptr && other->mapping->bytes().size() == size;
    mapped->shared = same ? other->shared : std::make_shared<Shared>(size);
    unmap(kept, access);
    ours = std::move(mapped);
    return {};
}

/// What the other mapping shows, too, isn't there only for pins.
void StoredFiles::unmap(Kept& kept, Access access) noexcept {
    auto& mapped = kept.mapped[static_cast<std::size_t>(access)];
    const auto& other = kept.mapped[1 - static_cast<std::size_t>(access)];
    if (mapped == nullptr) return;
    if (other == nullptr || other->shared != mapped->shared)
        mapped->shared->pinned_share.begin(pinned_, mapped->mapping->bytes().size());
    mapped.reset();
}

void StoredFiles::unmap(Kept& kept) noexcept {
    unmap(kept, Access::sequential);
    unmap(kept, Access::random);
}

void StoredFiles::forget(const std::string& name) {
    const StoreFileNumbers numbers = store_file_numbers(name);
    FileId id{numbers.segment, static_cast<std::uint32_t>(numbers.number)};
    if (store_file_kind(name) == StoreFile::body) id.segment = FileId::of_bodies;
    {
        const std::scoped_lock lock(mutex_);
        const auto found = by_id_.find(id);
        if (found != by_id_.end()) {
            unmap(*found->second);
            kept_.erase(found->second);
            by_id_.erase(found);
        }
    }
    windows_.forget(id);
}

Result<StoredBytes> StoredFiles::view(FileId id, std::uint64_t offset, std::uint64_t length,
                                      Access access) {
    if (!are_mapped()) return copy(id, offset, length);
    const std::scoped_lock lock(mutex_);
    Kept& kept = use(id);
    if (auto done = map(kept, access, offset + length); !done) return done.error();
    const auto& mapped = kept.mapped[static_cast<std::size_t>(access)];
    return StoredBytes{mapped->mapping->bytes().subspan(offset, length), mapped,
                       &mapped->shared->verified,
                       access == Access::random ? mapped->mapping.get() : nullptr};
}

Result<StoredFiles::Stretch> StoredFiles::around(FileId id, std::uint64_t offset,
                                                 std::uint64_t length, std::uint64_t end) {
    constexpr std::uint64_t once = 64 << 10;  // bytes
    if (auto window = windows_.find(id, offset, length)) {
        const Bytes bytes(window->bytes);
        return Stretch{window->begin, {bytes, window}};
    }
    // An extent's header lies before its frame.
    const std::uint64_t begin =
        (offset - std::min<std::uint64_t>(offset, segment::extent_header_bytes)) / io::block_bytes *
        io::block_bytes;
    const std::uint64_t wanted = std::min(std::max(begin + once, offset + length), end);
    auto file = open(id);
    if (!file) return file.error();
    // Before memory is taken for a length that nobody has checked.
    auto size = (*file)->size();
    if (!size) return size.error();
    if (*size < wanted) return too_short(id, *size, wanted);
    auto window = std::make_shared<CopiedWindows::Window>();
    window->id = id;
    window->begin = begin;
    window->bytes.resize(wanted - begin);
    auto read = (*file)->read(window->bytes, begin);
    if (!read) return read.error();
    if (*read != window->bytes.size()) return too_short(id, begin + *read, wanted);
    windows_.keep(window);
    const Bytes bytes(window->bytes);
    return Stretch{begin, {bytes, std::move(window)}};
}

Result<StoredBytes> StoredFiles::copy(FileId id, std::uint64_t offset, std::uint64_t length) {
    auto file = open(id);
    if (!file) return file.error();
    // Before memory is taken for a length that nobody has checked.
    auto size = (*file)->size();
    if (!size) return size.error();
    if (*size < offset + length) return too_short(id, *size, offset + length);
    auto memory = std::make_shared<std::vector<std::byte>>(length);
    auto read = (*file)->read(*memory, offset);
    if (!read) return read.error();
    if (*read != length) return too_short(id, offset + *read, offset + length);
    return StoredBytes{Bytes(*memory), memory};
}

Result<StoredBytes> StoredFiles::copy_direct(FileId id, std::uint64_t offset,
                                             std::uint64_t length) {
    auto file = open(id, true);
    if (!file) return file.error();
    auto memory = std::make_shared<io::AlignedBuffer>(length);
    auto read = (*file)->read(memory->first(io::whole_blocks(length)), offset);
    if (!read) return read.error();
    if (*read < length) return too_short(id, offset + *read, offset + length);
    return StoredBytes{memory->first(length), memory};
}

/// A body file is read a page at a time and no further than a body: what lies behind it may be
/// being written, past the cache (docs/decisions/0010-large-bodies-written-once.md).
Result<StoredBytes> StoredFiles::body(const segment::BodyReference& reference, bool has_metadata) {
    const FileId id{FileId::of_bodies, static_cast<std::uint32_t>(reference.file)};
    const auto [file, offset, length, hash] = reference;
    auto stored =
        are_mapped() ? view(id, offset, length, Access::random) : copy(id, offset, length);
    if (!stored || (stored->verified != nullptr && stored->verified->has(offset))) return stored;
    if (stored->random != nullptr) stored->random->expect_reads(stored->bytes);
    const char* reason = segment::verify_body(reference, stored->bytes, has_metadata);
    if (reason == nullptr || is_planted(PlantedFault::body_unchecked)) {
        if (stored->verified != nullptr) stored->verified->add(offset);
        return stored;
    }
    // Somebody else's reading ahead may have left in the cache what the body has since replaced.
    auto again = copy_direct(id, offset, length);
    if (!again || segment::verify_body(reference, again->bytes, has_metadata) == nullptr)
        return again;
    return Error(Errc::corrupt, fmt::format("{} at offset {}: {}", id.name(), offset, reason));
}

}  // namespace braid
